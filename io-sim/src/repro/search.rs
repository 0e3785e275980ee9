//! The search for the smallest script that still fails in the same way.

use std::collections::BTreeSet;

use super::lines::Script;
use crate::engine::SimTime;
use crate::script::Scenario;

/// A run that failed as wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// When it showed, where that is known.
    pub at: Option<SimTime>,
}

/// Runs a text and tells whether it fails as wanted.
pub type Judge<'a> = dyn FnMut(&str) -> Option<Shown> + 'a;

/// The best script so far, and what it takes to judge another.
pub(super) struct Search<'a> {
    /// The best so far.
    pub(super) script: Script,
    /// What its run showed.
    pub(super) shown: Shown,
    /// How many texts were run.
    pub(super) runs: usize,
    budget: usize,
    judge: &'a mut Judge<'a>,
    /// Texts that were run already.
    known: BTreeSet<String>,
}

impl<'a> Search<'a> {
    pub(super) fn new(script: Script, budget: usize, judge: &'a mut Judge<'a>) -> Self {
        Self { script, shown: Shown::default(), runs: 0, budget, judge, known: BTreeSet::new() }
    }

    /// Runs a text, if it is a scenario and runs are left.
    pub(super) fn run(&mut self, text: &str) -> Option<Shown> {
        if self.is_exhausted() || Scenario::parse("candidate", text).is_err() {
            return None;
        }
        self.runs += 1;
        (self.judge)(text)
    }

    /// Runs a text once more, whatever is left of the budget.
    pub(super) fn run_again(&mut self, text: &str) -> bool {
        self.runs += 1;
        (self.judge)(text).is_some()
    }

    /// Takes `candidate` for the best if it fails in the same way. What was tried before did not.
    pub(super) fn attempt(&mut self, candidate: Script) -> bool {
        if candidate == self.script {
            return false;
        }
        let text = candidate.to_string();
        if !self.known.insert(text.clone()) {
            return false;
        }
        let shown = self.run(&text);
        if let Some(shown) = shown {
            self.script = candidate;
            self.shown = shown;
        }
        shown.is_some()
    }

    /// Tries one changed line.
    pub(super) fn attempt_line(&mut self, index: usize, line: super::lines::Line) -> bool {
        let mut candidate = self.script.clone();
        let Some(old) = candidate.lines.get_mut(index) else { return false };
        *old = line;
        self.attempt(candidate)
    }

    /// Returns whether no runs are left.
    pub(super) const fn is_exhausted(&self) -> bool {
        self.runs >= self.budget
    }
}
