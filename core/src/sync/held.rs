//! How much is held of each origin, as it is stored.
//!
//! Rests on the replication rules R2 (vectors are certified).

use bytes::Bytes;
use minicbor::{Decode, Encode};

use crate::exchange::GroupKind;
use crate::replica::Origin;
use crate::store::{Key, Row, StoreError, Table, encode};

/// What is held of one origin in one group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(super) struct VectorRecord {
    /// Everything up to this number.
    #[n(0)]
    pub(super) prefix: u64,
    /// Numbers beyond it.
    #[n(1)]
    pub(super) singles: Vec<u64>,
    /// Up to which number there may be entries beyond that are held and not counted.
    #[n(2)]
    pub(super) loose: Option<u64>,
}

/// Of what a row says how much is held.
pub(super) struct Covered<'a> {
    /// The domain.
    pub(super) domain: &'a str,
    /// Kind and shard; nothing in a row of a node that was alone, which is about everything of the domain.
    pub(super) group: Option<(GroupKind, u16)>,
    /// Who has written it.
    pub(super) origin: Origin,
}

impl<'a> Covered<'a> {
    /// Reads a key; nothing when it is no such key.
    pub(super) fn of(key: &'a Key) -> Option<Self> {
        let mut parts = key.parts();
        let domain = parts.next()?;
        if let Some(origin) = Origin::from_bytes(key.tail(1)?) {
            return Some(Self { domain, group: None, origin });
        }
        let kind = parts.next()?;
        let kind = GroupKind::ALL.into_iter().find(|known| known.name() == kind)?;
        let (shard, origin) = key.tail(2)?.split_first_chunk::<2>()?;
        let origin = Origin::from_bytes(origin)?;
        Some(Self { domain, group: Some((kind, u16::from_be_bytes(*shard))), origin })
    }
}

/// Returns the key under which stands how much is held of one origin.
pub(super) fn vector_key(domain: &str, (kind, shard): (GroupKind, u16), origin: Origin) -> Key {
    let mut tail = [0; 14];
    tail[..2].copy_from_slice(&shard.to_be_bytes());
    tail[2..].copy_from_slice(&origin.to_bytes());
    Key::with_tail(Table::Vector, &[domain, kind.name()], &tail)
}

/// Returns the rows of a cluster that say what one row of a node that was alone says; nothing for another row.
///
/// # Errors
///
/// [`StoreError::Damaged`] when it is none.
pub(crate) fn shared_rows(row: &Row) -> Result<Vec<(Key, Bytes)>, StoreError> {
    let Covered { domain, group, origin } = Covered::of(&row.key).ok_or(StoreError::Damaged)?;
    if group.is_some() {
        return Ok(Vec::new());
    }
    let record = encode(&VectorRecord { prefix: row.decode()?, ..VectorRecord::default() });
    let of = |kind| (vector_key(domain, (kind, 0), origin), record.clone());
    Ok(GroupKind::ALL.map(of).into())
}

/// Returns the keys between which all of it stands.
pub(crate) fn vector_range() -> (Key, Key) {
    let from = Key::new(Table::Vector, &[]);
    let to = from.table_end();
    (from, to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_a_node_that_was_alone_is_about_all_groups() {
        // Zeros in an origin end no part.
        let origin = Origin { node: 0, start: 1, random: 0x6300_0000 };
        let alone = Key::with_tail(Table::Vector, &["x.example"], &origin.to_bytes());
        let read = |key: &Key| Covered::of(key).map(|row| (row.domain.to_owned(), row.group, row.origin));
        assert_eq!(read(&alone), Some(("x.example".into(), None, origin)));
        for kind in GroupKind::ALL {
            let key = vector_key("x.example", (kind, 3), origin);
            assert_eq!(read(&key), Some(("x.example".into(), Some((kind, 3)), origin)));
        }
        let (from, to) = vector_range();
        assert!(from < alone && alone < to);
    }
}
