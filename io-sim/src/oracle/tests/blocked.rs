//! Damage to block lists: as if they had been there earlier.

use super::case::{Case, ONLINE, parse};
use crate::client::Sight;
use crate::world::Actor;

/// Bob writes to one of Alice's clients, and the other gets a copy.
const COPIES: &str = "phone enables carbons\nsettle\n";

/// As if the request that holds `what`, and its answer, had come before Bob said something.
fn asked_before(case: &Case, name: &str, what: &str) -> Case {
    let request = case.sent(name, what);
    let Actor::Client(_, Sight::Sent(bytes)) = &case.history[request].actor else { panic!("it was sent") };
    let id = parse(core::str::from_utf8(bytes).unwrap()).attr("id").unwrap().into_owned();
    let answer = case.got(name, &format!("id='{id}'"));
    let said = case.sent("bob", "one") - 1;
    let moved = |case: &Case, from: usize| case.without(from).with(said, case.history[from].actor.clone());
    moved(&moved(case, answer), request + 1)
}

#[test]
fn what_somebody_says_who_is_blocked_is_found_and_so_is_its_copy() {
    let case =
        Case::of(&format!("{ONLINE}{COPIES}bob says to alice/desk: one\nsettle\ndesk blocks bob\nsettle\n"));
    let early = asked_before(&case, "desk", "<block ");
    early.shows("blocked/delivered");
    early.shows("blocked/copied");
    let copied = early.judge().into_iter().filter(|found| found.signature.kind == "copied");
    assert_eq!(copied.map(|found| found.who).collect::<Vec<_>>(), [["phone", "bob"]]);
    let copy = early.got("phone", "<body>one<");
    let only = early.without(copy).found();
    assert!(!only.contains(&String::from("blocked/copied")), "{only:?}");
}

#[test]
fn what_reaches_whom_its_sender_blocks_is_found() {
    let case = Case::of(&format!(
        "{ONLINE}{COPIES}bob says to alice/desk: one\nsettle\nbob blocks alice/desk\nsettle\n"
    ));
    asked_before(&case, "bob", "<block ").shows("blocked/delivered");
    let case = Case::of(&format!(
        "{ONLINE}{COPIES}bob says to alice/desk: one\nsettle\nbob blocks alice/phone\nsettle\n"
    ));
    let found = asked_before(&case, "bob", "<block ").found();
    assert!(!found.contains(&String::from("blocked/delivered")), "another resource: {found:?}");
}

#[test]
fn nothing_is_asked_of_a_list_that_has_ended_or_is_not_known_to_hold() {
    let talk = "bob says to alice/desk: one\nsettle\n";
    Case::of(&format!("{ONLINE}{COPIES}desk blocks bob\nsettle\nphone unblocks everybody\nsettle\n{talk}"));
    let case = Case::of(&format!("{ONLINE}{COPIES}{talk}desk blocks bob\nsettle\n"));
    let request = case.sent("desk", "<block ");
    let said = case.sent("bob", "one") - 1;
    let unanswered = case.without(request).with(said, case.history[request].actor.clone()).found();
    assert!(!unanswered.iter().any(|found| found.starts_with("blocked/")), "{unanswered:?}");
}
