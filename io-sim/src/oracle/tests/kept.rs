//! Damage to what an archive gives back.

use super::case::Case;

/// Bob writes to Alice, who is away and reads her archive later.
const BEFORE: &str =
    "account alice\naccount bob\nclient alice on a resource desk\nclient bob on a resource desk\n";
const READ: &str = "\
bob comes online
settle
bob says to alice: one
bob says to alice: two
settle
bob pings
settle
alice comes online
settle
alice catches up by cursor
settle
";

/// The record with which Alice read what holds `text` in her archive.
fn read(case: &Case, text: &str) -> usize {
    case.client("alice", |sight| {
        let told = format!("{sight:?}");
        told.contains("<result ") && told.contains(text)
    })
}

fn case() -> Case {
    Case::of(&format!("{BEFORE}{READ}"))
}

#[test]
fn a_message_that_the_archive_does_not_have_is_found() {
    let case = case();
    case.without(read(&case, "one")).shows("kept/lost");
}

#[test]
fn a_message_that_is_there_twice_is_found() {
    let case = case();
    let number = read(&case, "one");
    let id = case.element(number).child("result", "urn:xmpp:mam:2").unwrap().attr("id").unwrap().to_string();
    case.twice(number).replaced(number, &id, "another").shows("kept/twice");
}

#[test]
fn messages_in_another_order_are_found() {
    let case = case();
    case.swapped(read(&case, "one"), read(&case, "two")).shows("kept/overtaken");
}

#[test]
fn a_disk_that_forgot_excuses_only_what_was_said_before() {
    let forgot = "fault disk a lying for 60s as f1\nwait 1s\nfault poweroff a for 2s\nwait 70s\nsettle\n";
    let case = Case::of(&format!("{BEFORE}{forgot}{READ}"));
    case.without(read(&case, "one")).shows("kept/lost");
}
