//! One session, and when it was there.

use super::conn::{Conn, Mark};
use crate::engine::SimTime;

/// Later than anything.
pub const FOREVER: SimTime = SimTime::from_nanos(u64::MAX);

/// A resource that a client asked for.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its connection; the last one, where it was resumed.
    pub conn: usize,
    /// Its client.
    pub client: usize,
    /// The node of that client. Nodes know nothing of each other yet.
    pub node: usize,
    /// Its full JID; what it asked for where it never learnt whether it got it.
    pub jid: String,
    /// When it was asked for: from here on it may be bound.
    pub asked: Mark,
    /// When its client knew of it: from here on it is surely bound.
    pub bound: Option<Mark>,
    /// Surely bound until then, and with it everything before was handled.
    pub alive: Mark,
    /// Surely not bound from then on.
    pub gone: Mark,
    /// What the server calls it, where it can be resumed (XEP-0198).
    pub resumable: Option<String>,
    /// When it was last resumed.
    pub resumed: Option<Mark>,
    /// The connections that it had before, each with when it was resumed on the next.
    pub resumptions: Vec<(usize, Mark)>,
    /// Between these it may have been gone, until a kill undid that.
    pub gaps: Vec<(Mark, Mark)>,
    /// Whether its client has ever said that nobody looks at it: presence may wait then (XEP-0352).
    pub inactive: bool,
    /// Whether it has asked for acknowledgements.
    pub counts: bool,
    /// What it sent since it asked for acknowledgements, in order; nothing once that cannot be told any more.
    pub counted: Option<Vec<usize>>,
    /// What it sent, in order.
    pub sent: Vec<usize>,
    /// What it got, in order.
    pub got: Vec<usize>,
    /// A request sent then was answered at that time: sorted by the first, the second made least.
    settled: Vec<(Mark, Mark)>,
    /// Something sent then was acknowledged at that time: the server answers for it (XEP-0198).
    acked: Vec<(Mark, Mark)>,
    /// Something sent then was seen by anybody at that time.
    handled: Vec<(Mark, Mark)>,
}

impl Session {
    /// Creates a session that is asked for.
    pub(super) const fn new(conn: usize, (client, node): (usize, usize), jid: String, asked: Mark) -> Self {
        Self {
            conn,
            client,
            node,
            jid,
            asked,
            bound: None,
            alive: Mark { at: SimTime::ZERO, number: 0 },
            gone: Mark::FOREVER,
            resumable: None,
            resumed: None,
            resumptions: Vec::new(),
            gaps: Vec::new(),
            inactive: false,
            counts: false,
            counted: None,
            sent: Vec::new(),
            got: Vec::new(),
            settled: Vec::new(),
            acked: Vec::new(),
            handled: Vec::new(),
        }
    }

    /// Returns whether it may go on when its stream on `conn` has ended as it has.
    pub fn outlives(&self, conn: &Conn) -> bool {
        let may = matches!(conn.error.as_deref(), Some("system-shutdown" | "connection-timeout"));
        self.counts && conn.closing.is_none() && (may || (conn.error.is_none() && !conn.footer))
    }

    /// Returns the bare JID.
    pub fn bare(&self) -> &str {
        self.jid.split_once('/').map_or(&self.jid, |(bare, _)| bare)
    }

    /// Takes note of an answer.
    pub(super) fn answered(&mut self, sent: Mark, answered: Mark) {
        self.settled.push((sent, answered));
        self.seen(sent, answered);
    }

    /// Takes note that something it sent was seen by somebody.
    pub(super) fn seen(&mut self, sent: Mark, seen: Mark) {
        self.handled.push((sent, seen));
        self.alive = self.alive.max(sent);
    }

    /// Takes note that the server answers for what it sent.
    pub(super) fn acknowledged(&mut self, sent: Mark, at: Mark) {
        self.acked.push((sent, at));
        self.seen(sent, at);
    }

    /// Puts what is known into the order in which it is asked for.
    pub(super) fn sort(&mut self) {
        least_of_all_behind(&mut self.settled);
        least_of_all_behind(&mut self.acked);
        least_of_all_behind(&mut self.handled);
    }

    /// Returns when the server had surely handled all that was sent until `at`, and what was sent with that record.
    pub fn handled(&self, at: Mark) -> Option<Mark> {
        first(&self.handled, at)
    }

    /// Returns when the server had said that it answers for what was sent with that record.
    pub fn acked(&self, at: Mark) -> Option<Mark> {
        first(&self.acked, at)
    }

    /// Returns when all that the server sent it until `at` had surely arrived, and whatever it had to say to what was
    /// sent with that record.
    pub fn settled(&self, at: Mark) -> Option<Mark> {
        first(&self.settled, at)
    }

    /// Returns the last time before `until` at which it was surely bound, as far as what it sent and resumptions prove that.
    pub(super) fn last_handled(&self, until: Mark) -> Mark {
        let sent = self.handled.partition_point(|(sent, _)| *sent < until).checked_sub(1);
        let sent = sent.map(|last| self.handled[last].0);
        let resumed = self.resumptions.iter().map(|(_, mark)| *mark).filter(|mark| *mark < until).max();
        self.bound.into_iter().chain(sent).chain(resumed).max().unwrap_or(self.asked)
    }

    /// Returns whether it was surely bound all the time.
    pub fn surely_bound(&self, from: Mark, until: Mark) -> bool {
        let there = self.bound.is_some_and(|bound| bound <= from) && until <= self.alive;
        there && self.gaps.iter().all(|(gone, back)| until <= *gone || *back <= from)
    }

    /// Returns whether it may have been bound at some time.
    pub fn maybe_bound(&self, from: Mark, until: Mark) -> bool {
        self.asked <= until && from <= self.gone
    }
}

/// Sorts by what was sent and lets each time be the least of those behind it.
fn least_of_all_behind(pairs: &mut [(Mark, Mark)]) {
    pairs.sort_unstable();
    let mut least = Mark::FOREVER;
    for (_, second) in pairs.iter_mut().rev() {
        least = least.min(*second);
        *second = least;
    }
}

fn first(pairs: &[(Mark, Mark)], at: Mark) -> Option<Mark> {
    let from = pairs.partition_point(|(mark, _)| *mark < at);
    pairs.get(from).map(|(_, second)| *second)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record for each time, so that a place may lie between.
    fn at(number: usize) -> Mark {
        Mark { at: SimTime::from_nanos(number as u64 / 10), number }
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
        assert_eq!(session.settled(at(20)), Some(at(25)));
        assert_eq!(session.settled(at(21)), None, "of one instant, but sent later");
        assert_eq!(session.handled(at(21)), Some(at(50)));
        assert!(session.surely_bound(at(2), at(40)));
        assert!(!session.surely_bound(at(1), at(40)));
        assert!(!session.surely_bound(at(2), at(41)));
        assert!(session.maybe_bound(at(0), at(1)));
        assert!(!session.maybe_bound(at(0), at(0)));
        assert_eq!((session.last_handled(at(20)), session.last_handled(at(50))), (at(10), at(40)));
        session.gaps.push((at(10), at(20)));
        assert!(session.surely_bound(at(2), at(10)) && session.surely_bound(at(20), at(40)));
        assert!(!session.surely_bound(at(2), at(11)) && !session.surely_bound(at(19), at(40)));
    }
}
