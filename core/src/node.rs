//! The node: one input in, outputs until `Wait`. Dispatch only.

mod acknowledge;
mod archives;
mod boot;
mod connections;
mod effects;
mod elsewhere;
mod flush;
mod founding;
mod hot;
mod inbound;
mod joining;
mod levels;
mod marks;
mod membership;
mod moving;
mod peers;
mod relay;
mod restore;
mod roster;
mod scanning;
mod sessions;
mod taking;
mod tombstones;

#[cfg(test)]
mod harness;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::account::Accounts;
use crate::archive::{Archives, IdKey};
use crate::cluster::Reach;
use crate::config::Config;
use crate::directory::{Change, Directory, Elsewhere, Interest, Own, SessionId};
use crate::entropy::Entropy;
use crate::exchange::{Condition, ToStream};
use crate::io::{Answer, Command, CommandId, ConnId, Input, OpId, Output, PeerAddr, Refusal, Secret};
use crate::jid::{BareJid, FullJid};
use crate::journal::Journal;
use crate::ledger::Ledger;
use crate::map::{Map, keyed};
use crate::peer::Peers;
use crate::replica::Origin;
use crate::service::cx::Cx;
use crate::service::disco;
use crate::service::effect::Effect;
use crate::service::ops::{Ops, Owner};
use crate::service::services::Services;
use crate::store::{NodeRecord, StoreQuery};
use crate::stream::C2s;
use crate::sync::Groups;
use crate::time::{Instant, Now};
use crate::timers::{Timer, Timers};

/// One XMPP server node.
///
/// The contract between a node and its driver:
///
/// - `now` never decreases (the monotonic half). Both drivers assert it.
/// - After [`Node::new`] and after each input, poll until [`Output::Wait`]. Outputs are computed when the
///   input is handled, so polling early or late changes nothing.
/// - Connections are accepted after [`Output::Ready`] only.
/// - Every connection begins with [`Input::Opened`] or [`Input::Connected`] and ends with exactly one [`Input::Closed`], whoever closed.
///   Nothing arrives for a connection after its `Closed`; what the node sends there is ignored.
/// - Every [`Output::Store`], [`Output::Load`], [`Output::Derive`] is answered once, and so is every [`Output::Connect`] until
///   [`Output::Stopped`]. Stores are performed in order;
///   a load sees every store before it. No other order is promised.
/// - Outputs for one connection are performed in order.
/// - After `Tick` at or past `until`, the next `Wait` lies in the future. The drivers assert it.
/// - `handle_input` cannot fail: a peer's fault becomes outputs, the world's fault arrives as an input, a
///   broken invariant of ours panics.
#[derive(Debug)]
pub struct Node {
    config: Config,
    life: Life,
    /// What the node knows of itself, once it has read it.
    record: Option<NodeRecord>,
    /// Keys the ids of archived messages; no secret before the record is known.
    id_key: IdKey,
    /// The latest `now`; an earlier one is a broken driver.
    mono: Instant,
    entropy: Entropy,
    timers: Timers,
    ops: Ops,
    effects: VecDeque<Effect>,
    /// Connections whose streams have more to handle, once no effect is left.
    unfinished: VecDeque<ConnId>,
    outputs: VecDeque<Output>,
    conns: Map<ConnId, Conn>,
    /// Connections that have come since the start.
    arrivals: u64,
    /// Connections without a session, by network: they are limited.
    strangers: Map<PeerAddr, Strangers>,
    directory: Directory,
    /// Who is online at other nodes.
    elsewhere: Elsewhere,
    /// What other nodes are told of the sessions of this one.
    own: Own,
    /// Who is followed from here.
    interest: Interest,
    /// Which nodes count.
    reach: Reach,
    /// Who waits for what is to be on other nodes, too.
    levels: levels::Levels,
    /// Accounts in use.
    accounts: Accounts,
    /// Archives in use.
    archives: Archives,
    ledger: Ledger,
    groups: Groups,
    journal: Journal,
    /// Reads that wait for the writes before them to be on their way.
    loads: Vec<(OpId, StoreQuery)>,
    /// Accounts that could not be read after a write had failed, and are read again.
    unread: Vec<BareJid>,
    /// Accounts that could not be read, and are read again because something waits for them.
    awaited: Vec<BareJid>,
    /// What is seen otherwise of sessions of other nodes, and waits for their accounts to be read.
    unseen: BTreeMap<FullJid, Change>,
    /// What this node knows of itself as soon as it is durable: it becomes another incarnation then.
    rising: Option<NodeRecord>,
    /// Archives that could not be read and that something waits for.
    unread_archives: Vec<BareJid>,
    /// Sessions whose connections are not read.
    throttled: BTreeSet<SessionId>,
    restoring: Box<restore::Restoring>,
    tombstones: tombstones::Tombstones,
    /// Sessions that go to other nodes and come from them.
    moves: Box<moving::Moves>,
    /// Sessions begun by this incarnation.
    bound: u64,
    services: Services,
    peers: Peers,
    membership: membership::Membership,
    /// What the server can do, as each domain's streams say it (XEP-0115).
    caps: Vec<crate::xml::Node>,
}

