//! What a world promises whoever runs it.

use eyot_core::config::Config;
use eyot_core::io::{Answer, CloseHow, Command, CommandId, ConnId, OpId, Output, Refusal};
use eyot_core::jid::Domain;
use eyot_core::store::{Key, StoreBatch, StoreQuery, Table, Write};
use eyot_core::time::Span;

use std::collections::BTreeSet;

use bytes::Bytes;

use super::event::{ConnIx, Way};
use super::{Actor, ClientIx, Life, NodeIx, NodeSight, Options, Slices, Step, World};
use crate::client::{ClientConfig, Goal, Op, Over, Sight};
use crate::engine::{SimSpan, SimTime};
use crate::net::builtin;

const DOMAIN: &str = "eyot.example";

pub(super) fn world(options: Options) -> (World, NodeIx) {
    let mut world = World::new(options);
    let node = world.add_node("a", Config::single(Domain::parse(DOMAIN).unwrap()));
    world.start_node(node);
    pass(&mut world, 1_000);
    (world, node)
}

pub(super) fn add(world: &mut World, node: NodeIx, name: &str) -> ClientIx {
    let config = ClientConfig {
        domain: DOMAIN.into(),
        user: name.into(),
        password: "x".into(),
        resource: None,
        over: Over::StartTls,
        mechanism: None,
        gs2: None,
        injected: None,
    };
    world.add_client(name, node, builtin("wan-80ms").unwrap(), config)
}

pub(super) fn pass(world: &mut World, millis: u64) {
    let until = world.now() + SimSpan::from_millis(millis);
    while world.step(until) != Step::Nothing {}
}

pub(super) fn seen(world: &World, client: ClientIx) -> Vec<(SimTime, String)> {
    let of_client = world.history().iter().filter_map(|record| match &record.actor {
        Actor::Client(ix, sight) if *ix == client => Some((record.at, format!("{sight:?}"))),
        Actor::Client(..) | Actor::Node(..) | Actor::World(_) => None,
    });
    of_client.collect()
}

/// Alice secures her stream, alone or in company; her times.
fn alice_with(company: &[&str]) -> Vec<(SimTime, String)> {
    let (mut world, node) = world(Options::default());
    let mut others = Vec::new();
    for name in company {
        others.push(add(&mut world, node, name));
    }
    let alice = add(&mut world, node, "alice");
    for client in others.into_iter().chain([alice]) {
        world.tell(client, Op::Reach(Goal::Secured));
    }
    pass(&mut world, 5_000);
    seen(&world, alice)
}

#[test]
fn removing_a_client_moves_no_other() {
    let alone = alice_with(&[]);
    assert!(alone.iter().any(|(_, sight)| sight == "Secured"), "{alone:?}");
    let timings = |seen: &[(SimTime, String)]| seen.iter().map(|(at, _)| *at).collect::<Vec<_>>();
    assert_eq!(timings(&alice_with(&["bob", "carol"])), timings(&alone));
}

#[test]
fn another_seed_is_another_world_and_the_same_seed_the_same() {
    let hash = |seed| {
        let (mut world, node) = world(Options { seed, ..Options::default() });
        let alice = add(&mut world, node, "alice");
        world.tell(alice, Op::Reach(Goal::Secured));
        pass(&mut world, 5_000);
        world.hash()
    };
    assert_eq!(hash(1), hash(1));
    assert_ne!(hash(1), hash(2));
}

#[test]
fn a_cut_world_is_quiet_and_a_healed_one_is_not_until_it_has_caught_up() {
    let (mut world, node) = world(Options::default());
    let alice = add(&mut world, node, "alice");
    world.tell(alice, Op::Reach(Goal::Open));
    pass(&mut world, 5_000);
    world.cut(alice);
    world.tell(alice, Op::Text("<presence/>".into()));
    pass(&mut world, 5_000);
    assert!(world.is_quiet());
    world.heal(alice);
    assert!(!world.is_quiet());
    pass(&mut world, 10_000);
    assert!(world.is_quiet());
    assert!(seen(&world, alice).iter().any(|(_, sight)| sight.contains("StreamError")));
}

