//! Random histories: at every moment those who cover the same hold the same, and in the end all do.

use super::world::World;
use crate::replica::Replica as _;

/// Histories that a run tries, unless the environment of the build says `EYOT_HISTORIES=100000` (it takes minutes) or
/// `EYOT_HISTORIES=48310..48311`.
const HISTORIES: u64 = 1_000;

/// Whenever two members cover the same, they hold the same.
fn equal_vectors_hold_equal_states(world: &World, hashes: &mut [Option<u64>]) -> usize {
    let mut met = 0;
    for (at, one) in world.members.iter().enumerate() {
        for (to, other) in world.members.iter().enumerate().skip(at + 1) {
            if one.disk.vector() == other.disk.vector() {
                for index in [at, to] {
                    hashes[index].get_or_insert_with(|| world.members[index].disk.hash());
                }
                assert_eq!(hashes[at], hashes[to], "members {at} and {to}");
                met += 1;
            }
        }
    }
    met
}

/// One history; returns how often equal vectors met and how much was shown.
fn history(seed: u64) -> (usize, usize) {
    let mut world = World::new(seed);
    let mut met = 0;
    for _ in 0..20 + world.draws.below(80) {
        world.step();
        met += equal_vectors_hold_equal_states(&world, &mut vec![None; world.members.len()]);
    }
    world.heal();
    equal_vectors_hold_equal_states(&world, &mut vec![None; world.members.len()]);
    let told = |at: usize| {
        let mut all = world.members[at].disk.state().deltas();
        all.retain(|act| !world.members[at].disk.state().is_removal(act));
        all
    };
    let first = told(0);
    for at in 1..world.members.len() {
        assert_eq!(told(at), first, "members 0 and {at} differ after everything was exchanged");
    }
    (met, world.sessions.check(&world.members))
}

#[test]
fn members_that_cover_the_same_hold_the_same_and_agree_when_links_heal() {
    let (mut met, mut shown) = (0, 0);
    let number = |text: &str| text.parse::<u64>().expect("EYOT_HISTORIES is COUNT or FROM..TO");
    let (from, to) =
        match option_env!("EYOT_HISTORIES").map(|text| text.split_once("..").unwrap_or(("0", text))) {
            Some((from, to)) => (number(from), number(to)),
            None => (0, HISTORIES),
        };
    for seed in from..to {
        let run = std::panic::catch_unwind(|| history(seed));
        let (more, also) = run.unwrap_or_else(|_| panic!("history {seed} does not hold"));
        (met, shown) = (met + more, shown + also);
    }
    // A test that never compares anything cannot fail.
    let histories = usize::try_from(to - from).expect("few");
    assert!(met > histories && shown > histories, "{met} comparisons, {shown} stanzas shown");
}
