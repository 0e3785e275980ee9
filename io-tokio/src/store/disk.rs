//! The first block of a store, and what redb sees behind it.
//!
//! The block says, before redb reads a byte, whether these bytes are a store at all, which format they
//! have, and whether their creation ever ended. It lies within one sector, so it is never half written.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::StorageBackend;

use super::engine::OpenError;

/// Bytes before the part that belongs to redb: one page, so that redb's pages stay aligned.
const BLOCK: u64 = 4096;
/// Then follow the format (four bytes, big-endian) and the state (one byte). As with PNG, the magic shows a
/// transfer that changed line ends or dropped the eighth bit.
const MAGIC: &[u8; 16] = b"eyot store\r\n\x1a\n\0\xff";
/// The format this release writes, and the only one there is.
const FORMAT: u32 = 1;
const CREATING: u8 = 0;
const READY: u8 = 1;

/// A backend without its first block, which remembers what went wrong.
#[derive(Clone, Debug)]
pub(super) struct Disk(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    backend: Box<dyn StorageBackend>,
    full: AtomicBool,
    sync_failed: AtomicBool,
}

/// What the first block says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing was ever acknowledged on this disk: its creation did not end.
    New,
    /// There is a store.
    Ready,
}

impl Disk {
    pub(super) fn new(backend: impl StorageBackend) -> Self {
        Self(Arc::new(Inner {
            backend: Box::new(backend),
            full: AtomicBool::new(false),
            sync_failed: AtomicBool::new(false),
        }))
    }

    /// Reads the first block. A new disk is cleared and marked, so that a crash from here on finds it new again.
    pub(super) fn check(&self) -> Result<State, OpenError> {
        let len = self.0.backend.len()?;
        let mut block = vec![0; usize::try_from(len.min(BLOCK)).unwrap_or(0)];
        self.0.backend.read(0, &mut block)?;
        let untouched = len <= BLOCK && block.iter().all(|byte| *byte == 0);
        if !untouched && Self::parse(&block)? == State::Ready {
            return Ok(State::Ready);
        }
        self.0.backend.set_len(BLOCK)?;
        self.mark(CREATING)?;
        Ok(State::New)
    }

    /// Marks the creation as ended.
    pub(super) fn ready(&self) -> io::Result<()> {
        self.mark(READY)
    }

    /// Whether the last error was a lack of room; asking forgets it.
    pub(super) fn take_full(&self) -> bool {
        self.0.full.swap(false, Ordering::Relaxed)
    }

    /// Whether a sync has ever failed: then nothing that is read back proves what is on the disk.
    pub(super) fn sync_failed(&self) -> bool {
        self.0.sync_failed.load(Ordering::Relaxed)
    }

    fn parse(block: &[u8]) -> Result<State, OpenError> {
        let Some(rest) = block.strip_prefix(MAGIC) else { return Err(OpenError::Foreign) };
        let Some((format, [state, ..])) = rest.split_first_chunk() else {
            return Err(OpenError::Damaged("its first block is cut off".into()));
        };
        let found = u32::from_be_bytes(*format);
        match *state {
            _ if found != FORMAT => Err(OpenError::Format { found, known: FORMAT }),
            CREATING => Ok(State::New),
            READY => Ok(State::Ready),
            other => Err(OpenError::Damaged(format!("the state {other} in its first block is unknown"))),
        }
    }

    fn mark(&self, state: u8) -> io::Result<()> {
        let mut header = MAGIC.to_vec();
        header.extend_from_slice(&FORMAT.to_be_bytes());
        header.push(state);
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
