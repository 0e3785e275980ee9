//! Payloads between XML and bytes.
//!
//! Implements: RFC 6120, sections 6.3.5, 6.4.2, 6.4.6 and 13.9.1. Complete.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::SaslFailure;

/// Decodes the character data of `auth` or `response`. `=` is the empty payload, and so is no data at all; whether
/// an `auth` without data is an initial response, only the caller can know.
///
/// # Errors
///
/// [`SaslFailure::IncorrectEncoding`] for anything else that is not base64 with all its padding and zero padding
/// bits, white space included.
pub fn decode_payload(text: &str) -> Result<Vec<u8>, SaslFailure> {
    if text == "=" {
        return Ok(Vec::new());
    }
    STANDARD.decode(text).map_err(|_| SaslFailure::IncorrectEncoding)
}

/// Encodes a payload; the empty one is `=`.
pub fn encode_payload(bytes: &[u8]) -> String {
    if bytes.is_empty() { String::from("=") } else { STANDARD.encode(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_base64_is_a_payload() {
        assert_eq!(decode_payload("="), Ok(Vec::new()));
        assert_eq!(decode_payload(""), Ok(Vec::new()));
        assert_eq!(decode_payload("AGp1bGlldAByMG0zMG15cjBtMzA="), Ok(b"\0juliet\0r0m30myr0m30".to_vec()));
        for wrong in
            ["==", "=AAA", "BBBB=CCC", "QQ", "QQ=", "QR==", "QQ==\n", " QQ==", "QQ-_", "QQ==QQ==", "é"]
        {
            assert_eq!(decode_payload(wrong), Err(SaslFailure::IncorrectEncoding), "{wrong:?}");
        }
    }

    #[test]
    fn payloads_come_back() {
        for bytes in [&b""[..], b"\0", b"ab", b"abc", &[0xff; 100]] {
            assert_eq!(decode_payload(&encode_payload(bytes)).as_deref(), Ok(bytes));
        }
        assert_eq!(encode_payload(b""), "=");
    }
}
