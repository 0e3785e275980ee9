//! Presence of those who follow each other, and what others may not know.

use super::roster::{befriend, interested, two};
use crate::node::harness::World;

#[test]
fn those_who_follow_hear_everything_and_others_nothing() {
    let (mut world, alice, bob) = two();
    world.add("eve");
    let eve = interested(&mut world, "eve", "e");
    world.send(bob, "<presence type='subscribe' to='alice@x.example' id='1'><status>hi</status></presence>");
    let asked = world.read(alice);
    assert!(
        asked.contains("<presence type='subscribe' to='alice@x.example' id='1' from='bob@x.example'>"),
        "{asked}"
    );
    assert!(!asked.contains("<iq"), "who only asks is in no roster: {asked}");
    world.read(bob);
    world.send(alice, "<presence type='subscribed' to='bob@x.example' id='2'/>");
    let said = world.read(bob);
    // The approval first, then the push, then the presence (3.1.6).
    let places =
        ["type='subscribed'", "subscription='to'", "from='alice@x.example/a'"].map(|text| said.find(text));
    assert!(places.is_sorted() && places[0].is_some(), "{said}");
    world.send(alice, "<presence><show>away</show></presence>");
    assert!(world.read(bob).contains("<show>away</show>"));
    world.send(bob, "<presence><show>dnd</show></presence>");
    assert!(!world.read(alice).contains("dnd"), "she does not follow him");
    // Somebody who comes later is told what they all said last.
    let phone = interested(&mut world, "bob", "phone");
    world.send(phone, "<presence type='unavailable'/><presence/>");
    let said = world.read(phone);
    assert!(said.contains("from='alice@x.example/a' to='bob@x.example/phone'><show>away</show>"), "{said}");
    world.read(bob);
    world.send(alice, "<presence type='unavailable'><status>bye</status></presence>");
    assert!(world.read(bob).contains("<status>bye</status>"));
    world.send(alice, "<presence/>");
    assert!(world.read(bob).contains("<presence from='alice@x.example/a'"));
    world.cut(alice);
    assert!(
        world
            .read(bob)
            .contains("<presence type='unavailable' from='alice@x.example/a' to='bob@x.example'/>")
    );
    assert_eq!(world.read(eve), "");
}

#[test]
fn presence_that_was_also_directed_ends_once() {
    let (mut world, alice, bob) = two();
    befriend(&mut world, (alice, "alice"), (bob, "bob"));
    world.send(alice, "<presence to='bob@x.example'/><presence to='bob@x.example/b'/>");
    world.read(bob);
    world.cut(alice);
    assert_eq!(world.read(bob).matches("type='unavailable'").count(), 1);
}

#[test]
fn a_cancelled_subscription_ends_what_was_seen() {
    let (mut world, alice, bob) = two();
    befriend(&mut world, (alice, "alice"), (bob, "bob"));
    world.send(alice, "<presence type='unsubscribed' to='bob@x.example'/>");
    let said = world.read(bob);
    let places =
        ["<presence type='unavailable' from='alice@x.example/a'", "type='unsubscribed'", "<iq type='set'"];
    let places = places.map(|text| said.find(text));
    assert!(places.is_sorted() && places[0].is_some(), "{said}");
    assert!(said.contains("subscription='from'"), "{said}");
    world.send(alice, "<presence/>");
    assert_eq!(world.read(bob), "");
    world.read(alice);
    world.send(bob, "<presence type='unsubscribed' to='alice@x.example'/>");
    assert!(world.read(alice).contains("subscription='none'"));
}

#[test]
fn a_request_waits_whole_until_it_is_answered() {
    let mut world = World::new();
    world.add("alice");
    world.add("bob");
    let alice = interested(&mut world, "alice", "a");
    let request =
        "<presence type='subscribe' to='bob@x.example/nowhere' id='1'><nick xmlns='n'>Al</nick></presence>";
    for _ in 0..2 {
        world.send(alice, request);
    }
    world.kill();
    let whole = "<presence type='subscribe' to='bob@x.example' id='1' from='alice@x.example'><nick xmlns='n'>Al</nick></presence>";
    for resource in ["one", "two"] {
        let bob = world.login("bob", resource, None);
        assert_eq!(world.read(bob), "", "it waits for an available resource");
        world.send(bob, "<presence/>");
        assert_eq!(world.read(bob).matches(whole).count(), 1);
    }
    let bob = world.login("bob", "three", Some(0));
    world.send(bob, "<presence type='unsubscribed' to='alice@x.example'/>");
    let later = world.login("bob", "four", None);
    world.send(later, "<presence/>");
    assert!(!world.read(later).contains("subscribe"));
}

