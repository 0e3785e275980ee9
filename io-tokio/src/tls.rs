//! TLS with clients: the server's side, its certificate, and what it knows about a connection.
//!
//! Implements: RFC 9266, section 4; RFC 5929, section 4.1; XEP-0368 1.1.0, section 3. The server's part.
//!
//! No compression and no early data.

use std::fmt;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use eyot_core::io::{ConnKind, TlsInfo};
use sha2::{Digest as _, Sha224, Sha256, Sha384, Sha512};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::client::TlsStream as ClientStream;
use tokio_rustls::rustls::crypto::CryptoProvider;
#[cfg(not(feature = "sim"))]
use tokio_rustls::rustls::crypto::aws_lc_rs as cryptography;
#[cfg(feature = "sim")]
use tokio_rustls::rustls::crypto::ring as cryptography;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{self, ProtocolVersion, ServerConfig, ServerConnection};
use tokio_rustls::server::TlsStream;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;
use x509_parser::signature_algorithm::SignatureAlgorithm;

use crate::net::NetStream;
use crate::peer_tls::PeerTls;

/// The protocol name a client offers on a direct TLS port (XEP-0368).
const ALPN_CLIENT: &[u8] = b"xmpp-client";
/// RFC 9266, section 2.
pub(crate) const EXPORTER_LABEL: &[u8] = b"EXPORTER-Channel-Binding";

/// How TLS is done at the listeners of a node.
#[derive(Clone)]
pub struct Tls {
    start: TlsAcceptor,
    direct: TlsAcceptor,
    end_point: Option<Bytes>,
    peer: Option<PeerTls>,
}

/// A certificate that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsError {
    /// The certificate file holds none, or something unreadable.
    Certificate(String),
    /// The key file holds none, or something unreadable.
    Key(String),
    /// They do not belong together, or their kind is not supported.
    Pair(String),
}

/// A certificate of our own making, as PEM.
#[derive(Clone)]
pub struct SelfSigned {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

impl Tls {
    /// Creates the listeners' TLS from PEM: a chain that begins with the server's own certificate, and its key.
    ///
    /// # Errors
    ///
    /// [`TlsError`] says which of the two is wrong.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let chain = parse_chain(chain)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| TlsError::Key(error.to_string()))?;
        let end_point = chain.first().and_then(|leaf| server_end_point(leaf));
        let mut direct = server_config(chain, key).map_err(|error| TlsError::Pair(error.to_string()))?;
        let start = direct.clone();
        // A client that names other protocols only is refused: it does not mean to speak XMPP.
        direct.alpn_protocols = vec![ALPN_CLIENT.to_vec()];
        Ok(Self { start: Arc::new(start).into(), direct: Arc::new(direct).into(), end_point, peer: None })
    }

    /// Adds what is needed to speak with other nodes. Without it, none is listened to and none is called.
    #[must_use]
    pub fn with_peer(self, peer: PeerTls) -> Self {
        Self { peer: Some(peer), ..self }
    }

    /// Does the client's side of a handshake with another node.
    ///
    /// # Errors
    ///
    /// As [`Tls::accept`].
    pub async fn connect<S: NetStream>(&self, stream: S) -> io::Result<ClientStream<S>> {
        match &self.peer {
            Some(peer) => peer.connect(stream).await,
            None => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Does the server's side of the handshake.
    ///
    /// # Errors
    ///
    /// `InvalidData` when the peer's TLS is at fault, else what the stream reports.
    pub async fn accept<S: NetStream>(&self, stream: S, kind: ConnKind) -> io::Result<TlsStream<S>> {
        match kind {
            ConnKind::ClientStartTls => self.start.accept(stream).await,
            ConnKind::ClientDirectTls => self.direct.accept(stream).await,
            ConnKind::Peer => match &self.peer {
                Some(peer) => peer.accept(stream).await,
                None => Err(io::ErrorKind::Unsupported.into()),
            },
        }
    }

    /// Returns what TLS knows about a connection that came in and whose handshake is done.
    pub fn info(&self, session: &ServerConnection, kind: ConnKind) -> TlsInfo {
        match kind {
            ConnKind::ClientStartTls | ConnKind::ClientDirectTls => {
                TlsInfo { exporter: exporter(session), server_end_point: self.end_point.clone(), peer: None }
            }
            ConnKind::Peer => PeerTls::info(session),
        }
    }
}

/// The cryptography of this server.
pub fn provider() -> CryptoProvider {
    cryptography::default_provider()
}

/// Draws a seed from the system.
///
/// # Errors
///
/// When the system gives no entropy; nothing should start then.
pub fn draw_seed() -> io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    let drawn = provider().secure_random.fill(&mut seed);
    drawn.map_err(|_| io::Error::other("the system gives no entropy"))?;
    Ok(seed)
}

/// Makes a certificate for `domains`, signed by its own key, valid from 2020 to 2049.
///
/// The early beginning serves clocks that are wrong, the late end people who forget.
///
/// # Errors
///
/// [`TlsError::Certificate`] when a name cannot stand in a certificate.
pub fn self_signed(domains: &[String]) -> Result<SelfSigned, TlsError> {
    let broken = |error: rcgen::Error| TlsError::Certificate(error.to_string());
    let mut params = rcgen::CertificateParams::new(domains).map_err(broken)?;
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2049, 12, 31);
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    params.distinguished_name = rcgen::DistinguishedName::new();
    let name = domains.first().map_or("eyot", String::as_str);
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    let key = rcgen::KeyPair::generate().map_err(broken)?;
    let certificate = params.self_signed(&key).map_err(broken)?.pem();
    Ok(SelfSigned { certificate, key: key.serialize_pem() })
}

