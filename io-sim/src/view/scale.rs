//! From times to heights: time runs down the page, evenly where much happens, squeezed where nothing does.
//!
//! An instant at which several things happen at one place is stretched over as many rows, so that all can be read. Order
//! is never turned around, and what is squeezed is known, so that it can be marked.

use crate::engine::SimTime;
use crate::world::Moment;

/// Something that needs its height.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    /// When.
    pub(super) moment: Moment,
    /// What it may not overlap with: everything else of this column.
    pub(super) column: usize,
    /// How far it reaches above its height.
    pub(super) above: u64,
    /// How far it reaches below it.
    pub(super) below: u64,
}

/// All heights.
#[derive(Clone, Debug, Default)]
pub(super) struct Scale {
    instants: Vec<Instant>,
    /// Where time is squeezed.
    pub(super) gaps: Vec<Gap>,
    /// The height below everything.
    pub(super) bottom: u64,
}

/// A time at which something happens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Instant {
    /// When.
    pub(super) at: SimTime,
    /// Its first row.
    pub(super) top: u64,
    /// Its last row.
    pub(super) bottom: u64,
}

/// Time between two instants that is squeezed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gap {
    /// When it begins.
    pub(super) from: SimTime,
    /// When it ends.
    pub(super) until: SimTime,
    /// The height of its beginning.
    pub(super) top: u64,
    /// The height of its end.
    pub(super) bottom: u64,
    /// Whether it is so long that it must not be overlooked.
    pub(super) long: bool,
}

/// The first height.
const TOP: u64 = 26;
/// A flight of median length is so high.
const FLIGHT: u64 = 30;
/// Up to so many pixels time runs evenly.
const EVEN: u64 = 54;
/// Each doubling of the time adds so many pixels beyond.
const DOUBLING: u64 = 5;
/// The height of the sign for a long break, at least.
const LONG: u64 = 64;
/// No pause shorter than this is a long one.
const LONG_NANOS: u64 = 1_000_000_000;

impl Scale {
    /// Gives every wish its height; `flight` is the length of time that fills a usual arrow. The wishes must be in order.
    pub(super) fn fit(wishes: &[Wish], flight: u64, columns: usize) -> (Self, Vec<u64>) {
        let mut scale = Self::default();
        let mut free = vec![0; columns];
        let mut heights = Vec::with_capacity(wishes.len());
        for instant in wishes.chunk_by(|one, other| one.moment.at == other.moment.at) {
            let Some(first) = instant.first() else { continue };
            let at = first.moment.at;
            let mut y = scale.next_top(at, flight);
            let mut seen = vec![false; columns];
            for wish in instant {
                if !core::mem::replace(&mut seen[wish.column], true) {
                    y = y.max(free[wish.column] + wish.above);
                }
            }
            scale.close_gap(at, y, flight);
            let top = y;
            for wish in instant {
                y = y.max(free[wish.column] + wish.above);
                free[wish.column] = y + wish.below;
                heights.push(y);
            }
            scale.instants.push(Instant { at, top, bottom: y });
        }
        scale.bottom = free.iter().copied().max().unwrap_or(TOP).max(scale.last_bottom()) + 24;
        (scale, heights)
    }

    /// Returns the height of any time.
    pub(super) fn at(&self, at: SimTime) -> u64 {
        let index = self.instants.partition_point(|instant| instant.at < at);
        let Some(next) = self.instants.get(index) else { return self.bottom };
        if next.at == at {
            return next.top;
        }
        let Some(last) = index.checked_sub(1).and_then(|index| self.instants.get(index)) else { return TOP };
        let whole = u128::from(next.at.since(last.at).as_nanos());
        let part =
            u128::from(at.since(last.at).as_nanos()) * u128::from(next.top - last.bottom) / whole.max(1);
        last.bottom + u64::try_from(part).unwrap_or(0)
    }

    /// Returns every time at which something happens.
    pub(super) fn instants(&self) -> &[Instant] {
        &self.instants
    }

    fn last_bottom(&self) -> u64 {
        self.instants.last().map_or(TOP, |last| last.bottom)
    }

    fn next_top(&self, at: SimTime, flight: u64) -> u64 {
        self.instants.last().map_or(TOP, |last| last.bottom + pixels(at.since(last.at).as_nanos(), flight).0)
    }

    fn close_gap(&mut self, at: SimTime, bottom: u64, flight: u64) {
        let Some(last) = self.instants.last() else { return };
        let nanos = at.since(last.at).as_nanos();
        let (_, squeezed, long) = pixels(nanos, flight);
        if squeezed {
            self.gaps.push(Gap { from: last.at, until: at, top: last.bottom, bottom, long });
        }
    }
}

/// Returns how high a pause is, whether it is squeezed, and whether it is long.
fn pixels(nanos: u64, flight: u64) -> (u64, bool, bool) {
    let even =
        u64::try_from(u128::from(nanos) * u128::from(FLIGHT) / u128::from(flight.max(1))).unwrap_or(u64::MAX);
    if even <= EVEN {
        return (even, false, false);
    }
    let doublings = u64::from((even / EVEN).ilog2());
    let high = EVEN + DOUBLING * doublings;
    let long = nanos >= LONG_NANOS && doublings >= 3;
    (if long { high.max(LONG) } else { high }, true, long)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::SimSpan;

    fn wish(millis: u64, column: usize) -> Wish {
        let at = SimTime::ZERO + SimSpan::from_millis(millis);
        Wish { moment: Moment { at, record: 0, order: 0 }, column, above: 12, below: 2 }
    }

    fn fit(wishes: &[Wish]) -> (Scale, Vec<u64>) {
        Scale::fit(wishes, 10_000_000, 2)
    }

    #[test]
    fn even_time_is_even_and_a_pause_is_squeezed_and_known() {
        let (scale, heights) = fit(&[wish(0, 0), wish(10, 0), wish(20, 0), wish(600_020, 0)]);
        assert_eq!(heights[1] - heights[0], FLIGHT);
        assert_eq!(heights[2] - heights[1], FLIGHT);
        assert!(heights[3] - heights[2] < 200, "{heights:?}");
        assert_eq!(scale.gaps.len(), 1);
        assert!(scale.gaps[0].long);
    }

    #[test]
    fn what_shares_a_column_does_not_overlap_and_what_does_not_shares_the_row() {
        let (_, heights) = fit(&[wish(5, 0), wish(5, 1), wish(5, 0)]);
        assert_eq!(heights[0], heights[1]);
        assert_eq!(heights[2] - heights[0], 14);
    }

    #[test]
    fn a_later_time_is_never_higher() {
        let (scale, heights) = fit(&[wish(0, 0), wish(0, 0), wish(1, 1), wish(9_000, 0)]);
        assert!(heights.is_sorted(), "{heights:?}");
        let all: Vec<u64> = (0..9_000).map(|ms| scale.at(SimTime::ZERO + SimSpan::from_millis(ms))).collect();
        assert!(all.is_sorted());
    }
}
