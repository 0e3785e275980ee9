//! Three processes that are one server: what goes between them, one of them killed, and who is not let in.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{ChildStdout, Stdio};
use std::time::{Duration, Instant};

use eyot_core::record::End;
use eyot_io_tokio::peer_tls::PeerTls;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use socket2::{Domain, Protocol, Socket, Type};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::client::Client;
use super::process::{Node, eyot, run};
use super::replay::replay;

const PATIENCE: Duration = Duration::from_secs(60);

/// A port of this machine that nobody else is given, and that a node can listen on.
pub(crate) struct Reserved(Socket);

impl Reserved {
    pub(crate) fn new() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).unwrap();
        // Both sides ask for it, and only one listens: then two may have the port.
        socket.set_reuse_address(true).unwrap();
        socket.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
        Self(socket)
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.0.local_addr().unwrap().as_socket().unwrap()
    }
}

/// The files of a cluster whose nodes run in one directory.
struct Files {
    dir: TempDir,
    ports: Vec<Reserved>,
    members: String,
}

impl Files {
    fn new(nodes: usize) -> Self {
        let (dir, ports) = (tempfile::tempdir().unwrap(), (0..nodes).map(|_| Reserved::new()).collect());
        let mut files = Self { dir, ports, members: String::new() };
        let (code, secret, error) = run(files.dir(), &["cluster", "secret"]);
        assert_eq!((code, secret.len()), (0, 65), "{error}");
        fs::write(files.dir().join("secret"), secret).unwrap();
        for at in 0..nodes {
            let (name, key) = (format!("n{at}"), files.key(&format!("n{at}")));
            let member = format!(
                "[[cluster.member]]\nnumber = {}\nname = \"{name}\"\nsite = \"here\"\nkey = \"{key}\"\naddress = \"{}\"\n",
                at + 1,
                files.ports[at].addr()
            );
            files.members.push_str(&member);
        }
        files
    }

    fn dir(&self) -> &Path {
        self.dir.path()
    }

    fn key(&self, data: &str) -> String {
        let (code, key, error) = run(self.dir(), &["cluster", "key", "--data", data]);
        assert_eq!(code, 0, "{error}");
        key.trim().to_owned()
    }

    fn write(&self, name: &str, data: &str, listen: SocketAddr, members: &str) {
        let text = format!(
            "node = \"{name}\"\ndata = \"{data}\"\n[cluster]\nlisten = [\"{listen}\"]\nsecret = \"secret\"\n\
             grace = \"1s\"\nhysteresis = \"1s\"\n{members}"
        );
        fs::write(self.dir().join(format!("{data}.toml")), text).unwrap();
    }

    fn start(&self, at: usize) -> Node {
        self.start_with(at, &[])
    }

    fn start_with(&self, at: usize, flags: &[&str]) -> Node {
        let name = format!("n{at}");
        self.write(&name, &name, self.ports[at].addr(), &self.members);
        let file = format!("{name}.toml");
        Node::start(self.dir(), &[&["--config", &file], flags].concat())
    }

    fn login(&self, at: usize, node: &Node, user: &str) -> Client {
        Client::login(node.direct_tls(), &self.dir().join(format!("n{at}")), user, "sesame")
    }

    fn add_user(&self, user: &str) {
        let mut command = eyot(self.dir(), &["user", "add", user, "--password-stdin", "--data", "n0"]);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"sesame\n").unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Waits until a node knows so many accounts.
    fn until_users(&self, data: &str, count: usize) {
        until(|| {
            let (_, users, _) = run(self.dir(), &["user", "list", "--data", data]);
            if users.lines().count() == count { Ok(()) } else { Err(users) }
        });
    }

    /// Waits until a node says so often that something is so.
    fn until_status(&self, data: &str, wanted: &str, times: usize) {
        until(|| {
            let (_, said, error) = run(self.dir(), &["status", "--data", data]);
            let found = said.lines().filter(|line| line.contains(wanted)).count() == times;
            if found { Ok(()) } else { Err(format!("{said}{error}")) }
        });
    }
}

