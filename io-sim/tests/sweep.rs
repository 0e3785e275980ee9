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
    let (code, said, _) = eyot_sim_with_errors(folder, args);
    (code, said)
}

/// Runs the program in a folder; returns exit code, standard output and standard error.
fn eyot_sim_with_errors(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let program = env!("CARGO_BIN_EXE_eyot-sim");
    let output = Command::new(program).args(args).current_dir(folder).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// Lays copies of what the program was built of into a folder.
#[cfg(unix)]
fn lay_sources(folder: &Path) {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for name in ["core", "io-sim", "Cargo.toml", "Cargo.lock"] {
        std::os::unix::fs::symlink(repository.join(name), folder.join(name)).unwrap();
    }
}

#[test]
fn the_report_does_not_depend_on_the_number_of_threads() {
    let folder = folder("threads", TEMPLATE);
    let alone = eyot_sim(&folder, &["sweep", "--seeds", "12", "--jobs", "1", "t.scn"]);
    assert_eq!(alone.0, 1, "a sweep in which too little happens fails: {}", alone.1);
    assert!(alone.1.starts_with("t.scn: 12 seeds from 1\n  0 seeds count, too little"), "{}", alone.1);
    assert!(alone.1.contains("too little happened in 100.0 %, chaos 100.0 %"), "{}", alone.1);
    assert!(alone.1.contains("SHOWS NOTHING") && !alone.1.contains("all well"), "{}", alone.1);
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

#[cfg(unix)]
#[test]
fn figures_are_recorded_on_the_page() {
    let folder = folder("recorded", TEMPLATE);
    lay_sources(&folder);
    fs::create_dir(folder.join("docs")).unwrap();
    fs::write(folder.join("docs/sweeps.md"), "# Sweeps\n").unwrap();
    for seeds in ["2", "3"] {
        let (_, said, errors) =
            eyot_sim_with_errors(&folder, &["sweep", "--seeds", seeds, "--record", "t.scn"]);
        assert!(said.starts_with("t.scn: ") && errors.is_empty(), "{said}{errors}");
    }
    let page = fs::read_to_string(folder.join("docs/sweeps.md")).unwrap();
    assert!(page.contains("| t.scn | from 1: 3 | 3 | ") && !page.contains("from 1: 2"), "{page}");
}

#[cfg(unix)]
#[test]
fn a_program_of_other_sources_records_nothing() {
    let folder = folder("stale", TEMPLATE);
    fs::create_dir(folder.join("docs")).unwrap();
    fs::write(folder.join("docs/sweeps.md"), "# Sweeps\n").unwrap();
    lay_sources(&folder);
    fs::remove_file(folder.join("Cargo.lock")).unwrap();
    fs::write(folder.join("Cargo.lock"), "another").unwrap();
    let (code, said, errors) = eyot_sim_with_errors(&folder, &["sweep", "--seeds", "2", "--record", "t.scn"]);
    assert_eq!((code, said.as_str()), (2, ""));
    assert!(errors.contains("nothing can be recorded: this program was built of sources "), "{errors}");
    assert_eq!(fs::read_to_string(folder.join("docs/sweeps.md")).unwrap(), "# Sweeps\n");
}

#[test]
fn what_another_program_has_told_is_not_taken_up() {
    let folder = folder("other", UNTRUE);
    eyot_sim(&folder, &["sweep", "--seeds", "2", "t.scn"]);
    let programs: Vec<PathBuf> =
        fs::read_dir(folder.join("target/sweep")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let state = programs[0].join("t.from-1.txt");
    let told = fs::read_to_string(&state).unwrap();
    let own = told.replace("count 2 seeds", "count 7 seeds");
    fs::write(&state, &own).unwrap();
    let said = eyot_sim(&folder, &["sweep", "--seeds", "2", "t.scn"]).1;
    assert!(said.starts_with("t.scn: 7 seeds from 1\n"), "its own state counts: {said}");
    fs::write(&state, own.replace("of program ", "of program 0")).unwrap();
    let said = eyot_sim(&folder, &["sweep", "--seeds", "2", "t.scn"]).1;
    assert!(said.starts_with("t.scn: 2 seeds from 1\n"), "{said}");
}

#[test]
fn what_cannot_be_written_is_named_before_the_first_seed() {
    let folder = folder("unwritable", UNTRUE);
    fs::write(folder.join("target"), "a file").unwrap();
    let (code, said, errors) = eyot_sim_with_errors(&folder, &["sweep", "--seeds", "2", "t.scn"]);
    assert_eq!((code, said.as_str()), (2, ""));
    assert!(errors.starts_with("eyot-sim: target/repro: "), "{errors}");
}

#[test]
fn a_report_is_printed_even_when_nothing_can_be_put_aside() {
    let folder = folder("unsaved", UNTRUE);
    eyot_sim(&folder, &["sweep", "--seeds", "1", "t.scn"]);
    let program = fs::read_dir(folder.join("target/sweep")).unwrap().next().unwrap().unwrap().path();
    let state = program.join("t.from-1.txt");
    fs::remove_file(&state).unwrap();
    fs::create_dir_all(state.join("in-the-way")).unwrap();
    let (code, said, errors) = eyot_sim_with_errors(&folder, &["sweep", "--seeds", "2", "t.scn"]);
    assert_eq!(code, 2);
    assert!(said.starts_with("t.scn: 2 seeds from 1\n") && said.contains("FAILED expect"), "{said}");
    assert!(errors.contains("t.from-1.txt: "), "{errors}");
}

#[cfg(unix)]
#[test]
fn a_page_that_is_not_there_is_named_before_the_first_seed() {
    let folder = folder("pageless", UNTRUE);
    lay_sources(&folder);
    let (code, said, errors) = eyot_sim_with_errors(&folder, &["sweep", "--seeds", "2", "--record", "t.scn"]);
    assert_eq!((code, said.as_str()), (2, ""));
    assert!(errors.starts_with("eyot-sim: docs/sweeps.md: "), "{errors}");
}

#[test]
fn no_seeds_are_refused_and_the_last_seeds_end() {
    let folder = folder("bounds", UNTRUE);
    assert_eq!(eyot_sim(&folder, &["sweep", "--seeds", "0", "t.scn"]).0, 2);
    let last = (u64::MAX - 2).to_string();
    let many = ["sweep", "--seeds", "9", "--from", &last, "--jobs", "4200", "t.scn"];
    let (code, said) = eyot_sim(&folder, &many);
    assert_eq!(code, 1, "{said}");
    assert!(said.starts_with(&format!("t.scn: 2 seeds from {last}\n")), "{said}");
}

#[test]
fn a_template_that_no_plan_can_be_drawn_from_ends_with_its_line() {
    let folder = folder("wrong", &format!("{TEMPLATE}swarm links carrier-pigeon\n"));
    let (code, said, errors) = eyot_sim_with_errors(&folder, &["sweep", "--seeds", "2", "t.scn"]);
    assert_eq!((code, said.as_str()), (2, ""));
    assert!(errors.starts_with("eyot-sim: t.scn:9: "), "{errors}");
}
