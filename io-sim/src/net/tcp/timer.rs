//! When a timer of the kernel fires: late, by the grain of its wheel.

use crate::engine::{SimSpan, SimTime};

/// The kernel counts time in these (`HZ` is 250).
pub(super) const JIFFY: SimSpan = SimSpan::from_millis(4);
/// A slot of the wheel's next level is so much coarser, as a power of two.
const LEVEL_SHIFT: u32 = 3;
/// A level reaches so many of its slots ahead.
const LEVEL_SLOTS: u64 = 63;

/// Returns when a timer fires that is set at `now` for `span`: at the end of its slot, up to an eighth of the
/// span too late.
pub(super) const fn fires_at(now: SimTime, span: SimSpan) -> SimTime {
    let jiffy = JIFFY.as_nanos();
    let ahead = match span.as_nanos().div_ceil(jiffy) {
        0 => 1,
        jiffies => jiffies,
    };
    let expires = now.as_nanos() / jiffy + ahead;
    let mut shift = 0;
    while ahead >= LEVEL_SLOTS << shift {
        shift += LEVEL_SHIFT;
    }
    let slot = (expires + (1 << shift)) >> shift;
    SimTime::from_nanos((slot << shift) * jiffy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_timers_are_late_by_a_jiffy_and_long_ones_by_an_eighth() {
        for (span, most) in [(1, 8), (240, 8), (488, 40), (960, 40), (3_904, 264), (120_000, 2_056)] {
            let late: Vec<u64> = (0..2_000)
                .map(|millis| {
                    let (now, span) =
                        (SimTime::ZERO + SimSpan::from_millis(7 * millis), SimSpan::from_millis(span));
                    fires_at(now, span).since(now + span).as_nanos() / 1_000_000
                })
                .collect();
            assert!(late.iter().all(|late| *late <= most), "{span}: {:?}", late.iter().max());
            assert!(late.iter().any(|late| late * 2 >= most), "{span}: {:?}", late.iter().max());
        }
    }

    #[test]
    fn no_timer_fires_early() {
        for nanos in [0, 1, 3_999_999, 4_000_000, 4_000_001] {
            let now = SimTime::from_nanos(nanos);
            for span in [SimSpan::ZERO, SimSpan::from_nanos(1), SimSpan::from_millis(4)] {
                assert!(fires_at(now, span) >= now + span);
                assert!(fires_at(now, span) > now);
            }
        }
    }
}
