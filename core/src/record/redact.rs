//! Recordings that can be shown to somebody who may not read the messages.
//!
//! What is redacted: the character data inside `body` and `subject` elements of any namespace and at any depth
//! below them, in what connections received. Each byte becomes one byte of filler, so lengths, markup, addresses and
//! times stay. What is not: attributes, other elements, what the store returned, names, passwords and keys. A
//! redacted recording still opens every account in it.
//!
//! What other nodes of a cluster sent is everybody's messages and keys, so all of it is filled. Such a recording replays up
//! to the first node that said something.
//!
//! A replay of a redacted recording gives outputs of the same number, kinds, order, addresses and lengths, and
//! what it sends is what redaction makes of what was sent. Two exceptions: a stream that failed because of
//! characters or references in a body does not fail, and where a handler resolves references before it writes a
//! body again, its length differs.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::frames::{Entry, ReadError, RecordReader, RecordWriter};
use crate::io::{ConnId, ConnKind, Input};

/// What stands in place of a byte.
const FILLER: u8 = b'x';

/// Elements whose character data is redacted.
const REDACTED: [&[u8]; 2] = [b"body", b"subject"];

/// The longest of them; longer names are not kept.
const NAME_BYTES_MAX: usize = 7;

/// Redacts inputs, in their order.
#[derive(Debug, Default)]
pub struct Redactor {
    streams: BTreeMap<ConnId, Scanner>,
    /// Connections with other nodes.
    peers: BTreeSet<ConnId>,
}

impl Redactor {
    /// Creates a redactor for the inputs of one node from its start.
    pub const fn new() -> Self {
        Self { streams: BTreeMap::new(), peers: BTreeSet::new() }
    }

    /// Redacts one input.
    #[must_use]
    pub fn redact(&mut self, input: Input) -> Input {
        match input {
            Input::Received { conn, bytes } if self.peers.contains(&conn) => {
                Input::Received { conn, bytes: bytes.iter().map(|_| FILLER).collect() }
            }
            Input::Received { conn, bytes } => {
                let bytes = self.streams.entry(conn).or_default().redact(&bytes);
                Input::Received { conn, bytes }
            }
            Input::Opened { conn, kind: ConnKind::Peer, .. } | Input::Connected { outcome: Ok(conn), .. } => {
                self.peers.insert(conn);
                input
            }
            // A new stream begins, whatever was left open before.
            Input::Secured { conn, .. } => {
                self.streams.remove(&conn);
                input
            }
            Input::Closed { conn, .. } => {
                self.streams.remove(&conn);
                self.peers.remove(&conn);
                input
            }
            Input::Opened { kind: ConnKind::ClientStartTls | ConnKind::ClientDirectTls, .. }
            | Input::Connected { outcome: Err(_), .. }
            | Input::Flushed { .. }
            | Input::Ended { .. }
            | Input::Stored { .. }
            | Input::Loaded { .. }
            | Input::Derived { .. }
            | Input::Command { .. }
            | Input::Tick => input,
        }
    }
}

/// Redacts a whole recording. A torn tail is left out.
///
/// # Errors
///
/// [`ReadError`] when the recording cannot be read, but for its torn tail.
pub fn redact(recording: Bytes) -> Result<Vec<u8>, ReadError> {
    let mut reader = RecordReader::new(recording)?;
    let (mut writer, mut out) = RecordWriter::header(reader.header());
    let mut redactor = Redactor::new();
    loop {
        match reader.next_entry() {
            Ok(Some(Entry::Input { now, input })) => {
                out.append(&mut writer.frame(now, &redactor.redact(input)));
            }
            Ok(Some(Entry::End(end))) => {
                out.append(&mut writer.end(end));
                return Ok(out);
            }
            Ok(None) | Err(ReadError::Torn { .. }) => return Ok(out),
            Err(error @ (ReadError::NoRecording | ReadError::Format(_) | ReadError::Unknown { .. })) => {
                return Err(error);
            }
        }
    }
}

/// Finds the character data of one stream, in whatever pieces it comes.
#[derive(Debug, Default)]
struct Scanner {
    place: Place,
    /// Elements open from the outermost redacted one on.
    depth: u64,
}

