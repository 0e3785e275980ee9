//! One direction of a link: what becomes of a segment.
//!
//! A segment waits until those before it have gone out at the rate, is lost when too much waits already, travels,
//! and may be lost on the way. Whatever goes the same path arrives in the order in which it was sent: a
//! segment whose jitter is small still waits for the one before it. Acknowledgements wait and travel behind the data
//! that goes the same way, but no data waits for them: mostly they are in its headers.

use super::{Direction, Line, LinkProfile, Loss, Queue};
use crate::engine::{Drawer, Entropy, Key, Purpose, SimSpan, SimTime};

/// Bytes of headers in front of each segment (IPv4 and TCP).
const HEADER_BYTES: u64 = 40;
const MILLION: u64 = 1_000_000;

/// Something that closes a path.
#[derive(Clone, Copy, Debug)]
struct Cause {
    number: u32,
    /// Segments it has swallowed.
    swallowed: u64,
}

/// What is drawn for each segment and each acknowledgement.
#[derive(Clone, Copy, Debug)]
struct Draws {
    jitter: Drawer,
    loss: Drawer,
    ack_loss: Drawer,
    burst: Drawer,
    ack_burst: Drawer,
}

/// One direction of a link, shared by all streams that use it.
#[derive(Clone, Debug)]
pub struct Path {
    draws: Draws,
    profile: LinkProfile,
    direction: Direction,
    /// Why nothing gets through; open when empty.
    closed: Vec<Cause>,
    busy_until: SimTime,
    last_arrival: SimTime,
    last_answer: SimTime,
    /// When something last went out on it.
    carried: Option<SimTime>,
    /// Segments offered so far; the counter of the keyed draws.
    offered: u64,
    /// Acknowledgements offered so far; they have draws of their own.
    acknowledged: u64,
    /// Whether a line that loses in bursts is in one, for segments.
    bad: bool,
    /// The same for acknowledgements: each kind has a chain of its own, so that neither moves what the other meets.
    ack_bad: bool,
}

impl Path {
    /// The cause of a cut that was made by hand.
    pub const BY_HAND: u32 = 0;
    /// The cause of a host without power at one of the ends.
    pub const DARK: u32 = 1;
    /// Whoever has causes of its own numbers them from here on.
    pub const OTHERS: u32 = 16;

    /// Creates an open path. `key` names it among all paths of the world.
    pub const fn new(entropy: Entropy, key: Key, profile: LinkProfile, direction: Direction) -> Self {
        let draws = Draws {
            jitter: entropy.drawer(Purpose::Jitter, key),
            loss: entropy.drawer(Purpose::Loss, key),
            ack_loss: entropy.drawer(Purpose::AckLoss, key),
            burst: entropy.drawer(Purpose::Burst, key),
            ack_burst: entropy.drawer(Purpose::AckBurst, key),
        };
        Self {
            draws,
            profile,
            direction,
            closed: Vec::new(),
            busy_until: SimTime::ZERO,
            last_arrival: SimTime::ZERO,
            last_answer: SimTime::ZERO,
            carried: None,
            offered: 0,
            acknowledged: 0,
            bad: false,
            ack_bad: false,
        }
    }

    /// Sends a segment with `bytes` of payload; returns when it arrives, or nothing when it is lost.
    pub fn carry(&mut self, now: SimTime, bytes: usize) -> Option<SimTime> {
        let counter = self.offered;
        self.offered += 1;
        if self.is_swallowed() {
            return None;
        }
        self.carried = Some(now);
        let line = *self.line(now);
        let sent = self.enqueue(now, &line, bytes as u64)?;
        let chance = chance(line.loss, &mut self.bad, (self.draws.burst, counter));
        if hits(self.draws.loss, counter, chance) {
            return None;
        }
        Some(self.arrive(sent, &line, counter))
    }

    /// Sends an acknowledgement without data, or a reset; returns when it arrives, or nothing when it is lost.
    ///
    /// It has bursts of losses of its own and moves nothing that a segment meets.
    pub fn acknowledge(&mut self, now: SimTime) -> Option<SimTime> {
        let counter = self.acknowledged;
        self.acknowledged += 1;
        if self.is_swallowed() {
            return None;
        }
        self.carried = Some(now);
        let line = *self.line(now);
        let chance = chance(line.loss, &mut self.ack_bad, (self.draws.ack_burst, counter));
        let start = now.max(self.busy_until);
        if !self.has_room(now, line.queue) || hits(self.draws.ack_loss, counter, chance) {
            return None;
        }
        let at = start + line.serialisation(HEADER_BYTES) + line.latency;
        self.last_answer = self.last_answer.max(self.last_arrival).max(at);
        Some(self.last_answer)
    }

