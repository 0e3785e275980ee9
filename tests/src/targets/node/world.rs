//! The driver's side of the contract, kept; the node's side, checked.
//!
//! Checked after each input: outputs end with one `Wait`, and are few; after a tick the next deadline lies ahead;
//! nothing is sent on a connection that was told to close, or was never opened; TLS begins only where it may; no
//! number of an operation is used twice; an operator gets one answer; nothing is broken that nobody broke.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use eyot_core::config::{Config, DomainConfig, Registration, ShowVersion};
use eyot_core::io::{
    CloseCause, Command, CommandId, ConnId, ConnKind, Input, KeyDerivation, OpId, Output, PeerAddr,
    ScramHash, Secret, TlsInfo,
};
use eyot_core::jid::Domain;
use eyot_core::limits::Limits;
use eyot_core::node::Node;
use eyot_core::store::{Rows, StoreBatch, StoreError, StoreQuery};
use eyot_core::time::{Instant, Now, Span, UnixTime};
use eyot_core::trace::{Event, Severity};

/// Outputs of one input; far above what the small world of a run can need.
const OUTPUTS_MAX: usize = 4_000;
/// Rounds until a node that was asked to stop has stopped.
const STOP_ROUNDS: usize = 200;

/// A node and everything around it.
#[derive(Debug)]
pub(super) struct World {
    node: Node,
    now: Now,
    until: Option<Instant>,
    stage: Stage,
    /// Every connection that was ever opened, in order.
    conns: Vec<Conn>,
    /// Reads and writes, in the order they are performed.
    disk: VecDeque<(OpId, Effect)>,
    derivations: Vec<(OpId, KeyDerivation)>,
    ops: BTreeSet<OpId>,
    rows: Rows,
    commands: BTreeSet<CommandId>,
    next_command: u64,
    /// The store was made to fail; then a node may say so.
    store_failed: bool,
    /// What the node said it did, by name.
    seen: BTreeSet<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Booting,
    Ready,
    Stopping,
    Stopped,
}

#[derive(Debug)]
enum Effect {
    Store(StoreBatch),
    Load(StoreQuery),
}

