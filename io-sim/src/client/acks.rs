//! Acknowledgements and resumption.
//!
//! What was sent and not acknowledged is kept until it is: also when the connection is gone, and when the session is.
//!
//! Implements: XEP-0198 1.6.3, sections 3 to 8. Client side. A stanza that is sent again has no `<delay/>`: a client
//! has no clock.

use std::borrow::Cow;
use std::collections::VecDeque;

use bytes::Bytes;
use eyot_core::xml::{Element, Node, Parser, Token, ns};

use super::machine::{Client, Cx, LIMITS, Phase};
use super::op::{FromClient, Goal};
use super::{Former, Nonza, Sight, compose, xmlns};

/// Something to do about acknowledgements and resumption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manage {
    /// Ask for acknowledgements.
    Enable {
        /// Whether the session is to be resumed after its connection.
        resume: bool,
        /// For how long, in seconds.
        max: Option<u32>,
    },
    /// Ask how much the server has handled.
    AskAck,
    /// Answer no more when the server asks.
    StopAcking,
    /// Say that so many stanzas were handled, true or not.
    Ack(u32),
    /// Resume on a new connection, also while there is one.
    Resume {
        /// How many stanzas were handled, instead of the truth.
        h: Option<u32>,
    },
}

/// A session that can be resumed.
#[derive(Clone, Debug)]
struct Resumable {
    id: String,
    jid: String,
}

/// Where the counting stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Counting {
    /// Nothing counts.
    #[default]
    Off,
    /// The client has asked: what it sends counts.
    Asked,
    /// The server has agreed: what it sends counts too.
    On,
    /// The connection is gone, and the session may be resumed.
    Lost,
    /// The client has ended its stream.
    Over,
}

/// What a client knows of what was handled.
#[derive(Debug, Default)]
pub struct Acks {
    /// What it asked for when it last enabled acknowledgements.
    wanted: Option<(bool, Option<u32>)>,
    counting: Counting,
    session: Option<Resumable>,
    /// The last `h` of the server.
    acked: u32,
    /// What was sent behind it.
    queue: VecDeque<Bytes>,
    /// How many stanzas it has handled.
    handled: u32,
    /// Whether it leaves questions unanswered.
    silent: bool,
    /// What sessions that are over were sent and nobody acknowledged.
    rest: Vec<Bytes>,
}

impl Acks {
    /// Returns how many stanzas were sent that the server never acknowledged.
    pub fn unacked(&self) -> usize {
        self.queue.len() + self.rest.len()
    }

    /// Returns whether there is a session to be resumed.
    pub const fn is_resumable(&self) -> bool {
        self.session.is_some()
    }

    /// Returns whether the client has asked for acknowledgements, in whatever session.
    pub const fn is_wanted(&self) -> bool {
        self.wanted.is_some()
    }

    /// Returns how many stanzas the client has handled.
    pub const fn handled(&self) -> u32 {
        self.handled
    }

    /// Counts what is sent.
    pub(super) fn note_sent(&mut self, bytes: &Bytes) {
        if matches!(self.counting, Counting::Asked | Counting::On) {
            for stanza in stanzas(bytes) {
                self.rest.retain(|lost| *lost != stanza);
                self.queue.push_back(stanza);
            }
        }
    }

    /// Counts a stanza that came.
    pub(super) const fn note_got(&mut self) {
        if matches!(self.counting, Counting::On) {
            self.handled = self.handled.wrapping_add(1);
        }
    }

    /// The connection is gone.
    pub(super) fn lose(&mut self) {
        if self.counting == Counting::Over || self.session.is_none() {
            self.end();
        } else {
            self.counting = Counting::Lost;
        }
    }

    /// The session is over.
    pub(super) fn end(&mut self) {
        self.rest.extend(self.queue.drain(..));
        let (wanted, rest) = (self.wanted, core::mem::take(&mut self.rest));
        *self = Self { wanted, rest, ..Self::default() };
    }

    /// Drops what the server has handled. An `h` that goes back, or is more than was sent, drops nothing: the oracle of
    /// acknowledgements judges it, which knows whether a disk has lied to the server.
    fn ack(&mut self, h: u32) {
        let more = h.wrapping_sub(self.acked);
        if usize::try_from(more).is_ok_and(|more| more <= self.queue.len()) {
            self.queue.drain(..more as usize);
            self.acked = h;
        }
    }
}

/// Returns the whole stanzas in a text.
fn stanzas(bytes: &Bytes) -> Vec<Bytes> {
    let mut parser = Parser::new(LIMITS);
    parser.push(compose::header("x"));
    parser.push(bytes.clone());
    let mut found = Vec::new();
    while let Ok(Some(token)) = parser.next_token() {
        match token {
            Token::Element(element) if is_stanza(&element) => found.push(element.raw().clone()),
            Token::Header(_) | Token::Element(_) => {}
            Token::Footer => break,
        }
    }
    found
}

