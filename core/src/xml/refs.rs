//! References and line ends: from text as it is written to text as it is meant.

use std::borrow::Cow;

use super::XmlError;
use super::chars::{QName, is_char};

/// Returns the character that stands behind `name`, the part between `&` and `;`.
pub(super) fn resolve(name: &str) -> Result<char, XmlError> {
    match name {
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "amp" => Ok('&'),
        "apos" => Ok('\''),
        "quot" => Ok('"'),
        _ => match name.strip_prefix('#') {
            Some(number) => resolve_number(number),
            None => Err(QName::parse(name)
                .map_or(XmlError::NotWellFormed("`&` without a reference"), |_| {
                    XmlError::Restricted("entity that XML does not predefine")
                })),
        },
    }
}

fn resolve_number(number: &str) -> Result<char, XmlError> {
    let (digits, radix) = match number.strip_prefix('x') {
        Some(digits) => (digits, 16),
        None => (number, 10),
    };
    // `from_str_radix` alone would take a sign.
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return Err(XmlError::NotWellFormed("character reference without a number"));
    }
    // A number too large for 32 bits is too large for Unicode as well.
    u32::from_str_radix(digits, radix)
        .ok()
        .and_then(char::from_u32)
        .filter(|&c| is_char(c))
        .ok_or(XmlError::Characters("reference to a character that XML does not allow"))
}

/// Checks every reference in an attribute value.
pub(super) fn check_value(value: &str) -> Result<(), XmlError> {
    let mut pieces = value.split('&');
    pieces.next();
    for piece in pieces {
        let (name, _) = piece.split_once(';').ok_or(XmlError::NotWellFormed("reference without its `;`"))?;
        resolve(name)?;
    }
    Ok(())
}

/// Returns the value of a checked attribute: white space becomes spaces (XML 1.0, 3.3.3), references are
/// resolved.
pub(super) fn decode_value(value: &str) -> Cow<'_, str> {
    if !value.bytes().any(needs_decoding) {
        return Cow::Borrowed(value);
    }
    let spaced = value.replace("\r\n", " ").replace(['\t', '\n', '\r'], " ");
    let mut out = String::with_capacity(spaced.len());
    push_resolved(&spaced, &mut out);
    Cow::Owned(out)
}

/// Returns whether an attribute value that contains `byte` differs from its written form.
pub(super) const fn needs_decoding(byte: u8) -> bool {
    matches!(byte, b'&' | b'\t' | b'\n' | b'\r')
}

/// Appends checked character data: line ends become line feeds (XML 1.0, 2.11), references are resolved.
pub(super) fn push_text(text: &str, out: &mut String) {
    push_resolved(&line_ends(text), out);
}

/// Appends the content of a CDATA section, where `&` means itself.
pub(super) fn push_cdata(text: &str, out: &mut String) {
    out.push_str(&line_ends(text));
}

fn line_ends(text: &str) -> Cow<'_, str> {
    if text.contains('\r') {
        Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::Borrowed(text)
    }
}

fn push_resolved(text: &str, out: &mut String) {
    let mut pieces = text.split('&');
    out.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let (name, rest) = piece.split_once(';').unwrap_or((piece, ""));
        // Checked text has no other references; a stranger would show as what it cannot be.
        out.push(resolve(name).unwrap_or(char::REPLACEMENT_CHARACTER));
        out.push_str(rest);
    }
}
