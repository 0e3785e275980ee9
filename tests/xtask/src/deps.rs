//! Dependencies: each has its reason behind it, and a licence that `deny.toml` allows.

use crate::repo::{Finding, Repo};
use crate::run;

/// Finds dependency lines without a reason.
pub fn check_reasons(repo: &Repo) -> Vec<Finding> {
    let manifests = repo.texts().filter(|(path, _)| path.ends_with("/Cargo.toml"));
    manifests.flat_map(|(path, text)| reasonless(path, text)).collect()
}

fn reasonless(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut inside = false;
    for (index, line) in text.lines().enumerate() {
        if line.starts_with('[') {
            inside = line.trim_end().ends_with("dependencies]");
            if line.contains("dependencies.") {
                findings.push(Finding::at(
                    path,
                    index + 1,
                    "one line per dependency, with its reason behind it",
                ));
            }
        } else if inside && line.starts_with(|c: char| c.is_alphabetic()) {
            let reason = line.split_once(" # ").is_some_and(|(_, reason)| !reason.trim().is_empty());
            if !reason {
                let what = "a dependency without its reason: `name = { workspace = true } # what it is for`";
                findings.push(Finding::at(path, index + 1, what));
            }
        }
    }
    findings
}

/// Finds packages of the workspace's tree whose licence `deny.toml` does not allow.
pub fn check_licences(repo: &Repo) -> Vec<Finding> {
    let allowed = allowed(repo.text("deny.toml").unwrap_or_default());
    let args = ["tree", "--workspace", "-e", "normal,build,dev", "--prefix", "none", "--format", "{p}\t{l}"];
    match run::output(run::cargo(), &args, repo.root()) {
        Ok(listed) => refused(&listed, &allowed),
        Err(error) => vec![Finding::of("Cargo.toml", error)],
    }
}

/// The licences in the `allow` list of `deny.toml`.
fn allowed(text: &str) -> Vec<&str> {
    let list = text.lines().skip_while(|line| !line.starts_with("allow = ["));
    let list = list.take_while(|line| !line.starts_with(']'));
    list.filter_map(|line| line.split('"').nth(1)).collect()
}

fn refused(listed: &str, allowed: &[&str]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for line in listed.lines().filter(|line| !line.is_empty()) {
        let (package, licence) = line.split_once('\t').unwrap_or((line, ""));
        let licence = licence.trim_end_matches("(*)").trim();
        if !satisfied(licence, allowed) {
            let name = package.split(" (").next().unwrap_or(package);
            findings
                .push(Finding::of("deny.toml", format!("{name} is under `{licence}`, which is not allowed")));
        }
    }
    findings.sort();
    findings.dedup();
    findings
}

/// Tells whether the allowed licences satisfy an SPDX expression. `AND` binds closer than `OR`; the old
/// slash means `OR`.
fn satisfied(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let verdict = any(&words, &mut at, allowed);
    verdict && at == words.len()
}

fn any(words: &[&str], at: &mut usize, allowed: &[&str]) -> bool {
    let mut verdict = all(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        verdict |= all(words, at, allowed);
    }
    verdict
}

fn all(words: &[&str], at: &mut usize, allowed: &[&str]) -> bool {
    let mut verdict = one(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        verdict &= one(words, at, allowed);
    }
    verdict
}

fn one(words: &[&str], at: &mut usize, allowed: &[&str]) -> bool {
    let Some(word) = words.get(*at) else { return false };
    *at += 1;
    if *word == "(" {
        let verdict = any(words, at, allowed);
        *at += 1;
        return verdict;
    }
    if words.get(*at) == Some(&"WITH") {
        let whole = format!("{word} WITH {}", words.get(*at + 1).unwrap_or(&""));
        *at += 2;
        // An exception only adds permissions.
        return allowed.contains(word) || allowed.contains(&whole.as_str());
    }
    allowed.contains(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_without_a_reason_is_found() {
        let text = "[package]\nname = \"x\"\n[dependencies]\na = \"1\" # does a\nb = { workspace = true }\n[lints]\nworkspace = true\n";
        let found = check_reasons(&Repo::of(&[("core/Cargo.toml", text)]));
        assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [5]);
        assert_eq!(check_reasons(&Repo::of(&[("a/Cargo.toml", "[dev-dependencies.x]\n")])).len(), 1);
    }

    #[test]
    fn licence_expressions_are_judged() {
        let allowed = ["MIT", "Apache-2.0", "ISC"];
        for good in [
            "MIT",
            "GPL-3.0 OR MIT",
            "MIT/GPL-2.0",
            "(MIT OR GPL-3.0) AND ISC",
            "Apache-2.0 WITH LLVM-exception",
        ] {
            assert!(satisfied(good, &allowed), "{good}");
        }
        for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR GPL-3.0) AND GPL-3.0", "MIT GPL-3.0"] {
            assert!(!satisfied(bad, &allowed), "{bad}");
        }
    }

    #[test]
    fn the_allowed_licences_are_those_of_deny_toml() {
        let deny = "[licenses]\nallow = [\n    \"MIT\", # most\n    \"ISC\",\n]\nother = \"x\"\n";
        assert_eq!(allowed(deny), ["MIT", "ISC"]);
        assert_eq!(refused("a v1 (x)\tMIT\nb v2\tGPL-3.0 (*)\n", &allowed(deny)).len(), 1);
    }
}
