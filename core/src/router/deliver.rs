//! Delivers a stanza to the sessions of an account of this node.

use std::collections::VecDeque;

use smallvec::SmallVec;

use super::rules::{Address, Online, Verdict, verdict};
use crate::account::Accounts;
use crate::directory::{Directory, SessionId};
use crate::io::Output;
use crate::jid::Jid;
use crate::journal::Journal;
use crate::limits::Limits;
use crate::service::effect::Delivery;
use crate::session::Slot;
use crate::stanza::{Packet, StanzaError};

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
    for id in recipients {
        if give(cx, id, packet.clone(), delivery) {
            delivered.copies = delivered.copies.saturating_add(1);
        } else {
            delivered.overflowed.push(id);
        }
    }
    if delivered.copies == 0 {
        delivered.error = Some(StanzaError::ResourceConstraint);
    }
    delivered
}

/// Puts a stanza into the outbox of a session, and hands to its connection what may go. Returns whether there was room.
pub(crate) fn give(cx: &mut DeliverCx<'_>, id: SessionId, packet: Packet, delivery: &Delivery) -> bool {
    let Some(session) = cx.directory.get_mut(id) else { return false };
    let stored = session.is_resumable();
    let gate = if stored || delivery.op.is_some() { cx.journal.gate() } else { 0 };
    let max = if session.outbox.keeps() { cx.limits.unacked_bytes } else { cx.limits.send_queue_bytes };
    if session.push(Slot { packet, gate, op: delivery.op, what: delivery.what }, max).is_err() {
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
