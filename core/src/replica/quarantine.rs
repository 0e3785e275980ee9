//! What a node wrote while the others had forgotten it, and what of that an operator has to look at.
//!
//! Rests on the replication rule R4: permissive writes (grants, unblocks, credentials, new accounts) of one side do not undo what
//! the other side restricted, and has perhaps dropped since.

use std::collections::{BTreeMap, BTreeSet};

use minicbor::Encode;

use super::{Dot, Dotted, Replica, Vector};

/// Forgotten nodes of which each vector is kept. Beyond: the lowest are folded into one.
pub const FORGOTTEN_MAX: usize = 64;
/// Cells whose removals were dropped, as many as are remembered while somebody is forgotten. Beyond: of every cell that is empty
/// a removal may have been dropped.
pub const DROPPED_MAX: usize = 65_536;

/// A replicated kind some of whose writes give somebody a right.
pub trait Guarded: Replica {
    /// Names the cell of a write; nothing when it is of no cell.
    type Cell: Ord + Clone + core::fmt::Debug;

    /// Returns the cell of a write.
    fn cell(delta: &Self::Delta) -> Option<Self::Cell>;

    /// Returns whether a write gives somebody a right or takes a restriction away.
    fn is_permissive(delta: &Self::Delta) -> bool;

    /// Returns the names of the live writes of a cell.
    fn live(&self, cell: &Self::Cell) -> Vec<Dot>;

    /// Returns whether the author of a write had seen another write of its cell.
    fn had_seen(delta: &Self::Delta, dot: Dot) -> bool;
}

/// What the others had of nodes that were forgotten, when they were. It decides what both sides wrote since.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    vectors: BTreeMap<u32, Vector>,
    /// What all nodes covered that have no room of their own.
    folded: Option<Vector>,
}

/// Cells whose removals were dropped while somebody was forgotten who may not have seen them.
#[derive(Clone, Debug)]
pub struct Dropped<C> {
    cells: BTreeSet<C>,
    overflown: bool,
}

/// Writes that wait for an operator. They are held and counted, and no value is made of them.
#[derive(Clone, Debug)]
pub struct Quarantine<D>(BTreeMap<Dot, D>);

impl Forgotten {
    /// Takes note that `node` is forgotten, who covered `vector` when it was heard last.
    pub fn forget(&mut self, node: u32, vector: Vector) {
        self.vectors.insert(node, vector);
        while self.vectors.len() > FORGOTTEN_MAX {
            // Whom it matters least to: of what is folded all count as having seen no more than the least of them.
            let Some((_, vector)) = self.vectors.pop_first() else { return };
            self.folded =
                Some(self.folded.take().map_or_else(|| vector.clone(), |folded| folded.common(&vector)));
        }
    }

    /// Returns what a node covered when it was forgotten, at least; nothing for one that never was.
    pub fn of(&self, node: u32) -> Option<&Vector> {
        self.vectors.get(&node).or(self.folded.as_ref())
    }

    /// Takes note that a node is back and has committed what the others have. What is folded stays: it may be of others.
    pub fn remember(&mut self, node: u32) {
        self.vectors.remove(&node);
    }

    /// Returns whether nobody is forgotten.
    pub fn is_empty(&self) -> bool {
        self.vectors.is_empty() && self.folded.is_none()
    }
}

impl<C: Ord> Dropped<C> {
    /// Takes note of a cell whose removal is dropped.
    pub fn note(&mut self, cell: C) {
        if self.cells.len() < DROPPED_MAX {
            self.cells.insert(cell);
        } else {
            self.overflown |= !self.cells.contains(&cell);
        }
    }

    /// Returns whether a removal of this cell was dropped, as far as can be told.
    pub fn may_hold(&self, cell: &C) -> bool {
        self.overflown || self.cells.contains(cell)
    }
}

impl<C> Default for Dropped<C> {
    fn default() -> Self {
        Self { cells: BTreeSet::new(), overflown: false }
    }
}

/// Returns whether a write of a node that was forgotten has to wait for an operator: it is permissive, and the others wrote its
/// cell while the node was forgotten and its author had not seen that, or have dropped a removal of it. `at` is what the node
/// covered when it was forgotten.
pub fn is_doubtful<S: Guarded>(state: &S, delta: &S::Delta, at: &Vector, dropped: &Dropped<S::Cell>) -> bool
where
    S::Delta: Dotted,
{
    let Some(cell) = S::cell(delta).filter(|_| S::is_permissive(delta)) else { return false };
    let own = delta.dot();
    let meanwhile = |dot: &Dot| *dot != own && dot.origin.node != own.origin.node && !at.covers(*dot);
    let live = state.live(&cell);
    let rivals = live.iter().any(|dot| meanwhile(dot) && !S::had_seen(delta, *dot));
    rivals || (live.iter().all(|dot| *dot == own) && dropped.may_hold(&cell))
}