/// Where in the markup the next byte stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Text,
    /// Behind `<`.
    Markup,
    /// In the name of a start tag.
    Name(Name),
    /// In a start tag behind its name.
    StartTag {
        is_redacted: bool,
        quote: Option<u8>,
        is_empty: bool,
    },
    EndTag,
    /// Behind `<!` and this many bytes of `[CDATA[`.
    Bang(usize),
    /// Behind this many `]`, at most two.
    Cdata(usize),
    /// In the XML declaration; behind a `?` or not.
    Declaration {
        may_end: bool,
    },
    /// In what no stream may hold. The node closes the stream there; whatever follows is filled.
    Broken,
}

/// The local name of a tag as far as it has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Name {
    bytes: [u8; NAME_BYTES_MAX],
    /// May exceed the bytes kept.
    length: usize,
}

impl Name {
    fn push(mut self, byte: u8) -> Self {
        if byte == b':' {
            return Self::default();
        }
        if let Some(slot) = self.bytes.get_mut(self.length) {
            *slot = byte;
        }
        self.length = self.length.saturating_add(1);
        self
    }

    fn is_redacted(self) -> bool {
        self.bytes.get(..self.length).is_some_and(|name| REDACTED.contains(&name))
    }
}

impl Scanner {
    fn redact(&mut self, bytes: &[u8]) -> Bytes {
        bytes.iter().map(|byte| self.step(*byte)).collect()
    }

    /// Takes one byte, and returns what stands in its place.
    fn step(&mut self, byte: u8) -> u8 {
        let is_inside = self.depth > 0;
        let (next, shown) = match self.place {
            Place::Text if byte == b'<' => (Place::Markup, byte),
            Place::Text => (Place::Text, if is_inside { FILLER } else { byte }),
            // Only the beginning of a stream may hold a declaration.
            Place::Markup if byte == b'?' && is_inside => (Place::Broken, byte),
            Place::Markup => (after_bracket(byte), byte),
            Place::Name(name) => (self.in_name(name, byte), byte),
            Place::StartTag { is_redacted, quote, is_empty } => {
                (self.in_start_tag(is_redacted, quote, is_empty, byte), byte)
            }
            Place::EndTag if byte == b'>' => {
                self.depth = self.depth.saturating_sub(1);
                (Place::Text, byte)
            }
            Place::EndTag => (if byte == b'<' { Place::Broken } else { Place::EndTag }, byte),
            Place::Bang(matched) => (after_bang(matched, byte), byte),
            Place::Cdata(2) | Place::Declaration { may_end: true } if byte == b'>' => (Place::Text, byte),
            // Shown because they may belong to the end, of which the rest has not come.
            Place::Cdata(brackets) if byte == b']' => (Place::Cdata((brackets + 1).min(2)), byte),
            Place::Cdata(_) => (Place::Cdata(0), if is_inside { FILLER } else { byte }),
            Place::Declaration { .. } => (Place::Declaration { may_end: byte == b'?' }, byte),
            Place::Broken => (Place::Broken, FILLER),
        };
        self.place = next;
        if next == Place::Broken { FILLER } else { shown }
    }

    fn in_name(&mut self, name: Name, byte: u8) -> Place {
        if matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b'/' | b'>') {
            self.in_start_tag(name.is_redacted(), None, false, byte)
        } else if byte == b'<' {
            Place::Broken
        } else {
            Place::Name(name.push(byte))
        }
    }

    fn in_start_tag(&mut self, is_redacted: bool, quote: Option<u8>, is_empty: bool, byte: u8) -> Place {
        match (quote, byte) {
            (_, b'<') => Place::Broken,
            (Some(open), _) => {
                let quote = (open != byte).then_some(open);
                Place::StartTag { is_redacted, quote, is_empty: false }
            }
            (None, b'\'' | b'"') => Place::StartTag { is_redacted, quote: Some(byte), is_empty: false },
            (None, b'>') => {
                if !is_empty && (is_redacted || self.depth > 0) {
                    self.depth = self.depth.saturating_add(1);
                }
                Place::Text
            }
            (None, _) => Place::StartTag { is_redacted, quote, is_empty: byte == b'/' },
        }
    }
}

