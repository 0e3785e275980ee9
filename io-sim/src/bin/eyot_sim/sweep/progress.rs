//! How far a sweep has come, on standard error.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use eyot_io_sim::sweep::Tally;

/// A terminal is told so often, a file so often.
const TERMINAL: Duration = Duration::from_millis(200);
const FILE: Duration = Duration::from_secs(10);

/// The line that is rewritten, or the lines that are added.
pub(super) struct Progress {
    name: String,
    /// Seeds that an earlier sweep has told, and their simulated seconds.
    before: u64,
    simulated_before: Option<u64>,
    all: u64,
    terminal: bool,
    begun: Instant,
    last: Instant,
}

impl Progress {
    pub(super) fn new(name: &str, before: u64, all: u64) -> Self {
        let now = Instant::now();
        let terminal = std::io::stderr().is_terminal();
        Self { name: name.into(), before, simulated_before: None, all, terminal, begun: now, last: now }
    }

    /// Shows where the sweep stands, if it is time.
    pub(super) fn show(&mut self, tally: &Tally) -> std::io::Result<()> {
        let simulated_before = *self.simulated_before.get_or_insert(tally.simulated());
        if self.last.elapsed() < if self.terminal { TERMINAL } else { FILE } {
            return Ok(());
        }
        self.last = Instant::now();
        let millis = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        let told = tally.seeds() - self.before;
        let (hit, properties) = tally.properties();
        let left = self.all.saturating_sub(tally.seeds()).saturating_mul(millis) / told.max(1) / 1_000;
        let line = format!(
            "{}: {} of {} seeds, {}/s, {} simulated s/s, {hit} of {properties} properties hit, {} failed, {left} s left",
            self.name,
            tally.seeds(),
            self.all,
            told * 1_000 / millis,
            (tally.simulated() - simulated_before) * 1_000 / millis,
            tally.failed(),
        );
        let mut err = std::io::stderr();
        if self.terminal { write!(err, "\r{line}\x1b[K") } else { writeln!(err, "{line}") }?;
        err.flush()
    }

    /// Wipes the line.
    pub(super) fn done(&self) -> std::io::Result<()> {
        if self.terminal { write!(std::io::stderr(), "\r\x1b[K") } else { Ok(()) }
    }
}
