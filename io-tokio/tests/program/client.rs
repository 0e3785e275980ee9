//! A client of few words: direct TLS, PLAIN, and lines that are waited for.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eyot_io_tokio::tls::provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// What a test waits for comes in a fraction of it, or not at all.
const PATIENCE: Duration = Duration::from_secs(60);

/// A session.
pub(crate) struct Client {
    stream: StreamOwned<ClientConnection, TcpStream>,
    /// What came and was not waited for yet.
    heard: String,
}

impl Client {
    /// Logs in with a resource, whose name is the user's, and shows presence. `data`: the node's data directory.
    pub(crate) fn login(at: SocketAddr, data: &Path, user: &str, password: &str) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(data.join("cert.pem")).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let session = ClientConnection::new(Arc::new(config), name).unwrap();
        let stream = TcpStream::connect(at).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let mut client = Self { stream: StreamOwned::new(session, stream), heard: String::new() };
        let open = "<stream:stream to='localhost' version='1.0' xmlns='jabber:client' \
                    xmlns:stream='http://etherx.jabber.org/streams'>";
        client.say(open);
        client.until("</stream:features>");
        let plain = base64(format!("\0{user}\0{password}").as_bytes());
        client
            .say(&format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{plain}</auth>"));
        client.until("<success");
        client.say(open);
        client.until("</stream:features>");
        client.say(&format!(
            "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>{user}</resource></bind></iq>"
        ));
        client.until("</bind>");
        client.say("<presence/>");
        client
    }

    pub(crate) fn say(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).unwrap();
        self.stream.flush().unwrap();
    }

    /// Waits for `wanted` and forgets all up to it; returns that.
    pub(crate) fn until(&mut self, wanted: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.heard.find(wanted) {
                let rest = self.heard.split_off(at + wanted.len());
                return std::mem::replace(&mut self.heard, rest);
            }
            assert!(Instant::now() < deadline, "no {wanted} in {}", self.heard);
            let mut space = [0; 4096];
            match self.stream.read(&mut space) {
                Ok(0) => panic!("the stream ended without {wanted}: {}", self.heard),
                Ok(read) => self.heard.push_str(&String::from_utf8_lossy(&space[..read])),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => panic!("no {wanted}: {error}, after {}", self.heard),
            }
        }
    }

    /// Waits for a presence of `from` of this type: none, or `unavailable`.
    pub(crate) fn until_presence(&mut self, from: &str, kind: Option<&str>) {
        loop {
            self.until("<presence");
            let rest = self.until(">");
            let kind = match kind {
                Some(kind) => rest.contains(&format!("type='{kind}'")),
                None => !rest.contains("type="),
            };
            if kind && rest.contains(&format!("from='{from}'")) {
                return;
            }
        }
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word = [0, 1, 2].map(|at| u32::from(chunk.get(at).copied().unwrap_or_default()));
        let word = word[0] << 16 | word[1] << 8 | word[2];
        for at in 0..4 {
            let digit = usize::try_from(word >> (18 - 6 * at) & 63).unwrap();
            out.push(if at > chunk.len() { '=' } else { char::from(DIGITS[digit]) });
        }
    }
    out
}
