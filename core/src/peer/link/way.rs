//! A link as one of several ways to a peer: whether it is called, whether it is used, whether there is hope for it.

use bytes::Bytes;

use super::super::bye::Bye;
use super::super::peers::PeerCx;
use super::super::wire::Wire;
use super::Link;
use crate::exchange::{FromPeer, Hello};
use crate::io::{ConnId, OpId};
use crate::replica::Origin;
use crate::time::{Instant, Span};

/// A way that the other side does not want beside the one that is used is called after so many times the usual time,
const HELD_WAIT: u64 = 10;
/// which doubles so often.
const HELD_MAX: u32 = 6;

impl Link {
    /// Returns whether a connection goes this way.
    pub(in crate::peer) fn has(&self, conn: ConnId) -> bool {
        self.wire(conn).is_some()
    }

    /// Returns whether it waits for the answer to a call.
    pub(in crate::peer) fn has_called(&self, op: OpId) -> bool {
        self.calls.contains(&op)
    }

    /// Returns the latest start of the peer that is known.
    pub(in crate::peer) const fn known(&self) -> Option<Origin> {
        self.known
    }

    /// Returns whether a connection with that start of the peer serves.
    pub(in crate::peer) fn connects(&self, start: Option<Origin>) -> bool {
        let active = self.wires.iter().find(|wire| Some(wire.conn) == self.active);
        active.and_then(|wire| wire.hello.as_ref()).is_some_and(|hello| Some(hello.origin) == start)
    }

    /// Returns whether the other side may have spoken.
    pub(in crate::peer) fn has_greeted(&self) -> bool {
        self.wires.iter().any(|wire| wire.hello.is_some() && wire.close.is_none())
    }

    /// Returns what the peer has said of itself on the connection that serves.
    pub(in crate::peer) fn hello(&self) -> Option<&Hello> {
        self.wires.iter().find(|wire| Some(wire.conn) == self.active)?.hello.as_ref()
    }

    /// The node is told that the peer is gone: the next connection is told as one with a peer that was.
    pub(in crate::peer) const fn part(&mut self) {
        self.is_up &= self.active.is_some();
    }

    /// The other side has closed what connected them, as it has a better way: the two do not rank their ways alike.
    pub(in crate::peer) fn hold(&mut self, cx: &mut PeerCx<'_>) {
        let times = HELD_WAIT << self.standing.held.min(HELD_MAX);
        let wait = self.profile.dial_every.as_micros().saturating_mul(times);
        // The other side may just have turned to a way that this node turns to in a moment.
        if self.standing.held == 1 {
            cx.told.push(FromPeer::Refused(
                Some(self.node),
                "it uses another way, which is worse for this node",
            ));
        }
        self.standing.held = self.standing.held.saturating_add(1);
        self.held_until = cx.now + Span::from_micros(wait);
    }

    /// Nothing is a reason any more not to call.
    pub(in crate::peer) fn release(&mut self) {
        self.held_until = Instant::default();
    }

    /// Returns when the peer was last known to hear this node on this way.
    pub(in crate::peer) const fn proven(&self) -> Instant {
        self.detect.proven()
    }

    /// Returns whether the peer is called on this way while nothing connects.
    pub(in crate::peer) const fn is_wanted(&self) -> bool {
        self.standing.is_wanted
    }

    /// Returns from when on another way is tried beside this one; nothing while a connection serves.
    pub(in crate::peer) fn hopeless_at(&self) -> Option<Instant> {
        let alone = self.active.is_none().then_some(self.alone)?;
        let give_up = self.profile.dial_give_up;
        let last = if self.standing.has_failed { alone } else { alone + give_up };
        // Who has answered may take as long again for the greeting, but only once.
        let greeting = self.wires.iter().filter(|wire| wire.close.is_none()).map(|wire| wire.since + give_up);
        Some(last.max(greeting.min().unwrap_or(last).min(alone + give_up + give_up)))
    }

    /// Gives what is the same on every way to the one that is run next.
    pub(in crate::peer) const fn lend(&mut self, to: &mut Self) {
        core::mem::swap(&mut self.queue, &mut to.queue);
        to.known = self.known;
    }

    /// Says whether the peer is called on this way while nothing connects.
    pub(in crate::peer) fn want(&mut self, cx: &mut PeerCx<'_>, wanted: bool) {
        if wanted && !core::mem::replace(&mut self.standing.is_wanted, wanted) {
            self.standing.held = 0;
            self.release();
            (self.alone, self.next_call, self.standing.has_failed) =
                (cx.now, self.next_call.max(cx.now), false);
            self.settle(cx);
        }
        self.standing.is_wanted = wanted;
    }

    /// Says that another way is used.
    pub(in crate::peer) const fn spare(&mut self) {
        self.standing.is_used = false;
    }

    /// From here on this is the way that is used: what was under way on another one may be lost.
    pub(in crate::peer) fn take_over(&mut self, cx: &mut PeerCx<'_>) {
        self.standing.is_used = true;
        self.standing.held = 0;
        self.release();
        self.queue.bound(self.profile.queue_dots, (self.profile.credit, self.profile.bulk));
        self.queue.send_again();
        self.settle(cx);
    }

    /// Closes what is older than the last proof that the way works which is used.
    pub(in crate::peer) fn rest(&mut self, cx: &mut PeerCx<'_>, proven: Instant) {
        let mut closed = false;
        for wire in self.wires.iter_mut().filter(|wire| wire.since < proven && wire.close.is_none()) {
            wire.bye(Bye::Superseded);
            closed = true;
        }
        if closed {
            self.is_up = false;
            self.settle(cx);
        }
    }

    /// Closes everything: the peer is known to have ended, or another start of it runs.
    pub(in crate::peer) fn forget(&mut self, cx: &mut PeerCx<'_>, start: Option<Origin>) {
        let old = |wire: &&mut Wire| wire.hello.as_ref().is_some_and(|hello| Some(hello.origin) != start);
        let mut closed = false;
        for wire in self.wires.iter_mut().filter(old) {
            wire.abort();
            closed = true;
        }
        if closed {
            self.is_up = false;
            self.settle(cx);
        }
    }

    /// Takes over a connection that has come in, and what has come over it.
    pub(in crate::peer) fn place(&mut self, cx: &mut PeerCx<'_>, conn: ConnId, bytes: &Bytes) {
        self.adopt(cx, conn);
        self.handle_bytes(cx, conn, bytes);
    }
}
