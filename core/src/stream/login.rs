//! From TLS to an authenticated identity: SASL on one stream.
//!
//! Implements: RFC 6120, section 6; RFC 4616. Complete.

use bytes::Bytes;

use super::cx::StreamCx;
use crate::exchange::FromStream;
use crate::io::{KeyDerivation, ScramHash, Secret, TlsInfo};
use crate::jid::{BareJid, Domain, prepare_password};
use crate::sasl::{self, Mechanism, Plain, SaslFailure, ScramServer};
use crate::store::{AccountRecord, ScramRecord, StoreError};
use crate::xml::{Element, Node, ns};

/// The SASL state of one stream.
#[derive(Debug, Default)]
pub(super) enum Sasl {
    /// No attempt under way.
    #[default]
    Idle,
    /// `<auth/>` came without an initial response; an empty challenge was sent.
    Asked(Mechanism),
    /// Waits for the account.
    Lookup(BareJid, Attempt),
    /// The SCRAM challenge was sent.
    Challenged(BareJid, Box<ScramServer>),
    /// Waits for the key derivation of PLAIN.
    Deriving(BareJid, ScramRecord, Known),
}

/// What waits for the account.
#[derive(Debug)]
pub(super) enum Attempt {
    /// A SCRAM exchange.
    Scram(ScramHash, Box<ScramServer>),
    /// A prepared password.
    Plain(Secret),
}

/// Whether the account exists; for one that does not, everything is done all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// It exists.
    Yes,
    /// It does not.
    No,
}

/// What came of a step.
#[derive(Debug)]
pub(super) enum Progress {
    /// Wait for the client.
    Client,
    /// Wait for the node.
    Node,
    /// The client is who it says; the last SASL element.
    Done(BareJid, Bytes),
}

impl Sasl {
    /// Begins an attempt.
    pub(super) fn handle_auth(
        &mut self,
        cx: &mut StreamCx<'_>,
        element: &Element,
        domain: &Domain,
        tls: &TlsInfo,
    ) -> Result<Progress, SaslFailure> {
        // A new attempt ends the one under way (RFC 6120, 6.4.2).
        *self = Self::Idle;
        let offered = sasl::offered(Some(tls));
        let mechanism = element
            .attr("mechanism")
            .and_then(|name| Mechanism::from_name(&name))
            .filter(|mechanism| offered.contains(mechanism))
            .ok_or(SaslFailure::InvalidMechanism)?;
        let text = element.text();
        if text.is_empty() {
            *self = Self::Asked(mechanism);
            cx.out.push(FromStream::Write(sasl_element("challenge", "=")));
            return Ok(Progress::Client);
        }
        self.handle_first(cx, mechanism, &sasl::decode_payload(&text)?, (domain, tls))
    }

    /// Goes on with an attempt.
    pub(super) fn handle_response(
        &mut self,
        cx: &mut StreamCx<'_>,
        element: &Element,
        domain: &Domain,
        tls: &TlsInfo,
    ) -> Result<Progress, SaslFailure> {
        let payload = sasl::decode_payload(&element.text());
        match core::mem::take(self) {
            Self::Asked(mechanism) => self.handle_first(cx, mechanism, &payload?, (domain, tls)),
            Self::Challenged(user, scram) => {
                let last = scram.finish(&payload?)?;
                Ok(Progress::Done(user, sasl_element("success", &sasl::encode_payload(&last))))
            }
            Self::Idle | Self::Lookup(..) | Self::Deriving(..) => Err(SaslFailure::MalformedRequest),
        }
    }

    fn handle_first(
        &mut self,
        cx: &mut StreamCx<'_>,
        mechanism: Mechanism,
        payload: &[u8],
        (domain, tls): (&Domain, &TlsInfo),
    ) -> Result<Progress, SaslFailure> {
        let (user, attempt) = if let Some(hash) = mechanism.hash() {
            let scram = ScramServer::start(mechanism, &sasl::offered(Some(tls)), tls, payload)?;
            let user = identity(scram.username(), scram.authzid(), domain)?;
            (user, Attempt::Scram(hash, Box::new(scram)))
        } else {
            let plain = Plain::parse(payload)?;
            let user = identity(&plain.username, plain.authzid.as_deref(), domain)?;
            let password =
                core::str::from_utf8(&plain.password.0).map_err(|_| SaslFailure::IncorrectEncoding)?;
            let password = prepare_password(password).map_err(|_| SaslFailure::NotAuthorized)?;
            (user, Attempt::Plain(Secret(password.into())))
        };
        cx.out.push(FromStream::LoadAccount(user.clone()));
        *self = Self::Lookup(user, attempt);
        Ok(Progress::Node)
    }

