//! Sessions: how they begin and end, and what their clients send.

use std::collections::VecDeque;

use super::Node;
use crate::directory::SessionId;
use crate::exchange::{Bind, Condition, Leaves, ToStream};
use crate::io::{ConnId, Output};
use crate::jid::{BareJid, FullJid};
use crate::replica::Dot;
use crate::service::effect::{Effect, Given, Why};
use crate::service::last::Last;
use crate::service::presence::{self, Was};
use crate::session::{FromClient, PresenceChange, Session, Slot};
use crate::stanza::{IqType, Kind, PresenceType, Stanza, StanzaError};
use crate::time::Now;
use crate::timers::Timer;
use crate::trace::{Event, Pii};
use crate::xml::Element;

impl Node {
    /// Makes the session that a login asked for, once its account is in memory.
    ///
    /// The later bind of a full JID wins, whichever connection came first: who asks for a resource that a session has is the
    /// newly connecting client of RFC 6120, section 7.7.2.2, and the order in which sessions are made is the one by
    /// which nodes decide. A resumption goes by the order of connections, for there both are known to be of one client.
    pub(super) fn handle_bind(&mut self, now: Now, conn: ConnId, bind: Bind) {
        if !self.may_bind(conn) {
            return;
        }
        if !self.is_hot(bind.user.as_str()) {
            let user = bind.user.clone();
            return self.park(now, &user, Effect::Bind(conn, bind), None);
        }
        if !self.archives.knows(bind.user.as_str()) {
            // What its client never gets is owed in the flush that removes the session: there is no time to read then.
            let user = bind.user.clone();
            return self.park_archive(now, &user, Effect::Bind(conn, bind), None);
        }
        let jid = match self.choose_address(now, &bind) {
            Ok(jid) => jid,
            Err(error) => {
                self.effects.push_back(Effect::ToStream(conn, ToStream::Bound(Err(error))));
                return;
            }
        };
        if let Some(older) = self.directory.find(jid.as_jid()) {
            self.replace(now, older);
        }
        let mut session = Session::new(jid.clone(), self.name_session(), conn, bind.lang);
        session.bound = self.bound_at(now, &jid);
        self.cover(&jid);
        let id = self.directory.add(session);
        self.occupy(conn, id);
        self.outputs.push_back(Output::Trace(Event::Bound { conn, who: Pii::new(jid.as_jid().clone()) }));
        // At once: something for the session may be about to be delivered.
        self.tell_stream(now, conn, ToStream::Bound(Ok(jid)));
    }

    /// Ends a session whose address somebody else gets.
    pub(super) fn replace(&mut self, now: Now, older: SessionId) {
        let conn = self.directory.get(older).and_then(|session| session.conn);
        self.bury(now, older);
        self.end_session(now, older, "replaced by a new connection");
        if let Some(conn) = conn {
            self.tell_stream(now, conn, ToStream::Fail(Condition::Conflict, "replaced by a new connection"));
        }
    }

    /// Names a session of this incarnation.
    pub(super) const fn name_session(&mut self) -> Dot {
        self.bound += 1;
        self.ledger.origin().dot(self.bound)
    }

    fn choose_address(&mut self, now: Now, bind: &Bind) -> Result<FullJid, StanzaError> {
        if self.directory.is_clogged() {
            return Err(StanzaError::ResourceConstraint);
        }
        let resource = bind.resource.clone().unwrap_or_else(|| self.entropy.public_id());
        let jid = bind.user.with_resource(&resource).map_err(|_| StanzaError::BadRequest)?;
        let replaces = self.directory.find(jid.as_jid()).is_some();
        let most = self.config.limits.sessions_per_account as usize;
        let ids = self.directory.of_account(jid.as_jid());
        if !replaces && ids.len() >= most {
            let detached =
                |id: &&SessionId| self.directory.get(**id).is_some_and(|session| session.conn.is_none());
            let oldest = *ids.iter().find(detached).ok_or(StanzaError::ResourceConstraint)?;
            self.bury(now, oldest);
            self.end_session(now, oldest, "too many sessions");
        }
        Ok(jid)
    }

