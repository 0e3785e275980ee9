//! The client itself: one connection at a time, a list of things to do, what it sees on the way.
//!
//! Implements: RFC 6120, sections 4 to 8; XEP-0199 2.0.1, section 4. Client side.

use std::collections::VecDeque;

use bytes::Bytes;
use eyot_core::io::{CloseCause, TlsInfo};
use eyot_core::xml::{Element, Header, Parser, Token, XmlLimits, ns};

use super::compose::{self, Payload, Presence};
use super::negotiate::Login;
use super::{Derivations, Gs2, Sight};
use crate::engine::{Entropy, Key, Purpose};

/// How a client connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// STARTTLS on the port for it.
    StartTls,
    /// TLS first (XEP-0368).
    DirectTls,
    /// No TLS at all, on the STARTTLS port: a client that should be refused.
    Plain,
}

/// What a client is told before it connects.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// The domain it connects to.
    pub domain: String,
    /// The localpart it logs in as.
    pub user: String,
    /// Its password.
    pub password: String,
    /// The resource it asks for.
    pub resource: Option<String>,
    /// How it connects.
    pub over: Over,
    /// The mechanism it insists on, offered or not; the strongest offered one when absent.
    pub mechanism: Option<String>,
    /// What it says about channel binding; what is right when absent.
    pub gs2: Option<Gs2>,
    /// Text it writes behind `<starttls/>`, in the clear (an attacker in the path would).
    pub injected: Option<String>,
}

/// How far a connection is to be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Until the first features have been seen.
    Open,
    /// Until TLS is up and features have been seen again.
    Secured,
    /// Until an account was asked for.
    Registered {
        /// The localpart wanted.
        user: String,
        /// Its password.
        password: String,
    },
    /// Until SASL is done and features have been seen again.
    Authenticated,
    /// Until a resource is bound.
    Bound,
}

/// Something to do. Done in order; each begins when the one before it has come to its end, good or bad.
#[derive(Clone, Debug)]
pub enum Op {
    /// Connect if need be, and go on to the goal.
    Reach(Goal),
    /// Send a message.
    Message {
        /// `to`.
        to: String,
        /// `type`.
        kind: &'static str,
        /// The body.
        body: String,
    },
    /// Send presence.
    Presence(Presence),
    /// Send a request.
    Iq {
        /// `type`.
        kind: &'static str,
        /// `to`.
        to: Option<String>,
        /// What it carries.
        payload: Payload,
    },
    /// Send text as it is.
    Text(Bytes),
    /// End the stream and, when the server has, the connection.
    Close,
    /// Give the connection up without a word.
    Abort,
}

/// What reaches a client.
#[derive(Clone, Debug)]
pub enum ToClient {
    /// Something to do.
    Do(Op),
    /// The connection it asked for is there.
    Opened,
    /// Nobody listens.
    Refused,
    /// The TLS handshake it asked for is done.
    Secured(TlsInfo),
    /// Bytes, decrypted where there is TLS.
    Received(Bytes),
    /// The server will send nothing more.
    Ended,
    /// The connection is gone.
    Closed(CloseCause),
}

/// What a client wants done.
#[derive(Clone, Debug)]
pub enum FromClient {
    /// Connect.
    Connect(Over),
    /// Do the client's side of a TLS handshake.
    StartTls,
    /// Write.
    Send(Bytes),
    /// Send nothing more; what was sent still arrives.
    Finish,
    /// Close at once.
    Abort,
    /// Note what was done or seen.
    Saw(Sight),
}

/// What a client works with while it handles one input.
#[derive(Debug)]
pub struct Cx<'a> {
    /// What it wants done, in order.
    pub out: &'a mut Vec<FromClient>,
    /// Its arithmetic.
    pub derivations: &'a mut Derivations,
}

