//! The house is in order: what `cargo xtask tidy` checks, so that `cargo test` alone tells the truth.

use xtask::repo::Repo;
use xtask::tidy::CHECKS;

/// Runs one check by its name and shows what it found.
fn hold(name: &str) {
    let check = CHECKS.iter().find(|check| check.name == name).expect("a check of this name");
    let repo = Repo::open().expect("git lists the files");
    let findings: Vec<String> = (check.run)(&repo).iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

macro_rules! rules {
    ($($test:ident: $name:literal,)*) => {
        const RULES: &[&str] = &[$($name),*];
        $(#[test] fn $test() { hold($name); })*
    };
}

rules! {
    modules_use_lower_floors_only: "floors",
    core_names_no_clock_socket_file_or_random_map: "pure sources",
    core_and_the_server_hold_no_impure_package: "pure packages",
    files_and_functions_are_short: "lengths",
    every_file_opens_with_its_page: "pages",
    nothing_is_left_unfinished: "unfinished work",
    nothing_names_the_machine_it_was_written_on: "machine paths",
    every_story_has_its_transcript: "scenarios",
    the_simulators_runtime_and_its_flag_stay_in_the_stack: "stack",
    links_lead_somewhere: "links",
    names_in_guides_exist: "names in documents",
    the_changelog_keeps_its_form: "changelog",
    the_table_of_specifications_is_current: "specifications",
    every_dependency_has_its_reason: "reasons",
    every_licence_is_allowed: "licences",
}

#[test]
fn every_rule_of_tidy_stands_here() {
    let missing: Vec<_> =
        CHECKS.iter().map(|check| check.name).filter(|name| !RULES.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
