//! Damage to what the nodes of a cluster have to tell each other.

use super::case::{Case, parse};
use crate::client::Sight;
use crate::world::Actor;

/// Alice is at one node, Bob and her phone are at another; they have been together for a while.
const APART: &str = "\
nodes a b
members
account alice
account bob
client alice on a resource desk
client phone on b as alice resource phone
client bob on b resource desk
alice comes online
phone comes online
bob comes online
wait 60s
phone pings
wait 90s
";
/// Everybody is asked for long enough after that.
const AFTER: &str = "\
alice pings
bob pings
phone pings
wait 90s
alice pings
bob pings
phone pings
settle
check
";

fn told(lines: &str) -> Case {
    Case::of(&format!("{APART}{lines}{AFTER}"))
}

fn hides(case: &Case, signature: &str) {
    let found = case.judge();
    assert!(!found.iter().any(|one| one.signature.to_string() == signature), "{found:?}");
}

#[test]
fn a_message_that_is_lost_between_nodes_is_missed() {
    let case = told("alice says to bob/desk: m1\nsettle\nalice says to bob with no-store: m2\nsettle\n");
    for body in ["m1", "m2"] {
        case.without(case.got("bob", body)).shows("account-for/lost");
    }
    case.without(case.got("bob", "m1")).shows("reunion/never-came");
    hides(&case.without(case.got("bob", "m2")), "reunion/never-came");
}

#[test]
fn what_was_said_while_the_nodes_were_apart_is_missed_when_they_are_together_again() {
    let apart = "cut a b\nwait 5s\nalice says to bob: m1\nalice says to bob with no-store: m2\nwait 5s\nheal a b\nwait 60s\n";
    let case = told(apart);
    let lost = case.without(case.got("bob", "m1"));
    lost.shows("reunion/never-came");
    hides(&lost, "account-for/lost");
    let mut early = lost.clone();
    early.checks.clear();
    assert_eq!(early.found(), [] as [String; 0], "nothing is due before everything is");
}

#[test]
fn a_refusal_is_wrong_where_the_nodes_were_together_and_may_be_where_they_were_not() {
    let refused = |case: &Case| {
        let id = case.element(case.got("bob", "<body>m2<")).attr("id").unwrap().into_owned();
        let error = parse(&format!(
            "<message type='error' from='bob@eyot.example' to='alice@eyot.example/desk' id='{id}'>\
            <error type='wait'><recipient-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
        ));
        case.with(case.sent("alice", "urn:xmpp:ping"), case.sees("alice", Sight::Got(error)))
    };
    let case = told("alice says to bob with no-store: m2\nsettle\n");
    refused(&case).shows("account-for/delivered-and-refused");
    let case = told("alice says to bob with no-store: m2\nwait 500ms\nfault cut a b for 5s\nwait 60s\n");
    hides(&refused(&case), "account-for/delivered-and-refused");
}

#[test]
fn what_found_nobody_at_any_node_has_to_come_back() {
    let case = told(
        "bob closes\nwait 90s\nalice says to bob/desk with no-store: m2\nalice says headline to bob: m3\nsettle\n",
    );
    case.without(case.got("alice", "service-unavailable")).shows("account-for/unanswered");
}

#[test]
fn an_archive_that_lacks_what_another_node_has_stored_is_found() {
    let case = told("alice says to bob: m1\nwait 30s\nbob catches up\nsettle\n");
    case.without(case.got("bob", "urn:xmpp:mam:2' queryid")).shows("kept/lost");
    let soon = told("alice says to bob: m1\nbob catches up\nsettle\n");
    hides(&soon, "kept/lost");
}

#[test]
fn a_block_acts_at_the_nodes_that_know_of_it() {
    let late = told("bob pings\nsettle\nbob says to alice/desk: one\nwait 30s\nphone blocks bob\nsettle\n");
    let request = late.sent("phone", "<block ");
    let Actor::Client(_, Sight::Sent(bytes)) = &late.history[request].actor else { panic!("it was sent") };
    let id = parse(core::str::from_utf8(bytes).unwrap()).attr("id").unwrap().into_owned();
    let answer = late.got("phone", &format!("id='{id}'"));
    let before = |case: &Case, at: usize| {
        let moved = case.without(answer).with(at, late.history[answer].actor.clone());
        moved.without(request + 1).with(at, late.history[request].actor.clone())
    };
    // As if it had been asked for long before: the other node has known of it for a minute.
    let early = late.sent("phone", "urn:xmpp:ping");
    before(&late, early).shows("blocked/delivered");
    let said = late.sent("bob", "one") - 1;
    hides(&before(&late, said), "blocked/delivered");
}

