//! Roster requests and pushes.

use crate::io::ConnId;
use crate::node::harness::World;
use crate::store::StoreError;

pub(super) const GET: &str = "<iq type='get' id='g'><query xmlns='jabber:iq:roster'/></iq>";

/// Logs in, and asks for the roster before presence.
pub(super) fn interested(world: &mut World, user: &str, resource: &str) -> ConnId {
    let conn = world.login(user, resource, None);
    world.send(conn, GET);
    world.send(conn, "<presence/>");
    world.read(conn);
    conn
}

pub(super) fn two() -> (World, ConnId, ConnId) {
    let mut world = World::new();
    world.add("alice");
    world.add("bob");
    let alice = interested(&mut world, "alice", "a");
    let bob = interested(&mut world, "bob", "b");
    (world, alice, bob)
}

pub(super) fn set(world: &mut World, conn: ConnId, items: &str) -> String {
    world.send(conn, &format!("<iq type='set' id='s'><query xmlns='jabber:iq:roster'>{items}</query></iq>"));
    world.read(conn)
}

pub(super) fn roster(world: &mut World, conn: ConnId) -> String {
    world.send(conn, GET);
    world.read(conn)
}

/// Each follows the other.
pub(super) fn befriend(world: &mut World, (alice, a): (ConnId, &str), (bob, b): (ConnId, &str)) {
    world.send(alice, &format!("<presence type='subscribe' to='{b}@x.example'/>"));
    world.send(bob, &format!("<presence type='subscribed' to='{a}@x.example'/>"));
    world.send(bob, &format!("<presence type='subscribe' to='{a}@x.example'/>"));
    world.send(alice, &format!("<presence type='subscribed' to='{b}@x.example'/>"));
    world.read(alice);
    world.read(bob);
}

pub(super) fn version(said: &str) -> &str {
    let (_, rest) = said.rsplit_once("ver='").expect("a version");
    rest.split_once('\'').unwrap().0
}

#[test]
fn the_stream_announces_versions_and_pre_approval() {
    let mut world = World::new();
    world.add("alice");
    world.authenticate("alice");
    let said = world.features.clone();
    assert!(said.contains("<ver xmlns='urn:xmpp:features:rosterver'/>"), "{said}");
    assert!(said.contains("<sub xmlns='urn:xmpp:features:pre-approval'/>"), "{said}");
}

#[test]
fn a_change_is_pushed_to_interested_resources_only() {
    let (mut world, alice, bob) = two();
    let phone = interested(&mut world, "alice", "phone");
    let quiet = world.login("alice", "quiet", Some(0));
    world.read(alice);
    let said =
        set(&mut world, alice, "<item jid='Carol@x.example' name='C &amp; D'><group>Friends</group></item>");
    let item =
        "<item jid='carol@x.example' subscription='none' name='C &amp; D'><group>Friends</group></item>";
    assert!(
        said.contains("<iq type='result' from='alice@x.example' to='alice@x.example/a' id='s'/>"),
        "{said}"
    );
    assert!(said.contains("<iq type='set' from='alice@x.example' to='alice@x.example/a' id='"), "{said}");
    assert!(said.contains(item), "{said}");
    let pushed = world.read(phone);
    assert!(pushed.contains(item) && pushed.contains("to='alice@x.example/phone'"), "{pushed}");
    assert_eq!((world.read(quiet), world.read(bob)), (String::new(), String::new()));
    // What clients answer means nothing.
    for kind in ["result", "error"] {
        world.send(phone, &format!("<iq type='{kind}' id='x' to='alice@x.example'/>"));
    }
    assert_eq!((world.read(alice), world.read(phone)), (String::new(), String::new()));
    let said = set(&mut world, phone, "<item jid='carol@x.example' subscription='remove'/>");
    assert!(said.contains("<item jid='carol@x.example' subscription='remove'/>"), "{said}");
    world.read(alice);
    assert!(!roster(&mut world, alice).contains("<item"), "it is gone");
}

