//! The program as an operator meets it: first start, accounts, kill -9, signals, exit codes.
#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

mod client;
mod cluster;
mod membership;
mod process;
mod replay;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use eyot_core::record::{End, Entry, RecordReader};
use rustix::process::Signal;

use process::{Node, eyot, run};

#[test]
fn a_first_start_makes_all_it_needs_and_a_second_one_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path(), &[]);
    assert!(node.said.contains("eyot serves localhost\n"), "{}", node.said);
    assert!(node.said.contains("account      admin@localhost, password "), "{}", node.said);
    assert!(node.said.contains("eyot-data (created)") && node.said.contains("cert.pem (self-made"));
    let port = node.starttls().port();
    assert!(
        node.said.contains(&format!("/connect NAME@localhost server 127.0.0.1 port {port}")),
        "{}",
        node.said
    );
    let mut stream = TcpStream::connect(node.starttls()).unwrap();
    let open = "<stream:stream to='localhost' version='1.0' xmlns='jabber:client' \
                xmlns:stream='http://etherx.jabber.org/streams'>";
    stream.write_all(open.as_bytes()).unwrap();
    let mut answer = [0; 64];
    let read = stream.read(&mut answer).unwrap();
    assert!(String::from_utf8_lossy(&answer[..read]).contains("<stream:stream"));
    node.signal(Signal::TERM);
    assert_eq!(node.wait(), Some(0));

    let node = Node::start(dir.path(), &[]);
    assert!(!node.said.contains("password") && !node.said.contains("created"), "{}", node.said);
    node.signal(Signal::INT);
    assert_eq!(node.wait(), Some(0));
    assert_eq!(fs::metadata(dir.path().join("eyot-data")).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn accounts_are_managed_whether_the_node_runs_or_not() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let node = Node::start(dir, &["--domain", "river.example"]);
    let (code, out, _) = run(dir, &["user", "add", "alice"]);
    assert_eq!((code, out.starts_with("added alice@river.example, password ")), (0, true), "{out}");
    let (code, _, error) = run(dir, &["user", "add", "alice@river.example"]);
    assert_eq!((code, error.contains("exists already")), (1, true), "{error}");
    node.signal(Signal::TERM);
    assert_eq!(node.wait(), Some(0));

    // The domain that the node served is still the one that is meant.
    assert_eq!(run(dir, &["user", "add", "bob"]).0, 0);
    let listed =
        |expected: &str| assert_eq!(run(dir, &["user", "list"]), (0, expected.into(), String::new()));
    listed("admin@river.example\nalice@river.example\nbob@river.example\n");
    assert_eq!(run(dir, &["user", "remove", "alice"]).1, "removed\n");
    let (code, out, _) = run(dir, &["user", "passwd", "bob"]);
    assert_eq!((code, out.starts_with("changed bob@river.example, password ")), (0, true), "{out}");
    listed("admin@river.example\nbob@river.example\n");
    let (code, _, error) = run(dir, &["user", "add", "carol@sea.example"]);
    assert_eq!((code, error.contains("does not serve that domain")), (1, true), "{error}");
}

