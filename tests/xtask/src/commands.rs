//! The commands that run other programs.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use crate::repo::Repo;
use crate::run::{cargo, show, target};
use crate::{tidy, xeps};

/// What a command returns: a message on failure.
pub type Outcome = Result<(), String>;

/// Everything before a commit: format, lints, tidy, tests, documentation; then a summary.
///
/// # Errors
///
/// A message that names the steps that failed; the others have run all the same.
pub fn check(repo: &Repo, say: &mut dyn FnMut(&str)) -> Outcome {
    let cargo_step = |args: &[&str]| show(command(repo, args).env("RUSTDOCFLAGS", "-D warnings"));
    let steps: [(&str, &dyn Fn() -> Outcome); 5] = [
        ("fmt", &|| cargo_step(&["fmt", "--all", "--check"])),
        ("clippy", &|| {
            cargo_step(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])
        }),
        ("tidy", &|| tidy_all(repo)),
        ("test", &|| cargo_step(&["test", "--workspace", "--quiet"])),
        ("doc", &|| cargo_step(&["doc", "--workspace", "--no-deps", "--document-private-items", "--quiet"])),
    ];
    let mut lines = Vec::new();
    let mut failed = Vec::new();
    for (name, step) in steps {
        let start = Instant::now();
        let outcome = step();
        let word = if outcome.is_ok() { "ok" } else { "FAILED" };
        lines.push(format!("{name:<8} {word:<7} {:>6.1} s", start.elapsed().as_secs_f64()));
        if let Err(error) = outcome {
            say(&error);
            failed.push(name);
        }
    }
    for line in &lines {
        say(line);
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) }
}

/// Runs every check of the house.
///
/// # Errors
///
/// The findings, one per line.
pub fn tidy_all(repo: &Repo) -> Outcome {
    let findings = tidy::findings(repo);
    if findings.is_empty() {
        return Ok(());
    }
    let lines: Vec<_> = findings.iter().map(|(name, finding)| format!("{name}: {finding}")).collect();
    Err(lines.join("\n"))
}

/// Runs the stories; with `--update` rewrites their transcripts; with a name only those whose path holds it.
///
/// # Errors
///
/// A message when a story fails.
pub fn scenarios(repo: &Repo, args: &[String]) -> Outcome {
    let mut tests = command(repo, &["test", "--quiet", "-p", "eyot-tests", "--test", "scenarios", "--"]);
    for arg in args {
        match arg.as_str() {
            "--update" => drop(tests.env("INSTA_UPDATE", "always").env("INSTA_FORCE_PASS", "1")),
            name if !name.starts_with('-') => drop(tests.arg(name)),
            other => return Err(format!("unknown option {other}; usage: scenarios [NAME] [--update]")),
        }
    }
    show(&mut tests)
}

/// Measures costs: instructions, nanoseconds, bytes.
///
/// # Errors
///
/// A message when a measurement fails.
pub fn bench(repo: &Repo, args: &[String]) -> Outcome {
    show(command(repo, &["bench", "-p", "eyot-tests", "--bench", "cost", "--"]).args(args))
}

/// Runs the production driver on madsim: its own package, lock file, target directory and flag.
///
/// # Errors
///
/// A message when the package is missing, is not formatted, or a test fails.
pub fn stack(repo: &Repo) -> Outcome {
    let dir = repo.root().join("tests/stack");
    if !dir.join("Cargo.toml").is_file() {
        return Err("tests/stack holds no package: the stack runs from there".into());
    }
    let run = |args: &[&str]| {
        let mut command = Command::new(cargo());
        command.args(args).current_dir(&dir).env("CARGO_TARGET_DIR", target(repo.root()).join("stack"));
        // The flag stands in the configuration of that directory; flags of the environment would replace it.
        for variable in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS"] {
            command.env_remove(variable);
        }
        show(&mut command)
    };
    run(&["fmt", "--check"])?;
    run(&["test", "--locked"])
}

/// Writes the documents that are made from the source; with `--check` only compares.
///
/// # Errors
///
/// A message when a page cannot be read, a file cannot be written or is not current.
pub fn xeps(repo: &Repo, args: &[String]) -> Outcome {
    let (table, findings) = xeps::render(repo);
    if let Some(finding) = findings.first() {
        return Err(finding.to_string());
    }
    if args.iter().any(|arg| arg == "--check") {
        return match xeps::check(repo).first() {
            Some(finding) => Err(finding.to_string()),
            None => Ok(()),
        };
    }
    std::fs::write(repo.root().join(xeps::PATH), table).map_err(|error| format!("{}: {error}", xeps::PATH))
}

/// Builds the server and lets other people's clients talk through it. Arguments name cases.
///
/// # Errors
///
/// A message when a case fails.
pub fn interop(repo: &Repo, args: &[String]) -> Outcome {
    show(&mut command(repo, &["build", "--quiet", "-p", "eyot-io-tokio", "--bin", "eyot"]))?;
    let server: PathBuf = target(repo.root()).join("debug/eyot");
    let mut clients = Command::new("python3");
    clients.arg(repo.root().join("tests/interop/run.py")).arg("--eyot").arg(server);
    show(clients.arg("--work").arg(target(repo.root()).join("interop")).args(args))
}

/// With `--check` type-checks the fuzz targets; else hands its arguments to `cargo fuzz`.
///
/// # Errors
///
/// A message when the targets do not compile or cargo-fuzz fails.
pub fn fuzz(repo: &Repo, args: &[String]) -> Outcome {
    let mut fuzz = Command::new(cargo());
    fuzz.env("CARGO_TARGET_DIR", target(repo.root()).join("fuzz"));
    if args.iter().any(|arg| arg == "--check") {
        fuzz.args(["check", "--quiet", "--bins", "--locked", "--manifest-path"]);
        return show(fuzz.arg(repo.root().join("tests/fuzz/Cargo.toml")));
    }
    show(fuzz.arg("fuzz").args(args).current_dir(repo.root().join("tests/fuzz")))
}

fn command(repo: &Repo, args: &[&str]) -> Command {
    let mut command = Command::new(cargo());
    command.args(args).current_dir(repo.root());
    command
}
