//! The program `eyot-sim` as a process of its own: what it prints, how it ends, what it writes.

#![expect(clippy::unwrap_used, reason = "a failure is a failed test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const STORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/message/full-and-bare.scn");
const PENDING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/cluster/two-nodes.scn");
/// What Alice says in the story.
const BODY: &str = "to the phone alone";
const HEAD: &str = "# Alice writes to Bob.\n# RFC 6121, 8.5\n";
const CAST: &str = "account alice\naccount bob\nclient alice on a\nclient bob on a\n\
    alice comes online\nbob comes online\nsettle\nalice says to bob: hello\n";

/// Runs the program to its end; returns exit code, standard output, standard error.
fn eyot_sim(args: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } =
        Command::new(env!("CARGO_BIN_EXE_eyot-sim")).args(args).output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// A folder of one test, empty.
fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("program").join(test);
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Writes a story and returns its path.
fn story(test: &str, lines: &str) -> String {
    let path = folder(test).join("story.scn");
    fs::write(&path, lines).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The digest that a run or a replay printed.
fn digest(said: &str) -> &str {
    let digest = said.split("digest ").nth(1).unwrap().lines().next().unwrap();
    assert_eq!(digest.len(), 64, "{said}");
    digest
}

#[test]
fn a_true_story_is_told_and_ends_well() {
    let (code, said, complaint) = eyot_sim(&["run", STORY]);
    assert_eq!((code, complaint.as_str()), (0, ""), "{said}");
    for line in [
        "Alice writes to Bob's bare JID",
        "alice > message to bob/phone: to the phone alone",
        "phone < message from alice/desk: to the phone alone",
        "expectations: all hold",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert_eq!(eyot_sim(&["run", STORY]).1, said, "one seed is one history");
    assert_eq!(eyot_sim(&["run", STORY, "--quiet"]), (0, String::new(), String::new()));
}

#[test]
fn an_expectation_that_does_not_hold_is_named_with_its_line() {
    let path = story("untrue", &format!("{HEAD}{CAST}expect bob < message body hello\nexpect nothing bob\n"));
    let (code, said, _) = eyot_sim(&["run", &path]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("1 of 2 expectations: FAILED"), "{said}");
    assert!(said.contains(&format!("{path}:12: does not hold: ")), "{said}");
    let (code, said, _) = eyot_sim(&["run", "--quiet", &path, STORY]);
    assert_eq!(code, 1, "the worst of all stories counts: {said}");
}

#[test]
fn what_is_no_story_is_told_by_file_and_line() {
    let path = story("unknown-verb", &format!("{HEAD}account alice\nalice juggles five balls\n"));
    let (code, said, _) = eyot_sim(&["run", &path]);
    assert_eq!(code, 2, "{said}");
    assert!(said.starts_with(&format!("{path}:4: ")), "{said}");
    let absent = folder("absent").join("absent.scn");
    assert_eq!(eyot_sim(&["run", absent.to_str().unwrap()]).0, 2);
    let (code, said, complaint) = eyot_sim(&["juggle"]);
    assert_eq!((code, said.as_str()), (2, ""));
    assert!(complaint.contains("Usage: eyot-sim"), "{complaint}");
}

#[test]
fn a_pending_story_is_told_apart_until_it_passes() {
    let (code, said, _) = eyot_sim(&["run", "--quiet", PENDING]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(said, format!("{PENDING}: pending: cluster\n"));
    let path = story("pending", &format!("{HEAD}# pending: rooms\n{CAST}expect bob < message body hello\n"));
    let (code, said, _) = eyot_sim(&["run", "--quiet", &path]);
    assert_eq!(code, 1, "{said}");
    assert_eq!(said, format!("{path}: now passes: remove the mark\n"));
}

#[test]
fn a_run_is_drawn_as_one_page_that_loads_nothing() {
    let out = folder("html").join("out.html");
    let out = out.to_str().unwrap();
    assert_eq!(eyot_sim(&["run", STORY, "--quiet", "--html", out]), (0, String::new(), String::new()));
    let page = fs::read_to_string(out).unwrap();
    assert!(page.contains(BODY) && page.contains("<svg") && page.contains("default-src &#39;none&#39;"));
    let loaded = ["src=", "@import", "url(http", "url(\"", "<iframe", "fetch("];
    assert!(!loaded.iter().any(|way| page.contains(way)));
    eyot_sim(&["run", STORY, "--quiet", "--html", out]);
    assert_eq!(fs::read_to_string(out).unwrap(), page, "same run, same bytes");
    let (code, said, _) = eyot_sim(&["run", STORY, STORY, "--html", out]);
    assert_eq!((code, said.as_str()), (2, "--html draws one story, and here are 2\n"));
    let nowhere = folder("html-nowhere").join("no").join("out.html");
    let (code, said, _) = eyot_sim(&["run", STORY, "--quiet", "--html", nowhere.to_str().unwrap()]);
    assert!(code == 2 && said.contains("out.html: "), "{said}");
}

#[test]
fn colours_are_for_terminals_and_whoever_asks_for_them() {
    let plain = eyot_sim(&["run", STORY]).1;
    assert!(!plain.contains('\x1b'), "nobody reads a pipe in colour");
    assert_eq!(eyot_sim(&["run", STORY, "--color", "never"]).1, plain);
    let coloured = eyot_sim(&["run", STORY, "--color", "always"]).1;
    assert!(coloured.contains("\x1b[32m4 of 4 expectations: all hold\x1b[0m"), "{coloured}");
    let bare = |text: &str| {
        let parts = text
            .split('\x1b')
            .map(|part| if part.starts_with('[') { part.split_once('m').unwrap().1 } else { part });
        parts.collect::<String>()
    };
    assert_eq!(bare(&coloured), plain);
}

#[test]
fn a_recording_is_the_owners_alone_and_replays_the_same_each_time() {
    let out = folder("record").join("out");
    let out = out.to_str().unwrap();
    let (code, said, _) = eyot_sim(&["run", STORY, "--quiet", "--record", out]);
    assert_eq!(code, 0, "{said}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(out).unwrap().permissions().mode() & 0o777, 0o600);
    }
    for _ in 0..2 {
        let (code, replayed, _) = eyot_sim(&["replay", out]);
        assert_eq!(code, 0, "{replayed}");
        assert_eq!(digest(&replayed), digest(&said));
    }
    let other = format!("{out}-of-another-seed");
    let (_, said_otherwise, _) = eyot_sim(&["run", STORY, "--quiet", "--seed", "7", "--record", &other]);
    assert_ne!(digest(&said_otherwise), digest(&said));
    assert_eq!(digest(&eyot_sim(&["replay", &other]).1), digest(&said_otherwise));
    let (code, refused, _) = eyot_sim(&["replay", STORY]);
    assert_eq!(code, 2, "a story is no recording: {refused}");
}

#[test]
fn a_redacted_recording_replays_without_what_people_said() {
    let folder = folder("redact");
    let (whole, redacted) = (folder.join("whole"), folder.join("redacted"));
    let (from, to) = (whole.to_str().unwrap(), redacted.to_str().unwrap());
    assert_eq!(eyot_sim(&["run", STORY, "--quiet", "--record", from]).0, 0);
    let (code, said, _) = eyot_sim(&["redact", from, to]);
    assert_eq!(code, 0, "{said}");
    let holds = |path: &Path| {
        let bytes = fs::read(path).unwrap();
        bytes.windows(BODY.len()).any(|found| found == BODY.as_bytes())
    };
    assert_eq!((holds(&whole), holds(&redacted)), (true, false));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(to).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let (_, before, _) = eyot_sim(&["replay", from]);
    let (code, after, _) = eyot_sim(&["replay", to]);
    assert_eq!(code, 0, "{after}");
    // As many inputs and outputs, other bytes in those that carry bodies.
    let counts = |said: &str| said.split(": ").nth(1).unwrap().split("\ndigest").next().unwrap().to_owned();
    assert_eq!(counts(&after), counts(&before));
    assert_ne!(digest(&after), digest(&before));
}

#[test]
fn a_directory_without_stories_is_no_success() {
    let folder = folder("no-stories");
    fs::write(folder.join("notes.txt"), "none").unwrap();
    let path = folder.to_str().unwrap();
    for command in ["run", "verify"] {
        let (code, said, _) = eyot_sim(&[command, path]);
        assert_eq!(code, 2, "{command}: {said}");
        assert!(said.contains(&format!("{path}: no scenario")), "{command}: {said}");
    }
}

#[test]
fn a_text_without_end_is_refused_before_it_is_written() {
    let path = story("endless", &format!("{HEAD}{CAST}alice says to bob: {{x*99999999999}}\n"));
    let (code, said, complaint) = eyot_sim(&["run", &path]);
    assert_eq!((code, complaint.as_str()), (2, ""), "{said}");
    assert!(said.starts_with(&format!("{path}:11: ")), "{said}");
}

#[test]
fn a_line_that_would_be_done_in_the_past_is_told_by_file_and_line() {
    let path =
        story("past", &format!("{HEAD}{CAST}expect bob got 1 message\nat 1us alice says to bob: late\n"));
    let (code, said, _) = eyot_sim(&["run", &path]);
    assert_eq!(code, 1, "how long settling takes is known when it has been done: {said}");
    assert!(said.contains(&format!("{path}:12: 0.000s is past: it is ")), "{said}");
}
