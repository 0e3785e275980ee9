//! A store of a node that named sessions by numbers, knew one group a domain and kept a message between two domains once. Its rows
//! are in `older.txt`, as such a node wrote them: alice and bob are there, alice has another session that was lost, and three
//! messages wait.

use bytes::Bytes;

use super::jid;
use super::messages::{bodies, rows};
use super::resumption::resume;
use crate::archive::{self, Home};
use crate::config::DomainConfig;
use crate::io::ConnId;
use crate::jid::Domain;
use crate::node::harness::World;
use crate::replica::Hlc;
use crate::store::{Key, NodeRecord, StoreBatch, StoreQuery, Table};
use crate::time::Span;

const SECOND: u64 = 1_000_000;
const ROWS: &str = include_str!("older.txt");

/// The rest of a line that begins with `word`.
fn line(word: &str) -> Vec<&'static str> {
    ROWS.lines().find_map(|line| line.strip_prefix(word)).unwrap().split(' ').skip(1).collect()
}

fn bytes(hex: &str) -> Bytes {
    let digits = hex.as_bytes().chunks(2).map(|pair| core::str::from_utf8(pair).unwrap());
    digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

/// A world with that store, and a node that has just started on it.
fn world() -> World {
    let mut world = World::with(|config| {
        let name = Domain::parse("y.example").unwrap();
        config.domains.push(DomainConfig::closed(name));
        config.limits.archive_time = Span::from_secs(86_400);
        config.limits.archive_sweep = Span::from_secs(3_600);
    });
    let mut batch = StoreBatch::new();
    for (key, value) in ROWS.lines().skip(2).filter_map(|line| line.split_once(' ')) {
        batch.add_put(Key::from_bytes(bytes(key)), bytes(value));
    }
    world.store = crate::store::Rows::new();
    world.store.apply(&batch);
    world.now = 901 * SECOND;
    world.kill();
    world
}

/// Carol logs in, whose domain is the other one.
fn carol(world: &mut World) -> ConnId {
    let conn = world.open();
    let header = crate::node::harness::HEADER.replace("x.example", "y.example");
    world.send(conn, &header);
    world.auth(conn, "carol", "pw");
    world.send(conn, &header);
    world
        .send(conn, "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq><presence/>");
    conn
}

/// The ids of what the archive of `user` lists.
fn listed(world: &mut World, user: &str) -> Vec<String> {
    let (from, to) = archive::log_range(&jid(user), Hlc::MIN);
    let rows = world.store.query(&StoreQuery::Range { from, to, limit: u32::MAX });
    let entries = rows.iter().map(|row| row.decode::<archive::Entry>().unwrap());
    entries.map(|entry| entry.id.unwrap().to_string()).collect()
}

#[test]
fn sessions_of_an_older_store_are_resumed_with_what_they_were_sent() {
    let mut world = world();
    let sessions = line("sessions");
    let (bob, said) = resume(&mut world, "bob", sessions[1], 0);
    assert!(said.contains("<resumed "), "{said}");
    assert_eq!(bodies(&said), ["one", "four"]);
    for id in line("ids") {
        assert!(said.contains(&format!("id='{id}'")), "{said}");
    }
    let (alice, said) = resume(&mut world, "alice", sessions[0], 0);
    assert!(said.contains("<resumed "), "{said}");
    world.send(alice, "<message type='chat' to='bob@x.example/b' id='five'><body>five</body></message>");
    assert_eq!(bodies(&world.read(bob)), ["five"]);
    // It is stored again under its name, and resumed under it.
    world.kill();
    let (_, said) = resume(&mut world, "bob", sessions[1], 0);
    assert_eq!(bodies(&said), ["one", "four", "five"]);
}

#[test]
fn archives_of_an_older_store_are_the_same_and_go_on() {
    let mut world = world();
    let ids = line("ids");
    assert_eq!(listed(&mut world, "bob@x.example"), ids);
    let bob = world.login("bob", "c", Some(0));
    world.read(bob);
    let page = |ask: &str| format!("<iq type='set' id='m'><query xmlns='urn:xmpp:mam:2'>{ask}</query></iq>");
    let after =
        format!("<set xmlns='http://jabber.org/protocol/rsm'><max>9</max><after>{}</after></set>", ids[0]);
    world.send(bob, &page(&after));
    assert_eq!(bodies(&world.read(bob)), ["four"]);
    // What was sent in the session that was lost is known again, by its mark.
    let alice = world.login("alice", "r", Some(0));
    let again = "<message type='chat' to='bob@x.example' id='four'><body>four</body></message>";
    world.send(alice, again);
    assert_eq!(listed(&mut world, "bob@x.example"), ids);
    world.send(alice, &again.replace("'four'", "'six'"));
    assert_eq!(listed(&mut world, "bob@x.example").len(), 3);
}

#[test]
fn what_an_older_store_owes_is_given_and_what_is_between_two_domains_goes_with_the_last_of_both() {
    let mut world = world();
    let dave = world.login("dave", "d", None);
    world.send(dave, "<presence/>");
    assert_eq!(bodies(&world.read(dave)), ["three"]);
    let other = carol(&mut world);
    world.pass(SECOND);
    assert_eq!(bodies(&world.read(other)), ["two"], "its text stands in the domain of its sender");
    assert_eq!(rows(&world, Table::Owed), 0);
    let alice = world.login("alice", "r", Some(0));
    world.send(alice, "<message type='chat' to='carol@y.example' id='seven'><body>seven</body></message>");
    let homes = |world: &World, user: &str| {
        let (from, to) = archive::log_range(&jid(user), Hlc::MIN);
        let rows = world.store.query(&StoreQuery::Range { from, to, limit: u32::MAX });
        let entries = rows.iter().map(|row| row.decode::<archive::Entry>().unwrap());
        entries.map(|entry| (entry.home, entry.twin.is_some())).collect::<Vec<_>>()
    };
    let carols = homes(&world, "carol@y.example");
    assert_eq!(carols, [(Home::Other, true), (Home::Own, false)]);
    for _ in 0..60 {
        world.pass(3_600 * SECOND);
    }
    for table in [Table::Log, Table::LogId, Table::Message, Table::Owed] {
        assert_eq!(rows(&world, table), 0, "{table:?}");
    }
}

#[test]
fn accounts_of_an_older_store_keep_what_they_have() {
    let mut world = world();
    let alice = world.login("alice", "r", Some(0));
    world.read(alice);
    world.send(alice, "<iq type='get' id='v'><vCard xmlns='vcard-temp'/></iq>");
    let card = world.read(alice);
    assert!(card.contains("<FN>Alice</FN>"), "{card}");
    world.send(alice, "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>");
    let roster = world.read(alice);
    assert!(roster.contains("jid='bob@x.example' subscription='to'"), "{roster}");
    world.send(alice, "<iq type='get' id='b'><blocklist xmlns='urn:xmpp:blocking'/></iq>");
    let blocked = world.read(alice);
    assert!(blocked.contains("<item jid='eve@x.example'/>"), "{blocked}");
    let node = world.store.query(&StoreQuery::Get { key: Key::new(Table::Node, &[]) });
    let record = NodeRecord::decode(&node[0].value).unwrap();
    assert_eq!((record.start, record.before.as_slice()), (2, &[(1, 0xb309_7478)][..]));
}
