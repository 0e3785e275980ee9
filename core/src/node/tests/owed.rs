//! What is owed to an account, and what its sessions have been given of it in another way.

use super::acks::{ENABLE, ack, id_of};
use super::messages::{bodies, ids, rows};
use super::resumption::resume;
use crate::io::{ConnId, Input};
use crate::node::harness::World;
use crate::store::{StoreError, Table};

const PAGE: &str = "<iq type='set' id='m'><query xmlns='urn:xmpp:mam:2'/></iq>";
const PRESENCE: &str = "<presence/>";

/// A world in which alice has written to bob, who is away, so many messages.
fn owing(count: u32, change: impl FnOnce(&mut crate::config::Config)) -> (World, ConnId) {
    let mut world = World::with(change);
    for user in ["alice", "bob"] {
        world.add(user);
    }
    let alice = world.login("alice", "a", Some(0));
    for number in 0..count {
        world.send(alice, &chat(&number.to_string()));
    }
    assert_eq!(rows(&world, Table::Owed), count as usize);
    (world, alice)
}

fn chat(body: &str) -> String {
    format!("<message to='bob@x.example' type='chat'><body>{body}</body></message>")
}

fn say(world: &mut World, conn: ConnId, text: &str) -> String {
    world.send(conn, text);
    world.read(conn)
}

#[test]
fn who_has_read_the_archive_is_not_given_the_same_again() {
    let (mut world, alice) = owing(70, |_| {});
    let bob = world.login("bob", "b", None);
    assert_eq!(bodies(&say(&mut world, bob, PAGE)).len(), 70);
    world.send(alice, &chat("late"));
    let said = say(&mut world, bob, PRESENCE);
    assert_eq!(bodies(&said), ["late"], "what no page held is given, with its id");
    assert!(ids(&said, "bob@x.example").len() == 1 && said.contains("<delay "), "{said}");
    assert_eq!(rows(&world, Table::Owed), 0);
    let other = world.login("bob", "c", None);
    assert_eq!(bodies(&say(&mut world, other, PRESENCE)), [""; 0], "nobody is owed it any more");
}

#[test]
fn a_page_counts_for_the_session_that_has_read_it() {
    let (mut world, _) = owing(3, |_| {});
    let [reader, other] = ["b", "c"].map(|name| world.login("bob", name, None));
    world.send(reader, PAGE);
    assert_eq!(rows(&world, Table::Owed), 3, "who takes no messages for the account takes none from it");
    assert_eq!(bodies(&say(&mut world, other, PRESENCE)), ["0", "1", "2"]);
    world.read(reader);
    assert_eq!(bodies(&say(&mut world, reader, PRESENCE)), [""; 0]);
}

#[test]
fn a_page_that_its_client_never_acknowledged_stands_for_nothing() {
    let (mut world, _) = owing(3, |_| {});
    let bob = world.login("bob", "b", None);
    id_of(&say(&mut world, bob, ENABLE));
    assert_eq!(bodies(&say(&mut world, bob, PAGE)), ["0", "1", "2"]);
    world.send(bob, &ack(1));
    assert_eq!(bodies(&say(&mut world, bob, PRESENCE)), [""; 0]);
    assert_eq!(rows(&world, Table::Owed), 0, "it is given");
    world.cut(bob);
    // Until it is clear that the client does not come back.
    world.pass(600_000_000);
    assert_eq!(rows(&world, Table::Owed), 2);
    let other = world.login("bob", "c", None);
    assert_eq!(bodies(&say(&mut world, other, PRESENCE)), ["1", "2"]);
}

#[test]
fn a_page_that_stands_for_nothing_is_missed_by_nobody() {
    let (mut world, _) = owing(2, |_| {});
    let bob = world.login("bob", "b", None);
    id_of(&say(&mut world, bob, ENABLE));
    world.send(bob, PAGE);
    world.cut(bob);
    world.pass(600_000_000);
    assert_eq!(rows(&world, Table::Owed), 2);
    let other = world.login("bob", "c", None);
    assert_eq!(bodies(&say(&mut world, other, PRESENCE)), ["0", "1"]);
}

