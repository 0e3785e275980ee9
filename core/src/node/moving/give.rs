//! Where a session is that goes on at another node.

use super::{GIVES_BYTES_MAX, GIVES_MAX, Give, Step, gave, key};
use crate::directory::SessionId;
use crate::exchange::{Claim, Kept, Moving, Passage, Relay};
use crate::jid::{FullJid, Jid};
use crate::node::Node;
use crate::node::elsewhere::far_of;
use crate::node::tombstones::Asker;
use crate::replica::{Account, Place};
use crate::service::effect::{Effect, Given};
use crate::service::presence;
use crate::session::{Acks, Cargo, Claimant, Resuming, Session, What};
use crate::stanza::Stanza;
use crate::store::StoreBatch;
use crate::time::Now;
use crate::timers::Timer;

/// Bytes of a session beside its stanzas, at most.
const RECORD_BYTES: usize = 1 << 20;
/// Bytes of a stanza beside itself.
const SLOT_BYTES: usize = 64;

impl Node {
    /// A client has come to another node that wants to go on with a session.
    pub(super) fn handle_claim(&mut self, now: Now, node: u32, claim: &Claim) {
        let found = self.directory.resumable(&claim.id);
        let session = found.and_then(|id| self.directory.get(id));
        let session = session.filter(|session| session.jid.bare() == claim.user);
        let (Some(id), Some(session)) = (found, session) else { return self.handle_stray(now, node, claim) };
        let number = claim.number;
        let rival = session.acks.as_ref().and_then(|acks| acks.resuming).map(|resuming| resuming.who);
        if let Some(Claimant::Node(other, known, at)) = rival {
            if (other, known) == (node, number) {
                return;
            }
            if other != node && (at, other) > (claim.at, node) {
                return self.tell_moving(node, Moving::Kept(number, Kept::Newer));
            }
        }
        let sent = session.outbox.sent();
        if Acks::covered(claim.h, session.outbox.base(), sent).is_err() {
            return self.tell_moving(node, Moving::Kept(number, Kept::TooHigh(Acks::wire(sent))));
        }
        self.claim_session(now, id, Resuming { who: Claimant::Node(node, number, claim.at), h: claim.h });
        self.go_on_with(now, id);
    }

    /// Another node asks for a session that is not here: it may have gone, or ended.
    fn handle_stray(&mut self, now: Now, node: u32, claim: &Claim) {
        let mut gives = self.moves.gives.values_mut();
        let found = gives.find(|give| *give.id == *claim.id && give.user == claim.user);
        let kept = if let Some(give) = found {
            if give.to == node {
                give.next = now.mono;
            }
            Some(give.to)
        } else {
            let mut lately = self.moves.lately.values();
            let gone = lately.find(|lately| lately.id == claim.id && lately.jid.bare() == claim.user);
            gone.map(|lately| lately.to).filter(|to| *to != node)
        };
        self.ship_due(now);
        match kept {
            Some(to) => self.tell_moving(node, Moving::Kept(claim.number, Kept::Given(to))),
            None => self.search_tombstone(now, Asker::Node(node, claim.number), (&claim.user, &claim.id)),
        }
        self.arm_moves();
    }

    /// Gives a session to the node that its client has come to: all that was taken over its former stream is handled and durable.
    pub(in crate::node) fn give_away(&mut self, now: Now, id: SessionId, (node, number, h): (u32, u64, u32)) {
        let Some(session) = self.directory.get_mut(id) else { return };
        let ops = &self.ops;
        let held = self.groups.with_held(session.jid.as_jid().domain(), Clone::clone).unwrap_or_default();
        let pending = session.outbox.has_pending(|op| ops.is_under_way(op), |dot| held.covers(dot));
        let waits = pending || session.below.is_some();
        let linked = self.elsewhere.is_linked(node);
        if linked && waits {
            return self.journal.urge();
        }
        if let Some(acks) = session.acks.as_mut() {
            acks.resuming = None;
        }
        // It asks again when it is back, if its client still waits.
        if !linked {
            return;
        }
        let sent = session.outbox.sent();
        let Ok(count) = Acks::covered(h, session.outbox.base(), sent) else {
            return self.tell_moving(node, Moving::Kept(number, Kept::TooHigh(Acks::wire(sent))));
        };
        session.outbox.acknowledge(count);
        let bytes = session.outbox.bytes() + RECORD_BYTES + session.outbox.from(0).count() * SLOT_BYTES;
        if !self.has_room_to_give(node, bytes) {
            return self.tell_moving(node, Moving::Kept(number, Kept::Full));
        }
        self.send_off(now, id, node);
    }

    fn has_room_to_give(&self, node: u32, bytes: usize) -> bool {
        let gives = &self.moves.gives;
        let all: usize = gives.values().map(|give| give.bytes.len()).sum();
        let room = gives.is_empty() || (gives.len() < GIVES_MAX && all + bytes <= GIVES_BYTES_MAX);
        room && self.services.relays.takes(node).is_some_and(|most| bytes <= most)
    }

