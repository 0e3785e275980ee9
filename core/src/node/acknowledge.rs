//! Acknowledgements: what clients are told, and the end of sessions that nobody resumes.
//!
//! Implements: XEP-0198 1.6.3, sections 4 and 5, the node's side.

use super::Node;
use crate::directory::SessionId;
use crate::time::Now;

impl Node {
    /// Tells a client how many of its stanzas are safe.
    pub(super) fn acknowledge(&mut self, now: Now, id: SessionId) {
        let Some(session) = self.directory.get_mut(id) else { return };
        let (Some(conn), Some(acks)) = (session.conn, session.acks.as_mut()) else { return };
        acks.told = acks.safe;
        let h = crate::session::Acks::wire(acks.safe);
        self.tell_stream(now, conn, crate::exchange::ToStream::Acknowledge(h));
    }

    /// The time of a session is over.
    pub(super) fn expire(&mut self, now: Now, id: SessionId) {
        self.end_session(now, id, "not resumed in time");
    }
}
