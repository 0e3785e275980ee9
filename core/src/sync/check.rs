//! For tests: whether the index of a store says what its rows say.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use minicbor::Decode;

use super::group::Groups;
use super::held::{Covered, VectorRecord};
use super::index::{Found, indexed};
#[cfg(test)]
use crate::archive;
use crate::exchange::{GroupId, GroupKind};
use crate::jid::BareJid;
use crate::replica::{Account, CellName, Context, Dot, Entry, Lives, Origin, Replica as _, Vector};
use crate::store::{Key, Row, Rows, StoreQuery, Table};

/// An entry, by what tells it from all others.
type Named = (String, GroupKind, Dot);

/// How many rows of the index tell of what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// Messages.
    pub(crate) letters: usize,
    /// Writes of cells.
    pub(crate) cells: usize,
    /// Writes of large cells.
    pub(crate) large: usize,
    /// Writes that failed.
    pub(crate) void: usize,
    /// Messages that are in nobody's log: they are of lives that do not count.
    pub(crate) unnamed: usize,
}

#[derive(Decode)]
struct Blob {
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    _value: Vec<u8>,
}

fn rows(store: &Rows, table: Table) -> Vec<Row> {
    let from = Key::new(table, &[]);
    let to = from.table_end();
    store.query(&StoreQuery::Range { from, to, limit: u32::MAX })
}

fn owner(key: &Key) -> BareJid {
    archive::owner_of(key).unwrap()
}

/// Returns the live writes of cells, as what the index should say of them.
fn cells(store: &Rows) -> BTreeMap<Named, Found> {
    let mut all = BTreeMap::<(BareJid, CellName, Lives), Vec<(Dot, Context)>>::new();
    for row in rows(store, Table::Cell) {
        let owner = owner(&row.key);
        let parts: Vec<&str> = row.key.parts().skip(2).collect();
        let cell = CellName::parse(&owner, &parts).unwrap();
        let account = Account::read(owner.clone(), [(cell, &*row.value)]).unwrap();
        for change in account.deltas() {
            let whose = match &change.cell {
                CellName::Want { subscriber, .. } | CellName::Allow { subscriber, .. } => subscriber.clone(),
                CellName::Status
                | CellName::Credentials
                | CellName::Item(_)
                | CellName::Block(_)
                | CellName::Prefs
                | CellName::Mark => owner.clone(),
            };
            let entry = (change.entry.dot, change.entry.context);
            all.entry((whose, change.cell, change.lives)).or_default().push(entry);
        }
    }
    let mut live = BTreeMap::new();
    for ((owner, cell, _), entries) in all {
        // Of an edge, the end that is gone may not have heard of the last write.
        for (dot, _) in entries.iter().filter(|(dot, _)| entries.iter().all(|(_, seen)| !seen.hides(*dot))) {
            let name = (cell.group(&owner).to_owned(), GroupKind::Cells, *dot);
            live.insert(name, Found::Cell { owner: owner.clone(), cell: cell.clone() });
        }
    }
    live
}

fn large(store: &Rows) -> BTreeMap<Named, Found> {
    let mut live = BTreeMap::new();
    for row in rows(store, Table::Large) {
        let owner = owner(&row.key);
        let parts: Vec<&str> = row.key.parts().collect();
        let (kind, name) = (parts[2], parts[3]);
        for entry in row.decode::<Vec<Entry<Blob>>>().unwrap() {
            let found = Found::Large { owner: owner.clone(), kind: kind.into(), name: name.into() };
            live.insert((owner.domain().to_owned(), GroupKind::Cells, entry.dot), found);
        }
    }
    live
}

/// Returns in whose logs each message is, and under which dot.
fn letters(store: &Rows) -> BTreeMap<Named, BTreeSet<(Dot, BareJid)>> {
    let mut logs = BTreeMap::<_, BTreeSet<_>>::new();
    for row in rows(store, Table::Message) {
        let domain = row.key.parts().next().unwrap().to_owned();
        logs.entry((domain, GroupKind::Logs, Dot::from_bytes(row.key.tail(1).unwrap()).unwrap()))
            .or_default();
    }
    let mut add = |key: &Key, entry: archive::Entry| {
        let owner = owner(key);
        let name = (entry.domain(&owner).to_owned(), GroupKind::Logs, entry.message);
        let held = logs.get_mut(&name).unwrap_or_else(|| panic!("{owner} has {name:?}, which is not there"));
        held.insert((archive::place_of(key).unwrap().dot, owner));
    };
    for row in rows(store, Table::Log) {
        add(&row.key, row.decode().unwrap());
    }
    for row in rows(store, Table::Owed) {
        let archive::Held(alone) = row.decode().unwrap();
        if let Some(entry) = alone {
            add(&row.key, entry);
        }
    }
    logs
}

