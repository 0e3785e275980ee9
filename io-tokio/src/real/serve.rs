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
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

use super::certificate::{self, CertificateError, Loaded};
use super::config::{Listen, Need, Settings};
use super::control::server::{ControlSocket, Desk};
use super::control::wire::refusal_text;
use super::data_dir::{DataDir, DataDirError, Paths};
use super::membership::{self, MembershipError};
use super::net::TcpNet;
use super::node::{self, Running, StartError, Stop, Ways};
use crate::call::NetCaller;
use crate::conn::{self, Bounds};
use crate::listen::{self, SPARE_CONNECTIONS};
use crate::net::Net as _;
use crate::peer_tls::PeerTls;
use crate::tls::Tls;

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
    /// The node cannot be a member of its cluster.
    Membership(MembershipError),
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

/// What ends a node besides signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Nothing.
    Signal,
    /// The end of its standard input: that of the process that has started it.
    StdinEnds,
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
pub async fn serve(mut settings: Settings, until: Until) -> Result<(), ServeError> {
    let dir = DataDir::create(Paths::new(settings.data.clone())).map_err(ServeError::DataDir)?;
    raise_file_limit();
    let domains: Vec<String> =
        settings.node.domains.iter().map(|domain| domain.name.as_str().to_owned()).collect();
    let certificate = prepare(&mut settings, &dir, &domains)?;
    dir.note_domains(&domains).map_err(ServeError::DataDir)?;
    let mut signals = Signals::new().map_err(ServeError::Io)?.and(until);
    // What the node is in its cluster has changed: it starts anew as that.
    while serve_once(&settings, &dir, &certificate, &mut signals).await? == Ended::Anew {
        tracing::info!("starting anew, as a member of a cluster");
        settings.record = None;
    }
    Ok(())
}

/// Loads what a node shows to clients and to other nodes.
pub(super) fn prepare(
    settings: &mut Settings,
    dir: &DataDir,
    domains: &[String],
) -> Result<Loaded, ServeError> {
    let peer = peer_tls(settings, dir).map_err(ServeError::Membership)?;
    let mut certificate =
        certificate::load(settings.tls.as_ref(), dir.paths(), domains).map_err(ServeError::Certificate)?;
    if let Some(peer) = peer {
        if let Some(seat) = &mut settings.node.seat {
            seat.key = peer.key();
        }
        certificate.tls = certificate.tls.with_peer(peer);
    }
    Ok(certificate)
}

/// How a node has ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// It was told to.
    Stopped,
    /// It goes on as something else.
    Anew,
}

