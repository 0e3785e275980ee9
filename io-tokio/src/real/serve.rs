//! `eyot serve`: everything from the first check to the last signal.

mod announce;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use eyot_core::io::{Answer, Command, ConnKind};
use eyot_core::store::StoreError;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::certificate::{self, CertificateError, Loaded};
use super::config::{Listen, Need, Settings};
use super::control::server::ControlSocket;
use super::control::wire::refusal_text;
use super::data_dir::{DataDir, DataDirError, Paths};
use super::net::TcpNet;
use super::node::{self, Running, StartError, Stop};
use crate::conn::{self, Bounds};
use crate::listen::{self, SPARE_CONNECTIONS};
use crate::net::Net as _;

/// How long a node may take to stop besides waiting for its slowest client: to say good-bye to all, and to
/// write what is due.
const STOP_MARGIN: Duration = Duration::from_secs(10);

/// Why a node does not run, or no longer.
#[derive(Debug)]
pub enum ServeError {
    /// The data directory cannot be used.
    DataDir(DataDirError),
    /// The certificate cannot be used.
    Certificate(CertificateError),
    /// The node does not start.
    Start(StartError),
    /// An address cannot be listened on.
    Listen {
        /// The address.
        addr: SocketAddr,
        /// What the operating system said.
        error: io::Error,
    },
    /// The first account cannot be made.
    Admin(&'static str),
    /// The operating system refused something.
    Io(io::Error),
    /// The node ended by itself.
    Ended,
    /// The node did not stop in time.
    Late,
}

/// A listener that is bound and does not accept yet.
struct Bound {
    listener: TcpListener,
    addr: SocketAddr,
    kind: ConnKind,
}

/// Runs a node until a signal stops it.
///
/// # Errors
///
/// [`ServeError`], whose text is for the operator.
pub async fn serve(settings: Settings) -> Result<(), ServeError> {
    let dir = DataDir::create(Paths::new(settings.data.clone())).map_err(ServeError::DataDir)?;
    raise_file_limit();
    let domains: Vec<String> =
        settings.node.domains.iter().map(|domain| domain.name.as_str().to_owned()).collect();
    let certificate =
        certificate::load(settings.tls.as_ref(), dir.paths(), &domains).map_err(ServeError::Certificate)?;
    dir.note_domains(&domains).map_err(ServeError::DataDir)?;
    let stop_time = stop_time(&Bounds::new(&settings.node.limits));
    let mut signals = Signals::new().map_err(ServeError::Io)?;
    let mut running = node::start(&dir, settings.node.clone(), settings.record.as_ref())
        .await
        .map_err(ServeError::Start)?;
    let bound = bind(&settings.listen).await?;
    let admin = ensure_admin(&running, domains.first().map_or("", String::as_str)).await?;
    announce::announce(&settings, &dir, &certificate, &bound, admin.as_ref());
    let tasks = accept(&settings, &running, certificate, bound, &dir);
    let ended = tokio::select! {
        biased;
        () = signals.next() => false,
        () = running.ended() => true,
    };
    for task in &tasks {
        task.abort();
    }
    if ended {
        return Err(ServeError::Ended);
    }
    tracing::info!("stopping; a second signal ends at once");
    tokio::select! {
        biased;
        () = signals.next() => Err(ServeError::Late),
        stop = running.stop(stop_time) => match stop {
            Stop::Clean => Ok(()),
            Stop::Late => Err(ServeError::Late),
        },
    }
}

/// How long a node may take to stop. More than any of its connections may take to close, or one client that
/// does not answer would make every stop a late one.
fn stop_time(bounds: &Bounds) -> Duration {
    bounds.end_time().saturating_add(STOP_MARGIN)
}

async fn bind(listen: &[Listen]) -> Result<Vec<Bound>, ServeError> {
    let mut bound = Vec::new();
    for Listen { addr, kind, need } in listen.iter().copied() {
        let listener = match (TcpNet.bind(addr).await, need) {
            (Ok(listener), _) => listener,
            // Only what IPv6 missing looks like: a port in use is somebody's mistake.
            (Err(error), Need::IfPossible) if error.kind() != io::ErrorKind::AddrInUse => {
                tracing::info!(%addr, %error, "not listening there");
                continue;
            }
            (Err(error), _) => return Err(ServeError::Listen { addr, error }),
        };
        let addr = TcpNet.local_addr(&listener).map_err(ServeError::Io)?;
        bound.push(Bound { listener, addr, kind });
    }
    Ok(bound)
}

async fn ensure_admin(running: &Running, domain: &str) -> Result<Option<Answer>, ServeError> {
    match running.handle.command(Command::EnsureAdmin { domain: domain.into() }).await {
        Some(Answer::Refused(refusal)) => Err(ServeError::Admin(refusal_text(refusal))),
        Some(answer @ Answer::Account { drawn: Some(_), .. }) => Ok(Some(answer)),
        Some(Answer::Done | Answer::Account { drawn: None, .. } | Answer::Accounts { .. }) => Ok(None),
        None => Err(ServeError::Admin(refusal_text(eyot_core::io::Refusal::Store(StoreError::Io)))),
    }
}

fn accept(
    settings: &Settings,
    running: &Running,
    certificate: Loaded,
    bound: Vec<Bound>,
    dir: &DataDir,
) -> Vec<JoinHandle<()>> {
    let limits = &settings.node.limits;
    let shared = Arc::new(conn::Settings {
        handle: running.handle.clone(),
        tls: certificate.tls,
        bounds: Bounds::new(limits),
    });
    let connections =
        usize::try_from(limits.connections).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS / 2);
    let permits = Arc::new(Semaphore::new(connections + SPARE_CONNECTIONS));
    let net = Arc::new(TcpNet);
    let mut tasks: Vec<_> = bound
        .into_iter()
        .map(|Bound { listener, kind, .. }| {
            let (net, shared, permits) = (Arc::clone(&net), Arc::clone(&shared), Arc::clone(&permits));
            tokio::spawn(listen::serve(net, listener, kind, shared, permits))
        })
        .collect();
    let path = dir.paths().control();
    match ControlSocket::bind(&path) {
        Ok(socket) => {
            let config = Arc::new(settings.node.clone());
            tasks.push(tokio::spawn(socket.serve(running.handle.clone(), config)));
        }
        Err(error) => {
            tracing::warn!(%error, "no control socket: `eyot user` works only while this node is down");
        }
    }
    tasks
}

