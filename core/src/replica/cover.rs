//! What a node covered at one moment, in little room.
//!
//! Rests on the replication rules R2 (vectors) and R17 (delivery vectors).

use std::sync::Arc;

use minicbor::decode::{self, Decoder};
use minicbor::encode::{self, Encoder, Write};
use minicbor::{Decode, Encode};

use super::{Dot, Origin, Vector};

/// Runs of single dots that are remembered.
const RUNS_MAX: usize = 64;

/// What a node covered when something began or ended. Many may share it.
///
/// What is asked is what came between a beginning and an end, and that must never be too much. So a beginning may say too much: it
/// counts all as covered that other starts of a node wrote than the last. An end may say too little, and leaves out what the
/// beginning counts as covered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cover(Arc<Held>);

#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
struct Held {
    /// Of the last known start of each node, up to which number everything was covered.
    #[n(0)]
    heads: Vec<Dot>,
    /// What was covered beyond: the first of each run, and the number of its last.
    #[n(1)]
    beyond: Vec<(Dot, u64)>,
    /// Nothing else was covered, that is, nothing of earlier starts.
    #[n(2)]
    strict: bool,
}

impl Cover {
    /// Creates what a node covered, when something began, that held this. Where it held too many pieces, everything up to the last of
    /// them counts as covered.
    pub fn of(vector: &Vector) -> Self {
        let mut held = Held::default();
        for origin in vector.origins() {
            while held.heads.last().is_some_and(|head| origin.succeeds(head.origin)) {
                held.heads.pop();
            }
            held.heads.push(origin.dot(vector.prefix(origin)));
        }
        held.beyond = runs(vector, |_| true);
        if held.beyond.len() > RUNS_MAX {
            held.beyond.clear();
            for head in &mut held.heads {
                head.seq = vector.last(head.origin);
            }
        }
        Self(Arc::new(held))
    }

    /// Creates what a node covered that held this when something ended that had begun with `began`. Where it held too many pieces, what
    /// lies beyond gaps is left out.
    pub fn until(vector: &Vector, began: &Self) -> Self {
        let is_new = |origin: Origin| !began.0.heads.iter().any(|head| head.origin.succeeds(origin));
        let origins = vector.origins().filter(|origin| is_new(*origin));
        let heads = origins.map(|origin| origin.dot(vector.prefix(origin))).collect();
        let mut beyond = runs(vector, is_new);
        if beyond.len() > RUNS_MAX {
            beyond.clear();
        }
        Self(Arc::new(Held { heads, beyond, strict: true }))
    }

    /// Creates what a node covered that was alone: everything up to its write `last`.
    pub fn up_to(last: Dot) -> Self {
        Self(Arc::new(Held { heads: vec![last], ..Held::default() }))
    }

    /// Returns whether an entry was covered.
    pub fn covers(&self, dot: Dot) -> bool {
        let Held { heads, beyond, strict } = &*self.0;
        let is_up_to = |first: Dot, last| first.origin == dot.origin && (first.seq..=last).contains(&dot.seq);
        let is_earlier = |head: &Dot| !strict && head.origin.succeeds(dot.origin);
        heads.iter().any(|head| is_earlier(head) || is_up_to(head.origin.dot(0), head.seq))
            || beyond.iter().any(|(first, last)| is_up_to(*first, *last))
    }

    /// Returns whether it covers anything that `began` does not.
    pub(super) fn exceeds(&self, began: &Self) -> bool {
        let Held { heads, beyond, .. } = &*self.0;
        let lasts = beyond.iter().map(|(first, last)| first.origin.dot(*last));
        heads.iter().copied().chain(lasts).any(|dot| !began.covers(dot))
    }

    /// Returns what covers everything of the origin of `dot` up to there, too.
    #[must_use]
    pub(super) fn raised(&self, dot: Dot) -> Self {
        if self.covers(dot) {
            return self.clone();
        }
        let mut held = (*self.0).clone();
        if let Some(own) = held.heads.iter_mut().find(|head| head.origin == dot.origin) {
            own.seq = own.seq.max(dot.seq);
        } else {
            held.heads.push(dot);
        }
        Self(Arc::new(held))
    }

    /// Returns whether both are one in memory.
    #[cfg(test)]
    pub(crate) fn is_shared_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Returns the last known starts of nodes.
    #[cfg(test)]
    fn starts(&self) -> Vec<Origin> {
        self.0.heads.iter().map(|head| head.origin).collect()
    }
}

