//! `eyot-sim sweep`: tells templates with many seeds, on all cores.

mod pool;
mod progress;
mod tree;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use clap::Args;
use eyot_io_sim::sweep::{Found, Row, Stamp, State, Subject, date, record};

use crate::files::collect;
use pool::{Pool, Sign};
use progress::Progress;
use tree::Tree;

/// Where plans of failed seeds and the state of sweeps go.
const REPROS: &str = "target/repro";
const STATES: &str = "target/sweep";
const PAGE: &str = "docs/sweeps.md";
/// A sweep stops when it has found so many kinds of failure.
const KINDS_MAX: usize = 10;
/// The state is put aside so often.
const PUT_ASIDE: Duration = Duration::from_secs(5);

/// Tells templates of the swarm with many seeds, on all cores, and stories in other worlds.
///
/// Prints for each failure the line that repeats it, and writes its plan below target/repro. A sweep that was stopped goes on where it
/// stopped with the same command. Ends with 1 when a seed fails or a property is never hit.
#[derive(Debug, Args)]
pub(crate) struct Sweep {
    /// Templates and stories, or directories: all of them below. All templates below scenarios/ when none is named.
    #[arg(value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
    /// How many seeds.
    #[arg(long, value_name = "N")]
    seeds: u64,
    /// The first seed.
    #[arg(long, value_name = "S", default_value_t = 1)]
    from: u64,
    /// How many threads; as many as there are cores unless given. The report does not depend on it.
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Goes on when ten kinds of failure were found.
    #[arg(long)]
    keep_going: bool,
    /// Begins anew, whatever was told before.
    #[arg(long)]
    fresh: bool,
    /// Writes the figures into docs/sweeps.md.
    #[arg(long)]
    record: bool,
}

impl Sweep {
    pub(crate) fn perform(&self, out: &mut impl Write) -> crate::Outcome {
        let subjects = match self.subjects() {
            Ok(subjects) if subjects.is_empty() => {
                writeln!(out, "there is no template")?;
                return Ok(2);
            }
            Ok(subjects) => subjects,
            Err(what) => {
                writeln!(out, "{what}")?;
                return Ok(2);
            }
        };
        let tree = Tree::now();
        let mut kinds = BTreeSet::new();
        let mut good = true;
        for subject in &subjects {
            let state = self.tell(subject, &tree, &mut kinds)?;
            let mut report = String::new();
            state.tally.report(&mut report, subject, self.from).map_err(std::io::Error::other)?;
            write!(out, "{report}")?;
            good &= state.tally.is_good();
            if self.record {
                self.keep(subject, &tree, state)?;
            }
            if !self.keep_going && kinds.len() >= KINDS_MAX {
                writeln!(out, "stopped: {} kinds of failure (--keep-going goes on)", kinds.len())?;
                break;
            }
        }
        Ok(u8::from(!good))
    }

    /// Reads what is to be told.
    fn subjects(&self) -> Result<Vec<Subject>, String> {
        let all = self.paths.is_empty();
        let files = if all { collect(&["scenarios".into()])? } else { collect(&self.paths)? };
        let mut subjects = Vec::new();
        for file in files {
            let name = file.display().to_string();
            let text = std::fs::read_to_string(&file).map_err(|error| format!("{name}: {error}"))?;
            let subject = Subject::read(&name, &text).map_err(|error| error.to_string())?;
            subjects.extend(subject.filter(|subject| !all || subject.is_template()));
        }
        Ok(subjects)
    }

    /// Tells one subject with all seeds that were not told before.
    fn tell(&self, subject: &Subject, tree: &Tree, kinds: &mut BTreeSet<String>) -> std::io::Result<State> {
        let (path, stamp) = self.place(subject, tree);
        let known = std::fs::read_to_string(&path).ok().filter(|_| !self.fresh && tree.is_clean());
        let mut state = known.and_then(|text| State::read(&text, &stamp)).unwrap_or_default();
        kinds.extend(state.tally.found.iter().map(|found| found.failure.signature.to_string()));
        let from = self.from + state.tally.seeds();
        let until = self.from.saturating_add(self.seeds);
        let pool = Pool::new(subject, from..until.max(from), self.threads());
        let mut progress = Progress::new(&subject.name, state.tally.seeds(), self.seeds);
        let (begun, before) = (Instant::now(), (state.core_millis, state.wall_millis));
        let mut last_put = begun;
        let written = pool.run(|told| {
            if state.tally.add(&told) {
                let found = state.tally.found.last();
                kinds.extend(found.map(|found| found.failure.signature.to_string()));
                found.map_or(Ok(()), |found| write_repro(subject, found))?;
            }
            let wall = millis(begun.elapsed());
            state.wall_millis = before.1 + wall;
            state.core_millis = before.0 + wall * self.threads() as u64;
            progress.show(&state.tally)?;
            if last_put.elapsed() > PUT_ASIDE {
                last_put = Instant::now();
                put_aside(&path, &state.write(&stamp))?;
            }
            let enough = !self.keep_going && kinds.len() >= KINDS_MAX;
            Ok(if enough { Sign::Stop } else { Sign::GoOn })
        });
        progress.done()?;
        put_aside(&path, &state.write(&stamp))?;
        written.map(|()| state)
    }

    fn threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, core::num::NonZero::get);
        self.jobs.unwrap_or_else(cores).max(1)
    }

    /// Returns where the state of a sweep is put aside, and what it depends on.
    fn place(&self, subject: &Subject, tree: &Tree) -> (PathBuf, Stamp) {
        let file = format!("{}.from-{}.txt", flat(&subject.name), self.from);
        let stamp = Stamp {
            core: tree.core.clone(),
            sim: tree.sim.clone(),
            text: subject.text().into(),
            from: self.from,
        };
        (Path::new(STATES).join(&tree.core).join(file), stamp)
    }

    fn keep(&self, subject: &Subject, tree: &Tree, state: State) -> std::io::Result<()> {
        let page = std::fs::read_to_string(PAGE)?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let row = Row { template: subject.name.clone(), from: self.from, state };
        std::fs::write(PAGE, record(&page, &tree.core, &date(now.as_secs()), &row))
    }
}

/// Writes the plan of a failed seed.
fn write_repro(subject: &Subject, found: &Found) -> std::io::Result<()> {
    std::fs::create_dir_all(REPROS)?;
    let path = Path::new(REPROS).join(format!("{}-{}.scn", flat(&subject.name), found.seed));
    std::fs::write(path, subject.repro(found.seed, &found.failure.signature))
}

/// Writes a file so that there is always a whole one.
fn put_aside(path: &Path, text: &str) -> std::io::Result<()> {
    let part = path.with_extension("part");
    std::fs::create_dir_all(path.parent().unwrap_or(path))?;
    std::fs::write(&part, text)?;
    std::fs::rename(part, path)
}

/// Makes one name of a path.
fn flat(name: &str) -> String {
    let stem = name.strip_suffix(".scn").unwrap_or(name);
    let parts = stem.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '-'));
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
