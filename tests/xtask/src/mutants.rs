//! `cargo xtask mutants`: planted bugs that the simulator has to find.
//!
//! `tests/mutants/` holds one patch for each. It is applied to a copy of the project that is built apart; then a sweep, or a
//! comparison of processes, has to find it, the finding has to shrink to a few lines, and the unharmed
//! build must not show it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::commands::Outcome;
use crate::repo::Repo;
use crate::run::{cargo, target};

/// A shrunk finding has no more faults and operations than this, unless its patch says otherwise: to lose a session and resume it
/// takes some.
const LINES_MAX: usize = 4;
/// Seeds that a hunt may take,
const SEEDS_MAX: u64 = 1_000;
/// and so many of them at once: one that is found early takes no longer.
const SEEDS_AT_ONCE: u64 = 50;

/// One planted bug.
#[derive(Debug, PartialEq, Eq)]
struct Mutant {
    name: String,
    patch: String,
    /// What it breaks.
    what: String,
    /// `sweep` or `verify`.
    found_by: String,
    /// The scenario template that it is looked for in.
    hunted_in: String,
    /// How many faults and operations are left of a finding at most.
    lines_max: usize,
}

/// Where things are built and found.
struct Ground {
    /// The copy of the project.
    tree: PathBuf,
    /// Binaries and findings.
    work: PathBuf,
}

/// Hunts every mutant, or the named ones.
///
/// # Errors
///
/// The mutants whose patch does not apply, that were not found, or that did not shrink.
pub fn hunt(repo: &Repo, args: &[String], say: &mut dyn FnMut(&str)) -> Outcome {
    let mutants = chosen(repo, args)?;
    let work = target(repo.root()).join("mutants");
    let ground = Ground { tree: work.join("tree"), work };
    copy(repo, &ground.tree)?;
    let clean = ground.build("unharmed")?;
    let mut lost = Vec::new();
    for mutant in &mutants {
        copy(repo, &ground.tree)?;
        match ground.hunt(mutant, &clean) {
            Ok(found) => say(&format!("{}: {found}", mutant.name)),
            Err(what) => lost.push(format!("{}: {what}", mutant.name)),
        }
    }
    copy(repo, &ground.tree)?;
    if lost.is_empty() {
        say(&format!("{} passed, 0 failed", mutants.len()));
        Ok(())
    } else {
        say(&format!("{} passed, {} failed", mutants.len() - lost.len(), lost.len()));
        Err(lost.join("\n"))
    }
}

fn is_patch(path: &str) -> bool {
    Path::new(path).starts_with("tests/mutants")
        && Path::new(path).extension().is_some_and(|ending| ending == "patch")
}

fn chosen(repo: &Repo, args: &[String]) -> Result<Vec<Mutant>, String> {
    let files = repo.texts().filter(|(path, _)| is_patch(path));
    let all: Vec<Mutant> = files.map(|(path, text)| mutant(path, text)).collect::<Result<_, _>>()?;
    if let Some(unknown) = args.iter().find(|name| !all.iter().any(|mutant| mutant.name == **name)) {
        return Err(format!("there is no mutant {unknown} in tests/mutants"));
    }
    let chosen: Vec<Mutant> =
        all.into_iter().filter(|mutant| args.is_empty() || args.contains(&mutant.name)).collect();
    if chosen.is_empty() { Err("tests/mutants holds no patch".into()) } else { Ok(chosen) }
}