/// A simulated client.
#[derive(Debug)]
pub struct Client {
    pub(super) config: ClientConfig,
    entropy: Entropy,
    key: Key,
    drawn: u64,
    made_ids: u32,
    /// What its identifiers begin with.
    tag: String,
    todo: VecDeque<Op>,
    pub(super) goal: Option<Goal>,
    pub(super) phase: Phase,
    pub(super) tls: Option<TlsInfo>,
    pub(super) authenticated: bool,
    pub(super) jid: Option<String>,
    pub(super) login: Option<Login>,
    pub(super) features: Vec<String>,
    parser: Parser,
    ended: bool,
}

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Offline,
    Connecting,
    /// A header was sent, features are due.
    Opening,
    /// Features were seen; the client is free to go on.
    Resting,
    /// `<starttls/>` was sent.
    AskingTls,
    /// The handshake runs.
    Securing,
    LoggingIn,
    /// The fields of the registration form were asked for.
    AskingForm,
    Registering,
    Binding,
    Bound,
    /// `</stream:stream>` was sent.
    Closing,
}

/// A client reads whatever a server may send.
const LIMITS: XmlLimits = XmlLimits { element_bytes: 16 * 1024 * 1024, depth: 128, attributes: 128 };

impl Client {
    /// Creates a client that has never connected. `key` names it among all clients of the world.
    pub fn new(config: ClientConfig, entropy: Entropy, key: Key) -> Self {
        let tag = config.user.clone();
        Self {
            config,
            entropy,
            key,
            drawn: 0,
            made_ids: 0,
            tag,
            todo: VecDeque::new(),
            goal: None,
            phase: Phase::Offline,
            tls: None,
            authenticated: false,
            jid: None,
            login: None,
            features: Vec::new(),
            parser: Parser::new(LIMITS),
            ended: false,
        }
    }

    /// Lets its identifiers begin with `tag`, which no other client has: two of one account and one resource would else
    /// give out the same.
    #[must_use]
    pub fn tagged(self, tag: &str) -> Self {
        Self { tag: tag.into(), ..self }
    }

    /// Returns the full JID, while bound.
    pub fn jid(&self) -> Option<&str> {
        self.jid.as_deref()
    }

    /// Returns whether there is a connection, or one is being made.
    pub fn is_connected(&self) -> bool {
        self.phase != Phase::Offline
    }

    /// Returns how the client was told to be.
    pub const fn config(&self) -> &ClientConfig {
        &self.config
    }

    /// Changes what the client uses at its next login.
    pub const fn config_mut(&mut self) -> &mut ClientConfig {
        &mut self.config
    }

    /// Forgets what was still to be done.
    pub fn clear_todo(&mut self) {
        self.todo.clear();
    }

    /// Takes one input in.
    pub fn handle(&mut self, cx: &mut Cx<'_>, input: ToClient) {
        match input {
            ToClient::Do(op) => self.todo.push_back(op),
            ToClient::Opened => self.handle_opened(cx),
            ToClient::Refused => {
                cx.saw(Sight::Refused);
                self.forget();
            }
            ToClient::Secured(tls) => {
                self.tls = Some(tls);
                cx.saw(Sight::Secured);
                self.open_stream(cx);
            }
            ToClient::Received(bytes) => self.handle_bytes(cx, bytes),
            ToClient::Ended => self.handle_ended(cx),
            ToClient::Closed(cause) => {
                cx.saw(Sight::Closed(cause));
                self.forget();
            }
        }
        self.work(cx);
    }

    /// Begins what is to be done next, as long as nothing is under way.
    fn work(&mut self, cx: &mut Cx<'_>) {
        while self.goal.is_none() {
            let Some(op) = self.todo.pop_front() else { return };
            match op {
                Op::Reach(goal) => {
                    self.goal = Some(goal);
                    self.pursue(cx);
                }
                Op::Close => self.close(cx),
                Op::Abort => {
                    if self.is_connected() {
                        cx.out.push(FromClient::Abort);
                    }
                    self.forget();
                }
                Op::Message { .. } | Op::Presence(_) | Op::Iq { .. } | Op::Text(_) => self.send_op(cx, op),
            }
        }
    }

