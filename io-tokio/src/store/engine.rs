//! The engine: batches and queries of the core on redb.
//!
//! One table holds all rows; keys order by their bytes. A group of batches is one durable transaction. The
//! engine never repairs over data: what it cannot read it refuses, with what is wrong.

use std::fmt;
use std::io;

use bytes::Bytes;
use eyot_core::store::{Key, Row, StoreBatch, StoreError, StoreQuery, Write};
use redb::{
    AccessGuard, Database, Durability, ReadableDatabase as _, StorageBackend, StorageError, TableDefinition,
};

use super::disk::{Disk, State, is_full};

const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");
type Guard<'a> = AccessGuard<'a, &'static [u8]>;
/// Bytes of pages kept in memory. redb's own default is a gigabyte.
const CACHE_BYTES: usize = 64 * 1024 * 1024;

/// An open store.
pub struct Engine {
    disk: Disk,
    /// Absent after an error: redb refuses to go on with what it has in memory, so the next operation opens
    /// it anew, as after a crash.
    db: Option<Database>,
}

/// Why a store cannot be opened. Nothing on the disk was changed.
#[derive(Debug)]
pub enum OpenError {
    /// The bytes are no store of ours.
    Foreign,
    /// The store was written by a release with another format.
    Format {
        /// The format of the store.
        found: u32,
        /// The format of this release.
        known: u32,
    },
    /// The store is ours and cannot be read.
    Damaged(String),
    /// There is no room to open or create it.
    Full,
    /// The device reported an error.
    Io(io::Error),
}

impl Engine {
    /// Opens the store on `backend`, or creates it where nothing is.
    ///
    /// A store that was not closed in order is brought back to its last durable batch.
    ///
    /// # Errors
    ///
    /// [`OpenError`] says what is wrong; its text says how to recover.
    pub fn open(backend: impl StorageBackend) -> Result<Self, OpenError> {
        let disk = Disk::new(backend);
        let state = disk.check()?;
        let db = open_database(&disk)?;
        if state == State::New {
            write_rows(&db, &[])?;
            disk.ready()?;
        }
        let engine = Self { disk, db: Some(db) };
        // A table of another type, or none, is found here and not at the first login.
        engine.read(&StoreQuery::Get { key: Key::from_bytes(Bytes::new()) })?;
        Ok(engine)
    }

    /// Makes all batches durable, in order, together or not at all.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing of the batches is visible, then or later.
    pub fn apply(&mut self, batches: &[StoreBatch]) -> Result<(), StoreError> {
        let outcome = self.database().and_then(|db| write_rows(db, batches));
        outcome.map_err(|error| self.give_up(&error))
    }

    /// Reads rows. Sees every batch applied before.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the device fails or what it gives is damaged.
    pub fn query(&mut self, query: &StoreQuery) -> Result<Vec<Row>, StoreError> {
        let outcome = self.database().map(drop).and_then(|()| self.read(query));
        outcome.map_err(|error| self.give_up(&error))
    }

    fn read(&self, query: &StoreQuery) -> Result<Vec<Row>, redb::Error> {
        match &self.db {
            Some(db) => read_rows(db, query),
            None => Err(redb::Error::PreviousIo),
        }
    }

    fn database(&mut self) -> Result<&Database, redb::Error> {
        // After a failed sync the system may show bytes that never reached the disk: what was read from here
        // on could vanish in a power cut after somebody relied on it. Only a restart reads the truth.
        if self.disk.sync_failed() {
            return Err(redb::Error::PreviousIo);
        }
        let db = match self.db.take() {
            Some(db) => db,
            None => open_database(&self.disk)?,
        };
        Ok(self.db.insert(db))
    }

    fn give_up(&mut self, error: &redb::Error) -> StoreError {
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
}

/// Whether the bytes are at fault, and not the device.
fn is_damage(error: &redb::Error) -> bool {
    if let redb::Error::Io(cause) = error {
        return cause.kind() == io::ErrorKind::InvalidData;
    }
    matches!(error, redb::Error::Corrupted(_) | redb::Error::TableDoesNotExist(_))
}

fn open_database(disk: &Disk) -> Result<Database, redb::Error> {
    Ok(Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(disk.clone())?)
}

fn write_rows(db: &Database, batches: &[StoreBatch]) -> Result<(), redb::Error> {
    let mut transaction = db.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    {
        let mut rows = transaction.open_table(ROWS)?;
        for write in batches.iter().flat_map(|batch| &batch.writes) {
            match write {
                Write::Put { key, value } => drop(rows.insert(key.as_bytes(), value.as_ref())?),
                Write::Delete { key } => drop(rows.remove(key.as_bytes())?),
                Write::DeleteRange { from, to } if from < to => {
                    rows.retain_in(from.as_bytes()..to.as_bytes(), |_, _| false)?;
                }
                Write::DeleteRange { .. } => {}
            }
        }
    }
    Ok(transaction.commit()?)
}

fn read_rows(db: &Database, query: &StoreQuery) -> Result<Vec<Row>, redb::Error> {
    let rows = db.begin_read()?.open_table(ROWS)?;
    let get = |key: &Key| {
        let value = rows.get(key.as_bytes())?;
        Ok(value.map(|value| row(key.as_bytes(), value.value())))
    };
    let read = |entry: Result<(Guard<'_>, Guard<'_>), StorageError>| {
        let (key, value) = entry?;
        Ok(row(key.value(), value.value()))
    };
    match query {
        StoreQuery::Get { key } => Ok(get(key)?.into_iter().collect()),
        StoreQuery::Many { keys } => keys.iter().filter_map(|key| get(key).transpose()).collect(),
        StoreQuery::Range { from, to, .. } | StoreQuery::Back { from, to, .. } if from >= to => {
            Ok(Vec::new())
        }
        StoreQuery::Range { from, to, limit } => {
            rows.range(from.as_bytes()..to.as_bytes())?.take(count(*limit)).map(read).collect()
        }
        StoreQuery::Back { from, to, limit } => {
            rows.range(from.as_bytes()..to.as_bytes())?.rev().take(count(*limit)).map(read).collect()
        }
    }
}

fn count(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

fn row(key: &[u8], value: &[u8]) -> Row {
    Row { key: Key::from_bytes(Bytes::copy_from_slice(key)), value: Bytes::copy_from_slice(value) }
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        if is_full(&error) { Self::Full } else { Self::Io(error) }
    }
}

impl From<redb::Error> for OpenError {
    fn from(error: redb::Error) -> Self {
        let text = error.to_string();
        if !is_damage(&error)
            && let redb::Error::Io(cause) = error
        {
            return cause.into();
        }
        // Also a table of another type, or a format of redb's own that is too old.
        Self::Damaged(text)
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        const RECOVER: &str = "Nothing was changed. Put back a copy, or move the file away to start with an \
                               empty store (all accounts are then gone).";
        match self {
            Self::Foreign => write!(out, "the file is not a store of eyot. {RECOVER}"),
            Self::Format { found, known } => write!(
                out,
                "the store has format {found}, this release reads format {known}. Nothing was changed. Use the \
                 release that wrote it."
            ),
            Self::Damaged(what) => write!(out, "the store is damaged: {what}. {RECOVER}"),
            Self::Full => {
                write!(out, "there is no room on the disk. Nothing was lost. Free some and start again.")
            }
            Self::Io(error) => write!(out, "the disk reports: {error}. Nothing was changed."),
        }
    }
}

impl std::error::Error for OpenError {}

impl fmt::Debug for Engine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Engine").field("open", &self.db.is_some()).finish_non_exhaustive()
    }
}
