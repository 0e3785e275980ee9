//! Logging in and going on with a session, inside the core: no socket, no TLS, and no key derivation, which a client that
//! uses SCRAM leaves nothing of to the server.

use std::time::Instant as Clock;

use eyot_core::store::Rows;

use crate::instructions::difference;
use crate::report::{Report, fail, per_second};
use crate::world::{BEGIN_MS, World, bind};

const TURNS: u32 = 20_000;
const FEW: u64 = 100;
const MANY: u64 = 1_100;

/// Measures instructions and rates. What the measured client computes for its proof is taken off.
pub(crate) fn run(report: &mut Report) {
    let client = difference(["login-client"], FEW, MANY);
    let [bind, resume] = ["login-bind", "login-resume"].map(|kind| difference([kind], FEW, MANY) - client);
    report.add("login: SCRAM-SHA-256 to bind, and its end", format!("{bind} instructions (callgrind)"));
    report.add(
        "login: SCRAM-SHA-256 to the resumption of a session, and its cut",
        format!("{resume} instructions (callgrind): {} % of a login", resume * 100 / bind.max(1)),
    );
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
