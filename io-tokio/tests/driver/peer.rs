//! Two nodes over real loopback sockets: calls, both certificates, and who is refused.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;

use super::common::{BOUNDS, Server, echo, kind_of, send};
use eyot_core::config::LinkKind;
use eyot_core::io::{CloseCause, CloseHow, Command, ConnKind, Dial, Input, OpId, Output};
use eyot_core::time::Span;
use eyot_io_tokio::tls::{SelfSigned, provider, self_signed};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::rustls::client::ResolvesClientCert;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{
    self, ClientConfig, DigitallySignedStruct, ServerConfig, SignatureScheme, SupportedProtocolVersion,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

const OP: OpId = OpId(5);

/// Calls `route` at any command, greets who answers, and closes when the other side ends.
fn caller(route: String) -> impl FnMut(&Input) -> Vec<Output> {
    move |input| match input {
        Input::Command { .. } => {
            let how = Dial { link: LinkKind::Lan, give_up: Span::from_secs(20) };
            vec![Output::Connect { op: OP, route: route.as_str().into(), how }]
        }
        Input::Secured { conn, .. } => vec![send(*conn, "hel", "lo")],
        other => listener(other),
    }
}

/// Sends everything back, and closes when the other side ends.
fn listener(input: &Input) -> Vec<Output> {
    match input {
        Input::Ended { conn } => vec![Output::Close { conn: *conn, how: CloseHow::Graceful }],
        other => echo(other),
    }
}

async fn calling(route: impl ToString) -> Server {
    let server = Server::start(ConnKind::Peer, BOUNDS, caller(route.to_string())).await;
    let handle = server.handle.clone();
    // It is never answered.
    tokio::spawn(async move { handle.command(Command::EnsureAdmin { domain: "x".into() }).await });
    server
}

/// What the node was told next, commands and what was written aside.
async fn told(server: &mut Server) -> Input {
    loop {
        match server.told().await {
            Input::Command { .. } | Input::Flushed { .. } => {}
            other => return other,
        }
    }
}

#[tokio::test]
async fn two_nodes_know_each_other_by_their_keys() {
    let mut there = Server::start(ConnKind::Peer, BOUNDS, listener).await;
    let mut here = calling(there.addr).await;
    let Input::Connected { op: OP, outcome: Ok(conn) } = told(&mut here).await else {
        panic!("no connection")
    };
    let Input::Secured { tls, .. } = told(&mut here).await else { panic!("no handshake") };
    assert_eq!(tls.peer.unwrap().key, there.peer.key());
    // What a token of a joining node is bound to is the same at both ends; no channel binding of clients is.
    assert_eq!(tls.server_end_point, None);
    let exported = tls.exporter.expect("nodes that join are bound to it");
    assert!(matches!(told(&mut there).await, Input::Opened { kind: ConnKind::Peer, .. }));
    let Input::Secured { tls, .. } = told(&mut there).await else { panic!("no handshake") };
    assert_eq!(tls.exporter, Some(exported));
    assert_eq!(tls.peer.unwrap().key, here.peer.key());
    assert!(matches!(told(&mut there).await, Input::Received { bytes, .. } if bytes == "hello"));
    assert!(
        matches!(told(&mut here).await, Input::Received { conn: of, bytes } if of == conn && bytes == "hello")
    );
}

#[tokio::test]
async fn a_name_is_looked_up() {
    let mut there = Server::start(ConnKind::Peer, BOUNDS, listener).await;
    let mut here = calling(format!("localhost:{}", there.addr.port())).await;
    assert!(matches!(told(&mut here).await, Input::Connected { outcome: Ok(_), .. }));
    assert!(matches!(told(&mut there).await, Input::Opened { .. }));
}

#[tokio::test]
async fn a_connection_between_nodes_ends_once_on_both_sides() {
    let mut there = Server::start(ConnKind::Peer, BOUNDS, |input| match input {
        Input::Received { conn, .. } => vec![Output::Close { conn: *conn, how: CloseHow::Graceful }],
        other => echo(other),
    })
    .await;
    let mut here = calling(there.addr).await;
    assert_eq!(here.closed().await, CloseCause::Closed);
    assert_eq!(there.closed().await, CloseCause::Closed);
    assert_eq!(here.closed_again().await, 0);
    assert_eq!(there.closed_again().await, 0);
}

#[tokio::test]
async fn where_nobody_listens_there_is_no_connection() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = free.local_addr().unwrap();
    drop(free);
    for route in [addr.to_string(), "no such name:1".into()] {
        let mut here = calling(route).await;
        let answer = told(&mut here).await;
        assert_eq!(answer, Input::Connected { op: OP, outcome: Err(CloseCause::Reset) });
    }
}

