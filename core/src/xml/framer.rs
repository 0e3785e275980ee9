//! Where things end: cuts a stream into its parts without reading them.
//!
//! The framer is a state machine over bytes. It touches each byte once, may stop anywhere, and what it does
//! depends on the bytes alone, never on how they are sliced.

use memchr::{memchr, memchr2};
use smallvec::SmallVec;

use super::chars::{NAME_START, SPACE, TAG_STOP, is, is_control, skip_space};
use super::{XmlError, XmlLimits};

/// The state between two slices.
#[derive(Clone, Debug)]
pub(super) struct Framer {
    place: Place,
    state: State,
    /// Elements open inside the part that is being read: the hashes of their names. An end tag that fits none is
    /// an error at once; otherwise what follows a forgotten end tag would be swallowed up to the bound. Whether
    /// names are equal, and not only their hashes, is seen when the element is read.
    open: SmallVec<[u32; 8]>,
    /// The hash of the name that is being read, or was read last.
    name: u32,
    /// Bytes of the part that is being read.
    taken: u32,
}

/// What is cut out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// `<?xml ... ?>`.
    Declaration,
    /// The start tag of the stream.
    Header,
    /// One element at depth one.
    Element,
    /// The end tag of the stream.
    Footer,
}

/// Which parts may come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Declaration or header.
    Start,
    /// Header.
    Declared,
    /// Elements or footer.
    Stream,
    /// Nothing but white space.
    Closed,
}

/// Where in the text the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Between the parts.
    Idle,
    /// In the content of an element.
    Text,
    /// Behind `<`.
    Open,
    /// In the name of a start tag.
    Name,
    /// In a start tag behind its name, outside quotes; whether the last byte was `/`.
    Tag { slash: bool },
    /// In an attribute value that this quote ends.
    Value { quote: u8 },
    /// Behind `</`; whether the name has ended.
    EndTag { named: bool },
    /// Behind `<!`.
    Bang,
    /// Behind `<![` and as many bytes of `CDATA[`.
    CDataOpen { matched: u8 },
    /// In a CDATA section, behind that many `]`, at most two.
    CData { brackets: u8 },
    /// Behind `<?` and as many bytes of `xml` and one white space.
    DeclarationOpen { matched: u8 },
    /// In the XML declaration; whether the last byte was `?`.
    Declaration { question: bool },
}

/// The hash of no name.
const NAME_HASH: u32 = 0x811c_9dc5;

/// Bytes used and, when a part ended with them, which.
type Step = (usize, Option<Cut>);

impl Framer {
    /// Creates the framer of a new stream.
    pub(super) fn at_start() -> Self {
        Self { place: Place::Start, state: State::Idle, open: SmallVec::new(), name: 0, taken: 0 }
    }

    /// Creates a framer that expects elements, without a header.
    pub(super) fn inside() -> Self {
        Self { place: Place::Stream, state: State::Idle, open: SmallVec::new(), name: 0, taken: 0 }
    }

    /// Returns whether no part has begun.
    pub(super) fn is_idle(&self) -> bool {
        self.state == State::Idle
    }

    /// Forgets the part that has begun.
    pub(super) fn abandon(&mut self) {
        self.state = State::Idle;
        self.open = SmallVec::new();
        self.taken = 0;
    }

    /// Returns how many bytes of white space `bytes` start with. Only while idle.
    ///
    /// # Errors
    ///
    /// When what follows can be no part of a stream.
    pub(super) fn skip_space(&self, bytes: &[u8]) -> Result<usize, XmlError> {
        let run = skip_space(bytes, 0);
        match (bytes.get(run), self.place) {
            (None, _) | (Some(b'<'), Place::Start | Place::Declared | Place::Stream) => Ok(run),
            (Some(_), Place::Closed) => Err(XmlError::NotWellFormed("data behind the end of the stream")),
            (Some(0xFE | 0xFF), Place::Start) => Err(XmlError::Encoding("byte order mark of UTF-16")),
            (Some(&byte), _) => Err(stray(byte, "text outside the elements of the stream")),
        }
    }

