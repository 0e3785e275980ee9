//! The ids that archives give to their entries.
//!
//! Rests on the replication rules R16 (one stanza, one message).

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::{Dot, Inbound};
use crate::jid::BareJid;

/// Lower-case base 32 without letters that look alike, as for all ids that the server makes.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// Letters of an id, five bits each.
const LETTERS: usize = 26;

/// Returns the id of an entry in an archive, which nobody can guess who does not hold `secret`. Entries of one stanza have one
/// id on every node, so all nodes of a domain share the secret. An entry that no client of theirs sent is named by its dot.
pub fn stanza_id(secret: &[u8; 32], archive: &BareJid, key: Option<Inbound>, dot: Dot) -> String {
    // A short key is a block that ends in zeros (RFC 2104, 2).
    let mut block = [0; 64];
    block[..secret.len()].copy_from_slice(secret);
    let mut mac = Hmac::<Sha256>::new(&block.into());
    mac.update(archive.as_str().as_bytes());
    let (kind, of, ordinal) = key.map_or((0, dot, 0), |key| (1, key.session, key.ordinal));
    // No address holds a zero byte, and what follows has a fixed length.
    mac.update(&[0, kind]);
    mac.update(&of.origin.to_bytes());
    mac.update(&of.seq.to_be_bytes());
    mac.update(&ordinal.to_be_bytes());
    let digest = mac.finalize().into_bytes();
    let bit = |at: usize| digest[at / 8] >> (7 - at % 8) & 1;
    let letter = |at: usize| (0..5).fold(0, |letter, next| letter << 1 | bit(5 * at + next));
    (0..LETTERS).map(|at| char::from(ALPHABET[usize::from(letter(at))])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replica::Origin;

    #[test]
    fn entries_of_one_stanza_have_one_id_and_no_others_do() {
        let (alice, bob) =
            (BareJid::parse("alice@a.example").unwrap(), BareJid::parse("bob@a.example").unwrap());
        let dot = |node, seq| Origin { node, start: 1, random: 0 }.dot(seq);
        let key = |ordinal| Some(Inbound { session: dot(9, 1), ordinal });
        let id = |archive, key, dot| stanza_id(&[7; 32], archive, key, dot);
        assert_eq!(id(&alice, key(4), dot(1, 10)), id(&alice, key(4), dot(3, 5)));
        let ids = [
            id(&alice, key(4), dot(1, 10)),
            id(&alice, key(5), dot(1, 10)),
            id(&bob, key(4), dot(1, 10)),
            id(&alice, None, dot(1, 10)),
            id(&alice, None, dot(1, 11)),
            id(&alice, None, dot(9, 1)),
            stanza_id(&[8; 32], &alice, key(4), dot(1, 10)),
        ];
        for (at, one) in ids.iter().enumerate() {
            assert_eq!(one.len(), LETTERS);
            assert!(!ids[at + 1..].contains(one), "{at}");
        }
    }
}
