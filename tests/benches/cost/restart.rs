//! A server that starts with a million archived messages: from the start of the process to the first login.

use std::time::Instant;

use crate::client::{Client, Server, build};
use crate::filled::{self, Leave};
use crate::loopback::runtime;
use crate::report::Report;

/// Pairs of accounts, and what each pair has written.
const PAIRS: usize = 500;
const MESSAGES: u32 = 2_000;
/// What is written between the last checkpoint and the kill: it fills most of the log.
const MORE: u32 = 20_000;

/// Measures with no archive, after an end in order, and after a kill.
pub(crate) fn run(report: &mut Report) {
    build();
    let empty = Server::directory();
    filled::archives(empty.path(), 0, 1, 0, Leave::Closed);
    start(report, "with two accounts and no message", empty);
    let full = Server::directory();
    let filling = Instant::now();
    filled::archives(full.path(), 0, PAIRS, MESSAGES, Leave::Closed);
    let messages = PAIRS as u64 * u64::from(MESSAGES);
    let per_second = crate::report::per_second(messages, filling.elapsed().as_micros());
    report.add(
        format!("start: {messages} messages through a node into a store, 256 a commit"),
        format!("{per_second} messages a second"),
    );
    let full = start(report, "with 1,000,000 archived messages", full);
    filled::archives(full.path(), 2 * PAIRS, 1, MORE, Leave::Killed);
    start(report, "with as many, after a kill with a log that is not in the tree", full);
}

/// Starts a server and logs in; kills it then.
fn start(report: &mut Report, what: &str, dir: tempfile::TempDir) -> tempfile::TempDir {
    // Certificate and key are made once.
    let dir = Server::start_on(dir).into_directory();
    let begin = Instant::now();
    let server = Server::start_on(dir);
    let ready = begin.elapsed().as_millis();
    let connector = server.connector();
    runtime().block_on(async {
        let mut client = Client::connect(&connector, server.port()).await;
        client.login(&filled::user(0), "r").await;
        client.appear().await;
    });
    let logged_in = begin.elapsed().as_millis();
    report.add(
        format!("start: a server {what}"),
        format!("listens after {ready} ms, the first login is served after {logged_in} ms"),
    );
    server.into_directory()
}
