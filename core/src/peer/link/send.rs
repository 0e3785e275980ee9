//! What the peer is told, and how much of it is handed over.

use std::collections::{BTreeMap, BTreeSet};

use super::super::entry::DurableFrame;
use super::super::frame::{Kind, Lane};
use super::super::peers::PeerCx;
use super::super::wire::Flushed;
use super::super::{owned, words};
use super::Link;
use crate::exchange::{FromPeer, GroupId, Haste, ToPeer};
use crate::jid::BareJid;
use crate::replica::Dot;
use crate::time::Instant;

/// Frames of each haste that wait as bytes. Beyond: names do.
const AHEAD_FRAMES: usize = 4;

impl Link {
    /// Tells the peer something. While no connection serves it is lost: what the node is told of a connection that serves says
    /// what it has to tell again.
    pub(in crate::peer) fn say(&mut self, cx: &mut PeerCx<'_>, what: &ToPeer) {
        let active = self.active.and_then(|conn| self.wire(conn));
        // The other side may have spoken on one that it found to serve before this one does. A commit counts where all of it was said.
        let spoken = || self.wires.iter().rposition(|wire| wire.hello.is_some() && wire.close.is_none());
        let at = active.or_else(|| if matches!(what, ToPeer::Looked(..)) { None } else { spoken() });
        if let Some(wire) = at.and_then(|at| self.wires.get_mut(at)) {
            if let ToPeer::Owned(frame) = what
                && wire.lanes.fold_last(Lane::State, Kind::Owned, |last| owned::fold(last, frame))
            {
                return;
            }
            // No commit follows what it does not take.
            let mut said = words::of(cx, what).into_iter();
            _ = said.all(|said| wire.push(cx.now, said));
        }
        self.flush(cx);
        self.due = self.next_due(cx.now);
    }

    /// Takes note of what the peer is to be told, and tells it as much as may be under way.
    pub(in crate::peer) fn tell(&mut self, cx: &mut PeerCx<'_>, own: &[(GroupId, Dot)]) {
        let mut dropped = false;
        for (group, dot) in own {
            let about = cx.around.supply.about(*group, *dot);
            let is_there = |account: &BareJid| cx.around.crowd.has_session(self.node, account.as_str());
            let haste = match about {
                Some(about) if about.accounts.iter().any(is_there) => about.haste,
                Some(about) => about.apart,
                None => Haste::Bulk,
            };
            let talker = about.and_then(|about| about.talker.clone());
            dropped |= self.queue.push(haste, &talker, (*group, *dot));
            if haste == Haste::Live {
                self.hasten(cx, vec![(*group, *dot)]);
            }
        }
        self.lose(cx, dropped);
        self.settle(cx);
    }

    /// Somebody has come to the peer: what waits for them goes as what somebody waits for.
    pub(in crate::peer) fn handle_come(&mut self, cx: &mut PeerCx<'_>) {
        let around = &cx.around;
        let mut there: BTreeMap<&BareJid, bool> = BTreeMap::new();
        let mut wanted = Vec::new();
        for (group, dot) in self.queue.unwanted() {
            let about = around.supply.about(group, dot).filter(|about| about.haste == Haste::Live);
            for account in about.into_iter().flat_map(|about| &about.accounts) {
                let is_there = || around.crowd.has_session(self.node, account.as_str());
                if *there.entry(account).or_insert_with(is_there) {
                    wanted.push((group, dot));
                }
            }
        }
        self.hasten(cx, wanted);
        self.settle(cx);
    }

    /// Lets names go as what somebody waits for, and what has to be shown before them.
    fn hasten(&mut self, cx: &PeerCx<'_>, mut names: Vec<(GroupId, Dot)>) {
        let mut all: BTreeSet<_> =
            names.iter().copied().filter(|name| self.queue.is_unwanted(name)).collect();
        while let Some((group, dot)) = names.pop() {
            let past = cx.around.supply.about(group, dot).map(|about| &about.past);
            for before in past.into_iter().flatten().map(|before| (group, *before)) {
                if self.queue.is_unwanted(&before) && all.insert(before) {
                    names.push(before);
                }
            }
        }
        self.queue.hasten(&all);
    }

    /// Tells the peer that what it has written is durable here. When nothing connects them, it will say it again, and is told then.
    pub(in crate::peer) fn confirm(&mut self, now: Instant, durable: &DurableFrame) {
        let active = self.active;
        if let Some(wire) = self.wires.iter_mut().find(|wire| Some(wire.conn) == active && wire.serves()) {
            let mut body = Vec::new();
            durable.write(&mut body);
            wire.push(now, (Lane::Live, Kind::Durable, body));
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
                wire.push(now, (Lane::Liveness, Kind::Beat, body));
            }
        }
    }

    /// Lets of what was written here as much wait on the connection that serves as goes next: what waits longer waits by its name.
    fn fill(&mut self, cx: &mut PeerCx<'_>) {
        let active = self.active.filter(|_| self.standing.is_used);
        let Some(wire) = self.wires.iter_mut().find(|wire| Some(wire.conn) == active && wire.serves()) else {
            return;
        };
        let mut lost = false;
        for haste in Haste::ALL {
            while wire.lanes.bytes(words::lane(haste)) < AHEAD_FRAMES * usize::from(wire.frame_max)
                && let Some((talker, (group, dot))) = self.queue.next(haste)
            {
                let Some(sealed) = cx.around.supply.sealed(group, dot) else {
                    lost = true;
                    continue;
                };
                let said = words::entry(cx, group, (haste, sealed));
                let bytes = said.2.len();
                if wire.push(cx.now, said) {
                    self.queue.send(haste, (talker, (group, dot)), bytes);
                } else {
                    lost = true;
                }
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

    /// Hands over as much as the ways take, and closes what is to be closed.
    pub(super) fn flush(&mut self, cx: &mut PeerCx<'_>) {
        loop {
            self.fill(cx);
            let (active, mut goes_on) = (self.active, false);
            self.wires.retain(|wire| {
                let flushed = wire.flush(cx);
                goes_on |= flushed == Flushed::Some && Some(wire.conn) == active;
                flushed != Flushed::Over
            });
            if !goes_on {
                break;
            }
        }
        let mut lanes = self.wires.iter_mut().map(|wire| &mut wire.lanes);
        if lanes.any(|lanes| core::mem::take(&mut lanes.has_dropped))
            && !core::mem::replace(&mut self.is_cramped, true)
        {
            cx.told.push(FromPeer::TooLong(self.node));
        }
    }
}
