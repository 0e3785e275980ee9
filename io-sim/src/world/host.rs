//! A machine that runs a node: its process, its disk, its clocks, its pending work.

use std::collections::BTreeMap;

use eyot_core::config::Config;
use eyot_core::io::{Input, OpId};
use eyot_core::node::Node;
use eyot_core::record::Header;
use eyot_core::time::{Instant, Now, UnixTime};

use super::recorder::Recorder;
use crate::disk::Disk;
use crate::engine::{Key, SimTime};

/// 2026-01-01T00:00:00Z, when every world begins.
const WALL_MILLIS_AT_BEGIN: i64 = 1_767_225_600_000;

/// A machine.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) key: Key,
    pub(super) config: Config,
    pub(super) disk: Disk,
    pub(super) process: Option<Process>,
    pub(super) life: Life,
    /// How often a process was started; the counter of the draw of its seed.
    pub(super) starts: u64,
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

/// A running node.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) node: Node,
    pub(super) recorder: Option<Recorder>,
    began: SimTime,
    last: Instant,
    pub(super) ready: bool,
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
    pub(super) const fn new(name: String, key: Key, config: Config, disk: Disk) -> Self {
        Self { name, key, config, disk, process: None, life: Life::Down, starts: 0 }
    }
}

impl Process {
    pub(super) fn start(config: Config, seed: [u8; 32], at: SimTime, record: bool) -> Self {
        let now = Now { mono: Instant::default(), wall: wall(at) };
        let header = Header { seed, config: config.clone(), start: now };
        Self {
            recorder: record.then(|| Recorder::begin(&header)),
            node: Node::new(config, seed, now),
            began: at,
            last: now.mono,
            ready: false,
            tick_at: None,
            answers: BTreeMap::new(),
        }
    }

    /// Reads both clocks.
    ///
    /// # Panics
    ///
    /// When the monotonic clock would run backwards.
    pub(super) fn now(&mut self, at: SimTime) -> Now {
        let mono = Instant::from_micros(at.since(self.began).as_nanos() / 1_000);
        assert!(mono >= self.last, "the monotonic clock of a node never runs backwards");
        self.last = mono;
        Now { mono, wall: wall(at) }
    }

    /// Returns when, in the time of the world, the node's clock shows `until`.
    pub(super) fn when(&self, until: Instant) -> SimTime {
        let nanos = until.as_micros().saturating_mul(1_000);
        SimTime::from_nanos(nanos.saturating_add(self.began.as_nanos()))
    }
}

fn wall(at: SimTime) -> UnixTime {
    let millis = i64::try_from(at.as_nanos() / 1_000_000).expect("2^64 ns are fewer than 2^63 ms");
    UnixTime::from_millis(WALL_MILLIS_AT_BEGIN + millis)
}
