//! What a session was to be given and never got: it goes to others, is owed, or comes back to its sender.
//!
//! Implements: XEP-0198 1.6.3, section 5 (unacknowledged stanzas); RFC 6121, section 8.5.3.2.1. Rests on the replication
//! rule R17: a session that took messages for its account when one was written has been given it.

use std::collections::VecDeque;

use super::accept::Messages;
use super::owed::delay;
use crate::directory::SessionId;
use crate::jid::{BareJid, FullJid};
use crate::replica::{Hlc, Place};
use crate::service::cx::Cx;
use crate::service::effect::{Delivery, Effect};
use crate::session::{Session, Slot, What};
use crate::stanza::{Kind, MessageType, Stanza, StanzaError};
use crate::xml::ns;

impl Messages {
    /// Finds others for what a session never got, or tells its senders (XEP-0198, 5: as if sent to an unavailable resource).
    pub(crate) fn handle_undelivered(&mut self, cx: &mut Cx<'_>, who: &FullJid, slots: VecDeque<Slot>) {
        let owner = who.bare();
        for slot in slots {
            let Some(stanza) = Stanza::parse(slot.packet.to_vec().into()) else { continue };
            let op = slot.op.filter(|op| cx.ops.is_under_way(*op));
            let delivery = Delivery { stanza, op, what: slot.what };
            let Delivery { stanza, .. } = &delivery;
            match slot.what {
                What::Stored(place) => self.hand_on(cx, (&owner, who), place, delivery),
                What::Message(came) => Self::pass_on(cx, who, came, &delivery),
                What::Request => {
                    cx.effects.extend(stanza.error(StanzaError::ServiceUnavailable).map(Effect::Route));
                }
                What::Other => {}
            }
        }
    }

    /// Tells the sender of a message that is not stored and that nobody has. It is given to nobody else: whoever came later
    /// could not be told from who has it (docs/promises.md, P2). Headlines are of their moment (RFC 6121, 5.2.2).
    fn pass_on(cx: &mut Cx<'_>, who: &FullJid, came: Hlc, delivery: &Delivery) {
        let Delivery { stanza, .. } = delivery;
        let for_one = stanza.to.as_ref() == Some(who.as_jid());
        let others = cx.directory.of_account(who.as_jid()).iter().filter_map(|id| cx.directory.get(*id));
        let mut others = others.filter(|session| session.takes_bare_messages());
        if others.any(|session| session.was_there(came) && (!for_one || has_copy(session, stanza))) {
            return;
        }
        if for_one && cx.directory.find(who.as_jid()).is_some() {
            // Whoever has the address has taken the place of the one that was to get it.
            cx.effect(Effect::Deliver(delivery.clone()));
        } else if !matches!(stanza.kind, Kind::Message(MessageType::Headline)) {
            cx.effects.extend(stanza.error(StanzaError::ServiceUnavailable).map(Effect::Route));
        }
    }

    /// Gives a stored message to a session that has not been given it; where there is none, it is owed.
    fn hand_on(
        &mut self,
        cx: &mut Cx<'_>,
        (owner, who): (&BareJid, &FullJid),
        place: Place,
        delivery: Delivery,
    ) {
        let Delivery { stanza, op, what } = delivery;
        // A copy is from the account itself: whoever was there had the message, or a copy, too.
        let copy = stanza.from == *owner.as_jid();
        let for_one = !copy && stanza.to.as_ref() == Some(who.as_jid());
        let mut fittest: Option<(i8, SessionId, FullJid)> = None;
        for id in cx.directory.of_account(owner.as_jid()) {
            let Some(session) = cx.directory.get(*id).filter(|session| session.takes_bare_messages()) else {
                continue;
            };
            if has_been_given(session, place, for_one, &stanza) {
                return;
            }
            let priority = session.presence.as_ref().map_or(0, |presence| presence.priority);
            if fittest.as_ref().is_none_or(|(best, ..)| priority > *best) {
                fittest = Some((priority, *id, session.jid.clone()));
            }
        }
        match fittest {
            Some((_, id, _)) if copy => {
                // The message itself is read from the archive.
                if self.owe(cx, owner, place, op) {
                    cx.effect(Effect::Owed(id));
                }
            }
            Some((_, id, other)) => {
                let delayed = stanza.child("delay", ns::DELAY).is_some();
                let stanza = if delayed { stanza } else { stanza.with_added(&delay(owner.domain(), place)) };
                cx.effect(Effect::Hand(id, other, Delivery { stanza, op, what }));
            }
            None => _ = self.owe(cx, owner, place, op),
        }
    }
}

/// Returns whether a session of the account has been given the message at `place`, which was for another resource alone when
/// `for_one` says so.
fn has_been_given(session: &Session, place: Place, for_one: bool, stanza: &Stanza) -> bool {
    (session.was_there(place.hlc) && (!for_one || has_copy(session, stanza)))
        || session.outbox.holds(place)
        || session.given.contains(&place)
}

/// Returns whether a session has a copy of a message for another resource (XEP-0280).
fn has_copy(session: &Session, stanza: &Stanza) -> bool {
    session.wishes.carbons && stanza.child("no-copy", ns::HINTS).is_none()
}
