//! Files: scenarios found and read, secrets written.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use eyot_io_sim::script::{Scenario, is_template};
use eyot_io_sim::swarm::{Template, tell};

/// Finds the scenarios at and below paths, in order.
///
/// # Errors
///
/// What cannot be read, and a directory without any.
pub(crate) fn collect(paths: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    for path in paths {
        let before = found.len();
        below(path, &mut found)?;
        if found.len() == before {
            return Err(format!("{}: no scenario is in it or below it", path.display()));
        }
    }
    Ok(found)
}

fn below(path: &Path, found: &mut Vec<PathBuf>) -> Result<(), String> {
    let fail = |error: std::io::Error| format!("{}: {error}", path.display());
    if !std::fs::metadata(path).map_err(fail)?.is_dir() {
        found.push(path.into());
        return Ok(());
    }
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(path).map_err(fail)? {
        entries.push(entry.map_err(fail)?.path());
    }
    entries.sort();
    for entry in entries {
        if entry.is_dir() {
            below(&entry, found)?;
        } else if entry.extension().is_some_and(|extension| extension == "scn") {
            found.push(entry);
        }
    }
    Ok(())
}

/// Reads one scenario; of a template the plan of `seed`.
///
/// # Errors
///
/// What is wrong with the file, with its name and line.
pub(crate) fn scenario(path: &Path, seed: u64) -> Result<Scenario, String> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
    tell(&name, &text, seed).map_err(|error| error.to_string())
}

/// Reads a text.
///
/// # Errors
///
/// When it cannot be read.
pub(crate) fn text(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Returns what a text is with a seed: the plan of a template, and any other text itself.
///
/// # Errors
///
/// When it is no scenario and no template.
pub(crate) fn concrete(name: &str, text: &str, seed: u64) -> Result<String, String> {
    let concrete = if is_template(text) {
        Template::parse(name, text).map(|template| template.plan(seed).text)
    } else {
        Scenario::parse(name, text).map(|_| text.into())
    };
    concrete.map_err(|error| error.to_string())
}

/// Writes a new file.
///
/// # Errors
///
/// When it exists already, or cannot be written.
pub(crate) fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    std::fs::OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes())
}

/// Writes a new file that nobody else may read: a recording holds passwords and keys.
///
/// # Errors
///
/// When the file exists already, or cannot be written.
pub(crate) fn write_secretly(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(bytes)
}