const fn after_bracket(byte: u8) -> Place {
    match byte {
        b'/' => Place::EndTag,
        b'!' => Place::Bang(0),
        b'?' => Place::Declaration { may_end: false },
        b'<' | b'>' => Place::Broken,
        _ => Place::Name(Name { bytes: [byte, 0, 0, 0, 0, 0, 0], length: 1 }),
    }
}

fn after_bang(matched: usize, byte: u8) -> Place {
    const CDATA: &[u8] = b"[CDATA[";
    match CDATA.get(matched) {
        Some(expected) if *expected == byte && matched + 1 == CDATA.len() => Place::Cdata(0),
        Some(expected) if *expected == byte => Place::Bang(matched + 1),
        Some(_) | None => Place::Broken,
    }
}

#[cfg(test)]
mod tests {
    use super::super::frames::{End, Header};
    use super::super::samples::Rng;
    use super::*;
    use crate::config::Config;
    use crate::io::{CloseCause, OpId, PeerAddr, TlsInfo};
    use crate::jid::Domain;
    use crate::time::Now;

    const CONN: ConnId = ConnId(1);

    fn received(conn: ConnId, bytes: &[u8]) -> Input {
        Input::Received { conn, bytes: Bytes::copy_from_slice(bytes) }
    }

    fn shown(input: &Input) -> String {
        let Input::Received { bytes, .. } = input else {
            unreachable!("the kind of an input stays");
        };
        String::from_utf8_lossy(bytes).into_owned()
    }

    #[test]
    fn bodies_and_subjects_are_filled_and_nothing_else_changes() {
        for (text, expected) in [
            (
                "<message to='a@b' id='body'><body>hi &amp; bye</body><thread>t</thread></message>",
                "<message to='a@b' id='body'><body>xxxxxxxxxxxx</body><thread>t</thread></message>",
            ),
            ("<subject xml:lang=\"en\">é🙂</subject>x", "<subject xml:lang=\"en\">xxxxxx</subject>x"),
            ("<body\n>a</body\n>b", "<body\n>x</body\n>b"),
            ("<body/>a<body />b<subject a='/'>c</subject>", "<body/>a<body />b<subject a='/'>x</subject>"),
            ("<x:body>a</x:body><body:x>b</body:x>", "<x:body>x</x:body><body:x>b</body:x>"),
            (
                "<bod>a</bod><bodyy>b</bodyy><subjects>c</subjects>",
                "<bod>a</bod><bodyy>b</bodyy><subjects>c</subjects>",
            ),
            (
                "<html><body><p a='>\"'>q<br/>r</p>s</body></html>t",
                "<html><body><p a='>\"'>x<br/>x</p>x</body></html>t",
            ),
            ("<body>a<body>b</body>c</body>d", "<body>x<body>x</body>x</body>d"),
            (
                "<body><![CDATA[a]>]]b]]]></body><b><![CDATA[c]]></b>",
                "<body><![CDATA[x]x]]x]]]></body><b><![CDATA[c]]></b>",
            ),
            (
                "<?xml version='1.0'?><stream:stream to='b'> <body>a",
                "<?xml version='1.0'?><stream:stream to='b'> <body>x",
            ),
            ("<auth mechanism='PLAIN'>AGEAYg==</auth>", "<auth mechanism='PLAIN'>AGEAYg==</auth>"),
            ("<body>a<!-- b --></body>c", "<body>x<!xxxxxxxxxxxxxxxx"),
            ("<body>a<?b?></body>c", "<body>x<xxxxxxxxxxxx"),
            ("<body a='<'>b", "<body a='xxxx"),
        ] {
            assert_eq!(shown(&Redactor::new().redact(received(CONN, text.as_bytes()))), expected);
            assert_eq!(text.len(), expected.len());
        }
    }

