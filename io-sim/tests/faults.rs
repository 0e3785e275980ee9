//! What stories may say of faults, and what then happens.

#![expect(clippy::unwrap_used, reason = "a failure is a failed test")]

use core::fmt::Write as _;

use eyot_io_sim::engine::SimTime;
use eyot_io_sim::script::{Outcome, RunOptions, Scenario, run};

const HEAD: &str = "# A story.\n# docs/promises.md\n";
/// Alice, online and at rest.
const ALICE: &str = "account alice\nclient alice on a resource desk\nalice comes online\nsettle\n";

fn tell(lines: &str) -> Outcome {
    run(&Scenario::parse("story", &format!("{HEAD}{lines}")).unwrap(), RunOptions::default())
}

/// Tells a story in which everything holds that it expects.
fn told(lines: &str) -> Outcome {
    let outcome = tell(lines);
    let unmet: Vec<_> = outcome.verdicts.iter().filter(|verdict| !verdict.met).collect();
    let why = (&outcome.trouble, unmet, &outcome.complaints, &outcome.violations);
    assert!(outcome.is_good(), "{lines}\n{why:?}\n{}", outcome.transcript);
    outcome
}

/// When something first stands in the transcript.
fn when(outcome: &Outcome, who: &str, what: &str) -> Option<SimTime> {
    outcome.transcript.lines().find(|line| line.who == who && line.what.contains(what)).map(|line| line.at)
}

#[test]
fn a_machine_without_power_is_dark_and_its_node_down_and_one_that_was_killed_is_only_down() {
    told(&format!(
        "nodes a b\n{ALICE}fault poweroff b for 5s\nexpect b down\nexpect b dark\nkill a\nexpect a down\n"
    ));
    for wrong in ["kill a\nexpect a dark\n", "expect a down\n", "poweroff a\nexpect a running\n"] {
        assert!(!tell(&format!("{ALICE}{wrong}")).is_good(), "{wrong}");
    }
}

#[test]
fn a_line_waits_for_stanzas_of_the_kind_that_it_names() {
    let company = "account bob\nclient bob on a resource desk\nbob comes online\nsettle\n";
    let came = |what: &str| {
        let deeds =
            "at 20s bob pings\nat 22s alice says to bob: one\nat 24s bob is available away\nwait 30s\n";
        let story = format!("{ALICE}{company}when bob got {what} fault cut alice for 1s\n{deeds}");
        when(&told(&story), "~", "fault cut alice").map(|at| at.as_nanos() / 1_000_000_000)
    };
    for (what, second) in [("1 iq", 20), ("1 message", 22), ("1 stanza", 20), ("2 stanzas", 22)] {
        assert_eq!(came(what), Some(second), "{what}");
    }
    assert_eq!((came("1 presence"), came("2 messages")), (Some(24), None));
    assert!(Scenario::parse("story", &format!("{HEAD}{ALICE}when alice got 1 letters kill a\n")).is_err());
}

/// When which links were cut and healed by the swizzles of a story, by what four clients that ping all the time see.
fn swizzled(first: &str, second: &str) -> Vec<String> {
    let mut story = String::from("account alice\n");
    for number in 1..=4 {
        writeln!(story, "client c{number} on a as alice resource r{number}").unwrap();
    }
    story += "c1 logs in\nc2 logs in\nc3 logs in\nc4 logs in\nsettle\n";
    for at in 0..400 {
        for number in 1..=4 {
            writeln!(story, "at {}ms c{number} pings", 40_000 + at * 50 + number).unwrap();
        }
    }
    let outcome = told(&format!("{story}{first}\n{second}\nwait 80s\n"));
    let lines = outcome.transcript.lines().filter(|line| line.who.starts_with('c'));
    lines
        .map(|line| format!("{} {} {}", line.at.as_nanos(), line.who, line.what.split(' ').next().unwrap()))
        .collect()
}

#[test]
fn of_two_equal_faults_with_names_each_draws_the_same_without_the_other_and_at_a_time_that_is_rounded() {
    let (one, two) = ("at 20s fault swizzle 50 for 10s", "at 40s fault swizzle 50 for 10s");
    let both = swizzled(&format!("{one} as f1"), &format!("{two} as f2"));
    assert!(both == swizzled("", &format!("{two} as f2")));
    assert!(both != swizzled("", &format!("{two} as f1")), "the name counts");
    assert!(both != swizzled(&format!("{one} as f1"), ""), "it can fail");
    let id = |line: &str| told(&format!("{ALICE}{line}\nwait 9s\n")).faults.remove(0).id;
    assert_eq!(id("at 2s fault swizzle as f1"), id("at 5s fault swizzle for 1s as f1"));
    assert_ne!(id("at 2s fault swizzle"), id("at 5s fault swizzle"));
}

