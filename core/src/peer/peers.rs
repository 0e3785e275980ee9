//! All peers of a node: which connection belongs to whom.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::bye::Bye;
use super::entry::{DurableFrame, GroupName};
use super::frame::Malformed;
use super::over::{Heard, Over, is_over};
use super::profile::Profile;
use super::queue::Queue;
use super::routes::Routes;
use super::wire::{By, Wire};
use crate::config::{DomainConfig, StaticCluster};
use crate::exchange::{DomainIx, FromPeer, GroupId, GroupKind, News, Supply, ToPeer};
use crate::io::{CloseHow, ConnId, OpId, Output, PeerAddr, TlsInfo};
use crate::replica::{Dot, Origin};
use crate::time::{Instant, Span};

/// Connections that came in and have shown no certificate. Beyond: the oldest is closed, so that a member gets in which comes now.
const STRANGERS_MAX: usize = 64;
/// Those of one peer network. Beyond: its oldest is closed.
const STRANGERS_OF_ONE: usize = 8;
/// Ranges of entries in one frame: it is one that everybody takes.
const RANGES_MAX: usize = 2_048;
/// A greeting takes so many times as long as a call at most: TLS and Hello are some round trips more.
const GREETING_CALLS: u64 = 4;

/// The links of a node.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    pub(super) links: BTreeMap<u32, Routes>,
    conns: BTreeMap<ConnId, Place>,
    pub(super) calls: BTreeMap<OpId, u32>,
    pub(super) over: Over,
    life: Life,
    /// Why somebody unknown was refused last, while no other reason came up.
    refused: Option<&'static str>,
}

/// What a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// It came in from this network and has shown no certificate.
    Unknown(PeerAddr),
    /// It is of this member, or was: its link knows.
    Of(u32),
    /// It is closed, and its end has not been told.
    Over,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Life {
    #[default]
    Before,
    Running,
    Stopped,
}

/// What links find around them.
pub(crate) struct Around<'a> {
    /// The members.
    pub(crate) cluster: &'a StaticCluster,
    /// The domains, each by its place a number.
    pub(crate) domains: &'a [DomainConfig],
    /// Who this node is.
    pub(crate) origin: Origin,
    /// Bytes of the longest thing that is said in parts.
    pub(crate) part_max: u32,
    /// Where entries are found.
    pub(crate) supply: &'a dyn Supply,
}

/// What links work with, and the only way out.
pub(crate) struct PeerCx<'a> {
    /// The monotonic clock.
    pub(crate) now: Instant,
    /// What does not change.
    pub(crate) around: Around<'a>,
    /// Gives numbers to operations.
    pub(crate) number: &'a mut dyn FnMut() -> OpId,
    /// What the driver is to do.
    pub(crate) outputs: &'a mut VecDeque<Output>,
    /// What the node is told.
    pub(crate) told: Vec<FromPeer>,
    /// Calls that went out, and to whom.
    pub(super) called: Vec<(OpId, u32)>,
    /// What links have heard for each other, and from whom.
    pub(super) heard: Vec<(u32, Heard)>,
    /// Some link has another connection than before, or none.
    pub(super) turned: bool,
    /// The outputs before this place are none of links over third nodes.
    seen: usize,
}

impl<'a> PeerCx<'a> {
    /// Creates a context for one input.
    pub(crate) fn new(
        now: Instant,
        around: Around<'a>,
        number: &'a mut dyn FnMut() -> OpId,
        outputs: &'a mut VecDeque<Output>,
    ) -> Self {
        let seen = outputs.len();
        let (told, called, heard) = (Vec::new(), Vec::new(), Vec::new());
        Self { now, around, number, outputs, told, called, heard, turned: false, seen }
    }

    /// Takes out what is for connections over third nodes.
    pub(super) fn take_over(&mut self) -> Vec<Output> {
        let mut over = Vec::new();
        for output in self.outputs.split_off(self.seen) {
            if is_over(&output) { over.push(output) } else { self.outputs.push_back(output) }
        }
        self.seen = self.outputs.len();
        over
    }

