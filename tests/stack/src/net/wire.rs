//! One connection: two streams, two ends, and what a kernel does for an end whose process is gone.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use eyot_io_sim::engine::{Entropy, Key, Purpose, SimSpan, SimTime};
use eyot_io_sim::net::{Path, Stream, TcpParams};

use super::state::Way;

/// Reads return between one byte and so many.
const SLICE_MAX: u64 = 4096;
/// One write takes at most so many.
const WRITE_MAX: usize = 16 * 1024;

/// Who opened the connection, or who accepted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

#[derive(Debug)]
pub(super) struct Wire {
    /// Where the cuts of its reads are drawn from.
    entropy: Entropy,
    key: Key,
    pub(super) home: usize,
    /// When and where the server accepts it.
    accepted: Option<(SimTime, SocketAddr)>,
    up: Stream,
    down: Stream,
    client: End,
    server: End,
}

#[derive(Debug)]
struct End {
    state: EndState,
    /// When a reset of the other end arrives.
    reset_at: Option<SimTime>,
    /// Slices read; the counter of their draws.
    slices: u64,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EndState {
    Open,
    /// The connection broke, and the owner has not let go yet.
    Broken(io::ErrorKind),
    /// The owner has let go. The kernel still sends what was written.
    Released,
}

impl Wire {
    /// Creates the connection `number` of `home`, to be accepted when and where `accepted` says.
    pub(super) const fn new(
        (entropy, params): (Entropy, TcpParams),
        number: u64,
        home: usize,
        accepted: (SimTime, SocketAddr),
    ) -> Self {
        Self {
            entropy,
            key: Key::of("wire").with(number),
            home,
            accepted: Some(accepted),
            up: Stream::new(params),
            down: Stream::new(params),
            client: End::new(),
            server: End::new(),
        }
    }

    /// Tells both systems how long a round trip took when the connection was made.
    pub(super) fn measured(&mut self, round_trip: SimSpan) {
        self.up.measured(round_trip);
        self.down.measured(round_trip);
    }

    /// Where the server sees the connection come from.
    pub(super) fn peer_address(&self) -> SocketAddr {
        let home = u32::try_from(self.home).expect("a story has few people");
        SocketAddr::from((Ipv4Addr::from(0x0a00_0001 + home), 49_152))
    }

    /// Returns where the connection is to be accepted, once, when the time has come.
    pub(super) fn take_accepted(&mut self, now: SimTime) -> Option<SocketAddr> {
        self.accepted.take_if(|(at, _)| *at <= now).map(|(_, to)| to)
    }

    /// The listener has gone while the connection was made.
    pub(super) fn refuse(&mut self, now: SimTime, way: &mut Way) {
        self.server.state = EndState::Released;
        self.send_reset(now, way, Side::Server);
    }

    /// Does everything that is due.
    pub(super) fn pump(&mut self, now: SimTime, way: &mut Way) {
        self.up.pump(now, &mut way.up, &mut way.down);
        self.down.pump(now, &mut way.down, &mut way.up);
        for side in [Side::Client, Side::Server] {
            self.take_unwanted(now, way, side);
            if self.end(side).reset_at.take_if(|at| *at <= now).is_some() {
                self.up.clear();
                self.down.clear();
                self.end(side).fail(io::ErrorKind::ConnectionReset);
            }
            if self.outgoing(side).is_given_up() {
                self.end(side).fail(io::ErrorKind::TimedOut);
            }
            let readable = self.incoming(side).readable() > 0 || self.incoming(side).is_ended();
            let writable = self.outgoing(side).queued() == 0;
            self.end(side).wake(readable, writable);
        }
    }

    /// What arrives for an end that nobody holds is answered by a reset.
    fn take_unwanted(&mut self, now: SimTime, way: &mut Way, side: Side) {
        if self.end(side).state == EndState::Released && self.incoming(side).read_all().is_some() {
            self.send_reset(now, way, side);
        }
    }

    /// Sends a reset from `side`. It travels like everything else, and is not sent again.
    fn send_reset(&mut self, now: SimTime, way: &mut Way, side: Side) {
        self.outgoing(side).clear();
        let (path, other): (&mut Path, Side) = match side {
            Side::Client => (&mut way.up, Side::Server),
            Side::Server => (&mut way.down, Side::Client),
        };
        let at = path.acknowledge(now);
        let end = self.end(other);
        end.reset_at = end.reset_at.or(at);
    }

