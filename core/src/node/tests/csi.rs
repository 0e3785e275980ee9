//! Clients that are not looked at.

use super::acks::{ack, message, two};
use super::resumption::resume;
use super::subscribe;
use crate::io::ConnId;
use crate::node::harness::World;

const INACTIVE: &str = "<inactive xmlns='urn:xmpp:csi:0'/>";
const ACTIVE: &str = "<active xmlns='urn:xmpp:csi:0'/>";

/// Alice, who is not looked at, and Bob, whose presence she gets.
fn pair() -> (World, ConnId, ConnId) {
    let mut world = World::with(|config| config.limits.held_stanzas = 4);
    world.add("alice");
    world.add("bob");
    let alice = world.login("alice", "a", Some(0));
    let bob = world.login("bob", "b", Some(0));
    subscribe(&mut world, "alice", "bob");
    world.send(alice, INACTIVE);
    assert_eq!(world.read(alice), "");
    (world, alice, bob)
}

fn state(name: &str) -> String {
    format!(
        "<message to='alice@x.example' type='chat'><{name} xmlns='http://jabber.org/protocol/chatstates'/></message>"
    )
}

fn shows(said: &str) -> Vec<&str> {
    said.split("<show>").skip(1).filter_map(|rest| rest.split('<').next()).collect()
}

#[test]
fn the_newest_presence_and_chat_state_wait_until_somebody_looks() {
    let (mut world, alice, bob) = pair();
    for show in ["away", "chat", "away"] {
        world.send(bob, &format!("<presence to='alice@x.example'><show>{show}</show></presence>"));
        world.send(bob, &state("composing"));
        world.send(bob, &state("paused"));
    }
    assert_eq!(world.read(alice), "");
    world.send(alice, &format!("{ACTIVE}<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>"));
    let said = world.read(alice);
    assert_eq!(shows(&said), ["away"]);
    assert_eq!((said.matches("<composing").count(), said.matches("<paused").count()), (0, 1), "{said}");
    assert!(said.ends_with("id='p'/>"), "what was held goes before the answer: {said}");
    world.send(bob, &state("composing"));
    assert!(world.read(alice).contains("<composing"), "she is looked at");
}

#[test]
fn a_message_takes_along_what_was_held_before_it() {
    let (mut world, alice, bob) = pair();
    world.send(bob, "<presence to='alice@x.example'><show>away</show></presence>");
    world.send(bob, "<message to='alice@x.example' type='chat'><body>hi</body></message>");
    world.send(bob, "<presence to='alice@x.example'><show>chat</show></presence>");
    let said = world.read(alice);
    assert!(said.find("away") < said.find("<body>") && said.contains("<body>hi</body>"), "{said}");
    assert!(!said.contains("<show>chat"), "what follows waits again: {said}");
    world.send(bob, "<iq to='alice@x.example/a' type='result' id='1'/>");
    let said = world.read(alice);
    assert!(said.find("<show>chat") < said.find("<iq"), "{said}");
}

#[test]
fn no_more_is_held_than_the_bound() {
    let (mut world, alice, bob) = pair();
    for resource in 0..5 {
        let other = world.login("bob", &format!("r{resource}"), Some(0));
        world.send(other, "<presence to='alice@x.example'><show>away</show></presence>");
        let held = resource < 4;
        assert_eq!(world.read(alice).is_empty(), held, "{resource}");
    }
    let (long, short) = ("x".repeat(200_000), "x".repeat(100_000));
    world.send(bob, &format!("<presence to='alice@x.example'><status>{long}</status></presence>"));
    assert_eq!(world.read(alice), "");
    world.send(bob, &format!("<presence to='alice@x.example/a'><status>{long}</status></presence>"));
    assert_eq!(world.read(alice), "", "the older one made room");
    let other = world.login("bob", "other", Some(0));
    world.send(other, &format!("<presence to='alice@x.example'><status>{short}</status></presence>"));
    assert_eq!(world.read(alice).matches("<status>").count(), 2);
}

