//! Sessions that nobody resumes: what becomes of them and of what they were sent.

use super::acks::{ENABLE, ack, id_of, message, two};
use super::resumption::{ids, resume};
use crate::io::Command;
use crate::node::harness::World;
use crate::time::Span;

const SECOND: u64 = 1_000_000;

#[test]
fn a_session_ends_when_its_time_is_over_and_not_before() {
    let (mut world, [alice, bob], [_, id]) = two();
    world.send(bob, "<presence to='alice@x.example/r'/>");
    world.read(alice);
    world.cut(bob);
    world.pass(600 * SECOND - 1);
    assert_eq!(world.read(alice), "");
    world.send(alice, &message("bob", "1"));
    world.pass(1);
    let said = world.read(alice);
    assert!(
        said.contains("<presence type='unavailable' from='bob@x.example/r' to='alice@x.example/r'/>"),
        "{said}"
    );
    assert_eq!(said.matches("service-unavailable").count(), 1, "the message comes back: {said}");
    assert_eq!(world.node.sessions(), 1);
    assert!(resume(&mut world, "bob", &id, 0).1.starts_with("<failed xmlns='urn:xmpp:sm:3' h='1'>"));
    world.kill();
    assert_eq!(world.node.sessions(), 1);
    assert!(resume(&mut world, "bob", &id, 0).1.starts_with("<failed xmlns='urn:xmpp:sm:3' h='1'>"));
}

#[test]
fn a_session_that_came_back_with_its_node_has_its_time_again() {
    let (mut world, [_, bob], [_, id]) = two();
    world.cut(bob);
    world.pass(500 * SECOND);
    world.kill();
    world.pass(500 * SECOND);
    let (conn, said) = resume(&mut world, "bob", &id, 0);
    assert!(said.starts_with("<resumed "), "{said}");
    world.pass(700 * SECOND);
    world.send(conn, "<presence/>");
    assert_eq!(world.node.sessions(), 1, "who is connected does not expire, who is not does");
}

#[test]
fn the_end_of_a_stream_is_the_end_of_its_session() {
    let (mut world, [alice, bob], [_, id]) = two();
    world.send(bob, "<presence to='alice@x.example/r'/>");
    world.read(alice);
    world.send(bob, "</stream:stream>");
    assert!(world.read(alice).contains("type='unavailable'"));
    assert!(
        resume(&mut world, "bob", &id, 0).1.starts_with("<failed xmlns='urn:xmpp:sm:3'><item-not-found ")
    );
}

#[test]
fn a_fault_of_the_client_ends_its_session_and_leaves_the_count() {
    let (mut world, [_, bob], [_, id]) = two();
    world.send(bob, "<presence/><nonsense xmlns='urn:x'/>");
    assert!(world.read(bob).contains("<unsupported-stanza-type "));
    assert_eq!(world.node.sessions(), 1);
    assert!(resume(&mut world, "bob", &id, 0).1.starts_with("<failed xmlns='urn:xmpp:sm:3' h='1'>"));
}

#[test]
fn a_request_that_was_answered_is_answered_once() {
    let (mut world, [alice, bob], _) = two();
    world.send(bob, "<presence to='alice@x.example'/>");
    for name in ["q1", "q2"] {
        let ask = format!("<iq type='get' to='bob@x.example/r' id='{name}'><query xmlns='urn:x'/></iq>");
        world.send(alice, &ask);
    }
    world.send(bob, "<iq type='result' to='alice@x.example/r' id='q1'/>");
    assert_eq!(world.read(alice).matches("id='q1'").count(), 1);
    world.cut(bob);
    world.pass(600 * SECOND);
    let said = world.read(alice);
    assert!(!said.contains("id='q1'") && said.matches("id='q2'").count() == 1, "{said}");
}

#[test]
fn what_a_session_answered_is_known_after_a_kill() {
    let (mut world, [alice, bob], [id, _]) = two();
    world.send(bob, "<presence to='alice@x.example'/>");
    for name in ["q1", "q2"] {
        let ask = format!("<iq type='get' to='bob@x.example/r' id='{name}'><query xmlns='urn:x'/></iq>");
        world.send(alice, &ask);
    }
    world.send(bob, "<iq type='result' to='alice@x.example/r' id='q1'/>");
    world.kill();
    world.pass(300 * SECOND);
    let (alice, said) = resume(&mut world, "alice", &id, 0);
    assert_eq!(said.matches("id='q1'").count(), 1, "{said}");
    world.pass(300 * SECOND);
    let said = world.read(alice);
    assert!(!said.contains("id='q1'") && said.matches("id='q2'").count() == 1, "{said}");
}

