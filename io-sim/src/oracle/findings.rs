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
    let mut findings = judge(&run);
    findings.properties.extend(property::of_run(&run, traces));
    findings
}

/// Lets all oracles judge, and counts what they did judge.
pub(super) fn judge(run: &Run<'_>) -> Findings {
    let mut findings = Findings::default();
    for oracle in ORACLES {
        let judged = oracle.judge(run);
        findings.violations.extend(judged.violations);
        if judged.count > 0 {
            findings.properties.insert(oracle.name(), judged.count as u64);
        }
    }
    findings.violations.sort_by(|one, other| (one.at, &one.signature).cmp(&(other.at, &other.signature)));
    findings
}