    /// The session of a connection has lost its stream. It ends, or waits to be resumed.
    pub(super) fn lose_stream(&mut self, now: Now, conn: ConnId, leaves: Leaves, why: &'static str) {
        let Some(id) = self.conns.get(&conn).and_then(|conn| conn.session) else { return };
        match leaves {
            Leaves::Session if self.directory.get(id).is_some_and(Session::may_wait) => {
                self.detach(now, id);
                return;
            }
            Leaves::Count => self.bury(now, id),
            Leaves::Nothing => self.forget_sent(id),
            Leaves::Session => {}
        }
        self.end_session(now, id, why);
    }

    /// Forgets what a session has sent: its client has closed it and repeats nothing, unless it was not told that all of it is safe.
    fn forget_sent(&mut self, id: SessionId) {
        if let Some(session) = self.directory.get(id).filter(|session| session.below.is_none()) {
            self.archives.forget_session(&session.jid.bare(), session.mark());
        }
    }

    /// Ends a session, tells those who knew it to be there, and finds others for what its client never got.
    pub(super) fn end_session(&mut self, now: Now, id: SessionId, why: &'static str) {
        let Some(mut session) = self.directory.remove(id) else { return };
        self.timers.disarm(Timer::Resume(id));
        self.throttled.remove(&id);
        self.forget_arrival(id);
        if let Some(entry) = session.conn.and_then(|conn| self.conns.get_mut(&conn)) {
            entry.session = None;
        }
        if session.is_resumable() {
            // Nobody resumes it after a kill, once others have been told that it is gone.
            self.journal.urge();
        }
        let slots = session.outbox.drain();
        let Session { jid, name, presence, directed, acks, below, .. } = session;
        self.forget_levels(id, below);
        self.refuse_resumption(now, acks.and_then(|acks| acks.resuming));
        let was = if presence.is_some() { Was::Available } else { Was::Connected };
        if was == Was::Available {
            self.with_services(now, |services, cx| {
                Last::handle_gone(cx, &mut services.large, &jid, None);
            });
        }
        self.services.relays.handle_gone(id);
        self.relay_farewells(now, &jid, &directed, None);
        let was = if self.uncover(&jid, name) { Was::Connected } else { was };
        if was == Was::Available || !directed.is_empty() {
            self.with_services(now, |_, cx| presence::handle_unavailable(cx, &jid, was, directed, None));
        }
        self.give_up(&jid, slots);
        self.with_services(now, |services, cx| services.messages.handle_left(cx, &jid.bare()));
        // Behind what it leaves: the others are told what it was given.
        if self.groups.is_shared() {
            self.effects.push_back(Effect::Given(Given::Mark(jid.bare())));
        }
        self.outputs.push_back(Output::Trace(Event::Unbound { who: Pii::new(jid.as_jid().clone()), why }));
    }

    /// Finds others for what a client never got: in the flush that removes the rows of its session. What depends on a write
    /// that is in an earlier flush goes on when that is durable, and what depends on one in the same flush goes with it.
    pub(super) fn give_up(&mut self, jid: &FullJid, mut slots: VecDeque<Slot>) {
        // What one that ended earlier left to this one came late: nobody else gets it in that order.
        let relays = &self.services.relays;
        slots.make_contiguous().sort_by_key(|slot| relays.said_at(slot.what));
        let mut free = VecDeque::with_capacity(slots.len());
        // What stands behind one that has to wait waits with it: otherwise it would come first.
        let mut behind = None;
        for slot in slots {
            let own = slot.op.filter(|op| self.ops.is_under_way(*op) && !self.journal.gathers(*op));
            behind = own.or(behind);
            match behind {
                Some(op) => {
                    let later = Effect::Undelivered(jid.clone(), VecDeque::from([slot]));
                    self.ops.hold(op, core::iter::once(later));
                }
                None => free.push_back(slot),
            }
        }
        if !free.is_empty() {
            self.effects.push_back(Effect::Undelivered(jid.clone(), free));
        }
        if let Some(op) = behind {
            let owner = jid.bare();
            self.effects.push_back(Effect::Leaving(owner.clone()));
            self.ops.hold(op, core::iter::once(Effect::Left(owner)));
        }
    }

