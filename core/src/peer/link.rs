//! The machine of one peer: its connections, who calls, what it says of itself, whether it is there.
//!
//! One connection serves at a time. The node with the lesser number calls; the other one does as well when that takes too
//! long. A connection that breaks is made again before anybody hears of it; the peer counts as gone when nothing has come back
//! for as long as its way allows (docs/adr/0023-links.md, docs/adr/0024-failure-detection.md).

mod leave;

use bytes::Bytes;
use smallvec::SmallVec;

use super::beat::Beat;
use super::bye::Bye;
use super::detect::Detect;
use super::entry::DurableFrame;
use super::frame::{Kind, Lane, Malformed};
use super::peers::PeerCx;
use super::profile::Profile;
use super::queue::Queue;
use super::wire::{By, Wire};
use super::{hello, words};
use crate::config::{LinkKind, StaticMember};
use crate::exchange::{FromPeer, GroupId, Haste, Hello, ToPeer};
use crate::io::{CloseHow, ConnId, Dial, OpId, Output};
use crate::replica::{Dot, Origin};
use crate::time::{Instant, Span};

/// Calls and connections without a Hello that this node has made, at once.
const CALLS_MAX: usize = 2;
/// Connections with one peer, those included. Beyond: the oldest that does not serve is closed.
const WIRES_MAX: usize = 6;
/// After a refusal the next call waits for so many times the usual time.
const REFUSED_WAIT: u64 = 10;

/// The link to one member of the cluster.
#[derive(Debug)]
pub(super) struct Link {
    node: u32,
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
}

impl Link {
    /// Creates the link to `member` of a node with the number `own`.
    pub(super) fn new(own: u32, member: &StaticMember, now: Instant) -> Self {
        let profile = Profile::of(member.link);
        Self {
            node: member.node,
            route: member.route.as_str().into(),
            kind: member.link,
            profile,
            caller: own < member.node,
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
            queue: Queue::new(profile.queue_dots, profile.credit),
            refused: None,
            is_cramped: false,
        }
    }

