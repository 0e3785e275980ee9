//! A machine that runs a node: its process, its disk, its clocks, its pending work.

use std::collections::BTreeMap;

use eyot_core::config::Config;
use eyot_core::io::{Input, OpId};
use eyot_core::node::Node;
use eyot_core::record::Header;
use eyot_core::time::{Instant, Now, UnixTime};

use super::clock::Clock;
use super::lag::Lag;
use super::recorder::Recorder;
use crate::disk::Disk;
use crate::engine::{Key, SimTime};

/// A machine.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) key: Key,
    pub(super) config: Config,
    pub(super) disk: Disk,
    pub(super) process: Option<Process>,
    pub(super) clock: Clock,
    pub(super) lag: Lag,
    pub(super) life: Life,
    /// Why it is down, by the number of the cause; empty when it is up, or was stopped in order.
    pub(super) outages: BTreeMap<u32, Outage>,
    /// How often a process was started; the counter of the draw of its seed.
    pub(super) starts: u64,
    /// Calls to other nodes so far.
    pub(super) calls: u64,
}

/// Whether a machine and its node run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// The machine is up, no process runs.
    Down,
    /// The machine has no power.
    Dark,
    /// The process runs.
    Up,
}

/// What has happened to a node that is down and was not told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outage {
    /// Its process was killed.
    Killed,
    /// Its machine has no power.
    Dark,
    /// It has given up: it cannot work with such a disk.
    GaveUp,
}

/// The number of the cause that is a failure which is over: the supervisor is about to start the node.
pub(super) const SUPERVISED: u32 = 2;

/// A running node.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) node: Node,
    pub(super) recorder: Option<Recorder>,
    /// What the monotonic clock of the machine showed when it began, in nanoseconds.
    began: u64,
    last: Instant,
    pub(super) ready: bool,
    /// Whether an operator has told it to stop.
    pub(super) told_to_stop: bool,
    /// What its last `Wait` waits for.
    pub(super) until: Option<Instant>,
    /// When the queue holds a `Tick` that counts.
    pub(super) tick_at: Option<SimTime>,
    /// Answers that are due, by their number.
    pub(super) answers: BTreeMap<u64, Pending>,
}

/// What an answer will be.
#[derive(Debug)]
pub(super) enum Pending {
    /// A batch has become durable.
    Durable(OpId),
    /// Any other input.
    Input(Input),
}

impl Host {
    pub(super) fn new(name: String, key: Key, config: Config, disk: Disk) -> Self {
        Self {
            name,
            key,
            config,
            disk,
            process: None,
            clock: Clock::new(),
            lag: Lag::default(),
            life: Life::Down,
            outages: BTreeMap::new(),
            starts: 0,
            calls: 0,
        }
    }
}

impl Process {
    pub(super) fn start(config: Config, seed: [u8; 32], clock: (u64, UnixTime), record: bool) -> Self {
        let (began, wall) = clock;
        let now = Now { mono: Instant::default(), wall };
        let header = Header { seed, config: config.clone(), start: now };
        Self {
            recorder: record.then(|| Recorder::begin(&header)),
            node: Node::new(config, seed, now),
            began,
            last: now.mono,
            ready: false,
            told_to_stop: false,
            until: None,
            tick_at: None,
            answers: BTreeMap::new(),
        }
    }

    /// Reads both clocks.
    ///
    /// # Panics
    ///
    /// When the monotonic clock would run backwards.
    pub(super) fn now(&mut self, clock: &Clock, at: SimTime) -> Now {
        let (nanos, wall) = clock.read(at);
        let mono = Instant::from_micros(nanos.saturating_sub(self.began) / 1_000);
        assert!(mono >= self.last, "the monotonic clock of a node never runs backwards");
        self.last = mono;
        Now { mono, wall }
    }

    /// Returns when, in the time of the world, the node's clock shows what it waits for.
    pub(super) fn wanted(&self, clock: &Clock) -> Option<SimTime> {
        let nanos = self.until?.as_micros().saturating_mul(1_000);
        Some(clock.when(nanos.saturating_add(self.began)))
    }
}
