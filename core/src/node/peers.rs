//! Other nodes: what arrives for their links, and what links tell. Carries values, decides nothing.

use super::Node;
use crate::exchange::FromPeer;
use crate::io::{CloseHow, ConnId, ConnKind, Input, Output};
use crate::peer::{Around, PeerCx, Peers};
use crate::service::effect::Effect;
use crate::time::Now;
use crate::timers::Timer;
use crate::trace::Event;

/// Bytes of the longest stanza that any member lets its clients say, whatever this one does: what it did not take of the others it would
/// never hold, nor what stands behind that. No configuration allows more.
const STANZA_BYTES: u32 = 32 << 20;
/// Bytes of the longest thing that nodes tell each other, beside those of a stanza: it may name several of the longest addresses.
const PART_BYTES: u32 = 16 * 1024;
/// Bytes of the longest thing that this node takes from whoever lets it join: the largest roll.
pub(super) const PART_MAX: u32 = 1 << 20;

impl Node {
    /// Begins to call the other nodes.
    pub(super) fn begin_peers(&mut self) {
        self.with_peers(Peers::begin);
    }

    /// Gives an input to the links if it is for them; returns it if not.
    pub(super) fn offer_to_peers(&mut self, now: Now, input: Input) -> Option<Input> {
        match input {
            Input::Opened { conn, kind: ConnKind::Peer, peer } => {
                let wanted = self.with_peers(|peers, cx| peers.handle_opened(cx, conn, peer));
                self.greet(now, conn, wanted);
            }
            Input::Connected { op, outcome } => {
                let conn = outcome.ok();
                let wanted = self.with_peers(|peers, cx| peers.handle_connected(cx, op, conn));
                if let Some(conn) = conn {
                    self.greet(now, conn, wanted);
                }
            }
            Input::Secured { conn, tls } if self.peers.has(conn) => {
                self.with_peers(|peers, cx| peers.handle_secured(cx, conn, &tls));
            }
            Input::Received { conn, bytes } if self.peers.has(conn) => {
                self.with_peers(|peers, cx| peers.handle_bytes(cx, conn, &bytes));
            }
            Input::Ended { conn } if self.peers.has(conn) => {
                self.with_peers(|peers, cx| peers.handle_ended(cx, conn));
            }
            Input::Closed { conn, .. } if self.peers.has(conn) => {
                self.timers.disarm(Timer::Greeting(conn));
                self.with_peers(|peers, cx| peers.handle_closed(cx, conn));
            }
            other @ (Input::Opened { .. }
            | Input::Secured { .. }
            | Input::Received { .. }
            | Input::Flushed { .. }
            | Input::Ended { .. }
            | Input::Closed { .. }
            | Input::Stored { .. }
            | Input::Loaded { .. }
            | Input::Derived { .. }
            | Input::Command { .. }
            | Input::Tick) => return Some(other),
        }
        None
    }

    /// The time for a Hello is over.
    pub(super) fn end_greeting(&mut self, conn: ConnId) {
        self.with_peers(|peers, cx| peers.handle_late(cx, conn));
    }

    /// The time has come that the link to a node has asked for.
    pub(super) fn tick_peer(&mut self, node: u32) {
        self.with_peers(|peers, cx| peers.handle_tick(cx, node));
    }

    /// Takes leave of the other nodes.
    pub(super) fn stop_peers(&mut self) {
        self.with_peers(Peers::stop);
        self.groups.handle_stop();
    }

    /// Gives a new connection the time for its Hello. Without a cluster nobody is listened to.
    fn greet<T>(&mut self, now: Now, conn: ConnId, taken: Option<T>) {
        match (&self.config.cluster, taken) {
            (Some(cluster), Some(_)) => {
                let time = Peers::greeting_time(cluster, self.config.limits.login_time);
                self.timers.arm(Timer::Greeting(conn), now.mono + time);
            }
            (_, _) => self.outputs.push_back(Output::Close { conn, how: CloseHow::Abort }),
        }
    }

    /// Returns what the observers are told of what a link has told.
    fn event_of(&self, said: &FromPeer) -> Option<Event> {
        let name = |node: u32| self.peer_name(node);
        Some(match said {
            FromPeer::Up(node, hello) => Event::PeerUp { peer: name(*node), origin: hello.origin },
            FromPeer::Moved(node) => Event::PeerMoved { peer: name(*node) },
            FromPeer::Over(node, route) => Event::PeerRoute { peer: name(*node), route: route.clone() },
            FromPeer::Down(node, why) => Event::PeerDown { peer: name(*node), why },
            FromPeer::Refused(node, why) => Event::PeerRefused { peer: node.map(name), why },
            FromPeer::Behind(node, true) => Event::PeerBehind { peer: name(*node) },
            FromPeer::TooLong(node) => Event::PeerTooSmall { peer: name(*node) },
            FromPeer::Behind(_, false)
            | FromPeer::Outdated(_)
            | FromPeer::Entries(..)
            | FromPeer::Owned(..)
            | FromPeer::OwnedSince(..)
            | FromPeer::Routed(..)
            | FromPeer::Have(..)
            | FromPeer::Commit(..)
            | FromPeer::Granted(..)
            | FromPeer::RollSum(..)
            | FromPeer::Roll(..)
            | FromPeer::Forgotten
            | FromPeer::Guest(..)
            | FromPeer::Durable(..) => return None,
        })
    }

    /// Runs the links, then does what they want; nothing where there is no cluster.
    pub(super) fn with_peers<T>(&mut self, run: impl FnOnce(&mut Peers, &mut PeerCx<'_>) -> T) -> Option<T> {
        let cluster = self.config.cluster.as_ref()?;
        let part_max = self.config.limits.stanza_bytes.max(STANZA_BYTES).saturating_add(PART_BYTES);
        let (ops, origin) = (&mut self.ops, self.ledger.origin());
        let mut number = || ops.number();
        let domains = self.config.domains.as_slice();
        let is_open = self.membership.roll.as_ref().is_some_and(|roll| roll.is_open(self.membership.wall_ms));
        let roll = self.membership.roll.as_ref();
        let is_forgotten = |key: &[u8; 32]| roll.is_some_and(|roll| roll.has_forgotten(key));
        let (supply, crowd, is_forgotten) = (&self.groups, &self.elsewhere, &is_forgotten);
        let around = Around { cluster, domains, origin, part_max, is_open, is_forgotten, supply, crowd };
        let mut cx = PeerCx::new(self.mono, around, &mut number, &mut self.outputs);
        let done = run(&mut self.peers, &mut cx);
        let told = cx.told;
        for (node, due) in self.peers.due() {
            self.timers.set(Timer::Peer(node), due);
        }
        for said in told {
            if let FromPeer::Entries(from, group, entries) = said {
                self.effects.push_back(Effect::Entries(from, group, entries));
                continue;
            }
            self.effects.extend(self.event_of(&said).map(Effect::Trace));
            self.effects.push_back(Effect::FromPeer(said));
        }
        Some(done)
    }
}