    /// Reads on, up to the end of the part or of `bytes`; returns how many bytes that are.
    ///
    /// # Errors
    ///
    /// What the module page lists for the framer. The part is refused with the byte that fills the bound
    /// without ending it, not at its end.
    pub(super) fn scan(&mut self, bytes: &[u8], limits: XmlLimits) -> Result<Step, XmlError> {
        let room = limits.element_bytes.saturating_sub(self.taken);
        let window = usize::try_from(room).ok().and_then(|room| bytes.get(..room)).unwrap_or(bytes);
        let mut rest = window;
        while !rest.is_empty() {
            let (used, cut) = self.step(rest, limits)?;
            rest = rest.get(used..).unwrap_or_default();
            if cut.is_some() {
                self.abandon();
                return Ok((window.len() - rest.len(), cut));
            }
        }
        // The window is no longer than `room`, which is 32 bits wide.
        self.taken = self.taken.saturating_add(u32::try_from(window.len()).unwrap_or(u32::MAX));
        if self.taken >= limits.element_bytes {
            return Err(XmlError::TooBig("element_bytes"));
        }
        Ok((window.len(), None))
    }

    /// Reads at least one byte of `rest`, which is not empty.
    fn step(&mut self, rest: &[u8], limits: XmlLimits) -> Result<Step, XmlError> {
        let byte = rest.first().copied().unwrap_or_default();
        match self.state {
            State::Idle => self.state = State::Open,
            State::Text => match memchr(b'<', rest) {
                Some(at) => {
                    self.state = State::Open;
                    return Ok((at + 1, None));
                }
                None => return Ok((rest.len(), None)),
            },
            State::Open => self.state = self.open(byte, limits)?,
            State::Name => return Ok((self.start_name(rest), None)),
            State::Tag { slash } => return self.tag(rest, slash),
            State::Value { quote } => return self.value(rest, quote),
            State::EndTag { named } => return self.end_tag(rest, named),
            State::Bang => self.state = self.bang(byte)?,
            State::CDataOpen { matched } => self.state = cdata_open(byte, matched)?,
            State::CData { brackets } => return Ok((self.cdata(rest, brackets), None)),
            State::DeclarationOpen { matched } => self.state = declaration_open(byte, matched)?,
            State::Declaration { question } => return Ok(self.declaration(rest, question)),
        }
        Ok((1, None))
    }

    fn open(&mut self, byte: u8, limits: XmlLimits) -> Result<State, XmlError> {
        self.name = NAME_HASH;
        match byte {
            b'/' if matches!(self.place, Place::Stream) => Ok(State::EndTag { named: false }),
            b'/' => Err(XmlError::NotWellFormed("end tag without a start tag")),
            b'!' => Ok(State::Bang),
            b'?' if self.place == Place::Start => Ok(State::DeclarationOpen { matched: 0 }),
            b'?' => Err(XmlError::Restricted("processing instruction")),
            _ if !is(byte, NAME_START) => Err(stray(byte, "`<` without a name")),
            _ if self.place == Place::Stream && self.open.len() >= usize::from(limits.depth) => {
                Err(XmlError::TooBig("depth"))
            }
            _ => {
                self.hash(&[byte]);
                Ok(State::Name)
            }
        }
    }

    /// Reads on in the name of a start tag; stops before the byte that ends it.
    fn start_name(&mut self, rest: &[u8]) -> usize {
        let end = rest.iter().position(|&byte| byte == b'/' || is(byte, TAG_STOP | SPACE));
        if end.is_some() {
            self.state = State::Tag { slash: false };
        }
        let used = end.unwrap_or(rest.len());
        self.hash(rest.get(..used).unwrap_or_default());
        used
    }

    /// Takes bytes of a name into its hash (FNV-1a).
    fn hash(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.name = (self.name ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        }
    }

    fn tag(&mut self, rest: &[u8], slash: bool) -> Result<Step, XmlError> {
        let Some(at) = rest.iter().position(|&byte| is(byte, TAG_STOP)) else {
            self.state = State::Tag { slash: rest.last() == Some(&b'/') };
            return Ok((rest.len(), None));
        };
        let slash = at.checked_sub(1).map_or(slash, |before| rest.get(before) == Some(&b'/'));
        let cut = match rest.get(at) {
            Some(b'>') => self.close_start_tag(slash),
            Some(&quote @ (b'\'' | b'"')) => {
                self.state = State::Value { quote };
                None
            }
            _ => return Err(XmlError::NotWellFormed("`<` inside a tag")),
        };
        Ok((at + 1, cut))
    }

