//! Tells presence: to the account's own resources, and to those it was told to directly.
//!
//! Implements: RFC 6121, sections 4.2.2, 4.4.2, 4.5.2 and 4.6. Partial: subscriptions come with rosters.

use super::cx::Cx;
use crate::jid::{FullJid, Jid};
use crate::session::{Directed, PresenceChange};
use crate::stanza::{Kind, PresenceType, Stanza};

/// Tells the account's available resources, the sender included, of a presence; a newly available resource
/// also hears of the others.
pub(crate) fn handle_broadcast(cx: &mut Cx<'_>, who: &FullJid, stanza: Stanza, change: PresenceChange) {
    cx.route(stanza.addressed_to(who.bare().as_jid().clone()));
    if change == PresenceChange::Initial {
        let others: Vec<Stanza> = cx
            .directory
            .others_available(who)
            .filter_map(|other| other.presence.as_ref())
            .map(|presence| presence.stanza.clone().addressed_to(who.as_jid().clone()))
            .collect();
        for other in others {
            cx.route(other);
        }
    }
}

/// What a session was before it became unavailable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Was {
    /// Available: its account's other resources knew.
    Available,
    /// Connected only: those know whom it told directly.
    Connected,
}

/// Tells everybody who knew the session to be available that it no longer is. `stanza` is what the client said
/// at the end, if it said anything.
pub(crate) fn handle_unavailable(
    cx: &mut Cx<'_>,
    who: &FullJid,
    was: Was,
    directed: Directed,
    stanza: Option<&Stanza>,
) {
    let unavailable = |to: Jid| match stanza {
        Some(stanza) => stanza.clone().addressed_to(to),
        None => Stanza::make(Kind::Presence(PresenceType::Unavailable), who.as_jid().clone(), to, None, &[]),
    };
    let own = who.bare().as_jid().clone();
    if was == Was::Available {
        cx.route(unavailable(own.clone()));
    }
    for to in directed.into_addresses() {
        // The own account has just been told. And whom the session told itself died with it: its address belongs to
        // nobody, or to the one that has replaced it and must hear of nothing before it is bound.
        let told = was == Was::Available && to == own;
        let itself = stanza.is_none() && to == *who.as_jid();
        if !told && !itself {
            cx.route(unavailable(to));
        }
    }
}
