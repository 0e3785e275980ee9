//! What a session was given: the difference to what its node holds.
//!
//! Rests on the replication rules R17 (delivery vectors).

use std::collections::{BTreeSet, VecDeque};

use minicbor::{Decode, Encode};

use super::{Cover, Dot, Origin, Vector};

/// Times in which it took messages that a session remembers, before the present one. Beyond: the first is forgotten, and what it was
/// given then may be handed on to it again.
const TIMES_MAX: usize = 64;
/// Entries that came while it took messages and that it was not given. Beyond: what one origin wrote up to the middle of them is
/// forgotten, and may be handed on to it again.
const EXCEPT_MAX: usize = 256;
/// Entries that a session remembers to have been given at another time than when they came. Beyond: the first is forgotten, and may
/// be handed on to it again.
const ALSO_MAX: usize = 256;

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

/// What a session was given of one log. Every decision to deliver asks it and advances it; that an entry was applied just now says
/// nothing.
///
/// It was given what its node covers, but for some; and *since it began*, what came while it took messages, but for some, and some
/// that came at other times. A session that takes messages and was given all of them costs a reference.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Delivery {
    /// What its node covered when it began to take messages, while it does.
    #[n(0)]
    began: Option<Cover>,
    /// Everything else, if there is anything.
    #[n(1)]
    more: Option<Box<More>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
struct More {
    /// When it took messages before: what its node covered at the beginning and at the end of each time.
    #[n(0)]
    times: VecDeque<(Cover, Cover)>,
    /// What came while it took messages and was not given to it.
    #[n(1)]
    except: BTreeSet<Dot>,
    /// What it was given beside that: it came while the session took none, or before, or was given to it later.
    #[n(2)]
    also: BTreeSet<Dot>,
    /// What was given and the node does not cover: given on another node, or applied without being counted.
    #[n(3)]
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
    /// Creates the state of a session that takes no messages: what its node covers counts as given, and catching up is the client's
    /// affair.
    pub const fn new() -> Self {
        Self { began: None, more: None }
    }

    /// Takes note that it takes messages from here on, `host` being what its node covers.
    pub fn begin(&mut self, host: Cover) {
        if self.began.is_none() {
            self.began = Some(host);
        }
    }

    /// Takes note that it takes no messages from here on, `host` being what its node covers that it did not when it began: it does not
    /// follow what comes.
    pub fn end(&mut self, host: Cover) {
        let Some(began) = self.began.take().filter(|began| host.exceeds(began)) else { return };
        let more = self.more.get_or_insert_default();
        more.times.push_back((began, host));
        if more.times.len() > TIMES_MAX {
            more.forget_time();
        }
    }

    /// Returns what its node covered when it began to take messages, while it does.
    pub const fn began(&self) -> Option<&Cover> {
        self.began.as_ref()
    }

    /// Returns whether an entry was given, `host` being what the session's node covers: since it began, or before.
    pub fn covers(&self, host: &Vector, dot: Dot) -> bool {
        let Some(more) = &self.more else { return host.covers(dot) };
        (host.covers(dot) && !more.is_due(dot)) || more.is_beyond(dot)
    }

    /// Returns whether an entry that its node holds was given since it began: nobody has to hand it on.
    pub fn was_given(&self, dot: Dot) -> bool {
        let more = self.more.as_ref();
        let came = self.began.as_ref().is_some_and(|began| !began.covers(dot))
            || more.is_some_and(|more| more.times.iter().any(|time| is_within(time, dot)));
        more.map_or(came, |more| (came && !more.except.contains(&dot)) || more.also.contains(&dot))
    }

    /// Returns whether an entry was given before its node has it: at another node, at one of the times when it took messages there, or
    /// later.
    pub fn was_given_elsewhere(&self, dot: Dot) -> bool {
        self.more.as_ref().is_some_and(|more| {
            let came = more.times.iter().any(|time| is_within(time, dot));
            (came && !more.except.contains(&dot)) || more.also.contains(&dot)
        })
    }

