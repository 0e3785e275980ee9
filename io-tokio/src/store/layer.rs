//! Changes that the tree does not have yet: rows, removed rows and removed ranges.
//!
//! What is written into the log is what a layer is made of, while running and after a crash alike. Its rows are parts
//! of the bytes that were logged, so that a layer keeps no more bytes than its log.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::{Buf as _, Bytes};
use eyot_core::store::{Key, StoreBatch, Write};

const PUT: u8 = 0;
const DELETE: u8 = 1;
const DELETE_RANGE: u8 = 2;
/// A length takes no more.
const LEN_BYTES_MAX: usize = 5;

/// The net changes of some batches.
#[derive(Debug, Default)]
pub(super) struct Layer {
    /// What was set or removed after whatever ranges were removed.
    points: BTreeMap<Key, Option<Bytes>>,
    ranges: Ranges,
}

/// What a layer says of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says<'a> {
    /// It has this value.
    Set(&'a Bytes),
    /// It is not there.
    Removed,
    /// Whatever older layers and the tree say.
    Nothing,
}

/// Ranges of keys of which none touches another.
#[derive(Clone, Debug, Default)]
pub(super) struct Ranges(BTreeMap<Key, Key>);

/// The bytes are not what [`encode`] writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Undecodable;

/// Writes down the changes of some batches, in order.
pub(super) fn encode(batches: &[StoreBatch]) -> Vec<u8> {
    let writes = || batches.iter().flat_map(|batch| &batch.writes).map(parts);
    // The layer keeps these bytes: no room is left over that was never used.
    let len = |part: &[u8]| LEN_BYTES_MAX + part.len();
    let bytes = writes().map(|(_, first, second)| 1 + len(first) + second.map_or(0, len)).sum();
    let mut out = Vec::with_capacity(bytes);
    for (tag, first, second) in writes() {
        out.push(tag);
        for part in std::iter::once(first).chain(second) {
            put_len(&mut out, part.len());
            out.extend_from_slice(part);
        }
    }
    out
}

fn parts(write: &Write) -> (u8, &[u8], Option<&[u8]>) {
    match write {
        Write::Put { key, value } => (PUT, key.as_bytes(), Some(value)),
        Write::Delete { key } => (DELETE, key.as_bytes(), None),
        Write::DeleteRange { from, to } => (DELETE_RANGE, from.as_bytes(), Some(to.as_bytes())),
    }
}

impl Layer {
    /// Performs what [`encode`] has written down.
    pub(super) fn apply(&mut self, mut logged: Bytes) -> Result<(), Undecodable> {
        while logged.has_remaining() {
            let tag = logged.get_u8();
            let key = Key::from_bytes(take_part(&mut logged)?);
            match tag {
                PUT => drop(self.points.insert(key, Some(take_part(&mut logged)?))),
                DELETE => drop(self.points.insert(key, None)),
                DELETE_RANGE => self.remove_range(key, Key::from_bytes(take_part(&mut logged)?)),
                _ => return Err(Undecodable),
            }
        }
        Ok(())
    }

    fn remove_range(&mut self, from: Key, to: Key) {
        if from >= to {
            return;
        }
        while let Some((key, _)) = self.points.range(&from..&to).next() {
            let key = key.clone();
            self.points.remove(&key);
        }
        self.ranges.insert(from, to);
    }

    /// Returns what this layer says of a row.
    pub(super) fn get(&self, key: &Key) -> Says<'_> {
        match self.points.get(key) {
            Some(Some(value)) => Says::Set(value),
            Some(None) => Says::Removed,
            None if self.ranges.contains(key) => Says::Removed,
            None => Says::Nothing,
        }
    }

    /// Returns the rows of a range that were set or removed one by one.
    pub(super) fn range<'a>(
        &'a self,
        from: &Key,
        to: &Key,
    ) -> impl DoubleEndedIterator<Item = (&'a Key, Option<&'a Bytes>)> + 'a {
        self.points.range(from..to).map(|(key, value)| (key, value.as_ref()))
    }

    /// Returns the rows that were set or removed one by one, from some place on.
    pub(super) fn points_from(&self, from: Bound<Key>) -> impl Iterator<Item = (&Key, Option<&Bytes>)> {
        self.points.range((from, Bound::Unbounded)).map(|(key, value)| (key, value.as_ref()))
    }

    /// Returns the ranges that were removed.
    pub(super) fn ranges(&self) -> &Ranges {
        &self.ranges
    }

    /// Returns how many changes there are.
    pub(super) fn len(&self) -> usize {
        self.points.len() + self.ranges.0.len()
    }
}

