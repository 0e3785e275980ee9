//! A world by hand, without a scenario file: two clients, a cut, a heal, and what Bob saw.

use std::io::Write as _;

use eyot_core::config::Config;
use eyot_core::io::{Command, Secret};
use eyot_core::jid::{BareJid, Domain};
use eyot_io_sim::client::{ClientConfig, Goal, Op, Over, Presence};
use eyot_io_sim::engine::{SimSpan, SimTime};
use eyot_io_sim::net::builtin;
use eyot_io_sim::transcript::{Form, Transcript};
use eyot_io_sim::world::{Options, Step, World};

const DOMAIN: &str = "eyot.example";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut world = World::new(Options { seed: 1, ..Options::default() });
    let domain = Domain::parse(DOMAIN).map_err(|error| format!("{error:?}"))?;
    let node = world.add_node("a", Config::single(domain.clone()));
    world.start_node(node);
    pass(&mut world, 1);

    let mut clients = Vec::new();
    for name in ["alice", "bob"] {
        let user = BareJid::from_local(name, &domain).map_err(|error| format!("{error:?}"))?;
        world.command(node, Command::UserAdd { user, password: Some(Secret(name.into())) });
        let profile = builtin("wan-80ms").ok_or("no such profile")?;
        let client = world.add_client(name, node, profile, config(name));
        clients.push(client);
    }
    pass(&mut world, 1);
    for client in &clients {
        world.tell(*client, Op::Reach(Goal::Bound));
        world.tell(*client, Op::Presence(Presence::default()));
    }
    pass(&mut world, 5);

    let (alice, bob) = (clients[0], clients[1]);
    world.cut(bob);
    let body = String::from("are you still there?");
    world.tell(alice, Op::Message { to: format!("bob@{DOMAIN}"), kind: "chat", body, extra: Vec::new() });
    pass(&mut world, 5);
    world.heal(bob);
    pass(&mut world, 60);

    write!(std::io::stdout(), "{}", Transcript::of(&world, DOMAIN, Form::Short, &[0]))?;
    Ok(())
}

fn config(name: &str) -> ClientConfig {
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

fn pass(world: &mut World, seconds: u64) {
    let until: SimTime = world.now() + SimSpan::from_secs(seconds);
    while world.step(until) != Step::Nothing {}
}
