//! One stanza on its way: typed header, shared body.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

use super::error::StanzaError;
use super::kind::{IqType, Kind, PresenceType};
use crate::jid::Jid;
use crate::xml::{Child, Element, Node, ns, write_attr};

/// A stanza with its sender stamped by this node.
#[derive(Clone, Debug)]
pub struct Stanza {
    /// Kind and type.
    pub kind: Kind,
    /// Who sent it: a session's full JID, or an address of this node.
    pub from: Jid,
    /// Whom it is for; nobody when the client left it out.
    pub to: Option<Jid>,
    content: Content,
    /// What this node adds behind the last child, as it is written.
    added: Bytes,
}

#[derive(Clone, Debug)]
enum Content {
    /// As it came from a client, with the language of the client's stream.
    Received { element: Element, lang: Option<Arc<str>> },
    /// Made here: the attribute `type` where there is one, `id`, and everything after the attributes.
    Made { stanza_type: Option<&'static str>, id: Option<Box<str>>, body: Bytes },
}

/// A stanza as bytes: the same for every recipient, and the body shared with the stanza it came from.
#[derive(Clone, Debug)]
pub struct Packet {
    /// The start tag with the stamped addresses.
    pub head: Bytes,
    /// The rest.
    pub body: Bytes,
}

/// Why an element is no routable stanza.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StanzaFault {
    /// What to answer.
    pub error: StanzaError,
    /// The kind of the answer; nothing when none may be sent.
    pub answer: Option<Kind>,
}

impl StanzaFault {
    /// Makes the error that goes back to the sender of `element`, from its own account: the address that the
    /// stanza was for may be what is wrong.
    pub fn answer(self, element: &Element, sender: &Jid) -> Option<Stanza> {
        let payload = [self.error.to_node(sender.domain())];
        let from = sender.bare().as_jid().clone();
        let kind = self.answer?;
        // The error of a request has an id in any case (RFC 6120, 8.3.1).
        let none = matches!(kind, Kind::Iq(_)).then_some("");
        let id = element.attr("id");
        Some(Stanza::make(kind, from, sender.clone(), id.as_deref().or(none), &payload))
    }
}

impl Stanza {
    /// Reads a stanza that a client sent.
    ///
    /// # Errors
    ///
    /// [`StanzaFault`] when `to` is no address, an IQ has no `id`, no known `type` or, as a request, not
    /// exactly one child (RFC 6120, 8.2.3), or a presence has an unknown `type`.
    pub fn from_client(element: &Element, from: &Jid, lang: Option<Arc<str>>) -> Result<Self, StanzaFault> {
        let Some(kind) = Kind::parse(element.name(), element.attr("type").as_deref()) else {
            return Err(StanzaFault {
                error: StanzaError::BadRequest,
                answer: Kind::error_of(element.name()),
            });
        };
        let fault = |error| StanzaFault { error, answer: kind.may_be_answered().then(|| kind.error()) };
        if let Kind::Iq(iq) = kind {
            let requests = matches!(iq, IqType::Get | IqType::Set);
            let children = element.children().take(2).count();
            if element.attr("id").is_none() || (requests && children != 1) {
                return Err(fault(StanzaError::BadRequest));
            }
        }
        let to = match element.attr("to") {
            Some(text) => Some(Jid::parse(&text).map_err(|_| fault(StanzaError::JidMalformed))?),
            None => None,
        };
        let lang = if element.lang().is_some() { None } else { lang };
        Ok(Self {
            kind,
            from: from.clone(),
            to,
            content: Content::Received { element: element.clone(), lang },
            added: Bytes::new(),
        })
    }

    /// Reads a stanza that this node wrote, as [`Packet::to_vec`] gave it; nothing when it is none.
    pub fn parse(bytes: Bytes) -> Option<Self> {
        let element = Element::parse(bytes).ok()?;
        let kind = Kind::parse(element.name(), element.attr("type").as_deref())?;
        let from = Jid::parse(&element.attr("from")?).ok()?;
        let to = match element.attr("to") {
            Some(to) => Some(Jid::parse(&to).ok()?),
            None => None,
        };
        Some(Self { kind, from, to, content: Content::Received { element, lang: None }, added: Bytes::new() })
    }

