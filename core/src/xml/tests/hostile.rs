//! Inputs that must be refused, each with the error it must get.

use bytes::Bytes;

use super::super::XmlError::{self, Characters, Encoding, NotWellFormed, Prefix, Restricted};
use super::super::{Element, Parser};
use super::{HEADER, LIMITS, element_behind, read};

/// Elements and what stands where an element should, behind an ordinary header.
pub(super) const ELEMENTS: &[(&[u8], XmlError)] = &[
    // What RFC 6120, 11.1 takes out of XML.
    (b"<a><!-- hello --></a>", Restricted("comment")),
    (b"<!-- hello -->", Restricted("comment")),
    (b"<a><?php echo ?></a>", Restricted("processing instruction")),
    (b"<?php echo ?>", Restricted("processing instruction")),
    (b"<a><?xml version='1.0'?></a>", Restricted("processing instruction")),
    (b"<?xml version='1.0'?>", Restricted("processing instruction")),
    (b"<!DOCTYPE a [<!ENTITY b 'c'>]><a/>", Restricted("document type declaration")),
    (b"<a><!ENTITY b 'c'></a>", Restricted("document type declaration")),
    (b"<a>&nbsp;</a>", Restricted("entity that XML does not predefine")),
    (b"<a b='&lol;'/>", Restricted("entity that XML does not predefine")),
    (b"<a>&LT;</a>", Restricted("entity that XML does not predefine")),
    // References.
    (b"<a>AT&T</a>", NotWellFormed("reference without its `;`")),
    (b"<a>& </a>", NotWellFormed("reference without its `;`")),
    (b"<a>&</a>", NotWellFormed("reference without its `;`")),
    (b"<a b='&amp'/>", NotWellFormed("reference without its `;`")),
    (b"<a>&;</a>", NotWellFormed("`&` without a reference")),
    (b"<a>&a b;</a>", NotWellFormed("`&` without a reference")),
    (b"<a b='x&;'/>", NotWellFormed("`&` without a reference")),
    (b"<a>&#;</a>", NotWellFormed("character reference without a number")),
    (b"<a>&#x;</a>", NotWellFormed("character reference without a number")),
    (b"<a>&#X41;</a>", NotWellFormed("character reference without a number")),
    (b"<a>&#+65;</a>", NotWellFormed("character reference without a number")),
    (b"<a>&#6 5;</a>", NotWellFormed("character reference without a number")),
    (b"<a>&#0;</a>", Characters("reference to a character that XML does not allow")),
    (b"<a b='&#0;'/>", Characters("reference to a character that XML does not allow")),
    (b"<a>&#x1F;</a>", Characters("reference to a character that XML does not allow")),
    (b"<a>&#xD800;</a>", Characters("reference to a character that XML does not allow")),
    (b"<a>&#xDFFF;</a>", Characters("reference to a character that XML does not allow")),
    (b"<a>&#xFFFE;</a>", Characters("reference to a character that XML does not allow")),
    (b"<a>&#65535;</a>", Characters("reference to a character that XML does not allow")),
    (b"<a>&#x110000;</a>", Characters("reference to a character that XML does not allow")),
    (b"<a>&#99999999999999999999;</a>", Characters("reference to a character that XML does not allow")),
    // Characters.
    (b"<a>\x00</a>", Characters("control character")),
    (b"<a>\x0B</a>", Characters("control character")),
    (b"<a b='\x1F'/>", Characters("control character")),
    (b"<a><![CDATA[\x08]]></a>", Characters("control character")),
    (b"\x00", Characters("control character")),
    (b"<\x01", Characters("control character")),
    (b"<a>\xEF\xBF\xBE</a>", Characters("U+FFFE or U+FFFF")),
    (b"<a b='\xEF\xBF\xBF'/>", Characters("U+FFFE or U+FFFF")),
    (b"<a>\xFF</a>", Encoding("bytes that are not UTF-8")),
    (b"<a>\xC0\x80</a>", Encoding("bytes that are not UTF-8")),
    (b"<a>\xED\xA0\x80</a>", Encoding("bytes that are not UTF-8")),
    (b"<a>\xF4\x90\x80\x80</a>", Encoding("bytes that are not UTF-8")),
    (b"<a>\xE4</a>", Encoding("bytes that are not UTF-8")),
    (b"<\xFF", Encoding("bytes that are not UTF-8")),
    (b"<\x80", Encoding("bytes that are not UTF-8")),
    (b"\xFE", Encoding("bytes that are not UTF-8")),
    // Names.
    (b"<1a/>", NotWellFormed("`<` without a name")),
    (b"<-a/>", NotWellFormed("`<` without a name")),
    (b"<:a/>", NotWellFormed("`<` without a name")),
    (b"< a/>", NotWellFormed("`<` without a name")),
    (b"<>", NotWellFormed("`<` without a name")),
    (b"<a,b/>", NotWellFormed("character not allowed in a name")),
    (b"<a/b/>", NotWellFormed("character not allowed in a name")),
    (b"<a\xC3\x97/>", NotWellFormed("character not allowed in a name")),
    (b"<\xCC\x80/>", NotWellFormed("character not allowed in a name")),
    (b"<a \xCC\x80='1'/>", NotWellFormed("character not allowed in a name")),
    (b"<a 1b='c'/>", NotWellFormed("character not allowed in a name")),
    (b"<a b@='c'/>", NotWellFormed("character not allowed in a name")),
    (b"<a:b:c xmlns:a='x'/>", NotWellFormed("colon in a name")),
    (b"<a: xmlns:a='x'/>", NotWellFormed("empty name")),
    (b"<a :b='c'/>", NotWellFormed("colon in a name")),
    (b"<a b:='c'/>", NotWellFormed("empty name")),
    (b"<a b::c='d'/>", NotWellFormed("colon in a name")),
    (b"<a b:1='d' xmlns:b='x'/>", NotWellFormed("character not allowed in a name")),
    (b"<a b:\xCC\x80='d' xmlns:b='x'/>", NotWellFormed("character not allowed in a name")),
    // Attributes.
    (b"<a b='1'c='2'/>", NotWellFormed("no white space before an attribute")),
    (b"<a b='1'\"c\"/>", NotWellFormed("no white space before an attribute")),
    (b"<a b/>", NotWellFormed("attribute without a value")),
    (b"<a b />", NotWellFormed("attribute without a value")),
    (b"<a b= />", NotWellFormed("attribute value without quotes")),
    (b"<a b=c/>", NotWellFormed("attribute value without quotes")),
    (b"<a ='c'/>", NotWellFormed("empty name")),
    (b"<a 'c'/>", NotWellFormed("character not allowed in a name")),
    (b"<a / >x</a>", NotWellFormed("character not allowed in a name")),
    (b"<a b='c' b='d'/>", NotWellFormed("attribute given twice")),
    (b"<a b='c' b=\"c\"/>", NotWellFormed("attribute given twice")),
    (b"<a xmlns='b' xmlns='b'/>", NotWellFormed("attribute given twice")),
    (
        b"<a p:x='1' q:x='2' xmlns:p='u' xmlns:q='u'/>",
        NotWellFormed("attribute given twice under two prefixes"),
    ),
    (
        b"<a p:x='1' q:x='2' xmlns:p='u&amp;v' xmlns:q='u&#38;v'/>",
        NotWellFormed("attribute given twice under two prefixes"),
    ),
    (b"<a b='<'/>", NotWellFormed("`<` inside an attribute value")),
    (b"<a <b/>", NotWellFormed("`<` inside a tag")),
    (b"<a<b/>", NotWellFormed("`<` inside a tag")),
    // Text.
    (b"<a>]]></a>", NotWellFormed("`]]>` in text")),
    (b"<a>x]]]>y</a>", NotWellFormed("`]]>` in text")),
    (b"<a><![CDATA[x]]>]]></a>", NotWellFormed("`]]>` in text")),
    (b"hello", NotWellFormed("text outside the elements of the stream")),
    (b"<a/>hello", NotWellFormed("text outside the elements of the stream")),
    (b"&#32;", NotWellFormed("text outside the elements of the stream")),
    (b"\xEF\xBB\xBF<a/>", NotWellFormed("text outside the elements of the stream")),
    (b"<![CDATA[ ]]>", NotWellFormed("CDATA outside the elements of the stream")),
    (b"<a><![cdata[x]]></a>", NotWellFormed("`<![` without `CDATA[`")),
    (b"<a><![INCLUDE[x]]></a>", NotWellFormed("`<![` without `CDATA[`")),
    (b"<a><!x></a>", NotWellFormed("`<!` without a declaration")),
    // End tags.
    (b"<a></b>", NotWellFormed("end tag that does not match the start tag")),
    (b"<a><b></a></b>", NotWellFormed("end tag that does not match the start tag")),
    (b"<a></A>", NotWellFormed("end tag that does not match the start tag")),
    (b"<a></ a>", NotWellFormed("end tag that does not match the start tag")),
    (b"<a></>", NotWellFormed("end tag that does not match the start tag")),
    (b"<a></a/>", NotWellFormed("end tag that does not match the start tag")),
    (b"<p:a xmlns:p='u' xmlns:q='u'></q:a>", NotWellFormed("end tag that does not match the start tag")),
    (b"<a></a b='>'>", NotWellFormed("quote or `<` inside an end tag")),
    (b"<a></a <b/>", NotWellFormed("quote or `<` inside an end tag")),
    (b"</a>", NotWellFormed("end tag that does not match the start tag")),
    (b"</stream>", NotWellFormed("end tag that does not match the start tag")),
    (b"</stream:stream x>", NotWellFormed("end tag that does not match the start tag")),
    (b"</stream:streams>", NotWellFormed("end tag that does not match the start tag")),
    (b"</stream:stream> <a/>", NotWellFormed("data behind the end of the stream")),
    // Namespaces.
    (b"<p:a/>", Prefix("prefix that nothing declares")),
    (b"<a p:b='c'/>", Prefix("prefix that nothing declares")),
    (b"<a><b xmlns:p='u'/><p:c/></a>", Prefix("prefix that nothing declares")),
    (b"<a xmlns:p=''/>", NotWellFormed("prefix bound to no namespace")),
    (b"<a xmlns:xml='u'/>", NotWellFormed("prefix `xml` or its namespace bound anew")),
    (
        b"<a xmlns:p='http://www.w3.org/XML/1998/namespace'/>",
        NotWellFormed("prefix `xml` or its namespace bound anew"),
    ),
    (
        b"<a xmlns='http://www.w3.org/XML/1998/namespace'/>",
        NotWellFormed("prefix `xml` or its namespace bound anew"),
    ),
    (b"<a xmlns:xmlns='u'/>", NotWellFormed("declaration of the prefix `xmlns` or its namespace")),
    (
        b"<a xmlns='http://www.w3.org/2000/xmlns/'/>",
        NotWellFormed("declaration of the prefix `xmlns` or its namespace"),
    ),
    (b"<xmlns:a/>", NotWellFormed("element with the prefix `xmlns`")),
];

