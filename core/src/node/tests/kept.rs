//! What is kept for accounts: private storage, business cards, last activity.

use super::subscribe;
use crate::io::ConnId;
use crate::node::harness::World;
use crate::store::StoreError;

fn one() -> (World, ConnId) {
    let mut world = World::with(|config| {
        config.limits.private_bytes = 100;
        config.limits.private_elements = 2;
        config.limits.vcard_bytes = 100;
    });
    world.add("alice");
    world.add("bob");
    let alice = world.login("alice", "a", Some(0));
    (world, alice)
}

fn ask(world: &mut World, conn: ConnId, request: &str) -> String {
    world.send(conn, request);
    world.read(conn)
}

fn private(kind: &str, content: &str) -> String {
    format!("<iq type='{kind}' id='p'><query xmlns='jabber:iq:private'>{content}</query></iq>")
}

#[test]
fn private_elements_come_back_by_name_and_namespace() {
    let (mut world, alice) = one();
    let said = ask(&mut world, alice, &private("get", "<a xmlns='urn:a'/>"));
    assert!(said.contains("<query xmlns='jabber:iq:private'><a xmlns='urn:a'/></query>"), "{said}");
    let both = "<a xmlns='urn:a' x='1'>t&amp;<b/></a><c xmlns='urn:c'/>";
    let said = ask(&mut world, alice, &private("set", both));
    assert!(said.contains("type='result'"), "{said}");
    world.kill();
    let alice = world.login("alice", "a", Some(0));
    let said = ask(&mut world, alice, &private("get", "<a xmlns='urn:a'/>"));
    assert!(said.contains("<a xmlns='urn:a' x='1'>t&amp;<b/></a>"), "{said}");
    ask(&mut world, alice, &private("set", "<a xmlns='urn:a'/>"));
    let said = ask(&mut world, alice, &private("get", "<a xmlns='urn:a'/>"));
    assert!(said.contains("<a xmlns='urn:a'/></query>"), "{said}");
}

#[test]
fn private_storage_has_its_errors_and_bounds() {
    let (mut world, alice) = one();
    let long = format!("<a xmlns='urn:a'>{}</a>", "x".repeat(100));
    for (request, error) in [
        (private("get", ""), "bad-request"),
        (private("set", ""), "not-acceptable"),
        (private("get", "<a/>"), "not-acceptable"),
        (private("get", "<a xmlns='urn:a'/><b xmlns='urn:a'/>"), "not-acceptable"),
        (private("set", &long), "not-acceptable"),
        (private("set", "<a xmlns='urn:a'/><b xmlns='urn:a'/><c xmlns='urn:a'/>"), "resource-constraint"),
        (private("set", "<a xmlns='urn:a'/>").replace("id=", "to='bob@x.example' id="), "forbidden"),
        (private("get", "<a xmlns='urn:a'/>").replace("id=", "to='ghost@x.example' id="), "forbidden"),
    ] {
        let said = ask(&mut world, alice, &request);
        assert!(said.contains(error), "{request}: {said}");
    }
    assert!(
        ask(&mut world, alice, &private("set", "<a xmlns='urn:a'/><b xmlns='urn:a'/>")).contains("result")
    );
    let said = ask(&mut world, alice, &private("set", "<c xmlns='urn:a'/>"));
    assert!(said.contains("resource-constraint"), "{said}");
    assert!(ask(&mut world, alice, &private("set", "<b xmlns='urn:a'>2</b>")).contains("result"));
}

#[test]
fn writes_of_two_sessions_at_once_are_done_one_after_the_other() {
    let (mut world, alice) = one();
    let other = world.login("alice", "b", None);
    world.read(alice);
    world.waiting = Some(Vec::new());
    world.send(alice, &private("set", "<a xmlns='urn:a'>1</a>"));
    world.send(other, &private("set", "<a xmlns='urn:a'>2</a>"));
    assert_eq!((world.read(alice), world.read(other)), (String::new(), String::new()));
    world.release();
    assert!(world.read(alice).contains("result") && world.read(other).contains("result"));
    let said = ask(&mut world, alice, &private("get", "<a xmlns='urn:a'/>"));
    assert!(said.contains(">2</a>"), "{said}");
}

#[test]
fn what_could_not_be_stored_is_an_error_and_the_next_one_goes_on() {
    let (mut world, alice) = one();
    world.disk = Err(StoreError::Full);
    assert!(ask(&mut world, alice, &private("set", "<a xmlns='urn:a'/>")).contains("internal-server-error"));
    world.disk = Ok(());
    assert!(ask(&mut world, alice, &private("set", "<a xmlns='urn:a'/>")).contains("result"));
}

#[test]
fn everybody_reads_a_card_and_its_owner_writes_it() {
    let (mut world, alice) = one();
    let bob = world.login("bob", "b", None);
    let get = |to: &str| format!("<iq type='get' id='v' {to}><vCard xmlns='vcard-temp'/></iq>");
    let set = |to: &str, name: &str| {
        format!("<iq type='set' id='v' {to}><vCard xmlns='vcard-temp'><FN>{name}</FN></vCard></iq>")
    };
    assert!(ask(&mut world, alice, &get("")).contains("item-not-found"));
    for nobody in ["to='alice@x.example'", "to='ghost@x.example'"] {
        let said = ask(&mut world, bob, &get(nobody));
        assert!(said.contains("service-unavailable"), "{said}");
    }
    assert!(ask(&mut world, alice, &set("", &"x".repeat(100))).contains("not-acceptable"));
    assert!(ask(&mut world, bob, &set("to='alice@x.example'", "Eve")).contains("forbidden"));
    assert!(ask(&mut world, alice, &set("", "Alice")).contains("result"));
    for said in [ask(&mut world, alice, &get("")), ask(&mut world, bob, &get("to='alice@x.example'"))] {
        assert!(said.contains("<vCard xmlns='vcard-temp'><FN>Alice</FN></vCard>"), "{said}");
    }
}

#[test]
fn last_activity_is_for_those_who_may_see_presence() {
    let (mut world, alice) = one();
    let bob = world.login("bob", "b", Some(0));
    let get = |to: &str| format!("<iq type='get' id='l' {to}><query xmlns='jabber:iq:last'/></iq>");
    let of_alice = get("to='alice@x.example'");
    assert!(ask(&mut world, bob, &of_alice).contains("forbidden"));
    assert!(ask(&mut world, bob, &get("to='ghost@x.example'")).contains("forbidden"));
    subscribe(&mut world, "bob", "alice");
    assert!(ask(&mut world, bob, &of_alice).contains("seconds='0'/>"));
    let second = world.login("alice", "second", Some(0));
    world.send(second, "<presence type='unavailable'><status>Never</status></presence></stream:stream>");
    world.send(
        alice,
        "<presence type='unavailable'><status>Heading &amp; home</status></presence></stream:stream>",
    );
    world.now = 9_000_000;
    world.read(bob);
    assert!(ask(&mut world, bob, &of_alice).contains("seconds='9'>Heading &amp; home</query>"));
    assert!(ask(&mut world, bob, &get("to='x.example'")).contains("seconds='9'/>"));
    world.kill();
    let bob = world.login("bob", "b", Some(0));
    assert!(ask(&mut world, bob, &of_alice).contains("seconds='9'>Heading &amp; home</query>"));
    let set = of_alice.replace("'get'", "'set'");
    assert!(ask(&mut world, bob, &set).contains("not-allowed"));
}
