//! Batches and queries: the store seen from the core is one ordered key-value space.

use core::fmt;

use bytes::Bytes;
use minicbor::Decode;

use super::key::Key;
use super::record::decode;

/// One write of a batch. `Debug` hides the value: it may hold keys.
#[derive(Clone, PartialEq, Eq)]
pub enum Write {
    /// Sets `key` to `value`, replacing what was there.
    Put {
        /// The key.
        key: Key,
        /// The encoded record.
        value: Bytes,
    },
    /// Removes `key`; removing what is not there is no error.
    Delete {
        /// The key.
        key: Key,
    },
    /// Removes every key with `from <= key < to`.
    DeleteRange {
        /// The first key that is removed.
        from: Key,
        /// The key before which the range ends.
        to: Key,
    },
}

/// Writes that become durable together or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreBatch {
    /// The writes, performed in order.
    pub writes: Vec<Write>,
}

/// A read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreQuery {
    /// The row of one key, if it exists.
    Get {
        /// The key.
        key: Key,
    },
    /// The rows of some keys, in that order, without those that are not there.
    Many {
        /// The keys; who asks bounds them.
        keys: Vec<Key>,
    },
    /// The rows with `from <= key < to`, in key order, at most `limit`.
    Range {
        /// The first key that may be returned.
        from: Key,
        /// The key before which the range ends.
        to: Key,
        /// How many rows at most.
        limit: u32,
    },
    /// The rows with `from <= key < to`, from the last one backwards, at most `limit`.
    Back {
        /// The first key that may be returned.
        from: Key,
        /// The key before which the range ends.
        to: Key,
        /// How many rows at most.
        limit: u32,
    },
}

/// One row of an answer. `Debug` hides the value: it may hold keys.
#[derive(Clone, PartialEq, Eq)]
pub struct Row {
    /// The key.
    pub key: Key,
    /// The encoded record.
    pub value: Bytes,
}

/// Why the store did not do what it was asked. Nothing of a failed batch has become visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// There is no room.
    Full,
    /// The device or the engine reported an error; the operation may be tried again.
    Io,
    /// What was read is damaged.
    Damaged,
}

impl Row {
    /// Reads the record of the row.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] when the row holds no such record.
    pub(crate) fn decode<'b, T: Decode<'b, ()>>(&'b self) -> Result<T, StoreError> {
        Ok(decode(&self.value)?)
    }
}

impl StoreBatch {
    /// Creates an empty batch.
    pub const fn new() -> Self {
        Self { writes: Vec::new() }
    }

    /// Adds a write of `value` under `key` to a batch that is kept.
    pub fn add_put(&mut self, key: Key, value: impl Into<Bytes>) {
        self.writes.push(Write::Put { key, value: value.into() });
    }

    /// Adds a removal of all keys from `from` up to and without `to` to a batch that is kept.
    pub fn add_delete_range(&mut self, from: Key, to: Key) {
        self.writes.push(Write::DeleteRange { from, to });
    }

    /// Adds a removal of `key` to a batch that is kept.
    pub fn add_delete(&mut self, key: Key) {
        self.writes.push(Write::Delete { key });
    }

    /// Adds a write of `value` under `key`.
    #[must_use]
    pub fn put(mut self, key: Key, value: impl Into<Bytes>) -> Self {
        self.writes.push(Write::Put { key, value: value.into() });
        self
    }

    /// Adds a removal of `key`.
    #[must_use]
    pub fn delete(mut self, key: Key) -> Self {
        self.writes.push(Write::Delete { key });
        self
    }

    /// Adds a removal of every key with `from <= key < to`.
    #[must_use]
    pub fn delete_range(mut self, from: Key, to: Key) -> Self {
        self.writes.push(Write::DeleteRange { from, to });
        self
    }
}

impl fmt::Debug for Write {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put { key, value } => write!(out, "Put({key:?}, {} bytes)", value.len()),
            Self::Delete { key } => write!(out, "Delete({key:?})"),
            Self::DeleteRange { from, to } => write!(out, "DeleteRange({from:?}, {to:?})"),
        }
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Row({:?}, {} bytes)", self.key, self.value.len())
    }
}
