//! A cluster to measure: what passes between its nodes, and how long that takes.

use std::collections::BTreeMap;

use bytes::Bytes;
use eyot_core::config::Config;
use eyot_core::jid::{Domain, JidError};
use eyot_core::store::Table;

use super::{DOMAIN, add_client, add_user, come_online, name, pass};
use crate::client::Op;
use crate::engine::{SimSpan, SimTime};
use crate::net::LinkProfile;
use crate::script::cluster_of;
use crate::world::{ClientIx, NodeIx, Options, World};

/// Links between nodes are found in so long, also slow ones.
const PATIENCE: SimSpan = SimSpan::from_secs(60);
/// What is asked of disks is asked so often.
const LOOK: SimSpan = SimSpan::from_millis(20);

/// The nodes of a cluster, and people at each of them.
#[derive(Debug)]
pub struct ClusterLoad {
    world: World,
    nodes: Vec<NodeIx>,
    clients: Vec<ClientIx>,
}

impl ClusterLoad {
    /// Creates a cluster of `nodes` nodes of one site with `people` at each, all online. Person `i` is at node `i % nodes`.
    ///
    /// # Errors
    ///
    /// [`JidError`] when a name of the load is no address: never.
    pub fn new(seed: u64, nodes: usize, people: usize, way: &LinkProfile) -> Result<Self, JidError> {
        let mut world = World::new(Options { seed, forget: true, ..Options::default() });
        let domain = Domain::parse(DOMAIN)?;
        let names: Vec<String> = (0..nodes).map(|number| format!("n{number}")).collect();
        let pairs = names.iter().flat_map(|one| names.iter().map(move |other| (one, other)));
        let links: Vec<(String, String, LinkProfile)> = pairs
            .filter(|(one, other)| one < other)
            .map(|(one, other)| (one.clone(), other.clone(), way.clone()))
            .collect();
        let made: Vec<NodeIx> = names
            .iter()
            .map(|own| {
                let mut config = Config { node: own.clone(), ..Config::single(domain.clone()) };
                config.limits.scram_iterations = 1;
                config.cluster = (nodes > 1).then(|| cluster_of(own, &names, &[], (&links, &[])));
                world.add_node(own, config)
            })
            .collect();
        for (index, one) in made.iter().enumerate() {
            for other in &made[..index] {
                world.link_nodes(*other, *one, way);
            }
        }
        for node in &made {
            world.start_node(*node);
        }
        let mut load = Self { world, nodes: made, clients: Vec::new() };
        load.until(PATIENCE, |load| load.runs() && load.world.is_linked_up());
        for number in 0..nodes * people {
            load.add(&domain, number)?;
        }
        load.pass(PATIENCE);
        for client in &load.clients {
            come_online(&mut load.world, *client);
        }
        load.pass(PATIENCE);
        Ok(load)
    }

    fn add(&mut self, domain: &Domain, number: usize) -> Result<(), JidError> {
        let name = name(u32::try_from(number).unwrap_or(u32::MAX));
        let node = self.nodes[number % self.nodes.len()];
        add_user(&mut self.world, node, &name, domain)?;
        self.clients.push(add_client(&mut self.world, node, &name));
        Ok(())
    }

    /// Lets somebody say something to somebody, who may be anywhere: about 300 bytes.
    pub fn say(&mut self, from: usize, to: usize, number: u64) {
        let body = format!("{number} {}", "words that make up a message of a usual length, ".repeat(4));
        let op = Op::Message { to: address(to), kind: "chat", body, extra: Vec::new() };
        self.world.tell(self.clients[from], op);
    }

    /// Lets two people see each other's presence.
    pub fn befriend(&mut self, one: usize, other: usize) {
        for (from, to) in [(one, other), (other, one)] {
            self.tell(from, format!("<presence to='{}' type='subscribed'/>", address(to)));
        }
        self.pass(PATIENCE);
        for (from, to) in [(one, other), (other, one)] {
            self.tell(from, format!("<presence to='{}' type='subscribe'/>", address(to)));
        }
        self.pass(PATIENCE);
    }

