//! TLS over real loopback sockets: the upgrade, direct TLS, what is told of it, and what is refused.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use super::common::{BOUNDS, Server, echo, kind_of, send};
use bytes::Bytes;
use eyot_core::io::{CloseCause, CloseHow, ConnKind, Input, Output, TlsInfo};
use eyot_io_tokio::conn::Bounds;
use eyot_io_tokio::tls::{provider, self_signed, server_end_point};
use sha2::{Digest as _, Sha256, Sha384};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};

fn connector(server: &Server, version: &'static SupportedProtocolVersion, alpn: &[&str]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(leaf(&server.certificate.certificate)).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config).into()
}

async fn handshake(
    server: &Server,
    stream: TcpStream,
    version: &'static SupportedProtocolVersion,
    alpn: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from("localhost").unwrap();
    connector(server, version, alpn).connect(name, stream).await
}

fn leaf(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

/// Upgrades at the word `starttls`, echoes everything else, closes when the peer ends.
fn upgrade(input: &Input) -> Vec<Output> {
    match input {
        Input::Received { conn, bytes } if bytes == "starttls" => {
            vec![send(*conn, "proc", "eed"), Output::StartTls { conn: *conn }]
        }
        Input::Ended { conn } => vec![Output::Close { conn: *conn, how: CloseHow::Graceful }],
        other => echo(other),
    }
}

async fn secured(server: &mut Server) -> TlsInfo {
    loop {
        if let Input::Secured { tls, .. } = server.told().await {
            return tls;
        }
    }
}

async fn upgraded(server: &Server, version: &'static SupportedProtocolVersion) -> TlsStream<TcpStream> {
    let mut stream = TcpStream::connect(server.addr).await.unwrap();
    stream.write_all(b"starttls").await.unwrap();
    let mut proceed = [0; 7];
    stream.read_exact(&mut proceed).await.unwrap();
    assert_eq!(&proceed, b"proceed");
    handshake(server, stream, version, &[]).await.unwrap()
}

#[tokio::test]
async fn a_plain_stream_becomes_an_encrypted_one_and_ends_in_order() {
    let mut server = Server::start(ConnKind::ClientStartTls, BOUNDS, upgrade).await;
    let mut client = upgraded(&server, &version::TLS13).await;
    let sent: Vec<u8> = (0..100_000_u32).flat_map(u32::to_be_bytes).collect();
    let (mut read, mut write) = tokio::io::split(client);
    let copy = sent.clone();
    let writer = tokio::spawn(async move {
        write.write_all(&copy).await.unwrap();
        write.flush().await.unwrap();
        write
    });
    let mut back = vec![0; sent.len()];
    read.read_exact(&mut back).await.unwrap();
    assert!(back == sent);
    client = read.unsplit(writer.await.unwrap());
    client.shutdown().await.unwrap();
    // An orderly end: without close-notify this would be `UnexpectedEof`.
    assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
    assert_eq!(server.closed().await, CloseCause::Closed);
    assert_eq!(server.closed_again().await, 0);
}

#[tokio::test]
async fn both_ends_of_tls_1_3_know_the_same_exporter() {
    let mut server = Server::start(ConnKind::ClientStartTls, BOUNDS, upgrade).await;
    let client = upgraded(&server, &version::TLS13).await;
    let info = secured(&mut server).await;
    let session = client.get_ref().1;
    let expected = session.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b"")).unwrap();
    assert_eq!(info.exporter, Some(expected));
    let certificate = leaf(&server.certificate.certificate);
    assert_eq!(info.server_end_point, Some(Bytes::copy_from_slice(&Sha256::digest(&certificate))));
}

#[tokio::test]
async fn tls_1_2_has_the_end_point_only() {
    let mut server = Server::start(ConnKind::ClientStartTls, BOUNDS, upgrade).await;
    let mut client = upgraded(&server, &version::TLS12).await;
    let info = secured(&mut server).await;
    assert_eq!(info.exporter, None);
    assert!(info.server_end_point.is_some());
    client.write_all(b"hello").await.unwrap();
    let mut back = [0; 5];
    client.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"hello");
}

#[tokio::test]
async fn direct_tls_speaks_xmpp_and_nothing_else() {
    let mut server = Server::start(ConnKind::ClientDirectTls, BOUNDS, upgrade).await;
    let stream = TcpStream::connect(server.addr).await.unwrap();
    let mut client = handshake(&server, stream, &version::TLS13, &["xmpp-client"]).await.unwrap();
    assert_eq!(client.get_ref().1.alpn_protocol(), Some(&b"xmpp-client"[..]));
    assert!(matches!(server.told().await, Input::Opened { .. }));
    assert!(matches!(server.told().await, Input::Secured { .. }));
    client.write_all(b"hello").await.unwrap();
    let mut back = [0; 5];
    client.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"hello");

    let stream = TcpStream::connect(server.addr).await.unwrap();
    let refused = handshake(&server, stream, &version::TLS13, &["h2", "http/1.1"]).await;
    assert!(refused.is_err_and(|error| error.to_string().contains("NoApplicationProtocol")));
    assert_eq!(server.closed().await, CloseCause::Tls);

    let stream = TcpStream::connect(server.addr).await.unwrap();
    assert!(handshake(&server, stream, &version::TLS13, &[]).await.is_ok());
}

