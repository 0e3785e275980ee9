//! State that belongs to one node and dies with its incarnation: sessions, presence.
//!
//! An owner remembers when each of its keys changed last, and tells each of the others what has changed since what that one
//! has heard. So a cut without a change costs nothing, and one with changes costs each changed key once.
//!
//! Rests on the replication rules R24 (owned state).

use core::borrow::Borrow;
use core::ops::Bound;
use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use super::Origin;

/// What an owner says of its own.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Report<K: Ord, V> {
    /// Who says it.
    #[n(0)]
    pub owner: Origin,
    /// The number of the report within the incarnation, from 1; not durable.
    #[n(1)]
    pub seq: u64,
    /// `changes` are what has changed since the report with this number; nothing: they are everything there is.
    #[n(2)]
    pub since: Option<u64>,
    /// By key the value, as of this report, or nothing where there is none any more.
    #[n(3)]
    pub changes: BTreeMap<K, Option<V>>,
}

/// What became of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard<K: Ord, V> {
    /// These keys have another value from here on; nothing where there is none.
    Changed(BTreeMap<K, Option<V>>),
    /// It was heard before, or an incarnation after it was heard: refused.
    Old,
    /// Something before it is missing: the owner has to be told what was heard last.
    Gap,
}

/// Everything owned, by owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owned<K: Ord, V> {
    /// By node.
    owners: BTreeMap<u32, Owner<K, V>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Owner<K: Ord, V> {
    origin: Origin,
    seq: u64,
    values: BTreeMap<K, V>,
}

impl<K: Ord + Clone, V: Clone + PartialEq> Owned<K, V> {
    /// Creates the state in which nobody owns anything.
    pub const fn new() -> Self {
        Self { owners: BTreeMap::new() }
    }

    /// Takes a report in. The first whole report of a new incarnation replaces everything of the old one at once: what
    /// is the same in both does not change.
    pub fn hear(&mut self, report: &Report<K, V>) -> Heard<K, V> {
        let known = self.owners.get(&report.owner.node);
        let same = known.is_some_and(|known| known.origin == report.owner);
        if let Some(known) = known {
            let older = if same { report.seq <= known.seq } else { !report.owner.succeeds(known.origin) };
            if older {
                return Heard::Old;
            }
        }
        let follows = |since| same && known.is_some_and(|known| since <= known.seq);
        if !report.since.is_none_or(follows) {
            return Heard::Gap;
        }
        let owner = self.owners.entry(report.owner.node).or_insert_with(|| Owner {
            origin: report.owner,
            seq: 0,
            values: BTreeMap::new(),
        });
        (owner.origin, owner.seq) = (report.owner, report.seq);
        let mut changed = BTreeMap::new();
        if report.since.is_none() {
            let gone = owner.values.keys().filter(|key| !matches!(report.changes.get(*key), Some(Some(_))));
            changed.extend(gone.map(|key| (key.clone(), None)));
        }
        for (key, value) in &report.changes {
            if owner.values.get(key) != value.as_ref() {
                changed.insert(key.clone(), value.clone());
            }
        }
        for (key, value) in &changed {
            match value {
                Some(value) => drop(owner.values.insert(key.clone(), value.clone())),
                None => drop(owner.values.remove(key)),
            }
        }
        Heard::Changed(changed)
    }

    /// Forgets everything of a node that is gone for good or out of reach; returns what was there.
    pub fn forget(&mut self, node: u32) -> BTreeMap<K, V> {
        self.owners.remove(&node).map(|owner| owner.values).unwrap_or_default()
    }

    /// Returns who owns `key` and what it is, in the order of the nodes: during a partition there may be several.
    pub fn get<'a>(&'a self, key: &'a K) -> impl Iterator<Item = (Origin, &'a V)> {
        self.owners.values().filter_map(move |owner| Some((owner.origin, owner.values.get(key)?)))
    }

    /// Returns the highest incarnation heard of a node, and the number of its last report.
    pub fn heard(&self, node: u32) -> Option<(Origin, u64)> {
        self.owners.get(&node).map(|owner| (owner.origin, owner.seq))
    }

    /// Returns what a node owns under a key.
    pub fn value(&self, node: u32, key: &K) -> Option<&V> {
        self.owners.get(&node)?.values.get(key)
    }

    /// Returns the first key of a node that is not before `key`.
    pub fn first_from<Q: Ord + ?Sized>(&self, node: u32, key: &Q) -> Option<&K>
    where
        K: Borrow<Q>,
    {
        let values = &self.owners.get(&node)?.values;
        let (first, _) = values.range::<Q, _>((Bound::Included(key), Bound::Unbounded)).next()?;
        Some(first)
    }

    /// Returns what a node owns, by key.
    pub fn of(&self, node: u32) -> impl Iterator<Item = (&K, &V)> {
        self.owners.get(&node).into_iter().flat_map(|owner| &owner.values)
    }
}

