//! A name and a password in clear.
//!
//! Implements: RFC 4616, section 2. Complete on the server's side.

use bytes::Bytes;

use super::SaslFailure;
use crate::io::Secret;

/// The one message of PLAIN. Nothing in it is prepared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plain {
    /// The authorization identity, if it is not empty.
    pub authzid: Option<String>,
    /// The authentication identity; never empty.
    pub username: String,
    /// The password; UTF-8, never empty.
    pub password: Secret,
}

impl Plain {
    /// Parses the message.
    ///
    /// # Errors
    ///
    /// [`SaslFailure::MalformedRequest`] when it is not UTF-8, does not have three parts, or lacks a name or
    /// a password.
    pub fn parse(message: &[u8]) -> Result<Self, SaslFailure> {
        let text = core::str::from_utf8(message).map_err(|_| SaslFailure::MalformedRequest)?;
        let mut parts = text.split('\0');
        let (Some(authzid), Some(username), Some(password), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(SaslFailure::MalformedRequest);
        };
        if username.is_empty() || password.is_empty() {
            return Err(SaslFailure::MalformedRequest);
        }
        Ok(Self {
            authzid: Some(authzid).filter(|authzid| !authzid.is_empty()).map(str::to_owned),
            username: username.to_owned(),
            password: Secret(Bytes::copy_from_slice(password.as_bytes())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_parts_make_a_message() {
        let parsed = Plain::parse("\0tim\0tanstaaf tanstaaf".as_bytes()).unwrap();
        assert_eq!((parsed.authzid, parsed.username.as_str()), (None, "tim"));
        assert_eq!(parsed.password, Secret(Bytes::from_static(b"tanstaaf tanstaaf")));
        let parsed = Plain::parse("Ursel\0Kurt\0xipj3plmq".as_bytes()).unwrap();
        assert_eq!((parsed.authzid.as_deref(), parsed.username.as_str()), (Some("Ursel"), "Kurt"));
    }

    #[test]
    fn anything_else_is_malformed() {
        for wrong in
            [&b""[..], b"a", b"\0", b"\0a", b"a\0b", b"\0\0", b"\0a\0", b"\0\0p", b"\0a\0p\0", b"\0\xff\0p"]
        {
            assert_eq!(Plain::parse(wrong), Err(SaslFailure::MalformedRequest), "{wrong:?}");
        }
    }
}
