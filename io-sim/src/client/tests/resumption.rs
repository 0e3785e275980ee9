//! Acknowledgements and resumption against a server written by hand.

use super::line::{ENABLED, Line};
use crate::client::{Goal, Manage, Nonza, Op, Presence, ToClient};
use eyot_core::io::CloseCause;

const A_MESSAGE: &str = "<message from='b@x/r' to='a@x/r'><body>hello</body></message>";
const ASK: &str = "<r xmlns='urn:xmpp:sm:3'/>";

fn ack(h: u32) -> String {
    format!("<a xmlns='urn:xmpp:sm:3' h='{h}'/>")
}

/// The connection breaks; the client comes as far as to be able to bind or to resume.
fn broken(line: &mut Line) {
    line.hand(ToClient::Closed(CloseCause::Reset));
}

fn resumes(line: &mut Line, h: Option<u32>) {
    line.tell(Op::Manage(Manage::Resume { h }));
    line.wrote();
    line.authenticate();
}

fn count(text: &str, part: &str) -> usize {
    text.matches(part).count()
}

#[test]
fn only_what_comes_behind_enabled_is_counted_and_only_stanzas_are() {
    let mut line = Line::bound();
    line.say(A_MESSAGE);
    line.tell(Op::Manage(Manage::Enable { resume: true, max: Some(60) }));
    assert!(line.wrote().contains("max='60'"));
    line.say(A_MESSAGE);
    line.say(ENABLED);
    line.say(&format!("{A_MESSAGE}{ASK}<presence from='b@x/r'/>{ASK}{ASK}"));
    let wrote = line.wrote();
    let said: Vec<usize> = [1, 2].into_iter().map(|h| count(&wrote, &format!("h='{h}'"))).collect();
    assert_eq!((said, count(&wrote, "h='0'")), (vec![1, 2], 0), "{wrote}");
    assert!(line.nonzas().contains(&Nonza::Enabled { id: Some("s1".into()), max: Some(60) }));
}

#[test]
fn what_is_sent_counts_from_the_request_on_and_is_kept_until_it_is_acknowledged() {
    let mut line = Line::bound();
    line.says("before");
    line.tell(Op::Manage(Manage::Enable { resume: false, max: None }));
    line.says("one");
    line.say("<enabled xmlns='urn:xmpp:sm:3'/>");
    line.says("two");
    line.tell(Op::Active(false));
    line.tell(Op::Text(" ".into()));
    line.tell(Op::Text("<presence/><message to='b@x'/>".into()));
    assert_eq!(line.client.acks().unacked(), 4);
    line.say(&ack(3));
    assert_eq!(line.client.acks().unacked(), 1);
    assert!(!line.client.acks().is_resumable());
    broken(&mut line);
    assert_eq!(line.client.acks().unacked(), 1, "nobody has acknowledged it ever");
    assert_eq!(line.nonsense(), None);
}

#[test]
fn an_h_that_goes_back_or_is_more_than_was_sent_drops_nothing() {
    for (first, second) in [(2, 1), (2, 3), (1, 0)] {
        let mut line = Line::resumable();
        line.says("one");
        line.says("two");
        line.say(&ack(first));
        let kept = line.client.acks().unacked();
        assert_eq!(kept, 2 - first as usize);
        line.say(&ack(second));
        assert_eq!(line.client.acks().unacked(), kept, "{second} behind {first}");
    }
}

#[test]
fn the_counters_wrap() {
    let mut line = Line::resumable();
    line.client.acks_near_the_end();
    line.says("one");
    line.says("two");
    line.say(&ack(u32::MAX));
    assert_eq!(line.client.acks().unacked(), 1);
    line.say(&ack(0));
    assert_eq!((line.client.acks().unacked(), line.nonsense()), (0, None));
    line.say(&format!("{A_MESSAGE}{A_MESSAGE}{ASK}"));
    assert!(line.wrote().ends_with("h='0'/>"));
}

