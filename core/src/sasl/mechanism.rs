//! Which mechanisms there are, which are offered, and how they fail.
//!
//! Implements: RFC 6120, sections 6.3.3, 6.3.4 and 6.5. Complete.

use super::binding::binding_types;
use crate::io::{ScramHash, TlsInfo};

/// A SASL mechanism of this server. Greater is weaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mechanism {
    /// `SCRAM-SHA-256-PLUS` (RFC 7677).
    ScramSha256Plus,
    /// `SCRAM-SHA-1-PLUS` (RFC 5802).
    ScramSha1Plus,
    /// `SCRAM-SHA-256` (RFC 7677).
    ScramSha256,
    /// `SCRAM-SHA-1` (RFC 5802).
    ScramSha1,
    /// `PLAIN` (RFC 4616).
    Plain,
}

/// Why an authentication failed (RFC 6120, section 6.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaslFailure {
    /// The client gave up.
    Aborted,
    /// The account is disabled for a time.
    AccountDisabled,
    /// The credentials have expired.
    CredentialsExpired,
    /// The mechanism needs TLS.
    EncryptionRequired,
    /// The payload is not base64 as RFC 6120 has it.
    IncorrectEncoding,
    /// The authorization identity is none, or not allowed.
    InvalidAuthzid,
    /// The mechanism is unknown or not offered.
    InvalidMechanism,
    /// The payload breaks the syntax of the mechanism.
    MalformedRequest,
    /// The mechanism is weaker than policy permits.
    MechanismTooWeak,
    /// Wrong password, unknown user, wrong channel binding; which, is not told.
    NotAuthorized,
    /// The fault is on our side; trying again later may help.
    TemporaryAuthFailure,
}

impl Mechanism {
    /// Every mechanism, strongest first.
    pub const ALL: [Self; 5] =
        [Self::ScramSha256Plus, Self::ScramSha1Plus, Self::ScramSha256, Self::ScramSha1, Self::Plain];

    /// Returns the registered name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
            Self::ScramSha1Plus => "SCRAM-SHA-1-PLUS",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha1 => "SCRAM-SHA-1",
            Self::Plain => "PLAIN",
        }
    }

    /// Returns the mechanism of that name. Names are upper case (RFC 4422, section 3.1).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.name() == name)
    }

    /// Returns the hash of a SCRAM mechanism; nothing for PLAIN.
    pub const fn hash(self) -> Option<ScramHash> {
        match self {
            Self::ScramSha256Plus | Self::ScramSha256 => Some(ScramHash::Sha256),
            Self::ScramSha1Plus | Self::ScramSha1 => Some(ScramHash::Sha1),
            Self::Plain => None,
        }
    }

    /// Tells whether the mechanism binds the channel.
    pub const fn is_plus(self) -> bool {
        match self {
            Self::ScramSha256Plus | Self::ScramSha1Plus => true,
            Self::ScramSha256 | Self::ScramSha1 | Self::Plain => false,
        }
    }
}

impl SaslFailure {
    /// Returns the name of the condition element.
    pub const fn condition(self) -> &'static str {
        match self {
            Self::Aborted => "aborted",
            Self::AccountDisabled => "account-disabled",
            Self::CredentialsExpired => "credentials-expired",
            Self::EncryptionRequired => "encryption-required",
            Self::IncorrectEncoding => "incorrect-encoding",
            Self::InvalidAuthzid => "invalid-authzid",
            Self::InvalidMechanism => "invalid-mechanism",
            Self::MalformedRequest => "malformed-request",
            Self::MechanismTooWeak => "mechanism-too-weak",
            Self::NotAuthorized => "not-authorized",
            Self::TemporaryAuthFailure => "temporary-auth-failure",
        }
    }
}

/// Returns what is offered on a stream, strongest first: nothing without TLS, the `-PLUS` forms where TLS gives
/// a channel binding.
pub fn offered(tls: Option<&TlsInfo>) -> Vec<Mechanism> {
    let Some(tls) = tls else {
        return Vec::new();
    };
    let can_bind = !binding_types(tls).is_empty();
    Mechanism::ALL.into_iter().filter(|mechanism| can_bind || !mechanism.is_plus()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered_depends_on_what_tls_knows() {
        let names = |tls: Option<&TlsInfo>| offered(tls).into_iter().map(Mechanism::name).collect::<Vec<_>>();
        assert_eq!(names(None), Vec::<&str>::new());
        let bare = TlsInfo::default();
        assert_eq!(names(Some(&bare)), ["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"]);
        let bound = TlsInfo { exporter: Some([0; 32]), ..TlsInfo::default() };
        assert_eq!(
            names(Some(&bound)),
            ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"]
        );
    }

    #[test]
    fn names_come_back_and_others_do_not() {
        for mechanism in Mechanism::ALL {
            assert_eq!(Mechanism::from_name(mechanism.name()), Some(mechanism));
        }
        assert_eq!(Mechanism::from_name("plain"), None);
        assert_eq!(Mechanism::from_name(""), None);
        assert_eq!(Mechanism::from_name("SCRAM-SHA-512"), None);
    }
}
