//! Acknowledgements: who may ask for them and when, and what is told.

use crate::io::Input;
use crate::node::harness::World;
use crate::store::StoreError;
use crate::trace::Event;

pub(super) const ENABLE: &str = "<enable xmlns='urn:xmpp:sm:3' resume='true'/>";
pub(super) const ASK: &str = "<r xmlns='urn:xmpp:sm:3'/>";
const UNEXPECTED: &str = "<failed xmlns='urn:xmpp:sm:3'><unexpected-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>";

/// Alice and Bob, each with a session that can be resumed; returns their connections and the ids of their sessions.
pub(super) fn two() -> (World, [crate::io::ConnId; 2], [String; 2]) {
    let mut world = World::new();
    let mut conns = Vec::new();
    let mut ids = Vec::new();
    for user in ["alice", "bob"] {
        world.add(user);
        let conn = world.login(user, "r", Some(0));
        world.send(conn, ENABLE);
        ids.push(id_of(&world.read(conn)));
        conns.push(conn);
    }
    (world, conns.try_into().unwrap(), ids.try_into().unwrap())
}

/// Returns the value of an attribute.
pub(super) fn attr(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!(" {name}='"))?;
    Some(rest.split_once('\'')?.0.to_owned())
}

pub(super) fn id_of(enabled: &str) -> String {
    assert!(enabled.starts_with("<enabled xmlns='urn:xmpp:sm:3' id='"), "{enabled}");
    assert!(enabled.contains(" resume='true' max='600'/>"), "{enabled}");
    attr(enabled, "id").unwrap()
}

pub(super) fn ack(h: u32) -> String {
    format!("<a xmlns='urn:xmpp:sm:3' h='{h}'/>")
}

/// A message that no archive keeps: what is tested is what sessions keep.
pub(super) fn message(to: &str, id: &str) -> String {
    let hint = "<no-store xmlns='urn:xmpp:hints'/>";
    format!("<message to='{to}@x.example/r' id='{id}'><body>.</body>{hint}</message>")
}

