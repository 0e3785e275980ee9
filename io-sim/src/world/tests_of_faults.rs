//! What a world promises of faults that are given to it as data.

use eyot_core::config::Config;
use eyot_core::io::Command;
use eyot_core::jid::{BareJid, Domain};

use std::collections::BTreeSet;

use bytes::Bytes;

use super::conn::EndState;
use super::tests::{add, pass, seen, world};
use super::{Actor, ClientIx, Life, NodeIx, NodeSight, Options, World, WorldSight};
use crate::client::{Goal, Op, Sight};
use crate::engine::{SimSpan, SimTime};
use crate::fault::{
    ClockFault, DiskFault, Fault, FaultId, FaultRun, Profile, Scarce, Shape, Shift, Trigger, Way, cuts,
};
use crate::net::{Path, Stream, TcpParams, builtin};

pub(super) fn inject(world: &mut World, fault: &Fault, millis: Option<u64>) {
    let id = FaultId::of(&fault.to_string(), 0);
    world.inject(id, fault, millis.map(SimSpan::from_millis)).unwrap();
}

pub(super) fn cut(client: &str) -> Fault {
    Fault::Cut { client: client.into(), way: None }
}

fn kill(node: &str) -> Fault {
    Fault::Kill { node: node.into() }
}

/// A world of several nodes.
pub(super) fn nodes(options: Options, names: &[&str]) -> (World, Vec<NodeIx>) {
    let mut world = World::new(options);
    let domain = Domain::parse("eyot.example").unwrap();
    let nodes: Vec<NodeIx> =
        names.iter().map(|name| world.add_node(name, Config::single(domain.clone()))).collect();
    for node in &nodes {
        world.start_node(*node);
    }
    pass(&mut world, 1_000);
    (world, nodes)
}

fn online(world: &mut World, node: NodeIx, name: &str) -> ClientIx {
    let client = add(world, node, name);
    world.tell(client, Op::Reach(Goal::Open));
    pass(world, 5_000);
    client
}

/// Whether the system of a client has its connection.
fn opened(world: &World, client: ClientIx) -> bool {
    world.people[client.at()].conn.is_some_and(|ix| world.conns[ix.at()].peer.state == EndState::Open)
}

fn only(world: &World) -> FaultRun {
    let mut runs = world.faults();
    assert_eq!(runs.len(), 1);
    runs.remove(0)
}

#[test]
fn a_fault_draws_by_its_own_name_whatever_else_is_in_the_plan() {
    let shut = |before: &[&str]| {
        let (mut world, nodes) = nodes(Options::default(), &["a", "b", "c", "d", "e"]);
        for text in before.iter().chain(&["at 9s partition random"]) {
            let fault = Fault::Partition { shape: Shape::Random, oneway: false };
            world.inject(FaultId::of(text, 0), &fault, None).unwrap();
            if text.starts_with("at 1s") {
                world.heal_all();
            }
        }
        let pairs = nodes.iter().flat_map(|from| nodes.iter().map(move |to| (*from, *to)));
        let closed = |pair: &(NodeIx, NodeIx)| world.between(pair.0, pair.1).is_some_and(Path::is_closed);
        pairs.filter(closed).collect::<BTreeSet<_>>()
    };
    let alone = shut(&[]);
    assert!(!alone.is_empty() && alone.len() < 20);
    assert_eq!(shut(&["at 1s partition random"]), alone);
}

/// Sends a byte from each node to each other over the paths between them; returns who heard of whom.
fn heard(world: &World, nodes: &[NodeIx]) -> BTreeSet<(usize, usize)> {
    let mut heard = BTreeSet::new();
    for (index, from) in nodes.iter().enumerate() {
        for (other, to) in nodes.iter().enumerate().filter(|(other, _)| *other != index) {
            let path = |from, to| world.between(from, to).unwrap().clone();
            let (mut there, mut back) = (path(*from, *to), path(*to, *from));
            let mut stream = Stream::new(TcpParams::LINUX);
            stream.write(Bytes::from_static(b"x"));
            stream.pump(world.now(), &mut there, &mut back);
            stream.pump(world.now() + SimSpan::from_secs(1), &mut there, &mut back);
            if stream.readable() == 1 {
                heard.insert((index, other));
            }
        }
    }
    heard
}

