//! Random histories: at every moment those who cover the same hold the same, and in the end all do.

use std::collections::BTreeMap;

use super::domain::Slot;
use super::tally::{Event, Tally};
use super::world::{Member, World};
use crate::replica::{Dotted as _, Replica as _};

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

/// What only says that something is gone, and everybody has, is not kept.
fn removals_are_dropped(member: &Member) {
    let (state, floor) = (member.disk.state(), member.disk.floor());
    if !floor.includes(member.disk.vector()) {
        // A write that was lost with a disk leaves a gap, and a floor ends there until it is certified as lost.
        return;
    }
    let mut cells: BTreeMap<Slot, bool> = BTreeMap::new();
    for act in state.deltas() {
        let idle = state.is_removal(&act) && floor.covers(act.dot());
        if let Some(slot) = act.slot() {
            *cells.entry(slot).or_insert(true) &= idle;
        }
    }
    let idle = cells.into_iter().find(|(_, idle)| *idle);
    assert_eq!(idle, None, "a removal is kept for ever");
}

/// One history; returns what came about in it.
fn history(seed: u64) -> Tally {
    let mut world = World::new(seed);
    for _ in 0..20 + world.draws.below(80) {
        world.step();
        let met = equal_vectors_hold_equal_states(&world, &mut vec![None; world.members.len()]);
        world.tally.add(Event::EqualVectors, met);
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
    world.members.iter().for_each(removals_are_dropped);
    let shown = world.sessions.check(&world.members);
    world.tally.add(Event::Shown, shown);
    world.readers.check(&world.members, &mut world.tally);
    world.tally
}

#[test]
fn members_that_cover_the_same_hold_the_same_and_agree_when_links_heal() {
    let mut tally = Tally::default();
    let number = |text: &str| text.parse::<u64>().expect("EYOT_HISTORIES is COUNT or FROM..TO");
    let (from, to) =
        match option_env!("EYOT_HISTORIES").map(|text| text.split_once("..").unwrap_or(("0", text))) {
            Some((from, to)) => (number(from), number(to)),
            None => (0, HISTORIES),
        };
    for seed in from..to {
        let run = std::panic::catch_unwind(|| history(seed));
        tally.join(&run.unwrap_or_else(|_| panic!("history {seed} does not hold")));
    }
    // A test that never meets what it is for cannot fail.
    let never = if to - from >= HISTORIES { tally.never() } else { Vec::new() };
    assert!(never.is_empty(), "never met: {never:?}; of all: {:?}", tally.counts());
}
