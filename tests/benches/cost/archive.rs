//! Questions to an archive, on a store in files: what a page costs in a small archive and in a big one.

use crate::filled::{self, Leave};
use crate::instructions::difference;
use crate::report::{Report, fail};
use crate::world::World;

/// Messages in the small archive, and in the big one.
const SIZES: [u32; 2] = [1_000, 100_000];
/// Messages in one page.
const PAGE: u64 = 50;
const FEW: u64 = 20;
const MANY: u64 = 120;

/// Measures instructions per item of a page.
pub(crate) fn run(report: &mut Report) {
    let dirs = SIZES.map(|messages| {
        let dir = tempfile::tempdir().unwrap_or_else(|error| fail(&format!("no directory: {error}")));
        filled::archives(dir.path(), 0, 1, messages, Leave::Closed);
        (messages, dir)
    });
    for (kind, what) in [
        ("last", "the last page"),
        ("first", "the first page"),
        ("after", "the page after an id, 100 messages before the end"),
        ("middle", "the page after an id in the middle"),
        ("before", "the page before an id in the middle"),
        ("early", "the page after an id, 50 messages behind the beginning"),
    ] {
        let [small, big] = dirs.each_ref().map(|(messages, dir)| {
            let (messages, dir) = (messages.to_string(), dir.path().to_string_lossy());
            difference(["archive-query", kind, &messages, &dir], FEW, MANY) / PAGE
        });
        report.add(
            format!("archive: {what} of {PAGE}, archives of {} and {} messages", SIZES[0], SIZES[1]),
            format!("{small} and {big} instructions an item: {} %", big * 100 / small.max(1)),
        );
    }
}

/// Asks the archive of so many messages in a directory so many times and does nothing else.
pub(crate) fn run_loop(kind: &str, messages: &str, dir: &str, turns: u32) {
    let messages: u64 = messages.parse().unwrap_or(0);
    let mut world = World::start(filled::open(dir.as_ref()), filled::begin());
    let conn = world.login(&filled::user(0), "q");
    let named = match kind {
        "last" => String::from("<before/>"),
        "first" => String::new(),
        "after" => {
            let said = world.ask(conn, &question("<before/>"));
            let first = between(&said, "<first>", "</first>");
            let earlier = world.ask(conn, &question(&format!("<before>{first}</before>")));
            format!("<after>{}</after>", between(&earlier, "<first>", "</first>"))
        }
        _ => {
            let pages = if kind == "early" { 1 } else { messages / PAGE / 2 };
            let mut id = String::new();
            for _ in 0..pages {
                let named = if id.is_empty() { String::new() } else { format!("<after>{id}</after>") };
                let said = world.ask(conn, &question(&named));
                id = String::from(between(&said, "<last>", "</last>"));
            }
            if kind == "before" { format!("<before>{id}</before>") } else { format!("<after>{id}</after>") }
        }
    };
    let question = question(&named);
    let before = world.sent;
    for _ in 0..turns {
        world.say(conn, &question);
    }
    assert_eq!(world.sent - before, u64::from(turns) * (PAGE + 1), "every page is full");
}

fn question(named: &str) -> String {
    format!(
        "<iq type='set' id='m'><query xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'>\
         <max>{PAGE}</max>{named}</set></query></iq>"
    )
}

fn between<'a>(said: &'a str, begin: &str, end: &str) -> &'a str {
    let found = said.split(begin).nth(1).and_then(|rest| rest.split(end).next());
    found.unwrap_or_else(|| fail(&format!("no {begin} in {said}")))
}
