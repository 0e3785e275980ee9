//! What each kind of fault does to the world, and how that is undone.

use eyot_core::io::CloseCause;

use super::event::Side;
use super::history::{ClientIx, Near, NodeIx};
use super::host::Outage;
use super::inject::{Due, cause};
use super::links::Link;
use super::state::World;
use crate::engine::{Key, Purpose, SimSpan};
use crate::fault::{Fault, Shape, Way, cuts};
use crate::net::LinkProfile;

/// A swizzle that is not told how long takes so long.
const SWIZZLE: SimSpan = SimSpan::from_secs(30);

impl World {
    pub(super) fn begin_fault(&mut self, run: usize, fault: &Fault) {
        let aim = self.faults.runs[run].aim.clone();
        if let Some(client) = aim.client {
            self.begin_on_client(run, client, fault);
            return;
        }
        for node in &aim.nodes {
            self.begin_on_node(run, *node, fault);
        }
        match fault {
            Fault::CutNodes { oneway, .. } => {
                let back = (!oneway).then_some(Link::Between(aim.nodes[1], aim.nodes[0]));
                self.shut(run, [Link::Between(aim.nodes[0], aim.nodes[1])].into_iter().chain(back).collect());
            }
            Fault::LinkNodes { profile, .. } => {
                self.bend(run, Link::Between(aim.nodes[0], aim.nodes[1]), profile.link.clone());
                self.bend(run, Link::Between(aim.nodes[1], aim.nodes[0]), profile.link.clone());
            }
            Fault::Partition { shape, oneway } => self.partition(run, shape, *oneway),
            Fault::Swizzle { percent } => self.swizzle(run, *percent),
            Fault::Cut { .. }
            | Fault::Flap { .. }
            | Fault::Link { .. }
            | Fault::Reset { .. }
            | Fault::Swallow { .. }
            | Fault::Vanish { .. }
            | Fault::Stall { .. }
            | Fault::Kill { .. }
            | Fault::PowerOff { .. }
            | Fault::Pause { .. }
            | Fault::Wipe { .. }
            | Fault::Slow { .. }
            | Fault::Clock { .. }
            | Fault::Disk { .. }
            | Fault::Site { .. } => {}
        }
    }

    fn begin_on_client(&mut self, run: usize, client: ClientIx, fault: &Fault) {
        let live = u64::from(self.people[client.at()].conn.is_some());
        match fault {
            Fault::Cut { way, .. } => self.shut(run, ways(client, *way)),
            Fault::Flap { every, .. } => {
                self.shut(run, ways(client, None));
                self.push_due(run, *every, Due::Flap(1));
            }
            Fault::Link { profile, way, .. } => {
                for link in ways(client, *way) {
                    self.bend(run, link, profile.link.clone());
                }
            }
            Fault::Reset { .. } => {
                self.hit(cause(run), live);
                self.break_off(client);
            }
            Fault::Swallow { .. } => {
                self.hit(cause(run), live);
                self.faults.runs[run].hole = self.people[client.at()].conn;
                self.swallow(client, cause(run));
            }
            Fault::Vanish { .. } => {
                self.hit(cause(run), live);
                self.faults.runs[run].hole = self.people[client.at()].conn;
                self.shut(run, ways(client, None));
                self.die_at(client, cause(run));
            }
            Fault::Stall { .. } => self.set_stalled(client, cause(run), true),
            Fault::CutNodes { .. }
            | Fault::Partition { .. }
            | Fault::Swizzle { .. }
            | Fault::LinkNodes { .. }
            | Fault::Kill { .. }
            | Fault::PowerOff { .. }
            | Fault::Pause { .. }
            | Fault::Wipe { .. }
            | Fault::Slow { .. }
            | Fault::Clock { .. }
            | Fault::Disk { .. }
            | Fault::Site { .. } => {}
        }
    }

