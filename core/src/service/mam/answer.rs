//! What an archive answers.
//!
//! Implements: XEP-0313 1.1.4, sections 4.2, 4.3 and 4.5; XEP-0297 1.0, section 3; XEP-0203 2.0, section 2. Complete.

use bytes::Bytes;

use super::query::Query;
use crate::archive::{Entry, EntryId};
use crate::date_time::format_stamp;
use crate::jid::{BareJid, FullJid};
use crate::replica::Place;
use crate::stanza::{Kind, MessageType, Stanza};
use crate::store::StoreError;
use crate::xml::{Element, Node, ns, write_attr};

/// One entry that an answer holds.
pub(super) type Found = (Place, Entry);

/// Makes the message that carries one result. The archived stanza goes into it as it was written.
///
/// # Errors
///
/// [`StoreError::Damaged`] when `message` is no stanza.
pub(super) fn result(
    (owner, to): (&BareJid, &FullJid),
    query: &Query,
    (place, entry): &Found,
    message: Bytes,
) -> Result<Stanza, StoreError> {
    let element = Element::parse(message).map_err(|_| StoreError::Damaged)?;
    let mut out = Vec::with_capacity(element.raw().len() + 384);
    open(&mut out, "result", &[("xmlns", ns::MAM)]);
    if let Some(name) = &query.name {
        write_attr("queryid", name, &mut out);
    }
    if let Some(id) = entry.id {
        write_attr("id", &id.to_string(), &mut out);
    }
    out.push(b'>');
    open(&mut out, "forwarded", &[("xmlns", ns::FORWARD)]);
    out.push(b'>');
    let stamp = format_stamp(place.capped.millis);
    Node::new("delay", ns::DELAY).with_attr("stamp", &stamp).write(ns::FORWARD, &mut out);
    element.write_head(&mut out, &[("xmlns", Some(ns::CLIENT))]);
    out.extend_from_slice(&element.body());
    out.extend_from_slice(b"</forwarded></result>");
    let kind = Kind::Message(MessageType::Normal);
    Ok(Stanza::make_written(kind, owner.as_jid().clone(), to.as_jid().clone(), &out))
}

/// What is said of a page as a whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    /// Nothing comes behind it.
    pub(super) is_complete: bool,
    /// Nothing that is still to come belongs before its last entry.
    pub(super) is_stable: bool,
    /// How many entries there are in all; left out where they would have to be counted.
    pub(super) count: Option<u64>,
}

/// Makes the end of an answer.
pub(super) fn fin(found: &[Found], edge: Edge) -> Node {
    let text = |name: &str, text: &str| Node::new(name, ns::RSM).with_text(text);
    let id = |found: Option<&Found>| found.and_then(|(_, entry)| entry.id);
    let mut set = Node::new("set", ns::RSM);
    if let (Some(first), Some(last)) = (id(found.first()), id(found.last())) {
        set = set.with_child(text("first", &first.to_string())).with_child(text("last", &last.to_string()));
    }
    if let Some(count) = edge.count {
        set = set.with_child(text("count", &count.to_string()));
    }
    let fin = Node::new("fin", ns::MAM);
    let fin = if edge.is_complete { fin.with_attr("complete", "true") } else { fin };
    let fin = if edge.is_stable { fin } else { fin.with_attr("stable", "false") };
    fin.with_child(set)
}

/// Makes what is said of an archive as a whole: its first and its last entry, if it has any.
pub(super) fn metadata(ends: Option<((Place, EntryId), (Place, EntryId))>) -> Node {
    let end = |name: &str, (place, id): (Place, EntryId)| {
        let stamp = format_stamp(place.capped.millis);
        Node::new(name, ns::MAM).with_attr("id", &id.to_string()).with_attr("timestamp", &stamp)
    };
    let metadata = Node::new("metadata", ns::MAM);
    match ends {
        Some((first, last)) => metadata.with_child(end("start", first)).with_child(end("end", last)),
        None => metadata,
    }
}

fn open(out: &mut Vec<u8>, name: &str, attrs: &[(&str, &str)]) {
    out.push(b'<');
    out.extend_from_slice(name.as_bytes());
    for (name, value) in attrs {
        write_attr(name, value, out);
    }
}
