//! Frames: how recorded values become bytes that survive a crash half-way.

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::codec::{Damaged, In, Out, Wire, decode, decode_by, encode, expect_array, written};
use crate::config::Config;
use crate::io::Input;
use crate::time::Now;

/// The first bytes of every recording.
const MAGIC: &[u8; 8] = b"eyot-rec";

/// The version of the format, behind the magic number, in two bytes.
const FORMAT: u16 = 5;

/// The version of the core that writes.
const VERSION: &str = env!("CARGO_PKG_VERSION");

const LENGTH_BYTES: usize = 4;
const CHECK_BYTES: usize = 8;

/// What stands in clear at the beginning of every recording.
pub const WARNING: &str = "This file holds everything the node was given: messages, passwords, keys, and the seed of \
its entropy. Who can read it can impersonate the node and its users. Keep it as you keep the database.";

/// From what a node was made.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    /// Its seed.
    pub seed: [u8; 32],
    /// Its configuration.
    pub config: Config,
    /// When it was made.
    pub start: Now,
}

/// Why a recording ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The node stopped.
    Stopped,
    /// The recording reached its bound; the node went on.
    SizeBound,
}

/// What follows the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// An input and when it was handed over.
    Input {
        /// The clocks at that time.
        now: Now,
        /// The input.
        input: Input,
    },
    /// The end. Nothing follows.
    End(End),
}

/// Why a recording cannot be read, or not further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// The bytes do not begin as a recording does.
    NoRecording,
    /// The format is another one.
    Format(u16),
    /// The frame at this offset is incomplete or its check is wrong: a crash tore it, or the file is damaged.
    /// Everything before is sound.
    Torn {
        /// Bytes from the beginning.
        offset: usize,
    },
    /// The frame at this offset is whole but says nothing that this format knows.
    Unknown {
        /// Bytes from the beginning.
        offset: usize,
    },
}

/// Makes the bytes of a recording, piece by piece. Who writes them counts them.
#[derive(Clone, Debug)]
pub struct RecordWriter {
    check: [u8; CHECK_BYTES],
}

/// Reads a recording.
#[derive(Debug)]
pub struct RecordReader {
    bytes: Bytes,
    offset: usize,
    check: [u8; CHECK_BYTES],
    header: Header,
    version: String,
    has_ended: bool,
}

impl RecordWriter {
    /// Begins a recording, and returns its first bytes.
    pub fn header(header: &Header) -> (Self, Vec<u8>) {
        let mut writer = Self { check: [0; CHECK_BYTES] };
        let mut bytes = [MAGIC.as_slice(), &FORMAT.to_be_bytes()].concat();
        let first = FirstFrame {
            warning: String::from(WARNING),
            version: String::from(VERSION),
            header: header.clone(),
        };
        bytes.append(&mut writer.seal(&encode(&first)));
        (writer, bytes)
    }

    /// Returns the bytes of one input. `now` is what the node gets with it.
    pub fn frame(&mut self, now: Now, input: &Input) -> Vec<u8> {
        let mut out = Out::new(Vec::new());
        written(out.array(2));
        now.write(&mut out);
        input.write(&mut out);
        self.seal(&out.into_writer())
    }

    /// Returns the last bytes of a recording.
    pub fn end(mut self, end: End) -> Vec<u8> {
        let mut out = Out::new(Vec::new());
        written(out.array(1));
        end.write(&mut out);
        self.seal(&out.into_writer())
    }

    /// Puts length and check around a payload.
    fn seal(&mut self, payload: &[u8]) -> Vec<u8> {
        let length =
            u32::try_from(payload.len()).expect("an input is far smaller than 4 GiB: limits bound it");
        self.check = check(self.check, payload);
        [&length.to_be_bytes(), payload, &self.check].concat()
    }
}

impl RecordReader {
    /// Reads the header of a recording.
    ///
    /// # Errors
    ///
    /// [`ReadError`] when there is none, or none that can be read.
    pub fn new(bytes: Bytes) -> Result<Self, ReadError> {
        let rest = bytes.strip_prefix(MAGIC.as_slice()).ok_or(ReadError::NoRecording)?;
        let (format, _) = rest.split_first_chunk().ok_or(ReadError::NoRecording)?;
        let format = u16::from_be_bytes(*format);
        if format != FORMAT {
            return Err(ReadError::Format(format));
        }
        let offset = MAGIC.len() + size_of_val(&FORMAT);
        let (payload, offset_after, check) = open(&bytes, offset, [0; CHECK_BYTES])?;
        let first: FirstFrame = decode(payload).map_err(|Damaged| ReadError::Unknown { offset })?;
        Ok(Self {
            offset: offset_after,
            check,
            header: first.header,
            version: first.version,
            has_ended: false,
            bytes,
        })
    }

