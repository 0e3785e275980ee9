//! The server's side of one SCRAM exchange.
//!
//! Implements: RFC 5802, sections 5 to 7; RFC 7677. Complete.
//!
//! Failures end the exchange with a SASL failure, never with a server-final-message (RFC 5802, section 5.1,
//! attribute `e`, allows it): it would tell a wrong name from a wrong password.

use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq as _;

use super::binding::binding_data;
use super::keys::{digest, hmac};
use super::{Mechanism, SaslFailure};
use crate::io::{ScramHash, TlsInfo};
use crate::store::ScramRecord;

/// One exchange, from the client's first message on.
pub struct ScramServer {
    hash: ScramHash,
    username: String,
    authzid: Option<String>,
    /// The client's part of the nonce.
    client_nonce: String,
    /// `client-first-message-bare`, as it came.
    client_first_bare: String,
    /// What the client must repeat in `c=`: its gs2-header, as it came, and the binding data.
    binding_input: Vec<u8>,
    phase: Phase,
}

enum Phase {
    /// The keys of the user are being fetched.
    AwaitsKeys,
    /// The challenge is out.
    Challenged { keys: ScramRecord, nonce: String, server_first: String },
}

/// How the client wants the channel bound (`gs2-cbind-flag`).
enum Flag<'a> {
    /// `n`: it cannot.
    Unsupported,
    /// `y`: it can, and believes that we cannot.
    NotSeen,
    /// `p`: by the binding of this name.
    Bound(&'a str),
}

impl ScramServer {
    /// Takes the client's first message. `offered` is what the stream offered, `tls` its connection.
    ///
    /// # Errors
    ///
    /// [`SaslFailure::InvalidMechanism`] when `mechanism` is not a SCRAM mechanism that was offered,
    /// [`SaslFailure::MalformedRequest`] when the message breaks the syntax or its channel binding flag does not fit
    /// the mechanism, [`SaslFailure::NotAuthorized`] after a downgrade (`y`), for a channel binding that the
    /// connection does not have, and for a mandatory extension (`m=`).
    pub fn start(
        mechanism: Mechanism,
        offered: &[Mechanism],
        tls: &TlsInfo,
        client_first: &[u8],
    ) -> Result<Self, SaslFailure> {
        let hash = mechanism.hash().filter(|_| offered.contains(&mechanism));
        let hash = hash.ok_or(SaslFailure::InvalidMechanism)?;
        let text = text(client_first)?;
        let (flag, rest) = text.split_once(',').ok_or(SaslFailure::MalformedRequest)?;
        let (authzid, bare) = rest.split_once(',').ok_or(SaslFailure::MalformedRequest)?;
        let header = text.strip_suffix(bare).ok_or(SaslFailure::MalformedRequest)?;
        let binding = bound(mechanism, offered, tls, parse_flag(flag)?)?;
        let authzid = match authzid {
            "" => None,
            _ => Some(saslname(attribute(authzid, "a=")?)?),
        };
        let (username, client_nonce) = parse_bare(bare)?;
        Ok(Self {
            hash,
            username,
            authzid,
            client_nonce: client_nonce.to_owned(),
            client_first_bare: bare.to_owned(),
            binding_input: [header.as_bytes(), binding].concat(),
            phase: Phase::AwaitsKeys,
        })
    }

    /// Returns the name that the client gave, its escapes resolved and otherwise as it came.
    pub fn username(&self) -> &str {
        &self.username
    }

    /// Returns the authorization identity, if the client gave one, as it came.
    pub fn authzid(&self) -> Option<&str> {
        self.authzid.as_deref()
    }

    /// Makes the server-first-message from the keys of the user, or those of a decoy. `server_nonce` is fresh and
    /// unguessable: printable ASCII without comma.
    pub fn challenge(&mut self, keys: ScramRecord, server_nonce: &str) -> Vec<u8> {
        let nonce = format!("{}{server_nonce}", self.client_nonce);
        let server_first = format!("r={nonce},s={},i={}", STANDARD.encode(&keys.salt), keys.iterations);
        let message = server_first.clone().into_bytes();
        self.phase = Phase::Challenged { keys, nonce, server_first };
        message
    }

