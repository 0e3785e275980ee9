//! A disk for the real store engine: what was not synced may be lost, or written in part, when the power fails.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use eyot_io_sim::engine::{Entropy, Key, Purpose};
use redb::StorageBackend;

/// A write is torn at a multiple of this.
const SECTOR: usize = 512;

/// The files of a store: the tree and the log.
const FILES: usize = 2;

/// A disk. Outlives the processes that use it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SimDisk(Arc<Mutex<Platter>>);

/// An opened file on a disk: one process's. Useless when that process is dead.
#[derive(Debug)]
pub struct SimFile {
    disk: SimDisk,
    process: u64,
    number: usize,
}

#[derive(Debug)]
struct Platter {
    entropy: Entropy,
    /// The process that may read and write.
    process: u64,
    /// What a process sees.
    seen: [Vec<u8>; FILES],
    /// What a power failure leaves for certain.
    durable: [Vec<u8>; FILES],
    /// What it may leave, in the order of writing, and in which file.
    unsynced: Vec<(usize, Change)>,
    /// Draws made.
    drawn: u64,
    /// Writes and syncs until the power fails by itself.
    fuse: Option<u64>,
}

#[derive(Debug)]
enum Change {
    Len(usize),
    Write(usize, Vec<u8>),
}

impl SimDisk {
    /// Creates an empty disk.
    pub fn new(entropy: Entropy) -> Self {
        let (seen, durable, unsynced) = Default::default();
        Self(Arc::new(Mutex::new(Platter {
            entropy,
            process: 0,
            seen,
            durable,
            unsynced,
            drawn: 0,
            fuse: None,
        })))
    }

    /// Opens the files of the next process; those opened before refuse everything from here on.
    pub fn open(&self) -> [SimFile; FILES] {
        let mut platter = self.lock();
        platter.process += 1;
        let process = platter.process;
        std::array::from_fn(|number| SimFile { disk: self.clone(), process, number })
    }

    /// The process was killed: nothing it does while it is being taken down reaches the disk. What it has written
    /// is in the hands of the operating system, and stays.
    pub fn kill(&self) {
        self.lock().process += 1;
    }

    /// The power failed: of what was not synced each write is there, torn, or not there.
    pub fn power_off(&self) {
        self.lock().power_off();
    }

    /// Lets the power fail after so many more writes and syncs, in the middle of whatever that is.
    pub fn power_off_after(&self, steps: u64) {
        self.lock().fuse = Some(steps);
    }

    fn lock(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Platter {
    fn below(&mut self, bound: u64) -> u64 {
        self.drawn += 1;
        self.entropy.below(Purpose::Crash, Key::of("disk"), self.drawn, bound)
    }

    fn change(&mut self, file: usize, change: Change) -> io::Result<()> {
        apply(&mut self.seen[file], &change);
        self.unsynced.push((file, change));
        self.burn()
    }

    fn sync(&mut self, synced: usize) -> io::Result<()> {
        self.burn()?;
        for (file, change) in std::mem::take(&mut self.unsynced) {
            if file == synced {
                apply(&mut self.durable[file], &change);
            } else {
                self.unsynced.push((file, change));
            }
        }
        Ok(())
    }

    /// One step nearer to the power failure.
    fn burn(&mut self) -> io::Result<()> {
        let Some(fuse) = &mut self.fuse else { return Ok(()) };
        *fuse = fuse.saturating_sub(1);
        if *fuse > 0 {
            return Ok(());
        }
        self.power_off();
        Err(dead())
    }

    fn power_off(&mut self) {
        self.process += 1;
        self.fuse = None;
        for (file, change) in std::mem::take(&mut self.unsynced) {
            match (change, self.below(3)) {
                (_, 0) => {}
                (Change::Write(at, mut bytes), 1) => {
                    let sectors = u64::try_from(bytes.len() / SECTOR).expect("a write is small");
                    let whole = usize::try_from(self.below(sectors + 1)).expect("less than a length");
                    bytes.truncate(whole * SECTOR);
                    apply(&mut self.durable[file], &Change::Write(at, bytes));
                }
                (change, _) => apply(&mut self.durable[file], &change),
            }
        }
        self.seen = self.durable.clone();
    }
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Len(len) => bytes.resize(*len, 0),
        Change::Write(at, written) => {
            let end = at + written.len();
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes.splice(*at..end, written.iter().copied());
        }
    }
}

impl SimFile {
    fn platter(&self) -> io::Result<MutexGuard<'_, Platter>> {
        let platter = self.disk.lock();
        if platter.process == self.process { Ok(platter) } else { Err(dead()) }
    }
}

fn dead() -> io::Error {
    io::Error::other("the process is dead")
}

fn position(offset: u64) -> io::Result<usize> {
    usize::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput.into())
}

impl StorageBackend for SimFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.platter()?.seen[self.number].len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let (platter, at) = (self.platter()?, position(offset)?);
        let found = platter.seen[self.number].get(at..at + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.platter()?.change(self.number, Change::Len(position(len)?))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.platter()?.sync(self.number)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.platter()?.change(self.number, Change::Write(position(offset)?, data.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sync_makes_one_file_durable_and_a_power_failure_takes_both() {
        let mut left = Vec::new();
        for seed in 0..20 {
            let disk = SimDisk::new(Entropy::new(seed));
            let [tree, log] = disk.open();
            tree.write(0, &[1; 512]).unwrap();
            log.write(0, &[1; 512]).unwrap();
            log.sync_data().unwrap();
            disk.power_off();
            assert!(tree.len().is_err() && log.len().is_err());
            let [tree, log] = disk.open();
            assert_eq!(log.len().unwrap(), 512);
            left.push(tree.len().unwrap());
        }
        assert!(left.contains(&0) && left.contains(&512), "{left:?}");
    }

    fn content(disk: &SimDisk) -> Vec<u8> {
        disk.lock().seen[0].clone()
    }

    #[test]
    fn a_power_failure_takes_only_what_was_not_synced() {
        let mut left = Vec::new();
        for seed in 0..50 {
            let disk = SimDisk::new(Entropy::new(seed));
            let [file, _log] = disk.open();
            file.write(0, &[1; 1024]).unwrap();
            file.sync_data().unwrap();
            file.write(0, &[2; 1024]).unwrap();
            disk.power_off();
            let content = content(&disk);
            assert_eq!(content.len(), 1024);
            left.push(content.iter().map(|byte| usize::from(*byte) - 1).sum());
        }
        for kept in [0_usize, 512, 1024] {
            assert!(left.contains(&kept), "{left:?}");
        }
    }

    #[test]
    fn a_power_failure_comes_after_as_many_steps_as_were_said() {
        let disk = SimDisk::new(Entropy::new(1));
        let [file, _log] = disk.open();
        disk.power_off_after(3);
        file.write(0, b"one").unwrap();
        file.sync_data().unwrap();
        assert!(file.write(0, b"two").is_err());
        assert!(file.len().is_err());
        assert!(disk.open()[0].len().is_ok());
    }

    #[test]
    fn a_dead_process_writes_nothing_and_what_it_wrote_stays() {
        let disk = SimDisk::new(Entropy::new(1));
        let [file, _log] = disk.open();
        file.write(0, b"before").unwrap();
        disk.kill();
        assert!(file.write(0, b"after!").is_err());
        assert!(file.sync_data().is_err());
        assert_eq!(content(&disk), b"before");
    }
}