    /// Makes a stanza of this node. `payload` becomes its children, in the stanza's namespace context.
    pub fn make(kind: Kind, from: Jid, to: Jid, id: Option<&str>, payload: &[Node]) -> Self {
        let mut body = Vec::new();
        if payload.is_empty() {
            body.extend_from_slice(b"/>");
        } else {
            body.push(b'>');
            for node in payload {
                node.write(ns::CLIENT, &mut body);
            }
            body.extend_from_slice(b"</");
            body.extend_from_slice(kind.name().as_bytes());
            body.push(b'>');
        }
        let content =
            Content::Made { stanza_type: made_type(kind), id: id.map(Into::into), body: body.into() };
        Self { kind, from, to: Some(to), content, added: Bytes::new() }
    }

    /// Makes a stanza of this node whose content is written already.
    pub fn make_written(kind: Kind, from: Jid, to: Jid, content: &[u8]) -> Self {
        let mut body = Vec::with_capacity(content.len() + 12);
        body.push(b'>');
        body.extend_from_slice(content);
        body.extend_from_slice(b"</");
        body.extend_from_slice(kind.name().as_bytes());
        body.push(b'>');
        let content = Content::Made { stanza_type: made_type(kind), id: None, body: body.into() };
        Self { kind, from, to: Some(to), content, added: Bytes::new() }
    }

    /// Returns the stanza with one more child at its end, which only [`Self::packet`] shows.
    #[must_use]
    pub fn with_added(mut self, child: &Node) -> Self {
        let mut added = self.added.to_vec();
        child.write(ns::CLIENT, &mut added);
        self.added = added.into();
        self
    }

    /// Returns the stanza without the children that `drop` picks, if it came from a client.
    #[must_use]
    pub fn without(mut self, drop: impl Fn(Child<'_>) -> bool) -> Self {
        if let Content::Received { element, .. } = &mut self.content
            && let Some(rest) = element.without(drop)
        {
            *element = rest;
        }
        self
    }

    /// Returns the children, of stanzas that came from a client.
    pub fn children(&self) -> impl Iterator<Item = Child<'_>> {
        let element = match &self.content {
            Content::Received { element, .. } => Some(element),
            Content::Made { .. } => None,
        };
        element.into_iter().flat_map(Element::children)
    }

    /// Makes a message of this node that carries `forwarded` inside `wrapper` (XEP-0297). The bytes of the content are made once:
    /// clones for other recipients share them.
    pub fn forward(kind: Kind, from: Jid, to: Jid, wrapper: (&str, &str), forwarded: &Self) -> Self {
        let (name, namespace) = wrapper;
        let mut body = Vec::with_capacity(256);
        for piece in [">", "<", name, " xmlns='", namespace, "'><forwarded xmlns='", ns::FORWARD, "'>"] {
            body.extend_from_slice(piece.as_bytes());
        }
        forwarded.write_inside(&mut body);
        for piece in ["</forwarded></", name, "></", kind.name(), ">"] {
            body.extend_from_slice(piece.as_bytes());
        }
        let content = Content::Made { stanza_type: made_type(kind), id: None, body: body.into() };
        Self { kind, from, to: Some(to), content, added: Bytes::new() }
    }

    /// Writes the stanza as it stands inside an element of another namespace: it declares its own.
    pub fn write_inside(&self, out: &mut Vec<u8>) {
        let to = self.to.as_ref().map(Jid::as_str);
        match &self.content {
            Content::Received { element, lang } => {
                let stamps = [
                    ("xmlns", Some(ns::CLIENT)),
                    ("from", Some(self.from.as_str())),
                    ("to", to),
                    ("xml:lang", lang.as_deref()),
                ];
                let used = if lang.is_some() { 4 } else { 3 };
                element.write_head(out, stamps.get(..used).unwrap_or(&stamps));
                out.extend_from_slice(&self.packet().body);
            }
            Content::Made { .. } => {
                let packet = self.packet();
                let name = self.kind.name();
                out.push(b'<');
                out.extend_from_slice(name.as_bytes());
                out.extend_from_slice(b" xmlns='");
                out.extend_from_slice(ns::CLIENT.as_bytes());
                out.push(b'\'');
                out.extend_from_slice(packet.head.get(1 + name.len()..).unwrap_or_default());
                out.extend_from_slice(&packet.body);
            }
        }
    }

