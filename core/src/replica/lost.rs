//! The end of an origin: what its dead node has taken along.
//!
//! Rests on the replication rules R1 (closing) and R5 (lost dependencies).

use std::collections::{BTreeMap, BTreeSet};

use minicbor::{Decode, Encode};
use sha2::{Digest as _, Sha256};

use super::{
    Account, Change, Dot, Dots, Dotted, Entry, Group, Keyed, Line, Log, Origin, Post, Replica, Set, Vector,
};

/// Origins that will write nothing any more, and the last number of each. Kept for ever, compared by its hash, and sent only when
/// it differs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Closed(#[n(0)] BTreeMap<Origin, u64>);

/// How an origin ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing {
    /// The last number that is known of.
    pub last: u64,
    /// Writes that nobody holds, in order. They are certified as lost, like any other write, and count as covered then.
    pub lost: Vec<Dot>,
}

impl Closing {
    /// Finds out how `dead` ends. `held` are the vectors of all members that can be reached, after they have exchanged
    /// everything; `named` is what waiting entries name as their past.
    pub fn of(dead: Origin, held: &[&Vector], named: impl IntoIterator<Item = Dot>) -> Self {
        let own = named.into_iter().filter(|dot| dot.origin == dead).map(|dot| dot.seq);
        let known = held.iter().map(|vector| vector.last(dead));
        let last = own.chain(known).max().unwrap_or(0);
        // Up to the greatest prefix nothing is lost.
        let whole = held.iter().map(|vector| vector.prefix(dead)).max().unwrap_or(0);
        let dots = (whole + 1..=last).map(|seq| dead.dot(seq));
        let nowhere = dots.filter(|dot| !held.iter().any(|vector| vector.covers(*dot)));
        Self { last, lost: nowhere.collect() }
    }
}

impl Closed {
    /// Adds an origin all of whose writes everybody covers.
    pub fn close(&mut self, origin: Origin, last: u64) {
        let known = self.0.entry(origin).or_insert(0);
        *known = last.max(*known);
    }

    /// Takes over what another member has closed.
    pub fn join(&mut self, other: &Self) {
        for (origin, last) in &other.0 {
            self.close(*origin, *last);
        }
    }

    /// Returns what a vector says beside the closed origins: what travels when the hashes are equal.
    #[must_use]
    pub fn strip(&self, vector: &Vector) -> Vector {
        vector.without(|origin| self.0.get(&origin).is_some_and(|last| vector.prefix(origin) >= *last))
    }

    /// Returns the vector of which `stripped` is what travelled: the sender has the same closed origins.
    #[must_use]
    pub fn restore(&self, stripped: &Vector) -> Vector {
        let mut vector = Vector::prefixes_of(&self.0);
        vector.join(stripped);
        vector
    }

    /// Returns the hash by which two lists are compared.
    pub fn hash(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for (origin, last) in &self.0 {
            hash.update(origin.to_bytes());
            hash.update(last.to_be_bytes());
        }
        hash.finalize().into()
    }
}

/// A replicated kind whose entries can be written anew.
pub trait Republish: Replica {
    /// Writes a live entry once more under the name `new`; the old one goes. Nothing when `old` is not live here.
    fn republish(&mut self, old: Dot, new: Dot) -> Option<Self::Delta>;
}

/// Writes anew what was certified as lost and is held here all the same: everybody counts it as covered, so that nobody would be
/// sent it. It keeps its stamp, and comes late. Only after a sync from a full member has been committed: what was replaced elsewhere
/// must not be live here. Returns the writes, and which of the lost ones each of them is: who was given that was given this.
pub fn republish<S>(group: &mut Group<S>, lost: &BTreeSet<Dot>, dots: &mut Dots) -> Vec<(Dot, S::Delta)>
where
    S: Republish,
    S::Delta: Dotted,
{
    let held = group.state().deltas().into_iter().map(|delta| delta.dot()).filter(|dot| lost.contains(dot));
    let again = held.collect::<Vec<_>>().into_iter().filter_map(|old| {
        let next = dots.origin().dot(dots.last() + 1);
        let delta = group.change(|state| state.republish(old, next))?;
        dots.take();
        Some((old, delta))
    });
    again.collect()
}

