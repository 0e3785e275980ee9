//! The kinds made of cells: a value with a last writer, and a set of keyed cells.
//!
//! Rests on the replication rules R6 (siblings).

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use super::law::Replica;
use super::{Applied, Caps, Cell, Dot, Entry, Hlc};

/// A value of which the last write counts; concurrent ones by stamp, then by dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lww<V>(Cell<V>);

/// Cells by key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set<K: Ord, V>(BTreeMap<K, Cell<V>>);

/// A change of a set: which cell, and what was written.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Keyed<K, V> {
    /// The cell.
    #[n(0)]
    pub key: K,
    /// The write.
    #[n(1)]
    pub entry: Entry<V>,
}

impl<V> Lww<V> {
    /// Creates a value that nobody has written.
    pub fn new() -> Self {
        Self(Cell::new())
    }

    /// Returns the value.
    pub fn get(&self, caps: &Caps) -> Option<&V> {
        self.0.newest(caps).map(|entry| &entry.value)
    }

    /// Makes the write of a node that holds this; it has to be applied.
    pub fn write(&self, dot: Dot, hlc: Hlc, value: V) -> Entry<V> {
        self.0.write(dot, hlc, value)
    }
}

impl<K: Ord + Clone, V> Set<K, V> {
    /// Creates a set that nobody has written.
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Returns the cell of `key`, if anybody has written it.
    pub fn get(&self, key: &K) -> Option<&Cell<V>> {
        self.0.get(key)
    }

    /// Makes the write of a node that holds this; it has to be applied.
    pub fn write(&self, key: K, dot: Dot, hlc: Hlc, value: V) -> Keyed<K, V> {
        let entry = match self.0.get(&key) {
            Some(cell) => cell.write(dot, hlc, value),
            None => Cell::new().write(dot, hlc, value),
        };
        Keyed { key, entry }
    }

    /// Takes one write in.
    pub fn take(&mut self, key: K, entry: Entry<V>) -> Applied {
        self.0.entry(key).or_default().apply(entry)
    }

    /// Returns all cells in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &Cell<V>)> {
        self.0.iter()
    }
}

impl<V> Default for Lww<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Ord + Clone, V> Default for Set<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V> Replica for Lww<V>
where
    V: Clone + PartialEq + core::fmt::Debug + Encode<()> + for<'b> Decode<'b, ()>,
{
    type Delta = Entry<V>;

    fn apply(&mut self, delta: &Entry<V>) -> Applied {
        self.0.apply(delta.clone())
    }

    fn forget(&mut self, gone: &dyn Fn(Dot) -> bool) {
        self.0.forget(gone);
    }

    fn deltas(&self) -> Vec<Entry<V>> {
        self.0.siblings().to_vec()
    }
}

impl<K, V> Replica for Set<K, V>
where
    K: Ord + Clone + core::fmt::Debug + Encode<()> + for<'b> Decode<'b, ()>,
    V: Clone + PartialEq + core::fmt::Debug + Encode<()> + for<'b> Decode<'b, ()>,
{
    type Delta = Keyed<K, V>;

    fn apply(&mut self, delta: &Keyed<K, V>) -> Applied {
        self.take(delta.key.clone(), delta.entry.clone())
    }

    fn forget(&mut self, gone: &dyn Fn(Dot) -> bool) {
        self.0.retain(|_, cell| {
            cell.forget(gone);
            !cell.is_empty()
        });
    }

    fn deltas(&self) -> Vec<Keyed<K, V>> {
        let cells = self.0.iter();
        cells
            .flat_map(|(key, cell)| {
                cell.siblings().iter().map(|entry| Keyed { key: key.clone(), entry: entry.clone() })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::law::laws;
    use super::*;

    laws!(a_value_with_a_last_writer_keeps_the_laws, Lww<u8>, |value: &Lww<u8>, dot, hlc, u| {
        Ok(value.write(dot, hlc, u.arbitrary()?))
    });

    laws!(a_set_keeps_the_laws, Set<u8, bool>, |set: &Set<u8, bool>, dot, hlc, u| {
        Ok(set.write(u.int_in_range(0..=2)?, dot, hlc, u.arbitrary()?))
    });
}