    /// Returns whether this node speaks for itself: an answer, an error, a push. Other presence is always that of its sender.
    pub const fn is_of_node(&self) -> bool {
        let made = matches!(self.content, Content::Made { .. });
        made && !matches!(self.kind, Kind::Presence(kind) if !matches!(kind, PresenceType::Error))
    }

    /// Returns whether a client wrote the address that it is for, not this node.
    pub fn was_addressed(&self) -> bool {
        match &self.content {
            Content::Received { element, .. } => element.attr("to").is_some(),
            Content::Made { .. } => false,
        }
    }

    /// Returns the stanza without a share in the buffer it came in, for those who keep it.
    #[must_use]
    pub fn detached(&self) -> Self {
        let content = match &self.content {
            Content::Received { element, lang } => {
                Content::Received { element: element.detached(), lang: lang.clone() }
            }
            Content::Made { .. } => self.content.clone(),
        };
        let (from, to, added) = (self.from.clone(), self.to.clone(), self.added.clone());
        Self { kind: self.kind, from, to, content, added }
    }

    /// Returns the stanza with nothing in it: it can be answered as well, and takes little room.
    #[must_use]
    pub fn emptied(&self) -> Self {
        let id = self.id().map(|id| id.as_ref().into());
        let content =
            Content::Made { stanza_type: made_type(self.kind), id, body: Bytes::from_static(b"/>") };
        let (from, to) = (self.from.clone(), self.to.clone());
        Self { kind: self.kind, from, to, content, added: Bytes::new() }
    }

    /// Returns the stanza addressed to somebody else.
    #[must_use]
    pub fn addressed_to(self, to: Jid) -> Self {
        Self { to: Some(to), ..self }
    }

    /// Returns the `id`.
    pub fn id(&self) -> Option<Cow<'_, str>> {
        match &self.content {
            Content::Received { element, .. } => element.attr("id"),
            Content::Made { id, .. } => id.as_deref().map(Cow::Borrowed),
        }
    }

    /// Returns the first child element, of stanzas that came from a client.
    pub fn payload(&self) -> Option<Child<'_>> {
        match &self.content {
            Content::Received { element, .. } => element.children().next(),
            Content::Made { .. } => None,
        }
    }

    /// Returns the first child of that name and namespace, of stanzas that came from a client.
    pub fn child(&self, name: &str, namespace: &str) -> Option<Child<'_>> {
        match &self.content {
            Content::Received { element, .. } => element.child(name, namespace),
            Content::Made { .. } => None,
        }
    }

    /// Returns the stanza as bytes, stamped with its sender.
    pub fn packet(&self) -> Packet {
        let packet = self.plain_packet();
        if self.added.is_empty() {
            return packet;
        }
        Packet { body: splice(&packet.body, &self.added, self.kind.name()), ..packet }
    }

    /// Returns what stands behind the attributes of the stanza, without what this node adds to it. Shared, not copied.
    pub fn plain_body(&self) -> Bytes {
        match &self.content {
            Content::Received { element, .. } => element.body(),
            Content::Made { body, .. } => body.clone(),
        }
    }

    /// Returns the stanza as bytes without what this node adds to it.
    pub fn plain_packet(&self) -> Packet {
        let to = self.to.as_ref().map(Jid::as_str);
        match &self.content {
            Content::Received { element, lang } => {
                let body = element.body();
                let tag = element.raw().len().saturating_sub(body.len());
                let mut head =
                    Vec::with_capacity(tag + self.from.as_str().len() + to.map_or(0, str::len) + 64);
                let stamps = [("from", Some(self.from.as_str())), ("to", to), ("xml:lang", lang.as_deref())];
                let used = if lang.is_some() { 3 } else { 2 };
                element.write_head(&mut head, stamps.get(..used).unwrap_or(&stamps));
                Packet { head: head.into(), body }
            }
            Content::Made { stanza_type, id, body } => {
                let mut head = Vec::with_capacity(160);
                head.push(b'<');
                head.extend_from_slice(self.kind.name().as_bytes());
                for (name, value) in [
                    ("type", *stanza_type),
                    ("from", Some(self.from.as_str())),
                    ("to", to),
                    ("id", id.as_deref()),
                ] {
                    if let Some(value) = value {
                        write_attr(name, value, &mut head);
                    }
                }
                Packet { head: head.into(), body: body.clone() }
            }
        }
    }

    /// Makes the error that answers this stanza; nothing when none may be sent.
    ///
    /// It comes from the address that the stanza was for (RFC 6120, 8.3.1), or from the sender's own account.
    pub fn error(&self, error: StanzaError) -> Option<Self> {
        if !self.kind.may_be_answered() {
            return None;
        }
        let from = self.to.clone().unwrap_or_else(|| self.from.bare().as_jid().clone());
        let payload = [error.to_node(self.from.domain())];
        Some(Self::make(self.kind.error(), from, self.from.clone(), self.id().as_deref(), &payload))
    }

    /// Makes the result that answers this request.
    #[must_use]
    pub fn result(&self, payload: &[Node]) -> Self {
        let from = self.to.clone().unwrap_or_else(|| self.from.bare().as_jid().clone());
        Self::make(Kind::Iq(IqType::Result), from, self.from.clone(), self.id().as_deref(), payload)
    }
}