/// The entry under another name: it replaces what the old one did, and the old one.
fn anew<V: Clone>(entry: &Entry<V>, new: Dot) -> Entry<V> {
    let mut again = entry.clone();
    again.context.see(entry.dot);
    again.dot = new;
    again
}

impl<K, V> Republish for Set<K, V>
where
    Self: Replica<Delta = Keyed<K, V>>,
    K: Ord + Clone,
    V: Clone,
{
    fn republish(&mut self, old: Dot, new: Dot) -> Option<Keyed<K, V>> {
        let Keyed { key, entry } = self.deltas().into_iter().find(|keyed| keyed.entry.dot == old)?;
        let again = Keyed { key, entry: anew(&entry, new) };
        self.apply(&again);
        Some(again)
    }
}

impl Republish for Account {
    fn republish(&mut self, old: Dot, new: Dot) -> Option<Change> {
        let Change { cell, lives, entry } = self.deltas().into_iter().find(|change| change.dot() == old)?;
        let again = Change { cell, lives, entry: anew(&entry, new) };
        self.apply(&again);
        Some(again)
    }
}

impl<B> Republish for Log<B>
where
    Self: Replica<Delta = Line<B>>,
    B: Clone,
{
    fn republish(&mut self, old: Dot, new: Dot) -> Option<Line<B>> {
        let again = match self.deltas().into_iter().find(|line| line.dot() == old)? {
            Line::Post(post) => Line::Post(Post { dot: new, ..post }),
            Line::Retract { of, .. } => Line::Retract { dot: new, of },
            Line::Floor { hlc, .. } => Line::Floor { dot: new, hlc },
        };
        self.remove(old);
        self.apply(&again);
        Some(again)
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{covering, origin};
    use super::*;
    use crate::replica::{Caps, Hlc};

    #[test]
    fn what_nobody_holds_of_a_dead_node_is_lost_and_nothing_else_is() {
        let (one, other) = (covering(&[(1, 1), (1, 2), (1, 4), (2, 9)]), covering(&[(1, 1), (1, 6)]));
        let waits_for = [origin(1).dot(7), origin(2).dot(50)];
        let closing = Closing::of(origin(1), &[&one, &other], waits_for);
        assert_eq!(closing.lost, [3, 5, 7].map(|seq| origin(1).dot(seq)));
        assert_eq!(closing.last, 7);
    }

    #[test]
    fn with_the_lost_writes_counted_an_origin_has_no_gaps() {
        let mut vector = covering(&[(1, 1), (1, 4)]);
        for dot in Closing::of(origin(1), &[&vector.clone()], []).lost {
            vector.count(dot);
        }
        assert_eq!((vector.prefix(origin(1)), vector.singles()), (4, 0));
    }

    #[test]
    fn closed_origins_do_not_travel_and_are_not_forgotten() {
        let vector = covering(&[(1, 1), (1, 2), (2, 1), (3, 7)]);
        let mut closed = Closed::default();
        closed.close(origin(1), 2);
        closed.close(origin(2), 5);
        let stripped = closed.strip(&vector);
        assert_eq!(stripped, covering(&[(2, 1), (3, 7)]), "what is not covered whole travels");
        let mut whole = Closed::default();
        whole.close(origin(1), 2);
        assert_eq!(whole.restore(&whole.strip(&vector)), vector);
        assert_ne!(whole.hash(), closed.hash());
        whole.join(&closed);
        assert_eq!(whole.hash(), closed.hash());
    }

    /// A whole sync.
    fn exchange<S: Replica>(from: &Group<S>, to: &mut Group<S>)
    where
        S::Delta: Dotted,
    {
        let sync = from.sync(to.vector());
        sync.entries.iter().for_each(|entry| _ = to.apply(entry));
        to.commit(&sync);
    }

    #[test]
    fn a_lost_write_that_turns_up_is_written_anew_and_reaches_everybody() {
        // A dies with 1:1, which only C's disk has. A and B certify it as lost; then C is back.
        let empty = Group::<Set<u8, u8>>::default();
        let (lost, mut c) = (origin(1).dot(1), empty.clone());
        c.apply(&empty.state().write(0, lost, Hlc { millis: 5, count: 0 }, 7));
        let mut b = empty;
        b.cover(lost);
        b.apply(&b.state().write(0, origin(2).dot(1), Hlc { millis: 3, count: 0 }, 8));
        exchange(&c, &mut b);
        let newest = |group: &Group<Set<u8, u8>>| {
            group
                .state()
                .get(&0)
                .and_then(|cell| cell.newest(&Caps::new()))
                .map(|entry| (entry.dot, entry.value))
        };
        assert_eq!(newest(&b), Some((origin(2).dot(1), 8)), "it is not sent: it counts as covered");
        exchange(&b, &mut c);
        let mut dots = Dots::new(origin(3));
        let again = republish(&mut c, &BTreeSet::from([lost]), &mut dots);
        assert_eq!(
            again.iter().map(|(old, new)| (*old, new.dot())).collect::<Vec<_>>(),
            [(lost, origin(3).dot(1))]
        );
        exchange(&c, &mut b);
        assert_eq!(b.state(), c.state());
        assert_eq!(newest(&b), Some((origin(3).dot(1), 7)), "with its own stamp");
        assert!(republish(&mut c, &BTreeSet::from([lost]), &mut dots).is_empty(), "once");
    }

    #[test]
    fn what_was_replaced_before_it_was_lost_does_not_come_back() {
        let (lost, mut c) = (origin(1).dot(1), Group::<Set<u8, u8>>::default());
        c.apply(&c.state().write(0, lost, Hlc::default(), 7));
        let mut b = c.clone();
        b.apply(&b.state().write(0, origin(2).dot(1), Hlc::default(), 8));
        exchange(&b, &mut c);
        assert!(republish(&mut c, &BTreeSet::from([lost]), &mut Dots::new(origin(3))).is_empty());
    }

    #[test]
    fn what_a_lost_write_has_replaced_stays_replaced_by_it() {
        let mut c = Group::<Set<u8, u8>>::default();
        let first = c.state().write(0, origin(4).dot(1), Hlc::default(), 6);
        c.apply(&first);
        let mut b = c.clone();
        let lost = origin(1).dot(1);
        c.apply(&c.state().write(0, lost, Hlc::default(), 7));
        b.cover(lost);
        republish(&mut c, &BTreeSet::from([lost]), &mut Dots::new(origin(3)));
        exchange(&c, &mut b);
        assert_eq!(b.state(), c.state());
        assert_eq!(b.state().get(&0).map(|cell| cell.siblings().len()), Some(1));
    }

    #[test]
    fn a_lost_message_comes_late_in_its_place_and_is_listed_once() {
        let (lost, mut c) = (origin(1).dot(1), Group::<Log<char>>::default());
        let post = |dot, millis| {
            let hlc = Hlc { millis, count: 0 };
            Line::Post(Post { dot, hlc, message: dot, key: None, body: Some('x') })
        };
        c.apply(&post(lost, 5));
        c.apply(&post(origin(3).dot(1), 9));
        let mut b = Group::<Log<char>>::default();
        b.cover(lost);
        let mut dots = Dots::new(origin(3));
        dots.take();
        republish(&mut c, &BTreeSet::from([lost]), &mut dots);
        exchange(&c, &mut b);
        for group in [&b, &c] {
            let listed: Vec<Dot> = group.state().list(&Caps::new()).values().map(|post| post.dot).collect();
            assert_eq!(listed, [origin(3).dot(2), origin(3).dot(1)]);
            assert_eq!(
                group.state().get(listed[0]).map(|post| post.message),
                Some(lost),
                "it is the same message"
            );
        }
        assert_eq!(b.hash(), c.hash());
    }
}
