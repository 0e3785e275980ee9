//! The log: groups of changes, each made durable by one write and one sync.
//!
//! The file has two halves of equal size, allocated when it is made. A generation fills one half from its begin, the
//! next one the other. A group takes whole blocks, so that no write touches what was synced before; each block
//! says to which generation and group it belongs and has a checksum, so that what is left of others is not taken for it.

use std::io;

use bytes::Bytes;
use redb::StorageBackend as _;

use super::disk::{BLOCK, Disk, State};
use super::error::{DISCARD, OpenError};

const SIZE: usize = 4096;
const _: () = assert!(SIZE as u64 == BLOCK, "both files count in the same blocks");
/// Checksum of the rest (4), generation (8), group (8), place in the half (4), length of the content (2), flags (1) and
/// one byte of zero; all little-endian.
const HEAD: usize = 28;
const ROOM: usize = SIZE - HEAD;
/// The block begins a group.
const FIRST: u8 = 1;
/// The block ends a group.
const LAST: u8 = 2;
/// Bytes zeroed by one write when the file is made.
const ZEROS: usize = 1024 * 1024;

/// An open log: one generation, which grows.
#[derive(Debug)]
pub(super) struct Log {
    disk: Disk,
    /// Blocks of a half.
    half: u32,
    generation: u64,
    /// The block that is written next.
    next: u32,
    /// The number of the next group. No number is used twice in a generation, not even by a group that failed.
    group: u64,
    buffer: Vec<u8>,
}

/// What stands at the head of a block.
#[derive(Clone, Copy, Debug)]
struct Head {
    generation: u64,
    group: u64,
    len: u16,
    flags: u8,
}

/// What was read of one generation.
#[derive(Debug)]
pub(super) struct Generation {
    /// Its groups, in order.
    pub(super) groups: Vec<Bytes>,
    next: u32,
    group: u64,
}

/// Whether there is a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// There is none, and nothing was ever said.
    Nothing,
    /// There is none because the operator wants so.
    Discarded,
    /// There is one, with so many blocks in a half.
    Log(u32),
}

/// Says what is on a disk; changes nothing.
pub(super) fn look(disk: &Disk) -> Result<Found, OpenError> {
    if disk.first_bytes()?.trim_ascii() == DISCARD {
        return Ok(Found::Discarded);
    }
    match disk.check()? {
        State::New | State::WithoutLog => Ok(Found::Nothing),
        State::Ready(half) if disk.len()? == 2 * u64::from(half) * BLOCK => Ok(Found::Log(half)),
        State::Ready(_) => Err(OpenError::Log("is cut off".into())),
    }
}

/// Makes the file, with every byte of it allocated.
pub(super) fn create(disk: &Disk, half: u32) -> io::Result<()> {
    disk.begin()?;
    let len = 2 * u64::from(half) * BLOCK;
    disk.set_len(len)?;
    let zeros = vec![0; ZEROS];
    for at in (0..len).step_by(ZEROS) {
        let rest = usize::try_from(len - at).unwrap_or(ZEROS).min(ZEROS);
        disk.write(at, zeros.get(..rest).unwrap_or_default())?;
    }
    disk.sync_data()?;
    disk.ready(half)
}

/// Reads the two generations that the tree may lack, `from` and the one behind it. Changes nothing.
pub(super) fn read(disk: &Disk, half: u32, from: u64) -> Result<[Generation; 2], OpenError> {
    let [first, second] = [from, from + 1].map(|generation| read_half(disk, half, generation));
    let (first, second) = (first?, second?);
    if first.groups.is_empty() && !second.groups.is_empty() {
        return Err(OpenError::Log("lacks its first part".into()));
    }
    Ok([first, second])
}

fn read_half(disk: &Disk, half: u32, generation: u64) -> Result<Generation, OpenError> {
    let mut bytes = vec![0; half as usize * SIZE];
    disk.read(place(half, generation, 0), &mut bytes)?;
    let blocks: Vec<Option<(Head, &[u8])>> =
        bytes.chunks_exact(SIZE).zip(0..).map(|(block, at)| parse(block, at)).collect();
    if blocks.iter().flatten().any(|(head, _)| head.generation > generation + 1) {
        return Err(OpenError::Log("is that of a store that was changed later".into()));
    }
    let own = |at: usize| blocks.get(at).copied().flatten().filter(|(head, _)| head.generation == generation);
    let (mut groups, mut next) = (Vec::new(), 0);
    while let Some((end, content)) = whole_group(next, own) {
        groups.push(content.into());
        next = end;
    }
    // A group is begun only when the one before it is on the disk.
    if (next + 1..blocks.len()).filter_map(own).any(|(head, _)| head.flags & FIRST != 0) {
        return Err(OpenError::Log(format!("is damaged at block {next} of generation {generation}")));
    }
    let group = (0..blocks.len()).filter_map(own).map(|(head, _)| head.group + 1).max().unwrap_or(0);
    Ok(Generation { groups, next: u32::try_from(next).unwrap_or(half), group })
}

