//! Messages in whatever way a client was told them: live, as a copy, or out of an archive.

use bytes::Bytes;
use eyot_core::xml::{Element, Node, ns};

use crate::client::{carbon, xmlns};

/// How a client was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// It was sent the message itself.
    Live,
    /// It was sent a copy of what another client of the account has sent.
    CopyOfSent,
    /// It was sent a copy of what another client of the account was sent.
    CopyOfReceived,
    /// It was on a page.
    Page,
}

/// A message that a client was told.
#[derive(Clone, Debug)]
pub(super) struct Told {
    /// How.
    pub(super) how: How,
    /// Its `id`.
    pub(super) id: Option<String>,
    /// What was said.
    pub(super) body: Option<String>,
    /// What the archive of the account, or of the room, calls it.
    pub(super) archived_as: Option<String>,
}

/// Reads a message that a client got; `own` is its bare JID. Errors are none.
pub(super) fn told(stanza: &Element, own: &str) -> Option<Told> {
    if stanza.name() != "message" || stanza.attr("type").as_deref() == Some("error") {
        return None;
    }
    if let Some((sent, inner)) = carbon(stanza, own) {
        return Some(read(if sent { How::CopyOfSent } else { How::CopyOfReceived }, &inner, own));
    }
    let whole = stanza.tree();
    let Some(result) = whole.child("result", xmlns::MAM) else { return Some(read(How::Live, &whole, own)) };
    let inner = result.child("forwarded", xmlns::FORWARD)?.child("message", ns::CLIENT)?;
    Some(Told { archived_as: result.attr("id").map(String::from), ..read(How::Page, inner, own) })
}

fn read(how: How, message: &Node, own: &str) -> Told {
    // An id by anybody else than the archive means nothing (XEP-0359, 5).
    let is_room = message.attr("type") == Some("groupchat");
    let from = message.attr("from").and_then(|from| from.split('/').next());
    let archive = if is_room { from } else { Some(own) };
    let mut ids = message.children().filter(|child| child.name() == "stanza-id" && child.ns() == xmlns::SID);
    let id = ids.find(|id| id.attr("by") == archive);
    Told {
        how,
        id: message.attr("id").map(String::from),
        body: message.child("body", ns::CLIENT).map(Node::text),
        archived_as: id.and_then(|id| id.attr("id")).map(String::from),
    }
}

/// Returns the body of a message that was written as it is.
pub(super) fn body_of_bytes(bytes: &Bytes) -> Option<String> {
    let element = Element::parse(bytes.clone()).ok().filter(|element| element.name() == "message")?;
    element.child("body", ns::CLIENT).map(|body| body.text())
}