/// A connection.
#[derive(Debug)]
struct Conn {
    id: ConnId,
    kind: ConnKind,
    life: Life,
    tls: Tls,
    ended: bool,
    intake: Intake,
    unflushed: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Open,
    /// The node wants it closed.
    Closing,
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Intake {
    Open,
    /// The node is behind. It may be handed what was read before it said so, once.
    Last,
    /// It takes nothing more.
    Held,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tls {
    None,
    /// The handshake is under way.
    Wanted,
    Done,
}

impl World {
    /// Starts a node on an empty store.
    pub(super) fn new(seed: [u8; 8]) -> Self {
        let now = Now { mono: Instant::from_micros(0), wall: UnixTime::default() };
        let mut long_seed = [0; 32];
        long_seed[..8].copy_from_slice(&seed);
        let mut world = Self {
            node: Node::new(config(), long_seed, now),
            now,
            until: None,
            stage: Stage::Booting,
            conns: Vec::new(),
            disk: VecDeque::new(),
            derivations: Vec::new(),
            ops: BTreeSet::new(),
            rows: Rows::new(),
            commands: BTreeSet::new(),
            next_command: 0,
            store_failed: false,
            seen: BTreeSet::new(),
        };
        world.drain();
        world.answer_all();
        assert_eq!(world.stage, Stage::Ready, "a node on an empty store gets ready");
        world
    }

    /// Opens a connection and returns its place, unless the node has stopped.
    pub(super) fn open(&mut self, kind: ConnKind, peer: u8) -> Option<usize> {
        if self.stage != Stage::Ready {
            return None;
        }
        let place = self.conns.len();
        let id = ConnId(place as u64 + 1);
        let tls = match kind {
            ConnKind::ClientStartTls => Tls::None,
            ConnKind::ClientDirectTls | ConnKind::Peer => Tls::Wanted,
        };
        self.conns.push(Conn {
            id,
            kind,
            life: Life::Open,
            tls,
            ended: false,
            intake: Intake::Open,
            unflushed: 0,
        });
        let mut address = [0; 16];
        address[15] = peer % 4;
        self.input(Input::Opened { conn: id, kind, peer: PeerAddr(address) });
        Some(place)
    }

    /// Ends the handshake of a connection that waits for it.
    pub(super) fn secure(&mut self, place: usize, tls: TlsInfo) {
        let Some(conn) = self.conn(place).filter(|conn| conn.tls == Tls::Wanted) else { return };
        conn.tls = Tls::Done;
        let id = conn.id;
        self.input(Input::Secured { conn: id, tls });
    }

    /// Hands bytes over, unless a handshake is under way or the peer has ended.
    pub(super) fn receive(&mut self, place: usize, bytes: Bytes) {
        let Some(conn) = self.conn(place) else { return };
        if bytes.is_empty() || conn.ended || conn.tls == Tls::Wanted || conn.intake == Intake::Held {
            return;
        }
        if conn.intake == Intake::Last {
            conn.intake = Intake::Held;
        }
        let id = conn.id;
        self.input(Input::Received { conn: id, bytes });
    }

    /// Takes what was sent.
    pub(super) fn flush(&mut self, place: usize) {
        let Some(conn) = self.conn(place) else { return };
        let (id, bytes) = (conn.id, core::mem::take(&mut conn.unflushed));
        if bytes > 0 {
            self.input(Input::Flushed { conn: id, bytes });
        }
    }

    /// Ends a peer's side.
    pub(super) fn end(&mut self, place: usize) {
        let Some(conn) = self.conn(place).filter(|conn| !conn.ended) else { return };
        conn.ended = true;
        let id = conn.id;
        self.input(Input::Ended { conn: id });
    }

    /// Breaks a connection.
    pub(super) fn close(&mut self, place: usize, cause: CloseCause) {
        let Some(conn) = self.conn(place) else { return };
        conn.life = Life::Gone;
        let id = conn.id;
        self.input(Input::Closed { conn: id, cause });
    }

    /// Answers the oldest operation of the store, or a derivation when `choice` says so; tells whether there was one.
    pub(super) fn answer(&mut self, choice: usize, failure: Option<StoreError>) -> bool {
        let derive = !self.derivations.is_empty() && (choice % 2 == 1 || self.disk.is_empty());
        if derive {
            let (op, request) = self.derivations.remove(choice / 2 % self.derivations.len());
            let salted_password = derived(&request);
            self.input(Input::Derived { op, salted_password });
            return true;
        }
        let Some((op, effect)) = self.disk.pop_front() else { return false };
        self.store_failed |= failure.is_some();
        let outcome = |world: &mut Self| match effect {
            Effect::Store(batch) => {
                if failure.is_none() {
                    world.rows.apply(&batch);
                }
                Input::Stored { op, outcome: failure.map_or(Ok(()), Err) }
            }
            Effect::Load(query) => {
                let rows = world.rows.query(&query);
                Input::Loaded { op, outcome: failure.map_or(Ok(rows), Err) }
            }
        };
        let input = outcome(self);
        self.input(input);
        true
    }

    /// Answers everything until nothing is under way.
    pub(super) fn answer_all(&mut self) {
        while self.answer(0, None) {}
    }

    /// Hands an operator's command over.
    pub(super) fn command(&mut self, command: Command) {
        if self.stage == Stage::Stopped {
            return;
        }
        if command == Command::Shutdown {
            self.stage = Stage::Stopping;
        }
        self.next_command += 1;
        let id = CommandId(self.next_command);
        self.commands.insert(id);
        self.input(Input::Command { id, command });
    }

    /// Lets time pass, with a tick for a deadline that lies in it.
    pub(super) fn pass(&mut self, millis: u64) {
        let then = self.now.mono + Span::from_millis(millis);
        if self.until.is_some_and(|until| until <= then) {
            self.tick();
        }
        self.now.mono = self.now.mono.max(then);
    }

    /// Goes to the deadline, if there is one.
    pub(super) fn tick(&mut self) {
        let Some(until) = self.until else { return };
        self.now.mono = self.now.mono.max(until);
        self.input(Input::Tick);
        assert!(self.until.is_none_or(|until| until > self.now.mono), "after a tick the deadline lies ahead");
    }

    /// Stops the node: everything is answered, every connection that it wants closed is closed. Returns the names
    /// of what happened in its life.
    pub(super) fn finish(mut self) -> BTreeSet<&'static str> {
        self.answer_all();
        self.command(Command::Shutdown);
        for _ in 0..STOP_ROUNDS {
            self.answer_all();
            let closing = self.conns.iter().position(|conn| conn.life == Life::Closing);
            match closing {
                _ if self.stage == Stage::Stopped => break,
                Some(place) => self.close(place, CloseCause::Closed),
                None => self.tick(),
            }
        }
        assert_eq!(self.stage, Stage::Stopped, "a node that nobody holds up stops");
        assert!(self.commands.is_empty(), "every operator was answered: {:?}", self.commands);
        assert_eq!(self.node.sessions(), 0, "no session is left");
        self.seen
    }

    /// The connection at `place`, counted among all, that the driver still knows.
    fn conn(&mut self, place: usize) -> Option<&mut Conn> {
        let count = self.conns.len();
        if self.stage == Stage::Stopped || count == 0 {
            return None;
        }
        self.conns.get_mut(place % count).filter(|conn| conn.life != Life::Gone)
    }

    fn input(&mut self, input: Input) {
        self.now.mono = self.now.mono + Span::from_micros(1);
        self.node.handle_input(self.now, input);
        self.drain();
    }

    /// Polls until `Wait` and checks each output.
    fn drain(&mut self) {
        for _ in 0..OUTPUTS_MAX {
            let output = self.node.poll_output();
            if let Output::Wait { until, .. } = output {
                self.until = until;
                return;
            }
            self.check(output);
        }
        panic!("one input has no end of outputs");
    }

    fn check(&mut self, output: Output) {
        assert!(self.stage != Stage::Stopped, "nothing comes after `Stopped`: {output:?}");
        match output {
            Output::Ready { .. } => {
                assert_eq!(self.stage, Stage::Booting, "ready once");
                self.stage = Stage::Ready;
            }
            Output::Connect { .. } => unreachable!("a node without a cluster has no peers"),
            Output::StartTls { conn } => {
                let conn = self.sendable(conn);
                assert!(
                    conn.kind == ConnKind::ClientStartTls && conn.tls == Tls::None,
                    "TLS once, where it may begin"
                );
                conn.tls = Tls::Wanted;
            }
            Output::Send { conn, head, body } => {
                let conn = self.sendable(conn);
                assert!(!head.is_empty() || !body.is_empty(), "an empty send");
                assert!(conn.tls != Tls::Wanted, "nothing is sent during a handshake");
                let bytes = u32::try_from(head.len() + body.len()).expect("a send is far below 4 GiB");
                conn.unflushed = conn.unflushed.saturating_add(bytes);
            }
            Output::Hold { conn } => self.sendable(conn).intake = Intake::Last,
            Output::Release { conn } => self.sendable(conn).intake = Intake::Open,
            Output::Close { conn, .. } => self.sendable(conn).life = Life::Closing,
            Output::Store { op, batch } => self.begin(op, Effect::Store(batch)),
            Output::Load { op, query } => self.begin(op, Effect::Load(query)),
            Output::Derive { op, request } => {
                assert!(self.ops.insert(op), "a number of an operation is used once");
                self.derivations.push((op, request));
            }
            Output::Reply { id, .. } => assert!(self.commands.remove(&id), "one answer to a command"),
            Output::Trace(event) => {
                assert!(
                    event.severity() < Severity::Error || self.store_failed,
                    "broken by nobody: {event:?}"
                );
                self.seen.insert(name(&event));
            }
            Output::Stopped => {
                assert_eq!(self.stage, Stage::Stopping, "nobody asked the node to stop");
                assert!(self.conns.iter().all(|conn| conn.life == Life::Gone), "stopped with connections");
                assert!(self.disk.is_empty(), "stopped with writes under way");
                self.stage = Stage::Stopped;
            }
            Output::Wait { .. } => unreachable!("the caller takes it"),
        }
    }

    fn begin(&mut self, op: OpId, effect: Effect) {
        assert!(self.ops.insert(op), "a number of an operation is used once");
        self.disk.push_back((op, effect));
    }

    /// The connection of an output that needs it open.
    fn sendable(&mut self, id: ConnId) -> &mut Conn {
        let conn = self
            .conns
            .iter_mut()
            .find(|conn| conn.id == id)
            .expect("an output for a connection that was opened");
        assert!(conn.life == Life::Open, "an output for a connection that is over: {conn:?}");
        conn
    }
}

/// Two domains, one open to everybody, and small bounds so that short runs reach them.
fn config() -> Config {
    let domain = |name: &str, registration| {
        let name = Domain::parse(name).expect("the names of this file are domains");
        DomainConfig { registration, ..DomainConfig::closed(name) }
    };
    let limits = Limits {
        sessions_per_account: 2,
        unauthenticated_per_peer: 4,
        connections: 12,
        send_queue_bytes: 64 * 1024,
        stanza_bytes: 16 * 1024,
        derivations: 2,
        directed_presence: 3,
        accounts_page: 2,
        ..Limits::default()
    };
    let domains = vec![domain("a.example", Registration::Closed), domain("b.example", Registration::Open)];
    Config {
        node: "fuzzed".into(),
        domains,
        show_version: ShowVersion::Yes,
        location: None,
        cluster: None,
        seat: None,
        limits,
    }
}

/// A stand-in for PBKDF2: different passwords, salts and counts give different keys, which is all a run needs.
fn derived(request: &KeyDerivation) -> Secret {
    let mut state = 0xcbf2_9ce4_8422_2325_u64 ^ u64::from(request.iterations);
    for byte in request.password.0.iter().chain(&request.salt) {
        state = (state ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let length = match request.hash {
        ScramHash::Sha1 => 20,
        ScramHash::Sha256 => 32,
    };
    Secret(state.to_le_bytes().into_iter().cycle().take(length).collect())
}

/// The name of what happened.
const fn name(event: &Event) -> &'static str {
    match event {
        Event::Started { .. } => "started",
        Event::LimitReached { .. } => "limit",
        Event::StreamError { .. } => "stream error",
        Event::LoginFailed { .. } => "login failed",
        Event::Bound { .. } => "bound",
        Event::Detached { .. } => "detached",
        Event::Resumed { .. } => "resumed",
        Event::Unbound { .. } => "unbound",
        Event::Closed { .. } => "closed",
        Event::AccountChanged { .. } => "account",
        Event::Routed { copies: 0, .. } => "routed to nobody",
        Event::Routed { copies: 1, .. } => "routed to one",
        Event::Routed { .. } => "routed to many",
        Event::StoreFailed { .. } => "store failed",
        Event::Unrestored { .. } => "unrestored",
        Event::KeptBack { .. } => "kept back",
        Event::PeerUp { .. }
        | Event::PeerMoved { .. }
        | Event::PeerRoute { .. }
        | Event::PeerDown { .. }
        | Event::PeerBehind { .. }
        | Event::PeerTooSmall { .. }
        | Event::Filling
        | Event::Joined { .. }
        | Event::Forgotten { .. }
        | Event::NotServing { .. }
        | Event::PeerRefused { .. } => "peer",
        Event::Level { .. } => "level",
        Event::Stopping => "stopping",
    }
}
