//! Delivers a stanza to the sessions of an account of this node.

use std::collections::VecDeque;

use smallvec::SmallVec;

use super::rules::{Address, Online, Verdict, verdict};
use crate::directory::{Directory, SessionId};
use crate::io::{ConnId, Output};
use crate::jid::Jid;
use crate::stanza::{Stanza, StanzaError};

/// What came of a delivery.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// How many sessions got the stanza.
    pub(crate) copies: u32,
    /// What the sender is told, if anything.
    pub(crate) error: Option<StanzaError>,
    /// Connections that read too slowly to take it.
    pub(crate) overflowed: SmallVec<[ConnId; 1]>,
}

/// Delivers `stanza` to the account it is for. The bytes are made once; every recipient gets the same.
pub(crate) fn deliver(
    directory: &mut Directory,
    send_queue_bytes: u32,
    stanza: &Stanza,
    outputs: &mut VecDeque<Output>,
) -> Delivery {
    let own_account = stanza.from.bare();
    let to = stanza.to.as_ref().unwrap_or_else(|| own_account.as_jid());
    let resource = directory.find(to);
    let address = match (to.resource(), resource) {
        (None, _) => Address::Bare,
        (Some(_), Some(_)) => Address::Match,
        (Some(_), None) => Address::NoMatch,
    };
    let mut delivery = Delivery::default();
    let recipients: SmallVec<[SessionId; 4]> = match verdict(stanza.kind, address, online(directory, to)) {
        Verdict::ToResource => resource.into_iter().collect(),
        Verdict::ToResourceIfKnown => {
            resource.into_iter().filter(|id| may_be_seen(directory, *id, &stanza.from)).collect()
        }
        Verdict::ToNonNegative => chosen(directory, to, crate::session::Session::takes_bare_messages),
        Verdict::ToAvailable => chosen(directory, to, |session| session.presence.is_some()),
        Verdict::Bounce => SmallVec::new(),
        Verdict::Ignore => return delivery,
    };
    if recipients.is_empty() {
        if !matches!(stanza.kind, crate::stanza::Kind::Presence(_)) {
            delivery.error = Some(StanzaError::ServiceUnavailable);
        }
        return delivery;
    }
    let packet = stanza.packet();
    for id in recipients {
        let Some(session) = directory.get_mut(id) else { continue };
        if session.handle_to_client(&packet, send_queue_bytes).is_err() {
            delivery.overflowed.push(session.conn);
            continue;
        }
        delivery.copies = delivery.copies.saturating_add(1);
        outputs.push_back(Output::Send {
            conn: session.conn,
            head: packet.head.clone(),
            body: packet.body.clone(),
        });
    }
    if delivery.copies == 0 {
        delivery.error = Some(StanzaError::ResourceConstraint);
    }
    delivery
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

/// Whether `asker` may learn that the session is there: its own account, this node, or told directly.
fn may_be_seen(directory: &Directory, id: SessionId, asker: &Jid) -> bool {
    directory.get(id).is_some_and(|session| {
        asker.local().is_none()
            || asker.bare_str() == session.jid.as_jid().bare_str()
            || session.directed.knows(asker)
    })
}
