//! A session goes from one node to another while one of the two is killed, or what is between them breaks, at each step of its way: one of
//! them has it in the end, and nothing is lost, comes twice or is counted otherwise.

use super::messages::bodies;
use super::moving::{ask, chat, enable, found, left, resume, resumed};

/// What happens on the way.
#[derive(Clone, Copy, Debug)]
enum Blow {
    /// This node is killed.
    Kill(usize),
    /// The connections between the two break.
    Reset,
    /// Nothing gets through for a while.
    Cut,
    /// The next writes of this node fail.
    Disk(usize),
}

const BLOWS: [Blow; 6] = [Blow::Kill(0), Blow::Kill(1), Blow::Reset, Blow::Cut, Blow::Disk(0), Blow::Disk(1)];
/// As many steps as a passage has, and some: writes are answered one by one at either node.
const STEPS: usize = 10;

/// Returns how many times the client was answered before the blow.
fn pass(blow: Blow, steps: usize) -> usize {
    let what = format!("{blow:?} after {steps}");
    let mut mesh = found();
    let bob = mesh.storm.nodes[0].login("bob", "r", Some(0));
    let id = enable(&mut mesh, 0, bob);
    let alice = mesh.storm.nodes[2].login("alice", "r", Some(0));
    mesh.carry();
    for body in ["one", "two"] {
        chat(&mut mesh, 2, (alice, "bob", body));
    }
    chat(&mut mesh, 0, (bob, "alice", "uno"));
    mesh.carry();
    mesh.storm.nodes[0].cut(bob);
    chat(&mut mesh, 2, (alice, "bob", "three"));
    mesh.carry();
    for world in &mut mesh.storm.nodes[..2] {
        world.waiting = Some(Vec::new());
    }
    let conn = ask(&mut mesh.storm.nodes[1], (&id, 1));
    for step in 0..steps {
        mesh.carry();
        mesh.storm.nodes[step % 2].answer_next();
    }
    let said = mesh.storm.nodes[1].read(conn);
    let mut heard: Vec<String> = bodies(&said).into_iter().map(String::from).collect();
    // His own presence, or what has changed meanwhile, counts as well.
    let stanzas = |said: &str| {
        ["<message ", "<presence ", "<iq "].map(|tag| said.matches(tag).count()).iter().sum::<usize>()
    };
    let mut got = stanzas(&said);
    let answered = usize::from(said.contains("<resumed"));
    match blow {
        Blow::Kill(at) => mesh.kill(at),
        Blow::Reset => mesh.reset(0, 1),
        Blow::Cut => mesh.cut.push([0, 1]),
        Blow::Disk(at) => mesh.storm.nodes[at].disk = Err(crate::store::StoreError::Io),
    }
    chat(&mut mesh, 2, (alice, "bob", "four"));
    for _ in 0..8 {
        mesh.carry();
        for world in &mut mesh.storm.nodes[..2] {
            world.answer_next();
        }
        mesh.pass(250_000);
    }
    for world in &mut mesh.storm.nodes[..2] {
        world.disk = Ok(());
        world.release();
    }
    mesh.heal(13);
    let more = mesh.storm.nodes[1].read(conn);
    heard.extend(bodies(&more).into_iter().map(String::from));
    got += stanzas(&more);
    // He comes back, wherever: one of the two has the session, and says how much of what he said is safe.
    for at in [1, 0, 2] {
        let h = 1 + u32::try_from(got).unwrap();
        let (_, said) = resume(&mut mesh, at, (&id, h));
        assert!(said.starts_with(&resumed(&id, 1)), "{what}, at {at}: {said}");
        heard.extend(bodies(&said).into_iter().map(String::from));
        got += stanzas(&said);
        mesh.heal(1);
    }
    assert_eq!(heard, ["two", "three", "four"], "{what}");
    let left = left(&mesh);
    assert_eq!(left.map(|(_, passages)| passages), [0; 3], "{what}: a passage is not over");
    assert_eq!(left.map(|(sessions, _)| sessions), [0, 0, 2], "{what}: one of them has it");
    answered
}

#[test]
fn one_of_two_nodes_has_a_session_whichever_is_killed_at_whatever_step() {
    let (mut early, mut late) = (0, 0);
    for blow in BLOWS {
        for steps in 0..STEPS {
            let answered = pass(blow, steps);
            (early, late) = (early + 1 - answered, late + answered);
        }
    }
    assert!(early > 10 && late > 10, "the client was answered before the blow, and was not: {early} {late}");
}