#[test]
fn refused_changes_change_nothing() {
    let mut world = World::with(|config| config.limits.roster_items = 1);
    world.add("alice");
    let alice = interested(&mut world, "alice", "a");
    set(&mut world, alice, "<item jid='bob@x.example' name='Bob'/>");
    let before = roster(&mut world, alice);
    for (items, error) in [
        ("", "bad-request"),
        ("<item jid='bob@x.example'><group/></item>", "not-acceptable"),
        ("<item jid='carol@x.example' subscription='remove'/>", "item-not-found"),
        ("<item jid='carol@x.example'/>", "resource-constraint"),
        ("<item jid='alice@x.example'/>", "not-allowed"),
    ] {
        let said = set(&mut world, alice, items);
        assert!(said.contains(error) && !said.contains("type='set'"), "{items}: {said}");
    }
    world.send(alice, "<presence type='subscribe' to='carol@x.example' id='p'/>");
    let said = world.read(alice);
    assert!(said.contains("resource-constraint") && said.contains("id='p'"), "{said}");
    for (to, kind, error) in [
        ("bob@x.example", "set", "forbidden"),
        ("ghost@x.example", "set", "forbidden"),
        ("bob@x.example", "get", "service-unavailable"),
        ("ghost@x.example", "get", "service-unavailable"),
    ] {
        let item = if kind == "set" { "<item jid='x@x.example'/>" } else { "" };
        world.send(
            alice,
            &format!(
                "<iq type='{kind}' id='o' to='{to}'><query xmlns='jabber:iq:roster'>{item}</query></iq>"
            ),
        );
        let said = world.read(alice);
        assert!(said.contains(error), "{kind} {to}: {said}");
    }
    world.send(alice, "<iq type='get' id='q'><query xmlns='jabber:iq:roster'><item jid='a@b'/></query></iq>");
    assert!(world.read(alice).contains("bad-request"));
    assert_eq!(roster(&mut world, alice), before);
}

#[test]
fn a_client_that_knows_a_version_is_told_what_came_after_it() {
    let (mut world, alice, bob) = two();
    let ask = |world: &mut World, ver: &str| {
        world.send(
            alice,
            &format!("<iq type='get' id='g'><query xmlns='jabber:iq:roster' ver='{ver}'/></iq>"),
        );
        world.read(alice)
    };
    let empty = "<iq type='result' from='alice@x.example' to='alice@x.example/a' id='g'/>";
    let full = ask(&mut world, "");
    assert!(full.contains("<query xmlns='jabber:iq:roster' ver='"), "{full}");
    for name in ["c", "d", "e", "f"] {
        set(&mut world, alice, &format!("<item jid='{name}@x.example'/>"));
    }
    let full = roster(&mut world, alice);
    let old = version(&full).to_owned();
    assert_eq!(ask(&mut world, &old), empty);
    // Two changes of one item are one, and come in the order of the last changes.
    set(&mut world, alice, "<item jid='d@x.example' name='1'/>");
    set(&mut world, alice, "<item jid='c@x.example' subscription='remove'/>");
    let pushed = set(&mut world, alice, "<item jid='d@x.example' name='2'/>");
    let said = ask(&mut world, &old);
    assert!(said.starts_with(empty), "{said}");
    assert_eq!(said.matches("type='set'").count(), 2, "{said}");
    let (removed, named) = (said.find("subscription='remove'").unwrap(), said.find("name='2'").unwrap());
    assert!(removed < named && !said.contains("name='1'"), "{said}");
    assert_eq!(version(&said), version(&pushed));
    let current = version(&said).to_owned();
    // A request that nobody has answered is no change of the roster.
    world.send(bob, "<presence type='subscribe' to='alice@x.example'/>");
    world.read(alice);
    assert_eq!(ask(&mut world, &current), empty);
    // A version survives a restart; what is none gets everything.
    world.kill();
    let alice = world.login("alice", "a", None);
    let mut ask = |ver: &str| {
        world.send(
            alice,
            &format!("<iq type='get' id='g'><query xmlns='jabber:iq:roster' ver='{ver}'/></iq>"),
        );
        world.read(alice)
    };
    assert_eq!(ask(&current), empty);
    for unknown in ["ver14", "ffffffffffff.0.0.0.0", &format!("{current}0")] {
        assert_eq!(ask(unknown).matches("<item").count(), 3, "{unknown}");
    }
}

