//! Messages that a client sends again because it has lost its session and does not know what became of them.

use super::acks::{ASK, ENABLE, ack, attr, id_of};
use super::messages::bodies;
use super::resumption::resume;
use crate::config::Config;
use crate::io::{Command, ConnId};
use crate::node::harness::World;
use crate::store::StoreError;

const SECOND: u64 = 1_000_000;
const HOUR: u64 = 3_600 * SECOND;
const SAID: &str = "<message to='bob@x.example' type='chat' id='1'><body>x</body></message>";

fn world(change: impl FnOnce(&mut Config)) -> World {
    let mut world = World::with(change);
    for user in ["alice", "bob"] {
        world.add(user);
    }
    world
}

/// A session of alice's that can be resumed, and its id.
fn alice(world: &mut World, resource: &str) -> (ConnId, String) {
    let conn = world.login("alice", resource, Some(0));
    world.send(conn, ENABLE);
    let id = id_of(&world.read(conn));
    (conn, id)
}

/// What the archive of `user` lists.
fn listed(world: &mut World, user: &str) -> usize {
    let conn = world.login(user, "reader", None);
    world.send(conn, "<iq type='set' id='m'><query xmlns='urn:xmpp:mam:2'/></iq>");
    let said = world.read(conn);
    world.send(conn, "</stream:stream>");
    bodies(&said).len()
}

/// Returns how many messages bob was given, and how many each archive lists.
fn given(world: &mut World, bob: ConnId) -> (usize, usize, usize) {
    let said = world.read(bob);
    (bodies(&said).len(), listed(world, "alice"), listed(world, "bob"))
}

/// Alice says something and is lost with her session.
fn lost(world: &mut World, resource: &str, what: &str) {
    let (conn, _) = alice(world, resource);
    world.send(conn, what);
    world.cut(conn);
    world.pass(600 * SECOND);
}

#[test]
fn what_a_new_session_repeats_of_one_that_was_lost_is_one_message() {
    for kills in [false, true] {
        let mut world = world(|_| {});
        let (conn, id) = alice(&mut world, "r");
        world.send(conn, SAID);
        world.cut(conn);
        if kills {
            world.kill();
        }
        world.pass(600 * SECOND);
        if kills {
            world.kill();
        }
        let bob = world.login("bob", "r", None);
        world.send(bob, "<presence/>");
        assert_eq!(given(&mut world, bob), (1, 1, 1));
        let said = resume(&mut world, "alice", &id, 0).1;
        assert!(said.starts_with("<failed "), "{said}");
        // Also when the second session is lost before it hears of it.
        for resource in ["r", "other"] {
            let (conn, _) = alice(&mut world, resource);
            world.read(conn);
            world.send(conn, &format!("{SAID}{ASK}"));
            assert!(world.read(conn).ends_with(&ack(1)), "it is taken");
            world.cut(conn);
            if kills {
                world.kill();
            }
            world.pass(600 * SECOND);
        }
        let bob = if kills { world.login("bob", "r", Some(0)) } else { bob };
        assert_eq!(given(&mut world, bob), (0, 1, 1));
    }
}

#[test]
fn a_session_without_acknowledgements_is_lost_with_its_connection() {
    let mut world = world(|_| {});
    let bob = world.login("bob", "r", Some(0));
    let first = world.login("alice", "r", None);
    world.send(first, SAID);
    world.cut(first);
    let second = world.login("alice", "r", None);
    world.send(second, SAID);
    assert_eq!(given(&mut world, bob), (1, 1, 1));
    // In the place of a session that is replaced.
    let third = world.login("alice", "r", None);
    world.send(third, SAID);
    assert_eq!(given(&mut world, bob), (0, 1, 1));
}

#[test]
fn two_messages_that_look_alike_are_two() {
    let message = |to: &str, id: &str, body: &str| {
        format!("<message to='{to}' type='chat'{id}><body>{body}</body></message>")
    };
    let with = |id: &str| format!("<body>x</body><origin-id xmlns='urn:xmpp:sid:0' id='{id}'/>");
    let chat = |content: &str| format!("<message to='bob@x.example' type='chat' id='1'>{content}</message>");
    for (first, second, count) in [
        (SAID.to_owned(), SAID.to_owned(), 1),
        (SAID.to_owned(), message("bob@x.example", " id='2'", "x"), 2),
        (SAID.to_owned(), message("bob@x.example", " id='1'", "y"), 2),
        (SAID.to_owned(), message("bob@x.example/r", " id='1'", "x"), 2),
        (message("bob@x.example", "", "x"), message("bob@x.example", "", "x"), 2),
        (chat(&with("o")), chat(&with("o")).replace("id='1'", "id='2'"), 1),
        (chat(&with("o")), chat(&with("p")), 2),
    ] {
        let mut world = world(|_| {});
        let bob = world.login("bob", "r", Some(0));
        lost(&mut world, "r", &first);
        let (again, _) = alice(&mut world, "r");
        world.send(again, &second);
        assert_eq!(given(&mut world, bob), (count, count, count), "{first} {second}");
    }
}

