//! Arbitrary values for the tests of the recorder. The tables of `codec` draw their own types.

use bytes::Bytes;
use rand::rngs::ChaCha8Rng;
use rand::{Rng as _, SeedableRng as _};

use crate::io::{CommandId, ConnId, OpId, PeerAddr, Secret};
use crate::jid::{BareJid, Domain};
use crate::store::Key;
use crate::time::{Instant, Span, UnixTime};

/// A seeded generator.
pub(super) struct Rng(ChaCha8Rng);

impl Rng {
    pub(super) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Draws a number below `bound`.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0.next_u32() as usize % bound
    }

    /// Draws a number; every length is as likely as any other.
    fn number(&mut self) -> u64 {
        self.0.next_u64() >> (self.0.next_u32() % 64)
    }
}

/// A type of which there are arbitrary values.
pub(super) trait Sample {
    fn draw(rng: &mut Rng) -> Self;
}

macro_rules! sample {
    ($($type:ty: $draw:expr;)*) => {$(
        impl Sample for $type {
            fn draw(rng: &mut Rng) -> Self {
                let draw: fn(&mut Rng) -> Self = $draw;
                draw(rng)
            }
        }
    )*};
}

sample! {
    (): |_| ();
    bool: |rng| rng.below(2) == 0;
    u32: |rng| u32::try_from(rng.number() & u64::from(u32::MAX)).expect("masked");
    String: |rng| (0..rng.below(12)).map(|_| ['a', 'é', '\0', '🙂', '<'][rng.below(5)]).collect();
    Box<str>: |rng| String::draw(rng).into();
    Bytes: |rng| (0..rng.below(300)).map(|_| u8::try_from(rng.below(256)).expect("below 256")).collect();
    [u8; 16]: |rng| core::array::from_fn(|_| u8::try_from(rng.below(256)).expect("below 256"));
    [u8; 32]: |rng| core::array::from_fn(|_| u8::try_from(rng.below(256)).expect("below 256"));
    crate::config::ClusterSecret: |rng| Self(Sample::draw(rng));
    ConnId: |rng| Self(rng.number());
    OpId: |rng| Self(rng.number());
    CommandId: |rng| Self(rng.number());
    PeerAddr: |rng| Self(core::array::from_fn(|_| u8::try_from(rng.below(256)).expect("below 256")));
    Secret: |rng| Self(Bytes::draw(rng));
    Key: |rng| Self::from_bytes(Bytes::draw(rng));
    Instant: |rng| Self::from_micros(rng.number());
    Span: |rng| Self::from_micros(rng.number());
    UnixTime: |rng| Self::from_millis(rng.number().cast_signed());
    Domain: |rng| Self::parse(["a.example", "bücher.example", "localhost", "[::1]"][rng.below(4)]).unwrap();
    BareJid: |rng| Self::parse(["a@b.example", "é@bücher.example", "b.example"][rng.below(3)]).unwrap();
}

impl<T: Sample> Sample for Option<T> {
    fn draw(rng: &mut Rng) -> Self {
        (rng.below(3) > 0).then(|| T::draw(rng))
    }
}

impl<T: Sample> Sample for Vec<T> {
    fn draw(rng: &mut Rng) -> Self {
        (0..rng.below(5)).map(|_| T::draw(rng)).collect()
    }
}

impl<T: Sample, E: Sample> Sample for Result<T, E> {
    fn draw(rng: &mut Rng) -> Self {
        if rng.below(2) == 0 { Ok(T::draw(rng)) } else { Err(E::draw(rng)) }
    }
}
