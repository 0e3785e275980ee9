//! What is looked up for a node that was away: what comes first, what never comes, what cannot be read.

use super::mesh::Mesh;
use super::partition::mesh;
use crate::io::ConnId;
use crate::peer::EntryFrame;
use crate::store::{StoreBatch, StoreError, Table};
use crate::sync::check::agree;
use crate::trace::Event;

const ITEM: &str = "<iq type='set' id='i'><query xmlns='jabber:iq:roster'><item jid='c@x.example' name='NAME'/></query></iq>";

fn say(mesh: &mut Mesh, at: usize, conn: ConnId, to: &str, body: &str) {
    let text = format!("<message type='chat' to='{to}@x.example'><body>{body}</body></message>");
    mesh.storm.nodes[at].send(conn, &text);
}

/// Alice is on the first node, bob on the second one. They are cut off from each other, and nothing is kept at hand.
fn apart() -> (Mesh, ConnId, ConnId) {
    let mut mesh = mesh(true);
    let alice = mesh.storm.nodes[0].login("alice", "r", Some(0));
    let bob = mesh.storm.nodes[1].login("bob", "r", Some(0));
    mesh.heal(15);
    mesh.cut = vec![[0, 1], [0, 2], [1, 2]];
    for _ in 0..20 {
        mesh.pass(500_000);
    }
    mesh.storm.nodes[0].node.groups.bound_ring(0);
    mesh.entries.clear();
    (mesh, alice, bob)
}

fn to(mesh: &Mesh, node: usize, kind: u8) -> Vec<&EntryFrame> {
    let all = mesh.entries.iter().filter(|(to, entry)| *to == node && entry.kind == kind.into());
    all.map(|(_, entry)| entry).collect()
}

#[test]
fn what_people_wait_for_comes_first() {
    let (mut mesh, alice, bob) = apart();
    for number in 0..600 {
        say(&mut mesh, 0, alice, "carol", &number.to_string());
    }
    say(&mut mesh, 0, alice, "bob", "first");
    say(&mut mesh, 0, alice, "bob", "second");
    mesh.heal(20);
    let letters: Vec<u64> = to(&mesh, 1, 2).iter().map(|entry| entry.dot.seq).collect();
    assert_eq!(letters.len(), 602, "each once");
    assert_eq!(letters[..3], [1_201, 1_203, 1], "those to bob");
    let said = mesh.storm.nodes[1].read(bob);
    assert_eq!(super::messages::bodies(&said), ["first", "second"]);
    agree(&mesh.storm.nodes[1].store);
}

#[test]
fn what_was_overwritten_never_comes_and_who_holds_everything_is_told_nothing() {
    let (mut mesh, alice, _) = apart();
    for number in 0..50 {
        mesh.storm.nodes[0].send(alice, &ITEM.replace("NAME", &number.to_string()));
    }
    mesh.heal(20);
    assert_eq!(to(&mesh, 1, 0).len(), 1);
    let [one, other, _] = mesh.held(0);
    assert_eq!(one, other);
    mesh.entries.clear();
    mesh.reset(0, 1);
    mesh.heal(70);
    assert_eq!(mesh.entries.len(), 0);
    mesh.kill(1);
    mesh.heal(70);
    let again = mesh.storm.nodes[1].node.ledger.origin();
    assert!(
        mesh.entries.iter().all(|(_, entry)| entry.dot.origin == again),
        "what the new start has written"
    );
}

#[test]
fn what_is_overwritten_while_it_is_looked_up_is_not_committed_without_what_has_overwritten_it() {
    let (mut mesh, alice, _) = apart();
    mesh.storm.nodes[0].send(alice, &ITEM.replace("NAME", "one"));
    let (first, cells) = (mesh.storm.nodes[0].node.ledger.origin(), super::taking::KINDS[0]);
    let one = first.dot(mesh.held(0)[0].prefix(first));
    mesh.cut = vec![[0, 1], [1, 2]];
    for _ in 0..20 {
        mesh.pass(500_000);
    }
    let far = mesh.storm.nodes[2].login("alice", "far", None);
    // The second one comes back. The page of the index with the write is read.
    (mesh.storm.nodes[0].waiting, mesh.storm.nodes[0].slow_reads) = (Some(Vec::new()), true);
    mesh.cut = vec![[1, 2]];
    while mesh.storm.nodes[0].waiting.as_ref().is_some_and(Vec::is_empty) {
        mesh.pass(100_000);
    }
    // Then the third one overwrites it.
    mesh.storm.nodes[2].send(far, &ITEM.replace("NAME", "two"));
    mesh.carry();
    let third = mesh.storm.nodes[2].node.ledger.origin();
    let two = third.dot(mesh.held(0)[2].prefix(third));
    let holds = |mesh: &Mesh, dot| mesh.storm.nodes[1].node.groups.is_durable(cells, dot);
    let mut steps = 0;
    while !holds(&mesh, one) {
        assert!(!holds(&mesh, two), "they come together");
        mesh.storm.nodes[0].answer_next();
        mesh.pass(1_000);
        steps += 1;
        assert!(steps < 1_000);
    }
    assert!(to(&mesh, 1, 0).iter().all(|entry| entry.dot != one), "it was gone by then");
    assert!(holds(&mesh, two));
    agree(&mesh.storm.nodes[1].store);
}