/// How far the node is in its life.
#[derive(Debug)]
enum Life {
    /// Reads what it knows of itself.
    Reading,
    /// Writes its new incarnation.
    Writing,
    /// The store could not be read or written: nothing is served, and [`Output::Stopped`] is due.
    Failing,
    /// Reads what was there before this start.
    Restoring,
    /// Serves.
    Running,
    /// Takes nothing new and lets go of what it has; the command to answer.
    Stopping(CommandId),
    /// Has said [`Output::Stopped`].
    Stopped,
}

/// The connections of one network that have no session.
#[derive(Debug, Default)]
struct Strangers {
    count: u32,
    /// The observers have been told that the bound was reached, and the count has not been below half since.
    told: bool,
}

/// One connection.
#[derive(Debug)]
struct Conn {
    peer: PeerAddr,
    /// How many had come before it.
    arrived: u64,
    stream: C2s,
    session: Option<SessionId>,
    /// It counts among those without a session.
    stranger: bool,
    /// The driver has been told to close it.
    closing: bool,
}

impl Node {
    /// Creates a node. `seed` is the only entropy it will ever have.
    ///
    /// # Panics
    ///
    /// When `config` does not pass [`Config::check`]: the caller checks and reports.
    pub fn new(config: Config, seed: [u8; 32], now: Now) -> Self {
        assert_eq!(config.check(), Ok(()), "the configuration was checked by the caller");
        let mut entropy = Entropy::new(seed);
        let key = u64::from_le_bytes(entropy.secret_bytes());
        let (caps, groups) = (disco::capabilities(&config), Groups::new(&config));
        let nobody = Origin { node: 0, start: 0, random: 0 };
        let ledger = Ledger::new(nobody, &config);
        let clustered = config.cluster.is_some();
        let levels = levels::Levels::new(&config);
        let mut node = Self {
            config,
            caps,
            life: Life::Reading,
            record: None,
            id_key: IdKey::new(&[]),
            mono: now.mono,
            entropy,
            timers: Timers::default(),
            ops: Ops::default(),
            effects: VecDeque::new(),
            unfinished: VecDeque::new(),
            outputs: VecDeque::new(),
            conns: keyed(key),
            arrivals: 0,
            strangers: keyed(key),
            directory: Directory::new(key),
            elsewhere: Elsewhere::new(key),
            own: Own::new(nobody),
            interest: Interest::new(key),
            reach: Reach::default(),
            levels,
            accounts: Accounts::new(key, clustered),
            archives: Archives::new(key),
            ledger,
            groups,
            journal: Journal::default(),
            loads: Vec::new(),
            unread: Vec::new(),
            awaited: Vec::new(),
            unseen: BTreeMap::new(),
            rising: None,
            unread_archives: Vec::new(),
            throttled: BTreeSet::new(),
            restoring: Box::default(),
            tombstones: tombstones::Tombstones::default(),
            moves: Box::default(),
            bound: 0,
            services: Services::default(),
            peers: Peers::default(),
            membership: membership::Membership::default(),
        };
        node.begin_boot(now);
        node.settle(now);
        node
    }

