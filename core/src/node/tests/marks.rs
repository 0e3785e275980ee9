//! What accounts were given, over nodes: who is told, what is owed no longer, and what is looked up that was left.

use super::acks::{ENABLE, ack, id_of};
use super::late::{HINT, nodes, say};
use super::messages::bodies;
use super::taking::{KINDS, hear, rows, written};
use crate::node::harness::World;
use crate::store::{StoreError, Table};
use crate::sync::check::agree;

pub(super) const SECOND: u64 = 1_000_000;

/// Lets a node hear all that another one has written, messages last.
pub(super) fn tell(from: &World, to: &mut World) {
    for kind in KINDS {
        hear(to, kind, written(from, kind));
    }
}

/// Lets a session of bob's come and go. Returns what it was given.
pub(super) fn visit(world: &mut World, resource: &str) -> Vec<String> {
    let conn = world.login("bob", resource, None);
    world.send(conn, "<presence/>");
    let said = world.read(conn);
    world.cut(conn);
    bodies(&said).into_iter().map(String::from).collect()
}

pub(super) fn owed(world: &World) -> usize {
    agree(&world.store);
    rows(world, Table::Owed).len()
}

#[test]
fn what_was_given_at_one_node_is_owed_at_no_other() {
    for hint in ["", HINT] {
        let [mut a, mut b, mut c] = nodes([7, 8, 9]);
        say(&mut a, "alice", 5, hint, "one");
        say(&mut a, "carol", 6, hint, "two");
        tell(&a, &mut b);
        tell(&a, &mut c);
        assert_eq!([owed(&a), owed(&b), owed(&c)], [2; 3], "{hint}");
        assert_eq!(visit(&mut b, "desk"), ["one", "two"], "{hint}");
        for node in [&mut a, &mut c] {
            tell(&b, node);
            assert_eq!(owed(node), 0, "{hint}");
            assert_eq!(visit(node, "phone"), [""; 0], "{hint}");
        }
        if !hint.is_empty() {
            assert_eq!([&a, &b, &c].map(|node| rows(node, Table::Message).len()), [0; 3]);
        }
    }
}

#[test]
fn a_node_that_has_lost_its_disk_owes_what_no_mark_covers_whichever_it_hears_first() {
    for hint in ["", HINT] {
        for messages_first in [false, true] {
            let [mut a, mut b, mut c] = nodes([7, 8, 9]);
            say(&mut a, "alice", 5, hint, "given");
            tell(&a, &mut b);
            assert_eq!(visit(&mut b, "desk"), ["given"]);
            say(&mut a, "alice", 10, hint, "not given");
            if messages_first {
                hear(&mut c, KINDS[1], written(&a, KINDS[1]));
                assert_eq!(owed(&c), 2, "{hint}");
            }
            tell(&b, &mut c);
            hear(&mut c, KINDS[1], written(&a, KINDS[1]));
            assert_eq!(owed(&c), 1, "{hint}");
            assert_eq!(visit(&mut c, "phone"), ["not given"], "{hint}");
        }
    }
}

#[test]
fn what_a_client_has_not_acknowledged_is_owed_until_somebody_has() {
    let [mut a, mut b] = nodes([7, 8]);
    let phone = b.login("bob", "phone", Some(0));
    b.send(phone, ENABLE);
    id_of(&b.read(phone));
    for (second, body) in [(5, "one"), (6, "two"), (7, "three")] {
        say(&mut a, "alice", second, "", body);
    }
    tell(&a, &mut b);
    assert_eq!(bodies(&b.read(phone)), ["one", "two", "three"]);
    b.send(phone, &ack(2));
    b.pass(61 * SECOND);
    tell(&b, &mut a);
    assert_eq!(owed(&a), 1, "the last one is on its way");
    b.cut(phone);
    b.pass(601 * SECOND);
    assert_eq!(owed(&b), 1, "the phone has left it");
    tell(&b, &mut a);
    assert_eq!(visit(&mut a, "desk"), ["three"]);
    tell(&a, &mut b);
    assert_eq!(owed(&b), 0);
    assert_eq!(visit(&mut b, "desk"), [""; 0]);
}

#[test]
fn a_mark_that_could_not_be_written_is_written_later_and_nothing_is_owed_twice() {
    let [mut a, mut b] = nodes([7, 8]);
    let desk = b.login("bob", "desk", None);
    b.send(desk, "<presence/>");
    say(&mut a, "alice", 5, "", "one");
    tell(&a, &mut b);
    assert_eq!(bodies(&b.read(desk)), ["one"]);
    b.disk = Err(StoreError::Full);
    b.pass(61 * SECOND);
    tell(&b, &mut a);
    assert_eq!(owed(&a), 1);
    b.disk = Ok(());
    b.pass(121 * SECOND);
    tell(&b, &mut a);
    assert_eq!(owed(&a), 0);
    // The row that the mark was to take could not be taken: it is not given all the same.
    say(&mut a, "alice", 400, "", "two");
    tell(&a, &mut b);
    assert_eq!(bodies(&b.read(desk)), ["two"]);
    b.pass(61 * SECOND);
    a.disk = Err(StoreError::Io);
    hear(&mut a, KINDS[0], written(&b, KINDS[0]));
    a.disk = Ok(());
    a.pass(5 * SECOND);
    hear(&mut a, KINDS[0], written(&b, KINDS[0]));
    assert_eq!(visit(&mut a, "phone"), [""; 0]);
    assert_eq!(owed(&a), 0);
}