#[test]
fn a_killed_node_is_heard_of_and_a_dark_one_is_not() {
    for (dark, heard) in [(false, true), (true, false)] {
        let (mut world, node) = world(Options::default());
        let alice = add(&mut world, node, "alice");
        world.tell(alice, Op::Reach(Goal::Open));
        pass(&mut world, 5_000);
        if dark {
            world.power_off(node);
        } else {
            world.kill_node(node);
        }
        pass(&mut world, 5_000);
        let gone = seen(&world, alice).iter().any(|(_, sight)| sight.starts_with("Closed"));
        assert_eq!(gone, heard, "dark: {dark}");
    }
}

/// A world in which Alice has a stream and reads nothing more, and 300 kB for her wait.
fn with_a_slow_reader() -> (World, NodeIx, ClientIx) {
    let (mut world, node) = world(Options::default());
    let alice = add(&mut world, node, "alice");
    world.tell(alice, Op::Reach(Goal::Open));
    pass(&mut world, 5_000);
    world.set_paused(alice, true);
    for _ in 0..300 {
        world.conns[0].down.stream.write(Bytes::from(vec![b' '; 1_000]));
        world.pump(ConnIx(0), Way::Down);
    }
    assert!(world.conns[0].down.stream.queued() > 0);
    (world, node, alice)
}

#[test]
fn what_a_killed_process_had_not_handed_over_is_lost() {
    let (mut world, node, _) = with_a_slow_reader();
    world.kill_node(node);
    let down = &world.conns[0].down.stream;
    // At most the rest of the segment that filled the buffer.
    assert!(down.queued() < 1_460, "{}", down.queued());
    assert!(down.is_finished());
}

fn runs(world: &World, node: NodeIx) -> bool {
    world.life(node) == Life::Up
}

#[test]
fn a_reader_that_takes_nothing_holds_a_close_up_for_the_time_to_drain_and_is_reset() {
    let (mut world, node, alice) = with_a_slow_reader();
    world.command(node, Command::Shutdown);
    pass(&mut world, 29_900);
    assert!(runs(&world, node));
    pass(&mut world, 200);
    assert!(!runs(&world, node));
    assert!(seen(&world, alice).iter().any(|(_, sight)| sight == "Closed(Reset)"));
}

#[test]
fn a_peer_that_does_not_answer_the_end_loses_no_byte_and_holds_a_close_up_for_close_time() {
    let mut world = World::new(Options::default());
    let mut config = Config::single(Domain::parse(DOMAIN).unwrap());
    config.limits.close_time = Span::from_secs(2);
    let node = world.add_node("a", config);
    world.start_node(node);
    pass(&mut world, 1_000);
    let alice = add(&mut world, node, "alice");
    world.tell(alice, Op::Reach(Goal::Open));
    pass(&mut world, 5_000);
    world.set_paused(alice, true);
    world.command(node, Command::Shutdown);
    pass(&mut world, 1_900);
    assert!(runs(&world, node));
    pass(&mut world, 200);
    assert!(!runs(&world, node));
    world.set_paused(alice, false);
    pass(&mut world, 1_000);
    let seen: Vec<String> = seen(&world, alice).into_iter().map(|(_, sight)| sight).collect();
    assert!(seen.iter().any(|sight| sight.contains("system-shutdown")), "{seen:?}");
    assert!(seen.iter().any(|sight| sight == "Closed(Closed)"), "{seen:?}");
}

#[test]
#[should_panic(expected = "connections that it was told of")]
fn a_node_that_goes_on_with_a_connection_after_its_close_is_found_out() {
    let (mut world, node) = world(Options::default());
    let alice = add(&mut world, node, "alice");
    world.tell(alice, Op::Reach(Goal::Open));
    pass(&mut world, 5_000);
    let conn = ConnId(0);
    world.perform(node, Output::Close { conn, how: CloseHow::Graceful });
    world.perform(node, Output::Send { conn, head: Bytes::from_static(b" "), body: Bytes::new() });
}