impl Ranges {
    fn insert(&mut self, mut from: Key, mut to: Key) {
        // Whatever begins at or before the end and does not end before the begin becomes part of it.
        while let Some((first, last)) = self.0.range(..=&to).next_back()
            && *last >= from
        {
            let first = first.clone();
            from = from.min(first.clone());
            if let Some(last) = self.0.remove(&first) {
                to = to.max(last);
            }
        }
        self.0.insert(from, to);
    }

    /// Returns whether a key lies in one of them.
    pub(super) fn contains(&self, key: &Key) -> bool {
        self.0.range(..=key).next_back().is_some_and(|(_, to)| key < to)
    }

    /// Returns what is left of a range without these.
    pub(super) fn gaps(&self, from: &Key, to: &Key) -> Vec<(Key, Key)> {
        let before = self.0.range(..from).next_back();
        let mut at = from.clone();
        let mut gaps = Vec::new();
        for (first, last) in before.into_iter().chain(self.0.range(from..to)) {
            if at < *first {
                gaps.push((at.clone(), first.clone()));
            }
            at = at.max(last.clone());
        }
        if at < *to {
            gaps.push((at, to.clone()));
        }
        gaps
    }

    /// Returns all of them.
    pub(super) fn to_vec(&self) -> Vec<(Key, Key)> {
        self.0.iter().map(|(from, to)| (from.clone(), to.clone())).collect()
    }
}

/// Seven bits a byte, the lowest first; all but the last byte have the eighth set.
fn put_len(out: &mut Vec<u8>, mut len: usize) {
    while len > 0x7f {
        out.push(low_byte(len) | 0x80);
        len >>= 7;
    }
    out.push(low_byte(len));
}

fn low_byte(number: usize) -> u8 {
    let [low, ..] = number.to_le_bytes();
    low
}

fn take_part(logged: &mut Bytes) -> Result<Bytes, Undecodable> {
    let mut len = 0_u64;
    for shift in (0..).step_by(7).take(LEN_BYTES_MAX) {
        let byte = logged.try_get_u8().map_err(|_| Undecodable)?;
        len |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            let len = usize::try_from(len).map_err(|_| Undecodable)?;
            return if len <= logged.len() { Ok(logged.split_to(len)) } else { Err(Undecodable) };
        }
    }
    Err(Undecodable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key::from_bytes(Bytes::copy_from_slice(name.as_bytes()))
    }

    fn text(ranges: &[(Key, Key)]) -> String {
        let text = |key: &Key| String::from_utf8(key.as_bytes().to_vec()).unwrap();
        ranges.iter().flat_map(|(from, to)| [text(from), "-".into(), text(to), " ".into()]).collect()
    }

    #[test]
    fn ranges_that_touch_become_one_and_others_do_not() {
        let mut ranges = Ranges::default();
        for (from, to, expected) in [
            ("m", "p", "m-p "),
            ("c", "e", "c-e m-p "),
            ("e", "g", "c-g m-p "),
            ("n", "o", "c-g m-p "),
            ("l", "m", "c-g l-p "),
            ("r", "s", "c-g l-p r-s "),
            ("f", "r", "c-s "),
        ] {
            ranges.insert(key(from), key(to));
            assert_eq!(text(&ranges.to_vec()), expected);
        }
        for (name, inside) in [("b", false), ("c", true), ("r", true), ("s", false)] {
            assert_eq!(ranges.contains(&key(name)), inside, "{name}");
        }
    }

    #[test]
    fn gaps_are_what_no_range_covers() {
        let mut ranges = Ranges::default();
        ranges.insert(key("c"), key("e"));
        ranges.insert(key("g"), key("h"));
        for (from, to, expected) in [
            ("a", "z", "a-c e-g h-z "),
            ("d", "g", "e-g "),
            ("c", "e", ""),
            ("e", "g", "e-g "),
            ("d", "gg", "e-g "),
            ("a", "b", "a-b "),
            ("b", "d", "b-c "),
        ] {
            assert_eq!(text(&ranges.gaps(&key(from), &key(to))), expected, "{from}-{to}");
        }
    }

    #[test]
    fn no_first_part_of_what_was_logged_is_taken_for_more_than_whole_changes() {
        let batch = StoreBatch::new()
            .put(key("a"), vec![7; 300])
            .delete(key("b"))
            .delete_range(key("c"), key("d"))
            .put(key("e"), "");
        let logged = Bytes::from(encode(&[batch]));
        let whole: Vec<usize> =
            (0..=logged.len()).filter(|len| Layer::default().apply(logged.slice(..*len)).is_ok()).collect();
        assert_eq!(whole, [0, 305, 308, 313, 317]);
        assert_eq!(Layer::default().apply(Bytes::from_static(&[9, 0])), Err(Undecodable));
        assert_eq!(
            Layer::default().apply(Bytes::from_static(&[PUT, 0xff, 0xff, 0xff, 0xff, 0xff])),
            Err(Undecodable)
        );
    }
}
