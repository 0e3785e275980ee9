//! A file that counts what is written to it.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use eyot_io_tokio::file::FileDisk;
use redb::StorageBackend;

use crate::report::fail;

static WRITTEN: AtomicU64 = AtomicU64::new(0);
static SYNCS: AtomicU64 = AtomicU64::new(0);

/// The file.
#[derive(Debug)]
pub(crate) struct CountedFile(FileDisk);

/// What was written to all such files since the process began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted {
    pub(super) written: u64,
    pub(super) syncs: u64,
}

/// Returns what was counted so far.
pub(super) fn counted() -> Counted {
    Counted { written: WRITTEN.load(Ordering::Relaxed), syncs: SYNCS.load(Ordering::Relaxed) }
}

impl CountedFile {
    /// Opens the file, or creates it.
    pub(crate) fn open(path: &Path) -> Self {
        Self(FileDisk::open(path).unwrap_or_else(|error| fail(&format!("the file of the store: {error}"))))
    }
}

impl StorageBackend for CountedFile {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        SYNCS.fetch_add(1, Ordering::Relaxed);
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        WRITTEN.fetch_add(data.len() as u64, Ordering::Relaxed);
        self.0.write(offset, data)
    }
}