    /// Notes that the node has applied an entry: it is not given yet, unless it was given elsewhere. Said of every entry that becomes
    /// live. Returns whether that has to be remembered: it takes messages.
    pub fn withhold(&mut self, dot: Dot) -> bool {
        let elsewhere = self.more.as_ref().is_some_and(|more| more.is_beyond(dot));
        if elsewhere || (self.began.is_none() && !self.was_given(dot)) {
            return false;
        }
        let more = self.more.get_or_insert_default();
        more.except.insert(dot);
        while more.except.len() > EXCEPT_MAX {
            if !more.times.is_empty() {
                more.forget_time();
            } else if let Some(began) = &mut self.began {
                more.forget_exceptions(began);
            } else {
                // Outside of all times an exception says nothing.
                more.except.clear();
            }
        }
        true
    }

    /// Notes that an entry is given that becomes live just now.
    pub fn give(&mut self, dot: Dot) {
        if let Some(more) = &mut self.more {
            more.except.remove(&dot);
            self.trim();
        }
        self.give_later(dot);
    }

    /// Notes that an entry is given that became live before: it was owed, or another session has left it.
    pub fn give_later(&mut self, dot: Dot) {
        if !self.was_given(dot) {
            let more = self.more.get_or_insert_default();
            if more.also.len() >= ALSO_MAX {
                more.also.pop_first();
            }
            more.also.insert(dot);
        }
    }

    /// Notes that an entry was given, `host` being what the node covers when it has applied it.
    pub fn give_at(&mut self, host: &Vector, dot: Dot) {
        self.give(dot);
        if !host.covers(dot) {
            let more = self.more.get_or_insert_default();
            more.beyond.get_or_insert_default().also.insert(dot);
        }
    }

    /// Notes that an entry is not given after all, because a write failed. One that was becoming live is not there either; when it comes
    /// again, everybody is told so again.
    pub fn take_back(&mut self, dot: Dot) {
        if let Some(more) = &mut self.more {
            more.also.remove(&dot);
            self.trim();
        }
    }

    /// Forgets what was given elsewhere once the node covers all of it.
    pub fn settle(&mut self, host: &Vector) {
        let covered = |dot: &Dot| host.covers(*dot);
        if let Some(more) = &mut self.more {
            more.beyond.take_if(|beyond| host.includes(&beyond.vector) && beyond.also.iter().all(covered));
            self.trim();
        }
    }

    /// Returns everything that was given: what travels when the session moves, and what is backed up with the unacknowledged queue.
    pub fn ship(&self, host: &Vector) -> Given {
        let mut given = Given::from(host.clone());
        if let Some(more) = &self.more {
            given.except.extend(more.except.iter().filter(|dot| more.is_due(**dot)));
            if let Some(beyond) = &more.beyond {
                given.join(beyond);
            }
        }
        given
    }

    /// Takes a session over: `held` is what the node has applied of the log, `host` what it covers. Returns the state and, in the order
    /// of `held`, what is to be given at once.
    pub fn install(given: Given, held: impl IntoIterator<Item = Dot>, host: Cover) -> (Self, Vec<Dot>) {
        let due: Vec<Dot> = held.into_iter().filter(|dot| !given.covers(*dot)).collect();
        let except = due.iter().copied().collect();
        let more = More { except, beyond: Some(Box::new(given)), ..More::default() };
        (Self { began: Some(host), more: Some(Box::new(more)) }, due)
    }

    /// Returns how many entries were not given.
    pub fn withheld(&self) -> usize {
        self.more.as_ref().map_or(0, |more| more.except.len())
    }

    fn trim(&mut self) {
        self.more.take_if(|more| **more == More::default());
    }
}

impl More {
    fn is_beyond(&self, dot: Dot) -> bool {
        self.beyond.as_ref().is_some_and(|beyond| beyond.covers(dot))
    }

