//! Bytes in any slicing become stream headers, whole elements and the end of the stream.

use std::collections::VecDeque;
use std::fmt;
use std::mem;

use bytes::{Buf, Bytes};

use super::framer::{Cut, Framer};
use super::header::{self, Opening};
use super::scope::NOWHERE;
use super::{Element, Header};

/// The deepest nesting a stream can allow: trees are written and dropped by recursion.
pub(super) const DEPTH_MAX: u16 = 1024;
/// A piece of a buffer may keep alive so many times its own length.
const PIN_RATIO_MAX: usize = 4;

/// Bounds of the parser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XmlLimits {
    /// Bytes of the XML declaration, of the stream header, or of one element at depth one. Also of an
    /// element that is written anew because it leans on the stream header.
    pub element_bytes: u32,
    /// Nesting, counted from the element at depth one. More than 1024 counts as 1024.
    pub depth: u16,
    /// Attributes of one element, declarations of namespaces included.
    pub attributes: u16,
}

/// The parser of one stream. Small while nothing is pending.
pub struct Parser {
    limits: XmlLimits,
    /// The bounds that held when the current token began.
    token_limits: XmlLimits,
    framer: Framer,
    /// Set by the stream header.
    opening: Option<Box<Opening>>,
    /// Not looked at yet.
    input: Bytes,
    /// How long the buffer of `input` was when it came.
    input_bytes: usize,
    /// Comes behind `input`.
    queue: VecDeque<Bytes>,
    /// Looked at, without the end of its token.
    pending: Vec<u8>,
    /// Whether the header was an empty element: then the stream has ended with it.
    has_ended: bool,
    failed: Option<XmlError>,
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

/// Why the stream cannot go on. Each maps to one condition of RFC 6120, 4.9.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XmlError {
    /// `not-well-formed`: what exactly.
    NotWellFormed(&'static str),
    /// `restricted-xml`: comment, processing instruction, DTD or undefined entity (RFC 6120, 11.1).
    Restricted(&'static str),
    /// `unsupported-encoding`: not UTF-8, by declaration, by its byte order mark or by its bytes (RFC 6120, 4.9.3.22).
    Encoding(&'static str),
    /// `not-well-formed` by RFC 6120, 11.1: not XML characters.
    Characters(&'static str),
    /// `not-well-formed` by RFC 6120, 11.3: a prefix that nothing declares.
    Prefix(&'static str),
    /// `policy-violation`: a bound was reached; which one.
    TooBig(&'static str),
}

impl XmlError {
    /// Returns what exactly was wrong, for the log.
    pub const fn detail(self) -> &'static str {
        match self {
            Self::NotWellFormed(detail)
            | Self::Restricted(detail)
            | Self::Encoding(detail)
            | Self::Characters(detail)
            | Self::Prefix(detail)
            | Self::TooBig(detail) => detail,
        }
    }

    /// Returns the condition of the stream error (RFC 6120, 4.9.3).
    pub const fn condition(self) -> &'static str {
        match self {
            Self::NotWellFormed(_) | Self::Characters(_) | Self::Prefix(_) => "not-well-formed",
            Self::Restricted(_) => "restricted-xml",
            Self::Encoding(_) => "unsupported-encoding",
            Self::TooBig(_) => "policy-violation",
        }
    }
}

impl Parser {
    /// Creates the parser of a new stream.
    pub fn new(limits: XmlLimits) -> Self {
        let mut parser = Self {
            limits,
            token_limits: limits,
            framer: Framer::at_start(),
            opening: None,
            input: Bytes::new(),
            input_bytes: 0,
            queue: VecDeque::new(),
            pending: Vec::new(),
            has_ended: false,
            failed: None,
        };
        parser.set_limits(limits);
        parser
    }

    /// Changes the bounds from the next element on.
    pub fn set_limits(&mut self, limits: XmlLimits) {
        self.limits = XmlLimits { depth: limits.depth.min(DEPTH_MAX), ..limits };
    }

    /// Adds bytes. They are looked at by [`Self::next_token`].
    pub fn push(&mut self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        if self.input.is_empty() {
            self.input_bytes = bytes.len();
            self.input = bytes;
        } else {
            self.queue.push_back(bytes);
        }
    }

    /// Returns the next token, or nothing when more bytes are needed.
    ///
    /// Bytes behind the token are not looked at before the next call, so that the caller may
    /// [`restart`](Self::restart), [`discard`](Self::discard) or change the bounds in between. White space
    /// between tokens is skipped and not kept. An XML declaration may stand before the header, with white
    /// space before it: a line break that ends the last element of a stream may arrive after its restart.
    ///
    /// # Errors
    ///
    /// [`XmlError`], the peer's fault. The parser must not be used afterwards; it keeps returning the error.
    pub fn next_token(&mut self) -> Result<Option<Token>, XmlError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.advance().inspect_err(|&error| {
            self.discard();
            self.failed = Some(error);
        })
    }

    fn advance(&mut self) -> Result<Option<Token>, XmlError> {
        if mem::take(&mut self.has_ended) {
            return Ok(Some(Token::Footer));
        }
        while self.refill() {
            if self.framer.is_idle() {
                let space = self.framer.skip_space(&self.input)?;
                self.input.advance(space);
                self.token_limits = self.limits;
                if self.input.is_empty() {
                    continue;
                }
            }
            let (used, cut) = self.framer.scan(&self.input, self.token_limits)?;
            let Some(cut) = cut else {
                self.pending.extend_from_slice(&self.input);
                self.input = Bytes::new();
                continue;
            };
            let piece = self.input.split_to(used);
            let part = if self.pending.is_empty() {
                self.unpin(piece)
            } else {
                self.pending.extend_from_slice(&piece);
                Bytes::from(mem::take(&mut self.pending))
            };
            if let Some(token) = self.token(cut, part)? {
                return Ok(Some(token));
            }
        }
        Ok(None)
    }

    /// Copies a piece that is small beside the buffer it came in: who keeps the piece would keep all of it, and
    /// a bound that counts pieces would not see that.
    fn unpin(&self, piece: Bytes) -> Bytes {
        if piece.len().saturating_mul(PIN_RATIO_MAX) < self.input_bytes {
            Bytes::copy_from_slice(&piece)
        } else {
            piece
        }
    }

    /// Makes sure that `input` has bytes, if there are any. Lets go of buffers that are used up.
    fn refill(&mut self) -> bool {
        if !self.input.is_empty() {
            return true;
        }
        // An empty piece of a buffer would keep the buffer.
        self.input = self.queue.pop_front().unwrap_or_default();
        self.input_bytes = self.input.len();
        if self.queue.is_empty() && self.queue.capacity() > 0 {
            self.queue = VecDeque::new();
        }
        !self.input.is_empty()
    }

    fn token(&mut self, cut: Cut, part: Bytes) -> Result<Option<Token>, XmlError> {
        match cut {
            Cut::Declaration => header::check_declaration(&part).map(|()| None),
            Cut::Header => {
                let (header, opening) = header::parse(&part, self.token_limits)?;
                self.opening = Some(Box::new(opening));
                self.has_ended = part.ends_with(b"/>");
                Ok(Some(Token::Header(header)))
            }
            Cut::Element => {
                let scope = self.opening.as_ref().map_or(&NOWHERE, |opening| &opening.scope);
                Element::checked(part, scope, self.token_limits).map(|element| Some(Token::Element(element)))
            }
            Cut::Footer => {
                if let Some(opening) = &self.opening {
                    header::check_footer(&part, opening)?;
                }
                Ok(Some(Token::Footer))
            }
        }
    }

    /// Expects a new stream header next (RFC 6120, 4.3.3). Bytes already pushed belong to the new stream,
    /// those of a token that has begun included.
    pub fn restart(&mut self) {
        if !self.pending.is_empty() {
            let input = mem::replace(&mut self.input, Bytes::from(mem::take(&mut self.pending)));
            if !input.is_empty() {
                self.queue.push_front(input);
            }
        }
        self.framer = Framer::at_start();
        self.opening = None;
        self.has_ended = false;
    }

    /// Forgets bytes already pushed, those of a token that has begun included, and returns how many there
    /// were. White space that [`Self::next_token`] has not reached counts.
    pub fn discard(&mut self) -> usize {
        let queued: usize = self.queue.iter().map(Bytes::len).sum();
        let discarded = self.pending.len() + self.input.len() + queued;
        self.pending = Vec::new();
        self.input = Bytes::new();
        self.queue = VecDeque::new();
        self.framer.abandon();
        discarded
    }

    /// Returns how many bytes have been pushed and [`Self::next_token`] has not looked at.
    pub fn unread_bytes(&self) -> usize {
        self.input.len() + self.queue.iter().map(Bytes::len).sum::<usize>()
    }

    /// Returns how many bytes wait for the rest of their token. Bytes that [`Self::next_token`] has not
    /// looked at do not count.
    pub fn pending_bytes(&self) -> usize {
        self.pending.len()
    }
}

impl fmt::Debug for Parser {
    /// Shows no byte: what waits here may be credentials.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Parser")
            .field("unread_bytes", &self.unread_bytes())
            .field("pending_bytes", &self.pending_bytes())
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}
