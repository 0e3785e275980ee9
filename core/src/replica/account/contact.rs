//! What is known of one contact, kept small: the rosters of everybody who is logged in are in memory.
//!
//! Rests on the replication rules R6 (siblings) and R10 (subscriptions).

use bytes::Bytes;
use minicbor::{Decode, Decoder, Encode, Encoder};

use super::name::End;
use super::{Item, Value, row};
use crate::replica::{Applied, Caps, Cell, Context, Dot, Edge, Entry, Hlc, Standing, Vector, Want};

/// Which cell of a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// What the owner wrote.
    Item,
    /// Whether the subscriber of an edge wants it.
    Want(End),
    /// Whether its publisher allows it.
    Allow(End),
}

/// All parts, in the order in which they are kept.
const PARTS: [Part; 5] = [
    Part::Item,
    Part::Want(End::Towards),
    Part::Allow(End::Towards),
    Part::Want(End::Back),
    Part::Allow(End::Back),
];

/// The cells of a contact. Four of five are read seldom, and a decoded one takes three times as much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Contact {
    /// The cells as they are stored, each a byte string, which is empty when nobody has written it.
    cells: Box<[u8]>,
    /// What the cells of the edge towards the contact say.
    towards: Edge,
    /// What those of the edge back say.
    back: Edge,
}

impl Contact {
    /// Returns what the owner wrote, unless it was removed.
    pub(super) fn item(&self, caps: &Caps) -> Option<Item> {
        let cell = self.cell::<Item>(Part::Item);
        cell.newest(caps).map(|entry| &entry.value).filter(|item| item.present).cloned()
    }

    /// Returns what the edges say.
    pub(super) fn standing(&self) -> Standing {
        Standing::of(self.towards, self.back)
    }

    /// Returns the request of the contact, if it was not answered.
    pub(super) fn request(&self, caps: &Caps) -> Option<Bytes> {
        let asked = self.back.want && !self.back.allow;
        let cell = asked.then(|| self.cell::<Want>(Part::Want(End::Back)))?;
        cell.newest(caps)?.value.stanza.clone()
    }

    /// Returns the last write of what the roster shows, a removal included.
    pub(super) fn changed(&self, caps: &Caps) -> Option<(Hlc, Dot)> {
        let allowed = || last(&self.cell::<bool>(Part::Allow(End::Towards)), caps);
        let seen = [
            last(&self.cell::<Item>(Part::Item), caps),
            last(&self.cell::<Want>(Part::Want(End::Towards)), caps),
            self.towards.want.then(allowed).flatten(),
            last(&self.cell::<bool>(Part::Allow(End::Back)), caps),
        ];
        seen.into_iter().flatten().max()
    }

    /// Returns what the writer of a cell has seen of it.
    pub(super) fn seen(&self, part: Part) -> Context {
        match part {
            Part::Item => self.cell::<Item>(part).seen(),
            Part::Want(_) => self.cell::<Want>(part).seen(),
            Part::Allow(_) => self.cell::<bool>(part).seen(),
        }
    }

    /// Encodes all live writes of a cell; nothing when nobody has written it.
    pub(super) fn row(&self, part: Part) -> Option<Bytes> {
        row::of_encoded(self.encoded(part))
    }

    /// Takes a write of one of the cells in.
    ///
    /// # Panics
    ///
    /// When the value is that of another cell.
    pub(super) fn apply(&mut self, part: Part, entry: &Entry<Value>) -> Applied {
        match (part, &entry.value) {
            (Part::Item, Value::Item(item)) => self.change_item(|cell| cell.apply(entry.with(item.clone()))),
            (Part::Want(end), Value::Want(want)) => {
                self.change_want(end, |cell| cell.apply(entry.with(want.clone())))
            }
            (Part::Allow(end), Value::Allow(on)) => {
                self.change_allow(end, |cell| cell.apply(entry.with(*on)))
            }
            (part, value) => {
                panic!("{value:?} is of another cell than {part:?}: neither written nor decoded")
            }
        }
    }

    /// Drops removals that everybody has.
    pub(super) fn collect(&mut self, floor: &Vector) {
        self.change_item(|cell| cell.collect(floor, |item| !item.present));
        for end in [End::Towards, End::Back] {
            self.change_want(end, |cell| cell.collect(floor, |want| !want.on));
            self.change_allow(end, |cell| cell.collect(floor, |on| !on));
        }
    }

    /// Drops the entries for which `gone` holds.
    pub(super) fn forget(&mut self, gone: &dyn Fn(Dot) -> bool) {
        self.change_item(|cell| cell.forget(gone));
        for end in [End::Towards, End::Back] {
            self.change_want(end, |cell| cell.forget(gone));
            self.change_allow(end, |cell| cell.forget(gone));
        }
    }

    /// Returns whether nobody has written any of the cells.
    pub(super) fn is_empty(&self) -> bool {
        PARTS.into_iter().all(|part| self.encoded(part).is_empty())
    }

