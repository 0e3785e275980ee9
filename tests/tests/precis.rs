//! PRECIS against a second implementation and against its own laws, over all code points.
//!
//! `precis-core` keeps to the registry (Unicode 6.3) with tables of its own; `eyot-core` derives from the ICU
//! tables. The two must agree on every code point that Unicode 6.3 knows.

use std::collections::BTreeMap;

use eyot_core::jid::{BareJid, Class, Domain, Jid, JidError, Property};
use eyot_core::jid::{derived_property, prepare_local, prepare_password};
use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};
use precis_core::{DerivedPropertyValue, FreeformClass, IdentifierClass, StringClass as _};
use rand::rngs::ChaCha8Rng;
use rand::{Rng as _, SeedableRng as _};

/// Code points on which the two differ although Unicode 6.3 knows them: the code point, the class, what the
/// registry says, what we say. Later versions of Unicode may change a property; each entry gets its reason.
const DIFFERENCES: &[(char, Class, Property, Property)] = &[];

fn all_chars() -> impl Iterator<Item = char> {
    '\0'..=char::MAX
}

/// What `precis-core` says.
fn theirs(c: char, class: Class) -> Property {
    let value = match class {
        Class::Identifier => IdentifierClass::default().get_value_from_char(c),
        Class::Freeform => FreeformClass::default().get_value_from_char(c),
    };
    match value {
        DerivedPropertyValue::PValid => Property::Valid,
        DerivedPropertyValue::SpecClassPval => Property::ClassValid,
        DerivedPropertyValue::SpecClassDis => Property::ClassDisallowed,
        DerivedPropertyValue::ContextJ => Property::ContextJ,
        DerivedPropertyValue::ContextO => Property::ContextO,
        DerivedPropertyValue::Disallowed => Property::Disallowed,
        DerivedPropertyValue::Unassigned => Property::Unassigned,
    }
}

#[test]
fn both_derivations_agree_on_every_code_point_of_unicode_6_3() {
    for class in [Class::Identifier, Class::Freeform] {
        let known =
            all_chars().map(|c| (c, theirs(c, class))).filter(|(_, theirs)| *theirs != Property::Unassigned);
        let mut compared = 0;
        let mut different = Vec::new();
        for (c, theirs) in known {
            compared += 1;
            let ours = derived_property(c, class);
            if ours != theirs {
                different.push((c, class, theirs, ours));
            }
        }
        assert_eq!(compared, 247_721, "the whole of Unicode 6.3 without surrogates");
        let named: Vec<_> = DIFFERENCES.iter().copied().filter(|(_, of, ..)| *of == class).collect();
        assert_eq!(different, named);
    }
}

/// The counts are those of the ICU tables in use. When an update moves them, somebody should look at what moved.
#[test]
fn what_unicode_6_3_does_not_know_is_classified() {
    let counts = |class| {
        let mut counts = BTreeMap::new();
        for c in all_chars().filter(|c| theirs(*c, class) == Property::Unassigned) {
            *counts.entry(format!("{:?}", derived_property(c, class))).or_insert(0_u32) += 1;
        }
        counts.into_iter().collect::<Vec<_>>()
    };
    let expected = |of_class: &str| {
        let mut counts = vec![
            (String::from(of_class), 4_475),
            (String::from("Disallowed"), 26),
            (String::from("Unassigned"), 801_657),
            (String::from("Valid"), 58_185),
        ];
        counts.sort();
        counts
    };
    assert_eq!(counts(Class::Identifier), expected("ClassDisallowed"));
    assert_eq!(counts(Class::Freeform), expected("ClassValid"));
}

/// Every string of up to four characters over an alphabet in which every contextual rule can hold and fail.
#[test]
fn both_implementations_of_the_contextual_rules_agree() {
    let alphabet = [
        '\u{200c}', '\u{200d}', '\u{b7}', '\u{375}', '\u{5f3}', '\u{5f4}', '\u{30fb}', '\u{660}', '\u{6f1}',
        'l', 'a', 'α', 'א', 'ア', '漢', '\u{915}', '\u{94d}', '\u{628}', '\u{627}', '\u{64e}',
    ];
    let mut strings = vec![String::new()];
    let mut admitted = 0;
    for _ in 0..4 {
        strings = strings.iter().flat_map(|text| alphabet.map(|c| format!("{text}{c}"))).collect();
        // Normalisation, which only we do here, would move marks.
        for text in strings.iter().filter(|text| is_composed(text)) {
            let ours = prepare_password(text).is_ok();
            assert_eq!(ours, FreeformClass::default().allows(text).is_ok(), "{text:?}");
            admitted += u32::from(ours);
        }
    }
    assert!((10_000..130_000).contains(&admitted), "{admitted} of 168420 are admitted: rules hold and fail");
}

fn is_composed(text: &str) -> bool {
    ComposingNormalizerBorrowed::new_nfc().is_normalized(text)
}

