//! One cell: all its causally greatest writes.
//!
//! Rests on the replication rules R6 (siblings) and R3 (live entries only).

use minicbor::decode::Error;
use minicbor::encode::Write;
use minicbor::{Decode, Decoder, Encode, Encoder};

use super::{Caps, Dot, Hlc, Origin, Vector};

/// What the author of an entry had seen of the entry's cell: of each origin the highest dot, in the order of the origins. It
/// hides these dots and all of the same origin below them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context(Box<[Dot]>);

/// One write of a cell.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Entry<V> {
    /// Its name.
    #[n(0)]
    pub dot: Dot,
    /// Its stamp. It decides between concurrent writes and nothing else.
    #[n(1)]
    pub hlc: Hlc,
    /// What it replaces.
    #[n(2)]
    pub context: Context,
    /// What was written.
    #[n(3)]
    pub value: V,
}

/// A cell: the writes that no other write has seen, in the order of their dots. There are at most as many as
/// origins that wrote at once.
/// Takes no memory until it is written, and for one write that of the entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell<V> {
    siblings: Box<[Entry<V>]>,
}

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It is live.
    Live,
    /// It was there already.
    Known,
    /// A live entry has seen it.
    Hidden,
}

impl Context {
    /// Returns whether `dot` is hidden.
    pub fn hides(&self, dot: Dot) -> bool {
        self.place(dot.origin).is_ok_and(|at| dot.seq <= self.0[at].seq)
    }

    /// Adds a dot that was seen.
    pub fn see(&mut self, dot: Dot) {
        match self.place(dot.origin) {
            Ok(at) => self.0[at].seq = dot.seq.max(self.0[at].seq),
            Err(at) => {
                let mut dots = core::mem::take(&mut self.0).into_vec();
                dots.insert(at, dot);
                self.0 = dots.into_boxed_slice();
            }
        }
    }

    /// Adds what somebody else had seen.
    pub fn join(&mut self, other: &Self) {
        for dot in &other.0 {
            self.see(*dot);
        }
    }

    /// Drops the origins for which `folded` holds: everybody has everything of theirs.
    pub fn fold(&mut self, folded: impl Fn(Origin) -> bool) {
        self.0 = self.0.iter().copied().filter(|dot| !folded(dot.origin)).collect();
    }

    /// Returns how many origins it names.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether it names none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn place(&self, origin: Origin) -> Result<usize, usize> {
        self.0.binary_search_by_key(&origin, |dot| dot.origin)
    }
}

impl<C> Encode<C> for Context {
    fn encode<W: Write>(
        &self,
        out: &mut Encoder<W>,
        cx: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        self.0.encode(out, cx)
    }
}

impl<'b, C> Decode<'b, C> for Context {
    fn decode(input: &mut Decoder<'b>, cx: &mut C) -> Result<Self, Error> {
        let dots = Vec::<Dot>::decode(input, cx)?;
        if dots.is_sorted_by(|one, next| one.origin < next.origin) {
            return Ok(Self(dots.into_boxed_slice()));
        }
        Err(Error::message("a context names its origins in order, each once"))
    }
}

impl<V> Entry<V> {
    /// Returns the entry with another value in the place of its own.
    pub fn with<W>(&self, value: W) -> Entry<W> {
        Entry { dot: self.dot, hlc: self.hlc, context: self.context.clone(), value }
    }
}

impl<V> Cell<V> {
    /// Creates a cell that nobody has written.
    pub fn new() -> Self {
        Self { siblings: Box::default() }
    }

    /// Makes the write of a node that has seen everything in this cell. It is applied like any other.
    pub fn write(&self, dot: Dot, hlc: Hlc, value: V) -> Entry<V> {
        Entry { dot, hlc, context: self.seen(), value }
    }

    /// Returns what a node that holds this has seen: the live writes, and what they had seen.
    pub fn seen(&self) -> Context {
        let mut context = Context::default();
        for entry in &self.siblings {
            context.join(&entry.context);
            context.see(entry.dot);
        }
        context
    }

    /// Takes an entry in. The order in which entries come, and how often, makes no difference.
    pub fn apply(&mut self, entry: Entry<V>) -> Applied {
        if self.siblings.iter().any(|known| known.dot == entry.dot) {
            return Applied::Known;
        }
        if self.siblings.iter().any(|known| known.context.hides(entry.dot)) {
            return Applied::Hidden;
        }
        let mut live = core::mem::take(&mut self.siblings).into_vec();
        live.retain(|known| !entry.context.hides(known.dot));
        let place = live.partition_point(|known| known.dot < entry.dot);
        live.insert(place, entry);
        self.siblings = live.into_boxed_slice();
        Applied::Live
    }

    /// Drops removals that everybody has: it becomes as if nobody had written it.
    pub fn collect(&mut self, floor: &Vector, is_removal: impl Fn(&V) -> bool) {
        if self.siblings.iter().all(|entry| floor.covers(entry.dot) && is_removal(&entry.value)) {
            self.siblings = Box::default();
        }
    }

