//! The ways to one peer: which of them is used, which are tried, which rest.
//!
//! The best way that is proven is used. When nothing connects on it any more, the best of those that do connect is taken at once;
//! a better one is taken when it has been up for the time that it has to prove itself, without a gap. What is worse than the way that
//! is used is not called, and its connections are closed: a way that rests costs nothing. Ways better than the one that is used are
//! called, and heartbeats prove them. That the peer is gone is told when it did not answer on any way. A way that fails soon after it was taken has to prove itself for twice as long
//! (docs/adr/0023-links.md).
//!
//! The last way leads over third nodes, where there are any and they have a path (`over`): it is called when no other one connects.
//!
//! A node learns of one peer, not of ways: that it is reached over another one is told as another connection is.

use bytes::{Bytes, BytesMut};

use super::entry::DurableFrame;
use super::frame::{FRAME_MAX, Frame, FrameReader, Kind};
use super::graph::Path;
use super::hello;
use super::link::Link;
use super::peers::PeerCx;
use super::profile::Profile;
use super::queue::Queue;
use crate::config::{LinkKind, StaticCluster, StaticMember, StaticRoute};
use crate::exchange::{FromPeer, GroupId, ToPeer};
use crate::io::{CloseHow, ConnId, OpId, Output};
use crate::replica::{Dot, Origin};
use crate::time::{Instant, Span};

/// Connections that came in and have not said their way. Beyond: the oldest is closed.
const UNPLACED_MAX: usize = 6;
/// The time in which a way has to prove itself grows up to so many times what is configured.
const NEED_MAX: u64 = 16;
/// Why the peer is gone, where another start of it is met on another way.
const ANEW: &str = "it has started anew";

/// The ways to one member of the cluster.
#[derive(Debug)]
pub(super) struct Routes {
    node: u32,
    /// The best first; one at least.
    ways: Vec<Way>,
    /// The one that has what is the same on every way: it ran last.
    holder: usize,
    /// The one that is used, while the peer can be reached.
    used: Option<usize>,
    /// Nothing connects on it any more, for this reason, and another way is tried before the node hears of that.
    lost: Option<&'static str>,
    /// The start of the peer that the node was told of.
    told: Option<Origin>,
    /// Connections that came in and have not said their way, and what has come over them.
    unplaced: Vec<(ConnId, BytesMut)>,
    /// When another way is tried, or has proven itself, unless something happens before.
    due: Option<Instant>,
    /// The best path over third nodes.
    path: Option<Path>,
    /// What the way was called that the node was told of last; empty: it was told of none.
    said: Box<str>,
}

/// One of them.
#[derive(Debug)]
struct Way {
    link: Link,
    /// Since when it connects, without a gap.
    since: Option<Instant>,
    /// How long it has to be up before it is taken in the place of a worse one, as configured and just now.
    proven: (Span, Span),
    /// When it was taken in the place of a worse one; nothing when it was not, or is not used.
    taken: Option<Instant>,
    /// It leads over third nodes.
    is_over: bool,
}

impl Routes {
    /// Creates the ways to a member.
    pub(super) fn new(cluster: &StaticCluster, member: &StaticMember, now: Instant) -> Self {
        let mut routes = cluster.routes_to(member);
        for route in routes.iter_mut().filter(|route| route.name.is_empty()) {
            // Nobody has said how long it has to be up: so long that it would have been missed.
            route.proven = Profile::of(route.link).silent;
        }
        let direct = routes.len();
        if cluster.members.len() > 2 {
            let (node, link, proven) = (member.node, cluster.slowest(member), Span::default());
            let (name, address) = (String::new(), String::new());
            routes.push(StaticRoute { node, name, address, link, priority: u32::MAX, proven });
        }
        let is_only = routes.len() == 1;
        let ways = routes.iter().enumerate().map(|(at, route)| Way {
            link: Link::new(cluster.node, route, is_only, now),
            since: None,
            proven: (route.proven, route.proven),
            taken: None,
            is_over: at >= direct,
        });
        Self {
            node: member.node,
            ways: ways.collect(),
            holder: 0,
            used: None,
            lost: None,
            told: None,
            unplaced: Vec::new(),
            due: None,
            path: None,
            said: Box::default(),
        }
    }

    /// Returns when the next tick is wanted.
    pub(super) fn due(&self) -> Option<Instant> {
        self.ways.iter().filter_map(|way| way.link.due()).chain(self.due).min()
    }

