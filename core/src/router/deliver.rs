//! Delivers a stanza to the sessions of an account of this node, and copies of it.

use std::collections::VecDeque;

use smallvec::{SmallVec, smallvec};

use super::rules::{Address, Verdict, verdict};
use crate::account::Accounts;
use crate::directory::{Directory, Elsewhere, Online, SessionId, Sight, Where};
use crate::io::{OpId, Output};
use crate::jid::{BareJid, Jid};
use crate::journal::Journal;
use crate::limits::Limits;
use crate::replica::Dot;
use crate::service::carbons::{Direction, Eligible, eligible, wrap};
use crate::service::csi::lazy;
use crate::service::effect::{Delivery, Sent};
use crate::session::{Session, Slot, What};
use crate::stanza::{IqType, Kind, MessageType, Packet, PresenceType, Stanza, StanzaError};

/// What a delivery works with.
#[derive(Debug)]
pub(crate) struct DeliverCx<'a> {
    /// Who is online.
    pub(crate) directory: &'a mut Directory,
    /// Who is online at other nodes.
    pub(crate) elsewhere: &'a Elsewhere,
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
    /// Nodes that are to be sent the stanza for their sessions, and for which, where that is one.
    pub(crate) far: SmallVec<[(u32, Option<Dot>); 1]>,
    /// It is left to sessions of other nodes: nobody here was given it.
    pub(crate) left: bool,
    /// Sessions that got the stanza or a copy of it.
    pub(crate) given: SmallVec<[SessionId; 4]>,
    /// Sessions whose clients read or acknowledge too slowly to take it.
    pub(crate) overflowed: SmallVec<[SessionId; 1]>,
}

/// Whose sessions are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Those of this node: another one has sent the stanza here, for them.
    Here,
    /// Those of all nodes.
    Everywhere,
}

/// Whom a stanza is for.
#[derive(Debug, Default)]
struct Recipients {
    here: SmallVec<[SessionId; 4]>,
    /// Nodes whose sessions it is for, and which, where that is one.
    far: SmallVec<[(u32, Option<Dot>); 1]>,
}

/// Delivers `stanza` to the account it is for. The bytes are made once; every recipient gets the same.
pub(crate) fn deliver(cx: &mut DeliverCx<'_>, delivery: &Delivery, scope: Scope) -> Delivered {
    let stanza = &delivery.stanza;
    let own_account = stanza.from.bare();
    let to = stanza.to.as_ref().unwrap_or_else(|| own_account.as_jid());
    let sight = match scope {
        Scope::Here => Sight::here(cx.directory),
        Scope::Everywhere => Sight::new(cx.directory, cx.elsewhere),
    };
    let mut delivered = Delivered::default();
    let found = recipients(cx, (sight, scope), (stanza, to));
    if stanza.kind == Kind::Presence(PresenceType::Unavailable) && to.resource().is_none() {
        note_missed(cx, stanza, to);
    }
    let Some(Recipients { here, far }) = found else { return delivered };
    if here.is_empty() && far.is_empty() {
        if !matches!(stanza.kind, Kind::Presence(_)) {
            delivered.error = Some(StanzaError::ServiceUnavailable);
        }
        return delivered;
    }
    if relays(delivery) {
        delivered.far.clone_from(&far);
    }
    let packet = stanza.packet();
    for id in &here {
        if give(cx, *id, packet.clone(), delivery) {
            delivered.copies = delivered.copies.saturating_add(1);
            delivered.given.push(*id);
        } else {
            delivered.overflowed.push(*id);
        }
    }
    if delivered.copies == 0 && far.is_empty() {
        delivered.error = Some(StanzaError::ResourceConstraint);
    } else {
        copy_received(cx, delivery, &here, &mut delivered);
    }
    delivered.left = delivered.given.is_empty() && !far.is_empty();
    delivered
}

/// Lets sessions that are not available just now know who has gone meanwhile.
fn note_missed(cx: &mut DeliverCx<'_>, stanza: &Stanza, to: &Jid) {
    let ids: SmallVec<[SessionId; 4]> = cx.directory.of_account(to).iter().copied().collect();
    for id in ids {
        if let Some(session) = cx.directory.get_mut(id) {
            session.miss(&stanza.from);
        }
    }
}

/// Takes note who of an account is `given` a message that comes to stand in its archive just now, and who is not: what one of them never
/// gets is handed on to those who have not been given it.
pub(crate) fn note_given(cx: &mut DeliverCx<'_>, delivery: &Delivery, given: &[SessionId]) {
    let (What::Stored(place), stanza) = (delivery.what, &delivery.stanza) else { return };
    let own_account = stanza.from.bare();
    let ids = cx.directory.of_account(stanza.to.as_ref().unwrap_or_else(|| own_account.as_jid()));
    let was_withheld = |id: &SessionId| cx.directory.get(*id).is_some_and(|to| to.delivery.withheld() > 0);
    if ids.len() < 2 && ids == given && !ids.iter().any(was_withheld) {
        // There is nobody to whom anything would be handed on, and none was left it before, when it could not be written.
        return;
    }
    for id in ids.iter().copied().collect::<SmallVec<[SessionId; 4]>>() {
        let Some(session) = cx.directory.get_mut(id) else { continue };
        if given.contains(&id) {
            session.delivery.give(place.dot);
        } else if session.delivery.withhold(place.dot) && session.is_resumable() {
            cx.directory.touch(id);
        }
    }
}