    /// Takes the client's final message, and returns the server-final-message when the client has proved to know
    /// the password.
    ///
    /// # Errors
    ///
    /// [`SaslFailure::MalformedRequest`] when the message breaks the syntax or comes before the challenge,
    /// [`SaslFailure::NotAuthorized`] when the nonce, the channel binding or the proof is wrong.
    pub fn finish(self, client_final: &[u8]) -> Result<Vec<u8>, SaslFailure> {
        let Phase::Challenged { keys, nonce, server_first } = self.phase else {
            return Err(SaslFailure::MalformedRequest);
        };
        let message = Final::parse(text(client_final)?)?;
        let is_nonce = message.nonce.as_bytes().ct_eq(nonce.as_bytes());
        let is_binding = message.binding_input.ct_eq(&self.binding_input);

        let auth_message: [&[u8]; 5] = [
            self.client_first_bare.as_bytes(),
            b",",
            server_first.as_bytes(),
            b",",
            message.without_proof.as_bytes(),
        ];
        let client_signature = hmac(self.hash, &keys.stored_key, &auth_message);
        let client_key: Vec<u8> =
            message.proof.iter().zip(&client_signature).map(|(proof, signature)| proof ^ signature).collect();
        let is_proof = digest(self.hash, &client_key).ct_eq(&keys.stored_key)
            & message.proof.len().ct_eq(&client_signature.len());

        if !bool::from(is_nonce & is_binding & is_proof) {
            return Err(SaslFailure::NotAuthorized);
        }
        let server_signature = hmac(self.hash, &keys.server_key, &auth_message);
        Ok(format!("v={}", STANDARD.encode(server_signature)).into_bytes())
    }
}

/// A client-final-message.
struct Final<'a> {
    /// Decoded `c=`.
    binding_input: Vec<u8>,
    nonce: &'a str,
    /// Decoded `p=`.
    proof: Vec<u8>,
    /// The message up to, and without, the comma before `p=`.
    without_proof: &'a str,
}

impl<'a> Final<'a> {
    fn parse(text: &'a str) -> Result<Self, SaslFailure> {
        let (without_proof, proof) = text.rsplit_once(',').ok_or(SaslFailure::MalformedRequest)?;
        let mut attributes = without_proof.split(',');
        let binding_input = base64(attribute(attributes.next().unwrap_or_default(), "c=")?)?;
        let nonce = nonce(attributes.next().unwrap_or_default())?;
        ignore_extensions(attributes)?;
        Ok(Self { binding_input, nonce, proof: base64(attribute(proof, "p=")?)?, without_proof })
    }
}

/// Parses `client-first-message-bare` into the name and the nonce.
fn parse_bare(bare: &str) -> Result<(String, &str), SaslFailure> {
    let mut attributes = bare.split(',');
    let first = attributes.next().unwrap_or_default();
    refuse_mandatory(first)?;
    let username = saslname(attribute(first, "n=")?)?;
    let nonce = nonce(attributes.next().unwrap_or_default())?;
    ignore_extensions(attributes)?;
    Ok((username, nonce))
}

fn parse_flag(flag: &str) -> Result<Flag<'_>, SaslFailure> {
    match flag {
        "n" => Ok(Flag::Unsupported),
        "y" => Ok(Flag::NotSeen),
        _ => {
            let name = attribute(flag, "p=")?;
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
            if name.is_empty() || !name.bytes().all(is_name) {
                return Err(SaslFailure::MalformedRequest);
            }
            Ok(Flag::Bound(name))
        }
    }
}

/// Returns the data by which the channel is bound; none where it is not.
fn bound<'a>(
    mechanism: Mechanism,
    offered: &[Mechanism],
    tls: &'a TlsInfo,
    flag: Flag<'_>,
) -> Result<&'a [u8], SaslFailure> {
    match (flag, mechanism.is_plus()) {
        (Flag::Bound(name), true) => binding_data(tls, name).ok_or(SaslFailure::NotAuthorized),
        (Flag::Bound(_), false) | (Flag::Unsupported | Flag::NotSeen, true) => {
            Err(SaslFailure::MalformedRequest)
        }
        //= https://www.rfc-editor.org/rfc/rfc5802#section-6
        //# If the flag is set to "y" and the server supports channel
        //# binding, the server MUST fail authentication.
        (Flag::NotSeen, false) if offered.iter().any(|offer| offer.is_plus()) => {
            Err(SaslFailure::NotAuthorized)
        }
        (Flag::NotSeen | Flag::Unsupported, false) => Ok(&[]),
    }
}