    /// Returns what the peer is to be told and has not been told to be on its disk.
    pub(super) fn queue(&self) -> Option<&Queue> {
        self.ways.get(self.holder).map(|way| way.link.queue())
    }

    /// A call was answered: with a connection, or not.
    pub(super) fn handle_connected(&mut self, cx: &mut PeerCx<'_>, op: OpId, conn: Option<ConnId>) {
        let at = self.ways.iter().position(|way| way.link.has_called(op)).unwrap_or(0);
        self.run(cx, at, |link, cx| link.handle_connected(cx, op, conn));
    }

    /// A connection that came in has shown this member's certificate. Where there are several ways, its Hello says which one it goes,
    /// and only then this node greets, as is usual on that way.
    pub(super) fn adopt(&mut self, cx: &mut PeerCx<'_>, conn: ConnId) {
        if self.direct_ways() == 1 {
            return self.run(cx, 0, |link, cx| link.adopt(cx, conn));
        }
        if self.unplaced.len() >= UNPLACED_MAX {
            let (oldest, _) = self.unplaced.remove(0);
            cx.outputs.push_back(Output::Close { conn: oldest, how: CloseHow::Abort });
        }
        self.unplaced.push((conn, BytesMut::new()));
    }

    /// TLS is done on a connection that this node has made; `ours`: it was this member's certificate.
    pub(super) fn handle_secured(&mut self, cx: &mut PeerCx<'_>, conn: ConnId, ours: bool) {
        self.with(cx, conn, |link, cx| link.handle_secured(cx, conn, ours));
    }

    /// Takes bytes of a connection in.
    pub(super) fn handle_bytes(&mut self, cx: &mut PeerCx<'_>, conn: ConnId, bytes: &Bytes) {
        let Some(at) = self.unplaced.iter().position(|(known, _)| *known == conn) else {
            return self.with(cx, conn, |link, cx| link.handle_bytes(cx, conn, bytes));
        };
        let Some((_, come)) = self.unplaced.get_mut(at) else { return };
        come.extend_from_slice(bytes);
        let Some(name) = way_of(come) else { return };
        let (_, come) = self.unplaced.remove(at);
        let direct = self.direct_ways();
        let named = self.ways.iter().take(direct).position(|way| way.link.name == name);
        // Whoever names none, or one that this node does not know, is borne as the worst one is.
        let at = named.unwrap_or(direct - 1);
        self.run(cx, at, |link, cx| link.place(cx, conn, &come.freeze()));
    }

    /// The peer will say nothing more on a connection.
    pub(super) fn handle_ended(&mut self, cx: &mut PeerCx<'_>, conn: ConnId) {
        if !self.drop_unplaced(cx, conn) {
            self.with(cx, conn, |link, cx| link.handle_ended(cx, conn));
        }
    }

    /// A connection is gone.
    pub(super) fn handle_closed(&mut self, cx: &mut PeerCx<'_>, conn: ConnId) {
        self.unplaced.retain(|(known, _)| *known != conn);
        self.with(cx, conn, |link, cx| link.handle_closed(cx, conn));
    }

    /// The time for Hello is over on a connection.
    pub(super) fn handle_late(&mut self, cx: &mut PeerCx<'_>, conn: ConnId) {
        if !self.drop_unplaced(cx, conn) {
            self.with(cx, conn, |link, cx| link.handle_late(cx, conn));
        }
    }

    /// The time has come that was asked for.
    pub(super) fn handle_tick(&mut self, cx: &mut PeerCx<'_>) {
        for at in 0..self.ways.len() {
            let due = self.ways.get(at).and_then(|way| way.link.due());
            if due.is_none_or(|due| due <= cx.now) {
                self.run(cx, at, Link::handle_tick);
            }
        }
        let is_late = |way: &Way| way.is_over && way.link.late_at().is_some_and(|late| late <= cx.now);
        if let Some(at) = self.ways.iter().position(is_late) {
            self.run(cx, at, Link::expire);
        }
        self.choose(cx);
    }

    /// Tells the peer something. While no connection serves it is lost: what the node is told of a connection that serves says
    /// what it has to tell again.
    pub(super) fn say(&mut self, cx: &mut PeerCx<'_>, what: &ToPeer) {
        let spoken = || self.ways.iter().position(|way| way.link.has_greeted());
        let at = self.used.or_else(spoken).unwrap_or(0);
        self.run(cx, at, |link, cx| link.say(cx, what));
    }

    /// Takes note of what the peer is to be told, and tells it as much as may be under way.
    pub(super) fn tell(&mut self, cx: &mut PeerCx<'_>, own: &[(GroupId, Dot)]) {
        self.run(cx, self.used.unwrap_or(self.holder), |link, cx| link.tell(cx, own));
    }

