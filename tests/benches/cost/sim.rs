//! Simulated seconds of real nodes and real clients, in stanzas per second of wall time.

use std::time::Instant;

use eyot_io_sim::load::Load;

use crate::report::{Report, fail};

const CLIENTS: u32 = 30;
const ROUNDS: u32 = 300;

/// One node and thirty clients that each say something once a second, for five simulated minutes.
pub(crate) fn run(report: &mut Report) {
    let mut load = Load::new(1, CLIENTS).unwrap_or_else(|error| fail(&format!("no load: {error:?}")));
    let start = Instant::now();
    let done = load.run(ROUNDS);
    let micros = start.elapsed().as_micros().max(1);
    if done.stanzas != u64::from(CLIENTS) * u64::from(ROUNDS) {
        fail(&format!("{} stanzas arrived in the simulator, not all", done.stanzas));
    }
    let per_second = |count: u64| u128::from(count) * 1_000_000 / micros;
    report.add(
        "sim: stanzas delivered per second, real node and clients (goal: 800000)",
        format!("{} ({} in {} ms)", per_second(done.stanzas), done.stanzas, micros / 1000),
    );
    report.add("sim: events per second", per_second(done.events).to_string());
    report.add("sim: simulated seconds per second", (u128::from(ROUNDS) * 1_000_000 / micros).to_string());
}
