//! One connection: two streams, two ends.

use eyot_core::io::{ConnKind, OpId};

use super::event::{Side, Start, Way};
use super::history::{Near, NodeIx};
use super::links::RouteIx;
use crate::engine::{Key, SimSpan, SimTime};
use crate::net::{Keepalive, Reader, Stream, TcpParams};
use crate::tls::Handshake;

/// A connection, from the first SYN on.
#[derive(Debug)]
pub(super) struct Conn {
    pub(super) near: Near,
    pub(super) node: NodeIx,
    /// Which of the ways between two nodes it goes.
    pub(super) route: RouteIx,
    /// Which one it is of those that clients have made: those are measured.
    pub(super) number: Option<usize>,
    /// The call that it answers, if a node has made it.
    pub(super) call: Option<OpId>,
    pub(super) key: Key,
    pub(super) kind: ConnKind,
    pub(super) up: Lane,
    pub(super) down: Lane,
    pub(super) server: End,
    pub(super) peer: End,
    /// When the host's system last answered a SYN of its own accord.
    pub(super) answered_at: SimTime,
    /// The process that the client believes to have reached: that which listened when its SYN was answered.
    pub(super) met: Option<Start>,
    /// How often everything under way was lost at once, because the link was cut under it.
    pub(super) cuts: u32,
    /// Whether something on the way swallows this connection and no other.
    pub(super) black_hole: bool,
    /// The causes of that.
    pub(super) holes: Vec<u32>,
    /// Whether somebody sits in the middle of its TLS.
    pub(super) mitm: bool,
    /// Whether outputs for it wait to be sent.
    pub(super) dirty: bool,
    /// Bytes the node has sent.
    pub(super) sent: u64,
    /// How many of them the node knows to be with its system.
    pub(super) told: u64,
}

/// Whether a node takes anything from a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Intake {
    Open,
    /// The node is behind, and reads nothing.
    Held,
}

/// What `io-tokio` asks of the sockets that it accepts; clients ask nothing of theirs.
const SERVER: TcpParams = TcpParams {
    user_timeout: Some(SimSpan::from_secs(180)),
    keepalive: Some(Keepalive { idle: SimSpan::from_secs(600), every: SimSpan::from_secs(60), count: 9 }),
    ..TcpParams::LINUX
};

/// One direction with its timer.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) stream: Stream,
    /// When the queue holds a `Wake` that counts.
    pub(super) wake_at: Option<SimTime>,
    /// Slices read so far; the counter of their keyed draws.
    pub(super) slices: u64,
}

/// One end.
#[derive(Debug)]
pub(super) struct End {
    pub(super) state: EndState,
    pub(super) tls: Tls,
    /// Whether it knows that the other will send nothing more.
    pub(super) heard_fin: bool,
    /// Whether its node reads from it.
    pub(super) intake: Intake,
    /// When a reset arrives that is under way to it.
    pub(super) reset_at: Option<SimTime>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EndState {
    /// The connection is not there yet.
    Waiting,
    Open,
    /// The node has closed it, and the system has not taken all that was said before.
    Draining,
    /// All of it and the end are with the system; the peer's end is due.
    Lingering,
    /// The node is about to learn that the connection is gone.
    Closed,
    Gone,
}

#[derive(Debug)]
pub(super) enum Tls {
    Plain,
    Handshaking(Handshake),
    Secured,
}

impl Conn {
    /// `buffers`: what both ends ask their systems for, in bytes.
    pub(super) fn new((near, node): (Near, NodeIx), key: Key, kind: ConnKind, buffers: Option<u32>) -> Self {
        let sized = |params: TcpParams| match buffers {
            Some(bytes) => {
                let bytes = bytes as usize;
                TcpParams { receive_buffer_bytes: bytes, send_buffer_bytes: bytes, ..params }
            }
            None => params,
        };
        let caller = if near.client().is_some() { TcpParams::LINUX } else { SERVER };
        Self {
            near,
            node,
            route: 0,
            number: None,
            call: None,
            key,
            kind,
            up: Lane::new(sized(caller)),
            down: Lane::new(sized(SERVER)),
            server: End::new(),
            peer: End::new(),
            answered_at: SimTime::ZERO,
            met: None,
            cuts: 0,
            black_hole: false,
            holes: Vec::new(),
            mitm: false,
            dirty: false,
            sent: 0,
            told: 0,
        }
    }

    /// Leads the connection nowhere, or not for that cause any more.
    pub(super) fn swallow(&mut self, cause: u32, swallowed: bool) {
        self.holes.retain(|known| *known != cause);
        self.holes.extend(swallowed.then_some(cause));
        self.black_hole = !self.holes.is_empty();
    }

    /// Loses all that is on its way, handshakes and resets too; returns how many segments and answers that is.
    pub(super) fn lose_underway(&mut self, now: SimTime) -> u64 {
        self.cuts += 1;
        (self.server.reset_at, self.peer.reset_at) = (None, None);
        self.up.stream.lose_underway(now) + self.down.stream.lose_underway(now)
    }

    /// Lets everything that goes one way arrive at `latest` at the latest. Returns whether a stream has to do with that.
    pub(super) fn hasten(&mut self, way: Way, latest: SimTime) -> bool {
        let (with, against) = match way {
            Way::Up => (&mut self.up, &mut self.down),
            Way::Down => (&mut self.down, &mut self.up),
        };
        with.stream.hasten_segments(latest) | against.stream.hasten_answers(latest)
    }

    pub(super) const fn end(&mut self, side: Side) -> &mut End {
        match side {
            Side::Client => &mut self.peer,
            Side::Server => &mut self.server,
        }
    }

    pub(super) const fn lane(&mut self, way: Way) -> &mut Lane {
        match way {
            Way::Up => &mut self.up,
            Way::Down => &mut self.down,
        }
    }

    /// Tells a stream when nobody reads from it any more. A system knows a connection whose process is gone as long
    /// as it has something to send for it; one that was reset, or has lost its power, knows nothing.
    pub(super) fn note_lost_reader(&mut self, way: Way) {
        let (reading, incoming, answering) = match way {
            Way::Up => (&self.server, &mut self.up, &self.down),
            Way::Down => (&self.peer, &mut self.down, &self.up),
        };
        if reading.state == EndState::Gone && incoming.stream.readable() == 0 {
            let forgotten = answering.stream.is_cleared();
            incoming.stream.leave(if forgotten { Reader::Unknown } else { Reader::Closed });
        }
    }

    /// Returns how many bytes the server's system has taken that the node has not been told of.
    pub(super) fn newly_taken(&self) -> u64 {
        self.sent.saturating_sub(self.told).saturating_sub(self.down.stream.queued() as u64)
    }

    /// Returns whether both ends have forgotten the connection.
    pub(super) fn is_over(&self) -> bool {
        self.server.state == EndState::Gone && self.peer.state == EndState::Gone
    }
}

impl Lane {
    const fn new(params: TcpParams) -> Self {
        let stream = Stream::new(params);
        Self { stream, wake_at: None, slices: 0 }
    }
}

impl End {
    const fn new() -> Self {
        let (state, tls, intake) = (EndState::Waiting, Tls::Plain, Intake::Open);
        Self { state, tls, heard_fin: false, intake, reset_at: None }
    }

    /// Returns whether the end still has something to learn of the connection.
    pub(super) fn is_live(&self) -> bool {
        match self.state {
            EndState::Open | EndState::Draining | EndState::Lingering | EndState::Closed => true,
            EndState::Waiting | EndState::Gone => false,
        }
    }
}
