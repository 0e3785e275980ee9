//! `eyot dev-cluster`: a cluster on this machine, each node a process of its own, for those who want to see one.

mod prepare;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use eyot_core::io::ConnKind;

use super::cli::say;
use super::config::{self, Overrides, Settings};
use super::control::client::Client;
use super::control::wire::{Password, Reply, Request};
use super::data_dir::Paths;
use super::serve::Signals;

/// How long a node may take to start.
const START_TIME: Duration = Duration::from_secs(30);
/// How often a node that starts, or one that runs, is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// How many nodes.
    pub nodes: u16,
    /// Where everything lies.
    pub dir: PathBuf,
    /// The first port of the first node.
    pub port: u16,
    /// The domain.
    pub domain: String,
}

/// A node of the cluster.
struct Node {
    name: String,
    file: PathBuf,
    log: PathBuf,
    settings: Settings,
    /// The process. Its standard input is a pipe: it ends when the other end, which is ours, does.
    child: Option<Child>,
}

/// Makes what is missing, starts all nodes, and waits until somebody wants to stop or all have ended.
///
/// # Errors
///
/// What is wrong, in words. No node that was started is left running.
pub fn run(wanted: &Wanted) -> Result<(), String> {
    let files = prepare::prepare(wanted)?;
    let mut nodes = Vec::new();
    for (name, file) in files {
        nodes.push(Node::start(name, file)?);
    }
    for node in &mut nodes {
        node.until_ready()?;
    }
    announce(wanted, &nodes)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| error.to_string())?.block_on(watch(nodes)).map_err(|error| error.to_string())
}

/// Waits, and ends all nodes at the first signal; kills them at the second.
async fn watch(mut nodes: Vec<Node>) -> io::Result<()> {
    let mut signals = Signals::new()?;
    let mut stopping = false;
    loop {
        for node in &mut nodes {
            node.look(stopping)?;
        }
        if nodes.iter().all(|node| node.child.is_none()) {
            return Ok(());
        }
        tokio::select! {
            biased;
            () = signals.next() => {
                for child in nodes.iter_mut().filter_map(|node| node.child.as_mut()) {
                    if stopping {
                        child.kill()?;
                    }
                    child.stdin = None;
                }
                if !stopping {
                    say("the nodes are stopping; a second signal kills them");
                }
                stopping = true;
            }
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

impl Node {
    fn start(name: String, file: PathBuf) -> Result<Self, String> {
        let settings = config::load(Some(&file), Overrides::default()).map_err(|error| error.to_string())?;
        let log = file.with_extension("log");
        let spawn = || {
            let program = std::env::current_exe()?;
            let out = open_log(&log)?;
            Command::new(program)
                .args(["serve", "--end-with-stdin", "--config"])
                .arg(&file)
                .stdin(Stdio::piped())
                .stdout(out.try_clone()?)
                .stderr(out)
                // A key pressed in the terminal is for this process; it tells the nodes.
                .process_group(0)
                .spawn()
        };
        let child = spawn().map_err(|error| format!("{name} does not start: {error}"))?;
        Ok(Self { name, file, log, settings, child: Some(child) })
    }

    fn until_ready(&mut self) -> Result<(), String> {
        let path = Paths::new(self.settings.data.clone()).control();
        let deadline = Instant::now() + START_TIME;
        let log = self.log.display().to_string();
        while Client::connect(&path).map_err(|error| format!("{}: {error}", path.display()))?.is_none() {
            let child = self.child.as_mut().expect("it was just started");
            let ended = child.try_wait().map_err(|error| error.to_string())?;
            if ended.is_some() || Instant::now() > deadline {
                return Err(format!("{} did not start. {log} says why.", self.name));
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Says so when the process has ended.
    fn look(&mut self, stopping: bool) -> io::Result<()> {
        let Some(child) = &mut self.child else { return Ok(()) };
        if let Some(status) = child.try_wait()? {
            self.child = None;
            let (name, how) = (&self.name, how(status));
            if stopping {
                say(&format!("{name} has ended ({how})"));
            } else {
                let again = format!("{} serve --config {}", program(), self.file.display());
                say(&format!("{name} has ended ({how}). Start it again, in another terminal: {again}"));
            }
        }
        Ok(())
    }

    fn port(&self, wanted: ConnKind) -> u16 {
        let mut listen = self.settings.listen.iter();
        listen.find(|listen| listen.kind == wanted).map_or(0, |listen| listen.addr.port())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended by itself; that is as good.
            let _ended = child.kill().is_err() || child.wait().is_err();
        }
    }
}

fn announce(wanted: &Wanted, nodes: &[Node]) -> Result<(), String> {
    say(&format!("eyot serves {} on {} nodes, in {}", wanted.domain, nodes.len(), wanted.dir.display()));
    for node in nodes {
        let pid = node.child.as_ref().map_or(0, Child::id);
        say(&format!(
            "  {}  process {pid}, STARTTLS 127.0.0.1:{}, direct TLS 127.0.0.1:{}, other nodes 127.0.0.1:{}, log {}",
            node.name,
            node.port(ConnKind::ClientStartTls),
            node.port(ConnKind::ClientDirectTls),
            node.port(ConnKind::Peer),
            node.log.display()
        ));
    }
    let first = nodes.first().ok_or("there is no node")?;
    let data = first.settings.data.display();
    if let Some((user, Password(password))) = first_account(&first.settings.data)? {
        say(&format!("  account      {user}, password {password} (shown this once)"));
    }
    let (domain, port) = (&wanted.domain, first.port(ConnKind::ClientStartTls));
    say(&format!(
        "  clients      profanity: /connect NAME@{domain} server 127.0.0.1 port {port}, or that of another node"
    ));
    say(&format!("  certificate  {data}/cert.pem, self-made; each node has its own"));
    say(&format!("  add a user   {} user add alice --data {data}", program()));
    say(&format!("  who is linked  {} status --data {data}", program()));
    if let Some(child) = nodes.last().and_then(|node| node.child.as_ref()) {
        say(&format!(
            "  kill a node  kill -9 {}; what is said meanwhile arrives when it is back",
            child.id()
        ));
    }
    say("  Ctrl-C ends all nodes");
    Ok(())
}

/// Makes the first account on the first node.
fn first_account(data: &Path) -> Result<Option<(String, Password)>, String> {
    let gone = || "the first node has gone away".to_owned();
    let path = Paths::new(data).control();
    let mut client = Client::connect(&path).map_err(|error| error.to_string())?.ok_or_else(gone)?;
    let mut ask = |request| client.call(request).map_err(|error| error.to_string());
    match ask(Request::List { domain: None, after: None })? {
        Reply::Accounts { users, .. } if users.is_empty() => {}
        Reply::Accounts { .. } => return Ok(None),
        Reply::Refused(why) => return Err(why),
        Reply::Done | Reply::Account { .. } | Reply::Status(_) | Reply::Token(_) | Reply::Cluster(_) => {
            return Err(gone());
        }
    }
    match ask(Request::Add { name: "admin".into(), password: None })? {
        Reply::Account { user, drawn } => Ok(drawn.map(|drawn| (user, drawn))),
        Reply::Refused(why) => Err(why),
        Reply::Done | Reply::Accounts { .. } | Reply::Status(_) | Reply::Token(_) | Reply::Cluster(_) => {
            Ok(None)
        }
    }
}

fn open_log(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

fn program() -> String {
    std::env::current_exe().map_or_else(|_| "eyot".into(), |path| path.display().to_string())
}

fn how(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "for no reason that it told".into(),
    }
}
