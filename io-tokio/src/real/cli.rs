//! The command line: `eyot serve`, `eyot user`, `eyot config`, `eyot status`, `eyot cluster`, `eyot dev-cluster`.

use std::io::{self, BufRead as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use super::config::{self, Overrides, Settings};
use super::control::client::Client;
use super::control::wire::{
    Cluster as Members, ClusterMember, DomainLevel, Member, Password, Reply, Request,
};
use super::data_dir::{DataDir, Paths};
use super::dev_cluster::{self, Wanted};
use super::enlist;
use super::membership::{draw_secret, load_key};
use super::record::RecordSettings;
use super::serve::Until;
use super::user::Office;
use super::{log, serve};
use crate::peer_tls::show_key;

/// An XMPP server whose nodes keep working when they are cut off.
#[derive(Debug, Parser)]
#[command(name = "eyot", version)]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Run a node. Works without configuration: domain `localhost`, loopback only, data in ./eyot-data.
    Serve(Serve),
    /// Manage accounts, whether the node runs or not.
    User {
        #[command(subcommand)]
        command: User,
    },
    /// Check a configuration file.
    Config {
        #[command(subcommand)]
        command: Config,
    },
    /// Show which nodes a running node is linked with.
    Status {
        #[command(flatten)]
        place: Place,
    },
    /// Found a cluster, join one, look after its members.
    Cluster {
        #[command(subcommand)]
        command: Cluster,
    },
    /// Run a cluster on this machine, to look at: each node a process, on loopback.
    DevCluster(DevCluster),
}

#[derive(Debug, Subcommand)]
enum Cluster {
    /// Show the hash of this node's key, by which other nodes know it; the key is made if there is none.
    Key {
        /// Data directory [default: eyot-data].
        #[arg(long, value_name = "DIR", default_value = "eyot-data")]
        data: PathBuf,
    },
    /// Draw a secret for a new cluster whose members stand in the configuration.
    Secret,
    /// Found a cluster of which this node is the first member. It keeps what it has; a running node starts anew.
    Init {
        #[command(flatten)]
        place: Place,
    },
    /// Make a token with which one node may join.
    Token {
        /// For how long it is good, such as 10m; at most 7 days.
        #[arg(long = "for", value_name = "TIME", default_value = "10m", value_parser = parse_time)]
        life: u64,
        /// The site of the node that joins [default: what its configuration says].
        #[arg(long, value_name = "NAME")]
        site: Option<String>,
        #[command(flatten)]
        place: Place,
    },
    /// Join the cluster of a token. This node may hold nothing but the untouched `admin` of a first start, which goes.
    Join {
        /// What `eyot cluster token` has shown.
        token: String,
        #[command(flatten)]
        place: Place,
    },
    /// Show the members, as this node sees them.
    Status {
        #[command(flatten)]
        place: Place,
    },
    /// Forget a member, for good.
    Forget {
        /// Its name.
        name: String,
        /// Also when it is up: what only it has is lost.
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, Args)]
struct DevCluster {
    /// How many nodes, 2 to 7.
    #[arg(value_name = "N", value_parser = clap::value_parser!(u16).range(2..=7))]
    nodes: u16,
    /// Where everything lies.
    #[arg(long, value_name = "DIR", default_value = "eyot-data")]
    data: PathBuf,
    /// The first port of the first node; at the first start.
    #[arg(long, value_name = "PORT", default_value_t = 5222)]
    port: u16,
    /// Domain to serve; at the first start.
    #[arg(long, value_name = "DOMAIN", default_value = "localhost")]
    domain: String,
}

#[derive(Debug, Args)]
struct Serve {
    /// Domain to serve; may be repeated [default: localhost].
    #[arg(long, value_name = "DOMAIN")]
    domain: Vec<String>,
    /// Where to listen for STARTTLS, or `none`; may be repeated [default: port 5222 on loopback].
    #[arg(long, value_name = "ADDR", value_parser = parse_listen)]
    listen: Vec<ListenFlag>,
    /// Where to listen for direct TLS, or `none`; may be repeated [default: port 5223 on loopback].
    #[arg(long, value_name = "ADDR", value_parser = parse_listen)]
    listen_tls: Vec<ListenFlag>,
    /// Record everything the node is given into this new file, for replay. It will hold passwords and messages.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Where a recording ends.
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 30, requires = "record")]
    record_limit: u64,
    /// What to log: off, error, warn, info, debug, trace, or a filter [default: info].
    #[arg(long, value_name = "LEVEL")]
    log: Option<String>,
    /// End in order when the standard input ends: for a process that has started this one.
    #[arg(long, hide = true)]
    end_with_stdin: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
struct Place {
    /// Data directory [default: eyot-data].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Configuration file; flags override it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum User {
    /// Create an account.
    Add(Account),
    /// Set a password. Sessions of the account end.
    Passwd(Account),
    /// Remove an account. Its sessions end.
    Remove {
        /// `alice` (in the first domain) or `alice@domain`.
        name: String,
        #[command(flatten)]
        place: Place,
    },
    /// Show the accounts of a domain.
    List {
        /// The domain [default: the first].
        domain: Option<String>,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, Args)]
