//! `eyot-sim run`: tells stories.

use std::io::{IsTerminal as _, Write};
use std::path::PathBuf;

use clap::Args;
use eyot_io_sim::script::{Outcome, RunOptions, Scenario, Trouble, Waiting, run};
use eyot_io_sim::transcript::Form;
use eyot_io_sim::view::{Shown, page, paint, title, verdict};
use eyot_io_sim::world::{Options, Slices};

use crate::files::{collect, scenario, write_secretly};
use crate::replay::hex;

/// Runs scenarios and tells what clients and operators saw.
///
/// `scenarios/README.md` has the verbs. A story that waits for a capability ends well while it fails, and badly when it passes.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Scenarios, or directories: all scenarios below them.
    #[arg(required = true, value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
    /// The seed of the world.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Cuts what arrives into pieces of N bytes, or of random length.
    #[arg(long, value_name = "N|random", value_parser = slices)]
    slices: Option<Slices>,
    /// Lets nodes read late, so that much arrives at once.
    #[arg(long)]
    batch: bool,
    /// Shows every byte of XML.
    #[arg(long)]
    xml: bool,
    /// No transcript: only what does not hold.
    #[arg(long)]
    quiet: bool,
    /// Writes what the node was given from its first start; it holds passwords and keys.
    #[arg(long, value_name = "OUT")]
    record: Option<PathBuf>,
    /// Draws the run: one page for any browser, which loads nothing. Takes one story.
    #[arg(long, value_name = "OUT")]
    html: Option<PathBuf>,
    /// Whether to use the colours of a terminal.
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    color: Color,
}

/// When colours are used.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Color {
    /// When a terminal reads, and `NO_COLOR` is not set.
    Auto,
    Always,
    Never,
}

impl Color {
    fn is_on(self) -> bool {
        let wanted = || std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        match self {
            Self::Auto => std::io::stdout().is_terminal() && wanted(),
            Self::Always => true,
            Self::Never => false,
        }
    }
}

fn slices(text: &str) -> Result<Slices, String> {
    match text.parse() {
        Ok(bytes) if bytes > 0 => Ok(Slices::Every(bytes)),
        _ if text == "random" => Ok(Slices::Random),
        _ => Err("takes a number of bytes, or random".into()),
    }
}

impl Run {
    pub(crate) fn perform(&self, out: &mut impl Write) -> crate::Outcome {
        let paths = match collect(&self.paths) {
            Ok(paths) => paths,
            Err(what) => {
                writeln!(out, "{what}")?;
                return Ok(2);
            }
        };
        if self.html.is_some() && paths.len() != 1 {
            writeln!(out, "--html draws one story, and here are {}", paths.len())?;
            return Ok(2);
        }
        let mut worst = 0;
        for path in &paths {
            let code = match scenario(path, self.seed) {
                Ok(scenario) => self.tell(&scenario, out)?,
                Err(what) => {
                    writeln!(out, "{what}")?;
                    2
                }
            };
            worst = worst.max(code);
        }
        Ok(worst)
    }

    fn options(&self) -> RunOptions {
        RunOptions {
            world: Options {
                seed: self.seed,
                slices: self.slices.unwrap_or_default(),
                batch: self.batch,
                record: self.record.is_some(),
                wire: self.html.is_some(),
                ..Options::default()
            },
            form: if self.xml { Form::Xml } else { Form::Short },
        }
    }

    /// Runs one scenario and tells it; returns its share of the exit code.
    fn tell(&self, scenario: &Scenario, out: &mut impl Write) -> crate::Outcome {
        let outcome = run(scenario, self.options());
        if !self.quiet {
            if self.color.is_on() {
                writeln!(out, "{}", title(&scenario.story, &scenario.name))?;
                writeln!(out, "{}", paint(&outcome.transcript))?;
            } else {
                writeln!(out, "{}\n{}\n", scenario.story, scenario.name)?;
                writeln!(out, "{}", outcome.transcript)?;
            }
        }
        let shown = Shown { scenario, outcome: &outcome, options: self.options().world };
        if let (Some(path), Some(page)) = (&self.html, page(&shown))
            && let Err(error) = std::fs::write(path, page)
        {
            writeln!(out, "{}: {error}", path.display())?;
            return Ok(2);
        }
        if let (Some(path), Some(recording)) = (&self.record, outcome.recordings.first()) {
            write_secretly(path, &recording.bytes)?;
            writeln!(out, "recorded to {}: digest {}\n", path.display(), hex(&recording.digest))?;
        }
        match outcome.waiting(scenario) {
            Waiting::No => {
                self.tell_verdicts(scenario, &outcome, out)?;
                Ok(u8::from(!outcome.is_good()))
            }
            Waiting::Still(capability) => {
                writeln!(out, "{}: pending: {capability}", scenario.name)?;
                Ok(0)
            }
            Waiting::Over => {
                writeln!(out, "{}: now passes: remove the mark", scenario.name)?;
                Ok(1)
            }
        }
    }

    fn tell_verdicts(
        &self,
        scenario: &Scenario,
        outcome: &Outcome,
        out: &mut impl Write,
    ) -> std::io::Result<()> {
        let colour = self.color.is_on();
        let ink = |text: String, good| if colour { verdict(&text, good) } else { text };
        for verdict in outcome.verdicts.iter().filter(|verdict| !verdict.met) {
            let text = format!("{}:{}: does not hold: {}", scenario.name, verdict.line, verdict.text);
            writeln!(out, "{}", ink(text, false))?;
            for seen in &verdict.seen {
                writeln!(out, "    seen: {seen}")?;
            }
        }
        for complaint in &outcome.complaints {
            writeln!(out, "{}", ink(format!("{}: {complaint}", scenario.name), false))?;
        }
        for violation in &outcome.violations {
            writeln!(out, "{}", ink(format!("{}: {violation}", scenario.name), false))?;
        }
        match &outcome.trouble {
            Some((line, Trouble::Pending(capability))) => {
                writeln!(out, "{}:{line}: needs what is not there yet: {capability}", scenario.name)?;
            }
            Some((line, Trouble::Wrong(what))) => {
                writeln!(out, "{}", ink(format!("{}:{line}: {what}", scenario.name), false))?;
            }
            None => {}
        }
        let met = outcome.verdicts.iter().filter(|verdict| verdict.met).count();
        let all = outcome.verdicts.len();
        let good = outcome.is_good();
        let sum = format!("{met} of {all} expectations: {}", if good { "all hold" } else { "FAILED" });
        if !self.quiet || !good {
            let (seed, hash) = (scenario.fixed.seed.unwrap_or(self.seed), outcome.hash);
            writeln!(out, "{}  (seed {seed}, hash {hash})\n", ink(sum, good))?;
        }
        Ok(())
    }
}