#[test]
fn a_password_comes_from_standard_input_and_is_not_shown() {
    let temp = tempfile::tempdir().unwrap();
    drop(Node::start(temp.path(), &[]));
    let mut command = eyot(temp.path(), &["user", "add", "alice", "--password-stdin"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"open sesame\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "added alice@localhost\n");
}

#[test]
fn after_kill_9_every_user_that_was_added_is_there() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let mut expected = vec!["admin@localhost".to_owned()];
    for round in 0..3 {
        let mut node = Node::start(dir, &[]);
        for user in 0..3 {
            let name = format!("user{round}{user}");
            assert_eq!(run(dir, &["user", "add", &name]).0, 0);
            expected.push(format!("{name}@localhost"));
        }
        node.child.kill().unwrap();
        node.child.wait().unwrap();
        // The socket of the killed node is left; the store is opened in its place.
        assert!(dir.join("eyot-data/control.sock").exists());
        let listed = run(dir, &["user", "list"]).1;
        assert_eq!(listed.lines().collect::<Vec<_>>(), expected);
    }
}

#[test]
fn a_data_directory_in_use_is_refused_by_name() {
    let temp = tempfile::tempdir().unwrap();
    let node = Node::start(temp.path(), &[]);
    let (code, _, error) = run(temp.path(), &["serve", "--listen", "127.0.0.1:0"]);
    let pid = node.child.id().to_string();
    assert_eq!((code, error.contains("in use by process") && error.contains(&pid)), (1, true), "{error}");
}

#[test]
fn a_port_in_use_is_refused_by_address() {
    let temp = tempfile::tempdir().unwrap();
    let node = Node::start(temp.path(), &[]);
    let addr = node.starttls().to_string();
    let (code, out, error) = run(temp.path(), &["serve", "--data", "other", "--listen", &addr]);
    assert_eq!((code, error.contains(&format!("cannot listen on {addr}"))), (1, true), "{error}");
    assert_eq!(out, "", "no password is shown by a node that does not run");
}

#[test]
fn a_damaged_store_is_refused_with_what_to_do() {
    let temp = tempfile::tempdir().unwrap();
    drop(Node::start(temp.path(), &[]));
    let store = temp.path().join("eyot-data/store");
    fs::write(&store, b"SQLite format 3\0 and more").unwrap();
    for args in [&["serve"][..], &["user", "list"]] {
        let (code, _, error) = run(temp.path(), args);
        assert_eq!((code, error.contains("not a store of eyot")), (1, true), "{error}");
        assert!(error.contains("eyot-data/store") && error.contains("Put back a copy"), "{error}");
    }
    assert_eq!(fs::read(&store).unwrap(), b"SQLite format 3\0 and more");
}

#[test]
fn questions_about_a_missing_node_create_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let (code, _, error) = run(temp.path(), &["user", "list"]);
    assert_eq!((code, error.contains("eyot serve")), (1, true), "{error}");
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0);
}

#[test]
fn usage_errors_end_with_2_and_configuration_errors_with_1() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    for args in [&["serve", "--listen", "here"][..], &["serve", "--prot", "1"], &["user"], &["sing"]] {
        assert_eq!(run(dir, args).0, 2, "{args:?}");
    }
    fs::write(dir.join("eyot.toml"), "[limits]\nstanza_bytes = 1\n").unwrap();
    for args in [&["serve", "--config", "eyot.toml"][..], &["config", "check", "eyot.toml"]] {
        let (code, _, error) = run(dir, args);
        assert_eq!(
            (code, error.starts_with("eyot: eyot.toml:2: limits.stanza_bytes: ")),
            (1, true),
            "{error}"
        );
    }
    assert_eq!(fs::read_dir(dir).unwrap().count(), 1, "nothing was created");
}

#[test]
fn a_recording_is_private_new_and_ends_with_its_reason() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let ends = |name: &str| {
        let bytes = fs::read(dir.join(name)).unwrap();
        let mut reader = RecordReader::new(bytes.into()).unwrap();
        let mut last = None;
        let mut inputs = 0;
        while let Some(entry) = reader.next_entry().unwrap() {
            inputs += usize::from(matches!(entry, Entry::Input { .. }));
            last = Some(entry);
        }
        assert!(inputs > 1, "{inputs} inputs in {name}");
        last
    };
    let node = Node::start(dir, &["--record", "whole"]);
    assert_eq!(fs::metadata(dir.join("whole")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(run(dir, &["user", "add", "alice"]).0, 0);
    node.signal(Signal::TERM);
    assert_eq!(node.wait(), Some(0));
    assert_eq!(ends("whole"), Some(Entry::End(End::Stopped)));

    let (code, _, error) = run(dir, &["serve", "--listen", "127.0.0.1:0", "--record", "whole"]);
    assert_eq!((code, error.contains("whole cannot be the file of a new recording")), (1, true), "{error}");

    let node = Node::start(dir, &["--record", "bounded", "--record-limit", "1500"]);
    for name in ["bob", "carol", "dave", "erin", "frank"] {
        assert_eq!(run(dir, &["user", "add", name]).0, 0);
    }
    node.signal(Signal::TERM);
    assert_eq!(node.wait(), Some(0));
    assert_eq!(ends("bounded"), Some(Entry::End(End::SizeBound)));
    assert!(fs::metadata(dir.join("bounded")).unwrap().len() <= 1500);
}
