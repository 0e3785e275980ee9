//! Exactly at a bound passes, one more does not.

use bytes::Bytes;

use super::super::{Element, Parser, XmlError, XmlLimits};
use super::{HEADER, LIMITS, parser_behind, read, repeated};

fn error_of(limits: XmlLimits, element: &str) -> Option<XmlError> {
    let mut parser = parser_behind(HEADER, LIMITS);
    parser.set_limits(limits);
    parser.push(Bytes::copy_from_slice(element.as_bytes()));
    parser.next_token().err()
}

#[test]
fn the_bytes_of_an_element_are_bounded() {
    let element = |len: usize| format!("<a>{}</a>", "x".repeat(len - 7));
    assert_eq!(error_of(LIMITS, &element(4096)), None);
    assert_eq!(error_of(LIMITS, &element(4097)), Some(XmlError::TooBig("element_bytes")));
}

#[test]
fn the_bytes_of_a_header_are_bounded() {
    let header = |len: usize| format!("<a b='{}'>", "x".repeat(len - 8));
    assert_eq!(read(LIMITS, [header(4096).as_bytes()]).error, None);
    assert_eq!(read(LIMITS, [header(4097).as_bytes()]).error, Some(XmlError::TooBig("element_bytes")));
}

#[test]
fn the_bytes_of_a_declaration_and_of_an_end_tag_are_bounded() {
    let declaration = |len: usize| format!("<?xml version='1.0'{}?>", " ".repeat(len - 21));
    assert_eq!(read(LIMITS, [declaration(4096).as_bytes()]).error, None);
    assert_eq!(read(LIMITS, [declaration(4097).as_bytes()]).error, Some(XmlError::TooBig("element_bytes")));
    let footer = |len: usize| format!("</stream:stream{}>", " ".repeat(len - 16));
    assert_eq!(error_of(LIMITS, &footer(4096)), None);
    assert_eq!(error_of(LIMITS, &footer(4097)), Some(XmlError::TooBig("element_bytes")));
}

#[test]
fn an_element_too_long_is_refused_when_the_bound_is_reached_not_at_its_end() {
    let mut parser = parser_behind(HEADER, LIMITS);
    parser.push(Bytes::from_static(b"<a>"));
    assert!(matches!(parser.next_token(), Ok(None)));
    for _ in 0..4092 {
        parser.push(Bytes::from_static(b"x"));
        assert!(matches!(parser.next_token(), Ok(None)));
    }
    assert_eq!(parser.pending_bytes(), 4095);
    parser.push(Bytes::from_static(b"x"));
    assert_eq!(parser.next_token().unwrap_err(), XmlError::TooBig("element_bytes"));
    assert_eq!(parser.pending_bytes(), 0);
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| format!("{}<a/>{}", "<a>".repeat(depth - 1), "</a>".repeat(depth - 1));
    assert_eq!(error_of(LIMITS, &nested(16)), None);
    assert_eq!(error_of(LIMITS, &nested(17)), Some(XmlError::TooBig("depth")));
    // It is seen when it happens.
    assert_eq!(error_of(LIMITS, &"<a>".repeat(17)), Some(XmlError::TooBig("depth")));
}

#[test]
fn no_bound_lets_nesting_use_up_the_stack() {
    let limits = XmlLimits { element_bytes: u32::MAX, depth: u16::MAX, attributes: 16 };
    let nested = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
    assert_eq!(error_of(limits, &nested(1024)), None);
    assert_eq!(error_of(limits, &nested(1025)), Some(XmlError::TooBig("depth")));
    let mut parser = Parser::new(limits);
    parser.push(Bytes::from(["<s>", &nested(1025)].concat()));
    assert!(parser.next_token().is_ok());
    assert_eq!(parser.next_token().unwrap_err(), XmlError::TooBig("depth"));
    let deep = Element::parse(Bytes::from(nested(1024))).unwrap();
    let mut out = Vec::new();
    deep.tree().write("jabber:client", &mut out);
    assert_eq!(out.len(), 1023 * 7 + 4);
}

#[test]
fn attributes_are_bounded() {
    let element = |count: usize| {
        let attrs = repeated(count, |at| format!(" a{at}=''"));
        format!("<a><b{attrs}/></a>")
    };
    assert_eq!(error_of(LIMITS, &element(16)), None);
    assert_eq!(error_of(LIMITS, &element(17)), Some(XmlError::TooBig("attributes")));
    let header = |count: usize| element(count).replace("<a><b", "<s").replace("/></a>", ">");
    assert_eq!(read(LIMITS, [header(16).as_bytes()]).error, None);
    assert_eq!(read(LIMITS, [header(17).as_bytes()]).error, Some(XmlError::TooBig("attributes")));
}

#[test]
fn namespace_declarations_in_scope_are_bounded() {
    let limits = XmlLimits { attributes: 200, ..LIMITS };
    let element = |count: usize| {
        let attrs = repeated(count - 1, |at| format!(" xmlns:a{at}='u'"));
        format!("<a{attrs}><b xmlns='u'/><b xmlns='v'/></a>")
    };
    assert_eq!(error_of(limits, &element(128)), None);
    assert_eq!(error_of(limits, &element(129)), Some(XmlError::TooBig("namespace declarations")));
}

#[test]
fn a_namespace_name_is_bounded() {
    let element = |len: usize| format!("<a xmlns='{}'/>", "u".repeat(len));
    assert_eq!(error_of(LIMITS, &element(256)), None);
    assert_eq!(error_of(LIMITS, &element(257)), Some(XmlError::TooBig("namespace name")));
}

#[test]
fn an_element_that_grows_over_the_bound_when_it_is_written_anew_is_refused() {
    let header = format!("<s xmlns:p='{}' xmlns='jabber:client'>", "u".repeat(200));
    let element = |count: usize| format!("<a>{}</a>", "<p:b/>".repeat(count));
    let grown = |count: usize| 7 + count * (" xmlns=''".len() + 200 + "<b/>".len());
    assert!(grown(19) <= 4096 && grown(20) > 4096);
    assert!(super::element_behind(&header, &element(19)).is_ok());
    assert_eq!(super::element_behind(&header, &element(20)).unwrap_err(), XmlError::TooBig("element_bytes"));
}
