//! A server process to measure, and clients that load it: no XML parser, no more work than the load needs.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::instructions::own;
use crate::report::fail;

/// The domain of the measured server.
pub(crate) const DOMAIN: &str = "localhost";
/// The password of every measured account.
pub(crate) const PASSWORD: &str = "pw-of-the-bench";
/// How long anything may take before the measurement is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// What XEP-0198 counts; none of it holds another in what is measured.
const STANZAS: [&[u8]; 3] = [b"<message", b"<presence", b"<iq"];

/// A running `eyot`, with its data in a directory of its own. Dropping it ends the process.
pub(crate) struct Server {
    child: Child,
    binary: PathBuf,
    data: Option<tempfile::TempDir>,
    port: u16,
}

/// A client's side of a connection.
pub(crate) struct Client {
    stream: TlsStream<TcpStream>,
    buffer: Vec<u8>,
}

impl Server {
    /// Builds and starts the server.
    pub(crate) fn start() -> Self {
        build();
        Self::start_on(Self::directory())
    }

    /// Returns a directory for the data of a server.
    pub(crate) fn directory() -> tempfile::TempDir {
        tempfile::tempdir().unwrap_or_else(|error| fail(&format!("no directory: {error}")))
    }

    /// Starts the server, which is built, on data that is there.
    pub(crate) fn start_on(data: tempfile::TempDir) -> Self {
        let binary = binary();
        let port = free_port();
        let child = Command::new(&binary)
            .args(["serve", "--data"])
            .arg(data.path())
            .args(["--listen", &format!("127.0.0.1:{}", free_port())])
            .args(["--listen-tls", &format!("127.0.0.1:{port}")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| fail(&format!("the server does not start: {error}")));
        let server = Self { child, binary, data: Some(data), port };
        let start = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            if start.elapsed() > PATIENCE {
                fail("the server does not listen");
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        server
    }

    /// Kills the server and returns its data.
    pub(crate) fn into_directory(mut self) -> tempfile::TempDir {
        self.end();
        self.data.take().expect("only this takes it")
    }

    fn data(&self) -> &Path {
        self.data.as_ref().map_or(Path::new(""), tempfile::TempDir::path)
    }

    fn end(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// Adds an account.
    pub(crate) fn add_user(&self, user: &str) {
        let mut child = Command::new(&self.binary)
            .args(["user", "add", user, "--password-stdin", "--data"])
            .arg(self.data())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| fail(&format!("eyot user add does not start: {error}")));
        let written = child.stdin.take().map(|mut stdin| stdin.write_all(format!("{PASSWORD}\n").as_bytes()));
        let status = child.wait();
        if !matches!(written, Some(Ok(()))) || !status.is_ok_and(|status| status.success()) {
            fail(&format!("eyot user add {user} failed"));
        }
    }

    /// Returns where it listens for direct TLS.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Returns a connector that trusts its certificate.
    pub(crate) fn connector(&self) -> TlsConnector {
        connector(&self.data().join("cert.pem"))
    }

    /// Returns the certificate and key files.
    pub(crate) fn identity(&self) -> (PathBuf, PathBuf) {
        let tls = self.data();
        (tls.join("cert.pem"), tls.join("key.pem"))
    }

    /// Returns the process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

impl Client {
    /// Connects and shakes hands.
    pub(crate) async fn connect(connector: &TlsConnector, port: u16) -> Self {
        let tcp = TcpStream::connect(("127.0.0.1", port)).await;
        let tcp = tcp.unwrap_or_else(|error| fail(&format!("cannot connect: {error}")));
        drop(tcp.set_nodelay(true));
        let name = ServerName::try_from(DOMAIN).expect("the domain is a name");
        let stream = connector.connect(name, tcp).await;
        let stream = stream.unwrap_or_else(|error| fail(&format!("no TLS: {error}")));
        Self { stream, buffer: Vec::new() }
    }

    /// Logs in and binds `resource`.
    pub(crate) async fn login(&mut self, user: &str, resource: &str) {
        let header = format!(
            "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' \
             to='{DOMAIN}' version='1.0'>"
        );
        let payload = eyot_core::sasl::encode_payload(format!("\0{user}\0{PASSWORD}").as_bytes());
        let auth =
            format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{payload}</auth>");
        let bind = format!(
            "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>\
             <resource>{resource}</resource></bind></iq>"
        );
        self.send(header.as_bytes()).await;
        self.read_until("</stream:features>").await;
        self.send(auth.as_bytes()).await;
        self.read_until("<success").await;
        self.send(header.as_bytes()).await;
        self.read_until("</stream:features>").await;
        self.send(bind.as_bytes()).await;
        self.read_until("</iq>").await;
    }

    /// Becomes available.
    pub(crate) async fn appear(&mut self) {
        self.send(b"<presence/>").await;
        self.read_until("<presence").await;
    }

    /// Asks for the roster and lets the session be resumable.
    pub(crate) async fn settle(&mut self) {
        self.send(b"<iq type='get' id='g'><query xmlns='jabber:iq:roster'/></iq>").await;
        self.read_until("</iq>").await;
        self.send(b"<enable xmlns='urn:xmpp:sm:3' resume='true'/>").await;
        self.read_until("<enabled").await;
    }

    /// Becomes available, and acknowledges from then on whatever comes: nothing may wait in the server for this client.
    pub(crate) async fn attend(mut self) {
        self.send(b"<presence/>").await;
        let (mut count, mut chunk) = (0, vec![0; 4 * 1024]);
        loop {
            match self.stream.read(&mut chunk).await {
                Ok(read) if read > 0 => {
                    self.buffer.extend_from_slice(chunk.get(..read).unwrap_or_default());
                }
                Ok(_) | Err(_) => fail("the server has closed the stream of an idle client"),
            }
            let whole = memchr::memrchr(b'>', &self.buffer).map_or(0, |at| at + 1);
            let said: Vec<u8> = self.buffer.drain(..whole).collect();
            for at in memchr::memchr_iter(b'<', &said) {
                let tag = said.get(at..).unwrap_or_default();
                if STANZAS.iter().any(|stanza| tag.starts_with(stanza)) {
                    count += 1;
                } else if tag.starts_with(b"<r ") {
                    self.send(format!("<a xmlns='urn:xmpp:sm:3' h='{count}'/>").as_bytes()).await;
                }
            }
        }
    }

    /// Sends bytes.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        let sent = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        if let Err(error) = sent.await {
            fail(&format!("cannot send: {error}"));
        }
    }

    /// Reads until `end` has been seen.
    pub(crate) async fn read_until(&mut self, end: &str) {
        while !String::from_utf8_lossy(&self.buffer).contains(end) {
            self.read_more().await;
        }
        self.buffer.clear();
    }

    /// Reads until `bytes` bytes have arrived.
    pub(crate) async fn read_bytes(&mut self, bytes: usize) {
        let mut left = bytes;
        let mut chunk = vec![0; 64 * 1024];
        while left > 0 {
            match tokio::time::timeout(PATIENCE, self.stream.read(&mut chunk)).await {
                Ok(Ok(read)) if read > 0 => left = left.saturating_sub(read),
                Ok(Ok(_) | Err(_)) | Err(_) => fail(&format!("{left} bytes are missing")),
            }
        }
    }

    /// Counts the ends of messages until `count` have arrived.
    pub(crate) async fn read_messages(&mut self, count: usize) {
        const END: &[u8] = b"</message>";
        let mut seen = 0;
        let mut chunk = vec![0; 64 * 1024];
        let mut tail: Vec<u8> = Vec::new();
        while seen < count {
            let read = match tokio::time::timeout(PATIENCE, self.stream.read(&mut chunk)).await {
                Ok(Ok(read)) if read > 0 => read,
                Ok(Ok(_) | Err(_)) | Err(_) => fail(&format!("{} messages are missing", count - seen)),
            };
            tail.extend_from_slice(chunk.get(..read).unwrap_or_default());
            seen += memchr::memmem::find_iter(&tail, END).count();
            let keep = memchr::memmem::rfind(&tail, END).map_or(0, |at| at + END.len());
            tail.drain(..keep);
        }
    }

    async fn read_more(&mut self) {
        let mut chunk = vec![0; 16 * 1024];
        match tokio::time::timeout(PATIENCE, self.stream.read(&mut chunk)).await {
            Ok(Ok(read)) if read > 0 => self.buffer.extend_from_slice(chunk.get(..read).unwrap_or_default()),
            Ok(Ok(_) | Err(_)) | Err(_) => {
                fail(&format!("the server said only: {}", String::from_utf8_lossy(&self.buffer)));
            }
        }
    }
}

/// Returns a connector that trusts one certificate.
pub(crate) fn connector(certificate: &Path) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_file(certificate)
        .unwrap_or_else(|error| fail(&format!("no certificate at {}: {error}", certificate.display())));
    if let Err(error) = roots.add(certificate) {
        fail(&format!("the certificate cannot be trusted: {error}"));
    }
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"xmpp-client".to_vec()];
    TlsConnector::from(Arc::new(config))
}

/// Returns a port that nobody uses now.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .map_or_else(|error| fail(&format!("no port: {error}")), |addr| addr.port())
}

/// Builds the server in the release profile.
pub(crate) fn build() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| String::from("cargo"));
    let built = Command::new(cargo)
        .args(["build", "--release", "--quiet", "-p", "eyot-io-tokio", "--bin", "eyot"])
        .status();
    if !built.is_ok_and(|status| status.success()) {
        fail("the server cannot be built");
    }
}

/// Returns the path of the server.
fn binary() -> PathBuf {
    own().ancestors().nth(2).map_or_else(|| fail("no target directory"), |release| release.join("eyot"))
}
