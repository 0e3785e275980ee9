//! Damage to what people say to each other.

use bytes::Bytes;

use super::case::{Case, parse};
use crate::client::Sight;

const TALK: &str = "\
account alice
account bob
account carol
client alice on a resource desk
client bob on a resource desk
client phone on a as bob resource phone
client carol on a resource desk
alice comes online
bob comes online
phone comes online
carol comes online
settle
wait 70s
bob is available to alice/desk
settle
alice says to bob/desk: m1
alice says to bob/desk: m2
alice says to bob: m3
alice says normal to bob/gone: m4
alice pings
alice pings bob/desk
settle
alice pings
bob pings
phone pings
settle
check
";

#[test]
fn a_message_that_is_lost_is_missed() {
    let case = Case::of(TALK);
    case.without(case.got("bob", "m1")).shows("account-for/lost");
    case.without(case.got("phone", "m3")).shows("account-for/lost");
}

#[test]
fn a_loss_is_seen_before_any_check_by_what_came_after_it() {
    let mut case = Case::of(TALK);
    case.checks.clear();
    case.without(case.got("bob", "m1")).shows("account-for/lost");
    case.without(case.got("alice", "service-unavailable")).shows("account-for/unanswered");
}

#[test]
fn a_message_for_a_connection_that_broke_may_be_lost() {
    let case = Case::of(&TALK.replace("alice says to bob: m3\n", "wait 30ms\nreset bob\n"));
    let damaged = case.without(case.got("bob", "m2"));
    assert_eq!(damaged.found(), [] as [String; 0]);
}

#[test]
fn a_message_that_comes_back_is_missed_and_one_that_did_not_have_to_is_found() {
    let case = Case::of(TALK);
    case.without(case.got("alice", "service-unavailable")).shows("account-for/unanswered");
    case.twice(case.got("alice", "service-unavailable")).shows("account-for/answered-twice");
    let id = "alice-1";
    let error = parse(&format!(
        "<message type='error' from='bob@eyot.example/desk' to='alice@eyot.example/desk' id='{id}'>\
        <error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
    ));
    let refused = case.with(case.got("alice", "service-unavailable"), case.sees("alice", Sight::Got(error)));
    refused.shows("account-for/delivered-and-refused");
    refused.without(refused.got("bob", "m1")).shows("account-for/refused");
}

#[test]
fn a_refusal_of_what_somebody_got_is_right_only_when_that_one_has_gone_and_another_may_have_left_it() {
    let refused = |text: &str| {
        let whole = Case::of(text);
        let case =
            if text.contains("phone pings") { whole.without(whole.got("phone", "<body>m3<")) } else { whole };
        let id = case.element(case.got("bob", "<body>m3<")).attr("id").unwrap().into_owned();
        let error = parse(&format!(
            "<message type='error' from='bob@eyot.example' to='alice@eyot.example/desk' id='{id}'>\
            <error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
        ));
        case.with(case.got("alice", "service-unavailable"), case.sees("alice", Sight::Got(error))).found()
    };
    let is_found =
        |text: &str| refused(text).iter().any(|found| found == "account-for/delivered-and-refused");
    let gone =
        TALK.replace("alice says to bob: m3\n", "alice says to bob with no-store: m3\nsettle\nreset bob\n");
    assert!(is_found(TALK) && !is_found(&gone));
    let alone: Vec<&str> = gone.lines().filter(|line| !line.contains("phone")).collect();
    let alone = alone.join("\n") + "\n";
    assert!(is_found(&alone), "nobody else was there");
    assert!(is_found(&gone.replace(" with no-store", "")), "what is stored waits");
}

#[test]
fn what_is_got_twice_is_found() {
    let case = Case::of(TALK);
    case.twice(case.got("bob", "m1")).shows("once/twice");
    case.twice(case.got("bob", "urn:xmpp:ping")).shows("once/twice");
}

#[test]
fn what_overtakes_is_found() {
    let case = Case::of(TALK);
    case.swapped(case.got("bob", "m1"), case.got("bob", "m2")).shows("order/overtaken");
    case.swapped(case.got("bob", "m1"), case.got("bob", "m3")).shows("order/overtaken");
}

#[test]
fn what_was_never_said_is_found() {
    let case = Case::of(TALK);
    let number = case.got("bob", "m1");
    case.replaced(number, "m1", "m7").shows("origin/altered");
    case.replaced(number, "chat", "headline").shows("origin/altered");
    case.replaced(number, "id='alice-1'", "id='alice-99'").shows("origin/invented");
    case.replaced(number, "from='alice@", "from='carol@").shows("origin/invented");
    case.replaced(number, "to='bob@eyot.example/desk'", "to='bob@eyot.example/phone'")
        .shows("origin/altered");
}

#[test]
fn what_is_got_by_somebody_else_is_found() {
    let case = Case::of(TALK);
    let number = case.got("bob", "m1");
    let element = case.element(number);
    case.with(number, case.sees("phone", Sight::Got(element.clone()))).shows("origin/misrouted");
    case.with(number, case.sees("carol", Sight::Got(element))).shows("origin/misrouted");
}

#[test]
fn a_priority_below_zero_gets_nothing_for_the_account() {
    let case = Case::of(
        &TALK.replace("wait 70s\nbob is", "phone is available priority -1\nsettle\nwait 70s\nbob is"),
    );
    let number = case.got("bob", "m3");
    let element = case.element(number);
    case.with(number, case.sees("phone", Sight::Got(element))).shows("origin/misrouted");
}

