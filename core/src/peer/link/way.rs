//! A link as one of several ways to a peer: whether it is called, whether it is used, whether there is hope for it.

use bytes::Bytes;

use super::super::bye::Bye;
use super::super::frame::{Kind, Lane};
use super::super::peers::PeerCx;
use super::super::profile::Profile;
use super::super::wire::Wire;
use super::Link;
use crate::config::LinkKind;
use crate::io::{ConnId, OpId};
use crate::replica::Origin;
use crate::time::Instant;

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
        Some(if self.standing.has_failed { alone } else { alone + self.profile.dial_give_up })
    }

    /// Returns the connection that serves, and what the way is like.
    pub(in crate::peer) fn serving(&self) -> Option<(ConnId, LinkKind)> {
        Some((self.active?, self.kind))
    }

    /// Says something on the connection that serves, for the links themselves.
    pub(in crate::peer) fn pass(&mut self, cx: &mut PeerCx<'_>, kind: Kind, body: Vec<u8>) {
        if let Some(wire) = self.wires.iter_mut().find(|wire| Some(wire.conn) == self.active && wire.serves())
        {
            wire.lanes.push(Lane::Live, kind, body);
        }
        self.flush(cx);
    }

    /// Holds to what the slowest link of a path is like, from the next connection on.
    pub(in crate::peer) fn suit(&mut self, kind: LinkKind) {
        if self.kind != kind && self.wires.is_empty() {
            (self.kind, self.profile) = (kind, Profile::of(kind));
            self.detect.agree(self.profile.heartbeat, self.profile.silent);
        }
    }

    /// There is no path any more.
    pub(in crate::peer) fn lose_path(&mut self, cx: &mut PeerCx<'_>) {
        self.wires.iter_mut().for_each(Wire::abort);
        if self.is_up {
            self.fail(cx, "no way is left to it");
        }
        self.settle(cx);
    }

    /// Returns when a connection over which no Hello has come is given up.
    pub(in crate::peer) fn late_at(&self) -> Option<Instant> {
        let give_up = self.profile.dial_give_up;
        self.wires.iter().filter(|wire| !wire.serves()).map(|wire| wire.since + give_up + give_up).min()
    }

    /// Gives up the connections over which no Hello has come in time.
    pub(in crate::peer) fn expire(&mut self, cx: &mut PeerCx<'_>) {
        let give_up = self.profile.dial_give_up;
        let late = |wire: &&mut Wire| !wire.serves() && wire.since + give_up + give_up <= cx.now;
        self.wires.iter_mut().filter(late).for_each(Wire::abort);
        self.standing.has_failed = true;
        self.settle(cx);
    }

    /// Gives what is the same on every way to the one that is run next.
    pub(in crate::peer) const fn lend(&mut self, to: &mut Self) {
        core::mem::swap(&mut self.queue, &mut to.queue);
        to.known = self.known;
    }

    /// Says whether the peer is called on this way while nothing connects.
    pub(in crate::peer) fn want(&mut self, cx: &mut PeerCx<'_>, wanted: bool) {
        if wanted && !core::mem::replace(&mut self.standing.is_wanted, wanted) {
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
        self.queue.bound(self.profile.queue_dots, self.profile.credit);
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
