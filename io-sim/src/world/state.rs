//! The world's state and its step.

use std::collections::BTreeMap;

use eyot_core::config::Config;
use eyot_core::io::{Command, CommandId, ConnId, Input};
use eyot_core::store::Table;
use eyot_core::time::UnixTime;
use eyot_core::trace::Event as Trace;

use super::backlog::Backlog;
use super::client::Returning;
use super::clock::right_time;
use super::conn::{Conn, EndState, Lane};
use super::event::{ConnIx, Event, Side, Start, Way};
use super::history::{Actor, ClientIx, NodeIx, NodeSight, Record, WorldSight};
use super::host::{Host, Life, Process, SUPERVISED};
use super::inject::Faults;
use super::lag::Held;
use super::linked::Linked;
use super::links::Mesh;
use super::recorder::{Recorder, Recording};
use super::trace::{Link, Window};
use super::wire::Wired;
use crate::client::{Client, ClientConfig, Derivations, FromClient, Op, Sight, ToClient};
use crate::disk::Disk;
use crate::engine::{Entropy, Key, Purpose, Queue, SimSpan, SimTime, TraceHash};
use crate::net::{Direction, Line, LinkProfile, Path};

/// How a world is run, apart from what happens in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Options {
    /// The seed of every draw.
    pub seed: u64,
    /// How delivered bytes are cut.
    pub slices: Slices,
    /// Whether nodes read late, so that much arrives in one input.
    pub batch: bool,
    /// What both ends ask their systems for, for each direction (`SO_RCVBUF`, `SO_SNDBUF`), in bytes; what Linux gives when
    /// absent.
    pub buffers: Option<u32>,
    /// Whether everything that nodes are given is recorded.
    pub record: bool,
    /// Whether the history is forgotten as it happens: for measurements, where nobody reads it.
    pub forget: bool,
    /// Whether what passes on the connections is kept, for whoever draws the run.
    pub wire: bool,
    /// What is kept of the chain of hashes, for whoever compares two runs.
    pub trace: Option<Window>,
}

/// How delivered bytes are cut into inputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Slices {
    /// As they arrive.
    #[default]
    Whole,
    /// Into pieces of at most so many bytes.
    Every(usize),
    /// Into pieces of drawn length.
    Random,
}

/// What a step was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Something happened.
    Happened,
    /// A line of the scenario is due; the caller does it.
    Script(u32),
    /// Nothing happens up to the limit; it is that time now.
    Nothing,
}

/// A simulated world.
#[derive(Debug)]
pub struct World {
    pub(super) options: Options,
    pub(super) entropy: Entropy,
    pub(super) now: SimTime,
    queue: Queue<Event>,
    /// How many events in the queue say that something is on its way.
    busy: usize,
    happened: u64,
    pub(super) hash: TraceHash,
    pub(super) hosts: Vec<Host>,
    pub(super) people: Vec<Person>,
    /// The links between nodes.
    pub(super) mesh: Mesh,
    /// The named ways between nodes, with the two.
    pub(super) routes: Vec<(String, NodeIx, NodeIx)>,
    pub(super) linked: Linked,
    pub(super) faults: Faults,
    pub(super) conns: Vec<Conn>,
    /// What has waited on them, by their numbers.
    pub(super) backlogs: Vec<Backlog>,
    /// Connections that may still move.
    pub(super) live: Vec<ConnIx>,
    pub(super) nowhere: Path,
    pub(super) history: Vec<Record>,
    pub(super) traces: Vec<(SimTime, NodeIx, Trace)>,
    /// Inputs of each node in each second.
    pub(super) inputs: BTreeMap<(NodeIx, u64), u32>,
    /// When something last came to a node on each connection.
    pub(super) last_received: BTreeMap<(NodeIx, ConnId), SimTime>,
    pub(super) derivations: Derivations,
    pub(super) recorded: Vec<Recording>,
    pub(super) answers: u64,
    pub(super) commands: u64,
    /// Connections whose outputs wait to be sent.
    pub(super) dirty: Vec<ConnIx>,
    pub(super) scratch: Vec<FromClient>,
    /// What passed on the connections, by their numbers.
    pub(super) wired: Vec<Wired>,
    pub(super) moments: u64,
    /// What was kept of the chain of hashes.
    pub(super) kept: Vec<Link>,
}