fn text(message: &[u8]) -> Result<&str, SaslFailure> {
    core::str::from_utf8(message)
        .ok()
        .filter(|text| !text.contains('\0'))
        .ok_or(SaslFailure::MalformedRequest)
}

/// Returns the value of the attribute whose name and `=` are `name`.
fn attribute<'a>(text: &'a str, name: &str) -> Result<&'a str, SaslFailure> {
    text.strip_prefix(name).ok_or(SaslFailure::MalformedRequest)
}

/// `nonce`: `r=` and printable ASCII.
fn nonce(text: &str) -> Result<&str, SaslFailure> {
    let nonce = attribute(text, "r=")?;
    if nonce.is_empty() || !nonce.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(SaslFailure::MalformedRequest);
    }
    Ok(nonce)
}

/// `saslname`: resolves `=2C` and `=3D`.
fn saslname(text: &str) -> Result<String, SaslFailure> {
    let mut pieces = text.split('=');
    let mut name = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (resolved, rest) = match (piece.strip_prefix("2C"), piece.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (None, Some(rest)) => ('=', rest),
            (None, None) => return Err(SaslFailure::MalformedRequest),
        };
        name.push(resolved);
        name.push_str(rest);
    }
    if name.is_empty() { Err(SaslFailure::MalformedRequest) } else { Ok(name) }
}

fn base64(text: &str) -> Result<Vec<u8>, SaslFailure> {
    STANDARD.decode(text).map_err(|_| SaslFailure::MalformedRequest)
}

/// Checks the syntax of extensions, which are otherwise ignored (RFC 5802, section 5.1).
fn ignore_extensions<'a>(extensions: impl Iterator<Item = &'a str>) -> Result<(), SaslFailure> {
    for extension in extensions {
        refuse_mandatory(extension)?;
        let (name, value) = extension.split_once('=').ok_or(SaslFailure::MalformedRequest)?;
        let is_letter = matches!(name.as_bytes(), [letter] if letter.is_ascii_alphabetic());
        if !is_letter || value.is_empty() {
            return Err(SaslFailure::MalformedRequest);
        }
    }
    Ok(())
}

/// A mandatory extension that is not understood fails the authentication wherever it stands.
fn refuse_mandatory(attribute: &str) -> Result<(), SaslFailure> {
    if attribute.starts_with("m=") { Err(SaslFailure::NotAuthorized) } else { Ok(()) }
}

