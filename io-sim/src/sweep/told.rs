//! What came of one seed.

use std::collections::BTreeMap;

use crate::engine::SimTime;
use crate::fault::{Fault, FaultRun};
use crate::oracle::Signature;
use crate::repro::Caught;
use crate::script::{Outcome, ParseError, Trouble};
use crate::swarm::{Family, Plan};

/// A seed counts when its chaos lasts so many seconds,
const CHAOS_SECS_MIN: u64 = 60;
/// so many things were done in it by clients that had a stream,
const DEEDS_MIN: u64 = 100;
/// and so many faults touched live traffic.
const TOUCHING_MIN: u64 = 3;
/// Where there are several nodes, a link between them must have come back that both sides had use for.
const REUNIONS_MIN: u64 = 1;

/// What came of one seed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The seed.
    pub seed: u64,
    /// Simulated seconds of the whole run.
    pub simulated: u64,
    /// What the swarm has measured; nothing for a story that no swarm has drawn.
    pub measures: Option<Measures>,
    /// How often each property was hit.
    pub properties: BTreeMap<&'static str, u64>,
    /// What went wrong, if something did.
    pub failure: Option<Failure>,
}

/// What the chaos of a plan came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measures {
    /// Simulated seconds of chaos.
    pub chaos: u64,
    /// Things done during it by clients that had a stream.
    pub deeds: u64,
    /// Faults.
    pub faults: u64,
    /// Those of them that touched live traffic.
    pub touching: u64,
    /// The families of which a fault began, and whether one of them touched something.
    pub families: BTreeMap<&'static str, bool>,
    /// Faults between nodes that touched traffic and ended; nothing where there is one node.
    pub reunions: Option<u64>,
}

/// A seed that went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What kind of failure it is.
    pub signature: Signature,
    /// The first thing that did not hold, in one line.
    pub what: String,
}

impl Told {
    /// Says what came of a run.
    pub(super) fn of(seed: u64, outcome: &Outcome, plan: Option<&Plan>) -> Self {
        Self {
            seed,
            simulated: secs(outcome.ended),
            measures: plan.map(|plan| Measures::of(outcome, plan)),
            properties: outcome.properties.clone(),
            failure: outcome.signature().map(|signature| Failure { signature, what: first_line(outcome) }),
        }
    }

    /// Says that the plan of a seed is none: what draws plans is wrong.
    pub(super) fn not_understood(seed: u64, error: &ParseError) -> Self {
        let failure =
            Failure { signature: Signature::new("plan", "not-understood"), what: error.to_string() };
        Self { seed, failure: Some(failure), ..Self::default() }
    }

    /// Says that the run of a seed has panicked.
    pub(super) fn panicked(seed: u64, caught: &Caught) -> Self {
        let Caught { file, line, what } = caught;
        let what = format!("{file}:{line}: {}", what.lines().next().unwrap_or_default());
        let failure = Failure { signature: Signature::new("panic", file), what };
        Self { seed, failure: Some(failure), ..Self::default() }
    }
}

impl Measures {
    fn of(outcome: &Outcome, plan: &Plan) -> Self {
        let during = |at: SimTime| plan.acts.iter().any(|act| act.contains(&at));
        let faults = || outcome.faults.iter().filter(|fault| during(fault.begun));
        let lasted = plan.acts.iter().map(|act| act.end.since(act.start).as_nanos()).sum::<u64>();
        let mut families = BTreeMap::new();
        for run in faults() {
            *families.entry(Family::of(&run.fault).name()).or_default() |= run.touched > 0;
        }
        Self {
            chaos: lasted / 1_000_000_000,
            deeds: outcome.deeds.iter().filter(|at| during(**at)).count() as u64,
            faults: faults().count() as u64,
            touching: faults().filter(|fault| fault.touched > 0).count() as u64,
            reunions: (plan.nodes > 1).then(|| faults().filter(|fault| is_reunion(fault)).count() as u64),
            families,
        }
    }

    /// Returns what is missing for the seed to count, if something is.
    pub fn lacks(&self) -> Option<&'static str> {
        let needs = [
            ("chaos", self.chaos, CHAOS_SECS_MIN),
            ("operations", self.deeds, DEEDS_MIN),
            ("faults that touch", self.touching, TOUCHING_MIN),
            ("reunions of nodes", self.reunions.unwrap_or(REUNIONS_MIN), REUNIONS_MIN),
        ];
        needs.iter().find(|(_, has, needed)| has < needed).map(|(what, _, _)| *what)
    }
}

/// Returns whether a fault kept nodes apart that had something to say to each other, and ended.
fn is_reunion(run: &FaultRun) -> bool {
    let apart = matches!(run.fault, Fault::CutNodes { .. } | Fault::Partition { .. } | Fault::Site { .. });
    apart && run.touched > 0 && run.ended.is_some()
}

/// Returns the first thing that did not hold, in one line.
fn first_line(outcome: &Outcome) -> String {
    let unmet = || outcome.verdicts.iter().find(|verdict| !verdict.met);
    let trouble = match &outcome.trouble {
        Some((line, Trouble::Wrong(what))) => Some(format!("line {line}: {what}")),
        Some((_, Trouble::Pending(_))) | None => None,
    };
    outcome
        .violations
        .first()
        .map(ToString::to_string)
        .or_else(|| outcome.complaints.first().cloned())
        .or(trouble)
        .or_else(|| unmet().map(|verdict| format!("line {}: does not hold: {}", verdict.line, verdict.text)))
        .unwrap_or_default()
}

fn secs(at: SimTime) -> u64 {
    at.as_nanos() / 1_000_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_counts_when_nothing_is_missing() {
        let enough = Measures { chaos: 60, deeds: 100, faults: 5, touching: 3, ..Measures::default() };
        assert_eq!(enough.lacks(), None);
        assert_eq!(Measures { chaos: 59, ..enough.clone() }.lacks(), Some("chaos"));
        assert_eq!(Measures { deeds: 99, ..enough.clone() }.lacks(), Some("operations"));
        assert_eq!(Measures { touching: 2, ..enough.clone() }.lacks(), Some("faults that touch"));
        assert_eq!(Measures { reunions: Some(0), ..enough.clone() }.lacks(), Some("reunions of nodes"));
        assert_eq!(Measures { reunions: Some(1), ..enough }.lacks(), None);
    }

    #[test]
    fn a_panic_is_signed_with_the_file_and_not_with_the_line() {
        let caught =
            Caught { file: "core/src/node.rs".into(), line: 9, what: "a session is there\nmore".into() };
        let failure = Told::panicked(7, &caught).failure.unwrap();
        assert_eq!(failure.signature.to_string(), "panic/core/src/node.rs");
        assert_eq!(failure.what, "core/src/node.rs:9: a session is there");
    }
}
