//! One session, and when it was there.

use crate::engine::SimTime;

/// Later than anything.
pub const FOREVER: SimTime = SimTime::from_nanos(u64::MAX);

/// A resource that a client asked for.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its connection.
    pub conn: usize,
    /// Its client.
    pub client: usize,
    /// The node of that client. Nodes know nothing of each other yet.
    pub node: usize,
    /// Its full JID; what it asked for where it never learnt whether it got it.
    pub jid: String,
    /// When it was asked for: from here on it may be bound.
    pub asked: SimTime,
    /// When its client knew of it: from here on it is surely bound.
    pub bound: Option<SimTime>,
    /// Surely bound until then, and with it everything before was handled.
    pub alive: SimTime,
    /// Surely not bound from then on.
    pub gone: SimTime,
    /// What it sent, in order.
    pub sent: Vec<usize>,
    /// What it got, in order.
    pub got: Vec<usize>,
    /// A request sent at the first time was answered at the second one: sorted by the first, the second made least.
    settled: Vec<(SimTime, SimTime)>,
    /// Something sent at the first time was seen by anybody at the second one.
    handled: Vec<(SimTime, SimTime)>,
}

impl Session {
    /// Creates a session that is asked for.
    pub(super) const fn new(
        conn: usize,
        (client, node): (usize, usize),
        jid: String,
        asked: SimTime,
    ) -> Self {
        Self {
            conn,
            client,
            node,
            jid,
            asked,
            bound: None,
            alive: SimTime::ZERO,
            gone: FOREVER,
            sent: Vec::new(),
            got: Vec::new(),
            settled: Vec::new(),
            handled: Vec::new(),
        }
    }

    /// Returns the bare JID.
    pub fn bare(&self) -> &str {
        self.jid.split_once('/').map_or(&self.jid, |(bare, _)| bare)
    }

    /// Takes note of an answer.
    pub(super) fn answered(&mut self, sent: SimTime, answered: SimTime) {
        self.settled.push((sent, answered));
        self.seen(sent, answered);
    }

    /// Takes note that something it sent was seen by somebody.
    pub(super) fn seen(&mut self, sent: SimTime, seen: SimTime) {
        self.handled.push((sent, seen));
        self.alive = self.alive.max(sent);
    }

    /// Puts what is known into the order in which it is asked for.
    pub(super) fn sort(&mut self) {
        least_of_all_behind(&mut self.settled);
        least_of_all_behind(&mut self.handled);
    }

    /// Returns when the server had surely handled all that was sent until `at`.
    pub fn handled(&self, at: SimTime) -> Option<SimTime> {
        first_from(&self.handled, at)
    }

    /// Returns when all that the server sent it until `at` had surely arrived, and all that it sent was handled.
    pub fn settled(&self, at: SimTime) -> Option<SimTime> {
        first_from(&self.settled, at)
    }

    /// Returns whether it was surely bound all the time.
    pub fn surely_bound(&self, from: SimTime, until: SimTime) -> bool {
        self.bound.is_some_and(|bound| bound <= from) && until <= self.alive
    }

    /// Returns whether it may have been bound at some time.
    pub fn maybe_bound(&self, from: SimTime, until: SimTime) -> bool {
        self.asked <= until && from <= self.gone
    }
}

/// Sorts by the first time and lets each second time be the least of those behind it.
fn least_of_all_behind(pairs: &mut [(SimTime, SimTime)]) {
    pairs.sort_unstable();
    let mut least = FOREVER;
    for (_, second) in pairs.iter_mut().rev() {
        least = least.min(*second);
        *second = least;
    }
}

fn first_from(pairs: &[(SimTime, SimTime)], at: SimTime) -> Option<SimTime> {
    let from = pairs.partition_point(|(first, _)| *first < at);
    pairs.get(from).map(|(_, second)| *second)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: u64) -> SimTime {
        SimTime::from_nanos(nanos)
    }

    #[test]
    fn an_answer_to_a_later_request_settles_all_before_it() {
        let mut session = Session::new(0, (0, 0), "a@x/r".into(), at(1));
        session.bound = Some(at(2));
        session.answered(at(10), at(30));
        session.answered(at(20), at(25));
        session.seen(at(40), at(50));
        session.sort();
        assert_eq!(session.settled(at(5)), Some(at(25)));
        assert_eq!(session.settled(at(21)), None);
        assert_eq!(session.handled(at(21)), Some(at(50)));
        assert!(session.surely_bound(at(2), at(40)));
        assert!(!session.surely_bound(at(1), at(40)));
        assert!(!session.surely_bound(at(2), at(41)));
        assert!(session.maybe_bound(at(0), at(1)));
        assert!(!session.maybe_bound(at(0), at(0)));
    }
}
