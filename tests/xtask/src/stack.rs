//! The stack stands apart: nothing of it reaches the production build, and it tests what production runs.
//!
//! Its workspace cannot inherit from the root one, so what both must share is compared here: the lints, and the
//! versions of what the driver is built on.

use std::collections::BTreeSet;

use crate::repo::{Finding, Repo};

const ROOT: &str = "Cargo.toml";
const ROOT_LOCK: &str = "Cargo.lock";
const STACK: &str = "tests/stack/Cargo.toml";
const STACK_LOCK: &str = "tests/stack/Cargo.lock";
const DRIVER: &str = "tests/stack/driver/Cargo.toml";
/// Where the flag stands, and nowhere else.
const STACK_FLAG: &str = "tests/stack/.cargo/config.toml";
/// The one lint that only the stack has: it knows the flag.
const STACK_LINT: &str = "unexpected_cfgs";

/// Finds the simulator's runtime or flag outside of the stack, and a stack that has grown away from production.
pub fn check(repo: &Repo) -> Vec<Finding> {
    let mut findings = foreign(repo);
    findings.extend(flag(repo));
    findings.extend(lints(repo));
    findings.extend(versions(repo));
    findings
}

/// The runtime in a manifest or lock file of another workspace; its flag in anything that builds.
fn foreign(repo: &Repo) -> Vec<Finding> {
    let builds = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or(path);
        matches!(name, "Cargo.toml" | "Cargo.lock" | "build.rs" | "config.toml") || path.starts_with(".ci/")
    };
    let others = repo.texts().filter(|(path, _)| builds(path) && !path.starts_with("tests/stack/"));
    let mut findings = Vec::new();
    for (path, text) in others {
        for (index, line) in text.lines().enumerate() {
            let said = line.split('#').next().unwrap_or(line);
            if said.contains("madsim") {
                findings.push(Finding::at(
                    path,
                    index + 1,
                    "names the simulator's runtime: it belongs to tests/stack",
                ));
            }
        }
    }
    findings
}

fn flag(repo: &Repo) -> Option<Finding> {
    let set = repo.text(STACK_FLAG).is_some_and(|text| text.contains("\"--cfg\", \"madsim\""));
    (!set).then(|| {
        Finding::of(STACK_FLAG, "does not set `--cfg madsim`: the stack would be built on real sockets")
    })
}

fn lints(repo: &Repo) -> Option<Finding> {
    let of = |path| lint_lines(repo.text(path).unwrap_or_default());
    (of(ROOT) != of(STACK)).then(|| Finding::of(STACK, "has other lints than the root workspace: copy them"))
}

/// The lines of a manifest's lint tables, in order.
fn lint_lines(text: &str) -> Vec<&str> {
    let mut inside = false;
    let mut lines = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with(STACK_LINT)) {
        if line.starts_with('[') {
            inside = line.starts_with("[workspace.lints.");
        }
        if inside {
            lines.push(line);
        }
    }
    lines
}

/// Packages that the driver names and of which the two lock files hold other versions.
fn versions(repo: &Repo) -> Vec<Finding> {
    let text = |path| repo.text(path).unwrap_or_default();
    let named = dependencies(text(DRIVER)).into_iter().filter(|name| *name != "tokio");
    named
        .filter_map(|name| {
            let (root, stack) = (locked(text(ROOT_LOCK), name), locked(text(STACK_LOCK), name));
            let what = format!(
                "holds {name} {stack:?}, production has {root:?}: \
                 cd tests/stack && cargo update {name} --precise VERSION"
            );
            (root != stack).then(|| Finding::of(STACK_LOCK, what))
        })
        .collect()
}

fn dependencies(text: &str) -> Vec<&str> {
    let lines = text.lines().skip_while(|line| *line != "[dependencies]").skip(1);
    lines
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| Some(line.split_once(" = ")?.0))
        .collect()
}

fn locked<'a>(text: &'a str, name: &str) -> BTreeSet<&'a str> {
    let wanted = format!("name = \"{name}\"");
    let packages = text.lines().zip(text.lines().skip(1)).filter(|(line, _)| *line == wanted);
    packages.filter_map(|(_, version)| version.split('"').nth(1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINTS: &str = "[workspace.lints.rust]\nunsafe_code = \"forbid\"\n\n[profile.dev]\ndebug = 1\n";
    const STACK_LINTS: &str =
        "[workspace.lints.rust]\nunsafe_code = \"forbid\"\nunexpected_cfgs = \"warn\"\n";
    const FLAG: &str = "[build]\nrustflags = [\"--cfg\", \"madsim\"]\n";

    fn found(more: &[(&str, &str)]) -> Vec<String> {
        let mut files = vec![(ROOT, LINTS), (STACK, STACK_LINTS), (STACK_FLAG, FLAG)];
        files.retain(|(path, _)| more.iter().all(|(other, _)| other != path));
        files.extend(more);
        check(&Repo::of(&files)).iter().map(|finding| finding.path.clone()).collect()
    }

    #[test]
    fn the_runtime_and_its_flag_are_found_wherever_production_is_built() {
        assert_eq!(found(&[]), [""; 0]);
        for path in [".cargo/config.toml", "io-tokio/.cargo/config.toml", ".ci/run", "io-sim/build.rs"] {
            assert_eq!(found(&[(path, "RUSTFLAGS='--cfg madsim'\n")]), [path]);
        }
        assert_eq!(found(&[("Cargo.lock", "name = \"madsim-tokio\"\n")]), ["Cargo.lock"]);
        assert_eq!(found(&[("core/Cargo.toml", "# not madsim\n")]), [""; 0]);
    }

    #[test]
    fn a_stack_without_its_flag_or_with_other_lints_is_found() {
        assert_eq!(found(&[(STACK_FLAG, "[build]\n")]), [STACK_FLAG]);
        assert_eq!(found(&[(STACK, "[workspace.lints.rust]\n")]), [STACK]);
    }

    #[test]
    fn another_version_under_the_driver_is_found() {
        let driver = (DRIVER, "[dependencies]\nredb = \"4\" # x\ntokio = \"0.2\" # y\n\n[lints]\n");
        let lock = |version: &str| format!("[[package]]\nname = \"redb\"\nversion = \"{version}\"\n");
        let (old, new) = (lock("4.0.0"), lock("4.5.0"));
        assert_eq!(found(&[driver, (ROOT_LOCK, &new), (STACK_LOCK, &new)]), [""; 0]);
        assert_eq!(found(&[driver, (ROOT_LOCK, &new), (STACK_LOCK, &old)]), [STACK_LOCK]);
    }
}