/// Reads a patch: what it breaks, then `found by:` and `in:`, perhaps `lines:`, then the difference.
fn mutant(path: &str, text: &str) -> Result<Mutant, String> {
    let name = path.rsplit('/').next().unwrap_or(path).trim_end_matches(".patch");
    let head: Vec<&str> = text.lines().map_while(|line| line.strip_prefix('#')).map(str::trim).collect();
    let value = |key: &str| {
        let found = head.iter().find_map(|line| line.strip_prefix(key)).map(str::trim);
        found.map(String::from).ok_or(format!("{path}: the head says nothing of `{key}`"))
    };
    let mutant = Mutant {
        name: name.into(),
        patch: text.into(),
        what: head.first().copied().unwrap_or_default().into(),
        found_by: value("found by:")?,
        hunted_in: value("in:")?,
        lines_max: match value("lines:") {
            Ok(lines) => lines.parse().map_err(|_| format!("{path}: {lines:?} is no number of lines"))?,
            Err(_) => LINES_MAX,
        },
    };
    if ["sweep", "verify"].contains(&mutant.found_by.as_str()) {
        Ok(mutant)
    } else {
        Err(format!("{path}: a mutant is found by sweep or by verify, not by {}", mutant.found_by))
    }
}

impl Ground {
    /// Builds the simulator of the copy as it is; returns the program.
    fn build(&self, name: &str) -> Result<PathBuf, String> {
        let mut build = Command::new(cargo());
        build.args(["build", "--quiet", "--locked", "-p", "eyot-io-sim", "--bin", "eyot-sim"]);
        build.current_dir(&self.tree).env("CARGO_TARGET_DIR", self.work.join("build"));
        // A debug build checks its assertions; without optimisation the hunt would take most of the time. A patch changes a few lines,
        // so what was built before is taken up again, and nobody reads its lines in a debugger.
        let profile = [("OPT_LEVEL", "1"), ("DEBUG", "0"), ("INCREMENTAL", "true"), ("CODEGEN_UNITS", "256")];
        for (key, value) in profile {
            build.env(format!("CARGO_PROFILE_DEV_{key}"), value);
        }
        ok(build.env_remove("CARGO_INCREMENTAL"))?;
        let program = self.work.join("build/debug/eyot-sim");
        let kept = self.work.join(name);
        fs::copy(&program, &kept).map_err(|error| format!("{}: {error}", program.display()))?;
        Ok(kept)
    }

    fn hunt(&self, mutant: &Mutant, clean: &Path) -> Result<String, String> {
        self.apply(mutant)?;
        let program = self.build(&mutant.name)?;
        let den = self.work.join(format!("{}.found", mutant.name));
        if den.exists() {
            fs::remove_dir_all(&den).map_err(|error| error.to_string())?;
        }
        fs::create_dir_all(&den).map_err(|error| error.to_string())?;
        let template = self.tree.join(&mutant.hunted_in);
        let run = |program: &Path, args: &[&str]| run_in(&den, program, args);
        let template = template.to_string_lossy();
        let is_own =
            |seed: &str| Ok(run(clean, &["run", "--quiet", &template, "--seed", seed])?.0 == Some(0));
        let Found { signature, seed } = find(mutant, &template, |args| run(&program, args), is_own)?;
        let (code, said) = run(&program, &["shrink", &template, "--seed", &seed, "--out", "shrunk.scn"])?;
        let (faults, operations) =
            counts(&said).ok_or(format!("seed {seed} does not shrink (exit {code:?}):\n{said}"))?;
        if faults + operations > mutant.lines_max {
            return Err(format!("seed {seed} shrinks to {faults} faults + {operations} operations only"));
        }
        let (code, said) = run(&program, &["replay", "shrunk.scn"])?;
        if code != Some(1) {
            return Err(format!("the shrunk plan does not show it any more (exit {code:?}):\n{said}"));
        }
        let (code, said) = run(clean, &["run", "--quiet", "shrunk.scn"])?;
        if code != Some(0) {
            return Err(format!("the shrunk plan fails without the mutant, too (exit {code:?}):\n{said}"));
        }
        Ok(format!(
            "found by {signature} at seed {seed}, {faults} faults + {operations} operations. {}",
            mutant.what
        ))
    }

