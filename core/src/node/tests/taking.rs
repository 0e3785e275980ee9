//! What a node does with entries of other nodes, whatever comes and in whatever order.

use bytes::Bytes;

use super::jid;
use crate::config::{ClusterSecret, Config, LinkKind, StaticCluster, StaticMember};
use crate::exchange::{DomainIx, GroupId, GroupKind, Sealed, Supply as _};
use crate::io::{Answer, Command, Input};
use crate::node::harness::World;
use crate::service::effect::Effect;
use crate::store::{Key, Row, StoreError, StoreQuery, Table};
use crate::sync::check::agree;
use crate::trace::Event;

pub(super) const KINDS: [GroupId; 2] = [group(GroupKind::Cells), group(GroupKind::Logs)];

pub(super) const fn group(kind: GroupKind) -> GroupId {
    GroupId { domain: DomainIx(0), kind, shard: 0 }
}

/// Makes a node one of a cluster of three.
pub(super) fn clustered(own: u32) -> impl FnOnce(&mut Config) {
    move |config| {
        let member = |node: u32| StaticMember {
            node,
            name: format!("n{node}"),
            site: "here".into(),
            key: [u8::try_from(node).unwrap(); 32],
            route: node.to_string(),
            link: LinkKind::Lan,
            rate: None,
        };
        let (members, routes) = ([7, 8, 9].map(member).to_vec(), Vec::new());
        let secret = ClusterSecret([5; 32]);
        let (grace, hysteresis) = (StaticCluster::GRACE, StaticCluster::HYSTERESIS);
        config.cluster =
            Some(StaticCluster { id: [9; 16], node: own, members, routes, grace, hysteresis, secret });
        // Nobody here knows who is there at other nodes.
        config.limits.owed_messages = 2_000;
    }
}

pub(super) fn node(own: u32) -> World {
    World::with(clustered(own))
}

/// Returns what a node has written and other nodes may be told, in order.
pub(super) fn written(world: &World, group: GroupId) -> Vec<Sealed> {
    let (origin, groups) = (world.node.ledger.origin(), &world.node.groups);
    let (mut all, mut seq) = (Vec::new(), 1);
    while groups.is_durable(group, origin.dot(seq)) {
        let sealed = groups.sealed(group, origin.dot(seq)).expect("what was written lately is at hand");
        seq += u64::from(sealed.span);
        all.push(sealed);
    }
    all
}

pub(super) fn hear(world: &mut World, group: GroupId, entries: Vec<Sealed>) {
    world.node.effects.push_back(Effect::Entries(9, group, entries));
    world.input(Input::Tick);
}

/// One node hears everything that another one has written, messages first: they wait for what they need.
pub(super) fn hear_all(world: &mut World, from: &World) {
    for group in [KINDS[1], KINDS[0]] {
        hear(world, group, written(from, group));
    }
}

pub(super) fn rows(world: &World, table: Table) -> Vec<Row> {
    let from = Key::new(table, &[]);
    let to = from.table_end();
    world.store.query(&StoreQuery::Range { from, to, limit: u32::MAX })
}

pub(super) fn say(world: &mut World, conn: crate::io::ConnId, to: &str, body: &str) {
    let text = format!("<message type='chat' to='{to}@x.example'><body>{body}</body></message>");
    world.send(conn, &text);
}

/// Two nodes with alice on the one and bob on the other, who both know of them.
pub(super) fn pair() -> (World, World, crate::io::ConnId, crate::io::ConnId) {
    let (mut a, mut b) = (node(7), node(8));
    a.add("alice");
    a.add("bob");
    hear_all(&mut b, &a);
    let alice = a.login("alice", "r", Some(0));
    let bob = b.login("bob", "r", Some(0));
    (a, b, alice, bob)
}

#[test]
fn what_comes_again_is_written_once() {
    let (mut a, mut b, alice, bob) = pair();
    say(&mut a, alice, "bob", "one");
    let logs = KINDS[1];
    hear(&mut b, logs, written(&a, logs));
    assert_eq!(b.read(bob).matches("<body>one</body>").count(), 1);
    let (before, writes) = (b.store.clone(), b.writes);
    hear_all(&mut b, &a);
    let own = written(&a, logs);
    hear(&mut a, logs, own);
    assert_eq!((b.read(bob), b.writes), (String::new(), writes));
    assert_eq!(b.store, before);
    agree(&b.store);
}

#[test]
fn what_is_on_its_way_to_the_disk_is_not_taken_again() {
    let (mut a, mut b, alice, bob) = pair();
    say(&mut a, alice, "bob", "one");
    b.waiting = Some(Vec::new());
    for _ in 0..3 {
        hear(&mut b, KINDS[1], written(&a, KINDS[1]));
    }
    assert_eq!(b.read(bob), "", "not before it is durable");
    while b.answer_next() {}
    assert_eq!(b.read(bob).matches("<body>one</body>").count(), 1);
    agree(&b.store);
}

