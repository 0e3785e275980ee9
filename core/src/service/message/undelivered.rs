//! What a session was to be given and never got: it goes to others, is owed, or comes back to its sender.
//!
//! Implements: XEP-0198 1.6.3, section 4 (unacknowledged stanzas); RFC 6121, section 8.5.3.2. Rests on the replication
//! rule R17: the delivery vector of a session says what it was given. Of what is in no archive, and never leaves its node, a session
//! was given what came here while it took messages.
//!
//! Shown by: scenarios/session, core/src/node/tests/leftover.rs.

use std::collections::VecDeque;

use super::accept::Messages;
use super::mark::is_given;
use super::owed::{delay, may_owe};
use super::worth::worth;
use crate::directory::SessionId;
use crate::jid::{BareJid, FullJid};
use crate::replica::{Hlc, Place};
use crate::service::blocking::shuts_out;
use crate::service::cx::Cx;
use crate::service::effect::{Delivery, Effect};
use crate::session::{Session, Slot, What};
use crate::stanza::{Kind, MessageType, Stanza, StanzaError};
use crate::xml::ns;

/// A session that has ended, while others are found for what it never got.
struct Leaver<'a> {
    owner: BareJid,
    who: &'a FullJid,
    /// Who has what it left before: what follows goes there as well, so that it stays together when that one ends, too.
    with: Option<SessionId>,
}

impl Messages {
    /// Finds others for what a session never got, or tells its senders (XEP-0198, 4: as if sent to an unavailable resource).
    pub(crate) fn handle_undelivered(&mut self, cx: &mut Cx<'_>, who: &FullJid, slots: VecDeque<Slot>) {
        let mut leaver = Leaver { owner: who.bare(), who, with: None };
        for slot in slots {
            let Some(stanza) = Stanza::parse(slot.packet.to_vec().into()) else { continue };
            let op = slot.op.filter(|op| cx.ops.is_under_way(*op));
            let delivery = Delivery { stanza, op, what: slot.what };
            let Delivery { stanza, .. } = &delivery;
            match slot.what {
                What::Stored(_) if shuts_out(cx.accounts, &leaver.owner, &stanza.from) => {}
                What::Stored(place) => self.hand_on(cx, &mut leaver, place, delivery),
                What::Message(came) => self.pass_on(cx, &leaver, came, &delivery),
                // Another session, at whichever node, has acknowledged it.
                What::Owed(place) if is_given(cx, &leaver.owner, place.dot) => {}
                What::Owed(place) => self.pass_on(cx, &leaver, place.hlc, &delivery),
                What::Request => {
                    cx.effects.extend(stanza.error(StanzaError::ServiceUnavailable).map(Effect::Route));
                }
                What::Page(_) | What::Other => {}
            }
        }
    }

    /// Does with a message that is in no archive what is done with one for a resource that is not there (RFC 6121, 8.5.3.2.1), or
    /// for the account: it goes to the fittest session, unless another one has it, waits, or comes back to its sender.
    fn pass_on(&mut self, cx: &mut Cx<'_>, leaver: &Leaver<'_>, came: Hlc, delivery: &Delivery) {
        let (owner, who, stanza, what) = (&leaver.owner, leaver.who, &delivery.stanza, delivery.what);
        let for_one = stanza.to.as_ref() == Some(who.as_jid());
        let (mut others, mut has_it) = (Vec::new(), false);
        for id in cx.directory.of_account(owner.as_jid()) {
            let Some(session) = cx.directory.get(*id) else { continue };
            // Who took it may have said since that it takes nothing. What was owed nobody was there for when it came.
            let was_there = matches!(what, What::Message(_)) && session.was_there(came);
            has_it |= (was_there && (!for_one || has_copy(session, stanza))) || session.has_heard(what);
            if session.takes_bare_messages() {
                others.push((*id, session));
            }
        }
        if has_it || self.drains.settled.knows(what) {
            return;
        }
        let blocked = shuts_out(cx.accounts, owner, &stanza.from);
        if for_one && !blocked && cx.directory.find(who.as_jid()).is_some() {
            // Whoever has the address has taken the place of the one that was to get it.
            cx.effect(Effect::Deliver(delivery.clone()));
            return;
        }
        let (for_others, silent) = match stanza.kind {
            Kind::Message(MessageType::Chat) => (true, false),
            Kind::Message(MessageType::Headline) => (!for_one, true),
            Kind::Message(MessageType::Error) => (false, true),
            Kind::Message(MessageType::Normal) => (!for_one, false),
            Kind::Message(MessageType::Groupchat) | Kind::Presence(_) | Kind::Iq(_) => (false, false),
        };
        match leaver.fittest(&others).filter(|_| for_others && !blocked) {
            // What came before it, and after, is about to be given: it stands between them.
            Some(_) if worth(stanza).offline && may_owe(cx, owner) && self.drains.takes(owner, came) => {
                self.owe_alone(cx, delivery, owner);
            }
            Some((id, other)) if self.drains.takes(owner, came) && self.drains.has_room_between(owner) => {
                let delayed = Delivery { stanza: late(stanza, owner, came), ..delivery.clone() };
                self.drains.hand_between(owner, came, Effect::Hand(id, other, delayed));
            }
            Some((id, other)) => {
                let delayed = Delivery { stanza: late(stanza, owner, came), ..delivery.clone() };
                cx.effect(Effect::Hand(id, other, delayed));
            }
            None if silent => {}
            None if blocked => {
                self.drains.settled.note(what);
                cx.effect(Effect::GiveBack(delivery.clone(), StanzaError::ServiceUnavailable));
            }
            None => self.handle_nobody(cx, delivery, StanzaError::ServiceUnavailable),
        }
    }

