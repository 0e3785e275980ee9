//! Link profiles as data.

use std::sync::Arc;

use crate::engine::{SimSpan, SimTime};

/// A link: both of its directions, in the course of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkProfile {
    /// From the client to the server, or from the node that the world had first to the other; the first phase, when
    /// there are phases.
    pub up: Line,
    /// The other direction.
    pub down: Line,
    /// What the link is like one after the other, for ever from the beginning of the world; nothing when it
    /// is always the same.
    pub schedule: Option<Arc<[Phase]>>,
}

/// What a link is like for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phase {
    /// How long.
    pub lasts: SimSpan,
    /// As [`LinkProfile::up`].
    pub up: Line,
    /// As [`LinkProfile::down`].
    pub down: Line,
}

/// What one direction of a link is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// The time a segment travels at least, one way.
    pub latency: SimSpan,
    /// What is added at most, drawn uniformly for each segment.
    pub jitter: SimSpan,
    /// Bits in a second; zero means that sending takes no time.
    pub rate: u64,
    /// What waits for the rate at most; the segment that finds no room is lost.
    pub queue: Queue,
    /// What is lost on the way.
    pub loss: Loss,
}

/// How much may wait in front of a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// Anything.
    Endless,
    /// So many bytes.
    Bytes(u64),
    /// As much as goes out in so long.
    Span(SimSpan),
}

/// What is lost on the way. All numbers are of a million.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Nothing.
    None,
    /// Each segment with the same probability.
    Random(u32),
    /// Gilbert and Elliott's chain: the line is good or bad, and may change before each segment.
    Gilbert {
        /// How probably a good line turns bad.
        worsen: u32,
        /// How probably a bad line turns good.
        recover: u32,
        /// What is lost while it is good.
        good: u32,
        /// What is lost while it is bad.
        bad: u32,
    },
}

/// One direction of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// [`LinkProfile::up`].
    Up,
    /// [`LinkProfile::down`].
    Down,
}

/// The names of the profiles that every scenario may use; `satcom` is short for `satcom-geo`.
pub const BUILTIN: [&str; 9] =
    ["lan", "home", "wan-80ms", "transatlantic", "satcom-geo", "lte-moving", "hf-2400", "slow", "perfect"];

const fn line(latency_us: u64, jitter_us: u64, rate: u64, queue: Queue) -> Line {
    Line {
        latency: SimSpan::from_micros(latency_us),
        jitter: SimSpan::from_micros(jitter_us),
        rate,
        queue,
        loss: Loss::None,
    }
}

const fn millis(millis: u64) -> Queue {
    Queue::Span(SimSpan::from_millis(millis))
}

/// Returns a built-in profile by name.
pub fn builtin(name: &str) -> Option<LinkProfile> {
    let same = |line| Some(LinkProfile::symmetric(line));
    match name {
        "lan" => same(line(100, 20, 1_000_000_000, millis(10))),
        "home" => same(line(10_000, 2_000, 50_000_000, millis(100))),
        "wan-80ms" => same(line(40_000, 4_000, 100_000_000, millis(100))),
        "transatlantic" => {
            Some(LinkProfile::symmetric(line(45_000, 3_000, 100_000_000, millis(200))).with_loss(50))
        }
        "satcom" | "satcom-geo" => Some(LinkProfile {
            up: line(280_000, 20_000, 512_000, millis(2_000)),
            down: line(280_000, 20_000, 2_000_000, millis(2_000)),
            schedule: None,
        }),
        "lte-moving" => Some(moving()),
        // Half duplex: the latency is mostly the modem's interleaver and the turning round of the radio.
        "hf-2400" => same(line(2_000_000, 300_000, 2_400, Queue::Bytes(32 * 1024))),
        "slow" => same(line(500_000, 20_000, 9_600, Queue::Bytes(64 * 1024))),
        "perfect" => same(line(0, 0, 0, Queue::Endless)),
        _ => None,
    }
}