#[tokio::test]
async fn who_does_not_speak_tls_is_closed_on_either_side() {
    let mut server = Server::start(ConnKind::Peer, BOUNDS, listener).await;
    let mut stream = TcpStream::connect(server.addr).await.unwrap();
    stream.write_all(b"<stream:stream to='x'>").await.unwrap();
    assert_eq!(server.closed().await, CloseCause::Tls);
    assert_eq!(server.closed_again().await, 0);

    let garbage = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut here = calling(garbage.local_addr().unwrap()).await;
    let (mut stream, _) = garbage.accept().await.unwrap();
    stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    assert!(matches!(told(&mut here).await, Input::Connected { outcome: Ok(_), .. }));
    assert!(matches!(told(&mut here).await, Input::Closed { cause: CloseCause::Tls, .. }));
}

#[tokio::test]
async fn who_shows_no_certificate_or_an_old_version_is_refused() {
    for (version, identity) in [(&TLS13, None), (&TLS12, Some(self_signed(&["a".into()]).unwrap()))] {
        let mut server = Server::start(ConnKind::Peer, BOUNDS, listener).await;
        let identity = identity.as_ref().map(|made| certified(made, made));
        let refused = connect(server.addr, version, identity).await;
        assert!(refused.is_err(), "{version:?}");
        assert_eq!(server.closed().await, CloseCause::Tls, "{version:?}");
    }
}

#[tokio::test]
async fn a_certificate_without_its_key_is_of_no_use() {
    let (member, thief) = (self_signed(&["a".into()]).unwrap(), self_signed(&["a".into()]).unwrap());
    // Who calls shows the member's certificate and signs with another key.
    let mut server = Server::start(ConnKind::Peer, BOUNDS, listener).await;
    assert!(connect(server.addr, &TLS13, Some(certified(&member, &thief))).await.is_err());
    assert!(matches!(told(&mut server).await, Input::Opened { .. }));
    assert!(matches!(told(&mut server).await, Input::Closed { cause: CloseCause::Tls, .. }));
    // The same with the member's key is taken.
    let whole = connect(server.addr, &TLS13, Some(certified(&member, &member))).await;
    assert!(whole.is_ok(), "{:?}", kind_of(whole));

    // Who is called does so.
    let listen = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut here = calling(listen.local_addr().unwrap()).await;
    let (stream, _) = listen.accept().await.unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(provider())).with_protocol_versions(&[&TLS13]);
    let mut config = config
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Shown(Arc::new(certified(&member, &thief)))));
    config.alpn_protocols = vec![b"eyot-peer".to_vec()];
    assert!(TlsAcceptor::from(Arc::new(config)).accept(stream).await.is_err());
    assert!(matches!(told(&mut here).await, Input::Connected { outcome: Ok(_), .. }));
    assert!(matches!(told(&mut here).await, Input::Closed { cause: CloseCause::Tls, .. }));
}

/// Connects as a stranger does who takes any server, sends something and waits for an answer: a server of TLS 1.3 looks at
/// the certificate only after the client's side of the handshake is over.
async fn connect(
    addr: SocketAddr,
    version: &'static SupportedProtocolVersion,
    identity: Option<CertifiedKey>,
) -> io::Result<()> {
    let config =
        ClientConfig::builder_with_provider(Arc::new(provider())).with_protocol_versions(&[version]).unwrap();
    let config = config.dangerous().with_custom_certificate_verifier(Arc::new(Gullible));
    let mut config = match identity {
        Some(identity) => config.with_client_cert_resolver(Arc::new(Shown(Arc::new(identity)))),
        None => config.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"eyot-peer".to_vec()];
    let name = ServerName::try_from("node.invalid").unwrap();
    let stream = TcpStream::connect(addr).await?;
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    stream.write_all(b"x").await?;
    stream.flush().await?;
    if stream.read(&mut [0; 1]).await? == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

/// A certificate beside a key, which need not belong to it.
fn certified(certificate: &SelfSigned, key: &SelfSigned) -> CertifiedKey {
    let chain = vec![CertificateDer::from_pem_slice(certificate.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.key.as_bytes()).unwrap();
    CertifiedKey::new(chain, provider().key_provider.load_private_key(key).unwrap())
}

#[derive(Debug)]
struct Shown(Arc<CertifiedKey>);

impl ResolvesClientCert for Shown {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// Believes everything.
#[derive(Debug)]
struct Gullible;

impl ServerCertVerifier for Gullible {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
