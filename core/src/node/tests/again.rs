//! Entries of other nodes that could not be written, or come again.

use bytes::Bytes;

use super::jid;
use super::messages::bodies;
use super::taking::{KINDS, hear, hear_all, node, pair, rows, say, written};
use crate::exchange::Supply as _;
use crate::io::{Command, ConnId, Secret};
use crate::node::harness::World;
use crate::store::{Key, Row, StoreBatch, StoreError, StoreQuery, Table};
use crate::sync::check::agree;
use crate::trace::Event;

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
        let counts = |world: &World| world.node.archives.counts(user).bytes;
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

/// Damages all rows of a table that are about an account. Returns them as they were.
fn damage(world: &mut World, table: Table, user: &str) -> Vec<Row> {
    let from = Key::new(table, &["x.example", user]);
    let to = from.prefix_end();
    let rows = world.store.query(&StoreQuery::Range { from, to, limit: u32::MAX });
    assert!(!rows.is_empty(), "{table:?}");
    let worse = |row: &Row| Row { key: row.key.clone(), value: Bytes::from_static(b"?") };
    put(world, rows.iter().map(worse).collect());
    rows
}

fn put(world: &mut World, rows: Vec<Row>) {
    let mut batch = StoreBatch::new();
    for Row { key, value } in rows {
        batch.add_put(key, value);
    }
    world.store.apply(&batch);
}

fn kept(world: &World) -> usize {
    rows(world, Table::Kept).len()
}

fn told(world: &World) -> usize {
    world.events.iter().filter(|event| matches!(event, Event::KeptBack { .. })).count()
}

/// Everything of these is counted here.
fn counted(world: &World, from: &World) -> bool {
    let last = |group| written(from, group).last().map(|sealed| sealed.dot);
    let counted = |group| last(group).is_none_or(|dot| world.node.groups.is_durable(group, dot));
    KINDS.into_iter().all(counted)
}

fn agree_with(world: &World, other: &World) {
    // The other one has not heard what people were given here.
    let all = |world: &World, table| {
        let mut rows = rows(world, table);
        rows.retain(|row| table != Table::Cell || row.key.parts().nth(2) != Some("m"));
        rows
    };
    for table in [Table::Cell, Table::Large, Table::Message, Table::Log, Table::LogId] {
        assert_eq!(all(world, table), all(other, table), "{table:?}");
    }
    agree(&world.store);
    assert_eq!(kept(world), 0);
    assert_eq!(world.node.groups.held_back(), (0, 0));
}

/// Two nodes that know alice and bob, who are there on the first one. Nobody of the second is in memory.
fn apart() -> (World, World, [ConnId; 2]) {
    let (mut a, mut b, alice, _) = pair();
    let bob = a.login("bob", "a", Some(0));
    b.kill();
    (a, b, [alice, bob])
}

#[test]
fn what_is_for_a_damaged_account_is_counted_and_taken_in_order_once_that_can_be_read() {
    let (mut a, mut b, [alice, bob]) = apart();
    let whole = damage(&mut b, Table::Cell, "bob");
    a.send(bob, ITEM);
    for number in 0..20 {
        say(&mut a, alice, "bob", &number.to_string());
    }
    a.send(alice, ITEM);
    hear_all(&mut b, &a);
    assert!(counted(&b, &a), "the sender forgets all of it");
    assert_eq!((kept(&b), told(&b)), (21, 1), "and for alice nothing is kept");
    let before = b.writes;
    hear_all(&mut b, &a);
    assert_eq!((b.writes, kept(&b)), (before, 21), "what comes again is known");
    b.kill();
    assert_eq!((kept(&b), told(&b)), (21, 2), "it is damaged still");
    put(&mut b, whole);
    // Whoever comes behind the others is taken behind them.
    for number in 20..40 {
        say(&mut a, alice, "bob", &number.to_string());
    }
    hear_all(&mut b, &a);
    assert!(counted(&b, &a) && kept(&b) == 41);
    let conn = b.login("bob", "b", None);
    b.send(conn, "<presence/>");
    let said: Vec<u32> = bodies(&b.read(conn)).into_iter().map(|body| body.parse().unwrap()).collect();
    assert_eq!(said, (0..40).collect::<Vec<_>>());
    agree_with(&b, &a);
    say(&mut a, alice, "bob", "40");
    hear_all(&mut b, &a);
    assert_eq!((bodies(&b.read(conn)), kept(&b)), (vec!["40"], 0), "nothing is kept any more");
}

#[test]
fn what_was_kept_is_taken_after_a_start_whatever_the_disk_does() {
    let (mut a, mut b, [alice, bob]) = apart();
    let whole = damage(&mut b, Table::Cell, "bob");
    a.send(bob, ITEM);
    for number in 0..20 {
        say(&mut a, alice, "bob", &number.to_string());
    }
    b.disk = Err(StoreError::Full);
    hear_all(&mut b, &a);
    assert!(!counted(&b, &a));
    b.disk = Ok(());
    b.pass(5_000_000);
    assert!(counted(&b, &a) && kept(&b) == 21);
    put(&mut b, whole);
    b.waiting = Some(Vec::new());
    b.kill();
    for step in 0..60 {
        // The start itself goes well.
        b.disk = if step > 4 && step % 3 == 1 { Err(StoreError::Io) } else { Ok(()) };
        b.answer_next();
        b.pass(1_000_000);
    }
    b.disk = Ok(());
    b.release();
    b.pass(5_000_000);
    agree_with(&b, &a);
}

