//! What every test of the XML front needs.

mod bounds;
mod element;
mod escape;
mod hostile;
mod outside;
mod slicing;
mod stream;

use bytes::Bytes;

use super::{Element, Parser, Token, XmlError, XmlLimits};

/// The bounds of an ordinary stream.
const LIMITS: XmlLimits = XmlLimits { element_bytes: 4096, depth: 16, attributes: 16 };
/// The header of an ordinary stream.
const HEADER: &str = "<stream:stream to='localhost' version='1.0' xml:lang='en' xmlns='jabber:client' \
     xmlns:stream='http://etherx.jabber.org/streams'>";

/// Everything that comes out of a stream, up to its error.
#[derive(Debug, PartialEq)]
struct Outcome {
    /// As `Debug` shows them.
    tokens: Vec<String>,
    error: Option<XmlError>,
    /// What waits in the end.
    pending: usize,
}

/// Reads `pieces`, taking tokens after each.
fn read<'a>(limits: XmlLimits, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut parser = Parser::new(limits);
    let mut outcome = Outcome { tokens: Vec::new(), error: None, pending: 0 };
    for piece in pieces {
        parser.push(Bytes::copy_from_slice(piece));
        take_tokens(&mut parser, &mut outcome);
    }
    outcome.pending = parser.pending_bytes();
    outcome
}

fn take_tokens(parser: &mut Parser, outcome: &mut Outcome) {
    loop {
        match parser.next_token() {
            Ok(None) => return,
            Ok(Some(token)) => outcome.tokens.push(format!("{token:?}")),
            Err(error) => {
                outcome.error = Some(error);
                return;
            }
        }
    }
}

/// Returns a parser that has read `header`.
fn parser_behind(header: &str, limits: XmlLimits) -> Parser {
    let mut parser = Parser::new(limits);
    parser.push(Bytes::copy_from_slice(header.as_bytes()));
    match parser.next_token() {
        Ok(Some(Token::Header(_))) => parser,
        other => panic!("no header but {other:?}"),
    }
}

/// Returns the first element behind `header`.
fn element_behind(header: &str, xml: &str) -> Result<Element, XmlError> {
    let mut parser = parser_behind(header, LIMITS);
    parser.push(Bytes::copy_from_slice(xml.as_bytes()));
    match parser.next_token()? {
        Some(Token::Element(element)) => Ok(element),
        other => panic!("no element but {other:?}"),
    }
}

/// Returns the element in `xml`, which is correct.
fn parse(xml: &str) -> Element {
    Element::parse(Bytes::copy_from_slice(xml.as_bytes()))
        .unwrap_or_else(|error| panic!("{error:?} in {xml}"))
}

fn raw(element: &Element) -> &str {
    std::str::from_utf8(element.raw()).unwrap()
}

/// Returns what `piece` makes of 0 to `count`, in one text.
fn repeated(count: usize, piece: impl Fn(usize) -> String) -> String {
    (0..count).map(piece).collect::<Vec<_>>().concat()
}
