//! Which stanzas have come from one start of another node, and what became of them.

use std::collections::{BTreeMap, BTreeSet};

use super::{UNTAKEN_MAX, outcome};
use crate::exchange::{RelayFault, Routed};

/// The last numbers. Below the least of them, when there are as many as there may be: seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    outcomes: BTreeMap<u64, Option<RelayFault>>,
    /// Numbers up to this one have been forgotten.
    below: u64,
    /// What has come and has not been given yet: the other node has no more under way.
    open: BTreeSet<u64>,
    /// What has not come up to this number will not come.
    settled: u64,
}

impl Seen {
    /// Takes note that a stanza has come: until something becomes of it, it is not taken for known, however much comes meanwhile.
    pub(super) fn begin(&mut self, id: u64) {
        if self.open.len() < UNTAKEN_MAX {
            self.open.insert(id);
        }
    }

    /// Takes note that a stanza that had come will not be given.
    pub(super) fn forget(&mut self, id: u64) {
        self.open.remove(&id);
    }

    /// Takes note that what has not come up to this number will not come.
    pub(super) const fn settle(&mut self, id: u64) {
        self.settled = id;
    }

    /// Returns whether a stanza may still come.
    pub(super) fn is_awaited(&self, id: u64) -> bool {
        id > self.settled && id > self.below && !self.open.contains(&id) && !self.outcomes.contains_key(&id)
    }

    /// Takes note that a stanza would come too late: what was said after it is given to people.
    pub(super) fn give_up(&mut self, id: u64) {
        if self.is_awaited(id) {
            self.note(id, Some(RelayFault::Nobody));
        }
    }

    /// Returns what became of a stanza; nothing for one that is new.
    pub(super) fn outcome(&self, id: u64) -> Option<Routed> {
        if id <= self.below {
            return Some(Routed::Taken(id));
        }
        self.outcomes.get(&id).map(|fault| outcome(id, *fault))
    }

    /// Takes note of what became of a stanza.
    pub(super) fn note(&mut self, id: u64, fault: Option<RelayFault>) {
        self.open.remove(&id);
        self.outcomes.insert(id, fault);
        if self.outcomes.len() > UNTAKEN_MAX
            && let Some((oldest, _)) = self.outcomes.pop_first()
        {
            self.below = self.open.first().map_or(oldest, |open| oldest.min(open.saturating_sub(1)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_come_is_known_with_what_became_of_it() {
        let mut seen = Seen::default();
        assert_eq!(seen.outcome(1), None);
        seen.note(2, Some(RelayFault::Nobody));
        seen.note(3, None);
        assert_eq!(seen.outcome(1), None, "numbers for other nodes are no gap");
        assert_eq!(seen.outcome(2), Some(Routed::Failed(2, RelayFault::Nobody)));
        assert_eq!(seen.outcome(3), Some(Routed::Taken(3)));
        for id in 4..4 + UNTAKEN_MAX as u64 {
            seen.note(id, None);
        }
        assert_eq!(seen.outcome(2), Some(Routed::Taken(2)), "too old to be anything else");
        assert_eq!(seen.outcomes.len(), UNTAKEN_MAX);
    }

    #[test]
    fn what_comes_too_late_is_refused_and_nobody_waits_for_what_will_not_come() {
        let mut seen = Seen::default();
        seen.begin(2);
        seen.note(3, None);
        assert_eq!([1, 2, 3, 4].map(|id| seen.is_awaited(id)), [true, false, false, true]);
        (2..=4).for_each(|id| seen.give_up(id));
        assert_eq!(
            [2, 3, 4].map(|id| seen.outcome(id)),
            [None, Some(Routed::Taken(3)), Some(Routed::Failed(4, RelayFault::Nobody))]
        );
        seen.settle(5);
        assert_eq!([1, 5, 6].map(|id| seen.is_awaited(id)), [false, false, true]);
    }

    #[test]
    fn what_has_not_been_given_is_not_taken_for_known_however_much_comes_meanwhile() {
        let mut seen = Seen::default();
        seen.begin(5);
        for id in 6..=2 * UNTAKEN_MAX as u64 {
            seen.note(id, None);
        }
        assert_eq!(seen.outcome(5), None, "it waits");
        assert_eq!(seen.outcome(4), Some(Routed::Taken(4)));
        assert_eq!(seen.outcomes.len(), UNTAKEN_MAX);
        seen.note(5, None);
        seen.note(2 * UNTAKEN_MAX as u64 + 1, None);
        assert!(seen.open.is_empty() && seen.outcome(6) == Some(Routed::Taken(6)));
    }
}
