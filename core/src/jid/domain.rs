//! Domainparts in the form in which they are compared: U-labels in lower case, or a bracketed address.
//!
//! Implements: RFC 7622, section 3.2; RFC 5890, section 2.3. Complete.
//!
//! Mapping, decoding of A-labels and the checks of joiners and direction are those of UTS #46 (as in every
//! browser); what UTS #46 admits beyond IDNA 2008 (symbols, emoji) is refused here.

use core::net::Ipv6Addr;
use std::borrow::Cow;

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};

use super::precis::{Class, Property, derived_property};
use super::profile::PART_BYTES_MAX;
use super::{JidError, context};

/// Bytes of a name in its ASCII form, without the final dot (RFC 1034, section 3.1).
const NAME_BYTES_MAX: usize = 253;

/// Bytes of one label in its ASCII form (RFC 1034, section 3.1).
const LABEL_BYTES_MAX: usize = 63;

/// What separates labels before mapping (UTS #46, section 2.3).
const SEPARATORS: [char; 4] = ['.', '\u{3002}', '\u{ff0e}', '\u{ff61}'];

const UTS46: Uts46 = Uts46::new();

/// Prepares a domainpart.
pub(super) fn domain(text: &str) -> Result<Cow<'_, str>, JidError> {
    let text = text.strip_suffix(SEPARATORS).unwrap_or(text);
    if text.is_empty() {
        return Err(JidError::Empty);
    }
    if text.len() > PART_BYTES_MAX {
        return Err(JidError::TooLong);
    }
    if is_prepared(text.as_bytes()) {
        return Ok(Cow::Borrowed(text));
    }
    if text.is_ascii() {
        let lower = text.to_ascii_lowercase();
        if is_prepared(lower.as_bytes()) {
            return Ok(Cow::Owned(lower));
        }
    }
    if let Some(literal) = text.strip_prefix('[') {
        return literal.strip_suffix(']').and_then(ip_literal).map(Cow::Owned).ok_or(JidError::Domain);
    }
    // Mapping and decoding cost more than linear time; no label of this length can come out well.
    if text.split(SEPARATORS).any(|label| label.chars().nth(LABEL_BYTES_MAX).is_some()) {
        return Err(JidError::Domain);
    }
    name(text).map(Cow::Owned).ok_or(JidError::Domain)
}

/// Tells whether `bytes` are a domainpart as it is, by a test that only lower-case NR-LDH names pass.
pub(super) fn is_prepared(bytes: &[u8]) -> bool {
    bytes.len() <= NAME_BYTES_MAX && bytes.split(|byte| *byte == b'.').all(is_ldh_label)
}