/// A client and its link.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) name: String,
    pub(super) key: Key,
    pub(super) machine: Client,
    pub(super) node: NodeIx,
    pub(super) up: Path,
    pub(super) down: Path,
    pub(super) conn: Option<ConnIx>,
    /// The one before, where it has left that for this one and still listens.
    pub(super) former: Option<ConnIx>,
    /// Connections made so far.
    pub(super) made: u64,
    /// Stanzas got so far.
    pub(super) got: u64,
    /// Whether somebody sits in the middle of its next TLS.
    pub(super) mitm: bool,
    /// The connection that its machine had when a hand let it die; none while it lives.
    pub(super) died_with: Option<ConnIx>,
    /// Whether it has stopped reading.
    pub(super) paused: bool,
    /// How it comes back when it loses its connection, if it does.
    pub(super) returning: Option<Returning>,
    /// The causes of that.
    pub(super) stalls: Vec<u32>,
}

/// Sets the keys of nodes and of clients apart, whatever their names.
const NODE: u64 = 1;
const CLIENT: u64 = 2;
/// How long a batching node waits before it reads.
const BATCH_DELAY: SimSpan = SimSpan::from_millis(3);

impl World {
    /// Creates an empty world.
    pub fn new(options: Options) -> Self {
        let entropy = Entropy::new(options.seed);
        let nothing = LinkProfile::symmetric(Line::PERFECT);
        let mut nowhere = Path::new(entropy, Key::of("nowhere"), nothing, Direction::Up);
        nowhere.set_cut(true);
        Self {
            options,
            entropy,
            now: SimTime::ZERO,
            queue: Queue::new(),
            busy: 0,
            happened: 0,
            hash: TraceHash::new(),
            hosts: Vec::new(),
            people: Vec::new(),
            mesh: Mesh::new(),
            routes: Vec::new(),
            linked: Linked::default(),
            faults: Faults::default(),
            conns: Vec::new(),
            backlogs: Vec::new(),
            live: Vec::new(),
            nowhere,
            history: Vec::new(),
            traces: Vec::new(),
            inputs: BTreeMap::new(),
            last_received: BTreeMap::new(),
            derivations: Derivations::new(),
            recorded: Vec::new(),
            answers: 0,
            commands: 0,
            dirty: Vec::new(),
            scratch: Vec::new(),
            wired: Vec::new(),
            moments: 0,
            kept: Vec::new(),
        }
    }

    /// Adds a machine that is to run a node; nothing runs yet.
    ///
    /// # Panics
    ///
    /// When the world has 2^32 nodes already.
    pub fn add_node(&mut self, name: &str, config: Config) -> NodeIx {
        let key = Key::of(name).with(NODE);
        let disk = Disk::new(self.entropy, key);
        let ix = NodeIx(u32::try_from(self.hosts.len()).expect("a world has few nodes"));
        self.hosts.push(Host::new(name.into(), key, config, disk));
        self.mesh_in(ix);
        ix
    }

    /// Starts the node of a machine, with a seed drawn for this start.
    pub fn start_node(&mut self, ix: NodeIx) {
        let host = &mut self.hosts[ix.at()];
        if host.process.is_some() {
            return;
        }
        let seed = self.entropy.bytes(Purpose::NodeSeed, host.key, host.starts);
        host.starts += 1;
        host.life = Life::Up;
        host.outages.clear();
        let clock = host.clock.read(self.now);
        host.process = Some(Process::start(host.config.clone(), seed, clock, self.options.record));
        self.note(Actor::Node(ix, NodeSight::Started));
        self.set_dark(ix, false);
        self.drain(ix);
    }

    /// Adds a client that is near a node; it does nothing yet.
    ///
    /// # Panics
    ///
    /// When the world has 2^32 clients already.
    pub fn add_client(
        &mut self,
        name: &str,
        node: NodeIx,
        profile: LinkProfile,
        config: ClientConfig,
    ) -> ClientIx {
        let key = Key::of(name).with(CLIENT);
        let ix = ClientIx(u32::try_from(self.people.len()).expect("a world has fewer than 2^32 clients"));
        self.people.push(Person {
            name: name.into(),
            key,
            machine: Client::new(config, self.entropy, key).tagged(name),
            node,
            up: Path::new(self.entropy, key.with(1), profile.clone(), Direction::Up),
            down: Path::new(self.entropy, key.with(2), profile, Direction::Down),
            conn: None,
            former: None,
            made: 0,
            got: 0,
            mitm: false,
            died_with: None,
            paused: false,
            returning: None,
            stalls: Vec::new(),
        });
        ix
    }

