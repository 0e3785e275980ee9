//! What a client sends, one stanza at a time.
//!
//! A session takes a stanza only when the one before it is done, and reads no further while too much of what it sent
//! waits for the disk. So the count of handled stanzas never runs ahead of what was handled (XEP-0198, 4).

use super::Node;
use crate::directory::SessionId;
use crate::exchange::Activity;
use crate::io::{ConnId, Output};

impl Node {
    /// Takes note that the session has begun with a stanza of `bytes`.
    pub(super) fn begin_stanza(&mut self, id: SessionId, bytes: usize) {
        let Some(session) = self.directory.get_mut(id) else { return };
        if session.inbound.gate <= self.journal.durable() {
            session.inbound.undurable = 0;
        }
        session.inbound.open = true;
        session.inbound.holds += 1;
        session.inbound.undurable =
            session.inbound.undurable.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
    }

    /// One of the things that a stanza waited for is done; with the last one, the stanza is handled.
    pub(super) fn finish(&mut self, id: SessionId) {
        let Some(session) = self.directory.get_mut(id) else { return };
        session.inbound.holds = session.inbound.holds.saturating_sub(1);
        if session.inbound.holds > 0 || !session.inbound.open {
            return;
        }
        session.inbound.open = false;
        let (conn, counted) = (session.conn, session.acks.is_some());
        if let Some(acks) = session.acks.as_mut() {
            acks.handled += 1;
            if acks.resuming.is_some() {
                self.journal.urge();
            }
        }
        if self.journal.is_gathering() {
            session.inbound.gate = self.journal.gate();
        } else if session.inbound.gate <= self.journal.durable() {
            session.inbound.undurable = 0;
        }
        if counted {
            self.directory.touch(id);
        }
        self.go_on(id, conn);
    }

    /// Returns whether the session on `conn` takes nothing more for now.
    pub(super) fn is_behind(&self, conn: ConnId) -> bool {
        let session =
            self.conns.get(&conn).and_then(|conn| conn.session).and_then(|id| self.directory.get(id));
        session.is_some_and(|session| {
            let undurable = session.inbound.gate > self.journal.durable();
            session.inbound.open
                || (undurable && session.inbound.undurable > self.config.limits.undurable_bytes)
        })
    }

    /// Lets the driver hand over nothing more from a connection whose session is behind.
    pub(super) fn hold_reading(&mut self, conn: ConnId) {
        if !self.is_behind(conn) {
            return;
        }
        let Some(id) = self.conns.get(&conn).and_then(|conn| conn.session) else { return };
        if let Some(session) = self.directory.get_mut(id)
            && !core::mem::replace(&mut session.inbound.held, true)
        {
            self.throttled.insert(id);
            self.outputs.push_back(Output::Hold { conn });
        }
    }

    /// Sessions that waited for the disk go on.
    pub(super) fn unthrottle(&mut self) {
        let durable = self.journal.durable();
        for id in core::mem::take(&mut self.throttled) {
            let Some(session) = self.directory.get_mut(id) else { continue };
            if session.inbound.gate <= durable {
                session.inbound.undurable = 0;
            }
            let conn = session.conn;
            if session.inbound.held {
                self.throttled.insert(id);
                self.go_on(id, conn);
            }
        }
        self.throttled.retain(|id| self.directory.get(*id).is_some_and(|session| session.inbound.held));
    }

    /// Takes note of whether somebody looks at a client. Once somebody does, it gets what was held before anything else.
    pub(super) fn handle_client_state(&mut self, conn: ConnId, activity: Activity) {
        let Some(id) = self.conns.get(&conn).and_then(|conn| conn.session) else { return };
        let Some(session) = self.directory.get_mut(id) else { return };
        session.wishes.inactive = activity == Activity::Inactive;
        if activity == Activity::Active {
            session.outbox.hold_nothing();
            self.release(id);
        }
    }

    fn go_on(&mut self, id: SessionId, conn: Option<ConnId>) {
        let Some(conn) = conn else { return };
        if self.is_behind(conn) {
            return;
        }
        if let Some(session) = self.directory.get_mut(id)
            && core::mem::take(&mut session.inbound.held)
        {
            self.throttled.remove(&id);
            self.outputs.push_back(Output::Release { conn });
        }
        if self.conns.get(&conn).is_some_and(|conn| conn.stream.has_more()) {
            self.unfinished.push_back(conn);
        }
    }
}
