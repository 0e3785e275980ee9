//! Real nodes and real clients.

use eyot_io_sim::load::Load;

use super::best_of_five;
use crate::instructions;
use crate::report::{Report, fail, per_second};

const CLIENTS: u32 = 30;
/// Simulated seconds of one timed run: long enough for a clock of 10 ms.
const ROUNDS: u32 = 5_000;
/// Simulated seconds of the two counted runs.
const FEW: u64 = 5;
const MANY: u64 = 25;

/// One node and thirty clients that each say something once a second.
pub(super) fn run(report: &mut Report) {
    let rounds = instructions::difference(["load-loop"], FEW, MANY);
    let mut load = load();
    let mut events = 0;
    let micros = best_of_five(|| {
        let done = load.run(ROUNDS);
        if done.stanzas != stanzas(ROUNDS) {
            fail(&format!("{} stanzas arrived in the simulator, not all", done.stanzas));
        }
        events = done.events;
    });
    report.add(
        "sim, real node and 30 clients: stanzas delivered per second (goal: 800000)",
        format!(
            "{} ({} instructions a stanza)",
            per_second(stanzas(ROUNDS), micros),
            rounds / u64::from(CLIENTS)
        ),
    );
    report.add("sim, real node and 30 clients: events per second", per_second(events, micros).to_string());
    report.add(
        "sim, real node and 30 clients: simulated seconds per second",
        per_second(ROUNDS.into(), micros).to_string(),
    );
}

/// Runs so many rounds; what the instruction count runs.
pub(super) fn run_loop(rounds: u32) {
    std::hint::black_box(load().run(rounds));
}

fn load() -> Load {
    Load::new(1, CLIENTS).unwrap_or_else(|error| fail(&format!("no load: {error:?}")))
}

fn stanzas(rounds: u32) -> u64 {
    u64::from(CLIENTS) * u64::from(rounds)
}
