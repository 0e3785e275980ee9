//! Frames: what the bytes of a connection between two nodes are cut into.
//!
//! A frame is its length (a number of variable length), a byte with its lane and whether more of the same follows, a byte for
//! its kind, and the body. The length counts what follows it.

use bytes::{Buf as _, Bytes, BytesMut};

use super::field::{put_number, take_number};

/// Bytes of the largest frame that anybody may send, its length left out.
pub const FRAME_MAX: u16 = 16 * 1024;
/// Bytes before the body, the length left out.
const HEAD_BYTES: usize = 2;
const LANE_BITS: u32 = 5;
const MORE: u8 = 1 << 4;

/// What goes first when not everything can go at once, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// Who is there.
    Liveness,
    /// What people wait for.
    Live,
    /// What holds until it is said otherwise.
    State,
    /// What was missed.
    Bulk,
}

/// The kinds of frames that this version knows. A number is given once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Who speaks; the first frame of each side.
    Hello,
    /// Why nothing follows.
    Bye,
    /// The sender is there, and has heard.
    Beat,
    /// Something that was written.
    Entry,
    /// Entries of others that are on the sender's disk.
    Durable,
    /// What the sender says of its sessions.
    Owned,
    /// What the sender has heard of the other one's sessions.
    OwnedSince,
    /// Something for the other one alone.
    Routed,
    /// What the sender holds of a group.
    Have,
    /// What was looked up for the other one has been said.
    Commit,
    /// It has been taken.
    Granted,
    /// Whom a node reaches directly.
    Links,
    /// A piece of a connection between two nodes, passed on by third ones.
    Passed,
}

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// How urgent it is.
    pub lane: Lane,
    /// Whether its body goes on in the next frame of this lane.
    pub more: bool,
    /// Its kind; unknown ones are skipped.
    pub kind: u8,
    /// What it says.
    pub body: Bytes,
}

/// Why bytes are no frame, or a body says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// A number is too large or longer than it has to be.
    Number,
    /// A frame is shorter than its head, or longer than was agreed.
    Length,
    /// A frame has a lane or a mark that there is not.
    Head,
    /// A body ends too early.
    Short,
    /// Something follows a body.
    Long,
    /// A text is too long or no text.
    Text,
    /// A value is out of its range, or does not fit what was said before.
    Value,
    /// A kind of frame that may not come here.
    Order,
}

/// Cuts bytes into frames, in whatever pieces they come. Keeps at most one frame that is not whole, and what came last.
#[derive(Debug)]
pub struct FrameReader {
    buffer: BytesMut,
    max: usize,
}

impl Lane {
    /// All lanes, the most urgent first.
    pub const ALL: [Self; 4] = [Self::Liveness, Self::Live, Self::State, Self::Bulk];
}

impl Kind {
    const ALL: [Self; 13] = [
        Self::Hello,
        Self::Bye,
        Self::Beat,
        Self::Entry,
        Self::Durable,
        Self::Owned,
        Self::OwnedSince,
        Self::Routed,
        Self::Have,
        Self::Commit,
        Self::Granted,
        Self::Links,
        Self::Passed,
    ];

    /// Returns its number in the head of a frame.
    pub const fn number(self) -> u8 {
        match self {
            Self::Hello => 1,
            Self::Bye => 2,
            Self::Beat => 3,
            Self::Entry => 4,
            Self::Durable => 5,
            Self::Have => 6,
            Self::Commit => 7,
            Self::Granted => 8,
            Self::Owned => 10,
            Self::OwnedSince => 11,
            Self::Routed => 12,
            Self::Links => 13,
            Self::Passed => 14,
        }
    }

    /// Returns the kind with that number, if there is one.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }
}

impl Malformed {
    /// Returns what is wrong, for the observers.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Number => "a number that is none",
            Self::Length => "a frame of a length that may not be",
            Self::Head => "a frame with a head that may not be",
            Self::Short => "a frame that ends too early",
            Self::Long => "a frame that goes on behind its end",
            Self::Text => "a text that is too long or none",
            Self::Value => "a value that may not be",
            Self::Order => "a frame that may not come here",
        }
    }
}

impl Frame {
    /// Appends the frame.
    pub fn write(&self, out: &mut Vec<u8>) {
        put_number(out, (HEAD_BYTES + self.body.len()) as u64);
        let lane = (self.lane as u8) << LANE_BITS;
        out.push(if self.more { lane | MORE } else { lane });
        out.push(self.kind);
        out.extend_from_slice(&self.body);
    }