impl<K: Ord + Clone, V: Clone + PartialEq> Default for Owned<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Values = [(&'static str, Option<u8>)];

    fn report(start: u32, (since, seq): (Option<u64>, u64), changes: &Values) -> Report<&'static str, u8> {
        let owner = Origin { node: 1, start, random: 7 };
        Report { owner, since, seq, changes: changes.iter().copied().collect() }
    }

    fn changed(changes: &Values) -> Heard<&'static str, u8> {
        Heard::Changed(changes.iter().copied().collect())
    }

    #[test]
    fn a_report_heard_twice_or_late_changes_nothing() {
        let mut owned = Owned::new();
        let first = report(1, (None, 1), &[("alice", Some(1))]);
        assert_eq!(owned.hear(&first), changed(&[("alice", Some(1))]));
        assert_eq!(owned.hear(&first), Heard::Old);
        assert_eq!(owned.hear(&report(1, (Some(1), 2), &[("alice", None)])), changed(&[("alice", None)]));
        assert_eq!(owned.get(&"alice").count(), 0);
    }

    #[test]
    fn what_does_not_reach_back_to_what_was_heard_is_a_gap() {
        let mut owned = Owned::new();
        assert_eq!(owned.hear(&report(1, (Some(0), 5), &[("alice", Some(1))])), Heard::Gap);
        owned.hear(&report(1, (None, 1), &[("alice", Some(1))]));
        assert_eq!(owned.hear(&report(1, (Some(2), 3), &[("bob", Some(1))])), Heard::Gap);
        assert_eq!(owned.heard(1).map(|(_, seq)| seq), Some(1));
        assert_eq!(owned.hear(&report(1, (None, 9), &[("alice", Some(1))])), changed(&[]));
    }

    #[test]
    fn a_report_may_reach_further_back_than_what_was_heard() {
        let mut owned = Owned::new();
        owned.hear(&report(1, (None, 3), &[("alice", Some(1)), ("bob", Some(1))]));
        let after = report(1, (Some(1), 9), &[("bob", Some(1)), ("carol", Some(1)), ("alice", None)]);
        assert_eq!(owned.hear(&after), changed(&[("alice", None), ("carol", Some(1))]));
        assert_eq!(owned.of(1).map(|(key, _)| *key).collect::<Vec<_>>(), ["bob", "carol"]);
    }

    #[test]
    fn another_incarnation_begins_with_everything() {
        let mut owned = Owned::new();
        owned.hear(&report(1, (None, 3), &[("alice", Some(1))]));
        assert_eq!(owned.hear(&report(2, (Some(3), 4), &[("bob", Some(1))])), Heard::Gap);
        assert_eq!(owned.get(&"alice").count(), 1, "nothing is lost before the whole has come");
    }

    #[test]
    fn a_dead_incarnation_is_not_raised_by_a_relay() {
        let mut owned = Owned::new();
        owned.hear(&report(2, (None, 1), &[]));
        assert_eq!(owned.hear(&report(1, (None, 90), &[("ghost", Some(1))])), Heard::Old);
        assert_eq!(owned.get(&"ghost").count(), 0);
    }

    #[test]
    fn a_new_incarnation_replaces_the_old_one_in_one_change() {
        let mut owned = Owned::new();
        owned.hear(&report(1, (None, 4), &[("alice", Some(1)), ("bob", Some(1)), ("carol", Some(1))]));
        let next = report(2, (None, 1), &[("alice", Some(1)), ("bob", Some(2))]);
        assert_eq!(owned.hear(&next), changed(&[("bob", Some(2)), ("carol", None)]));
    }

    #[test]
    fn two_copies_of_one_start_do_not_replace_each_other() {
        let mut owned = Owned::new();
        let mut copy = report(1, (None, 1), &[("alice", Some(2))]);
        owned.hear(&report(1, (None, 1), &[("alice", Some(1))]));
        copy.owner.random = 8;
        assert_eq!(owned.hear(&copy), Heard::Old);
    }
}
