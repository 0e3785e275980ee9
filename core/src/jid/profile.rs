//! Localparts, resourceparts and passwords in the form in which they are compared.
//!
//! Implements: RFC 7622, sections 3.3 and 3.4; RFC 8265, sections 3.3 and 4.2; RFC 8264, section 7. Complete.
//!
//! Decisions: joiners are admitted where RFC 5892 admits them and nowhere else, also in resourceparts, so
//! `nick 🙂` is a resourcepart and an emoji joined by U+200D, or one with a variation selector, is none.
//! A context-dependent code point is judged in the string as it will be (RFC 8264, section 7, step 6), so
//! `COL·LEGI` is `col·legi`. SPEC: RFC 7622 calls `/ foo` no resourcepart (table 2, example 18), but no rule of
//! it or of `OpaqueString` says so; the rules win.

use std::borrow::Cow;

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::props::{ChangesWhenLowercased, GeneralCategory};
use icu_properties::{CodePointMapData, CodePointSetData};

use super::precis::{Class, Property, derived_property};
use super::{JidError, bidi, context};

/// Bytes of one part of an address (RFC 7622, section 3.1).
pub(super) const PART_BYTES_MAX: usize = 1023;

/// Bytes of a part before preparation. A fullwidth letter shrinks from three bytes to one, composition shrinks
/// less: what is longer than this is longer than [`PART_BYTES_MAX`] afterwards.
const RAW_BYTES_MAX: usize = 4 * PART_BYTES_MAX;

/// Allowed by `UsernameCaseMapped`, excluded from localparts (RFC 7622, section 3.3.1).
const EXCLUDED: &[char] = &['"', '&', '\'', '/', ':', '<', '>', '@'];

/// How often a profile is applied to its own output before it is given up (RFC 8264, section 7).
const REAPPLIED_MAX: u32 = 3;

/// Prepares a localpart: width, case, normalisation, and what localparts exclude.
///
/// # Errors
///
/// [`JidError::Empty`], [`JidError::TooLong`], or [`JidError::Local`] when it holds what no localpart may.
pub fn prepare_local(text: &str) -> Result<String, JidError> {
    local(text).map(Cow::into_owned)
}

/// Prepares a password (`OpaqueString`, RFC 8265, 4.2). Its length is not bounded here.
///
/// # Errors
///
/// [`JidError::Empty`] or [`JidError::Local`] when it is none.
pub fn prepare_password(text: &str) -> Result<String, JidError> {
    opaque_string(text, JidError::Local).map(Cow::into_owned)
}

/// As [`prepare_local`], without a copy where there is nothing to change.
pub(super) fn local(text: &str) -> Result<Cow<'_, str>, JidError> {
    if is_prepared_local(text.as_bytes()) {
        return Ok(Cow::Borrowed(text));
    }
    let prepared = bounded(text, || {
        if text.is_ascii() { Some(text.to_ascii_lowercase()) } else { stable(text, username_case_mapped) }
            .filter(|prepared| !prepared.contains(EXCLUDED))
            .filter(|prepared| prepared.bytes().all(|byte| byte > b' ' && byte != 0x7f))
            .ok_or(JidError::Local)
    })?;
    Ok(Cow::Owned(prepared))
}

/// Prepares a resourcepart.
pub(super) fn resource(text: &str) -> Result<Cow<'_, str>, JidError> {
    if is_prepared_resource(text.as_bytes()) {
        return Ok(Cow::Borrowed(text));
    }
    bounded(text, || opaque_string(text, JidError::Resource))
}

/// Tells whether `bytes` are a localpart as it is, by a test that only ASCII passes.
pub(super) fn is_prepared_local(bytes: &[u8]) -> bool {
    fits(bytes) && bytes.iter().all(|byte| LOCAL_ASCII[usize::from(*byte)])
}

/// Tells whether `bytes` are a resourcepart as it is, by a test that only ASCII passes.
pub(super) fn is_prepared_resource(bytes: &[u8]) -> bool {
    fits(bytes) && bytes.iter().all(|byte| matches!(byte, b' '..=b'~'))
}

/// ASCII bytes that a prepared localpart may hold.
const LOCAL_ASCII: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = b'!';
    while byte <= b'~' {
        table[byte as usize] = !byte.is_ascii_uppercase()
            && !matches!(byte, b'"' | b'&' | b'\'' | b'/' | b':' | b'<' | b'>' | b'@');
        byte += 1;
    }
    table
};

