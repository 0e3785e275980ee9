//! Answers for the contact list while there are no contacts: it is empty, and nothing can be added.
//!
//! Implements: RFC 6121, section 2.1.4 (the result without items). Partial: no items, no subscriptions.

use super::cx::Cx;
use super::service::{At, IqRequest, Service, Set};
use crate::stanza::{Stanza, StanzaError};
use crate::xml::{Node, ns};

/// The roster service. Keeps nothing.
#[derive(Debug, Default)]
pub(crate) struct Roster;

impl Roster {
    /// Takes a presence about subscriptions, or a probe, for an account of this node.
    #[expect(clippy::needless_pass_by_value, clippy::unused_self, reason = "subscriptions are not built")]
    pub(crate) fn handle_presence(&mut self, _: &mut Cx<'_>, _: Stanza) {}
}

impl Service for Roster {
    const CLAIMS: &'static [(At, &'static str)] = &[(At::OwnAccount, ns::ROSTER)];
    const FEATURES: &'static [&'static str] = &[];

    fn handle_iq(&mut self, _: &mut Cx<'_>, request: &IqRequest<'_>) -> Result<Option<Stanza>, StanzaError> {
        match (request.set, request.payload.name()) {
            (Set::Get, "query") => Ok(Some(request.stanza.result(&[Node::new("query", ns::ROSTER)]))),
            (Set::Set, "query") => Err(StanzaError::FeatureNotImplemented),
            (Set::Get | Set::Set, _) => Err(StanzaError::BadRequest),
        }
    }
}
