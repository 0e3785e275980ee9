//! Recording anew how Linux TCP behaves: what the simulator's streams are compared with.

use std::process::Command;

use crate::commands::Outcome;
use crate::repo::Repo;
use crate::run::show;

/// Rewrites the recordings of `tests/tcp/recordings`; arguments name cases, none means all.
///
/// Needs Linux, root and Python, and takes about half a minute. The tests only read what it wrote.
///
/// # Errors
///
/// A message when a case is unknown, or the namespaces and devices cannot be made.
pub fn record(repo: &Repo, args: &[String]) -> Outcome {
    let dir = repo.root().join("tests/tcp");
    let mut recorder = Command::new("python3");
    recorder.arg(dir.join("record.py")).arg("--out").arg(dir.join("recordings"));
    show(recorder.args(args))
}