    /// Closes the path for one cause more. What is on its way at that time is the streams' to lose.
    pub fn close(&mut self, cause: u32) {
        if !self.closed.iter().any(|known| known.number == cause) {
            self.closed.push(Cause { number: cause, swallowed: 0 });
        }
    }

    /// Takes a cause away; the path is open when none is left. Returns how many segments that cause has swallowed.
    pub fn open(&mut self, cause: u32) -> u64 {
        let swallowed = self.swallowed(cause);
        self.closed.retain(|known| known.number != cause);
        swallowed
    }

    /// Returns how many segments a cause has swallowed that still closes the path.
    pub fn swallowed(&self, cause: u32) -> u64 {
        self.closed.iter().find(|known| known.number == cause).map_or(0, |known| known.swallowed)
    }

    /// Returns how many segments were offered so far, swallowed ones too.
    pub const fn offered(&self) -> u64 {
        self.offered
    }

    /// Returns when something last went out on it.
    pub const fn carried(&self) -> Option<SimTime> {
        self.carried
    }

    /// Cuts or heals the path by hand.
    pub fn set_cut(&mut self, cut: bool) {
        if cut {
            self.close(Self::BY_HAND);
        } else {
            self.open(Self::BY_HAND);
        }
    }

    /// Says whether the host at one of its ends is without power.
    pub fn set_dark(&mut self, dark: bool) {
        if dark {
            self.close(Self::DARK);
        } else {
            self.open(Self::DARK);
        }
    }

    /// Returns whether nothing gets through.
    pub const fn is_closed(&self) -> bool {
        !self.closed.is_empty()
    }

    /// Returns the profile of the path.
    pub const fn profile(&self) -> &LinkProfile {
        &self.profile
    }

    /// Returns what the path is like at a time.
    pub fn line(&self, at: SimTime) -> &Line {
        self.profile.line(self.direction, at)
    }

    /// Gives the path another profile. What waits goes out at the new rate if that is faster, and nothing that is under
    /// way is later than what would go out behind it: returns the latest time at which anything may arrive.
    pub fn set_profile(&mut self, now: SimTime, profile: LinkProfile) -> SimTime {
        let waiting = self.line(now).bytes(self.busy_until.since(now));
        self.profile = profile;
        self.bad = false;
        self.ack_bad = false;
        let line = *self.line(now);
        let out = self.profile.sent(self.direction, now, waiting);
        self.busy_until = self.busy_until.min(out);
        let latest = self.busy_until.max(now) + line.latency + line.jitter;
        self.last_arrival = self.last_arrival.min(latest);
        self.last_answer = self.last_answer.min(latest);
        latest
    }

    /// Returns whether the path is closed, and counts what that has swallowed.
    fn is_swallowed(&mut self) -> bool {
        for cause in &mut self.closed {
            cause.swallowed += 1;
        }
        self.is_closed()
    }

    /// Returns when the last bit has gone out; nothing when the queue is full.
    fn enqueue(&mut self, now: SimTime, line: &Line, bytes: u64) -> Option<SimTime> {
        let start = now.max(self.busy_until);
        if !self.has_room(now, line.queue) {
            return None;
        }
        self.busy_until = self.profile.sent(self.direction, start, bytes + HEADER_BYTES);
        Some(self.busy_until)
    }

    /// Returns whether a queue has room behind what waits.
    fn has_room(&self, now: SimTime, queue: Queue) -> bool {
        match queue {
            Queue::Endless => true,
            Queue::Span(most) => self.busy_until.since(now) <= most,
            Queue::Bytes(most) => self.busy_until <= self.profile.sent(self.direction, now, most),
        }
    }

    /// Nothing overtakes what was sent before it.
    fn arrive(&mut self, sent: SimTime, line: &Line, counter: u64) -> SimTime {
        let jitter = match line.jitter.as_nanos() {
            0 => 0,
            most => self.draws.jitter.below(counter, most.saturating_add(1)),
        };
        self.last_arrival = self.last_arrival.max(sent + line.latency + SimSpan::from_nanos(jitter));
        self.last_arrival
    }
}

