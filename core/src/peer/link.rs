//! The machine of one peer: what happens to its connections, and what is due.
//!
//! One connection serves at a time. The node with the lesser number calls; the other one does as well when that takes too
//! long. A connection that breaks is made again before anybody hears of it; the peer counts as gone when nothing has come back
//! for as long as its way allows (docs/adr/0023-links.md, docs/adr/0024-failure-detection.md).

mod greet;
mod leave;
mod send;
mod serve;
mod way;

use bytes::Bytes;
use smallvec::SmallVec;

use super::bye::Bye;
use super::detect::Detect;
use super::frame::Malformed;
use super::peers::PeerCx;
use super::profile::Profile;
use super::queue::Queue;
use super::wire::{By, Wire};
use crate::config::{LinkKind, StaticRoute};
use crate::io::{CloseHow, ConnId, OpId, Output};
use crate::replica::Origin;
use crate::time::Instant;

/// Calls and connections without a Hello that this node has made, at once.
const CALLS_MAX: usize = 2;
/// Connections with one peer, those included. Beyond: the oldest that does not serve is closed.
const WIRES_MAX: usize = 6;

/// The link to one member of the cluster.
#[derive(Debug)]
pub(super) struct Link {
    node: u32,
    /// What both sides call this way; empty where there is no other.
    pub(super) name: Box<str>,
    route: Box<str>,
    kind: LinkKind,
    profile: Profile,
    /// Whether this node calls first: it has the lesser number.
    caller: bool,
    /// In the order in which they came.
    wires: SmallVec<[Wire; 2]>,
    calls: SmallVec<[OpId; CALLS_MAX]>,
    /// No call goes out before.
    next_call: Instant,
    /// Since when no connection serves.
    alone: Instant,
    /// The connection that serves.
    active: Option<ConnId>,
    /// The latest start of the peer that is known.
    known: Option<Origin>,
    is_up: bool,
    detect: Detect,
    next_beat: Instant,
    /// When the next tick is wanted.
    due: Option<Instant>,
    /// What it is to be told.
    queue: Queue,
    /// Why the last connection was refused; nothing once a heartbeat has come.
    refused: Option<&'static str>,
    /// Something was too long for it, and that was told.
    is_cramped: bool,
    standing: Standing,
    /// The other side does not want it to be called before.
    held_until: Instant,
}

/// What a way is, of those that there are to the peer.
#[derive(Clone, Copy, Debug)]
struct Standing {
    /// It is the one that is used.
    is_used: bool,
    /// The peer is called on it while nothing connects.
    is_wanted: bool,
    /// The last call came to nothing, or the peer fell silent.
    has_failed: bool,
    /// How often the other side has closed it for another one since it was used.
    held: u32,
}

impl Link {
    /// Creates the link of a node with the number `own` to a member, on the way `route`: the only one, or one of several.
    pub(super) fn new(own: u32, route: &StaticRoute, is_only: bool, now: Instant) -> Self {
        let profile = Profile::on(route);
        Self {
            node: route.node,
            name: route.name.as_str().into(),
            route: route.address.as_str().into(),
            kind: route.link,
            profile,
            caller: own < route.node,
            wires: SmallVec::new(),
            calls: SmallVec::new(),
            next_call: now,
            alone: now,
            active: None,
            known: None,
            is_up: false,
            detect: Detect::new(&profile),
            next_beat: now,
            due: None,
            queue: Queue::new(profile.queue_dots, (profile.credit, profile.bulk)),
            refused: None,
            is_cramped: false,
            standing: Standing { is_used: is_only, is_wanted: is_only, has_failed: false, held: 0 },
            held_until: Instant::default(),
        }
    }

    /// Returns when the next tick is wanted.
    pub(super) const fn due(&self) -> Option<Instant> {
        self.due
    }
    /// A call was answered: with a connection, or not.
    pub(super) fn handle_connected(&mut self, cx: &mut PeerCx<'_>, op: OpId, conn: Option<ConnId>) {
        self.calls.retain(|call| *call != op);
        self.standing.has_failed |= conn.is_none();
        if let Some(conn) = conn {
            if self.active.is_some() || !self.standing.is_wanted {
                cx.outputs.push_back(Output::Close { conn, how: CloseHow::Abort });
            } else {
                self.wires.push(Wire::new(cx, conn, By::Us, &self.profile));
            }
        }
        self.settle(cx);
    }

    /// A connection that came in has shown this member's certificate.
    pub(super) fn adopt(&mut self, cx: &mut PeerCx<'_>, conn: ConnId) {
        if self.wires.len() >= WIRES_MAX
            && let Some(oldest) = self.wires.iter_mut().find(|wire| Some(wire.conn) != self.active)
        {
            oldest.close = Some(CloseHow::Abort);
        }
        let mut wire = Wire::new(cx, conn, By::Them, &self.profile);
        self.say_hello(cx, &mut wire);
        self.wires.push(wire);
        self.settle(cx);
    }

