//! The list of all checks. `cargo xtask tidy` runs them, and so does `tests/tests/house.rs`.

use crate::repo::{Finding, Repo};
use crate::{changelog, deps, floors, links, names, pages, purity, scenarios, sizes, stack, xeps};

/// One check.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// Its name, as `cargo xtask tidy` shows it.
    pub name: &'static str,
    /// From the files to the findings.
    pub run: fn(&Repo) -> Vec<Finding>,
}

/// Every check, the quick ones first.
pub const CHECKS: &[Check] = &[
    Check { name: "floors", run: floors::check },
    Check { name: "pure sources", run: purity::check_sources },
    Check { name: "lengths", run: sizes::check },
    Check { name: "pages", run: pages::check_pages },
    Check { name: "unfinished work", run: pages::check_unfinished },
    Check { name: "machine paths", run: pages::check_machine },
    Check { name: "scenarios", run: scenarios::check },
    Check { name: "stack", run: stack::check },
    Check { name: "links", run: links::check },
    Check { name: "names in documents", run: names::check },
    Check { name: "changelog", run: changelog::check },
    Check { name: "specifications", run: xeps::check },
    Check { name: "reasons", run: deps::check_reasons },
    Check { name: "licences", run: deps::check_licences },
    Check { name: "pure packages", run: purity::check_packages },
];

/// Runs every check and returns what they found, in the order of the list.
pub fn findings(repo: &Repo) -> Vec<(&'static str, Finding)> {
    CHECKS
        .iter()
        .flat_map(|check| (check.run)(repo).into_iter().map(|finding| (check.name, finding)))
        .collect()
}
