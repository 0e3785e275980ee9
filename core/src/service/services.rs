//! All services of a node, and the table that finds the one that answers.

use super::account::Accounts;
use super::cx::Cx;
use super::disco::Disco;
use super::mam::{Mam, Sweep};
use super::message::Messages;
use super::ping::Ping;
use super::register::Register;
use super::roster::Roster;
use super::service::{At, IqRequest, Service, Set};
use crate::directory::SessionId;
use crate::stanza::{IqType, Kind, Stanza, StanzaError};
use crate::xml::ns;

/// All services of a node. Fields, not trait objects: what a node can do is readable here.
#[derive(Debug, Default)]
pub(crate) struct Services {
    pub(crate) accounts: Accounts,
    pub(crate) mam: Mam,
    pub(crate) messages: Messages,
    pub(crate) sweep: Sweep,
    pub(crate) disco: Disco,
    pub(crate) ping: Ping,
    pub(crate) register: Register,
    pub(crate) roster: Roster,
}

impl Services {
    /// Gives a request to the service that claims its namespace at that address. Returns whether the answer comes later.
    pub(crate) fn handle_iq(&mut self, cx: &mut Cx<'_>, stanza: &Stanza, at: At, session: SessionId) -> bool {
        let answer = self.dispatch(cx, stanza, at, session);
        let reply = match answer {
            Ok(Some(reply)) => Some(reply),
            Ok(None) => return stanza.kind.may_be_answered(),
            Err(error) => stanza.error(error),
        };
        if let Some(reply) = reply {
            cx.route(reply);
        }
        false
    }

    fn dispatch(
        &mut self,
        cx: &mut Cx<'_>,
        stanza: &Stanza,
        at: At,
        session: SessionId,
    ) -> Result<Option<Stanza>, StanzaError> {
        let set = match stanza.kind {
            Kind::Iq(IqType::Get) => Set::Get,
            Kind::Iq(IqType::Set) => Set::Set,
            Kind::Iq(IqType::Result | IqType::Error) | Kind::Message(_) | Kind::Presence(_) => {
                return Ok(None);
            }
        };
        let payload = stanza.payload().ok_or(StanzaError::BadRequest)?.tree();
        let request = IqRequest { stanza, payload: &payload, at, set, session };
        let key = (at, payload.ns());
        if Disco::CLAIMS.contains(&key) {
            self.disco.handle_iq(cx, &request)
        } else if Ping::CLAIMS.contains(&key) {
            self.ping.handle_iq(cx, &request)
        } else if Register::CLAIMS.contains(&key) {
            let accounts = &mut self.accounts;
            Register::handle(cx, accounts, &request)
        } else if Mam::CLAIMS.contains(&key) {
            self.mam.handle_iq(cx, &request)
        } else if Roster::CLAIMS.contains(&key) {
            self.roster.handle_iq(cx, &request)
        } else if key == (At::OwnAccount, ns::SESSION) || key == (At::Server, ns::SESSION) {
            // RFC 3921 made clients ask for a session; RFC 6121 leaves it as a no-op (RFC 6120, appendix D).
            Ok(Some(stanza.result(&[])))
        } else {
            Err(StanzaError::ServiceUnavailable)
        }
    }
}