    /// Tells the peer that what it has written is durable here.
    pub(super) fn confirm(&mut self, durable: &DurableFrame) {
        if let Some(way) = self.ways.get_mut(self.used.unwrap_or(0)) {
            way.link.confirm(durable);
        }
    }

    /// What the peer has said cannot be understood.
    pub(super) fn refuse_said(&mut self, cx: &mut PeerCx<'_>) {
        self.on_all(cx, Link::refuse_said);
    }

    /// Lets the peer hear anew who this node is.
    pub(super) fn say_hello_again(&mut self, cx: &mut PeerCx<'_>) {
        self.on_all(cx, Link::say_hello_again);
    }

    /// A connection over third nodes has come in.
    pub(super) fn adopt_over(&mut self, cx: &mut PeerCx<'_>, conn: ConnId) {
        if let Some(at) = self.ways.iter().position(|way| way.is_over) {
            self.run(cx, at, |link, cx| link.adopt(cx, conn));
        }
    }

    /// Returns the nodes over which the peer is reached, itself last; nothing without a path.
    pub(super) fn path(&self) -> Option<Vec<u32>> {
        self.path.as_ref().map(|path| path.hops.clone())
    }

    /// Takes note of the best path over third nodes.
    pub(super) fn set_path(&mut self, cx: &mut PeerCx<'_>, path: Option<Path>) {
        let Some(at) = self.ways.iter().position(|way| way.is_over) else { return };
        if self.path == path {
            return;
        }
        let is_lost = path.is_none();
        self.path = path;
        if is_lost {
            return self.run(cx, at, Link::lose_path);
        }
        if let (Some(path), Some(way)) = (&self.path, self.ways.get_mut(at)) {
            way.link.suit(path.slowest);
        }
        if self.used == Some(at) {
            self.say_way(cx, at);
        }
        self.choose(cx);
    }

    /// Returns the connection that serves on a way that does not lead over third nodes, and what that way is like: of several the one
    /// that is used.
    pub(super) fn direct(&self) -> Option<(ConnId, LinkKind)> {
        self.ways.get(self.direct_way()?)?.link.serving()
    }

    fn direct_way(&self) -> Option<usize> {
        let serves =
            |at: &usize| self.ways.get(*at).is_some_and(|way| !way.is_over && way.link.serving().is_some());
        self.used.filter(serves).or_else(|| (0..self.ways.len()).find(serves))
    }

    fn direct_ways(&self) -> usize {
        self.ways.iter().filter(|way| !way.is_over).count()
    }

    /// Says something to the peer itself, for the links: it goes over no third node, and is lost where there is no other way.
    pub(super) fn pass(&mut self, cx: &mut PeerCx<'_>, kind: Kind, body: Vec<u8>) {
        if let Some(at) = self.direct_way() {
            self.run(cx, at, |link, cx| link.pass(cx, kind, body));
        }
    }

    /// Takes leave where it goes over third nodes.
    pub(super) fn stop_over(&mut self, cx: &mut PeerCx<'_>) {
        for way in self.ways.iter_mut().filter(|way| way.is_over) {
            way.link.stop(cx);
        }
    }

    /// Takes leave.
    pub(super) fn stop(&mut self, cx: &mut PeerCx<'_>) {
        for way in &mut self.ways {
            way.link.stop(cx);
        }
        for (conn, _) in self.unplaced.drain(..) {
            cx.outputs.push_back(Output::Close { conn, how: CloseHow::Abort });
        }
    }

    /// Bounds the names that wait for the peer.
    #[cfg(test)]
    pub(super) fn bound_queue(&mut self, dots: usize) {
        for way in &mut self.ways {
            way.link.bound_queue(dots);
        }
    }