    /// Returns whether an entry was kept from it and not given later.
    fn is_due(&self, dot: Dot) -> bool {
        self.except.contains(&dot) && !self.also.contains(&dot)
    }

    /// Forgets what it was given in the first of the times when it took messages.
    fn forget_time(&mut self) {
        if let Some(time) = self.times.pop_front() {
            self.except.retain(|dot| !is_within(&time, *dot));
        }
    }

    /// Forgets the older half of what one origin wrote and it was not given, and with that what it was given of that origin until then.
    fn forget_exceptions(&mut self, began: &mut Cover) {
        let of = |origin: Origin| origin.dot(0)..=origin.dot(u64::MAX);
        let counts = self.except.iter().map(|dot| (self.except.range(of(dot.origin)).count(), dot.origin));
        let Some((count, origin)) = counts.max() else { return };
        if let Some(middle) = self.except.range(of(origin)).nth(count / 2).copied() {
            self.except.retain(|dot| dot.origin != origin || dot.seq > middle.seq);
            *began = began.raised(middle);
        }
    }
}

/// Returns whether an entry came within a time.
fn is_within((from, until): &(Cover, Cover), dot: Dot) -> bool {
    until.covers(dot) && !from.covers(dot)
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

    /// Returns the state of a session that begins to take messages at a node that covers this.
    fn begun(dots: &[Dot]) -> Delivery {
        let mut delivery = Delivery::new();
        delivery.begin(Cover::of(&host(dots)));
        delivery
    }

    #[test]
    fn a_session_that_was_given_everything_costs_a_reference() {
        let mut delivery = begun(&[]);
        let vector = host(&[origin(1).dot(1), origin(1).dot(2), origin(2).dot(7)]);
        delivery.withhold(origin(1).dot(2));
        for dot in [origin(1).dot(1), origin(1).dot(2), origin(2).dot(7)] {
            delivery.give_at(&vector, dot);
            assert!(delivery.was_given(dot));
        }
        assert_eq!(delivery, begun(&[]));
    }

    #[test]
    fn what_came_while_it_took_messages_was_given_whenever_it_was_written() {
        let [before, there, away, back, late] = [1, 2, 3, 4, 5].map(|node| origin(node).dot(1));
        let mut delivery = Delivery::new();
        let mut covered = Vec::new();
        let mut come = |delivery: &mut Delivery, dot, begins: Option<bool>| {
            delivery.withhold(dot);
            if delivery.began().is_some() {
                delivery.give(dot);
            }
            covered.push(dot);
            match (begins, delivery.began().cloned()) {
                (Some(true), _) => delivery.begin(Cover::of(&host(&covered))),
                (Some(false), Some(began)) => delivery.end(Cover::until(&host(&covered), &began)),
                (Some(false) | None, _) => {}
            }
        };
        come(&mut delivery, before, Some(true));
        come(&mut delivery, there, Some(false));
        come(&mut delivery, away, Some(true));
        come(&mut delivery, back, Some(false));
        come(&mut delivery, late, None);
        let was_given = [before, there, away, back, late].map(|dot| delivery.was_given(dot));
        assert_eq!(was_given, [false, true, false, true, false]);
        delivery.withhold(there);
        for dot in [away, there] {
            assert!(!delivery.was_given(dot));
            delivery.give_later(dot);
            assert!(delivery.was_given(dot));
            delivery.take_back(dot);
            assert!(!delivery.was_given(dot));
        }
        let stored = minicbor::to_vec(&delivery).unwrap();
        assert_eq!(minicbor::decode::<Delivery>(&stored).unwrap(), delivery);
    }

    #[test]
    fn what_is_forgotten_counts_as_not_given_and_never_as_given() {
        let mut delivery = begun(&[]);
        let (kept, dots) = (EXCEPT_MAX as u64, 4 * EXCEPT_MAX as u64);
        for seq in 1..=dots {
            delivery.withhold(origin(1).dot(seq));
            if seq % 2 == 0 {
                delivery.give(origin(1).dot(seq));
            }
        }
        assert!(delivery.withheld() <= EXCEPT_MAX);
        for seq in 1..=dots {
            let was_given = delivery.was_given(origin(1).dot(seq));
            assert!(!was_given || seq % 2 == 0, "{seq}");
            assert!(was_given || seq % 2 == 1 || seq < dots - kept, "{seq}");
        }
        let mut delivery = Delivery::new();
        for seq in 1..=ALSO_MAX as u64 + 1 {
            delivery.give(origin(1).dot(seq));
        }
        assert!(!delivery.was_given(origin(1).dot(1)) && delivery.was_given(origin(1).dot(2)));
    }

    #[test]
    fn of_times_the_first_is_forgotten() {
        let mut delivery = Delivery::new();
        let mut vector = Vector::new();
        for time in 0..=TIMES_MAX as u64 {
            let began = Cover::of(&vector);
            delivery.begin(began.clone());
            for seq in [2 * time + 1, 2 * time + 2] {
                vector.count(origin(1).dot(seq));
                delivery.withhold(origin(1).dot(seq));
            }
            delivery.give(origin(1).dot(2 * time + 1));
            delivery.end(Cover::until(&vector, &began));
        }
        for seq in 1..=2 * TIMES_MAX as u64 + 2 {
            assert_eq!(delivery.was_given(origin(1).dot(seq)), seq > 2 && seq % 2 == 1, "{seq}");
        }
        assert_eq!(delivery.withheld(), TIMES_MAX);
        delivery.begin(Cover::of(&vector));
        delivery.end(Cover::of(&vector));
        assert_eq!(delivery.withheld(), TIMES_MAX, "a time in which nothing came is none");
    }

    #[test]
    fn a_session_that_moves_is_given_what_it_lacks_and_nothing_twice() {
        let [a, b, c, d] = [1, 2, 3, 4].map(|node| origin(node).dot(1));
        let old = host(&[a, b]);
        let mut delivery = begun(&[a]);
        delivery.withhold(b);
        let began = Cover::of(&host(&[b, c]));
        let (mut moved, due) = Delivery::install(delivery.ship(&old), [b, c], began);
        assert_eq!(due, [b, c], "it was given neither");
        let mut new = host(&[b, c]);
        for dot in due {
            moved.give_at(&new, dot);
        }
        // What it was given on the old node comes to the new one later.
        assert!(moved.covers(&new, a) && !moved.covers(&new, d));
        new.count(a);
        moved.settle(&new);
        assert_eq!(moved.more.as_ref().map(|more| more.beyond.is_some()), Some(false));
        assert!(moved.covers(&new, a) && moved.covers(&new, b));
    }

    #[test]
    fn what_is_installed_without_a_delivery_vector_would_be_given_twice() {
        let a = origin(1).dot(1);
        let (_, due) = Delivery::install(Given::default(), [a], Cover::default());
        assert_eq!(due, [a]);
        let (_, due) = Delivery::install(Delivery::new().ship(&host(&[a])), [a], Cover::default());
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
        delivery.give_at(&vector, dot);
        assert!(delivery.covers(&vector, dot) && delivery.ship(&vector).covers(dot));
    }

    #[test]
    fn what_was_given_elsewhere_is_remembered_until_the_node_covers_it() {
        let (prefix, single) = (origin(1).dot(1), origin(2).dot(5));
        let given: Given = host(&[prefix]).into();
        let (mut delivery, _) = Delivery::install(given, [], Cover::default());
        delivery.give_at(&Vector::new(), single);
        delivery.withhold(prefix);
        for (held, left) in
            [(&[][..], true), (&[prefix], true), (&[single], true), (&[prefix, single], false)]
        {
            delivery.settle(&host(held));
            assert!(delivery.covers(&host(held), prefix) && delivery.covers(&host(held), single));
            assert_eq!(delivery.more.is_some(), left, "{held:?}");
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
        let (phone, mut desk) = (begun(&[]), begun(&[]));
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
