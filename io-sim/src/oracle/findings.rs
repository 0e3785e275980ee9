//! Everything that can be said of a run, with its history read once.

use std::collections::BTreeMap;

use eyot_core::trace::Event;

use super::model::Run;
use super::{Evidence, ORACLES, Violation, property};
use crate::engine::SimTime;
use crate::world::NodeIx;

/// What can be said of a run.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// What the oracles found, in the order of time.
    pub violations: Vec<Violation>,
    /// How often it showed each property.
    pub properties: BTreeMap<&'static str, u64>,
}

/// Lets all oracles judge, and counts properties. `traces` is what the nodes said of themselves; no oracle sees it.
pub fn examine(evidence: &Evidence<'_>, traces: &[(SimTime, NodeIx, Event)]) -> Findings {
    let run = Run::of(evidence);
    Findings { violations: judge(&run), properties: property::of_run(&run, traces) }
}

/// Lets all oracles judge.
pub(super) fn judge(run: &Run<'_>) -> Vec<Violation> {
    let mut found: Vec<Violation> = ORACLES.iter().flat_map(|oracle| oracle.judge(run)).collect();
    found.sort_by(|one, other| (one.at, &one.signature).cmp(&(other.at, &other.signature)));
    found
}