    /// Returns the header.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the version of the core that wrote the recording. Only the same version is sure to replay it.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Returns whether the core that reads is of the version that wrote.
    pub fn is_of_this_version(&self) -> bool {
        self.version == VERSION
    }

    /// Returns the next entry; nothing where the bytes end. A recording whose last entry is not
    /// [`Entry::End`] was cut by the death of its process.
    ///
    /// # Errors
    ///
    /// [`ReadError::Torn`] or [`ReadError::Unknown`]; reading again gives the same.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, ReadError> {
        let offset = self.offset;
        if offset == self.bytes.len() {
            return Ok(None);
        }
        if self.has_ended {
            return Err(ReadError::Unknown { offset });
        }
        let (payload, offset_after, check) = open(&self.bytes, offset, self.check)?;
        let entry = decode_by(payload, read_entry).map_err(|Damaged| ReadError::Unknown { offset })?;
        self.offset = offset_after;
        self.check = check;
        self.has_ended = matches!(entry, Entry::End(_));
        Ok(Some(entry))
    }
}

/// The content of the first frame.
struct FirstFrame {
    warning: String,
    version: String,
    header: Header,
}

impl Wire for FirstFrame {
    fn write(&self, out: &mut Out) {
        let Header { seed, config, start } = &self.header;
        written(out.array(5));
        self.warning.write(out);
        self.version.write(out);
        seed.write(out);
        config.write(out);
        start.write(out);
    }

    fn read(from: &mut In<'_>) -> Result<Self, Damaged> {
        expect_array(from, 5)?;
        let warning = String::read(from)?;
        let version = String::read(from)?;
        let header = Header { seed: Wire::read(from)?, config: Wire::read(from)?, start: Wire::read(from)? };
        Ok(Self { warning, version, header })
    }
}

/// Reads what [`RecordWriter::frame`] (an array of two) or [`RecordWriter::end`] (an array of one) wrote.
fn read_entry(from: &mut In<'_>) -> Result<Entry, Damaged> {
    match from.array()? {
        Some(2) => Ok(Entry::Input { now: Wire::read(from)?, input: Wire::read(from)? }),
        Some(1) => Ok(Entry::End(Wire::read(from)?)),
        Some(_) | None => Err(Damaged),
    }
}

/// Opens the frame at `offset`: its payload, the offset behind it, and its check.
fn open(
    bytes: &[u8],
    offset: usize,
    before: [u8; CHECK_BYTES],
) -> Result<(&[u8], usize, [u8; CHECK_BYTES]), ReadError> {
    let torn = ReadError::Torn { offset };
    let frame = bytes.get(offset..).and_then(<[u8]>::split_first_chunk::<LENGTH_BYTES>);
    let (length, rest) = frame.ok_or(torn.clone())?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| torn.clone())?;
    let (payload, rest) = rest.split_at_checked(length).ok_or(torn.clone())?;
    let (found, _) = rest.split_first_chunk().ok_or(torn.clone())?;
    if *found != check(before, payload) {
        return Err(torn);
    }
    Ok((payload, offset + LENGTH_BYTES + length + CHECK_BYTES, *found))
}

/// The check of a frame that follows one whose check was `before`.
fn check(before: [u8; CHECK_BYTES], payload: &[u8]) -> [u8; CHECK_BYTES] {
    let hash: [u8; 32] = Sha256::new().chain_update(before).chain_update(payload).finalize().into();
    let (first, _) = hash.split_first_chunk().expect("8 is less than 32");
    *first
}

impl core::fmt::Debug for Header {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.debug_struct("Header")
            .field("config", &self.config)
            .field("start", &self.start)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{Rng, Sample as _};
    use super::*;

    fn header(rng: &mut Rng) -> Header {
        Header { seed: <[u8; 32]>::draw(rng), config: Config::draw(rng), start: Now::draw(rng) }
    }

    /// A recording, the entries in it, and where each begins.
    fn recording(rng: &mut Rng, end: Option<End>) -> (Vec<u8>, Header, Vec<Entry>, Vec<usize>) {
        let header = header(rng);
        let (mut writer, mut bytes) = RecordWriter::header(&header);
        let mut entries = Vec::new();
        let mut offsets = Vec::new();
        for _ in 0..3 + rng.below(17) {
            let (now, input) = (Now::draw(rng), Input::draw(rng));
            offsets.push(bytes.len());
            bytes.append(&mut writer.frame(now, &input));
            entries.push(Entry::Input { now, input });
        }
        if let Some(end) = end {
            offsets.push(bytes.len());
            bytes.append(&mut writer.end(end));
            entries.push(Entry::End(end));
        }
        (bytes, header, entries, offsets)
    }

