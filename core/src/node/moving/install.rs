//! Where a session comes to.

use super::{Step, Took, key, took};
use crate::directory::SessionId;
use crate::exchange::{Moving, Passage, Resume, Shipment, ToStream};
use crate::io::ConnId;
use crate::jid::FullJid;
use crate::node::Node;
use crate::replica::Dot;
use crate::service::effect::Effect;
use crate::service::presence;
use crate::session::{
    Acks, Arrival, Arriving, Cargo, Claimant, Directed, PresenceChange, Resuming, Session, number,
};
use crate::store::StoreBatch;
use crate::time::{Now, Span};
use crate::timers::Timer;

/// How long a session waits for what its client has said at another node. Longer than that: what the client says next may come before it.
const PAST_MAX: Span = Span::from_secs(5);

impl Node {
    /// A session has come from another node. Once is enough: it may be shipped again until that one knows.
    pub(in crate::node) fn install(&mut self, now: Now, from: u32, shipment: Shipment) {
        let passage = shipment.passage;
        if let Some(took) = self.moves.took.get(&passage) {
            if took.durable {
                self.tell_moving(from, Moving::Installed(passage));
            }
            return;
        }
        let Some(arrival) = Arrival::read(&shipment.bytes) else { return };
        let Some(owner) = arrival.owner() else { return };
        if !self.is_hot(owner.as_str()) {
            return self.park(now, &owner, Effect::Install(from, shipment), None);
        }
        let exists = self.accounts.get(owner.as_str()).is_some();
        if exists && !self.archives.knows(owner.as_str()) {
            return self.park_archive(now, &owner, Effect::Install(from, shipment), None);
        }
        let number = number(self.name_session());
        let Some((session, cargo)) = arrival.unpack(number) else { return };
        let batch = StoreBatch::new().put(key(&owner, passage), took(from));
        self.moves.took.insert(passage, Took { from, user: owner, durable: false });
        let id = self.take_in(now, session, cargo, exists);
        self.write_moved(now, batch, Step::Took(passage, id));
    }

    /// Has a session from here on. Its rows are in the flush that is being gathered.
    fn take_in(&mut self, now: Now, mut session: Session, cargo: Cargo, exists: bool) -> SessionId {
        let jid = session.jid.clone();
        // Whoever sees it at both nodes sees it here.
        session.bound = session.bound.next();
        let older = self.directory.find(jid.as_jid());
        let is_later =
            older.and_then(|id| self.directory.get(id)).is_some_and(|other| other.bound > session.bound);
        if is_later {
            // It is the other one that is seen.
            (session.presence, session.directed) = (None, Directed::default());
        } else if let Some(older) = older {
            self.replace(now, older);
        }
        let past = self.past_of(&session);
        session.arriving = Some(Box::new(Arriving { durable: false, past, until: now.mono + PAST_MAX }));
        if session.takes_bare_messages() {
            let host = self.groups.cover(jid.as_jid().domain(), &self.ledger);
            session.take_bare_messages(self.ledger.stamp(now.wall), host);
        }
        let name = session.acks.as_ref().and_then(|acks| acks.id.clone()).unwrap_or_default();
        let max = session.acks.as_ref().map_or(Span::default(), |acks| acks.max);
        let unread: Vec<_> = session.outbox.stored().collect();
        if exists {
            self.archives.change_open(&jid.bare(), |open| {
                for dot in &unread {
                    open.take_up(*dot);
                }
                true
            });
        }
        let seen = self.elsewhere.seen(jid.as_jid()).map(|(_, far)| far.clone());
        let changed = session.presence.as_ref().is_some_and(|presence| {
            seen.is_none_or(|far| far.presence.as_deref() != Some(&*presence.stanza.packet().to_vec()))
        });
        let said = session.presence.as_ref().map(|presence| presence.stanza.clone()).filter(|_| changed);
        self.cover(&jid);
        drop(self.elsewhere.take_directed(&jid));
        let id = self.directory.restore(session);
        self.directory.name(&name, id);
        self.directory.touch(id);
        self.timers.arm(Timer::Resume(id), now.mono + max);
        self.moves.arriving.insert(id);
        if is_later || !exists {
            self.end_session(now, id, "replaced by a new connection");
        } else {
            if let Some((conn, resume)) = self.take_seeker(&jid.bare(), &name) {
                self.seat(id, conn, resume);
            }
            self.make_up(now, (id, &jid), cargo);
            if let Some(said) = said {
                self.with_services(now, |_, cx| {
                    presence::handle_broadcast(cx, &jid, said, PresenceChange::Update);
                });
            }
        }
        self.release_relays();
        id
    }

