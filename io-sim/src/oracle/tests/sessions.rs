//! Damage to streams, sessions and presence.

use eyot_core::io::CloseCause;

use super::case::{Case, ONLINE, parse};
use crate::client::Sight;
use crate::engine::{SimSpan, SimTime};
use crate::oracle::Check;
use crate::world::{Actor, Record, WorldSight};

/// Somebody else takes the address of Alice's desk.
const TAKEN: &str = "\
client new on a as alice resource desk
phone is available to bob/desk
settle
new comes online
settle
phone is available away
settle
phone pings
new pings
bob pings
settle
check
phone closes
settle
new pings
bob pings
settle
check
";

fn conflict() -> String {
    format!("{ONLINE}{TAKEN}")
}

#[test]
fn nothing_is_said_after_an_error_or_an_end() {
    let case = Case::of(&conflict());
    let error = case.client("desk", |sight| matches!(sight, Sight::StreamError { .. }));
    let message = parse("<message from='bob@eyot.example/desk' id='x'><body>late</body></message>");
    case.with(error, case.sees("desk", Sight::Got(message.clone()))).shows("stream/after-error");
    let end = case.client("phone", |sight| matches!(sight, Sight::StreamEnd));
    case.with(end, case.sees("phone", Sight::Got(message.clone()))).shows("stream/after-end");
    let offer = Sight::Features(vec!["bind".into()]);
    case.with(end, case.sees("phone", offer)).shows("stream/after-end");
    case.with(end, case.sees("phone", Sight::StreamEnd)).shows("stream/after-end");
    let features = case.client("bob", |sight| matches!(sight, Sight::Features(_)));
    case.with(features, case.sees("bob", Sight::Got(message))).shows("stream/stanza-before-bind");
    case.with(features, case.sees("bob", Sight::Nonsense("?".into()))).shows("stream/nonsense");
}

#[test]
fn an_address_of_somebody_else_is_found() {
    let case = Case::of(&conflict());
    let bound = case.client("bob", |sight| matches!(sight, Sight::Bound { .. }));
    case.replaced(bound, "bob@", "alice@").shows("session/wrong-address");
    case.replaced(bound, "/desk", "").shows("session/wrong-address");
}

#[test]
fn who_is_displaced_must_hear_of_it() {
    let case = Case::of(&conflict());
    let error = case.client("desk", |sight| matches!(sight, Sight::StreamError { .. }));
    let silent = case.without(error);
    silent.shows("session/displaced-unsaid");
    let end = silent.client("desk", |sight| matches!(sight, Sight::StreamEnd));
    let silent = silent.without(end);
    let closed = silent.client("desk", |sight| matches!(sight, Sight::Closed(_)));
    silent.without(closed).shows("session/displaced-unheard");
}

#[test]
fn two_owners_of_one_address_are_found() {
    let text = conflict().replace("new on a as alice resource desk", "new on a as alice resource other");
    let mut case = Case::of(&text.replace("new pings", "new pings\ndesk pings"));
    let bound = case.client("new", |sight| matches!(sight, Sight::Bound { .. }));
    if let Actor::Client(_, Sight::Bound { jid, .. }) = &mut case.history[bound].actor {
        *jid = jid.replace("/other", "/desk");
    }
    case.shows("session/two-owners");
}

#[test]
fn presence_that_is_missing_old_or_a_ghost_is_found() {
    let case = Case::of(&conflict());
    let away = case.got("new", "away");
    case.without(away).shows("presence/stale");
    let shown = case.got("new", "from='alice@eyot.example/phone'");
    case.without(away).without(shown).shows("presence/unknown");
    case.without(case.got("new", "type='unavailable'")).shows("presence/ghost");
    case.without(case.got("bob", "type='unavailable'")).shows("presence/ghost");
}

/// Who is answered first surely was there at what comes then.
const AWAY: &str = "phone is available away\n";
const PROVED: &str = "new pings\nsettle\nphone is available away\n";

#[test]
fn each_event_of_presence_is_missed_by_whoever_is_answered_later() {
    let story = conflict().replace(AWAY, PROVED);
    let told = "phone is available to bob/desk\n";
    let story = story.replace(told, &format!("phone pings\nsettle\ndesk pings\nsettle\n{told}"));
    let mut case = Case::of(&story);
    case.checks.clear();
    case.without(case.got("new", "away")).shows("presence/unheard");
    case.without(case.got("new", "from='alice@eyot.example/phone'")).shows("presence/unannounced");
    case.without(case.got("new", "type='unavailable'")).shows("presence/ended-unsaid");
    case.without(case.got("bob", "type='unavailable'")).shows("presence/ended-unsaid");
    // The phone heard that the desk went, and that it came again.
    case.without(case.got("phone", "type='unavailable'")).shows("presence/ended-unsaid");
    let mut left = Case::of(&story.replace("phone closes", "phone is unavailable\nsettle\nphone pings"));
    left.checks.clear();
    left.without(left.got("new", "type='unavailable'")).shows("presence/left-unsaid");
    left.without(left.got("bob", "type='unavailable'")).shows("presence/left-unsaid");
}

