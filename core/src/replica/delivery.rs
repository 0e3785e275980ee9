//! What a session was given: the difference to what its node holds.
//!
//! Rests on the replication rules R17 (delivery vectors).

use std::collections::BTreeSet;

use minicbor::{Decode, Encode};

use super::{Dot, Vector};

/// Entries that were given: all that a vector covers, but for some, and some that it has no room for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Given {
    #[n(0)]
    vector: Vector,
    #[n(1)]
    except: BTreeSet<Dot>,
    #[n(2)]
    also: BTreeSet<Dot>,
}

/// What a session was given of one log: what its node covers, but for some. A session that was given everything costs
/// a word. Every decision to deliver asks it and advances it; that an entry was applied just now says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Covered by the node and not given.
    except: BTreeSet<Dot>,
    /// What was given and the node does not cover: given on another node, or applied without being counted.
    beyond: Option<Box<Given>>,
}

impl From<Vector> for Given {
    fn from(vector: Vector) -> Self {
        Self { vector, except: BTreeSet::new(), also: BTreeSet::new() }
    }
}

impl Given {
    /// Returns the best that is known of what a client holds that asks for what comes after an entry: what its session was given;
    /// else what its user agent was given when it was here last; else what all nodes of the archive had committed as the origin of
    /// the entry knew when it wrote it. What the node holds that is asked would hide what another had applied before.
    pub fn base(session: Option<Self>, agent: Option<Self>, stable: &Vector) -> Self {
        session.or(agent).unwrap_or_else(|| stable.clone().into())
    }

    /// Returns whether an entry was given.
    pub fn covers(&self, dot: Dot) -> bool {
        (self.vector.covers(dot) && !self.except.contains(&dot)) || self.also.contains(&dot)
    }

    /// Adds what somebody else was given: what either was given was given.
    pub fn join(&mut self, other: &Self) {
        let lacking = |one: &Self, two: &Self| {
            one.except.iter().copied().filter(|dot| !two.covers(*dot)).collect::<BTreeSet<_>>()
        };
        let except = lacking(self, other).into_iter().chain(lacking(other, self)).collect();
        self.vector.join(&other.vector);
        self.except = except;
        let vector = &self.vector;
        self.also.extend(other.also.iter().chain(other.vector.beyond()));
        self.also.retain(|dot| !vector.covers(*dot));
    }

    /// Takes entries away again: they were given to somebody who has not acknowledged them.
    pub fn withdraw(&mut self, dots: impl IntoIterator<Item = Dot>) {
        for dot in dots {
            self.also.remove(&dot);
            self.except.insert(dot);
        }
    }
}

impl Delivery {
    /// Creates the state of a session that begins: what its node covers counts as given, and catching up is the client's affair.
    pub const fn new() -> Self {
        Self { except: BTreeSet::new(), beyond: None }
    }

    /// Returns whether an entry was given, `host` being what the session's node covers.
    pub fn covers(&self, host: &Vector, dot: Dot) -> bool {
        let beyond = || self.beyond.as_ref().is_some_and(|beyond| beyond.covers(dot));
        (host.covers(dot) && !self.except.contains(&dot)) || beyond()
    }

    /// Notes that the node has applied an entry: it is not given yet, unless it was given elsewhere. Said of every entry that becomes
    /// live, before anything is decided about it.
    pub fn withhold(&mut self, dot: Dot) {
        if !self.beyond.as_ref().is_some_and(|beyond| beyond.covers(dot)) {
            self.except.insert(dot);
        }
    }

    /// Notes that an entry was given, `host` being what the node covers when it has applied it.
    pub fn give(&mut self, host: &Vector, dot: Dot) {
        self.except.remove(&dot);
        if !host.covers(dot) {
            self.beyond.get_or_insert_default().also.insert(dot);
        }
    }

    /// Forgets what was given elsewhere once the node covers all of it.
    pub fn settle(&mut self, host: &Vector) {
        let covered = |dot: &Dot| host.covers(*dot);
        self.beyond.take_if(|beyond| host.includes(&beyond.vector) && beyond.also.iter().all(covered));
    }

    /// Returns everything that was given: what travels when the session moves, and what is backed up with the unacknowledged queue.
    pub fn ship(&self, host: &Vector) -> Given {
        let mut given = Given { vector: host.clone(), except: self.except.clone(), also: BTreeSet::new() };
        if let Some(beyond) = &self.beyond {
            given.join(beyond);
        }
        given
    }

    /// Takes a session over: `held` is what the node has applied of the log. Returns the state and, in the order of `held`,
    /// what is to be given at once.
    pub fn install(given: Given, held: impl IntoIterator<Item = Dot>) -> (Self, Vec<Dot>) {
        let due: Vec<Dot> = held.into_iter().filter(|dot| !given.covers(*dot)).collect();
        (Self { except: due.iter().copied().collect(), beyond: Some(Box::new(given)) }, due)
    }

    /// Returns how many entries were not given.
    pub fn withheld(&self) -> usize {
        self.except.len()
    }
}

#[cfg(test)]
mod tests {
    use arbitrary::Unstructured;

    use super::super::sample::origin;
    use super::*;
    use crate::replica::SINGLES_MAX;

    fn host(dots: &[Dot]) -> Vector {
        let mut vector = Vector::new();
        for dot in dots {
            vector.count(*dot);
        }
        vector
    }

