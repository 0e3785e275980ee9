//! Sessions that are resumed at another node: what goes along, who may answer, what others see of it.

use super::acks::{ENABLE, ack, attr};
use super::mesh::Mesh;
use super::messages::bodies;
use super::partition::mesh;
use super::taking::rows;
use crate::io::ConnId;
use crate::node::harness::World;
use crate::store::Table;

/// Three nodes with alice, bob and carol, who have found each other.
pub(super) fn found() -> Mesh {
    mesh(true)
}

/// Enables resumption at a node. Returns the id.
pub(super) fn enable(mesh: &mut Mesh, at: usize, conn: ConnId) -> String {
    mesh.storm.nodes[at].send(conn, ENABLE);
    let said = mesh.storm.nodes[at].read(conn);
    mesh.carry();
    attr(&said, "id").unwrap_or_else(|| panic!("{said}"))
}

/// Says something in a chat, at a node.
pub(super) fn chat(mesh: &mut Mesh, at: usize, (conn, to, body): (ConnId, &str, &str)) {
    let text = format!("<message type='chat' to='{to}@x.example'><body>{body}</body></message>");
    mesh.storm.nodes[at].send(conn, &text);
}

/// Wants to go on with a session of bob's at a node, and lets the others answer.
pub(super) fn resume(mesh: &mut Mesh, at: usize, (id, h): (&str, u32)) -> (ConnId, String) {
    let conn = ask(&mut mesh.storm.nodes[at], (id, h));
    mesh.carry();
    (conn, mesh.storm.nodes[at].read(conn))
}

pub(super) fn ask(world: &mut World, (id, h): (&str, u32)) -> ConnId {
    let conn = world.authenticate_slowly("bob");
    world.send(conn, &format!("<resume xmlns='urn:xmpp:sm:3' previd='{id}' h='{h}'/>"));
    conn
}

pub(super) fn resumed(id: &str, h: u32) -> String {
    format!("<resumed xmlns='urn:xmpp:sm:3' previd='{id}' h='{h}'/>")
}

/// Returns how many rows of sessions and of passages each node has.
pub(super) fn left(mesh: &Mesh) -> [(usize, usize); 3] {
    core::array::from_fn(|at| {
        let world = &mesh.storm.nodes[at];
        (rows(world, Table::Session).len(), rows(world, Table::Moved).len())
    })
}

#[test]
fn a_session_goes_on_at_another_node_with_all_it_had() {
    let mut mesh = found();
    let bob = mesh.storm.nodes[0].login("bob", "r", Some(0));
    let id = enable(&mut mesh, 0, bob);
    assert!(id.starts_with("00000007"), "it names its node: {id}");
    let alice = mesh.storm.nodes[2].login("alice", "r", Some(0));
    mesh.carry();
    for body in ["one", "two"] {
        chat(&mut mesh, 2, (alice, "bob", body));
    }
    chat(&mut mesh, 0, (bob, "alice", "uno"));
    mesh.carry();
    assert_eq!(bodies(&mesh.storm.nodes[0].read(bob)), ["one", "two"]);
    assert_eq!(bodies(&mesh.storm.nodes[2].read(alice)), ["uno"]);
    mesh.storm.nodes[0].cut(bob);
    chat(&mut mesh, 2, (alice, "bob", "three"));
    mesh.carry();
    let (bob, said) = resume(&mut mesh, 1, (&id, 1));
    assert!(said.starts_with(&resumed(&id, 1)), "{said}");
    assert_eq!(bodies(&said), ["two", "three"]);
    assert_eq!(left(&mesh), [(0, 0), (1, 0), (1, 0)], "nothing is left of the passage");
    // It goes on, in both directions.
    chat(&mut mesh, 2, (alice, "bob", "four"));
    chat(&mut mesh, 1, (bob, "alice", "due"));
    mesh.carry();
    assert_eq!(bodies(&mesh.storm.nodes[1].read(bob)), ["four"]);
    assert_eq!(bodies(&mesh.storm.nodes[2].read(alice)), ["due"]);
    // And back, with the old connection open.
    let (bob, said) = resume(&mut mesh, 0, (&id, 4));
    assert!(said.starts_with(&resumed(&id, 2)), "{said}");
    assert_eq!(bodies(&said), [""; 0]);
    assert_eq!(left(&mesh), [(1, 0), (0, 0), (1, 0)]);
    chat(&mut mesh, 2, (alice, "bob", "five"));
    mesh.carry();
    assert_eq!(bodies(&mesh.storm.nodes[0].read(bob)), ["five"]);
    mesh.storm.nodes[0].send(bob, &ack(5));
    mesh.heal(70);
    let phone = mesh.storm.nodes[1].login("bob", "phone", Some(0));
    mesh.heal(5);
    assert_eq!(bodies(&mesh.storm.nodes[1].read(phone)), [""; 0], "all of it was given");
}