#[test]
fn what_cannot_be_written_has_not_happened() {
    let (mut world, alice, bob) = two();
    world.disk = Err(StoreError::Full);
    let said = set(&mut world, alice, "<item jid='c@x.example'/>");
    assert!(said.contains("resource-constraint") && !said.contains("type='set'"), "{said}");
    world.send(alice, "<presence type='subscribe' to='bob@x.example' id='p'/>");
    let said = world.read(alice);
    assert!(said.contains("<presence type='error'") && said.contains("id='p'"), "{said}");
    assert_eq!(world.read(bob), "");
    world.disk = Ok(());
    assert!(!roster(&mut world, alice).contains("<item"));
    world.send(alice, "<presence type='subscribe' to='bob@x.example'/>");
    assert!(world.read(bob).contains("type='subscribe'"));
}

#[test]
fn nothing_is_said_of_a_roster_that_is_not_durable() {
    let (mut world, alice, _) = two();
    let phone = interested(&mut world, "alice", "phone");
    world.read(alice);
    world.waiting = Some(Vec::new());
    set(&mut world, alice, "<item jid='c@x.example'/>");
    assert_eq!(roster(&mut world, phone), "");
    world.release();
    let said = world.read(phone);
    assert!(said.contains("type='result'") && said.contains("jid='c@x.example'"), "{said}");
    assert!(world.read(alice).contains("id='s'"));
}

#[test]
fn two_resources_that_change_the_roster_at_once_see_both_changes_in_one_order() {
    let (mut world, alice, _) = two();
    let phone = interested(&mut world, "alice", "phone");
    world.read(alice);
    world.waiting = Some(Vec::new());
    set(&mut world, alice, "<item jid='c@x.example' name='desk'/>");
    set(&mut world, phone, "<item jid='c@x.example' name='phone'/><!-- -->".trim_end_matches("<!-- -->"));
    world.release();
    let names = |said: String| {
        let names = said.split("name='").skip(1).filter_map(|rest| rest.split_once('\''));
        names.map(|(name, _)| name.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(world.read(alice)), ["desk", "phone"]);
    assert_eq!(names(world.read(phone)), ["desk", "phone"]);
    assert!(roster(&mut world, alice).contains("name='phone'"));
}

#[test]
fn an_item_that_is_removed_takes_both_subscriptions_with_it() {
    for online in [true, false] {
        let (mut world, alice, bob) = two();
        befriend(&mut world, (alice, "alice"), (bob, "bob"));
        if !online {
            // Bob's account is not even in memory.
            world.kill();
        }
        let alice = interested(&mut world, "alice", "a");
        let bob = if online { bob } else { ConnId(0) };
        world.read(bob);
        let said = set(&mut world, alice, "<item jid='bob@x.example' subscription='remove'/>");
        assert!(said.contains("type='result'"), "{said}");
        assert!(said.contains("<item jid='bob@x.example' subscription='remove'/>"), "{said}");
        assert!(!roster(&mut world, alice).contains("<item"));
        if online {
            let told = world.read(bob);
            for text in ["type='unsubscribe' ", "type='unsubscribed' ", "type='unavailable' "] {
                assert!(told.contains(text), "{text}: {told}");
            }
            assert_eq!(told.matches("<iq type='set'").count(), 1, "{told}");
            assert!(said.contains("type='unavailable' from='bob@x.example/b'"), "{said}");
        }
        let bob = world.login("bob", "again", None);
        let said = roster(&mut world, bob);
        assert!(said.contains("<item jid='alice@x.example' subscription='none'/>"), "{said}");
    }
}
