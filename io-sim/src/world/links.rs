//! One direction of one link, and the links between nodes.

use super::event::{Event, Side, Way};
use super::history::{ClientIx, NodeIx};
use super::state::World;
use crate::engine::Key;
use crate::net::{Direction, LinkProfile, Path, builtin};

/// One direction of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Link {
    /// From a client to its node.
    Up(ClientIx),
    /// From a node to a client.
    Down(ClientIx),
    /// From one node to another.
    Between(NodeIx, NodeIx),
}

/// Sets the keys of links between nodes apart from all others.
const MESH: u64 = 3;

impl World {
    /// Returns the path from one node to another; nothing from a node to itself.
    pub fn between(&self, from: NodeIx, to: NodeIx) -> Option<&Path> {
        self.mesh.get(&(from, to))
    }

    /// Returns the path from one node to another, to send something on it.
    pub fn between_mut(&mut self, from: NodeIx, to: NodeIx) -> Option<&mut Path> {
        self.mesh.get_mut(&(from, to))
    }

    /// Says what the link between two nodes is like, in both directions; `lan` unless said.
    pub fn link_nodes(&mut self, one: NodeIx, other: NodeIx, profile: &LinkProfile) {
        for link in [Link::Between(one, other), Link::Between(other, one)] {
            self.set_profile(link, profile.clone());
        }
    }

    /// Gives a new node links to all others.
    pub(super) fn mesh_in(&mut self, new: NodeIx) {
        let lan = builtin("lan").expect("there is a profile lan");
        for other in (0..new.0).map(NodeIx) {
            for (from, to) in [(new, other), (other, new)] {
                let names = format!("{} {}", self.hosts[from.at()].name, self.hosts[to.at()].name);
                let key = Key::of(&names).with(MESH);
                let direction = if from < to { Direction::Up } else { Direction::Down };
                self.mesh.insert((from, to), Path::new(self.entropy, key, lan.clone(), direction));
            }
        }
    }

    pub(super) fn path(&mut self, link: Link) -> Option<&mut Path> {
        match link {
            Link::Up(client) => Some(&mut self.people[client.at()].up),
            Link::Down(client) => Some(&mut self.people[client.at()].down),
            Link::Between(from, to) => self.mesh.get_mut(&(from, to)),
        }
    }

    /// Gives a link another profile for good; while a fault has changed it, from the end of that fault on.
    pub(super) fn set_profile(&mut self, link: Link, profile: LinkProfile) {
        if let Some(base) = self.faults.bases.get_mut(&link) {
            *base = profile;
        } else {
            self.change(link, profile);
        }
    }

    /// Changes a link. What waits or is under way on it is not later than what goes out behind it.
    pub(super) fn change(&mut self, link: Link, profile: LinkProfile) {
        let now = self.now;
        let Some(path) = self.path(link) else { return };
        let latest = path.set_profile(now, profile).max(now);
        let (client, way, side) = match link {
            Link::Up(client) => (client, Way::Up, Side::Server),
            Link::Down(client) => (client, Way::Down, Side::Client),
            Link::Between(..) => return,
        };
        for ix in self.live.clone() {
            let conn = &mut self.conns[ix.at()];
            if conn.client != client {
                continue;
            }
            let (key, cut) = (conn.key, conn.cuts);
            let end = if side == Side::Client { &mut conn.peer } else { &mut conn.server };
            if end.reset_at.is_some_and(|at| at > latest) {
                end.reset_at = Some(latest);
                self.push(latest, key, Event::Reset { conn: ix, side, cut });
            }
            if self.conns[ix.at()].hasten(way, latest) {
                self.set_wake(ix, Way::Up);
                self.set_wake(ix, Way::Down);
            }
        }
    }
}
