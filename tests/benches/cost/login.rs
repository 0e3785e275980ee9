//! Logging in and going on with a session, inside the core: no socket, no TLS, and no key derivation, which a client that
//! uses SCRAM leaves nothing of to the server.

use std::time::Instant as Clock;

use eyot_core::store::Rows;

use crate::filled;
use crate::instructions::difference;
use crate::report::{Report, fail, per_second};
use crate::world::{BEGIN_MS, World, bind};

const TURNS: u32 = 20_000;
const FEW: u64 = 100;
const MANY: u64 = 1_100;
/// Accounts that log in in turn, and how many of them the node keeps.
const ACCOUNTS: usize = 44;
const KEPT: u32 = 11;
/// Accounts of which each has all others in its roster, ten.
const FRIENDS: usize = 11;

/// Measures instructions and rates. What the measured client computes for its proof is taken off.
pub(crate) fn run(report: &mut Report) {
    let client = difference(["login-client"], FEW, MANY);
    let [bind, resume] = ["login-bind", "login-resume"].map(|kind| difference([kind], FEW, MANY) - client);
    report.add("login: SCRAM-SHA-256 to bind, and its end", format!("{bind} instructions (callgrind)"));
    report.add(
        "login: SCRAM-SHA-256 to the resumption of a session, and its cut",
        format!("{resume} instructions (callgrind): {} % of a login", resume * 100 / bind.max(1)),
    );
    let cold = difference(["login-cold"], FEW, MANY) - client;
    report.add(
        "login: SCRAM-SHA-256 to bind with a roster of 10 that is read from the store, and its end",
        format!("{cold} instructions (callgrind)"),
    );
    for (kind, what) in
        [("roster-get", "its roster of 10"), ("presence-told", "its presence told to 10 who are there")]
    {
        let cost = difference([kind], FEW, MANY);
        report.add(format!("session: {what}"), format!("{cost} instructions (callgrind)"));
    }
    let nanos = |kind: &str| {
        let timed = (0..3).map(|_| {
            let start = Clock::now();
            run_loop(kind, TURNS);
            start.elapsed().as_nanos()
        });
        timed.min().unwrap_or_default()
    };
    let client = nanos("login-client");
    for (kind, what) in [("login-bind", "logins"), ("login-resume", "resumptions")] {
        let micros = nanos(kind).saturating_sub(client) / 1_000;
        report
            .add(format!("login: {what} a second of one core"), per_second(TURNS.into(), micros).to_string());
    }
}

/// Logs in so often and does nothing else. Returns whether there is a loop of that name.
pub(crate) fn run_loop(kind: &str, turns: u32) -> bool {
    let mut world = World::start(Box::new(Rows::new()), BEGIN_MS);
    world.add("alice");
    match kind {
        "login-cold" => cold(turns),
        "roster-get" => {
            among_friends(turns, "<iq type='get' id='g'><query xmlns='jabber:iq:roster'/></iq>", 1);
        }
        "presence-told" => among_friends(turns, "<presence/>", FRIENDS as u64),
        "login-client" => (0..turns).for_each(|_| world.compute("alice")),
        "login-bind" => (0..turns).for_each(|_| {
            let conn = world.authenticate("alice");
            world.say(conn, &bind("r"));
            world.cut(conn);
        }),
        "login-resume" => resume(&mut world, turns),
        _ => return false,
    }
    true
}

/// Loses the stream of one session and goes on with it over the next.
fn resume(world: &mut World, turns: u32) {
    let mut conn = world.login("alice", "r");
    let enabled = world.ask(conn, "<enable xmlns='urn:xmpp:sm:3' resume='true'/>");
    let id = enabled.split(" id='").nth(1).and_then(|rest| rest.split('\'').next());
    let id = id.unwrap_or_else(|| fail(&format!("not enabled: {enabled}")));
    let resume = format!("<resume xmlns='urn:xmpp:sm:3' previd='{id}' h='0'/>");
    for _ in 0..turns {
        world.cut(conn);
        conn = world.authenticate("alice");
        world.say(conn, &resume);
    }
    let said = world.ask(conn, "<r xmlns='urn:xmpp:sm:3'/>");
    if !said.contains("<a xmlns='urn:xmpp:sm:3' h='0'/>") {
        fail(&format!("the session does not go on: {said}"));
    }
}

/// Logs one account after another in; none of them is in memory.
fn cold(turns: u32) {
    let mut world = World::start(Box::new(Rows::new()), BEGIN_MS);
    filled::befriend(&mut world, ACCOUNTS);
    // The next start has none of them in memory, and soon keeps too few.
    let mut world = World::start_forgetful(world.disk, BEGIN_MS, KEPT);
    let before = world.accounts;
    for turn in 0..turns as usize {
        let conn = world.authenticate(&filled::user(turn % ACCOUNTS));
        world.say(conn, &bind("r"));
        world.cut(conn);
    }
    assert!(world.accounts - before >= u64::from(turns), "every account is read");
}

/// Lets one of eleven friends say something so many times; each time, `answers` stanzas follow.
fn among_friends(turns: u32, said: &str, answers: u64) {
    let mut world = World::start(Box::new(Rows::new()), BEGIN_MS);
    let conns = filled::befriend(&mut world, FRIENDS);
    for conn in &conns {
        world.say(*conn, "<presence/>");
    }
    let before = world.sent;
    for conn in conns.first().into_iter().cycle().take(turns as usize) {
        world.say(*conn, said);
    }
    assert_eq!(world.sent - before, u64::from(turns) * answers, "every time");
}
