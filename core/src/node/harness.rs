//! A node with an obedient world, for the tests of this crate: every effect is answered at once.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::Node;
use crate::config::{Config, Registration};
use crate::io::{
    Answer, CloseCause, Command, CommandId, ConnId, ConnKind, Input, Output, PeerAddr, Secret, TlsInfo,
};
use crate::jid::{BareJid, Domain};
use crate::sasl;
use crate::store::{Key, Rows, StoreError, StoreQuery, Table};
use crate::time::{Instant, Now, UnixTime};
use crate::trace::Event;

/// A node, what its clients have been sent, and its store.
pub(in crate::node) struct World {
    pub(in crate::node) node: Node,
    pub(in crate::node) now: u64,
    pub(in crate::node) store: Rows,
    /// How often something was written there.
    pub(in crate::node) writes: u64,
    /// What each connection was sent and has not read yet.
    pub(in crate::node) sent: BTreeMap<ConnId, String>,
    pub(in crate::node) closed: Vec<ConnId>,
    pub(in crate::node) answers: Vec<Answer>,
    pub(in crate::node) events: Vec<Event>,
    pub(in crate::node) stopped: bool,
    /// What happens to writes.
    pub(in crate::node) disk: Result<(), StoreError>,
    /// Tables of which no range can be read.
    pub(in crate::node) unreadable: Vec<Table>,
    /// Store and derivation outputs wait here instead of being answered.
    pub(in crate::node) waiting: Option<Vec<Output>>,
    /// Reads wait there, too.
    pub(in crate::node) slow_reads: bool,
    /// The bodies of what is sent are kept as they are.
    pub(in crate::node) keep_bodies: bool,
    pub(in crate::node) bodies: Vec<(ConnId, Bytes)>,
    /// What is sent is kept here as bytes: it is no text.
    pub(in crate::node) heads: Option<Vec<Bytes>>,
    /// Calls to other nodes, and what was done on connections with them.
    pub(in crate::node) to_peers: Vec<Output>,
    /// Connections that are not to be read from.
    pub(in crate::node) held: BTreeSet<ConnId>,
    /// What the last one who authenticated was offered then.
    pub(in crate::node) features: String,
    pub(in crate::node) config: Config,
    starts: u8,
    last: u64,
}

