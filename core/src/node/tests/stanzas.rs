//! Stanzas of bound sessions: order, addresses, presence, slow readers.

use bytes::Bytes;

use crate::io::{CloseCause, Input};
use crate::node::harness::{HEADER, World};

#[test]
fn a_message_reaches_its_recipient_with_a_stamped_sender() {
    let mut world = World::new();
    world.add("alice");
    world.add("bob");
    let alice = world.login("alice", "a", Some(0));
    let bob = world.login("bob", "b", Some(0));
    world.send(alice, "<message to='bob@x.example' id='1' type='chat'><body>h&amp;i</body></message>");
    let said = world.read(bob);
    let (before, after) =
        said.split_once("<stanza-id xmlns='urn:xmpp:sid:0' by='bob@x.example' id='").unwrap();
    assert_eq!(
        before,
        "<message to='bob@x.example' id='1' type='chat' from='alice@x.example/a'><body>h&amp;i</body>"
    );
    assert!(after.ends_with("'/></message>"), "{said}");
    assert_eq!(world.read(alice), "");
}

#[test]
fn a_message_to_nobody_comes_back() {
    let mut world = World::new();
    world.add("alice");
    let alice = world.login("alice", "a", Some(0));
    world.send(alice, "<message to='ghost@x.example' id='1'><body>hi</body></message>");
    let said = world.read(alice);
    assert!(
        said.contains("<message type='error' from='ghost@x.example' to='alice@x.example/a' id='1'>"),
        "{said}"
    );
    assert!(said.contains("service-unavailable"), "{said}");
}

#[test]
fn a_forged_sender_ends_the_stream() {
    let mut world = World::new();
    world.add("alice");
    let alice = world.login("alice", "a", None);
    world.send(alice, "<message from='eve@x.example' to='alice@x.example/a'/>");
    assert!(world.read(alice).contains("<invalid-from"));
    assert_eq!(world.closed, [alice]);
}

#[test]
fn the_later_bind_wins() {
    let mut world = World::new();
    world.add("alice");
    let first = world.login("alice", "a", Some(0));
    let second = world.login("alice", "a", Some(0));
    assert!(world.read(first).contains("<conflict"));
    assert_eq!(world.closed, [first]);
    assert_eq!(world.node.sessions(), 1);
    world.send(second, "<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>");
    assert!(world.read(second).contains("type='result'"));
}

#[test]
fn a_slow_reader_is_cut_and_its_stanza_returned() {
    let mut world = World::with(|config| config.limits.send_queue_bytes = 1000);
    world.add("alice");
    world.add("bob");
    let alice = world.login("alice", "a", None);
    let bob = world.login("bob", "b", None);
    let hint = "<no-store xmlns='urn:xmpp:hints'/>";
    let message =
        format!("<message to='bob@x.example/b' id='1'><body>{}</body>{hint}</message>", "x".repeat(600));
    world.send(alice, &message);
    world.input(Input::Flushed { conn: bob, bytes: 700 });
    world.send(alice, &message);
    assert_eq!(world.closed, []);
    world.send(alice, &message);
    assert!(world.read(alice).contains("<resource-constraint"));
    assert!(world.read(bob).contains("<resource-constraint"));
    assert_eq!(world.closed, [bob]);
}

#[test]
fn presence_reaches_the_own_resources_and_those_told_directly() {
    let mut world = World::new();
    world.add("alice");
    world.add("bob");
    let phone = world.login("alice", "phone", Some(1));
    let bob = world.login("bob", "b", Some(0));
    let desk = world.login("alice", "desk", None);
    world.send(desk, "<presence><status>at work</status></presence>");
    let said = world.read(desk);
    assert!(
        said.contains("from='alice@x.example/desk'") && said.contains("from='alice@x.example/phone'"),
        "{said}"
    );
    assert!(world.read(phone).contains("at work"));
    assert_eq!(world.read(bob), "");
    world.send(desk, "<presence to='bob@x.example'/>");
    assert!(world.read(bob).contains("<presence to='bob@x.example' from='alice@x.example/desk'/>"));
    world.input(Input::Closed { conn: desk, cause: CloseCause::Reset });
    assert!(
        world
            .read(bob)
            .contains("<presence type='unavailable' from='alice@x.example/desk' to='bob@x.example'/>")
    );
    assert!(world.read(phone).contains("type='unavailable'"));
}

