//! Stream errors: what ends a stream.
//!
//! Implements: RFC 6120, section 4.9.3. Complete.

use crate::xml::XmlError;

/// A condition of RFC 6120, section 4.9.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// The first element is no stream header.
    BadFormat,
    /// Another session took the address.
    Conflict,
    /// The client did not log in in time.
    ConnectionTimeout,
    /// The domain is not served here.
    HostUnknown,
    /// The header names no domain.
    ImproperAddressing,
    /// The node failed.
    InternalServerError,
    /// `from` is not the session's own address.
    InvalidFrom,
    /// The stream or content namespace is wrong.
    InvalidNamespace,
    /// Stanzas before login.
    NotAuthorized,
    /// Not XML.
    NotWellFormed,
    /// A bound or rule of this node.
    PolicyViolation,
    /// The security context changed: log in again.
    Reset,
    /// No room.
    ResourceConstraint,
    /// XML that XMPP forbids.
    RestrictedXml,
    /// The node stops.
    SystemShutdown,
    /// None of the others; an element of the feature says what.
    Undefined,
    /// Not UTF-8.
    UnsupportedEncoding,
    /// A top-level element that nobody knows.
    UnsupportedStanzaType,
    /// Not XMPP 1.0.
    UnsupportedVersion,
}

impl Condition {
    /// Returns the name of the condition.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::BadFormat => "bad-format",
            Self::Conflict => "conflict",
            Self::ConnectionTimeout => "connection-timeout",
            Self::HostUnknown => "host-unknown",
            Self::ImproperAddressing => "improper-addressing",
            Self::InternalServerError => "internal-server-error",
            Self::InvalidFrom => "invalid-from",
            Self::InvalidNamespace => "invalid-namespace",
            Self::NotAuthorized => "not-authorized",
            Self::NotWellFormed => "not-well-formed",
            Self::PolicyViolation => "policy-violation",
            Self::Reset => "reset",
            Self::ResourceConstraint => "resource-constraint",
            Self::RestrictedXml => "restricted-xml",
            Self::SystemShutdown => "system-shutdown",
            Self::Undefined => "undefined-condition",
            Self::UnsupportedEncoding => "unsupported-encoding",
            Self::UnsupportedStanzaType => "unsupported-stanza-type",
            Self::UnsupportedVersion => "unsupported-version",
        }
    }

    /// Returns whether a session ends with a stream that ends so. What a client may come back from leaves it to be
    /// resumed: its link is slow or silent, or the node stops.
    pub(crate) const fn ends_session(self) -> bool {
        match self {
            Self::ConnectionTimeout | Self::SystemShutdown => false,
            Self::BadFormat
            | Self::Conflict
            | Self::HostUnknown
            | Self::ImproperAddressing
            | Self::InternalServerError
            | Self::InvalidFrom
            | Self::InvalidNamespace
            | Self::NotAuthorized
            | Self::NotWellFormed
            | Self::PolicyViolation
            | Self::Reset
            | Self::ResourceConstraint
            | Self::RestrictedXml
            | Self::Undefined
            | Self::UnsupportedEncoding
            | Self::UnsupportedStanzaType
            | Self::UnsupportedVersion => true,
        }
    }

    /// Returns the condition of a parser error, and what was wrong.
    pub(crate) const fn of_xml(error: XmlError) -> (Self, &'static str) {
        match error {
            XmlError::NotWellFormed(detail) | XmlError::Characters(detail) | XmlError::Prefix(detail) => {
                (Self::NotWellFormed, detail)
            }
            XmlError::Restricted(detail) => (Self::RestrictedXml, detail),
            XmlError::Encoding(detail) => (Self::UnsupportedEncoding, detail),
            XmlError::TooBig(detail) => (Self::PolicyViolation, detail),
        }
    }
}
