//! Processes that run the same text in another environment.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use eyot_io_sim::world::{Link, Window};

use crate::trace::Summary;

/// What is different about one side.
#[derive(Clone, Debug)]
pub(crate) struct Side {
    /// What it is called.
    pub(crate) name: String,
    program: PathBuf,
    surroundings: Surroundings,
}

/// What a process finds around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Surroundings {
    /// What this process has, and one thread; memory at fixed addresses where the system can do that.
    Own { fixed_addresses: bool },
    /// Nothing of it: other variables, other folders, a long command line, three threads.
    Other,
    /// What this process has; the program is another.
    OtherBuild,
}

/// The program that starts another with memory at fixed addresses.
const SETARCH: &str = "setarch";

impl Side {
    /// A process like this one, with memory at fixed addresses if the system can do that.
    pub(crate) fn like_this(program: &Path) -> Self {
        let fixed_addresses = addresses_can_be_fixed();
        let name = if fixed_addresses { "here, addresses fixed" } else { "here" };
        Self {
            name: name.into(),
            program: program.into(),
            surroundings: Surroundings::Own { fixed_addresses },
        }
    }

    /// A process with everything around it changed.
    pub(crate) fn elsewhere(program: &Path) -> Self {
        let name = "elsewhere, addresses drawn, 3 threads".into();
        Self { name, program: program.into(), surroundings: Surroundings::Other }
    }

    /// A process of another build.
    pub(crate) fn of_build(program: &Path) -> Self {
        let name = format!("by {}", program.display());
        Self { name, program: program.into(), surroundings: Surroundings::OtherBuild }
    }

    /// Returns the program.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// Returns whether the program is another build.
    pub(crate) fn is_of_another_build(&self) -> bool {
        self.surroundings == Surroundings::OtherBuild
    }

    /// Returns whether memory lies at fixed addresses on this side.
    pub(crate) fn has_fixed_addresses(&self) -> bool {
        self.surroundings == Surroundings::Own { fixed_addresses: true }
    }

    /// Runs a file with some seeds.
    ///
    /// # Errors
    ///
    /// When the process cannot run or does not answer as this version does.
    pub(crate) fn summaries(&self, file: &Path, from: u64, seeds: u64) -> Result<Vec<Summary>, String> {
        let lines = self.trace(file, &[("--seed", from), ("--seeds", seeds)])?;
        let found: Vec<Summary> = lines.iter().filter_map(|line| Summary::parse(line)).collect();
        if found.len() as u64 == seeds {
            Ok(found)
        } else {
            Err(format!("{}: answers too little", self.name))
        }
    }

    /// Runs a file with one seed and returns a part of the chain of hashes.
    ///
    /// # Errors
    ///
    /// When the process cannot run or does not answer as this version does.
    pub(crate) fn links(&self, file: &Path, seed: u64, window: Window) -> Result<Vec<Link>, String> {
        let numbers = [
            ("--seed", seed),
            ("--every", window.every),
            ("--from-event", window.from),
            ("--to-event", window.to),
        ];
        let lines = self.trace(file, &numbers)?;
        Ok(lines.iter().filter_map(|line| link(line)).collect())
    }

    fn trace(&self, file: &Path, numbers: &[(&str, u64)]) -> Result<Vec<String>, String> {
        let mut command = self.command();
        command.arg("trace").arg(file);
        for (option, number) in numbers {
            command.arg(option).arg(number.to_string());
        }
        if self.surroundings == Surroundings::Other {
            command.args(["--threads", "3", "--padding"]).arg("x".repeat(4_000));
        }
        let output =
            command.stdin(Stdio::null()).output().map_err(|error| format!("{}: {error}", self.name))?;
        let said = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            let complaint = String::from_utf8_lossy(&output.stderr);
            let first = said.lines().chain(complaint.lines()).next().unwrap_or("says nothing");
            return Err(format!("{}: {}: {first}", self.name, output.status));
        }
        Ok(said.lines().map(String::from).collect())
    }

    fn command(&self) -> Command {
        match self.surroundings {
            Surroundings::Own { fixed_addresses: true } => {
                let mut command = Command::new(SETARCH);
                command.args([std::env::consts::ARCH, "-R"]).arg(&self.program);
                command
            }
            Surroundings::Own { fixed_addresses: false } | Surroundings::OtherBuild => {
                Command::new(&self.program)
            }
            Surroundings::Other => {
                let mut command = Command::new(&self.program);
                let elsewhere = std::env::temp_dir();
                command.env_clear().current_dir(&elsewhere);
                command.env("HOME", elsewhere.join("nobody")).env("TMPDIR", elsewhere.join("nowhere"));
                command.env("TZ", "Pacific/Chatham").env("LC_ALL", "tr_TR.UTF-8").env("USER", "somebody");
                for number in 0..50 {
                    command.env(format!("FILLER_{number}"), "filler ".repeat(number));
                }
                command
            }
        }
    }
}

/// Asks the system whether it lets a process have its memory at fixed addresses.
fn addresses_can_be_fixed() -> bool {
    let mut probe = Command::new(SETARCH);
    probe.args([std::env::consts::ARCH, "-R", "true"]);
    probe.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}

/// Reads a link as `trace` writes it.
fn link(line: &str) -> Option<Link> {
    let mut words = line.strip_prefix("link ")?.splitn(3, ' ');
    let event = words.next()?.parse().ok()?;
    Some(Link { event, hash: words.next()?.into(), what: words.next().unwrap_or_default().into() })
}
