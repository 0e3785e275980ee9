//! TLS between nodes: both sides show a certificate, and who somebody is says the hash of its key.
//!
//! TLS 1.3 only. Any certificate is taken; what counts is its public key. That is safe because of two things together:
//!
//! * The handshake's own signature is checked on both sides (`CertificateVerify`), so who shows a certificate holds
//!   the private key that belongs to it. Somebody else's certificate, copied, is of no use.
//! * Core is told the hash of that public key before a byte of the other side, and speaks with members only: the
//!   members' hashes stand in the configuration, or in the store. Who is none is told so and nothing else, but for who shows a token
//!   and may become one.
//!
//! So names, dates, issuers and extensions in the certificate decide nothing, and a wrong clock cuts no link. The hash is
//! made of the key as the parser found it that also checks the signature: two parsers could be made to disagree.
//!
//! Sessions are not resumed: each connection proves the key anew. The name of the protocol (ALPN) lets nobody mistake
//! these connections for those of clients.

use std::fmt;
use std::io;
use std::sync::Arc;

use eyot_core::io::{PeerCertificate, TlsInfo};
use sha2::{Digest as _, Sha256};
use tokio_rustls::client::TlsStream as ClientStream;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::server::{NoServerSessionStorage, ParsedCertificate};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{
    self, ClientConfig, ConnectionCommon, DigitallySignedStruct, DistinguishedName, ServerConfig,
    SignatureScheme,
};
use tokio_rustls::server::TlsStream as ServerStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::net::NetStream;
use crate::tls::{EXPORTER_LABEL, TlsError, parse_chain, provider};

/// The protocol that nodes speak.
const ALPN_PEER: &[u8] = b"eyot-peer";

/// How a node does TLS with other nodes.
#[derive(Clone)]
pub struct PeerTls {
    acceptor: TlsAcceptor,
    connector: TlsConnector,
    key: [u8; 32],
}

impl PeerTls {
    /// Creates it from PEM: a certificate and its key.
    ///
    /// # Errors
    ///
    /// [`TlsError`] says which of the two is wrong.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let chain = parse_chain(chain)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| TlsError::Key(error.to_string()))?;
        let own = chain.first().and_then(key_hash);
        let own = own.ok_or_else(|| TlsError::Certificate("it holds no public key".into()))?;
        let pair = |error: rustls::Error| TlsError::Pair(error.to_string());
        let acceptor = server_config(chain.clone(), key.clone_key()).map_err(pair)?;
        let connector = client_config(chain, key).map_err(pair)?;
        Ok(Self { acceptor: Arc::new(acceptor).into(), connector: Arc::new(connector).into(), key: own })
    }

    /// Returns the SHA-256 of this node's public key, by which others know it.
    pub const fn key(&self) -> [u8; 32] {
        self.key
    }

    /// Does the server's side of the handshake.
    ///
    /// # Errors
    ///
    /// `InvalidData` when the other side's TLS is at fault, else what the stream reports.
    pub async fn accept<S: NetStream>(&self, stream: S) -> io::Result<ServerStream<S>> {
        self.acceptor.accept(stream).await
    }

    /// Does the client's side of the handshake.
    ///
    /// # Errors
    ///
    /// `InvalidData` when the other side's TLS is at fault, else what the stream reports.
    pub async fn connect<S: NetStream>(&self, stream: S) -> io::Result<ClientStream<S>> {
        // Nobody looks at it: it is neither sent nor compared.
        let name = ServerName::try_from("node.invalid").map_err(io::Error::other)?;
        self.connector.connect(name, stream).await
    }

    /// Returns what TLS knows about a connection whose handshake is done.
    pub fn info<Data>(session: &ConnectionCommon<Data>) -> TlsInfo {
        let shown = session.peer_certificates().and_then(<[_]>::first).and_then(key_hash);
        // TLS 1.3 is the only one here, so it is the same on both sides and nobody's else (RFC 9266, 4.2).
        let exporter = session.export_keying_material([0; 32], EXPORTER_LABEL, Some(&[])).ok();
        TlsInfo { exporter, peer: shown.map(|key| PeerCertificate { key }), ..TlsInfo::default() }
    }
}

/// Returns the SHA-256 of the public key in a certificate (`SubjectPublicKeyInfo`, RFC 5280, 4.1).
fn key_hash(certificate: &CertificateDer<'_>) -> Option<[u8; 32]> {
    let parsed = ParsedCertificate::try_from(certificate).ok()?;
    Some(Sha256::digest(parsed.subject_public_key_info().as_ref()).into())
}

/// Writes the hash of a key as people compare it.
pub fn show_key(key: &[u8; 32]) -> String {
    let pairs: Vec<String> = key.iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(":")
}

/// Reads the hash of a key: 64 hexadecimal digits, with colons between the pairs or without.
pub fn read_key(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u32> =
        text.chars().filter(|c| *c != ':').map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => u8::try_from(high * 16 + low).ok(),
            _ => None,
        })
        .collect::<Option<_>>()?;
    bytes.try_into().ok()
}

fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(Arc::new(AnyKey::new()))
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![ALPN_PEER.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

fn client_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ClientConfig, rustls::Error> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyKey::new()))
        .with_client_auth_cert(chain, key)?;
    config.alpn_protocols = vec![ALPN_PEER.to_vec()];
    config.enable_sni = false;
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Takes any certificate whose key has signed the handshake.
#[derive(Debug)]
struct AnyKey(WebPkiSupportedAlgorithms);

impl AnyKey {
    fn new() -> Self {
        Self(provider().signature_verification_algorithms)
    }

    fn check(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0)
    }
}

/// TLS 1.2 is never agreed on.
fn too_old() -> rustls::Error {
    rustls::Error::General("TLS 1.3 only".into())
}

impl ServerCertVerifier for AnyKey {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(too_old())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.check(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

impl ClientCertVerifier for AnyKey {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(too_old())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.check(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

impl fmt::Debug for PeerTls {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("PeerTls").field("key", &show_key(&self.key)).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_a_key_is_read_as_it_is_shown() {
        let key: [u8; 32] = std::array::from_fn(|at| u8::try_from(at * 7).unwrap());
        let shown = show_key(&key);
        assert!(shown.starts_with("00:07:0E:"), "{shown}");
        assert_eq!(read_key(&shown), Some(key));
        assert_eq!(read_key(&shown.replace(':', "").to_lowercase()), Some(key));
        for wrong in ["", "0", "00", &format!("{shown}:00"), &format!("{shown}0"), &shown.replace('E', "G")] {
            assert_eq!(read_key(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_hash_is_that_of_the_public_key_and_outlives_the_certificate() {
        let key = rcgen::KeyPair::generate().unwrap();
        let expected: [u8; 32] = Sha256::digest(rcgen::PublicKeyData::subject_public_key_info(&key)).into();
        for name in ["a.example", "b.example"] {
            let made = rcgen::CertificateParams::new([name.to_owned()]).unwrap().self_signed(&key).unwrap();
            let tls = PeerTls::from_pem(made.pem().as_bytes(), key.serialize_pem().as_bytes()).unwrap();
            assert_eq!(tls.key(), expected);
        }
    }
}
