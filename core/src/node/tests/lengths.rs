//! Members that take stanzas of other lengths than others.

use super::converge::{PEOPLE, Storm};
use super::mesh::Mesh;
use super::taking::{clustered, node, rows, say};
use crate::node::harness::World;
use crate::store::Table;
use crate::sync::check::agree;

/// Three nodes; the clients of the second one say nothing that is longer than 10,000 bytes. Alice is on the first one.
fn unlike() -> (Mesh, crate::io::ConnId) {
    let narrow = || {
        World::with(|config| {
            clustered(8)(config);
            config.limits.stanza_bytes = 10_000;
        })
    };
    let nodes = [7, 8, 9].map(|number| if number == 8 { narrow() } else { node(number) });
    let mut mesh = Mesh::new(Storm { keeps: true, nodes, people: [[None; 3]; 3] });
    for user in PEOPLE {
        mesh.storm.nodes[0].add(user);
    }
    mesh.heal(5);
    let alice = mesh.storm.nodes[0].login("alice", "r", Some(0));
    mesh.storm.nodes[0].login("bob", "r", Some(0));
    mesh.storm.nodes[0].login("carol", "r", Some(0));
    mesh.heal(15);
    (mesh, alice)
}

#[test]
fn what_is_longer_than_a_member_lets_its_clients_say_comes_to_it_all_the_same() {
    let (mut mesh, alice) = unlike();
    let long = "x".repeat(200_000);
    say(&mut mesh.storm.nodes[0], alice, "bob", &long);
    for number in 0..2_200 {
        say(&mut mesh.storm.nodes[0], alice, "carol", &number.to_string());
    }
    mesh.heal(150);
    for at in 0..3 {
        let (one, other) =
            (rows(&mesh.storm.nodes[0], Table::Message), rows(&mesh.storm.nodes[at], Table::Message));
        assert_eq!((one.len(), other.len()), (2_201, 2_201), "{at}");
        assert_eq!(mesh.held(1)[0], mesh.held(1)[at]);
        agree(&mesh.storm.nodes[at].store);
    }
}
