//! What a world promises of its draws: what is left out of a plan moves nothing that it did not touch.

use eyot_core::io::{Command, Secret};
use eyot_core::jid::BareJid;

use super::tests::{add, pass, seen};
use super::tests_of_faults::{cut, inject, nodes};
use super::{Actor, ClientIx, NodeIx, NodeSight, Options, Slices, World};
use crate::client::{Goal, Op};
use crate::engine::SimTime;
use crate::fault::{Fault, Shape};
use crate::net::builtin;

/// What Alice sees on a node of her own, to the nanosecond and the byte, in a world with these faults.
fn alice_beside(faults: &[(u64, Fault, Option<u64>)]) -> Vec<(SimTime, String)> {
    let (mut world, nodes) =
        nodes(Options { slices: Slices::Random, ..Options::default() }, &["a", "b", "c"]);
    let mut people = Vec::new();
    for (name, node) in [("alice", nodes[0]), ("bob", nodes[1])] {
        let user = BareJid::parse(&format!("{name}@eyot.example")).unwrap();
        world.command(node, Command::UserAdd { user, password: Some(Secret("x".into())) });
        people.push(add(&mut world, node, name));
        world.set_link(people[people.len() - 1], builtin("wan-80ms").unwrap().with_loss(100_000));
    }
    let mut plan: Vec<_> = faults.to_vec();
    plan.push((3_400, Fault::Pause { node: "a".into() }, Some(700)));
    for millis in 2_000..40_000 {
        for (_, fault, lasts) in plan.iter().filter(|(at, _, _)| *at == millis) {
            inject(&mut world, fault, *lasts);
        }
        if millis == 3_000 {
            for client in &people {
                world.tell(*client, Op::Reach(Goal::Bound));
            }
        }
        pass(&mut world, 1);
    }
    seen(&world, people[0])
}

#[test]
fn after_deleting_one_fault_from_a_plan_all_unrelated_draws_are_unchanged() {
    let groups = Shape::Groups(vec![vec!["b".into()], vec!["c".into()]]);
    let idle = (2_500, Fault::Partition { shape: groups, oneway: false }, Some(4_000));
    let hard = (2_500, Fault::Wipe { node: "b".into() }, Some(1_000));
    let drawing = (2_500, Fault::Swizzle { percent: 1 }, Some(1_000));
    let without = alice_beside(&[]);
    assert!(without.iter().any(|(_, sight)| sight.starts_with("Bound")), "{without:?}");
    for one in [idle, hard, drawing] {
        assert_eq!(alice_beside(core::slice::from_ref(&one)), without, "{}", one.1);
    }
    let own = (2_500, cut("alice"), Some(4_000));
    assert_ne!(alice_beside(&[own]), without, "the comparison can fail");
}

/// What is left out of the plan of a node with two clients and an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Without {
    Nothing,
    BobsFault,
    AlicesFault,
    Listing,
}

fn user(name: &str) -> BareJid {
    BareJid::parse(&format!("{name}@eyot.example")).unwrap()
}

/// When Alice sees what, and when what an operator wants becomes durable, on a node that Bob uses, too. Everything that
/// is done is done a second apart, so that nobody waits for another one's turn at the disk.
fn alice_and_operator(without: Without) -> Vec<(SimTime, String)> {
    let (mut world, nodes) = nodes(Options::default(), &["a"]);
    for name in ["alice", "bob", "x1", "x2", "x3"] {
        let add = Command::UserAdd { user: user(name), password: Some(Secret("x".into())) };
        world.command(nodes[0], add);
        pass(&mut world, 500);
    }
    let (alice, bob) = (add(&mut world, nodes[0], "alice"), add(&mut world, nodes[0], "bob"));
    let remove = |world: &mut World, name: &str| {
        world.command(nodes[0], Command::UserRemove { user: user(name) });
    };
    let faults = [(Without::BobsFault, 4, "bob", 20_000), (Without::AlicesFault, 5, "alice", 3_000)];
    for second in 0..60_u32 {
        for (_, _, client, millis) in
            faults.iter().filter(|(which, at, ..)| *at == second && *which != without)
        {
            inject(&mut world, &cut(client), Some(*millis));
        }
        match second {
            5 | 33 => world.tell(alice, Op::Reach(Goal::Bound)),
            10 | 40 => world.tell(bob, Op::Reach(Goal::Bound)),
            20 => world.tell(alice, Op::Abort),
            25 if without != Without::Listing => {
                world.command(nodes[0], Command::UserList { domain: "eyot.example".into(), after: None });
            }
            30 => remove(&mut world, "x1"),
            37 => remove(&mut world, "x2"),
            44 => remove(&mut world, "x3"),
            _ => {}
        }
        pass(&mut world, 1_000);
    }
    times(&world, alice, nodes[0])
}

/// What a client sees without what the node made up, and what became durable.
fn times(world: &World, client: ClientIx, node: NodeIx) -> Vec<(SimTime, String)> {
    let kind = |sight: String| sight.split(['(', ' ']).next().unwrap_or_default().into();
    let durable = world.history().iter().filter_map(|record| match &record.actor {
        Actor::Node(ix, NodeSight::Synced(batch)) if *ix == node => Some((record.at, format!("{batch:?}"))),
        Actor::Node(..) | Actor::Client(..) | Actor::World(_) => None,
    });
    seen(world, client).into_iter().map(|(at, sight)| (at, kind(sight))).chain(durable).collect()
}

#[test]
fn what_befalls_one_client_of_a_node_moves_nothing_of_another_or_of_its_operator() {
    let whole = alice_and_operator(Without::Nothing);
    assert!(whole.iter().filter(|(_, sight)| sight == "Bound").count() == 2, "{whole:?}");
    assert!(whole.iter().filter(|(_, sight)| sight.contains("Delete")).count() == 3, "{whole:?}");
    assert_eq!(alice_and_operator(Without::BobsFault), whole);
    assert_eq!(alice_and_operator(Without::Listing), whole);
    assert_ne!(alice_and_operator(Without::AlicesFault), whole, "the comparison can fail");
}