/// Returns whether an element is one of the three that count.
pub(super) fn is_stanza(element: &Element) -> bool {
    element.ns() == ns::CLIENT && matches!(element.name(), "message" | "presence" | "iq")
}

impl Client {
    /// Returns what the client knows of what was handled.
    pub const fn acks(&self) -> &Acks {
        &self.acks
    }

    /// Does what it was told about acknowledgements.
    pub(super) fn manage(&mut self, cx: &mut Cx<'_>, what: Manage) {
        match what {
            Manage::Resume { h } => self.resume_anew(cx, h),
            Manage::StopAcking => self.acks.silent = true,
            _ if matches!(self.phase, Phase::Offline | Phase::Closing) => {
                cx.saw(Sight::NotConnected("ask or acknowledge"));
            }
            // Whoever is on the way to a session asks as soon as there is one.
            Manage::Enable { resume, max } if self.is_on_its_way() => self.acks.wanted = Some((resume, max)),
            Manage::Enable { resume, max } => self.enable(cx, resume, max),
            Manage::AskAck if matches!(self.acks.counting, Counting::Asked | Counting::On) => ask(cx),
            Manage::AskAck => cx.saw(Sight::NotConnected("ask or acknowledge")),
            Manage::Ack(h) => {
                cx.saw(Sight::Nonza(Nonza::Says { h }));
                cx.send(ack_element(h));
            }
        }
    }

    fn is_on_its_way(&self) -> bool {
        let wants = matches!(self.goal, Some(Goal::Bound | Goal::Resumed { .. } | Goal::Returned { .. }));
        wants && self.phase != Phase::Bound
    }

    pub(super) fn enable(&mut self, cx: &mut Cx<'_>, resume: bool, max: Option<u32>) {
        cx.saw(Sight::Nonza(Nonza::Enabling { resume }));
        let mut enable = Node::new("enable", xmlns::SM);
        if resume {
            enable = enable.with_attr("resume", "true");
        }
        if let Some(max) = max {
            enable = enable.with_attr("max", &max.to_string());
        }
        cx.send(element(&enable));
        // A second request is for the server to refuse: what was counted stays.
        if !matches!(self.acks.counting, Counting::Asked | Counting::On) {
            self.acks.end();
            self.acks.counting = Counting::Asked;
        }
        self.acks.wanted = Some((resume, max));
    }

    /// Enables again what the client had enabled before.
    pub(super) fn enable_again(&mut self, cx: &mut Cx<'_>) {
        if let Some((resume, max)) = self.acks.wanted.filter(|_| self.offers("sm")) {
            self.enable(cx, resume, max);
        }
    }

    /// Sends the messages again that earlier sessions were never acknowledged. Requests and presence were of their time.
    pub(super) fn send_rest(&mut self, cx: &mut Cx<'_>) {
        for stanza in core::mem::take(&mut self.acks.rest) {
            if stanza.starts_with(b"<message") {
                self.acks.note_sent(&stanza);
                cx.saw(Sight::Nonza(Nonza::Again(stanza.clone())));
                cx.out.push(FromClient::Send(stanza));
            }
        }
    }

    fn resume_anew(&mut self, cx: &mut Cx<'_>, h: Option<u32>) {
        if !self.acks.is_resumable() {
            cx.saw(Sight::NotConnected("resume"));
            return;
        }
        if self.jid.is_some() && self.phase == Phase::Bound {
            self.former = Some(Former::new(core::mem::replace(&mut self.parser, Parser::new(LIMITS))));
            cx.out.push(FromClient::Leave);
            self.forget();
        } else if self.is_connected() {
            cx.out.push(FromClient::Abort);
            self.forget();
        }
        self.goal = Some(Goal::Resumed { h });
        self.pursue(cx);
    }

    /// Asks for the session, on a stream that is authenticated.
    pub(super) fn resume(&mut self, cx: &mut Cx<'_>, h: Option<u32>) {
        let Some(session) = &self.acks.session else { return };
        let h = h.unwrap_or(self.acks.handled);
        cx.saw(Sight::Nonza(Nonza::Resuming { h }));
        let resume = Node::new("resume", xmlns::SM).with_attr("h", &h.to_string());
        cx.send(element(&resume.with_attr("previd", &session.id)));
        self.phase = Phase::Resuming;
    }

    /// Handles what the server says of acknowledgements.
    pub(super) fn handle_sm(&mut self, cx: &mut Cx<'_>, element: &Element) {
        let number = |name: &str| element.attr(name).and_then(|text| text.parse().ok());
        match (element.name(), self.phase) {
            ("enabled", _) => self.handle_enabled(cx, element),
            ("resumed", Phase::Resuming) => self.handle_resumed(cx, element),
            ("failed", Phase::Resuming) => self.handle_refusal(cx, element),
            ("failed", _) => {
                cx.saw(Sight::Nonza(Nonza::NotEnabled { condition: condition(element) }));
                if self.acks.counting == Counting::Asked {
                    self.acks.end();
                    self.acks.wanted = None;
                }
            }
            ("r", _) => self.handle_question(cx),
            ("a", _) => match number("h") {
                Some(h) => {
                    cx.saw(Sight::Nonza(Nonza::Acked { h }));
                    self.take_ack(h);
                }
                None => cx.saw(Sight::Nonsense("an acknowledgement of nothing".into())),
            },
            (name, _) => cx.saw(Sight::Nonsense(format!("{name} of stream management"))),
        }
    }

