//! The elements of stream management, read and written.
//!
//! Implements: XEP-0198 1.6.3, sections 3 to 6 and 10. Complete.

use bytes::Bytes;

use super::write;
use crate::exchange::{Enable, NotResumed, Resumed};
use crate::stanza::StanzaError;
use crate::time::Span;
use crate::xml::{Element, Node, ns};

/// Reads `<enable/>`. A `max` that is no positive number is no wish.
pub(super) fn enable(element: &Element) -> Enable {
    let resume = element.attr("resume").is_some_and(|resume| matches!(resume.trim(), "true" | "1"));
    let max = element.attr("max").and_then(|max| max.trim().parse().ok());
    Enable { resume, max: max.filter(|max| *max > 0).map(Span::from_secs) }
}

/// Reads `h`; nothing when it is no number of 32 bits.
pub(super) fn handled(element: &Element) -> Option<u32> {
    element.attr("h")?.trim().parse().ok()
}

/// Reads the id and the `h` of `<resume/>`; nothing when either is missing.
pub(super) fn resume(element: &Element) -> Option<(Box<str>, u32)> {
    Some((element.attr("previd")?.into(), handled(element)?))
}

/// Returns `<enabled/>`, with the id and the time of a session that can be resumed, and where.
pub(super) fn enabled(resumable: Option<(&str, Span)>, location: Option<&str>) -> Bytes {
    let node = Node::new("enabled", ns::SM);
    write::element(&match resumable {
        Some((id, max)) => {
            // Less than a second is one: the attribute is positive.
            let max = max.as_micros().div_ceil(1_000_000);
            let node = node.with_attr("id", id).with_attr("resume", "true");
            let node = node.with_attr("max", &max.to_string());
            location.iter().fold(node, |node, location| node.with_attr("location", location))
        }
        None => node,
    })
}

/// Returns `<resumed/>`.
pub(super) fn resumed(session: &Resumed) -> Bytes {
    let node = Node::new("resumed", ns::SM).with_attr("previd", &session.id);
    write::element(&node.with_attr("h", &session.h.to_string()))
}

/// Returns `<failed/>`.
pub(super) fn failed(failure: NotResumed) -> Bytes {
    let mut node = Node::new("failed", ns::SM);
    if let Some(h) = failure.h {
        node = node.with_attr("h", &h.to_string());
    }
    write::element(&node.with_child(Node::new(failure.error.condition(), ns::STANZA_ERRORS)))
}

/// Returns `<failed/>` for what came at the wrong time.
pub(super) fn unexpected() -> Bytes {
    failed(NotResumed { error: StanzaError::UnexpectedRequest, h: None })
}

/// Returns `<a/>`.
pub(super) fn acknowledgement(h: u32) -> Bytes {
    write::element(&Node::new("a", ns::SM).with_attr("h", &h.to_string()))
}

/// Returns what a stream error says of an `h` that is too high.
pub(super) fn too_high(h: u32, sent: u32) -> Node {
    Node::new("handled-count-too-high", ns::SM)
        .with_attr("h", &h.to_string())
        .with_attr("send-count", &sent.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Element {
        Element::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap()
    }

    #[test]
    fn a_wish_is_read_as_the_schema_says() {
        let secs = |secs| Some(Span::from_secs(secs));
        for (attrs, resume, max) in [
            ("", false, None),
            ("resume='1'", true, None),
            ("resume=' true ' max=' 60 '", true, secs(60)),
            ("resume='yes' max='0'", false, None),
            ("resume='false' max='-5'", false, None),
            ("resume='0' max='99999999999999999999'", false, None),
        ] {
            let element = read(&format!("<enable xmlns='urn:xmpp:sm:3' {attrs}/>"));
            assert_eq!(enable(&element), Enable { resume, max }, "{attrs}");
        }
    }

    #[test]
    fn where_to_come_back_is_said_of_sessions_that_wait() {
        let said = |resumable, location| String::from_utf8(enabled(resumable, location).to_vec()).unwrap();
        let some = Some(("x", Span::from_secs(60)));
        let there = "<enabled xmlns='urn:xmpp:sm:3' id='x' resume='true' max='60' location='[::1]:5222'/>";
        assert_eq!(said(some, Some("[::1]:5222")), there);
        assert_eq!(said(some, None), there.replace(" location='[::1]:5222'", ""));
        assert_eq!(said(None, Some("x.example")), "<enabled xmlns='urn:xmpp:sm:3'/>");
    }

    #[test]
    fn h_is_a_number_of_32_bits() {
        for (attrs, expected) in [
            ("h='0'", Some(0)),
            ("h='4294967295'", Some(u32::MAX)),
            ("h='4294967296'", None),
            ("h='-1'", None),
            ("h=''", None),
            ("h='1.0'", None),
            ("", None),
        ] {
            assert_eq!(handled(&read(&format!("<a xmlns='urn:xmpp:sm:3' {attrs}/>"))), expected, "{attrs}");
        }
    }

    #[test]
    fn a_resumption_without_id_or_h_is_none() {
        for attrs in ["", "h='1'", "previd='x'", "previd='x' h='x'"] {
            assert_eq!(resume(&read(&format!("<resume xmlns='urn:xmpp:sm:3' {attrs}/>"))), None, "{attrs}");
        }
        let whole = read("<resume xmlns='urn:xmpp:sm:3' previd='a&amp;b' h='7'/>");
        assert_eq!(resume(&whole), Some(("a&b".into(), 7)));
    }
}