#[test]
fn a_session_ends_with_the_rights_of_its_account() {
    for (command, left) in [
        (Command::UserRemove { user: super::jid("bob@x.example") }, 1),
        (Command::UserPasswd { user: super::jid("bob@x.example"), password: None }, 1),
    ] {
        let (mut world, [alice, bob], [_, id]) = two();
        world.cut(bob);
        world.send(alice, &message("bob", "1"));
        world.command(command);
        assert_eq!(world.node.sessions(), left);
        assert!(world.read(alice).contains("service-unavailable"));
        world.kill();
        assert_eq!(world.node.sessions(), left);
        assert_eq!(id.len(), 26);
    }
}

#[test]
fn what_is_left_of_sessions_is_bounded_in_number_and_time() {
    let mut world = World::with(|config| {
        config.limits.tombstones = 2;
        config.limits.resume_time = Span::from_secs(1);
    });
    world.add("alice");
    let mut names = Vec::new();
    for _ in 0..3 {
        let conn = world.login("alice", "r", Some(0));
        world.send(conn, ENABLE);
        names.push(id_of_short(&world.read(conn)));
        world.send(conn, "<presence/>");
        world.cut(conn);
        world.pass(SECOND);
    }
    let answers = |world: &mut World| {
        names.iter().map(|id| resume(world, "alice", id, 0).1.contains(" h='1'")).collect::<Vec<_>>()
    };
    assert_eq!(answers(&mut world), [false, true, true]);
    world.pass(24 * 3600 * SECOND - SECOND / 2);
    assert_eq!(answers(&mut world), [false, false, true]);
    let rows = world.store.len();
    world.pass(2 * SECOND);
    assert_eq!(answers(&mut world), [false, false, false]);
    assert_eq!(world.store.len(), rows - 1, "what is too old is removed when it is met");
}

fn id_of_short(enabled: &str) -> String {
    assert!(enabled.contains(" max='1'/>"), "{enabled}");
    super::acks::attr(enabled, "id").unwrap()
}

#[test]
fn a_session_that_is_not_done_with_a_stanza_does_not_end() {
    let (mut world, [alice, _], [id, _]) = two();
    (world.waiting, world.slow_reads) = (Some(Vec::new()), true);
    world.send(alice, &message("ghost", "1"));
    world.cut(alice);
    world.pass(600 * SECOND);
    assert_eq!(world.node.sessions(), 2);
    while world.answer_next() {}
    (world.waiting, world.slow_reads) = (None, false);
    world.pass(SECOND);
    assert_eq!(world.node.sessions(), 1);
    assert!(resume(&mut world, "alice", &id, 0).1.starts_with("<failed xmlns='urn:xmpp:sm:3' h='1'>"));
}

#[test]
fn acknowledgements_without_resumption_end_with_the_connection() {
    let (mut world, [alice, _], _) = two();
    world.add("carol");
    let carol = world.login("carol", "r", Some(0));
    world.send(carol, "<enable xmlns='urn:xmpp:sm:3'/>");
    world.read(carol);
    for number in ["1", "2"] {
        world.send(alice, &message("carol", number));
    }
    assert_eq!(ids(&world.read(carol)), ["1", "2"]);
    world.send(carol, &ack(1));
    world.cut(carol);
    let said = world.read(alice);
    assert!(
        said.contains("id='2'") && !said.contains("id='1'"),
        "what it did not acknowledge comes back: {said}"
    );
    assert!(
        id_of(&{
            let conn = world.login("carol", "r", None);
            world.send(conn, ENABLE);
            world.read(conn)
        })
        .is_ascii()
    );
}

#[test]
fn what_is_left_of_a_session_is_written_when_the_disk_works_again() {
    let (mut world, [_, bob], [_, id]) = two();
    world.send(bob, "<presence/>");
    world.cut(bob);
    world.disk = Err(crate::store::StoreError::Full);
    world.pass(600 * SECOND);
    assert_eq!(world.node.sessions(), 1);
    world.disk = Ok(());
    world.pass(2 * SECOND);
    world.kill();
    assert!(resume(&mut world, "bob", &id, 0).1.starts_with("<failed xmlns='urn:xmpp:sm:3' h='1'>"));
}

#[test]
fn a_stream_that_ends_in_order_says_before_what_is_safe() {
    let (mut world, [alice, bob], _) = two();
    world.send(alice, &message("bob", "1"));
    world.read(alice);
    world.send(alice, "</stream:stream>");
    assert_eq!(world.read(alice), format!("{}</stream:stream>", ack(1)));
    world.read(bob);
    world.send(bob, "<presence/>");
    world.read(bob);
    world.command(Command::Shutdown);
    assert!(world.read(bob).starts_with(&format!("{}<stream:error><system-shutdown ", ack(1))));
}
