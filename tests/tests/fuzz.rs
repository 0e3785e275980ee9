//! The fuzz targets on stable: a fixed number of rounds each, and every file of their corpora.

use std::cell::RefCell;
use std::collections::BTreeSet;

use arbitrary::Unstructured;
use arbtest::arbtest;
use eyot_tests::targets::{TARGETS, Target, jid, node, peer, xml};

/// Calls `property` with `rounds` byte strings of 32 to 8192 bytes, the same in every run.
fn rounds(rounds: u64, mut property: impl FnMut(&mut Unstructured<'_>) -> arbitrary::Result<()>) {
    for round in 1..=rounds {
        let size = 32 << (round % 9);
        // The low half of a seed is the size, the high half the randomness.
        let seed = round.wrapping_mul(0x9e37_79b9_7f4a_7c15) << 32 | size;
        arbtest(&mut property).seed(seed).run();
    }
}

#[test]
fn arbitrary_streams_give_the_same_tokens_in_any_slicing() {
    rounds(10_000, xml::pieces);
}

#[test]
fn arbitrary_letters_make_stable_addresses() {
    rounds(20_000, jid::letters);
}

#[test]
fn a_node_keeps_the_contract_under_arbitrary_inputs() {
    let seen = RefCell::new(BTreeSet::new());
    rounds(6_000, |data| {
        seen.borrow_mut().extend(node::run(data));
        Ok(())
    });
    // Rounds that never get past the login would prove little.
    let wanted = [
        "account",
        "bound",
        "limit",
        "login failed",
        "routed to many",
        "routed to one",
        "store failed",
        "stream error",
        "unbound",
    ];
    let missing: Vec<_> = wanted.iter().filter(|name| !seen.borrow().contains(*name)).collect();
    assert!(missing.is_empty(), "never happened: {missing:?}");
}

#[test]
fn two_nodes_bear_whatever_passes_between_them() {
    let seen = RefCell::new(BTreeSet::new());
    rounds(600, |data| {
        seen.borrow_mut().extend(peer::run(data));
        Ok(())
    });
    let wanted = ["called", "connected", "down", "moved", "refused", "up"];
    let missing: Vec<_> = wanted.iter().filter(|name| !seen.borrow().contains(*name)).collect();
    assert!(missing.is_empty(), "never happened: {missing:?}");
}

#[test]
fn every_corpus_is_replayed() {
    for Target { name, run } in TARGETS {
        let folder = format!("{}/fuzz/corpus/{name}", env!("CARGO_MANIFEST_DIR"));
        let mut files: Vec<_> = std::fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{folder}: {error}"))
            .map(|entry| entry.expect("the folder can be listed").path())
            .collect();
        files.sort();
        assert!(!files.is_empty(), "{folder} is empty");
        for file in files {
            run(&std::fs::read(&file).expect("a corpus file can be read"));
        }
    }
}