/// Whole streams.
pub(super) const STREAMS: &[(&[u8], XmlError)] = &[
    (b"hello", NotWellFormed("text outside the elements of the stream")),
    (b"GET / HTTP/1.1\r\n", NotWellFormed("text outside the elements of the stream")),
    (b"\x16\x03\x01", Characters("control character")),
    (b"\xEF\xBB\xBF<a>", NotWellFormed("text outside the elements of the stream")),
    (b"\xFF\xFE<\x00", Encoding("byte order mark of UTF-16")),
    (b"\xFE\xFF\x00<", Encoding("byte order mark of UTF-16")),
    (b"<\x00?\x00", Characters("control character")),
    (b"</stream:stream>", NotWellFormed("end tag without a start tag")),
    (b"<!DOCTYPE a><a>", Restricted("document type declaration")),
    (b"<?xml version='1.0'?><!-- x --><a>", Restricted("comment")),
    (b"<?xml version='1.0'?><?xml version='1.0'?><a>", Restricted("processing instruction")),
    (b"<?xml-stylesheet href='a'?><a>", Restricted("processing instruction")),
    (b"<?xml?><a>", Restricted("processing instruction")),
    (b"<?XML version='1.0'?><a>", Restricted("processing instruction")),
    (b"<?xml ?><a>", NotWellFormed("XML declaration")),
    (b"<?xml encoding='UTF-8'?><a>", NotWellFormed("XML declaration")),
    (b"<?xml encoding='UTF-8' version='1.0'?><a>", NotWellFormed("XML declaration")),
    (b"<?xml version='1.0' standalone='no' encoding='UTF-8'?><a>", NotWellFormed("XML declaration")),
    (b"<?xml version='1.0' standalone='maybe'?><a>", NotWellFormed("XML declaration")),
    (b"<?xml version='1.0' version='1.0'?><a>", NotWellFormed("XML declaration")),
    (b"<?xml version='1.0' lang='en'?><a>", NotWellFormed("XML declaration")),
    (b"<?xml version=1.0?><a>", NotWellFormed("attribute value without quotes")),
    (b"<?xml version='1.1'?><a>", NotWellFormed("XML version other than 1.0")),
    (b"<?xml version='1.0' encoding='ISO-8859-1'?><a>", Encoding("encoding other than UTF-8")),
    (b"<?xml version='1.0' encoding='UTF-16'?><a>", Encoding("encoding other than UTF-8")),
    (b"<?xml version='1.0' x='\xFF'?><a>", Encoding("bytes that are not UTF-8")),
    (b"<stream:stream xmlns='jabber:client'>", Prefix("prefix that nothing declares")),
    (b"<stream a='1' a='2'>", NotWellFormed("attribute given twice")),
    (b"<stream a='\x01'>", Characters("control character")),
    (b"<stream a='&b;'>", Restricted("entity that XML does not predefine")),
    (b"<stream,>", NotWellFormed("character not allowed in a name")),
    (b"<stream <a>", NotWellFormed("`<` inside a tag")),
    (b"<stream xmlns:p=''>", NotWellFormed("prefix bound to no namespace")),
    (b"<stream/><a/>", NotWellFormed("data behind the end of the stream")),
];

