//! Copies, as the other resources see them.

use crate::io::ConnId;
use crate::node::harness::World;

const ENABLE: &str = "<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>";
const DISABLE: &str = "<iq type='set' id='c'><disable xmlns='urn:xmpp:carbons:2'/></iq>";

/// Alice at `a`, who talks, and at `b`, who gets copies; Bob at `r`.
fn trio() -> (World, ConnId, ConnId, ConnId) {
    let mut world = World::new();
    world.add("alice");
    world.add("bob");
    let a = world.login("alice", "a", Some(0));
    let b = world.login("alice", "b", Some(-1));
    let bob = world.login("bob", "r", Some(0));
    world.send(b, ENABLE);
    assert!(world.read(b).contains("<iq type='result'"));
    world.read(a);
    (world, a, b, bob)
}

#[test]
fn both_halves_of_a_conversation_reach_the_other_resource() {
    let (mut world, a, b, bob) = trio();
    world.send(a, "<message to='bob@x.example' id='1' type='chat'><body>hi</body></message>");
    let said = world.read(b);
    let start = "<message type='chat' from='alice@x.example' to='alice@x.example/b'><sent xmlns='urn:xmpp:carbons:2'>\
         <forwarded xmlns='urn:xmpp:forward:0'><message to='bob@x.example' id='1' type='chat' xmlns='jabber:client' \
         from='alice@x.example/a'><body>hi</body><stanza-id xmlns='urn:xmpp:sid:0' by='alice@x.example' id='";
    assert!(
        said.starts_with(start) && said.ends_with("'/></message></forwarded></sent></message>"),
        "{said}"
    );
    assert_eq!(world.read(bob).matches("<message").count(), 1);
    world.send(bob, "<message to='alice@x.example/a' id='2' type='chat'><body>ho</body></message>");
    let said = world.read(b);
    assert!(
        said.contains("<received xmlns='urn:xmpp:carbons:2'>") && said.contains("<body>ho</body>"),
        "{said}"
    );
    let said = world.read(a);
    assert!(said.contains("<body>ho</body>") && !said.contains("carbons"), "{said}");
}

#[test]
fn who_gets_a_message_gets_no_copy_of_it() {
    let (mut world, a, b, bob) = trio();
    world.send(b, "<presence/>");
    world.read(a);
    world.read(b);
    world.send(bob, "<message to='alice@x.example' type='chat'><body>hi</body></message>");
    assert_eq!(world.read(b).matches("<body>").count(), 1);
    assert_eq!(world.read(a).matches("<body>").count(), 1);
    // To one's own account: each resource gets it once, as a message or as a copy.
    world.send(a, ENABLE);
    world.read(a);
    world.send(a, "<message to='alice@x.example/a' type='chat'><body>note</body></message>");
    let said = world.read(b);
    assert!(said.contains("<sent ") && said.matches("<body>").count() == 1, "{said}");
    assert_eq!(world.read(a).matches("<body>").count(), 1);
    world.send(a, "<message to='alice@x.example' type='chat'><body>note</body></message>");
    assert_eq!(world.read(b).matches("<body>").count(), 1);
    assert_eq!(world.read(a).matches("<body>").count(), 1);
}

#[test]
fn nobody_gets_copies_who_does_not_want_them() {
    let (mut world, a, b, bob) = trio();
    for wish in [ENABLE, DISABLE, DISABLE] {
        world.send(b, wish);
        assert!(world.read(b).contains("type='result'"));
    }
    world.send(a, "<message to='bob@x.example' type='chat'><body>hi</body></message>");
    world.send(bob, "<message to='alice@x.example/a' type='chat'><body>hi</body></message>");
    assert_eq!(world.read(b), "");
    world.send(b, "<iq type='set' id='c'><other xmlns='urn:xmpp:carbons:2'/></iq>");
    assert!(world.read(b).contains("bad-request"));
}

#[test]
fn an_error_is_copied_when_the_message_was() {
    let (mut world, a, b, bob) = trio();
    world.send(a, "<message to='ghost@x.example' id='1' type='chat'><body>hi</body></message>");
    let said = world.read(b);
    assert!(
        said.contains("<sent ") && said.contains("<received ") && said.contains("service-unavailable"),
        "{said}"
    );
    world.send(a, "<message to='ghost@x.example' id='2' type='chat'><body>hi</body><private xmlns='urn:xmpp:carbons:2'/></message>");
    assert!(world.read(a).matches("service-unavailable").count() == 2);
    assert_eq!(world.read(b), "");
    // And an error that the account sends itself.
    world.send(bob, "<message to='alice@x.example/a' id='3' type='chat'><body>hi</body></message>");
    world.read(b);
    world.send(a, "<message to='bob@x.example/r' id='4' type='error'/>");
    assert_eq!(world.read(b), "");
    world.send(a, "<message to='bob@x.example/r' id='3' type='error'/>");
    assert!(world.read(b).contains("<sent "));
}

#[test]
fn a_message_that_nobody_is_given_is_not_copied() {
    let (mut world, a, b, bob) = trio();
    world.send(a, "<presence type='unavailable'/>");
    world.read(b);
    let hint = "<no-store xmlns='urn:xmpp:hints'/>";
    world.send(
        bob,
        &format!("<message to='alice@x.example' id='1' type='chat'><body>hi</body>{hint}</message>"),
    );
    assert!(world.read(bob).contains("service-unavailable"));
    assert_eq!(world.read(b), "");
}

#[test]
fn a_blocked_message_is_not_copied() {
    let (mut world, a, b, bob) = trio();
    world.send(
        a,
        "<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='bob@x.example'/></block></iq>",
    );
    world.read(a);
    world.send(bob, "<message to='alice@x.example/a' id='1' type='chat'><body>hi</body></message>");
    world.send(a, "<message to='bob@x.example/r' id='1' type='chat'><body>hi</body></message>");
    assert_eq!(world.read(b), "");
    assert!(!world.read(a).contains("hi"));
}

#[test]
fn copies_share_one_body() {
    let (mut world, a, b, bob) = trio();
    let c = world.login("alice", "c", None);
    world.send(c, ENABLE);
    for conn in [a, b, c] {
        world.read(conn);
    }
    world.keep_bodies = true;
    world.send(bob, "<message to='alice@x.example/a' type='chat'><body>hi</body></message>");
    let copies: Vec<_> = world.bodies.iter().filter(|(conn, _)| [b, c].contains(conn)).collect();
    assert_eq!(copies.len(), 2);
    assert_eq!(copies[0].1.as_ptr(), copies[1].1.as_ptr());
    assert_eq!(copies[0].1, copies[1].1);
}
