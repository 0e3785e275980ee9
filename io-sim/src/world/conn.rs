//! One connection: two streams, two ends.

use eyot_core::io::ConnKind;

use super::event::Way;
use super::history::{ClientIx, NodeIx};
use crate::engine::{Key, SimTime};
use crate::net::{Stream, TcpParams};
use crate::tls::Handshake;

/// A connection, from the first SYN on.
#[derive(Debug)]
pub(super) struct Conn {
    pub(super) client: ClientIx,
    pub(super) node: NodeIx,
    pub(super) key: Key,
    pub(super) kind: ConnKind,
    pub(super) up: Lane,
    pub(super) down: Lane,
    pub(super) server: End,
    pub(super) peer: End,
    /// Whether something on the way swallows this connection and no other.
    pub(super) black_hole: bool,
    /// Whether somebody sits in the middle of its TLS.
    pub(super) mitm: bool,
    /// Whether outputs for it wait to be sent.
    pub(super) dirty: bool,
    /// How full the server's queue was when the node was last told: 0 empty, 1 below a quarter, 2 above.
    pub(super) told_level: u8,
    /// Bytes were sent since the node was last told that none are queued.
    pub(super) sent_since_flush: bool,
}

/// One direction with its timer.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) stream: Stream,
    /// When the queue holds a `Wake` that counts.
    pub(super) wake_at: Option<SimTime>,
    /// Whether that wake is only a retransmission.
    pub(super) stalled: bool,
    /// Slices read so far; the counter of their keyed draws.
    pub(super) slices: u64,
}

/// One end.
#[derive(Debug)]
pub(super) struct End {
    pub(super) state: EndState,
    pub(super) tls: Tls,
    /// Whether it does not read for now.
    pub(super) paused: bool,
    /// Whether it knows that the other will send nothing more.
    pub(super) end_told: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EndState {
    /// The connection is not there yet.
    Waiting,
    Open,
    /// It has closed and waits for the other.
    Closing,
    Gone,
}

#[derive(Debug)]
pub(super) enum Tls {
    Plain,
    Handshaking(Handshake),
    Secured,
}

impl Conn {
    pub(super) fn new(client: ClientIx, node: NodeIx, key: Key, kind: ConnKind) -> Self {
        Self {
            client,
            node,
            key,
            kind,
            up: Lane::new(),
            down: Lane::new(),
            server: End::new(),
            peer: End::new(),
            black_hole: false,
            mitm: false,
            dirty: false,
            told_level: 0,
            sent_since_flush: false,
        }
    }

    pub(super) const fn lane(&mut self, way: Way) -> &mut Lane {
        match way {
            Way::Up => &mut self.up,
            Way::Down => &mut self.down,
        }
    }

    /// Returns whether both ends have forgotten the connection.
    pub(super) fn is_over(&self) -> bool {
        self.server.state == EndState::Gone && self.peer.state == EndState::Gone
    }
}

impl Lane {
    const fn new() -> Self {
        let stream = Stream::new(TcpParams::LINUX);
        Self { stream, wake_at: None, stalled: false, slices: 0 }
    }
}

impl End {
    const fn new() -> Self {
        Self { state: EndState::Waiting, tls: Tls::Plain, paused: false, end_told: false }
    }

    /// Returns whether the end still has something to learn of the connection.
    pub(super) fn is_live(&self) -> bool {
        matches!(self.state, EndState::Open | EndState::Closing)
    }
}
