//! How the writes of an account come together, and which of them say that something is gone or allowed.
//!
//! Rests on the replication rules R4 (removals) and R6 (siblings).

use super::life::Cells;
use super::state::Account;
use super::{CellName, Change, Lives, Status, Value};
use crate::replica::{Applied, Dot, Dotted, Guarded, Replica, Vector};

impl Replica for Account {
    type Delta = Change;

    fn apply(&mut self, delta: &Change) -> Applied {
        let Change { cell, lives, entry } = delta;
        let own = self.own(cell, *lives);
        let contact = self.contact_of(cell, *lives);
        let cells = self.lives.or_default(own);
        if let Some((contact, part)) = contact {
            let kept = cells.contacts.entry(contact.clone()).or_default();
            return kept.change((self.met.get(contact), &self.caps), |contact| contact.apply(part, entry));
        }
        match (cell, &entry.value) {
            (CellName::Status, Value::Status(value)) => cells.status.apply(entry.with(*value)),
            (CellName::Credentials, Value::Credentials(value)) => {
                cells.credentials.apply(entry.with(value.clone()))
            }
            (CellName::Prefs, Value::Prefs(value)) => cells.prefs.apply(entry.with(value.clone())),
            (CellName::Mark, Value::Mark(value)) => cells.mark.apply(entry.with(value.clone())),
            (CellName::Block(jid), Value::Block(value)) => {
                cells.blocks.entry(jid.clone()).or_default().apply(entry.with(*value))
            }
            (cell, value) => {
                panic!("{value:?} is of another cell than {cell:?}: neither written nor decoded")
            }
        }
    }

    fn is_removal(&self, change: &Change) -> bool {
        let own = self.own(&change.cell, change.lives);
        let living = |life| self.lives.get(&Some(life)).is_some_and(Cells::is_living);
        own.is_some_and(|life| !living(life)) || change.is_off()
    }

    fn collect(&mut self, floor: &Vector) {
        let (owner, met, caps) = (&self.owner, &self.met, &self.caps);
        self.lives.retain(|life, cells| {
            let mut all = Vec::new();
            // One that has not begun, whose beginning everybody has, has been dropped before.
            if let Some(life) = life.filter(|life| floor.covers(life.uid) && !cells.is_living()) {
                cells.deltas(owner, Some(life), &mut all);
                if all.iter().all(|change| floor.covers(change.dot())) {
                    return false;
                }
            }
            cells.collect(floor, met, caps);
            !cells.is_empty()
        });
    }

    fn forget(&mut self, gone: &dyn Fn(Dot) -> bool) {
        let (met, caps) = (&self.met, &self.caps);
        self.lives.retain(|_, cells| {
            cells.forget(gone, met, caps);
            !cells.is_empty()
        });
    }

    fn deltas(&self) -> Vec<Change> {
        let mut all = Vec::new();
        for (life, cells) in self.lives.iter() {
            cells.deltas(&self.owner, *life, &mut all);
        }
        all
    }
}

impl Guarded for Account {
    type Cell = (CellName, Lives);

    fn cell(change: &Change) -> Option<Self::Cell> {
        Some((change.cell.clone(), change.lives))
    }

    fn is_permissive(change: &Change) -> bool {
        match &change.entry.value {
            Value::Status(status) => *status == Status::Active,
            Value::Credentials(_) => true,
            Value::Allow(on) => *on,
            Value::Block(on) => !on,
            // Who wants somebody's presence gets none by that.
            Value::Item(_) | Value::Want(_) | Value::Prefs(_) | Value::Mark(_) => false,
        }
    }

    fn live(&self, (cell, lives): &Self::Cell) -> Vec<Dot> {
        let mut changes = Vec::new();
        let own = self.own(cell, *lives);
        if let Some(cells) = self.lives.get(&own) {
            self.add_cell(cell, (own, cells), &mut changes);
        }
        changes.iter().filter(|change| change.lives == *lives).map(Dotted::dot).collect()
    }

    fn had_seen(change: &Change, dot: Dot) -> bool {
        change.entry.context.hides(dot)
    }
}

impl Change {
    /// Returns whether it only says that something is gone.
    fn is_off(&self) -> bool {
        match &self.entry.value {
            Value::Item(item) => !item.present,
            Value::Want(want) => !want.on,
            Value::Allow(on) | Value::Block(on) => !on,
            Value::Status(_) | Value::Credentials(_) | Value::Prefs(_) | Value::Mark(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{any, bare};
    use super::*;
    use crate::replica::law::laws;
    use crate::replica::{Account, Caps, CellName, Dots, Hlc, Item, Origin, Value};

    laws!(an_account_keeps_the_laws, Account, |account: &Account, dot, hlc, u| {
        let (cell, value) = any(u)?;
        Ok(account.write(cell, dot, hlc, value))
    });

    #[test]
    fn a_removal_that_everybody_has_is_dropped_and_not_undone_by_who_still_has_it() {
        let contact = bare("bob@a.example");
        let item = |present| Value::Item(Item { name: None, groups: Vec::new(), present });
        let (name, mut here) = (CellName::Item(contact.clone()), Account::default());
        here.begin();
        let mut dots = Dots::new(Origin { node: 1, start: 1, random: 0 });
        for present in [true, false] {
            here.apply(&here.write(name.clone(), dots.take(), Hlc::default(), item(present)));
        }
        let mut there = here.clone();
        let mut floor = Vector::new();
        floor.count(dots.origin().dot(1));
        here.collect(&floor);
        assert!(here.row(&name).is_some(), "not everybody has the removal");
        floor.count(dots.origin().dot(2));
        here.collect(&floor);
        assert_eq!((here.row(&name), here.contacts().count()), (None, 0));
        // Elsewhere it is not dropped yet when the next write comes.
        here.heed(&Caps::new(), &floor.to_context());
        let again =
            here.write(name, Origin { node: 2, start: 1, random: 0 }.dot(1), Hlc::default(), item(true));
        here.apply(&again);
        there.apply(&again);
        assert_eq!(here.deltas(), there.deltas());
    }
}