#[test]
fn messages_wait_for_those_before_them() {
    let (mut a, mut b, alice, bob) = pair();
    for body in ["one", "two", "three"] {
        say(&mut a, alice, "bob", body);
    }
    let logs = written(&a, KINDS[1]);
    for (at, heard) in [(2, false), (1, false), (0, true)] {
        hear(&mut b, KINDS[1], vec![logs[at].clone()]);
        assert_eq!(b.sent.contains_key(&bob), heard, "{at}");
    }
    let said = b.read(bob);
    let at = |body: &str| said.find(body).unwrap();
    assert!(at("one") < at("two") && at("two") < at("three"), "{said}");
    assert_eq!(rows(&b, Table::Log), rows(&a, Table::Log), "the same places");
    assert_eq!(rows(&b, Table::LogId), rows(&a, Table::LogId), "the same ids");
}

#[test]
fn messages_wait_for_the_accounts_that_they_are_of() {
    let (mut a, mut b) = (node(7), node(8));
    a.add("alice");
    a.add("bob");
    let alice = a.login("alice", "r", Some(0));
    say(&mut a, alice, "bob", "one");
    hear(&mut b, KINDS[1], written(&a, KINDS[1]));
    assert_eq!(rows(&b, Table::Message), []);
    let cells = written(&a, KINDS[0]);
    for sealed in cells.into_iter().rev() {
        hear(&mut b, KINDS[0], vec![sealed]);
    }
    assert_eq!(rows(&b, Table::Log).len(), 2);
    assert_eq!(rows(&b, Table::Account).len(), 2);
    agree(&b.store);
    let bob = b.login("bob", "r", None);
    b.send(bob, "<presence/>");
    assert!(b.read(bob).contains("<body>one</body>"), "it was owed here, too");
}

#[test]
fn there_is_a_bound_for_what_waits_and_nothing_beyond_it_is_counted() {
    let (mut a, mut b, alice, _) = pair();
    let (origin, long) = (a.node.ledger.origin(), "x".repeat(200_000));
    let mut logs = Vec::new();
    for number in 0..90 {
        say(&mut a, alice, "bob", &long);
        logs.extend(a.node.groups.sealed(KINDS[1], origin.dot(2 * number + 1)));
    }
    assert_eq!(logs.len(), 90);
    hear(&mut b, KINDS[1], logs[1..].to_vec());
    assert_eq!(rows(&b, Table::Message), []);
    hear(&mut b, KINDS[1], logs[..1].to_vec());
    let kept = rows(&b, Table::Message).len();
    assert!((80..90).contains(&kept), "16 MiB: {kept}");
    hear(&mut b, KINDS[1], logs);
    assert_eq!(rows(&b, Table::Message), rows(&a, Table::Message));
    agree(&b.store);
}

#[test]
fn what_comes_while_the_disk_is_slow_waits_for_what_is_on_its_way() {
    let (mut a, mut b, alice, bob) = pair();
    b.waiting = Some(Vec::new());
    for number in 0..2_000 {
        say(&mut a, alice, "bob", &number.to_string());
        if number == 0 {
            hear(&mut b, KINDS[1], written(&a, KINDS[1]));
        }
        // Somebody is there, so that there is no bound for what is owed.
        if number == 500 {
            a.login("bob", "here", Some(0));
        }
    }
    hear(&mut b, KINDS[1], written(&a, KINDS[1]));
    assert!(!b.sent.contains_key(&bob));
    while b.answer_next() {}
    let said = b.read(bob);
    let bodies: Vec<_> =
        super::messages::bodies(&said).into_iter().map(|body| body.parse::<u32>().unwrap()).collect();
    assert_eq!(bodies, (0..2_000).collect::<Vec<_>>());
    agree(&b.store);
}

