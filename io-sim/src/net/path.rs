//! One direction of a link: what becomes of a segment.
//!
//! A segment waits until those before it have gone out at the rate, is lost when too much waits already, travels,
//! and may be lost on the way. Whatever goes the same path arrives in the order in which it was sent: a
//! segment whose jitter is small still waits for the one before it. Acknowledgements travel as everything does;
//! one is never carried by data that happens to go the same way.

use super::{Direction, Line, LinkProfile, Loss};
use crate::engine::{Entropy, Key, Purpose, SimSpan, SimTime};

/// Bytes of headers in front of each segment (IPv4 and TCP).
const HEADER_BYTES: u64 = 40;
const MILLION: u64 = 1_000_000;

/// One direction of a link, shared by all streams that use it.
#[derive(Clone, Debug)]
pub struct Path {
    entropy: Entropy,
    key: Key,
    profile: LinkProfile,
    direction: Direction,
    cut: bool,
    dark: bool,
    busy_until: SimTime,
    last_arrival: SimTime,
    /// Segments offered so far; the counter of the keyed draws.
    offered: u64,
    /// Acknowledgements offered so far; they have draws of their own.
    acknowledged: u64,
    /// Whether a line that loses in bursts is in one.
    bad: bool,
}

impl Path {
    /// Creates an open path. `key` names it among all paths of the world.
    pub const fn new(entropy: Entropy, key: Key, profile: LinkProfile, direction: Direction) -> Self {
        Self {
            entropy,
            key,
            profile,
            direction,
            cut: false,
            dark: false,
            busy_until: SimTime::ZERO,
            last_arrival: SimTime::ZERO,
            offered: 0,
            acknowledged: 0,
            bad: false,
        }
    }

    /// Sends a segment with `bytes` of payload; returns when it arrives, or nothing when it is lost.
    pub fn carry(&mut self, now: SimTime, bytes: usize) -> Option<SimTime> {
        let counter = self.offered;
        self.offered += 1;
        if self.is_closed() {
            return None;
        }
        let line = *self.profile.line(self.direction, now);
        let sent = self.enqueue(now, &line, bytes as u64)?;
        let chance = self.chance(line.loss, counter);
        if self.hits(Purpose::Loss, counter, chance) {
            return None;
        }
        Some(self.arrive(sent, &line, (Purpose::Jitter, counter)))
    }

    /// Sends an acknowledgement without data, or a reset; returns when it arrives, or nothing when it is lost.
    ///
    /// It meets the burst of losses that segments have begun, but moves no draw of a segment.
    pub fn acknowledge(&mut self, now: SimTime) -> Option<SimTime> {
        let counter = self.acknowledged;
        self.acknowledged += 1;
        if self.is_closed() {
            return None;
        }
        let line = *self.profile.line(self.direction, now);
        let sent = self.enqueue(now, &line, 0)?;
        let chance = match line.loss {
            Loss::None => 0,
            Loss::Random(ppm) => ppm,
            Loss::Gilbert { good, bad, .. } => self.of_state(good, bad),
        };
        if self.hits(Purpose::AckLoss, counter, chance) {
            return None;
        }
        Some(self.arrive(sent, &line, (Purpose::AckJitter, counter)))
    }

    /// Cuts or heals the path. What is on its way when the path is cut is the streams' to lose.
    pub const fn set_cut(&mut self, cut: bool) {
        self.cut = cut;
    }

    /// Says whether the host at one of its ends is without power.
    pub const fn set_dark(&mut self, dark: bool) {
        self.dark = dark;
    }

    /// Returns whether nothing gets through.
    pub const fn is_closed(&self) -> bool {
        self.cut || self.dark
    }

    /// Gives the path another profile from the next segment on.
    pub fn set_profile(&mut self, profile: LinkProfile) {
        self.profile = profile;
        self.bad = false;
    }

    /// Returns when the last bit has gone out; nothing when the queue is full.
    fn enqueue(&mut self, now: SimTime, line: &Line, bytes: u64) -> Option<SimTime> {
        let start = now.max(self.busy_until);
        if !line.has_room(start.since(now)) {
            return None;
        }
        self.busy_until = start + line.serialisation(bytes + HEADER_BYTES);
        Some(self.busy_until)
    }

    /// Moves the chain of bursts, and returns how many of a million are lost.
    fn chance(&mut self, loss: Loss, counter: u64) -> u32 {
        match loss {
            Loss::None => 0,
            Loss::Random(ppm) => ppm,
            Loss::Gilbert { worsen, recover, good, bad } => {
                let change = self.of_state(worsen, recover);
                if self.hits(Purpose::Burst, counter, change) {
                    self.bad = !self.bad;
                }
                self.of_state(good, bad)
            }
        }
    }

