//! One direction of one link, and the links between nodes.

use std::collections::BTreeMap;

use super::event::{Event, Side, Way};
use super::history::{ClientIx, Near, NodeIx};
use super::state::{Person, World};
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

/// The two directions between two nodes, the one that the world had first first.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) there: Path,
    pub(super) back: Path,
}

/// The links between nodes, by the two nodes, the one that the world had first first.
pub(super) type Mesh = BTreeMap<(NodeIx, NodeIx), Pair>;

/// Returns the paths from one node to another and back.
fn both(mesh: &mut Mesh, from: NodeIx, to: NodeIx) -> Option<(&mut Path, &mut Path)> {
    let Pair { there, back } = mesh.get_mut(&(from.min(to), from.max(to)))?;
    Some(if from < to { (there, back) } else { (back, there) })
}

/// Returns the paths of a connection: from who has made it, and to them.
pub(super) fn paths<'a>(
    (near, node): (Near, NodeIx),
    people: &'a mut [Person],
    mesh: &'a mut Mesh,
) -> (&'a mut Path, &'a mut Path) {
    match near {
        Near::Client(client) => {
            let person = &mut people[client.at()];
            (&mut person.up, &mut person.down)
        }
        Near::Node(from) => both(mesh, from, node).expect("nodes that are connected have links"),
    }
}

/// Sets the keys of links between nodes apart from all others.
const MESH: u64 = 3;

impl World {
    /// Returns the path from one node to another; nothing from a node to itself.
    pub fn between(&self, from: NodeIx, to: NodeIx) -> Option<&Path> {
        let pair = self.mesh.get(&(from.min(to), from.max(to)))?;
        Some(if from < to { &pair.there } else { &pair.back })
    }

    /// Returns the path from one node to another, to send something on it.
    pub fn between_mut(&mut self, from: NodeIx, to: NodeIx) -> Option<&mut Path> {
        let (there, _) = both(&mut self.mesh, from, to)?;
        Some(there)
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
            let path = |from: NodeIx, to: NodeIx, direction| {
                let names = format!("{} {}", self.hosts[from.at()].name, self.hosts[to.at()].name);
                Path::new(self.entropy, Key::of(&names).with(MESH), lan.clone(), direction)
            };
            let (there, back) = (path(other, new, Direction::Up), path(new, other, Direction::Down));
            self.mesh.insert((other, new), Pair { there, back });
        }
    }

    pub(super) fn path(&mut self, link: Link) -> Option<&mut Path> {
        match link {
            Link::Up(client) => Some(&mut self.people[client.at()].up),
            Link::Down(client) => Some(&mut self.people[client.at()].down),
            Link::Between(from, to) => self.between_mut(from, to),
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
        for ix in self.live.clone() {
            let conn = &mut self.conns[ix.at()];
            let way = match link {
                Link::Up(client) => (conn.near == Near::Client(client)).then_some(Way::Up),
                Link::Down(client) => (conn.near == Near::Client(client)).then_some(Way::Down),
                Link::Between(from, to) if conn.near == Near::Node(from) && conn.node == to => Some(Way::Up),
                Link::Between(from, to) if conn.near == Near::Node(to) && conn.node == from => {
                    Some(Way::Down)
                }
                Link::Between(..) => None,
            };
            let Some(way) = way else { continue };
            let side = if way == Way::Up { Side::Server } else { Side::Client };
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