#[test]
fn who_has_not_lost_a_session_repeats_nothing() {
    let mut world = world(|_| {});
    let bob = world.login("bob", "r", Some(0));
    let (desk, id) = alice(&mut world, "desk");
    world.send(desk, &format!("{SAID}{SAID}"));
    assert_eq!(given(&mut world, bob), (2, 2, 2), "one session says it twice");
    let (phone, _) = alice(&mut world, "phone");
    world.send(phone, SAID);
    assert_eq!(given(&mut world, bob), (1, 3, 3), "two clients say the same");
    world.cut(phone);
    let (phone, _) = alice(&mut world, "tablet");
    world.send(phone, SAID);
    assert_eq!(given(&mut world, bob), (1, 4, 4), "one may still come back");
    world.cut(desk);
    let (desk, said) = resume(&mut world, "alice", &id, 0);
    assert!(said.starts_with("<resumed "), "{said}");
    world.send(desk, SAID);
    assert_eq!(given(&mut world, bob), (1, 5, 5), "it has come back");
    let carol = world.login("bob", "other", None);
    world.send(carol, &SAID.replace("bob@", "alice@"));
    assert_eq!(listed(&mut world, "alice"), 6, "somebody else says it");
}

#[test]
fn a_session_that_its_client_has_closed_leaves_nothing_to_repeat() {
    for kills in [false, true] {
        let mut world = world(|_| {});
        let bob = world.login("bob", "r", Some(0));
        let (first, _) = alice(&mut world, "r");
        world.send(first, &format!("{SAID}</stream:stream>"));
        let bob = if kills {
            world.kill();
            world.login("bob", "s", Some(0))
        } else {
            world.read(bob);
            bob
        };
        let (second, _) = alice(&mut world, "r");
        world.send(second, SAID);
        assert_eq!(given(&mut world, bob), (1, 2, 2));
    }
}

#[test]
fn what_is_repeated_too_late_or_behind_too_many_others_is_another_message() {
    for (time, wait, repeats, others, count) in [
        (1, 0, 128, 0, 1),
        (1, HOUR, 128, 0, 2),
        (2, HOUR, 128, 0, 1),
        (1, 0, 8, 100, 2),
        (1, 0, 0, 0, 2),
        (0, 0, 128, 0, 2),
    ] {
        let mut world = world(|config| {
            config.limits.repeat_time = crate::time::Span::from_secs(time * 3_600);
            config.limits.repeats = repeats;
        });
        let bob = world.login("bob", "r", Some(0));
        let message = |number| SAID.replace("bob@", "alice@").replace("'1'", &format!("'m{number}'"));
        let more = (0..others).map(message).collect::<Vec<_>>().concat();
        lost(&mut world, "r", &format!("{SAID}{more}"));
        world.pass(wait);
        let (again, _) = alice(&mut world, "r");
        world.send(again, SAID);
        assert_eq!(bodies(&world.read(bob)).len(), count, "{time} {wait} {repeats}");
    }
}

#[test]
fn when_the_first_cannot_be_written_who_repeats_it_hears_of_it() {
    let mut world = world(|_| {});
    let bob = world.login("bob", "r", Some(0));
    let first = world.login("alice", "r", None);
    world.waiting = Some(Vec::new());
    world.send(first, SAID);
    world.cut(first);
    // What the login needs is answered while the message is under way.
    let waiting = world.waiting.take();
    let second = world.login("alice", "r", None);
    world.waiting = waiting;
    world.send(second, SAID);
    world.disk = Err(StoreError::Full);
    world.release();
    world.pass(SECOND);
    let said = world.read(second);
    assert_eq!(
        said.matches("type='error'").count(),
        2,
        "the one that was repeated and the one that was not: {said}"
    );
    assert!(said.contains("<resource-constraint "), "{said}");
    world.disk = Ok(());
    world.pass(2 * SECOND);
    assert_eq!(attr(&said, "id").as_deref(), Some("1"));
    world.cut(second);
    let third = world.login("alice", "r", None);
    world.send(third, SAID);
    assert_eq!(given(&mut world, bob), (1, 1, 1), "nothing was there that it could repeat");
}

#[test]
fn a_new_account_of_the_same_name_repeats_nothing_of_the_old_one() {
    let mut world = world(|_| {});
    let bob = world.login("bob", "r", Some(0));
    lost(&mut world, "r", SAID);
    world.read(bob);
    let user = super::jid("alice@x.example");
    world.command(Command::UserRemove { user });
    world.add("alice");
    let (conn, _) = alice(&mut world, "r");
    world.send(conn, SAID);
    assert_eq!(bodies(&world.read(bob)).len(), 1);
    assert_eq!(listed(&mut world, "alice"), 1);
}
