//! Lengths: a file has at most 600 lines before its tests, a function at most 70.
//!
//! Older excesses stand in `tests/xtask/ratchet.txt` and may only shrink.

use std::collections::BTreeMap;

use crate::repo::{Finding, Repo};
use crate::source;

/// Lines of a file before its tests.
pub const FILE_LINES: usize = 600;
/// Lines of a function, from `fn` to the closing brace.
pub const FUNCTION_LINES: usize = 70;

const RATCHET: &str = "tests/xtask/ratchet.txt";

/// Finds what is too long and stands not in the ratchet, and what the ratchet holds without need.
pub fn check(repo: &Repo) -> Vec<Finding> {
    let mut allowed = match ratchet(repo.text(RATCHET).unwrap_or_default()) {
        Ok(allowed) => allowed,
        Err(finding) => return vec![finding],
    };
    let mut findings = Vec::new();
    for (path, text) in repo.rust("") {
        let lines = source::before_tests(text).lines().count();
        if lines > FILE_LINES {
            let key = format!("file {path}");
            findings.extend(judge(&mut allowed, &key, (path, 0), (lines, FILE_LINES)));
        }
        for function in source::functions(&source::code(text)) {
            if function.lines > FUNCTION_LINES {
                let key = format!("function {path} {}", function.name);
                let sizes = (function.lines, FUNCTION_LINES);
                findings.extend(judge(&mut allowed, &key, (path, function.line), sizes));
            }
        }
    }
    findings.extend(
        allowed.keys().map(|key| Finding::of(RATCHET, format!("{key}: is within bounds: remove the line"))),
    );
    findings
}

/// Compares one excess with the ratchet and takes it from there.
fn judge(
    allowed: &mut BTreeMap<String, usize>,
    key: &str,
    (path, line): (&str, usize),
    (lines, bound): (usize, usize),
) -> Option<Finding> {
    match allowed.remove(key) {
        None => Some(Finding::at(path, line, format!("{key}: {lines} lines; at most {bound}: split it"))),
        Some(old) if lines > old => {
            Some(Finding::at(path, line, format!("{key}: grew from {old} to {lines} lines")))
        }
        Some(old) if lines < old => {
            Some(Finding::of(RATCHET, format!("{key}: shrank to {lines}: write that down")))
        }
        Some(_) => None,
    }
}

fn ratchet(text: &str) -> Result<BTreeMap<String, usize>, Finding> {
    let mut allowed = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let entry = line.rsplit_once(' ').and_then(|(key, lines)| Some((key, lines.parse().ok()?)));
        let Some((key, lines)) = entry else {
            return Err(Finding::at(
                RATCHET,
                index + 1,
                "not `file PATH LINES` or `function PATH NAME LINES`",
            ));
        };
        allowed.insert(key.into(), lines);
    }
    Ok(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long_file() -> String {
        format!("{}#[cfg(test)]\nmod tests {{\n{}", "//\n".repeat(FILE_LINES + 1), "//\n".repeat(500))
    }

    fn long_function() -> String {
        format!("fn f() {{\n{}}}\n", "x;\n".repeat(FUNCTION_LINES))
    }

    #[test]
    fn a_long_file_and_a_long_function_are_found() {
        let repo = Repo::of(&[("core/src/a.rs", &long_file()), ("core/src/b.rs", &long_function())]);
        let found: Vec<_> = check(&repo).into_iter().map(|finding| finding.path).collect();
        assert_eq!(found, ["core/src/a.rs", "core/src/b.rs"]);
    }

    #[test]
    fn lines_of_tests_do_not_count() {
        let text = format!("{}#[cfg(test)]\nmod tests {{\n{}", "//\n".repeat(FILE_LINES), "//\n".repeat(500));
        assert_eq!(check(&Repo::of(&[("core/src/a.rs", &text)])), []);
    }

    #[test]
    fn the_ratchet_turns_one_way_only() {
        let text = long_function();
        let found = |allowed: &str| {
            let line = format!("function a.rs f {allowed}\n");
            check(&Repo::of(&[("a.rs", &text), (RATCHET, &line)])).len()
        };
        assert_eq!((found("71"), found("72"), found("73")), (1, 0, 1));
        assert_eq!(check(&Repo::of(&[(RATCHET, "file gone.rs 700\n")])).len(), 1);
    }
}
