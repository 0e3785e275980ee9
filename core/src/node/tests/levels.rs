//! Durability on several nodes: what is too fine for a scenario. The disks of the others take nothing, so that what is said waits.

use super::acks::{ASK, ENABLE, ack, id_of};
use super::converge::Storm;
use super::mesh::Mesh;
use super::resumption::resume;
use super::taking::clustered;
use crate::config::{Durability, Level, Short};
use crate::io::ConnId;
use crate::node::harness::World;
use crate::store::StoreError;
use crate::time::Span;

const BELOW: &str = "<stored-below-level xmlns='urn:eyot:level:errors:0'/>";
const PUT: &str =
    "<iq type='set' id='i'><query xmlns='jabber:iq:roster'><item jid='c@x.example'/></query></iq>";
const HOLD: Short = Short::Hold { time: Span::from_secs(10) };

/// Three nodes, and alice on the first of them, who counts; and what names her session.
fn three(short: Short, limit: u32) -> (Mesh, ConnId, String) {
    let node = |own| {
        World::with(|config| {
            clustered(own)(config);
            config.limits.session_below_level_bytes = limit;
            config.domains[0].durability = Durability { level: Level::Cluster { nodes: 2 }, short };
        })
    };
    let storm = Storm { keeps: true, nodes: [7, 8, 9].map(node), people: [[None; 3]; 3] };
    let mut mesh = Mesh::new(storm);
    for user in ["alice", "bob"] {
        mesh.storm.nodes[0].add(user);
    }
    mesh.heal(5);
    let alice = mesh.storm.nodes[0].login("alice", "r", Some(0));
    mesh.storm.nodes[0].send(alice, ENABLE);
    mesh.heal(1);
    let id = id_of(&mesh.storm.nodes[0].read(alice));
    for other in [1, 2] {
        mesh.storm.nodes[other].disk = Err(StoreError::Full);
    }
    (mesh, alice, id)
}

fn say(mesh: &mut Mesh, conn: ConnId, id: &str) {
    let text = format!("<message type='chat' id='{id}' to='bob@x.example'><body>{id}</body></message>{ASK}");
    mesh.storm.nodes[0].send(conn, &text);
    mesh.carry();
}

/// Returns what alice has been told since the last time.
fn told(mesh: &mut Mesh, conn: ConnId) -> String {
    mesh.carry();
    mesh.storm.nodes[0].read(conn)
}

/// Lets time pass while nothing changes.
fn wait(mesh: &mut Mesh, seconds: u64) {
    (0..4 * seconds).for_each(|_| mesh.pass(250_000));
}

fn count(text: &str, what: &str) -> usize {
    text.matches(what).count()
}

#[test]
fn what_is_stored_here_alone_is_safe_when_another_disk_has_it() {
    let (mut mesh, alice, _) = three(HOLD, 65_536);
    say(&mut mesh, alice, "one");
    assert_eq!(told(&mut mesh, alice), ack(0));
    // What is not stored waits for nobody, and is counted behind what is.
    mesh.storm.nodes[0].send(alice, "<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>");
    assert!(told(&mut mesh, alice).contains("type='result'"));
    mesh.storm.nodes[2].disk = Ok(());
    wait(&mut mesh, 8);
    let said = told(&mut mesh, alice);
    assert_eq!(said, ack(2));
}

#[test]
fn who_has_waited_long_enough_is_told_and_what_fails_here_is_told_once() {
    let (mut mesh, alice, _) = three(HOLD, 65_536);
    say(&mut mesh, alice, "one");
    mesh.storm.nodes[0].send(alice, PUT);
    wait(&mut mesh, 9);
    assert_eq!(count(&told(&mut mesh, alice), "id='i'"), 0);
    // What the own disk has not taken is refused, and is not below the level besides.
    mesh.storm.nodes[0].disk = Err(StoreError::Full);
    say(&mut mesh, alice, "two");
    mesh.storm.nodes[0].disk = Ok(());
    wait(&mut mesh, 3);
    let said = told(&mut mesh, alice);
    assert_eq!((count(&said, BELOW), count(&said, "resource-constraint")), (2, 1), "{said}");
    assert_eq!((count(&said, "id='i'"), count(&said, "id='two'")), (1, 1), "{said}");
    assert!(said.contains(&ack(3)), "{said}");
    wait(&mut mesh, 12);
    let later = told(&mut mesh, alice);
    assert_eq!(count(&later, BELOW), 0, "{later}");
}