#[test]
fn who_goes_on_at_another_node_after_losing_their_rights_is_found() {
    let case = told("a user passwd alice password \"new\"\nwait 30s\nbob pings\nsettle\n");
    let end = case.client("phone", |sight| matches!(sight, Sight::StreamError { .. }));
    let ping = case.sent("bob", "urn:xmpp:ping");
    let mut damaged = case.without(end);
    let Actor::Client(_, Sight::Sent(bytes)) = &case.history[ping].actor else { panic!("it was sent") };
    let sent = Sight::Sent(bytes.clone());
    let id = parse(core::str::from_utf8(bytes).unwrap()).attr("id").unwrap().into_owned();
    let own = |sight: &Sight| matches!(sight, Sight::Closed(_) | Sight::StreamEnd | Sight::Closing);
    while let Some(number) = position(&damaged, "phone", own) {
        damaged = damaged.without(number);
    }
    let last = damaged.got("bob", &format!("id='{id}'"));
    let answer =
        parse(&format!("<iq type='result' id='{id}' from='eyot.example' to='alice@eyot.example/phone'/>"));
    let damaged = damaged.with(last, damaged.sees("phone", sent));
    damaged.with(last + 1, damaged.sees("phone", Sight::Got(answer))).shows("rights/kept-session");
}

fn position(case: &Case, name: &str, fits: impl Fn(&Sight) -> bool) -> Option<usize> {
    let client = case.cast.clients.iter().position(|known| known == name)?;
    case.history.iter().position(|record| match &record.actor {
        Actor::Client(ix, sight) => ix.at() == client && fits(sight),
        Actor::Node(..) | Actor::World(_) => false,
    })
}

#[test]
fn presence_that_another_node_has_not_shown_is_missed_at_a_check() {
    let case = told("phone is available away\nsettle\n");
    case.without(case.got("alice", "<show>away<")).shows("presence/stale");
}

#[test]
fn two_who_keep_one_address_at_two_nodes_are_found() {
    let mut case = told("bob says to alice: hi\nsettle\n");
    let own = case.cast.users[0].clone();
    let phone = case.client("phone", |sight| matches!(sight, Sight::Bound { .. }));
    let asked = case.client("phone", |sight| matches!(sight, Sight::Bind { .. }));
    assert_eq!(own, "alice@eyot.example");
    for number in [phone, asked] {
        if let Actor::Client(_, sight) = &mut case.history[number].actor {
            if let Sight::Bound { jid, .. } = sight {
                *jid = jid.replace("phone", "desk");
            } else if let Sight::Bind { resource } = sight {
                *resource = Some("desk".into());
            }
        }
    }
    case.shows("session/two-nodes");
}

#[test]
fn what_a_session_leaves_at_another_node_comes_in_order_unless_the_nodes_had_lost_each_other() {
    // Bob's only session is at the node of Alice, and leaves both messages to his phone at the other one.
    let story = |cut: &str| {
        format!(
            "nodes a b\nmembers\naccount alice\naccount bob\nclient alice on a link perfect\n\
            client bob on a resource desk link perfect\nclient phone on b as bob resource phone link perfect\n\
            alice comes online\nbob comes online\nbob enables resumption max 5s\nbob stops acking\nwait 60s\n\
            alice says to bob: m1\nalice says to bob: m2\nwait 1s\nbob pings\nwait 1s\nbob drops\n{cut}\
            phone comes online\nwait 90s\nsettle\ncheck\n"
        )
    };
    let early = |cut: &str| {
        let case = Case::of(&story(cut));
        let second = case.got("phone", "m2");
        let early = case.history[second].actor.clone();
        case.without(second).with(case.got("phone", "<presence"), early)
    };
    early("").shows("order/overtaken");
    hides(&early("cut a b\nwait 3s\nheal a b\n"), "order/overtaken");
}
