//! The ids of archived messages: nobody can guess one, and one stanza has one however often it is sent.

use core::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use minicbor::{Decode, Encode};
use sha2::Sha256;

use crate::jid::BareJid;
use crate::replica::{Dot, Inbound};

/// Bytes of an id.
const BYTES: usize = 16;
/// What an id is made of: the dot of the entry.
const OF_DOT: u8 = 3;
/// What an id is made of: a stanza, by the dot of its session. 1 and 2 are taken, by what names a session by a number.
const OF_STANZA: u8 = 4;

/// The id of a message in one archive (XEP-0359: unpredictable, and the same for ever).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub(crate) struct EntryId(
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    [u8; BYTES],
);

/// The secret behind the ids, ready for use: half of the work for an id is the same for all of them.
#[derive(Clone)]
pub(crate) struct IdKey(Hmac<Sha256>);

impl IdKey {
    /// Takes the secret in.
    pub(crate) fn new(secret: &[u8]) -> Self {
        Self(Hmac::new_from_slice(secret).expect("HMAC takes keys of every length"))
    }
}

impl fmt::Debug for IdKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("IdKey")
    }
}

impl From<[u8; BYTES]> for EntryId {
    fn from(bytes: [u8; BYTES]) -> Self {
        Self(bytes)
    }
}

impl EntryId {
    /// Returns the id of an entry in the archive of `owner`. Entries of one stanza have one id on every node that holds the secret;
    /// one that no client can send again is named by its dot.
    pub(crate) fn new(key: &IdKey, owner: &BareJid, stanza: Option<Inbound>, dot: Dot) -> Self {
        let mut mac = key.0.clone();
        mac.update(owner.as_str().as_bytes());
        // No address holds U+0000, and what follows has a fixed length for each kind.
        if let Some(Inbound { session, ordinal }) = stanza {
            mac.update(&[0, OF_STANZA]);
            mac.update(&session.to_bytes());
            mac.update(&ordinal.to_be_bytes());
        } else {
            mac.update(&[0, OF_DOT]);
            mac.update(&dot.to_bytes());
        }
        let digest = mac.finalize().into_bytes();
        let mut id = [0; BYTES];
        id.copy_from_slice(&digest[..BYTES]);
        Self(id)
    }

    /// Reads an id; nothing when the text is none that this node could have given.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() != 2 * BYTES || !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        let number = u128::from_str_radix(text, 16).ok()?;
        Some(Self(number.to_be_bytes()))
    }

    /// Returns the bytes.
    pub(crate) const fn as_bytes(&self) -> &[u8; BYTES] {
        &self.0
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for EntryId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replica::Origin;

    #[test]
    fn entries_of_one_stanza_have_one_id_and_no_others_do() {
        let owner = |name: &str| BareJid::parse(name).unwrap();
        let dot = |node, seq| Origin { node, start: 1, random: 0 }.dot(seq);
        let stanza = |session, ordinal| Some(Inbound { session, ordinal });
        let mut ids = Vec::new();
        for key in [b"one", b"two"].map(|secret| IdKey::new(secret)) {
            for name in ["a@x.example", "b@x.example"] {
                let id = |stanza, dot| EntryId::new(&key, &owner(name), stanza, dot);
                assert_eq!(id(stanza(dot(9, 1), 4), dot(1, 10)), id(stanza(dot(9, 1), 4), dot(3, 5)));
                for (stanza, dot) in [
                    (stanza(dot(9, 1), 4), dot(1, 10)),
                    (stanza(dot(9, 1), 5), dot(1, 10)),
                    (stanza(dot(9, 2), 4), dot(1, 10)),
                    (stanza(dot(8, 1), 4), dot(1, 10)),
                    (None, dot(1, 10)),
                    (None, dot(1, 11)),
                    (None, dot(9, 1)),
                ] {
                    let id = id(stanza, dot);
                    assert_eq!(EntryId::parse(&id.to_string()), Some(id));
                    assert!(!ids.contains(&id));
                    ids.push(id);
                }
            }
        }
    }

    #[test]
    fn what_no_node_gives_is_no_id() {
        for text in
            ["", "28482-98726-73623", "0123456789ABCDEF0123456789abcdef", "+123456789abcdef0123456789abcdef"]
        {
            assert_eq!(EntryId::parse(text), None, "{text}");
        }
    }
}
