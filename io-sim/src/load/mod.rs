//! A load to measure the simulator with: real nodes, real clients, nobody to read the history.

mod cluster;

use eyot_core::config::Config;
use eyot_core::io::{Command, Secret};
use eyot_core::jid::{BareJid, Domain, JidError};

use crate::client::{ClientConfig, Goal, Op, Over, Presence};
use crate::engine::{SimSpan, TraceHash};
use crate::net::{Line, LinkProfile};
use crate::world::{ClientIx, NodeIx, Options, Step, World};

pub use cluster::ClusterLoad;

/// One node and its clients; each says something to the next once a second.
#[derive(Debug)]
pub struct Load {
    world: World,
    clients: Vec<ClientIx>,
    /// The full JID of each.
    addresses: Vec<String>,
}

/// What a load has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// Stanzas that clients got.
    pub stanzas: u64,
    /// Events taken out of the queue.
    pub events: u64,
    /// The hash over all of them.
    pub hash: TraceHash,
}

const DOMAIN: &str = "eyot.example";
const LINK: Line = Line {
    latency: SimSpan::from_millis(20),
    jitter: SimSpan::from_millis(1),
    rate: 10_000_000,
    ..Line::PERFECT
};

impl Load {
    /// Creates a world with `count` clients, all online. Messages have about 280 bytes.
    ///
    /// # Errors
    ///
    /// [`JidError`] when a name of the load is no address: never.
    pub fn new(seed: u64, count: u32) -> Result<Self, JidError> {
        let mut world = World::new(Options { seed, forget: true, ..Options::default() });
        let domain = Domain::parse(DOMAIN)?;
        let mut config = Config::single(domain.clone());
        config.limits.scram_iterations = 1;
        let node = world.add_node("a", config);
        world.start_node(node);
        pass(&mut world, SimSpan::from_secs(1));
        let mut clients = Vec::new();
        for number in 0..count {
            let name = name(number);
            add_user(&mut world, node, &name, &domain)?;
            clients.push(add_client(&mut world, node, &name));
        }
        for client in &clients {
            come_online(&mut world, *client);
        }
        pass(&mut world, SimSpan::from_secs(5));
        let addresses = (0..count).map(|number| format!("{}@{DOMAIN}/desk", name(number))).collect();
        Ok(Self { world, clients, addresses })
    }

    /// Lets every client send `rounds` messages, one a second.
    pub fn run(&mut self, rounds: u32) -> Done {
        let (got, events) = (self.got(), self.world.events());
        let gap = SimSpan::from_micros(1_000_000 / (self.clients.len() as u64).max(1));
        let words = "words that make up a message of a usual length, ".repeat(4);
        for round in 0..rounds {
            for index in 0..self.clients.len() {
                let to = self.addresses[(index + 1) % self.clients.len()].clone();
                let body = [round.to_string().as_str(), " ", &words].concat();
                self.world
                    .tell(self.clients[index], Op::Message { to, kind: "chat", body, extra: Vec::new() });
                pass(&mut self.world, gap);
            }
        }
        pass(&mut self.world, SimSpan::from_secs(1));
        Done { stanzas: self.got() - got, events: self.world.events() - events, hash: self.world.hash() }
    }

    fn got(&self) -> u64 {
        self.clients.iter().map(|client| self.world.stanzas_got(*client)).sum()
    }
}

fn pass(world: &mut World, span: SimSpan) {
    let until = world.now() + span;
    while world.step(until) != Step::Nothing {}
}

/// Lets a node make an account whose password is its name.
fn add_user(world: &mut World, node: NodeIx, name: &str, domain: &Domain) -> Result<(), JidError> {
    let user = BareJid::from_local(name, domain)?;
    let password = Some(Secret(name.to_owned().into()));
    world.command(node, Command::UserAdd { user, password });
    pass(world, SimSpan::from_millis(20));
    Ok(())
}

fn add_client(world: &mut World, node: NodeIx, name: &str) -> ClientIx {
    world.add_client(name, node, LinkProfile::symmetric(LINK), client(name))
}

fn come_online(world: &mut World, client: ClientIx) {
    world.tell(client, Op::Reach(Goal::Bound));
    world.tell(client, Op::Presence(Presence::default()));
}

fn name(number: u32) -> String {
    format!("user{number}")
}

fn client(name: &str) -> ClientConfig {
    ClientConfig {
        domain: DOMAIN.into(),
        user: name.into(),
        password: name.into(),
        resource: Some("desk".into()),
        over: Over::DirectTls,
        mechanism: None,
        gs2: None,
        injected: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_arrives_and_a_second_run_is_the_same() {
        let run = || Load::new(3, 5).unwrap().run(4);
        let done = run();
        assert_eq!(done.stanzas, 20);
        assert_eq!(done, run());
    }
}
