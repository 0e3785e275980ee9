//! One stanza, as it was sent or got.

use std::borrow::Cow;

use bytes::Bytes;
use eyot_core::jid::Jid;
use eyot_core::xml::{Element, Node, ns};

use super::conn::Mark;
use crate::client::xmlns;
use crate::engine::SimTime;

/// Which of the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `message`
    Message,
    /// `presence`
    Presence,
    /// `iq`
    Iq,
}

/// Whom it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum To {
    /// Nobody in particular: its sender's account.
    Nobody,
    /// An address.
    Jid(Jid),
    /// What is none.
    Malformed,
}

/// A stanza.
#[derive(Clone, Debug)]
pub struct Stanza {
    /// The record.
    pub record: usize,
    /// When it was sent or got.
    pub at: SimTime,
    /// The connection it was sent or got on.
    pub conn: usize,
    /// The session of that connection.
    pub session: Option<usize>,
    /// Which of the three.
    pub kind: Kind,
    /// Its `type`, empty where it has none.
    pub class: String,
    /// Its `id`.
    pub id: Option<String>,
    /// Its `from`.
    pub from: Option<String>,
    /// Whom it is for.
    pub to: To,
    /// The whole.
    pub element: Element,
    /// Of one that was got: it says that what was sent is stored, and not yet where its domain wants it. So it was done.
    pub is_below: bool,
    /// Its client sent it in more than one session: nobody knew what had become of it.
    pub repeated: bool,
    /// Of one that was got: what it is a copy of.
    pub copy_of: Option<usize>,
    /// Of one that was got: a copy of the same stanza came before it.
    pub again: bool,
    /// Of one that was got: the request or message that it answers.
    pub answers: Option<usize>,
}

impl Stanza {
    /// Reads what a client sent; nothing when it is no whole stanza.
    pub(super) fn parse(bytes: &Bytes) -> Option<Element> {
        Element::parse(bytes.clone()).ok().filter(|element| kind_of(element).is_some())
    }

    /// Creates a stanza from its element; nothing when it is none.
    pub(super) fn new(record: usize, at: SimTime, conn: usize, element: &Element) -> Option<Self> {
        let text = |name| element.attr(name).map(Cow::into_owned);
        let to = match element.attr("to").map(|to| Jid::parse(&to)) {
            None => To::Nobody,
            Some(Ok(jid)) => To::Jid(jid),
            Some(Err(_)) => To::Malformed,
        };
        let kind = kind_of(element)?;
        let is_below = element
            .child("error", ns::CLIENT)
            .is_some_and(|error| error.tree().child("stored-below-level", ns::LEVEL_ERRORS).is_some());
        let class = if is_below && kind == Kind::Iq { Some("result".into()) } else { text("type") };
        Some(Self {
            record,
            at,
            conn,
            session: None,
            kind,
            class: class.unwrap_or_default(),
            id: text("id"),
            from: text("from"),
            to,
            element: element.clone(),
            is_below,
            repeated: false,
            copy_of: None,
            again: false,
            answers: None,
        })
    }

    /// Returns when it was sent or got.
    pub const fn mark(&self) -> Mark {
        Mark { at: self.at, number: self.record }
    }

    /// Returns whether it is a request that has to be answered.
    pub fn is_request(&self) -> bool {
        self.kind == Kind::Iq && matches!(self.class.as_str(), "get" | "set")
    }

    /// Returns whether it answers something.
    pub fn is_answer(&self) -> bool {
        match self.kind {
            Kind::Iq => matches!(self.class.as_str(), "result" | "error"),
            Kind::Message | Kind::Presence => self.class == "error",
        }
    }

    /// Returns whether it says the same as another, whoever it is from and for.
    pub fn says_the_same(&self, other: &Self) -> bool {
        self.kind == other.kind
            && self.class == other.class
            && self.id == other.id
            && (self.element.body() == other.element.body()
                || self.has_equal_children(other)
                || (self.kind == Kind::Message && self.said() == other.said()))
    }

    /// Returns what its sender put into it: without the marks that servers add (XEP-0203, XEP-0359).
    fn said(&self) -> (Vec<Node>, String) {
        let marks = [("stanza-id", xmlns::SID), ("delay", xmlns::DELAY)];
        let children = self.element.children().filter(|child| !marks.contains(&(child.name(), child.ns())));
        (children.map(|child| child.tree()).collect(), self.element.text())
    }

    /// Returns whether it is a message that the server wraps around another: a page of an archive, a copy for one's other clients.
    pub fn is_wrapper(&self) -> bool {
        let wraps = |child: &str| child == xmlns::MAM || child == xmlns::CARBONS;
        self.kind == Kind::Message && self.element.children().any(|child| wraps(child.ns()))
    }

    /// Returns whether the server says that it had waited (XEP-0203).
    pub fn is_delayed(&self) -> bool {
        self.element.child("delay", xmlns::DELAY).is_some()
    }

    /// Returns whether it is about a subscription (RFC 6121, 3).
    pub fn is_subscription(&self) -> bool {
        let classes = ["subscribe", "subscribed", "unsubscribe", "unsubscribed"];
        self.kind == Kind::Presence && classes.contains(&self.class.as_str())
    }

    /// Returns whether an archive has to keep it: somebody said something in it, and did not ask for it to be forgotten.
    pub fn is_kept(&self) -> bool {
        let hints = ["no-store", "no-permanent-store"];
        let hinted =
            |child: &eyot_core::xml::Child<'_>| child.ns() == xmlns::HINTS && hints.contains(&child.name());
        self.kind == Kind::Message
            && matches!(self.class.as_str(), "" | "normal" | "chat")
            && self.element.child("body", ns::CLIENT).is_some()
            && !self.element.children().any(|child| hinted(&child))
    }

    fn has_equal_children(&self, other: &Self) -> bool {
        let empty = |element: &Element| element.children().next().is_none() && element.text().is_empty();
        empty(&self.element) && empty(&other.element)
    }

    /// Returns the full or bare JID it is for, if it is for one.
    pub const fn to_jid(&self) -> Option<&Jid> {
        match &self.to {
            To::Jid(jid) => Some(jid),
            To::Nobody | To::Malformed => None,
        }
    }

    /// Returns the name and the namespace of the first child.
    pub fn payload(&self) -> Option<(&str, &str)> {
        self.element.children().next().map(|child| (child.name(), child.ns()))
    }
}

fn kind_of(element: &Element) -> Option<Kind> {
    match (element.name(), element.ns()) {
        ("message", ns::CLIENT) => Some(Kind::Message),
        ("presence", ns::CLIENT) => Some(Kind::Presence),
        ("iq", ns::CLIENT) => Some(Kind::Iq),
        _ => None,
    }
}
