//! What happens while accounts or archives cannot be read.

use std::collections::VecDeque;

use bytes::Bytes;

use super::acks::{message, two};
use super::messages::{bodies, rows};
use super::resumption::{ids, resume};
use crate::io::ConnId;
use crate::jid::FullJid;
use crate::node::harness::World;
use crate::service::effect::Effect;
use crate::session::{Slot, What};
use crate::stanza::Stanza;
use crate::store::{StoreError, Table};
use crate::trace::Event;

fn failures(world: &World) -> usize {
    let failed = Event::StoreFailed { error: StoreError::Io };
    world.events.iter().filter(|event| **event == failed).count()
}

#[test]
fn a_node_does_not_start_without_the_accounts_of_its_sessions() {
    for table in [Table::Cell, Table::Archive, Table::Unacked] {
        let (mut world, [alice, _], [_, id]) = two();
        world.send(alice, &message("bob", "1"));
        let before = (rows(&world, Table::Session), rows(&world, Table::Unacked));
        assert_eq!(before.0, 2);
        world.unreadable = vec![table];
        world.kill();
        assert!(world.stopped, "{table:?}");
        assert!(failures(&world) > 0, "{table:?}");
        world.pass(10_000_000);
        assert_eq!((rows(&world, Table::Session), rows(&world, Table::Unacked)), before, "{table:?}");
        world.unreadable.clear();
        world.kill();
        assert!(!world.stopped);
        let (_, said) = resume(&mut world, "bob", &id, 0);
        assert!(said.starts_with("<resumed "), "{said}");
        assert_eq!(ids(&said), ["1"], "{table:?}");
    }
}

/// Alice is there, and nothing of bob is in memory when what a session of his left cannot be handed on.
fn left(table: Table) -> (World, ConnId) {
    let mut world = World::new();
    world.add("alice");
    world.add("bob");
    world.kill();
    let alice = world.login("alice", "a", Some(0));
    world.unreadable = vec![table];
    let text = "<message from='alice@x.example/a' to='bob@x.example' type='chat'><body>left</body></message>";
    let packet = Stanza::parse(Bytes::from(text)).unwrap().packet();
    world.run(|cx| {
        let what = What::Message(cx.ledger.stamp(cx.now.wall));
        let slots = VecDeque::from([Slot { packet, gate: 0, op: None, what }]);
        cx.effect(Effect::Undelivered(FullJid::parse("bob@x.example/r").unwrap(), slots));
    });
    (world, alice)
}

fn what_is_left_waits_for_another_read(table: Table) {
    let (mut world, alice) = left(table);
    assert_eq!(failures(&world), 1, "one read");
    world.pass(999_999);
    assert_eq!(failures(&world), 1, "not at once");
    world.pass(1);
    assert_eq!(failures(&world), 2);
    world.send(alice, "<message to='bob@x.example' type='chat'><body>new</body></message>");
    assert_eq!((rows(&world, Table::Owed), world.read(alice).as_str()), (0, ""), "it waits behind it");
    world.unreadable.clear();
    world.pass(1_000_000);
    assert_eq!(failures(&world), 2);
    assert_eq!(rows(&world, Table::Owed), 2);
    let bob = world.login("bob", "r", None);
    world.send(bob, "<presence/>");
    assert_eq!(bodies(&world.read(bob)), ["left", "new"]);
}

#[test]
fn what_a_session_left_waits_until_its_account_can_be_read() {
    what_is_left_waits_for_another_read(Table::Cell);
}

#[test]
fn what_a_session_left_waits_until_its_archive_can_be_read() {
    what_is_left_waits_for_another_read(Table::Archive);
}
