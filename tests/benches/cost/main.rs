//! Measures what a message costs. `cargo xtask bench` runs it; `docs/performance.md` explains and keeps the figures.
//!
//! Nothing here is a test: the figures are compared side by side in one run, or as instruction counts.

mod archive;
mod client;
mod cluster;
mod core_cost;
mod filled;
mod heap;
mod instructions;
mod login;
mod loopback;
mod memory;
mod report;
mod restart;
mod sim;
mod store;
mod world;

use core_cost::Fate;
use report::Report;

/// A measurement and the name it is asked for by.
type Bench = (&'static str, fn(&mut Report));

const BENCHES: &[Bench] = &[
    ("core", core_cost::run),
    ("instructions", instructions::run),
    ("archive", archive::run),
    ("login", login::run),
    ("heap", heap::run),
    ("sim", sim::run),
    ("cluster", cluster::run),
    ("store", store::run),
    ("loopback", loopback::run),
    ("memory", memory::run),
    ("restart", restart::run),
];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    if run_loop(&words) || sim::run_loop(&words) || cluster::run_loop(&words) || store::run_loop(&words) {
        return;
    }
    if let [word, port, certificate, key] = args.as_slice()
        && word == "relay"
    {
        loopback::serve_relay(port.parse().unwrap_or(0), certificate.as_ref(), key.as_ref());
        return;
    }
    let unknown = args.iter().find(|arg| BENCHES.iter().all(|(name, _)| name != arg));
    if let Some(unknown) = unknown {
        let known: Vec<&str> = BENCHES.iter().map(|(name, _)| *name).collect();
        report::fail(&format!("there is no measurement {unknown}; there are {}", known.join(", ")));
    }
    let mut report = Report::default();
    for (name, bench) in BENCHES {
        if args.is_empty() || args.iter().any(|arg| arg == name) {
            bench(&mut report);
        }
    }
    report.print();
}

/// Runs what instructions or allocations are counted of. Returns whether there is a loop of that name.
fn run_loop(words: &[&str]) -> bool {
    let Some((turns, words)) = words.split_last() else { return false };
    let turns: u32 = turns.parse().unwrap_or(0);
    match words {
        ["core-loop", fate] => {
            core_cost::run_loop(if *fate == "stored" { Fate::Stored } else { Fate::Passing }, turns);
        }
        ["archive-query", kind, messages, dir] => archive::run_loop(kind, messages, dir, turns),
        ["read-accounts", dir] => memory::run_loop(dir, turns as usize),
        ["heap-sessions", kind, dir] => heap::run_loop(kind, dir, turns as usize),
        [kind] => return login::run_loop(kind, turns),
        _ => return false,
    }
    true
}
