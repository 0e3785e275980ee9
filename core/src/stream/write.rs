//! What a stream writes about itself: header, features, errors.
//!
//! Implements: RFC 6120, sections 4.2, 4.3.2, 4.7 and 4.9; XEP-0198 1.6.3, sections 2 and 6; XEP-0440 1.0.0;
//! XEP-0352 1.0.0, section 4.1; XEP-0115 1.6.0, section 6.3. Complete.

use bytes::Bytes;

use crate::exchange::Condition;
use crate::io::TlsInfo;
use crate::sasl;
use crate::stanza::StanzaError;
use crate::xml::{Node, ns, write_attr};

/// The end of a stream.
pub(super) const FOOTER: &[u8] = b"</stream:stream>";

/// Writes a stream header.
pub(super) fn header(id: &str, from: &str, to: Option<&str>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"<?xml version='1.0'?><stream:stream xmlns='");
    out.extend_from_slice(ns::CLIENT.as_bytes());
    out.extend_from_slice(b"' xmlns:stream='");
    out.extend_from_slice(ns::STREAM.as_bytes());
    out.push(b'\'');
    for (name, value) in [("id", Some(id)), ("from", Some(from)), ("to", to)] {
        if let Some(value) = value {
            write_attr(name, value, out);
        }
    }
    out.extend_from_slice(b" version='1.0' xml:lang='en'>");
}

/// Writes the features of a stream without TLS.
pub(super) fn features_plain(out: &mut Vec<u8>) {
    let starttls = Node::new("starttls", ns::TLS).with_child(Node::new("required", ns::TLS));
    features(&[starttls], out);
}

/// Writes the features of a stream with TLS.
pub(super) fn features_secure(tls: &TlsInfo, registration: bool, out: &mut Vec<u8>) {
    let mut mechanisms = Node::new("mechanisms", ns::SASL);
    for mechanism in sasl::offered(Some(tls)) {
        mechanisms = mechanisms.with_child(Node::new("mechanism", ns::SASL).with_text(mechanism.name()));
    }
    let mut nodes = vec![mechanisms];
    let types = sasl::binding_types(tls);
    if !types.is_empty() {
        let mut bindings = Node::new("sasl-channel-binding", ns::SASL_CB);
        for name in types {
            bindings = bindings.with_child(Node::new("channel-binding", ns::SASL_CB).with_attr("type", name));
        }
        nodes.push(bindings);
    }
    if registration {
        nodes.push(Node::new("register", ns::REGISTER_FEATURE));
    }
    features(&nodes, out);
}

/// Writes the features of an authenticated stream.
pub(super) fn features_authenticated(caps: Option<&Node>, out: &mut Vec<u8>) {
    let bind = Node::new("bind", ns::BIND);
    let session = Node::new("session", ns::SESSION).with_child(Node::new("optional", ns::SESSION));
    let (ver, sub) = (Node::new("ver", ns::ROSTER_VER), Node::new("sub", ns::PRE_APPROVAL));
    let (sm, csi) = (Node::new("sm", ns::SM), Node::new("csi", ns::CSI));
    let nodes: Vec<Node> =
        [bind, session, ver, sub, csi].into_iter().chain(caps.cloned()).chain([sm]).collect();
    features(&nodes, out);
}

fn features(nodes: &[Node], out: &mut Vec<u8>) {
    out.extend_from_slice(b"<stream:features>");
    for node in nodes {
        node.write(ns::CLIENT, out);
    }
    out.extend_from_slice(b"</stream:features>");
}

/// Writes a stream error and the end of the stream. `detail` says more than the condition does.
pub(super) fn error(condition: Condition, detail: Option<&Node>, text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"<stream:error>");
    Node::new(condition.name(), ns::STREAM_ERRORS).write(ns::CLIENT, out);
    if !text.is_empty() {
        Node::new("text", ns::STREAM_ERRORS)
            .with_attr("xml:lang", "en")
            .with_text(text)
            .write(ns::CLIENT, out);
    }
    if let Some(detail) = detail {
        detail.write(ns::CLIENT, out);
    }
    out.extend_from_slice(b"</stream:error>");
    out.extend_from_slice(FOOTER);
}

/// Returns one element of the negotiation.
pub(super) fn element(node: &Node) -> Bytes {
    let mut out = Vec::new();
    node.write(ns::CLIENT, &mut out);
    out.into()
}

/// Returns the answer to an IQ of the negotiation.
pub(super) fn iq(id: Option<&str>, domain: &str, outcome: Result<Option<Node>, StanzaError>) -> Bytes {
    let (kind, payload) = match outcome {
        Ok(payload) => ("result", payload),
        Err(error) => ("error", Some(error.to_node(domain))),
    };
    // An error has an id in any case (RFC 6120, 8.3.1).
    let mut node =
        Node::new("iq", ns::CLIENT).with_attr("type", kind).with_attr("id", id.unwrap_or_default());
    if let Some(payload) = payload {
        node = node.with_child(payload);
    }
    element(&node)
}
