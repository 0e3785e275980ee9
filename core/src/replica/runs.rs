//! Numbers of one origin, as runs.

use core::num::NonZeroUsize;

use minicbor::decode::Error;
use minicbor::encode::Write;
use minicbor::{Decode, Decoder, Encode, Encoder};

/// A set of numbers from 1 on: the first and the last of each run, in order, with a gap between any two.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Runs(Vec<(u64, u64)>);

impl Runs {
    /// Creates the empty set.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Returns whether nothing is in it.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether a number is in it.
    pub fn covers(&self, number: u64) -> bool {
        let at = self.0.partition_point(|(_, last)| *last < number);
        self.0.get(at).is_some_and(|(first, _)| *first <= number)
    }

    /// Returns up to which number everything is in it.
    pub fn prefix(&self) -> u64 {
        self.0.first().filter(|(first, _)| *first == 1).map_or(0, |(_, last)| *last)
    }

    /// Adds the numbers from `first` to `last`.
    pub fn add(&mut self, first: u64, last: u64) {
        let (mut first, mut last) = (first.max(1), last);
        if first > last {
            return;
        }
        let from = self.0.partition_point(|(_, end)| end.saturating_add(1) < first);
        let to = self.0.partition_point(|(begin, _)| *begin <= last.saturating_add(1));
        if let Some(((begin, _), (_, end))) = self.0[from..to].first().zip(self.0[from..to].last()) {
            (first, last) = (first.min(*begin), last.max(*end));
        }
        self.0.splice(from..to, [(first, last)]);
    }

    /// Removes the numbers from `first` to `last`.
    pub fn remove(&mut self, first: u64, last: u64) {
        let mut left = Vec::with_capacity(self.0.len());
        for (begin, end) in self.0.drain(..) {
            if end < first || last < begin {
                left.push((begin, end));
                continue;
            }
            if begin < first {
                left.push((begin, first - 1));
            }
            if last < end {
                left.push((last + 1, end));
            }
        }
        self.0 = left;
    }

    /// Adds everything that is in another set.
    pub fn join(&mut self, other: &Self) {
        for (first, last) in &other.0 {
            self.add(*first, *last);
        }
    }

    /// Removes everything that is in another set.
    pub fn without(&mut self, other: &Self) {
        for (first, last) in &other.0 {
            self.remove(*first, *last);
        }
    }

    /// Keeps the `most` lowest runs.
    pub fn keep_lowest(&mut self, most: usize) {
        self.0.truncate(most);
    }

    /// Makes one of the two runs that are nearest to each other until there are at most `most`: more is in it then than was added.
    pub fn unite(&mut self, most: NonZeroUsize) {
        while self.0.len() > most.get() {
            let gaps = self.0.windows(2).enumerate().map(|(at, pair)| (pair[1].0 - pair[0].1, at));
            let Some((_, at)) = gaps.min() else { return };
            let (first, last) = (self.0[at].0, self.0[at + 1].1);
            self.0.splice(at..at + 2, [(first, last)]);
        }
    }
}

impl<C> Encode<C> for Runs {
    fn encode<W: Write>(
        &self,
        out: &mut Encoder<W>,
        cx: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        self.0.encode(out, cx)
    }
}

/// What is no such set is read as none: a peer or a row may say anything.
impl<'b, C> Decode<'b, C> for Runs {
    fn decode(input: &mut Decoder<'b>, cx: &mut C) -> Result<Self, Error> {
        let runs = Vec::<(u64, u64)>::decode(input, cx)?;
        let ordered = runs.windows(2).all(|pair| pair[0].1.saturating_add(1) < pair[1].0);
        if ordered && runs.iter().all(|(first, last)| 0 < *first && first <= last) {
            Ok(Self(runs))
        } else {
            Err(Error::message("no runs"))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const MAX: u64 = 24;

    fn numbers(runs: &Runs) -> BTreeSet<u64> {
        (1..=MAX + 1).filter(|number| runs.covers(*number)).collect()
    }

    #[test]
    fn it_is_the_set_of_what_was_added_and_not_removed() {
        arbtest::arbtest(|u| {
            let (mut runs, mut model) = (Runs::new(), BTreeSet::new());
            for _ in 0..u.int_in_range(0..=12)? {
                let (first, last) = (u.int_in_range(0..=MAX)?, u.int_in_range(0..=MAX)?);
                let range = || (first.max(1)..=last).filter(|_| first.max(1) <= last);
                if u.ratio(2, 3)? {
                    runs.add(first, last);
                    model.extend(range());
                } else if first <= last {
                    runs.remove(first, last);
                    model.retain(|number| !(first..=last).contains(number));
                }
                assert_eq!(numbers(&runs), model, "{runs:?}");
                assert_eq!(
                    runs.prefix(),
                    (1..=u64::MAX).take_while(|number| model.contains(number)).count() as u64
                );
                let bytes = minicbor::to_vec(&runs).unwrap();
                assert_eq!(minicbor::decode::<Runs>(&bytes).unwrap(), runs, "one way to say it");
            }
            Ok(())
        });
    }

    #[test]
    fn at_a_bound_less_or_more_is_in_it() {
        let mut all = Runs::new();
        for number in [1, 3, 4, 8, 20] {
            all.add(number, number);
        }
        let mut less = all.clone();
        less.keep_lowest(2);
        assert_eq!(numbers(&less), BTreeSet::from([1, 3, 4]));
        all.unite(NonZeroUsize::new(2).unwrap());
        assert_eq!(numbers(&all), (1..=8).chain([20]).collect());
    }

    #[test]
    fn what_is_no_set_of_runs_is_not_read() {
        for wrong in [vec![(0u64, 1u64)], vec![(2, 1)], vec![(1, 2), (3, 4)], vec![(5, 6), (1, 2)]] {
            let bytes = minicbor::to_vec(&wrong).unwrap();
            assert!(minicbor::decode::<Runs>(&bytes).is_err(), "{wrong:?}");
        }
        let whole = minicbor::to_vec(vec![(1u64, u64::MAX)]).unwrap();
        let mut whole: Runs = minicbor::decode(&whole).unwrap();
        whole.add(3, u64::MAX);
        assert!(whole.covers(u64::MAX) && whole.prefix() == u64::MAX);
    }
}