#[test]
fn who_stops_acking_answers_nothing_and_may_say_what_is_not_true() {
    let mut line = Line::resumable();
    line.tell(Op::Manage(Manage::StopAcking));
    line.say(&format!("{A_MESSAGE}{ASK}"));
    assert_eq!(line.wrote(), "");
    assert!(line.nonzas().contains(&Nonza::Asked));
    line.tell(Op::Manage(Manage::Ack(5)));
    assert!(line.wrote().contains("h='5'"));
    line.tell(Op::Close);
    assert_eq!(line.wrote(), "</stream:stream>", "it says nothing of what it has handled either");
}

#[test]
fn a_session_goes_on_where_it_was_and_what_is_open_is_sent_again_in_order() {
    let mut line = Line::resumable();
    line.say(A_MESSAGE);
    for body in ["one", "two", "three"] {
        line.says(body);
    }
    line.say(&ack(1));
    broken(&mut line);
    assert_eq!((line.client.jid(), line.client.acks().unacked()), (None, 2));
    resumes(&mut line, None);
    assert_eq!(line.wanted(), ["connect", "connect"]);
    let asked = line.wrote();
    assert!(asked.contains("<resume") && asked.contains("h='1'") && asked.contains("previd='s1'"), "{asked}");
    line.say("<resumed xmlns='urn:xmpp:sm:3' h='2' previd='s1'/>");
    let again = line.wrote();
    assert!(again.contains("three") && !again.contains("two"), "{again}");
    assert!(again.contains("</message><r "), "it asks whether that came: {again}");
    assert_eq!(line.client.jid(), Some("a@x/r"));
    line.says("four");
    line.say(&format!("{A_MESSAGE}{ASK}"));
    assert!(line.wrote().ends_with("h='2'/>"), "it goes on counting");
    line.say(&ack(4));
    assert_eq!((line.client.acks().unacked(), line.nonsense()), (0, None));
    let nonzas = line.nonzas();
    assert!(nonzas.contains(&Nonza::Resuming { h: 1 }) && nonzas.contains(&Nonza::Resumed { h: 2 }));
    assert_eq!(nonzas.iter().filter(|nonza| matches!(nonza, Nonza::Again(_))).count(), 1);
}

#[test]
fn a_refusal_has_the_last_word_and_leaves_the_rest_to_be_repeated_by_hand() {
    let mut line = Line::resumable();
    line.says("one");
    line.says("two");
    broken(&mut line);
    resumes(&mut line, Some(7));
    assert!(line.wrote().contains("h='7'"));
    line.say(
        "<failed xmlns='urn:xmpp:sm:3' h='1'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>",
    );
    let failed = Nonza::ResumeFailed { condition: "item-not-found".into(), h: Some(1) };
    assert!(line.nonzas().contains(&failed));
    assert_eq!(line.client.acks().unacked(), 1);
    assert_eq!(line.wrote(), "", "it does not bind by itself");
    line.tell(Op::Reach(Goal::Bound));
    assert!(line.wrote().contains("<bind"));
    line.bind();
    assert_eq!((line.wrote().as_str(), line.client.acks().unacked()), ("", 1));
    line.tell(Op::Manage(Manage::Resume { h: None }));
    assert_eq!(line.wanted(), ["connect", "connect"], "nothing is left to be resumed");
}

#[test]
fn who_comes_back_and_is_refused_binds_is_as_before_and_sends_the_rest_again() {
    let mut line = Line::resumable();
    line.tell(Op::Presence(Presence { show: Some("away".into()), ..Presence::default() }));
    line.says("one");
    line.says("two");
    line.say(&ack(1));
    broken(&mut line);
    line.tell(Op::Reach(Goal::Returned { presence: Some(Presence::default()) }));
    line.wrote();
    line.authenticate();
    line.say(
        "<failed xmlns='urn:xmpp:sm:3' h='2'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>",
    );
    assert!(line.wrote().contains("<bind"));
    line.bind();
    let wrote = line.wrote();
    let places: Vec<Option<usize>> =
        ["<enable", "<presence", "one", "two"].into_iter().map(|part| wrote.find(part)).collect();
    assert!(places[0] < places[1] && places[1] < places[3] && places[2].is_none(), "{wrote}");
    line.say(ENABLED);
    line.say(&ack(2));
    assert_eq!((line.client.acks().unacked(), line.nonsense()), (0, None), "presence and message count anew");
}

