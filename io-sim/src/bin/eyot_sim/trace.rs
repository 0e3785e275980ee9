//! `eyot-sim trace`: what `verify` asks of its child processes.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use eyot_io_sim::engine::TraceHash;
use eyot_io_sim::repro::{Trial, attempt_and_look};
use eyot_io_sim::script::RunOptions;
use eyot_io_sim::world::{Link, Options, Window};

use crate::Outcome;
use crate::files::{concrete, text};

/// Runs one file with some seeds and prints for each what its run came to, and parts of its chain of hashes.
#[derive(Debug, Args)]
pub(crate) struct Trace {
    file: PathBuf,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How many seeds.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// On how many threads.
    #[arg(long, default_value_t = 1)]
    threads: u64,
    /// Prints the hash before each K-th event; with 1 the event as well.
    #[arg(long, value_name = "K")]
    every: Option<u64>,
    /// From this event on.
    #[arg(long, value_name = "A", default_value_t = 0)]
    from_event: u64,
    /// Before this event.
    #[arg(long, value_name = "B", default_value_t = u64::MAX)]
    to_event: u64,
    /// Is not looked at: it makes the command line longer.
    #[arg(long, hide = true)]
    padding: Option<String>,
}

/// What a run came to, in the form in which parent and child exchange it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    /// The seed.
    pub(crate) seed: u64,
    /// The hash over everything that happened; `panic` after one.
    pub(crate) hash: String,
    /// The hash over the transcript.
    pub(crate) transcript: String,
    /// What it shows, or `good`.
    pub(crate) verdict: String,
}

impl Trace {
    pub(crate) fn perform(&self, out: &mut impl Write) -> Outcome {
        match self.run_all() {
            Ok(done) => {
                for (summary, links) in done {
                    writeln!(out, "{}", summary.write())?;
                    for link in links {
                        writeln!(out, "link {} {} {}", link.event, link.hash, link.what)?;
                    }
                }
                Ok(0)
            }
            Err(what) => {
                writeln!(out, "{what}")?;
                Ok(2)
            }
        }
    }

    /// Runs all seeds, in the order of seeds whoever ran them.
    fn run_all(&self) -> Result<Vec<(Summary, Vec<Link>)>, String> {
        let text = text(&self.file)?;
        let threads = self.threads.max(1);
        let of_thread = |thread: u64| {
            let seeds = (self.seed..self.seed.saturating_add(self.seeds))
                .filter(move |seed| seed % threads == thread);
            seeds.map(|seed| self.run(&text, seed)).collect::<Result<Vec<_>, String>>()
        };
        let results = if threads == 1 {
            vec![of_thread(0)]
        } else {
            std::thread::scope(|scope| {
                let running: Vec<_> =
                    (0..threads).map(|thread| scope.spawn(move || of_thread(thread))).collect();
                let ended = running.into_iter().map(std::thread::ScopedJoinHandle::join);
                ended.map(|result| result.unwrap_or_else(|_| Err("a thread died".into()))).collect()
            })
        };
        let mut done = Vec::new();
        for result in results {
            done.extend(result?);
        }
        done.sort_by_key(|(summary, _)| summary.seed);
        Ok(done)
    }

    fn run(&self, text: &str, seed: u64) -> Result<(Summary, Vec<Link>), String> {
        let name = self.file.display().to_string();
        let trace =
            self.every.map(|every| Window { every: every.max(1), from: self.from_event, to: self.to_event });
        let world = Options { seed, trace, ..Options::default() };
        let text = concrete(&name, text, seed)?;
        let mut links = Vec::new();
        let options = RunOptions { world, ..RunOptions::default() };
        let trial = attempt_and_look(&name, &text, options, |stage, _| links = stage.world.links());
        let trial = trial.map_err(|error| error.to_string())?;
        if self.every.is_none() {
            links.clear();
        }
        Ok((Summary::of(seed, &trial), links))
    }
}

impl Summary {
    fn of(seed: u64, trial: &Trial) -> Self {
        let shown = trial.signature.as_ref().map_or_else(|| String::from("good"), ToString::to_string);
        let verdict = trial.panic.as_ref().map_or(shown, |panic| format!("panic at {panic}"));
        let Some(outcome) = &trial.outcome else {
            return Self { seed, hash: "panic".into(), transcript: "panic".into(), verdict };
        };
        let mut transcript = TraceHash::new();
        transcript.bytes(outcome.transcript.to_string().as_bytes());
        Self { seed, hash: outcome.hash.to_string(), transcript: transcript.to_string(), verdict }
    }

    fn write(&self) -> String {
        // A line stays a line, whatever a panic said.
        let verdict = self.verdict.replace(['\n', '\r'], " ");
        format!("seed {} {} {} {verdict}", self.seed, self.hash, self.transcript)
    }

    /// Reads what `write` wrote.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let mut words = line.strip_prefix("seed ")?.splitn(4, ' ');
        let seed = words.next()?.parse().ok()?;
        let mut word = || words.next().map(String::from);
        Some(Self { seed, hash: word()?, transcript: word()?, verdict: word()? })
    }
}
