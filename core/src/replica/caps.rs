//! Caps: what several nodes agree on about stamps that lie too far ahead.
//!
//! Rests on the replication rules R11 (clocks).

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use super::{Applied, Dot, Dotted, Hlc, Origin, Place, Replica};

/// Steps that one node makes for one origin at most. Beyond it all later dots of the origin share the last cap, and stand among each
/// other in the order of their stamps.
pub const STEPS_MAX: usize = 64;

/// No entry of `of.origin` up to `of` stands later than `at`. A write of whoever met the stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Cap {
    /// The name of the cap itself.
    #[n(0)]
    pub dot: Dot,
    /// The last dot that it holds for.
    #[n(1)]
    pub of: Dot,
    /// The latest place.
    #[n(2)]
    pub at: Hlc,
}

/// All caps that count. A cap that another one makes idle is dropped: the other one holds for at least as many dots and is
/// at most as late.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caps(BTreeMap<Origin, Vec<Cap>>);

impl Caps {
    /// Creates no caps.
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Returns the cap that decides the place of an entry, if any does.
    pub fn of(&self, dot: Dot) -> Option<&Cap> {
        let steps = self.0.get(&dot.origin)?;
        // Of one origin, a cap for more dots is a later one.
        steps.get(steps.partition_point(|cap| cap.of.seq < dot.seq))
    }

    /// Returns where an entry stands.
    pub fn place(&self, hlc: Hlc, dot: Dot) -> Place {
        Place::new(hlc, self.of(dot).map(|cap| cap.at), dot)
    }

    /// Makes the cap of an entry that was met, `limit` being what the clock allows; nothing when one is as strict already.
    pub fn write(&self, dot: Dot, of: Dot, limit: Hlc) -> Option<Cap> {
        let steps = self.0.get(&of.origin).map(Vec::as_slice).unwrap_or_default();
        let own = steps.iter().filter(|cap| cap.dot.origin.node == dot.origin.node);
        let at =
            if own.count() < STEPS_MAX { limit } else { steps.last().map_or(limit, |cap| cap.at.min(limit)) };
        let strict = self.of(of).is_some_and(|cap| cap.at <= at);
        (!strict).then_some(Cap { dot, of, at })
    }
}

impl Cap {
    /// Returns whether `other` has nothing to say beside this; of two that say the same the one with the lesser dot counts.
    fn outdoes(&self, other: &Self) -> bool {
        let said = |cap: &Self| (cap.of.seq, cap.at);
        self.of.seq >= other.of.seq
            && self.at <= other.at
            && (said(self) != said(other) || self.dot <= other.dot)
    }
}

impl Replica for Caps {
    type Delta = Cap;

    fn apply(&mut self, cap: &Cap) -> Applied {
        let steps = self.0.entry(cap.of.origin).or_default();
        if steps.contains(cap) {
            return Applied::Known;
        }
        if steps.iter().any(|known| known.outdoes(cap)) {
            return Applied::Hidden;
        }
        steps.retain(|known| !cap.outdoes(known));
        steps.insert(steps.partition_point(|known| known.of.seq < cap.of.seq), *cap);
        Applied::Live
    }

    fn deltas(&self) -> Vec<Cap> {
        self.0.values().flatten().copied().collect()
    }
}

impl Dotted for Cap {
    fn dot(&self) -> Dot {
        self.dot
    }
}

#[cfg(test)]
mod tests {
    use super::super::law::laws;
    use super::super::sample::{at, origin};
    use super::*;

    laws!(caps_keep_the_laws, Caps, |_: &Caps, dot, at, u| {
        let origin = Origin { node: u.int_in_range(7..=8)?, start: 1, random: 0 };
        Ok(Cap { dot, of: origin.dot(u.int_in_range(1..=4)?), at })
    });

    #[test]
    fn a_cap_holds_for_all_earlier_dots_of_its_origin_and_for_no_later_ones() {
        let mut caps = Caps::new();
        caps.apply(&Cap { dot: origin(1).dot(1), of: origin(9).dot(5), at: at(10) });
        let placed = |seq| caps.place(at(1_000), origin(9).dot(seq)).capped;
        assert_eq!((placed(1), placed(5), placed(6)), (at(10), at(10), at(1_000)));
        assert_eq!(caps.place(at(1_000), origin(8).dot(1)).capped, at(1_000));
        assert_eq!(caps.place(at(3), origin(9).dot(1)).capped, at(3), "a cap never moves an entry back");
    }

    #[test]
    fn the_least_of_two_caps_counts_wherever_they_meet() {
        let one = Cap { dot: origin(1).dot(1), of: origin(9).dot(5), at: at(20) };
        let other = Cap { dot: origin(2).dot(1), of: origin(9).dot(4), at: at(10) };
        for order in [[one, other], [other, one]] {
            let mut caps = Caps::new();
            for cap in order {
                caps.apply(&cap);
            }
            let placed = |seq| caps.of(origin(9).dot(seq)).map(|cap| cap.at);
            assert_eq!(
                (placed(3), placed(4), placed(5), placed(6)),
                (Some(at(10)), Some(at(10)), Some(at(20)), None)
            );
        }
    }

    #[test]
    fn a_node_that_is_ahead_for_ever_costs_a_bounded_number_of_caps() {
        let mut caps = Caps::new();
        for seq in 1..1_000 {
            let millis = i64::try_from(seq).unwrap();
            if let Some(cap) = caps.write(origin(1).dot(seq), origin(9).dot(seq), at(millis)) {
                caps.apply(&cap);
            }
            assert!(caps.deltas().len() <= STEPS_MAX);
            assert!(caps.of(origin(9).dot(seq)).is_some_and(|cap| cap.at <= at(millis)));
        }
    }
}
