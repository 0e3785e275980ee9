//! Keys: a table, then terminated parts, so that no part can run into the next.
//!
//! The domain is the first part of every key that belongs to a domain.

use bytes::{BufMut as _, Bytes, BytesMut};

/// Ends a part. No prepared part contains it, and being the least byte it keeps the order that of the texts.
const TERMINATOR: u8 = 0;

/// A key of the store. Keys order by their bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Bytes);

/// What kind of record a key names. The number is part of the store format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Table {
    /// The node itself: incarnation and secrets. No parts.
    Node = 1,
    /// The list of accounts. Parts: domain, localpart.
    Account = 2,
    /// Replicated cells of accounts. Parts: domain, localpart, then those of the cell's name.
    Cell = 3,
    /// Replicated cells that are read only when they are asked for. Parts: domain, localpart, kind, name.
    Large = 4,
    /// Messages, each stored once. Parts: domain; tail: the dot.
    Message = 5,
    /// Archives. Parts: domain, localpart; tail: the place.
    Log = 6,
    /// The places of messages in an archive. Parts: domain, localpart; tail: the stanza-id.
    LogId = 7,
    /// Messages that nobody has been given. Parts: domain, localpart; tail: the place in the archive.
    Owed = 8,
    /// Sessions. Parts: domain, localpart; tail: the session's number.
    Session = 9,
    /// What a session was sent and has not acknowledged. Parts: domain, localpart; tail: the session's number, the stanza's.
    Unacked = 10,
    /// Sessions that ended without being resumed. Parts: domain, localpart, the id of XEP-0198.
    Tombstone = 11,
    /// How much of each origin is held. Parts: domain, kind; tail: the shard, the origin. What a node has written that was alone has
    /// no kind and no shard, and is about all groups of the domain.
    Vector = 12,
    /// The greatest stamp given or met. No parts.
    Clock = 13,
    /// What is known of an archive as a whole. Parts: domain, localpart, `c` (what it holds) or `f` (from where on).
    Archive = 14,
    /// Where each live entry of a group stands, in a cluster. Parts: domain, kind; tail: the shard, the dot.
    Dot = 15,
    /// Sessions that go to another node, or have come from one, until both know. Parts: domain, localpart; tail: the session's name, how
    /// often it has gone by then.
    Moved = 19,
    /// Entries of other nodes for what is damaged. Parts: domain, localpart, what of the account, the domain of the group; tail: the kind
    /// of the group, the shard, the dot.
    Kept = 21,
}

impl Key {
    /// Creates the key of `table` with `parts`, each at most 1023 bytes (RFC 7622, 3.1).
    ///
    /// # Panics
    ///
    /// When a part is longer than 1023 bytes or holds U+0000: parts are prepared JID parts.
    pub fn new(table: Table, parts: &[&str]) -> Self {
        Self::with_tail(table, parts, &[])
    }

    /// Creates the key of `table` with `parts` and a tail of fixed length for that table, which may hold any bytes.
    ///
    /// # Panics
    ///
    /// As [`Key::new`].
    pub fn with_tail(table: Table, parts: &[&str], tail: &[u8]) -> Self {
        let bytes = parts.iter().map(|part| part.len() + 1).sum::<usize>();
        let mut out = BytesMut::with_capacity(1 + bytes + tail.len());
        out.put_u8(table as u8);
        for part in parts {
            assert!(part.len() < 1024, "a key part is a prepared JID part, at most 1023 bytes");
            out.put_slice(part.as_bytes());
            assert!(!part.as_bytes().contains(&TERMINATOR), "a prepared JID part holds no control character");
            out.put_u8(TERMINATOR);
        }
        out.put_slice(tail);
        Self(out.freeze())
    }

    /// Returns the tail behind `parts` parts; nothing when there are fewer parts.
    pub fn tail(&self, parts: usize) -> Option<&[u8]> {
        let mut rest = self.0.get(1..)?;
        for _ in 0..parts {
            let end = rest.iter().position(|byte| *byte == TERMINATOR)?;
            rest = rest.get(end + 1..)?;
        }
        Some(rest)
    }

    /// Creates a key from stored bytes.
    pub const fn from_bytes(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// Returns the smallest key that is greater than every key that continues this one, which has no tail.
    ///
    /// The last terminator is raised by one: no part holds control characters, so nothing lies between.
    #[must_use]
    pub fn prefix_end(&self) -> Self {
        let mut out = BytesMut::from(self.0.as_ref());
        if let Some(last) = out.last_mut() {
            *last = last.saturating_add(1);
        }
        Self(out.freeze())
    }

    /// Returns the smallest key that is greater than every key of this one's table.
    #[must_use]
    pub fn table_end(&self) -> Self {
        let table = self.0.first().copied().unwrap_or_default();
        Self(Bytes::copy_from_slice(&[table.saturating_add(1)]))
    }

    /// Returns the next key: nothing lies between the two.
    #[must_use]
    pub fn next(&self) -> Self {
        let mut out = BytesMut::from(self.0.as_ref());
        out.put_u8(0);
        Self(out.freeze())
    }

    /// Returns the bytes as they are stored.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the parts after the table byte.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0
            .get(1..)
            .unwrap_or_default()
            .split_inclusive(|byte| *byte == TERMINATOR)
            .filter_map(|part| core::str::from_utf8(part.strip_suffix(&[TERMINATOR])?).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_back_and_do_not_run_into_each_other() {
        let key = Key::new(Table::Account, &["a.example", "bob"]);
        assert_eq!(key.parts().collect::<Vec<_>>(), ["a.example", "bob"]);
        assert_ne!(Key::new(Table::Account, &["ab", "c"]), Key::new(Table::Account, &["a", "bc"]));
    }

    #[test]
    fn a_domain_range_holds_its_accounts_and_no_others() {
        let from = Key::new(Table::Account, &["a.example"]);
        let to = from.prefix_end();
        let inside = |key: &Key| *key >= from && *key < to;
        assert!(inside(&Key::new(Table::Account, &["a.example", "\u{10ffff}"])));
        assert!(inside(&Key::new(Table::Account, &["a.example", ""])));
        assert!(inside(&Key::new(Table::Account, &["a.example", "!"])));
        assert!(!inside(&Key::new(Table::Account, &["a.example2", "bob"])));
        assert!(!inside(&Key::new(Table::Account, &["a.exampl", "bob"])));
    }

    #[test]
    fn keys_order_like_their_texts() {
        let key = |local: &str| Key::new(Table::Account, &["a.example", local]);
        assert!(key("bob") < key("bob2"));
        assert!(key("bob2") < key("bobby"));
        assert!(key("bob").prefix_end() < key("bob2"));
    }
}