    /// Returns the live writes of all cells.
    pub(super) fn writes(&self) -> impl Iterator<Item = (Part, Entry<Value>)> {
        PARTS.into_iter().flat_map(|part| {
            let entries = match part {
                Part::Item => self.entries(part, Value::Item),
                Part::Want(_) => self.entries(part, Value::Want),
                Part::Allow(_) => self.entries(part, Value::Allow),
            };
            entries.into_iter().map(move |entry| (part, entry))
        })
    }

    fn entries<V>(&self, part: Part, value: fn(V) -> Value) -> Vec<Entry<Value>>
    where
        V: Clone + for<'b> Decode<'b, ()>,
    {
        let cell = self.cell::<V>(part);
        cell.siblings().iter().map(|entry| entry.with(value(entry.value.clone()))).collect()
    }

    fn change_item<R>(&mut self, change: impl FnOnce(&mut Cell<Item>) -> R) -> R {
        let mut cell = self.cell(Part::Item);
        let outcome = change(&mut cell);
        self.put(Part::Item, &cell);
        outcome
    }

    fn change_want<R>(&mut self, end: End, change: impl FnOnce(&mut Cell<Want>) -> R) -> R {
        let mut cell = self.cell(Part::Want(end));
        let outcome = change(&mut cell);
        self.edge_mut(end).want = cell.is_granted();
        self.put(Part::Want(end), &cell);
        outcome
    }

    fn change_allow<R>(&mut self, end: End, change: impl FnOnce(&mut Cell<bool>) -> R) -> R {
        let mut cell = self.cell(Part::Allow(end));
        let outcome = change(&mut cell);
        self.edge_mut(end).allow = cell.is_granted();
        self.put(Part::Allow(end), &cell);
        outcome
    }

    const fn edge_mut(&mut self, end: End) -> &mut Edge {
        match end {
            End::Towards => &mut self.towards,
            End::Back => &mut self.back,
        }
    }

    /// Decodes a cell; its values are those of the part.
    fn cell<V: for<'b> Decode<'b, ()>>(&self, part: Part) -> Cell<V> {
        match self.encoded(part) {
            [] => Cell::new(),
            bytes => minicbor::decode(bytes).expect("what was encoded by put"),
        }
    }

    fn encoded(&self, wanted: Part) -> &[u8] {
        let mut input = Decoder::new(&self.cells);
        let mut strings = PARTS.into_iter().map(|part| (part, input.bytes().expect("five byte strings")));
        strings.find(|(part, _)| *part == wanted).map_or(&[], |(_, bytes)| bytes)
    }

    fn put<V: Encode<()>>(&mut self, wanted: Part, cell: &Cell<V>) {
        let mut new = Vec::new();
        if !cell.is_empty() {
            minicbor::encode(cell, &mut new).expect("writing to a Vec cannot fail");
        }
        let mut out = Encoder::new(Vec::with_capacity(self.cells.len() + new.len() + size_of::<u64>()));
        for part in PARTS {
            let bytes = if part == wanted { &new } else { self.encoded(part) };
            out.bytes(bytes).expect("writing to a Vec cannot fail");
        }
        self.cells = out.into_writer().into_boxed_slice();
    }
}

impl Default for Contact {
    /// Nobody has written anything.
    fn default() -> Self {
        let mut out = Encoder::new(Vec::with_capacity(PARTS.len()));
        for _ in PARTS {
            out.bytes(&[]).expect("writing to a Vec cannot fail");
        }
        Self { cells: out.into_writer().into(), towards: Edge::default(), back: Edge::default() }
    }
}

/// Returns the last live write of a cell.
fn last<V>(cell: &Cell<V>, caps: &Caps) -> Option<(Hlc, Dot)> {
    cell.newest(caps).map(|entry| (entry.hlc, entry.dot))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replica::{Dots, Origin};

    #[test]
    fn a_request_is_kept_until_it_is_answered_or_withdrawn() {
        for (on, allow, asked) in
            [(true, false, true), (true, true, false), (false, false, false), (false, true, false)]
        {
            let mut dots = Dots::new(Origin { node: 1, start: 1, random: 0 });
            let mut contact = Contact::default();
            let stanza = Some(Bytes::from_static(b"<presence/>"));
            for (part, value) in [
                (Part::Want(End::Back), Value::Want(Want { on, stanza })),
                (Part::Allow(End::Back), Value::Allow(allow)),
            ] {
                let (dot, context) = (dots.take(), contact.seen(part));
                contact.apply(part, &Entry { dot, hlc: Hlc::default(), context, value });
            }
            assert_eq!(contact.request(&Caps::new()).is_some(), asked, "want {on}, allow {allow}");
        }
    }

    #[test]
    fn what_is_forgotten_leaves_an_empty_contact() {
        let dot = Origin { node: 1, start: 1, random: 0 }.dot(1);
        let entry =
            Entry { dot, hlc: Hlc::default(), context: Context::default(), value: Value::Allow(true) };
        let mut contact = Contact::default();
        assert!(contact.is_empty());
        assert_eq!(contact.apply(Part::Allow(End::Back), &entry), Applied::Live);
        assert_eq!(contact.apply(Part::Allow(End::Back), &entry), Applied::Known);
        assert!(contact.standing().approved && !contact.is_empty());
        contact.forget(&|gone| gone == dot);
        assert_eq!(contact, Contact::default());
    }
}
