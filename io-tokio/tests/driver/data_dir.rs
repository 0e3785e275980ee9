//! The data directory: who may use it, and what is left of a node that was killed.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;

use super::common::{BOUNDS, Server};
use eyot_core::config::Config;
use eyot_core::io::{Answer, Command, ConnKind, Input, Output, Refusal, Secret};
use eyot_core::jid::Domain;
use eyot_io_tokio::real::certificate;
use eyot_io_tokio::real::control::client::Client;
use eyot_io_tokio::real::control::server::{ControlSocket, Desk};
use eyot_io_tokio::real::control::wire::{Password, Reply, Request};
use eyot_io_tokio::real::data_dir::{DataDir, DataDirError, Paths};
use eyot_io_tokio::real::linked::Linked;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_data_directory_has_one_owner_at_a_time() {
    let temp = tempfile::tempdir().unwrap();
    let paths = Paths::new(temp.path().join("deep/data"));
    let first = DataDir::create(paths.clone()).unwrap();
    assert!(first.was_created());
    assert_eq!(mode(paths.dir()), 0o700);
    let error = DataDir::create(paths.clone()).unwrap_err();
    assert!(matches!(error, DataDirError::Locked { pid: Some(pid), .. } if pid == std::process::id()));
    assert!(error.to_string().contains("is in use by process"), "{error}");
    drop(first);
    assert!(!DataDir::create(paths).unwrap().was_created());
}

#[test]
fn a_missing_directory_is_not_created_by_a_question() {
    let temp = tempfile::tempdir().unwrap();
    let paths = Paths::new(temp.path().join("data"));
    assert!(matches!(DataDir::open(paths.clone()), Err(DataDirError::Missing(_))));
    assert!(!paths.dir().exists());
}

#[test]
fn the_domains_served_last_are_remembered() {
    let temp = tempfile::tempdir().unwrap();
    let dir = DataDir::create(Paths::new(temp.path())).unwrap();
    assert_eq!(dir.paths().served_domains().unwrap(), None);
    let domains = ["a.example".to_owned(), "b.example".to_owned()];
    dir.note_domains(&domains).unwrap();
    assert_eq!(dir.paths().served_domains().unwrap().unwrap(), domains);
}

#[test]
fn a_certificate_is_made_once_and_its_key_is_private() {
    let temp = tempfile::tempdir().unwrap();
    let paths = Paths::new(temp.path());
    let domains = ["a.example".to_owned(), "b.example".to_owned()];
    let made = certificate::load(None, &paths, &domains).unwrap();
    assert!(made.self_made);
    assert_eq!(mode(&paths.key()), 0o600);
    assert_eq!(certificate::load(None, &paths, &domains).unwrap().fingerprint, made.fingerprint);
    let own = certificate::load(Some(&made.files), &paths, &domains).unwrap();
    assert!(!own.self_made);
    fs::write(paths.key(), "no key").unwrap();
    let error = certificate::load(None, &paths, &domains).unwrap_err().to_string();
    assert!(error.contains("the private key cannot be used") && error.contains("key.pem"), "{error}");
}

/// Answers `UserAdd` with a drawn password and refuses all else.
fn clerk(input: &Input) -> Vec<Output> {
    let Input::Command { id, command } = input else { return Vec::new() };
    let answer = match command {
        Command::UserAdd { user, .. } => {
            Answer::Account { user: user.clone(), drawn: Some(Secret("drawn".into())) }
        }
        Command::UserPasswd { .. }
        | Command::UserRemove { .. }
        | Command::UserList { .. }
        | Command::EnsureAdmin { .. }
        | Command::Shutdown
        | Command::Cluster { .. } => Answer::Refused(Refusal::NoSuchUser),
    };
    vec![Output::Reply { id: *id, answer }]
}

async fn clerk_at(path: &Path) {
    let server = Server::start(ConnKind::ClientStartTls, BOUNDS, clerk).await;
    let config = Config::single(Domain::parse("river.example").unwrap());
    let desk = Desk { handle: server.handle, config, linked: Linked::default() };
    tokio::spawn(ControlSocket::bind(path).unwrap().serve(Arc::new(desk)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_is_answered_over_a_private_socket() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("control.sock");
    clerk_at(&path).await;
    assert_eq!(mode(&path), 0o600);
    let answers = tokio::task::spawn_blocking(move || {
        let mut client = Client::connect(&path).unwrap().expect("a node listens");
        let added = client.call(Request::Add { name: "alice".into(), password: None }).unwrap();
        let removed = client.call(Request::Remove { name: "bob".into() }).unwrap();
        (added, removed)
    });
    let (added, removed) = answers.await.unwrap();
    let account =
        Reply::Account { user: "alice@river.example".into(), drawn: Some(Password("drawn".into())) };
    assert_eq!(added, account);
    assert!(matches!(removed, Reply::Refused(why) if why.contains("no such account")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_version_of_the_protocol_is_refused_with_words() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("control.sock");
    clerk_at(&path).await;
    let answer = tokio::task::spawn_blocking(move || {
        let mut stream = UnixStream::connect(path).unwrap();
        let call = br#"{"version":2,"request":{"conjure":{}}}"#;
        stream.write_all(&u32::try_from(call.len()).unwrap().to_be_bytes()).unwrap();
        stream.write_all(call).unwrap();
        let mut prefix = [0; 4];
        stream.read_exact(&mut prefix).unwrap();
        let mut body = vec![0; u32::from_be_bytes(prefix) as usize];
        stream.read_exact(&mut body).unwrap();
        // A frame beyond the bound ends the conversation.
        stream.write_all(&[0xff; 4]).unwrap();
        assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
        String::from_utf8(body).unwrap()
    });
    assert!(answer.await.unwrap().contains("reads version 1"));
}

#[tokio::test]
async fn the_socket_of_a_killed_node_is_recognised_and_replaced() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("control.sock");
    assert!(Client::connect(&path).unwrap().is_none(), "no socket, no node");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    assert!(Client::connect(&path).unwrap().is_none(), "nobody listens");
    let socket = ControlSocket::bind(&path).unwrap();
    assert!(Client::connect(&path).unwrap().is_some());
    drop(socket);
    assert!(!path.exists());
}