    /// Returns how links name a group.
    ///
    /// # Panics
    ///
    /// When it is of a domain that is not served here.
    pub(super) fn name_of(&self, group: GroupId) -> GroupName {
        let domain = self.around.domains.get(usize::from(group.domain.0));
        let domain = domain.expect("a domain that is served here").name.as_str().into();
        GroupName { domain, kind: group.kind.number(), shard: group.shard }
    }

    /// Returns which group a name stands for.
    ///
    /// # Errors
    ///
    /// [`Malformed::Value`] when it is none that this node holds: all members hold the same.
    pub(super) fn group_of(&self, name: &GroupName) -> Result<GroupId, Malformed> {
        let at = self.around.domains.iter().position(|domain| *domain.name.as_str() == *name.domain);
        let domain = at.and_then(|at| u16::try_from(at).ok()).map(DomainIx);
        let kind = GroupKind::ALL.into_iter().find(|kind| kind.number() == name.kind);
        match (domain, kind, name.shard) {
            (Some(domain), Some(kind), 0) => Ok(GroupId { domain, kind, shard: 0 }),
            (_, _, _) => Err(Malformed::Value),
        }
    }
}

impl Peers {
    /// Begins to call.
    pub(crate) fn begin(&mut self, cx: &mut PeerCx<'_>) {
        self.life = Life::Running;
        let own = cx.around.cluster.node;
        let others = cx.around.cluster.members.iter().filter(|member| member.node != own);
        self.links =
            others.map(|member| (member.node, Routes::new(cx.around.cluster, member, cx.now))).collect();
        for link in self.links.values_mut() {
            link.handle_tick(cx);
        }
        self.carry(cx);
    }

    /// Returns how long a connection may take until its Hello has come.
    pub(crate) fn greeting_time(cluster: &StaticCluster, least: Span) -> Span {
        let calls = cluster.members.iter().map(|member| Profile::of(cluster.slowest(member)).dial_give_up);
        let longest = calls.max().unwrap_or_default().as_micros();
        least.max(Span::from_micros(longest.saturating_mul(GREETING_CALLS)))
    }

    /// Returns when each link wants its next tick.
    pub(crate) fn due(&self) -> impl Iterator<Item = (u32, Option<Instant>)> {
        self.links.iter().map(|(node, link)| (*node, link.due()))
    }

    /// Returns whether a connection is with a peer, or was meant to be.
    pub(crate) fn has(&self, conn: ConnId) -> bool {
        self.conns.contains_key(&conn)
    }

    /// Returns whether no connection is left.
    pub(crate) fn is_idle(&self) -> bool {
        self.conns.is_empty()
    }

    /// Somebody has connected. Returns whether they are listened to.
    pub(crate) fn handle_opened(&mut self, cx: &mut PeerCx<'_>, conn: ConnId, peer: PeerAddr) -> bool {
        let wanted = self.life == Life::Running;
        if wanted {
            let network = peer.network();
            if self.unknown(|from| from == network).count() >= STRANGERS_OF_ONE {
                self.refuse_oldest(cx, |from| from == network);
            } else if self.unknown(|_| true).count() >= STRANGERS_MAX {
                self.refuse_oldest(cx, |_| true);
            }
            self.conns.insert(conn, Place::Unknown(network));
        } else {
            self.refuse(cx, conn);
        }
        wanted
    }

    /// Returns the connections without a certificate of some networks, the oldest first: drivers count them up.
    fn unknown(&self, of: impl Fn(PeerAddr) -> bool) -> impl Iterator<Item = ConnId> {
        self.conns.iter().filter_map(move |(conn, place)| match place {
            Place::Unknown(from) if of(*from) => Some(*conn),
            Place::Unknown(_) | Place::Of(_) | Place::Over => None,
        })
    }

    fn refuse_oldest(&mut self, cx: &mut PeerCx<'_>, of: impl Fn(PeerAddr) -> bool) {
        let oldest = self.unknown(of).next();
        if let Some(oldest) = oldest {
            self.refuse(cx, oldest);
        }
    }

