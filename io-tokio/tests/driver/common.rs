//! A node's place taken by a few lines: what it is told is kept, what it says is said by the test.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use eyot_core::io::{Boot, CloseCause, ConnId, ConnKind, Input, Output, Secret};
use eyot_core::time::Now;
use eyot_io_tokio::call::NetCaller;
use eyot_io_tokio::clock::Clock;
use eyot_io_tokio::conn::{Bounds, Settings};
use eyot_io_tokio::driver::{self, Driver, Handle, Machine, World};
use eyot_io_tokio::listen;
use eyot_io_tokio::net::Net as _;
use eyot_io_tokio::peer_tls::PeerTls;
use eyot_io_tokio::real::net::TcpNet;
use eyot_io_tokio::store::engine::Engine;
use eyot_io_tokio::store::queue::InlineStore;
use eyot_io_tokio::tls::{SelfSigned, Tls, self_signed};
use redb::backends::InMemoryBackend;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc, oneshot};

/// What a test says to one input.
pub(super) type Act = Box<dyn FnMut(&Input) -> Vec<Output> + Send>;

/// A machine that does what the test says.
pub(super) struct Script {
    act: Act,
    said: VecDeque<Output>,
    told: mpsc::UnboundedSender<Input>,
}

impl Machine for Script {
    fn handle_input(&mut self, _: Now, input: Input) {
        self.said.extend((self.act)(&input));
        // A test that has seen enough no longer listens.
        let _enough = self.told.send(input).is_err();
    }

    fn poll_output(&mut self) -> Output {
        self.said.pop_front().unwrap_or(Output::Wait { until: None, reason: "test" })
    }
}

/// A driver with one listener.
pub(super) struct Server {
    pub(super) addr: SocketAddr,
    pub(super) handle: Handle,
    pub(super) certificate: SelfSigned,
    pub(super) peer: PeerTls,
    told: mpsc::UnboundedReceiver<Input>,
}

pub(super) const BOUNDS: Bounds = Bounds {
    waiting_bytes: 64 * 1024 * 1024,
    flushed_bytes: 1,
    handshake_time: Duration::from_secs(20),
    drain_time: Duration::from_secs(20),
    close_time: Duration::from_secs(20),
};

impl Server {
    pub(super) async fn start(
        kind: ConnKind,
        bounds: Bounds,
        act: impl FnMut(&Input) -> Vec<Output> + Send + 'static,
    ) -> Self {
        let certificate = self_signed(&["localhost".into()]).unwrap();
        let peer = PeerTls::from_pem(certificate.certificate.as_bytes(), certificate.key.as_bytes()).unwrap();
        let tls = Tls::from_pem(certificate.certificate.as_bytes(), certificate.key.as_bytes()).unwrap();
        let (handle, lanes) = driver::lanes();
        let settings =
            Arc::new(Settings { handle: handle.clone(), tls: tls.with_peer(peer.clone()), bounds });
        let (ready, is_ready) = oneshot::channel();
        let engine = Engine::open(InMemoryBackend::new(), InMemoryBackend::new()).unwrap();
        let world = World {
            store: Box::new(InlineStore::new(engine, handle.clone())),
            derive: |request| Secret(request.salt.clone()),
            derivations: 1,
            caller: Box::new(NetCaller::new(Arc::new(TcpNet), Arc::clone(&settings))),
            observe: Box::new(|_| {}),
            recorder: None,
            ready,
        };
        let (tell, told) = mpsc::unbounded_channel();
        let boot = Output::Ready { boot: Boot { start: 1 } };
        let script = Script { act: Box::new(act), said: VecDeque::from([boot]), told: tell };
        tokio::spawn(Driver::new(script, Clock::start(), handle.clone(), lanes, world).run());
        assert_eq!(is_ready.await, Ok(Boot { start: 1 }));
        let listener = TcpNet.bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let addr = TcpNet.local_addr(&listener).unwrap();
        let permits = Arc::new(Semaphore::new(100));
        tokio::spawn(listen::serve(Arc::new(TcpNet), listener, kind, settings, permits));
        Self { addr, handle, certificate, peer, told }
    }

    /// The next thing the node was told.
    pub(super) async fn told(&mut self) -> Input {
        self.told.recv().await.expect("the driver runs")
    }

    /// Why the next connection to end ended.
    pub(super) async fn closed(&mut self) -> CloseCause {
        loop {
            if let Input::Closed { cause, .. } = self.told().await {
                return cause;
            }
        }
    }

    /// How often a connection was closed since. Opens one more connection, whose `Opened` stands in the queue
    /// behind whatever the others have said.
    pub(super) async fn closed_again(&mut self) -> usize {
        let fence = TcpStream::connect(self.addr).await.expect("the listener accepts");
        let mut closed = 0;
        loop {
            match self.told().await {
                Input::Opened { .. } => break,
                Input::Closed { .. } => closed += 1,
                _ => {}
            }
        }
        drop(fence);
        closed
    }
}

pub(super) fn send(conn: ConnId, head: impl Into<Bytes>, body: impl Into<Bytes>) -> Output {
    Output::Send { conn, head: head.into(), body: body.into() }
}

/// Sends everything back.
pub(super) fn echo(input: &Input) -> Vec<Output> {
    match input {
        Input::Received { conn, bytes } => vec![send(*conn, bytes.clone(), Bytes::new())],
        _ => Vec::new(),
    }
}

/// Makes an end of the stream an error of its kind.
pub(super) fn kind_of<T>(outcome: io::Result<T>) -> Option<io::ErrorKind> {
    outcome.err().map(|error| error.kind())
}
