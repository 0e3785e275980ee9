//! Sessions that go on: after a lost connection, beside a living one, after a start.

use super::acks::{ASK, ENABLE, ack, attr, id_of, message, two};
use crate::io::{Command, ConnId};
use crate::node::harness::World;

pub(super) fn resume(world: &mut World, user: &str, id: &str, h: u32) -> (ConnId, String) {
    let conn = world.authenticate(user);
    world.send(conn, &format!("<resume xmlns='urn:xmpp:sm:3' previd='{id}' h='{h}'/>"));
    let said = world.read(conn);
    (conn, said)
}

fn resumed(id: &str, h: u32) -> String {
    format!("<resumed xmlns='urn:xmpp:sm:3' previd='{id}' h='{h}'/>")
}

/// Returns the ids of the messages in what was said.
pub(super) fn ids(said: &str) -> Vec<String> {
    said.split("<message ").skip(1).filter_map(|rest| attr(&format!(" {rest}"), "id")).collect()
}

#[test]
fn what_was_not_acknowledged_comes_again_in_order_and_before_anything_new() {
    let (mut world, [alice, bob], [_, id]) = two();
    for number in ["1", "2", "3"] {
        world.send(alice, &message("bob", number));
    }
    world.send(bob, "<message to='alice@x.example/r' id='b'/>");
    world.read(bob);
    world.cut(bob);
    world.send(alice, &message("bob", "4"));
    let (bob, said) = resume(&mut world, "bob", &id, 1);
    assert!(said.starts_with(&resumed(&id, 1)), "{said}");
    assert_eq!(ids(&said), ["2", "3", "4"]);
    assert!(said.ends_with(ASK));
    // The numbers went on.
    world.send(bob, &ack(4));
    world.send(bob, &format!("<presence/>{ASK}"));
    assert!(world.read(bob).ends_with(&ack(2)));
    world.send(alice, &message("bob", "5"));
    assert_eq!(ids(&world.read(bob)), ["5"]);
    world.cut(bob);
    // Four messages, its own presence, the fifth message.
    assert_eq!(ids(&resume(&mut world, "bob", &id, 6).1), Vec::<String>::new());
}

#[test]
fn nobody_is_told_that_a_session_waits() {
    let (mut world, [alice, bob], [id, _]) = two();
    world.send(alice, "<presence to='bob@x.example/r'/>");
    world.read(bob);
    world.cut(alice);
    assert_eq!(world.read(bob), "");
    world.send(bob, &message("alice", "1"));
    assert_eq!(world.read(bob), "", "it is kept, not returned");
    assert_eq!(ids(&resume(&mut world, "alice", &id, 0).1), ["1"]);
}

#[test]
fn a_session_leaves_a_stream_that_is_still_open() {
    let (mut world, [alice, bob], [_, id]) = two();
    world.send(bob, "<presence/>");
    world.send(alice, &message("bob", "1"));
    world.read(bob);
    let (new, said) = resume(&mut world, "bob", &id, 1);
    assert!(world.read(bob).contains("<conflict "));
    assert_eq!(world.closed, [bob]);
    assert!(said.starts_with(&resumed(&id, 1)), "{said}");
    // What still comes over the old one is nobody's.
    world.closed.clear();
    world.send(bob, &message("alice", "late"));
    assert_eq!(ids(&world.read(alice)), Vec::<String>::new());
    world.send(new, ASK);
    assert_eq!(world.read(new), ack(1));
    world.send(new, &message("alice", "2"));
    assert_eq!(ids(&world.read(alice)), ["2"]);
}

#[test]
fn a_resumption_waits_for_what_is_being_handled_and_counts_it_once() {
    let (mut world, [alice, bob], [id, _]) = two();
    // The account of the recipient has to be read first.
    (world.waiting, world.slow_reads) = (Some(Vec::new()), true);
    world.send(alice, &message("ghost", "1"));
    world.send(alice, &message("bob", "2"));
    let conn = world.authenticate_slowly("alice");
    world.send(conn, &format!("<resume xmlns='urn:xmpp:sm:3' previd='{id}' h='0'/>"));
    assert!(world.read(alice).contains("<conflict "), "the old stream takes nothing more");
    assert_eq!(world.read(conn), "");
    while world.answer_next() {}
    let said = world.read(conn);
    assert!(said.starts_with(&resumed(&id, 1)), "the first was handled, the second never was: {said}");
    assert_eq!(said.matches("service-unavailable").count(), 1);
    assert_eq!(world.read(bob), "");
    world.send(conn, &message("bob", "2"));
    while world.answer_next() {}
    assert_eq!(ids(&world.read(bob)), ["2"]);
}

#[test]
fn a_resumption_is_answered_with_what_is_durable() {
    let (mut world, [alice, bob], [id, _]) = two();
    world.waiting = Some(Vec::new());
    world.send(alice, &message("bob", "1"));
    world.cut(alice);
    let conn = world.authenticate_slowly("alice");
    world.send(conn, &format!("<resume xmlns='urn:xmpp:sm:3' previd='{id}' h='0'/>"));
    assert_eq!(world.read(conn), "", "the message is handled and not on the disk: neither 0 nor 1 is true");
    while world.answer_next() {}
    assert!(world.read(conn).starts_with(&resumed(&id, 1)));
    assert_eq!(ids(&world.read(bob)), ["1"]);
}

