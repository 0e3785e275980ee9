//! Connections that go over third nodes, where two nodes have no way of their own to each other.
//!
//! They are connections like any other: the two say Hello, heartbeats prove both directions, entries and sessions and stanzas go over
//! them as they are. So whoever is reached over a third node is reached, and nothing above the links knows a difference. The pieces
//! go as frames of the links between; the sender names the path, so none goes in a circle, and each is numbered, so that a connection
//! from which one is missing is given up and made anew. Nodes pass pieces on over their direct links only. How much is under way is
//! bounded by what the two ends bear for each other.
//!
//! Rests on the replication rule R24 (a node is unreachable where there is no path).

use std::collections::BTreeMap;

use bytes::Bytes;

use super::frame::{FRAME_MAX, Kind};
use super::graph::{self, Facts, Graph};
use super::passed::{self, Passed};
use super::peers::{PeerCx, Peers};
use crate::config::LinkKind;
use crate::io::{ConnId, Output};

/// The first number of such a connection; drivers count theirs up from zero.
const FIRST: u64 = 1 << 63;
/// Bytes of a piece.
const PIECE_BYTES: usize = FRAME_MAX as usize / 2;

/// What has come from a link and is about paths.
#[derive(Debug)]
pub(super) enum Heard {
    /// Somebody says whom it reaches.
    Facts(Facts),
    /// A piece of a connection, for this node or for another one.
    Passed(Passed),
}

/// The connections that go over third nodes, and what is known of paths.
#[derive(Debug, Default)]
pub(super) struct Over {
    graph: Graph,
    /// Whom this node has said that it reaches, and over which connection they were told.
    told: BTreeMap<u32, (ConnId, LinkKind)>,
    /// How often it has said something else before.
    seq: u64,
    /// How many connections there were.
    last: u64,
    tunnels: BTreeMap<ConnId, Tunnel>,
    by_name: BTreeMap<Name, ConnId>,
}

/// What both ends know a connection by: the other end, whether this one has made it, its number.
type Name = (u32, bool, u64);

#[derive(Clone, Copy, Debug)]
struct Tunnel {
    name: Name,
    /// How many pieces were sent, and came.
    sent: u64,
    heard: u64,
}

impl Over {
    fn open(&mut self, name: Name) -> ConnId {
        let conn = ConnId(FIRST | self.last);
        self.last += 1;
        self.tunnels.insert(conn, Tunnel { name, sent: 0, heard: 0 });
        self.by_name.insert(name, conn);
        conn
    }

    fn close(&mut self, conn: ConnId) -> Option<Tunnel> {
        let tunnel = self.tunnels.remove(&conn)?;
        self.by_name.remove(&tunnel.name);
        Some(tunnel)
    }
}

/// Returns whether an output is for a connection that goes over third nodes.
pub(super) fn is_over(output: &Output) -> bool {
    match output {
        Output::Connect { route, .. } => route.is_empty(),
        Output::Send { conn, .. } | Output::Close { conn, .. } => conn.0 >= FIRST,
        Output::Ready { .. }
        | Output::StartTls { .. }
        | Output::Hold { .. }
        | Output::Release { .. }
        | Output::Store { .. }
        | Output::Load { .. }
        | Output::Derive { .. }
        | Output::Reply { .. }
        | Output::Trace(_)
        | Output::Stopped
        | Output::Wait { .. } => false,
    }
}

impl Peers {
    /// Does what links want of each other, until nothing is left.
    pub(super) fn carry(&mut self, cx: &mut PeerCx<'_>) {
        loop {
            self.calls.extend(cx.called.drain(..));
            let (outputs, heard) = (cx.take_over(), core::mem::take(&mut cx.heard));
            let turned = core::mem::take(&mut cx.turned);
            if outputs.is_empty() && heard.is_empty() && !turned {
                return;
            }
            for output in outputs {
                self.carry_out(cx, output);
            }
            for (from, heard) in heard {
                self.hear(cx, from, heard);
            }
            if turned {
                self.look_around(cx);
            }
        }
    }

    /// Does what a link wants of a connection that goes over third nodes.
    fn carry_out(&mut self, cx: &mut PeerCx<'_>, output: Output) {
        if let Output::Connect { op, .. } = output {
            let Some(node) = self.calls.remove(&op) else { return };
            let id = u64::from(cx.around.origin.start) << 32 | (self.over.last & 0xffff_ffff);
            let conn = self.over.open((node, true, id));
            if let Some(link) = self.links.get_mut(&node) {
                link.handle_connected(cx, op, Some(conn));
                link.handle_secured(cx, conn, true);
            }
        } else if let Output::Send { conn, mut head, .. } = output {
            while !head.is_empty() {
                let piece = head.split_to(head.len().min(PIECE_BYTES));
                self.pass(cx, conn, piece);
            }
        } else if let Output::Close { conn, .. } = output {
            self.end(cx, conn);
        }
    }

    /// Sends a piece of a connection.
    fn pass(&mut self, cx: &mut PeerCx<'_>, conn: ConnId, bytes: Bytes) {
        let Some(tunnel) = self.over.tunnels.get_mut(&conn) else { return };
        let (name, seq) = (tunnel.name, tunnel.sent);
        tunnel.sent += 1;
        self.send(cx, name, (seq, bytes));
    }

    /// Ends a connection: the other end is told, if there is a path.
    fn end(&mut self, cx: &mut PeerCx<'_>, conn: ConnId) {
        if let Some(tunnel) = self.over.close(conn) {
            self.send_end(cx, tunnel.name, tunnel.sent);
        }
    }

