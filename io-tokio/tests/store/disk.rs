//! A disk of two files in memory that can be full, broken, cut off, and looked at.

use std::io;
use std::sync::{Arc, Mutex};

use eyot_io_tokio::store::engine::{Engine, OpenError};
use redb::StorageBackend;

/// The number of the tree's file.
pub(crate) const TREE: usize = 0;
/// The number of the log's file.
pub(crate) const LOG: usize = 1;
/// A log of two halves with eight blocks each.
pub(crate) const LOG_BYTES: u64 = 16 * BLOCK as u64;
/// What the log writes at once, at least.
pub(crate) const BLOCK: usize = 4096;
const SECTOR: usize = 512;

#[derive(Clone, Debug, Default)]
pub(crate) struct TestDisk(Arc<Mutex<State>>);

/// One file of it.
#[derive(Debug)]
pub(crate) struct TestFile(TestDisk, usize);

/// The content of both files.
pub(crate) type Bytes2 = [Vec<u8>; 2];

#[derive(Debug, Default)]
pub(crate) struct State {
    /// What the system shows.
    pub(crate) seen: Bytes2,
    /// What survives a power cut for certain.
    synced: Bytes2,
    /// What may survive it, in the order of writing.
    unsynced: Vec<(usize, Change)>,
    /// How long the tree may become.
    pub(crate) room: Option<usize>,
    pub(crate) sync_fails: bool,
    /// Changes that still work; none after that.
    pub(crate) fuse: Option<usize>,
    /// Changes until one fails, of which the first half is carried out.
    pub(crate) fault: Option<usize>,
}

#[derive(Clone, Debug)]
enum Change {
    Len(usize),
    Write(usize, Vec<u8>),
}

impl Change {
    fn make(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Len(len) => bytes.resize(*len, 0),
            Self::Write(at, written) => {
                bytes.resize(bytes.len().max(at + written.len()), 0);
                bytes[*at..at + written.len()].copy_from_slice(written);
            }
        }
    }

    /// Returns the first so many sectors of it.
    fn torn(&self, sectors: usize) -> Self {
        match self {
            Self::Len(len) => Self::Len(*len),
            Self::Write(at, written) => {
                Self::Write(*at, written[..(sectors * SECTOR).min(written.len())].to_vec())
            }
        }
    }
}

impl TestDisk {
    pub(crate) fn with(bytes: Bytes2) -> Self {
        let disk = Self::default();
        disk.edit(|state| {
            state.seen.clone_from(&bytes);
            state.synced = bytes;
        });
        disk
    }

    pub(crate) fn edit<T>(&self, edit: impl FnOnce(&mut State) -> T) -> T {
        edit(&mut self.0.lock().unwrap())
    }

    pub(crate) fn file(&self, number: usize) -> TestFile {
        TestFile(self.clone(), number)
    }

    pub(crate) fn open(&self) -> Result<Engine, OpenError> {
        Engine::open_sized(self.file(TREE), self.file(LOG), LOG_BYTES)
    }

    /// What a killed process leaves.
    pub(crate) fn seen(&self) -> Bytes2 {
        self.edit(|state| state.seen.clone())
    }

    /// What a power cut leaves for certain, and nothing else.
    pub(crate) fn synced(&self) -> Bytes2 {
        self.edit(|state| state.synced.clone())
    }

    /// What a power cut leaves: of each write that was not synced all, a part, or nothing.
    pub(crate) fn torn(&self, seed: u64) -> Bytes2 {
        let mut dice = Dice(seed);
        self.edit(|state| {
            let mut bytes = state.synced.clone();
            for (file, change) in &state.unsynced {
                match (dice.below(3), change) {
                    (0, _) => {}
                    (1, _) => change.torn(dice.below(20)).make(&mut bytes[*file]),
                    (_, change) => change.make(&mut bytes[*file]),
                }
            }
            bytes
        })
    }

    fn change(&self, file: usize, change: Change) -> io::Result<()> {
        self.edit(|state| {
            state.burn()?;
            let fails = state.fault.as_mut().is_some_and(|left| {
                *left = left.wrapping_sub(1);
                *left == usize::MAX
            });
            let (change, outcome) = match (fails, &change) {
                (false, _) => (change, Ok(())),
                (true, Change::Len(_)) => return Err(io::Error::other("no")),
                (true, Change::Write(_, bytes)) => {
                    (change.torn(bytes.len() / SECTOR / 2), Err(io::Error::other("short write")))
                }
            };
            change.make(&mut state.seen[file]);
            state.unsynced.push((file, change));
            outcome
        })
    }
}

impl State {
    fn burn(&mut self) -> io::Result<()> {
        match &mut self.fuse {
            Some(0) => return Err(io::Error::other("cut off")),
            Some(left) => *left -= 1,
            None => {}
        }
        Ok(())
    }
}

impl StorageBackend for TestFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.edit(|state| state.seen[self.1].len() as u64))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let from = usize::try_from(offset).unwrap();
        self.0.edit(|state| {
            let bytes = state.seen[self.1].get(from..from + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
            out.copy_from_slice(bytes);
            Ok(())
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).unwrap();
        if self.1 == TREE && self.0.edit(|state| state.room.is_some_and(|room| len > room)) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.change(self.1, Change::Len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.edit(|state| {
            state.burn()?;
            if state.sync_fails {
                return Err(io::Error::other("the device is gone"));
            }
            let (own, others) =
                std::mem::take(&mut state.unsynced).into_iter().partition(|(file, _)| *file == self.1);
            state.unsynced = others;
            for (file, change) in own {
                change.make(&mut state.synced[file]);
            }
            Ok(())
        })
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let from = usize::try_from(offset).unwrap();
        if self.0.edit(|state| from + data.len() > state.seen[self.1].len()) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.0.change(self.1, Change::Write(from, data.to_vec()))
    }
}

/// Numbers that look drawn.
#[derive(Debug)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}
