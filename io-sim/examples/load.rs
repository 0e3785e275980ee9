//! How fast the simulator is on this machine: `cargo run --release -p eyot-io-sim --example load`.

use std::io::Write as _;
use std::time::Instant;

use eyot_io_sim::load::Load;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut load = Load::new(1, 30).map_err(|error| format!("{error:?}"))?;
    load.run(100);
    let began = Instant::now();
    let done = load.run(5_000);
    let micros = began.elapsed().as_micros().max(1);
    let per_second = |count: u64| u128::from(count) * 1_000_000 / micros;
    let out = &mut std::io::stdout().lock();
    writeln!(out, "{} stanzas, {} events in {} ms", done.stanzas, done.events, micros / 1_000)?;
    writeln!(out, "{} stanzas/s, {} events/s", per_second(done.stanzas), per_second(done.events))?;
    Ok(())
}
