//! Delivers a stanza to the sessions of an account of this node, and copies of it.

use std::collections::VecDeque;

use smallvec::SmallVec;

use super::rules::{Address, Online, Verdict, verdict};
use crate::account::Accounts;
use crate::directory::{Directory, SessionId};
use crate::io::{OpId, Output};
use crate::jid::{BareJid, Jid};
use crate::journal::Journal;
use crate::limits::Limits;
use crate::service::carbons::{Direction, Eligible, eligible, wrap};
use crate::service::csi::lazy;
use crate::service::effect::{Delivery, Sent};
use crate::session::{Slot, What};
use crate::stanza::{Packet, Stanza, StanzaError};

/// What a delivery works with.
#[derive(Debug)]
pub(crate) struct DeliverCx<'a> {
    /// Who is online.
    pub(crate) directory: &'a mut Directory,
    /// The accounts in use.
    pub(crate) accounts: &'a Accounts,
    /// What is written.
    pub(crate) journal: &'a mut Journal,
    /// The bounds.
    pub(crate) limits: &'a Limits,
    /// What the driver does.
    pub(crate) outputs: &'a mut VecDeque<Output>,
}

/// What came of a delivery.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Delivered {
    /// How many sessions got the stanza.
    pub(crate) copies: u32,
    /// What the sender is told, if anything.
    pub(crate) error: Option<StanzaError>,
    /// Sessions whose clients read or acknowledge too slowly to take it.
    pub(crate) overflowed: SmallVec<[SessionId; 1]>,
}

/// Delivers `stanza` to the account it is for. The bytes are made once; every recipient gets the same.
pub(crate) fn deliver(cx: &mut DeliverCx<'_>, delivery: &Delivery) -> Delivered {
    let stanza = &delivery.stanza;
    let directory = &*cx.directory;
    let own_account = stanza.from.bare();
    let to = stanza.to.as_ref().unwrap_or_else(|| own_account.as_jid());
    let resource = directory.find(to);
    let address = match (to.resource(), resource) {
        (None, _) => Address::Bare,
        (Some(_), Some(_)) => Address::Match,
        (Some(_), None) => Address::NoMatch,
    };
    let mut delivered = Delivered::default();
    let recipients: SmallVec<[SessionId; 4]> = match verdict(stanza.kind, address, online(directory, to)) {
        Verdict::ToResource => resource.into_iter().collect(),
        Verdict::ToResourceIfKnown => {
            resource.into_iter().filter(|id| may_be_seen(cx, *id, &stanza.from)).collect()
        }
        Verdict::ToNonNegative => chosen(directory, to, crate::session::Session::takes_bare_messages),
        Verdict::ToAvailable => chosen(directory, to, |session| session.presence.is_some()),
        Verdict::Bounce => SmallVec::new(),
        Verdict::Ignore => return delivered,
    };
    if recipients.is_empty() {
        if !matches!(stanza.kind, crate::stanza::Kind::Presence(_)) {
            delivered.error = Some(StanzaError::ServiceUnavailable);
        }
        return delivered;
    }
    let packet = stanza.packet();
    for id in &recipients {
        if give(cx, *id, packet.clone(), delivery) {
            delivered.copies = delivered.copies.saturating_add(1);
        } else {
            delivered.overflowed.push(*id);
        }
    }
    if delivered.copies == 0 {
        delivered.error = Some(StanzaError::ResourceConstraint);
    } else {
        copy_received(cx, delivery, &recipients, &mut delivered.overflowed);
    }
    delivered
}

/// Gives a copy of what `recipients` got to the other resources of the account that want one. Of a message from one resource of
/// an account to another there is one copy: that of what was sent.
fn copy_received(
    cx: &mut DeliverCx<'_>,
    delivery: &Delivery,
    recipients: &[SessionId],
    overflowed: &mut SmallVec<[SessionId; 1]>,
) {
    let stanza = &delivery.stanza;
    let Some(to) = &stanza.to else { return };
    let own = to.bare_str() == stanza.from.bare_str();
    let direction = if own { Direction::Sent } else { Direction::Received };
    let sender = cx.directory.find(&stanza.from).filter(|_| own);
    // A stored message that no client takes in the end is found by its place; nobody is told of another one's copy.
    let what = match delivery.what {
        What::Stored(place) if !own => What::Stored(place),
        What::Stored(_) | What::Message(_) | What::Request | What::Other => What::Other,
    };
    let account = to.bare();
    let others = wanting(cx.directory, &account, |id| !recipients.contains(&id) && Some(id) != sender);
    let ends: SmallVec<[SessionId; 4]> = recipients.iter().copied().chain(sender).collect();
    let copies = Copies { account, others, ends, direction, op: delivery.op, what };
    overflowed.extend(give_copies(cx, stanza, &copies));
}

/// Gives copies of a message to the other resources of its sender that want one. Returns the sessions whose clients are too slow
/// to take it.
pub(crate) fn copy_sent(cx: &mut DeliverCx<'_>, sent: &Sent) -> SmallVec<[SessionId; 1]> {
    let stanza = &sent.stanza;
    let account = stanza.from.bare();
    // What goes to the account itself is copied when it is delivered.
    if stanza.to.as_ref().is_none_or(|to| to.bare_str() == account.as_str()) {
        return SmallVec::new();
    }
    let sender = cx.directory.find(&stanza.from);
    let others = wanting(cx.directory, &account, |id| Some(id) != sender);
    let ends = sender.into_iter().collect();
    let copies = Copies { account, others, ends, direction: Direction::Sent, op: sent.op, what: What::Other };
    give_copies(cx, stanza, &copies)
}

