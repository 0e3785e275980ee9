//! Reading and writing one element.

use bytes::Bytes;

use super::super::{Element, Node, Token, ns};
use super::{HEADER, LIMITS, parse, parser_behind, raw};

#[test]
fn an_element_answers_from_its_bytes() {
    let element = parse(
        "<iq type='set' id='&lt;1&gt;' xml:lang='de' xmlns:p='urn:p' p:id='no'>\
         <query xmlns='jabber:iq:roster' ver='&quot;'><item/></query>text<p:query/>\
         <query xmlns='urn:b&amp;c'/><query xmlns=''/><query/></iq>",
    );
    assert_eq!((element.name(), element.ns()), ("iq", ns::CLIENT));
    assert_eq!(element.attr("type").as_deref(), Some("set"));
    assert_eq!(element.attr("id").as_deref(), Some("<1>"));
    assert_eq!(element.attr("to"), None);
    assert_eq!(element.lang().as_deref(), Some("de"));
    let children: Vec<_> = element.children().map(|child| (child.name(), child.ns())).collect();
    let namespaces = [ns::ROSTER, "urn:p", "urn:b&c", "", ns::CLIENT];
    assert_eq!(children, namespaces.map(|ns| ("query", ns)));
    let roster = element.child("query", ns::ROSTER).unwrap();
    assert_eq!(roster.attr("ver").as_deref(), Some("\""));
    assert_eq!(roster.attr("xmlns").as_deref(), Some(ns::ROSTER));
    assert_eq!(roster.attr("to"), None);
    assert!(element.child("item", ns::ROSTER).is_none());
    assert_eq!(element.text(), "text");
}

#[test]
fn names_in_other_scripts_are_read() {
    let element = parse("<ящик цвет='белый'><ключ/></ящик>");
    assert_eq!(element.name(), "ящик");
    assert_eq!(element.attr("цвет").as_deref(), Some("белый"));
    assert_eq!(element.children().next().unwrap().name(), "ключ");
}

#[test]
fn text_is_what_is_meant_not_what_is_written() {
    for (content, text) in [
        ("", ""),
        ("x", "x"),
        (" x ", " x "),
        ("&lt;&#65;&#x1F642;&amp;amp;", "<A🙂&amp;"),
        ("a\r\nb\rc&#13;d", "a\nb\nc\rd"),
        ("a<![CDATA[<&amp;>\r\n]]>b", "a<&amp;>\nb"),
        ("a<b>no</b>c<b/>d", "acd"),
        ("<b>no</b>", ""),
    ] {
        let element = parse(&format!("<m><a>{content}</a></m>"));
        assert_eq!(element.children().next().unwrap().text(), text, "for {content:?}");
        assert_eq!(parse(&format!("<a>{content}</a>")).text(), text, "for {content:?}");
        assert_eq!(parse(&format!("<a>{content}</a>")).tree().text(), text, "for {content:?}");
    }
    assert_eq!(parse("<a/>").text(), "");
}

#[test]
fn white_space_in_a_value_is_read_as_spaces() {
    let element = parse("<a b='\t1\r\n2\n3&#10;4&#9;'/>");
    assert_eq!(element.attr("b").as_deref(), Some(" 1 2 3\n4\t"));
}

#[test]
fn an_element_that_arrives_whole_is_not_copied() {
    let mut parser = parser_behind(HEADER, LIMITS);
    let pushed = Bytes::from(b" <a b='c'><d>e</d></a><f/>".to_vec());
    let range = pushed.as_ptr_range();
    parser.push(pushed.clone());
    for _ in 0..2 {
        let Ok(Some(Token::Element(element))) = parser.next_token() else { panic!("no element") };
        // A small piece of a large buffer is copied, so that it does not keep the buffer.
        let is_small = element.raw().len() * 4 < pushed.len();
        assert_eq!(range.contains(&element.raw().as_ptr()), !is_small);
        assert_eq!(is_small, element.name() == "f");
        assert_eq!(element.body().as_ptr_range().end, element.raw().as_ptr_range().end);
    }
}

#[test]
fn the_body_is_what_follows_the_attributes() {
    for (xml, body) in [
        ("<a/>", "/>"),
        ("<a></a>", "></a>"),
        ("<a b='>' />", "/>"),
        ("<a b='/' >c</a >", ">c</a >"),
        ("<a\n/>", "/>"),
    ] {
        assert_eq!(parse(xml).body(), body.as_bytes(), "for {xml}");
    }
}

