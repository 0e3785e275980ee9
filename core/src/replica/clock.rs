//! Order without trusting anybody's clock: the hybrid logical clock, and caps.
//!
//! Rests on the replication rules R11 (clocks).

use minicbor::{Decode, Encode};

use super::{Dot, Origin};
use crate::time::UnixTime;

/// How far a stamp may lie ahead of a receiver's clock before it is capped.
pub const MAX_DRIFT_MS: i64 = 60_000;

/// Bytes of a place.
pub const PLACE_BYTES: usize = 44;
/// Makes numbers before 1970 the lesser ones.
const SIGN: u64 = 1 << 63;

/// A stamp of a hybrid logical clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(array)]
pub struct Hlc {
    /// Wall-clock milliseconds since 1970, as far as they were ahead of everything seen.
    #[n(0)]
    pub millis: i64,
    /// Tells stamps of one millisecond apart.
    #[n(1)]
    pub count: u32,
}

/// The clock of one node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    last: Hlc,
}

/// Where an entry stands among others: its stamp, the least cap that anybody has put on it, its dot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Place {
    /// The cap, or the stamp where there is none.
    #[n(0)]
    pub capped: Hlc,
    /// The stamp.
    #[n(1)]
    pub hlc: Hlc,
    /// The dot.
    #[n(2)]
    pub dot: Dot,
}

impl Clock {
    /// Creates a clock that goes on behind `last`, the greatest stamp that was stored.
    pub const fn behind(last: Hlc) -> Self {
        Self { last }
    }

    /// Stamps a write. Stamps of one clock rise, whatever the wall clock does.
    pub fn stamp(&mut self, wall: UnixTime) -> Hlc {
        let read = Hlc { millis: wall.as_millis(), count: 0 };
        self.last = if read > self.last { read } else { self.last.next() };
        self.last
    }

    /// Learns of a stamp that came from elsewhere: what is written here from now on is later, unless the stamp lies so
    /// far ahead that it is capped. Returns the cap that it gets.
    pub fn meet(&mut self, stamp: Hlc, wall: UnixTime) -> Option<Hlc> {
        let horizon = Hlc { millis: wall.as_millis().saturating_add(MAX_DRIFT_MS), count: 0 };
        // A node that was booted in 1970 must not cap the whole world: what it has seen counts as time, too.
        let limit = horizon.max(Hlc { millis: self.last.millis.saturating_add(MAX_DRIFT_MS), count: 0 });
        if stamp > limit {
            return Some(limit);
        }
        self.last = self.last.max(stamp);
        None
    }

    /// Returns the greatest stamp given or met.
    pub const fn last(&self) -> Hlc {
        self.last
    }
}

impl Hlc {
    /// The least stamp: nothing is older.
    pub const MIN: Self = Self { millis: i64::MIN, count: 0 };
    /// The greatest stamp: nothing is newer.
    pub const MAX: Self = Self { millis: i64::MAX, count: u32::MAX };

    /// Returns the stamp as bytes that order like stamps.
    pub fn to_bytes(self) -> [u8; 12] {
        let mut bytes = [0; 12];
        bytes[..8].copy_from_slice(&(self.millis.cast_unsigned() ^ SIGN).to_be_bytes());
        bytes[8..].copy_from_slice(&self.count.to_be_bytes());
        bytes
    }

    /// Returns the next stamp of the same millisecond.
    #[must_use]
    pub const fn next(self) -> Self {
        match self.count.checked_add(1) {
            Some(count) => Self { count, ..self },
            None => Self { millis: self.millis.saturating_add(1), count: 0 },
        }
    }
}

impl Place {
    /// Returns the place of an entry.
    pub fn new(hlc: Hlc, cap: Option<Hlc>, dot: Dot) -> Self {
        Self { capped: cap.map_or(hlc, |cap| cap.min(hlc)), hlc, dot }
    }

    /// Returns the place as bytes that order like places.
    pub fn to_bytes(self) -> [u8; PLACE_BYTES] {
        let Self { capped, hlc, dot } = self;
        let mut bytes = [capped, hlc].into_iter().flat_map(Hlc::to_bytes).chain(dot.to_bytes());
        core::array::from_fn(|_| bytes.next().unwrap_or_default())
    }

