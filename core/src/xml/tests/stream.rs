//! Streams: header, restart, end, and what is kept in between.

use bytes::Bytes;

use super::super::{Header, Parser, Token, XmlError, XmlLimits, ns};
use super::{HEADER, LIMITS, parser_behind, read};

fn header(xml: &str) -> Header {
    let mut parser = Parser::new(LIMITS);
    parser.push(Bytes::copy_from_slice(xml.as_bytes()));
    match parser.next_token() {
        Ok(Some(Token::Header(header))) => header,
        other => panic!("{other:?} for {xml}"),
    }
}

fn next_element(parser: &mut Parser) -> String {
    match parser.next_token() {
        Ok(Some(Token::Element(element))) => String::from_utf8(element.raw().to_vec()).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_header_is_read_with_all_its_attributes() {
    let text = |text: &str| Some(text.to_owned());
    let expected = Header {
        name: "stream".into(),
        ns: ns::STREAM.into(),
        content_ns: ns::CLIENT.into(),
        to: text("a&b 'c'"),
        from: text("x y"),
        id: text(""),
        version: text("1.0"),
        lang: text("de"),
    };
    let xml = "<?xml version='1.0'?>\r\n<s:stream xmlns:s=\"http://etherx.jabber.org/streams\" xml:lang='de'\
         \n version='1.0' id='' to='a&amp;b &apos;c&#39;' from='x\ty' other='z' s:to='no' xmlns='jabber:client'>";
    assert_eq!(header(xml), expected);
}

#[test]
fn a_header_without_prefix_declares_the_stream_namespace_as_default() {
    let header = header("<stream xmlns='http://etherx.jabber.org/streams'>");
    assert_eq!((header.ns.as_str(), header.content_ns.as_str()), (ns::STREAM, ns::STREAM));
    assert_eq!(header.to, None);
}

#[test]
fn a_header_without_declarations_has_no_namespace() {
    let header = header("<stream>");
    assert_eq!((header.ns.as_str(), header.content_ns.as_str()), ("", ""));
}

#[test]
fn a_declaration_says_what_it_may() {
    for declaration in [
        "<?xml version='1.0'?>",
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>",
        "<?xml version='1.0' encoding='utf-8' standalone='no' ?>",
        "<?xml\nversion = '1.0'\tstandalone='yes'?>",
        " \n<?xml version='1.0'?> ",
    ] {
        let outcome = read(LIMITS, [declaration.as_bytes(), HEADER.as_bytes()]);
        assert_eq!((outcome.tokens.len(), outcome.error), (1, None), "for {declaration}");
    }
}

#[test]
fn the_end_tag_ends_the_stream() {
    let mut parser = parser_behind(HEADER, LIMITS);
    parser.push(Bytes::from("<a/></stream:stream\n>\n"));
    assert_eq!(next_element(&mut parser), "<a/>");
    assert!(matches!(parser.next_token(), Ok(Some(Token::Footer))));
    assert!(matches!(parser.next_token(), Ok(None)));
    parser.push(Bytes::from("x"));
    let expected = XmlError::NotWellFormed("data behind the end of the stream");
    assert_eq!(parser.next_token().unwrap_err(), expected);
}

#[test]
fn a_header_that_is_an_empty_element_is_a_whole_stream() {
    let mut parser = parser_behind("<stream xmlns='http://etherx.jabber.org/streams'/>", LIMITS);
    assert!(matches!(parser.next_token(), Ok(Some(Token::Footer))));
    assert!(matches!(parser.next_token(), Ok(None)));
}

#[test]
fn white_space_between_elements_is_not_kept() {
    let mut parser = parser_behind(HEADER, LIMITS);
    for _ in 0..1000 {
        parser.push(Bytes::from_static(b" \r\n\t"));
        assert!(matches!(parser.next_token(), Ok(None)));
        assert_eq!(parser.pending_bytes(), 0);
    }
    assert_eq!(parser.discard(), 0);
}

#[test]
fn an_idle_parser_is_small_and_holds_no_buffer() {
    assert!(size_of::<Parser>() <= 256, "{} bytes", size_of::<Parser>());
    let mut parser = parser_behind(HEADER, LIMITS);
    let buffer = Bytes::from(b"<a>1</a><b".to_vec());
    parser.push(buffer.clone());
    let element = match parser.next_token() {
        Ok(Some(Token::Element(element))) => element,
        other => panic!("{other:?}"),
    };
    assert!(matches!(parser.next_token(), Ok(None)));
    assert_eq!(parser.pending_bytes(), 2);
    drop(element);
    assert!(buffer.is_unique(), "the begun element is copied, so that the buffer can go");
    parser.push(Bytes::from("/>"));
    assert_eq!(next_element(&mut parser), "<b/>");
    assert_eq!(parser.pending_bytes(), 0);
}

#[test]
fn bytes_behind_a_token_belong_to_the_stream_after_a_restart() {
    let mut parser = parser_behind(HEADER, LIMITS);
    let next = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' to='next' \
         xmlns:stream='http://etherx.jabber.org/streams'><b/>";
    parser.push(Bytes::from(["<a/>\n", next].concat()));
    assert_eq!(next_element(&mut parser), "<a/>");
    parser.restart();
    match parser.next_token() {
        Ok(Some(Token::Header(header))) => assert_eq!(header.to.as_deref(), Some("next")),
        other => panic!("{other:?}"),
    }
    assert_eq!(next_element(&mut parser), "<b/>");
}

#[test]
fn a_restart_takes_back_a_token_that_has_begun() {
    let mut parser = parser_behind(HEADER, LIMITS);
    parser.push(Bytes::from("<stream:stream xmlns:stream='http://etherx.jabber."));
    assert!(matches!(parser.next_token(), Ok(None)));
    parser.push(Bytes::from("org/str"));
    parser.push(Bytes::from("eams'>"));
    parser.restart();
    match parser.next_token() {
        Ok(Some(Token::Header(header))) => assert_eq!(header.ns, ns::STREAM),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_restart_forgets_the_declarations_of_the_old_header() {
    let mut parser = parser_behind("<p:a xmlns:p='urn:p'>", LIMITS);
    parser.push(Bytes::from("<p:b/>"));
    parser.restart();
    assert_eq!(parser.next_token().unwrap_err(), XmlError::Prefix("prefix that nothing declares"));
}

#[test]
fn discarding_counts_every_byte_and_leaves_the_parser_ready() {
    let mut parser = parser_behind(HEADER, LIMITS);
    parser.push(Bytes::from("<starttls/>"));
    assert_eq!(next_element(&mut parser), "<starttls/>");
    assert_eq!(parser.discard(), 0);
    parser.push(Bytes::from("<begun>"));
    assert!(matches!(parser.next_token(), Ok(None)));
    parser.push(Bytes::from("</begun>"));
    parser.push(Bytes::from(" "));
    assert_eq!(parser.discard(), 16);
    assert_eq!(parser.pending_bytes(), 0);
    parser.push(Bytes::from("<a/>"));
    assert_eq!(next_element(&mut parser), "<a/>");
}

#[test]
fn new_bounds_hold_from_the_next_element_on() {
    let small = XmlLimits { element_bytes: 8, ..LIMITS };
    let mut parser = parser_behind(HEADER, LIMITS);
    parser.push(Bytes::from("<a>123"));
    assert!(matches!(parser.next_token(), Ok(None)));
    parser.set_limits(small);
    parser.push(Bytes::from("456</a><b>1</b>"));
    assert_eq!(next_element(&mut parser), "<a>123456</a>");
    assert_eq!(next_element(&mut parser), "<b>1</b>");
    parser.push(Bytes::from("<b>12</b>"));
    assert_eq!(parser.next_token().unwrap_err(), XmlError::TooBig("element_bytes"));
}
