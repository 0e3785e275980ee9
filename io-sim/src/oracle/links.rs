//! Links: nodes greet each other before anything else, name the start that runs, miss whom they have to miss and nobody else
//! (`docs/adr/0024-failure-detection.md`).
//!
//! The world reads the frames itself, so it knows what came back to whom. A node that stood still, or whose clock is wrong, is
//! not held to a time.

use std::collections::BTreeMap;

use eyot_core::peer::Kind;

use super::model::Run;
use super::{Judged, Oracle, Violation};
use crate::engine::{SimSpan, SimTime};
use crate::world::{Actor, LinkFact, LinkSight, NodeIx, NodeSight};

const NAME: &str = "links";
/// What was said by a start that is over may be on its way for so long.
const TRAVEL: SimSpan = SimSpan::from_secs(120);

/// The oracle.
pub(super) struct Links;

impl Oracle for Links {
    fn name(&self) -> &'static str {
        NAME
    }

    fn judge(&self, run: &Run<'_>) -> Judged {
        let starts = starts(run);
        let mut latest = BTreeMap::new();
        let mut judged = Judged::default();
        for sight in run.evidence.links {
            judged.add(match sight.what {
                LinkFact::Said(kind) => unmannerly(run, sight, kind),
                LinkFact::Up(start) => {
                    let before = latest.insert((sight.node, sight.peer), start);
                    let known = starts.get(&sight.peer).map_or(&[][..], Vec::as_slice);
                    gone_back(run, sight, (before.unwrap_or_default(), start))
                        .or_else(|| wrong_start(run, sight, start, known))
                }
                LinkFact::Down { silent, least } => (silent < least).then(|| {
                    let what =
                        format!("something had come back {silent:?} before, and {least:?} have to be borne");
                    tell(run, sight, "false-alarm", &what)
                }),
                LinkFact::Overdue { silent } => {
                    let what = format!("nothing has come back for {silent:?}, and it is not missed");
                    Some(tell(run, sight, "not-missed", &what))
                }
            });
        }
        judged
    }
}

fn unmannerly(run: &Run<'_>, sight: &LinkSight, kind: u8) -> Option<Violation> {
    // Who is no member may ask to be one, and is told.
    let polite =
        matches!(Kind::from_number(kind), Some(Kind::Hello | Kind::Bye | Kind::Join | Kind::Admitted));
    (!polite).then(|| tell(run, sight, "no-hello", &format!("what is said first is of kind {kind}")))
}

/// The starts of each node, and when it was ready.
fn starts(run: &Run<'_>) -> BTreeMap<NodeIx, Vec<(SimTime, u32)>> {
    let mut starts: BTreeMap<NodeIx, Vec<(SimTime, u32)>> = BTreeMap::new();
    for record in run.evidence.history {
        if let Actor::Node(node, NodeSight::Ready(boot)) = &record.actor {
            let start = u32::try_from(boot.start).unwrap_or(u32::MAX);
            starts.entry(*node).or_default().push((record.at, start));
        }
    }
    starts
}

/// The start has to be the last one, or over for no longer than what was said may travel.
fn wrong_start(run: &Run<'_>, sight: &LinkSight, start: u32, known: &[(SimTime, u32)]) -> Option<Violation> {
    let so_far: Vec<_> = known.iter().filter(|(at, _)| *at <= sight.at).collect();
    let is_right = so_far.iter().enumerate().any(|(number, (_, known))| {
        let over = so_far.get(number + 1).map(|(at, _)| *at);
        *known == start && over.is_none_or(|over| sight.at.since(over) <= TRAVEL)
    });
    // Who has just joined calls others before it is ready.
    let next = known.iter().find(|(at, _)| *at > sight.at);
    let is_right = is_right || next.is_some_and(|(_, next)| *next == start);
    (!is_right).then(|| tell(run, sight, "wrong-start", &format!("start {start} is not what runs there")))
}

fn gone_back(run: &Run<'_>, sight: &LinkSight, (before, start): (u32, u32)) -> Option<Violation> {
    let what = format!("start {start} is reached after start {before}");
    (start < before).then(|| tell(run, sight, "gone-back", &what))
}

fn tell(run: &Run<'_>, sight: &LinkSight, kind: &str, what: &str) -> Violation {
    let names = [run.node_name(sight.node.at()), run.node_name(sight.peer.at())];
    let what = format!("{} about {}: {what}", names[0], names[1]);
    let mut violation = run.violation(NAME, kind, sight.at, what);
    violation.who = names.map(String::from).to_vec();
    violation
}
