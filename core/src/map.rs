//! Hash maps whose iteration order is that of insertion, whatever the hash.
//!
//! The hasher is keyed by the node's secret entropy, so that nobody can choose colliding addresses; the key
//! never shows in an output because no order depends on it.

use core::hash::Hash;

use foldhash::fast::FixedState;
use indexmap::IndexMap;

/// Entries that are looked at in one search for something to forget.
const LOOKS: usize = 4;

/// A hash map in insertion order; `swap_remove` moves the last entry into the gap.
pub(crate) type Map<K, V> = IndexMap<K, V, FixedState>;

/// Creates an empty map whose hasher is keyed with `key`.
pub(crate) fn keyed<K: Hash + Eq, V>(key: u64) -> Map<K, V> {
    Map::with_hasher(FixedState::with_seed(key))
}

/// Where the search for something to forget goes on in a table that holds what was used lately.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hand(usize);

impl Hand {
    /// Removes entries while there are more than `max`, looking at a few of them. `stays` says which ones stay for now, and takes
    /// note that it was asked.
    ///
    /// Called once for each entry that is added, and where what was used stays for one round, it keeps the table below twice `max`
    /// entries, or twice those that have to stay where they are more: when every other one has to, of the four that are looked at
    /// two may go, and each does so the second time, which makes one for each that comes.
    pub(crate) fn evict<K: Hash + Eq, V>(
        &mut self,
        map: &mut Map<K, V>,
        max: usize,
        mut stays: impl FnMut(&K, &mut V) -> bool,
    ) {
        for _ in 0..LOOKS {
            if map.len() <= max {
                return;
            }
            self.0 = if self.0 < map.len() { self.0 } else { 0 };
            let Some((key, value)) = map.get_index_mut(self.0) else { return };
            if stays(key, value) {
                self.0 += 1;
            } else {
                map.swap_remove_index(self.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_since_the_hand_passed_stays_once() {
        let mut map: Map<u8, bool> = keyed(1);
        map.extend((0..5).map(|number| (number, number == 0)));
        let mut hand = Hand::default();
        let mut evict = |map: &mut Map<u8, bool>| {
            hand.evict(map, 2, |_, used| core::mem::take(used));
            map.keys().copied().collect::<Vec<_>>()
        };
        assert_eq!(evict(&mut map), [0, 2]);
        assert_eq!(evict(&mut map), [0, 2], "no more than is too much");
        map.extend([(5, true), (6, true)]);
        assert_eq!(evict(&mut map).len(), 2);
    }

    #[test]
    fn a_table_is_bounded_by_what_it_may_hold_or_by_what_has_to_stay() {
        for (must, max) in [(0, 100), (50, 100), (100, 100), (100, 10), (1_000, 10)] {
            let (mut map, mut hand, mut most): (Map<u32, bool>, _, _) = (keyed(1), Hand::default(), 0);
            for number in 0..10_000_u32 {
                hand.evict(&mut map, max, |number, used| core::mem::take(used) || *number < must);
                map.insert(number, true);
                most = most.max(map.len());
            }
            let (bound, kept) = (2 * max.max(must as usize), map.len());
            assert!(most < bound, "{most} with {must} that have to stay");
            assert!(must > 0 || kept == max + 1, "{kept} in the end");
            assert!((0..must).all(|number| map.contains_key(&number)));
        }
    }

    #[test]
    fn a_table_full_of_what_stays_is_looked_at_a_little_at_a_time() {
        let mut map: Map<u8, ()> = keyed(1);
        map.extend((0..9).map(|number| (number, ())));
        let (mut hand, mut asked) = (Hand::default(), Vec::new());
        for _ in 0..3 {
            hand.evict(&mut map, 0, |number, ()| {
                asked.push(*number);
                true
            });
        }
        assert_eq!(asked, [0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 2]);
        assert_eq!(map.len(), 9);
    }
}