    /// Reads a place back; nothing when the bytes are none.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; PLACE_BYTES] = bytes.try_into().ok()?;
        let number = |at: usize| u32::from_be_bytes(core::array::from_fn(|index| bytes[at + index]));
        let wide = |at: usize| u64::from(number(at)) << 32 | u64::from(number(at + 4));
        let hlc = |at: usize| Hlc { millis: (wide(at) ^ SIGN).cast_signed(), count: number(at + 8) };
        let origin = Origin { node: number(24), start: number(28), random: number(32) };
        Some(Self { capped: hlc(0), hlc: hlc(12), dot: origin.dot(wide(36)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEAR_MS: i64 = 365 * 24 * 3_600 * 1_000;

    fn wall(millis: i64) -> UnixTime {
        UnixTime::from_millis(millis)
    }

    #[test]
    fn stamps_rise_when_the_wall_clock_stands_or_steps_back() {
        let mut clock = Clock::default();
        let stamps: Vec<Hlc> = [1_000, 1_000, 400, 1_001].map(|millis| clock.stamp(wall(millis))).into();
        assert!(stamps.windows(2).all(|pair| pair[0] < pair[1]), "{stamps:?}");
        assert_eq!(stamps[3], Hlc { millis: 1_001, count: 0 });
    }

    #[test]
    fn what_is_written_after_a_stamp_was_met_is_later() {
        let mut clock = Clock::default();
        let met = Hlc { millis: 5_000, count: 3 };
        assert_eq!(clock.meet(met, wall(1_000)), None);
        assert!(clock.stamp(wall(1_000)) > met);
    }

    #[test]
    fn a_node_a_year_ahead_drags_no_other_clock_along() {
        let mut clock = Clock::default();
        clock.stamp(wall(YEAR_MS));
        let ahead = Hlc { millis: 2 * YEAR_MS, count: 0 };
        let cap = clock.meet(ahead, wall(YEAR_MS)).unwrap();
        assert_eq!(cap.millis, YEAR_MS + MAX_DRIFT_MS);
        assert_eq!(clock.stamp(wall(YEAR_MS + 1)).millis, YEAR_MS + 1);
    }

    #[test]
    fn a_node_booted_in_1970_follows_what_it_meets_when_it_has_a_past() {
        let stored = Hlc { millis: 50 * YEAR_MS, count: 0 };
        let mut clock = Clock::behind(stored);
        assert_eq!(clock.meet(Hlc { millis: 50 * YEAR_MS + 5, count: 0 }, wall(0)), None);
        assert!(clock.stamp(wall(0)) > stored);
    }

    #[test]
    fn the_least_cap_decides_the_place() {
        let dot = Origin { node: 1, start: 1, random: 1 }.dot(1);
        let hlc = |millis| Hlc { millis, count: 0 };
        assert!(Place::new(hlc(900), Some(hlc(10)), dot) < Place::new(hlc(20), None, dot));
        assert_eq!(Place::new(hlc(9), Some(hlc(10)), dot).capped, hlc(9));
    }

    #[test]
    fn places_order_like_their_bytes_and_come_back() {
        arbtest::arbtest(|u| {
            let mut any = || -> arbitrary::Result<Place> {
                let mut hlc = || Ok(Hlc { millis: u.arbitrary::<i64>()? % 3, count: u.int_in_range(0..=2)? });
                let (capped, hlc) = (hlc()?, hlc()?);
                let origin =
                    Origin { node: u.int_in_range(0..=1)?, start: u.arbitrary()?, random: u.arbitrary()? };
                Ok(Place { capped, hlc, dot: origin.dot(u.arbitrary()?) })
            };
            let (one, other) = (any()?, any()?);
            assert_eq!(one.cmp(&other), one.to_bytes().cmp(&other.to_bytes()));
            assert_eq!(Place::from_bytes(&one.to_bytes()), Some(one));
            Ok(())
        });
    }
}