#[test]
fn a_message_that_is_repeated_by_hand_is_open_once() {
    let mut line = Line::resumable();
    line.says("one");
    let bytes = line.wrote();
    broken(&mut line);
    line.tell(Op::Reach(Goal::Bound));
    line.authenticate();
    line.bind();
    line.tell(Op::Manage(Manage::Enable { resume: true, max: None }));
    assert_eq!(line.client.acks().unacked(), 1);
    line.tell(Op::Text(bytes.into()));
    assert_eq!(line.client.acks().unacked(), 1);
}

#[test]
fn who_resumes_while_there_is_a_connection_leaves_it_and_hears_its_end() {
    let mut line = Line::resumable();
    // Half of a message is on its way there.
    line.say("<message from='b@x'><bo");
    line.tell(Op::Manage(Manage::Resume { h: None }));
    assert_eq!(line.wanted(), ["connect", "leave", "connect"]);
    line.authenticate();
    line.hand(ToClient::Former("dy>late</body></message>".into()));
    line.hand(ToClient::Former(
        "<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>".into(),
    ));
    line.hand(ToClient::FormerEnded);
    line.say("<resumed xmlns='urn:xmpp:sm:3' h='0' previd='s1'/>");
    let nonzas = line.nonzas();
    assert!(nonzas.contains(&Nonza::FormerError { condition: "conflict".into() }));
    assert!(nonzas.contains(&Nonza::FormerEnded));
    assert_eq!(line.client.acks().handled(), 0, "what comes there comes again here");
    assert_eq!((line.client.jid(), line.nonsense()), (Some("a@x/r"), None));
}

#[test]
fn a_session_that_may_be_resumed_is_not_ended_by_an_answer_to_the_end() {
    let mut line = Line::resumable();
    line.hand(ToClient::Ended);
    assert_eq!((line.wrote().as_str(), line.wanted().last()), ("", Some(&"finish")));
    line.hand(ToClient::Closed(CloseCause::Closed));
    assert!(line.client.acks().is_resumable());

    let mut other = Line::bound();
    other.hand(ToClient::Ended);
    assert_eq!(other.wrote(), "</stream:stream>");
}

#[test]
fn who_closes_says_what_it_has_handled_and_has_nothing_to_resume() {
    let mut line = Line::resumable();
    line.say(A_MESSAGE);
    line.tell(Op::Close);
    let wrote = line.wrote();
    assert!(wrote.contains("h='1'") && wrote.ends_with("</stream:stream>"), "{wrote}");
    line.say("</stream:stream>");
    line.hand(ToClient::Closed(CloseCause::Closed));
    assert!(!line.client.acks().is_resumable());
}

#[test]
fn a_second_request_that_is_refused_leaves_the_counters_alone() {
    let mut line = Line::resumable();
    line.says("one");
    line.tell(Op::Manage(Manage::Enable { resume: true, max: None }));
    line.say(
        "<failed xmlns='urn:xmpp:sm:3'><unexpected-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>",
    );
    assert_eq!(line.client.acks().unacked(), 1);
    line.say(&ack(1));
    assert_eq!((line.client.acks().unacked(), line.nonsense()), (0, None));
    assert!(line.client.acks().is_resumable());
}

#[test]
fn a_server_that_resumes_what_is_not_the_clients_speaks_nonsense() {
    for resumed in
        ["<resumed xmlns='urn:xmpp:sm:3' h='0' previd='s2'/>", "<resumed xmlns='urn:xmpp:sm:3' previd='s1'/>"]
    {
        let mut line = Line::resumable();
        broken(&mut line);
        resumes(&mut line, None);
        line.say(resumed);
        assert!(line.nonsense().is_some(), "{resumed}");
    }
    let mut line = Line::bound();
    line.say(ENABLED);
    assert!(line.nonsense().is_some(), "nobody has asked");
}
