//! The loop: inputs in, outputs carried out. One task owns the node.
//!
//! Nothing here waits for a connection, a disk or a key derivation: what the node says goes into queues,
//! and what comes of it returns as an input. Three lanes lead to the node: one for clients, one for other nodes, one for
//! everything that answers it. While `PENDING_MAX` answers are due the first lane is not read, so a
//! slow disk slows the clients down and does not fill the memory. What other nodes may have under way is bounded by the core, and
//! they would take a node for gone that does not hear their heartbeats, so their lane is always read.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use eyot_core::io::{
    Answer, Boot, CloseCause, Command, CommandId, ConnId, ConnKind, Dial, Input, KeyDerivation, OpId, Output,
    PeerAddr, Secret,
};
use eyot_core::node::Node;
use eyot_core::time::{Instant, Now};
use eyot_core::trace::Event;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::clock::Clock;
use crate::outbox::{Intake, Outbox, Touched};
use crate::store::queue::{Store, StoreOp};

/// Inputs handled between two rounds of waking connections.
const TURN_MAX: usize = 64;
/// Places in each lane. A connection has at most one `Received` in it.
const LANE_MAX: usize = 1024;
/// Answers that may be due before connections have to wait.
const PENDING_MAX: usize = 4096;

/// What the loop drives: a [`Node`], or a smaller machine in a test.
pub trait Machine: Send {
    /// Takes one input in.
    fn handle_input(&mut self, now: Now, input: Input);
    /// Gives one output out; the last one is always [`Output::Wait`].
    fn poll_output(&mut self) -> Output;
}

/// Keeps what a node was told, for replay.
pub trait Recorder: Send {
    /// Keeps one input, before the node handles it.
    fn record(&mut self, now: Now, input: &Input);

    /// The node has stopped.
    fn stop(self: Box<Self>);
}

/// Makes connections with other nodes.
pub trait Caller: Send {
    /// Begins to connect. The answer is [`Input::Connected`], in every case one.
    fn call(&mut self, op: OpId, route: Box<str>, how: Dial);
}

/// What a node needs of the world besides connections.
pub struct World {
    /// Where batches and queries go.
    pub store: Box<dyn Store>,
    /// Runs PBKDF2, on a thread where blocking does no harm.
    pub derive: fn(&KeyDerivation) -> Secret,
    /// How many of those run at once; the rest waits.
    pub derivations: usize,
    /// Calls other nodes.
    pub caller: Box<dyn Caller>,
    /// Sees every event.
    pub observe: Box<dyn FnMut(&Event) + Send>,
    /// Keeps the inputs, if wanted.
    pub recorder: Option<Box<dyn Recorder>>,
    /// Told once, when connections may be accepted.
    pub ready: oneshot::Sender<Boot>,
}

/// Leads to the node. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    clients: mpsc::Sender<FromConn>,
    peers: mpsc::Sender<FromConn>,
    world: mpsc::Sender<FromWorld>,
    next_conn: Arc<AtomicU64>,
}

/// The other end of all [`Handle`]s.
#[derive(Debug)]
pub struct Lanes {
    clients: mpsc::Receiver<FromConn>,
    peers: mpsc::Receiver<FromConn>,
    world: mpsc::Receiver<FromWorld>,
}

#[derive(Debug)]
pub(crate) enum FromConn {
    Opened {
        conn: ConnId,
        kind: ConnKind,
        peer: PeerAddr,
        outbox: Arc<Outbox>,
    },
    /// The answer to a call.
    Connected {
        op: OpId,
        outcome: Result<(ConnId, Arc<Outbox>), CloseCause>,
    },
    Input {
        conn: ConnId,
        input: Input,
    },
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Client,
    Node,
}

impl From<ConnKind> for End {
    fn from(kind: ConnKind) -> Self {
        match kind {
            ConnKind::ClientStartTls | ConnKind::ClientDirectTls => Self::Client,
            ConnKind::Peer => Self::Node,
        }
    }
}

/// A message on its way into the lane of its connection; false when the node has stopped. The lane mostly has room, so the task of a
/// connection has none for the message itself.
pub(crate) enum Telling {
    Done(bool),
    Waits(Pin<Box<dyn Future<Output = bool> + Send>>),
}

#[derive(Debug)]
enum FromWorld {
    Answer(Input),
    Command(Command, oneshot::Sender<Answer>),
}

