//! How much may be handed over for one connection: no faster than the way is said to be, and no more than it is found to take in
//! some round trips. So what waits, waits here, where it goes by urgency, and not in a kernel or a modem, where it goes by age.
//!
//! The rate is the operator's; tokens are counted in bytes. What the way takes is found by marks: each asks the other side to say
//! that everything before it has come. The time which that takes, against the shortest, tells how much waits on the way, as in
//! RFC 6817 (LEDBAT), in integers.

use std::collections::VecDeque;

use super::profile::Profile;
use crate::time::{Instant, Span};

/// Bytes of headers for what is handed over at once: TLS, TCP and IP.
const HEADERS: u64 = 74;
/// Bytes that go with one of those headers at least where there is more to send.
const SEGMENT: u64 = 1_300;
/// Frames that may be under way before anything is known of the way.
const FIRST_FRAMES: u64 = 8;
/// Frames that may be under way at least.
const LEAST_FRAMES: u64 = 2;
/// Bytes under way at most.
const WINDOW_MAX: u64 = 16 << 20;
/// Marks without an answer whose times are kept: more are not under way, as a fourth of a window is between them.
const MARKS_MAX: usize = 64;
/// What a fast way is handed at once: as much as it takes in this time.
const BURST: Span = Span::from_millis(10);
const SECOND: u64 = 1_000_000;

/// The pace of one connection.
#[derive(Debug)]
pub(super) struct Pace {
    /// Bytes in a second; nothing where nobody has said.
    rate: Option<u64>,
    /// Millionths of bytes that may be handed over; less than nothing where more was.
    tokens: i64,
    /// As many as are kept at most.
    depth: i64,
    /// When they were counted.
    at: Instant,
    /// Bytes that were handed over.
    handed: u64,
    /// How many of them stood before the last mark.
    marked: u64,
    /// How many of them have come.
    got: u64,
    /// Bytes that may be under way; nothing where the other side knows no marks.
    window: Option<u64>,
    least: u64,
    frame: u64,
    /// The shortest time that a mark took, in microseconds.
    base: Option<u64>,
    /// A mark may take so much longer than twice the shortest.
    slack: u64,
    marks: VecDeque<Mark>,
    last_mark: u64,
    /// The window has become smaller: marks up to this one tell of before.
    cut: u64,
    /// The window was what held something back.
    was_full: bool,
}

#[derive(Clone, Copy, Debug)]
struct Mark {
    number: u64,
    /// Bytes before it.
    handed: u64,
    at: Instant,
}

impl Pace {
    /// Creates the pace of a new connection over a way like `profile`.
    pub(super) fn new(profile: &Profile, now: Instant) -> Self {
        let frame = u64::from(profile.frame_max);
        let rate = profile.rate();
        let burst = rate.map_or(0, |rate| rate.saturating_mul(BURST.as_micros()) / SECOND);
        let depth = micro(burst.max(frame + HEADERS));
        Self {
            rate,
            tokens: depth,
            depth,
            at: now,
            handed: 0,
            marked: 0,
            got: 0,
            window: None,
            least: frame * LEAST_FRAMES,
            frame,
            base: None,
            slack: profile.slack.as_micros(),
            marks: VecDeque::new(),
            last_mark: 0,
            cut: 0,
            was_full: false,
        }
    }

    /// The other side answers marks, so that what is under way can be bounded.
    pub(super) fn know_marks(&mut self) {
        self.window = self.window.or(Some(self.frame * FIRST_FRAMES));
    }

    /// Returns whether a frame may be handed over.
    pub(super) fn may_send(&mut self, now: Instant) -> bool {
        self.fill(now);
        let is_full = self.is_full();
        self.was_full |= is_full;
        !is_full && (self.rate.is_none() || self.tokens > 0)
    }

    /// Takes note of what was handed over.
    pub(super) fn send(&mut self, now: Instant, bytes: usize) {
        self.fill(now);
        let bytes = bytes as u64;
        self.handed += bytes;
        if self.rate.is_some() {
            self.tokens = self.tokens.saturating_sub(micro(bytes));
        }
    }