    fn handle_enabled(&mut self, cx: &mut Cx<'_>, element: &Element) {
        let resumable = matches!(element.attr("resume").as_deref(), Some("true" | "1"));
        let id = element.attr("id").filter(|_| resumable).map(Cow::into_owned);
        let max = element.attr("max").and_then(|max| max.parse().ok());
        match self.acks.counting {
            Counting::Asked => {}
            Counting::Over => return,
            Counting::Off | Counting::On | Counting::Lost => {
                cx.saw(Sight::Nonsense("acknowledgements that nobody asked for".into()));
                return;
            }
        }
        if resumable && id.is_none() {
            cx.saw(Sight::Nonsense("a session to be resumed without a name".into()));
        }
        self.acks.counting = Counting::On;
        self.acks.handled = 0;
        let session = id.clone().zip(self.jid.clone());
        self.acks.session = session.map(|(id, jid)| Resumable { id, jid });
        cx.saw(Sight::Nonza(Nonza::Enabled { id, max }));
    }

    fn handle_resumed(&mut self, cx: &mut Cx<'_>, element: &Element) {
        self.goal = None;
        let h = element.attr("h").and_then(|h| h.parse().ok());
        let known = self.acks.session.clone();
        let (Some(h), Some(session)) =
            (h, known.filter(|own| element.attr("previd").as_deref() == Some(own.id.as_str())))
        else {
            cx.saw(Sight::Nonsense("a session resumed that is none of the client's".into()));
            return;
        };
        self.phase = Phase::Bound;
        self.jid = Some(session.jid);
        self.acks.counting = Counting::On;
        cx.saw(Sight::Nonza(Nonza::Resumed { h }));
        self.take_ack(h);
        for stanza in &self.acks.queue {
            cx.saw(Sight::Nonza(Nonza::Again(stanza.clone())));
            cx.out.push(FromClient::Send(stanza.clone()));
        }
        if !self.acks.queue.is_empty() {
            ask(cx);
        }
    }

    /// The session is over; what the server says of it is the last word, and the stream can be bound.
    fn handle_refusal(&mut self, cx: &mut Cx<'_>, element: &Element) {
        let h = element.attr("h").and_then(|h| h.parse().ok());
        cx.saw(Sight::Nonza(Nonza::ResumeFailed { condition: condition(element), h }));
        if let Some(h) = h {
            self.take_ack(h);
        }
        self.acks.end();
        self.phase = Phase::Resting;
        if matches!(self.goal, Some(Goal::Resumed { .. })) {
            self.goal = None;
        }
        self.pursue(cx);
    }

    fn handle_question(&mut self, cx: &mut Cx<'_>) {
        cx.saw(Sight::Nonza(Nonza::Asked));
        if !self.acks.silent {
            let h = self.acks.handled;
            cx.saw(Sight::Nonza(Nonza::Answers { h }));
            cx.send(ack_element(h));
        }
    }

    fn take_ack(&mut self, h: u32) {
        // What comes behind the end of a session is about nothing.
        if matches!(self.acks.counting, Counting::Off | Counting::Asked) {
            return;
        }
        self.acks.ack(h);
    }

    /// Ends the session together with the stream: says first what was handled.
    pub(super) fn end_session(&mut self, cx: &mut Cx<'_>) {
        if self.acks.counting == Counting::On && !self.acks.silent {
            let h = self.acks.handled;
            cx.saw(Sight::Nonza(Nonza::Answers { h }));
            cx.send(ack_element(h));
        }
        self.acks.counting = Counting::Over;
    }
}

fn ask(cx: &mut Cx<'_>) {
    cx.saw(Sight::Nonza(Nonza::Asks));
    cx.send(element(&Node::new("r", xmlns::SM)));
}

fn element(node: &Node) -> Bytes {
    let mut out = Vec::new();
    node.write(ns::CLIENT, &mut out);
    out.into()
}

fn ack_element(h: u32) -> Bytes {
    element(&Node::new("a", xmlns::SM).with_attr("h", &h.to_string()))
}

/// Returns the condition of a `<failed/>`.
fn condition(failed: &Element) -> String {
    let mut conditions = failed.children().filter(|child| child.ns() == ns::STANZA_ERRORS);
    conditions.find(|child| child.name() != "text").map_or_else(String::new, |found| found.name().into())
}

#[cfg(test)]
impl Client {
    /// Lets both counters stand two before they begin anew.
    pub(super) const fn acks_near_the_end(&mut self) {
        self.acks.acked = u32::MAX - 1;
        self.acks.handled = u32::MAX - 1;
    }
}