    fn is_unknown(&self, conn: ConnId) -> bool {
        matches!(self.conns.get(&conn), Some(Place::Unknown(_)))
    }

    /// A call was answered. Returns the connection that there is.
    pub(crate) fn handle_connected(
        &mut self,
        cx: &mut PeerCx<'_>,
        op: OpId,
        conn: Option<ConnId>,
    ) -> Option<ConnId> {
        let node = self.calls.remove(&op);
        if let Some(link) =
            node.and_then(|node| self.links.get_mut(&node)).filter(|_| self.life == Life::Running)
        {
            if let (Some(conn), Some(node)) = (conn, node) {
                self.conns.insert(conn, Place::Of(node));
            }
            link.handle_connected(cx, op, conn);
        } else if let Some(conn) = conn {
            self.refuse(cx, conn);
        }
        self.carry(cx);
        conn
    }

    /// TLS is done.
    pub(crate) fn handle_secured(&mut self, cx: &mut PeerCx<'_>, conn: ConnId, tls: &TlsInfo) {
        let shown = tls.peer.map(|certificate| certificate.key);
        let own = cx.around.cluster.node;
        let mut members = cx.around.cluster.members.iter().filter(|member| member.node != own);
        let member = members.find(|member| Some(member.key) == shown).map(|member| member.node);
        match (self.conns.get(&conn), member) {
            (Some(Place::Of(node)), _) => {
                let node = *node;
                if let Some(link) = self.links.get_mut(&node) {
                    link.handle_secured(cx, conn, member == Some(node));
                }
            }
            (Some(Place::Unknown(_)), Some(node)) => {
                self.conns.insert(conn, Place::Of(node));
                if let Some(link) = self.links.get_mut(&node) {
                    link.adopt(cx, conn);
                }
            }
            (Some(Place::Unknown(_)), None) => {
                self.conns.insert(conn, Place::Over);
                let mut wire = Wire::new(cx, conn, By::Them, super::FRAME_MAX);
                wire.secured = true;
                wire.bye(Bye::NotMember);
                wire.flush(cx);
                let why = Bye::NotMember.words();
                if self.refused.replace(why) != Some(why) {
                    cx.told.push(FromPeer::Refused(None, why));
                }
            }
            (Some(Place::Over) | None, _) => {}
        }
        self.carry(cx);
    }

    /// Takes bytes in.
    pub(crate) fn handle_bytes(&mut self, cx: &mut PeerCx<'_>, conn: ConnId, bytes: &Bytes) {
        self.with_link(cx, conn, |link, cx| link.handle_bytes(cx, conn, bytes));
    }

    /// The peer will say nothing more on a connection.
    pub(crate) fn handle_ended(&mut self, cx: &mut PeerCx<'_>, conn: ConnId) {
        if self.is_unknown(conn) {
            self.refuse(cx, conn);
        }
        self.with_link(cx, conn, |link, cx| link.handle_ended(cx, conn));
    }

    /// A connection is gone.
    pub(crate) fn handle_closed(&mut self, cx: &mut PeerCx<'_>, conn: ConnId) {
        self.with_link(cx, conn, |link, cx| link.handle_closed(cx, conn));
        self.conns.remove(&conn);
    }

    /// The time for a Hello is over.
    pub(crate) fn handle_late(&mut self, cx: &mut PeerCx<'_>, conn: ConnId) {
        if self.is_unknown(conn) {
            self.refuse(cx, conn);
        }
        self.with_link(cx, conn, |link, cx| link.handle_late(cx, conn));
    }

    /// The time has come that a link has asked for.
    pub(crate) fn handle_tick(&mut self, cx: &mut PeerCx<'_>, node: u32) {
        if let Some(link) = self.links.get_mut(&node) {
            link.handle_tick(cx);
        }
        self.carry(cx);
    }

    /// Tells a peer something, if it can be reached just now.
    pub(crate) fn say(&mut self, cx: &mut PeerCx<'_>, node: u32, what: &ToPeer) {
        if let Some(link) = self.links.get_mut(&node) {
            link.say(cx, what);
        }
        self.carry(cx);
    }