    /// Tells a client what to do, after what it was told before.
    pub fn tell(&mut self, client: ClientIx, op: Op) {
        self.intend(client, &op);
        self.hand(client, ToClient::Do(op));
    }

    /// Lets an operator ask a node for something. A node that does not run does not answer.
    pub fn command(&mut self, node: NodeIx, command: Command) -> CommandId {
        self.commands += 1;
        let id = CommandId(self.commands);
        if let (Command::Shutdown, Some(process)) = (&command, self.hosts[node.at()].process.as_mut()) {
            process.told_to_stop = true;
        }
        self.note(Actor::Node(node, NodeSight::Asked(id, command.clone())));
        if self.is_late(node) {
            self.hold(node, Held::Command(id, command));
        } else {
            self.drive(node, Input::Command { id, command });
        }
        id
    }

    /// Puts a line of the scenario into the queue.
    pub fn schedule(&mut self, at: SimTime, number: u32) {
        self.push(at.max(self.now), Key::of("script"), Event::Script { number });
    }

    /// Does the next event, unless it lies beyond `limit`.
    pub fn step(&mut self, limit: SimTime) -> Step {
        if self.queue.next_at().is_none_or(|at| at > limit) {
            self.now = self.now.max(limit);
            return Step::Nothing;
        }
        let Some((at, event)) = self.queue.pop() else { return Step::Nothing };
        debug_assert!(at >= self.now, "time never runs backwards");
        self.now = at;
        self.happened += 1;
        if event.is_busy() {
            self.busy -= 1;
        }
        self.trace_event(at, event);
        self.hash.word(at.as_nanos());
        for word in event.words() {
            self.hash.word(word);
        }
        if let Event::Script { number } = event {
            return Step::Script(number);
        }
        self.happen(event);
        Step::Happened
    }

    /// Returns whether nothing is on its way: only timers are left, and streams that wait for a path to heal.
    pub fn is_quiet(&self) -> bool {
        self.busy == 0 && !self.live.iter().any(|ix| self.will_move(*ix))
    }

    /// Returns what keeps the world from being quiet, for a person.
    pub fn restless(&self) -> String {
        let moving = self.live.iter().filter(|ix| self.will_move(**ix));
        let names: Vec<&str> = moving.map(|ix| self.near_name(self.conns[ix.at()].near)).collect();
        format!("{} events on their way, connections of {names:?} move", self.busy)
    }

    /// Returns the time.
    pub const fn now(&self) -> SimTime {
        self.now
    }

    /// Returns everything that happened so far, oldest first.
    pub fn history(&self) -> &[Record] {
        &self.history
    }

    /// Returns how many inputs each node was given in each second.
    pub const fn inputs(&self) -> &BTreeMap<(NodeIx, u64), u32> {
        &self.inputs
    }

    /// Returns what the nodes said about themselves, per-stanza events left out.
    pub fn traces(&self) -> &[(SimTime, NodeIx, Trace)] {
        &self.traces
    }

    /// Returns the hash over everything that happened so far.
    pub const fn hash(&self) -> TraceHash {
        self.hash
    }

    /// Returns the name of a node.
    pub fn node_name(&self, ix: NodeIx) -> &str {
        &self.hosts[ix.at()].name
    }

    /// Returns the name of a client.
    pub fn client_name(&self, ix: ClientIx) -> &str {
        &self.people[ix.at()].name
    }

    /// Returns a client.
    pub fn client(&self, ix: ClientIx) -> &Client {
        &self.people[ix.at()].machine
    }

    /// Returns the node that a client is near.
    pub fn home(&self, ix: ClientIx) -> NodeIx {
        self.people[ix.at()].node
    }

