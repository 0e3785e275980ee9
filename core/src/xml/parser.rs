//! Bytes in any slicing become stream headers, whole elements and the end of the stream.

use bytes::Bytes;

use super::Element;

/// Bounds of the parser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XmlLimits {
    /// Bytes of the stream header or of one element at depth one.
    pub element_bytes: u32,
    /// Nesting, counted from the element at depth one.
    pub depth: u16,
    /// Attributes of one element.
    pub attributes: u16,
}

/// The parser of one stream. Small while nothing is pending.
#[derive(Debug)]
pub struct Parser {
    limits: XmlLimits,
}

/// What a stream is made of.
#[derive(Clone, Debug)]
pub enum Token {
    /// The stream header.
    Header(Header),
    /// One whole element at depth one.
    Element(Element),
    /// The end tag of the stream.
    Footer,
}

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
    /// `xml:lang`.
    pub lang: Option<String>,
}

/// Why the stream cannot go on. Each maps to one condition of RFC 6120, 4.9.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XmlError {
    /// `not-well-formed`: what exactly.
    NotWellFormed(&'static str),
    /// `restricted-xml`: comment, processing instruction, DTD or undefined entity (RFC 6120, 11.1).
    Restricted(&'static str),
    /// `unsupported-encoding`: not UTF-8 by declaration.
    Encoding(&'static str),
    /// `not-well-formed` by RFC 6120, 11.1 and 11.6: bytes that are not UTF-8 or not XML characters.
    Characters(&'static str),
    /// `bad-namespace-prefix`: a prefix that nothing declares.
    Prefix(&'static str),
    /// `policy-violation`: a bound was reached.
    TooBig(&'static str),
}

impl Parser {
    /// Creates the parser of a new stream.
    pub fn new(limits: XmlLimits) -> Self {
        Self { limits }
    }

    /// Changes the bounds from the next element on.
    pub fn set_limits(&mut self, limits: XmlLimits) {
        self.limits = limits;
    }

    /// Adds bytes. They are looked at by [`Self::next_token`].
    pub fn push(&mut self, bytes: Bytes) {
        unimplemented!("{bytes:?}")
    }

    /// Returns the next token, or nothing when more bytes are needed.
    ///
    /// # Errors
    ///
    /// [`XmlError`]; the parser must not be used afterwards.
    pub fn next_token(&mut self) -> Result<Option<Token>, XmlError> {
        unimplemented!()
    }

    /// Expects a new stream header next (RFC 6120, 4.3.3). Bytes already pushed belong to the new stream.
    pub fn restart(&mut self) {
        unimplemented!()
    }

    /// Forgets bytes already pushed, and returns how many there were.
    pub fn discard(&mut self) -> usize {
        unimplemented!()
    }

    /// Returns how many bytes wait for the rest of their token.
    pub fn pending_bytes(&self) -> usize {
        unimplemented!()
    }
}
