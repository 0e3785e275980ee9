//! The XML front: any slicing of the same bytes gives the same tokens, and every element stands for itself.

use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;
use eyot_core::xml::{Element, Parser, Token, XmlLimits};

/// Small bounds, so that small inputs reach them.
const LIMITS: XmlLimits = XmlLimits { element_bytes: 512, depth: 8, attributes: 6 };

/// A piece of a stream, well-formed on average.
#[derive(Arbitrary, Debug)]
enum Piece {
    Header,
    Open(Name),
    OpenPrefixed(Name),
    Attribute(Name, Text),
    Declare(Name),
    EndTag(Name),
    EndPrefixed(Name),
    Empty,
    Greater,
    Chars(Text),
    Cdata(Text),
    Reference(Text),
    Comment,
    Instruction,
    Doctype,
    Footer,
    Raw(Vec<u8>),
}

/// A name.
#[derive(Arbitrary, Debug)]
enum Name {
    A,
    B,
    Message,
    Ümlaut,
    Any(u8),
}

/// A text.
#[derive(Arbitrary, Debug)]
enum Text {
    Short,
    Wide,
    Quotes,
    Namespace,
    Long,
    Any(String),
}

impl Name {
    fn text(&self) -> String {
        match self {
            Self::A => "a".into(),
            Self::B => "b".into(),
            Self::Message => "message".into(),
            Self::Ümlaut => "ümlaut".into(),
            Self::Any(byte) => char::from(*byte).into(),
        }
    }
}

impl Text {
    fn text(&self) -> String {
        match self {
            Self::Short => "x".into(),
            Self::Wide => "ü𐍈\u{200d}".into(),
            Self::Quotes => "&quot;&#39;&lt;&#x1F6F6;".into(),
            Self::Namespace => "urn:example:x".into(),
            Self::Long => "long ".repeat(60),
            Self::Any(text) => text.clone(),
        }
    }
}

impl Piece {
    fn write(&self, out: &mut Vec<u8>) {
        let text = match self {
            Self::Header => {
                "<?xml version='1.0'?><stream:stream xmlns='jabber:client' to='a.example' version='1.0' \
                             xmlns:stream='http://etherx.jabber.org/streams' xmlns:p='urn:example:p'>"
                    .into()
            }
            Self::Open(name) => format!("<{}", name.text()),
            Self::OpenPrefixed(name) => format!("<p:{}", name.text()),
            Self::Attribute(name, value) => format!(" {}='{}'", name.text(), value.text()),
            Self::Declare(name) => format!(" xmlns:{}='urn:example:{}'", name.text(), name.text()),
            Self::EndTag(name) => format!("</{}>", name.text()),
            Self::EndPrefixed(name) => format!("</p:{}>", name.text()),
            Self::Empty => "/>".into(),
            Self::Greater => ">".into(),
            Self::Chars(text) => text.text(),
            Self::Cdata(text) => format!("<![CDATA[{}]]>", text.text()),
            Self::Reference(text) => format!("&{};", text.text()),
            Self::Comment => "<!-- c -->".into(),
            Self::Instruction => "<?pi x?>".into(),
            Self::Doctype => "<!DOCTYPE a [<!ENTITY b 'c'>]>".into(),
            Self::Footer => "</stream:stream>".into(),
            Self::Raw(bytes) => return out.extend(bytes),
        };
        out.extend(text.as_bytes());
    }
}

/// Checks the bytes as a stream, in slices that follow from the bytes.
pub fn bytes(data: &[u8]) {
    check(data, &cuts(data));
}

/// Checks a stream of arbitrary pieces in arbitrary slices.
///
/// # Errors
///
/// When the bytes do not suffice.
pub fn pieces(data: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let lengths: [u8; 4] = data.arbitrary()?;
    let mut out = Vec::new();
    if data.ratio(7, 8)? {
        Piece::Header.write(&mut out);
    }
    for piece in Vec::<Piece>::arbitrary(data)? {
        piece.write(&mut out);
    }
    check(&out, &lengths.map(usize::from));
    Ok(())
}

/// Lengths of slices, drawn from the bytes themselves so that a corpus file is plain XML.
fn cuts(data: &[u8]) -> [usize; 4] {
    let hash = data.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash.to_le_bytes().first_chunk().map_or([1; 4], |chunk: &[u8; 4]| chunk.map(usize::from))
}

/// Checks that slices of any length give what the whole gives.
fn check(data: &[u8], lengths: &[usize]) {
    let whole = read(data, &[data.len()], Reading::Eager);
    assert_eq!(whole, read(data, &[1], Reading::Eager), "byte by byte");
    assert_eq!(whole, read(data, lengths, Reading::Eager), "in slices of {lengths:?}");
    assert_eq!(whole, read(data, lengths, Reading::Late), "in slices of {lengths:?}, read at the end");
}

/// When tokens are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// After each slice.
    Eager,
    /// After the last slice.
    Late,
}

/// Reads a stream in slices of the given lengths, over and over; returns what came out, as text.
fn read(data: &[u8], lengths: &[usize], reading: Reading) -> Vec<String> {
    let mut parser = Parser::new(LIMITS);
    let mut seen = Vec::new();
    let mut rest = data;
    for length in lengths.iter().cycle() {
        let (slice, after) = rest.split_at((*length).clamp(1, rest.len().max(1)).min(rest.len()));
        rest = after;
        if !slice.is_empty() {
            parser.push(Bytes::copy_from_slice(slice));
        }
        if reading == Reading::Late && !rest.is_empty() {
            continue;
        }
        loop {
            match parser.next_token() {
                Ok(Some(token)) => {
                    let ends = matches!(token, Token::Footer);
                    seen.push(show(&token));
                    if ends {
                        return seen;
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    seen.push(format!("{error:?}"));
                    return seen;
                }
            }
        }
        assert!(parser.pending_bytes() <= 2 * LIMITS.element_bytes as usize + data.len(), "bytes pile up");
        if rest.is_empty() {
            return seen;
        }
    }
    seen
}

fn show(token: &Token) -> String {
    match token {
        Token::Header(header) => format!("{header:?}"),
        Token::Element(element) => {
            stands_alone(element);
            format!("{} {} {:?}", element.name(), element.ns(), element.raw())
        }
        Token::Footer => "footer".into(),
    }
}

/// An element can be parsed outside its stream, and written with other addresses, without changing otherwise.
fn stands_alone(element: &Element) {
    let tree = element.tree();
    let again = Element::parse(element.raw().clone()).expect("a checked element passes the checks");
    assert_eq!(again.tree(), tree, "an element is self-contained");
    let mut spliced = Vec::new();
    element.write_head(&mut spliced, &[("from", Some("a'b<&>\"@c.example")), ("to", None)]);
    spliced.extend(element.body());
    let spliced = Element::parse(spliced.into()).expect("a spliced element is well-formed");
    assert_eq!(spliced.attr("from").as_deref(), Some("a'b<&>\"@c.example"));
    assert_eq!(spliced.attr("to"), None);
    assert_eq!(
        (spliced.name(), spliced.ns(), spliced.text()),
        (element.name(), element.ns(), element.text())
    );
    assert!(spliced.children().map(|child| child.tree()).eq(element.children().map(|child| child.tree())));
    let mut written = Vec::new();
    tree.write("jabber:client", &mut written);
    let read = Element::parse(written.into()).expect("a written tree is well-formed");
    assert_eq!(read.tree(), tree, "a tree comes back");
}
