//! `eyot-sim sweep` as a process of its own: what it reports, how it ends, what it leaves behind.

#![expect(clippy::unwrap_used, reason = "a failure is a failed test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const TEMPLATE: &str = "# A small swarm.\n# RFC 6120\nswarm users 2\nswarm clients 2..3\nswarm chaos 5s\nswarm ops 10..20\n\
    swarm do says 3 pings 1 closes 1\nswarm faults cut reset kill\n";
const UNTRUE: &str = "# A story that is not true.\n# RFC 6120\naccount alice\nclient alice on a\n\
    alice comes online\nexpect alice offline\n";

/// An empty folder in which one test runs the program.
fn folder(name: &str, story: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sweep").join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("t.scn"), story).unwrap();
    folder
}

/// Runs the program in a folder; returns exit code and standard output.
fn eyot_sim(folder: &Path, args: &[&str]) -> (i32, String) {
    let program = env!("CARGO_BIN_EXE_eyot-sim");
    let output = Command::new(program).args(args).current_dir(folder).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn the_report_does_not_depend_on_the_number_of_threads() {
    let folder = folder("threads", TEMPLATE);
    let alone = eyot_sim(&folder, &["sweep", "--seeds", "12", "--jobs", "1", "t.scn"]);
    assert_eq!(alone.0, 0, "{}", alone.1);
    assert!(alone.1.starts_with("t.scn: 12 seeds from 1\n  medians: 5 s of chaos, "), "{}", alone.1);
    assert!(alone.1.contains("too little happened in 100.0 %, chaos 100.0 %"), "{}", alone.1);
    assert_eq!(eyot_sim(&folder, &["sweep", "--seeds", "12", "--jobs", "5", "--fresh", "t.scn"]), alone);
}

#[test]
fn more_seeds_report_what_all_of_them_at_once_report() {
    let folder = folder("resumed", TEMPLATE);
    eyot_sim(&folder, &["sweep", "--seeds", "5", "t.scn"]);
    let resumed = eyot_sim(&folder, &["sweep", "--seeds", "9", "t.scn"]);
    assert_eq!(eyot_sim(&folder, &["sweep", "--seeds", "9", "--fresh", "t.scn"]), resumed);
}

#[test]
fn a_failed_seed_is_reported_with_the_line_that_repeats_it_and_kept() {
    let folder = folder("failed", UNTRUE);
    let (code, said) = eyot_sim(&folder, &["sweep", "--seeds", "3", "--from", "4", "t.scn"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("3 seeds: eyot-sim run t.scn --seed 4\n"), "{said}");
    assert!(said.contains("line 6: does not hold: expect alice offline"), "{said}");
    let repro = fs::read_to_string(folder.join("target/repro/t-4.scn")).unwrap();
    assert!(repro.contains("\n# found: t.scn seed 4\n"), "{repro}");
    assert_eq!(eyot_sim(&folder, &["run", "--quiet", "target/repro/t-4.scn"]).0, 1);
}

#[test]
fn a_plan_is_told_by_its_template_and_seed() {
    let folder = folder("plan", TEMPLATE);
    let (code, said) = eyot_sim(&folder, &["run", "t.scn", "--seed", "3"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.starts_with("A small swarm.\nt.scn, seed 3\n") && said.contains("(seed 3, hash "), "{said}");
    assert_ne!(eyot_sim(&folder, &["run", "t.scn", "--seed", "4"]).1, said);
}

#[test]
fn figures_are_recorded_on_the_page() {
    let folder = folder("recorded", TEMPLATE);
    fs::create_dir(folder.join("docs")).unwrap();
    fs::write(folder.join("docs/sweeps.md"), "# Sweeps\n").unwrap();
    assert_eq!(eyot_sim(&folder, &["sweep", "--seeds", "2", "--record", "t.scn"]).0, 0);
    assert_eq!(eyot_sim(&folder, &["sweep", "--seeds", "3", "--record", "t.scn"]).0, 0);
    let page = fs::read_to_string(folder.join("docs/sweeps.md")).unwrap();
    assert!(page.contains("| t.scn | from 1: 3 | 3 | ") && !page.contains("from 1: 2"), "{page}");
}
