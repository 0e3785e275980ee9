//! Connections: what arrives for them, and what their streams want.

use bytes::Bytes;

use super::{Conn, Life, Node};
use crate::account;
use crate::directory::SessionId;
use crate::exchange::{Condition, FromStream, Leaves, ToStream};
use crate::io::{CloseCause, CloseHow, ConnId, ConnKind, Output, PeerAddr};
use crate::jid::BareJid;
use crate::replica::Status;
use crate::service::effect::Effect;
use crate::service::ops::Owner;
use crate::service::register::Early;
use crate::session::Acks;
use crate::store::{AccountRecord, Row, StoreError};
use crate::stream::{C2s, Decoys, StreamCx};
use crate::time::Now;
use crate::timers::Timer;
use crate::trace::Event;

impl Node {
    pub(super) fn handle_opened(&mut self, now: Now, conn: ConnId, kind: ConnKind, peer: PeerAddr) {
        let mut stream = C2s::new(conn, &self.config.limits);
        if kind == ConnKind::ClientDirectTls {
            stream.await_tls();
        }
        let peer = peer.network();
        let limit = self.connection_limit(peer);
        let closing = limit.is_some() || !matches!(self.life, Life::Running);
        let strangers = self.strangers.entry(peer).or_default();
        strangers.count = strangers.count.saturating_add(1);
        if let Some(limit) = limit
            && !strangers.told
        {
            // Once: anybody can reach a bound as often as they like.
            strangers.told = true;
            self.effects.push_back(Effect::Trace(Event::LimitReached { conn, limit }));
        }
        let (arrived, session) = (self.arrivals, None);
        self.arrivals += 1;
        let known = self.conns.insert(conn, Conn { peer, arrived, stream, session, stranger: true, closing });
        assert!(known.is_none(), "the driver used a connection number twice");
        if closing {
            self.outputs.push_back(Output::Close { conn, how: CloseHow::Abort });
        } else {
            self.timers.arm(Timer::Login(conn), now.mono + self.config.limits.login_time);
        }
    }

