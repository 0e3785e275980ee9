//! Running other programs, with their failure as a message.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Returns the cargo that runs this, or the one on the path.
pub fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Returns the directory for everything that is built.
pub fn target(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir))
}

/// Runs a program in `dir` and returns what it printed.
///
/// # Errors
///
/// A message with the program's own when it cannot be started or fails.
pub fn output(program: impl Into<OsString>, args: &[&str], dir: &Path) -> Result<String, String> {
    let program = program.into();
    let shown = format!("{} {}", program.to_string_lossy(), args.join(" "));
    let out = Command::new(&program)
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{shown}: {error}"))?;
    if !out.status.success() {
        return Err(format!("{shown}: {}\n{}", out.status, String::from_utf8_lossy(&out.stderr)));
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

/// Runs a command to its end, its output shown as it comes.
///
/// # Errors
///
/// A message when it cannot be started or fails.
pub fn show(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|error| format!("{command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}")) }
}
