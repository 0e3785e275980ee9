//! Answers pings for the server and for accounts.
//!
//! Implements: XEP-0199 2.0.1, sections 4.2 and 4.3. Complete.

use super::cx::Cx;
use super::service::{At, IqRequest, Service, Set};
use crate::stanza::{Stanza, StanzaError};
use crate::xml::ns;

/// The ping service. Keeps nothing.
#[derive(Debug, Default)]
pub(crate) struct Ping;

impl Service for Ping {
    const CLAIMS: &'static [(At, &'static str)] = &[(At::Server, ns::PING), (At::OwnAccount, ns::PING)];
    const FEATURES: &'static [&'static str] = &[ns::PING];

    fn handle_iq(&mut self, _: &mut Cx<'_>, request: &IqRequest<'_>) -> Result<Option<Stanza>, StanzaError> {
        match (request.set, request.payload.name()) {
            (Set::Get, "ping") => Ok(Some(request.stanza.result(&[]))),
            (Set::Get | Set::Set, _) => Err(StanzaError::BadRequest),
        }
    }
}