/// What is copied to whom.
#[derive(Debug)]
struct Copies {
    account: BareJid,
    /// Who gets a copy.
    others: SmallVec<[SessionId; 4]>,
    /// Who has the message itself.
    ends: SmallVec<[SessionId; 4]>,
    direction: Direction,
    op: Option<OpId>,
    what: What,
}

/// Wraps a message that may be copied, once, and gives it to those who want a copy.
fn give_copies(cx: &mut DeliverCx<'_>, stanza: &Stanza, copies: &Copies) -> SmallVec<[SessionId; 1]> {
    let mut overflowed = SmallVec::new();
    if copies.others.is_empty() {
        return overflowed;
    }
    let peer = match copies.direction {
        Direction::Sent => stanza.to.as_ref().map(Jid::bare),
        Direction::Received => Some(stanza.from.bare()),
    };
    let (Some(peer), id) = (peer, stanza.id()) else { return overflowed };
    let eligible = match eligible(stanza, copies.direction) {
        Eligible::Yes => true,
        Eligible::No => false,
        Eligible::IfAnswer => copies.ends.iter().filter_map(|end| cx.directory.get(*end)).any(|session| {
            session.copied.as_ref().zip(id.as_deref()).is_some_and(|(copied, id)| copied.knows(&peer, id))
        }),
    };
    if !eligible {
        return overflowed;
    }
    if let Some(id) = id.as_deref().filter(|_| stanza.kind.may_be_answered()) {
        for end in &copies.ends {
            if let Some(session) = cx.directory.get_mut(*end) {
                session.copied.get_or_insert_default().note(peer.clone(), id);
            }
        }
    }
    let copy = wrap(stanza, &copies.account, copies.direction);
    let delivery = Delivery { stanza: stanza.clone(), op: copies.op, what: copies.what };
    for id in &copies.others {
        let Some(session) = cx.directory.get(*id) else { continue };
        let packet = copy.clone().addressed_to(session.jid.as_jid().clone()).packet();
        if !give(cx, *id, packet, &delivery) {
            overflowed.push(*id);
        }
    }
    overflowed
}

/// Puts a stanza, or a copy of it, into the outbox of a session, and hands to its connection what may go. Returns whether there was room.
pub(crate) fn give(cx: &mut DeliverCx<'_>, id: SessionId, packet: Packet, delivery: &Delivery) -> bool {
    let alone =
        cx.directory.get(id).is_some_and(|session| cx.directory.of_account(session.jid.as_jid()).len() < 2);
    let Some(session) = cx.directory.get_mut(id) else { return false };
    // What another session of the account never gets is handed on to those that have not been given it. What came while a
    // session took messages it has been given anyhow.
    let for_another = |to: &Jid| to.resource().is_some() && to != session.jid.as_jid();
    if let What::Stored(place) = delivery.what
        && !alone
        && (!session.was_there(place.hlc) || delivery.stanza.to.as_ref().is_some_and(for_another))
    {
        session.give(place);
    }
    let stored = session.is_resumable();
    let gate = if stored || delivery.op.is_some() { cx.journal.gate() } else { 0 };
    let max = if session.outbox.keeps() { cx.limits.unacked_bytes } else { cx.limits.send_queue_bytes };
    let slot = Slot { packet, gate, op: delivery.op, what: delivery.what };
    let lazy = if session.wishes.inactive { lazy(&delivery.stanza, &session.jid, cx.limits) } else { None };
    if session.push(slot, lazy, max).is_err() {
        return false;
    }
    session.hand_out(cx.journal.durable(), cx.outputs);
    if gate > 0 {
        cx.journal.wait(id);
    }
    if stored {
        cx.directory.touch(id);
    }
    true
}

/// Returns the sessions of an account that want copies, among those that `choose` picks.
fn wanting(
    directory: &Directory,
    account: &BareJid,
    choose: impl Fn(SessionId) -> bool,
) -> SmallVec<[SessionId; 4]> {
    let ids = directory.of_account(account.as_jid()).iter().copied();
    ids.filter(|id| choose(*id) && directory.get(*id).is_some_and(|session| session.wishes.carbons)).collect()
}

fn online(directory: &Directory, to: &Jid) -> Online {
    let mut online = Online::Nothing;
    for session in directory.of_account(to).iter().filter_map(|id| directory.get(*id)) {
        if session.takes_bare_messages() {
            return Online::NonNegative;
        }
        if session.presence.is_some() {
            online = Online::Negative;
        }
    }
    online
}

fn chosen(
    directory: &Directory,
    to: &Jid,
    choose: impl Fn(&crate::session::Session) -> bool,
) -> SmallVec<[SessionId; 4]> {
    let ids = directory.of_account(to).iter().copied();
    ids.filter(|id| directory.get(*id).is_some_and(&choose)).collect()
}

/// Whether `asker` may learn that the session is there: its own account, this node, one that follows it or was told
/// directly (RFC 6121, 8.5.3.1).
fn may_be_seen(cx: &DeliverCx<'_>, id: SessionId, asker: &Jid) -> bool {
    let Some(session) = cx.directory.get(id) else { return false };
    let follows = || {
        let account = cx.accounts.get(session.jid.as_jid().bare_str());
        account.is_some_and(|account| account.standing(&asker.bare()).from)
    };
    asker.local().is_none()
        || asker.bare_str() == session.jid.as_jid().bare_str()
        || session.directed.knows(asker)
        || follows()
}
