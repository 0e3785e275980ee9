//! From a red seed to a kept regression, with the program `eyot-sim` as a process: `shrink`, `replay`, `keep`, `verify`.

#![expect(clippy::unwrap_used, reason = "a failure is a failed test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const EYOT_SIM: &str = env!("CARGO_BIN_EXE_eyot-sim");
const STORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/message/full-and-bare.scn");
const TEMPLATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/node/swarm.scn");
/// Bob is offered nothing that he could get: the link is cut, and all around it others talk.
const FAILING: &str = "# Bob misses one.\n# RFC 6121, 8.5\naccount alice\naccount bob\naccount carol\n\
    client alice on a link satcom\nclient bob on a\nclient carol on a resource r\n\
    alice comes online\nbob comes online\ncarol comes online\nsettle\n\
    carol says to alice: hi\nexpect alice < message\nat 12345ms carol says to alice: three\nwait 12s\n\
    cut alice\nalice says to bob: two\nwait 7s\nheal alice\nexpect bob got 3 messages\n";

/// Runs the program to its end; returns exit code and standard output.
fn eyot_sim(args: &[&str]) -> (i32, String) {
    let Output { status, stdout, stderr } = Command::new(EYOT_SIM).args(args).output().unwrap();
    assert_eq!(String::from_utf8(stderr).unwrap(), "", "nothing on the error output: {args:?}");
    (status.code().unwrap(), String::from_utf8(stdout).unwrap())
}