#[test]
fn where_the_level_may_be_lowered_nobody_waits_longer_than_it_takes_to_see_that() {
    let (mut mesh, alice, _) = three(Short::Degrade, 65_536);
    mesh.cut = vec![[0, 1], [0, 2]];
    wait(&mut mesh, 5);
    told(&mut mesh, alice);
    say(&mut mesh, alice, "one");
    mesh.storm.nodes[0].send(alice, PUT);
    let said = told(&mut mesh, alice);
    assert!(said.contains(&ack(1)), "{said}");
    assert_eq!((count(&said, "id='i'"), count(&said, BELOW)), (1, 0), "{said}");
}

#[test]
fn who_ends_leaves_nothing_that_waits_and_what_is_told_to_have_been_handled_is_safe() {
    let (mut mesh, alice, id) = three(HOLD, 65_536);
    say(&mut mesh, alice, "one");
    assert_eq!(mesh.storm.nodes[0].node.waiting_for_levels().0, 1);
    let again = mesh.storm.nodes[0].login("alice", "r", Some(0));
    wait(&mut mesh, 1);
    assert_eq!(mesh.storm.nodes[0].node.waiting_for_levels(), (0, 0), "the session was replaced");
    told(&mut mesh, again);
    let (_, said) = resume(&mut mesh.storm.nodes[0], "alice", &id, 0);
    assert!(said.contains("<failed") && said.contains("h='0'"), "{said}");
}

#[test]
fn after_a_kill_what_had_waited_waits_for_what_the_others_say_then() {
    let (mut mesh, alice, id) = three(HOLD, 65_536);
    say(&mut mesh, alice, "one");
    mesh.storm.nodes[0].send(alice, PUT);
    mesh.storm.nodes[0].send(alice, ASK);
    wait(&mut mesh, 1);
    assert_eq!(count(&told(&mut mesh, alice), "id='i'"), 0);
    mesh.kill(0);
    wait(&mut mesh, 1);
    let (conn, said) = resume(&mut mesh.storm.nodes[0], "alice", &id, 0);
    wait(&mut mesh, 1);
    assert_eq!(said + &told(&mut mesh, conn), "");
    mesh.storm.nodes[1].disk = Ok(());
    wait(&mut mesh, 8);
    let said = told(&mut mesh, conn);
    assert!(said.contains("<resumed") && said.contains("h='2'"), "{said}");
    assert_eq!((count(&said, "id='i'"), count(&said, BELOW)), (1, 0), "{said}");
    assert_eq!(mesh.storm.nodes[0].node.waiting_for_levels(), (0, 0));
}

#[test]
fn who_sends_more_than_may_wait_is_told_of_the_oldest_first() {
    let (mut mesh, alice, _) = three(HOLD, 1_000);
    for number in 0..40 {
        say(&mut mesh, alice, &format!("m{number}"));
    }
    let said = told(&mut mesh, alice);
    let below = count(&said, BELOW);
    assert!((20..40).contains(&below), "{below}: {said}");
    assert!(said.contains("id='m0'") && !said.contains("id='m39'"), "{said}");
    assert!(said.contains(&ack(u32::try_from(below).unwrap())), "{said}");
    assert!(mesh.storm.nodes[0].node.waiting_for_levels().1 <= 1_200);
}

#[test]
fn what_is_kept_only_because_nobody_could_be_given_it_waits_too() {
    let (mut mesh, alice, _) = three(HOLD, 65_536);
    let hint = "<no-permanent-store xmlns='urn:xmpp:hints'/>";
    let text = format!("<message type='chat' id='n' to='bob@x.example'><body>n</body>{hint}</message>{ASK}");
    mesh.storm.nodes[0].send(alice, &text);
    wait(&mut mesh, 1);
    assert_eq!(told(&mut mesh, alice), ack(0));
    wait(&mut mesh, 12);
    let said = told(&mut mesh, alice);
    assert_eq!((count(&said, BELOW), count(&said, "id='n'")), (1, 1), "{said}");
    assert!(said.contains(&ack(1)), "{said}");
}

#[test]
fn where_no_domain_has_a_level_any_longer_nothing_that_waited_does() {
    let (mut mesh, alice, id) = three(HOLD, 65_536);
    say(&mut mesh, alice, "one");
    mesh.storm.nodes[0].send(alice, PUT);
    mesh.storm.nodes[0].send(alice, ASK);
    wait(&mut mesh, 1);
    assert_eq!(count(&told(&mut mesh, alice), "id='i'"), 0);
    mesh.storm.nodes[0].config.domains[0].durability = Durability { level: Level::Local, short: HOLD };
    mesh.kill(0);
    wait(&mut mesh, 1);
    let (conn, said) = resume(&mut mesh.storm.nodes[0], "alice", &id, 0);
    wait(&mut mesh, 1);
    let said = said + &told(&mut mesh, conn);
    assert!(said.contains("<resumed") && said.contains("h='2'"), "{said}");
    assert_eq!((count(&said, "id='i'"), count(&said, BELOW)), (1, 0), "{said}");
    mesh.storm.nodes[0].send(conn, "</stream:stream>");
    wait(&mut mesh, 1);
    assert_eq!(mesh.storm.nodes[0].node.waiting_for_levels(), (0, 0));
}