impl World {
    pub(in crate::node) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(in crate::node) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::single(Domain::parse("x.example").unwrap());
        config.limits.scram_iterations = 1;
        change(&mut config);
        let node = Node::new(config.clone(), [7; 32], at(0));
        let mut world = Self {
            node,
            now: 0,
            store: Rows::new(),
            writes: 0,
            sent: BTreeMap::new(),
            closed: Vec::new(),
            answers: Vec::new(),
            events: Vec::new(),
            stopped: false,
            disk: Ok(()),
            unreadable: Vec::new(),
            waiting: None,
            slow_reads: false,
            keep_bodies: false,
            bodies: Vec::new(),
            heads: None,
            to_peers: Vec::new(),
            held: BTreeSet::new(),
            features: String::new(),
            config,
            starts: 0,
            last: 0,
        };
        world.drain();
        world
    }

    /// Does something with the context of a service.
    pub(in crate::node) fn run(&mut self, what: impl FnOnce(&mut crate::service::cx::Cx<'_>)) {
        self.node.with_services(at(self.now), |_, cx| what(cx));
        self.input(Input::Tick);
    }

    /// Opens registration.
    pub(in crate::node) fn open_registration(config: &mut Config) {
        for domain in &mut config.domains {
            domain.registration = Registration::Open;
        }
    }

    pub(in crate::node) fn input(&mut self, input: Input) {
        self.node.handle_input(at(self.now), input);
        self.drain();
    }

    fn drain(&mut self) {
        loop {
            let output = self.node.poll_output();
            if matches!(output, Output::Wait { .. }) {
                return;
            }
            self.act(output);
        }
    }

    fn act(&mut self, output: Output) {
        if let Output::Send { conn, .. } | Output::Close { conn, .. } = &output
            && *conn >= PEERS
        {
            return self.to_peers.push(output);
        }
        let waits = matches!(output, Output::Store { .. } | Output::Derive { .. })
            || (self.slow_reads && matches!(output, Output::Load { .. }));
        match &mut self.waiting {
            Some(waiting) if waits => waiting.push(output),
            Some(_) | None => self.perform(output),
        }
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::Send { head, .. } if self.heads.is_some() => {
                self.heads.iter_mut().for_each(|heads| heads.push(head.clone()));
            }
            Output::Send { conn, head, body } => {
                let sent = self.sent.entry(conn).or_default();
                sent.push_str(core::str::from_utf8(&head).unwrap());
                sent.push_str(core::str::from_utf8(&body).unwrap());
                if self.keep_bodies {
                    self.bodies.push((conn, body));
                }
            }
            Output::Close { conn, .. } => {
                self.closed.push(conn);
                self.input(Input::Closed { conn, cause: CloseCause::Closed });
            }
            Output::Store { op, batch } => {
                let outcome = self.disk;
                if outcome.is_ok() {
                    self.store.apply(&batch);
                    self.writes += 1;
                }
                self.input(Input::Stored { op, outcome });
            }
            Output::Load { op, query } => {
                let bad = |from: &Key| {
                    self.unreadable.iter().any(|bad| from.as_bytes().first() == Some(&(*bad as u8)))
                };
                let outcome = match &query {
                    StoreQuery::Range { from, .. } if bad(from) => Err(StoreError::Io),
                    StoreQuery::Range { .. }
                    | StoreQuery::Back { .. }
                    | StoreQuery::Get { .. }
                    | StoreQuery::Many { .. } => Ok(self.store.query(&query)),
                };
                self.input(Input::Loaded { op, outcome });
            }
            Output::Derive { op, request } => {
                let salted_password = sasl::derive(&request);
                self.input(Input::Derived { op, salted_password });
            }
            Output::Reply { answer, .. } => self.answers.push(answer),
            Output::Trace(event) => self.events.push(event),
            Output::Stopped => {
                assert!(!self.stopped, "it stops once");
                self.stopped = true;
            }
            Output::Hold { conn } => _ = self.held.insert(conn),
            Output::Release { conn } => _ = self.held.remove(&conn),
            Output::Connect { .. } => self.to_peers.push(output),
            Output::Ready { .. } | Output::StartTls { .. } | Output::Wait { .. } => {}
        }
    }

    /// Answers the first thing that waits. Returns whether there was one.
    pub(in crate::node) fn answer_next(&mut self) -> bool {
        let Some(waiting) = self.waiting.as_mut().filter(|waiting| !waiting.is_empty()) else { return false };
        let first = waiting.remove(0);
        self.perform(first);
        true
    }

    /// Kills the node: what it waited for is not done. Another one starts on the same store.
    pub(in crate::node) fn kill(&mut self) {
        let waiting = self.waiting.take();
        (self.stopped, self.starts) = (false, self.starts + 1);
        self.sent.clear();
        self.to_peers.clear();
        self.node = Node::new(self.config.clone(), [7 + self.starts; 32], at(self.now));
        self.drain();
        self.waiting = waiting.map(|_| Vec::new());
    }

    /// Lets time pass.
    pub(in crate::node) fn pass(&mut self, micros: u64) {
        self.now += micros;
        self.input(Input::Tick);
    }

    /// Cuts a connection.
    pub(in crate::node) fn cut(&mut self, conn: ConnId) {
        self.input(Input::Closed { conn, cause: CloseCause::Reset });
    }

    /// Answers what waited.
    pub(in crate::node) fn release(&mut self) {
        for output in self.waiting.take().unwrap_or_default() {
            self.act(output);
        }
    }

    pub(in crate::node) fn command(&mut self, command: Command) -> Option<Answer> {
        self.last += 1;
        self.input(Input::Command { id: CommandId(self.last), command });
        self.answers.pop()
    }

    pub(in crate::node) fn add(&mut self, user: &str) {
        let user = BareJid::parse(&format!("{user}@x.example")).unwrap();
        let password = Some(Secret(Bytes::from_static(b"pw")));
        let answer = self.command(Command::UserAdd { user: user.clone(), password });
        assert_eq!(answer, Some(Answer::Account { user, drawn: None }));
    }

    /// Opens a connection with TLS and reads nothing.
    pub(in crate::node) fn open(&mut self) -> ConnId {
        self.last += 1;
        let conn = ConnId(self.last);
        self.input(Input::Opened { conn, kind: ConnKind::ClientDirectTls, peer: PeerAddr([1; 16]) });
        self.input(Input::Secured { conn, tls: TlsInfo::default() });
        conn
    }

    pub(in crate::node) fn send(&mut self, conn: ConnId, text: &str) {
        self.input(Input::Received { conn, bytes: Bytes::copy_from_slice(text.as_bytes()) });
    }

    /// Returns what a connection has been sent since the last time.
    pub(in crate::node) fn read(&mut self, conn: ConnId) -> String {
        self.sent.remove(&conn).unwrap_or_default()
    }

    pub(in crate::node) fn header(&mut self, conn: ConnId) {
        self.send(conn, HEADER);
    }

    pub(in crate::node) fn auth(&mut self, conn: ConnId, user: &str, password: &str) {
        let payload = sasl::encode_payload(format!("\0{user}\0{password}").as_bytes());
        let auth =
            format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{payload}</auth>");
        self.send(conn, &auth);
    }

    /// Opens a connection and logs in as `user`, without a session.
    pub(in crate::node) fn authenticate(&mut self, user: &str) -> ConnId {
        let conn = self.open();
        self.header(conn);
        self.auth(conn, user, "pw");
        self.read(conn);
        self.header(conn);
        self.features = self.read(conn);
        conn
    }

    /// [`World::authenticate`] while outputs wait: only those of this login are answered.
    pub(in crate::node) fn authenticate_slowly(&mut self, user: &str) -> ConnId {
        let (waiting, slow) = (self.waiting.take(), core::mem::take(&mut self.slow_reads));
        let conn = self.authenticate(user);
        (self.waiting, self.slow_reads) = (waiting, slow);
        conn
    }

    /// Logs in as `user`, binds `resource` and sends presence unless `priority` is absent.
    pub(in crate::node) fn login(&mut self, user: &str, resource: &str, priority: Option<i8>) -> ConnId {
        let conn = self.open();
        self.header(conn);
        self.auth(conn, user, "pw");
        self.header(conn);
        self.send(conn, &format!("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>{resource}</resource></bind></iq>"));
        let said = self.read(conn);
        assert!(said.contains(&format!("<jid>{user}@x.example/{resource}</jid>")), "{said}");
        if let Some(priority) = priority {
            self.send(conn, &format!("<presence><priority>{priority}</priority></presence>"));
            self.read(conn);
        }
        conn
    }
}

/// Connections from this one on are with other nodes.
pub(in crate::node) const PEERS: ConnId = ConnId(1 << 32);

pub(in crate::node) const HEADER: &str = "<stream:stream xmlns='jabber:client' \
    xmlns:stream='http://etherx.jabber.org/streams' to='x.example' version='1.0'>";

fn at(micros: u64) -> Now {
    Now { mono: Instant::from_micros(micros), wall: UnixTime::from_millis((micros / 1_000).cast_signed()) }
}