#[test]
fn a_partition_of_any_shape_lets_those_hear_each_other_that_its_shape_says_and_ends() {
    let names = ["a", "b", "c", "d", "e"];
    let groups = Shape::Groups(vec![vec!["a".into(), "b".into()], vec!["c".into()]]);
    let one = Shape::One("c".into());
    let shapes =
        [one, Shape::Minority, Shape::Majority, Shape::MajoritiesRing, Shape::Bridge, Shape::Random, groups];
    for (shape, oneway) in shapes.into_iter().flat_map(|shape| [(shape.clone(), false), (shape, true)]) {
        let (mut world, nodes) = nodes(Options::default(), &names);
        let all = heard(&world, &nodes);
        assert_eq!(all.len(), 20);
        let fault = Fault::Partition { shape: shape.clone(), oneway };
        inject(&mut world, &fault, Some(3_000));
        let key = FaultId::of(&fault.to_string(), 0).key();
        let cut = cuts(&shape, oneway, &names.map(String::from), world.entropy, key);
        assert!(!cut.is_empty() && cut.len() < 20, "{fault}");
        assert_eq!(heard(&world, &nodes), all.difference(&cut).copied().collect(), "{fault}");
        pass(&mut world, 3_001);
        assert_eq!(heard(&world, &nodes), all, "{fault}");
    }
}

#[test]
fn links_between_nodes_have_the_profile_they_are_given_and_one_without_power_hears_nobody() {
    let (mut world, nodes) = nodes(Options::default(), &["a", "b", "c"]);
    world.link_nodes(nodes[0], nodes[1], &builtin("slow").unwrap());
    let profile = |world: &World, from: usize, to: usize| {
        world.between(nodes[from], nodes[to]).unwrap().profile().clone()
    };
    let satcom = Profile { name: "satcom-geo".into(), link: builtin("satcom-geo").unwrap() };
    let fault = Fault::LinkNodes { from: "b".into(), to: "a".into(), profile: satcom };
    inject(&mut world, &fault, Some(1_000));
    assert_eq!(profile(&world, 0, 1), builtin("satcom-geo").unwrap());
    pass(&mut world, 1_001);
    assert_eq!(
        (profile(&world, 1, 0), profile(&world, 0, 2)),
        (builtin("slow").unwrap(), builtin("lan").unwrap())
    );
    world.power_off(nodes[2]);
    assert_eq!(heard(&world, &nodes), BTreeSet::from([(0, 1), (1, 0)]));
    world.start_node(nodes[2]);
    assert_eq!(heard(&world, &nodes).len(), 6);
}

#[test]
fn faults_that_overlap_on_one_link_end_each_by_itself() {
    let (mut world, nodes) = nodes(Options::default(), &["a", "b"]);
    let alice = online(&mut world, nodes[0], "alice");
    let closed = |world: &World| {
        let person = &world.people[alice.at()];
        (person.up.is_closed(), person.down.is_closed())
    };
    inject(&mut world, &cut("alice"), Some(4_000));
    inject(&mut world, &Fault::Cut { client: "alice".into(), way: Some(Way::Up) }, Some(2_000));
    world.cut(alice);
    pass(&mut world, 3_000);
    assert_eq!(closed(&world), (true, true));
    world.heal(alice);
    assert_eq!(closed(&world), (true, true), "what a plan has cut no hand heals");
    pass(&mut world, 1_001);
    assert_eq!(closed(&world), (false, false));
    let split = Fault::Partition { shape: Shape::Majority, oneway: false };
    let one = Fault::CutNodes { from: "a".into(), to: "b".into(), oneway: true };
    inject(&mut world, &split, Some(1_000));
    inject(&mut world, &one, None);
    pass(&mut world, 1_001);
    assert_eq!(heard(&world, &nodes), BTreeSet::from([(1, 0)]));
    world.heal_all();
    assert_eq!(heard(&world, &nodes).len(), 2);
    assert!(world.faults().iter().all(|run| run.ended.is_some()));
}