#[test]
fn what_a_page_gave_is_known_after_a_kill() {
    let (mut world, _) = owing(2, |_| {});
    let bob = world.login("bob", "b", None);
    let id = id_of(&say(&mut world, bob, ENABLE));
    world.send(bob, PAGE);
    world.kill();
    let (bob, said) = resume(&mut world, "bob", &id, 3);
    assert!(said.starts_with("<resumed "), "{said}");
    assert_eq!(bodies(&say(&mut world, bob, PRESENCE)), [""; 0]);
    assert_eq!(rows(&world, Table::Owed), 0);
}

#[test]
fn what_a_session_leaves_goes_to_nobody_who_has_read_it() {
    let (mut world, alice) = owing(0, |_| {});
    let desk = world.login("bob", "b", Some(0));
    id_of(&say(&mut world, desk, ENABLE));
    world.cut(desk);
    world.send(alice, &chat("one"));
    let phone = world.login("bob", "c", Some(0));
    assert_eq!(bodies(&say(&mut world, phone, PAGE)), ["one"]);
    world.send(alice, "<message to='bob@x.example/b' type='chat'><body>two</body></message>");
    world.pass(600_000_000);
    assert_eq!(bodies(&world.read(phone)), ["two"], "only what it has not read");
    assert_eq!(rows(&world, Table::Owed), 0);
}

#[test]
fn what_finds_no_room_behind_what_is_owed_comes_back_as_if_nobody_were_there() {
    let (mut world, alice) = owing(40, |config| {
        config.limits.owed_messages = 40;
        config.limits.send_queue_bytes = 4_000;
        config.limits.archive_page_bytes = 2_000;
    });
    let bob = world.login("bob", "b", None);
    world.send(bob, PRESENCE);
    let hint = "<no-permanent-store xmlns='urn:xmpp:hints'/>";
    for _ in 0..60 {
        world.send(alice, &chat("more").replace("</message>", &format!("{hint}</message>")));
    }
    assert_eq!(rows(&world, Table::Owed), 40);
    let said = world.read(alice);
    assert_eq!(said.matches("<error").count(), said.matches("<service-unavailable").count(), "XEP-0160, 2");
    assert!(said.contains("<service-unavailable"), "{said}");
}

#[test]
fn what_comes_back_for_want_of_room_stands_in_no_archive_and_what_stands_there_does_not_come_back() {
    let (mut world, alice) = owing(40, |config| {
        config.limits.owed_messages = 40;
        config.limits.send_queue_bytes = 4_000;
        config.limits.archive_page_bytes = 2_000;
    });
    let bob = world.login("bob", "b", None);
    world.send(bob, PRESENCE);
    let owed = rows(&world, Table::Owed);
    assert!((21..40).contains(&owed), "he reads slowly: {owed}");
    for _ in 0..20 {
        world.send(alice, &chat("more"));
    }
    let refused = world.read(alice).matches("<service-unavailable").count();
    assert_eq!((rows(&world, Table::Owed), refused), (40, 20 - (40 - owed)));
    assert_eq!(rows(&world, Table::Log), 2 * (40 + 20 - refused), "of both archives");
    let headline = chat("news").replace("'chat'", "'headline'");
    let kept = headline.replace("</message>", "<store xmlns='urn:xmpp:hints'/></message>");
    let before = rows(&world, Table::Log);
    assert_eq!(say(&mut world, alice, &kept), "", "it is in the archive, and nobody is owed it");
    assert_eq!((rows(&world, Table::Owed), rows(&world, Table::Log)), (40, before + 2));
}