#[test]
fn accounts_that_are_and_are_not_look_the_same_to_a_stranger() {
    let said = ["bob", "ghost"].map(|name| {
        let (mut world, alice, _) = two();
        let mut all = String::new();
        for stanza in [
            "<presence type='probe' to='NAME@x.example' id='0'/>",
            "<presence to='NAME@x.example'/>",
            "<presence type='subscribe' to='NAME@x.example' id='1'/>",
            "<presence type='probe' to='NAME@x.example' id='2'/>",
            "<presence type='subscribe' to='NAME@x.example' id='3'/>",
            "<presence type='unsubscribe' to='NAME@x.example'/>",
            "<presence type='subscribed' to='NAME@x.example'/>",
            "<presence type='unsubscribed' to='NAME@x.example'/>",
            "<presence type='unsubscribe' to='NAME@x.example/b'/>",
            "<iq type='get' id='4' to='NAME@x.example/b'><q xmlns='u'/></iq>",
            "<iq type='get' id='5' to='NAME@x.example'><q xmlns='u'/></iq>",
            "<iq type='set' id='6'><query xmlns='jabber:iq:roster'><item jid='NAME@x.example' subscription='remove'/></query></iq>",
        ] {
            world.send(alice, &stanza.replace("NAME", name));
            all.push_str(&world.read(alice));
            all.push('\n');
        }
        all.replace(name, "NAME")
    });
    // The stamps are those of other writes, the ids of pushes are drawn.
    let [one, other] = said.map(|said| masked(&masked(&said, "ver='"), "to='alice@x.example/a' id='"));
    assert_eq!(one, other);
    assert!(one.contains("type='unsubscribed'") && one.contains("ask='subscribe'"), "{one}");
}

/// Returns the text without the values that follow `name`.
fn masked(text: &str, name: &str) -> String {
    let mut parts = text.split(name);
    let first = parts.next().unwrap_or_default().to_owned();
    let rest = parts.map(|part| part.split_once('\'').map_or(part, |(_, rest)| rest));
    core::iter::once(first).chain(rest.map(|rest| format!("{name}'{rest}"))).collect()
}

#[test]
fn probes_are_answered_to_those_who_may_know() {
    let (mut world, alice, bob) = two();
    befriend(&mut world, (alice, "alice"), (bob, "bob"));
    world.send(bob, "<presence id='p1'><show>xa</show></presence>");
    world.read(alice);
    world.send(alice, "<presence type='probe' to='bob@x.example' id='1'/>");
    assert_eq!(
        world.read(alice),
        "<presence id='p1' from='bob@x.example/b' to='alice@x.example/a'><show>xa</show></presence>"
    );
    world.send(alice, "<presence type='probe' to='bob@x.example/b' id='2'/>");
    assert_eq!(world.read(alice), "<presence from='bob@x.example/b' to='alice@x.example/a'/>");
    world.send(alice, "<presence type='probe' to='bob@x.example/none' id='3'/>");
    let none = "<presence type='unavailable' from='bob@x.example/none' to='alice@x.example/a' id='3'/>";
    assert_eq!(world.read(alice), none);
    world.send(bob, "<presence type='unavailable'/>");
    world.read(alice);
    world.send(alice, "<presence type='probe' to='bob@x.example' id='4'/>");
    let gone = "<presence type='unavailable' from='bob@x.example' to='alice@x.example/a' id='4'/>";
    assert_eq!(world.read(alice), gone);
    // Directed presence lets somebody know of one resource.
    world.add("eve");
    let eve = interested(&mut world, "eve", "e");
    world.send(bob, "<presence to='eve@x.example'><show>chat</show></presence>");
    world.read(eve);
    world.send(eve, "<presence type='probe' to='bob@x.example/b'/>");
    assert_eq!(world.read(eve), "<presence from='bob@x.example/b' to='eve@x.example/e'/>");
    world.send(eve, "<presence type='probe' to='bob@x.example'/>");
    assert!(world.read(eve).contains("type='unsubscribed' from='bob@x.example' to='eve@x.example'"));
}

