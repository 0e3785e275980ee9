//! The disk of a node: an ordered map with a write queue and a sync boundary.
//!
//! A batch is durable when it is answered, not before. What a crash leaves of the batches that were not is
//! drawn: some first part of them, each batch whole.

mod summed;

use std::collections::{BTreeMap, VecDeque};

use eyot_core::io::OpId;
use eyot_core::store::{Key as Name, Row, Rows, StoreBatch, StoreError, StoreQuery, Table, Write};

use crate::engine::{Entropy, Key, Purpose, SimSpan, SimTime};
use crate::fault::DiskFault;

pub(crate) use summed::Summed;

/// Nobody waits longer than this for one write; drawn uniformly.
const STORE_MICROS_MAX: u64 = 2_000;
/// The same for a read.
const LOAD_MICROS_MAX: u64 = 200;
/// Stands between the ends of a range, and in no key.
const RANGE: &[u8] = b"\xff..\xff";
/// The same for a range that is read backwards.
const BACK: &[u8] = b"\xff,,\xff";
/// Stands before each of many keys, and in no key.
const MANY: &[u8] = b"\xff::\xff";

/// One disk. Outlives its node.
#[derive(Clone, Debug)]
pub struct Disk {
    entropy: Entropy,
    key: Key,
    /// What a load sees.
    seen: Rows,
    /// What a crash leaves.
    durable: Rows,
    /// Batches that are seen and not durable, oldest first.
    queue: VecDeque<Queued>,
    /// Batches that were answered as durable and are not, oldest first: the disk has lied.
    lied: VecDeque<StoreBatch>,
    busy_until: SimTime,
    troubles: Vec<Trouble>,
    /// How often each thing was written and read so far; the counters of their draws. Each has its own, so that one
    /// operation more or less moves nothing of what others take.
    stored: BTreeMap<Key, u64>,
    loaded: BTreeMap<Key, u64>,
}

/// A batch that is not durable yet.
#[derive(Clone, Debug)]
struct Queued {
    batch: StoreBatch,
    /// What it writes, and for which time.
    draw: (Key, u64),
}