    #[test]
    fn slicing_makes_no_difference() {
        let text = "<stream:stream><message to='a@b'><subject>s&lt;</subject><body>hi <b>you</b> <![CDATA[]]]]>\
                    é</body></message><!-- -->";
        let whole = shown(&Redactor::new().redact(received(CONN, text.as_bytes())));
        let mut rng = Rng::new(11);
        for _ in 0..500 {
            let mut redactor = Redactor::new();
            let mut rest = text.as_bytes();
            let mut pieces = String::new();
            while !rest.is_empty() {
                let (piece, left) = rest.split_at(1 + rng.below(rest.len().min(9)));
                rest = left;
                pieces += &shown(&redactor.redact(received(CONN, piece)));
                // Another connection in between has its own place in its own markup.
                let other = redactor.redact(received(ConnId(2), b"<a>b</a>"));
                assert_eq!(shown(&other), "<a>b</a>");
            }
            assert_eq!(pieces, whole);
        }
    }

    #[test]
    fn a_new_stream_begins_outside_of_everything() {
        let mut redactor = Redactor::new();
        let secured = Input::Secured { conn: CONN, tls: TlsInfo::default() };
        let closed = Input::Closed { conn: CONN, cause: CloseCause::Reset };
        for boundary in [secured, closed] {
            assert_eq!(shown(&redactor.redact(received(CONN, b"<body>a"))), "<body>x");
            assert_eq!(redactor.redact(boundary.clone()), boundary);
            assert_eq!(shown(&redactor.redact(received(CONN, b"b<body>c</body>"))), "b<body>x</body>");
        }
    }

    #[test]
    fn nothing_that_other_nodes_say_is_shown() {
        let peer = PeerAddr([0; 16]);
        for first in [
            Input::Opened { conn: CONN, kind: ConnKind::Peer, peer },
            Input::Connected { op: OpId(1), outcome: Ok(CONN) },
        ] {
            let mut redactor = Redactor::new();
            assert_eq!(redactor.redact(first.clone()), first);
            let secured = Input::Secured { conn: CONN, tls: TlsInfo::default() };
            assert_eq!(redactor.redact(secured.clone()), secured);
            assert_eq!(shown(&redactor.redact(received(CONN, b"\x01<a>"))), "xxxx");
            assert_eq!(shown(&redactor.redact(received(ConnId(2), b"<a>"))), "<a>");
        }
    }

    #[test]
    fn a_redacted_recording_has_the_same_entries_but_for_the_bodies() {
        let domain = Domain::parse("a.example").unwrap();
        let header = Header { seed: [3; 32], config: Config::single(domain), start: Now::default() };
        let make = |body: &str, end: bool| {
            let (mut writer, mut bytes) = RecordWriter::header(&header);
            for piece in ["<message to='b@a.example'><body>", body, "</body></message>"] {
                bytes.append(&mut writer.frame(Now::default(), &received(CONN, piece.as_bytes())));
            }
            bytes.append(&mut writer.frame(Now::default(), &Input::Tick));
            if end {
                bytes.append(&mut writer.end(End::SizeBound));
            }
            bytes
        };
        for end in [true, false] {
            assert_eq!(redact(make("secret", end).into()), Ok(make("xxxxxx", end)));
        }
        let mut torn = make("secret", false);
        torn.extend(b"torn");
        assert_eq!(redact(torn.into()), Ok(make("xxxxxx", false)));
        assert_eq!(redact(Bytes::from_static(b"no")), Err(ReadError::NoRecording));
    }

    #[test]
    fn any_bytes_keep_their_length() {
        let mut rng = Rng::new(12);
        let mut redactor = Redactor::new();
        let alphabet = b"<>/!?-[]'\" =:&;bodysubjectCDATA\0\xff\xc3";
        for _ in 0..5_000 {
            let bytes: Vec<u8> = (0..rng.below(60)).map(|_| alphabet[rng.below(alphabet.len())]).collect();
            let conn = ConnId(rng.below(50) as u64);
            let Input::Received { bytes: out, .. } = redactor.redact(received(conn, &bytes)) else {
                unreachable!("the kind of an input stays");
            };
            assert_eq!(out.len(), bytes.len());
            assert!(bytes.iter().zip(&out).all(|(before, after)| before == after || *after == FILLER));
        }
    }
}