#[test]
fn of_two_who_resume_at_once_the_later_wins() {
    let (mut world, [alice, _], [id, _]) = two();
    world.waiting = Some(Vec::new());
    world.send(alice, &message("bob", "1"));
    let ask = format!("<resume xmlns='urn:xmpp:sm:3' previd='{id}' h='0'/>");
    let [first, second] = [0, 1].map(|_| world.authenticate_slowly("alice"));
    world.send(first, &ask);
    world.send(second, &ask);
    assert!(world.read(first).contains("<conflict "));
    while world.answer_next() {}
    assert!(world.read(second).starts_with(&resumed(&id, 1)));
}

#[test]
fn a_session_belongs_to_its_account() {
    let (mut world, [alice, bob], [id, _]) = two();
    world.cut(alice);
    let (thief, said) = resume(&mut world, "bob", &id, 0);
    assert_eq!(
        said,
        "<failed xmlns='urn:xmpp:sm:3'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>"
    );
    for nonsense in ["", "x", "\u{1f600}&#x9;", &"y".repeat(4000)] {
        world.send(thief, &format!("<resume xmlns='urn:xmpp:sm:3' previd='{nonsense}' h='0'/>"));
        assert_eq!(world.read(thief), said);
    }
    world.send(thief, "<resume xmlns='urn:xmpp:sm:3' previd='x'/>");
    assert!(world.read(thief).contains("<bad-request "));
    // The stream can still be bound.
    world.send(thief, "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
    assert!(world.read(thief).contains("<jid>bob@x.example/"));
    assert!(resume(&mut world, "alice", &id, 0).1.starts_with(&resumed(&id, 0)));
    assert_eq!(world.read(bob), "");
}

#[test]
fn who_claims_too_much_while_resuming_is_cut_and_the_session_stays() {
    let (mut world, [alice, bob], [_, id]) = two();
    world.send(alice, &message("bob", "1"));
    world.read(bob);
    for kill in [false, true] {
        if kill {
            world.kill();
        }
        let (conn, said) = resume(&mut world, "bob", &id, 2);
        assert!(
            said.contains("<handled-count-too-high xmlns='urn:xmpp:sm:3' h='2' send-count='1'/>"),
            "{said}"
        );
        assert!(world.closed.contains(&conn));
    }
    let (_, said) = resume(&mut world, "bob", &id, 0);
    assert!(said.starts_with(&resumed(&id, 0)), "{said}");
    assert_eq!(ids(&said), ["1"]);
}

#[test]
fn a_session_comes_back_after_a_kill_with_everything_it_was() {
    let (mut world, [alice, bob], [id, other]) = two();
    world.send(alice, "<presence to='bob@x.example'/>");
    world.send(bob, &format!("{}{ASK}", message("alice", "1")));
    assert!(world.read(bob).ends_with(&ack(1)));
    world.read(alice);
    world.kill();
    let (bob, said) = resume(&mut world, "bob", &other, 1);
    assert!(said.starts_with(&resumed(&other, 1)), "{said}");
    let (alice, said) = resume(&mut world, "alice", &id, 0);
    assert!(said.starts_with(&resumed(&id, 1)), "{said}");
    assert_eq!(ids(&said), ["1"]);
    world.send(alice, &ack(1));
    world.send(alice, "</stream:stream>");
    assert!(
        world
            .read(bob)
            .contains("<presence type='unavailable' from='alice@x.example/r' to='bob@x.example'/>"),
        "it knows whom it told"
    );
    assert_eq!(world.node.sessions(), 1);
    world.kill();
    assert_eq!(world.node.sessions(), 1, "what ended is gone for good");
}

#[test]
fn acknowledged_stanzas_do_not_come_back_when_their_rows_do() {
    let (mut world, [alice, bob], [_, id]) = two();
    for number in ["1", "2", "3"] {
        world.send(alice, &message("bob", number));
    }
    world.read(bob);
    // The rows of acknowledged stanzas are removed with the next flush, which never comes.
    world.waiting = Some(Vec::new());
    world.send(bob, &ack(2));
    world.kill();
    world.waiting = None;
    let (bob, said) = resume(&mut world, "bob", &id, 2);
    assert_eq!(ids(&said), ["3"]);
    world.send(bob, &ack(3));
    world.send(bob, &format!("<presence/>{ASK}"));
    world.kill();
    let (_, said) = resume(&mut world, "bob", &id, 3);
    assert!(said.starts_with(&resumed(&id, 1)) && ids(&said).is_empty(), "{said}");
}

#[test]
fn a_session_without_acknowledgements_ends_with_its_node() {
    let (mut world, [_, bob], [_, id]) = two();
    world.add("carol");
    let carol = world.login("carol", "r", Some(0));
    world.send(carol, "<presence to='bob@x.example/r'/>");
    world.send(bob, "<presence/>");
    world.kill();
    assert_eq!(world.node.sessions(), 2);
    let (_, said) = resume(&mut world, "bob", &id, 0);
    assert!(said.contains("<presence type='unavailable' from='carol@x.example/r'"), "{said}");
}

#[test]
fn a_stop_leaves_sessions_to_be_resumed() {
    let (mut world, [alice, bob], [id, other]) = two();
    world.send(alice, &message("bob", "1"));
    world.send(alice, "<presence/>");
    world.command(Command::Shutdown);
    assert!(world.stopped);
    for conn in [alice, bob] {
        assert!(world.read(conn).contains("<system-shutdown "));
    }
    world.kill();
    let (_, said) = resume(&mut world, "bob", &other, 0);
    assert_eq!(ids(&said), ["1"]);
    let (_, said) = resume(&mut world, "alice", &id, 0);
    assert!(said.starts_with(&resumed(&id, 2)), "also what nobody asked about is counted: {said}");
}

#[test]
fn a_stop_does_not_wait_for_a_disk_that_fails() {
    let (mut world, [alice, _], [id, _]) = two();
    world.disk = Err(crate::store::StoreError::Full);
    world.send(alice, &message("bob", "1"));
    world.command(Command::Shutdown);
    assert!(world.stopped);
    world.disk = Ok(());
    world.kill();
    let (_, said) = resume(&mut world, "alice", &id, 0);
    assert!(said.starts_with(&resumed(&id, 0)), "it was never told otherwise: {said}");
}

#[test]
fn a_new_session_of_the_same_address_ends_one_that_waits() {
    let (mut world, [alice, bob], [_, id]) = two();
    world.cut(bob);
    world.send(alice, &message("bob", "1"));
    let new = world.authenticate("bob");
    let bind = "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>r</resource></bind>";
    world.send(new, &format!("<iq type='set' id='b'>{bind}</iq>"));
    assert_eq!(ids(&world.read(new)), ["1"], "who has the address gets what the other did not");
    assert_eq!(world.read(alice), "");
    let (_, said) = resume(&mut world, "bob", &id, 0);
    assert!(said.starts_with("<failed xmlns='urn:xmpp:sm:3' h='0'><item-not-found "), "{said}");
}

#[test]
fn a_login_takes_the_place_of_the_oldest_that_waits() {
    let mut world = World::with(|config| config.limits.sessions_per_account = 2);
    world.add("alice");
    let mut names = Vec::new();
    for resource in ["a", "b"] {
        let conn = world.login("alice", resource, None);
        world.send(conn, ENABLE);
        names.push(id_of(&world.read(conn)));
        world.cut(conn);
    }
    world.login("alice", "c", None);
    assert_eq!(world.node.sessions(), 2);
    assert!(resume(&mut world, "alice", &names[0], 0).1.contains("<item-not-found "));
    assert!(resume(&mut world, "alice", &names[1], 0).1.starts_with("<resumed "));
}

#[test]
fn a_connection_whose_login_took_long_takes_nothing_from_a_newer_one() {
    let (mut world, [alice, _], [id, _]) = two();
    world.cut(alice);
    let ask = format!("<resume xmlns='urn:xmpp:sm:3' previd='{id}' h='0'/>");
    // The older connection waits for the disk when the newer one comes.
    let older = world.open();
    world.header(older);
    (world.waiting, world.slow_reads) = (Some(Vec::new()), true);
    world.auth(older, "alice", "pw");
    let newer = world.authenticate_slowly("alice");
    world.send(newer, &ask);
    assert!(world.read(newer).starts_with(&resumed(&id, 0)));
    while world.answer_next() {}
    (world.waiting, world.slow_reads) = (None, false);
    world.header(older);
    world.read(older);
    world.send(older, &ask);
    assert!(world.read(older).contains("<conflict "));
    assert_eq!(world.closed, [older]);
    world.send(newer, ASK);
    assert_eq!(world.read(newer), ack(0), "the newer one goes on");
}

#[test]
fn of_two_who_resume_at_once_the_newer_wins_whoever_asks_last() {
    let (mut world, [alice, _], [id, _]) = two();
    world.waiting = Some(Vec::new());
    world.send(alice, &message("bob", "1"));
    let ask = format!("<resume xmlns='urn:xmpp:sm:3' previd='{id}' h='0'/>");
    let [older, newer] = [0, 1].map(|_| world.authenticate_slowly("alice"));
    world.send(newer, &ask);
    world.send(older, &ask);
    assert!(world.read(older).contains("<conflict "));
    while world.answer_next() {}
    assert!(world.read(newer).starts_with(&resumed(&id, 1)));
}

#[test]
fn sessions_of_one_account_are_found_again_however_many_pages_they_fill() {
    let mut world = World::with(|config| {
        config.limits.sessions_per_account = 600;
        config.limits.unauthenticated_per_peer = 600;
    });
    world.add("bob");
    for number in 0..513 {
        let conn = world.login("bob", &format!("r{number}"), None);
        world.send(conn, ENABLE);
        id_of(&world.read(conn));
    }
    world.kill();
    assert_eq!(world.node.sessions(), 513, "a page has 512");
    world.login("bob", "another", Some(0));
}
