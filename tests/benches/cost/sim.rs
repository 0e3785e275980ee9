//! The simulator: its engine alone, real nodes in it, and a stub of a router in it.

mod load;
mod ping;
mod stub;

use crate::loopback::process::cpu_micros;
use crate::report::Report;

/// Measures all three.
pub(crate) fn run(report: &mut Report) {
    ping::run(report);
    load::run(report);
    stub::run(report);
}

/// Runs the loop of one workload and nothing else; returns whether there is one of that name.
pub(crate) fn run_loop(words: &[&str]) -> bool {
    match words {
        ["ping-loop", variant, events] => {
            ping::run_loop(variant.parse().unwrap_or(usize::MAX), events.parse().unwrap_or(0));
        }
        ["load-loop", rounds] => load::run_loop(rounds.parse().unwrap_or(0)),
        ["stub-loop", seconds] => stub::run_loop(seconds.parse().unwrap_or(0)),
        _ => return false,
    }
    true
}

/// Returns the least CPU time of five runs in microseconds: what others do on the machine can only add to it.
fn best_of_five(mut run: impl FnMut()) -> u128 {
    let mut cpu = || {
        let before = cpu_micros(std::process::id());
        run();
        cpu_micros(std::process::id()) - before
    };
    (0..5).map(|_| cpu()).min().unwrap_or_default().into()
}
