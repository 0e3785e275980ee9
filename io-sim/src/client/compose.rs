//! What a client writes.

use bytes::Bytes;
use eyot_core::xml::{Node, escape_attr, escape_text, ns, write_attr};

/// The presence a client sends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Presence {
    /// `type`; available when absent.
    pub kind: Option<String>,
    /// `to`, for directed presence.
    pub to: Option<String>,
    /// `show`.
    pub show: Option<String>,
    /// `status`.
    pub status: Option<String>,
    /// `priority`.
    pub priority: Option<i8>,
}

/// What an IQ carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// An empty element.
    Empty {
        /// Its name.
        name: &'static str,
        /// Its namespace.
        ns: &'static str,
        /// Its `node` attribute.
        node: Option<String>,
    },
    /// A resource wanted.
    Bind(Option<String>),
    /// An account wanted.
    Register {
        /// The localpart.
        user: String,
        /// The password.
        password: String,
    },
    /// Any element.
    Tree(Node),
}

/// Returns the stream header.
pub(super) fn header(domain: &str) -> Bytes {
    let mut out = b"<?xml version='1.0'?><stream:stream to='".to_vec();
    escape_attr(domain, &mut out);
    out.extend_from_slice(b"' version='1.0' xml:lang='en' xmlns='jabber:client' xmlns:stream='");
    out.extend_from_slice(ns::STREAM.as_bytes());
    out.extend_from_slice(b"'>");
    out.into()
}

/// Returns a SASL element with a payload that is base64 already.
pub(super) fn sasl(name: &str, mechanism: Option<&str>, payload: &str) -> Bytes {
    let mechanism = mechanism.map(|name| format!(" mechanism='{name}'")).unwrap_or_default();
    format!("<{name} xmlns='{}'{mechanism}>{payload}</{name}>", ns::SASL).into()
}

/// Returns a message: with `to`, type and id, and with what stands behind the body.
pub(super) fn message((to, kind, id): (&str, &str, &str), body: &str, extra: &[Node]) -> Bytes {
    // The markup around the four; what is escaped makes it longer, and the vector grows.
    const MARKUP_BYTES: usize = 64;
    let mut out = Vec::with_capacity(MARKUP_BYTES + to.len() + kind.len() + id.len() + body.len());
    out.extend_from_slice(b"<message");
    write_attr("to", to, &mut out);
    write_attr("type", kind, &mut out);
    write_attr("id", id, &mut out);
    out.extend_from_slice(b"><body>");
    escape_text(body, &mut out);
    out.extend_from_slice(b"</body>");
    for node in extra {
        node.write(ns::CLIENT, &mut out);
    }
    out.extend_from_slice(b"</message>");
    out.into()
}

/// Returns a presence.
pub(super) fn presence(presence: &Presence) -> Bytes {
    let mut out = b"<presence".to_vec();
    if let Some(to) = &presence.to {
        write_attr("to", to, &mut out);
    }
    if let Some(kind) = &presence.kind {
        write_attr("type", kind, &mut out);
    }
    out.push(b'>');
    let priority = presence.priority.map(|priority| priority.to_string());
    for (name, value) in [("show", &presence.show), ("status", &presence.status), ("priority", &priority)] {
        if let Some(value) = value {
            child(&mut out, name, value);
        }
    }
    out.extend_from_slice(b"</presence>");
    out.into()
}

/// Returns an IQ.
pub(super) fn iq(kind: &str, to: Option<&str>, id: &str, payload: Option<&Payload>) -> Bytes {
    let mut out = b"<iq".to_vec();
    write_attr("type", kind, &mut out);
    write_attr("id", id, &mut out);
    if let Some(to) = to {
        write_attr("to", to, &mut out);
    }
    out.push(b'>');
    if let Some(payload) = payload {
        write_payload(&mut out, payload);
    }
    out.extend_from_slice(b"</iq>");
    out.into()
}

/// Returns the refusal of a request that the client does not know.
pub(super) fn unknown_request(to: Option<&str>, id: &str) -> Bytes {
    let mut out = b"<iq type='error'".to_vec();
    write_attr("id", id, &mut out);
    if let Some(to) = to {
        write_attr("to", to, &mut out);
    }
    out.extend_from_slice(b"><error type='cancel'><service-unavailable xmlns='");
    out.extend_from_slice(ns::STANZA_ERRORS.as_bytes());
    out.extend_from_slice(b"'/></error></iq>");
    out.into()
}

fn write_payload(out: &mut Vec<u8>, payload: &Payload) {
    match payload {
        Payload::Empty { name, ns, node } => {
            out.push(b'<');
            out.extend_from_slice(name.as_bytes());
            write_attr("xmlns", ns, out);
            if let Some(node) = node {
                write_attr("node", node, out);
            }
            out.extend_from_slice(b"/>");
        }
        Payload::Tree(node) => node.write(ns::CLIENT, out),
        Payload::Bind(resource) => {
            out.extend_from_slice(b"<bind");
            write_attr("xmlns", ns::BIND, out);
            out.push(b'>');
            if let Some(resource) = resource {
                child(out, "resource", resource);
            }
            out.extend_from_slice(b"</bind>");
        }
        Payload::Register { user, password } => {
            out.extend_from_slice(b"<query");
            write_attr("xmlns", ns::REGISTER, out);
            out.push(b'>');
            child(out, "username", user);
            child(out, "password", password);
            out.extend_from_slice(b"</query>");
        }
    }
}

fn child(out: &mut Vec<u8>, name: &str, text: &str) {
    out.push(b'<');
    out.extend_from_slice(name.as_bytes());
    out.push(b'>');
    escape_text(text, out);
    out.extend_from_slice(b"</");
    out.extend_from_slice(name.as_bytes());
    out.push(b'>');
}