    fn on_all(&mut self, cx: &mut PeerCx<'_>, what: impl Fn(&mut Link, &mut PeerCx<'_>)) {
        for at in 0..self.ways.len() {
            self.run(cx, at, &what);
        }
    }

    /// Lets the way do something that has a connection.
    fn with(&mut self, cx: &mut PeerCx<'_>, conn: ConnId, what: impl FnOnce(&mut Link, &mut PeerCx<'_>)) {
        if let Some(at) = self.ways.iter().position(|way| way.link.has(conn)) {
            self.run(cx, at, what);
        }
    }

    /// Closes a connection that has not said its way. Returns whether it is one.
    fn drop_unplaced(&mut self, cx: &mut PeerCx<'_>, conn: ConnId) -> bool {
        let before = self.unplaced.len();
        self.unplaced.retain(|(known, _)| *known != conn);
        let is_one = self.unplaced.len() < before;
        if is_one {
            cx.outputs.push_back(Output::Close { conn, how: CloseHow::Abort });
        }
        is_one
    }

    /// Lets one way do something, with what is the same on every way, then chooses anew which one is used.
    fn run(&mut self, cx: &mut PeerCx<'_>, at: usize, what: impl FnOnce(&mut Link, &mut PeerCx<'_>)) {
        let from = cx.told.len();
        let before = self.known();
        if let Some(link) = self.lent(at) {
            what(link, cx);
        }
        if self.ways.len() == 1 {
            return;
        }
        self.hear(cx, at, from);
        let known = self.known();
        if known != before {
            self.forget(cx, at, known);
        }
        self.choose(cx);
    }

    /// Returns a way, with what is the same on every way.
    fn lent(&mut self, at: usize) -> Option<&mut Link> {
        if let Ok([from, to]) = self.ways.get_disjoint_mut([self.holder, at]) {
            from.link.lend(&mut to.link);
            self.holder = at;
        }
        self.ways.get_mut(at).map(|way| &mut way.link)
    }

    /// Returns the latest start of the peer that is known.
    fn known(&self) -> Option<Origin> {
        self.ways.get(self.holder).and_then(|way| way.link.known())
    }

    /// Closes what the other ways have of a start that is over.
    fn forget(&mut self, cx: &mut PeerCx<'_>, but: usize, known: Option<Origin>) {
        for (_, way) in self.ways.iter_mut().enumerate().filter(|(at, _)| *at != but) {
            way.link.forget(cx, known);
        }
    }

    /// Makes of what one way has told, from a place on, what is told of the peer.
    fn hear(&mut self, cx: &mut PeerCx<'_>, at: usize, from: usize) {
        for said in cx.told.split_off(from) {
            if let FromPeer::Up(_, hello) = &said {
                if self.used.is_some() && self.told == Some(hello.origin) {
                    continue;
                }
                if self.used.is_some() {
                    cx.told.push(FromPeer::Down(self.node, ANEW));
                }
                self.told = Some(hello.origin);
                cx.told.push(said);
                self.turn(cx, at);
            } else if let FromPeer::Moved(_) = said {
                cx.told.extend((self.used == Some(at)).then_some(said));
            } else if let FromPeer::Down(_, why) = said {
                // Who stops or has stopped does so on every way.
                let is_over = why == super::bye::Bye::Stopping.words() || why == ANEW;
                if self.used.is_some() && is_over {
                    self.end(cx, why);
                } else if self.used == Some(at) {
                    self.lost = Some(why);
                }
                if is_over {
                    self.forget(cx, at, None);
                }
            } else {
                cx.told.push(said);
            }
        }
    }

    /// The peer cannot be reached on any way.
    fn end(&mut self, cx: &mut PeerCx<'_>, why: &'static str) {
        (self.used, self.told, self.lost) = (None, None, None);
        self.said = Box::default();
        cx.told.push(FromPeer::Down(self.node, why));
    }

    /// Returns the way that is used, if it connects.
    fn serving(&self) -> Option<usize> {
        self.used.filter(|used| self.ways.get(*used).is_some_and(|way| way.since.is_some()))
    }

    /// Uses a way, and says so.
    fn turn(&mut self, cx: &mut PeerCx<'_>, to: usize) {
        let is_better = self.used.is_some_and(|used| to < used);
        (self.used, self.lost) = (Some(to), None);
        for (_, way) in self.ways.iter_mut().enumerate().filter(|(at, _)| *at != to) {
            way.link.spare();
            way.taken = None;
        }
        if let Some(way) = self.ways.get_mut(to) {
            way.taken = is_better.then_some(cx.now);
        }
        self.say_way(cx, to);
        if let Some(link) = self.lent(to) {
            link.take_over(cx);
        }
    }

    /// Tells the node which way is used, where that is not the only one that anybody knows of.
    fn say_way(&mut self, cx: &mut PeerCx<'_>, at: usize) {
        let Some(way) = self.ways.get(at) else { return };
        let name = if way.is_over {
            let hops = self.path.iter().flat_map(|path| path.hops.iter().rev().skip(1).rev());
            let named = |hop: &u32| cx.around.cluster.members.iter().find(|member| member.node == *hop);
            let names: Vec<&str> = hops.filter_map(named).map(|member| member.name.as_str()).collect();
            format!("over {}", names.join(" ")).into()
        } else {
            way.link.name.clone()
        };
        if self.said != name {
            self.said = name.clone();
            cx.told.push(FromPeer::Over(self.node, name));
        }
    }

    /// Chooses which way is used, which are called, and which rest.
    fn choose(&mut self, cx: &mut PeerCx<'_>) {
        if self.ways.len() == 1 {
            return;
        }
        let known = self.known();
        for way in &mut self.ways {
            way.follow(cx.now, known);
        }
        let connects = |way: &Way| way.since.is_some();
        let to = match self.serving().filter(|_| self.lost.is_none()) {
            None => self.ways.iter().position(connects),
            Some(used) => {
                self.ways.iter().take(used).position(|way| way.proves_at().is_some_and(|at| at <= cx.now))
            }
        };
        let is_other = |to: &usize| self.used != Some(*to) || self.lost.is_some();
        if let Some(to) = to.filter(is_other).filter(|_| self.told.is_some()) {
            cx.told.push(FromPeer::Moved(self.node));
            self.turn(cx, to);
        }
        self.rest(cx);
        self.call(cx);
    }

    /// Lets those ways rest that are worse than the one that is used.
    fn rest(&mut self, cx: &mut PeerCx<'_>) {
        let Some(used) = self.serving() else { return };
        let Some(proven) = self.ways.get(used).map(|way| way.link.proven()) else { return };
        let known = self.known();
        for way in self.ways.iter_mut().skip(used + 1) {
            way.link.rest(cx, proven);
            way.follow(cx.now, known);
        }
    }

    /// Says which ways are called: while none serves, the best one, and each for whose betters there is no hope.
    fn call(&mut self, cx: &mut PeerCx<'_>) {
        // Who has not been called yet may answer.
        let has_path = self.path.is_some();
        let leads = |way: &Way| !way.is_over || has_path;
        let waits = |way: &Way| way.link.hopeless_at().is_none_or(|at| at > cx.now);
        let hopeful = |way: &Way| leads(way) && (!way.link.is_wanted() || waits(way));
        let first = self.ways.iter().position(hopeful);
        if let Some(why) = self.lost.filter(|_| first.is_none()) {
            self.end(cx, why);
        }
        let last = self.serving().or(first).unwrap_or(self.ways.len() - 1);
        for (at, way) in self.ways.iter_mut().enumerate() {
            let leads = !way.is_over || has_path;
            way.link.want(cx, at <= last && leads);
        }
        let tried = first.filter(|at| self.serving().is_none() && at + 1 < self.ways.len());
        let gives_up = tried.and_then(|at| self.ways.get(at)?.link.hopeless_at());
        let proves = self.ways.iter().take(self.serving().unwrap_or(0)).filter_map(Way::proves_at);
        let late = self.ways.iter().filter(|way| way.is_over).filter_map(|way| way.link.late_at());
        self.due = proves.chain(gives_up).chain(late).min();
    }
}