#[test]
fn a_request_to_a_stranger_s_resource_reveals_nothing() {
    let mut world = World::new();
    world.add("alice");
    world.add("bob");
    let alice = world.login("alice", "a", Some(0));
    let bob = world.login("bob", "b", Some(0));
    let ask = "<iq type='get' id='1' to='bob@x.example/b'><ping xmlns='urn:xmpp:ping'/></iq>";
    world.send(alice, ask);
    let there = world.read(alice);
    world.send(alice, &ask.replace("/b'", "/nobody'"));
    assert_eq!(there.replace("/b'", "/nobody'"), world.read(alice));
    assert_eq!(world.read(bob), "");
    world.send(bob, "<presence to='alice@x.example'/>");
    world.read(alice);
    world.send(alice, ask);
    assert!(world.read(bob).contains("urn:xmpp:ping"));
}

#[test]
fn the_same_inputs_give_the_same_outputs_however_they_are_polled() {
    let run = |poll_late: bool| {
        let mut world = World::new();
        world.add("alice");
        let alice = world.login("alice", "a", Some(0));
        let now = crate::time::Now::default();
        let mut said = Vec::new();
        for text in ["<presence/>", "<message to='alice@x.example'/>", "<iq type='get' id='1'/>"] {
            world.node.handle_input(
                now,
                Input::Received { conn: alice, bytes: Bytes::from_static(text.as_bytes()) },
            );
            if !poll_late {
                poll(&mut world, &mut said);
            }
        }
        poll(&mut world, &mut said);
        said
    };
    assert_eq!(run(false), run(true));
}

fn poll(world: &mut World, said: &mut Vec<String>) {
    loop {
        let output = world.node.poll_output();
        if matches!(output, crate::io::Output::Wait { .. }) {
            return;
        }
        said.push(format!("{output:?}"));
    }
}

#[test]
fn the_language_of_the_stream_is_that_of_its_stanzas() {
    let mut world = World::new();
    world.add("alice");
    let conn = world.open();
    let header = HEADER.replace("version", "xml:lang='de' version");
    world.send(conn, &header);
    world.auth(conn, "alice", "pw");
    world.send(conn, &header);
    world
        .send(conn, "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq><presence/>");
    world.read(conn);
    world.send(
        conn,
        "<message to='alice@x.example' id='1'/><message to='alice@x.example' xml:lang='fr' id='2'/>",
    );
    let said = world.read(conn);
    assert!(said.contains(" xml:lang='de'") && said.matches("xml:lang=").count() == 2, "{said}");
}

/// What is sent in one piece is handled like what is sent in many.
#[test]
fn a_stanza_is_done_with_before_the_next_thing_is_looked_at() {
    let footer = "</stream:stream>";
    let ping = "<iq type='get' id='x'><ping xmlns='urn:xmpp:ping'/></iq>";
    let ghost = "<message to='ghost@x.example' id='1'><body/></message>";
    let forged = "<message from='eve@x.example'/>";
    let own = "<message to='alice@x.example' id='2'><body>to myself</body></message>";
    for (first, then, expected) in [
        (ping, footer, "type='result'"),
        (ghost, footer, "<service-unavailable"),
        (forged, footer, "<invalid-from"),
        (own, "<presence type='unavailable'/>", "to myself"),
    ] {
        let mut said = Vec::new();
        for together in [true, false] {
            let mut world = World::new();
            world.add("alice");
            let alice = world.login("alice", "a", Some(0));
            if together {
                world.send(alice, &format!("{first}{then}"));
            } else {
                world.send(alice, first);
                world.send(alice, then);
            }
            said.push(world.read(alice));
        }
        let [together, apart] = said.as_slice() else { panic!("two runs") };
        assert!(together.contains(expected), "{first}{then}: {together}");
        assert_eq!(together, apart);
    }
}

#[test]
fn those_told_directly_hear_of_the_end_though_nobody_else_was_told() {
    let mut world = World::new();
    world.add("alice");
    world.add("bob");
    let phone = world.login("alice", "phone", Some(0));
    let desk = world.login("alice", "desk", None);
    let bob = world.login("bob", "b", Some(0));
    world.send(desk, "<presence to='bob@x.example'/><presence type='unavailable'/>");
    assert!(
        world
            .read(bob)
            .contains("<presence type='unavailable' from='alice@x.example/desk' to='bob@x.example'/>")
    );
    assert_eq!(world.read(phone), "");
}
