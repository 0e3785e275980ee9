//! Connections that nodes make with each other.

use eyot_core::io::{CloseCause, ConnId, ConnKind, Dial, Input, OpId, PeerCertificate};
use sha2::{Digest as _, Sha256};

use super::conn::{Conn, EndState, Tls};
use super::event::{ConnIx, Event, Side};
use super::history::{Near, NodeIx};
use super::host::Pending;
use super::state::World;
use crate::engine::{Key, SimSpan};
use crate::net::Path;
use crate::tls::Handshake;

/// Sets the keys of connections between nodes apart.
const CALL: u64 = 7;

/// Returns what stands in the certificate of the node with that name: the hash of its key.
pub fn peer_key(name: &str) -> [u8; 32] {
    Sha256::digest(name.as_bytes()).into()
}

impl World {
    /// Returns the node at one end of a connection; nothing where that is a client.
    pub(super) fn node_of(&self, ix: ConnIx, side: Side) -> Option<NodeIx> {
        let conn = &self.conns[ix.at()];
        match (side, conn.near) {
            (Side::Server, _) => Some(conn.node),
            (Side::Client, Near::Node(node)) => Some(node),
            (Side::Client, Near::Client(_)) => None,
        }
    }

    /// Returns the name of who has made a connection.
    pub(super) fn near_name(&self, near: Near) -> &str {
        match near {
            Near::Client(client) => self.client_name(client),
            Near::Node(node) => self.node_name(node),
        }
    }

    /// Returns the paths of a connection: from who has made it, and to them.
    pub(super) fn paths_of(&self, conn: &Conn) -> Option<(&Path, &Path)> {
        let (node, route) = (conn.node, conn.route);
        match conn.near {
            Near::Client(client) => self.people.get(client.at()).map(|person| (&person.up, &person.down)),
            Near::Node(from) => self.way_between(from, node, route).zip(self.way_between(node, from, route)),
        }
    }

    /// Returns the ends of a node that it knows of.
    pub(super) fn ends(&self, node: NodeIx) -> Vec<(ConnIx, Side)> {
        let mut ends = Vec::new();
        for ix in &self.live {
            let conn = &self.conns[ix.at()];
            if conn.node == node && conn.server.is_live() {
                ends.push((*ix, Side::Server));
            }
            if conn.near == Near::Node(node) && conn.peer.is_live() {
                ends.push((*ix, Side::Client));
            }
        }
        ends
    }

    /// A node calls another one by its name.
    pub(super) fn dial(&mut self, node: NodeIx, op: OpId, route: &str, how: Dial) {
        let (name, way) = route.split_once('/').map_or((route, None), |(name, way)| (name, Some(way)));
        let known = (0..).map(NodeIx).zip(&self.hosts).find(|(_, host)| host.name == name);
        let number = way.map_or(Some(0), |way| self.route_named(way).map(|(number, ..)| number));
        let to = known.map(|(to, _)| to).filter(|to| *to != node);
        let Some((to, number)) = to.zip(number) else {
            // A name that nobody has: the resolver knows at once.
            let refused = Input::Connected { op, outcome: Err(CloseCause::Reset) };
            return self.answer_at(node, self.now, Pending::Input(refused));
        };
        let ix = ConnIx(u32::try_from(self.conns.len()).expect("a run makes fewer than 2^32 connections"));
        let host = &mut self.hosts[node.at()];
        host.calls += 1;
        let key = Key::of(&format!("{} {route}", host.name)).with(CALL).with(host.calls);
        let mut conn = Conn::new((Near::Node(node), to), key, ConnKind::Peer, self.options.buffers);
        (conn.call, conn.route) = (Some(op), number);
        self.conns.push(conn);
        self.live.push(ix);
        self.push(self.now, key, Event::Syn { conn: ix, attempt: 0 });
        let until = self.now + SimSpan::from_micros(how.give_up.as_micros());
        self.push(until, key, Event::GiveUp { conn: ix });
    }

    /// The time for an answer is over.
    pub(super) fn give_up(&mut self, ix: ConnIx) {
        if self.conns[ix.at()].peer.state == EndState::Waiting {
            self.call_failed(ix, CloseCause::TimedOut);
        }
    }

    /// A call comes to nothing.
    pub(super) fn call_failed(&mut self, ix: ConnIx, cause: CloseCause) {
        let conn = &mut self.conns[ix.at()];
        conn.peer.state = EndState::Gone;
        if conn.server.state == EndState::Waiting {
            conn.server.state = EndState::Gone;
        }
        let key = conn.key;
        self.push(self.now, key, Event::Called { conn: ix, failed: Some(cause) });
        self.forget_over();
    }

    /// A node learns what came of its call. Its driver begins TLS at once.
    pub(super) fn called(&mut self, ix: ConnIx, failed: Option<CloseCause>) {
        let conn = &self.conns[ix.at()];
        let (Near::Node(node), Some(op)) = (conn.near, conn.call) else { return };
        if let Some(cause) = failed {
            return self.drive(node, Input::Connected { op, outcome: Err(cause) });
        }
        // What has killed the process has closed its connections, too.
        if conn.peer.state != EndState::Open {
            return;
        }
        let (handshake, hello) = Handshake::client();
        self.conns[ix.at()].peer.tls = Tls::Handshaking(handshake);
        self.drive(node, Input::Connected { op, outcome: Ok(ConnId(ix.0.into())) });
        if self.conns[ix.at()].peer.state == EndState::Open {
            self.write_tls(ix, Side::Client, &hello);
            self.read_end(ix, Side::Client);
        }
    }

    /// A process that ends takes its calls along: nobody waits for their answers.
    pub(super) fn abandon_calls(&mut self, node: NodeIx) {
        self.forget_links(node);
        for ix in self.live.clone() {
            let conn = &mut self.conns[ix.at()];
            if conn.near == Near::Node(node) && conn.peer.state == EndState::Waiting {
                conn.peer.state = EndState::Gone;
                if conn.server.state == EndState::Waiting {
                    conn.server.state = EndState::Gone;
                }
            }
            conn.call = conn.call.filter(|_| conn.near != Near::Node(node));
        }
        self.forget_over();
    }

    /// Forgets connections between nodes that both ends have forgotten.
    pub(super) fn forget_over(&mut self) {
        let conns = &self.conns;
        self.live.retain(|ix| {
            let conn = &conns[ix.at()];
            conn.near.client().is_some() || !conn.is_over()
        });
    }

    /// Loses what is under way between two nodes; returns how much that was.
    pub(super) fn lose_between(&mut self, one: NodeIx, other: NodeIx) -> u64 {
        let pairs = [(Near::Node(one), other), (Near::Node(other), one)];
        self.lose_underway(|conn| pairs.contains(&(conn.near, conn.node)))
    }

    /// Returns the certificate that an end of a connection between nodes is shown.
    pub(super) fn peer_shown(&self, ix: ConnIx, side: Side) -> Option<PeerCertificate> {
        self.conns[ix.at()].near.client().is_none().then_some(())?;
        let other = self.node_of(ix, side.other())?;
        Some(PeerCertificate { key: peer_key(self.node_name(other)) })
    }
}
