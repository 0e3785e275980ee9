//! Resident bytes per idle session, TLS included.

use crate::client::{Client, Server};
use crate::loopback::{process, runtime};
use crate::report::Report;

const SESSIONS: usize = 5_000;
const ACCOUNTS: usize = 250;

/// Logs 5,000 sessions in, lets them be idle, and looks at the server's resident set before and after.
pub(crate) fn run(report: &mut Report) {
    let server = Server::start();
    for account in 0..ACCOUNTS {
        server.add_user(&format!("user{account}"));
    }
    let runtime = runtime();
    let connector = server.connector();
    // What the first logins allocate for good does not belong to the sessions.
    let mut clients = runtime.block_on(log_in(&server, &connector, 0..ACCOUNTS));
    let before = process::resident_bytes(server.pid());
    clients.extend(runtime.block_on(log_in(&server, &connector, ACCOUNTS..SESSIONS + ACCOUNTS)));
    std::thread::sleep(std::time::Duration::from_secs(2));
    let after = process::resident_bytes(server.pid());
    let each = after.saturating_sub(before) / SESSIONS as u64;
    report.add(
        format!("memory: resident bytes per idle TLS session at {SESSIONS}"),
        format!("{each} B (server {} KiB in all)", after / 1024),
    );
    let cpu = process::cpu_micros(server.pid());
    std::thread::sleep(std::time::Duration::from_secs(5));
    let idle = process::cpu_micros(server.pid()).saturating_sub(cpu);
    report.add(format!("memory: server CPU in 5 s with {SESSIONS} idle sessions"), format!("{idle} µs"));
    drop(clients);
}

async fn log_in(
    server: &Server,
    connector: &tokio_rustls::TlsConnector,
    sessions: std::ops::Range<usize>,
) -> Vec<Client> {
    let mut clients = Vec::new();
    for session in sessions {
        let mut client = Client::connect(connector, server.port()).await;
        let resource = format!("r{}", session / ACCOUNTS);
        client.login(&format!("user{}", session % ACCOUNTS), &resource).await;
        clients.push(client);
    }
    clients
}
