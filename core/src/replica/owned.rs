//! State that belongs to one node and dies with its incarnation: sessions, presence.
//!
//! Rests on the replication rules R24 (owned state).

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
    /// Whether `changes` are everything there is, or what has changed since the report before.
    #[n(2)]
    pub whole: bool,
    /// By key the value, or nothing where there is none any more.
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
    /// Something before it is missing: the owner has to be asked for the whole.
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
        let follows = same && known.is_some_and(|known| known.seq + 1 == report.seq);
        if !report.whole && !follows {
            return Heard::Gap;
        }
        let owner = self.owners.entry(report.owner.node).or_insert_with(|| Owner {
            origin: report.owner,
            seq: 0,
            values: BTreeMap::new(),
        });
        (owner.origin, owner.seq) = (report.owner, report.seq);
        let mut changed = BTreeMap::new();
        if report.whole {
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

    /// Returns the highest incarnation heard of a node.
    pub fn incarnation(&self, node: u32) -> Option<Origin> {
        self.owners.get(&node).map(|owner| owner.origin)
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

    fn report(start: u32, seq: u64, whole: bool, changes: &Values) -> Report<&'static str, u8> {
        let owner = Origin { node: 1, start, random: 7 };
        Report { owner, seq, whole, changes: changes.iter().copied().collect() }
    }

    fn changed(changes: &Values) -> Heard<&'static str, u8> {
        Heard::Changed(changes.iter().copied().collect())
    }

    #[test]
    fn a_report_heard_twice_or_late_changes_nothing() {
        let mut owned = Owned::new();
        let first = report(1, 1, true, &[("alice", Some(1))]);
        assert_eq!(owned.hear(&first), changed(&[("alice", Some(1))]));
        assert_eq!(owned.hear(&first), Heard::Old);
        assert_eq!(owned.hear(&report(1, 2, false, &[("alice", None)])), changed(&[("alice", None)]));
        assert_eq!(owned.get(&"alice").count(), 0);
    }

    #[test]
    fn a_gap_asks_for_the_whole() {
        let mut owned = Owned::new();
        assert_eq!(owned.hear(&report(1, 5, false, &[("alice", Some(1))])), Heard::Gap);
        owned.hear(&report(1, 1, true, &[("alice", Some(1))]));
        assert_eq!(owned.hear(&report(1, 3, false, &[("bob", Some(1))])), Heard::Gap);
        assert_eq!(owned.hear(&report(1, 9, true, &[("alice", Some(1))])), changed(&[]));
    }

    #[test]
    fn a_dead_incarnation_is_not_raised_by_a_relay() {
        let mut owned = Owned::new();
        owned.hear(&report(2, 1, true, &[]));
        assert_eq!(owned.hear(&report(1, 90, true, &[("ghost", Some(1))])), Heard::Old);
        assert_eq!(owned.get(&"ghost").count(), 0);
    }

    #[test]
    fn a_new_incarnation_replaces_the_old_one_in_one_change() {
        let mut owned = Owned::new();
        owned.hear(&report(1, 4, true, &[("alice", Some(1)), ("bob", Some(1)), ("carol", Some(1))]));
        let next = report(2, 1, true, &[("alice", Some(1)), ("bob", Some(2))]);
        assert_eq!(owned.hear(&next), changed(&[("bob", Some(2)), ("carol", None)]));
    }

    #[test]
    fn two_copies_of_one_start_do_not_replace_each_other() {
        let mut owned = Owned::new();
        let mut copy = report(1, 1, true, &[("alice", Some(2))]);
        owned.hear(&report(1, 1, true, &[("alice", Some(1))]));
        copy.owner.random = 8;
        assert_eq!(owned.hear(&copy), Heard::Old);
    }
}