fn is_ldh_label(label: &[u8]) -> bool {
    let (Some(first), Some(last)) = (label.first(), label.last()) else {
        return false;
    };
    // Two hyphens in third and fourth place mark A-labels and what is reserved.
    label.len() <= LABEL_BYTES_MAX
        && *first != b'-'
        && *last != b'-'
        && label.get(2..4) != Some(b"--")
        && label.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

/// Maps a name to U-labels, and checks them.
fn name(text: &str) -> Option<String> {
    let (unicode, outcome) = UTS46.to_unicode(text.as_bytes(), AsciiDenyList::STD3, Hyphens::Check);
    outcome.ok()?;
    let unicode = unicode.into_owned();
    let ascii =
        UTS46.to_ascii(unicode.as_bytes(), AsciiDenyList::STD3, Hyphens::Check, DnsLength::Verify).ok()?;
    // What comes back from the ASCII form is what everybody else will compare with.
    let (back, outcome) = UTS46.to_unicode(ascii.as_bytes(), AsciiDenyList::STD3, Hyphens::Check);
    (outcome.is_ok() && back == unicode && unicode.split('.').all(is_u_label)).then_some(unicode)
}

/// The repertoire of IDNA 2008. Mapping has removed what is unstable, so what `IdentifierClass` admits
/// is what IDNA admits, but for the blocks of RFC 5892, section 2.4.
fn is_u_label(label: &str) -> bool {
    label.chars().all(|c| match derived_property(c, Class::Identifier) {
        Property::Valid => !is_in_ignorable_block(c),
        Property::ContextJ | Property::ContextO => true,
        Property::ClassValid | Property::ClassDisallowed | Property::Disallowed | Property::Unassigned => {
            false
        }
    }) && context::holds(label)
}

/// `IgnorableBlocks` (RFC 5892, section 2.4).
const fn is_in_ignorable_block(c: char) -> bool {
    matches!(c, '\u{20d0}'..='\u{20ff}' | '\u{1d100}'..='\u{1d1ff}' | '\u{1d200}'..='\u{1d24f}')
}

/// Prepares what stands between brackets: an IPv6 address in its one canonical form (RFC 5952), with the
/// zone of RFC 6874 as it is. Zones with percent-encoded characters are refused.
fn ip_literal(text: &str) -> Option<String> {
    let (address, zone) = match text.split_once("%25") {
        Some((address, zone)) => (address, Some(zone)),
        None => (text, None),
    };
    let address: Ipv6Addr = address.parse().ok()?;
    match zone {
        None => Some(format!("[{address}]")),
        Some(zone) if !zone.is_empty() && zone.bytes().all(is_unreserved) => {
            Some(format!("[{address}%25{zone}]"))
        }
        Some(_) => None,
    }
}

/// `unreserved` of RFC 3986, section 2.3.
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_mapped_or_refused() {
        let refused = Err(JidError::Domain);
        let long_label = "a".repeat(64);
        let long_name = vec!["abcdefg"; 32].join(".");
        for (text, expected) in [
            ("example.com", Ok("example.com")),
            ("Example.COM", Ok("example.com")),
            ("example.com.", Ok("example.com")),
            ("EXAMPLE。com｡", Ok("example.com")),
            ("localhost", Ok("localhost")),
            ("192.0.2.1", Ok("192.0.2.1")),
            ("[2001:DB8::0:1]", Ok("[2001:db8::1]")),
            ("[::ffff:192.0.2.1]", Ok("[::ffff:192.0.2.1]")),
            ("[fe80::1%25eth0]", Ok("[fe80::1%25eth0]")),
            ("xn--bcher-kva.example", Ok("bücher.example")),
            ("XN--BCHER-KVA.example", Ok("bücher.example")),
            ("BÜCHER.example", Ok("bücher.example")),
            ("bu\u{308}cher.example", Ok("bücher.example")),
            ("faß.example", Ok("faß.example")),
            ("ｅｘａｍｐｌｅ.com", Ok("example.com")),
            ("пример.рф", Ok("пример.рф")),
            ("", Err(JidError::Empty)),
            (".", Err(JidError::Empty)),
            ("example.com..", refused),
            ("a..b", refused),
            (".a", refused),
            ("-a.example", refused),
            ("a-.example", refused),
            ("ab--c.example", refused),
            ("xn--a.example", refused),
            ("xn--.example", refused),
            ("a_b.example", refused),
            ("a b.example", refused),
            ("a@b", refused),
            ("a/b", refused),
            ("i❤.example", refused),
            ("🙂.example", refused),
            ("a\u{200d}b.example", refused),
            ("a・b.example", refused),
            ("aש.example", refused),
            ("[2001:db8::1", refused),
            ("[192.0.2.1]", refused),
            ("[v1.x]", refused),
            ("[fe80::1%25]", refused),
            ("[fe80::1%25a/b]", refused),
            ("2001:db8::1", refused),
            (&long_label, refused),
            (&long_name, refused),
        ] {
            let prepared = domain(text);
            assert_eq!(prepared.as_deref().map_err(|error| *error), expected, "{text:?}");
            if let Ok(once) = &prepared {
                assert_eq!(domain(once).as_ref(), Ok(once), "twice is once: {text:?}");
            }
        }
        assert_eq!(domain(&"a.".repeat(600)), Err(JidError::TooLong));
    }
}
