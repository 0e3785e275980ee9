//! Independent judges of a run. They read what clients and the world saw, never the state of a node.
//!
//! [`Evidence`] is all they get. An [`Oracle`] says what must `always` hold; [`check`] runs them all.

mod evidence;
mod violation;

pub use evidence::{Cast, Evidence};
pub use violation::{Signature, Violation};

/// One judge.
pub trait Oracle {
    /// Returns its name: lower case, hyphens, stable (it is part of signatures).
    fn name(&self) -> &'static str;

    /// Judges a whole run.
    fn judge(&self, evidence: &Evidence<'_>) -> Vec<Violation>;
}

/// All judges there are.
const ORACLES: [&dyn Oracle; 0] = [];

/// Lets all oracles judge; what they found, in the order of time.
pub fn check(evidence: &Evidence<'_>) -> Vec<Violation> {
    let mut found: Vec<Violation> = ORACLES.iter().flat_map(|oracle| oracle.judge(evidence)).collect();
    found.sort_by(|one, other| (one.at, &one.signature).cmp(&(other.at, &other.signature)));
    found
}
