//! What happens at bounds that no other test reaches.

use super::jid;
use crate::directory::UNENDED_MAX;
use crate::io::ConnId;
use crate::node::harness::World;
use crate::store::StoreError;

#[test]
fn a_full_node_takes_no_more_connections() {
    let mut world = World::with(|config| config.limits.connections = 2);
    world.add("alice");
    let alice = world.login("alice", "a", None);
    let stranger = world.open();
    assert!(world.closed.is_empty());
    let third = world.open();
    assert_eq!(world.closed, [third]);
    world.cut(stranger);
    world.login("alice", "b", None);
    world.send(alice, "<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>");
    assert!(world.read(alice).contains("id='p'"));
}

#[test]
fn who_says_too_much_before_login_is_cut() {
    let mut world = World::with(|config| config.limits.elements_unauthenticated = 8);
    let conn = world.open();
    world.header(conn);
    world.read(conn);
    let ask = "<iq type='get' id='r'><query xmlns='jabber:iq:register'/></iq>";
    for _ in 0..8 {
        world.send(conn, ask);
        assert!(!world.read(conn).contains("<stream:error>"));
    }
    world.send(conn, ask);
    assert!(world.read(conn).contains("<policy-violation"));
    assert_eq!(world.closed, [conn]);
}

fn register(world: &mut World, name: &str) -> String {
    let conn = world.open();
    world.header(conn);
    world.read(conn);
    let fields = format!("<username>{name}</username><password>pw</password>");
    world.send(
        conn,
        &format!("<iq type='set' id='r'><query xmlns='jabber:iq:register'>{fields}</query></iq>"),
    );
    let said = world.read(conn);
    world.cut(conn);
    said
}

#[test]
fn a_network_registers_so_many_accounts_an_hour() {
    let mut world = World::with(|config| {
        World::open_registration(config);
        config.limits.registrations_per_peer = 2;
    });
    for name in ["one", "two"] {
        assert!(register(&mut world, name).contains("type='result'"), "{name}");
    }
    assert!(register(&mut world, "three").contains("resource-constraint"));
    world.pass(3_599 * 1_000_000);
    assert!(register(&mut world, "three").contains("resource-constraint"));
    world.pass(1_000_000);
    assert!(register(&mut world, "three").contains("type='result'"));
}

#[test]
fn so_many_addresses_are_told_directly() {
    let mut world = World::with(|config| config.limits.directed_presence = 1);
    world.add("alice");
    world.add("bob");
    let alice = world.login("alice", "a", None);
    let bob = world.login("bob", "b", Some(0));
    let mut tell = |kind: &str, resource: &str| -> (String, String) {
        world.send(alice, &format!("<presence{kind} to='bob@x.example{resource}'/>"));
        (world.read(alice), world.read(bob))
    };
    assert!(tell("", "/b").1.contains("<presence"));
    let (to_alice, to_bob) = tell("", "");
    assert!(to_alice.contains("resource-constraint") && to_bob.is_empty(), "{to_alice} {to_bob}");
    assert!(tell(" type='unavailable'", "/b").1.contains("unavailable"));
    assert!(tell("", "").1.contains("<presence"), "there is room again");
}

#[test]
fn who_writes_faster_than_the_disk_is_read_no_more() {
    let mut world = World::with(|config| config.limits.undurable_bytes = 1_000);
    world.add("alice");
    world.add("bob");
    let alice = world.login("alice", "a", Some(0));
    let bob = world.login("bob", "b", Some(0));
    let say = |world: &mut World, number: u32| {
        let text = "x".repeat(400);
        world
            .send(alice, &format!("<message to='bob@x.example' id='{number}'><body>{text}</body></message>"));
    };
    world.waiting = Some(Vec::new());
    say(&mut world, 1);
    say(&mut world, 2);
    assert!(world.held.is_empty(), "below the bound");
    say(&mut world, 3);
    say(&mut world, 4);
    assert_eq!(world.held, [alice].into());
    assert_eq!(world.read(bob), "");
    world.release();
    assert!(world.held.is_empty());
    let said: String = world.read(bob);
    let places = [1, 2, 3, 4].map(|number| said.find(&format!("id='{number}'")));
    assert!(places.is_sorted() && places[0].is_some(), "{places:?}");
}

#[test]
fn contacts_that_were_removed_take_room() {
    let mut world = World::with(|config| config.limits.contacts_known = 2);
    world.add("alice");
    let alice = world.login("alice", "a", Some(0));
    let set = |world: &mut World, alice: ConnId, item: &str| {
        world.send(
            alice,
            &format!("<iq type='set' id='s'><query xmlns='jabber:iq:roster'>{item}</query></iq>"),
        );
        world.read(alice)
    };
    for name in ["one", "two"] {
        let said = set(&mut world, alice, &format!("<item jid='{name}@b.example'/>"));
        assert!(said.contains("type='result'"), "{said}");
        let said = set(&mut world, alice, &format!("<item jid='{name}@b.example' subscription='remove'/>"));
        assert!(said.contains("type='result'"), "{said}");
    }
    let said = set(&mut world, alice, "<item jid='three@b.example'/>");
    assert!(said.contains("resource-constraint"), "{said}");
    assert_eq!(world.node.accounts.get(jid("alice@x.example").as_str()).unwrap().known(), 2);
}

#[test]
fn who_comes_and_goes_faster_than_the_disk_leaves_one_last_word_behind() {
    let mut world = World::new();
    world.add("alice");
    let alice = world.login("alice", "a", None);
    world.waiting = Some(Vec::new());
    for number in 0..50 {
        world.send(alice, "<presence/>");
        world.send(alice, &format!("<presence type='unavailable'><status>bye {number}</status></presence>"));
    }
    let mut writes = 0;
    while world.answer_next() {
        writes += 1;
    }
    assert!(writes < 10, "{writes} writes for one word");
    world.waiting = None;
    world.cut(alice);
    let other = world.login("alice", "b", None);
    world.send(other, "<iq type='get' id='l' to='alice@x.example'><query xmlns='jabber:iq:last'/></iq>");
    assert!(world.read(other).contains("seconds="));
}

#[test]
fn a_disk_that_takes_no_ends_of_sessions_takes_no_new_ones() {
    let mut world = World::new();
    world.add("alice");
    world.disk = Err(StoreError::Full);
    let ended = jid("alice@x.example").with_resource("gone").unwrap();
    world.node.directory.keep_gone(vec![(ended, 1); UNENDED_MAX - 1]);
    let last = world.login("alice", "a", Some(0));
    world.send(last, "<enable xmlns='urn:xmpp:sm:3' resume='true'/>");
    world.cut(last);
    let conn = world.authenticate("alice");
    let bind = "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>";
    world.send(conn, bind);
    let said = world.read(conn);
    assert!(said.contains("<resource-constraint "), "{said}: the session and what waits before it");
    world.waiting = Some(Vec::new());
    world.pass(1_000_000);
    world.send(conn, bind);
    assert!(world.read(conn).contains("<resource-constraint "), "they are being written");
    world.disk = Ok(());
    while world.answer_next() {}
    world.waiting = None;
    world.send(conn, bind);
    assert!(world.read(conn).contains("<jid>"));
}