impl fmt::Debug for ScramServer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match self.phase {
            Phase::AwaitsKeys => "awaits keys",
            Phase::Challenged { .. } => "challenged",
        };
        out.debug_struct("ScramServer")
            .field("hash", &self.hash)
            .field("phase", &phase)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use rand::rngs::ChaCha8Rng;
    use rand::{Rng as _, SeedableRng as _};

    use super::super::keys::{decoy, derive, record};
    use super::super::offered;
    use super::*;
    use crate::io::{KeyDerivation, Secret};

    const EXPORTER: [u8; 32] = [0xee; 32];
    const END_POINT: &[u8] = b"hash of the certificate";
    const SERVER_NONCE: &str = "3rfcNHYJY1ZVvWVs7j";

    fn no_binding() -> TlsInfo {
        TlsInfo::default()
    }

    fn both_bindings() -> TlsInfo {
        let server_end_point = Some(Bytes::from_static(END_POINT));
        TlsInfo { exporter: Some(EXPORTER), server_end_point, peer: None }
    }

    fn salted(hash: ScramHash, password: &str, salt: &[u8], iterations: u32) -> Secret {
        let password = Secret(Bytes::copy_from_slice(password.as_bytes()));
        derive(&KeyDerivation { hash, password, salt: Bytes::copy_from_slice(salt), iterations })
    }

    fn pencil(hash: ScramHash, salt: &[u8], iterations: u32) -> ScramRecord {
        record(hash, &salted(hash, "pencil", salt, iterations).0, salt, iterations)
    }

    fn start(mechanism: Mechanism, tls: &TlsInfo, message: &str) -> Result<ScramServer, SaslFailure> {
        ScramServer::start(mechanism, &offered(Some(tls)), tls, message.as_bytes())
    }

    /// What a client does: a whole exchange with `password`, `header` and `data` for the channel binding.
    struct Client<'a> {
        header: &'a str,
        data: &'a [u8],
        password: &'a str,
    }

    impl Client<'_> {
        fn login(&self, mechanism: Mechanism, tls: &TlsInfo) -> Result<Vec<u8>, SaslFailure> {
            self.login_with(mechanism, tls, |message| message)
        }

        /// `tamper` changes the final message on its way.
        fn login_with(
            &self,
            mechanism: Mechanism,
            tls: &TlsInfo,
            tamper: impl Fn(String) -> String,
        ) -> Result<Vec<u8>, SaslFailure> {
            let hash = mechanism.hash().expect("a SCRAM mechanism");
            let bare = "n=user,r=client";
            let mut server = start(mechanism, tls, &format!("{}{bare}", self.header))?;
            let server_first = server.challenge(pencil(hash, b"salt of the user", 7), SERVER_NONCE);
            let server_first = String::from_utf8_lossy(&server_first).into_owned();
            assert_eq!(server_first, format!("r=client{SERVER_NONCE},s=c2FsdCBvZiB0aGUgdXNlcg==,i=7"));

            let salted = salted(hash, self.password, b"salt of the user", 7).0;
            let binding = STANDARD.encode([self.header.as_bytes(), self.data].concat());
            let without_proof = format!("c={binding},r=client{SERVER_NONCE}");
            let auth_message = format!("{bare},{server_first},{without_proof}");
            let client_key = hmac(hash, &salted, &[b"Client Key"]);
            let signature = hmac(hash, &digest(hash, &client_key), &[auth_message.as_bytes()]);
            let proof: Vec<u8> = client_key.iter().zip(&signature).map(|(key, other)| key ^ other).collect();
            let message = tamper(format!("{without_proof},p={}", STANDARD.encode(proof)));

            let server_final = server.finish(message.as_bytes())?;
            let server_key = hmac(hash, &salted, &[b"Server Key"]);
            let verifier = STANDARD.encode(hmac(hash, &server_key, &[auth_message.as_bytes()]));
            assert_eq!(server_final, format!("v={verifier}").into_bytes());
            Ok(server_final)
        }
    }

    #[test]
    fn the_exchange_of_rfc_5802_section_5_succeeds() {
        let mut server =
            start(Mechanism::ScramSha1, &no_binding(), "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL").unwrap();
        assert_eq!((server.username(), server.authzid()), ("user", None));
        let keys = pencil(ScramHash::Sha1, &STANDARD.decode("QSXCR+Q6sek8bf92").unwrap(), 4096);
        let server_first = server.challenge(keys, SERVER_NONCE);
        assert_eq!(server_first, b"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096");
        let server_final = server
            .finish(b"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=");
        assert_eq!(server_final.as_deref(), Ok(&b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ="[..]));
    }

    #[test]
    fn the_exchange_of_rfc_7677_section_3_succeeds() {
        let mut server =
            start(Mechanism::ScramSha256, &no_binding(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO").unwrap();
        let keys = pencil(ScramHash::Sha256, &STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap(), 4096);
        let server_first = server.challenge(keys, "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0");
        let expected =
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        assert_eq!(server_first, expected.as_bytes());
        let server_final = server.finish(
            b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
              p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        );
        assert_eq!(server_final.as_deref(), Ok(&b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="[..]));
    }

    #[test]
    fn every_mechanism_logs_in_with_every_binding_it_has() {
        for (mechanism, header, data) in [
            (Mechanism::ScramSha256Plus, "p=tls-exporter,,", &EXPORTER[..]),
            (Mechanism::ScramSha256Plus, "p=tls-server-end-point,,", END_POINT),
            (Mechanism::ScramSha1Plus, "p=tls-exporter,,", &EXPORTER[..]),
            (Mechanism::ScramSha1Plus, "p=tls-server-end-point,a=user@example.com,", END_POINT),
            (Mechanism::ScramSha256, "n,,", b""),
            (Mechanism::ScramSha1, "n,,", b""),
        ] {
            let client = Client { header, data, password: "pencil" };
            assert!(client.login(mechanism, &both_bindings()).is_ok(), "{mechanism:?} {header}");
            let client = Client { password: "pencils", ..client };
            assert_eq!(client.login(mechanism, &both_bindings()), Err(SaslFailure::NotAuthorized));
        }
        let unseen = Client { header: "y,,", data: b"", password: "pencil" };
        assert!(unseen.login(Mechanism::ScramSha256, &no_binding()).is_ok(), "there was nothing to see");
    }

    #[test]
    fn a_wrong_binding_fails() {
        let not_ours = TlsInfo { exporter: Some([0xdd; 32]), ..TlsInfo::default() };
        for (header, data) in [
            ("p=tls-exporter,,", &not_ours.exporter.unwrap()[..]), // another connection
            ("p=tls-exporter,,", &EXPORTER[..31]),
            ("p=tls-exporter,,", b""),
            ("p=tls-exporter,,", END_POINT), // the data of another type
            ("p=tls-server-end-point,,", &EXPORTER[..]),
            ("p=tls-server-end-point,,", b"hash of another certificate"),
        ] {
            let client = Client { header, data, password: "pencil" };
            for mechanism in [Mechanism::ScramSha256Plus, Mechanism::ScramSha1Plus] {
                assert_eq!(
                    client.login(mechanism, &both_bindings()),
                    Err(SaslFailure::NotAuthorized),
                    "{header}"
                );
            }
        }
        let client = Client { header: "n,,", data: &EXPORTER, password: "pencil" };
        assert_eq!(client.login(Mechanism::ScramSha256, &both_bindings()), Err(SaslFailure::NotAuthorized));
    }

    #[test]
    fn the_flag_must_fit_the_mechanism_and_the_connection() {
        use Mechanism::{Plain, ScramSha1, ScramSha256, ScramSha256Plus};
        use SaslFailure::{InvalidMechanism, MalformedRequest, NotAuthorized};
        let exporter_only = TlsInfo { server_end_point: None, ..both_bindings() };
        for (mechanism, tls, flag, expected) in [
            (ScramSha256, both_bindings(), "y", NotAuthorized), // somebody hid our -PLUS
            (ScramSha1, exporter_only.clone(), "y", NotAuthorized),
            (ScramSha256Plus, both_bindings(), "p=tls-unique", NotAuthorized),
            (ScramSha256Plus, exporter_only, "p=tls-server-end-point", NotAuthorized),
            (ScramSha256Plus, both_bindings(), "n", MalformedRequest),
            (ScramSha256Plus, both_bindings(), "y", MalformedRequest),
            (ScramSha256, both_bindings(), "p=tls-exporter", MalformedRequest),
            (ScramSha256, no_binding(), "p=tls-exporter", MalformedRequest),
            (ScramSha256Plus, no_binding(), "p=tls-exporter", InvalidMechanism), // not offered
            (Plain, both_bindings(), "n", InvalidMechanism),
        ] {
            let failure =
                start(mechanism, &tls, &format!("{flag},,n=user,r=client")).map(|_| ()).unwrap_err();
            assert_eq!(failure, expected, "{mechanism:?} {flag}");
        }
    }

    #[test]
    fn a_first_message_that_breaks_the_syntax_is_malformed() {
        for message in [
            "",
            "n",
            "n,",
            "n,,",
            "n,,n=user",
            "n,,n=user,",
            "n,,n=user,r=",
            "n,,r=x,n=user",
            "n,,n=,r=x",
            "N,,n=user,r=x",
            "nn,,n=user,r=x",
            "x,,n=user,r=x",
            "F,n,,n=user,r=x",
            ",,n=user,r=x",
            "p,,n=user,r=x",
            "p=,,n=user,r=x",
            "p=tls exporter,,n=user,r=x",
            "n,user,n=user,r=x",
            "n,a=,n=user,r=x",
            "n,a==,n=user,r=x",
            "n,,a=x,n=user,r=x",
            "n,,n==,r=x",
            "n,,n==2,r=x",
            "n,,n==2c,r=x",
            "n,,n=a=b,r=x",
            "n,,n=a\0b,r=x",
            "n,,n=user,r=a b",
            "n,,n=user,r=é",
            "n,,n=user,r=\u{7f}",
            "n,,n=user,s=x",
            "n,,n=user,r=x,",
            "n,,n=user,r=x,ext",
            "n,,n=user,r=x,1=y",
            "n,,n=user,r=x,ab=y",
            "n,,n=user,r=x,e=",
        ] {
            let failure = start(Mechanism::ScramSha256, &no_binding(), message).map(|_| ());
            assert_eq!(failure, Err(SaslFailure::MalformedRequest), "{message:?}");
        }
        let failure = ScramServer::start(
            Mechanism::ScramSha256,
            &[Mechanism::ScramSha256],
            &no_binding(),
            b"n,,n=us\xffer,r=x",
        );
        assert_eq!(failure.map(|_| ()), Err(SaslFailure::MalformedRequest));
    }

    #[test]
    fn unknown_extensions_are_ignored_unless_mandatory() {
        let begun = |message: &str| start(Mechanism::ScramSha256, &no_binding(), message).map(|_| ());
        assert_eq!(begun("n,,n=user,r=x,e=y,z=a=b"), Ok(()));
        assert_eq!(begun("n,,m=y,n=user,r=x"), Err(SaslFailure::NotAuthorized));
        assert_eq!(begun("n,,n=user,r=x,m=y"), Err(SaslFailure::NotAuthorized));
    }

    #[test]
    fn names_come_out_of_their_escapes() {
        let server = start(Mechanism::ScramSha1, &no_binding(), "n,a=a=2Cb=3Dc,n==2C=3D2C=é,r=x")
            .map(|_| ())
            .unwrap_err();
        assert_eq!(server, SaslFailure::MalformedRequest);
        let server = start(Mechanism::ScramSha1, &no_binding(), "n,a=a=2Cb=3Dc,n==2C=3D2Cé,r=x").unwrap();
        assert_eq!((server.username(), server.authzid()), (",=2Cé", Some("a,b=c")));
    }

    #[test]
    fn a_final_message_that_was_changed_fails() {
        use SaslFailure::{MalformedRequest, NotAuthorized};
        let client = Client { header: "n,,", data: b"", password: "pencil" };
        let login = |tamper: &dyn Fn(String) -> String| {
            client.login_with(Mechanism::ScramSha256, &no_binding(), tamper).map(|_| ())
        };
        let replace = |from: &'static str, to: &'static str| {
            login(&|message| {
                assert!(message.contains(from));
                message.replacen(from, to, 1)
            })
        };
        assert_eq!(login(&|message| message), Ok(()));
        for (from, to, expected) in [
            ("r=client", "r=cliend", NotAuthorized),
            ("r=client3", "r=client", NotAuthorized),
            (SERVER_NONCE, "", NotAuthorized),
            ("c=biws", "c=eSws", NotAuthorized), // y,,
            ("c=biws", "c=", NotAuthorized),
            (",p=", ",x=1,p=", NotAuthorized), // ignored, but signed
            (",p=", ",p=AAAA,p=", NotAuthorized),
            ("c=biws", "c=biw", MalformedRequest),
            ("c=biws,", "", MalformedRequest),
            ("c=biws", "x=biws", MalformedRequest),
            ("r=client", "R=client", MalformedRequest),
            (",p=", ",m=1,p=", NotAuthorized),
            (",p=", ",1=1,p=", MalformedRequest),
            (",p=", ",P=", MalformedRequest),
            (",p=", "p=", MalformedRequest),
        ] {
            assert_eq!(replace(from, to), Err(expected), "{from:?} to {to:?}");
        }
        let head = format!("c=biws,r=client{SERVER_NONCE}");
        for (proof, expected) in [
            (",p=", NotAuthorized),
            (",p=AAAA", NotAuthorized),
            (",p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", NotAuthorized),
            (",p=A", MalformedRequest),
            (",p=!", MalformedRequest),
            (",", MalformedRequest),
            ("", MalformedRequest),
        ] {
            assert_eq!(login(&|_| format!("{head}{proof}")), Err(expected), "{proof:?}");
        }
        assert_eq!(login(&|message| message + "A"), Err(MalformedRequest));
    }

    #[test]
    fn a_proof_before_the_challenge_is_malformed() {
        let server = start(Mechanism::ScramSha1, &no_binding(), "n,,n=user,r=x").unwrap();
        assert_eq!(server.finish(b"c=biws,r=x,p=AAAA"), Err(SaslFailure::MalformedRequest));
    }

    #[test]
    fn an_unknown_user_cannot_be_told_from_a_wrong_password() {
        let challenge = || {
            let mut server = start(Mechanism::ScramSha256, &no_binding(), "n,,n=nobody,r=x").unwrap();
            let keys = decoy(ScramHash::Sha256, b"secret", "nobody", 4096);
            (server.challenge(keys, SERVER_NONCE), server)
        };
        let (first, server) = challenge();
        assert_eq!(first, challenge().0, "the same salt for ever");
        let message = format!("c=biws,r=x{SERVER_NONCE},p={}", STANDARD.encode([0; 32]));
        assert_eq!(server.finish(message.as_bytes()), Err(SaslFailure::NotAuthorized));
    }

    /// A record whose keys are not of the length of the hash (a damaged one) opens for nobody.
    #[test]
    fn damaged_keys_match_nothing() {
        let mut server = start(Mechanism::ScramSha1, &no_binding(), "n,,n=user,r=x").unwrap();
        let keys = ScramRecord { salt: vec![], iterations: 0, stored_key: vec![], server_key: vec![] };
        server.challenge(keys, "y");
        assert_eq!(server.finish(b"c=biws,r=xy,p="), Err(SaslFailure::NotAuthorized));
    }

    #[test]
    fn garbage_never_panics() {
        let mut rng = ChaCha8Rng::seed_from_u64(5802);
        let seeds: [&[u8]; 4] = [
            b"p=tls-exporter,a=b,n=user,r=x,e=f",
            b"n,,n==2C=3D,r=fyko",
            b"y,,m=x,n=user,r=x",
            b"c=biws,r=xy,e=f,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
        ];
        for _ in 0..20_000 {
            let mut message = seeds[rng.next_u32() as usize % seeds.len()].to_vec();
            for _ in 0..rng.next_u32() % 4 {
                let at = rng.next_u32() as usize % (message.len() + 1);
                match rng.next_u32() % 3 {
                    0 => message.truncate(at),
                    1 => message.insert(at, b"=,pnycrm\0\xff\xc3"[rng.next_u32() as usize % 11]),
                    _ => message.insert(at, rng.next_u32().to_le_bytes()[0]),
                }
            }
            for mechanism in Mechanism::ALL {
                let tls = both_bindings();
                let begun = ScramServer::start(mechanism, &offered(Some(&tls)), &tls, &message);
                assert!(begun.is_err() || !begun.unwrap().username().is_empty());
            }
            let mut server = start(Mechanism::ScramSha1, &no_binding(), "n,,n=user,r=x").unwrap();
            server.challenge(decoy(ScramHash::Sha1, b"secret", "user", 1), "y");
            assert!(server.finish(&message).is_err());
        }
    }

    #[test]
    fn debug_output_holds_no_key() {
        let mut server = start(Mechanism::ScramSha1, &no_binding(), "n,,n=user,r=x").unwrap();
        server.challenge(pencil(ScramHash::Sha1, b"salt", 1), "y");
        assert_eq!(format!("{server:?}"), "ScramServer { hash: Sha1, phase: \"challenged\", .. }");
    }
}
