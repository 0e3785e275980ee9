//! The client's half of SCRAM, written from the RFC and apart from the server's: two ends that share code
//! agree with each other, not with the specification.
//!
//! Implements: RFC 5802, sections 3, 5 and 6; RFC 7677; RFC 5929, section 4; RFC 9266. Client side.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use eyot_core::io::{KeyDerivation, ScramHash, Secret, TlsInfo};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::{Digest as _, Sha1};
use sha2::Sha256;

use super::Derivations;

/// What the client says about channel binding: the first letter of the GS2 header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gs2 {
    /// `p=tls-exporter`.
    Exporter,
    /// `p=tls-server-end-point`.
    ServerEndPoint,
    /// `y`: the client could, and believes that the server cannot.
    ServerCannot,
    /// `n`: the client cannot.
    ClientCannot,
}

/// One exchange.
#[derive(Debug)]
pub struct Scram {
    hash: ScramHash,
    gs2: Gs2,
    binding: Bytes,
    password: Secret,
    nonce: String,
    first_bare: String,
    server_signature: Option<Vec<u8>>,
}

/// Why the client gives an exchange up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScramError {
    /// A message of the server cannot be read.
    Malformed,
    /// The server's nonce does not begin with the client's.
    Nonce,
    /// The server does not know the password: its signature is wrong.
    Signature,
}

impl Gs2 {
    /// Returns the GS2 header.
    pub const fn header(self) -> &'static str {
        match self {
            Self::Exporter => "p=tls-exporter,,",
            Self::ServerEndPoint => "p=tls-server-end-point,,",
            Self::ServerCannot => "y,,",
            Self::ClientCannot => "n,,",
        }
    }

    /// Returns the channel binding data out of what TLS knows; empty where the header carries none or TLS has none.
    pub fn binding(self, tls: Option<&TlsInfo>) -> Bytes {
        let found = match self {
            Self::Exporter => {
                tls.and_then(|tls| tls.exporter).map(|exporter| Bytes::copy_from_slice(&exporter))
            }
            Self::ServerEndPoint => tls.and_then(|tls| tls.server_end_point.clone()),
            Self::ServerCannot | Self::ClientCannot => None,
        };
        found.unwrap_or_default()
    }
}

impl Scram {
    /// Begins an exchange; returns it and the first message.
    pub fn begin(
        hash: ScramHash,
        gs2: Gs2,
        binding: Bytes,
        who: (&str, &str),
        nonce: String,
    ) -> (Self, String) {
        let (user, password) = who;
        let user = user.replace('=', "=3D").replace(',', "=2C");
        let first_bare = format!("n={user},r={nonce}");
        let first = format!("{}{first_bare}", gs2.header());
        let password = Secret(Bytes::copy_from_slice(password.as_bytes()));
        (Self { hash, gs2, binding, password, nonce, first_bare, server_signature: None }, first)
    }

    /// Answers the server's first message.
    ///
    /// # Errors
    ///
    /// [`ScramError`] when the message cannot be read or is no answer to this client.
    pub fn answer(&mut self, challenge: &str, derivations: &mut Derivations) -> Result<String, ScramError> {
        let nonce = field(challenge, 'r').ok_or(ScramError::Malformed)?;
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err(ScramError::Nonce);
        }
        let salt =
            field(challenge, 's').and_then(|salt| BASE64.decode(salt).ok()).ok_or(ScramError::Malformed)?;
        let iterations =
            field(challenge, 'i').and_then(|count| count.parse().ok()).ok_or(ScramError::Malformed)?;
        let salted = derivations.derive(&KeyDerivation {
            hash: self.hash,
            password: self.password.clone(),
            salt: salt.into(),
            iterations,
        });
        let mut channel = self.gs2.header().as_bytes().to_vec();
        channel.extend_from_slice(&self.binding);
        let without_proof = format!("c={},r={nonce}", BASE64.encode(channel));
        let auth_message = format!("{},{challenge},{without_proof}", self.first_bare);

