//! Subscription stanzas: what is written at both ends, and who is told.
//!
//! Implements: RFC 6121, sections 3.1 to 3.4 and 8.5.1. Complete for accounts of this node.
//!
//! An account that does not exist, one that blocks the sender and one that has too many requests are the same to
//! the sender as one that has not answered: the request stands in the sender's account alone. To other domains nothing
//! can be sent: the sender gets `remote-server-not-found`, and nothing changes.

use bytes::Bytes;

use super::push::push;
use super::step::{Act, Bits, Step, step};
use crate::account;
use crate::directory::{SessionId, Where};
use crate::io::OpId;
use crate::jid::BareJid;
use crate::replica::{Account, CellName, Item, Listing, Value, Want};
use crate::service::cx::Cx;
use crate::service::effect::Effect;
use crate::service::ops::Owner;
use crate::service::presence::{available, hide, show};
use crate::stanza::{Kind, PresenceType, Stanza, StanzaError};
use crate::store::StoreBatch;

/// A change of the edge from a subscriber to a publisher.
#[derive(Clone, Debug)]
pub(super) struct Moved {
    pub(super) act: Act,
    pub(super) step: Step,
    pub(super) subscriber: BareJid,
    pub(super) publisher: BareJid,
}

/// What a subscription stanza leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Led {
    /// It means nothing.
    Nowhere,
    /// What it wants is so: it may have been written just now, for a former one.
    Known,
    /// It is done as soon as this is written.
    Written(OpId),
}

/// Takes a subscription stanza of a client for an account of this node.
///
/// # Errors
///
/// The error that the sender gets; nothing has changed.
pub(super) fn handle(cx: &mut Cx<'_>, act: Act, mut stanza: Stanza) -> Result<Led, StanzaError> {
    let Some(to) = &stanza.to else { return Err(StanzaError::BadRequest) };
    // Only a request is for the account whatever resource it names (3.1.3, 8.5.3.2.2).
    if to.resource().is_some() && act != Act::Subscribe && cx.sight().find(to) == Where::Nowhere {
        return Ok(Led::Nowhere);
    }
    let (author, other) = (stanza.from.bare(), to.bare());
    // Everybody follows themselves (4.2.2), and nothing can change that.
    if author == other {
        return Ok(Led::Nowhere);
    }
    // An account that is being removed asks for nothing.
    if cx.accounts.get(author.as_str()).is_none() {
        return Err(StanzaError::NotAllowed);
    }
    stanza.from = author.as_jid().clone();
    stanza.to = Some(other.as_jid().clone());
    let request = (act == Act::Subscribe).then(|| Bytes::from(stanza.packet().to_vec()));
    if request.as_ref().is_some_and(|request| request.len() > cx.config.limits.request_bytes as usize) {
        return Err(StanzaError::NotAcceptable);
    }
    let mut batch = StoreBatch::new();
    let (subscriber, publisher) =
        if act.is_subscribers() { (author.clone(), other.clone()) } else { (other.clone(), author.clone()) };
    let moved = plan(cx, act, subscriber, publisher);
    let lists = matches!(moved.step, Step::Ask | Step::Begin | Step::Approve);
    if lists && !has_room(cx, &author, &other) {
        return Err(StanzaError::ResourceConstraint);
    }
    if moved.step == Step::Nothing {
        return Ok(Led::Known);
    }
    write(cx, &moved, request, &mut batch);
    let op = cx.persist(Owner::Roster, batch, |cx| {
        announce(cx, &moved, Some(&stanza));
        if moved.step.shows_subscriber() {
            push(cx, &moved.subscriber, &moved.publisher);
        }
        if moved.step.shows_publisher() {
            push(cx, &moved.publisher, &moved.subscriber);
        }
        if moved.step == Step::Begin {
            show(cx, &moved.publisher, moved.subscriber.as_jid());
        }
    });
    Ok(Led::Written(op))
}

/// Finds out what a stanza changes. Each bit is true in the account of its author; a request that never reached the
/// publisher is made again, and cannot be refused.
pub(super) fn plan(cx: &Cx<'_>, act: Act, subscriber: BareJid, publisher: BareJid) -> Moved {
    let towards = cx.accounts.get(subscriber.as_str()).map(|account| account.standing(&publisher));
    let back = listening(cx, act, &subscriber, &publisher).map(|account| account.standing(&subscriber));
    let wanted = towards.map(|standing| standing.to || standing.pending_out);
    let known = back.map(|standing| standing.from || standing.pending_in);
    let want = match act {
        Act::Subscribe | Act::Unsubscribed => {
            wanted.or(known).unwrap_or(false) && known.or(wanted).unwrap_or(false)
        }
        Act::Unsubscribe | Act::Subscribed => wanted.or(known).unwrap_or(false),
    };
    let allow = match (back, towards) {
        (Some(back), _) => back.from || back.approved,
        (None, Some(towards)) => towards.to,
        (None, None) => false,
    };
    Moved { act, step: step(act, Bits { want, allow }), subscriber, publisher }
}