    /// Takes note that what was handed over goes at once, with headers of its own.
    pub(super) fn close_batch(&mut self, bytes: usize) {
        if self.rate.is_some() {
            let segments = (bytes as u64).div_ceil(SEGMENT);
            self.tokens = self.tokens.saturating_sub(micro(segments * HEADERS));
        }
    }

    /// Returns the number of the mark that is due.
    pub(super) fn next_mark(&mut self, now: Instant) -> Option<u64> {
        let window = self.window?;
        let since = self.handed - self.marked;
        let is_stuck = self.marks.is_empty() && since > 0 && self.handed - self.got >= window;
        if !is_stuck && (since < (window / 4).max(self.frame) || self.marks.len() >= MARKS_MAX) {
            return None;
        }
        self.last_mark += 1;
        self.marked = self.handed;
        self.marks.push_back(Mark { number: self.last_mark, handed: self.handed, at: now });
        Some(self.last_mark)
    }

    /// Everything before a mark has come. Returns whether that mark was set.
    pub(super) fn hear(&mut self, now: Instant, number: u64) -> bool {
        if number > self.last_mark {
            return false;
        }
        let mut last = None;
        while let Some(mark) = self.marks.front().copied().filter(|mark| mark.number <= number) {
            self.marks.pop_front();
            last = Some(mark);
        }
        if let Some(mark) = last {
            let came = mark.handed - self.got;
            self.got = mark.handed;
            self.measure(mark, came, now.since(mark.at).as_micros());
        }
        true
    }

    fn measure(&mut self, mark: Mark, came: u64, took: u64) {
        let Some(window) = self.window else { return };
        let base = self.base.map_or(took, |base| base.min(took));
        self.base = Some(base);
        let target = base.saturating_mul(2).saturating_add(self.slack);
        if took > target {
            if window <= self.least {
                // So little does not wait on the way: it has become longer.
                self.base = Some(base.saturating_add((took - base) / 4));
            }
            if mark.number > self.cut {
                self.cut = self.last_mark;
                let fair = window.saturating_mul(target) / took;
                self.window = Some(fair.max(window / 4).max(self.least));
            }
        } else if core::mem::take(&mut self.was_full) && took <= base.saturating_add(target) / 2 {
            self.window = Some(window.saturating_add(came).min(WINDOW_MAX));
        }
    }

    /// Returns when something can be handed over that waits for its time; nothing where that depends on the other side.
    pub(super) fn next(&self) -> Option<Instant> {
        let rate = self.rate.filter(|rate| *rate > 0 && !self.is_full())?;
        // A fast way is not handed each frame alone.
        let enough = if self.depth > micro(self.frame + HEADERS) { self.depth / 2 } else { 1 };
        let missing = u64::try_from(enough.saturating_sub(self.tokens)).unwrap_or(0);
        Some(self.at + Span::from_micros(missing.div_ceil(rate)))
    }

    fn is_full(&self) -> bool {
        self.window.is_some_and(|window| self.handed - self.got >= window)
    }

    fn fill(&mut self, now: Instant) {
        let Some(rate) = self.rate else { return };
        let new = now.since(self.at).as_micros().saturating_mul(rate);
        self.tokens = self.tokens.saturating_add_unsigned(new).min(self.depth);
        self.at = self.at.max(now);
    }
}

