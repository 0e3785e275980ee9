//! The heartbeat: each names the last one that was heard, so each side knows both directions.

use super::field::{Fields, put_number};
use super::frame::Malformed;
use crate::time::Span;

/// A heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beat {
    /// Its number, from 1, growing for as long as the sender runs.
    pub number: u64,
    /// The last number that the sender has heard; zero: none.
    pub echo: u64,
    /// How long ago that was.
    pub age: Span,
}

impl Beat {
    /// Appends the body of its frame.
    pub fn write(&self, out: &mut Vec<u8>) {
        let Self { number, echo, age } = *self;
        for field in [number, echo, age.as_micros()] {
            put_number(out, field);
        }
    }

    /// Reads the body of a frame.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when it is no heartbeat.
    pub fn read(body: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Fields(body);
        let (number, echo) = (fields.number()?, fields.number()?);
        let age = Span::from_micros(fields.number()?);
        fields.end()?;
        if number == 0 { Err(Malformed::Value) } else { Ok(Self { number, echo, age }) }
    }
}

#[cfg(test)]
mod tests {
    use arbtest::arbtest;

    use super::*;

    #[test]
    fn what_is_read_is_written_as_it_was_and_garbage_is_an_error() {
        arbtest(|data| {
            let (number, echo, age): (u64, u64, u64) = data.arbitrary()?;
            let beat = Beat { number: number.max(1), echo, age: Span::from_micros(age) };
            let mut out = Vec::new();
            beat.write(&mut out);
            assert_eq!(Beat::read(&out), Ok(beat));
            let bytes = data.bytes(data.len())?;
            if let Ok(beat) = Beat::read(bytes) {
                let mut again = Vec::new();
                beat.write(&mut again);
                assert_eq!(again, bytes);
            }
            Ok(())
        });
        assert_eq!(Beat::read(&[0, 0, 0]), Err(Malformed::Value));
        assert_eq!(Beat::read(&[1, 0]), Err(Malformed::Short));
        assert_eq!(Beat::read(&[1, 0, 0, 0]), Err(Malformed::Long));
    }
}
