//! The fuzz targets on stable: a fixed number of rounds each, and every file of their corpora.

use arbtest::arbtest;
use eyot_tests::targets::{TARGETS, Target, jid, node, xml};

/// Milliseconds of each target beyond its first round.
const BUDGET_MS: u64 = 2_000;

#[test]
fn arbitrary_streams_give_the_same_tokens_in_any_slicing() {
    arbtest(xml::pieces).budget_ms(BUDGET_MS);
}

#[test]
fn arbitrary_letters_make_stable_addresses() {
    arbtest(jid::letters).budget_ms(BUDGET_MS);
}

#[test]
fn a_node_keeps_the_contract_under_arbitrary_inputs() {
    arbtest(node::actions).budget_ms(BUDGET_MS);
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
