//! What batches and queries mean: an ordered map in memory, which worlds without a disk use and stores are compared with.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::batch::{Row, StoreBatch, StoreQuery, Write};
use super::key::Key;

/// Rows in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows(BTreeMap<Key, Bytes>);

impl Rows {
    /// Creates an empty map.
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Performs the writes of a batch, in order.
    pub fn apply(&mut self, batch: &StoreBatch) {
        for write in &batch.writes {
            match write {
                Write::Put { key, value } => drop(self.0.insert(key.clone(), value.clone())),
                Write::Delete { key } => drop(self.0.remove(key)),
                Write::DeleteRange { from, to } if from < to => {
                    let gone: Vec<Key> = self.0.range(from..to).map(|(key, _)| key.clone()).collect();
                    for key in gone {
                        self.0.remove(&key);
                    }
                }
                Write::DeleteRange { .. } => {}
            }
        }
    }

    /// Answers a query.
    pub fn query(&self, query: &StoreQuery) -> Vec<Row> {
        let row = |(key, value): (&Key, &Bytes)| Row { key: key.clone(), value: value.clone() };
        match query {
            StoreQuery::Get { key } => self.0.get_key_value(key).map(row).into_iter().collect(),
            StoreQuery::Many { keys } => {
                keys.iter().filter_map(|key| self.0.get_key_value(key)).map(row).collect()
            }
            StoreQuery::Range { from, to, .. } | StoreQuery::Back { from, to, .. } if from >= to => {
                Vec::new()
            }
            StoreQuery::Range { from, to, limit } => {
                self.0.range(from..to).take(*limit as usize).map(row).collect()
            }
            StoreQuery::Back { from, to, limit } => {
                self.0.range(from..to).rev().take(*limit as usize).map(row).collect()
            }
        }
    }

    /// Returns how many rows there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Table;

    fn key(name: &str) -> Key {
        Key::new(Table::Account, &["a.example", name])
    }

    fn rows(names: &[&str]) -> Rows {
        let mut rows = Rows::new();
        rows.apply(
            &names.iter().fold(StoreBatch::new(), |batch, name| batch.put(key(name), name.to_string())),
        );
        rows
    }

    fn check(rows: &Rows, query: &StoreQuery, expected: &str) {
        let found: Vec<Row> = rows.query(query);
        assert!(found.iter().all(|row| key(core::str::from_utf8(&row.value).unwrap()) == row.key));
        let names: Vec<u8> = found.iter().flat_map(|row| row.value.to_vec()).collect();
        assert_eq!(core::str::from_utf8(&names), Ok(expected), "{query:?}");
    }

    #[test]
    fn a_range_is_half_open_ordered_and_limited_from_either_end() {
        let rows = rows(&["d", "a", "c", "b"]);
        for (from, to, limit, forth, back) in [
            ("a", "c", 9, "ab", "ba"),
            ("a", "e", 3, "abc", "dcb"),
            ("a", "e", 0, "", ""),
            ("c", "a", 9, "", ""),
            ("b", "b", 9, "", ""),
        ] {
            check(&rows, &StoreQuery::Range { from: key(from), to: key(to), limit }, forth);
            check(&rows, &StoreQuery::Back { from: key(from), to: key(to), limit }, back);
        }
    }

    #[test]
    fn many_rows_come_in_the_order_they_were_asked_for_without_those_that_are_not_there() {
        let rows = rows(&["a", "b", "c"]);
        check(&rows, &StoreQuery::Many { keys: vec![key("c"), key("x"), key("a"), key("c")] }, "cac");
        check(&rows, &StoreQuery::Many { keys: Vec::new() }, "");
        check(&rows, &StoreQuery::Get { key: key("b") }, "b");
        check(&rows, &StoreQuery::Get { key: key("x") }, "");
    }

    #[test]
    fn the_writes_of_a_batch_are_performed_in_order() {
        let mut rows = rows(&["a", "b", "c", "d"]);
        rows.apply(&StoreBatch::new().delete_range(key("b"), key("d")).put(key("c"), "c").delete(key("x")));
        check(&rows, &StoreQuery::Range { from: key(""), to: key("z"), limit: 9 }, "acd");
        rows.apply(&StoreBatch::new().put(key("b"), "b").delete_range(key("a"), key("c")).delete(key("d")));
        rows.apply(&StoreBatch::new().delete_range(key("z"), key("a")));
        check(&rows, &StoreQuery::Range { from: key(""), to: key("z"), limit: 9 }, "c");
        assert_eq!((rows.len(), rows.is_empty()), (1, false));
    }
}
