//! The engine: batches and queries of the core on a tree with a log before it.
//!
//! A group of batches is one record of the log and one sync. What was logged stays in memory, where queries see it,
//! until a checkpoint has brought it into the tree, in slices, while the log goes on in its other half. The engine
//! never repairs over data: what it cannot read it refuses, with what is wrong.

use std::fmt;
use std::ops::Bound;

use bytes::Bytes;
use eyot_core::store::{Key, Row, StoreBatch, StoreError, StoreQuery};
use redb::StorageBackend;

pub use super::disk::Part;
pub use super::error::OpenError;

use super::disk::{Disk, State, is_full};
use super::layer::{Layer, Says, encode};
use super::log::{self, Found, Log};
use super::scan::{self, Direction};
use super::tree::{Mark, Tree};

/// Bytes of the log, of which each half is one checkpoint.
pub const LOG_BYTES: u64 = 32 * 1024 * 1024;
/// The smallest log: a half has room for some groups.
const LOG_BYTES_MIN: u64 = 16 * 4096;
/// How many rows a checkpoint writes at once, which is how long the next group may have to wait.
const SLICE_ROWS: usize = 1024;
/// As many bytes of rows end a slice, too.
const SLICE_BYTES: usize = 1024 * 1024;
/// A checkpoint ends when the log has filled so many quarters of its other half.
const PACE_QUARTERS: u64 = 3;

/// An open store. Dropping it brings the log into the tree.
pub struct Engine {
    tree: Tree,
    log: Log,
    disks: [Disk; 2],
    /// What the generation that grows holds.
    active: Layer,
    /// What the generation before it holds, while it is not in the tree.
    frozen: Option<Frozen>,
}

/// A generation on its way into the tree.
#[derive(Debug, Default)]
struct Frozen {
    layer: Layer,
    /// Ranges that have not been removed from the tree, the next one last.
    ranges: Vec<(Key, Key)>,
    /// The last row that is in the tree.
    at: Option<Key>,
    /// How many changes are in the tree.
    done: usize,
    /// After an error: how far the log was. It is tried again when the log is a slice further.
    failed_at: Option<u64>,
}

/// Who waits while a checkpoint goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Somebody: do what is due.
    Busy,
    /// Nobody: do some more.
    Idle,
}

impl Engine {
    /// Opens the store on the two files of `tree` and `log`, or creates it where nothing is.
    ///
    /// A store that was not closed in order is brought back to its last durable batch.
    ///
    /// # Errors
    ///
    /// [`OpenError`] says what is wrong; its text says how to recover.
    pub fn open(tree: impl StorageBackend, log: impl StorageBackend) -> Result<Self, OpenError> {
        Self::open_sized(tree, log, LOG_BYTES)
    }

    /// As [`Engine::open`]; a log that is made anew has so many bytes.
    ///
    /// # Errors
    ///
    /// As [`Engine::open`].
    pub fn open_sized(
        tree: impl StorageBackend,
        log: impl StorageBackend,
        log_bytes: u64,
    ) -> Result<Self, OpenError> {
        let disks = [Disk::new(Part::Tree, tree), Disk::new(Part::Log, log)];
        let [tree_disk, log_disk] = &disks;
        let (state, found) = (tree_disk.check()?, log::look(log_disk)?);
        // Of a log that is there nobody knows whose it is, unless it was never written to.
        if let (State::New | State::WithoutLog, Found::Log(half)) = (state, found)
            && log::read(log_disk, half, 0)?.iter().any(|generation| !generation.groups.is_empty())
        {
            return Err(OpenError::Log("is there, and the store is not the one that it belongs to".into()));
        }
        if state == State::New {
            tree_disk.begin()?;
        }
        let mut tree = Tree::open(tree_disk.clone())?;
        if state == State::New {
            tree.write(|_| Ok(()))?;
        }
        // A table of another type, or none, is found here and not at the first login.
        tree.read()?;
        let mark = tree.mark()?;
        let half = match found {
            Found::Log(half) => half,
            Found::Nothing if mark.in_use => return Err(OpenError::Log("is not there".into())),
            Found::Nothing | Found::Discarded => make_log(log_disk, log_bytes)?,
        };
        let [first, second] = log::read(log_disk, half, mark.from)?;
        let (older, newer) = (layer_of(&first)?, layer_of(&second)?);
        // What a killed process has written may be seen and not be on the disk.
        log_disk.sync_data()?;
        tree_disk.sync_data()?;
        if !matches!(state, State::Ready(_)) {
            tree_disk.ready(0)?;
        }
        if !mark.in_use {
            tree.write(|change| change.mark(Mark { in_use: true, ..mark }))?;
        }
        let (log, active, frozen) = if second.groups.is_empty() {
            (Log::resume(log_disk.clone(), half, mark.from, &first), older, None)
        } else {
            let log = Log::resume(log_disk.clone(), half, mark.from + 1, &second);
            (log, newer, Some(Frozen::new(older)))
        };
        Ok(Self { tree, log, disks, active, frozen })
    }