    /// Takes one input in.
    ///
    /// # Panics
    ///
    /// When the monotonic clock goes back: that is a broken driver.
    pub fn handle_input(&mut self, now: Now, input: Input) {
        assert!(now.mono >= self.mono, "the monotonic clock of the driver went back");
        self.mono = now.mono;
        let input = self.offer_to_joiner(now, input);
        if let Some(input) = input.and_then(|input| self.offer_to_peers(now, input)) {
            self.take(now, input);
        }
        self.settle(now);
    }

    fn take(&mut self, now: Now, input: Input) {
        match input {
            Input::Opened { conn, kind, peer } => self.handle_opened(now, conn, kind, peer),
            Input::Secured { conn, tls } => self.tell_stream(now, conn, ToStream::Secured(tls)),
            Input::Received { conn, bytes } => self.handle_received(now, conn, bytes),
            Input::Flushed { conn, bytes } => self.handle_flushed(now, conn, bytes),
            Input::Ended { conn } => self.tell_stream(now, conn, ToStream::PeerEnded),
            Input::Closed { conn, cause } => self.handle_closed(now, conn, cause),
            Input::Stored { op, outcome } => {
                self.ops.end(op);
                if let Some(flight) = self.journal.end(op, outcome.is_err()) {
                    self.end_flush(now, flight, outcome);
                }
            }
            Input::Loaded { op, outcome } => match self.end_op(op) {
                Some(Owner::Boot) => self.handle_boot_loaded(now, outcome),
                Some(Owner::Hot) => self.handle_hot(now, op, outcome),
                Some(Owner::Restore) => self.handle_restored(now, op, outcome),
                Some(Owner::Tombstones) => self.handle_tombstones(now, op, outcome),
                Some(Owner::Stream(conn)) => self.handle_account(now, conn, outcome),
                Some(Owner::Account) => self.with_services(now, |services, cx| {
                    services.accounts.handle_loaded(cx, op, outcome);
                }),
                Some(Owner::Large) => self.with_services(now, |services, cx| {
                    services.large.handle_loaded(cx, op, outcome);
                }),
                Some(Owner::Archive) => self.handle_archive(now, op, outcome),
                Some(Owner::Message) => {
                    if outcome.is_err() {
                        self.read_again_later(now);
                    }
                    self.with_services(now, |services, cx| services.messages.handle_loaded(cx, op, outcome));
                }
                Some(Owner::Mam) => self.with_services(now, |services, cx| {
                    services.mam.handle_loaded(cx, op, outcome);
                }),
                Some(Owner::Sweep) => self.with_services(now, |services, cx| {
                    services.sweep.handle_loaded(cx, op, outcome);
                }),
                Some(Owner::Membership) => self.handle_membership(now, op, outcome),
                Some(Owner::Sync | Owner::Kept) => self.handle_looked_up(now, op, outcome),
                Some(Owner::Journal | Owner::Roster | Owner::Blocking | Owner::Rise | Owner::Move) | None => {
                }
            },
            Input::Derived { op, salted_password } => self.handle_derived(now, op, salted_password),
            Input::Command { id, command } => self.handle_command(now, id, command),
            Input::Tick => self.handle_tick(now),
            Input::Connected { .. } => {}
        }
    }

