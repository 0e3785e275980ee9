//! How a node writes to an account: whose lives the write names, and what its author has seen.
//!
//! Rests on the replication rules R6 (siblings), R9 (identity of names) and R10 (subscriptions).

use super::life::{self, Cells};
use super::name::End;
use super::{Account, CellName, Change, Life, Lives, Status, Value};
use crate::replica::{Context, Dot, Entry, Hlc};

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
                | Value::Prefs(_) => own,
            };
            return Lives { first, second: None };
        };
        let known = self.shown().and_then(|cells| cells.contacts.get(contact));
        let met = self.met.get(contact);
        let other = known.map_or_else(|| met.and_then(|met| met.current), |known| known.life(met));
        end.lives(own, other)
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
            CellName::Block(jid) => {
                if let Some(block) = cells.blocks.get(jid) {
                    life::each(all, (cell, lives), block, Value::Block);
                }
            }
            CellName::Item(contact) => {
                if let Some(contact) = cells.contacts.get(contact) {
                    life::each(all, (cell, lives), &contact.item, Value::Item);
                }
            }
            CellName::Want { .. } | CellName::Allow { .. } => {
                let Some((end, contact)) = cell.contact_of(&self.owner) else { return };
                let Some(contact) = cells.contacts.get(contact) else { return };
                for (other, ends) in &contact.edges {
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
}

impl End {
    /// Returns the lives as an edge names them, from the own and the other one.
    pub(super) const fn lives(self, own: Option<Life>, other: Option<Life>) -> Lives {
        match self {
            Self::Towards => Lives { first: own, second: other },
            Self::Back => Lives { first: other, second: own },
        }
    }

    /// Returns the own and the other life that an edge names.
    pub(super) const fn of(self, Lives { first, second }: Lives) -> (Option<Life>, Option<Life>) {
        match self {
            Self::Towards => (first, second),
            Self::Back => (second, first),
        }
    }
}