/// Returns the content of the group that begins at a block, and the block behind it.
fn whole_group<'a>(
    begin: usize,
    block: impl Fn(usize) -> Option<(Head, &'a [u8])>,
) -> Option<(usize, Vec<u8>)> {
    let (first, _) = block(begin).filter(|(head, _)| head.flags & FIRST != 0)?;
    let mut whole = Vec::new();
    for at in begin.. {
        let (head, content) = block(at).filter(|(head, _)| head.group == first.group)?;
        whole.extend_from_slice(content);
        if head.flags & LAST != 0 {
            return Some((at + 1, whole));
        }
    }
    None
}

fn parse(block: &[u8], at: u32) -> Option<(Head, &[u8])> {
    let (sum, rest) = block.split_first_chunk()?;
    let (generation, rest_1) = rest.split_first_chunk()?;
    let (group, rest_2) = rest_1.split_first_chunk()?;
    let (index, rest_3) = rest_2.split_first_chunk()?;
    let (len, rest_4) = rest_3.split_first_chunk()?;
    let ([flags, _zero], content) = rest_4.split_first_chunk()?;
    let len = u16::from_le_bytes(*len);
    let content = content.get(..len.into())?;
    let covered = rest.get(..HEAD - 4 + content.len())?;
    let is_whole = u32::from_le_bytes(*index) == at && crc32fast::hash(covered) == u32::from_le_bytes(*sum);
    let head = Head {
        generation: u64::from_le_bytes(*generation),
        group: u64::from_le_bytes(*group),
        len,
        flags: *flags,
    };
    is_whole.then_some((head, content))
}

/// Appends a block.
fn write_block(out: &mut Vec<u8>, head: Head, at: u32, content: &[u8]) {
    let begin = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&head.generation.to_le_bytes());
    out.extend_from_slice(&head.group.to_le_bytes());
    out.extend_from_slice(&at.to_le_bytes());
    out.extend_from_slice(&head.len.to_le_bytes());
    out.extend_from_slice(&[head.flags, 0]);
    out.extend_from_slice(content);
    let sum = crc32fast::hash(out.get(begin + 4..).unwrap_or_default());
    out.splice(begin..begin + 4, sum.to_le_bytes());
    out.resize(begin + SIZE, 0);
}

fn place(half: u32, generation: u64, block: u32) -> u64 {
    ((generation % 2) * u64::from(half) + u64::from(block)) * BLOCK
}

impl Log {
    /// Goes on behind what was read of a generation.
    pub(super) fn resume(disk: Disk, half: u32, generation: u64, read: &Generation) -> Self {
        Self { disk, half, generation, next: read.next, group: read.group, buffer: Vec::new() }
    }

    /// Returns how many blocks so many bytes take.
    pub(super) fn blocks(len: usize) -> u64 {
        len.div_ceil(ROOM) as u64
    }

    /// Returns the blocks of a half.
    pub(super) fn half(&self) -> u64 {
        self.half.into()
    }

    /// Returns the blocks in use.
    pub(super) fn used(&self) -> u64 {
        self.next.into()
    }

    /// Returns the generation that grows.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// Begins the next generation, in the other half. What stood there must be in the tree.
    pub(super) fn turn(&mut self) {
        self.generation += 1;
        (self.next, self.group) = (0, 0);
    }

    /// Makes a group durable. The caller knows that there is room.
    ///
    /// # Errors
    ///
    /// Those of the device; then the group is not in the log, or nothing is believed of this disk any more.
    pub(super) fn append(&mut self, content: &[u8]) -> io::Result<()> {
        let blocks = u32::try_from(Self::blocks(content.len())).unwrap_or(u32::MAX);
        let end = self.next.checked_add(blocks).filter(|end| *end <= self.half);
        let end = end.ok_or(io::ErrorKind::StorageFull)?;
        self.buffer.clear();
        for (piece, at) in content.chunks(ROOM).zip(self.next..) {
            let flags = if at == self.next { FIRST } else { 0 } | if at + 1 == end { LAST } else { 0 };
            let len = u16::try_from(piece.len()).unwrap_or(u16::MAX);
            let head = Head { generation: self.generation, group: self.group, len, flags };
            write_block(&mut self.buffer, head, at, piece);
        }
        self.group += 1;
        let place = place(self.half, self.generation, self.next);
        if let Err(error) = self.disk.write(place, &self.buffer) {
            self.wipe(place);
            return Err(error);
        }
        self.disk.sync_data()?;
        self.next = end;
        Ok(())
    }

    /// Takes back a group whose write has failed, of which any part may be on the disk.
    fn wipe(&self, place: u64) {
        if self.disk.write(place, &[0; SIZE]).and_then(|()| self.disk.sync_data()).is_err() {
            self.disk.give_up();
        }
    }
}
