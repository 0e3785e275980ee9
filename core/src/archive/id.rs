//! The ids of archived messages: nobody can guess one, and one stanza has one however often it is sent.

use core::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use minicbor::{Decode, Encode};
use sha2::Sha256;

use crate::jid::BareJid;
use crate::replica::Dot;

/// Bytes of an id.
const BYTES: usize = 16;

/// The id of a message in one archive (XEP-0359: unpredictable, and the same for ever).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub(crate) struct EntryId(
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    [u8; BYTES],
);

/// What an archived message was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A stanza that the client counts (XEP-0198): the session, and how many it had sent with this one.
    Counted(u64, u64),
    /// A stanza of a session that counts nothing: the session, and which of its stanzas it was.
    Uncounted(u64, u64),
    /// Anything else: the dot of the entry.
    Dot(Dot),
}

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

impl EntryId {
    /// Returns the id that `source` has in the archive of `owner`.
    pub(crate) fn new(key: &IdKey, owner: &BareJid, source: Source) -> Self {
        let mut mac = key.0.clone();
        mac.update(owner.as_str().as_bytes());
        let (kind, one, other) = match source {
            Source::Counted(session, ordinal) => (1, session.to_be_bytes().to_vec(), ordinal),
            Source::Uncounted(session, ordinal) => (2, session.to_be_bytes().to_vec(), ordinal),
            Source::Dot(dot) => (3, dot.origin.to_bytes().to_vec(), dot.seq),
        };
        // No address holds U+0000.
        mac.update(&[0, kind]);
        mac.update(&one);
        mac.update(&other.to_be_bytes());
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

    #[test]
    fn an_id_belongs_to_one_archive_one_source_and_one_secret() {
        let owner = |name: &str| BareJid::parse(name).unwrap();
        let dot = crate::replica::Origin { node: 1, start: 2, random: 3 }.dot(4);
        let mut ids = Vec::new();
        for key in [b"one", b"two"].map(|secret| IdKey::new(secret)) {
            for name in ["a@x.example", "b@x.example"] {
                for source in [
                    Source::Counted(1, 2),
                    Source::Counted(1, 3),
                    Source::Counted(2, 2),
                    Source::Uncounted(1, 2),
                    Source::Dot(dot),
                ] {
                    let id = EntryId::new(&key, &owner(name), source);
                    assert_eq!(id, EntryId::new(&key, &owner(name), source), "a second time");
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
