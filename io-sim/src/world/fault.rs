//! What may be broken by hand, and how it is put right again. What a plan breaks uses the same means.

use eyot_core::io::CloseCause;
use eyot_core::jid::BareJid;

use super::conn::{Conn, EndState};
use super::event::{Side, Way};
use super::history::{Actor, ClientIx, Near, NodeIx, NodeSight, WorldSight};
use super::host::{Life, Outage, SUPERVISED};
use super::links::Link;
use super::recorder::Recorder;
use super::state::World;
use crate::fault::DiskFault;
use crate::net::{LinkProfile, Path};

/// The number of the cause that is somebody's hand.
const BY_HAND: u32 = Path::BY_HAND;

impl World {
    /// Cuts the link of a client in both directions: what is on it is lost, and nobody is told.
    pub fn cut(&mut self, client: ClientIx) {
        let person = &mut self.people[client.at()];
        person.up.close(BY_HAND);
        person.down.close(BY_HAND);
        self.lose_underway(|conn| conn.near == Near::Client(client));
        self.note_world(&format!("link of {} cut", self.people[client.at()].name));
    }

    /// Heals what was cut by hand of the link of a client. A machine that had died is back, and knows nothing of the
    /// connection it had.
    pub fn heal(&mut self, client: ClientIx) {
        let person = &mut self.people[client.at()];
        person.up.open(BY_HAND);
        person.down.open(BY_HAND);
        if let Some(ix) = person.died_with.take() {
            self.conns[ix.at()].swallow(BY_HAND, false);
        }
        self.note_world(&format!("link of {} healed", self.people[client.at()].name));
    }

    /// Cuts the link between two nodes, or heals what was cut by hand of it.
    pub fn set_cut_between(&mut self, one: NodeIx, other: NodeIx, cut: bool) {
        let links = [Link::Between(one, other), Link::Between(other, one)];
        for link in links.into_iter().flat_map(|link| self.with_routes(link)).collect::<Vec<_>>() {
            if let Some(path) = self.path(link) {
                path.set_cut(cut);
            }
        }
        if cut {
            self.lose_between(one, other);
        }
        let what = if cut { "cut" } else { "healed" };
        let (one, other) = (&self.hosts[one.at()].name, &self.hosts[other.at()].name);
        self.note_world(&format!("link between {one} and {other} {what}"));
    }

    /// Cuts a named way between two nodes, or heals it. Returns whether there is one.
    pub fn set_cut_route(&mut self, name: &str, cut: bool) -> bool {
        let Some((number, one, other)) = self.route_named(name) else { return false };
        for link in [Link::Route(number, one, other), Link::Route(number, other, one)] {
            if let Some(path) = self.path(link) {
                path.set_cut(cut);
            }
        }
        if cut {
            self.lose_underway(|conn| conn.route == number);
        }
        self.note_world(&format!("way {name} {}", if cut { "cut" } else { "healed" }));
        true
    }

    /// Gives the link of a client another profile.
    pub fn set_link(&mut self, client: ClientIx, profile: LinkProfile) {
        self.set_profile(Link::Up(client), profile.clone());
        self.set_profile(Link::Down(client), profile);
    }

    /// Breaks the connection of a client: both ends get a reset.
    pub fn reset(&mut self, client: ClientIx) {
        self.note_world(&format!("connection of {} reset", self.people[client.at()].name));
        self.break_off(client);
    }

    /// Swallows everything on the connection of a client, and only on that one, from here on.
    pub fn black_hole(&mut self, client: ClientIx) {
        self.note_world(&format!("connection of {} swallowed", self.people[client.at()].name));
        self.swallow(client, BY_HAND);
    }

    /// The client's machine dies without a word: its server still believes in the connection. It is dead until
    /// [`Self::heal`].
    pub fn vanish(&mut self, client: ClientIx) {
        self.note_world(&format!("machine of {} gone", self.people[client.at()].name));
        let person = &mut self.people[client.at()];
        person.up.close(BY_HAND);
        person.down.close(BY_HAND);
        person.died_with = person.conn.or(person.died_with);
        self.lose_underway(|conn| conn.near == Near::Client(client));
        self.die_at(client, BY_HAND);
    }

    /// The client stops reading, or reads again.
    pub fn set_paused(&mut self, client: ClientIx, paused: bool) {
        self.set_stalled(client, BY_HAND, paused);
    }

