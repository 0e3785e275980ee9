//! The writes of an account: making them, and the rows that keep them.
//!
//! Rests on the replication rules R6 (siblings) and R9 (identity of names).

use std::collections::BTreeMap;

use bytes::Bytes;

use super::contact::{Contact, Part};
use super::life::{self, Cells};
use super::name::End;
use super::state::Account;
use super::{CellName, Life, Lives, RowError, Status, Value, row};
use crate::jid::BareJid;
use crate::replica::{Caps, Context, Dot, Dotted, Entry, Hlc, Replica as _};

/// One write of an account, as it travels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which cell.
    pub cell: CellName,
    /// Of whose lives.
    pub lives: Lives,
    /// What was written.
    pub entry: Entry<Value>,
}

impl Account {
    /// Makes the write of a node that holds this; it has to be applied here, and an edge at its other end, too.
    ///
    /// # Panics
    ///
    /// When the value is that of another cell, or the cell that of other people's edge.
    pub fn write(&self, cell: CellName, dot: Dot, hlc: Hlc, value: Value) -> Change {
        self.write_between(None, cell, (dot, hlc), value)
    }

    /// [`Account::write`] where the account is known that is at the other end of an edge.
    ///
    /// # Panics
    ///
    /// As [`Account::write`] does.
    pub fn write_between(
        &self,
        other: Option<&Self>,
        cell: CellName,
        (dot, hlc): (Dot, Hlc),
        value: Value,
    ) -> Change {
        assert!(
            value.is_of(&cell) && cell.is_of(&self.owner),
            "a cell of the account, and what stands in it"
        );
        let mut lives = self.lives_of(&cell, (dot, hlc), &value);
        if let (Some((end, _)), Some(other)) = (cell.contact_of(&self.owner), other) {
            lives = end.lives(self.life(), other.life());
        }
        let context = self.seen(&cell, lives);
        Change { cell, lives, entry: Entry { dot, hlc, context, value } }
    }

    /// Returns whose lives a write names that is made now.
    fn lives_of(&self, cell: &CellName, (dot, hlc): (Dot, Hlc), value: &Value) -> Lives {
        let own = self.life();
        let Some((end, contact)) = cell.contact_of(&self.owner) else {
            let born = || Some(Life { uid: dot, born: hlc });
            let last = || self.lives.keys().copied().flatten().max_by_key(|life| (life.born, life.uid));
            let first = match value {
                Value::Status(Status::Deleted) => own.or_else(last).or_else(born),
                Value::Status(_) if self.living().next().is_none() => born(),
                Value::Status(_)
                | Value::Credentials(_)
                | Value::Item(_)
                | Value::Want(_)
                | Value::Allow(_)
                | Value::Block(_)
                | Value::Prefs(_)
                | Value::Mark(_) => own,
            };
            return Lives { first, second: None };
        };
        let known = self.shown().and_then(|cells| cells.contacts.get(contact));
        let met = self.met.get(contact);
        let other = known.map_or_else(|| met.and_then(|met| met.current), |known| known.life(met));
        end.lives(own, other)
    }

    /// Encodes all live writes of a cell; nothing when nobody has written it.
    pub fn row(&self, cell: &CellName) -> Option<Bytes> {
        let mut changes = Vec::new();
        for (life, cells) in self.lives.iter() {
            self.add_cell(cell, (*life, cells), &mut changes);
        }
        row::write(&changes)
    }

    /// Returns the live writes of a cell in all lives.
    pub fn written(&self, cell: &CellName) -> Vec<Dot> {
        let mut changes = Vec::new();
        for (life, cells) in self.lives.iter() {
            self.add_cell(cell, (*life, cells), &mut changes);
        }
        changes.iter().map(Dotted::dot).collect()
    }

    /// Adds the live writes of one cell in one life.
    pub(super) fn add_cell(
        &self,
        cell: &CellName,
        (life, cells): (Option<Life>, &Cells),
        all: &mut Vec<Change>,
    ) {
        let lives = Lives { first: life, second: None };
        match cell {
            CellName::Status => life::each(all, (cell, lives), &cells.status, Value::Status),
            CellName::Credentials => life::each(all, (cell, lives), &cells.credentials, Value::Credentials),
            CellName::Prefs => life::each(all, (cell, lives), &cells.prefs, Value::Prefs),
            CellName::Mark => life::each(all, (cell, lives), &cells.mark, Value::Mark),
            CellName::Block(jid) => {
                if let Some(block) = cells.blocks.get(jid) {
                    life::each(all, (cell, lives), block, Value::Block);
                }
            }
            CellName::Item(contact) => {
                if let Some(kept) = cells.contacts.get(contact) {
                    life::each(all, (cell, lives), &kept.open().item, Value::Item);
                }
            }
            CellName::Want { .. } | CellName::Allow { .. } => {
                let Some((end, contact)) = cell.contact_of(&self.owner) else { return };
                let Some(kept) = cells.contacts.get(contact) else { return };
                for (other, ends) in kept.open().edges.iter() {
                    let (edge, lives) = (ends.edge(end), end.lives(life, *other));
                    if matches!(cell, CellName::Want { .. }) {
                        life::each(all, (cell, lives), &edge.want, Value::Want);
                    } else {
                        life::each(all, (cell, lives), &edge.allow, Value::Allow);
                    }
                }
            }
        }
    }

    /// Reads the writes in a row of a cell, of all lives.
    ///
    /// # Errors
    ///
    /// [`RowError`] when the bytes are no row of this cell.
    pub fn changes(cell: &CellName, bytes: &[u8]) -> Result<Vec<Change>, RowError> {
        row::read(cell, bytes)
    }