/// Something that is wrong with a disk.
#[derive(Clone, Copy, Debug)]
struct Trouble {
    cause: u32,
    what: DiskFault,
    /// Operations it has affected.
    hits: u64,
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
            seen: Rows::new(),
            durable: Rows::new(),
            queue: VecDeque::new(),
            lied: VecDeque::new(),
            busy_until: SimTime::ZERO,
            troubles: Vec::new(),
            stored: BTreeMap::new(),
            loaded: BTreeMap::new(),
        }
    }

    /// Queues a batch. Batches become durable in order, and loads see it from here on unless it is refused.
    pub fn store(&mut self, now: SimTime, op: OpId, batch: StoreBatch) -> Ticket {
        let key = self.key_of(&batch);
        let draw = count(&mut self.stored, key);
        let micros = self.entropy.below(Purpose::StoreDelay, draw.0, draw.1, STORE_MICROS_MAX) + 1;
        self.busy_until = now.max(self.busy_until) + SimSpan::from_micros(micros) + self.delay();
        let at = self.busy_until;
        if self.meets(|what| matches!(what, DiskFault::Full)) {
            return Ticket { op, at, outcome: Err(StoreError::Full) };
        }
        if self.meets(|what| matches!(what, DiskFault::WriteError)) {
            return Ticket { op, at, outcome: Err(StoreError::Io) };
        }
        self.seen.apply(&batch);
        self.queue.push_back(Queued { batch, draw });
        Ticket { op, at, outcome: Ok(()) }
    }

    /// Makes the oldest queued batch durable; returns it.
    pub fn sync_one(&mut self) -> Option<StoreBatch> {
        let Queued { batch, .. } = self.queue.pop_front()?;
        if self.meets(|what| matches!(what, DiskFault::Lying)) {
            self.lied.push_back(batch.clone());
        } else {
            self.durable.apply(&batch);
        }
        Some(batch)
    }

    /// Reads; returns the rows, or why there are none, and when that is known.
    pub fn load(&mut self, now: SimTime, query: &StoreQuery) -> (SimTime, Result<Vec<Row>, StoreError>) {
        let key = self.key_of_query(query);
        let draw = count(&mut self.loaded, key);
        let micros = self.entropy.below(Purpose::LoadDelay, draw.0, draw.1, LOAD_MICROS_MAX) + 1;
        let rows = self.seen.query(query);
        let failed = self.meets(|what| matches!(what, DiskFault::ReadError));
        let at = now + SimSpan::from_micros(micros) + self.delay();
        (at, if failed { Err(StoreError::Io) } else { Ok(rows) })
    }

    /// Returns the names of the rows of a table that a crash would leave.
    pub fn keys(&self, table: Table) -> Vec<Name> {
        let from = Name::new(table, &[]);
        let to = from.table_end();
        self.durable
            .query(&StoreQuery::Range { from, to, limit: u32::MAX })
            .into_iter()
            .map(|row| row.key)
            .collect()
    }

    /// The process died: what it had handed over may or may not have reached the disk. What a lying disk has answered
    /// is with the machine, which has power.
    pub fn kill(&mut self) {
        for _ in 0..self.written() {
            self.sync_one();
        }
        self.crash();
        for batch in &self.lied {
            self.seen.apply(batch);
        }
    }

    /// Draws how many of the batches in flight reach the disk, by the first of them: what was stored before is durable
    /// and moves nothing.
    fn written(&self) -> u64 {
        let count = self.queue.len() as u64;
        self.queue
            .front()
            .map_or(0, |first| self.entropy.below(Purpose::Crash, first.draw.0, first.draw.1, count + 1))
    }

    /// The power failed: what was not synced is lost, unless the disk tears, and what the disk has lied about.
    pub fn power_off(&mut self) {
        self.tear();
        self.lied.clear();
        self.crash();
    }

    /// A torn disk was at it: some first part is written, and half of the batch behind it, which whoever reads it back
    /// discards. What a lying disk writes is lost.
    fn tear(&mut self) {
        let is = |wanted: DiskFault| self.troubles.iter().any(|trouble| trouble.what == wanted);
        if !is(DiskFault::Torn) || is(DiskFault::Lying) {
            return;
        }
        for _ in 0..self.written() {
            if let Some(Queued { batch, .. }) = self.queue.pop_front() {
                self.durable.apply(&batch);
                self.meets(|what| matches!(what, DiskFault::Torn));
            }
        }
    }

    fn crash(&mut self) {
        self.queue.clear();
        self.seen = self.durable.clone();
        self.busy_until = SimTime::ZERO;
    }

    /// Damages the cells of an account, for good: what is read of them is not what was written.
    pub fn damage(&mut self, domain: &str, local: &str) {
        let from = Name::new(Table::Cell, &[domain, local]);
        let to = from.prefix_end();
        for rows in [&mut self.seen, &mut self.durable] {
            let mut batch = StoreBatch::new();
            for row in rows.query(&StoreQuery::Range { from: from.clone(), to: to.clone(), limit: u32::MAX })
            {
                batch.add_put(row.key, row.value.iter().map(|byte| !byte).collect::<Vec<u8>>());
            }
            rows.apply(&batch);
        }
    }

    /// Everything is lost: a new disk.
    pub fn wipe(&mut self) {
        self.queue.clear();
        self.durable = Rows::new();
        self.power_off();
    }

    /// Breaks the disk in one way more; a cause that has broken it in this way before does it anew.
    pub fn begin(&mut self, cause: u32, what: DiskFault) {
        let same = |known: &DiskFault| core::mem::discriminant(known) == core::mem::discriminant(&what);
        self.troubles.retain(|trouble| trouble.cause != cause || !same(&trouble.what));
        self.troubles.push(Trouble { cause, what, hits: 0 });
    }

    /// Mends what a cause has broken. A disk that does not lie any more has made everything durable.
    pub fn end(&mut self, cause: u32) {
        self.troubles.retain(|trouble| trouble.cause != cause);
        if !self.troubles.iter().any(|trouble| matches!(trouble.what, DiskFault::Lying)) {
            for batch in core::mem::take(&mut self.lied) {
                self.durable.apply(&batch);
            }
        }
    }

    /// Returns the causes for which it refuses operations: no node can start on such a disk.
    pub fn refusals(&self) -> impl Iterator<Item = u32> {
        let refuses = |what: &DiskFault| match what {
            DiskFault::Full | DiskFault::ReadError | DiskFault::WriteError => true,
            DiskFault::Slow(_) | DiskFault::Torn | DiskFault::Lying => false,
        };
        self.troubles.iter().filter(move |trouble| refuses(&trouble.what)).map(|trouble| trouble.cause)
    }

    /// Returns how many batches are in flight.
    pub fn in_flight(&self) -> usize {
        self.queue.len()
    }

    /// Returns how many operations a cause has affected that is not mended.
    pub fn hits(&self, cause: u32) -> u64 {
        self.troubles.iter().filter(|trouble| trouble.cause == cause).map(|trouble| trouble.hits).sum()
    }

    fn delay(&mut self) -> SimSpan {
        self.meets(|what| matches!(what, DiskFault::Slow(_)));
        let spans = self.troubles.iter().map(|trouble| match trouble.what {
            DiskFault::Slow(span) => span.as_nanos(),
            DiskFault::Full
            | DiskFault::ReadError
            | DiskFault::WriteError
            | DiskFault::Torn
            | DiskFault::Lying => 0,
        });
        SimSpan::from_nanos(spans.fold(0, u64::saturating_add))
    }

    /// Returns whether an operation meets a trouble of some kind, and counts it there.
    fn meets(&mut self, kind: impl Fn(&DiskFault) -> bool) -> bool {
        let mut met = false;
        for trouble in self.troubles.iter_mut().filter(|trouble| kind(&trouble.what)) {
            trouble.hits += 1;
            met = true;
        }
        met
    }

    /// Returns the key of a batch: the first record that it writes.
    fn key_of(&self, batch: &StoreBatch) -> Key {
        let first = batch.writes.first().map_or(&[][..], |write| match write {
            Write::Put { key, .. } | Write::Delete { key } | Write::DeleteRange { from: key, .. } => {
                key.as_bytes()
            }
        });
        self.of(first)
    }

    /// Returns the key of a query: the record, all of them, or both ends of the range.
    fn key_of_query(&self, query: &StoreQuery) -> Key {
        match query {
            StoreQuery::Get { key } => self.of(key.as_bytes()),
            StoreQuery::Many { keys } => {
                let keys: Vec<u8> = keys.iter().flat_map(|key| [MANY, key.as_bytes()].concat()).collect();
                self.of(&keys)
            }
            StoreQuery::Range { from, to, .. } => self.of(&[from.as_bytes(), RANGE, to.as_bytes()].concat()),
            StoreQuery::Back { from, to, .. } => self.of(&[from.as_bytes(), BACK, to.as_bytes()].concat()),
        }
    }

    fn of(&self, bytes: &[u8]) -> Key {
        self.key.with(self.entropy.draw(Purpose::StoreDelay, Key::of_bytes(bytes), 0))
    }
}

