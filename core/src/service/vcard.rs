//! Business cards: one for each account, which everybody may read.
//!
//! Implements: XEP-0054 1.3.0, section 3. Complete without a card of the server.
//!
//! Shown by: scenarios/service/business-card.scn, core/src/node/tests/kept.rs.

use bytes::Bytes;

use super::cx::{Cx, Request};
use super::large::{Change, Large, life};
use super::service::{At, IqRequest, Set};
use crate::jid::Jid;
use crate::stanza::{Stanza, StanzaError};
use crate::xml::{Element, Node, ns};

/// The kind of the values.
const KIND: &str = "vcard";
/// The name of the only one.
const NAME: &str = "card";

/// The service of business cards.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VCard;

impl VCard {
    /// Where it answers.
    pub(crate) const CLAIMS: &'static [(At, &'static str)] =
        &[(At::OwnAccount, ns::VCARD), (At::Account, ns::VCARD)];
    /// What is announced.
    pub(crate) const FEATURES: &'static [&'static str] = &[ns::VCARD];

    /// Reads or writes a card; the answer comes later.
    ///
    /// # Errors
    ///
    /// The stanza error that goes back to the sender.
    pub(crate) fn handle(
        cx: &mut Cx<'_>,
        large: &mut Large,
        request: &IqRequest<'_>,
    ) -> Result<Option<Stanza>, StanzaError> {
        if request.payload.name() != "vCard" {
            return Err(StanzaError::BadRequest);
        }
        let owner = request.stanza.to.as_ref().map_or_else(|| request.stanza.from.bare(), Jid::bare);
        match (request.set, request.at) {
            (Set::Get, _) => {
                large.get(cx, request.later(), (&owner, KIND, NAME), answer);
                Ok(None)
            }
            (Set::Set, At::OwnAccount) => {
                let mut value = Vec::new();
                request.payload.write(ns::CLIENT, &mut value);
                if value.len() > cx.config.limits.vcard_bytes as usize {
                    return Err(StanzaError::NotAcceptable);
                }
                let values = vec![(NAME.into(), Bytes::from(value))];
                let life = life(cx, &owner);
                large.set(
                    cx,
                    Change { asker: Some(request.later()), owner, life, kind: KIND, values, max: 1 },
                );
                Ok(None)
            }
            (Set::Set, At::Server | At::Account) => Err(StanzaError::Forbidden),
        }
    }
}

/// Makes the answer. Who has no card of their own learns that; of others nobody learns whether they exist.
fn answer(_: &Cx<'_>, request: &Request, value: Option<Bytes>) -> Result<Node, StanzaError> {
    let stanza = &request.stanza;
    let own = stanza.to.as_ref().is_none_or(|to| to.bare_str() == stanza.from.bare_str());
    match value {
        Some(value) => {
            let element = Element::parse(value).map_err(|_| StanzaError::InternalServerError)?;
            Ok(element.tree())
        }
        None if own => Err(StanzaError::ItemNotFound),
        None => Err(StanzaError::ServiceUnavailable),
    }
}
