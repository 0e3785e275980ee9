//! A node whose effects are answered at once, with as many clients as a measurement wants: no socket, no TLS.

use std::hint::black_box;

use bytes::Bytes;
use eyot_core::config::Config;
use eyot_core::io::{
    CloseCause, Command, CommandId, ConnId, ConnKind, Input, Output, PeerAddr, ScramHash, Secret, TlsInfo,
};
use eyot_core::jid::{BareJid, Domain};
use eyot_core::node::Node;
use eyot_core::sasl;
use eyot_core::store::{Key, Row, Rows, StoreBatch, StoreQuery, Table, Write};
use eyot_core::time::{Instant, Now, UnixTime};
use eyot_io_sim::client::{Derivations, Gs2, Scram};

use crate::client::{DOMAIN, PASSWORD};
use crate::report::fail;

/// A driver tells the node what was written from so many bytes on.
const FLUSHED_BYTES: u32 = 128 * 1024;
/// When the first of all messages is sent, in milliseconds since 1970.
pub(crate) const BEGIN_MS: i64 = 1_750_000_000_000;

/// What keeps the rows of a world.
pub(crate) trait Disk {
    /// Performs a batch.
    fn write(&mut self, batch: StoreBatch);
    /// Answers a query; it sees every batch before it.
    fn read(&mut self, query: &StoreQuery) -> Vec<Row>;
}

/// The node, its store, and what the measurement may know of its clients.
pub(crate) struct World {
    node: Node,
    pub(crate) disk: Box<dyn Disk>,
    /// Stanzas and nonzas that clients were sent.
    pub(crate) sent: u64,
    /// Bytes of rows that were written, keys and values, and how many rows.
    pub(crate) stored: (u64, u64),
    /// Accounts that the node has read.
    pub(crate) accounts: u64,
    /// What clients were sent since somebody last read it; nothing while nobody listens.
    heard: Option<String>,
    /// Stanzas of each connection since it enabled acknowledgements, when clients acknowledge.
    counted: Option<Vec<u32>>,
    unwritten: Vec<(ConnId, u32)>,
    begin: i64,
    millis: i64,
    last: u64,
    derivations: Derivations,
}

impl Disk for Rows {
    fn write(&mut self, batch: StoreBatch) {
        self.apply(&batch);
    }

    fn read(&mut self, query: &StoreQuery) -> Vec<Row> {
        self.query(query)
    }
}

impl World {
    /// Starts a node on what `disk` holds, at `begin` in milliseconds since 1970.
    pub(crate) fn start(disk: Box<dyn Disk>, begin: i64) -> Self {
        Self::start_on(disk, begin, Config::single(Domain::parse(DOMAIN).expect("the name is a domain")))
    }

    /// [`World::start`] of a node that keeps so few accounts in memory.
    pub(crate) fn start_forgetful(disk: Box<dyn Disk>, begin: i64, accounts: u32) -> Self {
        let mut config = Config::single(Domain::parse(DOMAIN).expect("the name is a domain"));
        config.limits.hot_accounts = accounts;
        Self::start_on(disk, begin, config)
    }

    fn start_on(disk: Box<dyn Disk>, begin: i64, mut config: Config) -> Self {
        // A password costs nothing here: it is the driver that derives keys.
        config.limits.scram_iterations = 1;
        let node = Node::new(config, [1; 32], at(begin, begin));
        let mut world = Self {
            node,
            disk,
            sent: 0,
            stored: (0, 0),
            accounts: 0,
            heard: None,
            counted: None,
            unwritten: Vec::new(),
            begin,
            millis: begin,
            last: 0,
            derivations: Derivations::new(),
        };
        world.drain();
        world
    }

    /// Lets time pass before what comes next.
    pub(crate) fn pass(&mut self, millis: i64) {
        self.millis += millis;
    }

    /// Lets clients acknowledge what they are asked about.
    pub(crate) fn acknowledge(&mut self) {
        self.counted = Some(Vec::new());
    }

    /// Adds an account.
    pub(crate) fn add(&mut self, user: &str) {
        let user = BareJid::parse(&format!("{user}@{DOMAIN}")).expect("the name is an address");
        let password = Some(Secret(Bytes::from_static(PASSWORD.as_bytes())));
        self.last += 1;
        self.input(Input::Command { id: CommandId(self.last), command: Command::UserAdd { user, password } });
    }