    /// Ends what `user` has: sessions, and logins under way.
    pub(super) fn end_sessions(
        &mut self,
        now: Now,
        user: &BareJid,
        except: Option<ConnId>,
        condition: Condition,
    ) {
        let sessions: Vec<(SessionId, Option<ConnId>)> = self
            .directory
            .of_account(user.as_jid())
            .iter()
            .filter_map(|id| Some((*id, self.directory.get(*id)?.conn)))
            .filter(|(_, conn)| conn.is_none() || *conn != except)
            .collect();
        for (id, conn) in sessions {
            self.release_last(id);
            self.end_session(now, id, "the account was changed");
            if let Some(conn) = conn {
                self.tell_stream(now, conn, ToStream::Fail(condition, "the account was changed"));
            }
        }
        let logins: Vec<ConnId> = self
            .conns
            .iter()
            .filter(|(conn, entry)| entry.session.is_none() && Some(**conn) != except)
            .map(|(conn, _)| *conn)
            .collect();
        for conn in logins {
            self.tell_stream(now, conn, ToStream::Revoked(user.clone()));
        }
    }

    /// Takes what a client sent.
    pub(super) fn handle_stanza(&mut self, now: Now, conn: ConnId, element: &Element) {
        let Some(id) = self.conns.get(&conn).and_then(|conn| conn.session) else { return };
        self.begin_stanza(id, element.raw().len());
        self.dispatch_stanza(now, (conn, id), element);
        self.effects.push_back(Effect::Finish(id));
    }

    /// A request that the client has answered has to be answered by nobody else, whether or not the client acknowledges it.
    fn take_answer(&mut self, id: SessionId, answer: &Stanza) {
        if !matches!(answer.kind, Kind::Iq(IqType::Result | IqType::Error)) {
            return;
        }
        let Some(session) = self.directory.get_mut(id).filter(|session| session.outbox.keeps()) else {
            return;
        };
        session.outbox.answered(|packet| {
            let asked = Stanza::parse(packet.to_vec().into());
            asked.is_some_and(|asked| Some(&asked.from) == answer.to.as_ref() && asked.id() == answer.id())
        });
    }

    fn dispatch_stanza(&mut self, now: Now, (conn, id): (ConnId, SessionId), element: &Element) {
        let Some(session) = self.directory.get(id) else { return };
        let stanza = match session.handle_from_client(element) {
            FromClient::Stanza(stanza) => {
                self.take_answer(id, &stanza);
                stanza
            }
            FromClient::Fault { answer } => {
                self.effects.extend(answer.map(Effect::Route));
                return;
            }
            FromClient::InvalidFrom => {
                let fail = ToStream::Fail(Condition::InvalidFrom, "'from' is not the session's own address");
                self.tell_stream(now, conn, fail);
                return;
            }
        };
        match (stanza.kind, &stanza.to) {
            (Kind::Presence(PresenceType::Available | PresenceType::Unavailable), None) => {
                self.handle_broadcast(now, conn, stanza);
            }
            (Kind::Presence(PresenceType::Available | PresenceType::Unavailable), Some(_)) => {
                self.handle_directed(now, conn, stanza);
            }
            // A subscription, probe or error for nobody in particular means nothing (RFC 6121, 3 and 4.3).
            (
                Kind::Presence(
                    PresenceType::Subscribe
                    | PresenceType::Subscribed
                    | PresenceType::Unsubscribe
                    | PresenceType::Unsubscribed,
                ),
                None,
            ) => {
                self.effects.extend(stanza.error(StanzaError::BadRequest).map(Effect::Route));
            }
            (Kind::Presence(PresenceType::Probe | PresenceType::Error), None) => {}
            (Kind::Presence(_), Some(_)) | (Kind::Message(_) | Kind::Iq(_), _) => {
                self.effects.push_back(Effect::Route(stanza));
            }
        }
    }

