//! Bytes that a node holds for each idle session: what it asked its allocator for, by valgrind's DHAT.

use std::process::Command;

use crate::filled;
use crate::instructions::own;
use crate::report::{Report, fail};
use crate::world::World;

/// Accounts in the store.
const ACCOUNTS: usize = 400;
const FEW: u64 = 50;
const MANY: u64 = 350;

/// Measures sessions with and without a roster and acknowledgements.
pub(crate) fn run(report: &mut Report) {
    let dirs = [false, true].map(|rosters| {
        let dir = tempfile::tempdir().unwrap_or_else(|error| fail(&format!("no directory: {error}")));
        if rosters {
            filled::rosters(dir.path(), ACCOUNTS);
        } else {
            filled::archives(dir.path(), 0, ACCOUNTS / 2, 0, filled::Leave::Closed);
        }
        dir
    });
    for (dir, contacts) in dirs.iter().zip(["an empty roster", "a roster of 10"]) {
        for (kind, acks) in [("plain", "without"), ("sm", "with")] {
            let dir = dir.path().to_string_lossy();
            let [few, many] = [FEW, MANY].map(|turns| leaked(&["heap-sessions", kind, &dir], turns));
            let [bytes, blocks] = [0, 1].map(|at| (many[at] - few[at]) / (MANY - FEW));
            report.add(
                format!("memory: a node's heap per idle session {acks} XEP-0198, {contacts}"),
                format!("{bytes} B in {blocks} blocks (DHAT)"),
            );
        }
    }
}

/// Logs so many sessions in, each of another account, and leaves the node's memory as it is.
pub(crate) fn run_loop(kind: &str, dir: &str, turns: usize) {
    let mut world = World::start(filled::open(dir.as_ref()), filled::begin());
    world.acknowledge();
    for number in 0..turns {
        let conn = world.login(&filled::user(number), "r");
        world.say(conn, "<iq type='get' id='g'><query xmlns='jabber:iq:roster'/></iq>");
        if kind == "sm" {
            world.say(conn, "<enable xmlns='urn:xmpp:sm:3' resume='true'/>");
        }
        world.say(conn, "<presence/>");
    }
    world.leak_node();
}

/// Returns the bytes and blocks that a run of this program never gave back.
pub(crate) fn leaked(words: &[&str], turns: u64) -> [u64; 2] {
    let output = Command::new("valgrind")
        .args(["--tool=dhat", "--dhat-out-file=/dev/null"])
        .arg(own())
        .args(words)
        .arg(turns.to_string())
        .output()
        .unwrap_or_else(|error| fail(&format!("valgrind cannot be run ({error}): install it")));
    let text = String::from_utf8_lossy(&output.stderr).replace(',', "");
    let line = text.lines().find_map(|line| line.split("At t-end:").nth(1));
    let numbers: Vec<u64> =
        line.unwrap_or_default().split_whitespace().filter_map(|word| word.parse().ok()).collect();
    numbers.try_into().unwrap_or_else(|_| fail(&format!("DHAT counted nothing:\n{text}")))
}
