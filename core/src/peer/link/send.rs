//! What the peer is told, and how much of it is handed over.

use super::super::entry::DurableFrame;
use super::super::frame::{Kind, Lane};
use super::super::peers::PeerCx;
use super::super::words;
use super::Link;
use crate::exchange::{FromPeer, GroupId, Haste, ToPeer};
use crate::replica::Dot;
use crate::time::Instant;

impl Link {
    /// Tells the peer something. While no connection serves it is lost: what the node is told of a connection that serves says
    /// what it has to tell again.
    pub(in crate::peer) fn say(&mut self, cx: &mut PeerCx<'_>, what: &ToPeer) {
        let active = self.active.and_then(|conn| self.wire(conn));
        // The other side may have spoken on one that it found to serve before this one does. A commit counts where all of it was said.
        let spoken = || self.wires.iter().rposition(|wire| wire.hello.is_some() && wire.close.is_none());
        let at = active.or_else(|| if matches!(what, ToPeer::Looked(..)) { None } else { spoken() });
        if let Some(wire) = at.and_then(|at| self.wires.get_mut(at)) {
            // No commit follows what it does not take.
            let mut said = words::of(cx, what).into_iter();
            _ = said.all(|(lane, kind, body)| wire.lanes.push(lane, kind, body));
        }
        self.flush(cx);
    }

    /// Takes note of what the peer is to be told, and tells it as much as may be under way.
    pub(in crate::peer) fn tell(&mut self, cx: &mut PeerCx<'_>, own: &[(GroupId, Dot)]) {
        let mut dropped = false;
        for (group, dot) in own {
            dropped |= self.queue.push(*group, *dot);
        }
        self.lose(cx, dropped);
        self.settle(cx);
    }

    /// Tells the peer that what it has written is durable here. When nothing connects them, it will say it again, and is told then.
    pub(in crate::peer) fn confirm(&mut self, durable: &DurableFrame) {
        let active = self.active;
        if let Some(wire) = self.wires.iter_mut().find(|wire| Some(wire.conn) == active && wire.serves()) {
            let mut body = Vec::new();
            durable.write(&mut body);
            wire.lanes.push(Lane::Live, Kind::Durable, body);
        }
    }

    /// Says on each connection that this node is there, when it is time: it tells the other side, too, that its Hello was taken.
    pub(super) fn beat(&mut self, now: Instant) {
        let due = now >= self.next_beat;
        if due {
            self.next_beat = now + self.detect.heartbeat();
        }
        for wire in self.wires.iter_mut().filter(|wire| wire.hello.is_some() && wire.close.is_none()) {
            let has_beaten = core::mem::replace(&mut wire.has_beaten, true);
            if due || !has_beaten {
                let mut body = Vec::new();
                self.detect.beat(now, &wire.pulse).write(&mut body);
                wire.lanes.push(Lane::Liveness, Kind::Beat, body);
            }
        }
    }

    /// Hands to the connection that serves what was written here, as much as may be under way.
    pub(super) fn fill(&mut self, cx: &mut PeerCx<'_>) {
        let active = self.active.filter(|_| self.standing.is_used);
        let Some(wire) = self.wires.iter_mut().find(|wire| Some(wire.conn) == active && wire.serves()) else {
            return;
        };
        let mut lost = false;
        while let Some((group, dot)) = self.queue.next() {
            let Some(sealed) = cx.around.supply.sealed(group, dot) else {
                lost = true;
                continue;
            };
            let (lane, kind, body) = words::entry(cx, group, (Haste::Live, sealed));
            let bytes = body.len();
            if wire.lanes.push(lane, kind, body) {
                self.queue.send(group, dot, bytes);
            } else {
                lost = true;
            }
        }
        self.lose(cx, lost);
    }

    /// Takes note of whether something cannot be sent any more that the peer was to be told.
    fn lose(&mut self, cx: &mut PeerCx<'_>, lost: bool) {
        if lost {
            let newly = self.queue.lose();
            cx.told.push(FromPeer::Behind(self.node, newly));
        }
    }

    /// Hands everything over that waits, and closes what is to be closed.
    pub(super) fn flush(&mut self, cx: &mut PeerCx<'_>) {
        let mut lanes = self.wires.iter_mut().map(|wire| &mut wire.lanes);
        if lanes.any(|lanes| core::mem::take(&mut lanes.has_dropped))
            && !core::mem::replace(&mut self.is_cramped, true)
        {
            cx.told.push(FromPeer::TooLong(self.node));
        }
        self.wires.retain(|wire| wire.flush(cx));
    }
}