impl<D: Dotted + Clone + PartialEq + Encode<()>> Quarantine<D> {
    /// Holds a write.
    pub fn hold(&mut self, delta: D) {
        self.0.insert(delta.dot(), delta);
    }

    /// Returns what waits, in order.
    pub fn held(&self) -> impl Iterator<Item = &D> {
        self.0.values()
    }

    /// Returns whether a write waits.
    pub fn holds(&self, dot: Dot) -> bool {
        self.0.contains_key(&dot)
    }

    /// Takes a write out: the operator lets it count, and writes it anew, or drops it.
    pub fn take(&mut self, dot: Dot) -> Option<D> {
        self.0.remove(&dot)
    }

    /// Drops what a later write of its author has replaced.
    pub fn retain(&mut self, keep: impl Fn(&D) -> bool) {
        self.0.retain(|_, delta| keep(delta));
    }
}

impl<D> Default for Quarantine<D> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jid::{BareJid, Jid};
    use crate::replica::{Account, Author, CellName, Change, Credentials, Dots, Hlc, Origin, Status, Value};

    struct Node(Dots);

    impl Node {
        fn new(node: u32) -> Self {
            Self(Dots::new(Origin { node, start: 1, random: 0 }))
        }

        fn write(&mut self, account: &mut Account, cell: &CellName, value: Value) -> Change {
            let change = account.write(cell.clone(), self.0.take(), Hlc::default(), value);
            account.apply(&change);
            change
        }
    }

    fn block() -> CellName {
        CellName::Block(Jid::parse("eve@a.example").unwrap())
    }

    fn allow() -> CellName {
        let [subscriber, publisher] =
            ["bob@a.example", "alice@a.example"].map(|jid| BareJid::parse(jid).unwrap());
        CellName::Allow { subscriber, publisher }
    }

    /// An account on two sides that both have all of `before`; what the one that is forgotten covers.
    fn sides(before: &[(CellName, Value)]) -> (Node, Node, Account, Vector) {
        let (mut here, away) = (Node::new(1), Node::new(2));
        let mut account = Account::new(BareJid::parse("alice@a.example").unwrap());
        let mut at = Vector::new();
        let status = (CellName::Status, Value::Status(Status::Active));
        for (cell, value) in [&status].into_iter().chain(before) {
            at.count(here.write(&mut account, cell, value.clone()).dot());
        }
        (here, away, account, at)
    }

    #[test]
    fn an_unblock_of_who_was_forgotten_does_not_undo_a_block_that_it_has_not_seen() {
        let blocked = (block(), Value::Block(true));
        let (mut here, mut away, mut account, at) = sides(&[blocked]);
        let mut there = account.clone();
        here.write(&mut account, &block(), Value::Block(true));
        let unblock = away.write(&mut there, &block(), Value::Block(false));
        assert!(is_doubtful(&account, &unblock, &at, &Dropped::default()));
        let again = away.write(&mut there, &block(), Value::Block(true));
        assert!(!is_doubtful(&account, &again, &at, &Dropped::default()), "a restriction counts at once");
        account.apply(&again);
        let seen = away.write(&mut account.clone(), &block(), Value::Block(false));
        assert!(!is_doubtful(&account, &seen, &at, &Dropped::default()), "its author has seen the block");
    }

    #[test]
    fn what_only_one_side_wrote_counts() {
        let (_, mut away, account, at) = sides(&[(block(), Value::Block(true))]);
        let mut there = account.clone();
        let unblock = away.write(&mut there, &block(), Value::Block(false));
        let granted = away.write(&mut there, &allow(), Value::Allow(true));
        for change in [unblock, granted] {
            assert!(!is_doubtful(&account, &change, &at, &Dropped::default()), "{change:?}");
        }
    }

    #[test]
    fn what_a_node_held_when_it_was_forgotten_and_what_it_wrote_itself_is_no_rival() {
        // It had unblocked and then got the block; the unblock comes only after it was forgotten.
        let (mut here, mut away, mut account, mut at) = sides(&[]);
        let mut there = account.clone();
        at.count(here.write(&mut account, &block(), Value::Block(true)).dot());
        let unblock = away.write(&mut there, &block(), Value::Block(false));
        assert!(!is_doubtful(&account, &unblock, &at, &Dropped::default()), "it had the block");
        // Of its own two starts neither has seen what the other wrote.
        let mut before = account.clone();
        away.write(&mut account, &allow(), Value::Allow(false));
        let mut again = Node(Dots::new(Origin { node: 2, start: 2, random: 0 }));
        let granted = again.write(&mut before, &allow(), Value::Allow(true));
        assert!(!is_doubtful(&account, &granted, &at, &Dropped::default()), "both are its own");
    }

    #[test]
    fn a_grant_that_has_seen_one_made_since_the_withdrawal_counts() {
        let (mut here, mut away, mut account, at) = sides(&[]);
        let mut dropped = Dropped::default();
        let granted = here.write(&mut account, &allow(), Value::Allow(true));
        dropped.note(Account::cell(&granted).unwrap());
        let seen = away.write(&mut account.clone(), &allow(), Value::Allow(true));
        assert!(!is_doubtful(&account, &seen, &at, &dropped));
    }

    #[test]
    fn a_grant_does_not_come_back_once_its_withdrawal_was_dropped() {
        // Both sides: allowed. Here that is taken back, everybody who is remembered has it, and it is dropped.
        let (mut here, mut away, mut account, at) = sides(&[(allow(), Value::Allow(true))]);
        let mut there = account.clone();
        let withdrawn = here.write(&mut account, &allow(), Value::Allow(false));
        let mut floor = at.clone();
        floor.count(withdrawn.dot());
        let (before, mut dropped) = (account.clone(), Dropped::default());
        account.collect(&floor);
        for change in before.deltas().iter().filter(|change| !account.deltas().contains(change)) {
            dropped.note(Account::cell(change).unwrap());
        }
        let again = away.write(&mut there, &allow(), Value::Allow(true));
        assert!(is_doubtful(&account, &again, &at, &dropped));
        assert!(!is_doubtful(&account, &again, &at, &Dropped::default()), "nothing else says so");
        let other = away.write(&mut there, &block(), Value::Block(false));
        assert!(!is_doubtful(&account, &other, &at, &dropped), "of another cell nothing was dropped");
    }

    #[test]
    fn an_account_that_was_deleted_meanwhile_is_not_enabled_and_its_password_not_set() {
        let (mut here, mut away, mut account, at) = sides(&[]);
        let mut there = account.clone();
        let secret = |record: &'static str| {
            let (record, by) = (bytes::Bytes::from_static(record.as_bytes()), Author::User);
            Value::Credentials(Credentials { record, by })
        };
        here.write(&mut account, &CellName::Credentials, secret("here"));
        let set = away.write(&mut there, &CellName::Credentials, secret("there"));
        assert!(is_doubtful(&account, &set, &at, &Dropped::default()));
        let deleted = here.write(&mut account, &CellName::Status, Value::Status(Status::Deleted));
        let status = away.write(&mut there, &CellName::Status, Value::Status(Status::Active));
        assert!(is_doubtful(&account, &status, &at, &Dropped::default()), "enabled there, deleted here");
        assert!(!is_doubtful(&there, &deleted, &at, &Dropped::default()), "to delete takes a right away");
    }

    #[test]
    fn beyond_the_bound_every_empty_cell_is_in_doubt_and_vectors_are_folded_to_the_least() {
        let mut dropped = Dropped::default();
        for cell in 0..=DROPPED_MAX {
            assert!(!dropped.may_hold(&usize::MAX), "{cell}");
            dropped.note(cell);
        }
        assert!(dropped.may_hold(&usize::MAX));
        let mut forgotten = Forgotten::default();
        assert!(forgotten.is_empty() && forgotten.of(1).is_none());
        let origin = Origin { node: 900, start: 1, random: 0 };
        for node in 0..66 {
            let mut vector = Vector::new();
            (1..=10 - u64::from(node.min(5))).for_each(|seq| _ = vector.count(origin.dot(seq)));
            forgotten.forget(node, vector);
        }
        let prefix = |node| forgotten.of(node).map(|vector| vector.prefix(origin));
        assert_eq!((prefix(0), prefix(1), prefix(2), prefix(9)), (Some(9), Some(9), Some(8), Some(5)));
        forgotten.remember(2);
        assert_eq!(
            forgotten.of(2).map(|vector| vector.prefix(origin)),
            Some(9),
            "it may be one of the folded"
        );
    }

    #[test]
    fn what_waits_is_held_until_an_operator_takes_it() {
        let (_, mut away, mut account, _) = sides(&[]);
        let mut quarantine = Quarantine::default();
        let change = away.write(&mut account, &allow(), Value::Allow(true));
        quarantine.hold(change.clone());
        assert!(quarantine.holds(change.dot()) && quarantine.held().count() == 1);
        quarantine.retain(|held| held.dot() == change.dot());
        assert_eq!((quarantine.take(change.dot()), quarantine.held().count()), (Some(change), 0));
    }
}