#[test]
fn what_is_not_what_it_should_be_is_refused_and_changes_nothing() {
    let (mut a, mut b, alice, _) = pair();
    say(&mut a, alice, "bob", "one");
    let before = b.store.clone();
    for group in KINDS {
        for sealed in written(&a, group) {
            let dot = sealed.dot.origin.dot(sealed.dot.seq + 100);
            for end in 0..sealed.bytes.len() {
                hear(&mut b, group, vec![Sealed { dot, bytes: sealed.bytes.slice(..end), ..sealed.clone() }]);
            }
            let longer = Bytes::from([&sealed.bytes[..], &[0]].concat());
            for wrong in [
                Sealed { dot, bytes: longer, ..sealed.clone() },
                Sealed { dot, kind: (sealed.kind + 1) % 4, ..sealed.clone() },
                Sealed { dot, span: 3 - sealed.span, ..sealed.clone() },
            ] {
                hear(&mut b, group, vec![wrong]);
            }
            let other = KINDS.into_iter().find(|other| *other != group).unwrap();
            if sealed.kind != 3 {
                hear(&mut b, other, vec![Sealed { dot, ..sealed.clone() }]);
            }
        }
    }
    let refused = b.events.iter().filter(|event| matches!(event, Event::PeerRefused { .. })).count();
    assert_eq!(refused, 1, "told once");
    assert_eq!(b.store, before);
}

#[test]
fn damaged_entries_do_no_harm() {
    let (mut a, mut b, alice, _) = pair();
    say(&mut a, alice, "bob", "one");
    a.send(alice, "<iq type='set' id='v'><vCard xmlns='vcard-temp'><FN>x</FN></vCard></iq>");
    let mut dice = super::crash::Dice(1);
    for round in 0..3_000 {
        let group = dice.pick(&KINDS);
        let all = written(&a, group);
        let mut sealed = all[usize::try_from(dice.roll(all.len() as u64)).unwrap()].clone();
        let mut bytes = sealed.bytes.to_vec();
        for _ in 0..=dice.roll(3) {
            let at = usize::try_from(dice.roll(bytes.len() as u64)).unwrap();
            bytes[at] = u8::try_from(dice.roll(256)).unwrap();
        }
        (sealed.bytes, sealed.dot) = (bytes.into(), sealed.dot.origin.dot(1_000 + 2 * round));
        hear(&mut b, group, vec![sealed]);
    }
}

#[test]
fn what_only_later_versions_understand_is_kept_as_it_is() {
    let (a, mut b) = (node(7), node(8));
    let dot = a.node.ledger.origin().dot(1);
    let sealed = Sealed { dot, span: 2, kind: 77, bytes: Bytes::from_static(b"\xffanything") };
    hear(&mut b, KINDS[0], vec![sealed]);
    assert_eq!(rows(&b, Table::Dot).len(), 1);
    assert!(b.node.groups.is_durable(KINDS[0], dot.origin.dot(2)));
    assert_eq!(b.events.iter().filter(|event| matches!(event, Event::PeerRefused { .. })).count(), 0);
    agree(&b.store);
}

const ITEM: &str = "<iq type='set' id='i'><query xmlns='jabber:iq:roster'><item jid='c@x.example' name='NAME'/></query></iq>";