    /// A key has been derived.
    fn handle_derived(&mut self, now: Now, op: OpId, salted_password: Secret) {
        match self.end_op(op) {
            Some(Owner::Stream(conn)) => self.tell_stream(now, conn, ToStream::Derived(salted_password)),
            Some(Owner::Account) => self.with_services(now, |services, cx| {
                services.accounts.handle_derived(cx, op, &salted_password);
            }),
            Some(
                Owner::Boot
                | Owner::Journal
                | Owner::Hot
                | Owner::Restore
                | Owner::Archive
                | Owner::Message
                | Owner::Mam
                | Owner::Sweep
                | Owner::Tombstones
                | Owner::Roster
                | Owner::Blocking
                | Owner::Sync
                | Owner::Kept
                | Owner::Membership
                | Owner::Rise
                | Owner::Move
                | Owner::Large,
            )
            | None => {}
        }
    }

    /// Gives one output out; the last one is always [`Output::Wait`].
    pub fn poll_output(&mut self) -> Output {
        if let Some(output) = self.outputs.pop_front() {
            return output;
        }
        // Who has stopped waits for nothing, whatever was due later.
        match self.timers.next().filter(|_| !matches!(self.life, Life::Stopped)) {
            Some((until, timer)) => Output::Wait { until: Some(until), reason: timer.reason() },
            None => Output::Wait { until: None, reason: "nothing" },
        }
    }

    /// Returns how many sessions the node has.
    pub fn sessions(&self) -> usize {
        self.directory.len()
    }

    fn handle_command(&mut self, now: Now, id: CommandId, command: Command) {
        match (&self.life, command) {
            (Life::Running, Command::Shutdown) => self.begin_stop(now, id),
            // Each member would make one of its own, and one of them would count.
            (Life::Running, Command::EnsureAdmin { .. }) if self.config.cluster.is_some() => {
                self.reply(id, Answer::Done);
            }
            (Life::Running, Command::Cluster { ask }) => self.handle_cluster(now, id, ask),
            (Life::Running, command) => {
                self.with_services(now, |services, cx| services.accounts.handle_command(cx, id, command));
            }
            (
                Life::Reading
                | Life::Writing
                | Life::Restoring
                | Life::Failing
                | Life::Stopping(_)
                | Life::Stopped,
                _,
            ) => {
                self.outputs.push_back(Output::Reply { id, answer: Answer::Refused(Refusal::Stopping) });
            }
        }
    }

    fn end_op(&mut self, op: OpId) -> Option<Owner> {
        self.ops.end(op).map(|waiting| waiting.owner)
    }

    fn handle_tick(&mut self, now: Now) {
        while let Some(timer) = self.timers.expire(now.mono) {
            match timer {
                Timer::Flush => self.journal.urge(),
                Timer::Reread => self.reread(now),
                Timer::Sweep => self.sweep(now),
                Timer::Resume(id) => {
                    self.expire(now, id);
                    // What one session had goes to others before the next one ends.
                    self.carry_out_all(now);
                }
                Timer::Greeting(conn) => self.end_greeting(conn),
                Timer::Peer(node) => self.tick_peer(node),
                Timer::Reach(node) => self.tick_reach(now, node),
                Timer::Mark => self.tick_marks(now),
                Timer::Move => self.tick_moves(now),
                Timer::Have => self.groups.look(now.mono),
                Timer::Join => self.tick_joining(now),
                Timer::Level => self.tick_levels(now),
                Timer::Relay => {
                    self.with_services(now, |services, cx| services.relays.handle_tick(cx));
                }
                Timer::Login(conn) => self.tell_stream(
                    now,
                    conn,
                    ToStream::Fail(Condition::ConnectionTimeout, "no login in time"),
                ),
            }
        }
    }

    /// Runs a service with its context.
    fn with_services(&mut self, now: Now, run: impl FnOnce(&mut Services, &mut Cx<'_>)) {
        let mut cx = Cx {
            now,
            config: &self.config,
            directory: &self.directory,
            elsewhere: &self.elsewhere,
            accounts: &mut self.accounts,
            archives: &mut self.archives,
            id_key: &self.id_key,
            ledger: &mut self.ledger,
            groups: &mut self.groups,
            journal: &mut self.journal,
            entropy: &mut self.entropy,
            ops: &mut self.ops,
            effects: &mut self.effects,
        };
        run(&mut self.services, &mut cx);
    }
}
