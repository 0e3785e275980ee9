//! Rows of a disk and their sum: two disks hold the same when the sums are the same.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use eyot_core::store::Key;

/// Some rows, each as a number.
#[derive(Debug, Default)]
pub(crate) struct Summed {
    rows: BTreeMap<Key, u64>,
    sum: u64,
}

impl Summed {
    /// Writes a row, or removes it.
    pub(crate) fn set(&mut self, key: &Key, value: Option<&[u8]>) {
        let number = value.map(|value| {
            let mut hasher = DefaultHasher::new();
            (key.as_bytes(), value).hash(&mut hasher);
            hasher.finish()
        });
        let before = match number {
            Some(number) => self.rows.insert(key.clone(), number),
            None => self.rows.remove(key),
        };
        self.sum = self.sum.wrapping_add(number.unwrap_or_default()).wrapping_sub(before.unwrap_or_default());
    }

    /// Removes the rows from one key up to another, later one.
    pub(crate) fn clear(&mut self, from: &Key, to: &Key) {
        let gone: Vec<Key> = self.rows.range(from..to).map(|(key, _)| key.clone()).collect();
        for key in gone {
            self.set(&key, None);
        }
    }

    /// Returns the sum of all rows.
    pub(crate) const fn sum(&self) -> u64 {
        self.sum
    }

    /// Returns how many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }
}
