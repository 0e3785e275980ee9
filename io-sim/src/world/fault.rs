//! What may go wrong, and how it is put right again.

use eyot_core::io::CloseCause;

use super::conn::EndState;
use super::event::{ConnIx, Side, Way};
use super::history::{Actor, ClientIx, NodeIx, NodeSight};
use super::host::Life;
use super::recorder::Recorder;
use super::state::World;
use crate::net::LinkProfile;

impl World {
    /// Cuts the link of a client in both directions: what is on it is lost, and nobody is told.
    pub fn cut(&mut self, client: ClientIx) {
        let person = &mut self.people[client.at()];
        person.up.set_cut(true);
        person.down.set_cut(true);
        self.lose_underway(|conn_client, _| conn_client == client);
        self.note_world(&format!("link of {} cut", self.people[client.at()].name));
    }

    /// Heals the link of a client.
    pub fn heal(&mut self, client: ClientIx) {
        let person = &mut self.people[client.at()];
        person.up.set_cut(false);
        person.down.set_cut(false);
        self.note_world(&format!("link of {} healed", self.people[client.at()].name));
    }

    /// Gives the link of a client another profile.
    pub fn set_link(&mut self, client: ClientIx, profile: LinkProfile) {
        let person = &mut self.people[client.at()];
        person.up.set_profile(profile.clone());
        person.down.set_profile(profile);
    }

    /// Breaks the connection of a client: both ends get a reset.
    pub fn reset(&mut self, client: ClientIx) {
        self.note_world(&format!("connection of {} reset", self.people[client.at()].name));
        if let Some(ix) = self.people[client.at()].conn {
            self.reset_arrives(ix, Side::Client);
            self.gone(ix, Side::Server, CloseCause::Reset);
        }
    }

    /// Swallows everything on the connection of a client, and only on that one, from here on.
    pub fn black_hole(&mut self, client: ClientIx) {
        self.note_world(&format!("connection of {} swallowed", self.people[client.at()].name));
        if let Some(ix) = self.people[client.at()].conn {
            let now = self.now;
            let conn = &mut self.conns[ix.at()];
            conn.black_hole = true;
            for way in [Way::Up, Way::Down] {
                conn.lane(way).stream.lose_underway(now);
            }
        }
    }

    /// The client's machine dies without a word: its server still believes in the connection.
    pub fn vanish(&mut self, client: ClientIx) {
        self.black_hole_quietly(client);
        if let Some(ix) = self.people[client.at()].conn {
            self.gone(ix, Side::Client, CloseCause::TimedOut);
        }
    }

    /// The client stops reading, or reads again.
    pub fn set_paused(&mut self, client: ClientIx, paused: bool) {
        self.people[client.at()].paused = paused;
        if let (false, Some(ix)) = (paused, self.people[client.at()].conn) {
            self.read_down(ix);
        }
    }

    /// Puts somebody into the middle of the next TLS session of a client.
    pub fn set_mitm(&mut self, client: ClientIx) {
        self.people[client.at()].mitm = true;
        self.note_world(&format!("somebody sits between {} and the server", self.people[client.at()].name));
    }

    /// Kills the process of a node. Its system closes what was open.
    pub fn kill_node(&mut self, node: NodeIx) {
        if self.die(node, Life::Down) {
            self.hosts[node.at()].disk.kill();
            self.note(Actor::Node(node, NodeSight::Killed));
            for ix in self.server_ends(node) {
                self.conns[ix.at()].server.state = EndState::Gone;
                // What the driver still held is lost; what the system had taken arrives, and then the end.
                self.conns[ix.at()].down.stream.drop_queued();
                self.conns[ix.at()].down.stream.finish();
                self.pump(ix, Way::Down);
                self.read_up(ix);
            }
        }
    }

    /// Takes the power from a node's machine: nothing is sent, unsynced writes are lost.
    pub fn power_off(&mut self, node: NodeIx) {
        if self.die(node, Life::Dark) {
            self.hosts[node.at()].disk.power_off();
            self.note(Actor::Node(node, NodeSight::PowerOff));
            self.set_dark(node, true);
            for ix in self.server_ends(node) {
                self.conns[ix.at()].server.state = EndState::Gone;
                self.conns[ix.at()].down.stream.clear();
            }
            self.lose_underway(|_, conn_node| conn_node == node);
        }
    }

    /// Returns whether there was a process to die.
    fn die(&mut self, node: NodeIx, life: Life) -> bool {
        let host = &mut self.hosts[node.at()];
        host.life = life;
        let process = host.process.take();
        let died = process.is_some();
        let recorder = process.and_then(|process| process.recorder);
        self.recorded.extend(recorder.as_ref().map(Recorder::so_far));
        died
    }

    fn server_ends(&self, node: NodeIx) -> Vec<ConnIx> {
        let theirs = |ix: &ConnIx| {
            let conn = &self.conns[ix.at()];
            conn.node == node && conn.server.is_live()
        };
        self.live.iter().copied().filter(theirs).collect()
    }

    /// Says whether the machine at the far end of its clients' links has power.
    pub(super) fn set_dark(&mut self, node: NodeIx, dark: bool) {
        for person in self.people.iter_mut().filter(|person| person.node == node) {
            person.up.set_dark(dark);
            person.down.set_dark(dark);
        }
    }

    fn black_hole_quietly(&mut self, client: ClientIx) {
        self.note_world(&format!("machine of {} gone", self.people[client.at()].name));
        if let Some(ix) = self.people[client.at()].conn {
            self.conns[ix.at()].black_hole = true;
            self.conns[ix.at()].up.stream.clear();
            let now = self.now;
            self.conns[ix.at()].down.stream.lose_underway(now);
            self.hand_nothing(client);
        }
    }

    /// A dead machine does nothing: its client forgets what it was about to do.
    fn hand_nothing(&mut self, client: ClientIx) {
        let machine = &mut self.people[client.at()].machine;
        machine.clear_todo();
    }

    fn lose_underway(&mut self, which: impl Fn(ClientIx, NodeIx) -> bool) {
        let now = self.now;
        let live = core::mem::take(&mut self.live);
        for ix in &live {
            let conn = &mut self.conns[ix.at()];
            if which(conn.client, conn.node) {
                for way in [Way::Up, Way::Down] {
                    self.conns[ix.at()].lane(way).stream.lose_underway(now);
                    self.pump(*ix, way);
                }
            }
        }
        self.live = live;
    }

    /// Notes that the world has changed.
    pub fn note_world(&mut self, what: &str) {
        self.note(Actor::World(what.into()));
    }
}
