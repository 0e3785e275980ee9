//! Reading through layers: what a newer one says of a row hides what an older one and the tree say.

use std::cmp::Ordering;
use std::iter::{from_fn, once};

use bytes::Bytes;
use eyot_core::store::{Key, Row};

use super::layer::{Layer, Says};
use super::tree::Snapshot;

/// From which end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// From the first row.
    Forth,
    /// From the last row.
    Back,
}

/// Some rows in order, those that were removed among them.
type Rows<'a> = Box<dyn Iterator<Item = Result<(Key, Option<Bytes>), redb::Error>> + 'a>;

/// Returns a row as layers, the newest first, and the tree have it.
pub(super) fn get(
    layers: &[&Layer],
    tree: impl FnOnce() -> Result<Option<Row>, redb::Error>,
    key: &Key,
) -> Result<Option<Row>, redb::Error> {
    let says = layers.iter().map(|layer| layer.get(key)).find(|says| *says != Says::Nothing);
    match says.unwrap_or(Says::Nothing) {
        Says::Set(value) => Ok(Some(Row { key: key.clone(), value: value.clone() })),
        Says::Removed => Ok(None),
        Says::Nothing => tree(),
    }
}

/// Returns the rows of a range as layers, the newest first, and the tree have them.
pub(super) fn range(
    layers: &[&Layer],
    tree: &Snapshot,
    (from, to): (&Key, &Key),
    direction: Direction,
    limit: u32,
) -> Result<Vec<Row>, redb::Error> {
    if from >= to {
        return Ok(Vec::new());
    }
    let mut rows: Rows<'_> = Box::new(std::iter::empty());
    for (at, layer) in layers.iter().enumerate() {
        let newer = layers.get(..at).unwrap_or_default();
        let visible = |key: &Key| !newer.iter().any(|layer| layer.ranges().contains(key));
        let own = layer.range(from, to);
        let own: Box<dyn Iterator<Item = _>> = match direction {
            Direction::Forth => Box::new(own),
            Direction::Back => Box::new(own.rev()),
        };
        let own =
            own.filter(move |(key, _)| visible(key)).map(|(key, value)| Ok((key.clone(), value.cloned())));
        rows = merge(rows, Box::new(own), direction);
    }
    merge(rows, in_tree(layers, tree, (from, to), direction), direction)
        .filter_map(|row| match row {
            Ok((key, value)) => value.map(|value| Ok(Row { key, value })),
            Err(error) => Some(Err(error)),
        })
        .take(usize::try_from(limit).unwrap_or(usize::MAX))
        .collect()
}

/// Returns the rows of the tree that lie in no range that a layer has removed.
fn in_tree<'a>(
    layers: &[&Layer],
    tree: &'a Snapshot,
    (from, to): (&Key, &Key),
    direction: Direction,
) -> Rows<'a> {
    let mut gaps = vec![(from.clone(), to.clone())];
    for layer in layers {
        gaps = gaps.iter().flat_map(|(from, to)| layer.ranges().gaps(from, to)).collect();
    }
    if direction == Direction::Back {
        gaps.reverse();
    }
    let rows =
        gaps.into_iter().flat_map(move |(from, to)| -> Box<dyn Iterator<Item = Result<Row, redb::Error>>> {
            match (tree.range(&from, &to), direction) {
                (Ok(rows), Direction::Forth) => Box::new(rows),
                (Ok(rows), Direction::Back) => Box::new(rows.rev()),
                (Err(error), _) => Box::new(once(Err(error))),
            }
        });
    Box::new(rows.map(|row| row.map(|row| (row.key, Some(row.value)))))
}

/// Joins two orders into one; where both have a row, that of the first counts.
fn merge<'a>(newer: Rows<'a>, older: Rows<'a>, direction: Direction) -> Rows<'a> {
    let (mut newer, mut older) = (newer.peekable(), older.peekable());
    Box::new(from_fn(move || {
        let first = match (newer.peek(), older.peek()) {
            (Some(Ok((a, _))), Some(Ok((b, _)))) => match direction {
                Direction::Forth => a.cmp(b),
                Direction::Back => b.cmp(a),
            },
            (Some(_), None) | (Some(Err(_)), _) => Ordering::Less,
            (None, _) | (_, Some(Err(_))) => Ordering::Greater,
        };
        match first {
            Ordering::Less => newer.next(),
            Ordering::Greater => older.next(),
            Ordering::Equal => {
                older.next();
                newer.next()
            }
        }
    }))
}
