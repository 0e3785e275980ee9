//! Which sources a sweep is of.

use std::process::Command;

/// What the trees of the node and of the simulator are called.
pub(super) struct Tree {
    /// The tree of `core/`; with `-dirty` behind it when files differ from it, `unknown` without git.
    pub(super) core: String,
    /// The tree of `io-sim/`.
    pub(super) sim: String,
}

impl Tree {
    /// Asks git.
    pub(super) fn now() -> Self {
        Self { core: hash("core"), sim: hash("io-sim") }
    }

    /// Returns whether the names say all: figures of such trees can be continued.
    pub(super) fn is_clean(&self) -> bool {
        [&self.core, &self.sim].iter().all(|name| !name.ends_with("-dirty") && *name != "unknown")
    }
}

fn hash(folder: &str) -> String {
    let Some(hash) = git(&["rev-parse", &format!("HEAD:{folder}")]) else { return "unknown".into() };
    let short: String = hash.trim().chars().take(12).collect();
    let clean = git(&["status", "--porcelain", "--", &format!(":/{folder}")])
        .is_some_and(|changes| changes.trim().is_empty());
    if clean { short } else { format!("{short}-dirty") }
}

/// Returns what git prints; nothing when there is none, or it does not know.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    if output.status.success() { String::from_utf8(output.stdout).ok() } else { None }
}
