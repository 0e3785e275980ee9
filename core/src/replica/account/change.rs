//! How the state of an account grows: by writes of its cells, in whatever order they come, and by what is dropped.
//!
//! Rests on the replication rules R4 (removals, and which writes give somebody a right) and R6 (siblings).

use super::life::Cells;
use super::name::End;
use super::{Account, CellName, Life, Lives, Status, Value};
use crate::jid::BareJid;
use crate::replica::{Applied, Dot, Dotted, Edge, Entry, Guarded, Replica, Vector};

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

impl Replica for Account {
    type Delta = Change;

    fn apply(&mut self, delta: &Change) -> Applied {
        let Change { cell, lives, entry } = delta;
        let own = self.own(cell, *lives);
        let of = cell.contact_of(&self.owner).map(|(end, contact)| (end, contact, end.of(*lives).1));
        let cells = self.lives.entry(own).or_default();
        match (cell, &entry.value) {
            (CellName::Status, Value::Status(value)) => cells.status.apply(entry.with(*value)),
            (CellName::Credentials, Value::Credentials(value)) => {
                cells.credentials.apply(entry.with(value.clone()))
            }
            (CellName::Prefs, Value::Prefs(value)) => cells.prefs.apply(entry.with(value.clone())),
            (CellName::Item(contact), Value::Item(value)) => {
                cells.contacts.entry(contact.clone()).or_default().item.apply(entry.with(value.clone()))
            }
            (CellName::Want { .. }, Value::Want(value)) => {
                edge(cells, of).want.apply(entry.with(value.clone()))
            }
            (CellName::Allow { .. }, Value::Allow(value)) => edge(cells, of).allow.apply(entry.with(*value)),
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
        let (owner, met) = (&self.owner, &self.met);
        self.lives.retain(|life, cells| {
            let mut all = Vec::new();
            // One that has not begun, whose beginning everybody has, has been dropped before.
            if let Some(life) = life.filter(|life| floor.covers(life.uid) && !cells.is_living()) {
                cells.deltas(owner, Some(life), &mut all);
                if all.iter().all(|change| floor.covers(change.dot())) {
                    return false;
                }
            }
            cells.collect(floor, met);
            !cells.is_empty()
        });
    }

    fn forget(&mut self, gone: &dyn Fn(Dot) -> bool) {
        self.lives.retain(|_, cells| {
            cells.forget(gone);
            !cells.is_empty()
        });
    }

    fn deltas(&self) -> Vec<Change> {
        let mut all = Vec::new();
        for (life, cells) in &self.lives {
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
            Value::Item(_) | Value::Want(_) | Value::Prefs(_) => false,
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

/// Returns the edge to be written: which end the account is, to whom, and in which life of theirs.
fn edge<'a>(cells: &'a mut Cells, of: Option<(End, &BareJid, Option<Life>)>) -> &'a mut Edge {
    let (end, contact, life) = of.expect("an edge of the owner's");
    let contact = cells.contacts.entry(contact.clone()).or_default();
    contact.edges.entry(life).or_default().edge_mut(end)
}

impl Change {
    /// Returns whether it only says that something is gone.
    fn is_off(&self) -> bool {
        match &self.entry.value {
            Value::Item(item) => !item.present,
            Value::Want(want) => !want.on,
            Value::Allow(on) | Value::Block(on) => !on,
            Value::Status(_) | Value::Credentials(_) | Value::Prefs(_) => false,
        }
    }
}

impl Dotted for Change {
    fn dot(&self) -> Dot {
        self.entry.dot
    }
}
