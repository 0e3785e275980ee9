//! Code points that are admitted in some contexts only.
//!
//! Implements: RFC 5892, appendix A. Complete.

use icu_properties::CodePointMapData;
use icu_properties::props::{CanonicalCombiningClass, JoiningType, Script};

const ZERO_WIDTH_NON_JOINER: char = '\u{200c}';
const ZERO_WIDTH_JOINER: char = '\u{200d}';
const MIDDLE_DOT: char = '\u{b7}';
const GREEK_KERAIA: char = '\u{375}';
const HEBREW_GERESH: char = '\u{5f3}';
const HEBREW_GERSHAYIM: char = '\u{5f4}';
const KATAKANA_MIDDLE_DOT: char = '\u{30fb}';

/// Tells whether every context-dependent code point of `text` is where its rule admits it.
pub(super) fn holds(text: &str) -> bool {
    // The three rules that look at the whole string ask once for all.
    let has_arabic_indic = text.chars().any(is_arabic_indic_digit);
    let has_extended_arabic_indic = text.chars().any(is_extended_arabic_indic_digit);
    let has_katakana_dot = text.contains(KATAKANA_MIDDLE_DOT);
    if (has_arabic_indic && has_extended_arabic_indic)
        || (has_katakana_dot && !text.chars().any(is_kana_or_han))
    {
        return false;
    }
    text.char_indices().all(|(offset, c)| {
        let (before, rest) = text.split_at_checked(offset).unwrap_or_default();
        let mut after = rest.chars();
        after.next();
        holds_at(c, before, after.as_str())
    })
}

/// The rules that look at the neighbours.
fn holds_at(c: char, before: &str, after: &str) -> bool {
    let previous = before.chars().next_back();
    let next = after.chars().next();
    match c {
        ZERO_WIDTH_NON_JOINER => previous.is_some_and(is_virama) || breaks_a_join(before, after),
        ZERO_WIDTH_JOINER => previous.is_some_and(is_virama),
        MIDDLE_DOT => previous == Some('l') && next == Some('l'),
        GREEK_KERAIA => next.is_some_and(|next| script(next) == Script::Greek),
        HEBREW_GERESH | HEBREW_GERSHAYIM => {
            previous.is_some_and(|previous| script(previous) == Script::Hebrew)
        }
        _ => true,
    }
}

/// `(Joining_Type:{L,D})(Joining_Type:T)*` before and `(Joining_Type:T)*(Joining_Type:{R,D})` after.
fn breaks_a_join(before: &str, after: &str) -> bool {
    let left = before.chars().rev().map(joining_type).find(|kind| *kind != JoiningType::Transparent);
    let right = after.chars().map(joining_type).find(|kind| *kind != JoiningType::Transparent);
    let joins_left = |kind| kind == JoiningType::LeftJoining || kind == JoiningType::DualJoining;
    let joins_right = |kind| kind == JoiningType::RightJoining || kind == JoiningType::DualJoining;
    left.is_some_and(joins_left) && right.is_some_and(joins_right)
}

fn joining_type(c: char) -> JoiningType {
    CodePointMapData::<JoiningType>::new().get(c)
}

fn script(c: char) -> Script {
    CodePointMapData::<Script>::new().get(c)
}

fn is_virama(c: char) -> bool {
    CodePointMapData::<CanonicalCombiningClass>::new().get(c) == CanonicalCombiningClass::Virama
}

fn is_kana_or_han(c: char) -> bool {
    let script = script(c);
    script == Script::Hiragana || script == Script::Katakana || script == Script::Han
}

const fn is_arabic_indic_digit(c: char) -> bool {
    matches!(c, '\u{660}'..='\u{669}')
}

const fn is_extended_arabic_indic_digit(c: char) -> bool {
    matches!(c, '\u{6f0}'..='\u{6f9}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_of_appendix_a_admits_and_refuses() {
        for (text, admitted) in [
            ("\u{915}\u{94d}\u{200c}\u{937}", true),        // A.1: behind a virama
            ("\u{628}\u{200c}\u{628}", true),               // A.1: between two that would join
            ("\u{628}\u{64e}\u{200c}\u{64e}\u{628}", true), // A.1: transparent marks between
            ("\u{200c}\u{628}", false),
            ("\u{628}\u{200c}", false),
            ("\u{628}\u{200c}a", false),
            ("\u{627}\u{200c}\u{628}", false), // alef joins to its right only
            ("\u{915}\u{94d}\u{200d}\u{937}", true), // A.2
            ("\u{915}\u{200d}\u{937}", false),
            ("\u{200d}", false),
            ("l\u{b7}l", true), // A.3
            ("l\u{b7}", false),
            ("\u{b7}l", false),
            ("a\u{b7}l", false),
            ("\u{375}\u{3b1}", true), // A.4
            ("\u{375}a", false),
            ("\u{3b1}\u{375}", false),
            ("\u{5d0}\u{5f3}", true), // A.5
            ("a\u{5f3}", false),
            ("\u{5d0}\u{5f4}", true), // A.6
            ("\u{5f4}", false),
            ("\u{30fb}\u{30a2}", true), // A.7
            ("a\u{30fb}b\u{6f22}", true),
            ("a\u{30fb}b", false),
            ("\u{660}\u{669}", true), // A.8 and A.9
            ("\u{6f0}\u{6f9}", true),
            ("\u{660}\u{6f0}", false),
        ] {
            assert_eq!(holds(text), admitted, "{text:?}");
        }
    }
}