#[test]
fn each_output_is_in_the_hash_down_to_its_last_field() {
    let key = |text: &str| Key::new(Table::Account, &[DOMAIN, text]);
    let outputs = [
        Output::Wait { until: None, reason: "one" },
        Output::Wait { until: None, reason: "other" },
        Output::Close { conn: ConnId(0), how: CloseHow::Graceful },
        Output::Close { conn: ConnId(0), how: CloseHow::Abort },
        Output::Reply { id: CommandId(1), answer: Answer::Done },
        Output::Reply { id: CommandId(1), answer: Answer::Refused(Refusal::Busy) },
        Output::Load { op: OpId(1), query: StoreQuery::Get { key: key("a") } },
        Output::Load { op: OpId(1), query: StoreQuery::Get { key: key("b") } },
        Output::Store { op: OpId(1), batch: StoreBatch { writes: vec![Write::Delete { key: key("a") }] } },
        Output::Store { op: OpId(1), batch: StoreBatch { writes: vec![Write::Delete { key: key("b") }] } },
    ];
    let hashes: BTreeSet<String> = outputs
        .iter()
        .map(|output| {
            let (mut world, node) = world(Options::default());
            world.hash_output(node, output);
            world.hash().to_string()
        })
        .collect();
    assert_eq!(hashes.len(), outputs.len());
}

#[test]
fn nobody_connects_to_a_node_that_is_not_ready() {
    let mut world = World::new(Options { slices: Slices::Random, ..Options::default() });
    let node = world.add_node("a", Config::single(Domain::parse(DOMAIN).unwrap()));
    let alice = add(&mut world, node, "alice");
    world.tell(alice, Op::Reach(Goal::Open));
    pass(&mut world, 1_000);
    let refused = |record: &super::Record| matches!(record.actor, Actor::Client(_, Sight::Refused));
    assert!(world.history().iter().any(refused));
    world.start_node(node);
    pass(&mut world, 1_000);
    let ready = |record: &super::Record| matches!(record.actor, Actor::Node(_, NodeSight::Ready(_)));
    assert!(world.history().iter().any(ready));
}

#[test]
fn a_host_that_has_forgotten_a_connection_resets_it_until_that_is_heard() {
    let (mut world, node) = world(Options::default());
    let alice = add(&mut world, node, "alice");
    world.tell(alice, Op::Reach(Goal::Open));
    pass(&mut world, 5_000);
    world.power_off(node);
    pass(&mut world, 1_000);
    world.start_node(node);
    pass(&mut world, 60_000);
    let reset = |world: &World| seen(world, alice).iter().any(|(_, sight)| sight == "Closed(Reset)");
    assert!(!reset(&world), "nobody says anything on an idle connection");
    world.people[alice.at()].down.set_cut(true);
    world.tell(alice, Op::Text("<presence/>".into()));
    pass(&mut world, 100);
    world.people[alice.at()].down.set_cut(false);
    assert!(!reset(&world), "the first reset is lost");
    pass(&mut world, 1_000);
    assert!(reset(&world));
}

#[test]
fn the_answer_to_a_syn_whose_acknowledgement_is_lost_comes_again_or_data_does_instead() {
    let (mut world, node) = world(Options::default());
    let alice = add(&mut world, node, "alice");
    world.tell(alice, Op::Reach(Goal::Open));
    pass(&mut world, 60);
    // The SYN has arrived; the acknowledgement and the first bytes of the client have not left.
    world.people[alice.at()].up.set_cut(true);
    pass(&mut world, 100);
    world.people[alice.at()].up.set_cut(false);
    pass(&mut world, 5_000);
    assert!(seen(&world, alice).iter().any(|(_, sight)| sight.starts_with("Features")));
}