/// What is handled between two rounds of waking connections. Its vectors are used again.
#[derive(Debug, Default)]
struct Turn {
    world: Vec<FromWorld>,
    peers: Vec<FromConn>,
    clients: Vec<FromConn>,
}

/// The loop and all it holds.
pub struct Driver<M> {
    machine: M,
    clock: Clock,
    lanes: Lanes,
    recorder: Option<Box<dyn Recorder>>,
    hands: Hands,
    next_command: u64,
    last: Instant,
    until: Option<Instant>,
}

/// A connection as the driver knows it.
struct Line {
    outbox: Arc<Outbox>,
    end: End,
}

/// Carries outputs out.
struct Hands {
    conns: HashMap<ConnId, Line>,
    touched: Vec<Arc<Outbox>>,
    /// Those of other nodes. What is for them leaves first.
    touched_peers: Vec<Arc<Outbox>>,
    caller: Box<dyn Caller>,
    store: Box<dyn Store>,
    derive: fn(&KeyDerivation) -> Secret,
    derivations: Arc<Semaphore>,
    observe: Box<dyn FnMut(&Event) + Send>,
    ready: Option<oneshot::Sender<Boot>>,
    replies: HashMap<CommandId, oneshot::Sender<Answer>>,
    handle: Handle,
    pending: usize,
    stopped: bool,
}

/// Hands one input to the machine and carries out what it says; returns when it wants to be woken.
pub fn drive<M: Machine>(
    machine: &mut M,
    now: Now,
    input: Input,
    act: impl FnMut(Output),
) -> Option<Instant> {
    machine.handle_input(now, input);
    settle(machine, act)
}

/// Carries out what the machine says until it waits; returns when it wants to be woken.
pub fn settle<M: Machine>(machine: &mut M, mut act: impl FnMut(Output)) -> Option<Instant> {
    loop {
        let output = machine.poll_output();
        if let Output::Wait { until, .. } = output {
            return until;
        }
        act(output);
    }
}

/// Creates the way to a node that does not run yet.
pub fn lanes() -> (Handle, Lanes) {
    let (clients_in, clients) = mpsc::channel(LANE_MAX);
    let (peers_in, peers) = mpsc::channel(LANE_MAX);
    let (world_in, world) = mpsc::channel(LANE_MAX);
    let next_conn = Arc::new(AtomicU64::new(1));
    let handle = Handle { clients: clients_in, peers: peers_in, world: world_in, next_conn };
    (handle, Lanes { clients, peers, world })
}

impl<M: Machine> Driver<M> {
    /// Creates the loop of `machine`. `clock` is the one whose time the machine was created at.
    pub fn new(machine: M, clock: Clock, handle: Handle, lanes: Lanes, world: World) -> Self {
        Self {
            machine,
            clock,
            lanes,
            recorder: world.recorder,
            hands: Hands {
                conns: HashMap::new(),
                touched: Vec::new(),
                touched_peers: Vec::new(),
                caller: world.caller,
                store: world.store,
                derive: world.derive,
                derivations: Arc::new(Semaphore::new(world.derivations.max(1))),
                observe: world.observe,
                ready: Some(world.ready),
                replies: HashMap::new(),
                handle,
                pending: 0,
                stopped: false,
            },
            next_command: 0,
            last: Instant::default(),
            until: None,
        }
    }

    /// Runs until [`Output::Stopped`]. What is still queued in the lanes then is dropped.
    ///
    /// # Panics
    ///
    /// When the machine breaks its contract: after a tick it asks to be woken in the past.
    pub async fn run(mut self) {
        self.until = settle(&mut self.machine, |output| self.hands.act(output));
        let mut turn = Turn::default();
        while !self.hands.stopped {
            self.wait(&mut turn).await;
            for message in turn.world.drain(..) {
                self.handle_world(message);
            }
            for message in turn.peers.drain(..).chain(turn.clients.drain(..)) {
                self.handle_conn(message);
            }
            self.tick();
            self.hands.end_turn();
        }
        if let Some(recorder) = self.recorder {
            recorder.stop();
        }
    }

    /// Waits for a message in any lane or for the deadline.
    async fn wait(&mut self, turn: &mut Turn) {
        let deadline = self.until.map(|until| self.clock.deadline(until));
        let timer = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        let may_hear = self.hands.pending < PENDING_MAX;
        // Never empty: `Hands` holds a sender of each lane.
        tokio::select! {
            biased;
            _ = self.lanes.world.recv_many(&mut turn.world, TURN_MAX) => {}
            _ = self.lanes.peers.recv_many(&mut turn.peers, TURN_MAX) => {}
            _ = self.lanes.clients.recv_many(&mut turn.clients, TURN_MAX), if may_hear => {}
            () = timer => {}
        }
        // However much other nodes say, own people are heard in the same turn.
        while !turn.peers.is_empty()
            && may_hear
            && turn.clients.len() < TURN_MAX
            && let Ok(message) = self.lanes.clients.try_recv()
        {
            turn.clients.push(message);
        }
    }

