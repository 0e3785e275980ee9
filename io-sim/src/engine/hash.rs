//! The hash chain over everything that happened: two runs are the same run when their hashes are equal.

use core::fmt;

/// A chain of 128 bits. Not cryptographic: it must differ when a run differs by accident.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TraceHash {
    left: u64,
    right: u64,
    links: u64,
}

impl TraceHash {
    /// Creates the hash of a run in which nothing has happened.
    pub const fn new() -> Self {
        Self { left: 0x243f_6a88_85a3_08d3, right: 0x1319_8a2e_0370_7344, links: 0 }
    }

    /// Adds one word.
    #[inline]
    pub const fn word(&mut self, word: u64) {
        self.add(word, word);
    }

    /// Adds bytes and their number.
    #[inline]
    pub fn bytes(&mut self, bytes: &[u8]) {
        let (pairs, rest) = bytes.as_chunks::<16>();
        for pair in pairs {
            self.pair(u128::from_le_bytes(*pair));
        }
        if !rest.is_empty() {
            let mut last = [0; 16];
            last[..rest.len()].copy_from_slice(rest);
            self.pair(u128::from_le_bytes(last));
        }
        self.word(bytes.len() as u64);
    }

    /// Adds two words, one to each half: half the multiplications, and a word that differs still shows. The number
    /// of bytes, which every call of [`Self::bytes`] ends with, goes through both halves.
    #[inline]
    const fn pair(&mut self, pair: u128) {
        #[expect(clippy::cast_possible_truncation, reason = "the two halves of 128 bits")]
        let (left, right) = (pair as u64, (pair >> 64) as u64);
        self.add(left, right);
    }

    #[inline]
    const fn add(&mut self, left: u64, right: u64) {
        let left = (self.left ^ left).wrapping_mul(0x9fb2_1c65_1e98_df25);
        let right = (self.right.rotate_left(29) ^ right).wrapping_mul(0xd6e8_feb8_6659_fd93);
        self.left = left ^ (left >> 32);
        self.right = right ^ (right >> 29);
        self.links += 1;
    }

    /// Returns how many links the chain has.
    pub const fn links(&self) -> u64 {
        self.links
    }
}

impl fmt::Display for TraceHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:016x}{:016x}", self.left, self.right)
    }
}

impl fmt::Debug for TraceHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "TraceHash({self} after {})", self.links)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(parts: &[&[u8]]) -> TraceHash {
        let mut hash = TraceHash::new();
        for part in parts {
            hash.bytes(part);
        }
        hash
    }

    #[test]
    fn order_content_and_cuts_matter() {
        assert_eq!(of(&[b"one", b"two"]), of(&[b"one", b"two"]));
        assert_ne!(of(&[b"one", b"two"]), of(&[b"two", b"one"]));
        assert_ne!(of(&[b"onet", b"wo"]), of(&[b"one", b"two"]));
        assert_ne!(of(&[b"a\0"]), of(&[b"a"]));
        assert_ne!(of(&[b""]), of(&[]));
    }

    #[test]
    fn every_byte_matters_wherever_it_stands() {
        for length in 0..70 {
            let bytes = vec![7; length];
            for at in 0..length {
                let mut other = bytes.clone();
                other[at] = 8;
                assert_ne!(of(&[&bytes]), of(&[&other]), "byte {at} of {length}");
            }
            assert_ne!(of(&[&bytes]), of(&[&[&bytes[..], &[0]].concat()]), "length {length}");
        }
    }
}