const fn fits(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.len() <= PART_BYTES_MAX
}

/// Runs `prepare` on a part, under the length rules before and after.
fn bounded<T: AsRef<str>>(text: &str, prepare: impl Fn() -> Result<T, JidError>) -> Result<T, JidError> {
    if text.is_empty() {
        return Err(JidError::Empty);
    }
    if text.len() > RAW_BYTES_MAX {
        return Err(JidError::TooLong);
    }
    let prepared = prepare()?;
    if prepared.as_ref().is_empty() {
        return Err(JidError::Empty);
    }
    if prepared.as_ref().len() > PART_BYTES_MAX {
        return Err(JidError::TooLong);
    }
    Ok(prepared)
}

/// Applies a profile until its output does not change any more.
fn stable(text: &str, apply: fn(&str) -> Option<String>) -> Option<String> {
    let mut current = Cow::Borrowed(text);
    for _ in 0..=REAPPLIED_MAX {
        let next = apply(&current)?;
        if next == current {
            return Some(next);
        }
        current = Cow::Owned(next);
    }
    None
}

/// One application of `UsernameCaseMapped` (RFC 8265, sections 3.3.2 and 3.3.3).
fn username_case_mapped(text: &str) -> Option<String> {
    let narrow: String = text.chars().map(width_mapped).collect();
    if !admits(Class::Identifier, &narrow) {
        return None;
    }
    if !narrow.chars().all(has_known_case) {
        return None;
    }
    // Character by character: the mapping rules know no final sigma (RFC 8265, section 3.6).
    let lower: String = narrow.chars().flat_map(char::to_lowercase).collect();
    let out = ComposingNormalizerBorrowed::new_nfc().normalize(&lower).into_owned();
    let is_admitted = out == narrow || admits(Class::Identifier, &out);
    (is_admitted && bidi::holds(&out) && context::holds(&out)).then_some(out)
}

/// `OpaqueString` (RFC 8265, section 4.2.2), applied until it is stable; `otherwise` is the error.
fn opaque_string(text: &str, otherwise: JidError) -> Result<Cow<'_, str>, JidError> {
    if text.is_empty() {
        return Err(JidError::Empty);
    }
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Ok(Cow::Borrowed(text));
    }
    stable(text, |text| {
        if !admits(Class::Freeform, text) {
            return None;
        }
        let spaced: String = text.chars().map(|c| if is_space(c) { ' ' } else { c }).collect();
        let out = ComposingNormalizerBorrowed::new_nfc().normalize(&spaced).into_owned();
        let is_admitted = out == text || admits(Class::Freeform, &out);
        (is_admitted && context::holds(&out)).then_some(out)
    })
    .map(Cow::Owned)
    .ok_or(otherwise)
}

/// Tells whether the class admits each code point of `text`, in some context at least.
fn admits(class: Class, text: &str) -> bool {
    text.chars().all(|c| match derived_property(c, class) {
        Property::Valid | Property::ClassValid | Property::ContextJ | Property::ContextO => true,
        Property::ClassDisallowed | Property::Disallowed | Property::Unassigned => false,
    })
}