fn micro(bytes: u64) -> i64 {
    i64::try_from(bytes.saturating_mul(SECOND)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LinkKind;

    const fn at(micros: u64) -> Instant {
        Instant::from_micros(micros)
    }

    /// A way of `rate` bytes a second with a queue without end, there in half of `trip` and back in the other half.
    struct Way {
        pace: Pace,
        rate: u64,
        trip: u64,
        now: u64,
        /// When the last byte that was handed over is out.
        free: u64,
        answers: VecDeque<(u64, u64)>,
        /// The most that has waited in front of the way, in microseconds.
        longest: u64,
    }

    impl Way {
        fn new(kind: LinkKind, said: Option<u32>, rate: u64, trip: u64) -> Self {
            let mut pace = Pace::new(&Profile::of(kind).with_rate(said), at(0));
            pace.know_marks();
            Self { pace, rate, trip, now: 0, free: 0, answers: VecDeque::new(), longest: 0 }
        }

        /// Sends as much as may be for so long; returns how much that was.
        fn flood(&mut self, micros: u64) -> u64 {
            let (until, before) = (self.now + micros, self.pace.handed);
            while self.now < until {
                while let Some((_, number)) =
                    self.answers.front().copied().filter(|(when, _)| *when <= self.now)
                {
                    self.answers.pop_front();
                    assert!(self.pace.hear(at(self.now), number));
                }
                while self.pace.may_send(at(self.now)) {
                    let frame = self.pace.frame;
                    self.pace.send(at(self.now), usize::try_from(frame).unwrap());
                    self.free = self.free.max(self.now) + frame * SECOND / self.rate;
                    self.longest = self.longest.max(self.free - self.now);
                    if let Some(number) = self.pace.next_mark(at(self.now)) {
                        self.answers.push_back((self.free + self.trip, number));
                    }
                }
                self.now += 100;
            }
            self.pace.handed - before
        }
    }

    #[test]
    fn a_way_of_a_known_rate_is_never_handed_more() {
        let mut way = Way::new(LinkKind::Satcom, Some(512_000), 64_000, 560_000);
        let sent = way.flood(60 * SECOND);
        assert!((51_000 * 60..=54_400 * 60 + 2_000).contains(&sent), "{sent}");
        assert!(way.longest < 40_000, "{}", way.longest);
        assert_eq!(way.pace.next().map(|next| next > at(way.now - 100)), Some(true));
    }

    #[test]
    fn a_way_that_nobody_knows_is_found_out() {
        for (kind, rate, trip, bound) in [
            (LinkKind::Lan, 1_000_000, 1_000, 150_000),
            (LinkKind::Lan, 100_000_000, 300, 100_000),
            (LinkKind::Wan, 12_500_000, 80_000, 400_000),
            (LinkKind::Satcom, 64_000, 560_000, 1_200_000),
            (LinkKind::Hf, 300, 4_000_000, 16_000_000),
        ] {
            let mut way = Way::new(kind, None, rate, trip);
            way.flood(60 * SECOND);
            way.longest = 0;
            let sent = way.flood(60 * SECOND);
            assert!(sent >= rate * 60 * 8 / 10, "{kind:?} {rate}: {sent}");
            assert!(way.longest < bound, "{kind:?} {rate}: {}", way.longest);
        }
    }

    #[test]
    fn a_way_that_becomes_slow_is_handed_less_and_one_that_becomes_long_is_used() {
        let mut way = Way::new(LinkKind::Lan, None, 10_000_000, 1_000);
        way.flood(10 * SECOND);
        way.rate = 100_000;
        way.flood(20 * SECOND);
        way.longest = 0;
        way.flood(10 * SECOND);
        assert!(way.longest < 500_000, "{}", way.longest);
        (way.rate, way.trip) = (10_000_000, 200_000);
        way.flood(60 * SECOND);
        let sent = way.flood(10 * SECOND);
        assert!(sent > 10_000_000, "{sent}");
    }

    #[test]
    fn marks_that_were_not_set_are_none() {
        let mut pace = Pace::new(&Profile::of(LinkKind::Lan), at(0));
        assert!(pace.may_send(at(0)) && !pace.hear(at(0), 1));
        pace.send(at(0), 1 << 20);
        assert!(pace.may_send(at(0)), "whoever knows no marks is asked for none");
        assert_eq!(pace.next_mark(at(0)), None);
        pace.know_marks();
        assert!(!pace.may_send(at(0)));
        assert_eq!(pace.next_mark(at(0)), Some(1));
        assert_eq!(pace.next_mark(at(0)), None);
        assert!(pace.hear(at(9), 1) && pace.may_send(at(9)));
        assert!(pace.hear(at(9), 1), "one that was answered twice");
    }
}
