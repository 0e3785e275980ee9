//! Instructions: equal on every run, whatever else the machine does.

use std::path::PathBuf;
use std::process::Command;

use crate::report::{Report, fail};

const FEW: u64 = 1_000;
const MANY: u64 = 11_000;

/// Counts the instructions of [`crate::core_cost`] per message.
pub(crate) fn run(report: &mut Report) {
    let [passing, stored] = ["passing", "stored"].map(|fate| difference(["core-loop", fate], FEW, MANY));
    report.add("core: a message that no archive keeps", format!("{passing} instructions (callgrind)"));
    report.add(
        "core: a message that two archives keep",
        format!(
            "{stored} instructions (callgrind): {} % of one that none keeps",
            stored * 100 / passing.max(1)
        ),
    );
}

/// Returns the instructions of one turn of a loop of this program, whose last word is the number of turns.
pub(crate) fn difference<const N: usize>(words: [&str; N], few: u64, many: u64) -> u64 {
    between(words, few, many) / (many - few)
}

/// Returns the instructions between `few` and `many` turns of a loop: start and login drop out.
pub(crate) fn between<const N: usize>(words: [&str; N], few: u64, many: u64) -> u64 {
    let [few, many] = [few, many].map(|turns| count(&words, turns));
    many.saturating_sub(few)
}

/// Returns the path of this program.
pub(crate) fn own() -> PathBuf {
    std::env::current_exe().unwrap_or_else(|error| fail(&format!("no path of this program: {error}")))
}

fn count(words: &[&str], turns: u64) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(own())
        .args(words)
        .arg(turns.to_string())
        .output()
        .unwrap_or_else(|error| fail(&format!("valgrind cannot be run ({error}): install it")));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        fail(&format!("what was to be counted did not end well:\n{text}"));
    }
    text.lines()
        .find_map(|line| line.split("Collected :").nth(1)?.trim().parse().ok())
        .unwrap_or_else(|| fail(&format!("callgrind counted nothing:\n{text}")))
}