    fn send_op(&mut self, cx: &mut Cx<'_>, op: Op) {
        if matches!(self.phase, Phase::Offline | Phase::Closing) {
            cx.saw(Sight::NotConnected("send"));
            return;
        }
        let bytes = match op {
            Op::Message { to, kind, body } => compose::message(&to, kind, &self.make_id(), &body),
            Op::Presence(presence) => compose::presence(&presence),
            Op::Iq { kind, to, payload } => compose::iq(kind, to.as_deref(), &self.make_id(), Some(&payload)),
            Op::Text(bytes) => bytes,
            Op::Reach(_) | Op::Close | Op::Abort => return,
        };
        cx.send_stanza(bytes);
    }

    fn handle_opened(&mut self, cx: &mut Cx<'_>) {
        if self.config.over == Over::DirectTls {
            self.phase = Phase::Securing;
            cx.out.push(FromClient::StartTls);
        } else {
            self.open_stream(cx);
        }
    }

    pub(super) fn connect(&mut self, cx: &mut Cx<'_>) {
        self.phase = Phase::Connecting;
        cx.saw(Sight::Connecting { over: self.config.over });
        cx.out.push(FromClient::Connect(self.config.over));
    }

    pub(super) fn open_stream(&mut self, cx: &mut Cx<'_>) {
        self.phase = Phase::Opening;
        self.parser = Parser::new(LIMITS);
        cx.send(compose::header(&self.config.domain));
    }

    fn close(&mut self, cx: &mut Cx<'_>) {
        match self.phase {
            Phase::Offline | Phase::Closing => cx.saw(Sight::NotConnected("close")),
            Phase::Connecting | Phase::Securing => {
                cx.out.push(FromClient::Abort);
                self.forget();
            }
            Phase::Opening
            | Phase::Resting
            | Phase::AskingTls
            | Phase::LoggingIn
            | Phase::AskingForm
            | Phase::Registering
            | Phase::Binding
            | Phase::Bound => {
                cx.saw(Sight::Closing);
                cx.send(Bytes::from_static(b"</stream:stream>"));
                self.phase = Phase::Closing;
            }
        }
    }

    fn handle_bytes(&mut self, cx: &mut Cx<'_>, bytes: Bytes) {
        self.parser.push(bytes);
        loop {
            match self.parser.next_token() {
                Ok(None) => return,
                Ok(Some(Token::Header(header))) => {
                    cx.saw(Sight::Wire { sent: false, bytes: shown_header(&header) });
                    if header.ns != ns::STREAM || header.version.as_deref() != Some("1.0") {
                        cx.saw(Sight::Nonsense(format!("stream header {header:?}")));
                    }
                }
                Ok(Some(Token::Element(element))) => {
                    self.handle_element(cx, element);
                    if self.phase == Phase::Securing {
                        return;
                    }
                }
                Ok(Some(Token::Footer)) => {
                    cx.saw(Sight::Wire { sent: false, bytes: Bytes::from_static(b"</stream:stream>") });
                    cx.saw(Sight::StreamEnd);
                    self.answer_end(cx);
                    return;
                }
                Err(error) => {
                    cx.saw(Sight::Nonsense(format!("{error:?}")));
                    cx.out.push(FromClient::Abort);
                    self.forget();
                    return;
                }
            }
        }
    }

    fn handle_element(&mut self, cx: &mut Cx<'_>, element: Element) {
        if element.ns() != ns::CLIENT {
            cx.saw(Sight::Wire { sent: false, bytes: element.raw().clone() });
        }
        match (element.name(), element.ns()) {
            ("features", ns::STREAM) => self.handle_features(cx, &element),
            ("error", ns::STREAM) => {
                let tree = element.tree();
                let found =
                    tree.children().find(|child| child.ns() == ns::STREAM_ERRORS && child.name() != "text");
                let condition = found.map_or_else(|| "(no condition)".into(), |found| found.name().into());
                cx.saw(Sight::StreamError { condition });
            }
            (_, ns::TLS) => self.handle_tls(cx, element.name()),
            (_, ns::SASL) => self.handle_sasl(cx, &element),
            ("iq", ns::CLIENT) => self.handle_iq(cx, &element),
            ("message" | "presence", ns::CLIENT) => cx.saw(Sight::Got(element)),
            (name, ns) => cx.saw(Sight::Nonsense(format!("element {name} of {ns}"))),
        }
    }