/// Returns a key with how often it was there before.
fn count(times: &mut BTreeMap<Key, u64>, key: Key) -> (Key, u64) {
    let times = times.entry(key).or_default();
    *times += 1;
    (key, *times)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn name(local: &str) -> Name {
        Name::new(Table::Account, &["d", local])
    }

    fn put(disk: &mut Disk, local: &str) -> Ticket {
        disk.store(SimTime::ZERO, OpId(1), StoreBatch::new().put(name(local), local.as_bytes().to_vec()))
    }

    fn has(disk: &mut Disk, local: &str) -> bool {
        !disk.load(SimTime::ZERO, &StoreQuery::Get { key: name(local) }).1.unwrap().is_empty()
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
    fn damage_is_of_one_account_and_stays() {
        let mut disk = disk(1);
        let name = |local: &str| Name::new(Table::Cell, &["d", local, "c"]);
        for local in ["bob", "bobby"] {
            disk.store(SimTime::ZERO, OpId(1), StoreBatch::new().put(name(local), vec![1, 2]));
            disk.sync_one();
        }
        disk.damage("d", "bob");
        for _ in 0..2 {
            let mut read = |local| {
                let rows = disk.load(SimTime::ZERO, &StoreQuery::Get { key: name(local) }).1.unwrap();
                rows[0].value.to_vec()
            };
            assert_eq!((read("bob"), read("bobby")), (vec![!1, !2], vec![1, 2]));
            disk.power_off();
        }
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
    fn no_operation_moves_what_another_one_takes_or_what_a_crash_leaves() {
        let far = SimTime::ZERO + SimSpan::from_secs(1);
        let mut kept = [0_u32; 4];
        for seed in 0..50 {
            let story = |company: bool| {
                let mut disk = disk(seed);
                if company {
                    put(&mut disk, "bob");
                    disk.sync_one();
                    has(&mut disk, "bob");
                    let from = Name::new(Table::Account, &["d"]);
                    let _rows = disk.load(far, &StoreQuery::Range { to: from.prefix_end(), from, limit: 2 });
                    put(&mut disk, "bob");
                    disk.kill();
                }
                let query = StoreQuery::Get { key: name("alice") };
                let loaded = disk.load(far, &query).0;
                let locals = ["alice", "alice", "carol"];
                let mut store =
                    |local| disk.store(far, OpId(1), StoreBatch::new().put(name(local), Bytes::new())).at;
                let stored = locals.map(&mut store);
                disk.kill();
                let bob = disk.durable.query(&StoreQuery::Get { key: name("bob") });
                (loaded, stored, disk.durable.len() - bob.len())
            };
            assert_eq!(story(true), story(false), "seed {seed}");
            kept[story(false).2] += 1;
        }
        assert!(kept[..3].iter().all(|count| *count > 5), "{kept:?}");
    }

    #[test]
    fn a_full_disk_refuses_and_shows_nothing_of_it() {
        let mut disk = disk(1);
        disk.begin(0, DiskFault::Full);
        assert_eq!(put(&mut disk, "x").outcome, Err(StoreError::Full));
        assert!(!has(&mut disk, "x"));
    }

    #[test]
    fn what_a_disk_lied_about_survives_a_kill_and_no_power_failure_unless_it_has_told_the_truth_since() {
        for (truth, dark, kept) in [(false, false, true), (false, true, false), (true, true, true)] {
            let mut disk = disk(1);
            disk.begin(16, DiskFault::Lying);
            assert_eq!(put(&mut disk, "x").outcome, Ok(()));
            assert!(disk.sync_one().is_some());
            assert_eq!(disk.hits(16), 1);
            if truth {
                disk.end(16);
            }
            if dark {
                disk.power_off();
            } else {
                disk.kill();
            }
            assert_eq!(has(&mut disk, "x"), kept, "truth {truth} dark {dark}");
        }
    }

    #[test]
    fn errors_are_answered_and_counted_and_each_cause_is_mended_by_itself() {
        let mut disk = disk(1);
        disk.begin(16, DiskFault::WriteError);
        disk.begin(17, DiskFault::ReadError);
        disk.begin(18, DiskFault::ReadError);
        assert_eq!(put(&mut disk, "x").outcome, Err(StoreError::Io));
        let query = StoreQuery::Get { key: name("x") };
        assert_eq!(disk.load(SimTime::ZERO, &query).1, Err(StoreError::Io));
        assert_eq!((disk.hits(16), disk.hits(17), disk.hits(18)), (1, 1, 1));
        disk.end(17);
        assert_eq!(disk.load(SimTime::ZERO, &query).1, Err(StoreError::Io));
        disk.end(18);
        disk.end(16);
        assert_eq!(put(&mut disk, "x").outcome, Ok(()));
        assert!(has(&mut disk, "x"));
    }

    #[test]
    fn a_slow_disk_takes_so_much_longer() {
        let (mut slow, mut usual) = (disk(1), disk(1));
        slow.begin(16, DiskFault::Slow(SimSpan::from_millis(70)));
        assert_eq!(put(&mut slow, "x").at.since(put(&mut usual, "x").at), SimSpan::from_millis(70));
    }

    #[test]
    fn a_torn_disk_has_written_some_first_part_when_the_power_fails_and_was_hit_by_no_more() {
        let mut kept = [0_u32; 3];
        for seed in 0..90 {
            let mut disk = disk(seed);
            disk.begin(17, DiskFault::Torn);
            disk.power_off();
            assert_eq!(disk.hits(17), 0, "nothing was in flight");
            put(&mut disk, "1");
            put(&mut disk, "2");
            disk.power_off();
            let there = ["1", "2"].map(|local| has(&mut disk, local));
            assert!(there[0] || !there[1], "a hole");
            let count = there.iter().filter(|there| **there).count();
            assert_eq!(disk.hits(17), count as u64);
            kept[count] += 1;
        }
        assert!(kept.iter().all(|count| *count > 15), "{kept:?}");
        let mut lying = disk(1);
        lying.begin(17, DiskFault::Torn);
        lying.begin(18, DiskFault::Lying);
        put(&mut lying, "x");
        lying.power_off();
        assert_eq!((lying.hits(17), has(&mut lying, "x")), (0, false));
    }

    #[test]
    fn every_query_has_a_time_of_its_own_and_the_rows_that_are_asked_for() {
        let mut disk = disk(1);
        for local in ["c", "a", "b"] {
            put(&mut disk, local);
        }
        let from = Name::new(Table::Account, &["d"]);
        let to = from.prefix_end();
        let mut load = |query: StoreQuery| {
            let (at, rows) = disk.load(SimTime::ZERO, &query);
            let rows: Vec<u8> = rows.unwrap().iter().flat_map(|row| row.value.to_vec()).collect();
            (String::from_utf8(rows).unwrap(), at)
        };
        let found = [
            load(StoreQuery::Get { key: name("a") }),
            load(StoreQuery::Many { keys: vec![name("b"), name("x"), name("a")] }),
            load(StoreQuery::Range { from: from.clone(), to: to.clone(), limit: 2 }),
            load(StoreQuery::Back { from, to, limit: 2 }),
        ];
        assert_eq!(found.each_ref().map(|(rows, _)| rows.as_str()), ["a", "ba", "ab", "cb"]);
        let times: std::collections::BTreeSet<SimTime> = found.iter().map(|(_, at)| *at).collect();
        assert_eq!(times.len(), 4, "{found:?}");
    }
}
