//! The address types.

use core::fmt;
use std::sync::Arc;

/// Any address. Cheap to clone; equality is equality of prepared bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Jid {
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
        unimplemented!("{text}")
    }

    /// Returns the localpart, if there is one.
    pub fn local(&self) -> Option<&str> {
        unimplemented!()
    }

    /// Returns the domainpart.
    pub fn domain(&self) -> &str {
        unimplemented!()
    }

    /// Returns the resourcepart, if there is one.
    pub fn resource(&self) -> Option<&str> {
        unimplemented!()
    }

    /// Returns the whole address.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the address without its resourcepart.
    pub fn bare(&self) -> BareJid {
        unimplemented!()
    }

    /// Returns the address as a full one, if it has a resourcepart.
    pub fn full(&self) -> Option<FullJid> {
        unimplemented!()
    }
}

impl BareJid {
    /// Prepares and checks an address without resourcepart.
    ///
    /// # Errors
    ///
    /// [`JidError`]; a resourcepart is [`JidError::Resource`].
    pub fn parse(text: &str) -> Result<Self, JidError> {
        unimplemented!("{text}")
    }

    /// Prepares a localpart as it comes from SASL or an operator, and joins it with `domain`.
    ///
    /// # Errors
    ///
    /// [`JidError`] when the localpart is none.
    pub fn from_local(local: &str, domain: &Domain) -> Result<Self, JidError> {
        unimplemented!("{local} {domain}")
    }

    /// Prepares a resourcepart and joins it.
    ///
    /// # Errors
    ///
    /// [`JidError`] when the resourcepart is none.
    pub fn with_resource(&self, resource: &str) -> Result<FullJid, JidError> {
        unimplemented!("{resource}")
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
        unimplemented!("{text}")
    }

    /// Returns the resourcepart.
    pub fn resource(&self) -> &str {
        unimplemented!()
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
        unimplemented!("{text}")
    }

    /// Returns the prepared name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Prepares a password (OpaqueString, RFC 8265, 4.2).
///
/// # Errors
///
/// [`JidError::Empty`] or [`JidError::Local`] when it is none.
pub fn prepare_password(text: &str) -> Result<String, JidError> {
    unimplemented!("{text}")
}

macro_rules! show {
    ($($name:ty),*) => {$(
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

show!(Jid, BareJid, FullJid, Domain);