#[test]
fn a_cut_counts_what_it_has_swallowed_and_an_idle_one_counts_nothing() {
    let (mut world, node) = world(Options::default());
    let alice = online(&mut world, node, "alice");
    inject(&mut world, &cut("alice"), Some(10_000));
    pass(&mut world, 1_000);
    assert_eq!(only(&world).touched, 0);
    world.tell(alice, Op::Text("<presence/>".into()));
    pass(&mut world, 5_000);
    let touched = only(&world).touched;
    assert!(touched > 2, "the segment and what was sent again: {touched}");
    pass(&mut world, 5_000);
    let run = only(&world);
    assert_eq!(run.ended.map(|ended| ended.since(run.begun)), Some(SimSpan::from_secs(10)));
    assert!(run.touched >= touched);
}

#[test]
fn a_link_that_flaps_is_cut_and_whole_by_turns() {
    let (mut world, node) = world(Options::default());
    let alice = add(&mut world, node, "alice");
    inject(&mut world, &Fault::Flap { client: "alice".into(), every: SimSpan::from_secs(1) }, Some(3_500));
    let mut closed = Vec::new();
    for _ in 0..6 {
        pass(&mut world, 500);
        closed.push(world.people[alice.at()].up.is_closed());
        pass(&mut world, 500);
    }
    assert_eq!(closed, [true, false, true, false, false, false]);
}

#[test]
fn a_swizzle_cuts_link_by_link_and_heals_them_in_another_order() {
    let (mut world, nodes) = nodes(Options::default(), &["a", "b", "c"]);
    for name in ["alice", "bob", "carol", "dave"] {
        add(&mut world, nodes[0], name);
    }
    inject(&mut world, &Fault::Swizzle { percent: 100 }, Some(10_000));
    let (mut cut, mut healed) = (Vec::new(), Vec::new());
    for _ in 0..11_000 {
        pass(&mut world, 1);
        for (index, person) in world.people.iter().enumerate() {
            if person.up.is_closed() && !cut.contains(&index) {
                cut.push(index);
            }
            if !person.up.is_closed() && cut.contains(&index) && !healed.contains(&index) {
                healed.push(index);
            }
        }
        if world.now() == SimTime::ZERO + SimSpan::from_millis(6_000) {
            assert!(heard(&world, &nodes).is_empty(), "half of the time is over, everything is cut");
        }
    }
    assert_eq!((cut.len(), healed.len(), heard(&world, &nodes).len()), (4, 4, 6));
    assert_ne!(cut, healed);
}

#[test]
fn a_node_starts_again_when_the_last_fault_that_keeps_it_down_is_over() {
    let (mut world, nodes) = nodes(Options::default(), &["a", "b"]);
    let lives = |world: &World| (world.life(nodes[0]), world.life(nodes[1]));
    inject(&mut world, &kill("a"), Some(2_000));
    inject(&mut world, &Fault::PowerOff { node: "a".into() }, Some(4_000));
    assert_eq!(lives(&world), (Life::Dark, Life::Up));
    pass(&mut world, 3_000);
    assert_eq!(lives(&world), (Life::Dark, Life::Up));
    pass(&mut world, 1_500);
    assert_eq!(lives(&world), (Life::Up, Life::Up));
    world.add_site("hq", &nodes);
    inject(&mut world, &Fault::Site { site: "hq".into() }, Some(3_000));
    assert_eq!(lives(&world), (Life::Dark, Life::Dark));
    world.start_node(nodes[0]);
    pass(&mut world, 1_000);
    assert_eq!(lives(&world), (Life::Up, Life::Dark), "a hand may start it before");
    pass(&mut world, 3_000);
    assert_eq!(lives(&world), (Life::Up, Life::Up));
}

#[test]
fn heal_all_starts_what_was_killed_and_not_what_was_stopped() {
    let (mut world, nodes) = nodes(Options::default(), &["a", "b", "c"]);
    world.command(nodes[2], Command::Shutdown);
    pass(&mut world, 1_000);
    assert_eq!(world.life(nodes[2]), Life::Down);
    inject(&mut world, &kill("a"), None);
    inject(&mut world, &kill("c"), None);
    world.power_off(nodes[1]);
    world.heal_all();
    pass(&mut world, 1_000);
    let lives: Vec<Life> = nodes.iter().map(|node| world.life(*node)).collect();
    assert_eq!(lives, [Life::Up, Life::Up, Life::Down]);
    assert_eq!(world.faults().iter().map(|run| run.touched).collect::<Vec<_>>(), [0, 0], "nobody was there");
}