#[test]
fn every_hostile_element_gets_its_error() {
    for (input, expected) in ELEMENTS {
        let outcome = read(LIMITS, [HEADER.as_bytes(), input]);
        assert_eq!(outcome.error, Some(*expected), "for {:?}", String::from_utf8_lossy(input));
    }
}

#[test]
fn every_hostile_stream_gets_its_error() {
    for (input, expected) in STREAMS {
        let outcome = read(LIMITS, [*input]);
        assert_eq!(outcome.error, Some(*expected), "for {:?}", String::from_utf8_lossy(input));
    }
}

#[test]
fn an_element_outside_a_stream_meets_the_same_checks() {
    for (input, expected) in ELEMENTS {
        // Of these only the first is read; what stands behind it or instead of it has its own test.
        if input.starts_with(b"<a>") || input.starts_with(b"<a b") {
            assert_eq!(Element::parse(Bytes::from_static(input)), Err(*expected));
        }
    }
}

#[test]
fn an_element_outside_a_stream_is_exactly_one() {
    const CUT: XmlError = NotWellFormed("not one whole element");
    for input in ["", " <a/>", "<a/> ", "<a/><b/>", "<a>", "<a", "<a></a", "</a>", " "] {
        assert_eq!(Element::parse(Bytes::from(input)), Err(CUT), "for {input:?}");
    }
    assert_eq!(
        Element::parse(Bytes::from("text")),
        Err(NotWellFormed("text outside the elements of the stream"))
    );
}