    /// Takes the account in that was asked for.
    pub(super) fn handle_account(
        &mut self,
        cx: &mut StreamCx<'_>,
        account: Result<Option<AccountRecord>, StoreError>,
    ) -> Result<Progress, SaslFailure> {
        let Self::Lookup(user, attempt) = core::mem::take(self) else {
            return Err(SaslFailure::TemporaryAuthFailure);
        };
        let account = account.map_err(|_| SaslFailure::TemporaryAuthFailure)?;
        let known = if account.is_some() { Known::Yes } else { Known::No };
        let keys = |hash: ScramHash| match (account, hash) {
            (Some(account), ScramHash::Sha1) => account.scram_sha1,
            (Some(account), ScramHash::Sha256) => account.scram_sha256,
            (None, hash) => cx.decoys.record(hash, &user),
        };
        match attempt {
            Attempt::Scram(hash, mut scram) => {
                let challenge = scram.challenge(keys(hash), &cx.entropy.secret_id());
                cx.out.push(FromStream::Write(sasl_element("challenge", &sasl::encode_payload(&challenge))));
                *self = Self::Challenged(user, scram);
                Ok(Progress::Client)
            }
            Attempt::Plain(password) => {
                let record = keys(ScramHash::Sha256);
                cx.out.push(FromStream::Derive(KeyDerivation {
                    hash: ScramHash::Sha256,
                    password,
                    salt: Bytes::copy_from_slice(&record.salt),
                    iterations: record.iterations,
                }));
                *self = Self::Deriving(user, record, known);
                Ok(Progress::Node)
            }
        }
    }

    /// Takes the salted password of PLAIN in.
    pub(super) fn handle_derived(&mut self, salted: &Secret) -> Result<Progress, SaslFailure> {
        let Self::Deriving(user, record, known) = core::mem::take(self) else {
            return Err(SaslFailure::TemporaryAuthFailure);
        };
        let matches = sasl::plain_matches(&record, ScramHash::Sha256, &salted.0);
        if matches && known == Known::Yes {
            Ok(Progress::Done(user, sasl_element("success", "")))
        } else {
            Err(SaslFailure::NotAuthorized)
        }
    }

    /// Returns whether the next step tells the client whether its password is right.
    pub(super) const fn is_trial(&self) -> bool {
        match self {
            Self::Challenged(..) | Self::Deriving(..) => true,
            Self::Idle | Self::Asked(_) | Self::Lookup(..) => false,
        }
    }

    /// Returns the account of the attempt under way.
    pub(super) fn user(&self) -> Option<&BareJid> {
        match self {
            Self::Idle | Self::Asked(_) => None,
            Self::Lookup(user, _) | Self::Challenged(user, _) | Self::Deriving(user, ..) => Some(user),
        }
    }
}

/// Prepares the name that SASL proved, and compares the one to act as, where one is given, with it.
fn identity(username: &str, authzid: Option<&str>, domain: &Domain) -> Result<BareJid, SaslFailure> {
    let user = BareJid::from_local(username, domain).map_err(|_| SaslFailure::NotAuthorized)?;
    match authzid {
        None | Some("") => Ok(user),
        Some(wanted) if BareJid::parse(wanted).is_ok_and(|wanted| wanted == user) => Ok(user),
        Some(_) => Err(SaslFailure::InvalidAuthzid),
    }
}

/// Returns a SASL element with a payload.
pub(super) fn sasl_element(name: &str, payload: &str) -> Bytes {
    super::write::element(&Node::new(name, ns::SASL).with_text(payload))
}

/// Returns the SASL failure element.
pub(super) fn failure_element(failure: SaslFailure) -> Bytes {
    let condition = Node::new(failure.condition(), ns::SASL);
    super::write::element(&Node::new("failure", ns::SASL).with_child(condition))
}