#[test]
fn requests_to_subscribe_are_not_held() {
    let (mut world, alice, bob) = pair();
    world.send(bob, "<message to='alice@x.example' type='chat'><thread>t</thread></message>");
    assert!(world.read(alice).contains("<thread>"), "no chat state, no waiting");
    world.send(bob, "<presence to='alice@x.example/a' type='error'/>");
    assert!(world.read(alice).contains("type='error'"));
}

#[test]
fn before_a_session_the_words_mean_nothing() {
    let mut world = World::new();
    let conn = world.open();
    world.header(conn);
    world.send(conn, INACTIVE);
    assert!(world.read(conn).contains("<unsupported-stanza-type"));
}

/// What 30 contacts do in an hour: each shows another presence every five minutes and types every fifteen; four messages come. Returns
/// how many stanzas and bytes a client got that said `words`, and how often it was woken.
fn hour(words: &str) -> (usize, usize, usize) {
    let mut world = World::new();
    world.add("alice");
    world.add("bob");
    let alice = world.login("alice", "a", Some(0));
    let contacts: Vec<ConnId> = (0..30).map(|at| world.login("bob", &format!("r{at}"), Some(0))).collect();
    world.send(alice, words);
    world.read(alice);
    let (mut stanzas, mut bytes, mut wakes) = (0, 0, 0);
    let mut say = |contact: ConnId, what: &str| {
        world.send(contact, what);
        let said = world.read(alice);
        stanzas += said.matches(" from='bob").count();
        bytes += said.len();
        wakes += usize::from(!said.is_empty());
    };
    for minute in 0..60 {
        for (at, contact) in contacts.iter().enumerate() {
            if (minute + at) % 5 == 0 {
                let show = ["away", "dnd", "chat", "xa"][minute / 5 % 4];
                say(*contact, &format!("<presence to='alice@x.example'><show>{show}</show></presence>"));
            }
            if (minute + at) % 15 == 0 {
                say(*contact, &state("composing"));
            }
        }
        if minute % 15 == 7 {
            say(contacts[0], "<message to='alice@x.example' type='chat'><body>hi</body></message>");
        }
    }
    (stanzas, bytes, wakes)
}

#[test]
fn an_hour_in_a_pocket_wakes_the_client_for_messages_only() {
    assert_eq!(hour(ACTIVE), (484, 46_750, 484));
    assert_eq!(hour(INACTIVE), (230, 24_967, 4));
}

#[test]
fn what_is_held_is_stored_numbered_and_sent_when_the_session_goes_on() {
    let (mut world, [alice, bob], [_, id]) = two();
    world.send(bob, INACTIVE);
    let presence = |show: &str| format!("<presence to='bob@x.example/r'><show>{show}</show></presence>");
    for show in ["away", "dnd"] {
        world.send(alice, &presence(show));
    }
    assert_eq!(world.read(bob), "");
    world.send(alice, &message("bob", "1"));
    assert_eq!(shows(&world.read(bob)), ["dnd"]);
    for show in ["xa", "chat"] {
        world.send(alice, &presence(show));
    }
    assert_eq!(world.read(bob), "");
    world.kill();
    let (bob, said) = resume(&mut world, "bob", &id, 2);
    assert_eq!(shows(&said), ["chat"], "the presence and the message before were acknowledged: {said}");
    world.send(bob, &ack(3));
    let other = world.login("alice", "other", None);
    world.send(other, &presence("away"));
    assert_eq!(shows(&world.read(bob)), ["away"], "a stream begins active");
}

#[test]
fn what_is_held_while_nobody_is_connected_is_coalesced_too() {
    let (mut world, [alice, bob], [_, id]) = two();
    world.send(bob, INACTIVE);
    world.send(alice, "<presence to='bob@x.example/r'><show>away</show></presence>");
    world.cut(bob);
    world.send(alice, "<presence to='bob@x.example/r'><show>dnd</show></presence>");
    assert_eq!(shows(&resume(&mut world, "bob", &id, 0).1), ["dnd"]);
}