    const fn of_state(&self, good: u32, bad: u32) -> u32 {
        if self.bad { bad } else { good }
    }

    fn hits(&self, purpose: Purpose, counter: u64, ppm: u32) -> bool {
        ppm > 0 && self.entropy.below(purpose, self.key, counter, MILLION) < u64::from(ppm)
    }

    /// Nothing overtakes what was sent before it.
    fn arrive(&mut self, sent: SimTime, line: &Line, (purpose, counter): (Purpose, u64)) -> SimTime {
        let jitter = match line.jitter.as_nanos() {
            0 => 0,
            most => self.entropy.below(purpose, self.key, counter, most.saturating_add(1)),
        };
        self.last_arrival = self.last_arrival.max(sent + line.latency + SimSpan::from_nanos(jitter));
        self.last_arrival
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Queue, builtin};

    fn path(line: Line) -> Path {
        Path::new(Entropy::new(1), Key::of("x"), LinkProfile::symmetric(line), Direction::Up)
    }

    fn named(name: &str) -> Line {
        Line { jitter: SimSpan::ZERO, ..builtin(name).unwrap().up }
    }

    #[test]
    fn segments_queue_behind_each_other_at_the_rate() {
        let mut path = path(named("slow"));
        let first = path.carry(SimTime::ZERO, 1_160).unwrap();
        let second = path.carry(SimTime::ZERO, 1_160).unwrap();
        assert_eq!(first, SimTime::ZERO + SimSpan::from_millis(1_500));
        assert_eq!(second.since(first), SimSpan::from_secs(1));
    }

    #[test]
    fn a_full_queue_loses_what_comes_last_and_has_room_again_later() {
        for queue in [Queue::Bytes(2_400), Queue::Span(SimSpan::from_secs(2))] {
            let mut path = path(Line { queue, ..named("slow") });
            let carried = [0; 5].map(|_| path.carry(SimTime::ZERO, 1_160).is_some());
            assert_eq!(carried, [true, true, true, false, false], "{queue:?}");
            assert!(path.carry(SimTime::ZERO + SimSpan::from_secs(1), 1_160).is_some());
        }
    }

    #[test]
    fn a_cut_path_loses_segments_and_acknowledgements() {
        let mut path = path(named("lan"));
        path.set_cut(true);
        assert_eq!(path.carry(SimTime::ZERO, 1), None);
        assert_eq!(path.acknowledge(SimTime::ZERO), None);
        path.set_cut(false);
        assert!(path.carry(SimTime::ZERO, 1).is_some());
        assert!(path.acknowledge(SimTime::ZERO).is_some());
    }

    #[test]
    fn loss_is_as_often_as_the_profile_says() {
        let mut path = path(Line { loss: Loss::Random(250_000), ..Line::PERFECT });
        let lost = (0..10_000).filter(|_| path.carry(SimTime::ZERO, 100).is_none()).count();
        assert!((2_300..2_700).contains(&lost), "{lost}");
        let lost = (0..10_000).filter(|_| path.acknowledge(SimTime::ZERO).is_none()).count();
        assert!((2_300..2_700).contains(&lost), "{lost}");
    }

    #[test]
    fn bursts_are_as_long_and_as_rare_as_the_chain_says() {
        let loss = Loss::Gilbert { worsen: 10_000, recover: 100_000, good: 0, bad: 1_000_000 };
        let mut path = path(Line { loss, ..Line::PERFECT });
        let fates: Vec<bool> = (0..100_000).map(|_| path.carry(SimTime::ZERO, 100).is_none()).collect();
        let all = fates.iter().filter(|lost| **lost).count();
        let bursts = fates.windows(2).filter(|pair| !pair[0] && pair[1]).count();
        // A line that is bad 1 of 11 times, ten segments each.
        assert!((8_000..10_200).contains(&all), "{all}");
        assert!((9..12).contains(&(all / bursts)), "{all} in {bursts}");
    }

    #[test]
    fn nothing_overtakes_and_acknowledgements_move_no_draw_of_a_segment() {
        let line = Line { jitter: SimSpan::from_millis(50), loss: Loss::Random(100_000), ..named("home") };
        let times = |acknowledgements: bool| {
            let mut path = path(line);
            let mut now = SimTime::ZERO;
            let mut last = SimTime::ZERO;
            let mut fates = Vec::new();
            for _ in 0..1_000 {
                now = now + SimSpan::from_millis(3);
                let at = path.carry(now, 100);
                fates.push(at.is_none());
                let acknowledged = if acknowledgements { path.acknowledge(now) } else { None };
                for at in [at, acknowledged].into_iter().flatten() {
                    assert!(at >= last);
                    last = at;
                }
            }
            fates
        };
        assert_eq!(times(true), times(false));
    }
}
