//! From passwords to what is stored, and back to a yes or no.
//!
//! Implements: RFC 5802, section 3; RFC 7677. Complete.

use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::io::{KeyDerivation, ScramHash, Secret};
use crate::store::ScramRecord;

/// Bytes of a salt. Salts of accounts and of decoys must not differ in length, or the length tells which is which.
pub const SALT_BYTES: usize = 16;

/// Runs PBKDF2 (`Hi` of RFC 5802) and returns `SaltedPassword`. Takes milliseconds: a driver calls it away from
/// the thread of the node. Zero iterations count as one.
pub fn derive(request: &KeyDerivation) -> Secret {
    let mut out = vec![0; hash_bytes(request.hash)];
    let (password, salt, rounds) = (&request.password.0, &request.salt, request.iterations.max(1));
    match request.hash {
        ScramHash::Sha1 => pbkdf2::pbkdf2_hmac::<Sha1>(password, salt, rounds, &mut out),
        ScramHash::Sha256 => pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, rounds, &mut out),
    }
    Secret(Bytes::from(out))
}

/// Makes the record of an account from what [`derive()`] returned for the same hash, salt and iteration count.
pub fn record(hash: ScramHash, salted_password: &[u8], salt: &[u8], iterations: u32) -> ScramRecord {
    ScramRecord {
        salt: salt.to_vec(),
        iterations,
        stored_key: stored_key(hash, salted_password),
        server_key: hmac(hash, salted_password, &[b"Server Key"]),
    }
}

/// Tells, in constant time, whether `salted_password` is that of `record`.
pub fn plain_matches(record: &ScramRecord, hash: ScramHash, salted_password: &[u8]) -> bool {
    stored_key(hash, salted_password).ct_eq(&record.stored_key).into()
}

/// Makes the record of an account that does not exist: no password opens it, and the same `username` gets the
/// same salt for as long as `secret` is kept. `username` is the prepared localpart and domain, so that
/// spellings of one name get one salt, as they do where the account exists.
pub fn decoy(hash: ScramHash, secret: &[u8], username: &str, iterations: u32) -> ScramRecord {
    let name: &[u8] = match hash {
        ScramHash::Sha1 => b"SCRAM-SHA-1",
        ScramHash::Sha256 => b"SCRAM-SHA-256",
    };
    let draw = |purpose: &[u8], length: usize| {
        let mut out = hmac(ScramHash::Sha256, secret, &[purpose, b"\0", name, b"\0", username.as_bytes()]);
        out.truncate(length);
        out
    };
    ScramRecord {
        salt: draw(b"decoy salt", SALT_BYTES),
        iterations,
        stored_key: draw(b"decoy stored key", hash_bytes(hash)),
        server_key: draw(b"decoy server key", hash_bytes(hash)),
    }
}

/// `HMAC(key, parts)`.
pub(super) fn hmac(hash: ScramHash, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let any_length = "HMAC takes keys of any length";
    match hash {
        ScramHash::Sha1 => {
            let mut mac = Hmac::<Sha1>::new_from_slice(key).expect(any_length);
            for part in parts {
                mac.update(part);
            }
            mac.finalize().into_bytes().to_vec()
        }
        ScramHash::Sha256 => {
            let mut mac = Hmac::<Sha256>::new_from_slice(key).expect(any_length);
            for part in parts {
                mac.update(part);
            }
            mac.finalize().into_bytes().to_vec()
        }
    }
}

/// `H(data)`.
pub(super) fn digest(hash: ScramHash, data: &[u8]) -> Vec<u8> {
    match hash {
        ScramHash::Sha1 => Sha1::digest(data).to_vec(),
        ScramHash::Sha256 => Sha256::digest(data).to_vec(),
    }
}

/// `H(HMAC(SaltedPassword, "Client Key"))`.
fn stored_key(hash: ScramHash, salted_password: &[u8]) -> Vec<u8> {
    digest(hash, &hmac(hash, salted_password, &[b"Client Key"]))
}

const fn hash_bytes(hash: ScramHash) -> usize {
    match hash {
        ScramHash::Sha1 => 20,
        ScramHash::Sha256 => 32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn salted(hash: ScramHash, password: &'static str, iterations: u32) -> Secret {
        let salt = Bytes::from_static(b"salt");
        derive(&KeyDerivation {
            hash,
            password: Secret(Bytes::from_static(password.as_bytes())),
            salt,
            iterations,
        })
    }

    /// The vectors of RFC 6070 for SHA-1, and the usual ones with the same inputs for SHA-256.
    #[test]
    fn derivation_gives_the_published_vectors() {
        let bytes = |hex: &str| {
            let pairs = hex.as_bytes().chunks(2).map(|pair| core::str::from_utf8(pair).unwrap());
            pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect::<Vec<_>>()
        };
        for (hash, iterations, expected) in [
            (ScramHash::Sha1, 1, "0c60c80f961f0e71f3a9b524af6012062fe037a6"),
            (ScramHash::Sha1, 4096, "4b007901b765489abead49d926f721d065a429c1"),
            (ScramHash::Sha256, 1, "120fb6cffcf8b32c43e7225256c4f837a86548c92ccc35480805987cb70be17b"),
            (ScramHash::Sha256, 4096, "c5e478d59288c841aa530db6845c4c8d962893a001ce4e11a4963873aa98134a"),
        ] {
            assert_eq!(*salted(hash, "password", iterations).0, bytes(expected));
        }
    }

    #[test]
    fn only_the_password_of_a_record_matches_it() {
        for hash in [ScramHash::Sha1, ScramHash::Sha256] {
            let right = salted(hash, "pencil", 2);
            let record = record(hash, &right.0, b"salt", 2);
            assert!(plain_matches(&record, hash, &right.0));
            assert!(!plain_matches(&record, hash, &salted(hash, "pencils", 2).0));
            assert!(!plain_matches(&record, hash, b""));
            assert!(!plain_matches(&ScramRecord { stored_key: Vec::new(), ..record }, hash, &right.0));
        }
    }

    #[test]
    fn a_decoy_is_stable_and_looks_like_an_account() {
        for hash in [ScramHash::Sha1, ScramHash::Sha256] {
            let one = decoy(hash, b"secret", "nobody@example.com", 4096);
            assert!(one == decoy(hash, b"secret", "nobody@example.com", 4096));
            assert_ne!(one.salt, decoy(hash, b"secret", "somebody@example.com", 4096).salt);
            assert_ne!(one.salt, decoy(hash, b"another", "nobody@example.com", 4096).salt);
            let real = record(hash, &salted(hash, "pencil", 1).0, &[0; SALT_BYTES], 4096);
            assert_eq!(one.salt.len(), real.salt.len());
            assert_eq!(one.stored_key.len(), real.stored_key.len());
            assert_eq!(one.server_key.len(), real.server_key.len());
            assert_ne!(one.stored_key, one.server_key);
        }
        let salts = [ScramHash::Sha1, ScramHash::Sha256].map(|hash| decoy(hash, b"secret", "nobody", 1).salt);
        assert_ne!(salts[0], salts[1]);
    }
}
