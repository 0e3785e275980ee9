//! More behind a gap than a vector has room for.

use super::converge::Storm;
use super::mesh::Mesh;
use super::partition::mesh;
use super::taking::{KINDS, hear, node, pair, rows, say, written};
use crate::io::{Command, Secret};
use crate::node::harness::World;
use crate::replica::SINGLES_MAX;
use crate::store::Table;
use crate::sync::check::agree;

/// Adds accounts to a node, behind a write that another one has overwritten.
fn add_many(world: &mut World, from: usize, to: usize) {
    let password = Some(Secret("pw".into()));
    world.command(Command::UserPasswd { user: super::jid("alice@x.example"), password });
    for number in from..to {
        world.add(&format!("u{number}"));
    }
    let password = Some(Secret("pw".into()));
    world.command(Command::UserPasswd { user: super::jid("alice@x.example"), password });
}

/// Cuts all nodes off from each other; nothing is kept at hand.
fn apart() -> Mesh {
    let mut mesh = mesh(true);
    mesh.heal(15);
    mesh.cut = vec![[0, 1], [0, 2], [1, 2]];
    for _ in 0..20 {
        mesh.pass(500_000);
    }
    for world in &mut mesh.storm.nodes {
        world.node.groups.bound_ring(0);
    }
    mesh.entries.clear();
    mesh
}

fn agreed(mesh: &Mesh) {
    let [one, two, three] = mesh.held(0);
    assert!(one == two && two == three, "{one:?} {two:?} {three:?}");
    mesh.storm.same(0);
}

#[test]
fn more_live_cells_behind_a_gap_than_a_vector_counts_are_synchronised() {
    let mut mesh = apart();
    let many = SINGLES_MAX / 2 + 200;
    add_many(&mut mesh.storm.nodes[0], 0, many);
    mesh.heal(30);
    agreed(&mesh);
    let said = mesh.entries.iter().filter(|(to, _)| *to == 1).count();
    assert!(said < 3 * many, "each once: {said}");
}

#[test]
fn three_of_whom_each_has_written_so_much_hold_the_same_again() {
    let mut mesh = apart();
    let many = SINGLES_MAX / 4 + 50;
    for at in 0..3 {
        add_many(&mut mesh.storm.nodes[at], at * many, (at + 1) * many);
    }
    mesh.heal(60);
    agreed(&mesh);
}

#[test]
fn messages_that_need_a_commit_do_not_keep_it_back_by_the_room_that_they_take() {
    let nodes = [7, 8, 9].map(node);
    let mut mesh = Mesh::new(Storm { keeps: true, nodes, people: [[None; 3]; 3] });
    mesh.cut = vec![[0, 1], [0, 2], [1, 2]];
    let first = &mut mesh.storm.nodes[0];
    first.add("alice");
    first.add("bob");
    let alice = first.login("alice", "r", Some(0));
    // What began the life of bob is not at hand any more.
    first.node.groups.bound_ring(0);
    first.add("carol");
    first.node.groups.bound_ring(64 << 20);
    let long = "x".repeat(12_000);
    for _ in 0..500 {
        say(first, alice, "bob", &long);
    }
    first.command(Command::UserRemove { user: super::jid("bob@x.example") });
    mesh.cut = vec![[0, 2], [1, 2]];
    for _ in 0..200 {
        while mesh.storm.nodes[1].answer_next() {}
        mesh.pass(100_000);
    }
    for kind in 0..2 {
        assert_eq!(mesh.held(kind)[0], mesh.held(kind)[1]);
    }
    let messages = |at: usize| rows(&mesh.storm.nodes[at], Table::Message);
    assert_eq!((messages(0).len(), messages(1) == messages(0)), (500, true));
    agree(&mesh.storm.nodes[1].store);
}

#[test]
fn messages_for_which_there_is_no_room_behind_a_gap_are_given_once() {
    let (mut a, mut b, alice, bob) = pair();
    a.add("carol");
    hear(&mut b, KINDS[0], written(&a, KINDS[0]));
    a.login("bob", "here", Some(0));
    say(&mut a, alice, "carol", "the gap");
    let many = SINGLES_MAX / 2 + 100;
    for number in 0..many {
        say(&mut a, alice, "bob", &number.to_string());
    }
    let logs = written(&a, KINDS[1]);
    b.slow_reads = true;
    b.waiting = Some(Vec::new());
    hear(&mut b, KINDS[1], logs[1..].to_vec());
    while b.answer_next() {}
    let first = super::messages::bodies(&b.read(bob)).len();
    assert_eq!(first, SINGLES_MAX / 2);
    assert_eq!(rows(&b, Table::Message).len(), first, "nothing is written that is not counted");
    // The gap is closed; then what has been dropped comes once more.
    for _ in 0..2 {
        hear(&mut b, KINDS[1], logs.clone());
        while b.answer_next() {}
    }
    assert_eq!(super::messages::bodies(&b.read(bob)).len(), many - first, "each once");
    agree(&b.store);
}