#[test]
fn an_error_is_kept() {
    let mut parser = Parser::new(LIMITS);
    parser.push(Bytes::from("</a>"));
    let error = parser.next_token().unwrap_err();
    parser.push(Bytes::from(HEADER));
    assert_eq!(parser.next_token().unwrap_err(), error);
    assert_eq!(parser.pending_bytes(), 0);
}

#[test]
fn each_error_has_its_condition() {
    for (error, condition) in [
        (NotWellFormed("x"), "not-well-formed"),
        (Characters("x"), "not-well-formed"),
        (Restricted("x"), "restricted-xml"),
        (Encoding("x"), "unsupported-encoding"),
        (Prefix("x"), "not-well-formed"),
        (XmlError::TooBig("x"), "policy-violation"),
    ] {
        assert_eq!((error.condition(), error.detail()), (condition, "x"));
    }
}

#[test]
fn unusual_but_correct_elements_pass() {
    for input in [
        "<a/>",
        "<a />",
        "<a></a\t\r\n >",
        "<_a.b-c1/>",
        "<имя атрибут='значение'>текст</имя>",
        "<a b = '\"'\n\tc=\"'\"/>",
        "<a b='>' c='/>'/>",
        "<a b='&lt;&#65;&#x1F642;&#9;'/>",
        "<a>&lt;&gt;&amp;&apos;&quot;&#10;&#x10FFFF;</a>",
        "<a>] ]> ]] ]]&gt; ></a>",
        "<a><![CDATA[]]></a>",
        "<a><![CDATA[]]]]></a>",
        "<a><![CDATA[<b>&amp;]]]]><![CDATA[>]]></a>",
        "<a>\u{FEFF}\u{85}\u{7F}\u{FFFD}\u{10FFFF}\t\r\n</a>",
        "<a xmlns=''/>",
        "<a xmlns:xml='http://www.w3.org/XML/1998/namespace'/>",
        "<a xml:lang='de' xml:space='preserve'/>",
        "<a x='1' p:x='2' q:x='3' xmlns:p='u' xmlns:q='v'/>",
        "<a xmlns:p='u'><b xmlns:p='v'><p:c/></b><p:d/></a>",
        "<a b='c'><a b='c'/></a>",
    ] {
        let element = element_behind(HEADER, input).unwrap_or_else(|error| panic!("{error:?} for {input:?}"));
        assert_eq!(element.raw(), input.as_bytes());
    }
}
