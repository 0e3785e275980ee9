//! `eyot-sim sweep`: tells templates with many seeds, on all cores.

mod keep;
mod pool;
mod progress;
mod tree;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use clap::Args;
use eyot_core::date_time::format_day;
use eyot_io_sim::sweep::{Fleet, Row, Stamp, State, Subject};

use crate::files::collect;
use keep::{place, put_aside, try_out, write_page, write_repro};
use pool::{Pool, Sign};
use progress::Progress;

/// A sweep stops when it has found so many kinds of failure.
const KINDS_MAX: usize = 10;
/// The state is put aside so often.
const PUT_ASIDE: Duration = Duration::from_secs(5);

/// Tells templates of the swarm with many seeds, on all cores, and stories in other worlds.
///
/// Prints for each failure the line that repeats it, and writes its plan below target/repro. A sweep that was stopped goes on where it
/// stopped with the same command, as long as the program is of the same sources. Ends with 1 when a seed fails, too little
/// happens in too many of them, or, told of all templates, a property is hit by none of them.
#[derive(Debug, Args)]
pub(crate) struct Sweep {
    /// Templates and stories, or directories: all of them below. All templates below scenarios/ that are not pending when none is named.
    #[arg(value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
    /// How many seeds; of all templates, those with a share (`swarm share 6`) get one of so many.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
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
    /// Writes the figures into docs/sweeps.md, if the program was built of the sources that lie here.
    #[arg(long)]
    record: bool,
}

impl Sweep {
    pub(crate) fn perform(&self, out: &mut impl Write) -> crate::Outcome {
        let (subjects, core) = match self.subjects().and_then(|subjects| Ok((subjects, self.core()?))) {
            Ok((subjects, _)) if subjects.is_empty() => return refuse("there is no template"),
            Ok(found) => found,
            Err(what) => return refuse(&what),
        };
        let program = tree::program();
        try_out(&program, self.record)?;
        let mut kinds = BTreeSet::new();
        let (mut fleet, mut good) = (Fleet::default(), true);
        for subject in &subjects {
            let (state, mut saved) = self.tell(subject, &program, &mut kinds)?;
            let mut report = String::new();
            state.tally.report(&mut report, subject, self.from).map_err(std::io::Error::other)?;
            write!(out, "{report}")?;
            good &= state.tally.is_good();
            fleet.add(&state.tally, subject.share());
            if let (Some(core), Ok(())) = (&core, &saved) {
                saved = self.keep(subject, core, state);
            }
            if let Err(error) = saved {
                out.flush()?;
                return Err(error);
            }
            if !self.keep_going && kinds.len() >= KINDS_MAX {
                writeln!(out, "stopped: {} kinds of failure (--keep-going goes on)", kinds.len())?;
                return Ok(1);
            }
        }
        if self.paths.is_empty() {
            let mut report = String::new();
            fleet.report(&mut report).map_err(std::io::Error::other)?;
            write!(out, "{report}")?;
            good &= fleet.is_good();
        }
        Ok(u8::from(!good))
    }

    /// Names the tree that figures are to be recorded for, if they are.
    fn core(&self) -> Result<Option<String>, String> {
        if !self.record {
            return Ok(None);
        }
        tree::core(Path::new(".")).map(Some).map_err(|why| format!("nothing can be recorded: {why}"))
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
            let is_told = |subject: &Subject| !all || (subject.is_template() && !subject.is_pending());
            subjects.extend(subject.filter(is_told));
        }
        Ok(subjects)
    }

    /// Tells one subject with all seeds that were not told before; returns what they came to, and whether that could be
    /// put aside.
    fn tell(
        &self,
        subject: &Subject,
        program: &str,
        kinds: &mut BTreeSet<String>,
    ) -> std::io::Result<(State, std::io::Result<()>)> {
        let stamp = Stamp { program: program.into(), text: subject.text().into(), from: self.from };
        let path = place(subject, program, self.from);
        let known = std::fs::read_to_string(&path).ok().filter(|_| !self.fresh);
        let mut state = known.and_then(|text| State::read(&text, &stamp)).unwrap_or_default();
        kinds.extend(state.tally.found.iter().map(|found| found.failure.signature.to_string()));
        let from = self.from.saturating_add(state.tally.seeds());
        let seeds = self.seeds_of(subject);
        let until = self.from.saturating_add(seeds);
        let pool = Pool::new(subject, from..until.max(from), self.threads());
        let mut progress = Progress::new(&subject.name, state.tally.seeds(), seeds);
        let (begun, before) = (Instant::now(), (state.core_millis, state.wall_millis));
        let mut last_put = begun;
        let written = pool.run(|told| {
            let is_new = state.tally.add(&told);
            let wall = millis(begun.elapsed());
            state.wall_millis = before.1 + wall;
            state.core_millis = before.0 + wall * pool.threads() as u64;
            if let (true, Some(found)) = (is_new, state.tally.found.last()) {
                kinds.insert(found.failure.signature.to_string());
                write_repro(subject, found)?;
            }
            progress.show(&state.tally)?;
            if last_put.elapsed() > PUT_ASIDE {
                last_put = Instant::now();
                put_aside(&path, &state.write(&stamp))?;
            }
            let enough = !self.keep_going && kinds.len() >= KINDS_MAX;
            Ok(if enough { Sign::Stop } else { Sign::GoOn })
        });
        progress.done()?;
        let saved = written.and_then(|()| put_aside(&path, &state.write(&stamp)));
        Ok((state, saved))
    }

    /// Returns how many seeds a subject gets.
    fn seeds_of(&self, subject: &Subject) -> u64 {
        if self.paths.is_empty() { self.seeds.div_ceil(subject.share()) } else { self.seeds }
    }

    fn threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, core::num::NonZero::get);
        self.jobs.unwrap_or_else(cores).max(1)
    }

    fn keep(&self, subject: &Subject, core: &str, state: State) -> std::io::Result<()> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let row = Row { template: subject.name.clone(), from: self.from, state };
        let day = format_day(i64::try_from(now.as_millis()).unwrap_or(i64::MAX));
        write_page(core, &day, &row)
    }
}

/// Says why nothing is told.
fn refuse(what: &str) -> crate::Outcome {
    writeln!(std::io::stderr(), "eyot-sim: {what}")?;
    Ok(2)
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
