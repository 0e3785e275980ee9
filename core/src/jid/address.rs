//! The address types.
//!
//! Implements: RFC 7622, section 3.1. Complete.

use core::borrow::Borrow;
use core::fmt;
use core::hash::{Hash, Hasher};
use std::sync::Arc;

use super::{domain, profile};

/// Any address. Cheap to clone; equality is equality of prepared bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Jid {
    /// Determines the offsets, because only a resourcepart may hold separators.
    text: Arc<str>,
    /// Bytes of the localpart; zero when there is none.
    local_len: u16,
    /// Offset of the slash, or the length of the text.
    bare_len: u16,
}

/// An address without resourcepart.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BareJid(Jid);

/// An address with resourcepart.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FullJid(Jid);

/// A prepared domainpart.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(Arc<str>);

/// Why a text is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JidError {
    /// A part that must not be empty is empty.
    Empty,
    /// A part is longer than 1023 bytes.
    TooLong,
    /// The localpart holds a forbidden character.
    Local,
    /// The domainpart is no domain.
    Domain,
    /// The resourcepart holds a forbidden character.
    Resource,
}

impl Jid {
    /// Prepares and checks an address.
    ///
    /// # Errors
    ///
    /// [`JidError`] names the part that is wrong.
    pub fn parse(text: &str) -> Result<Self, JidError> {
        let parts = Parts::split(text);
        if parts.are_prepared() {
            return Ok(parts.joined(Arc::from(text)));
        }
        let local = parts.local.map(profile::local).transpose()?;
        let domain = domain::domain(parts.domain)?;
        let resource = parts.resource.map(profile::resource).transpose()?;
        Ok(Parts { local: local.as_deref(), domain: &domain, resource: resource.as_deref() }.to_jid())
    }

    /// Returns the localpart, if there is one.
    pub fn local(&self) -> Option<&str> {
        self.text.get(..usize::from(self.local_len)).filter(|local| !local.is_empty())
    }

    /// Returns the domainpart.
    pub fn domain(&self) -> &str {
        let start = usize::from(self.local_len) + usize::from(self.local_len > 0);
        self.text.get(start..usize::from(self.bare_len)).unwrap_or_default()
    }

    /// Returns the resourcepart, if there is one.
    pub fn resource(&self) -> Option<&str> {
        self.text.get(usize::from(self.bare_len) + 1..)
    }

    /// Returns the whole address.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the text of the address without its resourcepart.
    pub fn bare_str(&self) -> &str {
        self.text.get(..usize::from(self.bare_len)).unwrap_or_default()
    }

    /// Returns the address without its resourcepart.
    pub fn bare(&self) -> BareJid {
        let bare = self.bare_str();
        let text = if bare.len() == self.text.len() { Arc::clone(&self.text) } else { Arc::from(bare) };
        BareJid(Self { text, ..*self })
    }

    /// Returns the address as a full one, if it has a resourcepart.
    pub fn full(&self) -> Option<FullJid> {
        self.resource().map(|_| FullJid(self.clone()))
    }
}

impl BareJid {
    /// Prepares and checks an address without resourcepart.
    ///
    /// # Errors
    ///
    /// [`JidError`]; a resourcepart is [`JidError::Resource`].
    pub fn parse(text: &str) -> Result<Self, JidError> {
        if text.contains('/') {
            return Err(JidError::Resource);
        }
        Jid::parse(text).map(Self)
    }

    /// Prepares a localpart as it comes from SASL or an operator, and joins it with `domain`.
    ///
    /// # Errors
    ///
    /// [`JidError`] when the localpart is none.
    pub fn from_local(local: &str, domain: &Domain) -> Result<Self, JidError> {
        let local = profile::local(local)?;
        Ok(Self(Parts { local: Some(&local), domain: domain.as_str(), resource: None }.to_jid()))
    }

    /// Prepares a resourcepart and joins it.
    ///
    /// # Errors
    ///
    /// [`JidError`] when the resourcepart is none.
    pub fn with_resource(&self, resource: &str) -> Result<FullJid, JidError> {
        let resource = profile::resource(resource)?;
        let parts = Parts { local: self.local(), domain: self.domain(), resource: Some(&resource) };
        Ok(FullJid(parts.to_jid()))
    }

    /// Returns the localpart, if there is one.
    pub fn local(&self) -> Option<&str> {
        self.0.local()
    }

    /// Returns the domainpart.
    pub fn domain(&self) -> &str {
        self.0.domain()
    }

    /// Returns the whole address.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Returns the address as a [`Jid`].
    pub const fn as_jid(&self) -> &Jid {
        &self.0
    }
}