/// Returns what the store says is held: there are no gaps, as what was not written is told, too.
fn held(store: &Rows) -> BTreeMap<(String, GroupKind, Origin), u64> {
    let read = |row: &Row| {
        let Covered { domain, group, origin } = Covered::of(&row.key).unwrap();
        let VectorRecord { prefix, singles, loose } = row.decode().unwrap();
        assert_eq!((singles, loose), (Vec::new(), None), "{origin:?} has a gap behind {prefix}");
        ((domain.to_owned(), group.unwrap().0, origin), prefix)
    };
    rows(store, Table::Vector).iter().map(read).collect()
}

impl Groups {
    /// Returns how many entries of others wait or have failed, and their bytes, counted anew.
    ///
    /// # Panics
    ///
    /// When others were counted.
    pub(crate) fn held_back(&self) -> (usize, usize) {
        self.waiting.recount()
    }

    /// Returns whether a dot is on the disk.
    pub(crate) fn is_durable(&self, group: GroupId, dot: Dot) -> bool {
        self.by.get(&group).is_some_and(|state| state.durable.covers(dot))
    }
}

impl Groups {
    /// Returns what is on the disk of a group.
    pub(crate) fn held(&self, group: GroupId) -> Vector {
        self.by.get(&group).map(|state| state.durable.clone()).unwrap_or_default()
    }

    /// Bounds what may still be told without a look into the index.
    pub(crate) fn bound_ring(&mut self, bytes: usize) {
        self.ring.max = bytes;
    }
}

/// Returns which messages name which others as their past, in the order of their dots.
pub(crate) fn pasts(store: &Rows) -> Vec<(Dot, Vec<Dot>)> {
    let read = |row: &Row| match (indexed(&row.key), row.decode().unwrap()) {
        (Some((_, _, _, dot)), Found::Letter(letter)) => Some((dot, letter.past)),
        (
            _,
            Found::Letter(_) | Found::Cell { .. } | Found::Large { .. } | Found::Void | Found::Unknown { .. },
        ) => None,
    };
    rows(store, Table::Dot).iter().filter_map(read).collect()
}

/// Compares the index with the rows that it tells of.
///
/// # Panics
///
/// When they differ.
pub(crate) fn agree(store: &Rows) -> Told {
    let mut told = Told::default();
    let mut live: BTreeMap<Named, Found> = cells(store);
    live.extend(large(store));
    let (mut letters, held) = (letters(store), held(store));
    for row in rows(store, Table::Dot) {
        let (domain, kind, _, dot) = indexed(&row.key).unwrap();
        let name = (domain.to_owned(), kind, dot);
        let found: Found = row.decode().unwrap();
        let last = dot.seq + u64::from(found.span()) - 1;
        let prefix = held.get(&(name.0.clone(), kind, dot.origin)).copied().unwrap_or_default();
        assert!(last <= prefix, "{name:?} is not counted: {prefix}");
        match &found {
            Found::Void => {
                told.void += 1;
                assert!(!live.contains_key(&name) && !letters.contains_key(&name), "{name:?} is no void");
                continue;
            }
            Found::Unknown { .. } => continue,
            Found::Letter(letter) => {
                told.letters += 1;
                let has = letters.remove(&name).unwrap_or_else(|| panic!("no message {name:?}"));
                let parties = letter.parties.sender.iter().chain(&letter.parties.recipient);
                let named: Vec<_> = (dot.seq..).map(|seq| dot.origin.dot(seq)).zip(parties).collect();
                // One of two archives may have let go of it.
                for (place, owner) in &has {
                    let known = named.iter().any(|(dot, party)| dot == place && party.account == *owner);
                    assert!(known, "{name:?} is in the log of {owner}: {letter:?}");
                }
                told.unnamed += usize::from(has.is_empty());
                continue;
            }
            Found::Cell { .. } => told.cells += 1,
            Found::Large { .. } => told.large += 1,
        }
        assert_eq!(live.remove(&name), Some(found), "{name:?}");
    }
    assert!(live.is_empty(), "not in the index: {live:?}");
    assert!(letters.is_empty(), "not in the index: {letters:?}");
    told
}

#[test]
fn a_row_that_is_missing_or_too_many_is_found() {
    let index = |dot: Dot| super::index::index_key("x.example", (GroupKind::Logs, 0), dot);
    let dot = Origin { node: 1, start: 1, random: 1 }.dot(1);
    let message = crate::store::StoreBatch::new()
        .put(archive::message_key("x.example", dot), Bytes::from_static(&[1, 0x82, 0x40, 0x40]));
    let void = crate::store::StoreBatch::new().put(index(dot), crate::store::encode(&Found::Void));
    for batch in [message, void] {
        let mut store = Rows::new();
        store.apply(&batch);
        assert!(std::panic::catch_unwind(|| agree(&store)).is_err(), "{batch:?}");
    }
}
