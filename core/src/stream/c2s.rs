//! A client's stream: bytes in, negotiation, stanzas out.
//!
//! Implements: RFC 6120, sections 4.2 to 4.9, 5, 6 and 7; XEP-0198 1.6.3, sections 2 to 6. Complete.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

use super::cx::StreamCx;
use super::login::{Progress, Sasl, failure_element};
use super::manage;
use super::negotiate::{Heard, Phase, Step, step};
use super::write;
use crate::config::{Config, DomainConfig, Registration};
use crate::exchange::{Bind, Condition, Enabled, FromStream, Leaves, NotResumed, Resume, Resumed, ToStream};
use crate::io::{ConnId, TlsInfo};
use crate::jid::{BareJid, Domain, Jid};
use crate::limits::Limits;
use crate::sasl::SaslFailure;
use crate::trace::Event;
use crate::xml::{Element, Header, Node, Parser, Token, XmlLimits, ns};

/// Nesting of one element; RFC 6120 sets none, no extension comes near.
const DEPTH_MAX: u16 = 64;
/// Attributes of one element.
const ATTRIBUTES_MAX: u16 = 64;

/// The stream of one client connection. Small once the client is bound.
#[derive(Debug)]
pub(crate) struct C2s {
    conn: ConnId,
    parser: Parser,
    state: State,
    /// The client will send nothing more; what it has sent is still handled.
    peer_ended: bool,
    /// The language of the stream's header.
    lang: Option<Arc<str>>,
    /// Everything about the negotiation; gone once a resource is bound.
    negotiation: Option<Box<Negotiation>>,
}

/// What the stream does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Reads a header.
    Header,
    /// Reads elements.
    Open,
    /// Waits for the node; what arrives meanwhile stays in the parser.
    Waiting,
    /// Waits for TLS.
    Handshake,
    /// Over.
    Done,
}

#[derive(Debug)]
struct Negotiation {
    phase: Phase,
    /// The domain of the header.
    domain: Option<Domain>,
    tls: Option<TlsInfo>,
    sasl: Sasl,
    /// Who logged in. Set by [`Sasl`] alone.
    user: Option<BareJid>,
    /// The `id` of the bind request under way.
    bind_id: Option<String>,
    failures: u32,
    elements: u32,
}

impl C2s {
    /// Creates the stream of a connection that begins with plaintext.
    pub(crate) fn new(conn: ConnId, limits: &Limits) -> Self {
        Self {
            conn,
            parser: Parser::new(xml_limits(limits.element_bytes_unauthenticated)),
            state: State::Header,
            peer_ended: false,
            lang: None,
            negotiation: Some(Box::new(Negotiation {
                phase: Phase::Plain,
                domain: None,
                tls: None,
                sasl: Sasl::Idle,
                user: None,
                bind_id: None,
                failures: 0,
                elements: 0,
            })),
        }
    }

    /// Waits for TLS before anything else (XEP-0368).
    pub(crate) fn await_tls(&mut self) {
        self.state = State::Handshake;
    }

    /// Takes bytes in.
    pub(crate) fn handle_bytes(&mut self, cx: &mut StreamCx<'_>, bytes: Bytes) {
        match self.state {
            State::Done => {}
            // By the driver's contract nothing is read between `StartTls` and `Secured`.
            State::Handshake => self.fail(cx, Condition::PolicyViolation, "data before TLS"),
            State::Waiting if self.parser.unread_bytes() > self.sent_ahead_max(cx.config) => {
                self.fail(cx, Condition::PolicyViolation, "too much sent ahead");
            }
            State::Header | State::Open | State::Waiting => {
                self.parser.push(bytes);
                self.handle_next(cx);
            }
        }
    }

    /// Takes bytes in that are handled later: the session is behind.
    pub(crate) fn keep_bytes(&mut self, cx: &mut StreamCx<'_>, bytes: Bytes) {
        match self.state {
            State::Open => self.parser.push(bytes),
            State::Header | State::Waiting | State::Handshake | State::Done => self.handle_bytes(cx, bytes),
        }
    }

