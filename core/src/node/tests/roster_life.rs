//! Rosters over crashes, restarts, and the end of accounts.

use bytes::Bytes;

use super::jid;
use super::roster::{GET, befriend, interested, roster, set, two, version};
use crate::config::DomainConfig;
use crate::io::{Answer, Command, Secret};
use crate::jid::Domain;
use crate::node::harness::{HEADER, World};

#[test]
fn a_subscription_that_was_not_written_never_was() {
    for written in [false, true] {
        let (mut world, alice, bob) = two();
        world.waiting = Some(Vec::new());
        world.send(alice, "<presence type='subscribe' to='bob@x.example'/>");
        assert_eq!((world.read(alice), world.read(bob)), (String::new(), String::new()));
        if written {
            world.answer_next();
        }
        world.kill();
        world.waiting = None;
        let alice = interested(&mut world, "alice", "a");
        let bob = world.login("bob", "b", None);
        world.send(bob, "<presence/>");
        assert_eq!(roster(&mut world, alice).contains("ask='subscribe'"), written);
        assert_eq!(world.read(bob).contains("type='subscribe'"), written);
    }
}

/// What a session keeps for its client.
fn waiting(world: &World, user: &str) -> String {
    let id = world.node.directory.of_account(jid(user).as_jid())[0];
    let slots = world.node.directory.get(id).unwrap().outbox.from(0);
    slots.map(|(_, slot)| String::from_utf8(slot.packet.to_vec()).unwrap()).collect()
}

#[test]
fn a_session_of_before_the_crash_is_told_what_its_queue_had_missed() {
    // After how many flushes the node is killed: the change is in the first, the push in the second.
    for (flushes, changed) in [(0, false), (1, true), (2, true)] {
        let (mut world, alice, bob) = two();
        world.send(alice, "<enable xmlns='urn:xmpp:sm:3' resume='true'/>");
        assert!(world.read(alice).contains("<enabled"));
        set(&mut world, alice, "<item jid='c@x.example' name='first'/>");
        world.send(alice, "<presence type='subscribe' to='bob@x.example'/>");
        world.waiting = Some(Vec::new());
        world.send(bob, "<presence type='subscribed' to='alice@x.example'/>");
        for _ in 0..flushes {
            assert!(world.answer_next());
        }
        world.kill();
        world.waiting = None;
        let queue = waiting(&world, "alice@x.example");
        let pushes = queue.matches("<item jid='bob@x.example' subscription='to'/>").count();
        assert_eq!(pushes, usize::from(changed), "after {flushes} flushes: {queue}");
        assert_eq!(queue.matches("name='first'").count(), 1, "{queue}");
        // The next crash has nothing to add.
        world.send(bob, "");
        let again = interested(&mut world, "bob", "later");
        world.send(again, GET);
        world.kill();
        assert_eq!(waiting(&world, "alice@x.example").matches("subscription='to'").count(), pushes);
    }
}

#[test]
fn a_removed_account_leaves_no_subscription_and_its_successor_inherits_nothing() {
    for online in [true, false] {
        let (mut world, alice, bob) = two();
        world.add("carol");
        let carol = interested(&mut world, "carol", "c");
        befriend(&mut world, (alice, "alice"), (bob, "bob"));
        world.send(alice, "<presence type='subscribe' to='carol@x.example'/>");
        world.send(carol, "<presence type='subscribed' to='bob@x.example'/>");
        set(&mut world, alice, "<item jid='bob@x.example' name='Bobby'/>");
        let old = version(&roster(&mut world, alice)).to_owned();
        if !online {
            world.kill();
        }
        world.read(bob);
        let remove = Command::UserRemove { user: jid("alice@x.example") };
        assert_eq!(world.command(remove), Some(Answer::Done));
        if online {
            let said = world.read(bob);
            let places = ["<presence type='unavailable' from='alice@x.example/a'", "type='unsubscribed'"];
            assert!(places.map(|text| said.find(text)).is_sorted(), "{said}");
            assert_eq!(said.matches("type='unavailable'").count(), 1, "{said}");
            assert!(said.contains("<item jid='alice@x.example' subscription='none'/>"), "{said}");
        }
        world.kill();
        world.add("alice");
        let bob = interested(&mut world, "bob", "b");
        let carol = interested(&mut world, "carol", "c");
        assert!(roster(&mut world, bob).contains("<item jid='alice@x.example' subscription='none'/>"));
        let alice = world.login("alice", "a", None);
        world.send(
            alice,
            &format!("<iq type='get' id='g'><query xmlns='jabber:iq:roster' ver='{old}'/></iq>"),
        );
        let said = world.read(alice);
        assert!(said.contains("<query") && !said.contains("<item"), "{said}");
        world.send(alice, "<presence/>");
        assert!(!world.read(alice).contains("bob") && !world.read(bob).contains("alice"));
        world.send(carol, "<presence type='unavailable'/><presence/>");
        assert!(!world.read(carol).contains("alice"), "the request is gone, too");
        befriend(&mut world, (alice, "alice"), (bob, "bob"));
        assert!(roster(&mut world, alice).contains("<item jid='bob@x.example' subscription='both'/>"));
        assert!(roster(&mut world, bob).contains("<item jid='alice@x.example' subscription='both'/>"));
    }
}

#[test]
fn a_subscription_may_lead_from_domain_to_domain() {
    let mut world = World::with(|config| {
        let name = Domain::parse("y.example").unwrap();
        config.domains.push(DomainConfig::closed(name));
    });
    world.add("alice");
    let password = Some(Secret(Bytes::from_static(b"pw")));
    world.command(Command::UserAdd { user: jid("bob@y.example"), password });
    // One domain has written much more than the other.
    let alice = interested(&mut world, "alice", "a");
    for number in 0..20 {
        set(&mut world, alice, &format!("<item jid='c{number}@x.example'/>"));
    }
    let bob = world.open();
    let header = HEADER.replace("x.example", "y.example");
    world.send(bob, &header);
    world.auth(bob, "bob", "pw");
    world.send(bob, &header);
    world.send(bob, "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq><presence/>");
    world.read(bob);
    for _ in 0..3 {
        world.send(alice, "<presence type='subscribe' to='bob@y.example'/>");
        assert!(world.read(bob).contains("type='subscribe'"));
        world.send(bob, "<presence type='subscribed' to='alice@x.example'/>");
        assert!(roster(&mut world, alice).contains("<item jid='bob@y.example' subscription='to'/>"));
        world.send(bob, "<presence type='unsubscribed' to='alice@x.example'/>");
        assert!(roster(&mut world, alice).contains("<item jid='bob@y.example' subscription='none'/>"));
        world.read(bob);
    }
}

#[test]
fn a_successor_made_without_a_restart_inherits_nothing_either() {
    let (mut world, alice, bob) = two();
    befriend(&mut world, (alice, "alice"), (bob, "bob"));
    assert_eq!(world.command(Command::UserRemove { user: jid("alice@x.example") }), Some(Answer::Done));
    world.add("alice");
    world.read(bob);
    let alice = interested(&mut world, "alice", "a");
    assert!(!roster(&mut world, alice).contains("<item"));
    world.send(alice, "<presence/>");
    assert_eq!(world.read(bob), "");
}
