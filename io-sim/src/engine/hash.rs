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
        let left = (self.left ^ word).wrapping_mul(0x9fb2_1c65_1e98_df25);
        let right = (self.right.rotate_left(29) ^ word).wrapping_mul(0xd6e8_feb8_6659_fd93);
        self.left = left ^ (left >> 32);
        self.right = right ^ (right >> 29);
        self.links += 1;
    }

    /// Adds bytes and their number.
    pub fn bytes(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.word(u64::from_le_bytes(last));
        self.word(bytes.len() as u64);
    }

    /// Returns how many words are in the chain.
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
    }
}