    /// Returns how much a client may send while it waits for an answer of the negotiation.
    fn sent_ahead_max(&self, config: &Config) -> usize {
        let known = self.negotiation.as_deref().is_some_and(|negotiation| negotiation.user.is_some());
        let limits = &config.limits;
        let most = if known { limits.stanza_bytes } else { limits.element_bytes_unauthenticated };
        most as usize
    }

    /// Returns whether [`Self::handle_next`] may have something to do.
    pub(crate) fn has_more(&self) -> bool {
        matches!(self.state, State::Header | State::Open)
            && (self.parser.unread_bytes() > 0 || self.peer_ended)
    }

    /// Takes a value of the node in.
    pub(crate) fn handle_value(&mut self, cx: &mut StreamCx<'_>, value: ToStream) {
        if self.state == State::Done {
            return;
        }
        match value {
            ToStream::Secured(tls) => self.handle_secured(cx, tls),
            ToStream::Account(account) => self.with_sasl(cx, |sasl, cx, _| sasl.handle_account(cx, account)),
            ToStream::Derived(salted) => self.with_sasl(cx, |sasl, _, _| sasl.handle_derived(&salted)),
            ToStream::Overloaded => self.with_sasl(cx, |sasl, _, _| {
                *sasl = Sasl::Idle;
                Err(SaslFailure::TemporaryAuthFailure)
            }),
            ToStream::Registered { id, outcome } => {
                let domain = self.domain_name();
                cx.out.push(FromStream::Write(write::iq(id.as_deref(), &domain, outcome)));
                self.resume();
            }
            ToStream::Bound(outcome) => self.handle_bound(cx, outcome),
            ToStream::Revoked(user) => self.handle_revoked(cx, &user),
            ToStream::Fail(condition, text) => self.fail(cx, condition, text),
            ToStream::Enabled(enabled) => self.handle_enabled(cx, &enabled),
            ToStream::Resumed(outcome) => self.handle_resumed(cx, outcome),
            ToStream::Acknowledge(h) => cx.out.push(FromStream::Write(manage::acknowledgement(h))),
            ToStream::NotEnabled => cx.out.push(FromStream::Write(manage::unexpected())),
            ToStream::TooHigh { h, sent } => {
                let detail = manage::too_high(h, sent);
                self.fail_with(cx, Condition::Undefined, Some(&detail), "more than was sent");
            }
            ToStream::PeerEnded if self.state == State::Handshake => {
                self.end(cx, "the client went away", Leaves::Session);
            }
            ToStream::PeerEnded => self.peer_ended = true,
        }
    }

    /// Handles one token of what has been pushed, as far as the state allows.
    ///
    /// One, because what it causes comes before the next: stanzas are processed in order (RFC 6120, 10.1), however
    /// the bytes were cut.
    pub(crate) fn handle_next(&mut self, cx: &mut StreamCx<'_>) {
        if !matches!(self.state, State::Header | State::Open) {
            return;
        }
        match self.parser.next_token() {
            Ok(Some(Token::Header(header))) => self.handle_header(cx, &header),
            Ok(Some(Token::Element(element))) => self.handle_element(cx, element),
            Ok(Some(Token::Footer)) => self.end(cx, "the client closed the stream", Leaves::Nothing),
            Ok(None) if self.peer_ended => self.end(cx, "the client went away", Leaves::Session),
            Ok(None) => {}
            Err(error) => {
                let (condition, detail) = Condition::of_xml(error);
                self.fail(cx, condition, detail);
            }
        }
    }