#[test]
fn requests_reach_the_resources_of_those_who_let_the_sender_know() {
    let (mut world, alice, bob) = two();
    let ask = |world: &mut World| {
        world.send(
            alice,
            "<iq type='get' id='v' to='bob@x.example/b'><query xmlns='jabber:iq:version'/></iq>",
        );
        let reached = world.read(bob).contains("jabber:iq:version");
        assert_ne!(reached, world.read(alice).contains("service-unavailable"));
        reached
    };
    assert!(!ask(&mut world));
    world.send(alice, "<presence type='subscribe' to='bob@x.example'/>");
    world.read(alice);
    world.read(bob);
    assert!(!ask(&mut world), "not before it is approved");
    world.send(bob, "<presence type='subscribed' to='alice@x.example'/>");
    world.read(alice);
    world.read(bob);
    assert!(ask(&mut world));
    world.send(bob, "<presence type='unsubscribed' to='alice@x.example'/>");
    world.read(alice);
    world.read(bob);
    assert!(!ask(&mut world));
    world.send(bob, "<presence to='alice@x.example/a'/>");
    world.read(alice);
    assert!(ask(&mut world), "directed presence");
    // Who says that it is gone is forgotten, and a successor of that name is a stranger.
    world.send(alice, "<presence to='bob@x.example'/>");
    world.cut(alice);
    world.read(bob);
    let alice = world.login("alice", "a", Some(0));
    world.send(alice, "<iq type='get' id='v' to='bob@x.example/b'><query xmlns='jabber:iq:version'/></iq>");
    assert!(world.read(alice).contains("service-unavailable"));
    assert_eq!(world.read(bob), "");
}

#[test]
fn what_cannot_be_asked_is_refused_and_oneself_is_left_alone() {
    let mut world = World::with(|config| {
        config.limits.requests = 1;
        config.limits.request_bytes = 300;
    });
    for user in ["alice", "bob", "eve"] {
        world.add(user);
    }
    let alice = interested(&mut world, "alice", "a");
    for kind in ["subscribe", "subscribed", "unsubscribe", "unsubscribed"] {
        world.send(alice, &format!("<presence type='{kind}' to='alice@x.example'/>"));
        assert_eq!(world.read(alice), "", "{kind}");
        world.send(alice, &format!("<presence type='{kind}' to='bob@elsewhere.example'/>"));
        let said = world.read(alice);
        assert!(said.contains("remote-server-not-found") && !said.contains("<iq"), "{kind}: {said}");
        world.send(alice, &format!("<presence type='{kind}'/>"));
        assert!(world.read(alice).contains("bad-request"), "{kind}");
    }
    let long = "x".repeat(300);
    world.send(
        alice,
        &format!("<presence type='subscribe' to='bob@x.example'><status>{long}</status></presence>"),
    );
    assert!(world.read(alice).contains("not-acceptable"));
    // One request is the bound: the other looks as if it waited.
    let eve = interested(&mut world, "eve", "e");
    world.send(eve, "<presence type='subscribe' to='bob@x.example'/>");
    world.send(alice, "<presence type='subscribe' to='bob@x.example'/>");
    assert!(world.read(alice).contains("ask='subscribe'"));
    let bob = world.login("bob", "b", None);
    world.send(bob, "<presence/>");
    let said = world.read(bob);
    assert!(said.contains("from='eve@x.example'") && !said.contains("alice"), "{said}");
    // With room again, the next try reaches him.
    world.send(bob, "<presence type='unsubscribed' to='eve@x.example'/>");
    world.read(bob);
    world.send(alice, "<presence type='subscribe' to='bob@x.example'/>");
    assert!(world.read(bob).contains("from='alice@x.example'"));
}