    /// Puts somebody into the middle of the next TLS session of a client.
    pub fn set_mitm(&mut self, client: ClientIx) {
        self.people[client.at()].mitm = true;
        self.note_world(&format!("somebody sits between {} and the server", self.people[client.at()].name));
    }

    /// Breaks the disk of a node.
    pub fn break_disk(&mut self, node: NodeIx, what: DiskFault) {
        self.hosts[node.at()].disk.begin(BY_HAND, what);
    }

    /// Damages what the disk of a node has of an account, for good. What is in memory of it is as it was.
    pub fn damage_account(&mut self, node: NodeIx, owner: &BareJid) {
        self.hosts[node.at()].disk.damage(owner.domain(), owner.local().unwrap_or_default());
    }

    /// Puts right what was broken by hand of the disk of a node. A node that has given up because of it starts again.
    pub fn mend_disk(&mut self, node: NodeIx) {
        let host = &mut self.hosts[node.at()];
        host.disk.end(BY_HAND);
        if host.outages.get(&BY_HAND) == Some(&Outage::GaveUp) {
            self.bring_up(node, BY_HAND);
        }
    }

    /// Kills the process of a node. Its system closes what was open.
    pub fn kill_node(&mut self, node: NodeIx) {
        self.take_down(node, BY_HAND, Outage::Killed);
    }

    /// Takes the power from a node's machine: nothing is sent, unsynced writes are lost.
    pub fn power_off(&mut self, node: NodeIx) {
        self.take_down(node, BY_HAND, Outage::Dark);
    }

    /// Kills a node or takes its power, unless it was stopped in order before. Returns how many live things that has
    /// broken: connections, and batches on their way to the disk.
    pub(super) fn take_down(&mut self, node: NodeIx, cause: u32, how: Outage) -> u64 {
        let host = &mut self.hosts[node.at()];
        let up = host.process.is_some();
        if !up && host.outages.is_empty() {
            return 0;
        }
        host.outages.insert(cause, how);
        let live = (host.disk.in_flight() + self.ends(node).len()) as u64;
        match how {
            Outage::Killed if up => self.kill_process(node),
            Outage::Dark if self.hosts[node.at()].life != Life::Dark => self.cut_power(node),
            Outage::Killed | Outage::Dark | Outage::GaveUp => {}
        }
        if up { live } else { 0 }
    }

    /// Takes away a cause for which a node is down; without any left it starts again.
    pub(super) fn bring_up(&mut self, node: NodeIx, cause: u32) {
        let host = &mut self.hosts[node.at()];
        if host.outages.remove(&cause).is_none() {
            return;
        }
        if host.outages.is_empty() {
            self.start_node(node);
        } else if host.life == Life::Dark && !host.outages.values().any(|how| *how == Outage::Dark) {
            host.life = Life::Down;
            self.set_dark(node, false);
        }
    }

    fn kill_process(&mut self, node: NodeIx) {
        self.die(node, Life::Down);
        self.hosts[node.at()].disk.kill();
        self.note(Actor::Node(node, NodeSight::Killed));
        self.abandon_calls(node);
        for (ix, side) in self.ends(node) {
            let conn = &mut self.conns[ix.at()];
            conn.end(side).state = EndState::Gone;
            // What the driver still held is lost; what the system had taken arrives, and then the end.
            let stream = &mut conn.lane(side.writes()).stream;
            stream.drop_queued();
            stream.finish();
            self.pump(ix, side.writes());
            self.read_end(ix, side);
        }
        self.forget_over();
    }

    fn cut_power(&mut self, node: NodeIx) {
        self.die(node, Life::Dark);
        self.hosts[node.at()].disk.power_off();
        self.note(Actor::Node(node, NodeSight::PowerOff));
        self.set_dark(node, true);
        self.abandon_calls(node);
        for (ix, side) in self.ends(node) {
            let conn = &mut self.conns[ix.at()];
            conn.end(side).state = EndState::Gone;
            conn.lane(side.writes()).stream.clear();
        }
        for ix in self.live.clone() {
            let conn = &mut self.conns[ix.at()];
            // A client without an answer asks again; one that has an answer believes in a connection.
            let answered = conn.peer.state != EndState::Waiting;
            if conn.node == node && conn.server.state == EndState::Waiting && answered {
                conn.server.state = EndState::Gone;
                conn.down.stream.clear();
            }
        }
        self.lose_underway(|conn| conn.node == node || conn.near == Near::Node(node));
        self.forget_over();
    }

