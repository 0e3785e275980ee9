//! `eyot-sim shrink`: a failure, made small.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use eyot_io_sim::repro::{Script, Shrunk, finding, fix, shrink};

use crate::Outcome;
use crate::explain::explain;
use crate::files::{concrete, text, write_new};

/// Makes a failure as small as it gets: fewest faults, deeds, clients and settings, shortest times.
///
/// Takes a Repro, a story that fails, or a template of a sweep with the seed that failed. A smaller text counts only
/// when its run shows the same signature. Ends with 0 when the small text fails as the big one did, with 1 when there
/// is nothing to shrink: FILE does not fail.
#[derive(Debug, Args)]
pub(crate) struct Shrink {
    /// A Repro, a story, or a template.
    file: PathBuf,
    /// The seed, unless the file fixes it.
    #[arg(long)]
    seed: Option<u64>,
    /// Cuts what arrives into pieces of N bytes, or of random length, unless the file fixes it.
    #[arg(long, value_name = "N|random")]
    slices: Option<String>,
    /// Lets nodes read late.
    #[arg(long)]
    batch: bool,
    /// Where the Repro is written; printed when absent. It must not exist.
    #[arg(long, value_name = "OUT")]
    out: Option<PathBuf>,
    /// At most so many runs.
    #[arg(long, value_name = "RUNS", default_value_t = 4_000)]
    budget: usize,
    /// Tells what led to the failure.
    #[arg(long)]
    explain: bool,
}

impl Shrink {
    pub(crate) fn perform(&self, out: &mut impl Write) -> Outcome {
        match self.prepared() {
            Ok(script) => self.shrink(&script, out),
            Err(what) => {
                writeln!(out, "{what}")?;
                Ok(2)
            }
        }
    }

    /// The text as one run: a template made concrete, the seed fixed, with the place where it was found.
    fn prepared(&self) -> Result<Script, String> {
        let name = self.file.display().to_string();
        let mut script = Script::parse(&concrete(&name, &text(&self.file)?, self.seed.unwrap_or(0))?);
        if let (Some(wanted), Some(fixed)) = (self.seed, script.setting("seed"))
            && fixed != wanted.to_string()
        {
            return Err(format!("{name}: fixes seed {fixed} itself"));
        }
        if let (Some(slices), None) = (&self.slices, script.setting("slices")) {
            script.set("slices", slices);
        }
        if self.batch {
            script.set("batch", "");
        }
        fix(&mut script, self.seed.unwrap_or(0));
        if script.head.found.is_none() {
            let seed = script.setting("seed").unwrap_or_default();
            script.head.found = Some(format!("{} seed {seed}", file_name(&self.file)));
        }
        Ok(script)
    }

    fn shrink(&self, script: &Script, out: &mut impl Write) -> Outcome {
        let name = self.file.display().to_string();
        let text = script.to_string();
        let begun = Instant::now();
        let trial = match finding(&name, &text) {
            Ok(trial) => trial,
            Err(error) => {
                writeln!(out, "{error}")?;
                return Ok(2);
            }
        };
        let Some(signature) = trial.signature else {
            writeln!(out, "{name}: does not fail: nothing to shrink")?;
            return Ok(1);
        };
        writeln!(out, "{name}: shows {signature}")?;
        let Some(found) = shrink(&name, &text, &signature, self.budget) else {
            writeln!(out, "{name}: shows it now and then only: try verify")?;
            return Ok(2);
        };
        tell(&found, begun, out)?;
        if let Some(path) = &self.out {
            if let Err(error) = write_new(path, &found.text) {
                writeln!(out, "{}: {error}", path.display())?;
                return Ok(2);
            }
            writeln!(out, "written to {}", path.display())?;
        } else {
            write!(out, "\n{}", found.text)?;
        }
        if self.explain {
            explain(&name, &found.text, out)?;
        }
        Ok(if found.verified { 0 } else { 2 })
    }
}

fn tell(found: &Shrunk, begun: Instant, out: &mut impl Write) -> std::io::Result<()> {
    let took = begun.elapsed();
    for (word, size) in [("from", found.before), ("to", found.after)] {
        writeln!(
            out,
            "{word:>4} {} faults + {} operations of {} clients, {} lines",
            size.faults, size.operations, size.clients, size.lines
        )?;
    }
    let end = match (found.verified, found.exhausted) {
        (false, _) => "the result does not show it again",
        (true, true) => "the budget is used up: more may go",
        (true, false) => "nothing more can go; run once more from its text: the same",
    };
    writeln!(out, "{} runs, {}.{:03} s: {end}", found.runs, took.as_secs(), took.subsec_millis())
}

/// The name of a file without the folders of this machine.
fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