/// Asks until the answer is right.
pub(crate) fn until<T>(mut ask: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match ask() {
            Ok(found) => return found,
            Err(why) => assert!(Instant::now() < deadline, "{why}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Lets two people see each other.
fn befriend(alice: &mut Client, bob: &mut Client) {
    alice.say("<presence type='subscribe' to='bob@localhost'/>");
    bob.until("type='subscribe'");
    bob.say(
        "<presence type='subscribed' to='alice@localhost'/><presence type='subscribe' to='alice@localhost'/>",
    );
    alice.until("type='subscribe'");
    alice.say("<presence type='subscribed' to='bob@localhost'/>");
    alice.until_presence("bob@localhost/bob", None);
    bob.until_presence("alice@localhost/alice", None);
}

fn say_to(client: &mut Client, to: &str, body: &str) {
    client.say(&format!("<message type='chat' to='{to}@localhost'><body>{body}</body></message>"));
}

#[test]
fn three_processes_are_one_server_and_one_of_them_may_be_killed() {
    let files = Files::new(3);
    let mut nodes: Vec<_> = (0..3).map(|at| files.start(at)).collect();
    for data in ["n0", "n1", "n2"] {
        files.until_status(data, ": linked", 2);
    }
    for user in ["alice", "bob", "carol"] {
        files.add_user(user);
    }
    for data in ["n1", "n2"] {
        files.until_users(data, 3);
    }
    let mut alice = files.login(0, &nodes[0], "alice");
    let mut bob = files.login(1, &nodes[1], "bob");
    let mut carol = files.login(2, &nodes[2], "carol");
    befriend(&mut alice, &mut bob);
    say_to(&mut alice, "bob", "there");
    bob.until("<body>there</body>");
    say_to(&mut bob, "alice", "and back");
    alice.until("<body>and back</body>");

    nodes[1].child.kill().unwrap();
    nodes[1].child.wait().unwrap();
    files.until_status("n0", "n1 (here, ", 1);
    files.until_status("n0", "not linked", 1);
    alice.until_presence("bob@localhost/bob", Some("unavailable"));
    say_to(&mut alice, "bob", "while you were away");
    say_to(&mut carol, "alice", "the others go on");
    alice.until("<body>the others go on</body>");

    nodes[1] = files.start(1);
    let mut bob = files.login(1, &nodes[1], "bob");
    bob.until("<body>while you were away</body>");
    alice.until_presence("bob@localhost/bob", None);
    say_to(&mut bob, "carol", "back again");
    carol.until("<body>back again</body>");

    drop((alice, bob, carol));
    for node in nodes {
        node.signal(Signal::TERM);
        assert_eq!(node.wait(), Some(0));
    }
}

/// Two nodes with alice at the first and bob at the second.
fn two_people() -> (Files, [Node; 2], Client, Client) {
    let files = Files::new(2);
    let nodes = [files.start(0), files.start(1)];
    for data in ["n0", "n1"] {
        files.until_status(data, ": linked", 1);
    }
    files.add_user("alice");
    files.add_user("bob");
    files.until_users("n1", 2);
    let mut alice = files.login(0, &nodes[0], "alice");
    let mut bob = files.login(1, &nodes[1], "bob");
    befriend(&mut alice, &mut bob);
    (files, nodes, alice, bob)
}

#[test]
fn a_node_that_is_killed_under_load_has_all_of_it_when_it_is_back() {
    const COUNT: usize = 90;
    let (files, mut nodes, mut alice, mut bob) = two_people();
    let sender = std::thread::spawn(move || {
        for number in 0..COUNT {
            say_to(&mut alice, "bob", &format!("#{number}."));
            // The next one goes out when this one is written: the kill comes between them, wherever it does.
            alice.say(&format!("<iq type='get' id='p{number}'><ping xmlns='urn:xmpp:ping'/></iq>"));
            alice.until(&format!("id='p{number}'"));
        }
        alice
    });
    bob.until("#10.");
    nodes[1].child.kill().unwrap();
    nodes[1].child.wait().unwrap();
    let _alice = sender.join().unwrap();

    nodes[1] = files.start(1);
    files.until_status("n0", ": linked", 1);
    let mut bob = files.login(1, &nodes[1], "bob");
    let page = until(|| {
        bob.say("<iq type='set' id='page'><query xmlns='urn:xmpp:mam:2'/></iq>");
        let page = bob.until("<fin ");
        if page.matches("<forwarded").count() >= COUNT { Ok(page) } else { Err(page) }
    });
    let places: Vec<_> =
        (0..COUNT).map(|number| page.rfind(&format!("<body>#{number}.</body>")).unwrap()).collect();
    assert!(places.is_sorted(), "in the order in which they were sent");
}

#[test]
fn a_node_that_stands_still_is_noticed_and_what_was_said_meanwhile_arrives() {
    let (files, nodes, mut alice, mut bob) = two_people();
    // The kernel goes on taking what is sent to it: nothing but the silence tells.
    nodes[1].signal(Signal::STOP);
    files.until_status("n0", "not linked: nothing came back from it", 1);
    alice.until_presence("bob@localhost/bob", Some("unavailable"));
    say_to(&mut alice, "bob", "are you there?");
    nodes[1].signal(Signal::CONT);
    bob.until("<body>are you there?</body>");
    alice.until_presence("bob@localhost/bob", None);
    say_to(&mut bob, "alice", "I was");
    alice.until("<body>I was</body>");
}

#[test]
fn what_a_member_was_told_can_be_replayed() {
    let files = Files::new(2);
    let nodes = [files.start_with(0, &["--record", "recording"]), files.start(1)];
    for data in ["n0", "n1"] {
        files.until_status(data, ": linked", 1);
    }
    files.add_user("alice");
    files.add_user("bob");
    files.until_users("n1", 2);
    let mut alice = files.login(0, &nodes[0], "alice");
    let mut bob = files.login(1, &nodes[1], "bob");
    say_to(&mut bob, "alice", "over the link");
    alice.until("<body>over the link</body>");
    drop((alice, bob));
    let [node, _other] = nodes;
    node.signal(Signal::TERM);
    assert_eq!(node.wait(), Some(0));

    let (sent, end) = replay(fs::read(files.dir().join("recording")).unwrap());
    assert_eq!(end, Some(End::Stopped));
    let got = |text: &str| sent.values().any(|bytes| String::from_utf8_lossy(bytes).contains(text));
    assert!(got("<body>over the link</body>"), "the client of the node that is made anew is given it, too");
}

#[test]
fn who_has_the_secret_and_another_key_is_refused() {
    let files = Files::new(2);
    let _node = files.start(0);
    // It takes the place of n1, at whose address it listens, and knows everything but the key.
    let (real, own) = (files.key("n1"), files.key("impostor"));
    files.write("n1", "impostor", files.ports[1].addr(), &files.members.replace(&real, &own));
    let _impostor = Node::start(files.dir(), &["--config", "impostor.toml"]);
    files.until_status("n0", "n1 (here, ", 1);
    files.until_status("n0", "refused: its key is not the member's", 1);
    files.until_status("impostor", "refused: it says that", 1);

    let (code, _, error) = run(files.dir(), &["serve", "--config", "n1.toml", "--data", "impostor"]);
    assert_eq!(code, 1, "{error}");
}

#[test]
fn what_is_no_frame_ends_a_connection_of_a_member_and_what_is_no_tls_that_of_anybody() {
    let files = Files::new(2);
    let _node = files.start(0);
    let addr = files.ports[0].addr();
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    // An alert at most, then the end.
    let mut rest = Vec::new();
    let ended = stream.read_to_end(&mut rest);
    assert!(rest.len() < 16 && ended.is_ok(), "{rest:?} {ended:?}");

    let pem = |name: &str| fs::read(files.dir().join("n1").join(name)).unwrap();
    let member = PeerTls::from_pem(&pem("peer-cert.pem"), &pem("peer-key.pem")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let said = runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(addr).await.unwrap();
        let mut stream = member.connect(stream).await.unwrap();
        // As a frame: 60 bytes with a head that may not be.
        stream.write_all(&[b'<'; 200]).await.unwrap();
        stream.flush().await.unwrap();
        let mut said = Vec::new();
        tokio::time::timeout(PATIENCE, stream.read_to_end(&mut said)).await.unwrap().unwrap();
        said
    });
    assert!(!said.is_empty(), "a member is told who this is, and why nothing follows");
    files.until_status("n0", "n1 (here, ", 1);
    files.until_status("n0", "refused: a frame with a head that may not be", 1);
}

#[test]
fn a_data_directory_belongs_to_one_member() {
    let files = Files::new(2);
    drop(files.start(0));
    let refused = |args: &[&str], why: &str| {
        let (code, _, error) = run(files.dir(), args);
        assert_eq!((code, error.contains(why)), (1, true), "{args:?}: {error}");
    };
    refused(&["serve", "--data", "n0", "--listen", "127.0.0.1:0"], "the configuration has no [cluster]");
    refused(&["user", "add", "alice", "--data", "n0"], "a member of a cluster, which does not run");
    refused(&["status", "--data", "n0"], "no node runs on n0");
    drop(Node::start(files.dir(), &["--data", "alone"]));
    let other = files.members.replace(&files.key("n0"), &files.key("alone"));
    files.write("n0", "alone", files.ports[0].addr(), &other);
    refused(&["serve", "--config", "alone.toml"], "has run alone");
    fs::remove_file(files.dir().join("n0/peer-cert.pem")).unwrap();
    refused(&["serve", "--config", "n0.toml"], "the configuration names another key for n0");
}

/// A cluster of `eyot dev-cluster`.
struct Dev {
    child: std::process::Child,
    out: BufReader<ChildStdout>,
    said: String,
}

impl Dev {
    fn start(dir: &Path, port: u16) -> Self {
        let args = ["dev-cluster", "2", "--port", &port.to_string()];
        let mut child = eyot(dir, &args).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut said = String::new();
        while !said.contains("Ctrl-C") {
            if out.read_line(&mut said).unwrap() == 0 {
                let mut error = String::new();
                child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
                panic!("the cluster did not start: {said}{error}");
            }
        }
        Self { child, out, said }
    }

    fn pids(&self) -> Vec<Pid> {
        let pids = self.said.lines().filter_map(|line| line.split_once("  process ")?.1.split_once(','));
        pids.map(|(pid, _)| Pid::from_raw(pid.parse().unwrap()).unwrap()).collect()
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // Its nodes end with it.
        let _ended = self.child.kill().is_err() || self.child.wait().is_err();
    }
}

/// So many ports from the first one on are free, as far as one can tell: the program takes ports by number.
fn free_ports(count: u16) -> u16 {
    until(|| {
        let first = Reserved::new().addr().port();
        let all: Result<Vec<_>, _> = (0..count)
            .map(|at| std::net::TcpListener::bind(("127.0.0.1", first.saturating_add(at))))
            .collect();
        all.map(|_| first).map_err(|error| error.to_string())
    })
}

#[test]
fn a_cluster_on_this_machine_starts_says_how_and_ends_as_a_whole() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let linked = |data: &str| {
        until(|| {
            let (_, said, error) = run(dir, &["status", "--data", data]);
            if said.contains(": linked") { Ok(()) } else { Err(format!("{said}{error}")) }
        });
    };
    let gone = |pids: Vec<Pid>| {
        for pid in pids {
            until(|| if test_kill_process(pid).is_err() { Ok(()) } else { Err(format!("{pid:?} runs")) });
        }
    };
    let mut dev = Dev::start(dir, free_ports(20));
    assert!(dev.said.contains("  account      admin@localhost, password "), "{}", dev.said);
    linked("eyot-data/n0");
    linked("eyot-data/n1");
    let pids = dev.pids();
    assert_eq!(pids.len(), 2);
    kill_process(pids[1], Signal::KILL).unwrap();
    let mut line = String::new();
    dev.out.read_line(&mut line).unwrap();
    assert!(line.contains("n1 has ended (signal 9). Start it again") && line.contains("n1.toml"), "{line}");
    kill_process(Pid::from_child(&dev.child), Signal::TERM).unwrap();
    assert_eq!(dev.child.wait().unwrap().code(), Some(0));
    gone(pids);

    let (code, _, error) = run(dir, &["dev-cluster", "3"]);
    assert_eq!((code, error.contains("holds a cluster of 2")), (1, true), "{error}");
    assert_eq!(run(dir, &["dev-cluster", "8"]).0, 2);

    // The ports stand in the files of the first start; whoever is killed takes the nodes along.
    let dev = Dev::start(dir, 1);
    assert!(!dev.said.contains("password"), "{}", dev.said);
    linked("eyot-data/n1");
    let pids = dev.pids();
    drop(dev);
    gone(pids);
}
