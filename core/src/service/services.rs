//! All services of a node, and the table that finds the one that answers.

use super::account::Accounts;
use super::blocking::Blocking;
use super::carbons::Carbons;
use super::cx::Cx;
use super::disco::Disco;
use super::large::Large;
use super::last::Last;
use super::mam::{Mam, Sweep};
use super::message::Messages;
use super::ping::Ping;
use super::private::Private;
use super::register::Register;
use super::relay::Relays;
use super::roster::Roster;
use super::service::{At, IqRequest, Service, Set};
use super::taking::Taking;
use super::time::Time;
use super::vcard::VCard;
use super::version::Version;
use crate::directory::SessionId;
use crate::stanza::{IqType, Kind, Stanza, StanzaError};
use crate::xml::ns;

/// All services of a node. Fields, not trait objects: what a node can do is readable here.
#[derive(Debug, Default)]
pub(crate) struct Services {
    pub(crate) accounts: Accounts,
    pub(crate) blocking: Blocking,
    pub(crate) carbons: Carbons,
    pub(crate) mam: Mam,
    pub(crate) messages: Messages,
    pub(crate) sweep: Sweep,
    pub(crate) disco: Disco,
    pub(crate) large: Large,
    pub(crate) ping: Ping,
    pub(crate) register: Register,
    pub(crate) relays: Relays,
    pub(crate) roster: Roster,
    pub(crate) taking: Taking,
    pub(crate) time: Time,
    pub(crate) version: Version,
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
        } else if Blocking::CLAIMS.contains(&key) {
            self.blocking.handle_iq(cx, &request)
        } else if Carbons::CLAIMS.contains(&key) {
            self.carbons.handle_iq(cx, &request)
        } else if Last::CLAIMS.contains(&key) {
            Last::handle(cx, &mut self.large, &request)
        } else if Private::CLAIMS.contains(&key) {
            Private::handle(cx, &mut self.large, &request)
        } else if Time::CLAIMS.contains(&key) {
            self.time.handle_iq(cx, &request)
        } else if VCard::CLAIMS.contains(&key) {
            VCard::handle(cx, &mut self.large, &request)
        } else if Version::CLAIMS.contains(&key) {
            self.version.handle_iq(cx, &request)
        } else if key == (At::OwnAccount, ns::SESSION) || key == (At::Server, ns::SESSION) {
            // RFC 3921 made clients ask for a session; RFC 6121 leaves it as a no-op (RFC 6120, appendix D).
            Ok(Some(stanza.result(&[])))
        } else {
            Err(StanzaError::ServiceUnavailable)
        }
    }
}
