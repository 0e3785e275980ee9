//! The machine of the node: the production driver, its listeners and its store engine, and what can happen to it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use eyot_core::config::Config;
use eyot_core::io::{Answer, Boot, Command, ConnKind, Secret};
use eyot_core::jid::BareJid;
use eyot_core::node::Node;
use eyot_core::trace::Event;
use eyot_io_sim::engine::{Entropy, Key, Purpose};
use eyot_io_tokio::call::Nobody;
use eyot_io_tokio::clock::Clock;
use eyot_io_tokio::conn::{Bounds, Settings};
use eyot_io_tokio::driver::{self, Driver, Handle, World};
use eyot_io_tokio::listen;
use eyot_io_tokio::net::Net as _;
use eyot_io_tokio::store::engine::Engine;
use eyot_io_tokio::store::queue::InlineStore;
use madsim::runtime::Handle as Executor;
use madsim::task::NodeId;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

use crate::disk::SimDisk;
use crate::identity::{DOMAIN, Identity};
use crate::net::{SimListener, SimNet};
use crate::trace::{Seen, Trace};

/// Where the node listens for clients that begin TLS with STARTTLS.
pub const START_TLS: SocketAddr = address(5222);
/// Where the node listens for clients that begin with TLS.
pub const DIRECT_TLS: SocketAddr = address(5223);
/// More connections than any story opens.
const CONNECTIONS: usize = 1024;
/// Bytes of the store's log: so few that a story runs through both halves of it.
const LOG_BYTES: u64 = 64 * 1024;

/// A machine with a disk and, while it runs, a node.
#[derive(Debug)]
pub struct Host {
    machine: Arc<Machine>,
    /// What the executor knows it by.
    node: Option<NodeId>,
}

#[derive(Debug)]
struct Machine {
    net: SimNet,
    disk: SimDisk,
    config: Config,
    entropy: Entropy,
    trace: Trace,
    starts: AtomicU64,
    events: Seen<Event>,
    boots: Seen<Boot>,
    ends: Seen<()>,
    running: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    handle: Handle,
    listeners: Vec<JoinHandle<()>>,
}

impl Host {
    /// Creates a machine with an empty disk, on which nothing runs.
    pub fn new(net: &SimNet, entropy: Entropy, trace: &Trace, config: Config) -> Self {
        let machine = Machine {
            net: net.clone(),
            disk: SimDisk::new(entropy),
            config,
            entropy,
            trace: trace.clone(),
            starts: AtomicU64::new(0),
            events: Seen::new(),
            boots: Seen::new(),
            ends: Seen::new(),
            running: Mutex::new(None),
        };
        Self { machine: Arc::new(machine), node: None }
    }

    /// Starts the node on what the disk holds, with power, and waits until it listens.
    pub async fn start(&mut self) -> Boot {
        self.machine.net.set_dark(false);
        let machine = Arc::clone(&self.machine);
        let executor = Executor::current();
        let node = executor.create_node().name("eyot");
        self.node = Some(node.init(move || Arc::clone(&machine).serve()).build().id());
        self.machine.boots.until(|boot| Some(*boot)).await
    }

    /// Kills the process. The operating system stays, and closes its connections.
    pub async fn kill(&mut self) {
        self.note("killed");
        self.machine.disk.kill();
        self.end_process().await;
    }

    /// Takes the power away: nobody is told, and the disk loses what was not synced.
    pub async fn power_off(&mut self) {
        self.note("without power");
        self.machine.net.set_dark(true);
        self.machine.disk.power_off();
        self.end_process().await;
    }

    /// Stops the node as an operator does, and waits until it has stopped.
    pub async fn stop(&mut self) {
        let running = self.machine.take_running().expect("a node runs");
        for listener in &running.listeners {
            listener.abort();
        }
        // Its answer is that the driver ends.
        madsim::task::spawn(async move { running.handle.command(Command::Shutdown).await });
        self.machine.ends.until(|()| Some(())).await;
    }

    /// Creates an account and waits until that is durable.
    pub async fn add_user(&self, name: &str, password: &str) {
        let (user, password) = credentials(name, password);
        let answer = self.command(Command::UserAdd { user, password }).await;
        assert!(matches!(answer, Some(Answer::Account { .. })), "{answer:?}");
        self.note(&format!("has {name}"));
    }

    /// Sets a password and waits until that is durable.
    pub async fn set_password(&self, name: &str, password: &str) {
        let (user, password) = credentials(name, password);
        let answer = self.command(Command::UserPasswd { user, password }).await;
        assert!(matches!(answer, Some(Answer::Account { .. } | Answer::Done)), "{answer:?}");
    }

