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
use crate::store::{Key, StoreBatch, StoreError, StoreQuery, Table};
use crate::trace::Event;

const BIND: &str =
    "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>r</resource></bind></iq>";

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

/// Damages all rows of a table that are about an account.
fn damage(world: &mut World, table: Table, user: &str) {
    let from = Key::new(table, &["x.example", user]);
    let to = from.prefix_end();
    let mut batch = StoreBatch::new();
    for row in world.store.query(&StoreQuery::Range { from, to, limit: u32::MAX }) {
        batch.add_put(row.key, Bytes::from_static(b"?"));
    }
    assert!(!batch.writes.is_empty(), "{table:?}");
    world.store.apply(&batch);
}

fn unrestored(world: &World) -> usize {
    world.events.iter().filter(|event| matches!(event, Event::Unrestored { .. })).count()
}

#[test]
fn a_node_starts_without_what_is_damaged_leaves_it_and_serves_the_others() {
    for (table, serves) in
        [(Table::Cell, false), (Table::Archive, false), (Table::Session, true), (Table::Unacked, true)]
    {
        let (mut world, [alice, _], [kept, left]) = two();
        world.send(alice, "<message to='bob@x.example/r' type='chat'><body>1</body></message>");
        let before = (rows(&world, Table::Session), rows(&world, Table::Unacked));
        damage(&mut world, table, "bob");
        world.kill();
        assert!(!world.stopped, "{table:?}");
        assert_eq!((unrestored(&world), world.node.sessions()), (1, 1), "{table:?}");
        assert_eq!((rows(&world, Table::Session), rows(&world, Table::Unacked)), before, "{table:?}");
        let (alice, said) = resume(&mut world, "alice", &kept, 0);
        assert!(said.starts_with("<resumed "), "{table:?}: {said}");
        if table == Table::Cell {
            let bob = world.open();
            world.header(bob);
            world.auth(bob, "bob", "pw");
            assert!(world.read(bob).contains("<temporary-auth-failure"), "{table:?}");
        } else {
            let (bob, said) = resume(&mut world, "bob", &left, 0);
            assert!(said.contains("<item-not-found "), "{table:?}: {said}");
            world.send(bob, BIND);
            let bound = world.read(bob);
            assert_eq!(bound.contains("<jid>bob@x.example/r</jid>"), serves, "{table:?}: {bound}");
            assert_eq!(bound.contains("<internal-server-error "), !serves, "{table:?}: {bound}");
        }
        world.read(alice);
        world.send(alice, "<message to='bob@x.example' type='chat'><body>2</body></message>");
        assert_eq!(world.read(alice).contains("<internal-server-error "), !serves, "{table:?}");
        // It is there after the next start as well.
        world.kill();
        assert!(!world.stopped && unrestored(&world) == 2, "{table:?}");
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