    fn handle_world(&mut self, message: FromWorld) {
        let input = match message {
            FromWorld::Answer(input) => {
                self.hands.pending = self.hands.pending.saturating_sub(1);
                input
            }
            FromWorld::Command(command, reply) => {
                let id = CommandId(self.next_command);
                self.next_command += 1;
                self.hands.replies.insert(id, reply);
                Input::Command { id, command }
            }
        };
        self.step(input);
    }

    fn handle_conn(&mut self, message: FromConn) {
        match message {
            FromConn::Opened { conn, kind, peer, outbox } => {
                self.hands.conns.insert(conn, Line { outbox, end: kind.into() });
                self.step(Input::Opened { conn, kind, peer });
            }
            FromConn::Connected { op, outcome } => {
                let outcome = outcome.map(|(conn, outbox)| {
                    self.hands.conns.insert(conn, Line { outbox, end: End::Node });
                    conn
                });
                self.step(Input::Connected { op, outcome });
            }
            FromConn::Input { conn, input } => {
                let read = matches!(input, Input::Received { .. });
                let closed = matches!(input, Input::Closed { .. });
                self.step(input);
                if read {
                    self.hands.with(conn, Outbox::permit_read);
                }
                if closed {
                    self.hands.conns.remove(&conn);
                }
            }
        }
    }

    fn tick(&mut self) {
        let Some(until) = self.until else { return };
        if self.clock.now().mono < until || self.hands.stopped {
            return;
        }
        let now = self.step(Input::Tick);
        assert!(
            self.until.is_none_or(|next| next > now.mono),
            "after a tick the node waits for a time in the future, or the driver would spin"
        );
    }

    fn step(&mut self, input: Input) -> Now {
        let now = self.clock.now();
        assert!(now.mono >= self.last, "the monotonic clock never decreases");
        self.last = now.mono;
        if let Some(recorder) = &mut self.recorder {
            recorder.record(now, &input);
        }
        self.until = drive(&mut self.machine, now, input, |output| self.hands.act(output));
        now
    }
}

impl Hands {
    fn act(&mut self, output: Output) {
        match output {
            Output::Send { conn, head, body } => self.with(conn, |outbox| outbox.send(head, body)),
            Output::StartTls { conn } => self.with(conn, Outbox::start_tls),
            Output::Hold { conn } => self.with(conn, |outbox| outbox.set_intake(Intake::Held)),
            Output::Release { conn } => self.with(conn, |outbox| outbox.set_intake(Intake::Open)),
            Output::Close { conn, how } => self.with(conn, |outbox| outbox.close(how)),
            Output::Store { op, batch } => self.submit(StoreOp::Store(op, batch)),
            Output::Load { op, query } => self.submit(StoreOp::Load(op, query)),
            Output::Derive { op, request } => self.derive(op, request),
            Output::Connect { op, route, how } => self.caller.call(op, route, how),
            Output::Reply { id, answer } => {
                // Who asked may have gone; the command was carried out all the same.
                let _gone = self.replies.remove(&id).map(|reply| reply.send(answer).is_err());
            }
            Output::Trace(event) => (self.observe)(&event),
            Output::Ready { boot } => {
                let _gone = self.ready.take().map(|ready| ready.send(boot).is_err());
            }
            Output::Stopped => self.stopped = true,
            Output::Wait { .. } => unreachable!("`settle` returns at Wait"),
        }
    }

    fn with(&mut self, conn: ConnId, act: impl FnOnce(&Outbox) -> Touched) {
        // A connection that is gone ignores what is said to it.
        if let Some(Line { outbox, end }) = self.conns.get(&conn)
            && act(outbox) == Touched::First
        {
            match end {
                End::Client => self.touched.push(Arc::clone(outbox)),
                End::Node => self.touched_peers.push(Arc::clone(outbox)),
            }
        }
    }

    fn submit(&mut self, op: StoreOp) {
        self.pending += 1;
        self.store.submit(op);
    }