    fn begin_on_node(&mut self, run: usize, node: NodeIx, fault: &Fault) {
        let cause = cause(run);
        let now = self.now;
        match fault {
            Fault::Kill { .. } => {
                let hit = self.take_down(node, cause, Outage::Killed);
                self.hit(cause, hit);
            }
            Fault::PowerOff { .. } | Fault::Site { .. } => {
                let hit = self.take_down(node, cause, Outage::Dark);
                self.hit(cause, hit);
            }
            Fault::Wipe { .. } => {
                let hit = self.take_down(node, cause, Outage::Dark);
                self.hit(cause, hit);
                self.hosts[node.at()].disk.wipe();
            }
            Fault::Pause { .. } => self.lag(node, cause, None),
            Fault::Slow { by, .. } => self.lag(node, cause, Some(*by)),
            Fault::Clock { what, .. } => {
                self.hosts[node.at()].clock.begin(cause, *what, now);
                self.wait_again(node);
            }
            Fault::Disk { what, .. } => self.hosts[node.at()].disk.begin(cause, *what),
            Fault::Cut { .. }
            | Fault::CutNodes { .. }
            | Fault::Partition { .. }
            | Fault::Swizzle { .. }
            | Fault::Flap { .. }
            | Fault::Link { .. }
            | Fault::LinkNodes { .. }
            | Fault::Reset { .. }
            | Fault::Swallow { .. }
            | Fault::Vanish { .. }
            | Fault::Stall { .. } => {}
        }
    }

    /// Takes back whatever a fault does, except what others do as well.
    pub(super) fn undo(&mut self, run: usize) {
        let (number, now) = (cause(run), self.now);
        for link in self.faults.runs[run].shut.clone() {
            if let Some(path) = self.path(link) {
                path.open(number);
            }
        }
        for (link, _, _) in self.faults.runs[run].bent.clone() {
            self.straighten(link);
        }
        if let Some(ix) = self.faults.runs[run].hole {
            self.conns[ix.at()].swallow(number, false);
        }
        let aim = self.faults.runs[run].aim.clone();
        if let Some(client) = aim.client {
            self.set_stalled(client, number, false);
        }
        for node in aim.nodes {
            let host = &mut self.hosts[node.at()];
            host.disk.end(number);
            host.clock.end(number, now);
            self.wait_again(node);
            self.no_lag(node, number);
            self.bring_up(node, number);
        }
    }

    /// Closes links for a fault. Where both directions of a link are closed, what is on it is lost too; where one is,
    /// what was sent before still arrives.
    pub(super) fn shut(&mut self, run: usize, links: Vec<Link>) {
        let number = cause(run);
        let links: Vec<Link> = links.into_iter().flat_map(|link| self.with_routes(link)).collect();
        for link in &links {
            if let Some(path) = self.path(*link) {
                path.close(number);
            }
        }
        for link in &links {
            if let Link::Up(client) = *link
                && links.contains(&Link::Down(client))
            {
                let lost = self.lose_underway(|conn| conn.near == Near::Client(client));
                self.hit(number, lost);
            }
            if let Link::Between(from, to) = *link
                && from < to
                && links.contains(&Link::Between(to, from))
            {
                let lost = self.lose_between(from, to);
                self.hit(number, lost);
            }
        }
        self.faults.runs[run].shut.extend(links);
    }

    /// Opens a link again that a fault has closed.
    pub(super) fn unshut(&mut self, run: usize, link: Link) {
        let number = cause(run);
        for link in self.with_routes(link) {
            let swallowed = self.path(link).map_or(0, |path| path.open(number));
            self.hit(number, swallowed);
            self.faults.runs[run].shut.retain(|known| *known != link);
        }
    }

    pub(super) fn flap(&mut self, run: usize, count: u32) {
        let Fault::Flap { every, .. } = self.faults.runs[run].told.fault else { return };
        let Some(client) = self.faults.runs[run].aim.client else { return };
        if count.is_multiple_of(2) {
            self.shut(run, ways(client, None));
        } else {
            for link in ways(client, None) {
                self.unshut(run, link);
            }
        }
        self.push_due(run, every, Due::Flap(count.wrapping_add(1)));
    }