    /// Opens a connection with TLS.
    pub(crate) fn open(&mut self) -> ConnId {
        self.last += 1;
        let conn = ConnId(self.last);
        self.input(Input::Opened { conn, kind: ConnKind::ClientDirectTls, peer: PeerAddr([0; 16]) });
        self.input(Input::Secured { conn, tls: TlsInfo::default() });
        conn
    }

    /// Cuts a connection.
    pub(crate) fn cut(&mut self, conn: ConnId) {
        self.input(Input::Closed { conn, cause: CloseCause::Reset });
    }

    /// Logs in with PLAIN and binds `resource`.
    pub(crate) fn login(&mut self, user: &str, resource: &str) -> ConnId {
        let conn = self.open();
        let payload = sasl::encode_payload(format!("\0{user}\0{PASSWORD}").as_bytes());
        self.say(conn, &header());
        self.say(conn, &auth("PLAIN", &payload));
        self.say(conn, &header());
        let said = self.ask(conn, &bind(resource));
        if !said.contains("<jid>") {
            fail(&format!("the login of {user} fails: {said}"));
        }
        conn
    }

    /// Logs in with SCRAM-SHA-256, without a session.
    pub(crate) fn authenticate(&mut self, user: &str) -> ConnId {
        let conn = self.open();
        let nonce = format!("{:024}", self.last);
        let (mut scram, first) =
            Scram::begin(ScramHash::Sha256, Gs2::ClientCannot, Bytes::new(), (user, PASSWORD), nonce);
        self.say(conn, &header());
        let challenge = self.ask(conn, &auth("SCRAM-SHA-256", &sasl::encode_payload(first.as_bytes())));
        let challenge = decoded(&challenge, "</challenge>");
        let said = self.ask(conn, &response(&mut scram, &challenge, &mut self.derivations.clone()));
        if !said.contains("<success") {
            fail(&format!("the login of {user} fails: {said}"));
        }
        self.say(conn, &header());
        conn
    }

    /// Does what a client computes for [`World::authenticate`], and nothing else: as often with the same words.
    pub(crate) fn compute(&mut self, user: &str) {
        self.last += 1;
        let nonce = format!("{:024}", self.last);
        let (mut scram, first) =
            Scram::begin(ScramHash::Sha256, Gs2::ClientCannot, Bytes::new(), (user, PASSWORD), nonce.clone());
        black_box(auth("SCRAM-SHA-256", &sasl::encode_payload(first.as_bytes())));
        let challenge = format!("r={nonce}{nonce}01,s=AAAAAAAAAAAAAAAAAAAAAA==,i=1");
        let encoded = format!("<challenge>{}</challenge>", sasl::encode_payload(challenge.as_bytes()));
        let challenge = decoded(&encoded, "</challenge>");
        black_box(response(&mut scram, &challenge, &mut self.derivations.clone()));
    }

    /// Sends what a client says.
    pub(crate) fn say(&mut self, conn: ConnId, text: &str) {
        self.send(conn, Bytes::copy_from_slice(text.as_bytes()));
    }

    /// Sends bytes.
    pub(crate) fn send(&mut self, conn: ConnId, bytes: Bytes) {
        self.input(Input::Received { conn, bytes });
    }

    /// Sends what a client says, and returns what clients are sent then.
    pub(crate) fn ask(&mut self, conn: ConnId, text: &str) -> String {
        self.heard = Some(String::new());
        self.say(conn, text);
        self.heard.take().unwrap_or_default()
    }

    /// Ends the world and leaves the memory of its node as it is.
    pub(crate) fn leak_node(self) {
        std::mem::forget(self.node);
    }

    fn input(&mut self, input: Input) {
        self.node.handle_input(at(self.begin, self.millis), input);
        self.drain();
    }

