//! What is found of links between nodes that are not as they should be.

use super::case::Case;
use crate::engine::SimSpan;
use crate::world::LinkFact;

const STORY: &str =
    "nodes a b c\nmembers\nsettle\nkill b\nwait 5s\nstart b\nwait 5s\nfault cut a c for 5s\nwait 10s\n";

/// Changes what the world saw of a link first that fits.
fn changed(case: &Case, change: impl Fn(LinkFact) -> Option<LinkFact>) -> Case {
    let mut case = case.clone();
    let mut links = case.links.iter_mut().rev();
    let (sight, fact) = links.find_map(|sight| change(sight.what).map(|fact| (sight, fact))).unwrap();
    sight.what = fact;
    case
}

#[test]
fn links_that_are_not_as_they_should_be_are_found() {
    let case = Case::of(STORY);
    let up = case.links.iter().filter(|sight| matches!(sight.what, LinkFact::Up(_))).count();
    let down = case.links.iter().filter(|sight| matches!(sight.what, LinkFact::Down { .. })).count();
    assert_eq!((up, down), (6 + 4 + 2, 2 + 2));
    let said = |fact| matches!(fact, LinkFact::Said(_)).then_some(LinkFact::Said(3));
    changed(&case, said).shows("links/no-hello");
    let later = |fact| if let LinkFact::Up(start) = fact { Some(LinkFact::Up(start + 1)) } else { None };
    changed(&case, later).shows("links/wrong-start");
    let soon = |fact| match fact {
        LinkFact::Down { least, .. } => Some(LinkFact::Down { silent: SimSpan::from_millis(100), least }),
        LinkFact::Said(_) | LinkFact::Up(_) | LinkFact::Overdue { .. } => None,
    };
    changed(&case, soon).shows("links/false-alarm");
    let missed = |fact| match fact {
        LinkFact::Down { silent, .. } => Some(LinkFact::Overdue { silent }),
        LinkFact::Said(_) | LinkFact::Up(_) | LinkFact::Overdue { .. } => None,
    };
    changed(&case, missed).shows("links/not-missed");
}

#[test]
fn a_start_that_is_reached_again_after_a_later_one_is_found() {
    let mut case = Case::of(STORY);
    let b = case.links.iter().rposition(|sight| sight.what == LinkFact::Up(2)).unwrap();
    let again = crate::world::LinkSight { what: LinkFact::Up(1), ..case.links[b] };
    case.links.insert(b + 1, again);
    case.shows("links/gone-back");
}
