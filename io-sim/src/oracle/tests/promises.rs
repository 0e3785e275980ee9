//! Damage to rights, bounds and starts; and stories in which everything happens at one instant.

use super::case::{Case, ONLINE};
use crate::world::{Actor, NodeSight};

const PINGS: &str = "desk pings\nphone pings\nbob pings\nsettle\n";

/// What happened in the record `from`, told right behind the record `to`.
fn moved(case: &Case, from: usize, to: usize) -> Case {
    case.without(from).with(to, case.history[from].actor.clone())
}

fn last_node(case: &Case, fits: impl Fn(&NodeSight) -> bool) -> usize {
    let is = |number: &usize| matches!(&case.history[*number].actor, Actor::Node(_, sight) if fits(sight));
    (0..case.history.len()).rfind(is).unwrap()
}

#[test]
fn a_session_that_goes_on_after_its_account_was_changed_is_found() {
    for change in ["a user passwd alice password \"new\"", "a user remove alice"] {
        let case = Case::of(&format!("{ONLINE}{PINGS}{change}\nsettle\n"));
        let asked = last_node(&case, |sight| matches!(sight, NodeSight::Asked(..)));
        let answered = last_node(&case, |sight| matches!(sight, NodeSight::Answered(..)));
        // As if it had been done before the pings, and they had been answered all the same.
        let ping = case.sent("desk", "urn:xmpp:ping") - 1;
        let early = moved(&moved(&case, answered, ping), asked + 1, ping);
        early.shows("rights/kept-session");
        let kept = early.judge().into_iter().filter(|found| found.signature.oracle == "rights");
        let mut kept: Vec<String> = kept.flat_map(|found| found.who).collect();
        kept.sort();
        assert_eq!(kept, ["desk", "phone"], "bob has another account");
    }
}

#[test]
fn only_the_session_that_changed_its_own_password_goes_on() {
    let change = "desk sends xml: <iq type='set' id='pw'><query xmlns='jabber:iq:register'><username>alice</username>\
        <password>new</password></query></iq>\nsettle\ndesk pings\nsettle\n";
    let case = Case::of(&format!("domain eyot.example registration open\n{ONLINE}{PINGS}{change}"));
    let answer = case.got("desk", "id='pw'");
    let ping = case.sent("phone", "urn:xmpp:ping") - 1;
    let request = case.sent("desk", "jabber:iq:register");
    let early = moved(&moved(&case, answer, ping), request + 1, ping);
    let kept = early.judge().into_iter().filter(|found| found.signature.oracle == "rights");
    assert_eq!(kept.flat_map(|found| found.who).collect::<Vec<_>>(), ["phone"]);
}

#[test]
fn a_queue_that_grows_beyond_its_bound_is_found() {
    let story = format!(
        "limit send_queue_bytes 100000\n{ONLINE}{PINGS}bob stops reading\n{}settle\n",
        "desk says to bob/desk: {x*60000}\n".repeat(6)
    );
    let case = Case::of(&story);
    let most = case.backlogs.iter().map(|backlog| backlog.most).max().unwrap();
    assert!((60_000..110_000).contains(&most), "{most} bytes waited");
    let mut more = case.clone();
    more.backlogs[2].most = 108_193;
    more.shows("bounds/send-queue");
    more.backlogs[2].most = 108_192;
    assert_eq!(more.found(), [] as [String; 0]);
}

const STARTS: &str =
    "account alice\nclient alice on a\nalice comes online\nsettle\nkill a\nwait 1s\nstart a\nwait 2s\n";

#[test]
fn a_start_that_is_not_new_or_not_on_disk_is_found() {
    let case = Case::of(STARTS);
    let ready = last_node(&case, |sight| matches!(sight, NodeSight::Ready(_)));
    let mut again = case.clone();
    if let Actor::Node(_, NodeSight::Ready(boot)) = &mut again.history[ready].actor {
        boot.start -= 1;
    }
    again.shows("boot/start-not-new");
    let synced = last_node(&case, |sight| matches!(sight, NodeSight::Synced(_)));
    case.without(synced).shows("boot/not-on-disk");
    case.swapped(synced, ready).shows("boot/not-on-disk");
}

#[test]
fn a_disk_that_has_lost_everything_begins_anew() {
    let wiped = STARTS.replace("kill a\nwait 1s\nstart a", "fault wipe a for 1s\nwait 2s");
    let case = Case::of(&wiped);
    let starts = case.history.iter().filter_map(|record| match &record.actor {
        Actor::Node(_, NodeSight::Ready(boot)) => Some(boot.start),
        Actor::Node(..) | Actor::Client(..) | Actor::World(_) => None,
    });
    assert_eq!(starts.collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn what_happens_at_one_instant_has_an_order_all_the_same() {
    let case = Case::of(
        "account alice\naccount bob\nclient alice on a resource desk link perfect\nclient bob on a resource desk link \
        perfect\nbob logs in\nsettle\nbob is available\nsettle\nalice comes online\nsettle\nalice says to bob with no-store: m1\n\
        alice says to bob with no-store: m2\nsettle\nalice pings\nbob pings\nsettle\n",
    );
    let (sent, got) = (case.sent("alice", "m1"), case.got("bob", "m1"));
    assert_eq!(case.history[sent].at, case.history[got].at);
    case.without(got).shows("account-for/lost");
    case.swapped(got, case.got("bob", "m2")).shows("order/overtaken");
}
