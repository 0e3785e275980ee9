//! Acknowledgements and resumption: what clients ask for and are told.
//!
//! Implements: XEP-0198 1.6.3, sections 3 to 5, the node's side. Complete for streams of clients.
//!
//! Shown by: scenarios/session, core/src/node/tests/acks.rs, core/src/node/tests/resumption.rs, core/src/node/tests/expiry.rs.

use super::Node;
use crate::directory::SessionId;
use crate::exchange::{Condition, Enable, Enabled, Kept, Moving, NotResumed, Resume, Resumed, ToStream};
use crate::io::ConnId;
use crate::session::{Acks, Claimant, Resuming};
use crate::stanza::StanzaError;
use crate::time::{Now, Span};
use crate::timers::Timer;
use crate::trace::{Event, Pii};

impl Node {
    /// Begins to count, in both directions: from the next stanza on.
    pub(super) fn handle_enable(&mut self, now: Now, conn: ConnId, wish: Enable) {
        let Some(id) = self.conns.get(&conn).and_then(|conn| conn.session) else { return };
        let longest = self.config.limits.resume_time;
        let name = (wish.resume && longest > Span::default()).then(|| self.draw_resumption_id());
        let Some(session) = self.directory.get_mut(id) else { return };
        if session.acks.is_some() {
            return self.tell_stream(now, conn, ToStream::Enabled(Enabled::Twice));
        }
        let max = wish.max.map_or(longest, |max| max.min(longest));
        session.acks = Some(Box::new(Acks::new(name.as_deref().map(Into::into), max)));
        // What waits for the disk is counted and has to be stored like what comes after it.
        session.outbox.keep(name.is_some().then(|| self.journal.gate()));
        if name.is_some() && !session.outbox.is_empty() {
            self.journal.wait(id);
        }
        match name {
            // A kill must not take back what the client has been told.
            Some(name) => {
                self.directory.name(&name, id);
                self.directory.touch(id);
                self.journal.urge();
            }
            None => self.announce(now, id),
        }
    }

    /// Tells a client that it may count from here on, and acknowledges nothing before that.
    pub(super) fn announce(&mut self, now: Now, id: SessionId) {
        let Some(session) = self.directory.get_mut(id) else { return };
        let (conn, Some(acks)) = (session.conn, session.acks.as_mut()) else { return };
        acks.told = true;
        let enabled = match acks.id.clone() {
            Some(name) => Enabled::Resumable(name, acks.max),
            None => Enabled::Counting,
        };
        if let Some(conn) = conn {
            self.tell_stream(now, conn, ToStream::Enabled(enabled));
        }
    }

    /// The row that would bring a session back could not be written. Unless its client has been told that it can be resumed,
    /// it cannot, and goes on at once.
    pub(super) fn forgo_resumption(&mut self, now: Now, id: SessionId) {
        let Some(session) = self.directory.get_mut(id) else { return };
        let untold = session.acks.as_mut().filter(|acks| !acks.told);
        let Some(name) = untold.and_then(|acks| acks.id.take()) else { return };
        session.outbox.ungate();
        self.directory.unname(&name);
        self.announce(now, id);
        self.release(id);
    }

    /// The client asks how many of its stanzas are safe. It is told at once, and again when all that it has sent are.
    pub(super) fn handle_ask(&mut self, now: Now, conn: ConnId) {
        let Some(id) = self.conns.get(&conn).and_then(|conn| conn.session) else { return };
        let Some(session) = self.directory.get_mut(id) else { return };
        let Some(acks) = session.acks.as_mut() else {
            return self.tell_stream(now, conn, ToStream::NotEnabled);
        };
        if !acks.is_safe() || !acks.told {
            acks.asked = Some(acks.handled);
            if session.dirty {
                self.journal.urge();
            }
        }
        self.acknowledge(now, id);
    }

    /// Tells a client how many of its stanzas are safe.
    pub(super) fn acknowledge(&mut self, now: Now, id: SessionId) {
        let Some(session) = self.directory.get_mut(id) else { return };
        let (Some(conn), Some(acks)) = (session.conn, session.acks.as_ref()) else { return };
        if !acks.told {
            return;
        }
        let h = Acks::wire(acks.safe);
        self.tell_stream(now, conn, ToStream::Acknowledge(h));
    }

