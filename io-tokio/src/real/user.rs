//! `eyot user`: asks the running node, or, when none runs, runs one without listeners for a moment.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use eyot_core::config::{Config, DomainConfig};
use eyot_core::jid::Domain;
use tokio::runtime::Runtime;

use super::control::client::Client;
use super::control::server::Desk;
use super::control::wire::{Reply, Request};
use super::data_dir::{DataDir, DataDirError, Paths};
use super::membership::{self, MembershipError};
use super::node::{self, Running, StartError, Ways};

/// How long a node that starts or stops is waited for: it holds the lock and does not answer.
const BUSY_TIME: Duration = Duration::from_secs(5);
const BUSY_STEP: Duration = Duration::from_millis(50);
const STOP_TIME: Duration = Duration::from_secs(10);

/// Somebody who answers requests.
#[derive(Debug)]
pub struct Office(Inner);

#[derive(Debug)]
enum Inner {
    Socket(Client),
    Here(Box<Here>),
}

/// A node of our own. It is taken out to be stopped.
#[derive(Debug)]
struct Here {
    runtime: Runtime,
    running: Option<Running>,
    desk: Desk,
    _dir: DataDir,
}

/// Why nobody answers.
#[derive(Debug)]
pub enum UserError {
    /// The data directory cannot be used.
    DataDir(DataDirError),
    /// A node holds the data directory and does not answer.
    Silent(DataDirError),
    /// The data directory is that of a member of a cluster, and its node does not run.
    Member(PathBuf),
    /// Whether it is cannot be told.
    Membership(MembershipError),
    /// The node does not start.
    Start(StartError),
    /// The connection to the node failed.
    Io(io::Error),
    /// It was not done; why, in words.
    Refused(String),
}

impl Office {
    /// Finds the node of a data directory. `config` is used when none runs; the domains it served last come
    /// first, unless `config` was `given` by the operator.
    ///
    /// # Errors
    ///
    /// [`UserError`].
    pub fn open(paths: &Paths, config: Config, given: bool) -> Result<Self, UserError> {
        let deadline = Instant::now() + BUSY_TIME;
        loop {
            if let Some(client) = Client::connect(&paths.control()).map_err(UserError::Io)? {
                return Ok(Self(Inner::Socket(client)));
            }
            if !paths.store().exists() {
                return Err(UserError::DataDir(DataDirError::Missing(paths.dir().to_owned())));
            }
            match DataDir::open(paths.clone()) {
                Ok(dir) => return Self::start(dir, config, given),
                Err(error @ DataDirError::Locked { .. }) if Instant::now() > deadline => {
                    return Err(UserError::Silent(error));
                }
                Err(DataDirError::Locked { .. }) => std::thread::sleep(BUSY_STEP),
                Err(error) => return Err(UserError::DataDir(error)),
            }
        }
    }

    fn start(dir: DataDir, mut config: Config, given: bool) -> Result<Self, UserError> {
        // What a member writes while it is down would not reach the others before its next start, and not for certain.
        if config.cluster.is_some() || membership::is_member(dir.paths()).map_err(UserError::Membership)? {
            return Err(UserError::Member(dir.paths().dir().to_owned()));
        }
        let served = dir.paths().served_domains().map_err(UserError::DataDir)?;
        if let (Some(served), false) = (served, given) {
            let domains: Vec<_> = served.iter().filter_map(|name| Domain::parse(name).ok()).collect();
            if !domains.is_empty() {
                config.domains = domains.into_iter().map(DomainConfig::closed).collect();
            }
        }
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(UserError::Io)?;
        let ways = Ways::alone();
        let (handle, linked) = (ways.handle.clone(), ways.linked.clone());
        let started = runtime.block_on(node::start(&dir, config.clone(), None, ways));
        let running = Some(started.map_err(UserError::Start)?);
        let here = Here { runtime, running, desk: Desk { handle, config, linked }, _dir: dir };
        Ok(Self(Inner::Here(Box::new(here))))
    }

    /// Asks and waits for the answer.
    ///
    /// # Errors
    ///
    /// [`UserError::Refused`] when nothing was changed, [`UserError::Io`] when the node went away.
    pub fn ask(&mut self, request: Request) -> Result<Reply, UserError> {
        let reply = match &mut self.0 {
            Inner::Socket(client) => client.call(request).map_err(UserError::Io)?,
            Inner::Here(here) => here.runtime.block_on(here.desk.perform(request)),
        };
        match reply {
            Reply::Refused(why) => Err(UserError::Refused(why)),
            Reply::Done
            | Reply::Account { .. }
            | Reply::Accounts { .. }
            | Reply::Status(_)
            | Reply::Token(_)
            | Reply::Cluster(_) => Ok(reply),
        }
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        if let Inner::Here(here) = &mut self.0
            && let Some(running) = here.running.take()
        {
            // What was answered is durable, however the stop goes.
            let _stop = here.runtime.block_on(running.stop(STOP_TIME));
        }
    }
}

impl fmt::Display for UserError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DataDir(error) => error.fmt(out),
            Self::Silent(error) => write!(out, "{error} It does not answer on its control socket."),
            Self::Member(dir) => write!(
                out,
                "{} is that of a member of a cluster, which does not run. Start it, or ask another member.",
                dir.display()
            ),
            Self::Membership(error) => error.fmt(out),
            Self::Start(error) => error.fmt(out),
            Self::Io(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                out.write_str("the node belongs to another user. Use that user's account, or root's.")
            }
            Self::Io(error) => write!(out, "the node went away: {error}. Whether it was done is not known."),
            Self::Refused(why) => out.write_str(why),
        }
    }
}

impl std::error::Error for UserError {}