#[test]
fn who_was_blocked_meanwhile_is_not_heard() {
    let (mut world, alice) = owing(2, |_| {});
    let hint = "<no-permanent-store xmlns='urn:xmpp:hints'/>";
    world.send(alice, &chat("3").replace("</message>", &format!("{hint}</message>")));
    world.add("carol");
    let carol = world.login("carol", "c", Some(0));
    world.send(carol, &chat("from carol"));
    let bob = world.login("bob", "b", None);
    let item = "<item jid='alice@x.example'/>";
    world.send(bob, &format!("<iq type='set' id='1'><block xmlns='urn:xmpp:blocking'>{item}</block></iq>"));
    world.read(alice);
    assert_eq!(bodies(&say(&mut world, bob, PRESENCE)), ["from carol"]);
    assert_eq!(rows(&world, Table::Owed), 0);
    let said = world.read(alice);
    assert_eq!(said.matches("service-unavailable").count(), 1, "what is in no archive comes back: {said}");
    assert_eq!(bodies(&say(&mut world, bob, PAGE)), ["0", "1", "from carol"], "the archive is bob's");
}

#[test]
fn who_was_blocked_meanwhile_is_not_handed_on() {
    let (mut world, alice) = owing(0, |_| {});
    let desk = world.login("bob", "b", Some(0));
    id_of(&say(&mut world, desk, ENABLE));
    world.cut(desk);
    let hint = "<no-store xmlns='urn:xmpp:hints'/>";
    for content in ["<body>stored</body>".into(), format!("<body>not stored</body>{hint}")] {
        world.send(alice, &format!("<message to='bob@x.example/b' type='chat'>{content}</message>"));
    }
    let phone = world.login("bob", "c", Some(0));
    let item = "<item jid='alice@x.example'/>";
    world.send(phone, &format!("<iq type='set' id='1'><block xmlns='urn:xmpp:blocking'>{item}</block></iq>"));
    world.read(phone);
    world.read(alice);
    world.pass(600_000_000);
    assert_eq!(bodies(&world.read(phone)), [""; 0]);
    assert_eq!(world.read(alice).matches("service-unavailable").count(), 1);
    assert_eq!(rows(&world, Table::Owed), 0);
}

#[test]
fn what_could_not_be_taken_from_the_account_is_given_when_the_disk_works_again() {
    let (mut world, _) = owing(2, |_| {});
    let bob = world.login("bob", "b", None);
    id_of(&say(&mut world, bob, ENABLE));
    world.disk = Err(StoreError::Full);
    assert_eq!(bodies(&say(&mut world, bob, PRESENCE)), [""; 0]);
    world.disk = Ok(());
    world.pass(2_000_000);
    assert_eq!(bodies(&world.read(bob)), ["0", "1"]);
    assert_eq!(rows(&world, Table::Owed), 0);
}

fn slow_readers(config: &mut crate::config::Config) {
    config.limits.send_queue_bytes = 4_000;
    config.limits.archive_page_bytes = 2_000;
}

#[test]
fn who_reads_too_slowly_and_goes_keeps_nothing_from_the_next() {
    for (wait, leave) in [(false, ""), (true, ""), (true, "<presence><priority>-1</priority></presence>")] {
        let (mut world, alice) = owing(40, slow_readers);
        let slow = world.login("bob", "b", None);
        let given = bodies(&say(&mut world, slow, PRESENCE)).len();
        assert!(given < 40, "it is not given more than it reads");
        let next = wait.then(|| world.login("bob", "c", None));
        if leave.is_empty() {
            world.cut(slow);
        } else {
            world.send(slow, leave);
        }
        let next = next.unwrap_or_else(|| world.login("bob", "c", None));
        world.send(alice, &chat("more"));
        world.send(next, PRESENCE);
        let mut said = String::new();
        loop {
            let more = world.read(next);
            // The driver says nothing of so few bytes as presence takes.
            if bodies(&more).is_empty() {
                break;
            }
            said.push_str(&more);
            world.input(Input::Flushed { conn: next, bytes: u32::try_from(more.len()).unwrap() });
        }
        let said = bodies(&said);
        assert_eq!((said.len(), said.last()), (41 - given, Some(&"more")), "{wait} {leave}");
        world.send(alice, &chat("live"));
        assert_eq!(bodies(&world.read(next)), ["live"]);
    }
}