    #[cfg_attr(
        feature = "sim",
        expect(deprecated, reason = "the simulator runs it at once, on the one thread it has")
    )]
    fn derive(&mut self, op: OpId, request: KeyDerivation) {
        self.pending += 1;
        let (derive, derivations, handle) = (self.derive, Arc::clone(&self.derivations), self.handle.clone());
        tokio::spawn(async move {
            let _permit = derivations.acquire_owned().await;
            let salted_password = tokio::task::spawn_blocking(move || derive(&request)).await;
            let salted_password = salted_password.expect("a key derivation does not panic");
            handle.answer(Input::Derived { op, salted_password }).await;
        });
    }

    fn end_turn(&mut self) {
        for outbox in self.touched_peers.drain(..).chain(self.touched.drain(..)) {
            outbox.end_turn();
        }
    }
}

impl Handle {
    /// Asks the node for something and waits for its answer; `None` when the node has stopped.
    pub async fn command(&self, command: Command) -> Option<Answer> {
        let (reply, answer) = oneshot::channel();
        self.world.send(FromWorld::Command(command, reply)).await.ok()?;
        answer.await.ok()
    }

    /// Brings the answer to a `Store`, a `Load` or a `Derive`. A node that has stopped misses nothing.
    pub async fn answer(&self, input: Input) {
        let _stopped = self.world.send(FromWorld::Answer(input)).await.is_err();
    }

    /// Does what [`Handle::answer`] does, from a thread that may block.
    pub fn answer_blocking(&self, input: Input) {
        let _stopped = self.world.blocking_send(FromWorld::Answer(input)).is_err();
    }

    pub(crate) fn new_conn(&self) -> ConnId {
        ConnId(self.next_conn.fetch_add(1, Ordering::Relaxed))
    }

    /// Tells something of a connection, always in the lane of the same end.
    pub(crate) fn tell(&self, end: End, message: FromConn) -> Telling {
        let lane = match end {
            End::Client => &self.clients,
            End::Node => &self.peers,
        };
        match lane.try_send(message) {
            Ok(()) => Telling::Done(true),
            Err(TrySendError::Closed(_)) => Telling::Done(false),
            Err(TrySendError::Full(message)) => {
                let lane = lane.clone();
                Telling::Waits(Box::pin(async move { lane.send(message).await.is_ok() }))
            }
        }
    }
}

impl Future for Telling {
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<bool> {
        match &mut *self {
            Self::Done(told) => Poll::Ready(*told),
            Self::Waits(sent) => sent.as_mut().poll(cx),
        }
    }
}

#[cfg(test)]
impl Lanes {
    pub(crate) async fn recv_client(&mut self) -> Option<FromConn> {
        self.clients.recv().await
    }

    pub(crate) fn try_recv_client(&mut self) -> Option<FromConn> {
        self.clients.try_recv().ok()
    }

    pub(crate) async fn recv_peer(&mut self) -> Option<FromConn> {
        self.peers.recv().await
    }

    pub(crate) fn try_recv_peer(&mut self) -> Option<FromConn> {
        self.peers.try_recv().ok()
    }
}

impl Machine for Node {
    fn handle_input(&mut self, now: Now, input: Input) {
        Self::handle_input(self, now, input);
    }

    fn poll_output(&mut self) -> Output {
        Self::poll_output(self)
    }
}