/// Moves a chain of bursts, and returns how many of a million are lost.
fn chance(loss: Loss, in_burst: &mut bool, (drawer, counter): (Drawer, u64)) -> u32 {
    match loss {
        Loss::None => 0,
        Loss::Random(ppm) => ppm,
        Loss::Gilbert { worsen, recover, good, bad } => {
            let change = if *in_burst { recover } else { worsen };
            *in_burst ^= hits(drawer, counter, change);
            if *in_burst { bad } else { good }
        }
    }
}

fn hits(drawer: Drawer, counter: u64, ppm: u32) -> bool {
    ppm > 0 && drawer.below(counter, MILLION) < u64::from(ppm)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::builtin;

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
    fn what_waits_for_a_slow_link_goes_out_at_the_rate_of_the_link_that_takes_its_place() {
        let mut path = path(named("hf-2400"));
        let promised = (0..20).filter_map(|_| path.carry(SimTime::ZERO, 1_460)).max().unwrap();
        assert!(promised > SimTime::ZERO + SimSpan::from_secs(100));
        // 30 kB and their headers at a gigabit in a second.
        let now = SimTime::ZERO + SimSpan::from_millis(100);
        let latest = path.set_profile(now, LinkProfile::symmetric(named("lan")));
        assert!(latest.since(now) < SimSpan::from_micros(400), "{latest}");
        let next = path.carry(now, 1_460).unwrap();
        assert!(next >= latest && next.since(latest) < SimSpan::from_micros(20), "{next}");
        assert!(path.acknowledge(now).unwrap() >= next);
        // A slower link finds no more waiting than there was, and makes nothing late that is on its way.
        let waits = path.busy_until;
        path.set_profile(now, LinkProfile::symmetric(named("hf-2400")));
        assert_eq!((path.busy_until, path.last_arrival), (waits, next));
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
    fn each_cause_of_a_closed_path_ends_by_itself_and_knows_what_it_swallowed() {
        let mut path = path(named("lan"));
        path.close(16);
        assert_eq!(path.carry(SimTime::ZERO, 1), None);
        path.close(17);
        path.close(17);
        assert_eq!(path.carry(SimTime::ZERO, 1), None);
        assert_eq!(path.open(16), 2);
        assert!(path.is_closed());
        assert_eq!((path.open(17), path.open(17)), (1, 0));
        assert!(path.carry(SimTime::ZERO, 1).is_some());
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
        let segments: Vec<bool> = (0..100_000).map(|_| path.carry(SimTime::ZERO, 100).is_none()).collect();
        let acknowledgements: Vec<bool> =
            (0..100_000).map(|_| path.acknowledge(SimTime::ZERO).is_none()).collect();
        for fates in [segments, acknowledgements] {
            let all = fates.iter().filter(|lost| **lost).count();
            let bursts = fates.windows(2).filter(|pair| !pair[0] && pair[1]).count();
            // A line that is bad 1 of 11 times, ten segments each.
            assert!((8_000..10_200).contains(&all), "{all}");
            assert!((9..12).contains(&(all / bursts)), "{all} in {bursts}");
        }
    }

    #[test]
    fn nothing_overtakes_and_acknowledgements_move_nothing_that_a_segment_meets() {
        let bursts = Loss::Gilbert { worsen: 50_000, recover: 200_000, good: 10_000, bad: 900_000 };
        let fates = |loss: Loss, acknowledgements: bool| {
            let line = Line { jitter: SimSpan::from_millis(50), loss, ..named("home") };
            let mut path = path(line);
            let mut now = SimTime::ZERO;
            let mut last = SimTime::ZERO;
            let mut fates = Vec::new();
            for _ in 0..1_000 {
                now = now + SimSpan::from_millis(3);
                let at = path.carry(now, 100);
                fates.push(at);
                let acknowledged = if acknowledgements { path.acknowledge(now) } else { None };
                assert!(at.is_none_or(|at| at >= last));
                last = at.unwrap_or(last);
                assert!(acknowledged.is_none_or(|at| at >= last));
            }
            fates
        };
        for loss in [Loss::Random(100_000), bursts] {
            assert_eq!(fates(loss, true), fates(loss, false));
        }
    }
}