/// Maps fullwidth and halfwidth code points to their decomposition. All of them, and nothing that an
/// identifier may hold, lie in one block; where the decomposition decomposes further, the class refuses both.
fn width_mapped(c: char) -> char {
    if !matches!(c, '\u{ff00}'..='\u{ffef}') {
        return c;
    }
    let mut buffer = [0; 4];
    let mapped = ComposingNormalizerBorrowed::new_nfkc().normalize(c.encode_utf8(&mut buffer));
    let mut chars = mapped.chars();
    match (chars.next(), chars.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

/// Tells whether the standard library maps the case of `c`, if it has case. The tables may know a later version
/// of Unicode: a letter that only they know is refused, because it would be mapped after the next update.
fn has_known_case(c: char) -> bool {
    !CodePointSetData::new::<ChangesWhenLowercased>().contains(c) || !c.to_lowercase().eq([c])
}

fn is_space(c: char) -> bool {
    CodePointMapData::<GeneralCategory>::new().get(c) == GeneralCategory::SpaceSeparator
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(prepare: fn(&str) -> Result<String, JidError>, cases: &[(&str, Result<&str, JidError>)]) {
        for (text, expected) in cases {
            let prepared = prepare(text);
            assert_eq!(prepared.as_deref().map_err(|error| *error), *expected, "{text:?}");
            if let Ok(once) = &prepared {
                assert_eq!(prepare(once).as_ref(), Ok(once), "twice is once: {text:?}");
            }
        }
    }

    #[test]
    fn a_localpart_is_mapped_or_refused() {
        let refused = Err(JidError::Local);
        check(
            prepare_local,
            &[
                ("juliet", Ok("juliet")),
                ("Juliet", Ok("juliet")),
                ("foo\\20bar", Ok("foo\\20bar")),
                ("fussball", Ok("fussball")),
                ("fußball", Ok("fußball")),
                ("π", Ok("π")),
                ("Σ", Ok("σ")),
                ("ΑΣ", Ok("ασ")),
                ("ς", Ok("ς")),
                ("ＪＵＬＩＥＴ", Ok("juliet")),
                ("ｶﾞ", Ok("ガ")),
                ("e\u{301}", Ok("é")),
                ("E\u{301}", Ok("é")),
                ("İ", Ok("i\u{307}")),
                ("COL·LEGI", Ok("col·legi")),
                ("שלום", Ok("שלום")),
                ("", Err(JidError::Empty)),
                ("a b", refused),
                ("a\tb", refused),
                ("a\u{7f}", refused),
                ("a\u{3000}b", refused),
                ("henryⅣ", refused),
                ("♚", refused),
                ("∞", refused),
                ("🙂", refused),
                ("a·b", refused),
                ("a\u{200d}b", refused),
                ("aש", refused),
                ("ｊ＠ｅ", refused),
                ("￣", refused),
                ("ﾡ", refused),
                ("\u{1100}\u{1161}", refused),
                ("\u{e000}", refused),
                ("\u{378}", refused),
                ("\u{ad}", refused),
                ("\u{fdd0}", refused),
            ],
        );
        for excluded in EXCLUDED {
            assert_eq!(prepare_local(&format!("a{excluded}")), refused.map(str::to_owned));
            assert_eq!(prepare_local(&format!("é{excluded}")), refused.map(str::to_owned));
        }
    }

    #[test]
    fn a_password_keeps_its_case_and_width_and_loses_odd_spaces() {
        let refused = Err(JidError::Local);
        check(
            prepare_password,
            &[
                ("correct horse battery staple", Ok("correct horse battery staple")),
                ("Correct Horse Battery Staple", Ok("Correct Horse Battery Staple")),
                ("πßå", Ok("πßå")),
                ("Jack of ♦s", Ok("Jack of ♦s")),
                ("foo\u{1680}bar", Ok("foo bar")),
                ("\u{3000}", Ok(" ")),
                ("ＡＢ", Ok("ＡＢ")),
                ("A\u{30a}", Ok("Å")),
                ("\u{212b}", Ok("Å")),
                ("Ⅳ🙂", Ok("Ⅳ🙂")),
                ("", Err(JidError::Empty)),
                ("my cat is a \tby", refused),
                ("\u{85}", refused),
                ("a\u{200d}b", refused),
                ("\u{1f469}\u{200d}\u{1f680}", refused),
                ("❤\u{fe0f}", refused),
                ("क्\u{200d}ष", Ok("क्\u{200d}ष")),
                ("\u{10ffff}", refused),
            ],
        );
    }

    #[test]
    fn length_is_judged_after_mapping() {
        assert!(prepare_local(&"a".repeat(1023)).is_ok());
        assert!(prepare_local(&"Ａ".repeat(1023)).is_ok());
        assert_eq!(prepare_local(&"a".repeat(1024)), Err(JidError::TooLong));
        assert_eq!(prepare_local(&"é".repeat(512)), Err(JidError::TooLong));
        assert_eq!(prepare_local(&"Ａ".repeat(1_000_000)), Err(JidError::TooLong));
        assert!(resource(&"x".repeat(1023)).is_ok());
        assert_eq!(resource(&"x".repeat(1024)), Err(JidError::TooLong));
    }

    /// Otherwise the same text would be another address after an update of the compiler or of the tables.
    #[test]
    fn no_prepared_localpart_holds_a_letter_that_the_tables_would_map() {
        for c in '\0'..=char::MAX {
            if let Ok(prepared) = prepare_local(c.encode_utf8(&mut [0; 4])) {
                let changes = |c| CodePointSetData::new::<ChangesWhenLowercased>().contains(c);
                assert!(!prepared.contains(changes), "{c:?}");
            }
        }
    }
}