    fn drain(&mut self) {
        loop {
            match self.node.poll_output() {
                Output::Wait { .. } => return,
                Output::Send { conn, head, body } => self.take(conn, &head, &body),
                Output::Store { op, batch } => {
                    let sizes = batch.writes.iter().map(size);
                    self.stored = sizes.fold(self.stored, |(bytes, rows), more| (bytes + more, rows + 1));
                    self.disk.write(batch);
                    self.input(Input::Stored { op, outcome: Ok(()) });
                }
                Output::Load { op, query } => {
                    let cells = Key::new(Table::Cell, &[DOMAIN]);
                    let end = cells.prefix_end();
                    self.accounts += u64::from(
                        matches!(&query, StoreQuery::Range { from, .. } if *from > cells && *from < end),
                    );
                    let rows = self.disk.read(&query);
                    self.input(Input::Loaded { op, outcome: Ok(rows) });
                }
                Output::Derive { op, request } => {
                    let salted_password = self.derivations.derive(&request);
                    self.input(Input::Derived { op, salted_password });
                }
                Output::Ready { .. }
                | Output::Connect { .. }
                | Output::StartTls { .. }
                | Output::Hold { .. }
                | Output::Release { .. }
                | Output::Close { .. }
                | Output::Reply { .. }
                | Output::Trace(_)
                | Output::Stopped => {}
            }
        }
    }

    /// A client reads; its socket takes everything.
    fn take(&mut self, conn: ConnId, head: &Bytes, body: &Bytes) {
        self.sent += 1;
        let len = u32::try_from(head.len() + body.len()).unwrap_or(u32::MAX);
        if let Some(heard) = &mut self.heard {
            heard.push_str(&String::from_utf8_lossy(head));
            heard.push_str(&String::from_utf8_lossy(body));
        } else {
            black_box((head, body));
        }
        match self.unwritten.iter_mut().find(|(known, _)| *known == conn) {
            Some((_, bytes)) => *bytes += len,
            None => self.unwritten.push((conn, len)),
        }
        if self.unwritten.iter().any(|(_, bytes)| *bytes >= FLUSHED_BYTES) || self.unwritten.len() > 16 {
            for (conn, bytes) in std::mem::take(&mut self.unwritten) {
                self.node.handle_input(at(self.begin, self.millis), Input::Flushed { conn, bytes });
            }
        }
        self.count(conn, head);
    }

    /// A client that acknowledges counts, and answers.
    fn count(&mut self, conn: ConnId, head: &Bytes) {
        let Some(counted) = &mut self.counted else { return };
        let place = usize::try_from(conn.0).unwrap_or_default();
        counted.resize(counted.len().max(place + 1), 0);
        let Some(count) = counted.get_mut(place) else { return };
        if head.starts_with(b"<enabled") {
            *count = 0;
        } else if head.starts_with(b"<message") || head.starts_with(b"<presence") || head.starts_with(b"<iq")
        {
            *count += 1;
        } else if head.starts_with(b"<r ") {
            let ack = format!("<a xmlns='urn:xmpp:sm:3' h='{count}'/>");
            self.node.handle_input(at(self.begin, self.millis), Input::Received { conn, bytes: ack.into() });
        }
    }
}

/// Returns a `<bind/>` request.
pub(crate) fn bind(resource: &str) -> String {
    format!(
        "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>{resource}</resource>\
         </bind></iq>"
    )
}

fn header() -> String {
    format!(
        "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='{DOMAIN}' \
         version='1.0'>"
    )
}

fn auth(mechanism: &str, payload: &str) -> String {
    format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='{mechanism}'>{payload}</auth>")
}

fn response(scram: &mut Scram, challenge: &str, derivations: &mut Derivations) -> String {
    let answer = scram.answer(challenge, derivations).unwrap_or_else(|error| fail(&format!("{error:?}")));
    let payload = sasl::encode_payload(answer.as_bytes());
    format!("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{payload}</response>")
}

/// Returns what stands in base 64 before `end`.
fn decoded(said: &str, end: &str) -> String {
    let payload = said.split(end).next().and_then(|begin| begin.rsplit('>').next()).unwrap_or_default();
    let bytes = sasl::decode_payload(payload).unwrap_or_else(|_| fail(&format!("no payload: {said}")));
    String::from_utf8_lossy(&bytes).into_owned()
}

fn size(write: &Write) -> u64 {
    let bytes = match write {
        Write::Put { key, value } => key.as_bytes().len() + value.len(),
        Write::Delete { key } => key.as_bytes().len(),
        Write::DeleteRange { from, to } => from.as_bytes().len() + to.as_bytes().len(),
    };
    bytes as u64
}

fn at(begin: i64, millis: i64) -> Now {
    let micros = (millis - begin).unsigned_abs() * 1_000;
    Now { mono: Instant::from_micros(micros), wall: UnixTime::from_millis(millis) }
}
