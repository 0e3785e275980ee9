//! The seeded generators. The seed enters once; what is shown and what is secret is drawn apart, so
//! that no identifier a peer sees says anything about a key.

use core::fmt;

use rand::rngs::{ChaCha8Rng, ChaCha20Rng};
use rand::{Rng as _, SeedableRng as _};

/// Draws of one node.
pub struct Entropy {
    public: ChaCha8Rng,
    secret: ChaCha20Rng,
}

/// Lower-case base 32 without letters that look alike; safe in XML, JIDs and shells.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

impl Entropy {
    /// Creates the generators of a node from `seed`.
    pub fn new(seed: [u8; 32]) -> Self {
        let mut root = ChaCha20Rng::from_seed(seed);
        let mut public = [0; 32];
        let mut secret = [0; 32];
        root.fill_bytes(&mut public);
        root.fill_bytes(&mut secret);
        Self { public: ChaCha8Rng::from_seed(public), secret: ChaCha20Rng::from_seed(secret) }
    }

    /// Draws an identifier that anybody may see: 16 characters, 80 bits.
    pub fn public_id(&mut self) -> String {
        letters::<16, _>(&mut self.public)
    }

    /// Draws 32 bits that anybody may see.
    pub fn public_u32(&mut self) -> u32 {
        self.public.next_u32()
    }

    /// Draws an identifier that nobody may guess: 26 characters, 130 bits.
    pub fn secret_id(&mut self) -> String {
        letters::<26, _>(&mut self.secret)
    }

    /// Draws `N` bytes that nobody may guess.
    pub fn secret_bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        self.secret.fill_bytes(&mut out);
        out
    }
}

fn letters<const N: usize, R: rand::Rng>(rng: &mut R) -> String {
    let mut bytes = [0; N];
    rng.fill_bytes(&mut bytes);
    bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect()
}

impl fmt::Debug for Entropy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Entropy(..)")
    }
}
