//! What a kill undid: an end that a session's node had not stored. The session is restored at the start, and may be resumed.

use super::conn::Mark;
use super::run::Run;
use super::session::Session;
use crate::engine::{SimSpan, SimTime};

/// A node that dies so soon before or after its client hears that a session has ended may not have stored that: disks and links
/// are slow for seconds at most, but where a fault keeps the disk from writing.
const UNDONE: SimSpan = SimSpan::from_secs(10);

impl Run<'_> {
    /// Returns whether a session came back after `other` had taken its place: it was resumed, and a kill in between undid that.
    pub fn came_back(&self, session: &Session, other: &Session) -> bool {
        session.resumed.is_some_and(|resumed| {
            other.bound < Some(resumed) && self.troubles.died(session.node, other.asked.at, resumed.at)
        })
    }

    /// Returns whether a session may come back after `other` has taken its place: a kill may have undone that, and nobody need
    /// have resumed it.
    pub(super) fn may_come_back(&self, session: &Session, other: &Session) -> bool {
        let told = other.bound.unwrap_or(other.asked).at;
        let waits = session.counts && self.troubles.undoes(session.node, other.asked.at, told + UNDONE);
        waits || self.came_back(session, other)
    }

    /// Returns whether a kill may have undone that a session ended when its client heard of it: the node says so before its disk
    /// holds it.
    pub(super) fn may_be_undone(&self, session: &Session, end: Mark) -> bool {
        let before = SimTime::from_nanos(end.at.as_nanos().saturating_sub(UNDONE.as_nanos()));
        let after = SimTime::from_nanos(end.at.as_nanos().saturating_add(UNDONE.as_nanos()));
        session.counts && self.troubles.undoes(session.node, before, after)
    }

    /// Finds out between which times each session that was resumed after a kill may have been gone before it.
    pub(super) fn find_gaps(&mut self) {
        for ix in 0..self.sessions.len() {
            let session = &self.sessions[ix];
            let resumptions = session.resumptions.iter();
            let gaps = resumptions.filter_map(|(former, resumed)| self.gap(session, *former, *resumed));
            self.sessions[ix].gaps = gaps.collect();
        }
    }

    /// Returns from when to when a session may have been gone that was resumed after its connection `former`: from its end,
    /// whoever brought that about, to the last kill before. Without a kill nothing was undone, and it was there all the time.
    fn gap(&self, session: &Session, former: usize, resumed: Mark) -> Option<(Mark, Mark)> {
        let proved = session.last_handled(resumed);
        let kills = self.troubles.deaths.iter().filter(|(_, node)| *node == session.node);
        let mut kills = kills.map(|(mark, _)| *mark).filter(|mark| proved < *mark && *mark < resumed);
        let first = kills.next()?;
        let last = kills.next_back().unwrap_or(first);
        let conn = &self.conns[former];
        let end = [conn.closing, conn.ended, Some(first)].into_iter().flatten().min()?;
        // Where it was the node that ended it, or a fault, it ended before its client knew.
        let before = SimTime::from_nanos(end.at.as_nanos().saturating_sub(u64::from(end == first)));
        let by_node = conn.over.is_some_and(|over| over < end);
        let touched = self.troubles.last_touch(session.client, session.node, proved.at, before).is_some();
        let from = if by_node || touched { proved } else { end };
        (from < last).then_some((from, last))
    }
}
