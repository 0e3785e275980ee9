//! Resident bytes per idle session, TLS included.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use eyot_core::store::{Key, StoreQuery, Table};

use crate::client::{Client, DOMAIN, Server};
use crate::filled;
use crate::instructions::own;
use crate::loopback::{process, runtime};
use crate::report::{Report, fail};

const SESSIONS: usize = 5_000;
const ACCOUNTS: usize = 250;
const ROUNDS: usize = 2;
/// Accounts of which each has one session.
const ALL: usize = ACCOUNTS + ROUNDS * SESSIONS;

/// Lets sessions be idle: 5,000 of 250 accounts without contacts, and with XEP-0198 twice 5,000 of an account each, without contacts
/// and with a roster of 10. What a store keeps in memory comes with the first 5,000 accounts and has its bound; the second show what a
/// session takes.
pub(crate) fn run(report: &mut Report) {
    let server = Server::start();
    for account in 0..ACCOUNTS {
        server.add_user(&filled::user(account));
    }
    measure(report, &server, Kind::Bare);
    let data = Server::directory();
    filled::archives(data.path(), 0, ALL / 2, 0, filled::Leave::Closed);
    measure(report, &Server::start_on(data), Kind::Alone);
    let data = Server::directory();
    filled::rosters(data.path(), ALL);
    report.add(
        format!(
            "memory: resident bytes that a store keeps of each of {SESSIONS} accounts with a roster of 10"
        ),
        format!("{} B", kept_by_store(data.path())),
    );
    measure(report, &Server::start_on(data), Kind::Whole);
}

/// Returns what reading one account after another leaves in the caches of a store.
fn kept_by_store(dir: &Path) -> String {
    let output = Command::new(own()).arg("read-accounts").arg(dir).arg(SESSIONS.to_string()).output();
    let output = output.unwrap_or_else(|error| fail(&format!("cannot run itself: {error}")));
    String::from_utf8_lossy(&output.stdout).trim().into()
}

/// Reads so many accounts from a store and prints what the process has grown by for each.
pub(crate) fn run_loop(dir: &str, accounts: usize) {
    let mut disk = filled::open(dir.as_ref());
    let mut read = |number: usize| {
        let from = Key::new(Table::Cell, &[DOMAIN, &filled::user(number)]);
        let to = from.prefix_end();
        let rows = disk.read(&StoreQuery::Range { from, to, limit: u32::MAX });
        assert!(rows.len() > 50, "five cells of each contact: {}", rows.len());
    };
    read(0);
    let before = process::resident_bytes(std::process::id());
    (0..accounts).for_each(&mut read);
    let grown = process::resident_bytes(std::process::id()).saturating_sub(before);
    let told = writeln!(std::io::stdout(), "{}", grown / accounts as u64);
    told.unwrap_or_else(|error| fail(&format!("nobody reads this: {error}")));
}

/// What a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// One of many of its account.
    Bare,
    /// The only one of its account, which has no contacts; with XEP-0198.
    Alone,
    /// The same with a roster of 10.
    Whole,
}

impl Kind {
    /// Returns how often so many sessions are added. An account has only so many.
    const fn rounds(self) -> usize {
        match self {
            Self::Bare => 1,
            Self::Alone | Self::Whole => ROUNDS,
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Bare => ", 20 of each account",
            Self::Alone => " with XEP-0198, an account each",
            Self::Whole => " with XEP-0198, an account each and a roster of 10",
        }
    }
}

/// Logs the sessions in and looks at the server's resident set before and after.
fn measure(report: &mut Report, server: &Server, kind: Kind) {
    let runtime = runtime();
    let connector = server.connector();
    // What the first logins allocate for good does not belong to the sessions.
    runtime.block_on(log_in(server, &connector, kind, 0..ACCOUNTS));
    for round in 0..kind.rounds() {
        let before = process::resident_bytes(server.pid());
        let begin = ACCOUNTS + round * SESSIONS;
        runtime.block_on(log_in(server, &connector, kind, begin..begin + SESSIONS));
        std::thread::sleep(std::time::Duration::from_secs(2));
        let after = process::resident_bytes(server.pid());
        let each = after.saturating_sub(before) / SESSIONS as u64;
        let which = if round == 0 { "first" } else { "next" };
        report.add(
            format!("memory: resident bytes per idle TLS session{}, the {which} {SESSIONS}", kind.text()),
            format!("{each} B (server {} KiB in all)", after / 1024),
        );
    }
    let cpu = process::cpu_micros(server.pid());
    std::thread::sleep(std::time::Duration::from_secs(5));
    let idle = process::cpu_micros(server.pid()).saturating_sub(cpu);
    report.add(
        format!("memory: server CPU in 5 s with {} idle sessions", kind.rounds() * SESSIONS),
        format!("{idle} µs"),
    );
}

/// Logs sessions in, which go on as tasks of the runtime.
async fn log_in(
    server: &Server,
    connector: &tokio_rustls::TlsConnector,
    kind: Kind,
    sessions: std::ops::Range<usize>,
) {
    for session in sessions {
        let mut client = Client::connect(connector, server.port()).await;
        match kind {
            Kind::Bare => {
                let resource = format!("r{}", session / ACCOUNTS);
                client.login(&filled::user(session % ACCOUNTS), &resource).await;
            }
            Kind::Alone | Kind::Whole => {
                client.login(&filled::user(session), "r").await;
                client.settle().await;
            }
        }
        tokio::spawn(client.attend());
    }
}