    /// Gives a stored message to a session that has not been given it; where there is none, it is owed.
    fn hand_on(&mut self, cx: &mut Cx<'_>, leaver: &mut Leaver<'_>, place: Place, delivery: Delivery) {
        let owner = &leaver.owner;
        let Delivery { stanza, op, what } = delivery;
        if self.drains.settled.knows(what) || is_given(cx, owner, place.dot) {
            return;
        }
        let mut others = Vec::new();
        for id in cx.directory.of_account(owner.as_jid()) {
            let Some(session) = cx.directory.get(*id).filter(|session| session.takes_bare_messages()) else {
                continue;
            };
            if session.paged.contains(&place.dot) {
                leaver.with = Some(*id);
                return cx.effect(Effect::Rely(*id, owner.clone(), place));
            }
            let waits = session.outbox.holds(place.dot);
            if waits || session.delivery.was_given(place.dot) {
                leaver.with = waits.then_some(*id).or(leaver.with);
                return;
            }
            others.push((*id, session));
        }
        match leaver.fittest(&others) {
            // What is from the account itself holds the message: a copy, or an answer of the archive.
            Some((id, _)) if stanza.from == *owner.as_jid() => {
                // The message itself is read from the archive.
                if self.owe(cx, owner, place, op) {
                    self.drains.begin(cx, owner, id);
                    cx.effect(Effect::Left(owner.clone()));
                }
            }
            Some(_) if may_owe(cx, owner) && self.drains.takes(owner, place.hlc) => {
                self.owe(cx, owner, place, op);
            }
            Some((id, other)) => {
                let stanza = late(&stanza, owner, place.capped);
                cx.effect(Effect::Hand(id, other, Delivery { stanza, op, what }));
            }
            None => _ = self.owe(cx, owner, place, op),
        }
    }
}

impl Leaver<'_> {
    /// Returns the session that has what came before; else the one with the highest priority, of several the one that was bound first.
    fn fittest(&self, sessions: &[(SessionId, &Session)]) -> Option<(SessionId, FullJid)> {
        let priority = |session: &Session| session.presence.as_ref().map_or(0, |presence| presence.priority);
        let with = sessions.iter().find(|(id, _)| Some(*id) == self.with);
        let fittest = with.or_else(|| sessions.iter().rev().max_by_key(|(_, session)| priority(session)));
        fittest.map(|(id, session)| (*id, session.jid.clone()))
    }
}

/// Says since when a message has waited, unless it does so itself.
fn late(stanza: &Stanza, owner: &BareJid, since: Hlc) -> Stanza {
    let stanza = stanza.clone();
    let delayed = stanza.child("delay", ns::DELAY).is_some();
    if delayed { stanza } else { stanza.with_added(&delay(owner.domain(), since)) }
}

/// Returns whether a session has a copy of a message for another resource (XEP-0280).
fn has_copy(session: &Session, stanza: &Stanza) -> bool {
    session.wishes.carbons && stanza.child("no-copy", ns::HINTS).is_none()
}