    /// Lets a client connect to another node from here on.
    pub fn send_to(&mut self, ix: ClientIx, node: NodeIx) {
        let dark = self.hosts[node.at()].life == Life::Dark;
        let person = &mut self.people[ix.at()];
        person.node = node;
        person.up.set_dark(dark);
        person.down.set_dark(dark);
    }

    /// Returns what a right clock shows.
    pub fn right_time(&self) -> UnixTime {
        right_time(self.now)
    }

    /// Returns how many stanzas a client has got so far.
    pub fn stanzas_got(&self, ix: ClientIx) -> u64 {
        self.people[ix.at()].got
    }

    /// Returns a client, to change what it uses at its next login.
    pub fn client_mut(&mut self, ix: ClientIx) -> &mut Client {
        &mut self.people[ix.at()].machine
    }

    /// Returns whether a node runs.
    pub fn life(&self, ix: NodeIx) -> Life {
        self.hosts[ix.at()].life
    }

    /// Returns the names of the rows of a table that a crash of a node would leave.
    pub fn durable_keys(&self, ix: NodeIx, table: Table) -> impl PartialEq + use<> {
        self.hosts[ix.at()].disk.keys(table)
    }

    /// Gives back what the world takes but for the memory of one node, for whoever counts that.
    pub fn leak_node(mut self, ix: NodeIx) {
        if let Some(process) = self.hosts[ix.at()].process.take() {
            core::mem::forget(process.node);
        }
    }

    /// Returns how many events have happened.
    pub const fn events(&self) -> u64 {
        self.happened
    }

    /// Returns what was recorded, one recording for each start of a node, ended or not.
    pub fn recordings(&self) -> Vec<Recording> {
        let running = self.hosts.iter().filter_map(|host| host.process.as_ref()?.recorder.as_ref());
        self.recorded.iter().cloned().chain(running.map(Recorder::so_far)).collect()
    }

    /// Returns whether a node runs and has said that it is ready.
    pub fn is_ready(&self, ix: NodeIx) -> bool {
        self.hosts[ix.at()].process.as_ref().is_some_and(|process| process.ready)
    }

    /// Returns which start of a node takes connections; nothing when it is not ready.
    pub(super) fn listener(&self, ix: NodeIx) -> Option<Start> {
        let starts = u32::try_from(self.hosts[ix.at()].starts).unwrap_or(u32::MAX);
        Start::new(starts).filter(|_| self.is_ready(ix))
    }

    /// Notes something in the history.
    pub(super) fn note(&mut self, actor: Actor) {
        if !self.options.forget {
            self.history.push(Record { at: self.now, actor });
        }
    }

    /// Notes that the world has changed, and puts that and its time into the hash.
    pub(super) fn tell_world(&mut self, sight: WorldSight) {
        self.hash.word(self.now.as_nanos());
        self.hash.bytes(sight.to_string().as_bytes());
        self.note(Actor::World(sight));
    }

    pub(super) fn saw(&mut self, client: ClientIx, sight: Sight) {
        if let (false, Some(stanza)) = (self.faults.watches.is_empty(), sight.got()) {
            self.watch_stanza(client, stanza.name());
        }
        self.note(Actor::Client(client, sight));
    }

    pub(super) fn push(&mut self, at: SimTime, key: Key, event: Event) {
        debug_assert!(at >= self.now, "nothing happens in the past");
        if event.is_busy() {
            self.busy += 1;
        }
        let drawn = self.entropy.draw(Purpose::Tie, key, at.as_nanos());
        let tie = u16::try_from(drawn >> 48).expect("16 bits of 64");
        self.queue.push(at, tie, event);
    }

    /// Returns whether a connection has a stream that gets on by itself.
    fn will_move(&self, ix: ConnIx) -> bool {
        let conn = &self.conns[ix.at()];
        let Some((up, down)) = self.paths_of(conn) else { return false };
        // Nodes call again and again; what a call has on its way is an event.
        let calls = conn.near.client().is_some() && conn.peer.state == EndState::Waiting;
        if calls && !up.is_closed() {
            return true;
        }
        let moves = |lane: &Lane, forward: &Path, back: &Path| {
            let forward = if conn.black_hole { &self.nowhere } else { forward };
            lane.wake_at.is_some_and(|at| at <= self.now || lane.stream.will_move(forward, back))
        };
        moves(&conn.up, up, down) || moves(&conn.down, down, up)
    }

