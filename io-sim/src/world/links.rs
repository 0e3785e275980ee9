//! One direction of one link, and the links between nodes.

use std::collections::BTreeMap;

use super::event::{Event, Side, Way};
use super::history::{ClientIx, Near, NodeIx};
use super::state::{Person, World};
use crate::engine::{Key, SimTime};
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
    /// From one node to another, on one of several ways.
    Route(RouteIx, NodeIx, NodeIx),
}

/// Which of the ways between two nodes: zero where nothing is said of several, else the place among all that are named, from one on.
pub(super) type RouteIx = u16;

/// The two directions between two nodes, the one that the world had first first.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) there: Path,
    pub(super) back: Path,
}

/// The links between nodes, by the two nodes, the one that the world had first first.
pub(super) type Mesh = BTreeMap<(NodeIx, NodeIx, RouteIx), Pair>;

/// Returns the paths from one node to another and back.
fn both(mesh: &mut Mesh, from: NodeIx, to: NodeIx, route: RouteIx) -> Option<(&mut Path, &mut Path)> {
    let Pair { there, back } = mesh.get_mut(&(from.min(to), from.max(to), route))?;
    Some(if from < to { (there, back) } else { (back, there) })
}

/// Returns the paths of a connection: from who has made it, and to them.
pub(super) fn paths<'a>(
    (near, node, route): (Near, NodeIx, RouteIx),
    people: &'a mut [Person],
    mesh: &'a mut Mesh,
) -> (&'a mut Path, &'a mut Path) {
    match near {
        Near::Client(client) => {
            let person = &mut people[client.at()];
            (&mut person.up, &mut person.down)
        }
        Near::Node(from) => both(mesh, from, node, route).expect("nodes that are connected have links"),
    }
}

/// Sets the keys of links between nodes apart from all others.
const MESH: u64 = 3;

impl World {
    /// Returns the path from one node to another; nothing from a node to itself.
    pub fn between(&self, from: NodeIx, to: NodeIx) -> Option<&Path> {
        self.way_between(from, to, 0)
    }

    /// Returns the path from one node to another on one of several ways.
    pub(super) fn way_between(&self, from: NodeIx, to: NodeIx, route: RouteIx) -> Option<&Path> {
        let pair = self.mesh.get(&(from.min(to), from.max(to), route))?;
        Some(if from < to { &pair.there } else { &pair.back })
    }

    /// Gives two nodes one more way to each other, by a name. Returns whether the name was free, and there was room for one more.
    pub fn add_route(&mut self, name: &str, (one, other): (NodeIx, NodeIx), profile: &LinkProfile) -> bool {
        if self.route_named(name).is_some() {
            return false;
        }
        let Ok(number) = RouteIx::try_from(self.routes.len() + 1) else { return false };
        let (one, other) = (one.min(other), one.max(other));
        self.routes.push((name.into(), one, other));
        let path = |direction, which: &str| {
            let key = Key::of(&format!("{name} {which}")).with(MESH).with(u64::from(number));
            Path::new(self.entropy, key, profile.clone(), direction)
        };
        let (there, back) = (path(Direction::Up, "there"), path(Direction::Down, "back"));
        self.mesh.insert((one, other, number), Pair { there, back });
        true
    }

    /// Returns the number of a named way between two nodes, and the two.
    pub(super) fn route_named(&self, name: &str) -> Option<(RouteIx, NodeIx, NodeIx)> {
        let mut known = (1..).zip(&self.routes);
        known.find(|(_, (known, ..))| known == name).map(|(number, (_, one, other))| (number, *one, *other))
    }

    /// Returns when a named way has carried something last, in either direction.
    pub fn route_carried(&self, name: &str) -> Option<SimTime> {
        let (number, one, other) = self.route_named(name)?;
        let Pair { there, back } = self.mesh.get(&(one, other, number))?;
        there.carried().max(back.carried())
    }

    /// Returns a link with all the ways that lead where it leads.
    pub(super) fn with_routes(&self, link: Link) -> Vec<Link> {
        let mut all = vec![link];
        if let Link::Between(from, to) = link {
            let ends = (from.min(to), from.max(to));
            let known = (1..).zip(&self.routes).filter(|(_, (_, one, other))| (*one, *other) == ends);
            all.extend(known.map(|(number, _)| Link::Route(number, from, to)));
        }
        all
    }

    /// Returns the path from one node to another, to send something on it.
    pub fn between_mut(&mut self, from: NodeIx, to: NodeIx) -> Option<&mut Path> {
        let (there, _) = both(&mut self.mesh, from, to, 0)?;
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
            self.mesh.insert((other, new, 0), Pair { there, back });
        }
    }

    pub(super) fn path(&mut self, link: Link) -> Option<&mut Path> {
        match link {
            Link::Up(client) => Some(&mut self.people[client.at()].up),
            Link::Down(client) => Some(&mut self.people[client.at()].down),
            Link::Between(from, to) => self.between_mut(from, to),
            Link::Route(route, from, to) => both(&mut self.mesh, from, to, route).map(|(there, _)| there),
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
            let on = |route: RouteIx, from: NodeIx, to: NodeIx| {
                let ends = if conn.route == route { Some((conn.near, conn.node)) } else { None };
                let up = ends == Some((Near::Node(from), to));
                let down = ends == Some((Near::Node(to), from));
                if up { Some(Way::Up) } else { down.then_some(Way::Down) }
            };
            let way = match link {
                Link::Up(client) => (conn.near == Near::Client(client)).then_some(Way::Up),
                Link::Down(client) => (conn.near == Near::Client(client)).then_some(Way::Down),
                Link::Between(from, to) => on(0, from, to),
                Link::Route(route, from, to) => on(route, from, to),
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
