//! Plans of faults drawn at random: whatever they are, nobody panics, and a world that is healed works.

#![expect(clippy::unwrap_used, reason = "a failure is a failed test")]

use std::fmt::Write as _;

use eyot_io_sim::engine::{Entropy, Key, Purpose};
use eyot_io_sim::script::{RunOptions, Scenario, run};
use eyot_io_sim::transcript::Form;
use eyot_io_sim::world::Slices;

const HEAD: &str = "# A plan.\n# docs/promises.md\nnodes a b c\nsite hq b c\naccount alice\naccount bob\n\
    client alice on a resource desk\nclient bob on a resource desk\nclient carol on b\nalice comes online\n\
    bob comes online\ncarol connects\nsettle\n";
const TAIL: &str = "wait 70s\nheal all\nwait 200s\nfault reset alice\nfault reset bob\nsettle\nalice comes online\nbob comes online\n\
    settle\nalice says to bob: all is well\nexpect bob < message body all is well\nexpect a running\n\
    expect b running\nexpect c running\n";
/// All kinds of faults but those that empty a disk.
const KINDS: [&str; 34] = [
    "cut alice",
    "cut bob up",
    "cut alice down",
    "cut a b",
    "cut b c oneway",
    "partition one b",
    "partition minority",
    "partition majority oneway",
    "partition majorities-ring",
    "partition bridge",
    "partition random",
    "partition groups a b / c",
    "swizzle",
    "swizzle 40",
    "flap alice every 1500ms",
    "link alice satcom",
    "link bob slow up",
    "link a b wan-80ms",
    "reset alice",
    "swallow bob",
    "vanish alice",
    "stall bob",
    "kill a",
    "poweroff a",
    "pause a",
    "slow a 300ms",
    "clock a step +365d",
    "clock a drift -400000",
    "clock a drift 900000",
    "clock a freeze",
    "clock a set 1970-01-01",
    "disk a slow 2s",
    "disk a torn",
    "site hq",
];
/// What may be in force only while nobody asks the disk of a node for anything it must have.
const OF_DISKS: [&str; 3] = ["disk a full", "disk a read-error", "disk a error"];
const DEEDS: [&str; 6] = [
    "alice says to bob: hello",
    "bob says to alice: hello",
    "alice pings",
    "bob comes online",
    "alice comes online",
    "carol secures",
];

/// Faults that are nothing to whoever is on node a.
const ELSEWHERE: [&str; 8] = [
    "wipe c for 3s",
    "kill b for 700ms",
    "cut carol for 9s",
    "partition one c for 20s",
    "partition random for 8s",
    "clock c drift 500000 for 10s",
    "disk b error for 5s",
    "slow b 40ms for 20s",
];

fn plan(seed: u64, more: &str) -> String {
    let mut counter = 0;
    let mut below = |bound: usize| {
        counter += 1;
        usize::try_from(Entropy::new(seed).below(Purpose::FaultShape, Key::of("plan"), counter, bound as u64))
            .unwrap()
    };
    let mut text = String::from(HEAD);
    for _ in 0..12 {
        writeln!(text, "at {}ms {}", 1_000 + below(60_000), DEEDS[below(DEEDS.len())]).unwrap();
    }
    for _ in 0..=below(8) {
        let kind = if below(8) == 0 { OF_DISKS[below(OF_DISKS.len())] } else { KINDS[below(KINDS.len())] };
        let lasts = if kind.starts_with("reset") || below(4) == 0 {
            String::new()
        } else {
            format!(" for {}ms", 1 + below(20_000))
        };
        let when = match below(5) {
            0 => format!("when a traces bound {}", 1 + below(3)),
            1 => format!("when bob got {} messages", 1 + below(3)),
            2 => format!("when a syncs {}", 1 + below(3)),
            _ => format!("at {}ms", 1_000 + below(60_000)),
        };
        writeln!(text, "{when} fault {kind}{lasts}").unwrap();
    }
    text + more + TAIL
}

fn seeds(usual: u64) -> u64 {
    std::env::var("EYOT_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// What Alice and Bob saw of a plan, every byte and every time.
fn seen(seed: u64, text: &str) -> Vec<String> {
    let mut options = RunOptions { form: Form::Xml, ..RunOptions::default() };
    options.world.seed = seed;
    options.world.slices = Slices::Random;
    let outcome = run(&Scenario::parse("plan", text).unwrap(), options);
    let lines = outcome.transcript.lines().filter(|line| ["alice", "bob"].contains(&line.who.as_str()));
    lines.map(|line| format!("{} {} {}", line.at.as_nanos(), line.who, line.what)).collect()
}

#[test]
fn a_fault_more_or_less_changes_nothing_for_whoever_it_does_not_touch() {
    for seed in 0..seeds(8) {
        let without = seen(seed, &plan(seed, ""));
        assert!(without.len() > 40);
        for (number, fault) in ELSEWHERE.iter().enumerate() {
            let more = format!("at {}ms fault {fault}\n", 900 + 7_919 * (number + 1));
            assert!(seen(seed, &plan(seed, &more)) == without, "seed {seed}: {fault}");
        }
    }
    assert_ne!(seen(0, &plan(0, "at 900ms fault slow a 1ms\n")), seen(0, &plan(0, "")), "it can fail");
}

#[test]
fn whatever_goes_wrong_a_world_that_is_healed_works() {
    for seed in 0..seeds(25) {
        let text = plan(seed, "");
        let scenario = Scenario::parse("plan", &text).unwrap();
        let mut options = RunOptions::default();
        options.world.seed = seed;
        options.world.batch = seed % 3 == 0;
        let outcome = run(&scenario, options);
        let unmet: Vec<_> = outcome.verdicts.iter().filter(|verdict| !verdict.met).collect();
        assert!(
            outcome.is_good(),
            "seed {seed}:\n{text}\n{unmet:?}\n{:?}\n{:?}\n{:?}\n{}",
            outcome.trouble,
            outcome.violations,
            outcome.complaints,
            outcome.transcript
        );
        assert_eq!(run(&scenario, options).hash, outcome.hash, "seed {seed}: two runs are one run\n{text}");
    }
}