    fn handle_iq(&mut self, cx: &mut Cx<'_>, element: &Element) {
        let kind = element.attr("type").unwrap_or_default();
        if matches!(&*kind, "result" | "error") {
            let seen = if self.handle_answer(cx, element) {
                Sight::Wire { sent: false, bytes: element.raw().clone() }
            } else {
                Sight::Got(element.clone())
            };
            cx.saw(seen);
            return;
        }
        let id = element.attr("id").unwrap_or_default();
        let from = element.attr("from");
        let answer = if element.child("ping", ns::PING).is_some() {
            compose::iq("result", from.as_deref(), &id, None)
        } else {
            compose::unknown_request(from.as_deref(), &id)
        };
        cx.saw(Sight::Got(element.clone()));
        cx.send_stanza(answer);
    }

    fn handle_ended(&mut self, cx: &mut Cx<'_>) {
        self.answer_end(cx);
    }

    /// The server has ended its half: the client ends its own, once.
    fn answer_end(&mut self, cx: &mut Cx<'_>) {
        if self.ended || self.phase == Phase::Offline {
            return;
        }
        self.ended = true;
        if self.phase != Phase::Closing && self.phase != Phase::Securing {
            cx.send(Bytes::from_static(b"</stream:stream>"));
        }
        self.phase = Phase::Closing;
        self.goal = None;
        cx.out.push(FromClient::Finish);
    }

    /// Forgets the connection. What was still to be done is done without it, and fails.
    pub(super) fn forget(&mut self) {
        self.phase = Phase::Offline;
        self.goal = None;
        self.tls = None;
        self.authenticated = false;
        self.jid = None;
        self.login = None;
        self.features.clear();
        self.ended = false;
        self.parser = Parser::new(LIMITS);
    }

    pub(super) fn make_id(&mut self) -> String {
        self.made_ids += 1;
        [self.tag.as_str(), "-", &self.made_ids.to_string()].concat()
    }

    /// Draws a nonce (RFC 5802, 5.1: printable, without comma).
    pub(super) fn make_nonce(&mut self) -> String {
        self.drawn += 1;
        format!("{:016x}", self.entropy.draw(Purpose::Nonce, self.key, self.drawn))
    }
}

/// Writes a header as it may have come: the parser keeps its parts, not its bytes.
fn shown_header(header: &Header) -> Bytes {
    let parts = [
        ("from", &header.from),
        ("to", &header.to),
        ("id", &header.id),
        ("version", &header.version),
        ("xml:lang", &header.lang),
    ];
    let attributes =
        parts.iter().filter_map(|(name, value)| Some([" ", name, "='", value.as_ref()?, "'"].concat()));
    let attributes: Vec<String> = attributes.collect();
    format!("<stream:{}{}>", header.name, attributes.concat()).into()
}

impl Cx<'_> {
    /// Notes what was done or seen.
    pub(super) fn saw(&mut self, sight: Sight) {
        self.out.push(FromClient::Saw(sight));
    }

    /// Writes a stanza, or text that is to be taken for one.
    pub(super) fn send_stanza(&mut self, bytes: Bytes) {
        self.out.push(FromClient::Saw(Sight::Sent(bytes.clone())));
        self.out.push(FromClient::Send(bytes));
    }

    /// Writes what is not a stanza.
    pub(super) fn send(&mut self, bytes: Bytes) {
        self.out.push(FromClient::Saw(Sight::Wire { sent: true, bytes: bytes.clone() }));
        self.out.push(FromClient::Send(bytes));
    }
}
