//! Which connection serves, which are closed, and when the peer is called.

use smallvec::SmallVec;

use super::super::bye::Bye;
use super::super::peers::PeerCx;
use super::super::wire::{By, Wire};
use super::{CALLS_MAX, Link, WIRES_MAX};
use crate::exchange::FromPeer;
use crate::io::{ConnId, Dial, Output};
use crate::time::{Instant, Span};

impl Link {
    /// Whose connections stay when both sides have made one.
    const fn first(&self) -> By {
        if self.caller { By::Us } else { By::Them }
    }

    /// Returns whether so little has come over one connection since something came over it that another one is the better one.
    fn is_stale(&self, wire: &Wire, other: &Wire) -> bool {
        let patience = Span::from_micros(self.detect.heartbeat().as_micros() / 2 * 3);
        other.heard.since(wire.heard) > patience
    }

    /// Chooses the connection that serves. It stays so until it ends, the other side turns to another one, or one comes that
    /// the right side has made.
    fn choose(&self) -> Option<&Wire> {
        let serving = || self.wires.iter().filter(|wire| wire.serves());
        let best = serving().find(|wire| wire.by == self.first()).or_else(|| serving().next())?;
        let Some(active) = serving().find(|wire| Some(wire.conn) == self.active) else { return Some(best) };
        let latest = serving().max_by_key(|wire| wire.heard)?;
        if self.is_stale(active, latest) {
            Some(latest)
        } else {
            Some(if active.by == best.by { active } else { best })
        }
    }

    pub(super) fn activate(&mut self, cx: &mut PeerCx<'_>) {
        let chosen = self.choose();
        let conn = chosen.map(|wire| wire.conn);
        if conn == self.active {
            return;
        }
        let hello = chosen.and_then(|wire| wire.hello.clone());
        (self.active, cx.turned) = (conn, true);
        let Some(hello) = hello else {
            self.alone = cx.now;
            if self.refused.is_none() {
                self.next_call = cx.now;
            }
            return;
        };
        self.detect.resume(cx.now);
        self.standing.has_failed = false;
        if self.standing.is_used {
            self.queue.send_again();
        }
        cx.told.push(if core::mem::replace(&mut self.is_up, true) {
            FromPeer::Moved(self.node)
        } else {
            self.is_cramped = false;
            FromPeer::Up(self.node, hello)
        });
    }

    /// Closes what does not serve, where it is clear that it never will: the one that serves is the right one and was heard while both
    /// were there, or over this one nothing comes.
    pub(super) fn close_superfluous(&mut self, now: Instant) {
        let (first, bound) = (self.first(), self.detect.bound());
        let Some(active) = self.wires.iter().find(|wire| Some(wire.conn) == self.active) else { return };
        let (conn, by, heard) = (active.conn, active.by, active.heard);
        let stale = self.wires.iter().filter(|wire| self.is_stale(wire, active)).map(|wire| wire.conn);
        let stale: SmallVec<[ConnId; WIRES_MAX]> = stale.collect();
        for wire in self.wires.iter_mut().filter(|wire| wire.serves() && wire.conn != conn) {
            if now.since(wire.heard) > bound || stale.contains(&wire.conn) {
                wire.abort();
            } else if heard > wire.since
                && ((by == first && wire.by != first) || (by, wire.by) == (By::Us, By::Us))
            {
                wire.bye(Bye::Superseded);
            }
        }
    }

    /// Calls the peer when it is this node's turn.
    pub(super) fn call(&mut self, cx: &mut PeerCx<'_>) {
        if self.next_call_at().is_some_and(|at| at <= cx.now) {
            let op = (cx.number)();
            let how = Dial { link: self.kind, give_up: self.profile.dial_give_up };
            self.calls.push(op);
            self.next_call = cx.now + self.profile.dial_every;
            cx.called.push((op, self.node));
            cx.outputs.push_back(Output::Connect { op, route: self.route.clone(), how });
        }
    }

    /// Returns when the next call goes out; nothing while one more has to wait for those before it.
    pub(super) fn next_call_at(&self) -> Option<Instant> {
        let made = self.wires.iter().filter(|wire| wire.by == By::Us).count() + self.calls.len();
        if self.active.is_some() || made >= CALLS_MAX || !self.standing.is_wanted {
            return None;
        }
        let every = self.profile.dial_every;
        let turn = if self.caller { self.alone } else { self.alone + every + every };
        Some(self.next_call.max(turn))
    }
}
