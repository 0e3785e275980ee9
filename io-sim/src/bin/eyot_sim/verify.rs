//! `eyot-sim verify`: the same seed is the same run, in whatever process.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;
use eyot_io_sim::repro::{Script, first_difference};

use crate::child::Side;
use crate::files::{collect, text};
use crate::trace::Summary;
use crate::{Outcome, VERSION};

/// Runs each file and seed in several processes and compares hashes, verdicts and transcripts.
///
/// One process is like this one, with memory at fixed addresses where the system can do that; one has other variables,
/// other folders, another command line and three threads; one is another build of the program. Where two differ, the
/// first event that differs is searched for and told. Ends with 1 when something differs.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Scenarios, templates, or directories of them.
    #[arg(value_name = "FILE|DIR", default_value = "scenarios")]
    paths: Vec<PathBuf>,
    /// How many seeds of each; a file that fixes its seed has one.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// The first seed.
    #[arg(long, value_name = "S", visible_alias = "seed", default_value_t = 0)]
    from: u64,
    /// Another build of this program. Without it: of `debug` and `release` side by side the other one, if it is there
    /// and of the same sources.
    #[arg(long, value_name = "BINARY")]
    against: Option<PathBuf>,
}

impl Verify {
    pub(crate) fn perform(&self, out: &mut impl Write) -> Outcome {
        match self.sides().and_then(|sides| Ok((sides, collect(&self.paths)?))) {
            Ok((sides, files)) => {
                if !sides.iter().any(Side::is_of_another_build) {
                    writeln!(out, "no other build of the same sources is here: name one with --against")?;
                }
                self.verify(&sides, &files, out)
            }
            Err(what) => {
                writeln!(out, "{what}")?;
                Ok(2)
            }
        }
    }

    fn sides(&self) -> Result<Vec<Side>, String> {
        let this = std::env::current_exe().map_err(|error| format!("this program has no file: {error}"))?;
        let mut sides = vec![Side::like_this(&this), Side::elsewhere(&this)];
        let other = match &self.against {
            Some(given) => {
                Some(std::fs::canonicalize(given).map_err(|error| format!("{}: {error}", given.display()))?)
            }
            None => neighbour(&this).filter(|other| is_of_same_sources(other)),
        };
        sides.extend(other.as_deref().map(Side::of_build));
        Ok(sides)
    }

    fn verify(&self, sides: &[Side], files: &[PathBuf], out: &mut impl Write) -> Outcome {
        let fixed = sides.iter().any(Side::has_fixed_addresses);
        if !fixed {
            writeln!(
                out,
                "addresses are drawn in every process: there is no setarch, or it may not fix them"
            )?;
        }
        let (mut worst, mut runs) = (0, 0);
        for file in files {
            match self.one_file(sides, file, out) {
                Ok(Compared { code, seeds }) => {
                    worst = worst.max(code);
                    runs += seeds;
                }
                Err(Failure::File(what)) => {
                    writeln!(out, "{what}")?;
                    worst = 2;
                }
                Err(Failure::Reader(error)) => return Err(error),
            }
        }
        let names: Vec<&str> = sides.iter().map(|side| side.name.as_str()).collect();
        let verdict = match worst {
            0 => "the same",
            1 => "NOT THE SAME",
            _ => "not all could be compared",
        };
        writeln!(out, "{} files, {runs} runs each ({}): {verdict}", files.len(), names.join("; "))?;
        Ok(worst)
    }

    fn one_file(&self, sides: &[Side], file: &Path, out: &mut impl Write) -> Result<Compared, Failure> {
        let fixed = Script::parse(&text(file)?).setting("seed").is_some();
        let seeds = if fixed { 1 } else { self.seeds };
        // One process has another folder around it.
        let whole = std::fs::canonicalize(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let mut found = Vec::new();
        for side in sides {
            found.push((side, side.summaries(&whole, self.from, seeds)?));
        }
        let mut code = 0;
        let Some(((first, ours), others)) = found.split_first() else { return Ok(Compared { code, seeds }) };
        for (side, theirs) in others {
            let mut pairs = ours.iter().zip(theirs);
            if let Some((one, other)) = pairs.find(|(one, other)| one != other) {
                code = 1;
                self.tell(file, [(first, one), (side, other)], out)?;
                let difference = first_difference(
                    |window| first.links(&whole, one.seed, window),
                    |window| side.links(&whole, one.seed, window),
                )?;
                tell_difference(difference.as_ref(), [first, side], out)?;
            }
        }
        Ok(Compared { code, seeds })
    }

    fn tell(&self, file: &Path, sides: [(&Side, &Summary); 2], out: &mut impl Write) -> std::io::Result<()> {
        let (name, seed) = (file.display(), sides[0].1.seed);
        writeln!(out, "{name}: seed {seed}: two runs differ")?;
        for (side, found) in sides {
            let Summary { hash, transcript, verdict, .. } = found;
            writeln!(out, "    {}: hash {hash}, transcript {transcript}, {verdict}", side.name)?;
        }
        let another = |side: &Side| side.is_of_another_build() && !is_of_same_sources(side.program());
        if sides.iter().any(|(side, _)| another(side)) {
            writeln!(out, "    a build of other sources is no wonder: build both anew")?;
        }
        let against =
            self.against.as_ref().map_or(String::new(), |path| format!(" --against {}", path.display()));
        writeln!(out, "    again: eyot-sim verify {name} --seed {seed}{against}")
    }
}

/// What came of a file.
struct Compared {
    code: u8,
    seeds: u64,
}

/// Why a file was not compared.
enum Failure {
    /// Something is wrong with it, or with a process.
    File(String),
    /// Whoever reads the output has gone.
    Reader(std::io::Error),
}

impl From<String> for Failure {
    fn from(what: String) -> Self {
        Self::File(what)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Reader(error)
    }
}

fn tell_difference(
    found: Option<&eyot_io_sim::repro::Difference>,
    sides: [&Side; 2],
    out: &mut impl Write,
) -> std::io::Result<()> {
    let Some(found) = found else {
        return writeln!(out, "    it did not show again in runs of this seed alone");
    };
    writeln!(out, "    they part at event {}:", found.event)?;
    if let Some(before) = &found.before {
        writeln!(out, "      both: {before}")?;
    }
    let nothing = String::from("has ended");
    for (side, what) in sides.iter().zip([&found.one, &found.other]) {
        writeln!(out, "      {}: {}", side.name, what.as_ref().unwrap_or(&nothing))?;
    }
    if found.one == found.other {
        writeln!(
            out,
            "      the words are the same, the hash before them is not: it lies in what both did last"
        )?;
    }
    Ok(())
}

/// Asks a program what it was built of.
fn is_of_same_sources(program: &Path) -> bool {
    let asked = Command::new(program).arg("--version").stdin(Stdio::null()).output();
    asked.is_ok_and(|said| String::from_utf8_lossy(&said.stdout).trim_end().ends_with(VERSION))
}

/// The same program as the other build has it: `debug` and `release` stand side by side.
fn neighbour(program: &Path) -> Option<PathBuf> {
    let folder = program.parent()?;
    let other = match folder.file_name()?.to_str()? {
        "debug" => "release",
        "release" => "debug",
        _ => return None,
    };
    let path = folder.with_file_name(other).join(program.file_name()?);
    path.is_file().then_some(path)
}
