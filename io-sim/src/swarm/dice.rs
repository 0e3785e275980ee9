//! Keyed draws with names: what is asked, of whom.

use crate::engine::{Entropy, Key, Purpose};

/// The draws of one item of a plan. Each question has its own draw.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dice {
    entropy: Entropy,
    purpose: Purpose,
    key: Key,
}

impl Dice {
    /// Creates the draws of item `number` of those called `name`.
    pub(super) const fn new(seed: u64, purpose: Purpose, name: &str, number: u64) -> Self {
        Self { entropy: Entropy::new(seed), purpose, key: Key::of(name).with(number) }
    }

    /// Draws a number below `bound`; zero when `bound` is zero.
    pub(super) fn below(&self, question: &str, bound: u64) -> u64 {
        self.entropy.below(self.purpose, self.key, tag(question), bound)
    }

    /// Draws a number from `low` to `high`, both included.
    pub(super) fn between(&self, question: &str, low: u64, high: u64) -> u64 {
        low + self.below(question, (high.saturating_sub(low)).saturating_add(1))
    }

    /// Draws a number from `low` to `high`: each doubling is as likely as any other.
    pub(super) fn scaled(&self, question: &str, low: u64, high: u64) -> u64 {
        let low = low.max(1);
        let doublings = (high / low).max(1).ilog2();
        let begin = low << self.below(question, u64::from(doublings) + 1);
        let more = self.entropy.below(self.purpose, self.key.with(1), tag(question), begin);
        (begin + more).min(high.max(low))
    }

    /// Returns whether a die of `sides` shows its one.
    pub(super) fn one_in(&self, question: &str, sides: u64) -> bool {
        self.below(question, sides) == 0
    }

    /// Draws one of them, each with its weight. One more or less moves only the draws that it takes or took.
    pub(super) fn weighted<'a, T>(
        &self,
        question: &str,
        from: impl IntoIterator<Item = (&'a str, u64, T)>,
    ) -> Option<T> {
        let question = tag(question);
        let score = |name: &str, weight: u64| {
            let drawn = self.entropy.draw(self.purpose, self.key.with(question), tag(name));
            (bits_below_one(drawn) << 16) / weight
        };
        let alive = from.into_iter().filter(|(_, weight, _)| *weight > 0);
        alive.min_by_key(|(name, weight, _)| score(name, *weight)).map(|(_, _, found)| found)
    }

    /// Draws one of them, each as likely as any other.
    pub(super) fn pick<'a, T>(
        &self,
        question: &str,
        from: &'a [T],
        name: impl Fn(&'a T) -> &'a str,
    ) -> Option<&'a T> {
        self.weighted(question, from.iter().map(|one| (name(one), 1, one)))
    }
}

/// Returns how many bits `drawn` lies below 2^64, in 65536ths: the logarithm that makes a weighted draw, with a straight line
/// between two powers of two, which is near enough and the same on every machine.
fn bits_below_one(drawn: u64) -> u64 {
    let drawn = drawn.max(1);
    let zeros = drawn.leading_zeros();
    let mantissa = drawn.checked_shl(zeros + 1).unwrap_or(0) >> 48;
    ((u64::from(zeros) + 1) << 16) - mantissa
}

/// Returns the number that stands for a text among the draws of one key (FNV-1a).
fn tag(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dice(number: u64) -> Dice {
        Dice::new(7, Purpose::SwarmDeed, "deed", number)
    }

    #[test]
    fn a_weighted_draw_keeps_to_the_weights() {
        let mut heavy = 0;
        for number in 0..4_000 {
            let drawn = dice(number).weighted("which", [("light", 1, 0), ("heavy", 3, 1), ("never", 0, 9)]);
            heavy += drawn.unwrap();
        }
        assert!((2_800..3_200).contains(&heavy), "{heavy} of 4000, and 3000 are due");
    }

    #[test]
    fn one_choice_more_moves_only_the_draws_that_it_takes() {
        let names = ["a", "b", "c", "d"];
        for number in 0..500 {
            let of_three = dice(number).pick("who", &names[..3], |name| name);
            let of_four = dice(number).pick("who", &names, |name| name);
            assert!(of_four == Some(&"d") || of_four == of_three);
        }
    }

    #[test]
    fn a_scaled_number_reaches_both_ends_and_stays_within() {
        let drawn: Vec<u64> = (0..2_000).map(|number| dice(number).scaled("how much", 5, 4_000)).collect();
        assert!(drawn.iter().all(|number| (5..=4_000).contains(number)));
        assert!(drawn.iter().any(|number| *number < 8) && drawn.iter().any(|number| *number > 3_500));
        assert_eq!(dice(0).scaled("how much", 9, 9), 9);
    }
}