    /// Takes a session out of this node, in one flush with a row that holds all of it.
    fn send_off(&mut self, now: Now, id: SessionId, node: u32) {
        let Some((left, cargo)) = self.freeze(now, id) else { return };
        let Some(mut session) = self.directory.remove(id) else { return };
        self.timers.disarm(Timer::Resume(id));
        self.throttled.remove(&id);
        self.moves.arriving.remove(&id);
        session.epoch += 1;
        session.arriving = None;
        let (passage, owner) = (Passage { session: session.name, epoch: session.epoch }, session.jid.bare());
        let bytes = session.ship(cargo);
        let name = session.acks.as_ref().and_then(|acks| acks.id.clone()).unwrap_or_default();
        self.note_lately(session.name, (session.jid.clone(), node), (name.clone(), far_of(&session)));
        self.note_unread(&session, left);
        self.effects.push_back(Effect::Given(Given::Mark(owner.clone())));
        self.with_services(now, |services, cx| services.messages.handle_left(cx, &owner));
        let batch = StoreBatch::new().put(key(&owner, passage), gave(node, &bytes));
        let give = Give { to: node, user: owner, id: name, bytes, durable: false, next: now.mono };
        self.moves.gives.insert(passage, give);
        self.write_moved(now, batch, Step::Gave(passage));
    }

    /// Gives a session nothing more. Returns the messages that it was given and that are not on the disk, which the other node gives it, and
    /// what it takes along.
    fn freeze(&mut self, now: Now, id: SessionId) -> Option<(Vec<Place>, Cargo)> {
        let open = self.services.relays.take_open(id, now.mono);
        let (mut shown, jid) = (Vec::new(), self.directory.get(id)?.jid.clone());
        self.with_services(now, |_, cx| shown = presence::shown_to(cx, &jid));
        let held = self.groups.with_held(jid.as_jid().domain(), Clone::clone).unwrap_or_default();
        let (ops, session) = (&self.ops, self.directory.get_mut(id)?);
        let left = session.outbox.leave_pending(|op| ops.is_under_way(op));
        if let Some(since) = session.takes_since() {
            let began = session.delivery.began().cloned().unwrap_or_default();
            let until = self.groups.cover_until(jid.as_jid().domain(), &self.ledger, &began);
            session.was_available(since, self.ledger.stamp(now.wall), until);
        }
        for place in &left {
            session.delivery.take_back(place.dot);
            session.delivery.withhold(place.dot);
        }
        Some((left, Cargo { held, open, shown }))
    }

    /// What a session takes along that its client has not acknowledged is left to the other node: nobody here says that it was given.
    fn note_unread(&mut self, session: &Session, left: Vec<Place>) {
        let owner = session.jid.bare();
        let mark = self.accounts.get(owner.as_str()).map(Account::mark).unwrap_or_default();
        let named = session.outbox.from(0).map(|(_, slot)| slot.what);
        let all: Vec<What> = named.chain(left.into_iter().map(What::Stored)).collect();
        self.archives.change_open(&owner, |open| {
            for what in all {
                match what {
                    What::Stored(place) if !mark.covers(place.dot) => open.leave(place),
                    What::Owed(place) if !mark.covers(place.dot) => open.set_apart(place.dot),
                    What::Stored(_)
                    | What::Owed(_)
                    | What::Message(_)
                    | What::Page(_)
                    | What::Request
                    | What::Other => {}
                }
            }
            true
        });
        if self.directory.has(owner.as_str()) {
            self.services.messages.note_open(&owner);
        }
    }

    /// A stanza of another node has found nobody here: it follows a session that has gone, or waits for one that is about to come.
    /// Returns whether it does.
    pub(in crate::node) fn follow(&mut self, now: Now, node: u32, relay: &Relay) -> bool {
        let Some(stanza) = Stanza::parse(relay.stanza.clone()) else { return false };
        let Some(to) = stanza.to.clone() else { return false };
        let user = to.bare();
        if self.awaits(&user) && self.moves.waiting.len() < super::WAITING_MAX {
            self.moves.waiting.push((node, relay.clone()));
            return true;
        }
        let lately = match relay.to {
            Some(session) => self.moves.lately.get(&session),
            None => self.moves.lately.values().find(|lately| lately.jid.bare() == user),
        };
        let Some(there) = lately.map(|lately| lately.to).filter(|there| *there != node) else { return false };
        if !self.elsewhere.is_linked(there) {
            return false;
        }
        self.with_services(now, |services, cx| {
            services.relays.pass(cx, &stanza, (there, relay.to));
            services.relays.answer(cx, node, relay.id, None);
        });
        true
    }

    /// Lets stanzas look again for whom they have waited.
    pub(super) fn release_relays(&mut self) {
        let waiting = core::mem::take(&mut self.moves.waiting);
        self.effects.extend(waiting.into_iter().map(|(node, relay)| Effect::Relayed(node, relay)));
    }

    /// Returns whether a session was here a while ago, and may still answer what it was asked here.
    pub(in crate::node) fn was_here(&self, who: &Jid) -> bool {
        who.full().is_some_and(|who: FullJid| self.moves.lately.values().any(|lately| lately.jid == who))
    }
}