    /// Makes all batches durable, in order, together or not at all.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing of the batches is visible, then or later, unless a sync has failed.
    pub fn apply(&mut self, batches: &[StoreBatch]) -> Result<(), StoreError> {
        self.check()?;
        let content = encode(batches);
        if content.is_empty() {
            return Ok(());
        }
        let blocks = Log::blocks(content.len());
        if blocks > self.log.half() {
            return self.apply_to_tree(batches);
        }
        self.make_room(blocks)?;
        let content = Bytes::from(content);
        self.log
            .append(&content)
            .map_err(|error| if is_full(&error) { StoreError::Full } else { StoreError::Io })?;
        // What could not be decoded a moment after it was encoded would not be after a crash either.
        self.active.apply(content).map_err(|_| StoreError::Damaged)
    }

    /// Reads rows. Sees every batch applied before.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the device fails or what it gives is damaged.
    pub fn query(&mut self, query: &StoreQuery) -> Result<Vec<Row>, StoreError> {
        self.check()?;
        let layers: Vec<&Layer> =
            std::iter::once(&self.active).chain(self.frozen.as_ref().map(|frozen| &frozen.layer)).collect();
        read(&layers, &mut self.tree, query).map_err(|error| self.tree.give_up(&error))
    }

    /// Goes on with bringing the log into the tree: with all that is due, or with one slice when nobody waits. Returns
    /// whether there is more to do.
    ///
    /// An error shows when the log has no room left, or sooner at a query.
    pub fn checkpoint(&mut self, pace: Pace) -> bool {
        let mut goes_on = true;
        while goes_on && self.is_due(pace) {
            goes_on = self.slice().is_ok() && pace == Pace::Busy;
        }
        self.is_due(pace)
    }

    fn is_due(&self, pace: Pace) -> bool {
        let is_due = |frozen: &Frozen| frozen.is_due(&self.log, pace);
        self.check().is_ok() && self.frozen.as_ref().is_some_and(is_due)
    }

    fn check(&self) -> Result<(), StoreError> {
        // After a failed sync the system may show bytes that never reached the disk: what was read from here
        // on could vanish in a power cut after somebody relied on it. Only a restart reads the truth.
        if self.disks.iter().any(Disk::sync_failed) { Err(StoreError::Io) } else { Ok(()) }
    }

    /// Sees to it that a group fits into the log.
    fn make_room(&mut self, blocks: u64) -> Result<(), StoreError> {
        if self.log.used() + blocks > self.log.half() {
            self.finish()?;
            self.freeze();
        }
        Ok(())
    }

    /// Takes a group that is too large for the log straight into the tree.
    fn apply_to_tree(&mut self, batches: &[StoreBatch]) -> Result<(), StoreError> {
        // What the log holds is older: it must not come over it after a crash.
        self.empty_log()?;
        let outcome = self.tree.write(|change| batches.iter().try_for_each(|batch| change.apply(batch)));
        outcome.map_err(|error| self.tree.give_up(&error))
    }

    fn empty_log(&mut self) -> Result<(), StoreError> {
        self.finish()?;
        if self.log.used() > 0 {
            self.freeze();
            self.finish()?;
        }
        Ok(())
    }

    fn freeze(&mut self) {
        self.frozen = Some(Frozen::new(std::mem::take(&mut self.active)));
        self.log.turn();
    }

    fn finish(&mut self) -> Result<(), StoreError> {
        while self.frozen.is_some() {
            self.slice()?;
        }
        Ok(())
    }

