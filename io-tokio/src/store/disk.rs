//! The first block of each file of a store, and what is seen behind it.
//!
//! The block says, before anybody reads a byte more, whether these bytes are such a file at all, which format they
//! have, and whether their creation ever ended. It lies within one sector, so it is never half written.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::StorageBackend;

use super::error::OpenError;

/// Bytes before the part that belongs to others: one page, so that theirs stay aligned.
pub(super) const BLOCK: u64 = 4096;
/// Then follow the format (four bytes, big-endian), the state (one byte) and a number that the file's owner keeps there
/// (four bytes, big-endian). As with PNG, the magic shows a transfer that changed line ends or dropped the eighth bit.
const TREE_MAGIC: &[u8; 16] = b"eyot store\r\n\x1a\n\0\xff";
const LOG_MAGIC: &[u8; 16] = b"eyot log  \r\n\x1a\n\0\xff";
/// The format this release writes.
const FORMAT: u32 = 2;
/// A store without a log.
const FORMAT_WITHOUT_LOG: u32 = 1;
const CREATING: u8 = 0;
const READY: u8 = 1;

/// Which file of a store it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The tree of all rows.
    Tree,
    /// The log before it.
    Log,
}

/// A backend without its first block, which remembers what went wrong.
#[derive(Clone, Debug)]
pub(super) struct Disk(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    part: Part,
    backend: Box<dyn StorageBackend>,
    full: AtomicBool,
    sync_failed: AtomicBool,
}

/// What the first block says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing was ever acknowledged on this disk: its creation did not end.
    New,
    /// There is a tree that never had a log.
    WithoutLog,
    /// There is one, with the number that stands in its first block.
    Ready(u32),
}

impl Disk {
    pub(super) fn new(part: Part, backend: impl StorageBackend) -> Self {
        Self(Arc::new(Inner {
            part,
            backend: Box::new(backend),
            full: AtomicBool::new(false),
            sync_failed: AtomicBool::new(false),
        }))
    }

    /// Reads the first block; changes nothing.
    pub(super) fn check(&self) -> Result<State, OpenError> {
        let block = self.first_bytes()?;
        let untouched = self.0.backend.len()? <= BLOCK && block.iter().all(|byte| *byte == 0);
        if untouched { Ok(State::New) } else { self.parse(&block) }
    }

    /// Returns the first bytes, at most a block of them.
    pub(super) fn first_bytes(&self) -> io::Result<Vec<u8>> {
        let len = self.0.backend.len()?;
        let mut block = vec![0; usize::try_from(len.min(BLOCK)).unwrap_or(0)];
        self.0.backend.read(0, &mut block)?;
        Ok(block)
    }

    /// Clears and marks the file, so that a crash from here on finds it new again.
    pub(super) fn begin(&self) -> io::Result<()> {
        self.note(self.0.backend.set_len(BLOCK))?;
        self.mark(CREATING, 0)
    }

    /// Marks the creation as ended.
    pub(super) fn ready(&self, number: u32) -> io::Result<()> {
        self.mark(READY, number)
    }

    /// Whether the last error was a lack of room; asking forgets it.
    pub(super) fn take_full(&self) -> bool {
        self.0.full.swap(false, Ordering::Relaxed)
    }

    /// Whether a sync has ever failed: then nothing that is read back proves what is on the disk.
    pub(super) fn sync_failed(&self) -> bool {
        self.0.sync_failed.load(Ordering::Relaxed)
    }

    /// Takes the file for one whose sync has failed: nobody knows what is on it.
    pub(super) fn give_up(&self) {
        self.0.sync_failed.store(true, Ordering::Relaxed);
    }

    fn magic(&self) -> &'static [u8; 16] {
        match self.0.part {
            Part::Tree => TREE_MAGIC,
            Part::Log => LOG_MAGIC,
        }
    }

    fn parse(&self, block: &[u8]) -> Result<State, OpenError> {
        let Some(rest) = block.strip_prefix(self.magic()) else {
            return Err(OpenError::Foreign(self.0.part));
        };
        let cut = || OpenError::Damaged("its first block is cut off".into());
        let (format, rest) = rest.split_first_chunk().ok_or_else(cut)?;
        let (state, rest) = rest.split_first().ok_or_else(cut)?;
        let found = u32::from_be_bytes(*format);
        let before = self.0.part == Part::Tree && found == FORMAT_WITHOUT_LOG;
        match *state {
            _ if found != FORMAT && !before => Err(OpenError::Format { found, known: FORMAT }),
            CREATING => Ok(State::New),
            READY if before => Ok(State::WithoutLog),
            READY => {
                let (number, _) = rest.split_first_chunk().ok_or_else(cut)?;
                Ok(State::Ready(u32::from_be_bytes(*number)))
            }
            other => Err(OpenError::Damaged(format!("the state {other} in its first block is unknown"))),
        }
    }

    fn mark(&self, state: u8, number: u32) -> io::Result<()> {
        let mut header = self.magic().to_vec();
        header.extend_from_slice(&FORMAT.to_be_bytes());
        header.push(state);
        header.extend_from_slice(&number.to_be_bytes());
        self.note(self.0.backend.write(0, &header))?;
        self.sync_data()
    }

    fn note(&self, outcome: io::Result<()>) -> io::Result<()> {
        if let Err(error) = &outcome
            && is_full(error)
        {
            self.0.full.store(true, Ordering::Relaxed);
        }
        outcome
    }
}

/// Whether an error means that there is no room.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.backend.len()?.saturating_sub(BLOCK))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.backend.read(offset + BLOCK, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.note(self.0.backend.set_len(len + BLOCK))
    }

    fn sync_data(&self) -> io::Result<()> {
        let outcome = self.note(self.0.backend.sync_data());
        if outcome.is_err() {
            self.0.sync_failed.store(true, Ordering::Relaxed);
        }
        outcome
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.note(self.0.backend.write(offset + BLOCK, data))
    }
}