/// Checks what holds for every text that a profile takes, and returns what it makes of it.
fn check(text: &str, prepare: fn(&str) -> Result<String, JidError>) -> Option<String> {
    let prepared = prepare(text).ok()?;
    assert_eq!(prepare(&prepared).as_ref(), Ok(&prepared), "twice is once: {text:?}");
    assert!(is_composed(&prepared), "{text:?}");
    assert!(!prepared.is_empty(), "{text:?}");
    Some(prepared)
}

fn resource(text: &str) -> Result<String, JidError> {
    BareJid::parse("room@muc.example")?.with_resource(text).map(|full| full.resource().to_owned())
}

fn domain(text: &str) -> Result<String, JidError> {
    Domain::parse(text).map(|domain| domain.to_string())
}

/// Checks that a domain is the same address as its ASCII form.
fn check_ascii_form(prepared: &str) {
    if prepared.is_ascii() {
        return;
    }
    let ascii = idna::domain_to_ascii(prepared).expect("a prepared domain has an ASCII form");
    assert_eq!(Domain::parse(&ascii), Domain::parse(prepared), "{prepared:?}");
}

#[test]
fn preparation_of_names_is_idempotent_for_every_code_point() {
    let (mut local, mut opaque) = (0, 0);
    for c in all_chars() {
        let text = String::from(c);
        local += u32::from(check(&text, prepare_local).is_some());
        opaque += u32::from(check(&text, prepare_password).is_some());
    }
    assert!(150_000 < local && local < opaque, "{local} {opaque}");
}

#[test]
fn preparation_of_domains_is_idempotent_for_every_code_point() {
    let mut taken = 0;
    for c in all_chars() {
        if let Some(prepared) = check(&format!("a{c}"), domain) {
            taken += 1;
            check_ascii_form(&prepared);
        }
    }
    assert!(taken > 150_000, "{taken}");
}

/// Draws texts in which marks, cases, widths and directions meet.
struct Texts {
    rng: ChaCha8Rng,
    marks: Vec<char>,
    others: Vec<char>,
}

impl Texts {
    fn new(seed: u64) -> Self {
        let is_mark =
            |c: &char| matches!(c, '\u{300}'..='\u{36f}' | '\u{591}'..='\u{5c7}' | '\u{64b}'..='\u{65f}');
        let (marks, others) = all_chars()
            .filter(|c| {
                matches!(derived_property(*c, Class::Freeform), Property::Valid | Property::ClassValid)
            })
            .filter(|c| !matches!(c, '\u{ac00}'..='\u{d7a3}' | '\u{3400}'..='\u{9fff}' | '\u{17000}'..))
            .partition(is_mark);
        Self { rng: ChaCha8Rng::seed_from_u64(seed), marks, others }
    }

    fn draw(&mut self) -> String {
        let length = 1 + self.rng.next_u32() % 6;
        (0..length).map(|_| self.draw_char()).collect()
    }

    fn draw_char(&mut self) -> char {
        let pick = self.rng.next_u32() as usize;
        match self.rng.next_u32() % 10 {
            0..=2 => self.marks[pick % self.marks.len()],
            3..=4 => char::from(b'!' + u8::try_from(pick % 94).expect("below 94")),
            5 => char::from_u32(0xff01 + u32::try_from(pick % 94).expect("below 94"))
                .expect("a fullwidth form"),
            6 => ['\u{1e9e}', 'Σ', 'İ', 'Å', 'Ω', 'ש', 'ب', '\u{1f88}', '\u{1100}'][pick % 9],
            _ => self.others[pick % self.others.len()],
        }
    }
}

#[test]
fn preparation_is_idempotent_for_random_texts() {
    let mut texts = Texts::new(8264);
    let mut taken = [0_u32; 4];
    for _ in 0..30_000 {
        let text = texts.draw();
        for (count, prepare) in
            [prepare_local as fn(&str) -> Result<String, JidError>, prepare_password, resource, domain]
                .into_iter()
                .enumerate()
        {
            if let Some(prepared) = check(&text, prepare) {
                taken[count] += 1;
                if count == 3 {
                    check_ascii_form(&prepared);
                }
            }
        }
        if let Ok(jid) = Jid::parse(&text) {
            assert_eq!(Jid::parse(jid.as_str()).as_ref(), Ok(&jid), "{text:?}");
        }
    }
    assert!(taken.iter().all(|count| *count > 250), "the texts reach every profile: {taken:?}");
}

/// Composed or not, it is the same address. Hangul syllables taken apart are old jamo, which PRECIS refuses.
#[test]
fn canonically_equivalent_texts_are_one() {
    let decompose = DecomposingNormalizerBorrowed::new_nfd();
    let mut texts = Texts::new(8265);
    let mut compared = 0;
    for _ in 0..30_000 {
        let text = texts.draw();
        let apart = decompose.normalize(&text).into_owned();
        for prepare in [prepare_local as fn(&str) -> Result<String, JidError>, prepare_password] {
            if let Ok(prepared) = prepare(&text) {
                assert_eq!(prepare(&apart), Ok(prepared), "{text:?}");
                compared += u32::from(apart != text);
            }
        }
    }
    assert!(compared > 250, "{compared}");
}