async fn serve_once(
    settings: &Settings,
    dir: &DataDir,
    certificate: &Loaded,
    signals: &mut Signals,
) -> Result<Ended, ServeError> {
    let stop_time = stop_time(&Bounds::new(&settings.node.limits));
    let domain = settings.node.domains.first().map_or("", |domain| domain.name.as_str());
    let (ways, lines) = ways(settings, &certificate.tls);
    let linked = ways.linked.clone();
    let mut running = node::start(dir, settings.node.clone(), settings.record.as_ref(), ways)
        .await
        .map_err(ServeError::Start)?;
    let bound = bind(&settings.listen).await?;
    let admin = match settings.node.cluster {
        // Each member would make one of its own, and one of them would count.
        Some(_) => None,
        None => ensure_admin(&running, domain).await?,
    };
    announce::announce(settings, dir, certificate, &bound, admin.as_ref());
    let mut tasks = accept(settings, &lines, bound);
    let desk = Desk { handle: running.handle.clone(), config: settings.node.clone(), linked: linked.clone() };
    tasks.extend(control(dir, desk));
    let ended = tokio::select! {
        biased;
        () = signals.next() => false,
        () = running.ended() => true,
    };
    for task in tasks {
        task.abort();
        // Its listener is closed when it has ended, and not before.
        let _aborted = task.await.is_err();
    }
    if ended {
        let in_order = linked.is_stopping();
        running.close().await;
        return if in_order { Ok(Ended::Anew) } else { Err(ServeError::Ended) };
    }
    tracing::info!("stopping; a second signal ends at once");
    tokio::select! {
        biased;
        () = signals.next() => Err(ServeError::Late),
        stop = running.stop(stop_time) => match stop {
            Stop::Clean => Ok(Ended::Stopped),
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
        Some(
            Answer::Done
            | Answer::Account { drawn: None, .. }
            | Answer::Accounts { .. }
            | Answer::Token(_)
            | Answer::Cluster(_),
        ) => Ok(None),
        None => Err(ServeError::Admin(refusal_text(eyot_core::io::Refusal::Store(StoreError::Io)))),
    }
}

/// Where clients and where other nodes are served.
pub(super) struct Lines {
    clients: Arc<conn::Settings>,
    peers: Arc<conn::Settings>,
}

/// Loads what a member of a cluster shows to the others.
fn peer_tls(settings: &Settings, dir: &DataDir) -> Result<Option<PeerTls>, MembershipError> {
    let cluster = settings.node.cluster.as_ref();
    let peer = match (cluster, &settings.node.seat) {
        (Some(cluster), _) => {
            let peer = membership::load_key(dir.paths())?;
            membership::check_key(cluster, peer.key())?;
            Some(peer)
        }
        (None, Some(_)) => Some(membership::load_key(dir.paths())?),
        (None, None) => None,
    };
    membership::claim(dir.paths(), cluster)?;
    Ok(peer)
}

pub(super) fn ways(settings: &Settings, tls: &Tls) -> (Ways, Lines) {
    let mut ways = Ways::alone();
    let bounds = Bounds::new(&settings.node.limits);
    let line = |bounds| conn::Settings { handle: ways.handle.clone(), tls: tls.clone(), bounds };
    let (clients, peers) = (Arc::new(line(bounds)), Arc::new(line(bounds.of_peer())));
    if settings.node.cluster.is_some() || settings.node.seat.is_some() {
        ways.caller = Box::new(NetCaller::new(Arc::new(TcpNet), Arc::clone(&peers)));
    }
    (ways, Lines { clients, peers })
}

fn accept(settings: &Settings, lines: &Lines, bound: Vec<Bound>) -> Vec<JoinHandle<()>> {
    let connections = usize::try_from(settings.node.limits.connections).unwrap_or(usize::MAX);
    let connections = connections.min(Semaphore::MAX_PERMITS / 2);
    let clients = Arc::new(Semaphore::new(connections + SPARE_CONNECTIONS));
    // Apart, so that no crowd of clients keeps the members from each other.
    let peers = Arc::new(Semaphore::new(SPARE_CONNECTIONS));
    let net = Arc::new(TcpNet);
    let listeners = bound.into_iter().map(|Bound { listener, kind, .. }| {
        let (settings, permits) = match kind {
            ConnKind::ClientStartTls | ConnKind::ClientDirectTls => (&lines.clients, &clients),
            ConnKind::Peer => (&lines.peers, &peers),
        };
        let (settings, permits) = (Arc::clone(settings), Arc::clone(permits));
        tokio::spawn(listen::serve(Arc::clone(&net), listener, kind, settings, permits))
    });
    listeners.collect()
}

fn control(dir: &DataDir, desk: Desk) -> Option<JoinHandle<()>> {
    match ControlSocket::bind(&dir.paths().control()) {
        Ok(socket) => Some(tokio::spawn(socket.serve(Arc::new(desk)))),
        Err(error) => {
            tracing::warn!(%error, "no control socket: `eyot user` works only while this node is down");
            None
        }
    }
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

/// What asks a process to stop.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    stdin: Option<oneshot::Receiver<()>>,
}

impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        Ok(Self { terminate, interrupt, stdin: None })
    }

    /// Adds the end of the standard input, if it is one.
    fn and(self, until: Until) -> Self {
        let stdin = match until {
            Until::Signal => None,
            Until::StdinEnds => Some(stdin_end()),
        };
        Self { stdin, ..self }
    }

    pub(super) async fn next(&mut self) {
        let ended = async {
            match &mut self.stdin {
                Some(stdin) => stdin.await.is_ok(),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = ended => self.stdin = None,
        }
    }
}

/// Becomes ready at the end of the standard input. A thread of its own waits for it, and the end of the process does not.
fn stdin_end() -> oneshot::Receiver<()> {
    let (ended, end) = oneshot::channel();
    std::thread::spawn(move || {
        // An input that cannot be read has ended, too.
        let _failed = io::copy(&mut io::stdin().lock(), &mut io::sink()).is_err();
        let _nobody = ended.send(()).is_err();
    });
    end
}

impl fmt::Display for ServeError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DataDir(error) => error.fmt(out),
            Self::Certificate(error) => error.fmt(out),
            Self::Membership(error) => error.fmt(out),
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