/// Each connection needs a file descriptor, and the usual soft limit is 1024.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: now.maximum, maximum: now.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, wanted) {
        tracing::info!(%error, limit = now.current, "the limit of open files stays as it is");
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

impl fmt::Display for ServeError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DataDir(error) => error.fmt(out),
            Self::Certificate(error) => error.fmt(out),
            Self::Start(error) => error.fmt(out),
            Self::Listen { addr, error } => {
                write!(out, "cannot listen on {addr}: {error}. Choose others with --listen and --listen-tls.")
            }
            Self::Admin(why) => write!(out, "the first account cannot be made: {why}"),
            Self::Io(error) => error.fmt(out),
            Self::Ended => out.write_str("the node ended by itself. The log says why."),
            Self::Late => out.write_str("the node did not stop in order. What it acknowledged is durable."),
        }
    }
}

impl std::error::Error for ServeError {}

#[cfg(test)]
mod tests {
    use eyot_core::limits::Limits;
    use eyot_core::time::Span;

    use super::*;

    fn at(addr: SocketAddr, need: Need) -> [Listen; 1] {
        [Listen { addr, kind: ConnKind::ClientStartTls, need }]
    }

    #[tokio::test]
    async fn only_a_listener_that_somebody_asked_for_must_be_had() {
        // An address for documentation (RFC 5737): no machine has it, as some machines have no ::1.
        let missing = "192.0.2.1:0".parse().unwrap();
        assert!(bind(&at(missing, Need::IfPossible)).await.unwrap().is_empty());
        let refused = bind(&at(missing, Need::Required)).await.err().unwrap();
        assert!(matches!(refused, ServeError::Listen { addr, .. } if addr == missing), "{refused}");
    }

    #[tokio::test]
    async fn a_port_in_use_is_told_even_where_the_listener_is_optional() {
        let first = bind(&at("127.0.0.1:0".parse().unwrap(), Need::IfPossible)).await.unwrap();
        let taken = first.first().unwrap().addr;
        let refused = bind(&at(taken, Need::IfPossible)).await.err().unwrap();
        assert!(matches!(refused, ServeError::Listen { addr, .. } if addr == taken), "{refused}");
    }

    #[test]
    fn a_stop_outlasts_the_slowest_close() {
        for seconds in [1, 5, 60, 3600] {
            let close_time = Span::from_secs(seconds);
            let bounds = Bounds::new(&Limits { close_time, ..Limits::default() });
            let slowest = bounds.drain_time + Duration::from_secs(seconds);
            assert_eq!(stop_time(&bounds).checked_sub(slowest), Some(STOP_MARGIN));
        }
    }
}
