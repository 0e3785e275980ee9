//! Addresses: what was prepared once stays as it is, and its parts make it up again.

use arbitrary::{Arbitrary, Unstructured};
use eyot_core::jid::{BareJid, Domain, FullJid, Jid, prepare_password};

/// Longest part, in bytes (RFC 7622, sections 3.2 to 3.4).
const PART_BYTES: usize = 1023;

/// A text that looks like an address more often than bytes do.
#[derive(Arbitrary, Debug)]
pub struct Address {
    local: Option<Vec<Letter>>,
    domain: Vec<Letter>,
    resource: Option<Vec<Letter>>,
}

/// A piece of text.
#[derive(Arbitrary, Debug)]
enum Letter {
    Plain(u8),
    Any(char),
    Odd(Odd),
}

/// Characters with rules of their own in RFC 8264 and RFC 5892.
#[derive(Arbitrary, Debug)]
enum Odd {
    ZeroWidthJoiner,
    MiddleDot,
    Virama,
    ArabicDigit,
    HebrewLetter,
    HangulJamo,
    FullWidthLetter,
    SharpS,
    FinalSigma,
    CombiningDot,
    At,
    Slash,
    Dot,
}

impl Letter {
    fn char(&self) -> char {
        match self {
            Self::Plain(byte) => char::from(b'a' + byte % 26),
            Self::Any(any) => *any,
            Self::Odd(odd) => odd.char(),
        }
    }
}

impl Odd {
    const fn char(&self) -> char {
        match self {
            Self::ZeroWidthJoiner => '\u{200d}',
            Self::MiddleDot => '\u{b7}',
            Self::Virama => '\u{94d}',
            Self::ArabicDigit => '\u{661}',
            Self::HebrewLetter => '\u{5d0}',
            Self::HangulJamo => '\u{1100}',
            Self::FullWidthLetter => '\u{ff21}',
            Self::SharpS => '\u{1e9e}',
            Self::FinalSigma => '\u{3c2}',
            Self::CombiningDot => '\u{307}',
            Self::At => '@',
            Self::Slash => '/',
            Self::Dot => '.',
        }
    }
}

impl Address {
    /// Returns the text.
    pub fn text(&self) -> String {
        let letters = |part: &[Letter]| part.iter().map(Letter::char).collect::<String>();
        let mut text = String::new();
        if let Some(local) = &self.local {
            text.push_str(&letters(local));
            text.push('@');
        }
        text.push_str(&letters(&self.domain));
        if let Some(resource) = &self.resource {
            text.push('/');
            text.push_str(&letters(resource));
        }
        text
    }
}

/// Checks the text that the bytes are; bytes that are none say nothing.
pub fn bytes(data: &[u8]) {
    if let Ok(text) = core::str::from_utf8(data) {
        check(text);
    }
}

/// Checks an address made of arbitrary letters.
///
/// # Errors
///
/// When the bytes do not suffice.
pub fn letters(data: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    check(&Address::arbitrary(data)?.text());
    Ok(())
}

/// Checks everything that holds for any text.
///
/// # Panics
///
/// When something does not hold.
pub fn check(text: &str) {
    if let Ok(password) = prepare_password(text) {
        assert_eq!(prepare_password(&password), Ok(password.clone()), "a prepared password is prepared");
    }
    let Ok(jid) = Jid::parse(text) else {
        // What is no address is none of the narrower kinds either.
        assert!(BareJid::parse(text).is_err() && FullJid::parse(text).is_err(), "{text:?}");
        return;
    };
    assert_eq!(Jid::parse(jid.as_str()), Ok(jid.clone()), "preparation is idempotent: {text:?}");
    for part in [jid.local(), Some(jid.domain()), jid.resource()].into_iter().flatten() {
        assert!(!part.is_empty() && part.len() <= PART_BYTES, "{text:?}");
    }
    let local = jid.local().map_or(String::new(), |local| format!("{local}@"));
    let resource = jid.resource().map_or(String::new(), |resource| format!("/{resource}"));
    assert_eq!(jid.as_str(), format!("{local}{}{resource}", jid.domain()), "the parts make up the whole");
    let domain = Domain::parse(jid.domain()).expect("the domainpart of an address is a domain");
    assert_eq!(domain.as_str(), jid.domain());
    let bare = jid.bare();
    assert_eq!(bare.as_str(), format!("{local}{}", jid.domain()));
    assert_eq!(BareJid::parse(bare.as_str()), Ok(bare.clone()));
    if let Some(local) = jid.local() {
        assert_eq!(BareJid::from_local(local, &domain), Ok(bare.clone()), "a login makes the same address");
    }
    let full = jid.full();
    assert_eq!(full.is_some(), jid.resource().is_some());
    if let (Some(full), Some(resource)) = (full, jid.resource()) {
        assert_eq!(bare.with_resource(resource), Ok(full.clone()));
        assert_eq!((full.bare(), full.resource()), (bare, resource));
    }
}