#[test]
fn a_paused_process_hears_nothing_its_system_takes_everything_and_then_it_hears_all_in_order() {
    let (mut world, node) = world(Options::default());
    let alice = online(&mut world, node, "alice");
    let before = seen(&world, alice).len();
    inject(&mut world, &Fault::Pause { node: "a".into() }, Some(60_000));
    world.tell(alice, Op::Text("<presence/>".into()));
    world.command(node, Command::Shutdown);
    let bob = add(&mut world, node, "bob");
    world.tell(bob, Op::Reach(Goal::Open));
    pass(&mut world, 59_000);
    let since: Vec<String> = seen(&world, alice).into_iter().skip(before).map(|(_, sight)| sight).collect();
    assert!(since.iter().all(|sight| sight.starts_with("Sent") || sight.contains("sent: true")), "{since:?}");
    assert!(opened(&world, bob), "the system accepts");
    let up = &world.conns[0].up.stream;
    assert_eq!((up.readable(), up.wake()), ("<presence/>".len(), None), "it is acknowledged");
    assert_eq!(world.life(node), Life::Up);
    pass(&mut world, 2_000);
    let told: Vec<String> = seen(&world, alice).into_iter().map(|(_, sight)| sight).collect();
    assert!(told.iter().any(|sight| sight.contains("StreamError")), "{told:?}");
    pass(&mut world, 40_000);
    assert_eq!(world.life(node), Life::Down, "the command came after");
    assert!(only(&world).touched >= 3);
}

#[test]
fn a_process_that_dies_while_it_stands_still_leaves_its_system_to_refuse_whom_it_had_not_met() {
    let (mut world, node) = world(Options::default());
    inject(&mut world, &Fault::Pause { node: "a".into() }, Some(10_000));
    let bob = add(&mut world, node, "bob");
    world.tell(bob, Op::Reach(Goal::Open));
    pass(&mut world, 1_000);
    inject(&mut world, &kill("a"), Some(1_000));
    pass(&mut world, 500);
    assert!(seen(&world, bob).iter().any(|(_, sight)| sight == "Closed(Reset)"));
    pass(&mut world, 1_000);
    world.tell(bob, Op::Reach(Goal::Open));
    pass(&mut world, 1_000);
    assert!(
        seen(&world, bob).iter().any(|(_, sight)| sight.starts_with("Features")),
        "the new process does not stand still"
    );
}

/// When Alice is told that she may not send that yet, on a node that is late.
fn told(by: Option<u64>) -> SimTime {
    let (mut world, node) = world(Options::default());
    let alice = online(&mut world, node, "alice");
    if let Some(millis) = by {
        inject(&mut world, &Fault::Slow { node: "a".into(), by: SimSpan::from_millis(millis) }, None);
    }
    world.tell(alice, Op::Text("<presence/>".into()));
    pass(&mut world, 5_000);
    let (at, _) =
        seen(&world, alice).into_iter().find(|(_, sight)| sight.starts_with("StreamError")).unwrap();
    at
}

#[test]
fn a_slow_process_is_late_by_the_same_time_for_each_input_and_none_overtakes_another() {
    assert_eq!(told(Some(250)).since(told(None)), SimSpan::from_millis(250));
    let (mut world, node) = world(Options::default());
    let alice = online(&mut world, node, "alice");
    inject(&mut world, &Fault::Slow { node: "a".into(), by: SimSpan::from_millis(900) }, Some(500));
    for id in ["one", "two"] {
        world.tell(alice, Op::Text(format!("<{id}/>").into()));
        pass(&mut world, 450);
    }
    pass(&mut world, 2_000);
    let told: Vec<String> = seen(&world, alice).into_iter().map(|(_, sight)| sight).collect();
    assert_eq!(told.iter().filter(|sight| sight.contains("StreamError")).count(), 1, "{told:?}");
}