    fn handle_header(&mut self, cx: &mut StreamCx<'_>, header: &Header) {
        let (served, fault) = check_header(cx, header, self.negotiation.as_deref());
        let from = served.as_ref().or(cx.config.domains.first()).map_or("", |domain| domain.name.as_str());
        let to = header.from.as_deref().and_then(|from| Jid::parse(from).ok());
        let mut out = Vec::with_capacity(512);
        write::header(&cx.entropy.secret_id(), from, to.as_ref().map(Jid::bare_str), &mut out);
        self.state = State::Open;
        if let Some((condition, text)) = fault {
            cx.out.push(FromStream::Write(out.into()));
            self.fail(cx, condition, text);
            return;
        }
        self.lang = header.lang.as_deref().filter(|lang| is_language(lang)).map(Arc::from);
        if let (Some(negotiation), Some(served)) = (self.negotiation.as_mut(), served) {
            negotiation.domain = Some(served.name.clone());
            match (negotiation.phase, &negotiation.tls) {
                (Phase::Secure, Some(tls)) => {
                    write::features_secure(tls, served.registration == Registration::Open, &mut out);
                }
                (Phase::Plain | Phase::Secure, _) => write::features_plain(&mut out),
                (Phase::Authenticated | Phase::Bound, _) => {
                    write::features_authenticated(cx.caps(served.name.as_str()), &mut out);
                }
            }
        }
        cx.out.push(FromStream::Write(out.into()));
    }

    fn handle_element(&mut self, cx: &mut StreamCx<'_>, element: Element) {
        let phase = match self.negotiation.as_deref_mut() {
            None => Phase::Bound,
            Some(negotiation) => {
                negotiation.elements = negotiation.elements.saturating_add(1);
                if negotiation.elements > cx.config.limits.elements_unauthenticated {
                    self.fail(cx, Condition::PolicyViolation, "too many elements before login");
                    return;
                }
                negotiation.phase
            }
        };
        match step(phase, Heard::classify(&element)) {
            Step::BeginTls => self.begin_tls(cx),
            Step::FailTls => self.fail_tls(cx),
            Step::BeginSasl => {
                self.with_sasl(cx, |sasl, cx, (domain, tls)| sasl.handle_auth(cx, &element, domain, tls));
            }
            Step::ContinueSasl => {
                self.with_sasl(cx, |sasl, cx, (domain, tls)| sasl.handle_response(cx, &element, domain, tls));
            }
            Step::AbortSasl => self.with_sasl(cx, |sasl, _, _| {
                *sasl = Sasl::Idle;
                Err(SaslFailure::Aborted)
            }),
            Step::RefuseSasl => self.sasl_failed(cx, SaslFailure::EncryptionRequired, false),
            Step::Register => {
                let domain = self.negotiation.as_deref().and_then(|negotiation| negotiation.domain.clone());
                if let Some(domain) = domain {
                    self.state = State::Waiting;
                    cx.out.push(FromStream::Register { domain, iq: element });
                }
            }
            Step::Bind => self.begin_bind(cx, &element),
            Step::Route => cx.out.push(FromStream::Stanza(element)),
            Step::ClientState(activity) => cx.out.push(FromStream::ClientState(activity)),
            Step::Enable => cx.out.push(FromStream::Enable(manage::enable(&element))),
            Step::Resume => self.begin_resume(cx, &element),
            Step::AnswerAsk => cx.out.push(FromStream::AskAck),
            Step::TakeAck => match manage::handled(&element) {
                Some(h) => cx.out.push(FromStream::Ack(h)),
                None => self.fail(cx, Condition::BadFormat, "<a/> has no h that is a number of 32 bits"),
            },
            Step::RefuseManagement => cx.out.push(FromStream::Write(manage::unexpected())),
            Step::End => self.end(cx, "the client found an error", Leaves::Count),
            Step::Fail(condition) => self.fail(cx, condition, ""),
        }
    }

