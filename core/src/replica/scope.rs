//! What has to be shown before what: causal scopes.
//!
//! Rests on the replication rules R13 (scope).

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use super::{Dot, Dots};

/// Dots that an entry names as its past at most.
pub const FRONTIER_MAX: usize = 8;
/// Entries of one scope that wait at most. Beyond it an entry is not taken in and not counted; sync sends it again.
pub const WAITING_MAX: usize = 1_024;

/// The entries of one scope that no other entry of it has named: what the next one names. A scope is one room, or what one session
/// sends to one recipient; never everything a node holds, or a word would wait behind an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Frontier(#[n(0)] Vec<Dot>);

/// An entry that only names others, so that the next one need not.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Join {
    /// Its name.
    #[n(0)]
    pub dot: Dot,
    /// What it names.
    #[n(1)]
    pub past: Vec<Dot>,
}

/// Entries of one scope that have come before what they name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting<E>(BTreeMap<Dot, (Vec<Dot>, E)>);

/// What became of an entry that has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offered {
    /// Everything that it names is met: it is to be applied.
    Ready,
    /// It waits.
    Waits,
    /// There is no room for it.
    NoRoom,
}

impl Frontier {
    /// Returns what the next entry names.
    pub fn dots(&self) -> &[Dot] {
        &self.0
    }

    /// Notes that an entry was applied.
    pub fn apply(&mut self, dot: Dot, past: &[Dot]) {
        self.0.retain(|known| !past.contains(known));
        if let Err(place) = self.0.binary_search(&dot) {
            self.0.insert(place, dot);
        }
    }

    /// Prepares a local write: returns the entries that have to be written with it and before it, so that it names few. A merge writes
    /// none, or two nodes that heal would write for ever.
    pub fn fold(&mut self, dots: &mut Dots) -> Vec<Join> {
        let mut joins = Vec::new();
        while self.0.len() > FRONTIER_MAX {
            let join = Join { dot: dots.take(), past: self.0.iter().copied().take(FRONTIER_MAX).collect() };
            self.apply(join.dot, &join.past);
            joins.push(join);
        }
        joins
    }
}

impl<E> Waiting<E> {
    /// Creates a scope in which nothing waits.
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Takes an entry in. `met` says whether a dot need not be waited for: it is covered here or by the commit that has just come
    /// (whatever was superseded is), it lies below the retention floor, or it was certified lost. Returns the entry when it is ready.
    pub fn offer(
        &mut self,
        dot: Dot,
        past: Vec<Dot>,
        entry: E,
        met: impl Fn(Dot) -> bool,
    ) -> (Offered, Option<E>) {
        if past.iter().all(|dot| met(*dot)) {
            return (Offered::Ready, Some(entry));
        }
        if self.0.len() >= WAITING_MAX && !self.0.contains_key(&dot) {
            return (Offered::NoRoom, None);
        }
        self.0.insert(dot, (past, entry));
        (Offered::Waits, None)
    }

    /// Returns what need not wait any longer, in an order in which it may be applied.
    pub fn release(&mut self, met: impl Fn(Dot) -> bool) -> Vec<(Dot, E)> {
        let mut ready: Vec<(Dot, E)> = Vec::new();
        loop {
            let is_met = |dot: &Dot| met(*dot) || ready.iter().any(|(known, _)| known == dot);
            let next = self.0.iter().find(|(_, (past, _))| past.iter().all(is_met)).map(|(dot, _)| *dot);
            let Some((dot, (_, entry))) = next.and_then(|dot| self.0.remove_entry(&dot)) else {
                return ready;
            };
            ready.push((dot, entry));
        }
    }

    /// Returns whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<E> Default for Waiting<E> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::origin;
    use super::*;
    use crate::replica::Vector;

