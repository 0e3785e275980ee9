//! What time it is at the server.
//!
//! Implements: XEP-0202 2.0, section 2. Complete: the server lives in UTC.
//!
//! Shown by: scenarios/service/version-and-time.scn, core/src/node/tests/small.rs.

use super::cx::Cx;
use super::service::{At, IqRequest, Service, Set};
use crate::date_time::format_second;
use crate::stanza::{Stanza, StanzaError};
use crate::xml::{Node, ns};

/// The time service. Keeps nothing.
#[derive(Debug, Default)]
pub(crate) struct Time;

impl Service for Time {
    const CLAIMS: &'static [(At, &'static str)] = &[(At::Server, ns::TIME)];
    const FEATURES: &'static [&'static str] = &[ns::TIME];

    fn handle_iq(&mut self, cx: &mut Cx<'_>, request: &IqRequest<'_>) -> Result<Option<Stanza>, StanzaError> {
        match (request.set, request.payload.name()) {
            (Set::Get, "time") => {
                let text = |name, text: &str| Node::new(name, ns::TIME).with_text(text);
                let time = Node::new("time", ns::TIME)
                    .with_child(text("tzo", "+00:00"))
                    .with_child(text("utc", &format_second(cx.now.wall.as_millis())));
                Ok(Some(request.stanza.result(&[time])))
            }
            (Set::Set, "time") => Err(StanzaError::NotAllowed),
            (Set::Get | Set::Set, _) => Err(StanzaError::BadRequest),
        }
    }
}