impl<M> fmt::Debug for Driver<M> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Driver").field("conns", &self.hands.conns.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for World {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("World").field("derivations", &self.derivations).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use bytes::Bytes;
    use eyot_core::store::{Key, StoreQuery};
    use eyot_core::time::Span;

    use super::*;
    use crate::call::Nobody;

    type Told = Arc<Mutex<Vec<&'static str>>>;

    /// Asks for one load for each byte it is sent.
    struct Asker {
        said: Vec<Output>,
        told: Told,
        until: Option<Instant>,
    }

    impl Machine for Asker {
        fn handle_input(&mut self, now: Now, input: Input) {
            self.told.lock().unwrap().push(match input {
                Input::Received { bytes, .. } => {
                    let query = StoreQuery::Get { key: Key::from_bytes(Bytes::new()) };
                    let load = Output::Load { op: OpId(0), query };
                    self.said.extend(bytes.iter().map(|_| load.clone()));
                    "received"
                }
                Input::Loaded { .. } => "loaded",
                Input::Tick => {
                    assert!(self.until.is_some_and(|until| until <= now.mono), "ticked too early");
                    self.until = None;
                    "tick"
                }
                Input::Opened { .. }
                | Input::Connected { .. }
                | Input::Secured { .. }
                | Input::Flushed { .. }
                | Input::Ended { .. }
                | Input::Closed { .. }
                | Input::Stored { .. }
                | Input::Derived { .. }
                | Input::Command { .. } => "something else",
            });
        }

        fn poll_output(&mut self) -> Output {
            self.said.pop().unwrap_or(Output::Wait { until: self.until, reason: "test" })
        }
    }

    /// A disk that does not answer.
    struct StuckStore;

    impl Store for StuckStore {
        fn submit(&mut self, _: StoreOp) {}
    }

    fn start(until: Option<Instant>) -> (Handle, Told) {
        let told = Told::default();
        let (handle, lanes) = lanes();
        let world = World {
            store: Box::new(StuckStore),
            derive: |request| request.password.clone(),
            derivations: 1,
            caller: Box::new(Nobody::new(handle.clone())),
            observe: Box::new(|_| {}),
            recorder: None,
            ready: oneshot::channel().0,
        };
        let machine = Asker { said: Vec::new(), told: Arc::clone(&told), until };
        tokio::spawn(Driver::new(machine, Clock::start(), handle.clone(), lanes, world).run());
        (handle, told)
    }

    async fn send(handle: &Handle, bytes: usize) {
        send_from(End::Client, handle, bytes).await;
    }

    async fn send_from(end: End, handle: &Handle, bytes: usize) {
        let input = Input::Received { conn: ConnId(1), bytes: vec![0; bytes].into() };
        assert!(handle.tell(end, FromConn::Input { conn: ConnId(1), input }).await);
        settled().await;
    }

    /// Lets the driver run until it waits: there is one thread, and nothing here waits for time.
    async fn settled() {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn while_the_disk_is_stuck_clients_wait_and_answers_and_other_nodes_do_not() {
        let (handle, told) = start(None);
        send(&handle, PENDING_MAX).await;
        send(&handle, 1).await;
        assert_eq!(*told.lock().unwrap(), ["received"]);
        send_from(End::Node, &handle, 0).await;
        assert_eq!(told.lock().unwrap().drain(1..).collect::<Vec<_>>(), ["received"]);
        handle.answer(Input::Loaded { op: OpId(0), outcome: Ok(Vec::new()) }).await;
        settled().await;
        assert_eq!(*told.lock().unwrap(), ["received", "loaded", "received"]);
        send(&handle, 1).await;
        assert_eq!(told.lock().unwrap().len(), 3, "one answer makes room for one turn");
    }

    #[tokio::test]
    async fn however_much_other_nodes_say_clients_are_heard_in_the_same_turn() {
        let (handle, told) = start(None);
        let ended = || FromConn::Input { conn: ConnId(1), input: Input::Ended { conn: ConnId(1) } };
        for _ in 0..LANE_MAX {
            assert!(handle.tell(End::Node, ended()).await);
        }
        let input = Input::Received { conn: ConnId(2), bytes: Bytes::new() };
        assert!(handle.tell(End::Client, FromConn::Input { conn: ConnId(2), input }).await);
        settled().await;
        let told = told.lock().unwrap();
        assert_eq!(
            (told.len(), told.iter().position(|told| *told == "received")),
            (LANE_MAX + 1, Some(TURN_MAX))
        );
    }

    #[tokio::test]
    async fn who_finds_the_lane_full_waits_and_is_heard() {
        let (handle, mut lanes) = lanes();
        let message = || FromConn::Input { conn: ConnId(1), input: Input::Ended { conn: ConnId(1) } };
        for _ in 0..LANE_MAX {
            assert!(handle.tell(End::Client, message()).await);
        }
        let waiting = tokio::spawn(handle.tell(End::Client, message()));
        settled().await;
        assert!(!waiting.is_finished());
        for _ in 0..=LANE_MAX {
            assert!(lanes.recv_client().await.is_some());
        }
        assert!(waiting.await.unwrap());
        drop(lanes);
        assert!(!handle.tell(End::Client, message()).await, "the node has stopped");
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_becomes_one_tick() {
        let (_handle, told) = start(Some(Instant::default() + Span::from_secs(3600)));
        tokio::time::advance(std::time::Duration::from_secs(3599)).await;
        assert!(told.lock().unwrap().is_empty());
        tokio::time::advance(std::time::Duration::from_secs(2)).await;
        settled().await;
        assert_eq!(*told.lock().unwrap(), ["tick"]);
    }
}
