//! Nodes that were cut off from each other, killed and started anew hold the same in the end, whatever their queues have lost.

use super::converge::{PEOPLE, Storm, up_to};
use super::crash::Dice;
use super::mesh::Mesh;
use super::taking::{node, rows};
use crate::replica::Vector;
use crate::store::{StoreError, Table};
use crate::trace::Event;

pub(super) fn mesh(keeps: bool) -> Mesh {
    let mut mesh = Mesh::new(Storm { keeps, nodes: [7, 8, 9].map(node), people: [[None; 3]; 3] });
    if keeps {
        for user in PEOPLE {
            mesh.storm.nodes[0].add(user);
        }
        mesh.heal(5);
    }
    mesh
}

fn step(mesh: &mut Mesh, dice: &mut Dice) {
    let (at, other) = dice.pick(&[(0, 1), (0, 2), (1, 2)]);
    match dice.roll(40) {
        0..=11 => mesh.storm.say(dice),
        12..=19 => mesh.carry(),
        20..=28 => drop(mesh.storm.nodes[dice.pick(&[0, 1, 2])].answer_next()),
        29 => {
            let disk = dice.pick(&[Ok(()), Err(StoreError::Full), Err(StoreError::Io)]);
            mesh.storm.nodes[at].disk = disk;
        }
        30 => mesh.storm.nodes[dice.pick(&[0, 1, 2])].disk = Ok(()),
        31..=33 => mesh.pass(dice.pick(&[10_000, 300_000, 3_000_000])),
        34 => mesh.cut.push([at, other]),
        35 => {
            let stays = up_to(dice, mesh.cut.len());
            mesh.cut.truncate(stays);
        }
        36 => mesh.reset(at, other),
        37 if dice.roll(2) == 0 => mesh.kill(dice.pick(&[0, 1, 2])),
        37 => {
            mesh.storm.nodes[dice.pick(&[0, 1, 2])].unreadable =
                dice.pick(&[&[][..], &[Table::Dot]]).to_vec();
        }
        38 => {
            let node = &mut mesh.storm.nodes[at].node;
            node.groups.bound_ring(dice.pick(&[500, 5_000, 4 << 20]));
            node.peers.bound_queues(dice.pick(&[2, 20, 65_536]));
        }
        _ => mesh.storm.order(dice),
    }
}

/// Whoever says to hold the same holds the same, at every moment. Returns how often that could be seen.
fn agree_where_equal(mesh: &Mesh, seed: u64) -> usize {
    let mut equal = 0;
    for (kind, name) in ["c", "l"].into_iter().enumerate() {
        let held = mesh.held(kind);
        for (one, other) in [(0, 1), (0, 2), (1, 2)] {
            if held[one] == held[other] {
                let index = |at: usize| {
                    let mut rows = rows(&mesh.storm.nodes[at], Table::Dot);
                    rows.retain(|row| row.key.parts().nth(1) == Some(name));
                    rows
                };
                assert_eq!(index(one), index(other), "seed {seed}, group {name}: {:?}", held[one]);
                equal += usize::from(held[one] != Vector::new());
            }
        }
    }
    equal
}

fn play(seed: u64) -> (Mesh, usize, usize) {
    let mut dice = Dice(seed);
    let mut mesh = mesh(seed.is_multiple_of(2));
    for world in &mut mesh.storm.nodes {
        (world.waiting, world.slow_reads) = (Some(Vec::new()), true);
    }
    let mut equal = 0;
    for _ in 0..500 {
        step(&mut mesh, &mut dice);
        equal += agree_where_equal(&mesh, seed);
    }
    for world in &mut mesh.storm.nodes {
        world.unreadable.clear();
    }
    mesh.heal(200);
    let events = mesh.storm.nodes.iter().flat_map(|world| &world.events);
    let behind = events.filter(|event| matches!(event, Event::PeerBehind { .. })).count();
    (mesh, behind, equal)
}

#[test]
fn nodes_that_were_cut_off_and_killed_hold_the_same_again() {
    let (mut letters, mut cells, mut late, mut agreed) = (0, 0, 0, 0);
    for seed in 0..40 {
        let (mesh, behind, equal) = play(seed);
        for kind in 0..2 {
            let [one, two, three] = mesh.held(kind);
            assert!(one == two && two == three, "seed {seed}: {one:?} {two:?} {three:?}");
        }
        let told = mesh.storm.same(seed);
        (letters, cells) = (letters + told.letters, cells + told.cells);
        (late, agreed) = (late + behind, agreed + equal);
    }
    assert!(letters > 200 && cells > 400 && late > 20 && agreed > 1_000, "{letters} {cells} {late} {agreed}");
}