/// Returns the single dots of some origins, as runs.
fn runs(vector: &Vector, of: impl Fn(Origin) -> bool) -> Vec<(Dot, u64)> {
    let mut runs: Vec<(Dot, u64)> = Vec::new();
    for dot in vector.beyond().filter(|dot| of(dot.origin)) {
        match runs.last_mut() {
            Some((first, last)) if first.origin == dot.origin && *last + 1 == dot.seq => *last = dot.seq,
            Some(_) | None => runs.push((*dot, dot.seq)),
        }
    }
    runs
}

impl<C> Encode<C> for Cover {
    fn encode<W: Write>(&self, out: &mut Encoder<W>, cx: &mut C) -> Result<(), encode::Error<W::Error>> {
        self.0.encode(out, cx)
    }
}

impl<'b, C> Decode<'b, C> for Cover {
    fn decode(input: &mut Decoder<'b>, cx: &mut C) -> Result<Self, decode::Error> {
        Held::decode(input, cx).map(|held| Self(Arc::new(held)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{covering, origin};
    use super::*;

    fn start(node: u32, start: u32) -> Origin {
        Origin { start, ..origin(node) }
    }

    #[test]
    fn it_covers_what_the_vector_covered_and_of_earlier_starts_everything() {
        let mut vector = covering(&[(1, 1), (1, 2), (1, 5), (1, 6), (2, 3)]);
        let cover = Cover::of(&vector);
        for node in 1..=3 {
            for seq in 1..=7 {
                let dot = origin(node).dot(seq);
                assert_eq!(cover.covers(dot), vector.covers(dot), "{dot:?}");
            }
        }
        let later = start(1, origin(1).start + 1);
        vector.count(later.dot(1));
        let cover = Cover::of(&vector);
        assert_eq!(cover.starts(), [later, origin(2)]);
        assert!(cover.covers(origin(1).dot(7)) && cover.covers(later.dot(1)) && !cover.covers(later.dot(2)));
        assert!(!Cover::of(&Vector::new()).covers(later.dot(1)));
    }

    #[test]
    fn what_comes_late_of_an_earlier_start_did_not_come_before_the_end() {
        let mut vector = covering(&[(1, 1), (2, 3)]);
        let began = Cover::of(&vector);
        vector.count(start(1, 2).dot(1));
        vector.count(origin(2).dot(4));
        let until = Cover::until(&vector, &began);
        let within = |dot| until.covers(dot) && !began.covers(dot);
        assert!(within(start(1, 2).dot(1)) && within(origin(2).dot(4)));
        assert!(!within(origin(1).dot(2)) && !within(origin(2).dot(3)) && !within(origin(2).dot(5)));
        let later = Cover::until(&vector, &Cover::of(&vector));
        assert!(!later.covers(origin(1).dot(1)), "it was covered before");
    }

    #[test]
    fn more_runs_than_are_remembered_count_as_one() {
        let mut vector = covering(&[(1, 1)]);
        for run in 1..=RUNS_MAX as u64 {
            vector.count(origin(1).dot(3 * run));
        }
        let all = Cover::until(&vector, &Cover::default());
        assert!(!Cover::of(&vector).covers(origin(1).dot(4)) && all.covers(origin(1).dot(3)));
        let last = origin(1).dot(3 * (RUNS_MAX as u64 + 1));
        vector.count(last);
        let cover = Cover::of(&vector);
        assert!(cover.covers(origin(1).dot(4)) && cover.covers(last));
        assert!(!cover.covers(origin(1).dot(last.seq + 1)));
        let less = Cover::until(&vector, &Cover::default());
        assert!(less.covers(origin(1).dot(1)) && !less.covers(last));
    }

    #[test]
    fn it_is_stored_as_it_is() {
        let cover = Cover::of(&covering(&[(1, 1), (1, 2), (1, 5), (2, 3)])).raised(origin(2).dot(4));
        let bytes = minicbor::to_vec(&cover).unwrap();
        assert_eq!(minicbor::decode::<Cover>(&bytes).unwrap(), cover);
        assert!(cover.covers(origin(2).dot(4)) && cover.covers(origin(2).dot(1)));
        assert!(Cover::up_to(origin(1).dot(2)).covers(origin(1).dot(1)));
    }
}
