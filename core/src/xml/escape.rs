//! Escaping, for everything that is written.

use super::chars::{is_control, starts_with_noncharacter};

/// Bytes that are looked at together.
const BLOCK: usize = 16;

/// Appends `text` as character data.
///
/// What reads it gets `text` back, but for characters that XML cannot carry at all: control characters other
/// than tab and line ends, U+FFFE and U+FFFF. These become U+FFFD.
pub fn escape_text(text: &str, out: &mut Vec<u8>) {
    escape(text, out, |byte| match byte {
        b'<' => Some("&lt;"),
        b'>' => Some("&gt;"),
        b'&' => Some("&amp;"),
        // A reader turns a bare carriage return into a line feed.
        b'\r' => Some("&#xD;"),
        _ => None,
    });
}

/// Appends `value` as the content of an attribute in single quotes, with the same exception as
/// [`escape_text`].
pub fn escape_attr(value: &str, out: &mut Vec<u8>) {
    escape(value, out, |byte| match byte {
        b'<' => Some("&lt;"),
        b'&' => Some("&amp;"),
        b'\'' => Some("&apos;"),
        // A reader turns bare white space in a value into spaces.
        b'\t' => Some("&#x9;"),
        b'\n' => Some("&#xA;"),
        b'\r' => Some("&#xD;"),
        _ => None,
    });
}

/// Appends an attribute with the space before it.
pub fn write_attr(name: &str, value: &str, out: &mut Vec<u8>) {
    out.push(b' ');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"='");
    escape_attr(value, out);
    out.push(b'\'');
}

fn escape(text: &str, out: &mut Vec<u8>, replacement: impl Fn(u8) -> Option<&'static str>) {
    const ILLEGAL: &str = "\u{FFFD}";
    let bytes = text.as_bytes();
    out.reserve(bytes.len());
    let mut written = 0;
    let mut at = plain_blocks(bytes);
    while let Some(&byte) = bytes.get(at) {
        let (replacement, used) = match replacement(byte) {
            Some(replacement) => (replacement, 1),
            None if is_control(byte) => (ILLEGAL, 1),
            None if byte == 0xEF && starts_with_noncharacter(bytes.get(at..).unwrap_or_default()) => {
                (ILLEGAL, 3)
            }
            None => {
                at += 1;
                if at.is_multiple_of(BLOCK) {
                    at += plain_blocks(bytes.get(at..).unwrap_or_default());
                }
                continue;
            }
        };
        out.extend_from_slice(bytes.get(written..at).unwrap_or_default());
        out.extend_from_slice(replacement.as_bytes());
        at += used;
        written = at;
    }
    out.extend_from_slice(bytes.get(written..).unwrap_or_default());
}

/// Returns how many of the first bytes, in whole blocks, are certainly written as they are: nearly all of nearly
/// every text.
fn plain_blocks(bytes: &[u8]) -> usize {
    #[expect(
        clippy::needless_bitwise_bool,
        reason = "no branch between the parts: the compiler judges a whole block at once"
    )]
    let special = |byte: u8| {
        (byte < b' ') | (byte == b'<') | (byte == b'>') | (byte == b'&') | (byte == b'\'') | (byte == 0xEF)
    };
    let (blocks, _) = bytes.as_chunks::<BLOCK>();
    let plain = blocks.iter().take_while(|block| !block.iter().fold(false, |any, byte| any | special(*byte)));
    plain.count() * BLOCK
}
