//! Messages for somebody who is away: they are kept until somebody is there.
//!
//! Implements: XEP-0160 1.0.1, sections 2 and 3; XEP-0203 2.0, sections 2 and 4. Complete. The row of a message that
//! stands in the archive only points there.

use super::accept::{Messages, Pending, is_anybody_there, party, recipient};
use super::mark::is_given;
use super::worth::worth;
use crate::archive::{self, Direction, Held, Home, Message, Open};
use crate::date_time::format_stamp;
use crate::directory::Directory;
use crate::exchange::GroupKind;
use crate::io::OpId;
use crate::jid::{BareJid, Jid};
use crate::replica::{Dot, Hlc, Place};
use crate::service::cx::Cx;
use crate::service::effect::{Delivery, Effect};
use crate::service::ops::Owner;
use crate::session::What;
use crate::stanza::{Kind, MessageType, Packet, Stanza, StanzaError};
use crate::store::{StoreBatch, encode};
use crate::sync::{Entry, Letter, Parties};
use crate::xml::{Node, ns};

impl Messages {
    /// Keeps a message that was for an account of this node and that no session could be given, or tells the sender `error`.
    pub(crate) fn handle_nobody(&mut self, cx: &mut Cx<'_>, delivery: &Delivery, error: StanzaError) {
        let Delivery { stanza, op, what } = delivery;
        let to = recipient(stanza);
        let kept = match what {
            What::Stored(place) => self.owe(cx, &to.bare(), *place, *op),
            What::Message(_) | What::Owed(_) if may_wait(cx, stanza, &to) => {
                self.owe_alone(cx, delivery, &to.bare()).is_some()
            }
            What::Message(_) | What::Owed(_) | What::Page(_) | What::Request | What::Other => false,
        };
        if !matches!(what, What::Stored(_)) {
            self.drains.settled.note(*what);
        }
        if !kept {
            self.give_back(cx, delivery, error);
        }
    }

    /// Tells the sender of a message for which there was no room. What stands in the archive is not lost; its sender need not hear
    /// that nobody was told of it.
    fn give_back(&mut self, cx: &mut Cx<'_>, delivery: &Delivery, error: StanzaError) {
        if matches!(delivery.what, What::Stored(_)) {
            return;
        }
        if let Some(pending) = delivery.op.and_then(|op| self.pending.get_mut(&op)) {
            // Its sender hears of it once, now.
            pending.stanza = None;
        }
        cx.effect(Effect::GiveBack(delivery.clone(), error));
    }

    /// Returns whether a message has to wait until the account has been given what came before.
    pub(crate) fn holds(&self, directory: &Directory, stanza: &Stanza) -> bool {
        let Kind::Message(MessageType::Normal | MessageType::Chat | MessageType::Headline) = stanza.kind
        else {
            return false;
        };
        !self.drains.is_empty() && {
            let to = recipient(stanza);
            self.drains.holds(&to.bare(), directory.find(&to))
        }
    }

    /// Takes a message that has to wait and whose sender does not: one that may be stored is owed, others come back unless they
    /// stand in the archive.
    pub(crate) fn handle_held(&mut self, cx: &mut Cx<'_>, delivery: &Delivery) {
        let to = recipient(&delivery.stanza);
        let owner = to.bare();
        // For a resource that is not there only what is said in a chat waits for another one (RFC 6121, 8.5.3.2.1).
        let may_wait = for_anybody(&delivery.stanza, &to) || cx.directory.find(&to).is_some();
        let kept = match delivery.what {
            // Who takes messages here is given it, whoever else may have been given it by then.
            What::Stored(place) => self.owe_anyway(cx, &owner, place, delivery.op).then_some(place.dot),
            What::Message(_) | What::Owed(_) if may_wait && worth(&delivery.stanza).offline => {
                self.owe_alone(cx, delivery, &owner)
            }
            What::Message(_) | What::Owed(_) | What::Page(_) | What::Request | What::Other => None,
        };
        match kept {
            Some(dot) => self.drains.note_held(&owner, dot),
            None => self.give_back(cx, delivery, StanzaError::ServiceUnavailable),
        }
    }

    /// Owes an account the message at `place` of its archive, which is written by `op` unless it has been; nothing where somebody has
    /// been given it. Returns whether there was room.
    pub(crate) fn owe(&mut self, cx: &mut Cx<'_>, owner: &BareJid, place: Place, op: Option<OpId>) -> bool {
        is_given(cx, owner, place.dot) || self.owe_anyway(cx, owner, place, op)
    }

