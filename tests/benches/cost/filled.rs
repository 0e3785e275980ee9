//! Stores with archives and rosters in them, made by a node and kept in files as a server keeps them.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use eyot_core::io::ConnId;
use eyot_core::store::{Row, StoreBatch, StoreQuery};
use eyot_io_tokio::store::engine::{Engine, LOG_BYTES, Pace};

use crate::report::fail;
use crate::store::file::CountedFile;
use crate::world::{Disk, World};

/// Batches that are committed together.
const GROUP: usize = 256;
/// Contacts of each account on each side of it.
const SIDE: usize = 5;
/// How long ago the first message was sent.
const AGE_MS: i64 = 30 * 86_400_000;

/// An engine that commits in groups. What is gathered is lost with it, unless it is asked to be [`Files::close`]d.
struct Files {
    engine: Engine,
    gathered: Vec<StoreBatch>,
}

/// How the files of a store are left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leave {
    /// As a process leaves them that ends in order.
    Closed,
    /// As one does that is killed.
    Killed,
}

/// Opens the store in `dir`, or makes one.
pub(crate) fn open(dir: &Path) -> Box<dyn Disk> {
    let [tree, log] = ["store", "store-log"].map(|name| CountedFile::open(&dir.join(name)));
    let engine = Engine::open_sized(tree, log, LOG_BYTES).unwrap_or_else(|error| fail(&error.to_string()));
    Box::new(Files { engine, gathered: Vec::new() })
}

/// Returns a time long before today and within what archives keep, in milliseconds since 1970.
pub(crate) fn begin() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    i64::try_from(now).unwrap_or_default() - AGE_MS
}

/// Returns the name of an account.
pub(crate) fn user(number: usize) -> String {
    format!("user{number}")
}

/// Lets `pairs` pairs of accounts, from number `first` on, exchange `messages` messages each. The accounts are made with the first.
pub(crate) fn archives(dir: &Path, first: usize, pairs: usize, messages: u32, leave: Leave) {
    let mut world = World::start(open(dir), begin());
    for pair in 0..pairs {
        let [one, other] = [0, 1].map(|end| {
            let user = user(first + 2 * pair + end);
            world.add(&user);
            let conn = world.login(&user, "r");
            world.say(conn, "<presence/>");
            conn
        });
        let before = world.sent;
        for number in 0..messages {
            let (from, to) = if number % 2 == 0 { (one, 1) } else { (other, 0) };
            let to = user(first + 2 * pair + to);
            world.pass(2);
            world.say(from, &message(&to, number));
        }
        if world.sent - before != u64::from(messages) {
            fail("not every message is delivered");
        }
        for conn in [one, other] {
            world.cut(conn);
        }
    }
    end(world, leave);
}

/// Makes `count` accounts with rosters and keeps them.
pub(crate) fn rosters(dir: &Path, count: usize) {
    let mut world = World::start(open(dir), begin());
    befriend(&mut world, count);
    end(world, Leave::Closed);
}

/// Makes `count` accounts, each of which follows the five before and the five behind it and is followed by them. Returns the
/// session of each.
pub(crate) fn befriend(world: &mut World, count: usize) -> Vec<ConnId> {
    let conns: Vec<ConnId> = (0..count)
        .map(|number| {
            world.add(&user(number));
            world.login(&user(number), "r")
        })
        .collect();
    for (number, conn) in conns.iter().enumerate() {
        for step in 1..=SIDE {
            let other = (number + step) % count;
            let Some(theirs) = conns.get(other) else { continue };
            for (conn, to) in [(*conn, other), (*theirs, number)] {
                let to = user(to);
                world.say(conn, &contact(&to));
                world.say(conn, &format!("<presence to='{to}@localhost' type='subscribe' id='s{number}'/>"));
            }
            for (conn, to) in [(*theirs, number), (*conn, other)] {
                world.say(conn, &format!("<presence to='{}@localhost' type='subscribed'/>", user(to)));
            }
        }
    }
    conns
}

fn end(mut world: World, leave: Leave) {
    // A read sees every write before it.
    world.disk.read(&StoreQuery::Many { keys: Vec::new() });
    match leave {
        Leave::Closed => drop(world),
        Leave::Killed => std::mem::forget(world),
    }
}

fn contact(user: &str) -> String {
    format!(
        "<iq type='set' id='i'><query xmlns='jabber:iq:roster'><item jid='{user}@localhost' name='Name of {user}'>\
         <group>Friends</group></item></query></iq>"
    )
}

fn message(to: &str, number: u32) -> String {
    format!(
        "<message to='{to}@localhost' id='3f1a9c52-7a61-4d0b-{number:08}' type='chat'>\
         <body>The river rises; the ferry stays on this side until the morning.</body>\
         <active xmlns='http://jabber.org/protocol/chatstates'/></message>"
    )
}

impl Files {
    fn commit(&mut self) {
        let batches = std::mem::take(&mut self.gathered);
        self.engine.apply(&batches).unwrap_or_else(|error| fail(&format!("a commit failed: {error:?}")));
        self.engine.checkpoint(Pace::Busy);
    }
}

impl Disk for Files {
    fn write(&mut self, batch: StoreBatch) {
        self.gathered.push(batch);
        if self.gathered.len() >= GROUP {
            self.commit();
        }
    }

    fn read(&mut self, query: &StoreQuery) -> Vec<Row> {
        if !self.gathered.is_empty() {
            self.commit();
        }
        self.engine.query(query).unwrap_or_else(|error| fail(&format!("a query failed: {error:?}")))
    }
}
