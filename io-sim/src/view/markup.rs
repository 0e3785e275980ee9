//! HTML and SVG as text, with everything escaped that was not written here.

use core::fmt::{Display, Write as _};

/// Attributes of an element.
pub(super) type Attrs<'a> = &'a [(&'a str, &'a dyn Display)];

/// A document under way.
#[derive(Debug, Default)]
pub(super) struct Markup {
    out: String,
}

impl Markup {
    /// Opens an element.
    pub(super) fn open(&mut self, tag: &str, attrs: Attrs<'_>) {
        self.begin(tag, attrs);
        self.out.push('>');
    }

    /// Closes an element and ends the line.
    pub(super) fn close(&mut self, tag: &str) {
        self.out.push_str("</");
        self.out.push_str(tag);
        self.out.push_str(">\n");
    }

    /// Writes an element without content.
    pub(super) fn empty(&mut self, tag: &str, attrs: Attrs<'_>) {
        self.begin(tag, attrs);
        self.out.push_str("/>\n");
    }

    /// Writes an element with a text.
    pub(super) fn leaf(&mut self, tag: &str, attrs: Attrs<'_>, text: &str) {
        self.open(tag, attrs);
        self.text(text);
        self.close(tag);
    }

    /// Writes a text.
    pub(super) fn text(&mut self, text: &str) {
        escape(&mut self.out, text);
    }

    /// Writes what is markup already.
    pub(super) fn raw(&mut self, markup: &str) {
        self.out.push_str(markup);
    }

    /// Ends the document.
    pub(super) fn finish(self) -> String {
        self.out
    }

    fn begin(&mut self, tag: &str, attrs: Attrs<'_>) {
        self.out.push('<');
        self.out.push_str(tag);
        for (name, value) in attrs {
            write!(self.out, " {name}=\"").expect("a String takes everything");
            escape(&mut self.out, &value.to_string());
            self.out.push('"');
        }
    }
}

/// What turns the direction of the text around it would let a stanza lie about what it says.
const TURN_FIRST: char = '\u{202a}';
const TURN_LAST: char = '\u{202e}';
const ISOLATE_FIRST: char = '\u{2066}';
const ISOLATE_LAST: char = '\u{2069}';

/// Escapes for text and for attributes. What neither HTML nor XML can hold is replaced by a picture of it.
fn escape(out: &mut String, text: &str) {
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(letter),
            '\0'..='\x1f' => out.extend(char::from_u32(0x2400 + u32::from(letter))),
            '\x7f'..='\u{9f}'
            | '\u{fffe}'
            | '\u{ffff}'
            | TURN_FIRST..=TURN_LAST
            | ISOLATE_FIRST..=ISOLATE_LAST => {
                out.push('\u{fffd}');
            }
            _ => out.push(letter),
        }
    }
}

/// Shortens a text to so many letters.
pub(super) fn cut(text: &str, letters: usize) -> String {
    if text.chars().count() <= letters {
        return text.into();
    }
    let mut out: String = text.chars().take(letters.saturating_sub(1)).collect();
    out.truncate(out.trim_end().len());
    out.push('\u{2026}');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gets_out_of_a_text_or_an_attribute() {
        let mut markup = Markup::default();
        markup.leaf("b", &[("title", &"\"><script>'&")], "</b><script>\0\u{202e}");
        assert_eq!(
            markup.finish(),
            "<b title=\"&quot;&gt;&lt;script&gt;&#39;&amp;\">&lt;/b&gt;&lt;script&gt;\u{2400}\u{fffd}</b>\n"
        );
    }

    #[test]
    fn a_long_text_is_cut_between_letters() {
        assert_eq!(cut("grün und blau", 6), "grün\u{2026}");
        assert_eq!(cut("kurz", 4), "kurz");
    }
}
