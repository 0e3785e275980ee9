//! Escaping and back.

use super::super::{escape_attr, escape_text};
use super::parse;

fn escaped(escape: fn(&str, &mut Vec<u8>), text: &str) -> String {
    let mut out = b"before ".to_vec();
    escape(text, &mut out);
    String::from_utf8(out).unwrap().strip_prefix("before ").unwrap().to_owned()
}

#[test]
fn what_is_escaped_is_read_back() {
    for text in
        ["", "plain", "<>&'\"", "]]>", "a\tb\nc\rd\r\ne", "&amp;", "\u{7F}\u{85}\u{2028}🙂\u{FFFD}", "'"]
    {
        let element = parse(&format!("<a>{}</a>", escaped(escape_text, text)));
        assert_eq!(element.text(), text);
        let element = parse(&format!("<a b='{}'/>", escaped(escape_attr, text)));
        assert_eq!(element.attr("b").as_deref(), Some(text));
    }
}

#[test]
fn it_does_not_matter_how_much_plain_text_stands_around_what_is_escaped() {
    for (before, after) in (0..40).flat_map(|before| [0, 1, 15, 16, 40].map(|after| (before, after))) {
        for special in ["<", ">", "&", "'", "\r", "\u{FFFD}", "<&"] {
            let text = ["x".repeat(before), special.into(), "y".repeat(after)].concat();
            let element = parse(&format!("<a b='{}'/>", escaped(escape_attr, &text)));
            assert_eq!(element.attr("b").as_deref(), Some(text.as_str()));
            let element = parse(&format!("<a>{}</a>", escaped(escape_text, &text)));
            assert_eq!(element.text(), text);
        }
        let text = ["x".repeat(before), "\u{1}\u{FFFF}".into(), "y".repeat(after)].concat();
        assert_eq!(escaped(escape_text, &text), text.replace(['\u{1}', '\u{FFFF}'], "\u{FFFD}"));
    }
}

#[test]
fn what_needs_no_escaping_is_left_alone() {
    assert_eq!(escaped(escape_text, "\t\"'\n ï🙂"), "\t\"'\n ï🙂");
    assert_eq!(escaped(escape_attr, "\"> ï🙂"), "\"> ï🙂");
}

#[test]
fn characters_that_xml_cannot_carry_are_replaced() {
    for escape in [escape_text, escape_attr] {
        assert_eq!(escaped(escape, "a\0b\u{1F}\u{FFFE}c\u{FFFF}"), "a\u{FFFD}b\u{FFFD}\u{FFFD}c\u{FFFD}");
    }
}
