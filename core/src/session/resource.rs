//! The session itself: address, presence, and what waits in its connection.

use std::sync::Arc;

use super::Directed;
use crate::io::ConnId;
use crate::jid::{FullJid, Jid};
use crate::stanza::{Kind, Packet, PresenceType, Stanza, StanzaError};
use crate::xml::Element;

/// One bound resource.
#[derive(Debug)]
pub(crate) struct Session {
    /// Its address.
    pub(crate) jid: FullJid,
    /// The connection of its stream.
    pub(crate) conn: ConnId,
    /// The language of its stream.
    pub(crate) lang: Option<Arc<str>>,
    /// Its presence; nothing while it is connected but not available.
    pub(crate) presence: Option<Presence>,
    /// Whom it told its presence directly.
    pub(crate) directed: Directed,
    /// Bytes handed to the driver and not yet reported as written.
    unwritten: u32,
}

/// The presence a session last broadcast.
#[derive(Debug)]
pub(crate) struct Presence {
    /// Its priority (RFC 6121, 4.7.2.3).
    pub(crate) priority: i8,
    /// The presence as it was sent.
    pub(crate) stanza: Stanza,
}

/// What a presence without `to` changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PresenceChange {
    /// The session became available: it also wants to hear of the others.
    Initial,
    /// It was available before.
    Update,
    /// It is no longer available.
    Unavailable,
    /// It was not available before either.
    Nothing,
}

/// The peer reads too slowly: the packet would exceed the bound.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Overflow;

/// What a client's stanza turned out to be.
#[derive(Debug)]
pub(crate) enum FromClient {
    /// Route it.
    Stanza(Stanza),
    /// It cannot be routed; the error that goes back, if one may.
    Fault {
        /// The error, addressed to the client.
        answer: Option<Stanza>,
    },
    /// `from` is not the session's own address: the stream ends (RFC 6120, 8.1.2.1).
    InvalidFrom,
}

impl Session {
    /// Creates the session of `jid` on `conn`.
    pub(crate) fn new(jid: FullJid, conn: ConnId, lang: Option<Arc<str>>) -> Self {
        Self { jid, conn, lang, presence: None, directed: Directed::default(), unwritten: 0 }
    }

    /// Stamps what the client sent with the session's address.
    ///
    /// A `from` of the client's own is accepted when it is its full or bare JID and ends the stream otherwise
    /// (RFC 6120, 8.1.2.1).
    pub(crate) fn handle_from_client(&self, element: &Element) -> FromClient {
        if let Some(from) = element.attr("from") {
            let own = Jid::parse(&from)
                .is_ok_and(|from| from == *self.jid.as_jid() || from == *self.jid.bare().as_jid());
            if !own {
                return FromClient::InvalidFrom;
            }
        }
        match Stanza::from_client(element, self.jid.as_jid(), self.lang.clone()) {
            Ok(stanza) => FromClient::Stanza(stanza),
            Err(fault) => FromClient::Fault { answer: fault.answer(element, self.jid.as_jid()) },
        }
    }

    /// Takes note of a presence without `to`.
    ///
    /// # Errors
    ///
    /// [`StanzaError::BadRequest`] when the priority is none (RFC 6121, 4.7.2.3); nothing changes.
    pub(crate) fn handle_presence(&mut self, stanza: &Stanza) -> Result<PresenceChange, StanzaError> {
        let available = matches!(stanza.kind, Kind::Presence(PresenceType::Available));
        if !available {
            let was = self.presence.take().is_some() || !self.directed.is_empty();
            return Ok(if was { PresenceChange::Unavailable } else { PresenceChange::Nothing });
        }
        let priority = match stanza.child("priority", crate::xml::ns::CLIENT) {
            Some(child) => child.text().trim().parse().map_err(|_| StanzaError::BadRequest)?,
            None => 0,
        };
        let was = self.presence.replace(Presence { priority, stanza: stanza.detached() }).is_some();
        Ok(if was { PresenceChange::Update } else { PresenceChange::Initial })
    }

    /// Returns whether the session may be sent messages for its bare JID (RFC 6121, 8.5.2.1.1).
    pub(crate) fn takes_bare_messages(&self) -> bool {
        self.presence.as_ref().is_some_and(|presence| presence.priority >= 0)
    }

    /// Counts a packet against the bound of unwritten bytes.
    ///
    /// # Errors
    ///
    /// [`Overflow`] when `max` would be exceeded; nothing is counted. A packet always fits an empty queue.
    pub(crate) fn handle_to_client(&mut self, packet: &Packet, max: u32) -> Result<(), Overflow> {
        let len = u32::try_from(packet.len()).map_err(|_| Overflow)?;
        let after = self.unwritten.saturating_add(len);
        if self.unwritten > 0 && after > max {
            return Err(Overflow);
        }
        self.unwritten = after;
        Ok(())
    }

    /// Takes note that the driver wrote `bytes` more.
    pub(crate) fn handle_flushed(&mut self, bytes: u32) {
        self.unwritten = self.unwritten.saturating_sub(bytes);
    }
}
