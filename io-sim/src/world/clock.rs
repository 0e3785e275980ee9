//! The clocks of a machine, right or wrong.

use eyot_core::time::UnixTime;

use crate::engine::SimTime;
use crate::fault::ClockFault;

/// 2026-01-01T00:00:00Z, when every world begins.
const WALL_MILLIS_AT_BEGIN: i64 = 1_767_225_600_000;
const MILLION: i128 = 1_000_000;

/// Returns what a right clock shows.
pub(super) fn right_time(at: SimTime) -> UnixTime {
    let passed = i64::try_from(at.as_nanos() / 1_000_000).unwrap_or(i64::MAX);
    UnixTime::from_millis(WALL_MILLIS_AT_BEGIN.saturating_add(passed))
}

/// Both clocks of a machine.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    /// What is wrong, oldest first.
    wrong: Vec<Wrong>,
    /// Since then the monotonic clock has run at this speed.
    since: SimTime,
    /// What it showed then, in nanoseconds.
    shown: u64,
    /// How many millionths it is too fast.
    ppm: i128,
}

#[derive(Clone, Copy, Debug)]
struct Wrong {
    cause: u32,
    what: ClockFault,
    since: SimTime,
    /// What the wall clock showed when it began.
    wall: i64,
    /// How often the clock was read since while somebody was connected.
    reads: u64,
}

impl Clock {
    /// Creates clocks that are right.
    pub(super) const fn new() -> Self {
        Self { wrong: Vec::new(), since: SimTime::ZERO, shown: 0, ppm: 0 }
    }

    pub(super) fn begin(&mut self, cause: u32, what: ClockFault, now: SimTime) {
        let wall = self.wall(now);
        self.wrong.push(Wrong { cause, what, since: now, wall, reads: 0 });
        self.set_speed(now);
    }

    /// Puts one fault right; returns how often that had been noticed. The monotonic clock goes on
    /// from where it is.
    pub(super) fn end(&mut self, cause: u32, now: SimTime) -> u64 {
        let reads = self.reads(cause);
        self.wrong.retain(|wrong| wrong.cause != cause);
        self.set_speed(now);
        reads
    }

    pub(super) const fn is_wrong(&self) -> bool {
        !self.wrong.is_empty()
    }

    /// Counts a reading of a wrong clock that somebody may notice.
    pub(super) fn notice(&mut self) {
        for wrong in &mut self.wrong {
            wrong.reads += 1;
        }
    }

    pub(super) fn reads(&self, cause: u32) -> u64 {
        self.wrong.iter().find(|wrong| wrong.cause == cause).map_or(0, |wrong| wrong.reads)
    }

    /// Reads both clocks for a process: nanoseconds on the monotonic one, and the time of the day.
    pub(super) fn read(&self, at: SimTime) -> (u64, UnixTime) {
        (self.mono(at), UnixTime::from_millis(self.wall(at)))
    }

    /// Returns what the monotonic clock shows, in nanoseconds.
    pub(super) fn mono(&self, at: SimTime) -> u64 {
        let passed = i128::from(at.since(self.since).as_nanos());
        let more = passed * (MILLION + self.ppm) / MILLION;
        self.shown.saturating_add(u64::try_from(more).unwrap_or(u64::MAX))
    }

    /// Returns when the monotonic clock, as it runs, shows `nanos`; the time it was set to this speed when it has.
    pub(super) fn when(&self, nanos: u64) -> SimTime {
        let wanted = i128::from(nanos.saturating_sub(self.shown));
        let speed = MILLION + self.ppm;
        let passed = (wanted * MILLION + speed - 1) / speed;
        let at = i128::from(self.since.as_nanos()) + passed;
        SimTime::from_nanos(u64::try_from(at).unwrap_or(u64::MAX))
    }

    fn wall(&self, at: SimTime) -> i64 {
        let right = WALL_MILLIS_AT_BEGIN + millis(at.as_nanos());
        self.wrong.iter().fold(right, |shown, wrong| {
            let passed = millis(at.since(wrong.since).as_nanos());
            match wrong.what {
                ClockFault::Step(shift) => shown + shift.as_millis(),
                ClockFault::Drift(ppm) => {
                    let more = i128::from(passed) * i128::from(ppm) / MILLION;
                    shown + i64::try_from(more).unwrap_or(0)
                }
                ClockFault::Freeze => wrong.wall,
                ClockFault::Set(date) => date.as_millis() + passed,
            }
        })
    }