    /// Creates an account while the disk loses its power after so many more writes and syncs; tells whether the
    /// account was acknowledged all the same.
    pub async fn add_user_in_a_power_failure(&self, (name, password): (&str, &str), steps: u64) -> bool {
        self.machine.disk.power_off_after(steps);
        let (user, password) = credentials(name, password);
        let answer = self.command(Command::UserAdd { user, password }).await;
        let acknowledged = matches!(answer, Some(Answer::Account { .. }));
        self.note(&format!("has {name} {acknowledged}, with power for {steps} steps"));
        acknowledged
    }

    async fn command(&self, command: Command) -> Option<Answer> {
        self.machine.handle().command(command).await
    }

    /// Waits for an event of the node, and forgets it and all before it.
    pub async fn until<T>(&self, wanted: impl Fn(&Event) -> Option<T>) -> T {
        self.machine.events.until(wanted).await
    }

    /// Tells whether there was an event of the node that nobody has waited for yet.
    pub fn saw(&self, wanted: impl Fn(&Event) -> bool) -> bool {
        self.machine.events.holds(wanted)
    }

    /// Ends the process and waits until its connections know.
    async fn end_process(&mut self) {
        let node = self.node.take().expect("a node runs");
        let _running = self.machine.take_running();
        Executor::current().kill(node);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    fn note(&self, what: &str) {
        self.machine.note(what);
    }
}

impl Machine {
    /// The process: what `eyot serve` does, without files and signals.
    async fn serve(self: Arc<Self>) {
        let start = self.starts.fetch_add(1, Ordering::Relaxed);
        let seed = self.entropy.bytes(Purpose::NodeSeed, Key::of("eyot"), start);
        let clock = Clock::start();
        let [tree, log] = self.disk.open();
        let engine = Engine::open_sized(tree, log, LOG_BYTES)
            .expect("the store opens after whatever happened to the disk");
        let (handle, lanes) = driver::lanes();
        let (ready, is_ready) = oneshot::channel();
        let observer = Arc::clone(&self);
        let world = World {
            store: Box::new(InlineStore::new(engine, handle.clone())),
            derive: eyot_core::sasl::derive,
            derivations: 2,
            caller: Box::new(Nobody::new(handle.clone())),
            observe: Box::new(move |event| observer.observe(event)),
            recorder: None,
            ready,
        };
        let node = Node::new(self.config.clone(), seed, clock.now());
        let driver = tokio::spawn(Driver::new(node, clock, handle.clone(), lanes, world).run());
        let boot = is_ready.await.expect("the node finds its store in order");
        let listeners = self.listen(&handle).await;
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(Running { handle, listeners });
        self.note("listens");
        self.boots.push(boot);
        driver.await.expect("the driver ends, and does not panic");
        self.note("stopped");
        self.ends.push(());
    }

    async fn listen(&self, handle: &Handle) -> Vec<JoinHandle<()>> {
        let settings = Arc::new(Settings {
            handle: handle.clone(),
            tls: Identity::get().server(),
            bounds: Bounds::new(&self.config.limits),
        });
        let permits = Arc::new(Semaphore::new(CONNECTIONS));
        let mut tasks = Vec::new();
        for (at, kind) in [(START_TLS, ConnKind::ClientStartTls), (DIRECT_TLS, ConnKind::ClientDirectTls)] {
            let listener: SimListener = self.net.bind(at).await.expect("nobody else listens there");
            let (settings, permits) = (Arc::clone(&settings), Arc::clone(&permits));
            let net = Arc::new(self.net.clone());
            tasks.push(tokio::spawn(listen::serve(net, listener, kind, settings, permits)));
        }
        tasks
    }

    fn observe(&self, event: &Event) {
        self.note(&format!("{event:?}"));
        self.events.push(event.clone());
    }

    fn note(&self, what: &str) {
        self.trace.note(self.net.now(), "eyot", what);
    }

    fn handle(&self) -> Handle {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.as_ref().expect("a node runs").handle.clone()
    }

    fn take_running(&self) -> Option<Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

fn credentials(name: &str, password: &str) -> (BareJid, Option<Secret>) {
    let user = BareJid::parse(&format!("{name}@{DOMAIN}")).expect("stories use plain names");
    (user, Some(Secret(password.to_owned().into())))
}

const fn address(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(10, 255, 0, 1)), port)
}