#[test]
fn requests_without_an_answer_or_with_two_are_found() {
    let case = Case::of(TALK);
    let own = case.got("alice", "from='eyot.example'");
    case.without(own).shows("iq/unanswered");
    case.twice(own).shows("iq/answered-twice");
    let other = case.got("alice", "type='result' id='alice-6'");
    case.without(other).shows("iq/unanswered");
    case.twice(other).shows("iq/answered-twice");
}

#[test]
fn what_one_session_leaves_comes_in_order() {
    let case = Case::of(
        "account alice\naccount bob\nclient alice on a link perfect\nclient bob on a resource desk link perfect\n\
        client phone on a as bob resource phone link perfect\nalice comes online\nbob comes online\n\
        bob enables resumption max 5s\nsettle\nbob drops\nsettle\nalice says to bob: m1\nalice says to bob: m2\nsettle\n\
        phone comes online\nsettle\nwait 10s\nsettle\n",
    );
    case.swapped(case.got("phone", "m1"), case.got("phone", "m2")).shows("order/overtaken");
}

#[test]
fn what_only_one_session_can_have_left_comes_in_order_however_late() {
    let case = Case::of(
        "account alice\naccount bob\nclient alice on a link perfect\nclient bob on a resource desk link perfect\n\
        client phone on a as bob resource phone link perfect\nalice comes online\nbob comes online\n\
        bob enables resumption max 5s\nbob stops acking\nsettle\nalice says to bob: m1\nalice says to bob: m2\nsettle\n\
        bob pings\nsettle\nbob drops\nphone comes online\nsettle\nwait 10s\nsettle\n",
    );
    let second = case.got("phone", "m2");
    let early = case.history[second].actor.clone();
    let early = case.without(second).with(case.got("phone", "<presence"), early);
    early.shows("order/overtaken");
}

#[test]
fn what_one_session_alone_was_given_comes_when_that_one_has_ended() {
    // The phone's word that it is away is on its way when the first message comes, and has arrived before the second.
    let story = "account alice\naccount bob\nclient alice on a link perfect\nclient bob on a resource desk link perfect\n\
        client phone on a as bob resource phone link satcom-geo\nalice comes online\nphone comes online\nsettle\n\
        phone enables resumption max 1s\nsettle\nphone is unavailable\nwait 200ms\nalice says to bob: m1\nwait 100ms\n\
        alice says to bob: m2\nphone enables resumption max 1s\nbob comes online\nwait 5s\nsettle\n";
    let case = Case::of(story);
    assert!(case.got("bob", "m2") < case.got("bob", "m1"), "the phone left the first one later");
    assert_eq!(case.found(), [] as [String; 0]);
    let (first, second) = (case.got("phone", "m1"), case.element(case.got("bob", "m2")));
    case.without(first).shows("order/overtaken");
    case.with(first, case.sees("phone", Sight::Got(second))).shows("order/overtaken");
    let end = |sight: &Sight| matches!(sight, Sight::StreamEnd | Sight::StreamError { .. });
    let cut = case.without(case.client("phone", end));
    cut.without(cut.client("phone", end)).shows("order/overtaken");
}

#[test]
fn what_may_not_be_stored_comes_in_its_turn_while_the_disk_works() {
    let story = "account alice\naccount bob\nclient alice on a link perfect\nclient bob on a resource desk link perfect\n\
        client phone on a as bob resource phone link perfect\nalice comes online\nbob comes online\n\
        bob enables resumption max 5s\nsettle\nbob drops\nsettle\nalice says to bob: m1\nalice says to bob with no-store: m2\nsettle\n\
        phone comes online\nsettle\nwait 10s\nsettle\n";
    let swapped = |story: &str| {
        let case = Case::of(story);
        case.swapped(case.got("phone", "m1"), case.got("phone", "m2")).found()
    };
    assert_eq!(swapped(story), ["order/overtaken"]);
    let slow = story.replace("phone comes", "fault disk a slow 1ms for 7s\nphone comes");
    assert_eq!(swapped(&slow), ["order/overtaken"], "a slow disk works");
    // Nothing is read meanwhile.
    let fails = |story: &str| story.replace("wait 10s", "fault disk a read-error for 4s\nwait 10s");
    assert_eq!(swapped(&fails(story)), [] as [String; 0]);
    assert_eq!(swapped(&fails(&story.replace(" with no-store", ""))), ["order/overtaken"]);
}

#[test]
fn a_disk_that_forgot_excuses_only_what_was_asked_before() {
    let case = Case::of(
        "account alice\nclient alice on a link perfect\nalice comes online\nalice enables resumption max 600s\nsettle\n\
        fault disk a lying for 60s as f1\nwait 1s\nfault poweroff a for 2s\nwait 70s\nalice comes online\nsettle\nalice comes online\nsettle\n\
        alice pings\nsettle\n",
    );
    let answer = case.got("alice", "from='eyot.example'");
    case.twice(answer).shows("iq/answered-twice");
}

#[test]
fn an_answer_from_somebody_else_is_found() {
    let case = Case::of(TALK);
    let own = case.got("alice", "from='eyot.example'");
    let damaged = case.replaced(own, "from='eyot.example'", "from='carol@eyot.example'");
    damaged.shows("iq/unanswered");
    damaged.shows("origin/unasked-answer");
}

#[test]
fn text_that_is_no_stanza_leaves_its_sender_unjudged() {
    let case = Case::of(TALK);
    let wild = Sight::Sent(Bytes::from_static(b"<message><body>"));
    let damaged = case.with(case.sent("alice", "m1"), case.sees("alice", wild));
    let damaged = damaged.without(damaged.got("bob", "m2"));
    assert!(!damaged.found().iter().any(|found| found.starts_with("account-for")));
}
