//! The network: the driver's `Net` seam on the stream machine of `io-sim`.
//!
//! Each person has a way to the servers and back, shared by all connections of that person. One task moves what
//! is on the ways; the ends read, write and are woken by it.

mod state;
mod stream;
mod wire;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use eyot_io_sim::engine::{Entropy, Key, SimTime};
use eyot_io_sim::net::{Direction, LinkProfile, Path, SynTimer, TcpParams};
use eyot_io_tokio::net::Net;
use madsim::time::TimeHandle;
use tokio::sync::{Notify, mpsc};

use state::{State, Way};
pub use stream::SimStream;
use wire::{Side, Wire};

/// A network. Cheap to clone.
#[derive(Clone)]
pub struct SimNet(Arc<Inner>);

/// Where a person lives: the way to the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Home(usize);

/// A listener. Nobody reaches it when it is gone.
#[derive(Debug)]
pub struct SimListener {
    net: SimNet,
    at: SocketAddr,
    incoming: mpsc::UnboundedReceiver<(SimStream, SocketAddr)>,
}

struct Inner {
    time: TimeHandle,
    state: Mutex<State>,
    /// Something happened that may have to be looked at sooner than was thought.
    stirred: Notify,
}

impl SimNet {
    /// Creates a network without homes and starts the task that moves its bytes; to be called by the supervisor,
    /// so that no fault ends that task.
    pub fn start(entropy: Entropy, params: TcpParams) -> Self {
        let state = State {
            entropy,
            params,
            ways: Vec::new(),
            wires: BTreeMap::new(),
            listeners: BTreeMap::new(),
            made: 0,
        };
        let inner = Inner { time: TimeHandle::current(), state: Mutex::new(state), stirred: Notify::new() };
        let net = Self(Arc::new(inner));
        madsim::task::spawn(net.clone().run());
        net
    }

    /// Adds a home. `name` keys all draws for its way.
    pub fn home(&self, name: &str, profile: &LinkProfile) -> Home {
        let mut state = self.lock();
        let entropy = state.entropy;
        let path = |way: &str, direction| {
            Path::new(entropy, Key::of(&format!("{name} {way}")), profile.clone(), direction)
        };
        let (up, down) = (path("up", Direction::Up), path("down", Direction::Down));
        let way = Way { up, down, dark: false };
        state.ways.push(way);
        Home(state.ways.len() - 1)
    }

    /// Connects a home to a server.
    ///
    /// # Errors
    ///
    /// `ConnectionRefused` when nobody listens there; `TimedOut` when no answer came to any SYN.
    pub async fn connect(&self, home: Home, to: SocketAddr) -> io::Result<SimStream> {
        for patience in (0..).map_while(|attempt| SynTimer::Ask.after(attempt)) {
            let asked = self.now();
            let again = asked + patience;
            let Some(at) = self.carry(home, Side::Client) else {
                self.until(again).await;
                continue;
            };
            self.until(at).await;
            let Some(at) = self.carry(home, Side::Server) else {
                self.until(again).await;
                continue;
            };
            let listens = self.lock().listeners.contains_key(&to);
            self.until(at).await;
            if !listens {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            return Ok(self.establish(home, to, asked));
        }
        Err(io::ErrorKind::TimedOut.into())
    }

    /// Cuts a home's way off, or heals it. What is under way is lost, and sent again by its sender.
    pub fn set_cut(&self, home: Home, cut: bool) {
        let now = self.now();
        self.lock().set_closed(now, home.0, |way| {
            way.up.set_cut(cut);
            way.down.set_cut(cut);
        });
        self.0.stirred.notify_one();
    }

    /// Takes the power from all servers, or gives it back: nothing reaches them and nothing leaves them, not
    /// even the end of a connection.
    pub fn set_dark(&self, dark: bool) {
        let now = self.now();
        let mut state = self.lock();
        for home in 0..state.ways.len() {
            state.set_closed(now, home, |way| {
                way.dark = dark;
                way.up.set_dark(dark);
                way.down.set_dark(dark);
            });
        }
        drop(state);
        self.0.stirred.notify_one();
    }

    /// Returns the time since the world began.
    pub fn now(&self) -> SimTime {
        let nanos = self.0.time.elapsed().as_nanos();
        SimTime::from_nanos(u64::try_from(nanos).expect("no run lasts 500 years"))
    }

    /// Sends what has no payload; returns when it arrives.
    fn carry(&self, home: Home, from: Side) -> Option<SimTime> {
        let now = self.now();
        let mut state = self.lock();
        let way = state.ways.get_mut(home.0)?;
        match from {
            Side::Client => way.up.carry(now, 0),
            Side::Server => way.down.carry(now, 0),
        }
    }

    fn establish(&self, home: Home, to: SocketAddr, asked: SimTime) -> SimStream {
        // The acknowledgement that completes the handshake; when it is lost the first data does.
        let at = self.carry(home, Side::Client).unwrap_or_else(|| self.now());
        let mut state = self.lock();
        let number = state.made;
        state.made += 1;
        let mut wire = Wire::new((state.entropy, state.params), number, home.0, (at, to));
        wire.measured(self.now().since(asked));
        state.wires.insert(number, wire);
        drop(state);
        self.0.stirred.notify_one();
        SimStream::new(self.clone(), number, Side::Client)
    }

    /// Moves bytes for ever.
    async fn run(self) {
        loop {
            let now = self.now();
            let (arrived, next) = {
                let mut state = self.lock();
                (state.advance(now), state.next())
            };
            for (number, incoming, from) in arrived {
                let stream = SimStream::new(self.clone(), number, Side::Server);
                // A listener that has just gone drops the stream, which tells the peer.
                let _gone = incoming.send((stream, from)).is_err();
            }
            let timer = async {
                match next {
                    Some(at) => self.until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.0.stirred.notified() => {}
                () = timer => {}
            }
        }
    }

    async fn until(&self, at: SimTime) {
        self.0.time.sleep(Duration::from_nanos(at.since(self.now()).as_nanos())).await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Net for SimNet {
    type Listener = SimListener;
    type Stream = SimStream;

    async fn bind(&self, at: SocketAddr) -> io::Result<SimListener> {
        let (sender, incoming) = mpsc::unbounded_channel();
        let mut state = self.lock();
        if state.listeners.contains_key(&at) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        state.listeners.insert(at, sender);
        Ok(SimListener { net: self.clone(), at, incoming })
    }

    async fn accept(&self, listener: &mut SimListener) -> io::Result<(SimStream, SocketAddr)> {
        listener.incoming.recv().await.ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Stories have one machine with a node: it has nobody to connect to.
    async fn connect(&self, _route: &str) -> io::Result<SimStream> {
        Err(io::ErrorKind::ConnectionRefused.into())
    }

    fn local_addr(&self, listener: &SimListener) -> io::Result<SocketAddr> {
        Ok(listener.at)
    }
}

impl Drop for SimListener {
    fn drop(&mut self) {
        self.net.lock().listeners.remove(&self.at);
    }
}

impl fmt::Debug for SimNet {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SimNet").field("now", &self.now()).finish_non_exhaustive()
    }
}
