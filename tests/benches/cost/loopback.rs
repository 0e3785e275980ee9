//! Server CPU per delivered message over loopback TLS, beside a relay that parses nothing.

pub(crate) mod process;
mod relay;

use std::time::Instant;

use tokio::runtime::Runtime;

use crate::client::{Client, Server};
use crate::report::{Report, fail};
pub(crate) use relay::serve as serve_relay;

const PAIRS: usize = 20;
const MESSAGES: usize = 5_000;
const ROUND_TRIPS: usize = 2_000;

/// Floods messages between pairs of clients, measures the server's CPU, and then the round trip when idle.
pub(crate) fn run(report: &mut Report) {
    let server = Server::start();
    for pair in 0..PAIRS {
        server.add_user(&format!("a{pair}"));
        server.add_user(&format!("b{pair}"));
    }
    let runtime = runtime();
    let pairs = runtime.block_on(log_in(&server));
    let delivered = (PAIRS * MESSAGES) as u64;

    let (cpu, wall, mut pairs) = flood(&runtime, server.pid(), pairs);
    let eyot = cpu * 1000 / delivered;
    report.add(
        "loopback: server CPU per delivered 1:1 message, TLS, flood",
        format!("{eyot} ns ({delivered} messages, {} ms)", wall / 1000),
    );

    let relay = relay::Relay::start(&server);
    let relayed = runtime.block_on(relay::connect(&relay, PAIRS));
    let (cpu, _, _) = flood(&runtime, relay.pid(), relayed);
    let bare = cpu * 1000 / delivered;
    report.add("loopback: the same through a TLS relay that parses nothing", format!("{bare} ns"));
    let percent = bare * 100 / eyot.max(1);
    report.add(
        "loopback: share of the bare relay's throughput",
        format!("{percent} % (budget: at least 60 %)"),
    );

    if let Some((sender, receiver)) = pairs.first_mut() {
        let (p50, p99) = runtime.block_on(round_trips(sender, receiver));
        report.add(
            "loopback: one message on an idle server, sent to received",
            format!("p50 {p50} µs, p99 {p99} µs"),
        );
    }
}

/// Returns the runtime of the load.
pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap_or_else(|error| fail(&format!("no runtime: {error}")))
}

async fn log_in(server: &Server) -> Vec<(Client, Client)> {
    let connector = server.connector();
    let mut pairs = Vec::new();
    for pair in 0..PAIRS {
        let mut sender = Client::connect(&connector, server.port()).await;
        sender.login(&format!("a{pair}"), "r").await;
        sender.appear().await;
        let mut receiver = Client::connect(&connector, server.port()).await;
        receiver.login(&format!("b{pair}"), "r").await;
        receiver.appear().await;
        pairs.push((sender, receiver));
    }
    pairs
}

/// Sends all messages of all pairs at once; returns CPU and wall microseconds.
fn flood(runtime: &Runtime, pid: u32, pairs: Vec<(Client, Client)>) -> (u64, u128, Vec<(Client, Client)>) {
    let before = process::cpu_micros(pid);
    let start = Instant::now();
    let pairs = runtime.block_on(async {
        let mut tasks = Vec::new();
        for (index, (mut sender, mut receiver)) in pairs.into_iter().enumerate() {
            let text = message(index);
            tasks.push(tokio::spawn(async move {
                let sending = async {
                    for _ in 0..MESSAGES {
                        sender.send(text.as_bytes()).await;
                    }
                };
                tokio::join!(sending, receiver.read_messages(MESSAGES));
                (sender, receiver)
            }));
        }
        let mut pairs = Vec::new();
        for task in tasks {
            pairs.push(task.await.unwrap_or_else(|error| fail(&format!("a client failed: {error}"))));
        }
        pairs
    });
    (process::cpu_micros(pid).saturating_sub(before), start.elapsed().as_micros(), pairs)
}

async fn round_trips(sender: &mut Client, receiver: &mut Client) -> (u128, u128) {
    let text = message(0);
    let mut times = Vec::with_capacity(ROUND_TRIPS);
    for _ in 0..ROUND_TRIPS {
        let start = Instant::now();
        sender.send(text.as_bytes()).await;
        receiver.read_messages(1).await;
        times.push(start.elapsed().as_micros());
    }
    times.sort_unstable();
    let at = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or_default();
    (at(50), at(99))
}

fn message(pair: usize) -> String {
    let body = "The river rises; the ferry stays on this side until the morning. ".repeat(3);
    format!(
        "<message to='b{pair}@localhost/r' id='3f1a9c52-7a61-4d0b' type='chat'><body>{body}</body></message>"
    )
}