    fn partition(&mut self, run: usize, shape: &Shape, oneway: bool) {
        let names: Vec<String> = self.hosts.iter().map(|host| host.name.clone()).collect();
        let nodes: Vec<NodeIx> = (0..).map(NodeIx).take(names.len()).collect();
        let key = self.faults.runs[run].told.id.key();
        let cuts = cuts(shape, oneway, &names, self.entropy, key);
        self.shut(run, cuts.into_iter().map(|(from, to)| Link::Between(nodes[from], nodes[to])).collect());
    }

    /// Each link draws whether it takes part, when in the first half it is cut, and when in the second it is healed.
    fn swizzle(&mut self, run: usize, percent: u8) {
        let names = |node: &NodeIx| self.hosts[node.at()].name.as_str();
        let direct = self.mesh.keys().filter(|(_, _, route)| *route == 0);
        let between = direct.map(|(from, to, _)| {
            let both = vec![Link::Between(*from, *to), Link::Between(*to, *from)];
            (format!("{} {}", names(from), names(to)), both)
        });
        let people = (0..).map(ClientIx).zip(&self.people);
        let links: Vec<(String, Vec<Link>)> =
            people.map(|(ix, person)| (person.name.clone(), ways(ix, None))).chain(between).collect();
        let key = self.faults.runs[run].told.id.key();
        let whole = *self.faults.runs[run].lasts.get_or_insert(SWIZZLE);
        let half = whole.as_nanos() / 2;
        for (name, links) in links {
            let own = key.with(self.entropy.draw(Purpose::FaultSwizzle, Key::of(&name), 3));
            let below = |counter, bound| self.entropy.below(Purpose::FaultSwizzle, own, counter, bound);
            let (drawn, cut, heal) = (below(0, 100), below(1, half), half + below(2, half));
            if drawn >= u64::from(percent) {
                continue;
            }
            let number = u16::try_from(self.faults.runs[run].swizzled.len()).unwrap_or(u16::MAX);
            self.faults.runs[run].swizzled.push(links);
            self.push_due(run, SimSpan::from_nanos(cut), Due::Cut(number));
            self.push_due(run, SimSpan::from_nanos(heal), Due::Heal(number));
        }
    }

    /// Gives a link another profile while a fault is in force; the last one counts.
    fn bend(&mut self, run: usize, link: Link, profile: LinkProfile) {
        let Some(path) = self.path(link) else { return };
        let (base, offered) = (path.profile().clone(), path.offered());
        self.change(link, profile.clone());
        self.faults.bases.entry(link).or_insert(base);
        self.faults.runs[run].bent.push((link, profile, offered));
    }

    /// Gives a link the profile that is its due, a fault having ended.
    fn straighten(&mut self, link: Link) {
        let in_force = self.faults.runs.iter().rev().filter(|run| run.told.ended.is_none());
        let others = in_force.flat_map(|run| &run.bent).find(|(bent, _, _)| *bent == link);
        let profile = match others {
            Some((_, profile, _)) => Some(profile.clone()),
            None => self.faults.bases.remove(&link),
        };
        if let Some(profile) = profile {
            self.change(link, profile);
        }
    }

    /// Both ends of a client's connection get a reset.
    pub(super) fn break_off(&mut self, client: ClientIx) {
        if let Some(ix) = self.people[client.at()].conn {
            self.reset_arrives(ix, Side::Client);
            self.lost(ix, Side::Server, CloseCause::Reset);
        }
    }
}

fn ways(client: ClientIx, way: Option<Way>) -> Vec<Link> {
    match way {
        Some(Way::Up) => vec![Link::Up(client)],
        Some(Way::Down) => vec![Link::Down(client)],
        None => vec![Link::Up(client), Link::Down(client)],
    }
}