/// Writes a change of an edge at both ends, and the items that it makes.
pub(super) fn write(cx: &mut Cx<'_>, moved: &Moved, request: Option<Bytes>, batch: &mut StoreBatch) {
    let Moved { act, step, subscriber, publisher } = moved;
    let mut ends = Vec::new();
    if cx.accounts.get(subscriber.as_str()).is_some() {
        ends.push(subscriber);
    }
    if listening(cx, *act, subscriber, publisher).is_some() {
        ends.push(publisher);
    }
    if let Some(on) = step.want() {
        let cell = CellName::Want { subscriber: subscriber.clone(), publisher: publisher.clone() };
        let stanza = request.filter(|_| *step == Step::Ask);
        cx.write(&ends, cell, Value::Want(Want { on, stanza }), batch);
    }
    if let Some(on) = step.allow() {
        let cell = CellName::Allow { subscriber: subscriber.clone(), publisher: publisher.clone() };
        cx.write(&ends, cell, Value::Allow(on), batch);
    }
    let (asks, lets) = (step.want() == Some(true), step.allow() == Some(true));
    for (owner, contact, listed) in [(subscriber, publisher, asks), (publisher, subscriber, lets)] {
        let absent = cx.accounts.get(owner.as_str()).is_some_and(|account| account.item(contact).is_none());
        if listed && absent && ends.contains(&owner) {
            let item = Item { name: None, groups: Vec::new(), present: true };
            cx.write(&[owner], CellName::Item(contact.clone()), Value::Item(item), batch);
        }
    }
}

/// Tells the other end of a change of an edge; `stanza` is what the author sent, if it was a stanza.
pub(super) fn announce(cx: &mut Cx<'_>, moved: &Moved, stanza: Option<&Stanza>) {
    let Moved { act, step, subscriber, publisher } = moved;
    let stanza = stanza.filter(|_| kind_of(*act) == heard(*step));
    match step {
        Step::Nothing | Step::Approve | Step::Disapprove => {}
        Step::Ask => {
            if listening(cx, *act, subscriber, publisher).is_some() {
                let to = available(cx, publisher);
                give(cx, to, (subscriber, publisher), *step, stanza);
            }
        }
        Step::Withdraw | Step::Leave => {
            let to = interested(cx, publisher, subscriber);
            give(cx, to, (subscriber, publisher), *step, stanza);
            if *step == Step::Leave {
                hide(cx, publisher, subscriber.as_jid());
            }
        }
        Step::Begin | Step::Refuse | Step::Cancel => {
            if *step == Step::Cancel {
                hide(cx, publisher, subscriber.as_jid());
            }
            let to = interested(cx, subscriber, publisher);
            give(cx, to, (publisher, subscriber), *step, stanza);
        }
    }
}

fn give(
    cx: &mut Cx<'_>,
    sessions: Vec<SessionId>,
    (from, to): (&BareJid, &BareJid),
    step: Step,
    stanza: Option<&Stanza>,
) {
    if sessions.is_empty() {
        return;
    }
    let stanza = stanza.cloned().unwrap_or_else(|| {
        Stanza::make(Kind::Presence(heard(step)), from.as_jid().clone(), to.as_jid().clone(), None, &[])
    });
    cx.effect(Effect::Give(sessions, stanza));
}

/// Returns the sessions of an account that have asked for the roster, unless the account does not hear the contact.
pub(crate) fn interested(cx: &Cx<'_>, user: &BareJid, contact: &BareJid) -> Vec<SessionId> {
    if cx.accounts.get(user.as_str()).is_none_or(|account| account.blocks(contact.as_jid())) {
        return Vec::new();
    }
    let ids = cx.directory.of_account(user.as_jid()).iter().copied();
    ids.filter(|id| cx.directory.get(*id).is_some_and(|session| session.wishes.roster)).collect()
}

/// Returns the publisher's account, unless it is as if there were none for this subscriber.
fn listening<'a>(cx: &'a Cx<'_>, act: Act, subscriber: &BareJid, publisher: &BareJid) -> Option<&'a Account> {
    let account = cx.accounts.get(publisher.as_str())?;
    if act != Act::Subscribe {
        return Some(account);
    }
    if account.blocks(subscriber.as_jid()) {
        return None;
    }
    let standing = account.standing(subscriber);
    if standing.from || standing.pending_in || standing.approved {
        return Some(account);
    }
    let limits = &cx.config.limits;
    let room = account.changed(subscriber).is_some()
        || (account.known() < limits.contacts_known as usize / 2 && account::has_room(account, 1));
    let asking = account.contacts().filter(|(_, Listing { standing, .. })| standing.pending_in).count();
    (room && asking < limits.requests as usize).then_some(account)
}

/// Returns whether `contact` is in the roster of `owner` or can be added.
pub(super) fn has_room(cx: &Cx<'_>, owner: &BareJid, contact: &BareJid) -> bool {
    let Some(account) = cx.accounts.get(owner.as_str()) else { return false };
    if account.item(contact).is_some() {
        return true;
    }
    let limits = &cx.config.limits;
    let listed = account.contacts().filter(|(_, listing)| listing.is_in_roster()).count();
    listed < limits.roster_items as usize
        && account.known() < limits.contacts_known as usize
        && account::has_room(account, 1)
}

/// Returns the type of the stanza that the other end hears.
const fn heard(step: Step) -> PresenceType {
    match step {
        Step::Ask => PresenceType::Subscribe,
        Step::Begin | Step::Approve => PresenceType::Subscribed,
        Step::Withdraw | Step::Leave => PresenceType::Unsubscribe,
        Step::Refuse | Step::Cancel | Step::Disapprove | Step::Nothing => PresenceType::Unsubscribed,
    }
}

const fn kind_of(act: Act) -> PresenceType {
    match act {
        Act::Subscribe => PresenceType::Subscribe,
        Act::Subscribed => PresenceType::Subscribed,
        Act::Unsubscribe => PresenceType::Unsubscribe,
        Act::Unsubscribed => PresenceType::Unsubscribed,
    }
}