    /// TLS is done on a connection that this node has made; `ours`: it was this member's certificate.
    pub(super) fn handle_secured(&mut self, cx: &mut PeerCx<'_>, conn: ConnId, ours: bool) {
        let Some(at) = self.wire(conn) else { return };
        let mut wire = self.wires.remove(at);
        if ours {
            self.say_hello(cx, &mut wire);
        } else {
            self.refuse(cx, &mut wire, Bye::OtherKey);
        }
        self.wires.insert(at, wire);
        self.settle(cx);
    }

    /// Takes bytes of a connection in.
    pub(super) fn handle_bytes(&mut self, cx: &mut PeerCx<'_>, conn: ConnId, bytes: &Bytes) {
        // What is handled may end every connection, so this one is out of the list meanwhile.
        let Some(at) = self.wire(conn) else { return };
        let mut wire = self.wires.remove(at);
        wire.heard = cx.now;
        wire.reader.feed(bytes);
        while wire.close.is_none() {
            if wire.serves() && !self.is_up {
                // Whoever says more than who it is can be reached: that is told first.
                self.wires.insert(at.min(self.wires.len()), wire);
                self.activate(cx);
                let Some(at) = self.wire(conn) else { return };
                wire = self.wires.remove(at);
            }
            let said = wire.next_said();
            match said.and_then(|said| match said {
                Some((kind, body)) => self.handle_said(cx, &mut wire, kind, &body).map(|()| true),
                None => Ok(false),
            }) {
                Ok(true) => {}
                Ok(false) => break,
                Err(malformed) => {
                    self.be_refused(cx, malformed.words());
                    wire.bye(Bye::Malformed);
                }
            }
        }
        self.wires.insert(at.min(self.wires.len()), wire);
        self.settle(cx);
    }

    /// The peer will say nothing more on a connection.
    pub(super) fn handle_ended(&mut self, cx: &mut PeerCx<'_>, conn: ConnId) {
        if let Some(wire) = self.wire(conn).and_then(|at| self.wires.get_mut(at)) {
            wire.close = Some(CloseHow::Graceful);
        }
        self.settle(cx);
    }

    /// A connection is gone.
    pub(super) fn handle_closed(&mut self, cx: &mut PeerCx<'_>, conn: ConnId) {
        self.wires.retain(|wire| wire.conn != conn);
        self.settle(cx);
    }

    /// The time for Hello is over on a connection.
    pub(super) fn handle_late(&mut self, cx: &mut PeerCx<'_>, conn: ConnId) {
        let wire = self.wire(conn).and_then(|at| self.wires.get_mut(at));
        if let Some(wire) = wire.filter(|wire| !wire.serves()) {
            wire.bye(Bye::NoHello);
            self.standing.has_failed = true;
        }
        self.settle(cx);
    }

    /// The time has come that was asked for.
    pub(super) fn handle_tick(&mut self, cx: &mut PeerCx<'_>) {
        if self.due.is_some_and(|due| cx.now.since(due) > self.detect.heartbeat()) {
            self.detect.excuse(cx.now);
        }
        if self.is_up && self.detect.deadline() <= cx.now {
            self.fail(cx, "nothing came back from it");
        }
        self.settle(cx);
    }

    /// What the peer has said cannot be understood.
    pub(super) fn refuse_said(&mut self, cx: &mut PeerCx<'_>) {
        self.be_refused(cx, Malformed::Value.words());
        if let Some(wire) = self.wires.iter_mut().find(|wire| Some(wire.conn) == self.active) {
            wire.bye(Bye::Malformed);
        }
        self.settle(cx);
    }

    /// Returns what the peer is to be told and has not been told to be on its disk.
    pub(super) const fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Bounds the names that wait for the peer.
    #[cfg(test)]
    pub(super) const fn bound_queue(&mut self, dots: usize) {
        self.queue.dots_max = dots;
    }

    /// Lets any number of bytes be under way.
    #[cfg(test)]
    pub(super) fn free_queue(&mut self) {
        self.queue.free();
    }

    fn wire(&self, conn: ConnId) -> Option<usize> {
        self.wires.iter().position(|wire| wire.conn == conn)
    }

    /// Does what is due, once everything of an input has been taken in.
    fn settle(&mut self, cx: &mut PeerCx<'_>) {
        self.activate(cx);
        // Whatever another call came to.
        self.standing.has_failed &= self.active.is_none();
        self.close_superfluous(cx.now);
        self.beat(cx.now);
        self.flush(cx);
        self.call(cx);
        self.due = self.next_due(cx.now);
    }

    fn next_due(&self, now: Instant) -> Option<Instant> {
        let gone = self.is_up.then(|| self.detect.deadline());
        let said = self.wires.iter().any(|wire| wire.hello.is_some());
        let beat = said.then_some(self.next_beat);
        let turns = self.wires.iter().filter_map(|wire| wire.next_turn(now));
        [gone, beat, self.next_call_at()].into_iter().flatten().chain(turns).min()
    }
}