    fn send(&mut self, cx: &mut PeerCx<'_>, (node, by_us, id): Name, (seq, bytes): (u64, Bytes)) {
        let from = cx.around.cluster.node;
        let Some(hops) = self.links.get(&node).and_then(|link| link.path()) else { return };
        self.hand(cx, &Passed { from, hops, by_caller: by_us, id, seq, end: false, bytes });
    }

    fn send_end(&mut self, cx: &mut PeerCx<'_>, (node, by_us, id): Name, seq: u64) {
        let from = cx.around.cluster.node;
        let Some(hops) = self.links.get(&node).and_then(|link| link.path()) else { return };
        self.hand(cx, &Passed { from, hops, by_caller: by_us, id, seq, end: true, bytes: Bytes::new() });
    }

    /// Hands a piece to the next node on its path, which has to be linked.
    fn hand(&mut self, cx: &mut PeerCx<'_>, piece: &Passed) {
        let mut body = Vec::with_capacity(piece.bytes.len() + 32);
        passed::write(piece, &mut body);
        if let Some(link) = piece.hops.first().and_then(|next| self.links.get_mut(next)) {
            link.pass(cx, Kind::Passed, body);
        }
    }

    fn hear(&mut self, cx: &mut PeerCx<'_>, from: u32, heard: Heard) {
        match heard {
            Heard::Facts(facts) => self.hear_facts(cx, from, &facts),
            Heard::Passed(mut piece) => {
                if piece.hops.remove(0) != cx.around.cluster.node {
                    return;
                }
                if piece.hops.is_empty() { self.take(cx, piece) } else { self.hand(cx, &piece) }
            }
        }
    }

    /// Takes a piece in that is for this node.
    fn take(&mut self, cx: &mut PeerCx<'_>, piece: Passed) {
        let Passed { from, by_caller, id, seq, end, bytes, .. } = piece;
        let name = (from, !by_caller, id);
        let known = self.over.by_name.get(&name).copied();
        let Some(link) = self.links.get_mut(&from) else { return };
        let conn = match known {
            Some(conn) => conn,
            None if by_caller && seq == 0 && !end => {
                let conn = self.over.open(name);
                link.adopt_over(cx, conn);
                conn
            }
            // It may be of a former start of this node: the other end believes in it.
            None if end => return,
            None => return self.send_end(cx, name, 0),
        };
        let next = self.over.tunnels.get_mut(&conn).map(|tunnel| {
            tunnel.heard += 1;
            tunnel.heard - 1
        });
        if end || next != Some(seq) {
            link.handle_closed(cx, conn);
            if end {
                self.over.close(conn);
            }
            return self.end(cx, conn);
        }
        link.handle_bytes(cx, conn, &bytes);
    }

    /// Takes in whom a node says to reach, and says it on if it is new.
    fn hear_facts(&mut self, cx: &mut PeerCx<'_>, from: u32, facts: &Facts) {
        let owner = facts.owner.node;
        if !self.links.contains_key(&owner) || !self.over.graph.hear(facts) {
            return;
        }
        let to: Vec<u32> =
            self.over.told.keys().copied().filter(|node| *node != from && *node != owner).collect();
        for node in to {
            self.say_facts(cx, node, facts);
        }
        self.find_paths(cx);
    }

    fn say_facts(&mut self, cx: &mut PeerCx<'_>, node: u32, facts: &Facts) {
        let mut body = Vec::new();
        graph::write(facts, &mut body);
        if let Some(link) = self.links.get_mut(&node) {
            link.pass(cx, Kind::Links, body);
        }
    }

    /// Some link has another connection than before, or none: whom this node reaches is told to those that it reaches. Who is reached
    /// over a new connection hears everything, as what was under way on the one before may be lost.
    fn look_around(&mut self, cx: &mut PeerCx<'_>) {
        if cx.around.cluster.members.len() <= 2 {
            return;
        }
        let now = self.links.iter().filter_map(|(node, link)| Some((*node, link.direct()?)));
        let now: BTreeMap<u32, (ConnId, LinkKind)> = now.collect();
        let before = core::mem::replace(&mut self.over.told, now.clone());
        let kinds = |told: &BTreeMap<u32, (ConnId, LinkKind)>| -> BTreeMap<u32, LinkKind> {
            told.iter().map(|(node, (_, kind))| (*node, *kind)).collect()
        };
        let (own, up) = (cx.around.origin, kinds(&now));
        let is_said = self.over.graph.all().any(|facts| facts.owner == own && facts.up == up);
        if !is_said {
            self.over.seq += 1;
            self.over.graph.hear(&Facts { owner: own, seq: self.over.seq, up });
        }
        let all: Vec<Facts> = self.over.graph.all().cloned().collect();
        for (node, (conn, _)) in &now {
            let is_new = before.get(node).is_none_or(|(known, _)| known != conn);
            for facts in all.iter().filter(|facts| is_new || (!is_said && facts.owner == own)) {
                self.say_facts(cx, *node, facts);
            }
        }
        if !is_said {
            self.find_paths(cx);
        }
    }

    /// Tells each link the best path over third nodes.
    fn find_paths(&mut self, cx: &mut PeerCx<'_>) {
        let own = cx.around.cluster.node;
        for (node, link) in &mut self.links {
            link.set_path(cx, self.over.graph.over(own, *node));
        }
    }
}
