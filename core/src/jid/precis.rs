//! Which code points a string class admits, derived from their Unicode properties.
//!
//! Implements: RFC 8264, sections 8 and 9; RFC 5892, sections 2.1 to 2.10. Complete.
//!
//! The properties are those of the Unicode version of the ICU tables, not those of the registry, which stays
//! at Unicode 6.3: people write with today's characters. The tests compare the two.

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::props::{
    DefaultIgnorableCodePoint, GeneralCategory, GeneralCategoryGroup, HangulSyllableType, JoinControl,
    NoncharacterCodePoint,
};
use icu_properties::{CodePointMapData, CodePointSetData};

/// A string class (RFC 8264, section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// `IdentifierClass`: safe names.
    Identifier,
    /// `FreeformClass`: passwords and what people show of themselves.
    Freeform,
}

/// The derived property of a code point (RFC 8264, section 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Property {
    /// `PVALID`: admitted by every class.
    Valid,
    /// `FREE_PVAL`: admitted by the class asked for, not by every class.
    ClassValid,
    /// `ID_DIS`: refused by the class asked for, not by every class.
    ClassDisallowed,
    /// `CONTEXTJ`: a joiner, admitted where its contextual rule holds.
    ContextJ,
    /// `CONTEXTO`: admitted where its contextual rule holds.
    ContextO,
    /// `DISALLOWED`: refused by every class.
    Disallowed,
    /// `UNASSIGNED`: unknown to this version of Unicode, and refused.
    Unassigned,
}

/// `LetterDigits` (RFC 5892, section 2.1).
const LETTER_DIGITS: GeneralCategoryGroup = GeneralCategoryGroup::LowercaseLetter
    .union(GeneralCategoryGroup::UppercaseLetter)
    .union(GeneralCategoryGroup::OtherLetter)
    .union(GeneralCategoryGroup::DecimalNumber)
    .union(GeneralCategoryGroup::ModifierLetter)
    .union(GeneralCategoryGroup::NonspacingMark)
    .union(GeneralCategoryGroup::SpacingMark);

/// `OtherLetterDigits`, `Spaces`, `Symbols` and `Punctuation` (RFC 8264, sections 9.14 to 9.16 and 9.18). They are
/// disjoint and have the same outcome.
const FREEFORM_ONLY: GeneralCategoryGroup = GeneralCategoryGroup::TitlecaseLetter
    .union(GeneralCategoryGroup::LetterNumber)
    .union(GeneralCategoryGroup::OtherNumber)
    .union(GeneralCategoryGroup::EnclosingMark)
    .union(GeneralCategoryGroup::SpaceSeparator)
    .union(GeneralCategoryGroup::Symbol)
    .union(GeneralCategoryGroup::Punctuation);

/// Returns the derived property of `c` in `class`. The order of the questions is that of RFC 8264, section 8.
pub fn derived_property(c: char, class: Class) -> Property {
    if let Some(property) = exception(c) {
        return property;
    }
    // `BackwardCompatible` (RFC 5892, section 2.7) is the empty set.
    let category = CodePointMapData::<GeneralCategory>::new().get(c);
    let is_noncharacter = CodePointSetData::new::<NoncharacterCodePoint>().contains(c);
    if category == GeneralCategory::Unassigned && !is_noncharacter {
        Property::Unassigned
    } else if matches!(c, '\u{21}'..='\u{7e}') {
        Property::Valid
    } else if CodePointSetData::new::<JoinControl>().contains(c) {
        Property::ContextJ
    } else if is_old_hangul_jamo(c)
        || is_noncharacter
        || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
        || category == GeneralCategory::Control
    {
        Property::Disallowed
    } else if has_compat(c) {
        freeform_only(class)
    } else if LETTER_DIGITS.contains(category) {
        Property::Valid
    } else if FREEFORM_ONLY.contains(category) {
        freeform_only(class)
    } else {
        Property::Disallowed
    }
}

/// `Exceptions` (RFC 5892, section 2.6).
const fn exception(c: char) -> Option<Property> {
    Some(match c {
        '\u{df}' | '\u{3c2}' | '\u{6fd}' | '\u{6fe}' | '\u{f0b}' | '\u{3007}' => Property::Valid,
        '\u{b7}'
        | '\u{375}'
        | '\u{5f3}'
        | '\u{5f4}'
        | '\u{30fb}'
        | '\u{660}'..='\u{669}'
        | '\u{6f0}'..='\u{6f9}' => Property::ContextO,
        '\u{640}' | '\u{7fa}' | '\u{302e}' | '\u{302f}' | '\u{3031}'..='\u{3035}' | '\u{303b}' => {
            Property::Disallowed
        }
        _ => return None,
    })
}

/// `OldHangulJamo` (RFC 5892, section 2.9).
fn is_old_hangul_jamo(c: char) -> bool {
    let kind = CodePointMapData::<HangulSyllableType>::new().get(c);
    kind == HangulSyllableType::LeadingJamo
        || kind == HangulSyllableType::VowelJamo
        || kind == HangulSyllableType::TrailingJamo
}

/// `HasCompat` (RFC 8264, section 9.17).
fn has_compat(c: char) -> bool {
    !ComposingNormalizerBorrowed::new_nfkc().is_normalized(c.encode_utf8(&mut [0; 4]))
}

const fn freeform_only(class: Class) -> Property {
    match class {
        Class::Identifier => Property::ClassDisallowed,
        Class::Freeform => Property::ClassValid,
    }
}
