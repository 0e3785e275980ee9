//! A node over the store of a data directory: with listeners for `eyot serve`, without for `eyot user`.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::Duration;

use eyot_core::config::Config;
use eyot_core::io::{Boot, Command};
use eyot_core::node::Node;
use eyot_core::record::Header;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::data_dir::DataDir;
use super::linked::Linked;
use super::log;
use super::record::{FileRecorder, RecordSettings};
use super::store::ThreadStore;
use crate::call::Nobody;
use crate::clock::Clock;
use crate::driver::{self, Caller, Driver, Handle, Lanes, World};
use crate::file::FileDisk;
use crate::store::engine::{Engine, OpenError};
use crate::tls::draw_seed;

/// A node that is ready.
#[derive(Debug)]
pub struct Running {
    /// The way to it.
    pub handle: Handle,
    /// What it found in its store.
    pub boot: Boot,
    task: JoinHandle<()>,
    store: std::thread::JoinHandle<()>,
}

/// The ways to a node and from it to others.
pub struct Ways {
    /// The way to it.
    pub handle: Handle,
    /// The other end.
    pub lanes: Lanes,
    /// The way to others.
    pub caller: Box<dyn Caller>,
    /// Hears which of them are linked.
    pub linked: Linked,
}

impl Ways {
    /// Makes those of a node that is alone, or is to be for a moment.
    pub fn alone() -> Self {
        let (handle, lanes) = driver::lanes();
        let caller = Box::new(Nobody::new(handle.clone()));
        Self { handle, lanes, caller, linked: Linked::default() }
    }
}

/// Why a node did not start.
#[derive(Debug)]
pub enum StartError {
    /// The store cannot be opened.
    Store {
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        error: OpenError,
    },
    /// The operating system refused something.
    Io(io::Error),
    /// The recording cannot be made.
    Record {
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        error: io::Error,
    },
    /// The node gave up before it was ready.
    NotReady,
}

/// How a node stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Everything is durable.
    Clean,
    /// It took too long. What was acknowledged is durable all the same.
    Late,
}

/// Starts a node and waits until it is ready.
///
/// # Errors
///
/// [`StartError`].
pub async fn start(
    dir: &DataDir,
    config: Config,
    record: Option<&RecordSettings>,
    ways: Ways,
) -> Result<Running, StartError> {
    let (clock, seed) = (Clock::start(), draw_seed().map_err(StartError::Io)?);
    let start = clock.now();
    let recorder = match record {
        Some(settings) => {
            Some(FileRecorder::create(settings, &Header { seed, config: config.clone(), start })?)
        }
        None => None,
    };
    let path = dir.paths().store();
    let tree = FileDisk::open(&path).map_err(StartError::Io)?;
    let log = FileDisk::open(&dir.paths().store_log()).map_err(StartError::Io)?;
    let engine = Engine::open(tree, log).map_err(|error| StartError::Store { path, error })?;
    let Ways { handle, lanes, caller, linked } = ways;
    let (store, thread) = ThreadStore::start(engine, handle.clone()).map_err(StartError::Io)?;
    let (ready, is_ready) = oneshot::channel();
    let world = World {
        store: Box::new(store),
        derive: eyot_core::sasl::derive,
        derivations: available_parallelism().map_or(1, Into::into),
        caller,
        observe: Box::new(move |event| {
            log::observe(event);
            linked.observe(event);
        }),
        recorder: recorder.map(|recorder| Box::new(recorder) as _),
        ready,
    };
    let node = Node::new(config, seed, start);
    let task = tokio::spawn(Driver::new(node, clock, handle.clone(), lanes, world).run());
    match is_ready.await {
        Ok(boot) => Ok(Running { handle, boot, task, store: thread }),
        Err(_) => Err(StartError::NotReady),
    }
}

impl Running {
    /// Waits until the node ends by itself, which it does only when it fails.
    pub async fn ended(&mut self) {
        let _ended = (&mut self.task).await.is_ok();
    }

    /// Closes the store of a node that has ended in order.
    pub async fn close(self) {
        let store = self.store;
        let _joined = tokio::task::spawn_blocking(move || store.join()).await.is_ok();
    }

    /// Lets the node say good-bye and make everything durable, for at most `limit`.
    pub async fn stop(self, limit: Duration) -> Stop {
        let handle = self.handle.clone();
        // Its answer is that the task ends.
        let shutdown = tokio::spawn(async move { handle.command(Command::Shutdown).await });
        let (task, store) = (self.task, self.store);
        let ended = async move {
            let _ended = task.await.is_ok();
            // The driver is gone and with it the queue: the thread writes what is left and closes the store.
            tokio::task::spawn_blocking(move || store.join()).await
        };
        let ended = timeout(limit, ended).await;
        shutdown.abort();
        match ended {
            Ok(_) => Stop::Clean,
            Err(_) => Stop::Late,
        }
    }
}

impl fmt::Debug for Ways {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Ways").field("linked", &self.linked).finish_non_exhaustive()
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store { path, error } => write!(out, "{}: {error}", path.display()),
            Self::Io(error) => error.fmt(out),
            Self::Record { path, error } => write!(
                out,
                "{} cannot be the file of a new recording: {error}. Choose another --record or --record-limit.",
                path.display()
            ),
            Self::NotReady => {
                out.write_str("the node could not read its store and gave up. The log says more.")
            }
        }
    }
}

impl std::error::Error for StartError {}