/// How long, in seconds of the world, a node waits for Alice to log in.
fn patience(fault: Option<ClockFault>) -> u64 {
    let (mut world, node) = world(Options::default());
    if let Some(what) = fault {
        inject(&mut world, &Fault::Clock { node: "a".into(), what }, None);
    }
    let alice = add(&mut world, node, "alice");
    world.tell(alice, Op::Reach(Goal::Open));
    let begun = world.now();
    pass(&mut world, 400_000);
    let (at, _) =
        seen(&world, alice).into_iter().find(|(_, sight)| sight.starts_with("StreamError")).unwrap();
    assert!(world.faults().iter().all(|run| run.touched > 0), "somebody reads the clock");
    at.since(begun).as_nanos() / 1_000_000_000
}

#[test]
fn a_drifting_clock_moves_deadlines_and_a_wrong_wall_clock_does_not() {
    let right = patience(None);
    assert_eq!(patience(ClockFault::drift(1_000_000)), right / 2);
    assert!(patience(ClockFault::drift(-500_000)) >= right * 2);
    assert_eq!(patience(Shift::parse("+365d").map(ClockFault::Step)), right);
    assert_eq!(patience(Some(ClockFault::Freeze)), right);
}

#[test]
fn a_deadline_moves_when_the_clock_changes_its_speed_under_it() {
    let right = patience(None) * 1_000;
    let (mut world, node) = world(Options::default());
    let alice = online(&mut world, node, "alice");
    let begun = world.now();
    let fault = Fault::Clock { node: "a".into(), what: ClockFault::drift(1_000_000).unwrap() };
    inject(&mut world, &fault, Some(5_000));
    pass(&mut world, right);
    let (at, _) =
        seen(&world, alice).into_iter().find(|(_, sight)| sight.starts_with("StreamError")).unwrap();
    let millis = at.since(begun).as_nanos() / 1_000_000;
    // Five seconds before the fault, and five that counted twice.
    assert!((right - 10_200..right - 9_800).contains(&millis), "{millis} of {right}");
}

#[test]
fn a_wiped_node_starts_on_an_empty_disk_and_another_one_does_not() {
    for (fault, starts) in [
        (Fault::Wipe { node: "a".into() }, 1),
        (Fault::PowerOff { node: "a".into() }, 2),
        (Fault::Disk { node: "a".into(), what: DiskFault::Slow(SimSpan::from_millis(5)) }, 1),
    ] {
        let (mut world, _) = world(Options::default());
        inject(&mut world, &fault, Some(1_000));
        pass(&mut world, 3_000);
        let last = world.history().iter().rev().find_map(|record| match &record.actor {
            Actor::Node(_, NodeSight::Ready(boot)) => Some(boot.start),
            Actor::Node(..) | Actor::Client(..) | Actor::World(_) => None,
        });
        assert_eq!(last, Some(starts));
    }
}

#[test]
fn a_node_that_gives_up_on_its_disk_starts_again_when_that_is_mended() {
    let (mut world, node) = world(Options::default());
    let broken = Fault::Disk { node: "a".into(), what: DiskFault::WriteError };
    inject(&mut world, &broken, Some(5_000));
    inject(&mut world, &kill("a"), Some(1_000));
    pass(&mut world, 2_000);
    let stopped = |record: &super::Record| matches!(record.actor, Actor::Node(_, NodeSight::Stopped));
    assert!(world.history().iter().any(stopped), "it cannot count its start");
    assert_eq!(world.life(node), Life::Down);
    pass(&mut world, 4_000);
    assert_eq!(world.life(node), Life::Up);
}

#[test]
fn what_the_budget_does_not_allow_is_refused_and_noted() {
    let (mut world, nodes) = nodes(Options::default(), &["a", "b"]);
    world.allow(Scarce::Down, 1);
    inject(&mut world, &kill("a"), Some(1_000));
    inject(&mut world, &kill("b"), Some(1_000));
    assert_eq!(world.life(nodes[1]), Life::Up);
    assert_eq!(world.faults().len(), 1);
    let refused = world.history().iter().filter(|record| {
        matches!(
            &record.actor,
            Actor::World(WorldSight::Refused { fault, budget: Scarce::Down, most: 1 }) if *fault == kill("b")
        )
    });
    assert_eq!(refused.count(), 1);
    pass(&mut world, 2_000);
    inject(&mut world, &kill("b"), Some(1_000));
    assert_eq!(world.life(nodes[1]), Life::Down, "what is over takes nothing");
}

