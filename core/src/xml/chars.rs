//! Which characters and names XML 1.0 and Namespaces in XML 1.0 allow.

use std::num::NonZeroUsize;

use super::XmlError;

/// White space (XML 1.0, production 3).
pub(super) const SPACE: u8 = 1;
/// May start a name without a colon. So may every character outside of ASCII, until it is decoded.
pub(super) const NAME_START: u8 = 2;
/// May continue a name without a colon. So may the other bytes of these characters.
const NAME: u8 = 4;
/// Ends a run of bytes in a tag that need no attention: quotes, `>` and `<`.
pub(super) const TAG_STOP: u8 = 8;

static CLASS: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte: u8 = 0;
    loop {
        table[byte as usize] = classify(byte);
        if byte == u8::MAX {
            break;
        }
        byte += 1;
    }
    table
};

const fn classify(byte: u8) -> u8 {
    match byte {
        b' ' | b'\t' | b'\r' | b'\n' => SPACE,
        b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0xC2..=0xF4 => NAME_START | NAME,
        b'0'..=b'9' | b'-' | b'.' | 0x80..=0xBF => NAME,
        b'<' | b'>' | b'\'' | b'"' => TAG_STOP,
        _ => 0,
    }
}

/// Returns whether `byte` belongs to one of the `classes`.
pub(super) fn is(byte: u8, classes: u8) -> bool {
    CLASS[usize::from(byte)] & classes != 0
}

/// Returns the first position from `at` on that is no white space; the length when there is none.
pub(super) fn skip_space(bytes: &[u8], at: usize) -> usize {
    bytes.iter().skip(at).position(|&byte| !is(byte, SPACE)).map_or(bytes.len(), |run| at + run)
}

/// Returns `raw` as text when all of it is UTF-8 and allowed by XML 1.0, production 2.
pub(super) fn checked_text(raw: &[u8]) -> Result<&str, XmlError> {
    let text = std::str::from_utf8(raw).map_err(|_| XmlError::Encoding("bytes that are not UTF-8"))?;
    // No early end: the loop is compiled to vector instructions.
    let control = raw.iter().fold(false, |found, &byte| found | is_control(byte));
    if control {
        return Err(XmlError::Characters("control character"));
    }
    if memchr::memchr_iter(0xEF, raw).any(|at| starts_with_noncharacter(raw.get(at..).unwrap_or_default())) {
        return Err(XmlError::Characters("U+FFFE or U+FFFF"));
    }
    Ok(text)
}

/// Returns whether `byte` is a control character that XML does not allow.
pub(super) const fn is_control(byte: u8) -> bool {
    byte < 0x20 && byte != b'\t' && byte != b'\n' && byte != b'\r'
}

/// Returns whether `bytes` start with U+FFFE or U+FFFF, the only characters above U+001F that XML leaves out
/// and UTF-8 does not.
pub(super) fn starts_with_noncharacter(bytes: &[u8]) -> bool {
    matches!(bytes, [0xEF, 0xBF, 0xBE | 0xBF, ..])
}

/// Returns whether a reference may stand for `c` (XML 1.0, production 2).
pub(super) const fn is_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{FFFD}' | '\u{10000}'..)
}

/// A checked name with at most one prefix.
#[derive(Clone, Copy, Debug)]
pub(super) struct QName<'a> {
    /// As it is written.
    pub(super) whole: &'a str,
    /// Where the colon is, if there is one; never at the start.
    colon: Option<NonZeroUsize>,
}

impl<'a> QName<'a> {
    /// Checks a name (Namespaces in XML 1.0, production 7).
    pub(super) fn parse(whole: &'a str) -> Result<Self, XmlError> {
        const WRONG: XmlError = XmlError::NotWellFormed("character not allowed in a name");
        let mut colon = None;
        let (mut expected, mut wide) = (NAME_START, false);
        for (at, &byte) in whole.as_bytes().iter().enumerate() {
            if is(byte, expected) {
                expected = NAME;
                wide |= byte >= 0x80;
            } else if byte == b':' && expected == NAME && colon.is_none() {
                colon = NonZeroUsize::new(at);
                expected = NAME_START;
            } else {
                return Err(if byte == b':' { XmlError::NotWellFormed("colon in a name") } else { WRONG });
            }
        }
        if expected == NAME_START {
            return Err(XmlError::NotWellFormed("empty name"));
        }
        let name = Self { whole, colon };
        if wide && !(is_wide_name(name.local()) && (colon.is_none() || is_wide_name(name.prefix()))) {
            return Err(WRONG);
        }
        Ok(name)
    }

    /// Returns the prefix; empty when there is none.
    pub(super) fn prefix(&self) -> &'a str {
        self.colon.and_then(|at| self.whole.get(..at.get())).unwrap_or_default()
    }

    /// Returns the name without its prefix.
    pub(super) fn local(&self) -> &'a str {
        self.colon.and_then(|at| self.whole.get(at.get() + 1..)).unwrap_or(self.whole)
    }

    /// Returns whether there is a prefix.
    pub(super) const fn has_prefix(&self) -> bool {
        self.colon.is_some()
    }

    /// Returns whether both are written alike.
    pub(super) fn is_same(&self, other: Self) -> bool {
        // Most names of one tag differ in their first byte; only the others are worth a call.
        self.whole.len() == other.whole.len()
            && self.whole.as_bytes().first() == other.whole.as_bytes().first()
            && self.whole == other.whole
    }

    /// Returns whether this is the name of an attribute whose prefix means a namespace.
    pub(super) fn is_foreign_attr(&self) -> bool {
        self.colon.is_some() && self.prefix() != "xmlns"
    }

    /// Returns the prefix that the attribute of this name declares: the empty one for `xmlns`.
    pub(super) fn declares(&self) -> Option<&'a str> {
        let rest = self.whole.strip_prefix("xmlns")?;
        if rest.is_empty() { Some("") } else { rest.strip_prefix(':') }
    }
}

/// Checks a non-empty name that is not only ASCII (XML 1.0, productions 4 to 5).
fn is_wide_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(is_name_start) && chars.all(|c| is_name_start(c) || is_name_rest(c))
}

const fn is_name_start(c: char) -> bool {
    matches!(c,
        'a'..='z' | 'A'..='Z' | '_' | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}'
        | '\u{370}'..='\u{37D}' | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}'
        | '\u{2070}'..='\u{218F}' | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}'
        | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}' | '\u{10000}'..='\u{EFFFF}')
}

const fn is_name_rest(c: char) -> bool {
    matches!(c,
        '0'..='9' | '-' | '.' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}