    /// Returns when the next tick is wanted.
    pub(super) const fn due(&self) -> Option<Instant> {
        self.due
    }
    /// A call was answered: with a connection, or not.
    pub(super) fn handle_connected(&mut self, cx: &mut PeerCx<'_>, op: OpId, conn: Option<ConnId>) {
        self.calls.retain(|call| *call != op);
        if let Some(conn) = conn {
            if self.active.is_some() {
                cx.outputs.push_back(Output::Close { conn, how: CloseHow::Abort });
            } else {
                self.wires.push(Wire::new(cx, conn, By::Us, self.profile.frame_max));
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
        let mut wire = Wire::new(cx, conn, By::Them, self.profile.frame_max);
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

    /// Tells the peer something. While no connection serves it is lost: what the node is told of a connection that serves says
    /// what it has to tell again.
    pub(super) fn say(&mut self, cx: &mut PeerCx<'_>, what: &ToPeer) {
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
    pub(super) fn tell(&mut self, cx: &mut PeerCx<'_>, own: &[(GroupId, Dot)]) {
        let mut dropped = false;
        for (group, dot) in own {
            dropped |= self.queue.push(*group, *dot);
        }
        self.lose(cx, dropped);
        self.settle(cx);
    }

    /// Tells the peer that what it has written is durable here. When nothing connects them, it will say it again, and is told then.
    pub(super) fn confirm(&mut self, durable: &DurableFrame) {
        let active = self.active;
        if let Some(wire) = self.wires.iter_mut().find(|wire| Some(wire.conn) == active && wire.serves()) {
            let mut body = Vec::new();
            durable.write(&mut body);
            wire.lanes.push(Lane::Live, Kind::Durable, body);
        }
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

    /// Takes note of whether something cannot be sent any more that the peer was to be told.
    fn lose(&mut self, cx: &mut PeerCx<'_>, lost: bool) {
        if lost {
            let newly = self.queue.lose();
            cx.told.push(FromPeer::Behind(self.node, newly));
        }
    }

    fn wire(&self, conn: ConnId) -> Option<usize> {
        self.wires.iter().position(|wire| wire.conn == conn)
    }

    fn handle_said(
        &mut self,
        cx: &mut PeerCx<'_>,
        wire: &mut Wire,
        kind: u8,
        body: &Bytes,
    ) -> Result<(), Malformed> {
        match (Kind::from_number(kind), &wire.hello) {
            (Some(Kind::Hello), None) => {
                let hello = hello::read(body)?;
                self.greet(cx, wire, hello);
            }
            (Some(Kind::Bye), _) => {
                let (reason, known) = (Bye::read(body)?, Bye::read_known(body));
                cx.told.extend(known.map(FromPeer::Outdated));
                self.handle_bye(cx, wire, reason);
            }
            (Some(Kind::Beat), Some(_)) => {
                let serves = self.active.is_none_or(|active| active == wire.conn);
                self.detect.handle(cx.now, (&mut wire.pulse, serves), &Beat::read(body)?)?;
                wire.welcome = true;
                self.refused = None;
            }
            (Some(kind @ (Kind::Entry | Kind::Durable)), Some(_)) => {
                words::hear(cx, (self.node, &mut self.queue), kind, body)?;
            }
            (
                Some(
                    kind @ (Kind::Owned
                    | Kind::OwnedSince
                    | Kind::Routed
                    | Kind::Have
                    | Kind::Commit
                    | Kind::Granted
                    | Kind::RollSum
                    | Kind::Roll),
                ),
                Some(_),
            ) if wire.welcome => words::hear(cx, (self.node, &mut self.queue), kind, body)?,
            (
                Some(
                    Kind::Hello
                    | Kind::Beat
                    | Kind::Entry
                    | Kind::Durable
                    | Kind::Owned
                    | Kind::OwnedSince
                    | Kind::Routed
                    | Kind::Have
                    | Kind::Commit
                    | Kind::Granted
                    | Kind::RollSum
                    | Kind::Roll
                    | Kind::Join
                    | Kind::Admitted,
                ),
                _,
            )
            | (None, None) => return Err(Malformed::Order),
            // A later version has more kinds.
            (None, Some(_)) => {}
        }
        Ok(())
    }

    /// The peer says who it is.
    fn greet(&mut self, cx: &mut PeerCx<'_>, wire: &mut Wire, said: Hello) {
        let origin = said.origin;
        let outdated = |known: Origin| known != origin && !origin.succeeds(known);
        let common = (said.versions.0.max(hello::VERSIONS.0), said.versions.1.min(hello::VERSIONS.1));
        let wrong = if said.cluster != cx.around.cluster.id {
            Some(Bye::OtherCluster)
        } else if common.0 > common.1 {
            Some(Bye::NoVersion)
        } else if origin.node != self.node {
            Some(Bye::OtherKey)
        } else {
            self.known.is_some_and(outdated).then_some(Bye::OldIncarnation)
        };
        if let Some(reason) = wrong {
            return self.refuse(cx, wire, reason);
        }
        if self.known != Some(origin) {
            if self.is_up {
                self.fail(cx, "it has started anew");
            }
            self.wires.iter_mut().filter(|other| other.hello.is_some()).for_each(Wire::abort);
            self.known = Some(origin);
        }
        wire.frame_max = wire.frame_max.min(said.frame_max);
        wire.lanes.part_max = said.part_max as usize;
        let heartbeat = self.profile.heartbeat.max(said.heartbeat);
        self.detect.agree(heartbeat, self.profile.silent.max(said.silent));
        // Before they agreed it may have been much later.
        self.next_beat = self.next_beat.min(cx.now + heartbeat);
        wire.hello = Some(said);
    }

    fn handle_bye(&mut self, cx: &mut PeerCx<'_>, wire: &mut Wire, reason: Option<Bye>) {
        wire.close = Some(CloseHow::Graceful);
        match reason {
            Some(Bye::Superseded) => {}
            Some(Bye::Stopping) => {
                if self.is_up && self.active == Some(wire.conn) {
                    self.fail(cx, Bye::Stopping.words());
                }
            }
            Some(
                reason @ (Bye::OtherCluster
                | Bye::NoVersion
                | Bye::NotMember
                | Bye::OtherKey
                | Bye::OldIncarnation
                | Bye::Malformed
                | Bye::NoHello
                | Bye::NotJoined(_)),
            ) => self.be_refused(cx, reason.words_of_us()),
            Some(Bye::Forgotten) => {
                self.be_refused(cx, Bye::Forgotten.words_of_us());
                cx.told.push(FromPeer::Forgotten);
            }
            None => self.be_refused(cx, "for a reason that only later versions know"),
        }
    }

    fn say_hello(&self, cx: &PeerCx<'_>, wire: &mut Wire) {
        let Some(own) = cx.around.cluster.own() else { return };
        let said = Hello {
            versions: hello::VERSIONS,
            cluster: cx.around.cluster.id,
            origin: cx.around.origin,
            name: own.name.as_str().into(),
            site: own.site.as_str().into(),
            heartbeat: self.profile.heartbeat,
            silent: self.profile.silent,
            frame_max: self.profile.frame_max,
            part_max: cx.around.part_max,
        };
        let mut body = Vec::new();
        hello::write(&said, &mut body);
        wire.secured = true;
        wire.lanes.push(Lane::State, Kind::Hello, body);
    }

    /// Refuses a connection.
    fn refuse(&mut self, cx: &mut PeerCx<'_>, wire: &mut Wire, reason: Bye) {
        wire.secured = true;
        wire.refuse(reason, self.known);
        self.be_refused(cx, reason.words());
    }

    /// Calling again soon would not help.
    fn be_refused(&mut self, cx: &mut PeerCx<'_>, why: &'static str) {
        let wait = self.profile.dial_every.as_micros().saturating_mul(REFUSED_WAIT);
        self.next_call = self.next_call.max(cx.now + Span::from_micros(wait));
        if self.refused.replace(why) != Some(why) {
            cx.told.push(FromPeer::Refused(Some(self.node), why));
        }
    }

    /// The peer cannot be reached.
    fn fail(&mut self, cx: &mut PeerCx<'_>, why: &'static str) {
        self.is_up = false;
        self.wires.iter_mut().filter(|wire| wire.hello.is_some()).for_each(Wire::abort);
        cx.told.push(FromPeer::Down(self.node, why));
    }

    /// Does what is due, once everything of an input has been taken in.
    fn settle(&mut self, cx: &mut PeerCx<'_>) {
        self.activate(cx);
        self.close_superfluous(cx.now);
        self.beat(cx.now);
        self.fill(cx);
        self.flush(cx);
        self.call(cx);
        self.due = self.next_due();
    }

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

    fn activate(&mut self, cx: &mut PeerCx<'_>) {
        let chosen = self.choose();
        let conn = chosen.map(|wire| wire.conn);
        if conn == self.active {
            return;
        }
        let hello = chosen.and_then(|wire| wire.hello.clone());
        self.active = conn;
        let Some(hello) = hello else {
            self.alone = cx.now;
            if self.refused.is_none() {
                self.next_call = cx.now;
            }
            return;
        };
        self.detect.resume(cx.now);
        self.queue.send_again();
        cx.told.push(if core::mem::replace(&mut self.is_up, true) {
            FromPeer::Moved(self.node)
        } else {
            self.is_cramped = false;
            FromPeer::Up(self.node, hello)
        });
    }

    /// Closes what does not serve, where it is clear that it never will: the one that serves is the right one and was heard while both
    /// were there, or over this one nothing comes.
    fn close_superfluous(&mut self, now: Instant) {
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

    /// Says on each connection that this node is there, when it is time: it tells the other side, too, that its Hello was taken.
    fn beat(&mut self, now: Instant) {
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
    fn fill(&mut self, cx: &mut PeerCx<'_>) {
        let Some(wire) = self.wires.iter_mut().find(|wire| Some(wire.conn) == self.active && wire.serves())
        else {
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

    /// Hands everything over that waits, and closes what is to be closed.
    fn flush(&mut self, cx: &mut PeerCx<'_>) {
        let mut lanes = self.wires.iter_mut().map(|wire| &mut wire.lanes);
        if lanes.any(|lanes| core::mem::take(&mut lanes.has_dropped))
            && !core::mem::replace(&mut self.is_cramped, true)
        {
            cx.told.push(FromPeer::TooLong(self.node));
        }
        self.wires.retain(|wire| wire.flush(cx));
    }

    /// Calls the peer when it is this node's turn.
    fn call(&mut self, cx: &mut PeerCx<'_>) {
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
    fn next_call_at(&self) -> Option<Instant> {
        let made = self.wires.iter().filter(|wire| wire.by == By::Us).count() + self.calls.len();
        if self.active.is_some() || made >= CALLS_MAX {
            return None;
        }
        let every = self.profile.dial_every;
        let turn = if self.caller { self.alone } else { self.alone + every + every };
        Some(self.next_call.max(turn))
    }

    fn next_due(&self) -> Option<Instant> {
        let gone = self.is_up.then(|| self.detect.deadline());
        let said = self.wires.iter().any(|wire| wire.hello.is_some());
        let beat = said.then_some(self.next_beat);
        [gone, beat, self.next_call_at()].into_iter().flatten().min()
    }
}