#[test]
fn a_request_that_is_known_is_safe_no_sooner_than_the_first() {
    let (mut mesh, alice, _) = three(HOLD, 65_536);
    let text = format!("<presence type='subscribe' id='s' to='bob@x.example'/>{ASK}");
    mesh.storm.nodes[0].send(alice, &text);
    wait(&mut mesh, 1);
    assert_eq!(told(&mut mesh, alice), ack(0));
    // Another session takes the place of hers, and she repeats what was not acknowledged.
    let again = mesh.storm.nodes[0].login("alice", "r", Some(0));
    wait(&mut mesh, 1);
    mesh.storm.nodes[0].send(again, ENABLE);
    wait(&mut mesh, 1);
    told(&mut mesh, again);
    mesh.storm.nodes[0].send(again, &text);
    wait(&mut mesh, 1);
    assert_eq!(told(&mut mesh, again), ack(0));
    wait(&mut mesh, 12);
    let said = told(&mut mesh, again);
    assert_eq!((count(&said, BELOW), count(&said, "id='s'")), (1, 1), "{said}");
    assert!(said.contains(&ack(1)), "{said}");
}

#[test]
fn who_was_told_that_something_may_be_lost_may_repeat_it_and_nobody_is_given_it_twice() {
    let (mut mesh, alice, _) = three(HOLD, 65_536);
    let bob = mesh.storm.nodes[0].login("bob", "r", Some(0));
    say(&mut mesh, alice, "one");
    wait(&mut mesh, 12);
    assert_eq!(count(&told(&mut mesh, alice), BELOW), 1);
    // It has waited long enough, and says at once how it stands.
    say(&mut mesh, alice, "one");
    wait(&mut mesh, 1);
    let said = told(&mut mesh, alice);
    assert!(said.contains(&ack(2)) && count(&said, BELOW) == 1, "{said}");
    mesh.storm.nodes[1].disk = Ok(());
    wait(&mut mesh, 8);
    say(&mut mesh, alice, "one");
    let said = told(&mut mesh, alice);
    assert!(said.contains(&ack(3)) && count(&said, BELOW) == 0, "{said}");
    assert_eq!(count(&told(&mut mesh, bob), "<body>one</body>"), 1);
}

#[test]
fn one_that_is_large_ends_as_many_that_are_small_as_it_takes() {
    let (mut mesh, alice, _) = three(HOLD, 1_000);
    for number in 0..6 {
        say(&mut mesh, alice, &format!("m{number}"));
    }
    say(&mut mesh, alice, &"l".repeat(3_000));
    say(&mut mesh, alice, "last");
    assert!(mesh.storm.nodes[0].node.waiting_for_levels().1 <= 1_200);
    let said = told(&mut mesh, alice);
    assert_eq!((count(&said, BELOW), count(&said, "id='last'")), (7, 0), "{said}");
}

#[test]
fn who_resumes_may_wait_for_a_level_longer_than_a_login_takes() {
    let (mut mesh, alice, id) = three(Short::Hold { time: Span::from_secs(300) }, 65_536);
    say(&mut mesh, alice, "one");
    mesh.storm.nodes[0].cut(alice);
    let (conn, said) = resume(&mut mesh.storm.nodes[0], "alice", &id, 0);
    assert_eq!(said, "");
    wait(&mut mesh, 100);
    mesh.storm.nodes[1].disk = Ok(());
    wait(&mut mesh, 8);
    let said = told(&mut mesh, conn);
    assert!(said.contains("<resumed") && said.contains("h='1'"), "{said}");
}

#[test]
fn just_after_a_start_nobody_is_taken_for_gone() {
    let (mut mesh, alice, id) = three(Short::Degrade, 65_536);
    say(&mut mesh, alice, "one");
    assert_eq!(told(&mut mesh, alice), ack(0));
    mesh.kill(0);
    let (conn, said) = resume(&mut mesh.storm.nodes[0], "alice", &id, 0);
    assert_eq!(said, "", "the others have not been called yet");
    wait(&mut mesh, 3);
    assert_eq!(told(&mut mesh, conn), "");
    wait(&mut mesh, 9);
    let said = told(&mut mesh, conn);
    assert!(said.contains("<resumed") && count(&said, BELOW) == 0, "{said}");
}
