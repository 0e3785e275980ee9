//! A group: what is held and synchronised together, and the vector that says up to where.
//!
//! Rests on the replication rules R2 (vectors are certified) and R3 (live entries only).

use core::fmt::Debug;

use minicbor::Encode;
use sha2::{Digest as _, Sha256};

use super::law::Replica;
use super::{Dot, Keyed, Vector};
use crate::replica::{Counted, Entry, Names};

/// A change that has a name.
pub trait Dotted {
    /// Returns its name.
    fn dot(&self) -> Dot;
}

/// A value that several nodes hold, as one of them holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group<S> {
    state: S,
    vector: Vector,
    /// What all members have committed, as far as is known here.
    floor: Vector,
}

/// What one node sends another so that it holds everything the sender held at the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sync<D> {
    /// Live entries that the receiver does not cover. They may be applied one by one, and the rest never come.
    pub entries: Vec<D>,
    /// What the receiver covers when it has applied all of them, and not before.
    pub commit: Vector,
    /// What all members have committed, as far as the sender knows. Its commit makes the receiver one of them.
    pub floor: Vector,
    /// The live entries of the sender, when the receiver was away so long that removals may have been dropped which it has not seen.
    /// They stay with the sender, which answers questions about them.
    pub live: Option<Names>,
}

impl<S> Group<S>
where
    S: Replica,
    S::Delta: Dotted,
{
    /// Returns what is held.
    pub const fn state(&self) -> &S {
        &self.state
    }

    /// Returns what is covered.
    pub const fn vector(&self) -> &Vector {
        &self.vector
    }

    /// Applies a change, written here or received, that is durable.
    pub fn apply(&mut self, delta: &S::Delta) -> Counted {
        self.state.apply(delta);
        self.vector.count(delta.dot())
    }

    /// Covers a write that nobody has: it was certified as lost.
    pub fn cover(&mut self, lost: Dot) {
        self.vector.count(lost);
    }

    /// Makes a write of what is held; it is durable.
    pub(super) fn change(&mut self, write: impl FnOnce(&mut S) -> Option<S::Delta>) -> Option<S::Delta> {
        let delta = write(&mut self.state)?;
        self.vector.count(delta.dot());
        Some(delta)
    }

    /// Begins to send everything that a node with vector `theirs` lacks. What is written later is not part of it.
    pub fn sync(&self, theirs: &Vector) -> Sync<S::Delta> {
        let mut entries = self.state.deltas();
        let live = (!theirs.includes(&self.floor)).then(|| entries.iter().map(Dotted::dot).collect());
        entries.retain(|entry| !theirs.covers(entry.dot()));
        Sync { entries, commit: self.vector.clone(), floor: self.floor.clone(), live }
    }

    /// Covers what the sender covered at the start of a sync, all entries of which have been applied.
    pub fn commit(&mut self, sync: &Sync<S::Delta>) {
        if let Some(live) = &sync.live {
            let own: Names = self.state.deltas().iter().map(Dotted::dot).collect();
            let lacking = own.lacking(|question| live.answer(question));
            self.state.forget(&|dot| sync.commit.covers(dot) && lacking.contains(&dot));
        }
        self.vector.join(&sync.commit);
        self.raise(&sync.floor);
    }

    /// Learns what every other member has committed, those out of reach included, and drops the removals that all of them have.
    ///
    /// Nothing is learnt unless all of it is covered here: a member that has a removal may have written before it did, and until that
    /// write is here the removal has to stand beside it.
    pub fn hear<'a>(&mut self, others: impl Iterator<Item = &'a Vector> + Clone) {
        if others.clone().all(|other| self.vector.includes(other)) {
            let floor = others.fold(self.vector.clone(), |floor, other| floor.common(other));
            self.raise(&floor);
        }
    }

    /// Takes a floor over.
    fn raise(&mut self, floor: &Vector) {
        self.floor.join(floor);
        self.state.collect(&self.floor);
    }

    /// Returns what all members have committed, as far as is known.
    pub const fn floor(&self) -> &Vector {
        &self.floor
    }

    /// Returns a sum over the live entries that say more than that something is gone, whatever their order. Members that cover the
    /// same have the same.
    pub fn hash(&self) -> u64 {
        let told = self.state.deltas().into_iter().filter(|delta| !self.state.is_removal(delta));
        told.map(|delta| hash(&delta)).fold(0, u64::wrapping_add)
    }
}

