//! What a node knows to hold: version vectors.
//!
//! Rests on the replication rules R2 (vectors are certified).

use std::collections::{BTreeMap, BTreeSet};

use minicbor::{Decode, Encode};

use super::{Context, Dot, Origin};

/// Single dots that a vector holds at most. Beyond it a dot is applied and not counted: it will be sent again, and
/// applying twice is harmless.
pub const SINGLES_MAX: usize = 4_096;

/// A prefix without gaps for each origin, and single dots beyond them.
///
/// Receiving a dot says nothing about the dots before it: only [`Vector::join`] with what a peer has committed does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Vector {
    #[n(0)]
    prefixes: BTreeMap<Origin, u64>,
    #[n(1)]
    singles: BTreeSet<Dot>,
}

/// Whether a dot was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// It is covered from here on.
    Newly,
    /// It was covered before.
    Before,
    /// There is no room for it: it has been applied, and will come again.
    NoRoom,
}

impl Vector {
    /// Creates the vector that covers these origins up to these numbers.
    pub(super) fn prefixes_of(prefixes: &BTreeMap<Origin, u64>) -> Self {
        Self { prefixes: prefixes.clone(), singles: BTreeSet::new() }
    }

    /// Returns the vector without what it says of some origins.
    #[must_use]
    pub fn without(&self, left_out: impl Fn(Origin) -> bool) -> Self {
        let mut vector = self.clone();
        vector.prefixes.retain(|origin, _| !left_out(*origin));
        vector.singles.retain(|dot| !left_out(dot.origin));
        vector
    }

    /// Creates the vector of somebody who holds nothing.
    pub const fn new() -> Self {
        Self { prefixes: BTreeMap::new(), singles: BTreeSet::new() }
    }

    /// Returns whether `dot` is known to be held, or to have been overwritten by something held.
    pub fn covers(&self, dot: Dot) -> bool {
        dot.seq <= self.prefix(dot.origin) || self.singles.contains(&dot)
    }

    /// Returns up to which number everything of `origin` is covered.
    pub fn prefix(&self, origin: Origin) -> u64 {
        self.prefixes.get(&origin).copied().unwrap_or(0)
    }

    /// Returns the greatest number of `origin` that is covered.
    pub fn last(&self, origin: Origin) -> u64 {
        let single = self.singles.range(origin.dot(0)..=origin.dot(u64::MAX)).next_back();
        single.map_or(0, |dot| dot.seq).max(self.prefix(origin))
    }

    /// Counts one dot that was applied and is durable.
    pub fn count(&mut self, dot: Dot) -> Counted {
        if self.covers(dot) {
            return Counted::Before;
        }
        if dot.seq == self.prefix(dot.origin) + 1 {
            self.raise(dot.origin, dot.seq);
        } else if self.singles.len() < SINGLES_MAX {
            self.singles.insert(dot);
        } else {
            return Counted::NoRoom;
        }
        Counted::Newly
    }

    /// Takes over what was stored of one origin: everything up to `prefix`, and some numbers beyond.
    pub fn take(&mut self, origin: Origin, prefix: u64, singles: &[u64]) {
        if prefix > 0 {
            self.raise(origin, prefix);
        }
        for seq in singles {
            self.count(origin.dot(*seq));
        }
    }

    /// Takes over what a peer has committed, every live entry of which has been applied here.
    pub fn join(&mut self, committed: &Self) {
        for (origin, seq) in &committed.prefixes {
            self.raise(*origin, *seq);
        }
        for dot in &committed.singles {
            self.count(*dot);
        }
    }

    /// Returns whether everything that `other` covers is covered.
    pub fn includes(&self, other: &Self) -> bool {
        other.prefixes.iter().all(|(origin, seq)| self.prefix(*origin) >= *seq || self.spans(*origin, *seq))
            && other.singles.iter().all(|dot| self.covers(*dot))
    }

    /// Returns the greatest vector that is included in both, single dots beyond the prefixes left out.
    #[must_use]
    pub fn common(&self, other: &Self) -> Self {
        let both = self.prefixes.iter().map(|(origin, seq)| (*origin, (*seq).min(other.prefix(*origin))));
        Self { prefixes: both.filter(|(_, seq)| *seq > 0).collect(), singles: BTreeSet::new() }
    }

    /// Returns the prefixes as what the writer of a cell has seen.
    pub fn to_context(&self) -> Context {
        let mut context = Context::default();
        for (origin, seq) in &self.prefixes {
            context.see(origin.dot(*seq));
        }
        context
    }