    /// Drops the entries for which `gone` holds.
    pub fn forget(&mut self, gone: &dyn Fn(Dot) -> bool) {
        if self.siblings.iter().any(|entry| gone(entry.dot)) {
            let mut live = core::mem::take(&mut self.siblings).into_vec();
            live.retain(|entry| !gone(entry.dot));
            self.siblings = live.into_boxed_slice();
        }
    }

    /// Returns the live entries, in the order of their dots.
    pub fn siblings(&self) -> &[Entry<V>] {
        &self.siblings
    }

    /// Returns the live entry that stands last.
    pub fn newest(&self, caps: &Caps) -> Option<&Entry<V>> {
        match &*self.siblings {
            [] => None,
            [only] => Some(only),
            several => several.iter().max_by_key(|entry| caps.place(entry.hlc, entry.dot)),
        }
    }

    /// Returns whether nobody has written it.
    pub fn is_empty(&self) -> bool {
        self.siblings.is_empty()
    }
}

impl<C, V: Encode<C>> Encode<C> for Cell<V> {
    fn encode<W: Write>(
        &self,
        out: &mut Encoder<W>,
        cx: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        self.siblings.encode(out, cx)
    }
}

impl<'b, C, V: Decode<'b, C>> Decode<'b, C> for Cell<V> {
    fn decode(input: &mut Decoder<'b>, cx: &mut C) -> Result<Self, Error> {
        Ok(Self { siblings: Vec::decode(input, cx)?.into_boxed_slice() })
    }
}

impl<V> Default for Cell<V> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{at, origin};
    use super::*;
    use crate::replica::{Cap, Replica as _};

    /// Three writes in a row, by three nodes, each having seen the one before.
    fn chain() -> [Entry<&'static str>; 3] {
        let mut cell = Cell::new();
        [(1, "a"), (2, "b"), (3, "c")].map(|(node, value)| {
            let entry = cell.write(origin(node).dot(1), at(i64::from(node)), value);
            cell.apply(entry.clone());
            entry
        })
    }

    #[test]
    fn the_first_of_three_stays_hidden_when_it_comes_last() {
        let [a, b, c] = chain();
        let mut cell = Cell::new();
        assert_eq!(cell.apply(c.clone()), Applied::Live);
        assert_eq!(cell.apply(a), Applied::Hidden);
        assert_eq!(cell.apply(b), Applied::Hidden);
        assert_eq!(cell.apply(c.clone()), Applied::Known);
        assert_eq!(cell.siblings(), [c]);
    }

    #[test]
    fn a_write_that_saw_another_wins_whatever_the_clocks_say() {
        let mut cell = Cell::new();
        cell.apply(cell.write(origin(1).dot(1), at(2_000), "a year ahead"));
        cell.apply(cell.write(origin(2).dot(1), at(1), "later"));
        assert_eq!(cell.newest(&Caps::new()).map(|entry| entry.value), Some("later"));
    }

    #[test]
    fn concurrent_writes_stay_side_by_side_until_somebody_has_seen_both() {
        let empty = Cell::new();
        let mut cell = Cell::new();
        cell.apply(empty.write(origin(1).dot(1), at(5), "one"));
        cell.apply(empty.write(origin(2).dot(1), at(4), "other"));
        assert_eq!(cell.siblings().len(), 2);
        assert_eq!(cell.newest(&Caps::new()).map(|entry| entry.value), Some("one"));
        cell.apply(cell.write(origin(2).dot(2), at(3), "both seen"));
        assert_eq!(cell.siblings().len(), 1);
    }

    #[test]
    fn a_member_that_saw_only_one_of_two_concurrent_writes_replaces_only_that_one() {
        // none || admin, then a write that saw only admin: keeping only a winner would not be associative.
        let empty = Cell::new();
        let none = empty.write(origin(1).dot(1), at(1), "none");
        let admin = empty.write(origin(2).dot(1), at(2), "admin");
        let mut third = Cell::new();
        third.apply(admin.clone());
        let member = third.write(origin(3).dot(1), at(3), "member");
        let values = |order: [&Entry<&'static str>; 3]| {
            let mut cell = Cell::new();
            for entry in order {
                cell.apply(entry.clone());
            }
            cell.siblings().iter().map(|entry| entry.value).collect::<Vec<_>>()
        };
        assert_eq!(values([&none, &admin, &member]), ["none", "member"]);
        assert_eq!(values([&member, &admin, &none]), ["none", "member"]);
        assert_eq!(values([&admin, &none, &member]), ["none", "member"]);
    }

    #[test]
    fn a_node_a_year_ahead_wins_no_conflict_once_it_is_capped() {
        let mut cell = Cell::new();
        let (ahead, sane) = (origin(1).dot(1), origin(2).dot(1));
        cell.apply(Cell::new().write(ahead, at(1_000_000), "ahead"));
        cell.apply(Cell::new().write(sane, at(50), "sane"));
        let mut caps = Caps::new();
        caps.apply(&Cap { dot: origin(3).dot(1), of: ahead, at: at(20) });
        assert_eq!(cell.newest(&Caps::new()).map(|entry| entry.value), Some("ahead"));
        assert_eq!(cell.newest(&caps).map(|entry| entry.value), Some("sane"));
    }
}
