//! What stands in every file: a page on top, nothing unfinished, nothing of the machine it was written on.

use crate::repo::{Finding, Repo, has_ending};

/// Marks of unfinished work. Spelt in parts, so that this file passes its own check.
const UNFINISHED: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("todo", "!("),
    concat!("unimplemented", "!("),
    concat!("#[", "ignore"),
];

/// Paths and hosts that mean one machine or one registry.
const MACHINE: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
    concat!("pypi", ".org"),
    concat!("crates", ".io/"),
    concat!("deb.debian", ".org"),
    concat!("npmjs", ".org"),
];

/// Finds Rust files that do not open with their page.
pub fn check_pages(repo: &Repo) -> Vec<Finding> {
    let bare = repo.rust("").filter(|(_, text)| !text.starts_with("//! "));
    bare.map(|(path, _)| Finding::at(path, 1, "begins without `//!`: say what the file is for")).collect()
}

/// Finds marks of unfinished work in everything that runs.
pub fn check_unfinished(repo: &Repo) -> Vec<Finding> {
    let runs = |path: &str| {
        ["rs", "py", "sh", "scn", "toml"].iter().any(|ending| has_ending(path, ending))
            || path.starts_with(".ci/")
    };
    repo.texts()
        .filter(|(path, _)| runs(path))
        .flat_map(|(path, text)| marks(path, text, UNFINISHED))
        .collect()
}

/// Finds paths of one machine and names of registries.
pub fn check_machine(repo: &Repo) -> Vec<Finding> {
    let texts = repo.texts().filter(|(path, _)| !has_ending(path, "lock"));
    texts.flat_map(|(path, text)| marks(path, text, MACHINE)).collect()
}

fn marks(path: &str, text: &str, marks: &'static [&str]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for mark in marks.iter().filter(|mark| line.contains(**mark)) {
            findings.push(Finding::at(path, index + 1, format!("`{mark}` does not belong into the project")));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_page_is_found() {
        assert_eq!(check_pages(&Repo::of(&[("a.rs", "use x;\n"), ("b.rs", "//! Says it.\n")])).len(), 1);
    }

    #[test]
    fn every_mark_of_unfinished_work_is_found() {
        for mark in UNFINISHED {
            assert_eq!(check_unfinished(&Repo::of(&[("a.rs", &format!("x; {mark}"))])).len(), 1, "{mark}");
        }
        assert_eq!(check_unfinished(&Repo::of(&[("docs/a.md", UNFINISHED[0])])), []);
    }

    #[test]
    fn every_path_of_a_machine_is_found() {
        for mark in MACHINE {
            assert_eq!(
                check_machine(&Repo::of(&[("README.md", &format!("see {mark}x"))])).len(),
                1,
                "{mark}"
            );
        }
        assert_eq!(check_machine(&Repo::of(&[("Cargo.lock", MACHINE[0])])), []);
    }
}
