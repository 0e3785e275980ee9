//! Resident bytes per idle session, TLS included.

use crate::client::{Client, Server};
use crate::filled;
use crate::loopback::{process, runtime};
use crate::report::Report;

const SESSIONS: usize = 5_000;
const ACCOUNTS: usize = 250;

/// Lets 5,000 sessions be idle: of 250 accounts without contacts, and of an account each, with a roster of 10 and XEP-0198.
pub(crate) fn run(report: &mut Report) {
    let server = Server::start();
    for account in 0..ACCOUNTS {
        server.add_user(&filled::user(account));
    }
    measure(report, &server, Kind::Bare);
    let data = Server::directory();
    filled::rosters(data.path(), SESSIONS + ACCOUNTS);
    measure(report, &Server::start_on(data), Kind::Whole);
}

/// What a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// One of many of its account.
    Bare,
    /// The only one of its account, with everything.
    Whole,
}

/// Logs the sessions in and looks at the server's resident set before and after.
fn measure(report: &mut Report, server: &Server, kind: Kind) {
    let runtime = runtime();
    let connector = server.connector();
    // What the first logins allocate for good does not belong to the sessions.
    runtime.block_on(log_in(server, &connector, kind, 0..ACCOUNTS));
    let before = process::resident_bytes(server.pid());
    runtime.block_on(log_in(server, &connector, kind, ACCOUNTS..SESSIONS + ACCOUNTS));
    std::thread::sleep(std::time::Duration::from_secs(2));
    let after = process::resident_bytes(server.pid());
    let each = after.saturating_sub(before) / SESSIONS as u64;
    let what = match kind {
        Kind::Bare => "",
        Kind::Whole => " with XEP-0198 and a roster of 10",
    };
    report.add(
        format!("memory: resident bytes per idle TLS session{what} at {SESSIONS}"),
        format!("{each} B (server {} KiB in all)", after / 1024),
    );
    let cpu = process::cpu_micros(server.pid());
    std::thread::sleep(std::time::Duration::from_secs(5));
    let idle = process::cpu_micros(server.pid()).saturating_sub(cpu);
    report.add(format!("memory: server CPU in 5 s with {SESSIONS} idle sessions"), format!("{idle} µs"));
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
            Kind::Whole => {
                client.login(&filled::user(session), "r").await;
                client.settle().await;
            }
        }
        tokio::spawn(client.attend());
    }
}
