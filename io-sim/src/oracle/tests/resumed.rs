//! Damage to a session that went on, on another connection.

use eyot_core::xml::Element;

use super::case::{Case, parse};
use crate::client::{Nonza, Sight};
use crate::engine::SimTime;
use crate::oracle::model::{Mark, Run};
use crate::world::Actor;

/// Bob's connection breaks between two messages, and he comes back.
const BROKEN: &str = "\
account alice
account bob
client alice on a resource desk
client bob on a resource desk
alice comes online
bob comes online
settle
alice says to bob: one
settle
reset bob
settle
bob comes online
settle
alice says to bob: two
bob says to alice: due
settle
alice pings
bob pings
settle
check
";

/// The same, with a server that lets him resume.
fn resumed() -> Case {
    let mut case = Case::of(BROKEN);
    let bound = case.client("bob", |sight| matches!(sight, Sight::Bound { .. }));
    let enabled = Nonza::Enabled { id: Some("s1".into()), max: None };
    case = case.with(bound, case.sees("bob", Sight::Nonza(enabled)));
    let behind = |case: &Case, is: fn(&Sight) -> bool| {
        let Actor::Client(bob, _) = case.sees("bob", Sight::Refused) else { return None };
        case.history
            .iter()
            .rposition(|record| matches!(&record.actor, Actor::Client(ix, sight) if *ix == bob && is(sight)))
    };
    let asked = behind(&case, |sight| matches!(sight, Sight::Bind { .. })).unwrap();
    case.history[asked].actor = case.sees("bob", Sight::Nonza(Nonza::Resuming { h: 1 }));
    let again = behind(&case, |sight| matches!(sight, Sight::Bound { .. })).unwrap();
    case.history[again].actor = case.sees("bob", Sight::Nonza(Nonza::Resumed { h: 1 }));
    case
}

#[test]
fn a_session_goes_on_where_it_is_resumed() {
    let case = resumed();
    assert_eq!(case.found(), [] as [String; 0]);
    case.twice(case.got("bob", "two")).shows("once/twice");
    let evidence = case.evidence();
    let run = Run::of(&evidence);
    let bob = run.sessions.iter().filter(|session| session.jid == "bob@eyot.example/desk");
    let of_bob: Vec<usize> = bob.map(|session| session.conn).collect();
    assert_eq!(of_bob.len(), 1, "{of_bob:?}");
    assert!(of_bob[0] > 1, "{of_bob:?}");
    let on_it: Vec<Option<usize>> =
        run.sent.iter().filter(|sent| sent.conn == of_bob[0]).map(|sent| sent.session).collect();
    assert!(on_it.len() >= 2 && on_it.iter().all(Option::is_some), "{on_it:?}");
}

#[test]
fn a_message_of_before_that_comes_again_is_found() {
    let case = resumed();
    let one = case.history[case.got("bob", "one")].actor.clone();
    case.with(case.got("bob", "two"), one).shows("once/twice");
}

#[test]
fn a_session_that_can_be_resumed_outlives_its_connection_and_its_node() {
    let case = resumed();
    let evidence = case.evidence();
    let run = Run::of(&evidence);
    let session = run.sessions.iter().find(|session| session.jid == "bob@eyot.example/desk").unwrap();
    let check = case.checks[0].mark();
    assert!(!run.is_surely_over(session, check) && session.gone > check);
    assert!(run.is_settled_at(session, check), "an answer on the new connection proves that it was there");
}

/// The phone's session ends on a disk that takes no note of that, power is lost, and the phone resumes it. The pad comes before,
/// the desk meanwhile, and the watch when the session is there again.
const UNDONE: &str = "\
account alice
client phone on a as alice resource phone
client pad on a as alice resource pad
client desk on a as alice resource desk
client watch on a as alice resource watch
phone comes online
phone enables resumption max 60s
settle
pad comes online
settle
pad pings
settle
phone pings
settle
fault disk a error for 1s
phone enables resumption max 60s
settle
desk comes online
settle
desk pings
settle
fault poweroff a for 1s
wait 2s
watch comes online
settle
watch pings
settle
phone resumes
settle
phone pings
settle
";

#[test]
fn an_end_that_a_kill_undoes_counts_until_the_kill_only() {
    let case = Case::of(UNDONE);
    let phone = "from='alice@eyot.example/phone'";
    for reader in ["pad", "watch"] {
        case.without(case.got(reader, phone)).shows("presence/unannounced");
    }
    let evidence = case.evidence();
    let run = Run::of(&evidence);
    let session = run.sessions.iter().find(|session| session.jid == "alice@eyot.example/phone").unwrap();
    let at = |name: &str| {
        let number = case.client(name, |sight| matches!(sight, Sight::Bound { .. }));
        Mark { at: case.history[number].at, number }
    };
    let there = ["pad", "desk", "watch"].map(|name| session.surely_bound(at(name), at(name)));
    assert_eq!(there, [true, false, true]);
}

#[test]
fn what_ended_while_its_node_stood_still_may_be_back_after_a_power_cut() {
    let story = "seed 10014873\nslices whole\naccount alice\naccount bob\naccount dave\nclient alice on a link lte-moving\n\
        client bob on a reconnecting 4022ms link lan\nclient dave on a link lan\nat 50ms alice comes online\n\
        at 50ms bob comes online\nat 50ms dave comes online\nat 500ms alice enables resumption max 1s\n\
        at 550ms bob enables resumption max 10s\nat 550ms dave enables resumption max 1s\n\
        at 550ms when a traces unbound 1 fault pause a for 20s as f7\n\
        at 550ms when a syncs 2 fault pause a for 10s as f9\nat 1s bob enables resumption max 1s\n\
        at 25s fault poweroff a for 1s as f11\nat 30s bob comes online\nat 30s stop a\nat 99600ms start a\n\
        settle\nwait 5s\ncheck\n";
    let bound = |case: &Case| {
        let bound = case.client("bob", |sight| matches!(sight, Sight::Bound { .. }));
        let Actor::Client(_, Sight::Bound { jid, .. }) = &case.history[bound].actor else { unreachable!() };
        jid.clone()
    };
    let last = |case: &Case, text: &str| {
        let got = |sight: &Sight| sight.got().is_some_and(|element| holds(element, text));
        case.history.iter().rposition(|record| matches!(&record.actor, Actor::Client(_, sight) if got(sight)))
    };
    let case = Case::of(story);
    // The last session is shown the first one, which has its time once more.
    let shown = last(&case, &format!("<presence from='{}'", bound(&case))).unwrap();
    assert!(case.history[shown].at > SimTime::from_nanos(99_600_000_000));
    // Where the node went on, the end was stored long before.
    let awake = story.replace("for 20s as f7", "for 1s as f7").replace("for 10s as f9", "for 1s as f9");
    let awake = awake.replace("at 30s stop a\nat 99600ms start a\n", "");
    let case = Case::of(&awake);
    let ghost = parse(&format!("<presence from='{}' to='bob@eyot.example'/>", bound(&case)));
    let own = last(&case, "<presence").unwrap();
    case.with(own, case.sees("bob", Sight::Got(ghost))).shows("presence/ghost");
}

fn holds(element: &Element, text: &str) -> bool {
    String::from_utf8_lossy(element.raw()).contains(text)
}