    fn apply(&self, mutant: &Mutant) -> Outcome {
        let patch = self.work.join("patch");
        fs::write(&patch, &mutant.patch).map_err(|error| error.to_string())?;
        let mut apply = Command::new("git");
        // Inside another repository git would leave out, without a word, what lies above the directory.
        apply.arg("apply").arg(&patch).current_dir(&self.tree).env("GIT_CEILING_DIRECTORIES", &self.work);
        ok(&mut apply).map_err(|error| format!("the patch no longer applies: {error}"))
    }
}

/// What a hunt has found.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    /// Which oracle, and what kind of thing; `verify` where processes differ.
    signature: String,
    seed: String,
}

/// Looks for a mutant in seed after seed. What a seed shows without the mutant, too, is no finding.
fn find(
    mutant: &Mutant,
    template: &str,
    run: impl Fn(&[&str]) -> Result<(Option<i32>, String), String>,
    is_own: impl Fn(&str) -> Result<bool, String>,
) -> Result<Found, String> {
    let mut last = String::new();
    for from in (1..=SEEDS_MAX).step_by(usize::try_from(SEEDS_AT_ONCE).unwrap_or(usize::MAX)) {
        let (from, seeds) = (from.to_string(), SEEDS_AT_ONCE.to_string());
        let mut args = vec![mutant.found_by.as_str(), "--from", &from, "--seeds", &seeds];
        args.extend((mutant.found_by == "sweep").then_some("--keep-going"));
        args.push(template);
        (_, last) = run(&args)?;
        for found in findings(&last) {
            if is_own(&found.seed)? {
                return Ok(found);
            }
        }
    }
    Err(format!("no oracle found it in {SEEDS_MAX} seeds of {}; of the last ones:\n{last}", mutant.hunted_in))
}

/// Reads the lines of a report that repeat what an oracle or a comparison has found. That an assertion of the server's own failed
/// does not count: a release has none.
fn findings(said: &str) -> impl Iterator<Item = Found> {
    said.lines().filter_map(|line| {
        let (before, after) = line.split_once(" --seed ")?;
        let seed: String = after.chars().take_while(char::is_ascii_digit).collect();
        let failed = before.trim_start().strip_prefix("FAILED ");
        let signature = failed.and_then(|failed| failed.split(',').next()).unwrap_or("verify");
        let counts = !signature.starts_with("panic/") && !seed.is_empty();
        counts.then(|| Found { signature: signature.into(), seed })
    })
}

/// Runs a program in `den`; returns its exit code and what it said.
fn run_in(den: &Path, program: &Path, args: &[&str]) -> Result<(Option<i32>, String), String> {
    let mut command = Command::new(program);
    command.args(args).current_dir(den).stdin(Stdio::null());
    let done = command.output().map_err(|error| format!("{}: {error}", program.display()))?;
    Ok((done.status.code(), String::from_utf8_lossy(&done.stdout).into_owned()))
}

/// Reads `N faults + M operations` out of what `shrink` says.
fn counts(said: &str) -> Option<(usize, usize)> {
    said.lines().rev().find_map(|line| {
        let (before, after) = line.split_once(" faults + ")?;
        let faults = before.rsplit(' ').next()?.parse().ok()?;
        let operations = after.split(' ').next()?.parse().ok()?;
        Some((faults, operations))
    })
}

/// Makes `tree` a copy of the project. What is equal is not written, so that it is not built again.
fn copy(repo: &Repo, tree: &Path) -> Outcome {
    let fail = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    for (path, text) in repo.texts() {
        let to = tree.join(path);
        if fs::read(&to).is_ok_and(|old| old == text.as_bytes()) {
            continue;
        }
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder).map_err(|error| fail(folder, error))?;
        }
        fs::write(&to, text).map_err(|error| fail(&to, error))?;
    }
    remove_strays(repo, tree, tree)
}