struct Account {
    /// `alice` (in the first domain) or `alice@domain`.
    name: String,
    /// Read the password from the first line of standard input; without it one is drawn and shown.
    #[arg(long)]
    password_stdin: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Subcommand)]
enum Config {
    /// Say whether a file can be used, and if not, why.
    Check {
        /// The file.
        file: PathBuf,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ListenFlag {
    None,
    At(SocketAddr),
}

/// Runs the program. Usage errors end it with 2, all others with 1.
pub fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Task::Serve(flags) => run_serve(flags),
        Task::User { command } => run_user(command),
        Task::Config { command: Config::Check { file } } => check_config(&file),
        Task::Status { place } => show_status(place),
        Task::Cluster { command } => run_cluster(command),
        Task::DevCluster(DevCluster { nodes, data, port, domain }) => {
            dev_cluster::run(&Wanted { nodes, dir: data, port, domain })
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            // Nobody reads standard error: the exit code still tells.
            let _closed = writeln!(io::stderr(), "eyot: {text}").is_err();
            ExitCode::FAILURE
        }
    }
}

/// Writes a line to standard output.
pub(crate) fn say(text: &str) {
    // A reader that has gone away wants no more output; that is no reason to stop a server.
    let mut out = io::stdout().lock();
    let _closed = writeln!(out, "{text}").and_then(|()| out.flush()).is_err();
}

fn run_serve(flags: Serve) -> Result<(), String> {
    let until = if flags.end_with_stdin { Until::StdinEnds } else { Until::Signal };
    let overrides = Overrides {
        domains: flags.domain,
        data: flags.place.data,
        starttls: listen_flags(&flags.listen),
        direct_tls: listen_flags(&flags.listen_tls),
        log: flags.log,
        record: flags.record.map(|path| RecordSettings { path, limit_bytes: flags.record_limit }),
    };
    let settings =
        config::load(flags.place.config.as_deref(), overrides).map_err(|error| error.to_string())?;
    log::start(&settings.log)?;
    end_on_panic();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let outcome = runtime.block_on(serve::serve(settings, until)).map_err(|error| error.to_string());
    // What a signal cut short is not waited for.
    runtime.shutdown_background();
    outcome
}

/// A broken invariant ends the process: the store is safe against that, and a new start heals what a
/// half-dead node would not.
fn end_on_panic() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        default(panic);
        std::process::abort();
    }));
}

fn run_user(command: User) -> Result<(), String> {
    match command {
        User::Add(account) => {
            let (name, password) = (account.name, read_password(account.password_stdin)?);
            show(&ask(account.place, Request::Add { name, password })?, "added");
        }
        User::Passwd(account) => {
            let (name, password) = (account.name, read_password(account.password_stdin)?);
            show(&ask(account.place, Request::Passwd { name, password })?, "changed");
        }
        User::Remove { name, place } => show(&ask(place, Request::Remove { name })?, "removed"),
        User::List { domain, place } => list(place, domain.as_ref())?,
    }
    Ok(())
}

fn list(place: Place, domain: Option<&String>) -> Result<(), String> {
    let mut office = office(place)?;
    let mut after = None;
    loop {
        let request = Request::List { domain: domain.cloned(), after };
        let Reply::Accounts { users, more } = office.ask(request).map_err(|error| error.to_string())? else {
            return Err("the node answered something else".into());
        };
        for user in &users {
            say(user);
        }
        after = users.last().and_then(|user| user.split_once('@')).map(|(local, _)| local.to_owned());
        if !more || after.is_none() {
            return Ok(());
        }
    }
}

fn ask(place: Place, request: Request) -> Result<Reply, String> {
    office(place)?.ask(request).map_err(|error| error.to_string())
}

fn office(place: Place) -> Result<Office, String> {
    let given = place.config.is_some();
    let overrides = Overrides { data: place.data, ..Overrides::default() };
    let settings: Settings =
        config::load(place.config.as_deref(), overrides).map_err(|error| error.to_string())?;
    Office::open(&Paths::new(settings.data), settings.node, given).map_err(|error| error.to_string())
}

fn show(reply: &Reply, done: &str) {
    match reply {
        Reply::Account { user, drawn: Some(Password(password)) } => {
            say(&format!("{done} {user}, password {password}"));
        }
        Reply::Account { user, drawn: None } => say(&format!("{done} {user}")),
        Reply::Done
        | Reply::Accounts { .. }
        | Reply::Status(_)
        | Reply::Token(_)
        | Reply::Cluster(_)
        | Reply::Refused(_) => say(done),
    }
}

fn read_password(from_stdin: bool) -> Result<Option<Password>, String> {
    if !from_stdin {
        return Ok(None);
    }
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).map_err(|error| format!("standard input: {error}"))?;
    Ok(Some(Password(line.trim_end_matches(['\r', '\n']).to_owned())))
}

fn check_config(file: &std::path::Path) -> Result<(), String> {
    config::load(Some(file), Overrides::default()).map_err(|error| error.to_string())?;
    say(&format!("{} can be used", file.display()));
    Ok(())
}

