//! Disordered days, made up by chance: whatever people and links do, a node that keeps its promises is not blamed.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::script::{RunOptions, Scenario, run};
use crate::world::Options;

const CLIENTS: [(&str, &str); 8] = [
    ("desk", "as alice resource desk"),
    ("phone", "as alice resource phone over direct"),
    ("home", "as bob resource desk link wan-80ms"),
    ("thief", "as bob resource desk"),
    ("pad", "as bob resource pad link lossy"),
    ("carol", "resource desk"),
    ("dave", ""),
    ("cell", "as carol resource cell"),
];
const ADDRESSES: [&str; 9] = [
    "alice@eyot.example",
    "alice@eyot.example/desk",
    "alice@eyot.example/phone",
    "bob@eyot.example",
    "bob@eyot.example/desk",
    "bob@eyot.example/pad",
    "bob@eyot.example/gone",
    "carol@eyot.example/desk",
    "nobody@eyot.example",
];

const FAULTS: [&str; 21] = [
    "cut WHO",
    "cut WHO up",
    "cut WHO down",
    "flap WHO every 2s",
    "link WHO slow",
    "link WHO satcom up",
    "swallow WHO",
    "vanish WHO",
    "stall WHO",
    "swizzle 50",
    "kill a",
    "poweroff a",
    "pause a",
    "slow a 700ms",
    "clock a step +365d",
    "clock a step -1h",
    "clock a drift 200000",
    "clock a freeze",
    "disk a full",
    "disk a slow 900ms",
    "disk a torn",
];

/// A stream of numbers that looks like chance.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % end as u64).unwrap()
    }

    fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// Makes a day up.
fn day(seed: u64) -> String {
    let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(77));
    let mut text = String::from(
        "# A day.\n# RFC 6121\nprofile lossy latency 30ms jitter 20ms rate 10000000 loss 20000\nlimit login_time 20s\n\
        limit send_queue_bytes 60000\naccount alice\naccount bob\naccount carol\naccount dave\n",
    );
    for (name, rest) in CLIENTS {
        writeln!(text, "client {name} on a {rest}").unwrap();
    }
    text.push_str("client idle on a\nclient slow on a as carol over direct\n");
    for (name, _) in CLIENTS {
        writeln!(text, "{name} comes online").unwrap();
    }
    for name in ["idle", "slow"] {
        let (first, again) = (1 + chance.below(20), 45 + chance.below(15));
        writeln!(text, "at {first}s {name} connects\nat {again}s {name} secures").unwrap();
    }
    let count = 40 + chance.below(120);
    for number in 0..count {
        let millis = 1_000 + chance.below(60_000);
        let line = deed(&mut chance, number, millis);
        writeln!(text, "{line}").unwrap();
    }
    for _ in 0..chance.below(6) {
        let (at, span) = (2 + chance.below(55), 1 + chance.below(15));
        let (who, _) = chance.pick(&CLIENTS);
        let fault = chance.pick(&FAULTS).replace("WHO", who);
        writeln!(text, "at {at}s fault {fault} for {span}s").unwrap();
    }
    let (at, span) = (5 + chance.below(40), 1 + chance.below(20));
    match chance.below(4) {
        0 => writeln!(text, "at {at}s fault poweroff a for {span}s").unwrap(),
        1 => writeln!(text, "at {at}s restart a").unwrap(),
        _ => {}
    }
    text.push_str("wait 70s\nheal all\nwait 90s\n");
    for (name, _) in CLIENTS {
        writeln!(text, "{name} comes online\n{name} pings\nwait 3s").unwrap();
    }
    for (name, _) in CLIENTS {
        match chance.below(4) {
            0 => writeln!(text, "{name} closes").unwrap(),
            1 => writeln!(text, "{name} is unavailable\nwait 1s\n{name} pings").unwrap(),
            2 => writeln!(text, "reset {name}").unwrap(),
            _ => {}
        }
    }
    text.push_str("a user list\nwait 40s\ncheck\n");
    for (name, _) in CLIENTS {
        writeln!(text, "{name} pings").unwrap();
    }
    text.push_str("wait 5s\n");
    text
}

fn deed(chance: &mut Chance, number: usize, millis: usize) -> String {
    let (who, _) = chance.pick(&CLIENTS);
    let to = chance.pick(&ADDRESSES);
    let later = millis + 200 + chance.below(15_000);
    let at = format!("at {millis}ms");
    match chance.below(24) {
        0..=6 => format!("{at} {who} says to {to}: m{number}"),
        7 => format!("{at} {who} says {} to {to}: m{number}", chance.pick(&["normal", "headline"])),
        8 => format!("{at} {who} says to {to}: {{x*20000}}{number}"),
        9 => format!("{at} {who} pings"),
        10 => format!("{at} {who} pings {to}"),
        11 => format!("{at} {who} is available {}", chance.pick(&["", "away", "priority -1", "priority 5"])),
        // To another account: who tells itself is told of its own end, before the bind of its successor is answered.
        12 => format!("{at} {who} is available to {}", other_account(chance, who)),
        13 => format!("{at} {who} is unavailable"),
        14 | 15 => format!("{at} {who} comes online"),
        16 => format!("{at} {who} {}", chance.pick(&["closes", "drops"])),
        17 | 18 => format!("{at} cut {who}\nat {later}ms heal {who}"),
        19 => format!("{at} {} {who}", chance.pick(&["reset", "swallow"])),
        20 => format!("{at} {who} stops reading\nat {later}ms {who} reads again"),
        21 => format!("{at} a user add {} password \"p{number}\"", chance.pick(&["eve", "frank", "grace"])),
        22 => format!(
            "{at} a user {} {}",
            chance.pick(&["remove", "passwd", "list"]),
            chance.pick(&["eve", "frank", "grace", "dave"])
        )
        .replace("list eve", "list")
        .replace("list frank", "list")
        .replace("list grace", "list")
        .replace("list dave", "list"),
        _ => format!("{at} disk a slow {}ms\nat {later}ms disk a ok", 20 + chance.below(400)),
    }
}

fn other_account(chance: &mut Chance, who: &str) -> &'static str {
    let account = match who {
        "desk" | "phone" => "alice@",
        "home" | "thief" | "pad" => "bob@",
        _ => "carol@",
    };
    loop {
        let to = chance.pick(&ADDRESSES);
        if !to.starts_with(account) {
            return to;
        }
    }
}

#[test]
fn no_oracle_objects_to_a_disordered_day() {
    let seeds = std::env::var("EYOT_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    let from: u64 = std::env::var("EYOT_FROM").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut objections = Vec::new();
    let mut properties: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in from..from + seeds {
        let scenario = Scenario::parse("day", &day(seed)).unwrap();
        let world = Options { seed, ..Options::default() };
        let outcome = run(&scenario, RunOptions { world, ..RunOptions::default() });
        assert_eq!(outcome.trouble, None, "day {seed}");
        objections.extend(outcome.violations.iter().map(|one| format!("day {seed}: {one}")));
        for (name, count) in outcome.properties {
            *properties.entry(name).or_default() += count;
        }
    }
    assert!(objections.is_empty(), "{}", objections.join("\n"));
    let always =
        ["origin", "once", "order", "account-for", "iq", "presence", "accounts", "login-time", "idle"];
    for name in always {
        assert!(properties.get(name).is_some_and(|count| *count > 20), "{name} had something to judge");
    }
}