    fn read(whole: &Bytes) -> Result<Self, Malformed> {
        let (&[head, kind], _) = whole.split_first_chunk().ok_or(Malformed::Length)?;
        let lane = Lane::ALL.get(usize::from(head >> LANE_BITS)).ok_or(Malformed::Head)?;
        if head & !(7 << LANE_BITS) & !MORE != 0 {
            return Err(Malformed::Head);
        }
        Ok(Self { lane: *lane, more: head & MORE != 0, kind, body: whole.slice(HEAD_BYTES..) })
    }
}

impl FrameReader {
    /// Creates a reader of frames of at most `max` bytes, their lengths left out.
    pub fn new(max: u16) -> Self {
        Self { buffer: BytesMut::new(), max: max.into() }
    }

    /// Takes bytes in, in the order in which they came.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Returns the next frame; nothing where it is not whole.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when these are no frames. Nothing more can be read then.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, Malformed> {
        let mut rest: &[u8] = &self.buffer;
        let Some(length) = take_number(&mut rest)? else { return Ok(None) };
        let length = usize::try_from(length).map_err(|_| Malformed::Length)?;
        if length < HEAD_BYTES || length > self.max {
            return Err(Malformed::Length);
        }
        if rest.len() < length {
            return Ok(None);
        }
        let head = self.buffer.len() - rest.len();
        self.buffer.advance(head);
        Frame::read(&self.buffer.split_to(length).freeze()).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use arbitrary::{Arbitrary as _, Unstructured};
    use arbtest::arbtest;

    use super::*;

    fn draw(data: &mut Unstructured<'_>) -> arbitrary::Result<Frame> {
        let lane = *data.choose(&Lane::ALL)?;
        let length = data.int_in_range(0..=300)?;
        let body = data.bytes(length.min(data.len()))?;
        let body = Bytes::copy_from_slice(body);
        Ok(Frame { lane, more: bool::arbitrary(data)?, kind: u8::arbitrary(data)?, body })
    }

    fn all(reader: &mut FrameReader) -> Result<Vec<Frame>, Malformed> {
        let mut frames = Vec::new();
        while let Some(frame) = reader.next_frame()? {
            frames.push(frame);
        }
        Ok(frames)
    }

    #[test]
    fn frames_come_back_however_the_bytes_are_cut() {
        arbtest(|data| {
            let frames = (0..data.int_in_range(1..=5)?).map(|_| draw(data)).collect::<Result<Vec<_>, _>>()?;
            let mut bytes = Vec::new();
            for frame in &frames {
                frame.write(&mut bytes);
            }
            let mut reader = FrameReader::new(302);
            let mut rest = bytes.as_slice();
            let mut read = Vec::new();
            while !rest.is_empty() {
                let (piece, left) = rest.split_at(data.int_in_range(1..=rest.len())?);
                rest = left;
                reader.feed(piece);
                read.append(&mut all(&mut reader).expect("these are frames"));
            }
            assert_eq!(read, frames);
            assert!(reader.buffer.is_empty());
            Ok(())
        });
    }

    #[test]
    fn garbage_is_an_error_or_frames_that_are_written_as_they_were() {
        arbtest(|data| {
            let bytes = data.bytes(data.len())?;
            let mut reader = FrameReader::new(64);
            reader.feed(bytes);
            let mut again = Vec::new();
            while let Ok(Some(frame)) = reader.next_frame() {
                assert!(frame.body.len() <= 62);
                frame.write(&mut again);
            }
            assert!(bytes.starts_with(&again));
            Ok(())
        });
    }

    #[test]
    fn what_may_not_be_is_found_before_it_is_kept() {
        let read = |bytes: &[u8]| {
            let mut reader = FrameReader::new(64);
            reader.feed(bytes);
            all(&mut reader)
        };
        assert_eq!(read(&[65]), Err(Malformed::Length), "nobody waits for a frame that is too long");
        assert_eq!(read(&[0]), Err(Malformed::Length));
        assert_eq!(read(&[1, 0]), Err(Malformed::Length));
        assert_eq!(read(&[2, 4 << 5, 1]), Err(Malformed::Head), "there are four lanes");
        assert_eq!(read(&[2, 1, 1]), Err(Malformed::Head), "a mark that nobody knows");
        assert_eq!(read(&[64, 0]), Ok(Vec::new()));
        let beat = Frame { lane: Lane::Bulk, more: true, kind: 200, body: Bytes::new() };
        assert_eq!(read(&[2, 3 << 5 | 16, 200]), Ok(vec![beat]));
    }

    #[test]
    fn kinds_have_numbers_of_their_own() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_number(kind.number()), Some(kind));
        }
        assert_eq!((Kind::from_number(0), Kind::from_number(255)), (None, None));
    }
}
