//! The disk of a node: an ordered map with a write queue and a sync boundary.
//!
//! A batch is durable when it is answered, not before. What a crash leaves of the batches that were not is
//! drawn: some first part of them, each batch whole.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use eyot_core::io::OpId;
use eyot_core::store::{Key as Name, Row, StoreBatch, StoreError, StoreQuery, Write};

use crate::engine::{Entropy, Key, Purpose, SimSpan, SimTime};

/// Nobody waits longer than this for one write; drawn uniformly.
const STORE_MICROS_MAX: u64 = 2_000;
/// The same for a read.
const LOAD_MICROS_MAX: u64 = 200;

/// One disk. Outlives its node.
#[derive(Clone, Debug)]
pub struct Disk {
    entropy: Entropy,
    key: Key,
    /// What a load sees.
    seen: BTreeMap<Name, Bytes>,
    /// What a crash leaves.
    durable: BTreeMap<Name, Bytes>,
    /// Batches that are seen and not durable, oldest first.
    queue: VecDeque<StoreBatch>,
    busy_until: SimTime,
    delay: SimSpan,
    full: bool,
    counter: u64,
}

/// A write that was queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The operation.
    pub op: OpId,
    /// When it is answered.
    pub at: SimTime,
    /// What the answer will be; on success [`Disk::sync_one`] has to be called at that time.
    pub outcome: Result<(), StoreError>,
}

impl Disk {
    /// Creates an empty disk; `key` names it.
    pub const fn new(entropy: Entropy, key: Key) -> Self {
        Self {
            entropy,
            key,
            seen: BTreeMap::new(),
            durable: BTreeMap::new(),
            queue: VecDeque::new(),
            busy_until: SimTime::ZERO,
            delay: SimSpan::ZERO,
            full: false,
            counter: 0,
        }
    }

    /// Queues a batch. Batches become durable in order, and loads see it from here on unless it is refused.
    pub fn store(&mut self, now: SimTime, op: OpId, batch: StoreBatch) -> Ticket {
        let micros = self.below(Purpose::StoreDelay, STORE_MICROS_MAX) + 1;
        self.busy_until = now.max(self.busy_until) + SimSpan::from_micros(micros) + self.delay;
        let at = self.busy_until;
        if self.full {
            return Ticket { op, at, outcome: Err(StoreError::Full) };
        }
        apply(&mut self.seen, &batch);
        self.queue.push_back(batch);
        Ticket { op, at, outcome: Ok(()) }
    }

    /// Makes the oldest queued batch durable; returns it.
    pub fn sync_one(&mut self) -> Option<StoreBatch> {
        let batch = self.queue.pop_front()?;
        apply(&mut self.durable, &batch);
        Some(batch)
    }

    /// Reads; returns the rows and when they are there.
    pub fn load(&mut self, now: SimTime, query: &StoreQuery) -> (SimTime, Vec<Row>) {
        let micros = self.below(Purpose::LoadDelay, LOAD_MICROS_MAX) + 1;
        let rows = match query {
            StoreQuery::Get { key } => {
                let found = self.seen.get(key);
                found.map(|value| Row { key: key.clone(), value: value.clone() }).into_iter().collect()
            }
            StoreQuery::Range { from, to, limit } if from < to => self
                .seen
                .range(from..to)
                .take(usize::try_from(*limit).unwrap_or(usize::MAX))
                .map(|(key, value)| Row { key: key.clone(), value: value.clone() })
                .collect(),
            StoreQuery::Range { .. } => Vec::new(),
        };
        (now + SimSpan::from_micros(micros) + self.delay, rows)
    }

    /// The process died: what it had handed over may or may not have reached the disk.
    pub fn kill(&mut self) {
        let written = self.below(Purpose::Crash, self.queue.len() as u64 + 1);
        for _ in 0..written {
            self.sync_one();
        }
        self.power_off();
    }

    /// The power failed: what was not synced is lost.
    pub fn power_off(&mut self) {
        self.queue.clear();
        self.seen = self.durable.clone();
        self.busy_until = SimTime::ZERO;
    }

    /// Everything is lost: a new disk.
    pub fn wipe(&mut self) {
        self.durable.clear();
        self.power_off();
    }

    /// Refuses every write, or takes them again.
    pub const fn set_full(&mut self, full: bool) {
        self.full = full;
    }

    /// Makes every operation take so much longer.
    pub const fn set_delay(&mut self, delay: SimSpan) {
        self.delay = delay;
    }

    fn below(&mut self, purpose: Purpose, bound: u64) -> u64 {
        self.counter += 1;
        self.entropy.below(purpose, self.key, self.counter, bound)
    }
}

fn apply(map: &mut BTreeMap<Name, Bytes>, batch: &StoreBatch) {
    for write in &batch.writes {
        match write {
            Write::Put { key, value } => {
                map.insert(key.clone(), value.clone());
            }
            Write::Delete { key } => {
                map.remove(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eyot_core::store::Table;

    fn name(local: &str) -> Name {
        Name::new(Table::Account, &["d", local])
    }

    fn put(disk: &mut Disk, local: &str) -> Ticket {
        disk.store(SimTime::ZERO, OpId(1), StoreBatch::new().put(name(local), local.as_bytes().to_vec()))
    }

    fn has(disk: &mut Disk, local: &str) -> bool {
        !disk.load(SimTime::ZERO, &StoreQuery::Get { key: name(local) }).1.is_empty()
    }

    fn disk(seed: u64) -> Disk {
        Disk::new(Entropy::new(seed), Key::of("disk"))
    }

    #[test]
    fn a_load_sees_what_is_not_durable_yet_and_a_power_failure_takes_it() {
        let mut disk = disk(1);
        put(&mut disk, "synced");
        disk.sync_one();
        put(&mut disk, "in flight");
        assert!(has(&mut disk, "in flight"));
        disk.power_off();
        assert!(has(&mut disk, "synced"));
        assert!(!has(&mut disk, "in flight"));
    }

    #[test]
    fn a_kill_leaves_some_first_part_of_what_was_in_flight() {
        let mut kept = [0_u32; 4];
        for seed in 0..400 {
            let mut disk = disk(seed);
            for local in ["1", "2", "3"] {
                put(&mut disk, local);
            }
            disk.kill();
            let there: Vec<bool> = ["1", "2", "3"].map(|local| has(&mut disk, local)).into();
            let count = there.iter().filter(|there| **there).count();
            assert!(there.iter().take(count).all(|there| *there), "a hole: {there:?}");
            kept[count] += 1;
        }
        assert!(kept.iter().all(|count| *count > 50), "{kept:?}");
    }

    #[test]
    fn batches_become_durable_in_order() {
        let mut disk = disk(5);
        let times: Vec<SimTime> = (0..50).map(|_| put(&mut disk, "x").at).collect();
        assert!(times.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn a_full_disk_refuses_and_shows_nothing_of_it() {
        let mut disk = disk(1);
        disk.set_full(true);
        assert_eq!(put(&mut disk, "x").outcome, Err(StoreError::Full));
        assert!(!has(&mut disk, "x"));
    }

    #[test]
    fn a_range_is_ordered_and_bounded() {
        let mut disk = disk(1);
        for local in ["c", "a", "b"] {
            put(&mut disk, local);
        }
        let from = Name::new(Table::Account, &["d"]);
        let query = StoreQuery::Range { to: from.prefix_end(), from, limit: 2 };
        let (_, rows) = disk.load(SimTime::ZERO, &query);
        assert_eq!(rows.iter().map(|row| row.value.as_ref()).collect::<Vec<_>>(), [b"a", b"b"]);
    }
}