/// Returns the SHA-256 fingerprint of the first certificate of a PEM chain, as people compare it.
///
/// # Errors
///
/// [`TlsError::Certificate`] when there is none.
pub fn fingerprint(chain: &[u8]) -> Result<String, TlsError> {
    let chain = parse_chain(chain)?;
    let leaf = chain.first().map(AsRef::as_ref).unwrap_or_default();
    let pairs: Vec<String> = Sha256::digest(leaf).iter().map(|byte| format!("{byte:02X}")).collect();
    Ok(pairs.join(":"))
}

/// Returns `tls-server-end-point`: the hash of a certificate by the hash of its signature; absent where that
/// signature has none of its own (Ed25519), because then the binding is not defined.
pub fn server_end_point(certificate: &[u8]) -> Option<Bytes> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let hash = signature_hash(&parsed)?;
    Some(match hash {
        //= https://www.rfc-editor.org/rfc/rfc5929#section-4.1
        //# if the certificate's signatureAlgorithm uses a single hash
        //# function and that hash function either MD5 [RFC1321] or SHA-1
        //# [RFC3174], then use SHA-256 [FIPS-180-3]
        Hash::Md5OrSha1 | Hash::Sha256 => Bytes::copy_from_slice(&Sha256::digest(certificate)),
        Hash::Sha224 => Bytes::copy_from_slice(&Sha224::digest(certificate)),
        Hash::Sha384 => Bytes::copy_from_slice(&Sha384::digest(certificate)),
        Hash::Sha512 => Bytes::copy_from_slice(&Sha512::digest(certificate)),
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hash {
    Md5OrSha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

fn signature_hash(certificate: &X509Certificate<'_>) -> Option<Hash> {
    let algorithm = &certificate.signature_algorithm;
    let oid = match SignatureAlgorithm::try_from(algorithm) {
        Ok(SignatureAlgorithm::RSASSA_PSS(params)) => params.hash_algorithm_oid().to_id_string(),
        _ => algorithm.algorithm.to_id_string(),
    };
    match oid.as_str() {
        // md5WithRSA, sha1WithRSA, ecdsa-with-SHA1, sha1
        "1.2.840.113549.1.1.4" | "1.2.840.113549.1.1.5" | "1.2.840.10045.4.1" | "1.3.14.3.2.26" => {
            Some(Hash::Md5OrSha1)
        }
        // sha224WithRSA, ecdsa-with-SHA224, sha224
        "1.2.840.113549.1.1.14" | "1.2.840.10045.4.3.1" | "2.16.840.1.101.3.4.2.4" => Some(Hash::Sha224),
        "1.2.840.113549.1.1.11" | "1.2.840.10045.4.3.2" | "2.16.840.1.101.3.4.2.1" => Some(Hash::Sha256),
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" | "2.16.840.1.101.3.4.2.2" => Some(Hash::Sha384),
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" | "2.16.840.1.101.3.4.2.3" => Some(Hash::Sha512),
        _ => None,
    }
}

fn exporter(session: &ServerConnection) -> Option<[u8; 32]> {
    // Before TLS 1.3 the exporter binds only with extensions that RFC 9266, section 4.2 asks to verify.
    if session.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
        return None;
    }
    session.export_keying_material([0; 32], EXPORTER_LABEL, Some(&[])).ok()
}

pub(crate) fn parse_chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err(TlsError::Certificate("no certificate in it".into())),
        Ok(chain) => Ok(chain),
        Err(error) => Err(TlsError::Certificate(error.to_string())),
    }
}

fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    // Resumption without memory per client.
    config.ticketer = cryptography::Ticketer::new()?;
    config.send_tls13_tickets = 1;
    Ok(config)
}

impl fmt::Display for TlsError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate(what) => write!(out, "the certificate cannot be used: {what}"),
            Self::Key(what) => write!(out, "the private key cannot be used: {what}"),
            Self::Pair(what) => write!(out, "certificate and key cannot be used together: {what}"),
        }
    }
}

impl std::error::Error for TlsError {}

impl fmt::Debug for Tls {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Tls").field("end_point", &self.end_point).finish_non_exhaustive()
    }
}

impl fmt::Debug for SelfSigned {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SelfSigned").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}