    fn begin_tls(&mut self, cx: &mut StreamCx<'_>) {
        // What was sent along with <starttls/> would count as having come over TLS (RFC 6120, 5.4.3.3).
        if self.parser.discard() > 0 {
            self.fail_tls(cx);
            return;
        }
        cx.out.push(FromStream::Write(write::element(&Node::new("proceed", ns::TLS))));
        cx.out.push(FromStream::StartTls);
        self.state = State::Handshake;
    }

    fn fail_tls(&mut self, cx: &mut StreamCx<'_>) {
        cx.out.push(FromStream::Write(write::element(&Node::new("failure", ns::TLS))));
        self.end(cx, "STARTTLS failed", Leaves::Nothing);
    }

    fn handle_secured(&mut self, cx: &mut StreamCx<'_>, tls: TlsInfo) {
        match self.negotiation.as_deref_mut() {
            Some(negotiation) if self.state == State::Handshake => {
                negotiation.phase = Phase::Secure;
                negotiation.tls = Some(tls);
                negotiation.domain = None;
                self.parser.restart();
                self.state = State::Header;
            }
            Some(_) | None => self.fail(cx, Condition::InternalServerError, "TLS at the wrong time"),
        }
    }

    /// Runs a step of SASL and carries out what came of it.
    fn with_sasl(
        &mut self,
        cx: &mut StreamCx<'_>,
        run: impl FnOnce(&mut Sasl, &mut StreamCx<'_>, (&Domain, &TlsInfo)) -> Result<Progress, SaslFailure>,
    ) {
        let Some(negotiation) = self.negotiation.as_deref_mut() else { return };
        let (Some(domain), Some(tls)) = (&negotiation.domain, &negotiation.tls) else { return };
        self.state = State::Open;
        let tries = negotiation.sasl.is_trial();
        match run(&mut negotiation.sasl, cx, (domain, tls)) {
            Ok(Progress::Client) => {}
            Ok(Progress::Node) => self.state = State::Waiting,
            Ok(Progress::Done(user, last)) => {
                negotiation.phase = Phase::Authenticated;
                negotiation.user = Some(user);
                cx.out.push(FromStream::Write(last));
                self.parser.restart();
                self.parser.set_limits(xml_limits(cx.config.limits.stanza_bytes));
                self.state = State::Header;
            }
            Err(failure) => self.sasl_failed(cx, failure, tries && failure == SaslFailure::NotAuthorized),
        }
    }

    /// Tells the client that it has not logged in. Only wrong passwords are `counted`: a client may have to try several mechanisms
    /// before one suits both (RFC 6120, 6.4.5); how many elements it may send for that is bounded.
    fn sasl_failed(&mut self, cx: &mut StreamCx<'_>, failure: SaslFailure, counted: bool) {
        cx.out
            .push(FromStream::Trace(Event::LoginFailed { conn: self.conn, condition: failure.condition() }));
        cx.out.push(FromStream::Write(failure_element(failure)));
        let failures = self.negotiation.as_deref_mut().map_or(0, |negotiation| {
            negotiation.sasl = Sasl::Idle;
            negotiation.failures = negotiation.failures.saturating_add(u32::from(counted));
            negotiation.failures
        });
        if counted && failures >= cx.config.limits.sasl_attempts {
            self.fail(cx, Condition::PolicyViolation, "too many failed logins");
        }
    }

    fn handle_revoked(&mut self, cx: &mut StreamCx<'_>, user: &BareJid) {
        let Some(negotiation) = self.negotiation.as_deref() else { return };
        if negotiation.user.as_ref() == Some(user) || negotiation.sasl.user() == Some(user) {
            self.fail(cx, Condition::Reset, "the credentials of this account changed");
        }
    }

    fn begin_bind(&mut self, cx: &mut StreamCx<'_>, element: &Element) {
        let Some(negotiation) = self.negotiation.as_deref_mut() else { return };
        let Some(user) = negotiation.user.clone() else { return };
        let id = element.attr("id").map(Cow::into_owned);
        if id.is_none() || element.attr("type").as_deref() != Some("set") {
            let domain = self.domain_name();
            let error = Err(crate::stanza::StanzaError::BadRequest);
            cx.out.push(FromStream::Write(write::iq(id.as_deref(), &domain, error)));
            return;
        }
        negotiation.bind_id = id;
        let resource = element
            .child("bind", ns::BIND)
            .and_then(|bind| bind.tree().child("resource", ns::BIND).map(Node::text))
            .filter(|resource| !resource.is_empty());
        self.state = State::Waiting;
        cx.out.push(FromStream::Bind(Bind { user, resource, lang: self.lang.clone() }));
    }

    fn handle_bound(
        &mut self,
        cx: &mut StreamCx<'_>,
        outcome: Result<crate::jid::FullJid, crate::stanza::StanzaError>,
    ) {
        let domain = self.domain_name();
        let id = self.negotiation.as_deref_mut().and_then(|negotiation| negotiation.bind_id.take());
        if outcome.is_ok() {
            self.negotiation = None;
        }
        let payload = outcome.map(|jid| {
            let jid = Node::new("jid", ns::BIND).with_text(jid.as_str());
            Some(Node::new("bind", ns::BIND).with_child(jid))
        });
        cx.out.push(FromStream::Write(write::iq(id.as_deref(), &domain, payload)));
        self.resume();
    }

    fn begin_resume(&mut self, cx: &mut StreamCx<'_>, element: &Element) {
        let Some(user) = self.negotiation.as_deref().and_then(|negotiation| negotiation.user.clone()) else {
            return;
        };
        if let Some((id, h)) = manage::resume(element) {
            self.state = State::Waiting;
            cx.out.push(FromStream::Resume(Resume { user, id, h, lang: self.lang.clone() }));
        } else {
            let failure = NotResumed { error: crate::stanza::StanzaError::BadRequest, h: None };
            cx.out.push(FromStream::Write(manage::failed(failure)));
        }
    }

    fn handle_resumed(&mut self, cx: &mut StreamCx<'_>, outcome: Result<Resumed, NotResumed>) {
        cx.out.push(FromStream::Write(match outcome {
            Ok(session) => {
                self.negotiation = None;
                manage::resumed(&session)
            }
            Err(failure) => manage::failed(failure),
        }));
        self.resume();
    }

    fn handle_enabled(&mut self, cx: &mut StreamCx<'_>, enabled: &Enabled) {
        cx.out.push(FromStream::Write(match enabled {
            Enabled::Resumable(id, max) => manage::enabled(Some((id, *max)), cx.config.location.as_deref()),
            Enabled::Counting => manage::enabled(None, None),
            Enabled::Twice => {
                return self.fail(cx, Condition::PolicyViolation, "acknowledgements are on already");
            }
        }));
    }

    /// Goes on reading after the node has answered.
    fn resume(&mut self) {
        if self.state == State::Waiting {
            self.state = State::Open;
        }
    }

    /// Ends the stream with an error.
    fn fail(&mut self, cx: &mut StreamCx<'_>, condition: Condition, text: &'static str) {
        self.fail_with(cx, condition, None, text);
    }

    fn fail_with(
        &mut self,
        cx: &mut StreamCx<'_>,
        condition: Condition,
        detail: Option<&Node>,
        text: &'static str,
    ) {
        cx.out.push(FromStream::Trace(Event::StreamError {
            conn: self.conn,
            condition: condition.name(),
            detail: text,
        }));
        if condition == Condition::SystemShutdown {
            self.tell_safe(cx);
        }
        if self.state != State::Handshake {
            let mut out = Vec::with_capacity(256);
            if self.state == State::Header {
                // An error is sent inside a stream (RFC 6120, 4.9.1.2).
                let from = cx.config.domains.first().map_or("", |domain| domain.name.as_str());
                write::header(&cx.entropy.secret_id(), from, None, &mut out);
            }
            write::error(condition, detail, text, &mut out);
            cx.out.push(FromStream::Write(out.into()));
        }
        self.state = State::Done;
        let leaves = if condition.ends_session() { Leaves::Count } else { Leaves::Session };
        cx.out.push(FromStream::Ended { why: condition.name(), leaves });
        cx.out.push(FromStream::Close);
    }

    /// Ends the stream in order.
    fn end(&mut self, cx: &mut StreamCx<'_>, why: &'static str, leaves: Leaves) {
        if matches!(self.state, State::Open | State::Waiting) {
            self.tell_safe(cx);
            cx.out.push(FromStream::Write(Bytes::from_static(write::FOOTER)));
        }
        self.state = State::Done;
        cx.out.push(FromStream::Ended { why, leaves });
        cx.out.push(FromStream::Close);
    }

    /// Tells the client, before the end of the stream, how many of its stanzas are safe: it need not send those again.
    fn tell_safe(&self, cx: &mut StreamCx<'_>) {
        if let Some(h) = cx.safe.filter(|_| self.negotiation.is_none()) {
            cx.out.push(FromStream::Write(manage::acknowledgement(h)));
        }
    }

    fn domain_name(&self) -> String {
        let domain = self.negotiation.as_deref().and_then(|negotiation| negotiation.domain.as_ref());
        domain.map_or_else(String::new, |domain| domain.as_str().to_owned())
    }
}

/// Finds the domain a header asks for, and what is wrong with the header.
fn check_header(
    cx: &StreamCx<'_>,
    header: &Header,
    negotiation: Option<&Negotiation>,
) -> (Option<DomainConfig>, Option<(Condition, &'static str)>) {
    let served = header
        .to
        .as_deref()
        .and_then(|to| Domain::parse(to).ok())
        .and_then(|domain| cx.config.domain(domain.as_str()).cloned());
    let fault = if header.name != "stream" {
        Some((Condition::BadFormat, "the first element is no stream header"))
    } else if header.ns != ns::STREAM || ![ns::CLIENT, ns::STREAM, ""].contains(&header.content_ns.as_str()) {
        // A header in the prefix-free style, or one that declares no default namespace, leaves it to the stanzas to
        // say theirs (RFC 6120, 4.8.2).
        Some((Condition::InvalidNamespace, "wrong stream or content namespace"))
    } else if !is_version_one(header.version.as_deref()) {
        Some((Condition::UnsupportedVersion, "version 1.0 is spoken here"))
    } else if header.to.is_none() {
        Some((Condition::ImproperAddressing, "the header has no 'to'"))
    } else if served.is_none() {
        Some((Condition::HostUnknown, "the domain is not served here"))
    } else {
        let user = negotiation.and_then(|negotiation| negotiation.user.as_ref());
        let other =
            user.zip(served.as_ref()).is_some_and(|(user, served)| user.domain() != served.name.as_str());
        let from = header.from.as_deref().and_then(|from| Jid::parse(from).ok());
        let stranger = user.zip(from).is_some_and(|(user, from)| from.bare_str() != user.as_str());
        if other {
            Some((Condition::HostUnknown, "the login was for another domain"))
        } else {
            stranger.then_some((Condition::InvalidFrom, "'from' is not who logged in"))
        }
    };
    (served, fault)
}

/// Returns whether a peer of this version can be spoken to (RFC 6120, 4.7.5): any major version from 1 on.
fn is_version_one(version: Option<&str>) -> bool {
    version.and_then(|version| version.split_once('.')).is_some_and(|(major, minor)| {
        major.parse::<u32>().is_ok_and(|major| major >= 1) && minor.parse::<u32>().is_ok()
    })
}

/// Returns whether a text has the form of a language tag (RFC 5646) of bounded length.
fn is_language(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 35
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

const fn xml_limits(element_bytes: u32) -> XmlLimits {
    XmlLimits { element_bytes, depth: DEPTH_MAX, attributes: ATTRIBUTES_MAX }
}