    /// Lets a client wait for the session that has come for it.
    fn seat(&mut self, id: SessionId, conn: ConnId, resume: Resume) {
        let Some(session) = self.directory.get_mut(id) else { return };
        session.lang = resume.lang;
        let (base, sent) = (session.outbox.base(), session.outbox.sent());
        let Some(acks) = session.acks.as_mut() else { return };
        if Acks::covered(resume.h, base, sent).is_err() {
            let too_high = ToStream::TooHigh { h: resume.h, sent: Acks::wire(sent) };
            self.effects.push_back(Effect::ToStream(conn, too_high));
            return;
        }
        acks.resuming = Some(Resuming { who: Claimant::Conn(conn), h: resume.h });
    }

    /// Returns what the client of a session has said last, that is not here.
    fn past_of(&self, session: &Session) -> Vec<Dot> {
        let said = session.said.as_ref();
        let domains = self.config.domains.iter().map(|domain| domain.name.as_str());
        let all = domains.flat_map(|domain| {
            let dots = said.map(|said| said.all(domain)).unwrap_or_default();
            dots.into_iter().filter(move |dot| !self.groups.have_come(domain, &[*dot]))
        });
        all.collect()
    }

    /// Gives a session what it may have missed on its way: messages that are here and were not there, and what has changed of rosters and
    /// of presence.
    fn make_up(&mut self, now: Now, (id, jid): (SessionId, &FullJid), cargo: Cargo) {
        let Cargo { held, open, shown } = cargo;
        let own = self.ledger.origin().node;
        let open = open.into_iter().filter(|open| open.node != own).collect();
        self.with_services(now, |services, cx| {
            services.relays.go_on(id, open, cx.now.mono);
            services.roster.handle_restored(cx, id);
            presence::catch_up(cx, jid, &shown);
            services.messages.look_behind(cx, id, held);
        });
        self.effects.push_back(Effect::Owed(id));
    }

    /// A session that has come is on the disk: its client goes on, and the node that had it hears of that.
    pub(super) fn end_installing(&mut self, now: Now, passage: Passage, id: SessionId) {
        let Some(took) = self.moves.took.get_mut(&passage) else { return };
        took.durable = true;
        let from = took.from;
        self.tell_moving(from, Moving::Installed(passage));
        if let Some(arriving) = self.directory.get_mut(id).and_then(|session| session.arriving.as_mut()) {
            arriving.durable = true;
        }
        self.go_on_with(now, id);
    }

    /// Returns whether a session may be given to its client: it has come as a whole, and what its client has said before has.
    pub(in crate::node) fn has_arrived(&mut self, now: Now, id: SessionId) -> bool {
        let Some(session) = self.directory.get(id) else { return false };
        let Some(arriving) = session.arriving.as_ref() else { return true };
        if !arriving.durable {
            return false;
        }
        let has_come = |dot: &Dot| {
            self.config.domains.iter().any(|domain| self.groups.have_come(domain.name.as_str(), &[*dot]))
        };
        if now.mono < arriving.until && !arriving.past.iter().all(has_come) {
            return false;
        }
        if let Some(session) = self.directory.get_mut(id) {
            session.arriving = None;
        }
        self.moves.arriving.remove(&id);
        true
    }

    /// A session has ended.
    pub(in crate::node) fn forget_arrival(&mut self, id: SessionId) {
        self.moves.arriving.remove(&id);
    }

    /// Something has come from other nodes: sessions may have waited for it.
    pub(in crate::node) fn look_at_arrivals(&mut self, now: Now) {
        for id in self.moves.arriving.iter().copied().collect::<Vec<_>>() {
            if self.has_arrived(now, id) {
                self.effects.push_back(Effect::GoOn(id));
            }
        }
    }
}