#[test]
fn no_more_is_under_way_than_agreed_while_the_other_disk_takes_nothing() {
    let (mut mesh, alice, _) = apart();
    let long = "x".repeat(12_000);
    for _ in 0..1_000 {
        say(&mut mesh, 0, alice, "carol", &long);
    }
    mesh.storm.nodes[1].waiting = Some(Vec::new());
    mesh.cut.clear();
    for _ in 0..20 {
        mesh.pass(500_000);
    }
    let (some, bytes) =
        (to(&mesh, 1, 2).len(), to(&mesh, 1, 2).iter().map(|entry| entry.bytes.len()).sum::<usize>());
    assert!((4 << 20..6 << 20).contains(&bytes), "{some} {bytes}");
    mesh.heal(20);
    assert_eq!(to(&mesh, 1, 2).len(), 1_000);
    assert_eq!(mesh.held(1)[0], mesh.held(1)[1]);
    agree(&mesh.storm.nodes[1].store);
}

/// Returns nodes of which the second takes nothing, so that a part of the 600 messages that wait for it has been left to the queue.
fn stuck() -> (Mesh, ConnId) {
    let (mut mesh, alice, _) = apart();
    mesh.storm.nodes[0].node.groups.bound_ring(64 << 20);
    let long = "x".repeat(12_000);
    for _ in 0..600 {
        say(&mut mesh, 0, alice, "carol", &long);
    }
    mesh.storm.nodes[1].waiting = Some(Vec::new());
    mesh.cut = vec![[0, 2], [1, 2]];
    for _ in 0..20 {
        mesh.pass(500_000);
    }
    (mesh, alice)
}

#[test]
fn what_waits_in_the_queue_of_a_link_is_not_committed_before_it_was_sent() {
    let (mut mesh, _) = stuck();
    assert!((1..600).contains(&to(&mesh, 1, 2).len()), "four megabytes");
    for _ in 0..200 {
        while mesh.storm.nodes[1].answer_next() {}
        mesh.pass(100_000);
    }
    assert_eq!(to(&mesh, 1, 2).len(), 600, "each once");
    let messages = |at: usize| super::taking::rows(&mesh.storm.nodes[at], Table::Message);
    assert_eq!((messages(0).len(), messages(1) == messages(0)), (600, true));
    assert_eq!(mesh.held(1)[0], mesh.held(1)[1]);
}

#[test]
fn what_a_scan_has_left_to_the_queue_is_not_committed_when_the_queue_loses_it() {
    let (mut mesh, alice) = stuck();
    mesh.storm.nodes[0].node.groups.bound_ring(0);
    say(&mut mesh, 0, alice, "carol", "one more");
    for _ in 0..200 {
        while mesh.storm.nodes[1].answer_next() {}
        mesh.pass(100_000);
    }
    let messages = |at: usize| super::taking::rows(&mesh.storm.nodes[at], Table::Message);
    assert_eq!((messages(0).len(), messages(1).len()), (601, 601));
    assert_eq!(mesh.held(1)[0], mesh.held(1)[1]);
}

#[test]
fn what_the_queue_loses_while_something_else_is_said_is_not_committed_either() {
    let (mut mesh, alice) = stuck();
    mesh.storm.nodes[0].node.groups.bound_ring(0);
    say(&mut mesh, 0, alice, "carol", "one more");
    // There is room again, and what is said next of sessions finds it, not a tick of the link.
    mesh.storm.nodes[0].node.peers.free_queues();
    mesh.storm.nodes[0].send(alice, "<presence><priority>7</priority></presence>");
    for _ in 0..200 {
        while mesh.storm.nodes[1].answer_next() {}
        mesh.pass(100_000);
    }
    let messages = |at: usize| super::taking::rows(&mesh.storm.nodes[at], Table::Message);
    assert_eq!((messages(0).len(), messages(1).len()), (601, 601));
    assert_eq!(mesh.held(1)[0], mesh.held(1)[1]);
}

#[test]
fn what_cannot_be_read_is_read_again_and_what_is_damaged_is_never_committed() {
    let (mut mesh, alice, _) = apart();
    for number in 0..3 {
        say(&mut mesh, 0, alice, "bob", &number.to_string());
    }
    mesh.storm.nodes[0].unreadable = vec![Table::Dot];
    mesh.heal(20);
    assert_eq!(to(&mesh, 1, 2).len(), 0);
    assert!(mesh.storm.nodes[0].events.contains(&Event::StoreFailed { error: StoreError::Io }));
    let whole = mesh.storm.nodes[0].store.clone();
    let index = super::taking::rows(&mesh.storm.nodes[0], Table::Dot);
    let second = index.into_iter().filter(|row| row.key.parts().nth(1) == Some("l")).nth(1).unwrap();
    mesh.storm.nodes[0].store.apply(&StoreBatch::new().put(second.key, vec![0xff]));
    mesh.storm.nodes[0].unreadable.clear();
    mesh.heal(20);
    assert!(mesh.storm.nodes[0].events.contains(&Event::StoreFailed { error: StoreError::Damaged }));
    assert_eq!(to(&mesh, 1, 2).len(), 2);
    assert_ne!(mesh.held(1)[0], mesh.held(1)[1]);
    mesh.storm.nodes[0].store = whole;
    mesh.heal(150);
    assert_eq!(mesh.held(1)[0], mesh.held(1)[1]);
    agree(&mesh.storm.nodes[1].store);
}

#[test]
fn a_third_node_tells_what_another_one_has_written() {
    let (mut mesh, alice, _) = apart();
    mesh.storm.nodes[0].send(alice, &ITEM.replace("NAME", "Carol"));
    say(&mut mesh, 0, alice, "bob", "one");
    // The first one reaches the second one alone, and that the third one.
    mesh.cut = vec![[0, 2]];
    for _ in 0..300 {
        mesh.pass(500_000);
    }
    for kind in 0..2 {
        let [one, two, three] = mesh.held(kind);
        assert!(one == two && two == three, "{one:?} {two:?} {three:?}");
    }
    mesh.storm.same(0);
}