    /// The client has handled stanzas.
    pub(super) fn handle_ack(&mut self, now: Now, conn: ConnId, h: u32) {
        let Some(id) = self.conns.get(&conn).and_then(|conn| conn.session) else { return };
        let Some(session) = self.directory.get_mut(id) else { return };
        let Some(acks) = session.acks.as_mut() else {
            return self.tell_stream(now, conn, ToStream::NotEnabled);
        };
        acks.asking = false;
        let sent = session.outbox.sent();
        match Acks::covered(h, session.outbox.base(), sent) {
            Ok(0) => {}
            Ok(count) => {
                session.outbox.acknowledge(count);
                self.directory.touch(id);
                self.with_services(now, |services, cx| services.messages.handle_room(cx, id));
            }
            Err(_) => {
                return self.tell_stream(now, conn, ToStream::TooHigh { h, sent: Acks::wire(sent) });
            }
        }
        self.release(id);
    }

    /// Somebody wants to go on with a session. It leaves the stream it may still have; the answer is given when
    /// everything that came over that is handled and durable, so that nothing is counted twice or not at all.
    pub(super) fn handle_resume(&mut self, now: Now, conn: ConnId, resume: Resume) {
        if !self.may_bind(conn) {
            return;
        }
        let found = self.directory.resumable(&resume.id);
        let session = found.and_then(|id| self.directory.get(id));
        let session = session.filter(|session| session.jid.bare() == resume.user);
        let (Some(id), Some(session)) = (found, session) else { return self.seek(now, conn, resume) };
        let holder = match session.acks.as_ref().and_then(|acks| acks.resuming).map(|resuming| resuming.who) {
            Some(Claimant::Conn(holder)) => Some(holder),
            Some(Claimant::Node(..)) | None => session.conn,
        };
        if holder.is_some_and(|holder| self.arrived(holder) > self.arrived(conn)) {
            // Its login took longer than that of the connection which its client has made since.
            let fail = ToStream::Fail(Condition::Conflict, "resumed on a newer connection");
            return self.tell_stream(now, conn, fail);
        }
        let Some(session) = self.directory.get_mut(id) else { return };
        let waits_for_level = session.below.is_some();
        let sent = session.outbox.sent();
        if Acks::covered(resume.h, session.outbox.base(), sent).is_err() {
            let sent = Acks::wire(sent);
            return self.tell_stream(now, conn, ToStream::TooHigh { h: resume.h, sent });
        }
        session.lang = resume.lang;
        self.claim_session(now, id, Resuming { who: Claimant::Conn(conn), h: resume.h });
        if waits_for_level {
            // That may take longer than a login, and has an end of its own.
            self.timers.disarm(Timer::Login(conn));
        }
        self.go_on_with(now, id);
    }

    /// Lets a session wait until it can go on elsewhere. Who wanted to go on with it before, or did, is told.
    pub(super) fn claim_session(&mut self, now: Now, id: SessionId, resuming: Resuming) {
        let Some(session) = self.directory.get_mut(id) else { return };
        let former = session.acks.as_mut().and_then(|acks| acks.resuming.replace(resuming));
        let mut conns: Vec<ConnId> = Vec::new();
        match former.map(|former| former.who) {
            Some(Claimant::Conn(conn)) => conns.push(conn),
            Some(Claimant::Node(node, number, _)) => {
                self.tell_moving(node, Moving::Kept(number, Kept::Newer));
            }
            None => {}
        }
        conns.extend(self.detach(now, id));
        for conn in conns {
            let fail = ToStream::Fail(Condition::Conflict, "resumed on another connection");
            self.tell_stream(now, conn, fail);
        }
    }

    /// Takes its connection from a session and lets it wait to be resumed. Returns the connection.
    pub(super) fn detach(&mut self, now: Now, id: SessionId) -> Option<ConnId> {
        let session = self.directory.get_mut(id)?;
        let conn = session.conn?;
        session.detach();
        let max = session.acks.as_ref().map_or(Span::default(), |acks| acks.max);
        let who = Pii::new(session.jid.as_jid().clone());
        if let Some(entry) = self.conns.get_mut(&conn) {
            entry.session = None;
        }
        self.directory.stir(id);
        self.timers.arm(Timer::Resume(id), now.mono + max);
        self.effects.push_back(crate::service::effect::Effect::Trace(Event::Detached { who }));
        Some(conn)
    }

