//! Where the rows of an archive stand.

use crate::jid::BareJid;
use crate::replica::{Dot, Hlc, Place};
use crate::store::{Key, Table};

use super::EntryId;

/// Parts of a key before its tail.
const OWNER_PARTS: usize = 2;

/// Returns the key of a message, which is stored once.
pub(crate) fn message_key(domain: &str, message: Dot) -> Key {
    Key::with_tail(Table::Message, &[domain], &message.to_bytes())
}

/// Returns the key of an entry in the archive of `owner`.
pub(crate) fn log_key(owner: &BareJid, place: Place) -> Key {
    Key::with_tail(Table::Log, &parts(owner), &place.to_bytes())
}

/// Returns the key that says where the entry `id` stands.
pub(crate) fn id_key(owner: &BareJid, id: EntryId) -> Key {
    Key::with_tail(Table::LogId, &parts(owner), id.as_bytes())
}

/// Returns the key of a message that `owner` has not been given.
pub(crate) fn owed_key(owner: &BareJid, place: Place) -> Key {
    Key::with_tail(Table::Owed, &parts(owner), &place.to_bytes())
}

/// Returns the keys between which the entries of `owner` stand that are not older than `floor`.
pub(crate) fn log_range(owner: &BareJid, floor: Hlc) -> (Key, Key) {
    range(Table::Log, owner, floor)
}

/// Returns the keys between which the messages stand that `owner` has not been given and that are not older than `floor`.
pub(crate) fn owed_range(owner: &BareJid, floor: Hlc) -> (Key, Key) {
    range(Table::Owed, owner, floor)
}

/// Returns the keys between which everything of `owner` stands that is known of the archive as a whole.
pub(crate) fn table_range(owner: &BareJid) -> (Key, Key) {
    let from = Key::new(Table::Archive, &parts(owner));
    let to = from.prefix_end();
    (from, to)
}

/// Returns the key of what an archive holds.
pub(super) fn counts_key(owner: &BareJid) -> Key {
    let [domain, local] = parts(owner);
    Key::new(Table::Archive, &[domain, local, "c"])
}

/// Returns the key of the stamp from which on an archive is kept.
pub(crate) fn floor_key(owner: &BareJid) -> Key {
    let [domain, local] = parts(owner);
    Key::new(Table::Archive, &[domain, local, "f"])
}

/// Returns the key of one of the rows that say what `owner` has sent lately.
pub(super) fn sent_key(owner: &BareJid, row: usize) -> Key {
    let [domain, local] = parts(owner);
    Key::new(Table::Archive, &[domain, local, "s", &row.to_string()])
}

/// Reads whose archive a key is about.
pub(crate) fn owner_of(key: &Key) -> Option<BareJid> {
    let mut parts = key.parts();
    let (domain, local) = (parts.next()?, parts.next()?);
    BareJid::parse(&format!("{local}@{domain}")).ok()
}

/// Reads the place in the key of an entry or of an owed message.
pub(crate) fn place_of(key: &Key) -> Option<Place> {
    Place::from_bytes(key.tail(OWNER_PARTS)?)
}

fn parts(owner: &BareJid) -> [&str; 2] {
    [owner.domain(), owner.local().unwrap_or_default()]
}

fn range(table: Table, owner: &BareJid, floor: Hlc) -> (Key, Key) {
    let to = Key::new(table, &parts(owner)).prefix_end();
    (Key::with_tail(table, &parts(owner), &floor.to_bytes()), to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replica::Origin;

    #[test]
    fn keys_order_as_places_do_and_give_them_back() {
        let owner = BareJid::parse("a@x.example").unwrap();
        let mut places = Vec::new();
        for millis in [i64::MIN, -1, 0, 1, 1_700_000_000_000] {
            for count in [0, 7, u32::MAX] {
                for seq in [1, 300] {
                    let dot = Origin { node: 1, start: 2, random: u32::MAX }.dot(seq);
                    let hlc = Hlc { millis, count };
                    places.push(Place::new(hlc, Some(Hlc { millis: 5, count: 0 }), dot));
                }
            }
        }
        for one in &places {
            assert_eq!(place_of(&log_key(&owner, *one)), Some(*one));
            for other in &places {
                assert_eq!(log_key(&owner, *one).cmp(&log_key(&owner, *other)), one.cmp(other));
                assert_eq!(
                    log_key(&owner, *one) >= log_range(&owner, other.capped).0,
                    one.capped >= other.capped
                );
            }
        }
    }
}