    /// Tells the others what has become durable here: all of them what this node has written, and each that its entries are safe.
    pub(crate) fn tell(&mut self, cx: &mut PeerCx<'_>, news: &News) {
        let mut durable: BTreeMap<(GroupId, Origin), Vec<(u64, u64)>> = BTreeMap::new();
        for (group, dot) in &news.taken {
            let ranges = durable.entry((*group, dot.origin)).or_default();
            match ranges.last_mut() {
                Some((_, last)) if last.checked_add(1) == Some(dot.seq) => *last = dot.seq,
                Some(_) | None => ranges.push((dot.seq, dot.seq)),
            }
        }
        for ((group, origin), ranges) in durable {
            let Some(link) = self.links.get_mut(&origin.node) else { continue };
            for ranges in ranges.chunks(RANGES_MAX) {
                link.confirm(&DurableFrame { group: cx.name_of(group), origin, ranges: ranges.to_vec() });
            }
        }
        for link in self.links.values_mut() {
            link.tell(cx, &news.own);
        }
        self.carry(cx);
    }

    /// Returns from which number on everything that this node has written to a group waits for a peer; nothing when nothing waits.
    pub(crate) fn waits_from(&self, node: u32, group: GroupId) -> Option<u64> {
        self.links.get(&node).and_then(|link| link.queue()?.waits_from(group))
    }

    /// Returns whether an entry of this node is under way to a peer.
    pub(crate) fn is_sent(&self, node: u32, group: GroupId, dot: Dot) -> bool {
        self.links.get(&node).and_then(Routes::queue).is_some_and(|queue| queue.is_sent(group, dot))
    }

    /// Returns whether nothing more of what waits for a peer is sent before it says that it has some of what is under way.
    pub(crate) fn is_full(&self, node: u32) -> bool {
        self.links.get(&node).and_then(Routes::queue).is_some_and(Queue::is_full)
    }

    /// This node is another incarnation from here on: lets the others hear that.
    pub(crate) fn say_hello_again(&mut self, cx: &mut PeerCx<'_>) {
        for link in self.links.values_mut() {
            link.say_hello_again(cx);
        }
        self.carry(cx);
    }

    /// What a peer has said cannot be understood.
    pub(crate) fn refuse_said(&mut self, cx: &mut PeerCx<'_>, node: u32) {
        if let Some(link) = self.links.get_mut(&node) {
            link.refuse_said(cx);
        }
        self.carry(cx);
    }

    /// Takes leave of everybody.
    pub(crate) fn stop(&mut self, cx: &mut PeerCx<'_>) {
        self.life = Life::Stopped;
        self.links.values_mut().for_each(|link| link.stop_over(cx));
        self.carry(cx);
        self.links.values_mut().for_each(|link| link.stop(cx));
        drop(cx.take_over());
        let unknown = self.conns.iter_mut().filter(|(_, place)| matches!(place, Place::Unknown(_)));
        for (conn, place) in unknown {
            *place = Place::Over;
            cx.outputs.push_back(Output::Close { conn: *conn, how: CloseHow::Abort });
        }
        self.links.clear();
        self.calls.clear();
    }

    fn with_link(
        &mut self,
        cx: &mut PeerCx<'_>,
        conn: ConnId,
        run: impl FnOnce(&mut Routes, &mut PeerCx<'_>),
    ) {
        if let Some(Place::Of(node)) = self.conns.get(&conn)
            && let Some(link) = self.links.get_mut(node)
        {
            run(link, cx);
        }
        self.carry(cx);
    }

    /// Closes a connection that nobody speaks on.
    fn refuse(&mut self, cx: &mut PeerCx<'_>, conn: ConnId) {
        self.conns.insert(conn, Place::Over);
        cx.outputs.push_back(Output::Close { conn, how: CloseHow::Abort });
    }

    /// Bounds the names that wait for each peer.
    #[cfg(test)]
    pub(crate) fn bound_queues(&mut self, dots: usize) {
        for link in self.links.values_mut() {
            link.bound_queue(dots);
        }
    }
}
