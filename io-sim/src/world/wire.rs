//! What passed on the connections, for whoever draws a run. Nothing is kept unless it is asked for.

use bytes::Bytes;
use eyot_core::io::CloseCause;

use super::event::{ConnIx, Side, Way};
use super::history::{Actor, ClientIx, NodeIx};
use super::state::World;
use crate::client::Sight;
use crate::engine::{SimSpan, SimTime};
use crate::net::WireEvent;

/// Bytes of headers that a segment may have at most, and the payload it has at least when there is more to send.
const HEADER_BYTES: u64 = 60;
const SEGMENT_BYTES: u64 = 1_400;

/// A point in the order in which things happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// When.
    pub at: SimTime,
    /// How many records the history had.
    pub record: usize,
    /// How many points came before, among those that are kept here.
    pub order: u64,
}

/// One write.
#[derive(Clone, Debug)]
pub struct Span {
    /// When it was written.
    pub moment: Moment,
    /// The place of its first byte in its direction.
    pub from: u64,
    /// The place behind its last byte.
    pub to: u64,
    /// What was written.
    pub bytes: Bytes,
    /// Whether the writer says that it is a stanza, or meant as one. What a node writes tells for itself.
    pub meant: bool,
    /// How long it takes on a path that is as it should be.
    pub due: SimSpan,
}

/// One direction of a connection.
#[derive(Clone, Debug, Default)]
pub struct Track {
    /// What was written.
    pub spans: Vec<Span>,
    /// When the other end read, and up to which byte.
    pub reads: Vec<(Moment, u64)>,
    /// What became of the bytes on their way.
    pub wire: Vec<WireEvent>,
    written: u64,
    read: u64,
}

/// A connection.
#[derive(Clone, Debug)]
pub struct Wired {
    /// Who made it.
    pub client: ClientIx,
    /// With whom.
    pub node: NodeIx,
    /// From the client to the node.
    pub up: Track,
    /// From the node to the client.
    pub down: Track,
    /// When the node learnt that it is gone, and how.
    pub gone: Option<(SimTime, CloseCause)>,
}

impl World {
    /// Keeps what passes on a new connection, if anybody wants it.
    pub(super) fn keep_wire(&mut self, ix: ConnIx) {
        if self.options.wire {
            let conn = &mut self.conns[ix.at()];
            let Some(client) = conn.near.client() else { return };
            conn.up.stream.watch();
            conn.down.stream.watch();
            let (up, down) = (Track::default(), Track::default());
            self.wired.push(Wired { client, node: conn.node, up, down, gone: None });
        }
    }

    /// Notes that one end is about to write.
    pub(super) fn note_write(&mut self, ix: ConnIx, way: Way, parts: [&Bytes; 2]) {
        let Some((number, client)) = self.wire_of(ix) else { return };
        let moment = self.moment();
        let meant = self.history.last().is_some_and(|last| {
            let sent = |sight: &Sight| matches!(sight, Sight::Sent(bytes) if bytes == parts[0]);
            way == Way::Up && matches!(&last.actor, Actor::Client(_, sight) if sent(sight))
        });
        let conn = &mut self.conns[ix.at()];
        let person = &self.people[client.at()];
        let finished = conn.lane(way).stream.is_finished();
        let path = if way == Way::Up { &person.up } else { &person.down };
        let length = (parts[0].len() + parts[1].len()) as u64;
        let whole = length + HEADER_BYTES * length.div_ceil(SEGMENT_BYTES);
        let line = path.line(self.now);
        let due = [line.latency, line.jitter, line.serialisation(whole)];
        let due = SimSpan::from_nanos(due.iter().map(|span| span.as_nanos()).sum());
        let track = self.wired[number].track(way);
        let from = track.written;
        // What is written behind the end goes nowhere: no byte of it is ever counted.
        if !finished {
            track.written += length;
        }
        let bytes =
            if parts[1].is_empty() { parts[0].clone() } else { parts.map(AsRef::as_ref).concat().into() };
        track.spans.push(Span { moment, from, to: from + length, bytes, meant, due });
    }

    /// Notes that one end has read.
    pub(super) fn note_read(&mut self, ix: ConnIx, way: Way, bytes: usize) {
        if let Some((number, _)) = self.wire_of(ix) {
            let moment = self.moment();
            let track = self.wired[number].track(way);
            track.read += bytes as u64;
            track.reads.push((moment, track.read));
        }
    }

    /// Notes that an end has learnt that its connection is gone. The client's end is in the history.
    pub(super) fn note_gone(&mut self, ix: ConnIx, side: Side, cause: CloseCause) {
        if let (Some((number, _)), Side::Server) = (self.wire_of(ix), side) {
            self.wired[number].gone = Some((self.now, cause));
        }
    }

    /// Takes what passed on the connections so far; empty unless the options ask for it.
    pub fn take_wired(&mut self) -> Vec<Wired> {
        let mut taken = self.wired.clone();
        let made = self.conns.iter_mut().filter(|conn| conn.number.is_some());
        for (wired, conn) in taken.iter_mut().zip(made) {
            wired.up.wire = conn.up.stream.take_wire();
            wired.down.wire = conn.down.stream.take_wire();
        }
        taken
    }

    /// Returns where what passes on a connection is kept, if it is, and who has made it. Nodes are not drawn.
    fn wire_of(&self, ix: ConnIx) -> Option<(usize, ClientIx)> {
        let conn = &self.conns[ix.at()];
        conn.number.filter(|_| self.options.wire).zip(conn.near.client())
    }

    fn moment(&mut self) -> Moment {
        self.moments += 1;
        Moment { at: self.now, record: self.history.len(), order: self.moments }
    }
}

impl Wired {
    const fn track(&mut self, way: Way) -> &mut Track {
        match way {
            Way::Up => &mut self.up,
            Way::Down => &mut self.down,
        }
    }
}
