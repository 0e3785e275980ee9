//! The client itself: one connection at a time, a list of things to do, what it sees on the way.
//!
//! Implements: RFC 6120, sections 4 to 8; XEP-0199 2.0.1, section 4; XEP-0352 1.0.0, section 4. Client side.

use std::collections::VecDeque;

use bytes::Bytes;
use eyot_core::io::TlsInfo;
use eyot_core::xml::{Element, Header, Node, Parser, Token, XmlLimits, ns};

use super::acks::{self, Acks};
use super::compose;
use super::kept::Kept;
use super::negotiate::Login;
use super::op::{ClientConfig, FromClient, Goal, Op, Over, ToClient};
use super::{Derivations, Former, Nonza, Sight, xmlns};
use crate::engine::{Entropy, Key, Purpose};

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
    pub(super) acks: Acks,
    pub(super) kept: Kept,
    pub(super) former: Option<Former>,
    pub(super) parser: Parser,
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
    /// `<resume/>` was sent.
    Resuming,
    Bound,
    /// `</stream:stream>` was sent.
    Closing,
}

/// A client reads whatever a server may send.
pub(super) const LIMITS: XmlLimits =
    XmlLimits { element_bytes: 16 * 1024 * 1024, depth: 128, attributes: 128 };

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
            acks: Acks::default(),
            kept: Kept::default(),
            former: None,
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
            ToClient::Former(bytes) => {
                let said = self.former.as_mut().map(|former| former.read(bytes)).unwrap_or_default();
                for nonza in said {
                    cx.saw(Sight::Nonza(nonza));
                }
            }
            ToClient::FormerEnded => {
                if self.former.take().is_some() {
                    cx.saw(Sight::Nonza(Nonza::FormerEnded));
                }
            }
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
                Op::Manage(what) => self.manage(cx, what),
                Op::Message { .. }
                | Op::Presence(_)
                | Op::Iq { .. }
                | Op::Text(_)
                | Op::Ask(_)
                | Op::Active(_) => self.send_op(cx, op),
            }
        }
    }

    pub(super) fn send_op(&mut self, cx: &mut Cx<'_>, op: Op) {
        if matches!(self.phase, Phase::Offline | Phase::Closing) {
            cx.saw(Sight::NotConnected("send"));
            return;
        }
        let bytes = match op {
            Op::Message { to, kind, body, extra } => {
                compose::message((&to, kind, &self.make_id()), &body, &extra)
            }
            Op::Presence(presence) => compose::presence(&presence),
            Op::Iq { kind, to, payload } => compose::iq(kind, to.as_deref(), &self.make_id(), Some(&payload)),
            Op::Text(bytes) => bytes,
            Op::Ask(what) => return self.ask(cx, what),
            Op::Active(active) => return say_active(cx, active),
            Op::Reach(_) | Op::Close | Op::Abort | Op::Manage(_) => return,
        };
        self.send_stanza(cx, bytes);
    }

    /// Writes a stanza, or text that is to be taken for one.
    pub(super) fn send_stanza(&mut self, cx: &mut Cx<'_>, bytes: Bytes) {
        self.acks.note_sent(&bytes);
        cx.out.push(FromClient::Saw(Sight::Sent(bytes.clone())));
        cx.out.push(FromClient::Send(bytes));
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
            | Phase::Resuming
            | Phase::Bound => {
                self.end_session(cx);
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
        if acks::is_stanza(&element) {
            self.acks.note_got();
        }
        match (element.name(), element.ns()) {
            ("features", ns::STREAM) => self.handle_features(cx, &element),
            ("error", ns::STREAM) => {
                let tree = element.tree();
                let found =
                    tree.children().find(|child| child.ns() == ns::STREAM_ERRORS && child.name() != "text");
                let condition = found.map_or_else(|| "(no condition)".into(), |found| found.name().into());
                if self.phase == Phase::Resuming {
                    // Server and client do not agree on the session: the client takes another.
                    self.acks.end();
                }
                cx.saw(Sight::StreamError { condition });
            }
            (_, ns::TLS) => self.handle_tls(cx, element.name()),
            (_, ns::SASL) => self.handle_sasl(cx, &element),
            (_, xmlns::SM) => self.handle_sm(cx, &element),
            ("iq", ns::CLIENT) => self.handle_iq(cx, &element),
            ("message", ns::CLIENT) => {
                let own = String::from(self.own());
                self.kept.archive.take(&element, &own);
                cx.saw(Sight::Got(element));
            }
            ("presence", ns::CLIENT) => cx.saw(Sight::Got(element)),
            (name, ns) => cx.saw(Sight::Nonsense(format!("element {name} of {ns}"))),
        }
    }

    fn handle_iq(&mut self, cx: &mut Cx<'_>, element: &Element) {
        let kind = element.attr("type").unwrap_or_default();
        if matches!(&*kind, "result" | "error") {
            if self.handle_answer(cx, element) {
                cx.saw(Sight::Wire { sent: false, bytes: element.raw().clone() });
            } else {
                cx.saw(Sight::Got(element.clone()));
                self.take_answer(cx, element);
            }
            return;
        }
        let id = element.attr("id").unwrap_or_default();
        let from = element.attr("from");
        let answer = if element.child("ping", ns::PING).is_some() || self.take_push(element) {
            compose::iq("result", from.as_deref(), &id, None)
        } else {
            compose::unknown_request(from.as_deref(), &id)
        };
        cx.saw(Sight::Got(element.clone()));
        self.send_stanza(cx, answer);
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
        // An end tag of its own would end the session for good, and the client means to come back to it.
        let stays = self.acks.is_resumable();
        if self.phase != Phase::Closing && self.phase != Phase::Securing && !stays {
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
        self.acks.lose();
        // With a session come the answers that it waits for.
        if !self.acks.is_resumable() {
            self.kept.lose();
        }
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

/// Says whether anybody looks.
fn say_active(cx: &mut Cx<'_>, active: bool) {
    cx.saw(Sight::Nonza(Nonza::Active(active)));
    let mut out = Vec::new();
    Node::new(if active { "active" } else { "inactive" }, xmlns::CSI).write(ns::CLIENT, &mut out);
    cx.send(out.into());
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

    /// Writes what is not a stanza.
    pub(super) fn send(&mut self, bytes: Bytes) {
        self.out.push(FromClient::Saw(Sight::Wire { sent: true, bytes: bytes.clone() }));
        self.out.push(FromClient::Send(bytes));
    }
}
