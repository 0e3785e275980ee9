//! In-band registration: accounts by their users, where the domain allows it.
//!
//! Implements: XEP-0077 2.4, sections 3.1 to 3.3. Complete without data forms.

use std::collections::VecDeque;

use super::account::{Accounts, Asker, Change, Wish};
use super::cx::Cx;
use super::service::{At, IqRequest, Set};
use crate::config::Registration;
use crate::exchange::ToStream;
use crate::io::{ConnId, PeerAddr, Secret};
use crate::jid::{BareJid, Domain};
use crate::stanza::{Stanza, StanzaError};
use crate::store::AccountSource;
use crate::time::{Instant, Span};
use crate::xml::{Element, Node, ns};

/// The time over which registrations of one address are counted.
const BUDGET_TIME: Span = Span::from_secs(3600);
/// Registrations remembered; beyond, none is taken until the oldest is an hour old.
const BUDGET_ENTRIES: usize = 4096;

/// The registration service.
#[derive(Debug, Default)]
pub(crate) struct Register {
    /// Registrations of the last hour, oldest first.
    recent: VecDeque<(Instant, PeerAddr)>,
}

/// A request that came before login.
#[derive(Debug)]
pub(crate) struct Early<'a> {
    /// The connection.
    pub(crate) conn: ConnId,
    /// Where it comes from.
    pub(crate) peer: PeerAddr,
    /// The domain of its stream.
    pub(crate) domain: &'a Domain,
    /// The whole IQ.
    pub(crate) iq: &'a Element,
}

impl Register {
    /// Where sessions may ask.
    pub(crate) const CLAIMS: &'static [(At, &'static str)] =
        &[(At::Server, ns::REGISTER), (At::OwnAccount, ns::REGISTER)];
    /// Announced where registration is open.
    pub(crate) const FEATURES: &'static [&'static str] = &[ns::REGISTER];

    /// Answers a request of a session: what is registered, another password, or the end of the account.
    ///
    /// # Errors
    ///
    /// The stanza error that goes back to the sender.
    pub(crate) fn handle(
        cx: &mut Cx<'_>,
        accounts: &mut Accounts,
        request: &IqRequest<'_>,
    ) -> Result<Option<Stanza>, StanzaError> {
        let user = request.stanza.from.bare();
        let domain = request.stanza.to.as_ref().map_or(user.domain(), |to| to.domain());
        if domain != user.domain() || !is_open(cx, domain) {
            return Err(StanzaError::ServiceUnavailable);
        }
        if request.set == Set::Get {
            let registered = Node::new("query", ns::REGISTER)
                .with_child(Node::new("registered", ns::REGISTER))
                .with_child(field("username", user.local().unwrap_or_default()))
                .with_child(field("password", ""));
            return Ok(Some(request.stanza.result(&[registered])));
        }
        let asker = Asker::Session(Box::new(request.later()));
        if request.payload.child("remove", ns::REGISTER).is_some() {
            if request.payload.children().count() != 1 {
                return Err(StanzaError::BadRequest);
            }
            accounts.handle_change(cx, Change { asker, user, wish: Wish::Remove });
            return Ok(None);
        }
        let (username, password) = credentials(request.payload)?;
        if Domain::parse(domain).and_then(|domain| BareJid::from_local(&username, &domain))
            != Ok(user.clone())
        {
            return Err(StanzaError::NotAllowed);
        }
        accounts.handle_change(cx, Change { asker, user, wish: Wish::Passwd { password: Some(password) } });
        Ok(None)
    }

    /// Answers a request that came before login: the fields, or a new account.
    pub(crate) fn handle_early(&mut self, cx: &mut Cx<'_>, accounts: &mut Accounts, request: &Early<'_>) {
        let id = request.iq.attr("id").map(|id| Box::from(id.as_ref()));
        match self.early(cx, accounts, request) {
            Ok(None) => {}
            Ok(Some(fields)) => {
                cx.tell_stream(request.conn, ToStream::Registered { id, outcome: Ok(Some(fields)) });
            }
            Err(error) => cx.tell_stream(request.conn, ToStream::Registered { id, outcome: Err(error) }),
        }
    }

    fn early(
        &mut self,
        cx: &mut Cx<'_>,
        accounts: &mut Accounts,
        request: &Early<'_>,
    ) -> Result<Option<Node>, StanzaError> {
        if !is_open(cx, request.domain.as_str()) {
            return Err(StanzaError::ServiceUnavailable);
        }
        let query = request.iq.child("query", ns::REGISTER).ok_or(StanzaError::BadRequest)?.tree();
        let id = request.iq.attr("id").ok_or(StanzaError::BadRequest)?;
        match request.iq.attr("type").as_deref() {
            Some("get") => {
                let instructions = "Choose a username and a password.";
                Ok(Some(
                    Node::new("query", ns::REGISTER)
                        .with_child(field("instructions", instructions))
                        .with_child(field("username", ""))
                        .with_child(field("password", "")),
                ))
            }
            Some("set") => {
                if query.child("remove", ns::REGISTER).is_some() {
                    return Err(StanzaError::UnexpectedRequest);
                }
                let (username, password) = credentials(&query)?;
                let user =
                    BareJid::from_local(&username, request.domain).map_err(|_| StanzaError::NotAcceptable)?;
                self.spend(cx, request.peer)?;
                let asker = Asker::Stream { conn: request.conn, id: Box::from(id.as_ref()) };
                let wish = Wish::Add { password: Some(password), source: AccountSource::Registration };
                accounts.handle_change(cx, Change { asker, user, wish });
                Ok(None)
            }
            Some(_) | None => Err(StanzaError::BadRequest),
        }
    }

    /// Takes one registration from the budget of `peer`.
    fn spend(&mut self, cx: &Cx<'_>, peer: PeerAddr) -> Result<(), StanzaError> {
        let now = cx.now.mono;
        while self.recent.front().is_some_and(|(at, _)| now.since(*at) >= BUDGET_TIME) {
            self.recent.pop_front();
        }
        let own = self.recent.iter().filter(|(_, other)| *other == peer).count();
        if own >= cx.config.limits.registrations_per_peer as usize || self.recent.len() >= BUDGET_ENTRIES {
            return Err(StanzaError::ResourceConstraint);
        }
        self.recent.push_back((now, peer));
        Ok(())
    }
}

fn is_open(cx: &Cx<'_>, domain: &str) -> bool {
    cx.config.domain(domain).is_some_and(|domain| domain.registration == Registration::Open)
}

fn field(name: &str, value: &str) -> Node {
    let node = Node::new(name, ns::REGISTER);
    if value.is_empty() { node } else { node.with_text(value) }
}

/// Reads username and password; both must be there and not empty (XEP-0077, 3.1).
fn credentials(query: &Node) -> Result<(String, Secret), StanzaError> {
    let text = |name| query.child(name, ns::REGISTER).map(Node::text).filter(|text| !text.is_empty());
    let username = text("username").ok_or(StanzaError::NotAcceptable)?;
    let password = text("password").ok_or(StanzaError::NotAcceptable)?;
    Ok((username, Secret(password.into())))
}
