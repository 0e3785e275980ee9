//! Elements that lean on the stream around them are written anew, so that they can leave it.

use super::super::ns;
use super::{HEADER, element_behind, parse, raw, repeated};

/// Checks what becomes of `element` behind `header`, and that it means the same outside.
fn check(header: &str, element: &str, expected: &str) {
    let element = element_behind(header, element).unwrap_or_else(|error| panic!("{error:?} for {element}"));
    assert_eq!(raw(&element), expected);
    let again = parse(expected);
    assert_eq!(raw(&again), expected, "what is written anew leans on nothing");
    assert_eq!((again.name(), again.ns()), (element.name(), element.ns()));
    assert_eq!(again.tree(), element.tree());
}

#[test]
fn an_ordinary_element_is_left_as_it_is() {
    for element in [
        "<message  to='a' ><body>x</body></message >",
        "<message xmlns='jabber:client'><body>x</body></message>",
        "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AA==</auth>",
        "<message><p:x xmlns:p='urn:p' p:y='1'/></message>",
        "<message xmlns:p='urn:p'><p:x/></message>",
        "<message xml:lang='en'><body xml:lang='de'/></message>",
    ] {
        check(HEADER, element, element);
    }
}

#[test]
fn a_prefix_of_the_header_is_written_out() {
    let header =
        "<s:stream xmlns='jabber:client' xmlns:s='http://etherx.jabber.org/streams' xmlns:p='urn:p'>";
    check(
        header,
        "<message><p:x>1</p:x><body/></message>",
        "<message><x xmlns='urn:p'>1</x><body/></message>",
    );
    check(
        header,
        "<message><p:x><p:y/><body/></p:x></message>",
        "<message><x xmlns='urn:p'><y/><body xmlns='jabber:client'/></x></message>",
    );
    check(header, "<p:x a='1'/>", "<x xmlns='urn:p' a='1'/>");
    check(header, "<message p:a='1' p:b='2'/>", "<message xmlns:p='urn:p' p:a='1' p:b='2'/>");
    check(
        header,
        "<s:error><x xmlns='urn:x'/></s:error>",
        "<error xmlns='http://etherx.jabber.org/streams'><x xmlns='urn:x'/></error>",
    );
}

#[test]
fn a_prefix_that_the_element_binds_itself_is_its_own() {
    let header = "<stream xmlns='jabber:client' xmlns:p='urn:outer'>";
    let element = "<message xmlns:p='urn:inner'><p:x/></message>";
    check(header, element, element);
}

#[test]
fn a_stanza_with_a_prefix_loses_it() {
    check(
        HEADER,
        "<c:message xmlns:c='jabber:client' to='a'><c:body>x</c:body></c:message>",
        "<message to='a'><body>x</body></message>",
    );
    check(
        HEADER,
        "<c:message xmlns:c='jabber:client' xmlns='urn:x'><y/><c:body/></c:message>",
        "<message><y xmlns='urn:x'/><body/></message>",
    );
}

#[test]
fn an_inherited_namespace_other_than_that_of_clients_is_written_out() {
    let prefix_free = "<stream xmlns='http://etherx.jabber.org/streams'>";
    let stanza = "<message xmlns='jabber:client'><body/></message>";
    check(prefix_free, stanza, stanza);
    check(
        prefix_free,
        "<features><x xmlns='urn:x'/></features>",
        "<features xmlns='http://etherx.jabber.org/streams'><x xmlns='urn:x'/></features>",
    );
    check("<stream xmlns='jabber:server'>", "<message/>", "<message xmlns='jabber:server'/>");
    check("<stream>", "<message><body/></message>", "<message xmlns=''><body/></message>");
    check("<stream>", "<p:a xmlns:p='jabber:client'><b/></p:a>", "<a><b xmlns=''/></a>");
}

#[test]
fn everything_else_in_a_rewritten_element_keeps_its_meaning() {
    let header = "<s xmlns='jabber:client' xmlns:p='urn:&quot;p&apos;'>";
    check(
        header,
        "<a b='&lt;\"&apos;\n'><p:c/>&lt;&#13;\r\n<![CDATA[<&]]>]]&gt; <xml:d/></a>",
        "<a b='&lt;\"&apos; '><c xmlns='urn:\"p&apos;'/>&lt;&#xD;\n&lt;&amp;]]&gt; <xml:d/></a>",
    );
}

#[test]
fn the_namespace_of_the_prefix_xml_needs_no_declaration() {
    check(HEADER, "<xml:a><b/></xml:a>", "<xml:a><b/></xml:a>");
    let element = element_behind(HEADER, "<xml:a><xml:b/></xml:a>").unwrap();
    assert_eq!((element.name(), element.ns()), ("a", ns::XML));
    assert_eq!(element.children().next().map(|child| child.ns()), Some(ns::XML));
}

#[test]
fn many_attributes_do_not_make_a_rewritten_element_too_wide() {
    let attrs = repeated(16, |at| format!(" p:a{at}=''"));
    let header = "<s xmlns='jabber:client' xmlns:p='urn:p'>";
    check(header, &format!("<a{attrs}/>"), &format!("<a xmlns:p='urn:p'{attrs}/>"));
}