#[tokio::test]
async fn what_is_not_tls_ends_the_connection() {
    let mut server = Server::start(ConnKind::ClientDirectTls, BOUNDS, upgrade).await;
    let mut stream = TcpStream::connect(server.addr).await.unwrap();
    stream.write_all(b"<stream:stream xmlns='jabber:client'>").await.unwrap();
    assert_eq!(server.closed().await, CloseCause::Tls);
    assert_eq!(server.closed_again().await, 0);
}

#[tokio::test]
async fn plaintext_after_the_upgrade_is_never_handed_over() {
    let mut server = Server::start(ConnKind::ClientStartTls, BOUNDS, upgrade).await;
    let mut stream = TcpStream::connect(server.addr).await.unwrap();
    stream.write_all(b"starttls").await.unwrap();
    let mut proceed = [0; 7];
    stream.read_exact(&mut proceed).await.unwrap();
    stream.write_all(b"<message>this is no TLS record</message>").await.unwrap();
    assert!(matches!(server.told().await, Input::Opened { .. }));
    assert!(matches!(server.told().await, Input::Received { bytes, .. } if bytes == "starttls"));
    loop {
        match server.told().await {
            Input::Flushed { .. } => {}
            Input::Closed { cause, .. } => break assert_eq!(cause, CloseCause::Tls),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_handshake_that_never_comes_is_not_waited_for_for_ever() {
    let bounds = Bounds { handshake_time: Duration::from_millis(50), ..BOUNDS };
    let mut server = Server::start(ConnKind::ClientDirectTls, bounds, upgrade).await;
    let stream = TcpStream::connect(server.addr).await.unwrap();
    assert_eq!(server.closed().await, CloseCause::TimedOut);
    drop(stream);
}

#[tokio::test]
async fn the_node_can_end_a_handshake() {
    let mut server = Server::start(ConnKind::ClientDirectTls, BOUNDS, |input| match input {
        Input::Opened { conn, .. } => vec![Output::Close { conn: *conn, how: CloseHow::Abort }],
        _ => Vec::new(),
    })
    .await;
    let mut stream = TcpStream::connect(server.addr).await.unwrap();
    assert_eq!(server.closed().await, CloseCause::Closed);
    let end = stream.read(&mut [0; 8]).await;
    assert!(matches!(end, Ok(0)) || kind_of(end) == Some(ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn a_fin_without_close_notify_is_an_end() {
    let mut server = Server::start(ConnKind::ClientDirectTls, BOUNDS, upgrade).await;
    let stream = TcpStream::connect(server.addr).await.unwrap();
    let client = handshake(&server, stream, &version::TLS13, &[]).await.unwrap();
    let (mut stream, _) = client.into_inner();
    stream.shutdown().await.unwrap();
    loop {
        match server.told().await {
            Input::Opened { .. } | Input::Secured { .. } | Input::Flushed { .. } => {}
            Input::Ended { .. } => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(server.closed().await, CloseCause::Closed);
}

#[tokio::test]
async fn damaged_records_end_the_connection() {
    let mut server = Server::start(ConnKind::ClientDirectTls, BOUNDS, upgrade).await;
    let stream = TcpStream::connect(server.addr).await.unwrap();
    let client = handshake(&server, stream, &version::TLS13, &[]).await.unwrap();
    let (mut stream, _) = client.into_inner();
    // An application data record of 32 bytes that nobody encrypted.
    stream.write_all(&[&[23, 3, 3, 0, 32][..], &[7; 32]].concat()).await.unwrap();
    assert_eq!(server.closed().await, CloseCause::Tls);
}

#[test]
fn the_end_point_uses_the_hash_of_the_signature() {
    let made = leaf(&self_signed(&["a.example".into()]).unwrap().certificate);
    assert_eq!(server_end_point(&made).unwrap(), &Sha256::digest(&made)[..]);

    let p384 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let params = rcgen::CertificateParams::new(["a.example".to_owned()]).unwrap();
    let made = params.self_signed(&p384).unwrap();
    assert_eq!(server_end_point(made.der()).unwrap(), &Sha384::digest(made.der())[..]);
    assert_eq!(server_end_point(b"no certificate"), None);
}

#[test]
fn the_end_point_of_old_and_rare_signatures_is_that_of_openssl() {
    // The right side: openssl x509 -outform DER | openssl dgst -sha256 (-sha384, -sha512)
    let cases = [
        (
            include_str!("certificates/ecdsa-sha1.pem"),
            "adda98df7e6d704a3428316ae363243c5f67620f1b76487156788fe2ffff6be8",
        ),
        (
            include_str!("certificates/rsa-pss-sha384.pem"),
            "5b7276f41f9845628625ce2f780ab271e8b5b5d79ac2deeb93c837e2cf7ae31826b46b16dd35a98294d020f3165c3c2d",
        ),
        (
            include_str!("certificates/rsa-sha512.pem"),
            "cd98b7c8fc36aa742963438a2365360c1cae2fcb2ce3ffc4d69aca11bd5ddb3c7d1cff47da5a46ba0f201e6804e2d43a7e53e2a18a7d632e84f9a9841ccb047c",
        ),
    ];
    for (pem, expected) in cases {
        let hash = server_end_point(&leaf(pem)).unwrap();
        let hex: Vec<String> = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex.concat(), expected);
    }
}

#[test]
fn a_signature_without_a_hash_has_no_end_point() {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let params = rcgen::CertificateParams::new(["a.example".to_owned()]).unwrap();
    assert_eq!(server_end_point(params.self_signed(&key).unwrap().der()), None);
}