#[test]
fn a_fault_has_a_name_of_its_own_that_no_shrinker_takes_for_a_time() {
    for wrong in ["as", "as 5s", "as f1 f2", "as f1\nfault cut alice as f1"] {
        let text = format!("{HEAD}{ALICE}fault cut alice for 1s {wrong}\n");
        assert!(Scenario::parse("story", &text).is_err(), "{wrong}");
    }
    told(&format!("nodes a b\n{ALICE}fault partition groups a / b as f1\nfault reset alice as f2\n"));
}

#[test]
fn a_node_that_gave_up_starts_again_as_soon_as_no_trouble_is_left_that_it_gave_up_for() {
    let gave_up = |broken: &str, mended: &str| {
        told(&format!(
            "{ALICE}{broken}\nrestart a\nwait 5s\nexpect a down\n{mended}\nwait 4s\nexpect a running\n"
        ))
    };
    gave_up("disk a read-error", "disk a ok");
    gave_up("disk a error\nfault disk a torn", "disk a ok");
    gave_up("fault disk a error for 7s\nfault disk a slow 10ms\nfault disk a lying", "");
    gave_up("fault disk a read-error for 6s\nfault disk a full for 7s", "");
    gave_up("disk a read-error\nfault disk a full for 7s", "disk a ok");
    // A hand that mends a disk starts no node that a hand has killed.
    told(&format!("{ALICE}disk a full\nkill a\nwait 1s\ndisk a ok\nwait 9s\nexpect a down\n"));
    told(&format!(
        "{ALICE}disk a error\nrestart a\nwait 1s\nfault kill a\ndisk a ok\nwait 9s\nexpect a down\n"
    ));
}

#[test]
fn a_machine_that_a_hand_lets_die_is_dead_until_it_is_healed() {
    let alice = "account alice\nclient alice on a resource desk reconnecting 2s\nalice comes online\nsettle\nvanish alice\n";
    told(&format!("{alice}wait 20s\nexpect alice offline\nwait 60s\nexpect alice offline\n"));
    for healed in ["heal alice", "heal all"] {
        told(&format!("{alice}wait 20s\nexpect alice offline\n{healed}\nwait 60s\nexpect alice online\n"));
    }
    // Back again, her machine answers what comes for the connection it had with a reset.
    let bob = "account bob\nclient bob on a as alice resource phone\nbob comes online\nsettle\n";
    let vanished = format!("{ALICE}{bob}vanish alice\nwait 1s\n");
    let unknown = "expect bob < presence from alice/desk type unavailable\n";
    told(&format!("{vanished}heal alice\nbob says to alice/desk: gone?\nwait 5s\n{unknown}"));
    let outcome = tell(&format!("{vanished}bob says to alice/desk: gone?\nwait 5s\n{unknown}"));
    assert!(outcome.verdicts.iter().any(|verdict| !verdict.met), "it can fail");
}

/// How much the faults of a story have touched.
fn touched(lines: &str) -> Vec<u64> {
    told(&format!("{lines}wait 30s\n")).faults.iter().map(|run| run.touched).collect()
}

#[test]
fn a_fault_that_nobody_meets_has_touched_nothing() {
    let faults = |node: &str| {
        [
            "kill _ for 1s",
            "poweroff _ for 1s",
            "pause _ for 5s",
            "slow _ 5ms for 5s",
            "clock _ step +1h for 5s",
            "disk _ torn",
        ]
        .map(|fault| format!("fault {}\nwait 6s\n", fault.replace('_', node)))
        .concat()
    };
    let home = "nodes a b\naccount alice\nclient alice on a resource desk\nalice logs in\nsettle\nwait 1s\n";
    assert_eq!(touched(&format!("{home}{}", faults("b"))), [0; 6]);
    assert_eq!(
        touched(&format!("{home}fault stall alice for 3s\nfault cut alice for 3s\nfault link alice slow\n")),
        [0; 3]
    );
    for fault in [
        "kill a for 1s",
        "pause a for 5s",
        "slow a 5ms for 5s",
        "clock a step +1h for 5s",
        "stall alice for 3s",
        "cut alice for 3s",
        "link alice slow for 9s",
    ] {
        let busy = touched(&format!("{home}alice pings\nfault {fault}\nalice pings\n"));
        assert!(busy[0] > 0, "{fault}");
    }
}