    fn handle_broadcast(&mut self, now: Now, conn: ConnId, stanza: Stanza) {
        let Some(id) = self.conns.get(&conn).and_then(|conn| conn.session) else { return };
        self.directory.touch(id);
        let Some(session) = self.directory.get_mut(id) else { return };
        let who = session.jid.clone();
        let was = if session.presence.is_some() { Was::Available } else { Was::Connected };
        let took = session.takes_bare_messages();
        let since = session.presence.as_ref().filter(|_| took).map(|presence| presence.since);
        let change = session.handle_presence(&stanza);
        if change == Ok(PresenceChange::Unavailable) && self.config.cluster.is_some() {
            session.farewell = Some(Box::new(stanza.detached()));
        }
        if let Some(since) = since.filter(|_| !session.takes_bare_messages()) {
            let began = session.delivery.began().cloned().unwrap_or_default();
            let until = self.groups.cover_until(who.domain(), &self.ledger, &began);
            session.was_available(since, self.ledger.stamp(now.wall), until);
        }
        match change {
            Ok(PresenceChange::Nothing) => {}
            Ok(PresenceChange::Unavailable) => {
                if was == Was::Available {
                    self.with_services(now, |services, cx| {
                        Last::handle_gone(cx, &mut services.large, &who, Some(&stanza));
                    });
                }
                let Some(session) = self.directory.get_mut(id) else { return };
                let directed = core::mem::take(&mut session.directed);
                self.relay_farewells(now, &who, &directed, Some(&stanza));
                self.with_services(now, |_, cx| {
                    presence::handle_unavailable(cx, &who, was, directed, Some(&stanza));
                });
            }
            Ok(change @ (PresenceChange::Initial | PresenceChange::Update)) => {
                if !took && session.takes_bare_messages() {
                    let host = self.groups.cover(who.domain(), &self.ledger);
                    session.take_bare_messages(self.ledger.stamp(now.wall), host);
                    if self.groups.is_shared() {
                        self.effects.push_back(Effect::Given(Given::Recall(who.bare(), Why::Came(id))));
                    }
                    self.effects.push_back(Effect::Owed(id));
                }
                let missed = self.directory.get_mut(id).and_then(|session| session.missed.take());
                self.with_services(now, |_, cx| {
                    presence::handle_broadcast(cx, &who, stanza, change);
                    presence::show_gone(cx, &who, missed.unwrap_or_default());
                });
            }
            Err(error) => self.effects.extend(stanza.error(error).map(Effect::Route)),
        }
        self.directory.stir(id);
        if since.is_some_and(|_| self.directory.get(id).is_some_and(|session| !session.takes_bare_messages()))
        {
            self.with_services(now, |services, cx| services.messages.handle_left(cx, &who.bare()));
        }
    }

    fn handle_directed(&mut self, now: Now, conn: ConnId, stanza: Stanza) {
        let most = self.config.limits.directed_presence;
        let Some(id) = self.conns.get(&conn).and_then(|conn| conn.session) else { return };
        self.directory.touch(id);
        let Some(session) = self.directory.get_mut(id) else { return };
        let Some(to) = &stanza.to else { return };
        if stanza.kind == Kind::Presence(PresenceType::Unavailable) {
            _ = session.directed.untold(to);
        } else if session.directed.told(to, most).is_err() {
            self.effects.extend(stanza.error(StanzaError::ResourceConstraint).map(Effect::Route));
            return;
        }
        self.relay_presence(now, &stanza);
        self.effects.push_back(Effect::Route(stanza));
    }
}
