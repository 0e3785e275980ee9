//! The store: rows and commits a second, bytes written, and how long it takes to open.

pub(crate) mod file;
mod rows;

use std::path::Path;
use std::time::Instant;

use eyot_core::store::StoreBatch;
use eyot_io_tokio::store::engine::{Engine, LOG_BYTES, Pace};
use redb::{Database, Durability, TableDefinition};

use crate::loopback::process::cpu_micros;
use crate::report::{Report, fail, per_second};
use file::CountedFile;
use rows::{Bodies, Messages};

const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");
/// Messages in the store whose opening is measured.
const ARCHIVE: u64 = 1_000_000;

/// What is measured on one store.
#[derive(Clone, Copy, Debug)]
struct Plan {
    /// Bytes of the log; without one the rows go straight into redb, one transaction a group.
    log_bytes: Option<u64>,
    messages: u64,
    /// Messages that are committed together.
    group: u64,
    bodies: Bodies,
}

/// What came out.
#[derive(Debug)]
struct Outcome {
    rows: u64,
    row_bytes: u64,
    commits: u64,
    micros: u128,
    cpu_micros: u64,
    /// The longest from one commit to the next, in microseconds.
    worst: u128,
    written: u64,
    syncs: u64,
    size: u64,
}

/// Where the rows go.
enum Target {
    Engine(Box<Engine>),
    Tree(Database),
}

/// Measures it all.
pub(crate) fn run(report: &mut Report) {
    for (group, messages) in [(1, 4_000), (16, 40_000), (256, 200_000)] {
        let dir = directory();
        let plan = Plan { log_bytes: Some(LOG_BYTES), messages, group, bodies: Bodies::InTheTree };
        let outcome = fill(dir.path(), plan).0;
        report.add(format!("store: {group} messages of 8 rows a commit"), outcome.to_string());
    }
    let dir = directory();
    let plan = Plan { log_bytes: Some(LOG_BYTES), messages: ARCHIVE, group: 256, bodies: Bodies::InTheTree };
    let (outcome, target, mut messages) = fill(dir.path(), plan);
    report.add(format!("store: {ARCHIVE} archived messages, 256 a commit"), outcome.to_string());
    let closing = Instant::now();
    drop(target);
    report.add("store: closing it", format!("{} ms", closing.elapsed().as_millis()));
    let engine = open_timed(dir.path(), report, "after it was closed");
    kill_with_full_log(engine, &mut messages);
    drop(open_timed(dir.path(), report, "after a kill with a full log"));
}

/// Runs one plan and nothing else; returns whether there is one of that name.
pub(crate) fn run_loop(words: &[&str]) -> bool {
    let ["store-fill", log_megabytes, messages, group, bodies] = words else { return false };
    let dir = directory();
    let plan = Plan {
        log_bytes: log_megabytes.parse().ok().map(|megabytes: u64| megabytes * 1024 * 1024),
        messages: messages.parse().unwrap_or(0),
        group: group.parse().unwrap_or(1),
        bodies: if *bodies == "apart" { Bodies::Apart } else { Bodies::InTheTree },
    };
    let (outcome, target, _) = fill(dir.path(), plan);
    drop(target);
    let mut report = Report::default();
    report.add(format!("{plan:?}"), outcome.to_string());
    true
}

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().unwrap_or_else(|error| fail(&format!("no directory for the store: {error}")))
}

fn open(dir: &Path, log_bytes: u64) -> Engine {
    let [tree, log] = ["store", "store-log"].map(|name| CountedFile::open(&dir.join(name)));
    Engine::open_sized(tree, log, log_bytes).unwrap_or_else(|error| fail(&error.to_string()))
}

fn open_timed(dir: &Path, report: &mut Report, when: &str) -> Engine {
    let opening = Instant::now();
    let engine = open(dir, LOG_BYTES);
    report.add(format!("store: opening it {when}"), format!("{} ms", opening.elapsed().as_millis()));
    engine
}

/// Fills both halves of the log, lets no checkpoint go on, and leaves the files as a killed process does.
fn kill_with_full_log(mut engine: Engine, messages: &mut Messages) {
    let mut bytes = 0;
    while bytes < LOG_BYTES * 3 / 4 {
        let batches = messages.next_group(256);
        bytes += rows::size(&batches).1;
        engine.apply(&batches).unwrap_or_else(|error| fail(&format!("a commit failed: {error:?}")));
    }
    std::mem::forget(engine);
}