    fn any(u: &mut Unstructured<'_>) -> arbitrary::Result<(BTreeSet<Dot>, Given)> {
        let (mut given, mut dots) = (Given::default(), BTreeSet::new());
        for node in 1..=2 {
            for seq in 1..=4 {
                let dot = origin(node).dot(seq);
                if u.arbitrary()? {
                    given.vector.count(dot);
                    dots.insert(dot);
                }
            }
        }
        for dot in dots.clone() {
            if u.ratio(1, 3)? {
                given.withdraw([dot]);
                dots.remove(&dot);
            }
        }
        Ok((dots, given))
    }

    #[test]
    fn what_either_session_was_given_the_account_was_given_and_nothing_else() {
        arbtest::arbtest(|u| {
            let ((one, mut joined), (other, given)) = (any(u)?, any(u)?);
            joined.join(&given);
            for dot in (1..=2).flat_map(|node| (1..=5).map(move |seq| origin(node).dot(seq))) {
                assert_eq!(joined.covers(dot), one.contains(&dot) || other.contains(&dot), "{dot:?}");
            }
            Ok(())
        });
    }

    #[test]
    fn a_client_without_a_past_is_sent_again_what_its_entry_could_not_know() {
        let (stable, late) = (origin(1).dot(1), origin(2).dot(1));
        let whole: Given = host(&[stable, late]).into();
        let base = Given::base(None, None, &host(&[stable]));
        assert!(base.covers(stable) && !base.covers(late));
        assert!(Given::base(None, Some(whole.clone()), &host(&[stable])).covers(late));
        assert!(!Given::base(Some(Given::default()), Some(whole), &Vector::new()).covers(stable));
    }

    #[test]
    fn a_session_that_was_given_everything_costs_nothing() {
        let mut delivery = Delivery::new();
        let vector = host(&[origin(1).dot(1), origin(1).dot(2), origin(2).dot(7)]);
        delivery.give(&vector, origin(2).dot(7));
        assert_eq!(delivery, Delivery::new());
    }

    #[test]
    fn a_session_that_moves_is_given_what_it_lacks_and_nothing_twice() {
        let [a, b, c, d] = [1, 2, 3, 4].map(|node| origin(node).dot(1));
        let old = host(&[a, b]);
        let mut delivery = Delivery::new();
        delivery.withhold(b);
        let (mut moved, due) = Delivery::install(delivery.ship(&old), [b, c]);
        assert_eq!(due, [b, c], "it was given neither");
        let mut new = host(&[b, c]);
        for dot in due {
            moved.give(&new, dot);
        }
        // What it was given on the old node comes to the new one later.
        assert!(moved.covers(&new, a) && !moved.covers(&new, d));
        new.count(a);
        moved.settle(&new);
        assert_eq!(moved, Delivery::new());
        assert!(moved.covers(&new, a) && moved.covers(&new, b));
    }

    #[test]
    fn what_is_installed_without_a_delivery_vector_would_be_given_twice() {
        let a = origin(1).dot(1);
        let (_, due) = Delivery::install(Given::default(), [a]);
        assert_eq!(due, [a]);
        let (_, due) = Delivery::install(Delivery::new().ship(&host(&[a])), [a]);
        assert!(due.is_empty());
    }

    #[test]
    fn an_entry_that_was_applied_and_not_counted_is_given_once() {
        let mut vector = Vector::new();
        for seq in 0..SINGLES_MAX as u64 {
            vector.count(origin(1).dot(2 + seq));
        }
        let (mut delivery, dot) = (Delivery::new(), origin(2).dot(9));
        vector.count(dot);
        assert!(!delivery.covers(&vector, dot), "there was no room to count it");
        delivery.give(&vector, dot);
        assert!(delivery.covers(&vector, dot) && delivery.ship(&vector).covers(dot));
    }

    #[test]
    fn what_was_given_elsewhere_is_remembered_until_the_node_covers_it() {
        let (prefix, single) = (origin(1).dot(1), origin(2).dot(5));
        let given: Given = host(&[prefix]).into();
        let (mut delivery, _) = Delivery::install(given, []);
        delivery.give(&Vector::new(), single);
        delivery.withhold(prefix);
        for (held, left) in
            [(&[][..], true), (&[prefix], true), (&[single], true), (&[prefix, single], false)]
        {
            delivery.settle(&host(held));
            assert!(delivery.covers(&host(held), prefix) && delivery.covers(&host(held), single));
            assert_eq!(delivery.beyond.is_some(), left, "{held:?}");
        }
    }

    #[test]
    fn what_a_full_vector_has_no_room_for_is_joined_all_the_same() {
        let full: Vec<Dot> = (0..SINGLES_MAX as u64).map(|seq| origin(1).dot(2 + seq)).collect();
        let mut given: Given = host(&full).into();
        let single = origin(2).dot(9);
        given.join(&host(&[single]).into());
        assert!(given.covers(single) && given.covers(full[0]));
    }

    #[test]
    fn the_offline_mark_leaves_out_what_nobody_has_acknowledged() {
        let (a, b) = (origin(1).dot(1), origin(1).dot(2));
        let vector = host(&[a, b]);
        let (phone, mut desk) = (Delivery::new(), Delivery::new());
        desk.withhold(a);
        let mut mark = phone.ship(&vector);
        mark.withdraw([a, b]);
        assert!(!mark.covers(a) && !mark.covers(b));
        let mut acknowledged = desk.ship(&vector);
        acknowledged.withdraw([]);
        mark.join(&acknowledged);
        assert!(
            !mark.covers(a) && mark.covers(b),
            "each was given one, and the other's was not acknowledged"
        );
    }
}
