//! What is found of entries that nobody should have been told of.

use super::case::{Case, ONLINE};
use crate::engine::SimTime;

#[test]
fn entries_that_are_not_as_they_should_be_are_found() {
    let online = ONLINE.replace("client bob on a", "client bob on b");
    let case = Case::of(&format!(
        "nodes a b\nmembers\n{online}desk says to bob: hi\nsettle\nexpect bob < message body hi\n"
    ));
    assert!(case.entries.iter().any(|sight| sight.group.kind == 1), "a message is among them");
    for at in [0, case.entries.len() - 1] {
        let mut early = case.clone();
        early.entries[at].at = SimTime::ZERO;
        early.shows("entries/before-the-disk");
        let mut unknown = case.clone();
        unknown.entries[at].dot.seq += 1_000;
        unknown.shows("entries/before-the-disk");
    }
    let mut twice = case.clone();
    let again = crate::world::EntrySight { payload: 7, ..case.entries[0].clone() };
    twice.entries.push(again);
    twice.shows("entries/two-payloads");
}
