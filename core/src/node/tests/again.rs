//! Entries of other nodes that could not be written, or come again.

use super::messages::bodies;
use super::taking::{KINDS, hear, pair, rows, say, written};
use crate::exchange::Supply as _;
use crate::store::{StoreError, Table};
use crate::sync::check::agree;

#[test]
fn what_is_said_again_while_the_disk_takes_nothing_is_written_and_given_once() {
    let (mut a, mut b, alice, bob) = pair();
    for body in ["one", "two", "three"] {
        say(&mut a, alice, "bob", body);
    }
    let logs = written(&a, KINDS[1]);
    b.disk = Err(StoreError::Full);
    hear(&mut b, KINDS[1], logs.clone());
    let kept = (3, logs.iter().map(|sealed| sealed.bytes.len()).sum());
    assert_eq!(b.node.groups.held_back(), kept);
    for _ in 0..3 {
        // The last one alone has nothing to stand behind.
        hear(&mut b, KINDS[1], logs[2..].to_vec());
        hear(&mut b, KINDS[1], logs.clone());
        b.pass(5_000_000);
        assert_eq!(b.node.groups.held_back(), kept, "each is kept once");
    }
    b.disk = Ok(());
    b.pass(5_000_000);
    let said = b.read(bob);
    assert_eq!(bodies(&said), ["one", "two", "three"], "{said}");
    assert_eq!(b.node.groups.held_back(), (0, 0));
    for table in [Table::Message, Table::Log, Table::LogId] {
        assert_eq!(rows(&b, table), rows(&a, table), "{table:?}");
    }
    for user in ["alice@x.example", "bob@x.example"] {
        let counts = |world: &crate::node::harness::World| world.node.archives.counts(user).bytes;
        assert_eq!(counts(&b), counts(&a), "{user}");
    }
    agree(&b.store);
}

#[test]
fn what_waits_for_a_write_under_way_is_counted_with_its_bytes() {
    let (mut a, mut b, alice, _) = pair();
    let far = b.login("alice", "far", None);
    b.waiting = Some(Vec::new());
    b.send(far, ITEM);
    a.send(alice, ITEM);
    let cells = written(&a, KINDS[0]);
    let last = cells.last().unwrap().bytes.len();
    hear(&mut b, KINDS[0], cells);
    assert_eq!(b.node.groups.held_back(), (1, last), "the row holds what may fail");
    b.waiting = None;
}

#[test]
fn there_is_a_bound_for_what_failed_and_what_is_beyond_it_is_asked_for_again() {
    let (mut a, mut b, alice, _) = pair();
    let (origin, long) = (a.node.ledger.origin(), "x".repeat(200_000));
    b.disk = Err(StoreError::Full);
    let mut logs = Vec::new();
    for number in 0..90 {
        say(&mut a, alice, "bob", &long);
        logs.extend(a.node.groups.sealed(KINDS[1], origin.dot(2 * number + 1)));
        hear(&mut b, KINDS[1], logs[logs.len() - 1..].to_vec());
    }
    let (kept, bytes) = b.node.groups.held_back();
    assert!((80..90).contains(&kept) && bytes <= 16 << 20, "16 MiB: {kept}");
    b.disk = Ok(());
    b.pass(5_000_000);
    assert_eq!(b.node.groups.held_back(), (0, 0));
    hear(&mut b, KINDS[1], logs);
    assert_eq!(rows(&b, Table::Message), rows(&a, Table::Message));
    agree(&b.store);
}

const ITEM: &str =
    "<iq type='set' id='i'><query xmlns='jabber:iq:roster'><item jid='c@x.example' name='c'/></query></iq>";
