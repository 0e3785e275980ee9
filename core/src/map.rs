//! Hash maps whose iteration order is that of insertion, whatever the hash.
//!
//! The hasher is keyed by the node's secret entropy, so that nobody can choose colliding addresses; the key
//! never shows in an output because no order depends on it.

use core::hash::Hash;

use foldhash::fast::FixedState;
use indexmap::IndexMap;

/// A hash map in insertion order; `swap_remove` moves the last entry into the gap.
pub(crate) type Map<K, V> = IndexMap<K, V, FixedState>;

/// Creates an empty map whose hasher is keyed with `key`.
pub(crate) fn keyed<K: Hash + Eq, V>(key: u64) -> Map<K, V> {
    Map::with_hasher(FixedState::with_seed(key))
}