impl FullJid {
    /// Prepares and checks an address with resourcepart.
    ///
    /// # Errors
    ///
    /// [`JidError`]; a missing resourcepart is [`JidError::Resource`].
    pub fn parse(text: &str) -> Result<Self, JidError> {
        Jid::parse(text)?.full().ok_or(JidError::Resource)
    }

    /// Returns the localpart, if there is one.
    pub fn local(&self) -> Option<&str> {
        self.0.local()
    }

    /// Returns the resourcepart.
    pub fn resource(&self) -> &str {
        self.0.resource().unwrap_or_default()
    }

    /// Returns the address without its resourcepart.
    pub fn bare(&self) -> BareJid {
        self.0.bare()
    }

    /// Returns the domainpart.
    pub fn domain(&self) -> &str {
        self.0.domain()
    }

    /// Returns the whole address.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Returns the address as a [`Jid`].
    pub const fn as_jid(&self) -> &Jid {
        &self.0
    }
}

impl Domain {
    /// Prepares and checks a domain.
    ///
    /// # Errors
    ///
    /// [`JidError`] when it is none.
    pub fn parse(text: &str) -> Result<Self, JidError> {
        domain::domain(text).map(|name| Self(Arc::from(name)))
    }

    /// Returns the prepared name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The parts of an address, prepared or not.
#[derive(Clone, Copy)]
struct Parts<'a> {
    local: Option<&'a str>,
    domain: &'a str,
    resource: Option<&'a str>,
}

impl<'a> Parts<'a> {
    /// Cuts an address at its separators, before any mapping could make new ones (RFC 7622, sections 3.1
    /// and 3.2).
    fn split(text: &'a str) -> Self {
        let (bare, resource) = match text.split_once('/') {
            Some((bare, resource)) => (bare, Some(resource)),
            None => (text, None),
        };
        match bare.split_once('@') {
            Some((local, domain)) => Self { local: Some(local), domain, resource },
            None => Self { local: None, domain: bare, resource },
        }
    }

    /// Tells whether the parts are prepared as they are, by a test that only ASCII passes.
    fn are_prepared(self) -> bool {
        domain::is_prepared(self.domain.as_bytes())
            && self.local.is_none_or(|local| profile::is_prepared_local(local.as_bytes()))
            && self.resource.is_none_or(|resource| profile::is_prepared_resource(resource.as_bytes()))
    }

    fn to_jid(self) -> Jid {
        let mut text = String::new();
        if let Some(local) = self.local {
            text.push_str(local);
            text.push('@');
        }
        text.push_str(self.domain);
        if let Some(resource) = self.resource {
            text.push('/');
            text.push_str(resource);
        }
        self.joined(Arc::from(text))
    }

    /// Names the offsets of `text`, which holds exactly these parts, all prepared.
    fn joined(self, text: Arc<str>) -> Jid {
        let local_len = self.local.map_or(0, str::len);
        let bare_len = local_len + usize::from(local_len > 0) + self.domain.len();
        let fits = "a prepared part has at most 1023 bytes";
        Jid {
            text,
            local_len: u16::try_from(local_len).expect(fits),
            bare_len: u16::try_from(bare_len).expect(fits),
        }
    }
}

/// As the text hashes, so that tables can be asked by text.
impl Hash for Jid {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl From<BareJid> for Jid {
    fn from(bare: BareJid) -> Self {
        bare.0
    }
}

impl From<FullJid> for Jid {
    fn from(full: FullJid) -> Self {
        full.0
    }
}

impl From<&Domain> for BareJid {
    fn from(domain: &Domain) -> Self {
        let parts = Parts { local: None, domain: domain.as_str(), resource: None };
        Self(parts.joined(Arc::clone(&domain.0)))
    }
}

macro_rules! text {
    ($($name:ty),*) => {$(
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                self.as_str()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(self.as_str())
            }
        }
    )*};
}

text!(Jid, BareJid, FullJid, Domain);

#[cfg(test)]
mod tests {
    use super::*;

    /// The parts of an address; its error otherwise.
    fn parts(text: &str) -> Result<(Option<String>, String, Option<String>), JidError> {
        let jid = Jid::parse(text)?;
        let owned = |part: Option<&str>| part.map(str::to_owned);
        Ok((owned(jid.local()), jid.domain().to_owned(), owned(jid.resource())))
    }