    /// Brings some rows of the frozen generation into the tree, and with the last ones the mark that all are there.
    fn slice(&mut self) -> Result<(), StoreError> {
        let Some(mut frozen) = self.frozen.take() else { return Ok(()) };
        let (active, from) = (&self.active, self.log.generation());
        let outcome = self.tree.write(|change| {
            let ended = frozen.write_slice(active, change)?;
            if ended {
                change.mark(Mark { from, in_use: true })?;
            }
            Ok(ended)
        });
        match outcome {
            Ok(true) => Ok(()),
            Ok(false) => {
                self.frozen = Some(frozen);
                Ok(())
            }
            Err(error) => {
                // Nobody knows which slice was the last: writing a row twice does no harm.
                let failed_at = Some(self.log.used());
                self.frozen = Some(Frozen { failed_at, ..Frozen::new(frozen.layer) });
                Err(self.tree.give_up(&error))
            }
        }
    }

    fn close(&mut self) -> Result<(), StoreError> {
        self.check()?;
        self.empty_log()?;
        let mark = Mark { from: self.log.generation(), in_use: false };
        self.tree.write(|change| change.mark(mark)).map_err(|error| self.tree.give_up(&error))
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // What could not be brought into the tree stays in the log, for the next start.
        let _left = !std::thread::panicking() && self.close().is_err();
    }
}

impl Frozen {
    fn new(layer: Layer) -> Self {
        let mut ranges = layer.ranges().to_vec();
        ranges.reverse();
        Self { layer, ranges, ..Self::default() }
    }

    fn is_due(&self, log: &Log, pace: Pace) -> bool {
        let step = log.half().div_ceil(16);
        let (done, all) = (self.done as u64, self.layer.len() as u64);
        match (self.failed_at, pace) {
            (Some(failed_at), _) => log.used() >= failed_at + step,
            (None, Pace::Idle) => true,
            (None, Pace::Busy) => done * log.half() * PACE_QUARTERS < all * log.used() * 4,
        }
    }

    /// Writes the next rows; returns whether those were the last ones.
    fn write_slice(
        &mut self,
        newer: &Layer,
        change: &mut super::tree::Change<'_>,
    ) -> Result<bool, redb::Error> {
        self.failed_at = None;
        let mut left = SLICE_ROWS;
        while let Some((from, to)) = self.ranges.last() {
            let removed = change.remove_first(from, to, left)?;
            left -= removed;
            if left == 0 {
                return Ok(false);
            }
            self.ranges.pop();
            self.done += 1;
        }
        let (mut at, mut bytes) = (None, 0);
        let begin = self.at.take().map_or(Bound::Unbounded, Bound::Excluded);
        for (key, value) in self.layer.points_from(begin) {
            if left == 0 || bytes > SLICE_BYTES {
                self.at = at;
                return Ok(false);
            }
            // What was changed again goes the short way: the log has the newer change, and it comes over this one.
            let value = match newer.get(key) {
                Says::Set(newer) => Some(newer),
                Says::Removed => None,
                Says::Nothing => value,
            };
            change.set(key, value)?;
            left -= 1;
            bytes += value.map_or(0, Bytes::len);
            at = Some(key.clone());
            self.done += 1;
        }
        Ok(true)
    }
}

fn make_log(disk: &Disk, bytes: u64) -> Result<u32, OpenError> {
    let half = u32::try_from(bytes.max(LOG_BYTES_MIN) / 2 / super::disk::BLOCK).unwrap_or(u32::MAX);
    log::create(disk, half)?;
    Ok(half)
}

fn layer_of(generation: &log::Generation) -> Result<Layer, OpenError> {
    let mut layer = Layer::default();
    for group in &generation.groups {
        layer
            .apply(group.clone())
            .map_err(|_| OpenError::Log("holds a change that this release does not know".into()))?;
    }
    Ok(layer)
}

fn read(layers: &[&Layer], tree: &mut Tree, query: &StoreQuery) -> Result<Vec<Row>, redb::Error> {
    match query {
        StoreQuery::Get { key } => {
            Ok(scan::get(layers, || tree.read()?.get(key), key)?.into_iter().collect())
        }
        StoreQuery::Many { keys } => {
            let tree = tree.read()?;
            keys.iter().filter_map(|key| scan::get(layers, || tree.get(key), key).transpose()).collect()
        }
        StoreQuery::Range { from, to, limit } => {
            scan::range(layers, &tree.read()?, (from, to), Direction::Forth, *limit)
        }
        StoreQuery::Back { from, to, limit } => {
            scan::range(layers, &tree.read()?, (from, to), Direction::Back, *limit)
        }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Engine").field("open", &self.tree.is_open()).finish_non_exhaustive()
    }
}
