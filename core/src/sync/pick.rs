//! Which entries of a page of the index are said first: those of accounts that somebody waits for.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::index::Found;
use crate::replica::Dot;

/// Bare addresses of accounts.
pub(crate) type Accounts = BTreeSet<Box<str>>;

/// An entry that is to be said.
#[derive(Clone, Debug)]
pub(crate) struct Picked {
    /// Its name.
    pub(crate) dot: Dot,
    /// Where it stands.
    pub(crate) found: Found,
    /// Somebody waits for it.
    pub(crate) wanted: bool,
}

impl Picked {
    /// Takes the first ones, for which at most `keys` rows are read; always one.
    pub(super) fn some(all: &mut VecDeque<Self>, keys: usize) -> Vec<Self> {
        let (mut some, mut used) = (Vec::new(), 0);
        while let Some(next) = all.front() {
            used += next.found.rows();
            if used > keys && !some.is_empty() {
                break;
            }
            some.extend(all.pop_front());
        }
        some
    }
}

/// Returns the entries of a page that are of these accounts, at most `room`: messages in the order of their stamps, with those that
/// have to be shown before them as far as they stand on the page.
pub(super) fn page(mut entries: Vec<(Dot, Found)>, wanted: &Accounts, room: usize) -> Vec<(Dot, Found)> {
    let mut chosen: BTreeSet<Dot> =
        entries.iter().filter(|(_, found)| found.is_of(wanted)).map(|(dot, _)| *dot).collect();
    let pasts: BTreeMap<Dot, Vec<Dot>> =
        entries.iter().map(|(dot, found)| (*dot, found.past().to_vec())).collect();
    let mut ahead: Vec<Dot> = chosen.iter().copied().collect();
    while let Some(dot) = ahead.pop() {
        let before = pasts.get(&dot).into_iter().flatten().filter(|dot| pasts.contains_key(dot));
        ahead.extend(before.filter(|dot| chosen.insert(**dot)));
    }
    entries.retain(|(dot, _)| chosen.contains(dot));
    entries.sort_by_key(|(dot, found)| (found.stamp(), *dot));
    entries.truncate(room);
    entries
}
