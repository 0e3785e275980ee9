//! Which sources a sweep is of: those that the program was built of.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::sources::fingerprint;

/// What the program was built of.
pub(super) const BUILT_OF: &str = env!("EYOT_SOURCES");

/// Returns what figures can be continued with: a program of the same sources, built in the same way.
pub(super) fn program() -> String {
    let how = if cfg!(debug_assertions) { "-debug" } else { "" };
    [BUILT_OF, how].concat()
}

/// Returns the name of the tree of `core/` that the program was built of; with `-dirty` behind it when files differ from
/// it, `unknown` without git.
///
/// # Errors
///
/// Why the sources around `from` are not those of the program: then nobody can name the tree.
pub(super) fn core(from: &Path) -> Result<String, String> {
    let repository = repository(from).ok_or("the sources of this program are not here")?;
    let here = fingerprint(&repository).map_err(|error| format!("{}: {error}", repository.display()))?;
    if here != BUILT_OF {
        return Err(format!(
            "this program was built of sources {BUILT_OF}, and {} holds {here}: build it again",
            repository.display()
        ));
    }
    let Some(hash) = git(&repository, &["rev-parse", "HEAD:core"]) else { return Ok("unknown".into()) };
    let short: String = hash.trim().chars().take(12).collect();
    let changes = git(&repository, &["status", "--porcelain", "--", ":/core"]);
    let clean = changes.is_some_and(|changes| changes.trim().is_empty());
    Ok(if clean { short } else { format!("{short}-dirty") })
}

/// Returns the folder that holds `core/` and `io-sim/`: `from`, or one above it.
fn repository(from: &Path) -> Option<PathBuf> {
    let from = std::path::absolute(from).ok()?;
    let holds_both = |folder: &&Path| folder.join("core/src").is_dir() && folder.join("io-sim/src").is_dir();
    from.ancestors().find(holds_both).map(Path::to_path_buf)
}

/// Returns what git prints; nothing when there is none, or it does not know.
fn git(repository: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(repository).args(arguments).output().ok()?;
    if output.status.success() { String::from_utf8(output.stdout).ok() } else { None }
}
