//! What a world promises of links that change or are cut while something is under way on them.

use super::tests::{add, pass, seen, world};
use super::{Options, World};
use crate::client::{Goal, Op};
use crate::engine::SimSpan;
use crate::fault::{Fault, FaultId, Way};
use crate::script::{RunOptions, Scenario, run};

/// Tells a story in a world, and returns what was seen; its expectations hold.
fn story(seed: u64, lines: &str) -> String {
    let text = format!("# A story.\n# RFC 9293\n{lines}");
    let world = Options { seed, ..Options::default() };
    let outcome =
        run(&Scenario::parse("story", &text).unwrap(), RunOptions { world, ..RunOptions::default() });
    assert!(outcome.is_good(), "seed {seed}: {:?}\n{}", outcome.verdicts, outcome.transcript);
    outcome.transcript.to_string()
}

const BOB_ON_THE_RADIO: &str = "account alice\naccount bob\n\
    client alice on a resource desk\nclient bob on a resource desk\n\
    alice comes online\nbob comes online\nsettle\nfault link bob hf-2400 for 5s\n\
    alice says to bob: {x*6000}\nalice says to bob: {x*6000}\nalice says to bob: {x*6000}\n";

/// The seconds in which something is said in a transcript.
fn times(transcript: &str, what: &str) -> Vec<String> {
    let lines = transcript.lines().filter(|line| line.contains(what));
    lines.filter_map(|line| Some(line.trim().split_once('.')?.0.to_owned())).collect()
}

#[test]
fn what_waited_for_a_slow_link_is_there_as_soon_as_that_is_fast_again() {
    let lines = "wait 5900ms\nalice says to bob: after\nwait 1s\n";
    let told = story(0, &format!("{BOB_ON_THE_RADIO}{lines}"));
    assert_eq!(times(&told, "bob   < message"), ["5", "5", "5", "6"], "{told}");
}

#[test]
fn a_new_connection_does_not_wait_for_what_an_old_one_left_in_the_queue_of_a_slow_link() {
    let told = story(0, &format!("{BOB_ON_THE_RADIO}wait 6s\nreset bob\nbob comes online\nwait 1s\n"));
    assert_eq!(times(&told, "bob   < bound"), ["0", "6"], "{told}");
}

#[test]
fn a_reset_behind_the_queue_of_a_slow_link_comes_sooner_when_that_is_fast_again() {
    let reset = |heal: bool| {
        let (mut world, node) = world(Options::default());
        let alice = add(&mut world, node, "alice");
        world.tell(alice, Op::Reach(Goal::Open));
        pass(&mut world, 5_000);
        let fast = world.people[alice.at()].up.profile().clone();
        world.set_link(alice, crate::net::builtin("hf-2400").unwrap());
        world.tell(alice, Op::Text(" ".repeat(10_000).into()));
        world.tell(alice, Op::Abort);
        pass(&mut world, 1_000);
        if heal {
            world.set_link(alice, fast);
        }
        pass(&mut world, 1_000);
        !world.conns[0].server.is_live()
    };
    assert_eq!([false, true].map(reset), [false, true]);
}

#[test]
fn a_direction_with_acknowledgements_alone_does_not_stay_in_a_burst_of_losses() {
    let lines = "profile bursts latency 20ms gilbert 500000 500000 0 950000 down loss 0\n\
        account alice\naccount bob\n\
        client alice on a resource desk link bursts\nclient bob on a resource desk\n\
        bob comes online\nalice comes online\nsettle\nwait 60s\nbob says to alice: one\nwait 200s\n\
        expect alice heard one\nexpect alice online\nbob says to alice: two\nwait 200s\nexpect alice online\n";
    // In these the last segment that Alice sends finds her link bad.
    for seed in [11, 14, 29] {
        story(seed, lines);
    }
}