    /// Returns the origins of which anything is covered.
    pub fn origins(&self) -> impl Iterator<Item = Origin> {
        let singles = self.singles.iter().map(|dot| dot.origin);
        self.prefixes.keys().copied().chain(singles).collect::<BTreeSet<_>>().into_iter()
    }

    /// Returns how many single dots lie beyond the prefixes.
    pub fn singles(&self) -> usize {
        self.singles.len()
    }

    /// Returns the single dots beyond the prefixes.
    pub fn beyond(&self) -> impl Iterator<Item = &Dot> {
        self.singles.iter()
    }

    /// Returns whether every dot of `origin` up to `seq` is covered, by the prefix and by single dots.
    fn spans(&self, origin: Origin, seq: u64) -> bool {
        let prefix = self.prefix(origin);
        let held = self.singles.range(origin.dot(prefix)..=origin.dot(seq)).count();
        u64::try_from(held).is_ok_and(|held| held == seq - prefix)
    }

    /// Raises a prefix and takes in the single dots that it meets.
    fn raise(&mut self, origin: Origin, seq: u64) {
        let prefix = self.prefixes.entry(origin).or_insert(0);
        *prefix = seq.max(*prefix);
        while let Some(dot) =
            self.singles.range(origin.dot(0)..=origin.dot(prefix.saturating_add(1))).next().copied()
        {
            self.singles.remove(&dot);
            *prefix = dot.seq.max(*prefix);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{covering, origin};
    use super::*;

    #[test]
    fn there_is_a_last_number() {
        let (last, mut vector) = (u64::MAX, Vector::new());
        vector.count(origin(1).dot(last));
        vector.take(origin(1), last - 1, &[]);
        assert_eq!((vector.prefix(origin(1)), vector.singles()), (last, 0));
        assert_eq!(vector.count(origin(1).dot(last)), Counted::Before);
        let mut other = covering(&[(1, last)]);
        assert!(vector.includes(&other) && !other.includes(&vector));
        other.join(&vector);
        assert!(other.includes(&vector));
    }

    #[test]
    fn a_dot_says_nothing_about_the_dots_before_it() {
        let vector = covering(&[(1, 1), (1, 3)]);
        assert!(vector.covers(origin(1).dot(3)) && !vector.covers(origin(1).dot(2)));
        assert_eq!(vector.prefix(origin(1)), 1);
    }

    #[test]
    fn a_gap_that_is_filled_joins_what_lies_behind_it() {
        let mut vector = covering(&[(1, 1), (1, 3), (1, 4), (1, 6), (2, 5)]);
        assert_eq!(vector.count(origin(1).dot(2)), Counted::Newly);
        assert_eq!((vector.prefix(origin(1)), vector.singles()), (4, 2));
        assert_eq!(vector.count(origin(1).dot(4)), Counted::Before);
    }

    #[test]
    fn there_is_a_bound_and_beyond_it_a_dot_is_not_counted() {
        let mut vector = Vector::new();
        for seq in 0..SINGLES_MAX as u64 {
            assert_eq!(vector.count(origin(1).dot(seq + 2)), Counted::Newly);
        }
        assert_eq!(vector.count(origin(2).dot(9)), Counted::NoRoom);
        assert!(!vector.covers(origin(2).dot(9)));
        assert_eq!(vector.count(origin(1).dot(1)), Counted::Newly);
        assert_eq!((vector.prefix(origin(1)), vector.singles()), (SINGLES_MAX as u64 + 1, 0));
    }

    #[test]
    fn a_join_covers_what_either_covered() {
        let (one, other) = (covering(&[(1, 1), (1, 2), (2, 2)]), covering(&[(1, 1), (2, 1), (3, 7)]));
        let mut joined = one.clone();
        joined.join(&other);
        assert!(joined.includes(&one) && joined.includes(&other));
        assert_eq!(joined, covering(&[(1, 1), (1, 2), (2, 1), (2, 2), (3, 7)]));
        assert!(!one.includes(&other) && !other.includes(&one));
        assert!(!one.includes(&covering(&[(1, 1), (3, 7)])), "single dots count, too");
        assert_eq!(covering(&[(1, 1)]).common(&covering(&[(1, 3)])), Vector::new());
        assert_eq!(one.common(&other), covering(&[(1, 1)]));
    }
}