    #[test]
    fn a_secret_said_after_a_ban_is_not_applied_before_the_ban() {
        let (ban, secret) = (origin(1).dot(1), origin(1).dot(2));
        let (mut waiting, mut vector) = (Waiting::new(), Vector::new());
        let met = |vector: &Vector, dot| vector.covers(dot);
        let (offered, none) = waiting.offer(secret, vec![ban], "secret", |dot| met(&vector, dot));
        assert_eq!((offered, none), (Offered::Waits, None));
        assert!(waiting.release(|dot| met(&vector, dot)).is_empty());
        vector.count(ban);
        assert_eq!(waiting.release(|dot| met(&vector, dot)), [(secret, "secret")]);
        assert!(waiting.is_empty());
    }

    #[test]
    fn a_word_does_not_wait_for_what_its_scope_does_not_name() {
        // The writer had written ten thousand entries of an archive before it.
        let (before, word) = (origin(2).dot(1), origin(1).dot(10_000));
        let mut vector = Vector::new();
        vector.count(before);
        let (offered, _) = Waiting::new().offer(word, vec![before], "hi", |dot| vector.covers(dot));
        assert_eq!(offered, Offered::Ready);
    }

    #[test]
    fn a_chain_that_came_backwards_is_released_forwards() {
        let dots: Vec<Dot> = (1..=3).map(|seq| origin(1).dot(seq)).collect();
        let mut waiting = Waiting::new();
        let (offered, _) = waiting.offer(dots[2], vec![dots[0], dots[1]], 'c', |dot| dot == dots[0]);
        assert_eq!(offered, Offered::Waits, "one of two is not enough");
        waiting.offer(dots[1], vec![dots[0]], 'b', |_| false);
        let released = waiting.release(|dot| dot == dots[0]);
        assert_eq!(released.iter().map(|(_, entry)| *entry).collect::<String>(), "bc");
    }

    #[test]
    fn what_was_superseded_or_lost_is_not_waited_for() {
        // The commit of a sync covers what will never be sent; a certified loss counts as held.
        let (superseded, lost, entry) = (origin(1).dot(1), origin(2).dot(1), origin(3).dot(1));
        let mut waiting = Waiting::new();
        waiting.offer(entry, vec![superseded, lost], (), |_| false);
        let mut commit = Vector::new();
        commit.count(superseded);
        assert!(waiting.release(|dot| commit.covers(dot)).is_empty());
        assert_eq!(waiting.release(|dot| commit.covers(dot) || dot == lost).len(), 1);
    }

    #[test]
    fn there_is_a_bound_and_what_waits_already_keeps_its_place() {
        let mut waiting = Waiting::new();
        for seq in 1..=WAITING_MAX as u64 {
            waiting.offer(origin(1).dot(seq + 1), vec![origin(9).dot(1)], (), |_| false);
        }
        let again = |waiting: &mut Waiting<()>, seq| {
            waiting.offer(origin(1).dot(seq), vec![origin(9).dot(1)], (), |_| false).0
        };
        assert_eq!(again(&mut waiting, 9_999), Offered::NoRoom);
        assert_eq!(again(&mut waiting, 2), Offered::Waits);
    }

    #[test]
    fn a_wide_frontier_is_folded_by_the_next_local_write_and_by_nothing_else() {
        let mut frontier = Frontier::default();
        for node in 1..=20 {
            frontier.apply(origin(node).dot(1), &[]);
        }
        assert_eq!(frontier.dots().len(), 20, "a merge writes nothing");
        let mut dots = Dots::new(origin(50));
        let joins = frontier.fold(&mut dots);
        assert!(
            joins.iter().all(|join| join.past.len() <= FRONTIER_MAX) && frontier.dots().len() <= FRONTIER_MAX
        );
        let mut named: Vec<Dot> = joins.iter().flat_map(|join| join.past.clone()).collect();
        named.extend(frontier.dots());
        assert!((1..=20).all(|node| named.contains(&origin(node).dot(1))), "nothing is left out");
        let past = frontier.dots().to_vec();
        frontier.apply(dots.take(), &past);
        assert_eq!(frontier.dots(), [origin(50).dot(dots.last())]);
    }
}
