//! Names in documents: each file and function that the guides name exists in the source.
//!
//! In the guides, `` `path/to/file.rs`, `function` `` names a function of that file, a span with a slash and an
//! ending names a file, one that ends with a slash a folder, one that ends with `()` a function anywhere.

use std::collections::BTreeSet;

use crate::repo::{Finding, Repo, has_ending};
use crate::source;

/// The documents whose names are checked.
const GUIDES: &[&str] = &["docs/architecture.md", "docs/follow-a-stanza.md", "docs/simulation.md"];
/// Endings by which a span is known for a file.
const ENDINGS: &[&str] = &["rs", "toml", "txt", "md", "scn", "snap", "py"];

/// Finds names that the source does not have.
pub fn check(repo: &Repo) -> Vec<Finding> {
    let functions: BTreeSet<String> = repo.rust("").flat_map(|(_, text)| declared(text)).collect();
    let mut findings = Vec::new();
    for (path, text) in repo.texts().filter(|(path, _)| GUIDES.contains(path)) {
        for (index, line) in text.lines().enumerate() {
            let found = wrong_names(repo, &functions, line);
            findings.extend(found.into_iter().map(|what| Finding::at(path, index + 1, what)));
        }
    }
    findings
}

fn wrong_names(repo: &Repo, functions: &BTreeSet<String>, line: &str) -> Vec<String> {
    let parts: Vec<&str> = line.split('`').collect();
    let mut found = Vec::new();
    for (index, span) in parts.iter().enumerate().skip(1).step_by(2) {
        let is_file = span.contains('/') && !span.contains([' ', '*', ':']);
        if is_file && ENDINGS.iter().any(|ending| has_ending(span, ending)) {
            match repo.text(span) {
                None => found.push(format!("there is no file `{span}`")),
                Some(text) if parts.get(index + 1) == Some(&", ") => {
                    let function = parts.get(index + 2).copied().unwrap_or_default();
                    if !declared(text).iter().any(|name| name == function) {
                        found.push(format!("there is no `fn {function}` in `{span}`"));
                    }
                }
                Some(_) => {}
            }
        } else if is_file && span.ends_with('/') && !repo.has(span) {
            found.push(format!("there is no folder `{span}`"));
        } else if let Some(function) = span.strip_suffix("()") {
            let name = function.rsplit("::").next().unwrap_or(function);
            if !functions.contains(name) {
                found.push(format!("there is no `fn {name}`"));
            }
        }
    }
    found
}

/// The functions a file declares, with or without a body.
fn declared(text: &str) -> Vec<String> {
    let code = source::code(text);
    let tokens = source::tokens(&code);
    let pairs = tokens.windows(2).filter_map(|pair| match pair {
        [(_, "fn"), (_, name)] => Some((*name).to_owned()),
        _ => None,
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &str) -> usize {
        let source = "impl N { fn go(&self) {} }\ntrait T { fn ask(&self); }";
        check(&Repo::of(&[("docs/architecture.md", line), ("core/src/node.rs", source)])).len()
    }

    #[test]
    fn names_that_exist_are_accepted() {
        assert_eq!(found("1 `core/src/node.rs`, `go` and `ask()`, in `core/src/` and `N::go()`"), 0);
    }

    #[test]
    fn names_that_do_not_exist_are_found() {
        assert_eq!(found("`core/src/node.rs`, `gone`"), 1);
        assert_eq!(found("`core/src/gone.rs`"), 1);
        assert_eq!(found("`core/gone/`"), 1);
        assert_eq!(found("`N::gone()`"), 1);
    }
}
