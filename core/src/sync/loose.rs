//! Entries of others that are held and not counted: behind a gap a vector has room for few.
//!
//! What accounts are is committed as a whole, and between what was overwritten everything that is live stands behind gaps. It is written
//! all the same, and counts with the commit. Until then whoever is told what this node holds is told these, too: they may have overwritten
//! what counts.
//!
//! Rests on the replication rules R2 (vectors are certified).

use std::collections::BTreeMap;

use crate::replica::{Dot, Origin, Vector};

/// Runs of such entries that are remembered. Beyond: an entry is dropped and not written, so that it has to be said again.
const RUNS_MAX: usize = 1 << 20;

/// Entries that are held and not counted.
#[derive(Debug, Default)]
pub(super) struct Loose {
    /// The last number of each run, by its first dot; what an earlier start has left is not among them, and comes again.
    runs: BTreeMap<Dot, u64>,
    /// Up to which number of each origin there may be any in the index.
    tops: BTreeMap<Origin, u64>,
}

impl Loose {
    /// Returns whether there is room for another entry.
    pub(super) fn has_room(&self) -> bool {
        self.runs.len() < RUNS_MAX
    }

    /// Adds a dot.
    pub(super) fn add(&mut self, dot: Dot) {
        self.note_top(dot.origin, dot.seq);
        if self.contains(dot) {
            return;
        }
        let after = dot.origin.dot(dot.seq.saturating_add(1));
        let end = self.runs.remove(&after).unwrap_or(dot.seq);
        match self.runs.range_mut(..dot).next_back() {
            Some((first, last)) if first.origin == dot.origin && last.checked_add(1) == Some(dot.seq) => {
                *last = end;
            }
            Some(_) | None => _ = self.runs.insert(dot, end),
        }
    }

    /// Takes a dot out: it was not written.
    pub(super) fn remove(&mut self, dot: Dot) {
        let run = self.runs.range(..=dot).next_back().map(|(first, last)| (*first, *last));
        let Some((first, last)) = run.filter(|(first, last)| first.origin == dot.origin && *last >= dot.seq)
        else {
            return;
        };
        self.runs.remove(&first);
        if first.seq < dot.seq {
            self.runs.insert(first, dot.seq - 1);
        }
        if dot.seq < last {
            self.runs.insert(dot.origin.dot(dot.seq + 1), last);
        }
    }

    /// Returns whether a dot is one of them.
    pub(super) fn contains(&self, dot: Dot) -> bool {
        let run = self.runs.range(..=dot).next_back();
        run.is_some_and(|(first, last)| first.origin == dot.origin && *last >= dot.seq)
    }

    /// Takes note that there may be some of an origin in the index, up to this number.
    pub(super) fn note_top(&mut self, origin: Origin, top: u64) {
        let known = self.tops.entry(origin).or_insert(top);
        *known = top.max(*known);
    }

    /// Returns up to which number of an origin there may be any beyond `prefix`.
    pub(super) fn top(&self, origin: Origin, prefix: u64) -> Option<u64> {
        self.tops.get(&origin).copied().filter(|top| *top > prefix)
    }

    /// Returns up to which number there may be any, by origin.
    pub(super) const fn tops(&self) -> &BTreeMap<Origin, u64> {
        &self.tops
    }

    /// Forgets what `durable` covers.
    pub(super) fn count(&mut self, durable: &Vector) {
        if !self.tops.is_empty() {
            self.tops.retain(|origin, top| durable.prefix(*origin) < *top);
            self.runs.retain(|first, last| durable.prefix(first.origin) < *last);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use arbtest::arbtest;

    use super::*;

    #[test]
    fn runs_are_what_was_added_and_not_taken_out() {
        arbtest(|data| {
            let origin = |node| Origin { node, start: 1, random: 1 };
            let (mut loose, mut dots) = (Loose::default(), BTreeSet::new());
            for _ in 0..data.int_in_range(0..=60)? {
                let dot = origin(data.int_in_range(1..=2)?).dot(data.int_in_range(1..=12)?);
                if data.ratio(2, 3)? {
                    loose.add(dot);
                    dots.insert(dot);
                } else {
                    loose.remove(dot);
                    dots.remove(&dot);
                }
            }
            for node in 1..=2 {
                let of = |dot: Dot| loose.contains(dot);
                for seq in 0..=14 {
                    assert_eq!(of(origin(node).dot(seq)), dots.contains(&origin(node).dot(seq)), "{loose:?}");
                }
                let last = dots.range(..=origin(node).dot(99)).next_back();
                let last = last.filter(|dot| dot.origin.node == node).map_or(0, |dot| dot.seq);
                assert!(loose.top(origin(node), 0).unwrap_or_default() >= last);
            }
            let joined = |(first, last): (&Dot, &u64)| loose.runs.contains_key(&first.origin.dot(last + 1));
            assert!(!loose.runs.iter().any(joined), "runs are as long as they can be: {loose:?}");
            Ok(())
        });
    }

    #[test]
    fn what_counts_is_forgotten() {
        let (one, other) = (Origin { node: 1, start: 1, random: 1 }, Origin { node: 2, start: 1, random: 1 });
        let (mut loose, mut durable) = (Loose::default(), Vector::new());
        for dot in [one.dot(5), one.dot(9), other.dot(3)] {
            loose.add(dot);
        }
        durable.take(one, 7, &[]);
        durable.take(other, 3, &[]);
        loose.count(&durable);
        assert!(!loose.contains(one.dot(5)) && loose.contains(one.dot(9)) && !loose.contains(other.dot(3)));
        assert_eq!((loose.top(one, 7), loose.top(other, 0)), (Some(9), None));
    }
}
