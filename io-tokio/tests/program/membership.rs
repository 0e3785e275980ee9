//! Processes that found a cluster, join it and are forgotten.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use tempfile::TempDir;

use super::client::Client;
use super::cluster::{Reserved, until};
use super::process::{Node, eyot, run};

/// Nodes whose configurations say how they are reached, and nothing of one another.
struct Seats {
    dir: TempDir,
    ports: Vec<Reserved>,
}

impl Seats {
    fn new(nodes: usize) -> Self {
        let seats =
            Self { dir: tempfile::tempdir().unwrap(), ports: (0..nodes).map(|_| Reserved::new()).collect() };
        for (at, port) in seats.ports.iter().enumerate() {
            let addr = port.addr();
            let text = format!(
                "node = \"n{at}\"\ndata = \"n{at}\"\n[cluster]\nlisten = [\"{addr}\"]\naddress = \"{addr}\"\n\
                 grace = \"1s\"\nhysteresis = \"1s\"\n"
            );
            fs::write(seats.dir().join(format!("n{at}.toml")), text).unwrap();
        }
        seats
    }

    fn dir(&self) -> &Path {
        self.dir.path()
    }

    fn start(&self, at: usize) -> Node {
        Node::start(self.dir(), &["--config", &format!("n{at}.toml")])
    }

    /// Asks something of the cluster at a node.
    fn ask(&self, at: usize, args: &[&str]) -> (i32, String, String) {
        let file = format!("n{at}.toml");
        run(self.dir(), &[&["cluster"], args, &["--config", &file]].concat())
    }

    fn done(&self, at: usize, args: &[&str]) -> String {
        let (code, said, error) = self.ask(at, args);
        assert_eq!(code, 0, "{args:?}: {said}{error}");
        said.trim().to_owned()
    }

    fn add_user(&self, at: usize, user: &str) {
        let file = format!("n{at}.toml");
        let mut command = eyot(self.dir(), &["user", "add", user, "--password-stdin", "--config", &file]);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"sesame\n").unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn login(&self, at: usize, node: &Node, user: &str) -> Client {
        Client::login(node.direct_tls(), &self.dir().join(format!("n{at}")), user, "sesame")
    }

    /// Waits until a node says so often that a member is linked.
    fn until_linked(&self, at: usize, times: usize) {
        until(|| {
            let (_, said, error) = self.ask(at, &["status"]);
            let found = said.lines().filter(|line| line.ends_with(": linked")).count() == times;
            if found { Ok(()) } else { Err(format!("{said}{error}")) }
        });
    }
}

#[test]
fn a_node_with_accounts_founds_a_cluster_and_two_join_it() {
    let seats = Seats::new(3);
    let mut n0 = seats.start(0);
    seats.add_user(0, "alice");
    seats.add_user(0, "bob");
    let (code, _, error) = seats.ask(0, &["token"]);
    assert_eq!(code, 1, "{error}");
    assert!(error.contains("in no cluster"), "{error}");
    // A node that serves founds it, and goes on with what it has.
    assert!(seats.done(0, &["init"]).contains("founded"));
    n0.again();
    let token = seats.done(0, &["token", "--for", "5m"]);
    let (code, _, error) = seats.ask(1, &["join", token.get(..token.len() - 1).unwrap_or_default()]);
    assert_eq!(code, 1, "{error}");
    assert!(error.contains("no token"), "{error}");
    // One that does not run joins, and one that runs.
    assert!(seats.done(1, &["join", &token]).contains("joined"));
    let n1 = seats.start(1);
    let (code, _, error) = seats.ask(2, &["join", &token]);
    assert_eq!((code, error.contains("another node has joined")), (1, true), "{error}");
    let mut n2 = seats.start(2);
    let token = seats.done(1, &["token"]);
    assert!(seats.done(2, &["join", &token]).contains("joined"));
    n2.again();
    (0..3).for_each(|at| seats.until_linked(at, 2));
    let mut alice = seats.login(1, &n1, "alice");
    let mut bob = seats.login(2, &n2, "bob");
    until(|| {
        alice.say("<message type='chat' to='bob@localhost'><body>hello</body></message>");
        Ok(())
    });
    bob.until("<body>hello</body>");
    // Whoever is killed is a member still; whoever is forgotten is not.
    drop(bob);
    drop(n2);
    seats.until_linked(0, 1);
    let n2 = seats.start(2);
    seats.until_linked(0, 2);
    let (code, _, error) = seats.ask(0, &["forget", "n2"]);
    assert_eq!((code, error.contains("is up")), (1, true), "{error}");
    drop(n2);
    seats.until_linked(0, 1);
    seats.done(0, &["forget", "n2"]);
    let status = seats.done(1, &["status"]);
    assert!(status.contains("n0") && !status.contains("n2 ("), "{status}");
    drop(alice);
}

#[test]
fn a_node_with_people_of_its_own_joins_nobody() {
    let seats = Seats::new(2);
    let mut n0 = seats.start(0);
    seats.done(0, &["init"]);
    n0.again();
    let n1 = seats.start(1);
    seats.add_user(1, "eve");
    let token = seats.done(0, &["token"]);
    let (code, _, error) = seats.ask(1, &["join", &token]);
    assert_eq!((code, error.contains("accounts of its own")), (1, true), "{error}");
    drop(n1);
    // Its configuration may not take the members away from a member, nor name them twice.
    drop(n0);
    fs::write(seats.dir().join("n0.toml"), "node = \"n0\"\ndata = \"n0\"\n").unwrap();
    let (code, _, error) = run(
        seats.dir(),
        &["serve", "--listen", "127.0.0.1:0", "--listen-tls", "none", "--config", "n0.toml"],
    );
    assert_eq!(code, 1, "{error}");
}