/// A telephone in a train: good, poor, gone for a moment in a tunnel, good, poor, handed over.
fn moving() -> LinkProfile {
    let phase = |seconds, up, down| Phase { lasts: SimSpan::from_secs(seconds), up, down };
    let good = |seconds| {
        let down = line(25_000, 10_000, 30_000_000, millis(300));
        phase(seconds, Line { rate: 10_000_000, ..down }, down)
    };
    let poor = |seconds| {
        let loss = Loss::Gilbert { worsen: 20_000, recover: 200_000, good: 1_000, bad: 300_000 };
        let down = Line { loss, ..line(70_000, 60_000, 1_000_000, millis(1_000)) };
        phase(seconds, Line { rate: 300_000, ..down }, down)
    };
    let gone = |seconds| {
        let line = Line { loss: Loss::Random(1_000_000), ..line(70_000, 0, 300_000, millis(1_000)) };
        phase(seconds, line, line)
    };
    LinkProfile::scheduled(&[good(20), poor(8), gone(3), good(30), poor(5), gone(1)]).expect("it has phases")
}

impl LinkProfile {
    /// Returns whether it loses anything by itself, at any time, in either direction.
    pub fn loses(&self) -> bool {
        let phases =
            self.schedule.iter().flat_map(|phases| phases.iter().flat_map(|phase| [phase.up, phase.down]));
        phases.chain([self.up, self.down]).any(|line| line.loss != Loss::None)
    }

    /// Creates a link that is the same in both directions and at all times.
    pub const fn symmetric(line: Line) -> Self {
        Self { up: line, down: line, schedule: None }
    }

    /// Creates a link that goes through its phases again and again; nothing when they take no time, or more than can
    /// be counted in nanoseconds.
    pub fn scheduled(phases: &[Phase]) -> Option<Self> {
        let first = phases.iter().find(|phase| phase.lasts > SimSpan::ZERO)?;
        phases.iter().try_fold(0_u64, |sum, phase| sum.checked_add(phase.lasts.as_nanos()))?;
        Some(Self { up: first.up, down: first.down, schedule: Some(phases.into()) })
    }

    /// Loses so many segments of a million in both directions, at all times.
    #[must_use]
    pub fn with_loss(mut self, ppm: u32) -> Self {
        let loss = if ppm == 0 { Loss::None } else { Loss::Random(ppm) };
        (self.up.loss, self.down.loss) = (loss, loss);
        let lossy = |phase: &Phase| Phase {
            up: Line { loss, ..phase.up },
            down: Line { loss, ..phase.down },
            ..*phase
        };
        self.schedule = self.schedule.map(|phases| phases.iter().map(lossy).collect());
        self
    }

    /// Returns what one direction is like at a time.
    pub fn line(&self, direction: Direction, at: SimTime) -> &Line {
        let phase = self.schedule.as_ref().and_then(|phases| current(phases, at));
        match (phase, direction) {
            (None, Direction::Up) => &self.up,
            (None, Direction::Down) => &self.down,
            (Some((phase, _)), direction) => phase.line(direction),
        }
    }

    /// Returns when the last of `bytes` has gone out that begin to go out at a time: each phase has its rate.
    pub(super) fn sent(&self, direction: Direction, from: SimTime, bytes: u64) -> SimTime {
        let phases = self.schedule.as_deref().unwrap_or_default();
        if phases.is_empty() {
            return from + self.line(direction, from).serialisation(bytes);
        }
        // Counted in billionths of a bit, as a rate is in bits and a span in billionths of a second.
        let mut left = u128::from(bytes) * 8_000_000_000;
        let mut at = from;
        let is_endless = phases.iter().any(|phase| phase.line(direction).rate == 0);
        let whole: u128 = phases.iter().map(|phase| phase.line(direction).takes(phase.lasts)).sum();
        if let (false, Some(rounds)) = (is_endless, left.checked_div(whole)) {
            at = at + span(u128::from(round(phases)) * rounds);
            left -= whole * rounds;
        }
        // Less than a round is left, so it ends at the latest in the phase in which it began.
        for _ in 0..=phases.len() {
            let Some((phase, lasts)) = current(phases, at) else { break };
            let line = phase.line(direction);
            if line.rate == 0 || left <= line.takes(lasts) {
                return at + span(left.checked_div(line.rate.into()).unwrap_or(0));
            }
            left -= line.takes(lasts);
            at = at + lasts;
        }
        at
    }
}

impl Phase {
    const fn line(&self, direction: Direction) -> &Line {
        match direction {
            Direction::Up => &self.up,
            Direction::Down => &self.down,
        }
    }
}