    fn happen(&mut self, event: Event) {
        if self.is_lost(event) {
            return;
        }
        match self.process_of(event) {
            Some(node) if self.is_late(node) => self.hold(node, Held::Event(event)),
            Some(_) | None => self.happen_to_process(event),
        }
    }

    /// Returns the node whose process gets an event; nothing when it is for a system, a client or the world.
    fn process_of(&self, event: Event) -> Option<NodeIx> {
        match event {
            Event::Tick { node } | Event::Answer { node, .. } => Some(node),
            Event::Accepted { conn, .. } | Event::Flushed { conn } => Some(self.conns[conn.at()].node),
            Event::Read { conn, side }
            | Event::Gone { conn, side, .. }
            | Event::Drain { conn, side }
            | Event::Overflow { conn, side }
            | Event::Linger { conn, side } => self.node_of(conn, side),
            Event::Called { conn, .. } => self.node_of(conn, Side::Client),
            Event::Syn { .. }
            | Event::SynArrives { .. }
            | Event::SynAnswer { .. }
            | Event::SynAnswered { .. }
            | Event::Wake { .. }
            | Event::Reset { .. }
            | Event::GiveUp { .. }
            | Event::Script { .. }
            | Event::Return { .. }
            | Event::Fault { .. }
            | Event::Late { .. }
            | Event::Restart { .. } => None,
        }
    }

    pub(super) fn happen_to_process(&mut self, event: Event) {
        match event {
            Event::Syn { conn, attempt } => self.send_syn(conn, attempt),
            Event::SynArrives { conn, asked, .. } => self.answer_syn(conn, asked, 0),
            Event::SynAnswer { conn, attempt, by, asked } => {
                if self.listener(self.conns[conn.at()].node) == Some(by) {
                    self.answer_syn(conn, asked, attempt);
                }
            }
            Event::SynAnswered { conn, attempt, by, asked, .. } => {
                self.syn_answered(conn, by, (asked, attempt));
            }
            Event::Accepted { conn, .. } => self.accepted(conn),
            Event::Wake { conn, way } => self.wake(conn, way),
            Event::Read { conn, side } => self.read_end(conn, side),
            Event::Reset { conn, side, .. } => self.reset_arrives(conn, side),
            Event::Gone { conn, side, cause } => self.gone(conn, side, cause),
            Event::Drain { conn, side } => self.drain_over(conn, side),
            Event::Overflow { conn, side } => self.overflow(conn, side),
            Event::Linger { conn, side } => self.linger_over(conn, side),
            Event::Called { conn, failed } => self.called(conn, failed),
            Event::GiveUp { conn } => self.give_up(conn),
            Event::Flushed { conn } => self.tell_flushed(conn),
            Event::Tick { node } => self.tick(node),
            Event::Answer { node, number } => self.answer(node, number),
            Event::Return { client, number } => self.returns(client, number),
            Event::Fault { run, due } => self.fault_due(run as usize, due),
            Event::Late { node } => self.release(node),
            Event::Restart { node } => self.bring_up(node, SUPERVISED),
            Event::Script { .. } => {}
        }
    }

    /// Reads what has arrived: at a client now, at a node now or a little later when inputs are batched.
    pub(super) fn read_soon(&mut self, ix: ConnIx, side: Side) {
        let Some(node) = self.node_of(ix, side) else { return self.read_down(ix) };
        if self.options.batch {
            let key = self.conns[ix.at()].key.with(3);
            self.push(self.now + BATCH_DELAY, key, Event::Read { conn: ix, side });
        } else if self.is_late(node) {
            self.hold(node, Held::Event(Event::Read { conn: ix, side }));
        } else {
            self.read_end(ix, side);
        }
    }

    pub(super) fn wake(&mut self, ix: ConnIx, way: Way) {
        let now = self.now;
        let lane = self.conns[ix.at()].lane(way);
        if lane.wake_at != Some(now) {
            return;
        }
        lane.wake_at = None;
        self.pump(ix, way);
        match way {
            Way::Up => self.read_soon(ix, Side::Server),
            Way::Down => self.read_soon(ix, Side::Client),
        }
    }
}
