//! The start of a stream: XML declaration and stream header.
//!
//! Implements: RFC 6120, sections 4.7 (reading), 4.8, 11.5 and 11.6. Complete.

use super::chars::{SPACE, checked_text, is};
use super::refs::decode_value;
use super::scope::{Bindings, NOWHERE, Scope};
use super::start::{Attrs, Tags};
use super::{XmlError, XmlLimits};

/// A stream header: the start tag of `stream:stream`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The local name; `stream` in a correct header.
    pub name: String,
    /// The namespace of the element; `http://etherx.jabber.org/streams` in a correct header.
    pub ns: String,
    /// The default namespace it declares; empty when none.
    pub content_ns: String,
    /// `to`.
    pub to: Option<String>,
    /// `from`.
    pub from: Option<String>,
    /// `id`.
    pub id: Option<String>,
    /// `version`.
    pub version: Option<String>,
    /// `xml:lang`. Elements do not repeat it; who routes them adds it (RFC 6120, 4.7.4).
    pub lang: Option<String>,
}

/// What a stream keeps of its header.
#[derive(Debug)]
pub(super) struct Opening {
    /// The name as it is written; the end tag must repeat it.
    name: Box<str>,
    /// The declarations that hold for all elements.
    pub(super) scope: Scope,
}

/// Reads the stream header in `raw`, a start tag or an empty element.
pub(super) fn parse(raw: &[u8], limits: XmlLimits) -> Result<(Header, Opening), XmlError> {
    let text = checked_text(raw)?;
    let end = text.len() - if text.ends_with("/>") { 2 } else { 1 };
    let mut tags = Tags::new(text, limits, Bindings::new(&NOWHERE));
    let start = tags.read(1, end)?;
    let attr = |name: &str| {
        let attr = tags.attrs.iter().find(|attr| attr.name.whole == name)?;
        Some(decode_value(attr.value).into_owned())
    };
    let header = Header {
        name: start.name.local().to_owned(),
        ns: tags.bindings.resolve(start.name.prefix())?.ns.to_owned(),
        content_ns: tags.bindings.resolve("")?.ns.to_owned(),
        to: attr("to"),
        from: attr("from"),
        id: attr("id"),
        version: attr("version"),
        lang: attr("xml:lang"),
    };
    Ok((header, Opening { name: start.name.whole.into(), scope: tags.bindings.to_scope() }))
}

/// Checks the end tag of the stream in `raw`.
pub(super) fn check_footer(raw: &[u8], opening: &Opening) -> Result<(), XmlError> {
    let tag = raw.strip_prefix(b"</").and_then(|rest| rest.strip_suffix(b">")).unwrap_or_default();
    let space = tag.strip_prefix(opening.name.as_bytes());
    if space.is_some_and(|space| space.iter().all(|&byte| is(byte, SPACE))) {
        Ok(())
    } else {
        Err(XmlError::NotWellFormed("end tag that does not match the start tag"))
    }
}

/// Checks the XML declaration in `raw` (XML 1.0, production 23): version 1.0, and no encoding but UTF-8.
/// A standalone declaration has no meaning in a stream and is ignored.
pub(super) fn check_declaration(raw: &[u8]) -> Result<(), XmlError> {
    const WRONG: XmlError = XmlError::NotWellFormed("XML declaration");
    let text = checked_text(raw)?;
    let attrs = text.strip_prefix("<?xml").and_then(|rest| rest.strip_suffix("?>")).ok_or(WRONG)?;
    let mut expected: &[&str] = &["version", "encoding", "standalone"];
    for attr in Attrs::new(attrs, 0) {
        let attr = attr?;
        let at = expected.iter().position(|name| *name == attr.name.whole).ok_or(WRONG)?;
        if expected.len() == 3 && at > 0 {
            return Err(WRONG);
        }
        expected = expected.get(at + 1..).unwrap_or_default();
        match (attr.name.whole, attr.value) {
            ("version", "1.0") | ("standalone", "yes" | "no") => {}
            ("version", _) => return Err(XmlError::NotWellFormed("XML version other than 1.0")),
            ("encoding", name) if name.eq_ignore_ascii_case("UTF-8") => {}
            ("encoding", _) => return Err(XmlError::Encoding("encoding other than UTF-8")),
            _ => return Err(WRONG),
        }
    }
    if expected.len() == 3 { Err(WRONG) } else { Ok(()) }
}