    fn owe_anyway(&mut self, cx: &mut Cx<'_>, owner: &BareJid, place: Place, op: Option<OpId>) -> bool {
        let alone = op.is_none_or(|op| !cx.ops.is_under_way(op));
        let batch = StoreBatch::new().put(archive::owed_key(owner, place), encode(&Held(None)));
        let owed = self.owe_row(cx, owner, (place, alone), batch);
        if owed {
            self.drains.settled.note(What::Stored(place));
        }
        if cx.groups.is_shared() && !is_given(cx, owner, place.dot) {
            // What there is no room for may be given by another node.
            cx.archives.change_open(owner, |open| {
                if owed {
                    open.owe(place.dot, false);
                } else {
                    open.leave(place);
                }
                true
            });
            self.note_open_here(cx, owner);
        }
        owed
    }

    /// Owes an account a message that stands in no archive of its own, since it came. When its sender's is being written and is not, the
    /// message comes back, and is owed no more. Returns its name, if there was room.
    pub(super) fn owe_alone(
        &mut self,
        cx: &mut Cx<'_>,
        Delivery { stanza, op, what }: &Delivery,
        owner: &BareJid,
    ) -> Option<Dot> {
        let alone = op.is_none_or(|op| !cx.ops.is_under_way(op));
        // What is named is written.
        let came = what.came().filter(|_| may_owe(cx, owner))?;
        self.drains.settled.note(*what);
        let packet = stanza.plain_packet();
        let name = cx.name(owner.domain(), GroupKind::Logs, 1);
        let dot = name.dot;
        let place = Place::new(came, None, dot);
        let (with, bytes) = (stanza.from.clone(), Message::bytes(&packet));
        let direction = Direction::In;
        let entry =
            archive::Entry { message: dot, home: Home::Own, id: None, with, direction, twin: None, bytes };
        let held = Held(Some(entry));
        let mut batch = StoreBatch::new()
            .put(archive::message_key(owner.domain(), dot), Message::encode(&packet))
            .put(archive::owed_key(owner, place), encode(&held));
        cx.entry(name, Vec::new(), &mut batch, |cx| {
            let recipient = party(cx, Some(owner));
            let parties = Parties { recipient, owed: true, ..Parties::default() };
            let Packet { head, body } = packet;
            Entry::Letter(Letter {
                hlc: came,
                key: None,
                past: Vec::new(),
                parties,
                head,
                body,
                behind: None,
                ids: None,
            })
        });
        let owed = self.owe_row(cx, owner, (place, alone), batch);
        if owed && cx.groups.is_shared() {
            cx.archives.change_open(owner, |open| {
                open.owe(dot, true);
                true
            });
            self.note_open_here(cx, owner);
        }
        owed.then_some(dot)
    }

    /// Takes note that something is open of an account, if anybody is here.
    fn note_open_here(&mut self, cx: &Cx<'_>, owner: &BareJid) {
        if cx.directory.has(owner.as_str()) {
            self.note_open(owner);
        }
    }

    fn owe_row(
        &mut self,
        cx: &mut Cx<'_>,
        owner: &BareJid,
        (place, alone): (Place, bool),
        batch: StoreBatch,
    ) -> bool {
        if !may_owe(cx, owner) {
            return false;
        }
        cx.archives.change(owner, |counts| counts.owe(place.capped));
        if !cx.groups.is_shared() {
            cx.archives.change_open(owner, Open::owe_unnamed);
        }
        self.drains.note_owed(owner, place);
        let again = alone.then(|| batch.clone());
        let op = cx.persist(Owner::Message, batch, |_| {});
        self.pending.insert(op, Pending { owed: Some((owner.clone(), place)), again, ..Pending::default() });
        true
    }
}

/// Returns whether there is such an account, and room for one more message that it is owed.
pub(super) fn may_owe(cx: &Cx<'_>, owner: &BareJid) -> bool {
    cx.accounts.get(owner.as_str()).is_some()
        && cx.archives.counts(owner.as_str()).owed < cx.config.limits.owed_messages
}

/// Returns whether a message that is in no archive may wait for somebody (RFC 6121, 8.5).
fn may_wait(cx: &Cx<'_>, stanza: &Stanza, to: &Jid) -> bool {
    for_anybody(stanza, to) && worth(stanza).offline && !is_anybody_there(cx, to)
}

/// Returns whether any resource of its account may be given a message whose own one is not there.
fn for_anybody(stanza: &Stanza, to: &Jid) -> bool {
    to.resource().is_none() || stanza.kind == Kind::Message(MessageType::Chat)
}

/// Returns the element that says since when a message has waited in `domain`.
pub(super) fn delay(domain: &str, since: Hlc) -> Node {
    let stamp = format_stamp(since.millis);
    Node::new("delay", ns::DELAY).with_attr("from", domain).with_attr("stamp", &stamp)
}