/// Returns the phase at a time, and how much of it is left.
fn current(phases: &[Phase], at: SimTime) -> Option<(&Phase, SimSpan)> {
    let mut left = at.as_nanos().checked_rem(round(phases))?;
    phases.iter().find_map(|phase| {
        let lasts = phase.lasts.as_nanos();
        let found = (left < lasts).then(|| (phase, SimSpan::from_nanos(lasts - left)));
        left = left.saturating_sub(lasts);
        found
    })
}

/// Returns how many nanoseconds all phases take together.
fn round(phases: &[Phase]) -> u64 {
    phases.iter().map(|phase| phase.lasts.as_nanos()).sum()
}

fn span(nanos: u128) -> SimSpan {
    SimSpan::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

impl Line {
    /// A line on which nothing takes time.
    pub const PERFECT: Self = line(0, 0, 0, Queue::Endless);

    /// Returns how long `bytes` occupy the sender.
    pub fn serialisation(&self, bytes: u64) -> SimSpan {
        if self.rate == 0 {
            return SimSpan::ZERO;
        }
        SimSpan::from_nanos(bytes.saturating_mul(8_000_000_000) / self.rate)
    }

    /// Returns how many bytes go out in a span.
    pub(super) fn bytes(&self, span: SimSpan) -> u64 {
        u64::try_from(self.takes(span) / 8_000_000_000).unwrap_or(u64::MAX)
    }

    /// Returns how many billionths of a bit go out in a span.
    fn takes(&self, span: SimSpan) -> u128 {
        u128::from(self.rate) * u128::from(span.as_nanos())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_link_takes_a_second_for_its_rate() {
        let slow = builtin("slow").unwrap().up;
        assert_eq!(slow.serialisation(1_200), SimSpan::from_secs(1));
        assert_eq!(builtin("lan").unwrap().down.serialisation(125), SimSpan::from_micros(1));
        assert_eq!(builtin("no such"), None);
    }

    #[test]
    fn every_name_is_a_profile() {
        assert!(BUILTIN.iter().all(|name| builtin(name).is_some()));
    }

    #[test]
    fn a_schedule_goes_round() {
        let phase = |seconds, rate| {
            let line = Line { rate, ..Line::PERFECT };
            Phase { lasts: SimSpan::from_secs(seconds), up: line, down: Line::PERFECT }
        };
        let link = LinkProfile::scheduled(&[phase(2, 20), phase(1, 10)]).unwrap();
        let rate = |millis| link.line(Direction::Up, SimTime::ZERO + SimSpan::from_millis(millis)).rate;
        assert_eq!([0, 1_999, 2_000, 2_999, 3_000, 5_500].map(rate), [20, 20, 10, 10, 20, 10]);
        assert_eq!(link.line(Direction::Down, SimTime::ZERO), &Line::PERFECT);
        assert_eq!(LinkProfile::scheduled(&[phase(0, 1)]), None);
        assert_eq!(LinkProfile::scheduled(&[phase(u64::MAX / 2, 1), phase(u64::MAX / 2, 2)]), None);
    }

    #[test]
    fn what_goes_out_while_a_schedule_changes_has_the_rate_of_each_phase() {
        let phase = |seconds, rate| {
            let line = Line { rate, ..Line::PERFECT };
            Phase { lasts: SimSpan::from_secs(seconds), up: line, down: line }
        };
        let at = |millis| SimTime::ZERO + SimSpan::from_millis(millis);
        let sent = |phases: &[Phase], from, bytes| {
            LinkProfile::scheduled(phases).unwrap().sent(Direction::Up, at(from), bytes)
        };
        // 80 bits in each second of two, 800 in the third, nothing in the one that does not come.
        let phases = [phase(2, 80), phase(0, 8), phase(1, 800)];
        assert_eq!([10, 20, 70].map(|bytes| sent(&phases, 0, bytes)), [1_000, 2_000, 2_500].map(at));
        assert_eq!(sent(&phases, 1_500, 5 + 100 + 20), at(5_000));
        assert_eq!(sent(&phases, 1_500, 120 * 1_000 + 5), at(3_000_000 + 2_000));
        assert_eq!(sent(&[phase(1, 80), phase(1, 0)], 500, 1_000), at(1_000));
    }

    #[test]
    fn loss_reaches_every_phase() {
        let lossy = builtin("lte-moving").unwrap().with_loss(7);
        let at = |seconds| lossy.line(Direction::Down, SimTime::ZERO + SimSpan::from_secs(seconds)).loss;
        assert_eq!([at(1), at(29)], [Loss::Random(7); 2]);
    }
}