/// Writes the messages of a plan into a new store.
fn fill(dir: &Path, plan: Plan) -> (Outcome, Target, Messages) {
    let mut target = match plan.log_bytes {
        Some(bytes) => Target::Engine(Box::new(open(dir, bytes))),
        None => Target::Tree(
            Database::builder()
                .set_cache_size(64 * 1024 * 1024)
                .create_with_backend(CountedFile::open(&dir.join("store")))
                .unwrap_or_else(|error| fail(&error.to_string())),
        ),
    };
    let (before, mut messages) = (file::counted(), Messages::new(plan.bodies));
    let (begin, cpu) = (Instant::now(), cpu_micros(std::process::id()));
    let mut outcome = Outcome::new();
    let (mut left, mut making) = (plan.messages, 0);
    while left > 0 {
        let made = Instant::now();
        let batches = messages.next_group(plan.group.min(left));
        let size = rows::size(&batches);
        making += made.elapsed().as_micros();
        let commit = Instant::now();
        target.commit(&batches);
        outcome.worst = outcome.worst.max(commit.elapsed().as_micros());
        outcome.commits += 1;
        outcome.rows += size.0;
        outcome.row_bytes += size.1;
        left -= plan.group.min(left);
    }
    target.settle();
    let after = file::counted();
    outcome.micros = begin.elapsed().as_micros() - making;
    outcome.cpu_micros =
        (cpu_micros(std::process::id()) - cpu).saturating_sub(u64::try_from(making).unwrap_or(u64::MAX));
    outcome.written = after.written - before.written;
    outcome.syncs = after.syncs - before.syncs;
    outcome.size = std::fs::metadata(dir.join("store")).map_or(0, |file| file.len());
    (outcome, target, messages)
}

impl Target {
    fn commit(&mut self, batches: &[StoreBatch]) {
        match self {
            Self::Engine(engine) => {
                engine.apply(batches).unwrap_or_else(|error| fail(&format!("a commit failed: {error:?}")));
                engine.checkpoint(Pace::Busy);
            }
            Self::Tree(db) => {
                commit_to_tree(db, batches)
                    .unwrap_or_else(|error| fail(&format!("a commit failed: {error}")));
            }
        }
    }

    /// Brings what is due to its end, so that the bytes of the tree are counted.
    fn settle(&mut self) {
        match self {
            Self::Engine(engine) => while engine.checkpoint(Pace::Idle) {},
            Self::Tree(_) => {}
        }
    }
}

fn commit_to_tree(db: &Database, batches: &[StoreBatch]) -> Result<(), redb::Error> {
    use eyot_core::store::Write;
    let mut change = db.begin_write()?;
    change.set_durability(Durability::Immediate)?;
    let mut rows = change.open_table(ROWS)?;
    for write in batches.iter().flat_map(|batch| &batch.writes) {
        match write {
            Write::Put { key, value } => drop(rows.insert(key.as_bytes(), value.as_ref())?),
            Write::Delete { key } => drop(rows.remove(key.as_bytes())?),
            Write::DeleteRange { from, to } => {
                rows.retain_in(from.as_bytes()..to.as_bytes(), |_, _| false)?;
            }
        }
    }
    drop(rows);
    Ok(change.commit()?)
}

impl Outcome {
    const fn new() -> Self {
        Self {
            rows: 0,
            row_bytes: 0,
            commits: 0,
            micros: 0,
            cpu_micros: 0,
            worst: 0,
            written: 0,
            syncs: 0,
            size: 0,
        }
    }
}

impl core::fmt::Display for Outcome {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let rate = |count: u64| per_second(count, self.micros);
        let hundredths = self.written * 100 / self.row_bytes.max(1);
        write!(
            out,
            "{} rows/s, {} commits/s, {} ns CPU/row, {}.{:02} bytes written per byte of row ({} B/row), {} syncs, \
             longest commit {} ms, tree {} MB",
            rate(self.rows),
            rate(self.commits),
            self.cpu_micros * 1_000 / self.rows.max(1),
            hundredths / 100,
            hundredths % 100,
            self.row_bytes / self.rows.max(1),
            self.syncs,
            self.worst / 1_000,
            self.size / 1_000_000,
        )
    }
}