#[test]
fn who_leaves_without_a_word_is_told_of_when_the_node_must_have_noticed() {
    let story = conflict().replace(AWAY, PROVED);
    let mut case = Case::of(&story.replace("phone closes\nsettle", "phone drops\nwait 100s"));
    case.checks.clear();
    case.without(case.got("new", "type='unavailable'")).shows("presence/ended-unsaid");
    case.without(case.got("bob", "type='unavailable'")).shows("presence/ended-unsaid");
    let mut soon = Case::of(&story.replace("phone closes\nsettle", "phone drops\nwait 10s"));
    soon.checks.clear();
    assert_eq!(soon.without(soon.got("bob", "type='unavailable'")).found(), [] as [String; 0]);
}

#[test]
fn presence_of_nobody_is_found() {
    let case = Case::of(&conflict());
    let number = case.got("bob", "from='alice@eyot.example/phone'");
    let own = case.got("new", "away");
    let element = case.element(own);
    case.with(own, case.sees("bob", Sight::Got(element))).shows("origin/invented");
    case.replaced(number, "/phone", "/tablet").shows("origin/invented");
}

const LOGINS: &str = "\
limit login_time 10s
account alice
client idle on a
client alice on a resource desk
alice comes online
idle connects
wait 20s
alice closes
wait 3m
";

#[test]
fn a_login_that_is_never_ended_is_found_and_one_that_ends_early() {
    let case = Case::of(LOGINS);
    let error = case.client("idle", |sight| matches!(sight, Sight::StreamError { .. }));
    let mut early = case.clone();
    early.history[error].at = SimTime::ZERO + SimSpan::from_secs(9);
    early.shows("login-time/early");
    let mut lost = case.clone();
    lost.history.retain(|record| match &record.actor {
        Actor::Client(ix, sight) if lost.cast.clients[ix.at()] == "idle" => {
            record.at < case.history[error].at || matches!(sight, Sight::Connecting { .. })
        }
        Actor::Client(..) | Actor::Node(..) | Actor::World(_) => true,
    });
    lost.shows("login-time/overdue");
}

#[test]
fn an_end_that_never_comes_is_found_unless_the_link_is_cut() {
    let case = Case::of(LOGINS);
    let end = case.client("alice", |sight| matches!(sight, Sight::StreamEnd));
    let after: Vec<Record> = case.history[end..].to_vec();
    let mut lost = case.clone();
    lost.history.truncate(end);
    lost.history.extend(after.into_iter().filter(|record| !matches!(record.actor, Actor::Client(..))));
    lost.shows("login-time/close-overdue");
    let cut = lost.with(0, Actor::World(WorldSight::Note("link of alice cut".into())));
    assert_eq!(cut.found(), [] as [String; 0]);
    assert!(matches!(
        case.history[case.client("alice", |sight| matches!(sight, Sight::Closed(_)))].actor,
        Actor::Client(_, Sight::Closed(CloseCause::Closed))
    ));
}

#[test]
fn a_client_that_does_not_come_again_is_found() {
    // It has time to come again: less would be no fault of anybody.
    let mut case = Case::of(&conflict().replacen("settle\ncheck", "wait 2m\ncheck", 1));
    let bob = case.cast.clients.iter().position(|name| name == "bob").unwrap();
    let phone = case.cast.clients.iter().position(|name| name == "phone").unwrap();
    case.cast.persistent = vec![bob, phone];
    assert_eq!(case.found(), [] as [String; 0]);
    let sent = case.sent("bob", "urn:xmpp:ping");
    let gone = case.with(sent, case.sees("bob", Sight::Closed(CloseCause::Reset)));
    gone.shows("liveness/client-offline");
}

#[test]
fn a_node_that_is_busy_with_nothing_is_found() {
    let mut case = Case::of(LOGINS);
    case.checks = vec![Check { at: case.ended, number: case.history.len() }];
    assert_eq!(case.found(), [] as [String; 0]);
    let (node, _) = *case.inputs.keys().next().unwrap();
    case.inputs.insert((node, 70), 1_000);
    case.shows("idle/busy");
}