    /// Reads a row back.
    ///
    /// # Errors
    ///
    /// [`RowError`] when the bytes are no row of this cell; nothing is changed.
    pub fn load(&mut self, cell: &CellName, bytes: &[u8]) -> Result<(), RowError> {
        for change in row::read(cell, bytes)? {
            self.apply(&change);
        }
        Ok(())
    }

    /// Reads all rows of an account back: each contact is put together once and not with each of its rows.
    ///
    /// # Errors
    ///
    /// [`RowError`] when a row is none of its cell.
    pub fn read<'a>(
        owner: BareJid,
        rows: impl IntoIterator<Item = (CellName, &'a [u8])>,
    ) -> Result<Self, RowError> {
        let mut account = Self::new(owner);
        let mut contacts = BTreeMap::<_, Contact>::new();
        for (cell, bytes) in rows {
            for change in row::read(&cell, bytes)? {
                match account.contact_of(&cell, change.lives) {
                    Some((contact, part)) => {
                        let own = account.own(&cell, change.lives);
                        contacts.entry((own, contact.clone())).or_default().apply(part, &change.entry);
                    }
                    None => _ = account.apply(&change),
                }
            }
        }
        for ((life, jid), contact) in contacts {
            account.lives.or_default(life).contacts.insert(jid, contact.keep(None, &Caps::new()));
        }
        Ok(account)
    }

    /// Returns what the writer of a cell has seen of it.
    pub fn seen(&self, cell: &CellName, lives: Lives) -> Context {
        let mut changes = Vec::new();
        let own = self.own(cell, lives);
        if let Some(cells) = self.lives.get(&own) {
            self.add_cell(cell, (own, cells), &mut changes);
        }
        let mut context = Context::default();
        for change in changes.iter().filter(|change| change.lives == lives) {
            context.join(&change.entry.context);
            context.see(change.entry.dot);
        }
        if context.is_empty() { self.floor.clone() } else { context }
    }

    /// Returns which of the lives that a write names is one of this account.
    pub(super) fn own(&self, cell: &CellName, lives: Lives) -> Option<Life> {
        cell.contact_of(&self.owner).map_or(lives.first, |(end, _)| end.of(lives).0)
    }

    /// Returns which contact a write is of, if of any, and which part of what is known of them.
    pub(super) fn contact_of<'a>(&self, cell: &'a CellName, lives: Lives) -> Option<(&'a BareJid, Part)> {
        match cell {
            CellName::Item(contact) => Some((contact, Part::Item)),
            CellName::Want { .. } | CellName::Allow { .. } => {
                let (end, contact) = cell.contact_of(&self.owner)?;
                Some((contact, Part::Edge(end, end.of(lives).1)))
            }
            CellName::Status
            | CellName::Credentials
            | CellName::Prefs
            | CellName::Mark
            | CellName::Block(_) => None,
        }
    }
}

impl End {
    /// Returns the lives as an edge names them, from the own and the other one.
    const fn lives(self, own: Option<Life>, other: Option<Life>) -> Lives {
        match self {
            Self::Towards => Lives { first: own, second: other },
            Self::Back => Lives { first: other, second: own },
        }
    }

    /// Returns the own and the other life that an edge names.
    const fn of(self, Lives { first, second }: Lives) -> (Option<Life>, Option<Life>) {
        match self {
            Self::Towards => (first, second),
            Self::Back => (second, first),
        }
    }
}

impl Dotted for Change {
    fn dot(&self) -> Dot {
        self.entry.dot
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::any;
    use super::*;
    use crate::replica::{Dots, Origin};

    #[test]
    fn what_was_stored_row_by_row_comes_back() {
        arbtest::arbtest(|u| {
            let mut replicas = [Account::default(), Account::default()];
            let mut dots = [1, 2].map(|node| Dots::new(Origin { node, start: 1, random: 0 }));
            for _ in 0..u.int_in_range(0..=12)? {
                let at = u.choose_index(2)?;
                let (cell, value) = any(u)?;
                let change = replicas[at].write(cell, dots[at].take(), Hlc::default(), value);
                replicas[at].apply(&change);
            }
            let [mut account, other] = replicas;
            account.merge(&other);
            let mut loaded = Account::default();
            for change in account.deltas() {
                let row = account.row(&change.cell).expect("it has a live write");
                assert_eq!(loaded.load(&change.cell, &row), Ok(()));
                let cut = row.slice(..row.len() - 1);
                assert_eq!(loaded.clone().load(&change.cell, &cut), Err(RowError::Damaged));
            }
            assert_eq!(loaded, account);
            Ok(())
        });
    }

    #[test]
    fn a_row_of_a_later_format_or_of_another_cell_is_refused() {
        let mut account = Account::default();
        let dot = Origin { node: 1, start: 1, random: 0 }.dot(1);
        let status = account.write(CellName::Status, dot, Hlc::default(), Value::Status(Status::Active));
        account.apply(&status);
        let row = account.row(&CellName::Status).unwrap();
        assert_eq!(account.load(&CellName::Credentials, &row), Err(RowError::Damaged));
        assert_eq!(account.load(&CellName::Status, &[9]), Err(RowError::Format(9)));
        assert_eq!(account.load(&CellName::Status, &[]), Err(RowError::Damaged));
        let longer = [&row[..], &[0]].concat();
        assert_eq!(account.load(&CellName::Status, &longer), Err(RowError::Damaged));
    }
}