    /// Lets somebody show another presence.
    pub fn show(&mut self, who: usize, number: u64) {
        let show = if number.is_multiple_of(2) { "away" } else { "dnd" };
        self.tell(who, format!("<presence><show>{show}</show><status>back at {number}</status></presence>"));
    }

    fn tell(&mut self, who: usize, text: String) {
        self.world.tell(self.clients[who], Op::Text(Bytes::from(text)));
    }

    /// Lets time pass.
    pub fn pass(&mut self, span: SimSpan) {
        pass(&mut self.world, span);
    }

    /// Cuts every link between nodes, or heals them.
    pub fn set_cut(&mut self, cut: bool) {
        for (index, one) in self.nodes.iter().enumerate() {
            for other in &self.nodes[..index] {
                self.world.set_cut_between(*other, *one, cut);
            }
        }
    }

    /// Returns how many bytes nodes have handed over to each other so far, before TLS.
    pub fn said(&self) -> u64 {
        self.world.said_bytes()
    }

    /// Returns how many frames of each kind they have handed over, and the bytes of their bodies.
    pub fn kinds(&self) -> BTreeMap<u8, (u64, u64)> {
        self.world.said_kinds().clone()
    }

    /// Returns how many stanzas somebody got.
    pub fn got(&self, who: usize) -> u64 {
        self.world.stanzas_got(self.clients[who])
    }

    /// Waits until all disks hold the same entries; returns how long that took, or nothing if it takes longer
    /// than `limit`. Nothing may be written meanwhile.
    pub fn agree(&mut self, limit: SimSpan) -> Option<SimSpan> {
        let from = self.world.now();
        self.until(limit, |load| {
            let rows = |node: &NodeIx| load.world.durable_keys(*node, Table::Dot);
            load.nodes.iter().all(|node| rows(node) == rows(&load.nodes[0]))
        })
        .then(|| self.world.now().since(from))
    }

    /// Returns whether every node runs and serves.
    pub fn runs(&self) -> bool {
        self.nodes.iter().all(|node| self.world.is_ready(*node))
    }

    /// Lets time pass until something is so; returns whether it is.
    fn until(&mut self, limit: SimSpan, is_so: impl Fn(&Self) -> bool) -> bool {
        let limit: SimTime = self.world.now() + limit;
        while !is_so(self) {
            if self.world.now() >= limit {
                return false;
            }
            self.pass(LOOK);
        }
        true
    }

    /// Leaves the memory of one node as it is, and gives that of all others back.
    pub fn leak(self, node: usize) {
        self.world.leak_node(self.nodes[node]);
    }
}

fn address(who: usize) -> String {
    format!("{}@{DOMAIN}", name(u32::try_from(who).unwrap_or(u32::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::builtin;

    #[test]
    fn a_node_alone_serves_its_people() {
        let mut load = ClusterLoad::new(5, 1, 2, &builtin("lan").unwrap()).unwrap();
        let got = load.got(1);
        for number in 0..30 {
            load.say(0, 1, number);
            load.pass(SimSpan::from_millis(100));
        }
        load.pass(SimSpan::from_secs(1));
        assert_eq!(load.got(1), got + 30);
    }

    #[test]
    fn what_is_said_in_a_cut_is_on_all_disks_after_it() {
        let mut load = ClusterLoad::new(5, 2, 2, &builtin("wan-80ms").unwrap()).unwrap();
        load.set_cut(true);
        for number in 0..10 {
            load.say(0, 2, number);
            load.pass(SimSpan::from_secs(1));
        }
        assert_eq!(load.agree(SimSpan::from_secs(1)), None, "nothing passes");
        let (said, got) = (load.said(), load.got(1));
        load.set_cut(false);
        assert!(load.agree(SimSpan::from_secs(60)).is_some());
        assert!(load.said() > said + 10 * 100);
        load.say(0, 1, 11);
        load.pass(SimSpan::from_secs(2));
        assert_eq!(load.got(1), got + 1);
        assert!(load.runs());
    }
}
