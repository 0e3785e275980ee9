//! The tree: all rows but the latest changes, in redb.
//!
//! One table holds the rows; keys order by their bytes. Another says which part of the log the tree still lacks.

use bytes::Bytes;
use eyot_core::store::{Key, Row, StoreBatch, StoreError, Write};
use redb::{
    AccessGuard, Database, Durability, ReadOnlyTable, ReadableDatabase as _, ReadableTable as _,
    StorageError, Table, TableDefinition, TableError,
};

use super::disk::Disk;
use super::error::is_damage;

const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");
const LOG: TableDefinition<'_, &str, u64> = TableDefinition::new("log");
/// The first generation of the log that the tree lacks.
const FROM: &str = "from";
/// Whether the log may hold anything: not zero from when a store is opened until it is closed.
const IN_USE: &str = "in use";
/// Bytes of pages kept in memory; the allocator makes a quarter more of them. Four times as many spare no processor time that can
/// be measured at a tree of a gigabyte, for the system keeps the pages, too. redb's own default is a gigabyte.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

/// Bytes of redb that were read.
type Guard<'a> = AccessGuard<'a, &'static [u8]>;

/// The tree.
pub(super) struct Tree {
    disk: Disk,
    /// Absent after an error: redb refuses to go on with what it has in memory, so the next operation opens
    /// it anew, as after a crash.
    db: Option<Database>,
}

/// What the tree knows of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// The first generation that is not in the tree.
    pub(super) from: u64,
    /// Whether there may be anything in it.
    pub(super) in_use: bool,
}

/// A transaction that changes rows.
pub(super) struct Change<'a> {
    rows: Table<'a, &'static [u8], &'static [u8]>,
    log: Table<'a, &'static str, u64>,
}

/// The rows at one moment.
pub(super) struct Snapshot(ReadOnlyTable<&'static [u8], &'static [u8]>);

impl Tree {
    /// Opens the tree, or makes an empty one where nothing is.
    pub(super) fn open(disk: Disk) -> Result<Self, redb::Error> {
        let mut tree = Self { disk, db: None };
        tree.database()?;
        Ok(tree)
    }

    /// Makes the changes of `change` durable, all of them or none.
    pub(super) fn write<T>(
        &mut self,
        change: impl FnOnce(&mut Change<'_>) -> Result<T, redb::Error>,
    ) -> Result<T, redb::Error> {
        let mut transaction = self.database()?.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        // What is free is written down with each commit: otherwise whoever opens the file after a crash reads all of it.
        transaction.set_quick_repair(true);
        let (rows, log) = (transaction.open_table(ROWS)?, transaction.open_table(LOG)?);
        let mut tables = Change { rows, log };
        let outcome = change(&mut tables)?;
        drop(tables);
        transaction.commit()?;
        Ok(outcome)
    }

    /// Returns the rows as they are at this moment.
    pub(super) fn read(&mut self) -> Result<Snapshot, redb::Error> {
        Ok(Snapshot(self.database()?.begin_read()?.open_table(ROWS)?))
    }

    /// Returns what the tree knows of the log.
    pub(super) fn mark(&mut self) -> Result<Mark, redb::Error> {
        let log = match self.database()?.begin_read()?.open_table(LOG) {
            Err(TableError::TableDoesNotExist(_)) => return Ok(Mark { from: 0, in_use: false }),
            log => log?,
        };
        let number = |name| Ok::<_, redb::Error>(log.get(name)?.map_or(0, |number| number.value()));
        Ok(Mark { from: number(FROM)?, in_use: number(IN_USE)? != 0 })
    }

    /// Says what an error means for who asked, and gives up what is in memory.
    pub(super) fn give_up(&mut self, error: &redb::Error) -> StoreError {
        self.db = None;
        let full = self.disk.take_full();
        if is_damage(error) {
            StoreError::Damaged
        } else if full {
            StoreError::Full
        } else {
            StoreError::Io
        }
    }

    /// Returns whether redb's state is in memory.
    pub(super) fn is_open(&self) -> bool {
        self.db.is_some()
    }

    fn database(&mut self) -> Result<&Database, redb::Error> {
        let db = match self.db.take() {
            Some(db) => db,
            None => Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(self.disk.clone())?,
        };
        Ok(self.db.insert(db))
    }
}

impl Change<'_> {
    /// Sets or removes a row.
    pub(super) fn set(&mut self, key: &Key, value: Option<&Bytes>) -> Result<(), redb::Error> {
        match value {
            Some(value) => drop(self.rows.insert(key.as_bytes(), value.as_ref())?),
            None => drop(self.rows.remove(key.as_bytes())?),
        }
        Ok(())
    }

    /// Removes the first rows of a range, at most `limit`; returns how many there were.
    pub(super) fn remove_first(&mut self, from: &Key, to: &Key, limit: usize) -> Result<usize, redb::Error> {
        let range = self.rows.range(from.as_bytes()..to.as_bytes())?;
        let keys: Result<Vec<Vec<u8>>, StorageError> =
            range.take(limit).map(|row| Ok(row?.0.value().to_vec())).collect();
        let keys = keys?;
        for key in &keys {
            self.rows.remove(key.as_slice())?;
        }
        Ok(keys.len())
    }

    /// Performs all writes of a batch.
    pub(super) fn apply(&mut self, batch: &StoreBatch) -> Result<(), redb::Error> {
        for write in &batch.writes {
            match write {
                Write::Put { key, value } => self.set(key, Some(value))?,
                Write::Delete { key } => self.set(key, None)?,
                Write::DeleteRange { from, to } if from < to => {
                    self.rows.retain_in(from.as_bytes()..to.as_bytes(), |_, _| false)?;
                }
                Write::DeleteRange { .. } => {}
            }
        }
        Ok(())
    }

    /// Writes down what the tree knows of the log.
    pub(super) fn mark(&mut self, mark: Mark) -> Result<(), redb::Error> {
        self.log.insert(FROM, mark.from)?;
        self.log.insert(IN_USE, u64::from(mark.in_use))?;
        Ok(())
    }
}

impl Snapshot {
    /// Returns a row, if it exists.
    pub(super) fn get(&self, key: &Key) -> Result<Option<Row>, redb::Error> {
        let value = self.0.get(key.as_bytes())?;
        Ok(value.map(|value| row(key.as_bytes(), value.value())))
    }

    /// Returns the rows of a range, which is not empty.
    pub(super) fn range(
        &self,
        from: &Key,
        to: &Key,
    ) -> Result<impl DoubleEndedIterator<Item = Result<Row, redb::Error>> + use<>, redb::Error> {
        let read = |entry: Result<(Guard<'_>, Guard<'_>), StorageError>| {
            let (key, value) = entry?;
            Ok(row(key.value(), value.value()))
        };
        Ok(self.0.range(from.as_bytes()..to.as_bytes())?.map(read))
    }
}

fn row(key: &[u8], value: &[u8]) -> Row {
    Row { key: Key::from_bytes(Bytes::copy_from_slice(key)), value: Bytes::copy_from_slice(value) }
}
