//! A TLS relay that parses nothing: what arrives on the first connection of a pair leaves on the second.
//!
//! It is the yardstick: sockets, TLS and runtime as the server has them, and no XMPP.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::server::TlsStream;

use crate::client::{Client, Server, connector, free_port};
use crate::report::fail;

/// The relay process.
pub(crate) struct Relay {
    child: Child,
    port: u16,
    connector: tokio_rustls::TlsConnector,
}

impl Relay {
    /// Starts the relay as a process of its own, with the server's certificate.
    pub(crate) fn start(server: &Server) -> Self {
        let (certificate, key) = server.identity();
        let port = free_port();
        let own = std::env::current_exe().unwrap_or_else(|error| fail(&format!("no path: {error}")));
        let child = Command::new(own)
            .arg("relay")
            .arg(port.to_string())
            .args([&certificate, &key])
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| fail(&format!("the relay does not start: {error}")));
        let relay = Self { child, port, connector: connector(&certificate) };
        for _ in 0..500 {
            std::thread::sleep(std::time::Duration::from_millis(10));
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return relay;
            }
        }
        fail("the relay does not listen")
    }

    /// Returns the process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Connects pairs of clients.
pub(crate) async fn connect(relay: &Relay, pairs: usize) -> Vec<(Client, Client)> {
    let mut all = Vec::new();
    for _ in 0..pairs {
        let mut receiver = Client::connect(&relay.connector, relay.port).await;
        // The relay pairs connections as they come: one is up before the next begins.
        receiver.read_bytes(1).await;
        let mut sender = Client::connect(&relay.connector, relay.port).await;
        sender.read_bytes(1).await;
        all.push((sender, receiver));
    }
    all
}

/// Runs the relay: `relay PORT CERTIFICATE KEY`.
pub(crate) fn serve(port: u16, certificate: &Path, key: &Path) {
    let certificate = CertificateDer::from_pem_file(certificate);
    let key = PrivateKeyDer::from_pem_file(key);
    let (Ok(certificate), Ok(key)) = (certificate, key) else { fail("no certificate for the relay") };
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key);
    let mut config = config.unwrap_or_else(|error| fail(&format!("no TLS for the relay: {error}")));
    config.alpn_protocols = vec![b"xmpp-client".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    super::runtime().block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", port)).await;
        let listener = listener.unwrap_or_else(|error| fail(&format!("the relay cannot listen: {error}")));
        loop {
            let Some(receiver) = accept(&listener, &acceptor).await else { continue };
            let mut receiver = receiver;
            drop(receiver.write_all(b"r").await);
            let Some(mut sender) = accept(&listener, &acceptor).await else { continue };
            drop(sender.write_all(b"s").await);
            tokio::spawn(relay(sender, receiver));
        }
    });
}

async fn accept(listener: &TcpListener, acceptor: &TlsAcceptor) -> Option<TlsStream<TcpStream>> {
    let (tcp, _) = listener.accept().await.ok()?;
    tcp.set_nodelay(true).ok()?;
    acceptor.accept(tcp).await.ok()
}

async fn relay(mut from: TlsStream<TcpStream>, mut to: TlsStream<TcpStream>) {
    let mut chunk = vec![0; 16 * 1024];
    while let Ok(read) = from.read(&mut chunk).await {
        let bytes = chunk.get(..read).unwrap_or_default();
        if bytes.is_empty() || to.write_all(bytes).await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
}
