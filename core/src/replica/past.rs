//! Which incarnations of itself a node knows.
//!
//! Rests on the replication rules R1 (identity of writes).

use std::collections::BTreeSet;

use super::{Origin, Vector};

/// Starts before this one that a node remembers. Older ones count as its own: a copy of the disk that runs elsewhere has been met
/// since.
const BEFORE_MAX: usize = 1_024;

/// The starts of one node as its disk tells them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    origin: Origin,
    /// The starts before, and incarnations that were met.
    before: BTreeSet<Origin>,
}

impl Past {
    /// Creates the past of a node that remembers `before`.
    pub fn new(origin: Origin, before: impl IntoIterator<Item = Origin>) -> Self {
        Self { origin, before: before.into_iter().collect() }
    }

    /// Returns the starts that are remembered, and the incarnations that were met.
    pub fn before(&self) -> impl Iterator<Item = Origin> {
        self.before.iter().copied()
    }

    /// Starts again. It has to be durable before the first dot of the new one.
    #[must_use]
    pub fn next(&self, random: u32) -> Self {
        self.above(self.origin, random)
    }

    /// Returns the incarnation of this start.
    pub const fn origin(&self) -> Origin {
        self.origin
    }

    /// Returns an incarnation of this node that a peer covers and this disk knows nothing of, `last` being the number of the last dot
    /// given out: a copy of the disk runs elsewhere, or this one has gone back to where the copy was made.
    pub fn stranger(&self, last: u64, theirs: &Vector) -> Option<Origin> {
        let own = theirs.origins().filter(|origin| origin.node == self.origin.node);
        let oldest = self.before.first().unwrap_or(&self.origin).start;
        let unknown = |origin: &Origin| {
            if *origin == self.origin {
                theirs.last(*origin) > last
            } else {
                origin.start >= oldest && !self.before.contains(origin)
            }
        };
        own.filter(unknown).max_by_key(|origin| origin.start)
    }

    /// Takes a new incarnation above `met`, at once and while running: what was written so far stays written.
    #[must_use]
    pub fn above(&self, met: Origin, random: u32) -> Self {
        let mut before = self.before.clone();
        before.extend([self.origin, met]);
        while before.len() > BEFORE_MAX {
            before.pop_first();
        }
        let start = self.origin.start.max(met.start).saturating_add(1);
        Self { origin: Origin { node: self.origin.node, start, random }, before }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(start: u32, random: u32) -> Origin {
        Origin { node: 7, start, random }
    }

    fn covering(origin: Origin, seq: u64) -> Vector {
        let mut vector = Vector::new();
        vector.count(origin.dot(seq));
        vector
    }

    #[test]
    fn every_start_is_another_incarnation_and_knows_those_before() {
        let first = Past::new(start(1, 1), []);
        let second = first.next(2);
        assert!(second.origin().succeeds(first.origin()));
        assert_eq!(second.stranger(0, &covering(first.origin(), 40)), None);
        assert_eq!(second.stranger(0, &covering(Origin { node: 8, ..first.origin() }, 40)), None);
    }

    #[test]
    fn a_disk_that_went_back_does_not_use_numbers_that_peers_cover() {
        // A snapshot is taken at the first start; the node starts again, writes, and is set back to the snapshot.
        let snapshot = Past::new(start(1, 1), []);
        let lost = snapshot.next(2);
        let back = snapshot.next(3);
        assert_ne!(back.origin(), lost.origin(), "the same count, other bits");
        let met = back.stranger(0, &covering(lost.origin(), 5));
        assert_eq!(met, Some(lost.origin()));
        let above = back.above(lost.origin(), 4);
        assert!(above.origin().succeeds(lost.origin()) && above.origin().succeeds(back.origin()));
        let far = Origin { start: 9, ..lost.origin() };
        assert!(back.above(far, 5).origin().succeeds(far));
        assert_eq!(above.stranger(0, &covering(lost.origin(), 5)), None, "it was met");
        assert_eq!(above.stranger(0, &covering(back.origin(), 1)), None, "it was its own");
    }

    #[test]
    fn a_copy_that_runs_under_the_same_incarnation_is_noticed() {
        let past = Past::new(start(1, 1), []);
        assert_eq!(past.stranger(9, &covering(past.origin(), 9)), None);
        assert_eq!(past.stranger(9, &covering(past.origin(), 10)), Some(past.origin()));
    }
    #[test]
    fn starts_that_are_older_than_what_is_remembered_count_as_own() {
        // A store that did not remember any: its earlier starts are no strangers, and a start of a copy of it is one.
        let mut past = Past::new(start(5, 1), []);
        assert_eq!(past.stranger(0, &covering(start(4, 9), 40)), None);
        assert_eq!(past.stranger(0, &covering(start(5, 9), 1)), Some(start(5, 9)));
        for random in 2..=u32::try_from(BEFORE_MAX).unwrap() + 2 {
            past = past.next(random);
        }
        assert_eq!((past.before.len(), past.before.first()), (BEFORE_MAX, Some(&start(6, 2))));
        assert_eq!(past.stranger(0, &covering(start(5, 1), 40)), None, "it was its own");
        assert_eq!(past.stranger(0, &covering(start(6, 9), 40)), Some(start(6, 9)));
    }
}