    /// Goes on with a session that is to be resumed, as soon as everything that was taken over its former stream is
    /// handled and durable.
    pub(super) fn go_on_with(&mut self, now: Now, id: SessionId) {
        let Some(session) = self.directory.get_mut(id) else { return };
        let Some(acks) = session.acks.as_mut() else { return };
        let Some(Resuming { who, h }) = acks.resuming else { return };
        if session.inbound.open || !acks.is_safe() {
            if session.dirty {
                self.journal.urge();
            }
            return;
        }
        if !self.has_arrived(now, id) {
            return;
        }
        let conn = match who {
            Claimant::Conn(conn) => conn,
            Claimant::Node(node, number, _) => return self.give_away(now, id, (node, number, h)),
        };
        let Some(acks) = self.directory.get_mut(id).and_then(|session| session.acks.as_mut()) else { return };
        acks.resuming = None;
        let Some(name) = acks.id.clone() else { return };
        let answer = Resumed { id: name, h: Acks::wire(acks.safe) };
        if !self.may_bind(conn) {
            return;
        }
        let Some(session) = self.directory.get_mut(id) else { return };
        let (base, sent) = (session.outbox.base(), session.outbox.sent());
        let count =
            Acks::covered(h, base, sent).expect("it was checked, and nothing has been handed out since");
        session.outbox.acknowledge(count);
        session.attach(conn);
        let who = Pii::new(session.jid.as_jid().clone());
        self.directory.touch(id);
        self.directory.stir(id);
        self.timers.disarm(Timer::Resume(id));
        self.occupy(conn, id);
        self.effects.push_back(crate::service::effect::Effect::Trace(Event::Resumed { conn, who }));
        self.tell_stream(now, conn, ToStream::Resumed(Ok(answer)));
        self.with_services(now, |services, cx| services.messages.handle_room(cx, id));
        self.release(id);
    }

    /// The time of a session is over.
    pub(super) fn expire(&mut self, now: Now, id: SessionId) {
        let Some(session) = self.directory.get(id) else { return };
        let resuming = session.acks.as_ref().and_then(|acks| acks.resuming);
        let goes_on = resuming.is_some_and(|resuming| match resuming.who {
            Claimant::Conn(conn) => self.may_bind(conn),
            Claimant::Node(node, ..) => self.elsewhere.is_linked(node),
        });
        if session.inbound.open || session.arriving.is_some() || goes_on {
            // It is not done with what it took, or about to go on.
            return self.timers.arm(Timer::Resume(id), now.mono + self.config.limits.flush_again);
        }
        self.bury(now, id);
        self.end_session(now, id, "not resumed in time");
    }

    /// Tells a connection that waits for a session that it has ended.
    pub(super) fn refuse_resumption(&mut self, now: Now, resuming: Option<Resuming>) {
        if let Some(Resuming { who: Claimant::Node(node, number, _), .. }) = resuming {
            self.tell_moving(node, Moving::Kept(number, Kept::Unknown(None)));
        }
        if let Some(Resuming { who: Claimant::Conn(conn), .. }) = resuming {
            if self.may_bind(conn) {
                self.timers.arm(Timer::Login(conn), now.mono + self.config.limits.login_time);
            }
            let failure = NotResumed { error: StanzaError::ItemNotFound, h: None };
            self.tell_stream(now, conn, ToStream::Resumed(Err(failure)));
        }
    }

    /// Returns when a connection has come, by the order of all; nothing for one that is gone.
    fn arrived(&self, conn: ConnId) -> Option<u64> {
        self.conns.get(&conn).map(|entry| entry.arrived)
    }

    /// Returns whether a connection is there and has no session.
    pub(super) fn may_bind(&self, conn: ConnId) -> bool {
        self.conns.get(&conn).is_some_and(|entry| !entry.closing && entry.session.is_none())
    }
}
