//! Who is there: heartbeats that name the last one heard, and a bound that follows the way there.
//!
//! The round trip is smoothed as in RFC 6298, in integers. Only an echo of a heartbeat of ours proves that we are heard: half a
//! link is none (docs/adr/0024-failure-detection.md).

use std::collections::VecDeque;

use super::beat::Beat;
use super::frame::Malformed;
use super::profile::Profile;
use crate::time::{Instant, Span};

/// Heartbeats without an echo whose times are kept. Beyond: the oldest is not measured.
const SENT_MAX: usize = 32;

/// What is known of the time between two nodes. It outlives connections.
#[derive(Debug)]
pub(super) struct Detect {
    heartbeat: Span,
    silent: Span,
    /// Smoothed round trip and its variation, in microseconds; nothing before the first measurement.
    round_trip: Option<(u64, u64)>,
    /// The number of the last heartbeat that was sent.
    sent: u64,
    /// Those of them without an echo, and when they went.
    open: VecDeque<(u64, Instant)>,
    /// When the peer was last known to hear us.
    proven: Instant,
    /// The peer is not given up before: this node was late itself.
    excused: Instant,
}

/// The heartbeats of one connection. What comes back over it proves nothing of another one.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    /// The highest number that came back.
    echoed: u64,
    /// The last of the peer's that was heard, and when.
    heard: Option<(u64, Instant)>,
}

impl Detect {
    /// Creates the detector of a peer that nothing is known of.
    pub(super) fn new(profile: &Profile) -> Self {
        Self {
            heartbeat: profile.heartbeat,
            silent: profile.silent,
            round_trip: None,
            sent: 0,
            open: VecDeque::new(),
            proven: Instant::default(),
            excused: Instant::default(),
        }
    }

    /// Takes over what both sides hold to: the slower of the two.
    pub(super) const fn agree(&mut self, heartbeat: Span, silent: Span) {
        self.heartbeat = heartbeat;
        self.silent = silent;
    }

    /// Goes on over another connection: its handshakes have proven both directions.
    pub(super) const fn resume(&mut self, now: Instant) {
        self.proven = now;
    }

    /// Returns when the peer was last known to hear us.
    pub(super) const fn proven(&self) -> Instant {
        self.proven
    }

    /// Returns how often heartbeats go.
    pub(super) const fn heartbeat(&self) -> Span {
        self.heartbeat
    }

    /// Makes the next heartbeat for a connection.
    pub(super) fn beat(&mut self, now: Instant, pulse: &Pulse) -> Beat {
        self.sent += 1;
        if self.open.len() == SENT_MAX {
            self.open.pop_front();
        }
        self.open.push_back((self.sent, now));
        let (echo, age) = pulse.heard.map_or((0, Span::default()), |(number, at)| (number, now.since(at)));
        Beat { number: self.sent, echo, age }
    }

    /// Takes a heartbeat of the peer in that came over a connection: the one that `serves`, or another one.
    ///
    /// # Errors
    ///
    /// [`Malformed::Value`] when it names what was never sent.
    pub(super) fn handle(
        &mut self,
        now: Instant,
        (pulse, serves): (&mut Pulse, bool),
        beat: &Beat,
    ) -> Result<(), Malformed> {
        if beat.echo > self.sent {
            return Err(Malformed::Value);
        }
        pulse.heard = Some((beat.number, now));
        if beat.echo > pulse.echoed {
            pulse.echoed = beat.echo;
            self.proven = if serves { now } else { self.proven };
            while let Some((number, at)) =
                self.open.front().copied().filter(|(number, _)| *number <= beat.echo)
            {
                self.open.pop_front();
                if number == beat.echo {
                    let whole = now.since(at).as_micros();
                    self.measure(whole.saturating_sub(beat.age.as_micros()));
                }
            }
        }
        Ok(())
    }

    /// RFC 6298, section 2.
    fn measure(&mut self, sample: u64) {
        self.round_trip = Some(match self.round_trip {
            None => (sample, sample / 2),
            Some((smoothed, variation)) => {
                let away = smoothed.abs_diff(sample);
                ((smoothed / 8 * 7).saturating_add(sample / 8), (variation / 4 * 3).saturating_add(away / 4))
            }
        });
    }

