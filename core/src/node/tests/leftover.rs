//! What sessions leave that nobody resumes: messages that no archive keeps.

use super::acks::{ENABLE, id_of};
use super::messages::{bodies, rows};
use crate::io::ConnId;
use crate::node::harness::World;
use crate::store::Table;

const HINT: &str = "<no-store xmlns='urn:xmpp:hints'/>";
const CARBONS: &str = "<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>";

/// Alice is there, and bob's desk, which has lost its connection.
fn world() -> (World, ConnId) {
    let mut world = World::new();
    for user in ["alice", "bob"] {
        world.add(user);
    }
    let alice = world.login("alice", "a", Some(0));
    leave(&mut world, "desk");
    (world, alice)
}

/// A session of bob's that waits to be resumed.
fn leave(world: &mut World, resource: &str) {
    let conn = world.login("bob", resource, Some(0));
    world.send(conn, ENABLE);
    id_of(&world.read(conn));
    world.cut(conn);
}

fn message(to: &str, kind: &str, body: &str) -> String {
    format!("<message to='{to}' type='{kind}' id='{body}'><body>{body}</body>{HINT}</message>")
}

fn expire(world: &mut World) {
    world.pass(600_000_000);
}

#[test]
fn what_the_text_says_of_a_resource_that_is_not_there_is_done() {
    // To whom, what kind, whether the phone gets it, whether the sender is told; with the phone there and without.
    for (to, kind, there, alone) in [
        ("bob@x.example/desk", "chat", (1, 0), (0, 1)),
        ("bob@x.example/desk", "normal", (0, 1), (0, 1)),
        ("bob@x.example/desk", "groupchat", (0, 1), (0, 1)),
        ("bob@x.example/desk", "headline", (0, 0), (0, 0)),
        ("bob@x.example", "chat", (1, 0), (0, 1)),
        ("bob@x.example", "normal", (1, 0), (0, 1)),
        ("bob@x.example", "headline", (1, 0), (0, 0)),
    ] {
        for (phone, expected) in [(true, there), (false, alone)] {
            let (mut world, alice) = world();
            world.send(alice, &message(to, kind, "x"));
            let phone = phone.then(|| world.login("bob", "phone", Some(0)));
            world.read(alice);
            expire(&mut world);
            let said = phone.map(|phone| world.read(phone)).unwrap_or_default();
            let told = world.read(alice).matches("<service-unavailable ").count();
            assert_eq!((bodies(&said).len(), told), expected, "{kind} to {to}: {said}");
            assert_eq!(said.contains("<delay "), expected.0 > 0, "{said}");
        }
    }
}

#[test]
fn whom_the_account_has_blocked_meanwhile_is_told_what_a_resource_that_is_gone_would_be() {
    let block = |who: &str| {
        format!("<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='{who}'/></block></iq>")
    };
    // What kind, and how often its sender is told, where nobody has it and where the phone does.
    for (kind, alone, there) in [("chat", 1, 0), ("headline", 0, 0)] {
        for (phone_was_there, expected) in [(false, alone), (true, there)] {
            let (mut world, alice) = world();
            let phone = phone_was_there.then(|| world.login("bob", "phone", Some(0)));
            world.send(alice, &message("bob@x.example", kind, "x"));
            let phone = phone.unwrap_or_else(|| world.login("bob", "phone", Some(0)));
            world.send(phone, &block("alice@x.example"));
            world.read(alice);
            let before = world.read(phone);
            assert_eq!(bodies(&before).len(), usize::from(phone_was_there), "{before}");
            expire(&mut world);
            assert_eq!(bodies(&world.read(phone)), [] as [&str; 0], "{kind}: it does not reach the account");
            assert_eq!(world.read(alice).matches("<service-unavailable ").count(), expected, "{kind}");
        }
    }
    // An account that has blocked itself by mistake hears itself all the same (XEP-0191, 4).
    let (mut world, _) = world();
    let phone = world.login("bob", "phone", Some(-1));
    world.send(phone, &block("bob@x.example"));
    world.send(phone, &message("bob@x.example", "chat", "x"));
    let tablet = world.login("bob", "tablet", Some(0));
    world.read(tablet);
    expire(&mut world);
    assert_eq!(bodies(&world.read(tablet)).len(), 1);
}