    fn die(&mut self, node: NodeIx, life: Life) {
        let host = &mut self.hosts[node.at()];
        host.life = life;
        let recorder = host.process.take().and_then(|process| process.recorder);
        self.recorded.extend(recorder.as_ref().map(Recorder::so_far));
        self.no_process(node);
    }

    /// Returns whether somebody is connected to a node.
    pub(super) fn has_company(&self, node: NodeIx) -> bool {
        !self.ends(node).is_empty()
    }

    /// Counts what arrives for a client that does not read.
    pub(super) fn note_unread(&mut self, client: ClientIx) {
        for cause in self.people[client.at()].stalls.clone() {
            self.hit(cause, 1);
        }
    }

    /// Says whether a machine has power: its end of every link.
    pub(super) fn set_dark(&mut self, node: NodeIx, dark: bool) {
        for person in self.people.iter_mut().filter(|person| person.node == node) {
            person.up.set_dark(dark);
            person.down.set_dark(dark);
        }
        for ((one, other, _), pair) in &mut self.mesh {
            if *one == node || *other == node {
                let other = if *one == node { other } else { one };
                let dark = dark || self.hosts[other.at()].life == Life::Dark;
                pair.there.set_dark(dark);
                pair.back.set_dark(dark);
            }
        }
    }

    pub(super) fn swallow(&mut self, client: ClientIx, cause: u32) {
        if let Some(ix) = self.people[client.at()].conn {
            let now = self.now;
            let conn = &mut self.conns[ix.at()];
            conn.swallow(cause, true);
            conn.lose_underway(now);
        }
    }

    /// A dead machine does nothing: its client forgets what it was about to do.
    pub(super) fn die_at(&mut self, client: ClientIx, cause: u32) {
        let person = &self.people[client.at()];
        for ix in [person.conn, person.former].into_iter().flatten() {
            let now = self.now;
            let conn = &mut self.conns[ix.at()];
            conn.swallow(cause, true);
            conn.up.stream.clear();
            conn.lose_underway(now);
            self.people[client.at()].machine.clear_todo();
            self.gone(ix, Side::Client, CloseCause::TimedOut);
        }
    }

    pub(super) fn set_stalled(&mut self, client: ClientIx, cause: u32, stalled: bool) {
        let person = &mut self.people[client.at()];
        person.stalls.retain(|known| *known != cause);
        person.stalls.extend(stalled.then_some(cause));
        person.paused = !person.stalls.is_empty();
        if let (false, Some(ix)) = (person.paused, person.conn) {
            self.read_down(ix);
        }
    }

    /// Undoes everything that was broken by hand.
    pub(super) fn heal_by_hand(&mut self) {
        let clients: Vec<ClientIx> = (0..).map(ClientIx).take(self.people.len()).collect();
        for client in clients {
            let person = &mut self.people[client.at()];
            person.up.open(BY_HAND);
            person.down.open(BY_HAND);
            person.died_with = None;
            if person.stalls.contains(&BY_HAND) {
                self.set_stalled(client, BY_HAND, false);
            }
        }
        for pair in self.mesh.values_mut() {
            pair.there.open(BY_HAND);
            pair.back.open(BY_HAND);
        }
        for conn in &mut self.conns {
            conn.swallow(BY_HAND, false);
        }
        let nodes: Vec<NodeIx> = (0..).map(NodeIx).take(self.hosts.len()).collect();
        for node in nodes {
            self.mend_disk(node);
            self.bring_up(node, BY_HAND);
            self.bring_up(node, SUPERVISED);
        }
    }

    /// Loses what is on its way on some connections; returns how much that was.
    pub(super) fn lose_underway(&mut self, which: impl Fn(&Conn) -> bool) -> u64 {
        let now = self.now;
        let mut lost = 0;
        // Who hears of a lost connection may make another one at once, so the list changes under this.
        for ix in self.live.clone() {
            let conn = &mut self.conns[ix.at()];
            if which(conn) {
                lost += conn.lose_underway(now);
                self.pump(ix, Way::Up);
                self.pump(ix, Way::Down);
            }
        }
        lost
    }

    /// Notes that the world has changed.
    pub fn note_world(&mut self, what: &str) {
        self.tell_world(WorldSight::Note(what.into()));
    }
}