    /// The owner of an end lets go of it. A machine without power says nothing of it.
    pub(super) fn release(&mut self, now: SimTime, way: &mut Way, side: Side, reset: bool) {
        self.end(side).state = EndState::Released;
        if side == Side::Server && way.dark {
            self.outgoing(side).clear();
        } else if reset || self.incoming(side).readable() > 0 {
            self.send_reset(now, way, side);
        } else {
            self.outgoing(side).finish();
        }
        self.pump(now, way);
    }

    /// Takes at most `max` bytes that have arrived; nothing at the end.
    pub(super) fn poll_read(
        &mut self,
        cx: &Context<'_>,
        side: Side,
        max: usize,
    ) -> Poll<io::Result<Option<Bytes>>> {
        if let EndState::Broken(kind) = self.end(side).state {
            return Poll::Ready(Err(kind.into()));
        }
        if self.incoming(side).is_ended() {
            return Poll::Ready(Ok(None));
        }
        let (entropy, key) = (self.entropy, self.key.with(side as u64));
        let slice = entropy.below(Purpose::Slice, key, self.end(side).slices, SLICE_MAX) + 1;
        let slice = usize::try_from(slice).map_or(max, |slice| slice.min(max));
        if let Some(bytes) = self.incoming(side).read(slice) {
            self.end(side).slices += 1;
            return Poll::Ready(Ok(Some(bytes)));
        }
        self.end(side).reader = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Takes the first of `bytes`, if there is room for more.
    pub(super) fn poll_write(
        &mut self,
        cx: &Context<'_>,
        side: Side,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let EndState::Broken(kind) = self.end(side).state {
            return Poll::Ready(Err(kind.into()));
        }
        if self.outgoing(side).is_finished() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if self.outgoing(side).queued() > 0 {
            self.end(side).writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let taken = bytes.get(..WRITE_MAX).unwrap_or(bytes);
        self.outgoing(side).write(Bytes::copy_from_slice(taken));
        Poll::Ready(Ok(taken.len()))
    }

    /// Ends one direction and leaves the other.
    pub(super) fn finish(&mut self, side: Side) {
        self.outgoing(side).finish();
    }

    /// The way was closed: what is on it is lost.
    pub(super) fn lose_underway(&mut self, now: SimTime) {
        self.up.lose_underway(now);
        self.down.lose_underway(now);
        self.client.reset_at = None;
        self.server.reset_at = None;
    }

    /// Returns when something is due next.
    pub(super) fn next(&self) -> Option<SimTime> {
        let wakes = [self.up.wake(), self.down.wake()].map(|wake| wake.map(|wake| wake.at));
        let accepted = self.accepted.map(|(at, _)| at);
        let others = [accepted, self.client.reset_at, self.server.reset_at];
        wakes.into_iter().chain(others).flatten().min()
    }

    /// Returns whether nobody will ever look at this connection again.
    pub(super) fn is_over(&self) -> bool {
        let released = |end: &End| end.state == EndState::Released;
        released(&self.client) && released(&self.server) && self.next().is_none()
    }

    const fn end(&mut self, side: Side) -> &mut End {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    const fn outgoing(&mut self, side: Side) -> &mut Stream {
        match side {
            Side::Client => &mut self.up,
            Side::Server => &mut self.down,
        }
    }

    const fn incoming(&mut self, side: Side) -> &mut Stream {
        match side {
            Side::Client => &mut self.down,
            Side::Server => &mut self.up,
        }
    }
}

impl End {
    const fn new() -> Self {
        Self { state: EndState::Open, reset_at: None, slices: 0, reader: None, writer: None }
    }

    fn fail(&mut self, kind: io::ErrorKind) {
        if self.state == EndState::Open {
            self.state = EndState::Broken(kind);
        }
        self.wake(true, true);
    }

    fn wake(&mut self, readable: bool, writable: bool) {
        let reader = if readable { self.reader.take() } else { None };
        let writer = if writable { self.writer.take() } else { None };
        reader.into_iter().chain(writer).for_each(Waker::wake);
    }
}
