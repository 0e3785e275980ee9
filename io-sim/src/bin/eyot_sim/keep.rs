//! `eyot-sim keep`: a Repro becomes a story that stays.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use eyot_io_sim::repro::{Script, finding, keep};

use crate::Outcome;
use crate::files::{text, write_new};

/// Turns a Repro into a regression among the scenarios, under a name.
///
/// It may still fail: first the failing story, then the correction that makes it pass. Its transcript is
/// `cargo xtask scenarios --update` away, once it passes.
#[derive(Debug, Args)]
pub(crate) struct Keep {
    /// The Repro, best after `shrink`.
    file: PathBuf,
    /// What the regression is called: small letters, digits, hyphens. The name must be free.
    #[arg(value_parser = name)]
    name: String,
    /// The story in one sentence.
    #[arg(long, value_name = "TEXT")]
    story: Option<String>,
    /// The folder of regressions.
    #[arg(long, value_name = "DIR", default_value = "scenarios/regress")]
    into: PathBuf,
}

fn name(text: &str) -> Result<String, String> {
    let fits = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    if !text.is_empty() && text.chars().all(fits) {
        Ok(text.into())
    } else {
        Err("takes small letters, digits and hyphens".into())
    }
}

impl Keep {
    pub(crate) fn perform(&self, out: &mut impl Write) -> Outcome {
        match self.keep() {
            Ok((path, state)) => {
                writeln!(out, "{}: kept; {state}", path.display())?;
                Ok(0)
            }
            Err(what) => {
                writeln!(out, "{what}")?;
                Ok(2)
            }
        }
    }

    fn keep(&self) -> Result<(PathBuf, String), String> {
        let from = self.file.display();
        let text = text(&self.file)?;
        if Script::parse(&text).head.repro.is_none() {
            return Err(format!(
                "{from}: is no Repro: its head says nothing of what it shows (# repro: ...)"
            ));
        }
        let kept = keep(&text, self.story.as_deref());
        let trial = finding(&from.to_string(), &kept).map_err(|error| error.to_string())?;
        let path = self.into.join(format!("{}.scn", self.name));
        create(&self.into)?;
        write_new(&path, &kept).map_err(|error| format!("{}: {error}", path.display()))?;
        let state = trial.signature.map_or_else(
            || String::from("it passes"),
            |signature| format!("it still fails ({signature}): correct that next"),
        );
        Ok((path, state))
    }
}

fn create(folder: &Path) -> Result<(), String> {
    std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))
}