#[test]
fn a_machine_that_vanished_makes_no_connection_until_it_is_back() {
    let (mut world, node) = world(Options::default());
    let alice = online(&mut world, node, "alice");
    inject(&mut world, &Fault::Vanish { client: "alice".into() }, Some(20_000));
    assert_eq!(only(&world).touched, 1);
    world.tell(alice, Op::Reach(Goal::Open));
    pass(&mut world, 19_000);
    let features =
        |world: &World| seen(world, alice).iter().filter(|(_, it)| it.starts_with("Features")).count();
    assert_eq!(features(&world), 1);
    pass(&mut world, 60_000);
    assert_eq!(features(&world), 2);
}

#[test]
fn a_client_that_stalls_reads_again_and_a_connection_that_was_swallowed_comes_back() {
    let (mut world, node) = world(Options::default());
    let alice = online(&mut world, node, "alice");
    world.set_paused(alice, true);
    inject(&mut world, &Fault::Stall { client: "alice".into() }, Some(1_000));
    pass(&mut world, 2_000);
    assert!(world.people[alice.at()].paused, "her own doing is not the fault's to end");
    world.heal_all();
    assert!(!world.people[alice.at()].paused);
    inject(&mut world, &Fault::Swallow { client: "alice".into() }, Some(3_000));
    world.tell(alice, Op::Text("<presence/>".into()));
    pass(&mut world, 2_900);
    assert!(!seen(&world, alice).iter().any(|(_, sight)| sight.contains("StreamError")));
    pass(&mut world, 5_000);
    assert!(seen(&world, alice).iter().any(|(_, sight)| sight.contains("StreamError")));
}

#[test]
fn a_reset_takes_an_instant_and_both_ends_hear_of_it() {
    let (mut world, node) = world(Options::default());
    let alice = online(&mut world, node, "alice");
    inject(&mut world, &Fault::Reset { client: "alice".into() }, None);
    let run = only(&world);
    assert_eq!((run.ended, run.touched), (Some(run.begun), 1));
    let reset =
        |record: &super::Record| matches!(record.actor, Actor::Client(ix, Sight::Closed(_)) if ix == alice);
    assert!(world.history().iter().any(reset));
    inject(&mut world, &Fault::Reset { client: "alice".into() }, None);
    assert_eq!(world.faults()[1].touched, 0, "there is nothing left to reset");
}

#[test]
fn a_trigger_fires_once_when_its_count_is_full_and_none_breaks_what_was_healed() {
    let (mut world, node) = world(Options::default());
    world.watch(Trigger::Syncs { node: "a".into(), count: 2 }, 7, false);
    world.watch(Trigger::Syncs { node: "a".into(), count: 3 }, 8, true);
    let mut lines = Vec::new();
    for name in ["u1", "u2", "u3"] {
        let user = BareJid::parse(&format!("{name}@eyot.example")).unwrap();
        world.command(node, Command::UserAdd { user, password: None });
        if name == "u3" {
            world.heal_all();
        }
        let until = world.now() + SimSpan::from_secs(1);
        loop {
            match world.step(until) {
                super::Step::Script(line) => lines.push((name, line)),
                super::Step::Happened => {}
                super::Step::Nothing => break,
            }
        }
    }
    assert_eq!(lines, [("u2", 7)]);
}

#[test]
fn nobody_who_is_not_there_is_hit() {
    let (mut world, _) = world(Options::default());
    for fault in [cut("alice"), kill("b"), Fault::Site { site: "hq".into() }] {
        assert!(world.inject(FaultId::of("x", 0), &fault, None).is_err());
    }
    assert!(world.faults().is_empty());
}

#[test]
fn the_same_faults_are_the_same_world() {
    let hash = |fault: Fault| {
        let (mut world, node) = world(Options::default());
        let alice = online(&mut world, node, "alice");
        inject(&mut world, &fault, Some(2_000));
        world.tell(alice, Op::Text("<presence/>".into()));
        pass(&mut world, 10_000);
        world.hash()
    };
    assert_eq!(hash(cut("alice")), hash(cut("alice")));
    assert_ne!(hash(kill("a")), hash(cut("alice")));
}