    /// Returns the name of the bound that one more connection from `peer` would break.
    fn connection_limit(&self, peer: PeerAddr) -> Option<&'static str> {
        let strangers = self.strangers.get(&peer).map_or(0, |strangers| strangers.count);
        if self.conns.len() >= self.config.limits.connections as usize {
            Some("connections")
        } else if strangers >= self.config.limits.unauthenticated_per_peer {
            Some("unauthenticated_per_peer")
        } else {
            None
        }
    }

    pub(super) fn handle_received(&mut self, now: Now, conn: ConnId, bytes: Bytes) {
        if self.is_behind(conn) {
            // What has been read already is kept; the driver reads no more.
            self.with_stream(now, conn, |stream, cx| stream.keep_bytes(cx, bytes));
            return self.hold_reading(conn);
        }
        self.with_stream(now, conn, |stream, cx| stream.handle_bytes(cx, bytes));
    }

    pub(super) fn tell_stream(&mut self, now: Now, conn: ConnId, value: ToStream) {
        self.with_stream(now, conn, |stream, cx| stream.handle_value(cx, value));
    }

    pub(super) fn handle_flushed(&mut self, now: Now, conn: ConnId, bytes: u32) {
        let Some(id) = self.conns.get(&conn).and_then(|conn| conn.session) else { return };
        if let Some(session) = self.directory.get_mut(id) {
            session.handle_flushed(bytes);
        }
        self.with_services(now, |services, cx| {
            services.mam.handle_room(cx, id);
            services.messages.handle_room(cx, id);
        });
    }

    pub(super) fn handle_closed(&mut self, now: Now, conn: ConnId, cause: CloseCause) {
        self.lose_stream(now, conn, Leaves::Session, "the connection is gone");
        if let Some(gone) = self.conns.swap_remove(&conn) {
            if gone.stranger {
                self.forget_stranger(gone.peer);
            }
            self.timers.disarm(Timer::Login(conn));
            self.effects.push_back(Effect::Trace(Event::Closed { conn, cause }));
        }
    }

    /// Gives a session to a connection.
    pub(super) fn occupy(&mut self, conn: ConnId, id: SessionId) {
        let Some(entry) = self.conns.get_mut(&conn) else { return };
        entry.session = Some(id);
        let peer = entry.peer;
        if core::mem::take(&mut entry.stranger) {
            self.forget_stranger(peer);
        }
        self.timers.disarm(Timer::Login(conn));
    }

    /// Counts a connection of `peer` less: it is gone, or it has a session.
    fn forget_stranger(&mut self, peer: PeerAddr) {
        let half = self.config.limits.unauthenticated_per_peer / 2;
        if let Some(strangers) = self.strangers.get_mut(&peer) {
            strangers.count = strangers.count.saturating_sub(1);
            strangers.told &= strangers.count >= half;
            if strangers.count == 0 {
                self.strangers.swap_remove(&peer);
            }
        }
    }

    /// The account that a login asked for has been read.
    pub(super) fn handle_account(&mut self, now: Now, conn: ConnId, outcome: Result<Vec<Row>, StoreError>) {
        let account = outcome.and_then(|rows| credentials(&rows));
        if let Err(error) = account {
            self.effects.push_back(Effect::Trace(Event::StoreFailed { error }));
        }
        self.tell_stream(now, conn, ToStream::Account(account));
    }

    /// Runs a stream, then does what it wants.
    fn with_stream(&mut self, now: Now, conn: ConnId, run: impl FnOnce(&mut C2s, &mut StreamCx<'_>)) {
        let Some(entry) = self.conns.get_mut(&conn).filter(|conn| !conn.closing) else { return };
        let session = entry.session.and_then(|id| self.directory.get(id));
        let safe = session.and_then(|session| session.acks.as_ref()).filter(|acks| acks.told);
        let safe = safe.map(|acks| Acks::wire(acks.safe));
        let Some(record) = &self.record else { return };
        let mut out = Vec::new();
        let mut cx = StreamCx {
            config: &self.config,
            entropy: &mut self.entropy,
            caps: &self.caps,
            safe,
            decoys: Decoys(record),
            out: &mut out,
        };
        run(&mut entry.stream, &mut cx);
        let more = entry.stream.has_more();
        for value in out {
            self.handle_from_stream(now, conn, value);
        }
        if more {
            self.unfinished.push_back(conn);
        }
    }

    /// Lets a stream go on with what it has not handled yet.
    pub(super) fn continue_stream(&mut self, now: Now, conn: ConnId) {
        self.with_stream(now, conn, C2s::handle_next);
    }

    fn handle_from_stream(&mut self, now: Now, conn: ConnId, value: FromStream) {
        match value {
            FromStream::Write(bytes) => {
                self.outputs.push_back(Output::Send { conn, head: bytes, body: Bytes::new() });
            }
            FromStream::StartTls => self.outputs.push_back(Output::StartTls { conn }),
            FromStream::Close => self.close(conn, CloseHow::Graceful),
            FromStream::LoadAccount(user) => self.with_services(now, |_, cx| {
                cx.load(Owner::Stream(conn), account::login_query(&user));
            }),
            FromStream::Derive(request) => {
                if self.is_overloaded(conn) {
                    self.effects.push_back(Effect::ToStream(conn, ToStream::Overloaded));
                } else {
                    self.with_services(now, |_, cx| {
                        cx.derive(Owner::Stream(conn), request);
                    });
                }
            }
            FromStream::Register { domain, iq } => {
                let Some(peer) = self.conns.get(&conn).map(|conn| conn.peer) else { return };
                self.with_services(now, |services, cx| {
                    let early = Early { conn, peer, domain: &domain, iq: &iq };
                    services.register.handle_early(cx, &mut services.accounts, &early);
                });
            }
            FromStream::Bind(bind) => self.effects.push_back(Effect::Bind(conn, bind)),
            FromStream::Resume(resume) => self.effects.push_back(Effect::Resume(conn, resume)),
            FromStream::Enable(wish) => self.handle_enable(now, conn, wish),
            FromStream::AskAck => self.handle_ask(now, conn),
            FromStream::Ack(h) => self.handle_ack(now, conn, h),
            FromStream::Stanza(element) => self.handle_stanza(now, conn, &element),
            FromStream::ClientState(activity) => self.handle_client_state(conn, activity),
            FromStream::Ended { why, leaves } => self.lose_stream(now, conn, leaves, why),
            FromStream::Trace(event) => self.effects.push_back(Effect::Trace(event)),
        }
    }

    /// Returns whether no more key derivations may begin for the network of `conn`, which has at most half of them.
    fn is_overloaded(&self, conn: ConnId) -> bool {
        let most = self.config.limits.derivations;
        let peer = self.conns.get(&conn).map(|entry| entry.peer);
        let of_peer = |conn| self.conns.get(&conn).map(|entry| entry.peer) == peer;
        let (all, own) = self.ops.login_derivations(of_peer);
        all >= most || own >= most.div_ceil(2)
    }

    /// Ends a session whose client does not read, or acknowledge: it cannot be told more than fits.
    pub(super) fn close_slow_reader(&mut self, now: Now, id: SessionId) {
        let Some(session) = self.directory.get(id) else { return };
        let (limit, why) = if session.outbox.keeps() {
            ("unacked_bytes", "too much is unacknowledged")
        } else {
            ("send_queue_bytes", "the client reads too slowly")
        };
        let conn = session.conn;
        self.bury(now, id);
        self.end_session(now, id, why);
        if let Some(conn) = conn {
            self.effects.push_back(Effect::Trace(Event::LimitReached { conn, limit }));
            self.tell_stream(now, conn, ToStream::Fail(Condition::ResourceConstraint, why));
        }
    }

    fn close(&mut self, conn: ConnId, how: CloseHow) {
        if let Some(entry) = self.conns.get_mut(&conn)
            && !entry.closing
        {
            entry.closing = true;
            self.timers.disarm(Timer::Login(conn));
            self.outputs.push_back(Output::Close { conn, how });
        }
    }
}

/// Returns the keys that an account logs in with; nothing where there is none, or none that may be used.
fn credentials(rows: &[Row]) -> Result<Option<AccountRecord>, StoreError> {
    let Some(first) = rows.first() else { return Ok(None) };
    let mut parts = first.key.parts();
    let (Some(domain), Some(local)) = (parts.next(), parts.next()) else { return Err(StoreError::Damaged) };
    let owner = BareJid::parse(&format!("{local}@{domain}")).map_err(|_| StoreError::Damaged)?;
    let account = account::read(&owner, rows)?;
    match account.credentials().filter(|login| login.status == Status::Active) {
        Some(login) => AccountRecord::decode(login.record).map(Some).map_err(StoreError::from),
        None => Ok(None),
    }
}
