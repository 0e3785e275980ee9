//! The token with which a node joins: where to ask, and the secret by which both sides know each other.
//!
//! Who joins proves that it has the token, and so does the node that it asks. Both proofs are bound to the TLS session, so nobody
//! between the two learns or changes anything, and no authority has to be trusted or kept.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use crate::config::LinkKind;

/// What every token begins with.
const PREFIX: &str = "eyot1.";
/// The letters of base32 (RFC 4648, 6), small ones.
const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// Bytes that show a slip of the pen.
const CHECK_BYTES: usize = 4;
/// Nodes that a token names.
pub(crate) const SEEDS_MAX: usize = 3;

/// An invitation into a cluster. `Debug` hides its secret.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token {
    /// The cluster.
    pub(crate) cluster: [u8; 16],
    /// What only who was given the token knows.
    pub(crate) secret: [u8; 16],
    /// Who may be asked, in this order.
    pub(crate) seeds: Vec<Seed>,
}

/// A node that may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seed {
    /// Where it listens, in words of the driver's resolver.
    pub(crate) route: Box<str>,
    /// What the way there is like.
    pub(crate) link: LinkKind,
}

/// Who proves that it has the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Who joins.
    Joiner,
    /// Whom it asks.
    Seed,
}

impl Token {
    /// Reads a token; nothing when it is none, or was not copied whole.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = from_base32(text.trim().strip_prefix(PREFIX)?)?;
        let (said, check) = bytes.split_last_chunk::<CHECK_BYTES>()?;
        if sum(said) != *check {
            return None;
        }
        let (cluster, rest) = said.split_first_chunk::<16>()?;
        let (secret, mut rest) = rest.split_first_chunk::<16>()?;
        let mut seeds = Vec::new();
        while let Some((&link, behind)) = rest.split_first() {
            let (&length, behind) = behind.split_first()?;
            let (route, behind) = behind.split_at_checked(length.into())?;
            seeds.push(Seed { route: core::str::from_utf8(route).ok()?.into(), link: link_of(link)? });
            rest = behind;
        }
        let some = (1..=SEEDS_MAX).contains(&seeds.len());
        some.then_some(Self { cluster: *cluster, secret: *secret, seeds })
    }

    /// Returns the token as operators copy it. A seed whose address is too long is left out.
    pub(crate) fn text(&self) -> String {
        let mut bytes = [self.cluster, self.secret].concat();
        for seed in self.seeds.iter().take(SEEDS_MAX) {
            let Ok(length) = u8::try_from(seed.route.len()) else { continue };
            bytes.extend_from_slice(&[link_number(seed.link), length]);
            bytes.extend_from_slice(seed.route.as_bytes());
        }
        let check = sum(&bytes);
        bytes.extend_from_slice(&check);
        format!("{PREFIX}{}", to_base32(&bytes))
    }

    /// Returns the number by which members know the token.
    pub(crate) fn id(&self) -> u64 {
        let hash = hash(b"eyot token id", &self.secret);
        u64::from_be_bytes(core::array::from_fn(|at| hash[at]))
    }

    /// Returns what members keep of the token: a hash, with which they know who has it.
    pub(crate) fn key(&self) -> [u8; 32] {
        hash(b"eyot token key", &self.secret)
    }
}

/// Returns the proof that one side of a TLS session has the token with this key.
pub(crate) fn proof(key: &[u8; 32], side: Side, exporter: &[u8; 32]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length");
    mac.update(match side {
        Side::Joiner => b"eyot join",
        Side::Seed => b"eyot seed",
    });
    mac.update(exporter);
    mac.finalize().into_bytes().into()
}

/// Returns the number of a kind of link, as it is stored and travels.
pub(super) const fn link_number(link: LinkKind) -> u8 {
    match link {
        LinkKind::Lan => 0,
        LinkKind::Wan => 1,
        LinkKind::Satcom => 2,
        LinkKind::Hf => 3,
    }
}