/// Removes from the copy what is no file of the project: it may have been one at an earlier hunt.
fn remove_strays(repo: &Repo, tree: &Path, folder: &Path) -> Outcome {
    let fail = |error: std::io::Error| format!("{}: {error}", folder.display());
    for entry in fs::read_dir(folder).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        if path.is_dir() {
            remove_strays(repo, tree, &path)?;
        } else if path.strip_prefix(tree).ok().and_then(Path::to_str).and_then(|own| repo.text(own)).is_none()
        {
            fs::remove_file(&path).map_err(fail)?;
        }
    }
    Ok(())
}

fn ok(command: &mut Command) -> Outcome {
    let done = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if done.status.success() {
        return Ok(());
    }
    Err(format!("{}\n{}", done.status, String::from_utf8_lossy(&done.stderr)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_says_what_it_breaks_and_who_finds_it() {
        let patch = "# It forgets.\n# found by: sweep\n# in: scenarios/x/swarm.scn\n\ndiff --git a b\n";
        let found = mutant("tests/mutants/forgets.patch", patch).unwrap();
        assert_eq!((found.name.as_str(), found.what.as_str()), ("forgets", "It forgets."));
        assert_eq!((found.found_by.as_str(), found.hunted_in.as_str()), ("sweep", "scenarios/x/swarm.scn"));
        assert_eq!(found.lines_max, LINES_MAX);
        let longer = patch.replace("\n\n", "\n# lines: 9\n\n");
        assert_eq!(mutant("tests/mutants/forgets.patch", &longer).unwrap().lines_max, 9);
        assert!(mutant("p", &longer.replace('9', "few")).is_err());
        assert!(mutant("p", "# It forgets.\n# in: x\n").is_err());
        assert!(mutant("p", "# It forgets.\n# found by: luck\n# in: x\n").is_err());
    }

    #[test]
    fn the_counts_stand_anywhere_in_the_last_such_line() {
        assert_eq!(counts("a\nshrunk to 1 faults + 3 operations in 2 s\nwritten\n"), Some((1, 3)));
        assert_eq!(counts("nothing"), None);
    }

    #[test]
    fn findings_are_those_of_oracles_and_of_comparisons() {
        let said = "t.scn: 50 seeds from 1\n  FAILED panic/core/src/node.rs, 2 seeds: eyot-sim run t.scn --seed 3\n    node.rs:9: x\n  \
            FAILED acks/went-back, 4 seeds: eyot-sim run t.scn --seed 17\n";
        let found = |signature: &str, seed: &str| Found { signature: signature.into(), seed: seed.into() };
        assert_eq!(findings(said).collect::<Vec<_>>(), [found("acks/went-back", "17")]);
        let said = "differs: eyot-sim verify t.scn --seed 5 --against x\n";
        assert_eq!(findings(said).collect::<Vec<_>>(), [found("verify", "5")]);
    }

    #[test]
    fn what_the_unharmed_build_shows_too_is_passed_over() {
        let patch = "# It forgets.\n# found by: sweep\n# in: scenarios/x/swarm.scn\n";
        let mutant = mutant("tests/mutants/forgets.patch", patch).unwrap();
        let report = |args: &[&str]| {
            let from = args[2];
            Ok((Some(1), format!("  FAILED iq/unanswered, 1 seeds: eyot-sim run t.scn --seed {from}\n")))
        };
        let found = find(&mutant, "t.scn", report, |seed| Ok(seed != "1"));
        assert_eq!(found.unwrap().seed, "51");
        assert!(find(&mutant, "t.scn", report, |_| Ok(false)).is_err());
    }

    #[test]
    fn only_mutants_that_exist_can_be_named() {
        let patch = "# It forgets.\n# found by: sweep\n# in: scenarios/x/swarm.scn\n";
        let repo = Repo::of(&[("tests/mutants/forgets.patch", patch)]);
        assert_eq!(chosen(&repo, &[]).unwrap().len(), 1);
        assert!(chosen(&repo, &["other".into()]).is_err());
        assert!(chosen(&Repo::of(&[]), &[]).is_err());
    }
}