#[test]
fn what_was_kept_is_taken_though_it_could_not_be_read_at_first() {
    let (mut a, mut b, [alice, bob]) = apart();
    let whole = damage(&mut b, Table::Cell, "bob");
    a.send(bob, ITEM);
    for number in 0..20 {
        say(&mut a, alice, "bob", &number.to_string());
    }
    hear_all(&mut b, &a);
    put(&mut b, whole);
    b.unreadable = vec![Table::Kept];
    b.login("bob", "b", None);
    b.pass(5_000_000);
    assert_eq!(kept(&b), 21);
    b.unreadable.clear();
    b.pass(5_000_000);
    agree_with(&b, &a);
}

#[test]
fn a_damaged_archive_or_card_keeps_nothing_else_back() {
    for (table, item) in [(Table::Archive, 20), (Table::Large, 1)] {
        let (mut a, mut b, [alice, bob]) = apart();
        let card = "<iq type='set' id='v'><vCard xmlns='vcard-temp'><FN>x</FN></vCard></iq>";
        a.send(bob, card);
        say(&mut a, alice, "bob", "before");
        hear_all(&mut b, &a);
        b.kill();
        let whole = damage(&mut b, table, "bob");
        a.send(bob, ITEM);
        a.send(bob, &card.replace("<FN>x", "<FN>y"));
        (0..20).for_each(|_| say(&mut a, alice, "bob", "m"));
        a.command(Command::UserPasswd { user: jid("bob@x.example"), password: Some(Secret("new".into())) });
        hear_all(&mut b, &a);
        assert!(counted(&b, &a), "{table:?}");
        assert_eq!((kept(&b), told(&b)), (item, 1), "{table:?}");
        assert_eq!(rows(&b, Table::Cell), rows(&a, Table::Cell), "the password is a new one");
        put(&mut b, whole);
        b.kill();
        agree_with(&b, &a);
    }
}

#[test]
fn what_is_for_somebody_whose_rows_are_damaged_while_he_is_there_does_not_wait() {
    let (mut a, mut b, alice, _) = pair();
    let far = b.login("alice", "far", None);
    let whole = damage(&mut b, Table::Cell, "alice");
    b.disk = Err(StoreError::Io);
    b.send(far, ITEM);
    b.disk = Ok(());
    a.send(alice, ITEM);
    hear(&mut b, KINDS[0], written(&a, KINDS[0]));
    b.pass(2_000_000);
    assert!(counted(&b, &a) && kept(&b) == 1);
    put(&mut b, whole);
    b.pass(2_000_000);
    assert_eq!(kept(&b), 0);
    assert_eq!(rows(&b, Table::Cell), rows(&a, Table::Cell));
    agree(&b.store);
}

#[test]
fn values_of_former_owners_of_a_name_hide_nothing_from_the_present_one() {
    let mut world = node(7);
    let store = |world: &mut World, conn: ConnId, names: &[String]| {
        let all: Vec<String> = names.iter().map(|name| format!("<{name} xmlns='p'>x</{name}>")).collect();
        let all = all.concat();
        let text = format!("<iq type='set' id='p'><query xmlns='jabber:iq:private'>{all}</query></iq>");
        world.send(conn, &text);
        world.read(conn)
    };
    let some = |life: char| (0..64).map(|number| format!("{life}{number}")).collect::<Vec<_>>();
    for life in ['a', 'b', 'c'] {
        world.add("alice");
        let alice = world.login("alice", "r", None);
        assert!(store(&mut world, alice, &some(life)).contains("type='result'"), "as many as there may be");
        assert!(store(&mut world, alice, &some(life)).contains("type='result'"), "and again");
        assert!(store(&mut world, alice, &["z".to_owned()]).contains("resource-constraint"));
        agree(&world.store);
        world.command(Command::UserRemove { user: jid("alice@x.example") });
    }
    assert_eq!(rows(&world, Table::Large).len(), 3 * 64);
}

#[test]
fn what_a_contact_has_asked_without_being_heard_stays_with_it_when_the_account_goes() {
    let (mut a, mut b, _, bob) = pair();
    b.send(bob, "<presence to='alice@x.example' type='subscribe'/>");
    hear_all(&mut a, &b);
    // On the one node alice blocks bob, who takes it back and asks again; the other one hears of the last word first.
    let alice = b.login("alice", "r", Some(0));
    let item = "<item jid='bob@x.example'/>";
    b.send(alice, &format!("<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'>{item}</block></iq>"));
    b.send(bob, "<presence to='alice@x.example' type='unsubscribe'/>");
    b.send(bob, "<presence to='alice@x.example' type='subscribe'/>");
    let last = written(&b, KINDS[0]).pop().unwrap();
    a.login("bob", "here", None);
    hear(&mut a, KINDS[0], vec![last]);
    a.command(Command::UserRemove { user: jid("alice@x.example") });
    let before = a.node.accounts.known("bob@x.example").cloned();
    a.kill();
    a.login("bob", "r", None);
    assert_eq!(a.node.accounts.known("bob@x.example").cloned(), before, "what is stored is what was known");
}