#[test]
fn a_head_is_written_with_attributes_replaced_added_and_left_out() {
    let element = parse("<message to = 'old'  id=\"1&amp;'2\" type='chat'><body>x</body></message>");
    for (replaced, head) in [
        (&[][..], "<message to = 'old' id=\"1&amp;'2\" type='chat'"),
        (&[("to", Some("a'b"))], "<message to='a&apos;b' id=\"1&amp;'2\" type='chat'"),
        (&[("id", None), ("type", None)], "<message to = 'old'"),
        (
            &[("from", Some("<")), ("from", Some("x")), ("lang", None), ("id", None)],
            "<message to = 'old' type='chat' from='&lt;'",
        ),
    ] {
        let mut out = Vec::new();
        element.write_head(&mut out, replaced);
        assert_eq!(String::from_utf8(out.clone()).unwrap(), head);
        out.extend_from_slice(&element.body());
        let again = Element::parse(out.into()).unwrap();
        assert_eq!(again.body(), element.body());
        for name in ["to", "id", "type", "from", "lang"] {
            let expected = match replaced.iter().find(|(other, _)| *other == name) {
                Some((_, value)) => value.map(Into::into),
                None => element.attr(name),
            };
            assert_eq!(again.attr(name), expected, "{name} in {head}");
        }
    }
}

#[test]
fn a_head_keeps_declarations_and_prefixes() {
    let element = parse("<xml:a xmlns='urn:a' xmlns:p='urn:p' p:x='1' xml:lang='en'><p:b/></xml:a>");
    let mut out = Vec::new();
    element.write_head(&mut out, &[("xml:lang", Some("de")), ("x", Some("2"))]);
    out.extend_from_slice(&element.body());
    let again = Element::parse(out.into()).unwrap();
    let expected = "<xml:a xmlns='urn:a' xmlns:p='urn:p' p:x='1' xml:lang='de' x='2'><p:b/></xml:a>";
    assert_eq!(raw(&again), expected);
}

#[test]
fn a_tree_written_and_read_again_is_the_same_tree() {
    let deep = Node::new("deep", "urn:a").with_attr("x", "\t\r\n 'y' \"z\" <&>").with_text("\r\n]]>&amp;<");
    let tree = Node::new("message", ns::CLIENT)
        .with_attr("xml:lang", "en")
        .with_attr("to", "gone")
        .with_attr("to", "a@b")
        .with_text("one ")
        .with_text("text")
        .with_text("")
        .with_child(Node::new("a", "urn:a").with_child(deep.clone()).with_child(Node::new("b", ns::CLIENT)))
        .with_text(" ")
        .with_child(Node::new("none", "").with_child(deep))
        .with_child(Node::new("x", ns::XML).with_child(Node::new("y", "urn:\"'&<")));
    for outer in [ns::CLIENT, "urn:other", ""] {
        let mut out = Vec::new();
        tree.write(outer, &mut out);
        let written = String::from_utf8(out).unwrap();
        let wrapped = parse(&format!("<w xmlns='{outer}'>{written}</w>"));
        assert_eq!(wrapped.children().next().unwrap().tree(), tree, "for {written}");
        if outer == ns::CLIENT {
            assert_eq!(parse(&written).tree(), tree);
        }
    }
}

#[test]
fn a_tree_of_read_bytes_survives_being_written() {
    for xml in [
        "<a xmlns:p='urn:p' p:x='1' x='2' xml:lang='de'><p:b p:y='3'><c p:z='4'/></p:b><b xmlns='urn:p'/></a>",
        "<a xmlns:p='urn:1'><b xmlns:p='urn:2' p:x='1'/><b p:x='1'/></a>",
        "<a xmlns='urn:a'><b xmlns=''><c xmlns='urn:a'/></b></a>",
        "<a>x<b/>y<![CDATA[<z>]]>&amp;</a>",
    ] {
        let tree = parse(xml).tree();
        let mut out = Vec::new();
        tree.write(ns::CLIENT, &mut out);
        assert_eq!(Element::parse(out.into()).unwrap().tree(), tree, "for {xml}");
    }
}

#[test]
fn the_tree_of_a_child_knows_the_declarations_above_it() {
    let element = parse("<a xmlns:p='urn:p' xmlns='urn:d'><p:b p:c='1'><d/></p:b></a>");
    let child = element.children().next().unwrap().tree();
    assert_eq!((child.name(), child.ns(), child.attr("p:c")), ("b", "urn:p", Some("1")));
    assert_eq!(child.child("d", "urn:d").map(Node::name), Some("d"));
    assert_eq!(element.tree().child("b", "urn:p"), Some(&child));
}

#[test]
fn a_tree_answers_like_the_element() {
    let tree = parse("<a b='&amp;' xml:lang='en'>x<c xmlns='urn:c'>y</c>z</a>").tree();
    assert_eq!((tree.name(), tree.ns(), tree.text().as_str()), ("a", ns::CLIENT, "xz"));
    assert_eq!((tree.attr("b"), tree.attr("xml:lang"), tree.attr("to")), (Some("&"), Some("en"), None));
    assert_eq!(tree.children().count(), 1);
    assert_eq!(tree.child("c", "urn:c").map(Node::text).as_deref(), Some("y"));
    assert!(tree.child("c", ns::CLIENT).is_none());
}