/// Finds out whom a stanza is for; nothing when it is for nobody and nobody is told.
fn recipients(
    cx: &DeliverCx<'_>,
    (sight, scope): (Sight<'_>, Scope),
    (stanza, to): (&Stanza, &Jid),
) -> Option<Recipients> {
    let place = match sight.find(to) {
        // Who is back for a moment only may have asked all the same.
        Where::Nowhere if scope == Scope::Everywhere && is_answer(stanza.kind) => {
            let asker = cx.elsewhere.linked_at(to);
            asker.map_or(Where::Nowhere, |(node, far)| Where::There(node, far.session))
        }
        place @ (Where::Here(_) | Where::There(..) | Where::Nowhere) => place,
    };
    let address = match (to.resource(), place) {
        (None, _) => Address::Bare,
        (Some(_), Where::Here(_) | Where::There(..)) => Address::Match,
        (Some(_), Where::Nowhere) => Address::NoMatch,
    };
    let one = |may: &dyn Fn(SessionId) -> bool| match place {
        Where::Here(id) => {
            Recipients { here: Some(id).filter(|id| may(*id)).into_iter().collect(), ..Recipients::default() }
        }
        Where::There(node, session) => {
            Recipients { far: smallvec![(node, Some(session))], ..Recipients::default() }
        }
        Where::Nowhere => Recipients::default(),
    };
    let some = |least: Online, choose: fn(&Session) -> bool| Recipients {
        here: chosen(cx.directory, to, choose),
        far: sight.nodes(to, least).into_iter().map(|node| (node, None)).collect(),
    };
    Some(match verdict(stanza.kind, address, sight.online(to)) {
        Verdict::ToResource => one(&|_| true),
        // Another node asks that of its own.
        Verdict::ToResourceIfKnown => one(&|id| may_be_seen(cx, id, &stanza.from)),
        Verdict::ToNonNegative => some(Online::NonNegative, Session::takes_bare_messages),
        Verdict::ToAvailable => some(Online::Negative, |session| session.presence.is_some()),
        Verdict::Bounce => Recipients::default(),
        Verdict::Ignore => return None,
    })
}

/// Returns whether a stanza is what somebody is told of one that they have sent.
const fn is_answer(kind: Kind) -> bool {
    matches!(kind, Kind::Iq(IqType::Result | IqType::Error) | Kind::Message(MessageType::Error))
}

/// Returns whether a stanza is sent to the nodes of those it is for. What is stored comes to them as an entry of their logs, and
/// of presence each node tells its own; what is for somebody in particular has been sent already.
const fn relays(delivery: &Delivery) -> bool {
    match (delivery.stanza.kind, delivery.what) {
        (Kind::Presence(_), _) | (Kind::Message(_), What::Stored(_)) => false,
        (Kind::Message(_) | Kind::Iq(_), _) => true,
    }
}

/// Gives a copy of what `recipients` got to the other resources of the account that want one. Of a message from one resource of
/// an account to another there is one copy: that of what was sent.
fn copy_received(
    cx: &mut DeliverCx<'_>,
    delivery: &Delivery,
    recipients: &[SessionId],
    delivered: &mut Delivered,
) {
    let stanza = &delivery.stanza;
    let Some(to) = &stanza.to else { return };
    let own = to.bare_str() == stanza.from.bare_str();
    let direction = if own { Direction::Sent } else { Direction::Received };
    let sender = cx.directory.find(&stanza.from).filter(|_| own);
    // A stored message that no client takes in the end is found by its place; nobody is told of another one's copy.
    let what = match delivery.what {
        What::Stored(place) if !own => What::Stored(place),
        What::Stored(_) | What::Message(_) | What::Owed(_) | What::Page(_) | What::Request | What::Other => {
            What::Other
        }
    };
    let account = to.bare();
    let others = wanting(cx.directory, &account, |id| !recipients.contains(&id) && Some(id) != sender);
    let ends: SmallVec<[SessionId; 4]> = recipients.iter().copied().chain(sender).collect();
    let copies = Copies { account, others, ends, direction, op: delivery.op, what };
    give_copies(cx, stanza, &copies, delivered);
    // Who has sent it to another one of its account knows of it, as far as it wants to.
    let knows = |id: &SessionId| cx.directory.get(*id).is_some_and(|session| session.wishes.carbons);
    delivered.given.extend(sender.filter(|id| knows(id) && !recipients.contains(id)));
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
    let mut delivered = Delivered::default();
    give_copies(cx, stanza, &copies, &mut delivered);
    delivered.overflowed
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
fn give_copies(cx: &mut DeliverCx<'_>, stanza: &Stanza, copies: &Copies, delivered: &mut Delivered) {
    if copies.others.is_empty() {
        return;
    }
    let peer = match copies.direction {
        Direction::Sent => stanza.to.as_ref().map(Jid::bare),
        Direction::Received => Some(stanza.from.bare()),
    };
    let (Some(peer), id) = (peer, stanza.id()) else { return };
    let eligible = match eligible(stanza, copies.direction) {
        Eligible::Yes => true,
        Eligible::No => false,
        Eligible::IfAnswer => copies.ends.iter().filter_map(|end| cx.directory.get(*end)).any(|session| {
            session.copied.as_ref().zip(id.as_deref()).is_some_and(|(copied, id)| copied.knows(&peer, id))
        }),
    };
    if !eligible {
        return;
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
        if give(cx, *id, packet, &delivery) {
            delivered.given.push(*id);
        } else {
            delivered.overflowed.push(*id);
        }
    }
}

/// Puts a stanza, or a copy of it, into the outbox of a session, and hands to its connection what may go. Returns whether there was room.
pub(crate) fn give(cx: &mut DeliverCx<'_>, id: SessionId, packet: Packet, delivery: &Delivery) -> bool {
    let Some(session) = cx.directory.get_mut(id) else { return false };
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

fn chosen(directory: &Directory, to: &Jid, choose: impl Fn(&Session) -> bool) -> SmallVec<[SessionId; 4]> {
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
