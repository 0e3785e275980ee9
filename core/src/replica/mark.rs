//! What an account has been given of its log, by whichever of its sessions: nobody owes it any more.
//!
//! Rests on the replication rules R17 (the mark of an account) and R6 (of writes that have not seen one another both count).

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use super::{Cell, Dot, Origin, Runs};

/// Runs of one origin that are remembered. Beyond: the highest are forgotten, and what they name may be shown to somebody again.
const RUNS_MAX: usize = 32;
/// Starts of nodes that are named. Beyond: the earliest start of the node that has the most is forgotten, and what turns up of it may be
/// shown to somebody again. Never does it count as given: what of it a node has that cannot be heard just now, nobody knows.
const ORIGINS_MAX: usize = 64;

/// Messages of one account's log, by their dots there, that were given to somebody who has acknowledged them, or need not be given.
///
/// What lies between two of them belongs to other accounts, or it is not in it: a run says nothing of what nobody has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Mark {
    /// What was given of each start of a node.
    #[n(0)]
    by: BTreeMap<Origin, Runs>,
}

impl Mark {
    /// Returns whether a message was given.
    pub fn covers(&self, dot: Dot) -> bool {
        self.by.get(&dot.origin).is_some_and(|runs| runs.covers(dot.seq))
    }

    /// Returns up to which number everything that `origin` wrote for the account was given.
    pub fn prefix(&self, origin: Origin) -> u64 {
        self.by.get(&origin).map_or(0, Runs::prefix)
    }

    /// Takes away from these numbers of `origin` those that were given.
    pub fn settle(&self, origin: Origin, runs: &mut Runs) {
        if let Some(given) = self.by.get(&origin) {
            runs.without(given);
        }
    }

    /// Adds numbers of an origin.
    pub fn add(&mut self, origin: Origin, runs: &Runs) {
        if !runs.is_empty() {
            self.by.entry(origin).or_default().join(runs);
        }
    }

    /// Adds what another one says was given.
    pub fn join(&mut self, other: &Self) {
        for (origin, runs) in &other.by {
            self.add(*origin, runs);
        }
    }

    /// Keeps it within its bounds.
    pub fn bound(&mut self) {
        for runs in self.by.values_mut() {
            runs.keep_lowest(RUNS_MAX);
        }
        while self.by.len() > ORIGINS_MAX {
            let Some(first) = self.earliest_of_most() else { return };
            self.by.remove(&first);
        }
    }

    /// Returns the earliest start of the node that has the most, of several such nodes the first.
    fn earliest_of_most(&self) -> Option<Origin> {
        let mut starts = BTreeMap::<u32, (usize, Origin)>::new();
        for origin in self.by.keys() {
            starts.entry(origin.node).or_insert((0, *origin)).0 += 1;
        }
        let most = starts.into_values().reduce(|most, of| if of.0 > most.0 { of } else { most });
        most.map(|(_, first)| first)
    }
}

impl Cell<Mark> {
    /// Returns the mark that counts: what any of the writes says was given.
    pub fn joined(&self) -> Mark {
        let mut siblings = self.siblings().iter();
        let mut mark = siblings.next().map(|entry| entry.value.clone()).unwrap_or_default();
        siblings.for_each(|entry| mark.join(&entry.value));
        mark
    }

    /// Returns whether any of the writes says that a message was given.
    pub fn has_given(&self, dot: Dot) -> bool {
        self.siblings().iter().any(|entry| entry.value.covers(dot))
    }
}

#[cfg(test)]
mod tests {
    use arbitrary::Unstructured;

    use super::super::sample::origin;
    use super::*;

    fn start(node: u32, start: u32) -> Origin {
        Origin { start, ..origin(node) }
    }

    fn dots() -> impl Iterator<Item = Dot> {
        let starts = || (1..=2).flat_map(|node| (1..=3).map(move |number| start(node, number)));
        starts().flat_map(|origin| (1..=6).map(move |seq| origin.dot(seq)))
    }

    fn any(u: &mut Unstructured<'_>) -> arbitrary::Result<Mark> {
        let mut mark = Mark::default();
        for _ in 0..u.int_in_range(0..=4)? {
            let (first, length) = (u.int_in_range(1..=5)?, u.int_in_range(0..=3)?);
            let mut runs = Runs::new();
            runs.add(first, first + length);
            mark.add(start(u.int_in_range(1..=2)?, u.int_in_range(1..=3)?), &runs);
        }
        Ok(mark)
    }

    #[test]
    fn whatever_either_says_was_given_was_given_in_whatever_order_it_is_heard() {
        arbtest::arbtest(|u| {
            let marks = [any(u)?, any(u)?, any(u)?];
            let join = |order: [usize; 3]| {
                let mut all = Mark::default();
                for at in order {
                    all.join(&marks[at]);
                }
                all
            };
            let all = join([0, 1, 2]);
            for order in [[0, 2, 1], [1, 0, 2], [2, 1, 0]] {
                assert_eq!(join(order), all, "joined in the order {order:?}");
            }
            let mut again = all.clone();
            again.join(&all);
            assert_eq!(again, all);
            let (mut one, mut two) = (marks[0].clone(), marks[1].clone());
            two.join(&marks[2]);
            one.join(&two);
            assert_eq!(one, all, "joined in other pairs");
            for dot in dots() {
                let said = marks.iter().any(|mark| mark.covers(dot));
                assert_eq!(all.covers(dot), said, "{dot:?}");
            }
            let bytes = minicbor::to_vec(&all).unwrap();
            assert_eq!(minicbor::decode::<Mark>(&bytes).unwrap(), all);
            Ok(())
        });
    }

    #[test]
    fn beyond_its_bounds_it_says_less_and_never_more() {
        let mut mark = Mark::default();
        let mut odd = Runs::new();
        (0..=RUNS_MAX as u64).for_each(|number| odd.add(2 * number + 1, 2 * number + 1));
        mark.add(origin(9), &odd);
        for number in 1..=u32::try_from(ORIGINS_MAX).unwrap() {
            let mut first = Runs::new();
            first.add(1, 1);
            mark.add(start(1, number), &first);
        }
        let mut before = mark.clone();
        mark.bound();
        let last = 2 * RUNS_MAX as u64 + 1;
        assert!(mark.covers(origin(9).dot(last - 2)) && !mark.covers(origin(9).dot(last)));
        assert!(!mark.covers(start(1, 1).dot(1)), "the earliest start of the node that has the most");
        assert!(mark.covers(start(1, 2).dot(1)) && !mark.covers(start(1, 2).dot(2)));
        before.join(&mark);
        before.bound();
        assert_eq!(before, mark, "who adds it again writes nothing");
        let bounded = mark.clone();
        mark.bound();
        assert_eq!(mark, bounded);
    }

    #[test]
    fn what_is_given_is_taken_from_what_is_open() {
        let mut mark = Mark::default();
        let mut given = Runs::new();
        given.add(1, 3);
        mark.add(origin(1), &given);
        let mut open = Runs::new();
        open.add(3, 5);
        mark.settle(origin(1), &mut open);
        assert!(!open.covers(3) && open.covers(4));
        mark.settle(origin(2), &mut open);
        assert!(open.covers(4), "of another origin");
    }
}
