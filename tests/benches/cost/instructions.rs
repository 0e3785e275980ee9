//! The same as [`crate::core_cost`] in instructions: equal on every run, whatever else the machine does.

use std::process::Command;

use crate::report::{Report, fail};

const FEW: u64 = 1_000;
const MANY: u64 = 11_000;

/// Counts instructions per message with callgrind: the difference of two runs, so that start and login drop out.
pub(crate) fn run(report: &mut Report) {
    let few = count(FEW);
    let many = count(MANY);
    let per_message = many.saturating_sub(few) / (MANY - FEW);
    report.add("core: parse + route + serialise", format!("{per_message} instructions (callgrind)"));
}

fn count(messages: u64) -> u64 {
    let own =
        std::env::current_exe().unwrap_or_else(|error| fail(&format!("no path of this program: {error}")));
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(own)
        .args(["core-loop", &messages.to_string()])
        .output()
        .unwrap_or_else(|error| fail(&format!("valgrind cannot be run ({error}): install it")));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    text.lines()
        .find_map(|line| line.split("Collected :").nth(1)?.trim().parse().ok())
        .unwrap_or_else(|| fail(&format!("callgrind counted nothing:\n{text}")))
}