    /// Reads all entries, and how reading stopped.
    fn read(bytes: &[u8]) -> (Vec<Entry>, Result<(), ReadError>) {
        let mut entries = Vec::new();
        let mut reader = match RecordReader::new(Bytes::copy_from_slice(bytes)) {
            Ok(reader) => reader,
            Err(error) => return (entries, Err(error)),
        };
        loop {
            match reader.next_entry() {
                Ok(Some(entry)) => entries.push(entry),
                Ok(None) => return (entries, Ok(())),
                Err(error) => return (entries, Err(error)),
            }
        }
    }

    #[test]
    fn a_recording_comes_back() {
        let mut rng = Rng::new(4);
        for end in [None, Some(End::Stopped), Some(End::SizeBound)] {
            for _ in 0..100 {
                let (bytes, header, entries, _) = recording(&mut rng, end);
                let reader = RecordReader::new(Bytes::copy_from_slice(&bytes)).unwrap();
                assert_eq!(reader.header(), &header);
                assert!(reader.is_of_this_version());
                assert_eq!(read(&bytes), (entries, Ok(())));
            }
        }
    }

    #[test]
    fn the_warning_can_be_read_with_the_naked_eye() {
        let (_, bytes) = RecordWriter::header(&header(&mut Rng::new(5)));
        assert!(bytes.windows(WARNING.len()).any(|window| window == WARNING.as_bytes()));
        assert!(WARNING.contains("passwords") && WARNING.contains("seed"));
    }

    #[test]
    fn a_torn_tail_is_recognised_wherever_it_is_torn() {
        let (bytes, _, entries, offsets) = recording(&mut Rng::new(8), Some(End::Stopped));
        assert!(entries.len() > 3);
        for length in offsets[0]..bytes.len() {
            let whole = offsets.iter().filter(|offset| **offset <= length).count() - 1;
            let torn = ReadError::Torn { offset: offsets[whole] };
            let outcome = if length == offsets[whole] { Ok(()) } else { Err(torn.clone()) };
            assert_eq!(read(&bytes[..length]), (entries[..whole].to_vec(), outcome));
            // The blocks of the file were allocated, their content was not written.
            let mut zeroed = bytes.clone();
            zeroed[length..].fill(0);
            if zeroed != bytes {
                assert_eq!(read(&zeroed), (entries[..whole].to_vec(), Err(torn)));
            }
        }
        for length in 0..offsets[0] {
            assert!(read(&bytes[..length]).1.is_err());
        }
    }

    #[test]
    fn a_frame_that_is_lost_moved_or_changed_is_recognised() {
        let (bytes, _, entries, offsets) = recording(&mut Rng::new(7), Some(End::Stopped));
        let torn = |at: usize| (entries[..at].to_vec(), Err(ReadError::Torn { offset: offsets[at] }));
        let lost = [&bytes[..offsets[1]], &bytes[offsets[2]..]].concat();
        assert_eq!(read(&lost), torn(1));
        let moved =
            [&bytes[..offsets[0]], &bytes[offsets[1]..offsets[2]], &bytes[offsets[0]..offsets[1]]].concat();
        assert_eq!(read(&moved), torn(0));
        for at in offsets[1]..offsets[2] {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(read(&changed), torn(1));
        }
    }

    #[test]
    fn what_is_no_recording_or_another_format_is_told_apart() {
        let (bytes, ..) = recording(&mut Rng::new(8), None);
        assert_eq!(read(b"").1, Err(ReadError::NoRecording));
        assert_eq!(read(b"<stream:stream>").1, Err(ReadError::NoRecording));
        let mut later = bytes.clone();
        later[MAGIC.len()..][..2].copy_from_slice(&(FORMAT + 1).to_be_bytes());
        assert_eq!(read(&later).1, Err(ReadError::Format(FORMAT + 1)));
    }

    #[test]
    fn nothing_follows_the_end() {
        let (mut bytes, _, entries, _) = recording(&mut Rng::new(9), Some(End::SizeBound));
        let offset = bytes.len();
        bytes.extend(b"more");
        assert_eq!(read(&bytes), (entries, Err(ReadError::Unknown { offset })));
    }

    #[test]
    fn debug_output_holds_no_seed() {
        let header = Header { seed: [199; 32], ..header(&mut Rng::new(10)) };
        assert!(!format!("{header:?}").contains("199, 199"));
    }
}