#[test]
fn who_was_there_has_it_and_who_came_later_gets_it_once() {
    let (mut world, alice) = world();
    leave(&mut world, "lap");
    world.send(alice, &message("bob@x.example", "chat", "x"));
    let phone = world.login("bob", "phone", Some(0));
    expire(&mut world);
    assert_eq!(bodies(&world.read(phone)), ["x"], "two sessions leave it");
    assert!(!world.read(alice).contains("<error"));
    let (mut world, alice) = self::world();
    let phone = world.login("bob", "phone", Some(0));
    world.send(alice, &message("bob@x.example", "chat", "x"));
    assert_eq!(bodies(&world.read(phone)), ["x"]);
    expire(&mut world);
    assert_eq!(bodies(&world.read(phone)), [""; 0]);
    assert!(!world.read(alice).contains("<error"));
}

#[test]
fn what_may_wait_waits_with_the_time_at_which_it_came() {
    let (mut world, alice) = world();
    world.pass(5_000_000);
    let once = message("bob@x.example/desk", "chat", "x").replace("no-store", "no-permanent-store");
    world.send(alice, &once);
    expire(&mut world);
    assert_eq!(rows(&world, Table::Owed), 1);
    assert!(!world.read(alice).contains("<error"));
    let phone = world.login("bob", "phone", None);
    world.send(phone, "<presence/>");
    let said = world.read(phone);
    assert_eq!((bodies(&said), said.matches("<delay ").count()), (vec!["x"], 1), "{said}");
    assert!(said.contains("stamp='1970-01-01T00:00:05.000Z'"), "{said}");
}

#[test]
fn a_copy_that_nobody_got_is_missed_only_by_whom_it_was_for() {
    // The desk is addressed, the lap has copies, the phone has none: the last of those who had it leaves it to the phone.
    let (mut world, alice) = world();
    let lap = world.login("bob", "lap", Some(0));
    world.send(lap, ENABLE);
    world.send(lap, CARBONS);
    world.cut(lap);
    let phone = world.login("bob", "phone", Some(0));
    world.send(alice, "<message to='bob@x.example/desk' type='chat'><body>x</body></message>");
    assert_eq!(bodies(&world.read(phone)), [""; 0]);
    expire(&mut world);
    assert_eq!(bodies(&world.read(phone)), ["x"]);
    assert_eq!(rows(&world, Table::Owed), 0);
}

#[test]
fn what_was_handed_on_is_handed_on_again_to_one_that_never_had_it() {
    let (mut world, alice) = world();
    let lap = world.login("bob", "lap", Some(5));
    world.send(lap, ENABLE);
    let phone = world.login("bob", "phone", Some(0));
    world.send(alice, "<message to='bob@x.example/desk' type='chat'><body>x</body></message>");
    world.read(lap);
    expire(&mut world);
    assert_eq!(bodies(&world.read(lap)), ["x"]);
    world.cut(lap);
    expire(&mut world);
    assert_eq!((bodies(&world.read(phone)), rows(&world, Table::Owed)), (vec!["x"], 0));
}

#[test]
fn a_copy_for_one_that_has_the_message_is_missed_by_nobody() {
    let (mut world, alice) = world();
    let lap = world.login("bob", "lap", Some(0));
    world.send(lap, CARBONS);
    world.send(alice, "<message to='bob@x.example/lap' type='chat'><body>x</body></message>");
    world.send(alice, "<message to='bob@x.example/lap' type='chat'><body>y</body></message>");
    assert_eq!(bodies(&world.read(lap)), ["x", "y"]);
    expire(&mut world);
    assert_eq!((bodies(&world.read(lap)), rows(&world, Table::Owed)), (vec![], 0));
}
