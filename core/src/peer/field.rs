//! The fields inside a frame: numbers of variable length, and bytes.

use super::frame::Malformed;
use crate::replica::{Dot, Origin};

/// Bytes of the longest number.
const NUMBER_BYTES_MAX: usize = 10;

/// Appends a number: seven bits a byte, the lowest first, the highest bit set where more follow.
pub(super) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(low_bits(number) | 0x80);
        number >>= 7;
    }
    out.push(low_bits(number));
}

/// Appends a text behind its length.
pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_bytes(out, text.as_bytes());
}

/// Appends bytes behind their length.
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn low_bits(number: u64) -> u8 {
    u8::try_from(number & 0x7f).expect("seven bits")
}

/// Takes a number off the beginning; nothing where it is not all there.
///
/// # Errors
///
/// [`Malformed::Number`] when it does not fit into 64 bits, or is longer than it has to be.
pub(super) fn take_number(from: &mut &[u8]) -> Result<Option<u64>, Malformed> {
    let mut number = 0;
    for (at, byte) in from.iter().take(NUMBER_BYTES_MAX).enumerate() {
        let bits = u64::from(byte & 0x7f);
        if at == NUMBER_BYTES_MAX - 1 && bits > 1 {
            return Err(Malformed::Number);
        }
        number |= bits << (7 * at);
        if byte & 0x80 == 0 {
            if bits == 0 && at > 0 {
                return Err(Malformed::Number);
            }
            *from = from.get(at + 1..).unwrap_or_default();
            return Ok(Some(number));
        }
    }
    if from.len() < NUMBER_BYTES_MAX { Ok(None) } else { Err(Malformed::Number) }
}

/// The fields of one body, taken one by one. Each has to be there.
#[derive(Debug)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    /// Takes a number.
    pub(super) fn number(&mut self) -> Result<u64, Malformed> {
        take_number(&mut self.0)?.ok_or(Malformed::Short)
    }

    /// Takes a number of at most 16 bits.
    pub(super) fn number_16(&mut self) -> Result<u16, Malformed> {
        u16::try_from(self.number()?).map_err(|_| Malformed::Number)
    }

    /// Takes `N` bytes.
    pub(super) fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(Malformed::Short)?;
        self.0 = rest;
        Ok(*bytes)
    }

    /// Takes a number of 32 bits that stands in four bytes, the highest first.
    pub(super) fn word(&mut self) -> Result<u32, Malformed> {
        self.bytes().map(u32::from_be_bytes)
    }

    /// Takes an incarnation of a node.
    pub(super) fn origin(&mut self) -> Result<Origin, Malformed> {
        Ok(Origin { node: self.word()?, start: self.word()?, random: self.word()? })
    }

    /// Takes a dot.
    pub(super) fn dot(&mut self) -> Result<Dot, Malformed> {
        Ok(self.origin()?.dot(u64::from_be_bytes(self.bytes()?)))
    }

    /// Takes bytes behind their length.
    pub(super) fn piece(&mut self) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(self.number()?).map_err(|_| Malformed::Length)?;
        let (piece, rest) = self.0.split_at_checked(length).ok_or(Malformed::Short)?;
        self.0 = rest;
        Ok(piece)
    }

    /// Takes a text of at most `max` bytes.
    pub(super) fn text(&mut self, max: usize) -> Result<&'a str, Malformed> {
        let length = usize::try_from(self.number()?).map_err(|_| Malformed::Text)?;
        if length > max {
            return Err(Malformed::Text);
        }
        let (text, rest) = self.0.split_at_checked(length).ok_or(Malformed::Short)?;
        self.0 = rest;
        core::str::from_utf8(text).map_err(|_| Malformed::Text)
    }

    /// Checks that nothing is left.
    pub(super) const fn end(&self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed::Long) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(bytes: &[u8]) -> Result<Option<(u64, usize)>, Malformed> {
        let mut from = bytes;
        take_number(&mut from).map(|number| number.map(|number| (number, bytes.len() - from.len())))
    }

    #[test]
    fn every_number_comes_back_and_no_number_is_written_in_two_ways() {
        for bits in 0..64 {
            for number in [1_u64 << bits, (1 << bits) - 1, u64::MAX >> bits] {
                let mut out = Vec::new();
                put_number(&mut out, number);
                assert_eq!(taken(&out), Ok(Some((number, out.len()))));
                for short in 0..out.len() {
                    assert_eq!(taken(&out[..short]), Ok(None), "the rest may still come");
                }
                if out.len() < NUMBER_BYTES_MAX {
                    *out.last_mut().unwrap() |= 0x80;
                    out.push(0);
                    assert_eq!(taken(&out), Err(Malformed::Number));
                }
            }
        }
        assert_eq!(taken(&[0xff; 10]), Err(Malformed::Number));
        assert_eq!(taken(&[&[0xff; 9][..], &[2]].concat()), Err(Malformed::Number), "65 bits");
    }

    #[test]
    fn fields_that_are_not_there_are_missed() {
        let mut fields = Fields(&[3, b'a', b'b']);
        assert_eq!(fields.text(9), Err(Malformed::Short));
        assert_eq!(Fields(&[3, b'a', b'b', b'c']).text(2), Err(Malformed::Text));
        assert_eq!(Fields(&[1, 0xff]).text(2), Err(Malformed::Text));
        assert_eq!(Fields(&[0xff, 0xff, 0x07]).number_16(), Err(Malformed::Number));
        assert_eq!(Fields(&[0; 3]).word(), Err(Malformed::Short));
        assert_eq!(Fields(&[]).number(), Err(Malformed::Short));
        assert_eq!(Fields(&[0]).end(), Err(Malformed::Long));
    }
}