/// Hashes an entry as it travels.
fn hash<D: Encode<()>>(delta: &D) -> u64 {
    let bytes = minicbor::to_vec(delta).expect("writing to a Vec cannot fail");
    let digest = Sha256::digest(&bytes);
    digest.iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

impl<S: Default> Default for Group<S> {
    fn default() -> Self {
        Self { state: S::default(), vector: Vector::new(), floor: Vector::new() }
    }
}

impl<V> Dotted for Entry<V> {
    fn dot(&self) -> Dot {
        self.dot
    }
}

impl<K, V> Dotted for Keyed<K, V> {
    fn dot(&self) -> Dot {
        self.entry.dot
    }
}

#[cfg(test)]
mod tests {
    use arbitrary::Unstructured;

    use super::*;
    use crate::jid::BareJid;
    use crate::replica::{Account, Caps, CellName, Dots, Hlc, Origin, Set, Value};

    type Cells = Group<Set<u8, u8>>;

    fn dots(node: u32, start: u32) -> Dots {
        Dots::new(Origin { node, start, random: 0 })
    }

    fn write(group: &mut Cells, dots: &mut Dots, key: u8, value: u8) -> Keyed<u8, u8> {
        let delta = group.state().write(key, dots.take(), Hlc::default(), value);
        group.apply(&delta);
        delta
    }

    /// One node of the model: what it holds on disk, and who it is at this start.
    struct Member {
        group: Cells,
        dots: Dots,
        /// A sync that was begun and not finished, and what of it came.
        coming: Option<(Sync<Keyed<u8, u8>>, usize)>,
    }

    /// Whenever two nodes cover the same, they hold the same; at every moment, not only in the end.
    fn equal_vectors_hold_equal_states(members: &[Member]) {
        for (index, one) in members.iter().enumerate() {
            for other in &members[index + 1..] {
                if one.group.vector() == other.group.vector() {
                    assert_eq!(one.group.state(), other.group.state());
                }
            }
        }
    }

    fn step(members: &mut [Member], u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
        let (to, from) = (u.choose_index(members.len())?, u.choose_index(members.len())?);
        match u.int_in_range(0..=9)? {
            0..=3 => {
                let (key, value) = (u.int_in_range(0..=2)?, u.arbitrary()?);
                let Member { group, dots, .. } = &mut members[to];
                let delta = write(group, dots, key, value);
                // Now and then it is seen elsewhere at once.
                if u.ratio(1, 3)? {
                    members[from].group.apply(&delta);
                }
            }
            4 => {
                let theirs = members[to].group.vector().clone();
                members[to].coming = Some((members[from].group.sync(&theirs), 0));
            }
            5..=7 => {
                let Member { group, coming, .. } = &mut members[to];
                let Some((sync, applied)) = coming else { return Ok(()) };
                match sync.entries.get(*applied) {
                    Some(entry) => _ = group.apply(entry),
                    None => group.commit(sync),
                }
                *applied += 1;
                if *applied > sync.entries.len() {
                    *coming = None;
                }
            }
            8 => members[to].coming = None,
            _ => {
                // A crash; sometimes the disk is lost with it. Either way it is another incarnation.
                let origin = members[to].dots.origin();
                members[to].dots = dots(origin.node, origin.start + 1);
                members[to].coming = None;
                if u.ratio(1, 4)? {
                    members[to].group = Cells::default();
                }
            }
        }
        Ok(())
    }

    /// A whole sync from one member to another.
    fn exchange(members: &mut [Member], to: usize, from: usize) {
        let sync = members[from].group.sync(members[to].group.vector());
        for entry in &sync.entries {
            members[to].group.apply(entry);
        }
        members[to].group.commit(&sync);
    }

    #[test]
    fn nodes_that_cover_the_same_hold_the_same() {
        arbtest::arbtest(|u| {
            let count = u.int_in_range(3..=5)?;
            let member = |node| Member { group: Cells::default(), dots: dots(node, 1), coming: None };
            let mut members: Vec<Member> = (0..count).map(member).collect();
            for _ in 0..u.int_in_range(0..=60)? {
                step(&mut members, u)?;
                equal_vectors_hold_equal_states(&members);
            }
            let count = members.len();
            for pair in 0..2 * count * count {
                exchange(&mut members, pair / count % count, pair % count);
            }
            let first = &members[0].group;
            assert!(members.iter().all(|member| member.group == *first));
            Ok(())
        });
    }

    #[test]
    fn a_ban_that_was_overwritten_where_its_overwriter_dies_is_not_lost_for_ever() {
        // A:1 = ban; B overwrites it with B:1; C begins a sync with B and loses the link before B:1 came; B's disk dies.
        let (mut a, mut b, mut c) = (Cells::default(), Cells::default(), Cells::default());
        let ban = write(&mut a, &mut dots(1, 1), 0, 1);
        b.apply(&ban);
        write(&mut b, &mut dots(2, 1), 0, 2);
        let sync = b.sync(c.vector());
        assert!(
            sync.entries.iter().all(|entry| entry.dot() != ban.dot()),
            "overwritten entries are never sent"
        );
        // The link is lost here: nothing was applied, nothing committed. C asks A.
        let sync = a.sync(c.vector());
        for entry in &sync.entries {
            c.apply(entry);
        }
        c.commit(&sync);
        assert_eq!(
            c.state().get(&0).and_then(|cell| cell.newest(&Caps::new())).map(|entry| entry.value),
            Some(1)
        );
    }

    #[test]
    fn an_old_disk_lets_go_of_what_everybody_else_has_dropped_and_keeps_what_only_it_holds() {
        let (mut a, mut c) = (Cells::default(), Cells::default());
        let mut dropped = dots(1, 1);
        write(&mut c, &mut dropped, 0, 1);
        let own = write(&mut c, &mut dots(3, 1), 1, 2);
        // Elsewhere the first was removed, and so was the removal.
        a.cover(dropped.origin().dot(1));
        a.cover(dropped.take());
        let vector = a.vector().clone();
        a.hear([&vector].into_iter());
        let sync = a.sync(c.vector());
        assert!(sync.live.is_some(), "it was away for too long");
        c.commit(&sync);
        assert_eq!(c.state().deltas(), [own]);
    }

    #[test]
    fn a_removal_stays_until_what_was_written_beside_it_has_come() {
        // A:1 = allowed; B:1 takes that back; C, which has not seen B:1, allows it again: C:1. Everybody gets B:1.
        let (alice, bob) =
            (BareJid::parse("alice@a.example").unwrap(), BareJid::parse("bob@a.example").unwrap());
        let name = CellName::Allow { subscriber: bob.clone(), publisher: alice };
        let mut members: Vec<Group<Account>> = vec![Group::default(); 3];
        let write = |group: &mut Group<Account>, node, on| {
            let dot = dots(node, 1).take();
            let change = group.state().write(name.clone(), dot, Hlc::default(), Value::Allow(on));
            group.apply(&change);
            change
        };
        for member in &mut members {
            let mut account = member.state().clone();
            account.begin();
            account.deltas().iter().for_each(|change| _ = member.apply(change));
        }
        let first = write(&mut members[0], 1, true);
        members[1].apply(&first);
        members[2].apply(&first);
        let off = write(&mut members[1], 2, false);
        let again = write(&mut members[2], 3, true);
        members[2].apply(&off);
        members[0].apply(&off);
        let vectors = [members[1].vector().clone(), members[2].vector().clone()];
        members[0].hear(vectors.iter());
        members[0].apply(&again);
        assert_eq!(members[0].state().deltas(), members[2].state().deltas());
        let standing = members[0].state().standing(&bob);
        assert!(!standing.from && !standing.approved, "off beats on");
    }
}