        let client_key = self.hmac(&salted.0, b"Client Key");
        let stored_key = self.digest(&client_key);
        let client_signature = self.hmac(&stored_key, auth_message.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(&client_signature).map(|(key, sign)| key ^ sign).collect();
        let server_key = self.hmac(&salted.0, b"Server Key");
        self.server_signature = Some(self.hmac(&server_key, auth_message.as_bytes()));
        Ok(format!("{without_proof},p={}", BASE64.encode(proof)))
    }

    /// Checks the server's last message.
    ///
    /// # Errors
    ///
    /// [`ScramError::Signature`] when the server has not proved that it knows the account's keys.
    pub fn verify(&self, last: &str) -> Result<(), ScramError> {
        let shown =
            field(last, 'v').and_then(|shown| BASE64.decode(shown).ok()).ok_or(ScramError::Malformed)?;
        if self.server_signature.as_ref() == Some(&shown) { Ok(()) } else { Err(ScramError::Signature) }
    }

    fn hmac(&self, key: &[u8], text: &[u8]) -> Vec<u8> {
        match self.hash {
            ScramHash::Sha1 => {
                let mut mac = Hmac::<Sha1>::new_from_slice(key).expect("HMAC takes keys of any length");
                mac.update(text);
                mac.finalize().into_bytes().to_vec()
            }
            ScramHash::Sha256 => {
                let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
                mac.update(text);
                mac.finalize().into_bytes().to_vec()
            }
        }
    }

    fn digest(&self, bytes: &[u8]) -> Vec<u8> {
        match self.hash {
            ScramHash::Sha1 => Sha1::digest(bytes).to_vec(),
            ScramHash::Sha256 => Sha256::digest(bytes).to_vec(),
        }
    }
}

/// Returns the value of one attribute of a SCRAM message.
fn field(message: &str, name: char) -> Option<&str> {
    message.split(',').find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exchange_of_rfc_5802_section_5_comes_out_byte_for_byte() {
        let nonce = String::from("fyko+d2lbbFgONRv9qkxdawL");
        let (mut scram, first) =
            Scram::begin(ScramHash::Sha1, Gs2::ClientCannot, Bytes::new(), ("user", "pencil"), nonce);
        assert_eq!(first, "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL");
        let challenge = "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096";
        let answer = scram.answer(challenge, &mut Derivations::new()).unwrap();
        assert_eq!(
            answer,
            "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="
        );
        assert_eq!(scram.verify("v=rmF9pqV8S7suAoZWja4dJRkFsKQ="), Ok(()));
        assert_eq!(scram.verify("v=rmF9pqV8S7suAoZWja4dJRkFsKR="), Err(ScramError::Malformed));
        assert_eq!(scram.verify("v=AAAA"), Err(ScramError::Signature));
    }

    #[test]
    fn the_exchange_of_rfc_7677_section_3_comes_out_byte_for_byte() {
        let nonce = String::from("rOprNGfwEbeRWgbNEkqO");
        let (mut scram, _) =
            Scram::begin(ScramHash::Sha256, Gs2::ClientCannot, Bytes::new(), ("user", "pencil"), nonce);
        let challenge =
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let answer = scram.answer(challenge, &mut Derivations::new()).unwrap();
        assert!(answer.ends_with("p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="), "{answer}");
        assert_eq!(scram.verify("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), Ok(()));
    }

    #[test]
    fn a_server_nonce_that_is_not_built_on_the_clients_is_refused() {
        for nonce in ["other", "mine"] {
            let (mut scram, _) =
                Scram::begin(ScramHash::Sha1, Gs2::ClientCannot, Bytes::new(), ("u", "p"), "mine".into());
            let challenge = format!("r={nonce},s=QSXCR+Q6sek8bf92,i=1");
            assert_eq!(scram.answer(&challenge, &mut Derivations::new()), Err(ScramError::Nonce));
        }
    }

    #[test]
    fn user_names_are_escaped() {
        let (_, first) =
            Scram::begin(ScramHash::Sha1, Gs2::ServerCannot, Bytes::new(), ("a,b=c", "p"), "x".into());
        assert_eq!(first, "y,,n=a=2Cb=3Dc,r=x");
    }
}
