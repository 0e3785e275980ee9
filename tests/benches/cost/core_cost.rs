//! Parse, route and serialise one message inside the core, and keep it in two archives: no socket, no TLS.

use std::time::Instant as Clock;

use bytes::Bytes;
use eyot_core::io::ConnId;
use eyot_core::store::Rows;

use crate::report::Report;
use crate::world::{BEGIN_MS, World};

const MESSAGES: u32 = 100_000;
/// A chat message as clients send it.
const BEGIN: &str = "<message to='bob@localhost/b' id='3f1a9c52-7a61-4d0b-a1a5-1c2b8e0f9d77' type='chat'>\
<body>The river rises; the ferry stays on this side until the morning.</body>\
<origin-id xmlns='urn:xmpp:sid:0' id='3f1a9c52-7a61-4d0b-a1a5-1c2b8e0f9d77'/>";
const STORED: &str = "<active xmlns='http://jabber.org/protocol/chatstates'/></message>";
const PASSING: &str = "<no-store xmlns='urn:xmpp:hints'/></message>";

/// Alice, who writes, and Bob.
struct Pair {
    world: World,
    alice: ConnId,
    message: Bytes,
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is stored, and then delivered.
    Stored,
    /// It says that it is not to be stored.
    Passing,
}

/// Measures nanoseconds and bytes of rows per message.
pub(crate) fn run(report: &mut Report) {
    for (fate, what) in [(Fate::Passing, "that no archive keeps"), (Fate::Stored, "that two archives keep")] {
        let mut pair = Pair::new(fate);
        pair.messages(MESSAGES / 10);
        let (bytes, rows) = pair.world.stored;
        pair.messages(MESSAGES);
        let count = u64::from(MESSAGES);
        let (bytes, rows) = ((pair.world.stored.0 - bytes) / count, (pair.world.stored.1 - rows) / count);
        let mut best = u128::MAX;
        for _ in 0..5 {
            let start = Clock::now();
            pair.messages(MESSAGES / 5);
            best = best.min(start.elapsed().as_nanos() / u128::from(MESSAGES / 5));
        }
        let len = pair.message.len();
        report.add(
            format!("core: a message of {len} B {what}, store in memory"),
            format!("{best} ns (best of 5 x {}), {bytes} B in {rows} rows stored", MESSAGES / 5),
        );
    }
}

/// Routes `messages` messages and nothing else; what the instruction count runs.
pub(crate) fn run_loop(fate: Fate, messages: u32) {
    Pair::new(fate).messages(messages);
}

impl Pair {
    fn new(fate: Fate) -> Self {
        let mut world = World::start(Box::new(Rows::new()), BEGIN_MS);
        let [alice, bob] = [("alice", "a"), ("bob", "b")].map(|(user, resource)| {
            world.add(user);
            world.login(user, resource)
        });
        world.say(alice, "<presence/>");
        world.say(bob, "<presence/>");
        let end = if fate == Fate::Stored { STORED } else { PASSING };
        Self { world, alice, message: Bytes::from(format!("{BEGIN}{end}")) }
    }

    fn messages(&mut self, count: u32) {
        let before = self.world.sent;
        for _ in 0..count {
            self.world.send(self.alice, self.message.clone());
        }
        assert_eq!(self.world.sent - before, u64::from(count), "every message is delivered");
    }
}