#[test]
fn an_account_that_is_needed_while_it_is_read_holds_both_writes() {
    let (mut a, mut b, alice, _) = pair();
    a.send(alice, &ITEM.replace("NAME", "of a"));
    // Nobody is logged in on b as alice. What is known of her is read, and meanwhile she comes, and writes.
    b.kill();
    (b.waiting, b.slow_reads) = (Some(Vec::new()), true);
    hear(&mut b, KINDS[0], written(&a, KINDS[0]));
    assert_eq!(b.waiting.as_ref().map(Vec::len), Some(1), "the read");
    let conn = b.authenticate_slowly("alice");
    b.send(conn, "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
    b.send(conn, &ITEM.replace("jid='c@", "jid='d@").replace("NAME", "of b"));
    while b.answer_next() {}
    agree(&b.store);
    b.kill();
    (b.waiting, b.slow_reads) = (None, false);
    let conn = b.login("alice", "r", None);
    b.send(conn, "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>");
    let said = b.read(conn);
    assert!(said.contains("name='of a'") && said.contains("name='of b'"), "{said}");
}

#[test]
fn when_the_disk_takes_nothing_nobody_is_told_and_it_is_tried_again() {
    let (mut a, mut b, alice, bob) = pair();
    say(&mut a, alice, "bob", "one");
    a.send(alice, "<iq type='set' id='v'><vCard xmlns='vcard-temp'><FN>x</FN></vCard></iq>");
    let far = b.login("alice", "far", None);
    b.send(far, "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>");
    b.read(far);
    a.send(alice, &ITEM.replace("NAME", "Carol"));
    b.disk = Err(StoreError::Full);
    hear_all(&mut b, &a);
    say(&mut a, alice, "bob", "two");
    hear_all(&mut b, &a);
    assert_eq!((b.read(bob), b.read(far)), (String::new(), String::new()));
    agree(&b.store);
    b.disk = Ok(());
    b.pass(5_000_000);
    let (said, told) = (b.read(bob), b.read(far));
    assert_eq!(super::messages::bodies(&said), ["one", "two"], "{said}");
    assert_eq!(told.matches("name='Carol'").count(), 1, "{told}");
    agree(&b.store);
    for table in [Table::Message, Table::Log, Table::Large, Table::Cell] {
        assert_eq!(rows(&b, table), rows(&a, table), "{table:?}");
    }
}

#[test]
fn a_write_that_fails_takes_nothing_of_others_with_it() {
    let (mut a, mut b, alice, _) = pair();
    let far = b.login("alice", "far", None);
    b.waiting = Some(Vec::new());
    b.send(far, &ITEM.replace("NAME", "of b"));
    a.send(alice, &ITEM.replace("NAME", "of a"));
    hear(&mut b, KINDS[0], written(&a, KINDS[0]));
    // The write of b is on its way; that of a came meanwhile, knows nothing of it, and stands in the same row.
    b.disk = Err(StoreError::Io);
    b.answer_next();
    b.disk = Ok(());
    b.pass(5_000_000);
    while b.answer_next() {}
    agree(&b.store);
    hear(&mut a, KINDS[0], written(&b, KINDS[0]));
    assert_eq!(rows(&a, Table::Cell), rows(&b, Table::Cell));
}

#[test]
fn a_message_for_an_account_that_is_gone_is_nothing_to_the_next_one_of_that_name() {
    let (mut a, mut b, alice, bob) = pair();
    say(&mut a, alice, "bob", "to the first");
    let letter = written(&a, KINDS[1]);
    b.command(Command::UserRemove { user: jid("bob@x.example") });
    b.add("bob");
    assert!(b.read(bob).contains("not-authorized"));
    hear(&mut b, KINDS[1], letter);
    let bob = b.login("bob", "r", None);
    b.send(bob, "<presence/><iq type='set' id='m'><query xmlns='urn:xmpp:mam:2'/></iq>");
    let said = b.read(bob);
    assert!(said.contains("<fin") && !said.contains("to the first"), "{said}");
    assert_eq!(rows(&b, Table::Message).len(), 1, "it is kept");
    assert_eq!(rows(&b, Table::Log).len(), 1, "in the log of its sender");
    agree(&b.store);
    hear_all(&mut a, &b);
    let answer = a.command(Command::UserAdd { user: jid("bob@x.example"), password: None });
    assert!(matches!(answer, Some(Answer::Refused(_))), "{answer:?}");
    assert_eq!(rows(&a, Table::Cell), rows(&b, Table::Cell));
}

#[test]
fn of_two_who_were_made_at_once_under_one_name_all_nodes_choose_the_same() {
    let (mut a, mut b) = (node(7), node(8));
    a.add("alice");
    b.pass(1_000_000);
    b.add("alice");
    let loser = b.login("alice", "r", Some(0));
    hear_all(&mut b, &a);
    assert!(b.read(loser).contains("conflict"), "the later one goes");
    hear_all(&mut a, &b);
    assert_eq!(rows(&a, Table::Cell), rows(&b, Table::Cell));
    assert_eq!(rows(&a, Table::Account).len(), 1);
}

#[test]
fn writes_that_failed_are_told_to_be_nothing() {
    let (mut a, mut b, alice, bob) = pair();
    a.disk = Err(StoreError::Full);
    say(&mut a, alice, "bob", "lost");
    a.disk = Ok(());
    a.pass(5_000_000);
    say(&mut a, alice, "bob", "kept");
    hear_all(&mut b, &a);
    let said = b.read(bob);
    assert_eq!(super::messages::bodies(&said), ["kept"]);
    let (told_a, told_b) = (agree(&a.store), agree(&b.store));
    assert_eq!((told_a.void, told_b.void), (2, 2));
}

#[test]
fn what_is_written_after_something_was_heard_is_later_whatever_the_clock_says() {
    let (mut a, mut b, alice, bob) = pair();
    a.pass(30_000_000);
    say(&mut a, alice, "bob", "question");
    hear_all(&mut b, &a);
    say(&mut b, bob, "alice", "answer");
    hear_all(&mut a, &b);
    for (world, conn) in [(&mut a, alice), (&mut b, bob)] {
        world.read(conn);
        world.send(conn, "<iq type='set' id='m'><query xmlns='urn:xmpp:mam:2'/></iq>");
        let said = world.read(conn);
        assert_eq!(super::messages::bodies(&said), ["question", "answer"], "{said}");
    }
    // A clock that is years ahead takes nobody along.
    a.pass(1_000_000_000_000_000);
    say(&mut a, alice, "bob", "from the future");
    hear_all(&mut b, &a);
    assert!(b.node.ledger.stamp(crate::time::UnixTime::from_millis(0)).millis < 40_000);
}
