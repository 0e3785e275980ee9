//! Which software runs.
//!
//! Implements: XEP-0092 1.1, sections 2 to 5. Complete: the operating system is never told, and the whole answer can be switched off.
//!
//! Shown by: scenarios/service/version-and-time.scn, core/src/node/tests/small.rs.

use super::cx::Cx;
use super::service::{At, IqRequest, Service, Set};
use crate::config::ShowVersion;
use crate::stanza::{Stanza, StanzaError};
use crate::xml::{Node, ns};

/// The version service. Keeps nothing.
#[derive(Debug, Default)]
pub(crate) struct Version;

impl Service for Version {
    const CLAIMS: &'static [(At, &'static str)] = &[(At::Server, ns::VERSION)];
    const FEATURES: &'static [&'static str] = &[ns::VERSION];

    fn handle_iq(&mut self, cx: &mut Cx<'_>, request: &IqRequest<'_>) -> Result<Option<Stanza>, StanzaError> {
        if cx.config.show_version == ShowVersion::No {
            return Err(StanzaError::ServiceUnavailable);
        }
        match (request.set, request.payload.name()) {
            (Set::Get, "query") => {
                let text = |name, text| Node::new(name, ns::VERSION).with_text(text);
                let query = Node::new("query", ns::VERSION)
                    .with_child(text("name", "eyot"))
                    .with_child(text("version", env!("CARGO_PKG_VERSION")));
                Ok(Some(request.stanza.result(&[query])))
            }
            (Set::Set, "query") => Err(StanzaError::NotAllowed),
            (Set::Get | Set::Set, _) => Err(StanzaError::BadRequest),
        }
    }
}
