//! The table that a run prints.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a measurement is printed")]

/// Lines of name, value and unit.
#[derive(Debug, Default)]
pub(crate) struct Report {
    lines: Vec<(String, String)>,
}

impl Report {
    /// Adds a line.
    pub(crate) fn add(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let (name, value) = (name.into(), value.into());
        eprintln!("measured {name}: {value}");
        self.lines.push((name, value));
    }

    /// Prints all lines as a table.
    pub(crate) fn print(&self) {
        let width = self.lines.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        for (name, value) in &self.lines {
            println!("{name:width$}  {value}");
        }
    }
}

/// Ends the run: a measurement that cannot be made is an error, not a missing line.
pub(crate) fn fail(why: &str) -> ! {
    eprintln!("bench: {why}");
    std::process::exit(1)
}

/// Returns how many of `count` things that took so long are done in a second.
pub(crate) fn per_second(count: u64, micros: u128) -> u128 {
    u128::from(count) * 1_000_000 / micros.max(1)
}