impl Way {
    /// Returns when it has proven itself.
    fn proves_at(&self) -> Option<Instant> {
        self.since.map(|since| since + self.proven.1)
    }

    /// Takes note of whether it connects. One that fails soon after it was taken is trusted less.
    fn follow(&mut self, now: Instant, known: Option<Origin>) {
        if self.link.connects(known) {
            self.since = self.since.or(Some(now));
        } else if self.since.take().is_some()
            && let Some(taken) = self.taken.take()
        {
            let (first, need) = self.proven;
            let need = need.as_micros().max(1);
            let is_soon = now.since(taken).as_micros() < need.saturating_mul(2);
            let longer = need.saturating_mul(2).min(first.as_micros().saturating_mul(NEED_MAX));
            self.proven.1 = if is_soon { Span::from_micros(longer) } else { first };
        }
    }
}

/// Returns the name of the way in the Hello that stands first in what has come, empty where there is none; nothing before it is whole.
fn way_of(come: &BytesMut) -> Option<Box<str>> {
    let mut reader = FrameReader::new(FRAME_MAX);
    reader.feed(come);
    let frame = match reader.next_frame() {
        Ok(None) => return None,
        Ok(frame) => frame,
        Err(_) => None,
    };
    let is_hello = |frame: &Frame| Kind::from_number(frame.kind) == Some(Kind::Hello) && !frame.more;
    let said = frame.filter(is_hello).and_then(|frame| hello::read(&frame.body).ok());
    Some(said.map_or_else(Box::default, |hello| hello.route))
}