/// Alice connects at 1.007 s over a link of 40 ms: her SYN is answered at 1.049 s, and accepted at 1.133 s.
fn connecting(fault: &str, end: &str) -> String {
    let head = "account alice\nclient alice on a resource desk link wan-80ms\nwait 1s\n";
    story(0, &format!("{head}{fault}\nalice connects\n{end}\n"))
}

#[test]
fn a_connection_does_not_outlive_the_machine_or_the_process_that_answered_its_syn() {
    for how in ["poweroff", "kill"] {
        // Alice has the answer: she speaks to a machine that knows nothing of her.
        connecting(&format!("at 1100ms fault {how} a for 15ms"), "wait 5s\nexpect alice reset");
    }
    // The answer is lost with the power: she asks again.
    connecting("at 1075ms fault poweroff a for 15ms", "wait 5s\nexpect alice connected");
    // What waits for a process that stands still dies with it.
    connecting("at 1060ms fault pause a\nat 2s fault kill a for 15ms", "wait 5s\nexpect alice reset");
}

fn opened(cut_after: u64, way: Option<Way>) -> Vec<u64> {
    let (mut world, node) = world(Options::default());
    let alice = add(&mut world, node, "alice");
    let begun = world.now();
    world.tell(alice, Op::Reach(Goal::Open));
    pass(&mut world, cut_after);
    let cut = Fault::Cut { client: "alice".into(), way };
    let id = FaultId::of(&cut.to_string(), 0);
    world.inject(id, &cut, Some(SimSpan::from_millis(5_000))).unwrap();
    let mut opened = Vec::new();
    for _ in 0..20_000 {
        pass(&mut world, 1);
        let conn = &world.conns[0];
        let state = u64::from(conn.met.is_some()) + u64::from(conn.server.is_live());
        if opened.len() < usize::try_from(state).unwrap() {
            opened.push(world.now().since(begun).as_nanos() / 1_000_000);
        }
    }
    opened
}

#[test]
fn a_cut_of_both_directions_loses_each_step_of_a_handshake_and_one_of_one_direction_loses_none() {
    // The SYN, the answer, the acknowledgement of that.
    for after in [20, 60, 100] {
        let both = opened(after, None);
        assert!(both.last().is_some_and(|at| *at > 5_000), "{after}: {both:?}");
    }
    let up = opened(20, Some(Way::Up));
    assert!(up[0] < 100 && up[1] > 5_000, "the SYN and its answer arrive: {up:?}");
    let up = opened(100, Some(Way::Up));
    assert!(up.iter().all(|at| *at < 200), "the acknowledgement arrives: {up:?}");
}

#[test]
fn a_cut_of_both_directions_loses_a_reset_that_is_under_way() {
    let refused = |cut: bool| {
        let (mut world, node) = world(Options::default());
        world.kill_node(node);
        let alice = add(&mut world, node, "alice");
        world.tell(alice, Op::Reach(Goal::Open));
        pass(&mut world, 60);
        if cut {
            world.cut(alice);
        }
        pass(&mut world, 500);
        seen(&world, alice).iter().any(|(_, sight)| sight == "Refused")
    };
    assert_eq!([false, true].map(refused), [true, false]);
}

#[test]
fn a_connection_that_is_made_while_a_link_is_cut_is_heard_of_when_its_node_is_killed() {
    let lines = "profile dead latency 10ms loss 1000000\naccount alice\nclient alice on a resource desk\n\
        alice connects\nsettle\nfault link alice dead for 920s\nalice logs in\nalice logs in\n\
        at 925696ms fault cut alice for 1s\nwait 1000s\nexpect alice online\nkill a\nwait 5s\nstart a\n\
        wait 5s\nalice pings\nwait 20s\nexpect alice offline\n";
    for seed in 0..6 {
        story(seed, lines);
    }
}

#[test]
fn the_time_at_which_the_world_changes_is_in_the_hash() {
    let hash = |millis| {
        let mut world = World::new(Options::default());
        pass(&mut world, millis);
        world.note_world("something has happened");
        world.hash()
    };
    assert_eq!(hash(1), hash(1));
    assert_ne!(hash(1), hash(2));
}