#[test]
fn what_is_on_its_way_between_nodes_is_given_once_wherever_it_comes_first() {
    for cut in [[1, 2], [0, 2]] {
        let mut mesh = found();
        let bob = mesh.storm.nodes[0].login("bob", "r", Some(0));
        let id = enable(&mut mesh, 0, bob);
        let alice = mesh.storm.nodes[2].login("alice", "r", Some(0));
        mesh.carry();
        mesh.cut.push(cut);
        for body in ["one", "two"] {
            chat(&mut mesh, 2, (alice, "bob", body));
        }
        mesh.carry();
        let had = mesh.storm.nodes[0].read(bob);
        let expected: &[&str] = if cut == [1, 2] { &["one", "two"] } else { &[] };
        assert_eq!(bodies(&had), expected);
        let (bob, said) = resume(&mut mesh, 1, (&id, expected.len().try_into().unwrap()));
        assert!(said.starts_with(&resumed(&id, 0)), "{said}");
        let due: &[&str] = if cut == [1, 2] { &[] } else { &["one", "two"] };
        assert_eq!(bodies(&said), due, "what the old node did not have, and the new one has");
        mesh.heal(30);
        chat(&mut mesh, 2, (alice, "bob", "three"));
        mesh.carry();
        assert_eq!(bodies(&mesh.storm.nodes[1].read(bob)), ["three"], "{cut:?}");
    }
}

#[test]
fn nobody_sees_a_session_go_from_one_node_to_another() {
    let mut mesh = found();
    let bob = mesh.storm.nodes[0].login("bob", "r", Some(0));
    let id = enable(&mut mesh, 0, bob);
    let watchers: Vec<ConnId> =
        (0..3).map(|at| mesh.storm.nodes[at].login("bob", &format!("w{at}"), Some(-1))).collect();
    mesh.carry();
    for (at, conn) in watchers.iter().enumerate() {
        mesh.storm.nodes[at].read(*conn);
    }
    for at in [1, 2, 0] {
        let (conn, said) = resume(&mut mesh, at, (&id, 0));
        assert!(said.starts_with(&resumed(&id, 0)), "{said}");
        mesh.heal(20);
        for (at, conn) in watchers.iter().enumerate() {
            let said = mesh.storm.nodes[at].read(*conn);
            assert!(!said.contains("<presence"), "{at}: {said}");
        }
        mesh.storm.nodes[at].read(conn);
    }
    let (conn, _) = resume(&mut mesh, 1, (&id, 0));
    mesh.storm.nodes[1].send(conn, "<presence type='unavailable'><status>bye</status></presence>");
    mesh.carry();
    for (at, conn) in watchers.iter().enumerate() {
        let said = mesh.storm.nodes[at].read(*conn);
        assert_eq!(said.matches("<status>bye</status>").count(), 1, "{at}: {said}");
        assert_eq!(said.matches("<presence").count(), 1, "{at}: {said}");
    }
}

#[test]
fn a_session_that_nobody_has_is_refused_and_so_is_one_whose_node_is_out_of_reach() {
    let mut mesh = found();
    let bob = mesh.storm.nodes[0].login("bob", "r", Some(0));
    let id = enable(&mut mesh, 0, bob);
    mesh.storm.nodes[0].send(bob, "<presence/>");
    // Which of them it was nobody says who does not know it; who has ended it says how far it got.
    let unknown = format!("00000007{}", "a".repeat(26));
    for id in [unknown.as_str(), "0000000700000000000000000000000000", "nonsense"] {
        let (_, said) = resume(&mut mesh, 1, (id, 0));
        assert!(said.starts_with("<failed xmlns='urn:xmpp:sm:3'><item-not-found"), "{said}");
    }
    mesh.cut.extend([[0, 1], [0, 2]]);
    let (conn, said) = resume(&mut mesh, 1, (&id, 0));
    assert_eq!(said, "");
    for _ in 0..40 {
        mesh.pass(250_000);
    }
    let said = mesh.storm.nodes[1].read(conn);
    assert!(said.starts_with("<failed xmlns='urn:xmpp:sm:3'><item-not-found"), "{said}");
    mesh.heal(20);
    let (bob, said) = resume(&mut mesh, 1, (&id, 0));
    assert!(said.starts_with(&resumed(&id, 1)), "it is there, still: {said}");
    let (conn, said) = resume(&mut mesh, 2, (&id, 9));
    assert!(said.contains("handled-count-too-high"), "{said}");
    assert!(mesh.storm.nodes[2].closed.contains(&conn));
    mesh.storm.nodes[1].cut(bob);
    mesh.storm.nodes[1].pass(700_000_000);
    mesh.heal(5);
    let (_, said) = resume(&mut mesh, 2, (&id, 0));
    assert!(said.starts_with("<failed xmlns='urn:xmpp:sm:3' h='1'><item-not-found"), "{said}");
}