    #[test]
    fn the_legal_addresses_of_rfc_7622_fall_into_their_parts() {
        for (text, local, domain, resource) in [
            ("juliet@example.com", Some("juliet"), "example.com", None),
            ("juliet@example.com/foo", Some("juliet"), "example.com", Some("foo")),
            ("juliet@example.com/foo bar", Some("juliet"), "example.com", Some("foo bar")),
            ("juliet@example.com/foo@bar", Some("juliet"), "example.com", Some("foo@bar")),
            ("foo\\20bar@example.com", Some("foo\\20bar"), "example.com", None),
            ("fussball@example.com", Some("fussball"), "example.com", None),
            ("fu\u{df}ball@example.com", Some("fu\u{df}ball"), "example.com", None),
            ("\u{3c0}@example.com", Some("\u{3c0}"), "example.com", None),
            ("\u{3a3}@example.com/foo", Some("\u{3c3}"), "example.com", Some("foo")),
            ("\u{3c3}@example.com/foo", Some("\u{3c3}"), "example.com", Some("foo")),
            ("\u{3c2}@example.com/foo", Some("\u{3c2}"), "example.com", Some("foo")),
            ("king@example.com/\u{265a}", Some("king"), "example.com", Some("\u{265a}")),
            ("example.com", None, "example.com", None),
            ("example.com/foobar", None, "example.com", Some("foobar")),
            ("a.example.com/b@example.net", None, "a.example.com", Some("b@example.net")),
            ("room@muc.example/nick 🙂", Some("room"), "muc.example", Some("nick 🙂")),
            ("a@example.com./x/y", Some("a"), "example.com", Some("x/y")),
        ] {
            let owned = |part: Option<&str>| part.map(str::to_owned);
            assert_eq!(parts(text), Ok((owned(local), domain.to_owned(), owned(resource))), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_address_names_the_part_that_is_wrong() {
        for (text, error) in [
            ("\"juliet\"@example.com", JidError::Local),
            ("foo bar@example.com", JidError::Local),
            ("@example.com/", JidError::Empty),
            ("henry\u{2163}@example.com", JidError::Local),
            ("\u{265a}@example.com", JidError::Local),
            ("juliet@", JidError::Empty),
            ("/foobar", JidError::Empty),
            ("", JidError::Empty),
            ("@", JidError::Empty),
            ("example.com/", JidError::Empty),
            ("a@b@c", JidError::Domain),
            ("a@exa mple", JidError::Domain),
            ("a@example.com/\t", JidError::Resource),
            ("a@example.com/\u{1f468}\u{200d}\u{1f469}", JidError::Resource),
        ] {
            assert_eq!(Jid::parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn different_spellings_of_one_address_are_equal() {
        let one = Jid::parse("bücher@bücher.example/Bücher").unwrap();
        let other = Jid::parse("BU\u{308}CHER@xn--bcher-kva.EXAMPLE./Bu\u{308}cher").unwrap();
        assert_eq!(one, other);
        assert_eq!(one.as_str(), other.as_str());
        assert_ne!(one, Jid::parse("bücher@bücher.example/bücher").unwrap());
    }

    #[test]
    fn parts_come_apart_and_together() {
        let full = FullJid::parse("Romeo@example.com/orchard").unwrap();
        let bare = full.bare();
        assert_eq!(bare, BareJid::parse("romeo@example.com").unwrap());
        assert_eq!((bare.local(), bare.domain()), (Some("romeo"), "example.com"));
        assert_eq!(bare.with_resource("orchard"), Ok(full.clone()));
        assert_eq!((full.local(), full.domain(), full.resource()), (Some("romeo"), "example.com", "orchard"));
        assert_eq!(full.as_jid().full(), Some(full.clone()));
        assert_eq!(bare.as_jid().full(), None);
        assert_eq!(bare.as_jid().bare(), bare);
        let domain = Domain::parse("EXAMPLE.com").unwrap();
        assert_eq!(BareJid::from_local("ROMEO", &domain), Ok(bare));
        assert_eq!(BareJid::from_local("a@b", &domain), Err(JidError::Local));
        assert_eq!(BareJid::from(&domain), BareJid::parse("example.com").unwrap());
        assert_eq!(BareJid::parse("a@b/c"), Err(JidError::Resource));
        assert_eq!(FullJid::parse("a@b"), Err(JidError::Resource));
    }

    #[test]
    fn every_part_may_fill_its_bound() {
        let label = "d".repeat(63);
        let domain = [label.as_str(), &label, &label, &"d".repeat(61)].join(".");
        let text = format!("{}@{domain}/{}", "l".repeat(1023), "r".repeat(1023));
        let jid = Jid::parse(&text).unwrap();
        assert_eq!((jid.local().unwrap().len(), jid.domain().len()), (1023, 253));
        assert_eq!(jid.resource().unwrap().len(), 1023);
        let umlauts = format!("{}@{domain}/{}", "ö".repeat(511), "ö".repeat(511));
        assert_eq!(Jid::parse(&umlauts).unwrap().resource().unwrap().len(), 1022);
    }
}