    fn close_start_tag(&mut self, empty: bool) -> Option<Cut> {
        if self.place != Place::Stream {
            self.place = if empty { Place::Closed } else { Place::Stream };
            return Some(Cut::Header);
        }
        self.state = State::Text;
        if !empty {
            self.open.push(self.name);
        }
        self.open.is_empty().then_some(Cut::Element)
    }

    fn value(&mut self, rest: &[u8], quote: u8) -> Result<Step, XmlError> {
        match memchr2(quote, b'<', rest) {
            None => Ok((rest.len(), None)),
            Some(at) if rest.get(at) == Some(&quote) => {
                self.state = State::Tag { slash: false };
                Ok((at + 1, None))
            }
            Some(_) => Err(XmlError::NotWellFormed("`<` inside an attribute value")),
        }
    }

    fn end_tag(&mut self, rest: &[u8], named: bool) -> Result<Step, XmlError> {
        let stops = if named { TAG_STOP } else { TAG_STOP | SPACE };
        let end = rest.iter().position(|&byte| is(byte, stops));
        if !named {
            self.hash(rest.get(..end.unwrap_or(rest.len())).unwrap_or_default());
        }
        let Some(at) = end else {
            return Ok((rest.len(), None));
        };
        if rest.get(at).is_some_and(|&byte| is(byte, SPACE)) {
            self.state = State::EndTag { named: true };
            return Ok((at + 1, None));
        }
        if rest.get(at) != Some(&b'>') {
            return Err(XmlError::NotWellFormed("quote or `<` inside an end tag"));
        }
        self.state = State::Text;
        let cut = match self.open.pop() {
            None => {
                self.place = Place::Closed;
                Some(Cut::Footer)
            }
            Some(name) if name != self.name => {
                return Err(XmlError::NotWellFormed("end tag that does not match the start tag"));
            }
            Some(_) => self.open.is_empty().then_some(Cut::Element),
        };
        Ok((at + 1, cut))
    }

    fn bang(&self, byte: u8) -> Result<State, XmlError> {
        match byte {
            b'-' => Err(XmlError::Restricted("comment")),
            b'A'..=b'Z' => Err(XmlError::Restricted("document type declaration")),
            b'[' if !self.open.is_empty() => Ok(State::CDataOpen { matched: 0 }),
            b'[' => Err(XmlError::NotWellFormed("CDATA outside the elements of the stream")),
            _ => Err(stray(byte, "`<!` without a declaration")),
        }
    }

    fn cdata(&mut self, rest: &[u8], brackets: u8) -> usize {
        let (used, state) = match (rest.first(), brackets) {
            (Some(b']'), 0) => (1, State::CData { brackets: 1 }),
            (Some(b']'), _) => (1, State::CData { brackets: 2 }),
            (Some(b'>'), 2) => (1, State::Text),
            _ => (memchr(b']', rest).unwrap_or(rest.len()), State::CData { brackets: 0 }),
        };
        self.state = state;
        used
    }

    fn declaration(&mut self, rest: &[u8], question: bool) -> Step {
        match (rest.first(), question) {
            (Some(b'>'), true) => {
                self.place = Place::Declared;
                (1, Some(Cut::Declaration))
            }
            (first, _) => {
                self.state = State::Declaration { question: first == Some(&b'?') };
                (1, None)
            }
        }
    }
}

fn cdata_open(byte: u8, matched: u8) -> Result<State, XmlError> {
    match b"CDATA[".get(usize::from(matched)) {
        Some(b'[') if byte == b'[' => Ok(State::CData { brackets: 0 }),
        Some(&expected) if byte == expected => Ok(State::CDataOpen { matched: matched + 1 }),
        _ => Err(stray(byte, "`<![` without `CDATA[`")),
    }
}

fn declaration_open(byte: u8, matched: u8) -> Result<State, XmlError> {
    match b"xml".get(usize::from(matched)) {
        None if is(byte, SPACE) => Ok(State::Declaration { question: false }),
        Some(&expected) if byte == expected => Ok(State::DeclarationOpen { matched: matched + 1 }),
        _ => Err(XmlError::Restricted("processing instruction")),
    }
}

/// The error for a byte that cannot stand where it stands: `what`, unless no character starts with it.
fn stray(byte: u8, what: &'static str) -> XmlError {
    match byte {
        0x80..=0xC1 | 0xF5.. => XmlError::Encoding("bytes that are not UTF-8"),
        _ if is_control(byte) => XmlError::Characters("control character"),
        _ => XmlError::NotWellFormed(what),
    }
}
