//! Why a store cannot be opened, in words that say what to do.

use std::fmt;
use std::io;

use super::disk::{Part, is_full};

/// What an operator writes into the file of the log to go on without what it held.
pub(super) const DISCARD: &[u8] = b"discard";

/// Why a store cannot be opened. No row was changed.
#[derive(Debug)]
pub enum OpenError {
    /// The bytes are not this file of a store of ours.
    Foreign(Part),
    /// The store was written by a release with another format.
    Format {
        /// The format of the store.
        found: u32,
        /// The format of this release.
        known: u32,
    },
    /// The store is ours and cannot be read.
    Damaged(String),
    /// The log is missing, damaged, or that of another store: changes that were acknowledged are not all there.
    Log(String),
    /// There is no room to open or create it.
    Full,
    /// The device reported an error.
    Io(io::Error),
}

/// Whether the bytes are at fault, and not the device.
pub(super) fn is_damage(error: &redb::Error) -> bool {
    if let redb::Error::Io(cause) = error {
        return cause.kind() == io::ErrorKind::InvalidData;
    }
    matches!(error, redb::Error::Corrupted(_) | redb::Error::TableDoesNotExist(_))
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
        const RECOVER: &str = "Nothing was changed. Put back a copy, or move the file and its log away to start with \
                               an empty store (accounts, archives and sessions are then gone).";
        match self {
            Self::Foreign(Part::Tree) => write!(out, "the file is not a store of eyot. {RECOVER}"),
            Self::Foreign(Part::Log) => {
                write!(out, "the file beside it is not the log of a store of eyot. {RECOVER}")
            }
            Self::Format { found, known } => write!(
                out,
                "the store has format {found}, this release reads format {known}. Nothing was changed. Use the \
                 release that wrote it."
            ),
            Self::Damaged(what) => write!(out, "the store is damaged: {what}. {RECOVER}"),
            Self::Log(what) => write!(
                out,
                "the log of the store {what}. No row was changed. Put back the log, or a copy of both files. To go \
                 on without what the log held (the last changes that were acknowledged are then lost), replace it by \
                 a file with the one word {}.",
                String::from_utf8_lossy(DISCARD)
            ),
            Self::Full => {
                write!(out, "there is no room on the disk. Nothing was lost. Free some and start again.")
            }
            Self::Io(error) => write!(out, "the disk reports: {error}. Nothing was changed."),
        }
    }
}

impl std::error::Error for OpenError {}