    /// Returns how long nothing may come back.
    pub(super) fn bound(&self) -> Span {
        let (smoothed, variation) = self.round_trip.unwrap_or_default();
        let wait = [self.heartbeat.as_micros(); 2].into_iter().chain([smoothed]).chain([variation; 4]);
        self.silent.max(Span::from_micros(wait.fold(0, u64::saturating_add)))
    }

    /// Returns when the peer counts as gone unless something comes back before.
    pub(super) fn deadline(&self) -> Instant {
        (self.proven + self.bound()).max(self.excused)
    }

    /// This node was late itself, so what has come meanwhile may wait unread: gives the peer a little more time, once for each
    /// proof.
    pub(super) fn excuse(&mut self, now: Instant) {
        if self.excused <= self.proven {
            let (smoothed, _) = self.round_trip.unwrap_or_default();
            self.excused = now + self.heartbeat + Span::from_micros(smoothed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LinkKind;

    const fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1_000)
    }

    /// Two nodes that send heartbeats over a way with these delays, there and back, in milliseconds. `lost` swallows.
    struct Pair {
        ends: [Detect; 2],
        pulses: [Pulse; 2],
        now: u64,
        delay: [u64; 2],
        lost: [bool; 2],
        under_way: Vec<(u64, usize, Beat)>,
        every: u64,
    }

    impl Pair {
        fn new(kind: LinkKind, delay: [u64; 2]) -> Self {
            let profile = Profile::of(kind);
            let ends = [Detect::new(&profile), Detect::new(&profile)];
            let every = profile.heartbeat.as_micros() / 1_000;
            Self {
                ends,
                pulses: Default::default(),
                now: 0,
                delay,
                lost: [false; 2],
                under_way: Vec::new(),
                every,
            }
        }

        /// Lets time pass up to `until`; returns when each end counted the other as gone.
        fn pass(&mut self, until: u64) -> [Option<u64>; 2] {
            let mut gone = [None; 2];
            while self.now < until {
                for from in 0..2 {
                    // The two do not send at the same time.
                    if (self.now + from as u64 * self.every / 3).is_multiple_of(self.every) {
                        let beat = self.ends[from].beat(at(self.now), &self.pulses[from]);
                        if !self.lost[from] {
                            self.under_way.push((self.now + self.delay[from], 1 - from, beat));
                        }
                    }
                }
                let (due, later) = self.under_way.drain(..).partition(|(when, ..)| *when <= self.now);
                self.under_way = later;
                let due: Vec<(u64, usize, Beat)> = due;
                for (_, to, beat) in due {
                    self.ends[to].handle(at(self.now), (&mut self.pulses[to], true), &beat).unwrap();
                }
                for (end, gone) in self.ends.iter().zip(&mut gone) {
                    if end.deadline() <= at(self.now) {
                        gone.get_or_insert(self.now);
                    }
                }
                self.now += if self.every > 10_000 { 20 } else { 1 };
            }
            gone
        }
    }

    #[test]
    fn who_dies_on_a_local_network_is_missed_within_two_seconds() {
        for offset in [0, 100, 333, 499] {
            let mut pair = Pair::new(LinkKind::Lan, [1, 1]);
            assert_eq!(pair.pass(60_000 + offset), [None; 2]);
            pair.lost = [false, true];
            let [gone, _] = pair.pass(70_000);
            let after = gone.unwrap() - 60_000 - offset;
            assert!((1_200..=2_000).contains(&after), "{after}");
        }
    }

    #[test]
    fn half_a_link_is_none_for_both_sides() {
        let mut pair = Pair::new(LinkKind::Lan, [1, 1]);
        pair.pass(5_000);
        pair.lost = [true, false];
        let gone = pair.pass(10_000);
        assert!(gone.iter().all(|gone| gone.is_some_and(|gone| gone < 8_000)), "{gone:?}");
    }

    #[test]
    fn a_radio_of_thirty_seconds_round_trip_causes_no_alarm() {
        let mut pair = Pair::new(LinkKind::Hf, [15_000, 15_000]);
        assert_eq!(pair.pass(6 * 3_600_000), [None; 2]);
        // Two heartbeats in a row get lost.
        pair.lost = [true, true];
        assert_eq!(pair.pass(6 * 3_600_000 + 110_000), [None; 2]);
        pair.lost = [false, false];
        assert_eq!(pair.pass(7 * 3_600_000), [None; 2]);
        assert_eq!(pair.ends[0].round_trip.map(|(smoothed, _)| smoothed / 1_000_000), Some(30));
        pair.lost = [true, true];
        let gone = pair.pass(8 * 3_600_000);
        assert!(gone.iter().all(|gone| gone.is_some_and(|gone| gone < 7 * 3_600_000 + 250_000)), "{gone:?}");
    }

    #[test]
    fn the_bound_follows_a_way_that_gets_slow() {
        let mut pair = Pair::new(LinkKind::Lan, [1, 1]);
        pair.pass(10_000);
        let before = pair.ends[0].bound();
        for delay in [300, 600, 900, 1_200] {
            pair.delay = [delay; 2];
            let until = pair.now + 10_000;
            assert_eq!(pair.pass(until), [None; 2], "{delay}");
        }
        assert!(pair.ends[0].bound() > before);
        let smoothed = pair.ends[0].round_trip.map(|(smoothed, _)| smoothed);
        assert!(smoothed.is_some_and(|smoothed| (2_300_000..=2_500_000).contains(&smoothed)), "{smoothed:?}");
    }

    #[test]
    fn what_was_never_sent_cannot_come_back_and_what_comes_late_changes_nothing() {
        let mut detect = Detect::new(&Profile::of(LinkKind::Lan));
        detect.resume(at(0));
        let (mut one, mut two) = (Pulse::default(), Pulse::default());
        let beat = |number, echo| Beat { number, echo, age: Span::default() };
        assert_eq!(detect.handle(at(1), (&mut one, true), &beat(1, 1)), Err(Malformed::Value));
        assert_eq!(detect.handle(at(1), (&mut one, true), &beat(1, 0)), Ok(()));
        assert_eq!(detect.beat(at(3), &one), Beat { number: 1, echo: 1, age: Span::from_millis(2) });
        assert_eq!(detect.handle(at(4), (&mut one, true), &beat(2, 1)), Ok(()));
        assert_eq!(detect.proven, at(4));
        assert_eq!(detect.handle(at(5), (&mut one, true), &beat(3, 1)), Ok(()));
        assert_eq!(detect.proven, at(4), "an echo of before proves nothing");
        assert_eq!(detect.beat(at(6), &two), Beat { number: 2, echo: 0, age: Span::default() });
        assert_eq!(detect.handle(at(7), (&mut two, false), &beat(4, 2)), Ok(()));
        assert_eq!(detect.proven, at(4), "nor does one that came over a connection that does not serve");
    }

    #[test]
    fn who_was_late_itself_excuses_the_peer_once() {
        let mut detect = Detect::new(&Profile::of(LinkKind::Lan));
        detect.resume(at(1_000));
        assert_eq!(detect.deadline(), at(2_800));
        detect.excuse(at(9_000));
        assert_eq!(detect.deadline(), at(9_500));
        detect.excuse(at(12_000));
        assert_eq!(detect.deadline(), at(9_500), "not again before it is proven again");
        detect.resume(at(13_000));
        detect.excuse(at(20_000));
        assert_eq!(detect.deadline(), at(20_500));
    }

    #[test]
    fn the_extremes_do_not_overflow() {
        let mut detect = Detect::new(&Profile::of(LinkKind::Hf));
        let mut pulse = Pulse::default();
        detect.beat(at(0), &pulse);
        let late = Instant::from_micros(u64::MAX);
        let beat = Beat { number: u64::MAX, echo: 1, age: Span::from_micros(0) };
        assert_eq!(detect.handle(late, (&mut pulse, true), &beat), Ok(()));
        assert_eq!(detect.deadline(), late);
        detect.excuse(late);
        for _ in 0..100 {
            detect.beat(at(1), &pulse);
        }
        assert_eq!(detect.open.len(), SENT_MAX);
    }
}