#[test]
fn stream_management_is_offered_after_authentication_and_refused_before() {
    let mut world = World::new();
    world.add("alice");
    let conn = world.open();
    world.header(conn);
    assert!(!world.read(conn).contains("urn:xmpp:sm:3"));
    for nonza in [ENABLE, ASK, &ack(0), "<resume xmlns='urn:xmpp:sm:3' previd='x' h='0'/>"] {
        world.send(conn, nonza);
        assert_eq!(world.read(conn), UNEXPECTED, "{nonza}");
    }
    world.auth(conn, "alice", "pw");
    world.header(conn);
    assert!(world.read(conn).contains("<sm xmlns='urn:xmpp:sm:3'/></stream:features>"));
    for nonza in [ENABLE, ASK, &ack(0)] {
        world.send(conn, nonza);
        assert_eq!(world.read(conn), UNEXPECTED, "{nonza}");
    }
    // Nothing of that is held against the client.
    world.send(conn, "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
    world.read(conn);
    for nonza in [ASK, &ack(0), "<resume xmlns='urn:xmpp:sm:3' previd='x' h='0'/>"] {
        world.send(conn, nonza);
        assert_eq!(world.read(conn), UNEXPECTED, "{nonza}");
    }
    world.send(conn, ENABLE);
    id_of(&world.read(conn));
}

#[test]
fn a_wish_is_granted_up_to_the_bound() {
    for (bound, wish, answer) in [
        (600, "resume='1' max='60'", " resume='true' max='60'/>"),
        (600, "resume='1' max='9999'", " resume='true' max='600'/>"),
        (600, "max='60'", "<enabled xmlns='urn:xmpp:sm:3'/>"),
        (0, "resume='1'", "<enabled xmlns='urn:xmpp:sm:3'/>"),
    ] {
        let mut world = World::with(|config| config.limits.resume_time = crate::time::Span::from_secs(bound));
        world.add("alice");
        let conn = world.login("alice", "r", None);
        world.send(conn, &format!("<enable xmlns='urn:xmpp:sm:3' {wish}/>"));
        let said = world.read(conn);
        assert!(said.ends_with(answer), "{wish}: {said}");
    }
}

#[test]
fn a_second_enable_ends_the_stream() {
    let (mut world, [alice, _], _) = two();
    world.send(alice, ENABLE);
    let said = world.read(alice);
    assert!(said.contains("<policy-violation ") && !said.contains("<enabled"), "{said}");
    assert_eq!(world.closed, [alice]);
}

#[test]
fn stanzas_are_counted_and_nothing_else() {
    let (mut world, [alice, bob], _) = two();
    world.send(alice, " \n<presence/><iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>");
    world.send(alice, &format!("{}{ASK}", message("bob", "1")));
    let said = world.read(alice);
    assert!(said.ends_with(&ack(3)), "{said}");
    assert!(world.read(bob).contains("id='1'"));
    world.send(alice, ASK);
    assert_eq!(world.read(alice), ack(3));
}

#[test]
fn what_is_pipelined_after_enable_counts_and_what_came_before_does_not() {
    let mut world = World::new();
    world.add("alice");
    let alice = world.login("alice", "r", None);
    world.send(alice, &format!("<presence/>{ENABLE}<presence/><presence/>{ASK}"));
    assert!(world.read(alice).ends_with(&ack(2)));
}

#[test]
fn an_answer_waits_for_nothing_and_what_is_safe_later_is_told_later() {
    let (mut world, [alice, bob], _) = two();
    world.waiting = Some(Vec::new());
    world.send(alice, &format!("{}{}{ASK}", message("bob", "1"), message("bob", "2")));
    assert_eq!(world.read(alice), ack(0), "nothing is on the disk yet");
    assert_eq!(world.read(bob), "", "what an acknowledging client is sent is on the disk");
    assert!(world.answer_next());
    assert_eq!(world.read(alice), ack(2));
    let said = world.read(bob);
    assert!(said.contains("id='1'") && said.contains("id='2'") && said.ends_with(ASK), "{said}");
    assert!(!world.answer_next(), "one flush was enough");
}

#[test]
fn one_question_is_open_at_a_time_and_each_stanza_is_asked_about_once() {
    let (mut world, [alice, bob], _) = two();
    let asks = |said: &str| said.matches(ASK).count();
    world.send(alice, &message("bob", "1"));
    assert_eq!(asks(&world.read(bob)), 1);
    world.send(alice, &message("bob", "2"));
    assert_eq!(asks(&world.read(bob)), 0, "the first question is not answered");
    world.send(bob, &ack(1));
    assert_eq!(world.read(bob), ASK, "about the second stanza");
    world.send(bob, &ack(1));
    assert_eq!(world.read(bob), "", "it was asked about");
    world.send(bob, &ack(2));
    world.send(alice, &message("bob", "3"));
    assert_eq!(asks(&world.read(bob)), 1);
}

#[test]
fn who_acknowledges_more_than_was_sent_is_cut() {
    let (mut world, [alice, bob], _) = two();
    world.send(alice, &message("bob", "1"));
    world.read(bob);
    world.send(bob, &ack(2));
    let said = world.read(bob);
    let error = "<stream:error><undefined-condition xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>";
    let detail = "<handled-count-too-high xmlns='urn:xmpp:sm:3' h='2' send-count='1'/></stream:error>";
    assert!(said.contains(error) && said.contains(detail), "{said}");
    assert_eq!(world.closed, [bob]);
    world.send(alice, "<a xmlns='urn:xmpp:sm:3' h='-1'/>");
    assert!(world.read(alice).contains("<bad-format "));
}

#[test]
fn what_waits_for_the_disk_when_acknowledgements_begin_is_counted() {
    let (mut world, [alice, _], _) = two();
    world.add("carol");
    let carol = world.login("carol", "r", Some(0));
    world.send(alice, &message("carol", "0"));
    assert!(world.read(carol).contains("id='0'"));
    world.waiting = Some(Vec::new());
    world.send(carol, ENABLE);
    world.send(alice, &message("carol", "1"));
    assert!(!world.read(carol).contains("<message"), "the session is not on the disk");
    while world.answer_next() {}
    assert!(world.read(carol).contains("id='1'"));
    world.send(carol, &ack(1));
    assert_eq!(world.read(carol), "");
}

#[test]
fn a_failed_flush_is_done_again_and_tells_nobody_anything_before() {
    for error in [StoreError::Full, StoreError::Io] {
        let (mut world, [alice, bob], _) = two();
        world.disk = Err(error);
        world.send(alice, &format!("{}{ASK}", message("bob", "1")));
        assert_eq!((world.read(alice), world.read(bob)), (ack(0), String::new()));
        world.pass(999_999);
        assert_eq!((world.read(alice), world.read(bob)), (String::new(), String::new()));
        world.disk = Ok(());
        world.pass(1);
        assert_eq!(world.read(alice), ack(1));
        assert!(world.read(bob).contains("id='1'"));
        let failures = world.events.iter().filter(|event| **event == Event::StoreFailed { error });
        assert_eq!(failures.count(), 1, "{:?}", world.events);
    }
}

#[test]
fn a_disk_that_fails_again_and_again_is_asked_once_in_a_while() {
    let (mut world, [alice, bob], _) = two();
    world.disk = Err(StoreError::Full);
    world.send(alice, &message("bob", "1"));
    for _ in 0..5 {
        world.pass(1_000_000);
    }
    let failures = world.events.iter().filter(|event| matches!(event, Event::StoreFailed { .. }));
    assert_eq!(failures.count(), 6);
    world.disk = Ok(());
    world.send(alice, &message("bob", "2"));
    let said = world.read(bob);
    assert!(said.find("id='1'") < said.find("id='2'") && said.contains("id='1'"), "{said}");
    // What was written again is whole: it comes back.
    world.kill();
    assert_eq!(world.node.sessions(), 2);
}

#[test]
fn a_client_that_never_acknowledges_is_not_fed_for_ever() {
    let mut world = World::with(|config| config.limits.unacked_bytes = 1_200);
    for user in ["alice", "bob"] {
        world.add(user);
    }
    let alice = world.login("alice", "r", None);
    let bob = world.login("bob", "r", Some(0));
    world.send(bob, ENABLE);
    let id = id_of(&world.read(bob));
    let long = format!(
        "<message to='bob@x.example/r' id='1'><body>{}</body><no-store xmlns='urn:xmpp:hints'/></message>",
        "x".repeat(400)
    );
    for _ in 0..2 {
        world.send(alice, &long);
        world.input(Input::Flushed { conn: bob, bytes: 600 });
    }
    assert_eq!((world.closed.len(), world.read(alice)), (0, String::new()));
    world.send(alice, &long);
    assert!(world.read(bob).contains("<resource-constraint "));
    assert_eq!(world.closed, [bob]);
    let errors = world.read(alice);
    assert_eq!(
        errors.matches("type='error'").count(),
        3,
        "two it never acknowledged, one with no room: {errors}"
    );
    let again = world.authenticate("bob");
    world.send(again, &format!("<resume xmlns='urn:xmpp:sm:3' previd='{id}' h='0'/>"));
    assert!(world.read(again).starts_with("<failed xmlns='urn:xmpp:sm:3' h='0'><item-not-found "));
}