/// A folder of one test, empty.
fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("repro").join(test);
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Writes a file and returns its path.
fn file(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Shrinks the failing story; the path of the Repro and what was said.
fn shrunk(test: &str) -> (PathBuf, String, String) {
    let folder = folder(test);
    let story = file(&folder, "story.scn", FAILING);
    let out = folder.join("repro.scn").to_str().unwrap().to_owned();
    let (code, said) = eyot_sim(&["shrink", &story, "--seed", "7", "--out", &out, "--explain"]);
    assert_eq!(code, 0, "{said}");
    (folder, out, said)
}

#[test]
fn a_failing_story_is_made_small_and_explained() {
    let (_, out, said) = shrunk("shrink");
    for part in [
        "shows expect/expect bob got 3 messages",
        "from 1 faults + 6 operations of 3 clients, 21 lines",
        "to 0 faults + 1 operations of 1 clients",
        "nothing more can go; run once more from its text: the same",
        "What led to it:\ndoes not hold: expect bob got 3 messages",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let text = fs::read_to_string(&out).unwrap();
    let head = "# Bob misses one.\n# RFC 6121, 8.5\n# repro: expect/expect bob got 3 messages\n\
        # found: story.scn seed 7\n\nseed 7\nslices whole\n";
    assert!(text.starts_with(head) && text.ends_with("expect bob got 3 messages\n"), "{text}");
    assert!(!text.contains("carol") && !text.contains("cut"), "{text}");
    let (code, said) = eyot_sim(&["shrink", &out, "--out", &out]);
    assert_eq!(code, 2, "it writes over nothing: {said}");
}

#[test]
fn a_repro_is_replayed_until_it_does_not_show_any_more() {
    let (folder, out, _) = shrunk("replay");
    let (code, said) = eyot_sim(&["replay", &out, "--explain"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("shows expect/expect bob got 3 messages again"), "{said}");
    assert!(said.contains("What led to it:"), "{said}");
    let text = fs::read_to_string(&out).unwrap();
    let cured = text.replace("\nexpect bob got 3 messages", "\nexpect bob got 0 messages");
    let (code, said) = eyot_sim(&["replay", &file(&folder, "cured.scn", &cured)]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("does not show expect/expect bob got 3 messages any more\n"), "{said}");
    let other = text.replace("\nexpect bob got 3 messages", "\nexpect bob got 4 messages");
    let (code, said) = eyot_sim(&["replay", &file(&folder, "other.scn", &other)]);
    assert_eq!(code, 1, "another failure is no success: {said}");
    assert!(said.contains("any more, but expect/expect bob got 4 messages"), "{said}");
    let broken = format!("{text}bob juggles\n");
    let (code, said) = eyot_sim(&["replay", &file(&folder, "broken.scn", &broken)]);
    assert_eq!(code, 2, "{said}");
}

#[test]
fn what_does_not_fail_is_not_shrunk() {
    let (code, said) = eyot_sim(&["shrink", STORY]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("does not fail: nothing to shrink"), "{said}");
    assert_eq!(eyot_sim(&["shrink", "absent.scn"]).0, 2);
}

#[test]
fn a_repro_is_kept_under_a_free_name_and_runs_there() {
    let (folder, out, _) = shrunk("keep");
    let into = folder.join("regress");
    let into = into.to_str().unwrap();
    let keep = |file: &str, name: &str| {
        eyot_sim(&["keep", file, name, "--into", into, "--story", "Found by a sweep: Bob waits."])
    };
    let (code, said) = keep(&out, "bob-waits");
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("it still fails (expect/expect bob got 3 messages): correct that next"), "{said}");
    let kept = format!("{into}/bob-waits.scn");
    let text = fs::read_to_string(&kept).unwrap();
    let head = "# Found by a sweep: Bob waits.\n# RFC 6121, 8.5\n\
        # Showed expect/expect bob got 3 messages; found in story.scn seed 7.\n\nseed 7\nslices whole\n";
    assert!(text.starts_with(head), "{text}");
    let (code, said) = eyot_sim(&["run", &kept, "--seed", "9"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("0 of 1 expectations: FAILED  (seed 7, "), "{said}");
    let (code, said) = keep(&out, "bob-waits");
    assert_eq!(code, 2, "the name is taken: {said}");
    let (code, said) = keep(STORY, "no-repro");
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("is no Repro"), "{said}");
    let cured = fs::read_to_string(&out).unwrap().replace("\nexpect bob got 3", "\nexpect bob got 0");
    let (code, said) = keep(&file(&folder, "cured.scn", &cured), "cured");
    assert_eq!((code, said.ends_with("kept; it passes\n")), (0, true), "{said}");
}

#[test]
fn a_seed_is_the_same_run_in_every_process() {
    let (code, said) = eyot_sim(&["verify", STORY, "--seeds", "4", "--from", "3", "--against", EYOT_SIM]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("1 files, 4 runs each (here"), "{said}");
    assert!(said.contains("elsewhere, addresses drawn, 3 threads; by "), "{said}");
    assert!(said.ends_with(": the same\n"), "{said}");
    let (code, said) = eyot_sim(&["verify", TEMPLATE, "--seeds", "2"]);
    assert_eq!(code, 0, "plans are drawn from the seed alone: {said}");
    let broken = file(&folder("verify"), "broken.scn", "# S.\n# R\nalice juggles\n");
    assert_eq!(eyot_sim(&["verify", &broken]).0, 2);
}

/// A build that runs seed 8 where it was asked for seed 7: the run of another program, as far as `verify` can see.
#[cfg(unix)]
#[test]
fn a_build_that_runs_otherwise_is_found_with_its_first_event() {
    use std::os::unix::fs::PermissionsExt as _;
    let other = file(
        &folder("other-build"),
        "eyot-sim",
        &format!(
            "#!/bin/sh\nfile=$2; shift 4\n\
            '{EYOT_SIM}' trace \"$file\" --seed 8 \"$@\" | sed 's/^seed 8 /seed 7 /'\n"
        ),
    );
    fs::set_permissions(&other, fs::Permissions::from_mode(0o755)).unwrap();
    let (code, said) = eyot_sim(&["verify", STORY, "--from", "7", "--against", &other]);
    assert_eq!(code, 1, "{said}");
    for part in [
        "a build of other sources is no wonder",
        "seed 7: two runs differ",
        &format!("again: eyot-sim verify {STORY} --seed 7 --against {other}"),
        "they part at event 1:",
        "both: 0.000s Answer",
        "a is given Loaded",
        ": NOT THE SAME\n",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn a_traced_run_is_told_event_by_event_up_to_its_end() {
    let (code, said) = eyot_sim(&["trace", STORY, "--every", "1", "--from-event", "20", "--to-event", "22"]);
    assert_eq!(code, 0, "{said}");
    let mut lines = said.lines();
    assert!(lines.next().unwrap().starts_with("seed 0 "), "{said}");
    let numbers: Vec<&str> = lines.map(|line| line.split(' ').nth(1).unwrap()).collect();
    let (end, told) = numbers.split_last().unwrap();
    assert!(end.parse::<u64>().unwrap() > 50, "{said}");
    assert_eq!(told.first(), Some(&"20"));
    assert!(told.iter().all(|number| ["20", "21"].contains(number)), "{said}");
}