/// Returns the kind of link with that number.
pub(super) fn link_of(number: u8) -> Option<LinkKind> {
    let all = [LinkKind::Lan, LinkKind::Wan, LinkKind::Satcom, LinkKind::Hf];
    all.into_iter().find(|link| link_number(*link) == number)
}

fn hash(label: &[u8], secret: &[u8; 16]) -> [u8; 32] {
    Sha256::new().chain_update(label).chain_update(secret).finalize().into()
}

fn sum(bytes: &[u8]) -> [u8; CHECK_BYTES] {
    let hash = Sha256::digest(bytes);
    core::array::from_fn(|at| hash[at])
}

fn to_base32(bytes: &[u8]) -> String {
    let (mut text, mut held, mut bits) = (String::new(), 0_u32, 0);
    for byte in bytes {
        (held, bits) = (held << 8 | u32::from(*byte), bits + 8);
        while bits >= 5 {
            bits -= 5;
            text.push(letter(held >> bits));
        }
        held &= (1 << bits) - 1;
    }
    if bits > 0 {
        text.push(letter(held << (5 - bits)));
    }
    text
}

fn letter(bits: u32) -> char {
    LETTERS.get((bits & 31) as usize).map_or('a', |letter| char::from(*letter))
}

fn from_base32(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut held, mut bits) = (Vec::new(), 0_u32, 0);
    for letter in text.bytes() {
        let letter = letter.to_ascii_lowercase();
        let value = u32::try_from(LETTERS.iter().position(|known| *known == letter)?).ok()?;
        (held, bits) = (held << 5 | value, bits + 5);
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(held >> bits & 0xff).ok()?);
        }
        held &= (1 << bits) - 1;
    }
    (held == 0 && bits < 5).then_some(bytes)
}

impl core::fmt::Debug for Token {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.debug_struct("Token").field("seeds", &self.seeds).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use arbtest::arbtest;

    use super::*;

    fn token() -> Token {
        let seed = |route: &str, link| Seed { route: route.into(), link };
        let seeds = vec![seed("a.example.org:5230", LinkKind::Lan), seed("[2001:db8::1]:5230", LinkKind::Hf)];
        Token { cluster: [7; 16], secret: [9; 16], seeds }
    }

    #[test]
    fn a_token_comes_back_and_one_slip_is_seen() {
        let text = token().text();
        assert_eq!(Token::parse(&text), Some(token()));
        assert_eq!(Token::parse(&format!(" {text}\n")), Some(token()));
        for at in PREFIX.len()..text.len() {
            let mut wrong = text.clone().into_bytes();
            wrong[at] = if wrong[at] == b'a' { b'b' } else { b'a' };
            assert_eq!(Token::parse(core::str::from_utf8(&wrong).unwrap()), None, "letter {at}");
            assert_eq!(Token::parse(text.get(..at).unwrap()), None, "cut at {at}");
        }
        assert_eq!(Token::parse(""), None);
        assert_eq!(Token::parse("eyot2.aaaa"), None);
        assert!(!format!("{:?}", token()).contains('9'));
    }

    #[test]
    fn bytes_come_back_from_base32_and_garbage_does_no_harm() {
        arbtest(|data| {
            let bytes: Vec<u8> = data.arbitrary()?;
            assert_eq!(from_base32(&to_base32(&bytes)), Some(bytes));
            let text: String = data.arbitrary()?;
            assert!(Token::parse(&text).is_none());
            Ok(())
        });
    }

    #[test]
    fn a_proof_is_of_one_side_one_token_and_one_session() {
        let (one, other) = (token().key(), Token { secret: [8; 16], ..token() }.key());
        let proofs = [
            proof(&one, Side::Joiner, &[1; 32]),
            proof(&one, Side::Seed, &[1; 32]),
            proof(&one, Side::Joiner, &[2; 32]),
            proof(&other, Side::Joiner, &[1; 32]),
        ];
        for (at, one) in proofs.iter().enumerate() {
            assert!(proofs.iter().skip(at + 1).all(|other| other != one));
        }
        assert_ne!(token().id(), Token { secret: [8; 16], ..token() }.id());
    }
}
