//! Names that mix directions in a way that no layout keeps apart are refused.
//!
//! Implements: RFC 5893, section 2. Complete.

use icu_properties::CodePointMapData;
use icu_properties::props::BidiClass;

/// Tells whether `text` keeps the Bidi Rule. Text without right-to-left code points always does
/// (RFC 8265, section 3.3.1).
pub(super) fn holds(text: &str) -> bool {
    let classes = || text.chars().map(|c| CodePointMapData::<BidiClass>::new().get(c));
    if !classes().any(|class| is_right_to_left(class) || class == BidiClass::ArabicNumber) {
        return true;
    }
    let last = classes().rev().find(|class| *class != BidiClass::NonspacingMark);
    let (Some(first), Some(last)) = (classes().next(), last) else {
        return false;
    };
    if is_right_to_left(first) {
        let has_european = classes().any(|class| class == BidiClass::EuropeanNumber);
        let has_arabic = classes().any(|class| class == BidiClass::ArabicNumber);
        let ends_well =
            is_right_to_left(last) || last == BidiClass::EuropeanNumber || last == BidiClass::ArabicNumber;
        // Conditions 2, 3 and 4.
        classes().all(|class| is_right_to_left(class) || class == BidiClass::ArabicNumber || is_common(class))
            && ends_well
            && !(has_european && has_arabic)
    } else {
        // Condition 1 asks for L here, condition 5 for L and the common ones throughout: a text that came this
        // far holds R, AL or AN and cannot keep it.
        false
    }
}

fn is_right_to_left(class: BidiClass) -> bool {
    class == BidiClass::RightToLeft || class == BidiClass::ArabicLetter
}

/// What both left-to-right and right-to-left labels may hold.
fn is_common(class: BidiClass) -> bool {
    [
        BidiClass::EuropeanNumber,
        BidiClass::EuropeanSeparator,
        BidiClass::CommonSeparator,
        BidiClass::EuropeanTerminator,
        BidiClass::OtherNeutral,
        BidiClass::BoundaryNeutral,
        BidiClass::NonspacingMark,
    ]
    .contains(&class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_condition_admits_and_refuses() {
        for (text, admitted) in [
            ("abc", true),
            ("1a.", true), // no right-to-left code point: no rule
            ("\u{5d0}\u{5d1}", true),
            ("\u{5d0}1", true),
            ("\u{5d0}\u{5b0}", true), // ends in a mark behind a letter
            ("\u{628}\u{660}", true),
            ("1\u{5d0}", false),        // 1: begins with a number
            ("\u{660}\u{628}", false),  // 1: begins with an Arabic number
            ("\u{5b0}\u{5d0}", false),  // 1: begins with a mark
            ("\u{5d0}a\u{5d0}", false), // 2: a left-to-right letter inside
            ("\u{5d0}-", false),        // 3: ends in a separator
            ("\u{628}1\u{660}", false), // 4: both kinds of number
            ("a\u{5d0}", false),        // 5
            ("a\u{660}", false),        // 5
        ] {
            assert_eq!(holds(text), admitted, "{text:?}");
        }
    }
}
