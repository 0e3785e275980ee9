//! A recording of a run over real sockets, fed to a new node, gives what the clients were sent, byte for byte.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use eyot_core::io::{ConnId, Input, Output};
use eyot_core::record::{End, Entry, RecordReader};
use eyot_core::sasl;
use rustix::process::Signal;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::process::{Node, eyot};

const HEADER: &str = "<stream:stream xmlns='jabber:client' \
    xmlns:stream='http://etherx.jabber.org/streams' to='localhost' version='1.0'>";

/// A client that keeps every byte it was sent.
struct Client {
    stream: StreamOwned<ClientConnection, TcpStream>,
    got: Vec<u8>,
}

impl Client {
    fn connect(dir: &Path, at: SocketAddr) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(dir.join("eyot-data/cert.pem")).unwrap()).unwrap();
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let tls = ClientConnection::new(Arc::new(config), name).unwrap();
        let tcp = TcpStream::connect(at).unwrap();
        tcp.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Self { stream: StreamOwned::new(tls, tcp), got: Vec::new() }
    }

    fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).unwrap();
        self.stream.flush().unwrap();
    }

    /// Reads until what came since `from` holds `end`.
    fn until(&mut self, from: usize, end: &str) {
        let mut chunk = [0; 4096];
        while !String::from_utf8_lossy(&self.got[from..]).contains(end) {
            let read = self.stream.read(&mut chunk).unwrap();
            assert!(read > 0, "the stream ended before {end}: {}", String::from_utf8_lossy(&self.got));
            self.got.extend_from_slice(&chunk[..read]);
        }
    }

    fn say(&mut self, text: &str, end: &str) {
        let from = self.got.len();
        self.send(text);
        self.until(from, end);
    }

    fn login(dir: &Path, at: SocketAddr, user: &str) -> Self {
        let mut client = Self::connect(dir, at);
        let payload = sasl::encode_payload(format!("\0{user}\0pw of {user}").as_bytes());
        client.say(HEADER, "</stream:features>");
        client.say(
            &format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{payload}</auth>"),
            "<success",
        );
        client.say(HEADER, "</stream:features>");
        client.say(
            "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq><presence/>",
            "<presence",
        );
        client
    }

    fn read_to_end(mut self) -> Vec<u8> {
        self.stream.read_to_end(&mut self.got).unwrap();
        self.got
    }
}

#[test]
fn a_replay_says_what_the_node_said() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let node = Node::start(dir, &["--record", "recording"]);
    for user in ["alice", "bob"] {
        let mut child =
            eyot(dir, &["user", "add", user, "--password-stdin"]).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(format!("pw of {user}\n").as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
    }
    let mut alice = Client::login(dir, node.direct_tls(), "alice");
    let mut bob = Client::login(dir, node.direct_tls(), "bob");
    for number in 0..20 {
        let text = format!(
            "<message to='bob@localhost' id='{number}'><body>the water is at {number}</body></message>"
        );
        let from = bob.got.len();
        alice.send(&text);
        bob.until(from, "</message>");
    }
    alice.say("<message to='ghost@localhost'/>", "</message>");
    node.signal(Signal::TERM);
    let sent = [alice.read_to_end(), bob.read_to_end()];
    assert_eq!(node.wait(), Some(0));

    let (replayed, end) = replay(fs::read(dir.join("recording")).unwrap());
    assert_eq!(end, Some(End::Stopped));
    let replayed: Vec<String> =
        replayed.into_values().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect();
    let sent: Vec<String> = sent.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect();
    assert!(sent.iter().all(|text| text.contains("<system-shutdown")), "{sent:?}");
    assert_eq!(replayed, sent);
}

/// Feeds a recording to a new node; returns what it sent on each connection that was opened.
pub(crate) fn replay(recording: Vec<u8>) -> (BTreeMap<ConnId, Vec<u8>>, Option<End>) {
    let mut reader = RecordReader::new(recording.into()).unwrap();
    let header = reader.header().clone();
    let mut node = eyot_core::node::Node::new(header.config, header.seed, header.start);
    let mut sent: BTreeMap<ConnId, Vec<u8>> = BTreeMap::new();
    loop {
        loop {
            match node.poll_output() {
                Output::Send { conn, head, body } => {
                    let sent = sent.entry(conn).or_default();
                    sent.extend_from_slice(&head);
                    sent.extend_from_slice(&body);
                }
                Output::Wait { .. } => break,
                Output::Ready { .. }
                | Output::Connect { .. }
                | Output::StartTls { .. }
                | Output::Hold { .. }
                | Output::Release { .. }
                | Output::Close { .. }
                | Output::Store { .. }
                | Output::Load { .. }
                | Output::Derive { .. }
                | Output::Reply { .. }
                | Output::Trace(_)
                | Output::Stopped => {}
            }
        }
        match reader.next_entry().unwrap() {
            Some(Entry::Input { now, input }) => {
                if let Input::Opened { conn, .. } = input {
                    sent.insert(conn, Vec::new());
                }
                node.handle_input(now, input);
            }
            Some(Entry::End(end)) => return (sent, Some(end)),
            None => return (sent, None),
        }
    }
}