fn show_status(place: Place) -> Result<(), String> {
    let overrides = Overrides { data: place.data, ..Overrides::default() };
    let settings = config::load(place.config.as_deref(), overrides).map_err(|error| error.to_string())?;
    let paths = Paths::new(settings.data);
    let client = Client::connect(&paths.control()).map_err(|error| error.to_string())?;
    let Some(mut client) = client else {
        return Err(format!("no node runs on {}", paths.dir().display()));
    };
    let status = match client.call(Request::Status).map_err(|error| error.to_string())? {
        Reply::Status(status) => status,
        Reply::Refused(why) => return Err(why),
        Reply::Done
        | Reply::Account { .. }
        | Reply::Accounts { .. }
        | Reply::Token(_)
        | Reply::Cluster(_) => {
            return Err("the node answered something else".into());
        }
    };
    say(&format!("{} serves {}", status.node, status.domains.join(", ")));
    for Member { name, site, address, state } in &status.members {
        say(&format!("  {name} ({site}, {address}): {state}"));
    }
    if status.members.is_empty() {
        say("  it is alone");
    }
    for DomainLevel { domain, level, state } in &status.levels {
        say(&format!("  durability of {domain} {level}: {state}"));
    }
    Ok(())
}

fn run_cluster(command: Cluster) -> Result<(), String> {
    match command {
        Cluster::Key { data } => return show_own_key(data),
        Cluster::Secret => say(draw_secret().map_err(|error| error.to_string())?.trim_end()),
        Cluster::Init { place } => {
            turn(&place, Request::ClusterInit)?;
            say("founded a cluster; `eyot cluster token` invites a node");
        }
        Cluster::Join { token, place } => {
            turn(&place, Request::ClusterJoin { token: Password(token) })?;
            say("joined; the node serves as soon as it has what logins need");
        }
        Cluster::Token { life, site, place } => {
            let request = Request::ClusterToken { seconds: life, site };
            let Reply::Token(Password(token)) = enlist::ask(&settings(&place)?, request)? else {
                return Err("the node answered something else".into());
            };
            say(&token);
        }
        Cluster::Status { place } => {
            let Reply::Cluster(cluster) = enlist::ask(&settings(&place)?, Request::ClusterStatus)? else {
                return Err("the node answered something else".into());
            };
            show_cluster(&cluster);
        }
        Cluster::Forget { name, force, place } => {
            let request = Request::ClusterForget { name: name.clone(), force };
            enlist::ask(&settings(&place)?, request)?;
            say(&format!("forgot {name}"));
        }
    }
    Ok(())
}

fn turn(place: &Place, request: Request) -> Result<Reply, String> {
    let given = place.config.is_some();
    enlist::turn(settings(place)?, given, request)
}

fn settings(place: &Place) -> Result<Settings, String> {
    let overrides = Overrides { data: place.data.clone(), ..Overrides::default() };
    config::load(place.config.as_deref(), overrides).map_err(|error| error.to_string())
}

fn show_cluster(cluster: &Members) {
    say(&format!("cluster {}", cluster.id));
    for member in &cluster.members {
        let ClusterMember { number, name, site, address, link, state, lag } = member;
        say(&format!("  {name} ({site}, {address}, {link}, number {number}): {state}"));
        for (group, lacks) in lag.iter().filter(|(_, lacks)| *lacks > 0) {
            say(&format!("    lacks {lacks} of {group}"));
        }
    }
}

/// Reads a time such as 90s, 10m or 2h, as seconds.
fn parse_time(text: &str) -> Result<u64, String> {
    let units = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];
    let read = units.iter().find_map(|(unit, seconds)| {
        let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
        number.checked_mul(*seconds).filter(|seconds| (1..=7 * 86_400).contains(seconds))
    });
    read.ok_or_else(|| "write a time such as 90s, 10m or 2h, at most 7d".into())
}

fn show_own_key(data: PathBuf) -> Result<(), String> {
    let paths = Paths::new(data);
    // Whoever makes the key has the directory for itself; who only reads it may do so while the node runs.
    let made = if paths.peer_certificate().exists() { None } else { Some(DataDir::create(paths.clone())) };
    made.transpose().map_err(|error| error.to_string())?;
    let key = load_key(&paths).map_err(|error| error.to_string())?.key();
    say(&show_key(&key));
    Ok(())
}

fn parse_listen(text: &str) -> Result<ListenFlag, String> {
    if text == "none" {
        return Ok(ListenFlag::None);
    }
    let addr = text
        .parse()
        .map_err(|_| "write an address with a port, such as 0.0.0.0:5222 or [::]:5222, or `none`");
    addr.map(ListenFlag::At).map_err(Into::into)
}

/// No flag at all leaves the file's word.
fn listen_flags(flags: &[ListenFlag]) -> Option<Vec<SocketAddr>> {
    if flags.is_empty() {
        return None;
    }
    let addrs = flags.iter().filter_map(|flag| match flag {
        ListenFlag::None => None,
        ListenFlag::At(addr) => Some(*addr),
    });
    Some(addrs.collect())
}
