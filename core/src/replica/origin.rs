//! Who wrote what: origins and dots.
//!
//! Rests on the replication rules R1 (identity of writes).

use core::fmt;

use minicbor::{Decode, Encode};

/// One start of one node. A restored copy of a disk is another origin from its next start on: no number is given twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(array)]
pub struct Origin {
    /// The node, drawn when its data directory was made.
    #[n(0)]
    pub node: u32,
    /// How often it had started, this time included.
    #[n(1)]
    pub start: u32,
    /// Drawn at this start.
    #[n(2)]
    pub random: u32,
}

/// One durable write: its origin and its number there, from 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(array)]
pub struct Dot {
    /// Who wrote it.
    #[n(0)]
    pub origin: Origin,
    /// The number of the write, from 1 without gaps.
    #[n(1)]
    pub seq: u64,
}

/// Gives out the dots of one origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dots {
    origin: Origin,
    last: u64,
}

impl Origin {
    /// Returns the dot with number `seq`.
    pub const fn dot(self, seq: u64) -> Dot {
        Dot { origin: self, seq }
    }

    /// Returns the origin as bytes that order as origins do.
    pub fn to_bytes(self) -> [u8; 12] {
        let mut out = [0; 12];
        for (at, part) in [self.node, self.start, self.random].into_iter().enumerate() {
            out[4 * at..4 * at + 4].copy_from_slice(&part.to_be_bytes());
        }
        out
    }

    /// Reads an origin back; nothing when the bytes are none.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; 12] = bytes.try_into().ok()?;
        let part = |at: usize| u32::from_be_bytes(core::array::from_fn(|index| bytes[at + index]));
        Some(Self { node: part(0), start: part(4), random: part(8) })
    }

    /// Returns whether this is a later start of the same node.
    pub const fn succeeds(self, other: Self) -> bool {
        self.node == other.node && (self.start > other.start)
    }
}

impl Dot {
    /// Returns the dot as bytes that order as dots do.
    pub fn to_bytes(self) -> [u8; 20] {
        let mut out = [0; 20];
        out[..12].copy_from_slice(&self.origin.to_bytes());
        out[12..].copy_from_slice(&self.seq.to_be_bytes());
        out
    }

    /// Reads a dot back; nothing when the bytes are none.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (origin, seq) = bytes.split_last_chunk::<8>()?;
        Some(Origin::from_bytes(origin)?.dot(u64::from_be_bytes(*seq)))
    }
}

impl Dots {
    /// Creates the counter of an origin that has written nothing.
    pub const fn new(origin: Origin) -> Self {
        Self { origin, last: 0 }
    }

    /// Takes the next dot. It may leave the node only when what it names is durable.
    pub const fn take(&mut self) -> Dot {
        self.last += 1;
        self.origin.dot(self.last)
    }

    /// Returns the origin.
    pub const fn origin(&self) -> Origin {
        self.origin
    }

    /// Returns the number of the last dot taken; zero when none was.
    pub const fn last(&self) -> u64 {
        self.last
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:x}.{}.{:x}", self.node, self.start, self.random)
    }
}

impl fmt::Debug for Dot {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}:{}", self.origin, self.seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_count_from_one_without_gaps() {
        let mut dots = Dots::new(Origin { node: 1, start: 1, random: 9 });
        assert_eq!((dots.take().seq, dots.take().seq, dots.last()), (1, 2, 2));
    }

    #[test]
    fn bytes_order_as_dots_do_and_give_them_back() {
        let dots = [(1, 1, 2, 300), (1, 2, 1, 1), (1, 2, 1, 256), (2, 1, 1, 1)];
        let dots = dots.map(|(node, start, random, seq)| Origin { node, start, random }.dot(seq));
        assert!(dots.windows(2).all(|pair| pair[0].to_bytes() < pair[1].to_bytes()));
        for dot in dots {
            assert_eq!(Dot::from_bytes(&dot.to_bytes()), Some(dot));
            assert_eq!(Dot::from_bytes(&dot.to_bytes()[1..]), None);
        }
    }

    #[test]
    fn two_copies_of_one_disk_are_two_origins() {
        let copy = |random| Origin { node: 1, start: 7, random };
        assert_ne!(copy(1).dot(1), copy(2).dot(1));
        assert!(!copy(1).succeeds(copy(2)) && !copy(2).succeeds(copy(1)));
        assert!(Origin { start: 8, ..copy(1) }.succeeds(copy(2)));
    }
}
