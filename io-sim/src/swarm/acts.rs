//! When things happen: chaos in acts, with a look between two of them.

use core::ops::Range;

use super::dice::Dice;

/// Between two acts everything is healed and time passes, in milliseconds: retransmission timers go up to two minutes, twice
/// where a link comes and goes, and clients try again each minute.
pub(super) const LOOK: u64 = 300_000;
/// Behind the look, until the next act, in milliseconds.
const PAUSE: u64 = 1_000;
/// A burst of deeds and faults is mostly over after so many milliseconds.
const BURST: u64 = 4_000;

/// The acts of a plan, in milliseconds since it began. Within them things happen mostly in bursts.
#[derive(Clone, Debug)]
pub(super) struct Acts {
    parts: Vec<Range<u64>>,
    /// How long all of them take.
    total: u64,
    /// When bursts begin, as if there were nothing between the acts.
    bursts: Vec<u64>,
}

impl Acts {
    /// Cuts chaos of `total` milliseconds into acts: into one in half of the seeds, into two or three in the others.
    pub(super) fn draw(shape: Dice, begin: u64, total: u64) -> Self {
        let count = shape.below("acts", 4).max(1);
        let weights: Vec<u64> =
            (0..count).map(|number| shape.between(&format!("act {number}"), 2, 5)).collect();
        let all = weights.iter().sum::<u64>().max(1);
        let (mut parts, mut at, mut told) = (Vec::new(), begin, 0);
        let mut left = total;
        for weight in weights {
            told += weight;
            let lasts = left - total * (all - told) / all;
            left -= lasts;
            parts.push(at..at + lasts);
            at += lasts + LOOK + PAUSE;
        }
        let bursts = shape.between("bursts", 2, 6);
        let bursts = (0..bursts).map(|number| shape.below(&format!("burst {number}"), total)).collect();
        Self { parts, total, bursts }
    }

    /// Draws when something happens.
    pub(super) fn when(&self, dice: Dice) -> u64 {
        let burst =
            self.bursts.get(usize::try_from(dice.below("burst", self.bursts.len() as u64)).unwrap_or(0));
        let within = match burst {
            Some(at) if !dice.one_in("alone", 3) => at + dice.scaled("behind", 1, BURST),
            Some(_) | None => dice.below("when", self.total),
        };
        self.place(within.min(self.total.saturating_sub(1)))
    }

    /// Returns when that is which lies `within` milliseconds of chaos.
    fn place(&self, within: u64) -> u64 {
        let mut left = within;
        for act in &self.parts {
            let lasts = act.end - act.start;
            if left < lasts {
                return act.start + left;
            }
            left -= lasts;
        }
        self.end()
    }

    /// Returns the act in which something happens.
    pub(super) fn number(&self, at: u64) -> Option<usize> {
        self.parts.iter().position(|act| act.contains(&at))
    }

    /// Returns all of them.
    pub(super) fn all(&self) -> &[Range<u64>] {
        &self.parts
    }

    /// Returns when the last one ends.
    pub(super) fn end(&self) -> u64 {
        self.parts.last().map_or(0, |act| act.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Purpose;

    #[test]
    fn acts_are_as_long_as_the_chaos_and_everything_happens_in_one_of_them() {
        let mut counts = [0; 4];
        for seed in 0..200 {
            let acts = Acts::draw(Dice::new(seed, Purpose::SwarmShape, "plan", 0), 9_000, 60_000);
            assert_eq!(acts.all().iter().map(|act| act.end - act.start).sum::<u64>(), 60_000);
            assert!(acts.all().windows(2).all(|two| two[1].start >= two[0].end + LOOK));
            assert!(acts.all().iter().all(|act| act.end - act.start > 5_000), "{acts:?}");
            counts[acts.all().len()] += 1;
            for number in 0..50 {
                let at = acts.when(Dice::new(seed, Purpose::SwarmDeed, "deed", number));
                assert!(acts.number(at).is_some(), "{at} of {acts:?}");
            }
        }
        assert!(counts[1] > 70 && counts[2] > 30 && counts[3] > 30, "{counts:?}");
    }
}