    fn set_speed(&mut self, now: SimTime) {
        self.shown = self.mono(now);
        self.since = now;
        let drifts = self.wrong.iter().map(|wrong| match wrong.what {
            ClockFault::Drift(ppm) => i128::from(ppm),
            ClockFault::Step(_) | ClockFault::Freeze | ClockFault::Set(_) => 0,
        });
        // Two that are slow each must not make it stand.
        self.ppm = drifts.sum::<i128>().max(-999_000);
    }
}

fn millis(nanos: u64) -> i64 {
    i64::try_from(nanos / 1_000_000).expect("2^64 ns are fewer than 2^63 ms")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::SimSpan;
    use crate::fault::{Date, Shift};

    const fn at(secs: u64) -> SimTime {
        SimTime::from_nanos(secs * 1_000_000_000)
    }

    fn wall(clock: &Clock, secs: u64) -> i64 {
        clock.read(at(secs)).1.as_millis() - WALL_MILLIS_AT_BEGIN
    }

    #[test]
    fn the_monotonic_clock_never_runs_backwards_whatever_is_wrong_or_put_right() {
        let mut clock = Clock::new();
        let mut last = 0;
        let faults = [-900_000, -900_000, 1_000_000, -1, 999];
        for (number, ppm) in (16..).zip(faults) {
            clock.begin(number, ClockFault::Drift(ppm), at(u64::from(number)));
            for nanos in 0..50 {
                let shown = clock.mono(at(u64::from(number)) + SimSpan::from_nanos(nanos * 20_000_001));
                assert!(shown > last || nanos == 0 && shown == last, "{number} {nanos}");
                last = shown;
            }
            if number % 2 == 0 {
                clock.end(number, at(u64::from(number)) + SimSpan::from_millis(990));
            }
        }
        assert!(clock.mono(at(30)) > last);
    }

    #[test]
    fn a_deadline_is_met_by_a_clock_at_any_speed_and_not_before() {
        for ppm in [-900_000, -333_333, -7, 0, 7, 250_001, 1_000_000] {
            let mut clock = Clock::new();
            clock.begin(16, ClockFault::Drift(ppm), at(3));
            for nanos in [3_000_000_001, 3_700_000_000, 9_999_999_999] {
                let met = clock.when(nanos);
                assert!(clock.mono(met) >= nanos, "{ppm} {nanos}");
                assert!(clock.mono(SimTime::from_nanos(met.as_nanos() - 1)) < nanos, "{ppm} {nanos}");
            }
        }
    }

    #[test]
    fn a_fast_clock_is_fast_on_both_faces_and_its_wall_is_put_right() {
        let mut clock = Clock::new();
        clock.begin(16, ClockFault::Drift(500_000), at(10));
        assert_eq!(clock.read(at(20)).0, 25_000_000_000);
        assert_eq!(wall(&clock, 20), 25_000);
        clock.notice();
        assert_eq!(clock.end(16, at(20)), 1);
        assert_eq!(wall(&clock, 20), 20_000);
        assert_eq!(clock.mono(at(21)), 26_000_000_000);
    }

    #[test]
    fn jumps_a_stop_and_a_wrong_date_are_of_the_wall_alone_and_end_each_by_itself() {
        let mut clock = Clock::new();
        clock.begin(16, ClockFault::Step(Shift::parse("-1h").unwrap()), at(5));
        assert_eq!(wall(&clock, 6), 6_000 - 3_600_000);
        clock.begin(17, ClockFault::Freeze, at(7));
        assert_eq!(wall(&clock, 9), 7_000 - 3_600_000);
        clock.end(16, at(9));
        assert_eq!(wall(&clock, 10), 7_000 - 3_600_000, "it stands at what it showed");
        clock.end(17, at(10));
        assert_eq!(wall(&clock, 11), 11_000);
        clock.begin(18, ClockFault::Set(Date::parse("1970-01-01").unwrap()), at(12));
        assert_eq!(clock.read(at(13)).1.as_millis(), 1_000);
        assert_eq!(clock.mono(at(13)), 13_000_000_000);
    }
}