impl Packet {
    /// Returns the length in bytes.
    pub fn len(&self) -> usize {
        self.head.len().saturating_add(self.body.len())
    }

    /// Returns all bytes in one piece.
    pub fn to_vec(&self) -> Vec<u8> {
        [self.head.as_ref(), self.body.as_ref()].concat()
    }

    /// Returns whether there is nothing to send; never true of a stanza.
    pub fn is_empty(&self) -> bool {
        self.head.is_empty() && self.body.is_empty()
    }
}

/// Returns `body`, which is `/>` or ends with the end tag of `name`, with one more child.
fn splice(body: &Bytes, added: &[u8], name: &str) -> Bytes {
    let mut out = Vec::with_capacity(body.len() + added.len() + name.len() + 4);
    let end = memchr::memmem::rfind(body, b"</");
    if let Some((content, tag)) = end.map(|end| body.split_at(end)) {
        out.extend_from_slice(content);
        out.extend_from_slice(added);
        out.extend_from_slice(tag);
    } else {
        out.push(b'>');
        out.extend_from_slice(added);
        out.extend_from_slice(b"</");
        out.extend_from_slice(name.as_bytes());
        out.push(b'>');
    }
    out.into()
}

/// The `type` attribute of stanzas that this node makes.
const fn made_type(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Message(kind) => match kind {
            super::MessageType::Normal => None,
            super::MessageType::Chat => Some("chat"),
            super::MessageType::Groupchat => Some("groupchat"),
            super::MessageType::Headline => Some("headline"),
            super::MessageType::Error => Some("error"),
        },
        Kind::Presence(kind) => match kind {
            PresenceType::Available => None,
            PresenceType::Subscribe => Some("subscribe"),
            PresenceType::Subscribed => Some("subscribed"),
            PresenceType::Unsubscribe => Some("unsubscribe"),
            PresenceType::Unsubscribed => Some("unsubscribed"),
            PresenceType::Unavailable => Some("unavailable"),
            PresenceType::Probe => Some("probe"),
            PresenceType::Error => Some("error"),
        },
        Kind::Iq(kind) => match kind {
            IqType::Get => Some("get"),
            IqType::Set => Some("set"),
            IqType::Result => Some("result"),
            IqType::Error => Some("error"),
        },
    }
}
