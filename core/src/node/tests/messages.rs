//! What becomes of messages: archived, owed, given, refused.

use crate::io::{Input, Output};
use crate::node::harness::World;
use crate::store::{Key, StoreError, StoreQuery, Table};

const SM: &str = "<enable xmlns='urn:xmpp:sm:3' resume='true'/>";

/// A world in which alice is online.
fn world() -> (World, crate::io::ConnId) {
    let mut world = World::new();
    world.add("alice");
    world.add("bob");
    let alice = world.login("alice", "a", Some(0));
    (world, alice)
}

fn message(to: &str, body: &str) -> String {
    format!("<message to='{to}' type='chat'><body>{body}</body></message>")
}

/// The bodies that were sent, in order.
pub(super) fn bodies(said: &str) -> Vec<&str> {
    said.split("<body>").skip(1).filter_map(|rest| rest.split("</body>").next()).collect()
}

/// The ids of the archive of `by` that were sent, in order.
pub(super) fn ids<'a>(said: &'a str, by: &str) -> Vec<&'a str> {
    let before = format!("<stanza-id xmlns='urn:xmpp:sid:0' by='{by}' id='");
    said.split(before.as_str()).skip(1).filter_map(|rest| rest.split('\'').next()).collect()
}

/// How many rows a table has.
pub(super) fn rows(world: &World, table: Table) -> usize {
    let from = Key::new(table, &[]);
    let to = from.table_end();
    world.store.query(&StoreQuery::Range { from, to, limit: u32::MAX }).len()
}

#[test]
fn a_message_stands_once_in_each_archive_and_its_bytes_once_in_the_store() {
    let (mut world, alice) = world();
    let bob = world.login("bob", "b", Some(0));
    let other = world.login("bob", "c", Some(0));
    world.read(bob);
    world.send(alice, &message("bob@x.example", "hi"));
    let (one, two) = (world.read(bob), world.read(other));
    assert_eq!(ids(&one, "bob@x.example").len(), 1, "{one}");
    assert_eq!(one, two);
    assert!(!one.contains("by='alice@x.example'"), "{one}");
    assert_eq!(
        (rows(&world, Table::Message), rows(&world, Table::Log), rows(&world, Table::Owed)),
        (1, 2, 0)
    );
    world.send(alice, &message("alice@x.example", "note"));
    assert_eq!(
        (rows(&world, Table::Message), rows(&world, Table::Log), rows(&world, Table::LogId)),
        (2, 3, 3)
    );
}

#[test]
fn what_is_not_worth_keeping_leaves_nothing_behind() {
    let (mut world, alice) = world();
    let bob = world.login("bob", "b", Some(0));
    for content in [
        "<composing xmlns='http://jabber.org/protocol/chatstates'/>",
        "<body>x</body><no-store xmlns='urn:xmpp:hints'/>",
        "<body>x</body><no-permanent-store xmlns='urn:xmpp:hints'/>",
    ] {
        world.send(alice, &format!("<message to='bob@x.example' type='chat'>{content}</message>"));
        assert!(world.read(bob).contains(content));
    }
    assert_eq!((rows(&world, Table::Message), rows(&world, Table::Owed)), (0, 0));
}

#[test]
fn forged_ids_are_taken_out_and_the_senders_own_stays() {
    let (mut world, alice) = world();
    let bob = world.login("bob", "b", Some(0));
    world.send(
        alice,
        "<message to='bob@x.example'><body>x</body><stanza-id xmlns='urn:xmpp:sid:0' by='bob@x.example' id='forged'/>\
         <origin-id xmlns='urn:xmpp:sid:0' id='mine'/></message>",
    );
    let said = world.read(bob);
    assert!(!said.contains("forged") && said.contains("id='mine'"), "{said}");
    assert_eq!(ids(&said, "bob@x.example").len(), 1);
}

#[test]
fn what_comes_while_nobody_is_there_is_given_in_order_to_the_first_who_is() {
    let (mut world, alice) = world();
    for number in 0..150 {
        world.now += 1_000_000;
        world.send(alice, &message("bob@x.example", &number.to_string()));
    }
    world.send(alice, "<message to='bob@x.example' type='chat'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>");
    assert!(world.read(alice).contains("service-unavailable"), "a state waits for nobody");
    assert_eq!(rows(&world, Table::Owed), 150);
    let quiet = world.login("bob", "quiet", Some(-1));
    assert_eq!(world.read(quiet), "");
    let bob = world.login("bob", "b", None);
    world.send(bob, "<presence/>");
    let said = world.read(bob);
    let expected: Vec<String> = (0..150).map(|number| number.to_string()).collect();
    assert_eq!(bodies(&said), expected);
    assert_eq!(
        said.matches("<delay xmlns='urn:xmpp:delay' from='x.example' stamp='1970-01-01T00:0").count(),
        150
    );
    assert_eq!(ids(&said, "bob@x.example").len(), 150);
    assert_eq!((rows(&world, Table::Owed), rows(&world, Table::Log)), (0, 300));
    let third = world.login("bob", "c", None);
    world.send(third, "<presence/>");
    assert_eq!(bodies(&world.read(third)), Vec::<&str>::new(), "once");
}

#[test]
fn what_comes_while_the_owed_ones_are_read_does_not_overtake_them() {
    let (mut world, alice) = world();
    for number in 0..3 {
        world.send(alice, &message("bob@x.example", &number.to_string()));
    }
    let bob = world.login("bob", "b", None);
    let other = world.login("bob", "o", None);
    (world.waiting, world.slow_reads) = (Some(Vec::new()), true);
    world.send(bob, "<presence/>");
    world.send(alice, &message("bob@x.example", "3"));
    world.send(
        alice,
        &message("bob@x.example", "4").replace("</body>", "</body><no-store xmlns='urn:xmpp:hints'/>"),
    );
    world.send(other, "<presence/>");
    world.send(alice, &message("bob@x.example/b", "5"));
    world.send(alice, &message("bob@x.example", "6"));
    while world.answer_next() {}
    let said = world.read(bob);
    assert_eq!(bodies(&said), ["0", "1", "2", "3", "4", "5", "6"], "{said}");
    assert_eq!(
        bodies(&world.read(other)),
        ["4", "6"],
        "only what came since it was there, and nothing for another"
    );
    assert_eq!(rows(&world, Table::Owed), 0);
}

#[test]
fn more_than_may_wait_is_refused() {
    let mut world = World::with(|config| config.limits.owed_messages = 2);
    world.add("alice");
    world.add("bob");
    let alice = world.login("alice", "a", Some(0));
    for number in 0..3 {
        world.send(alice, &message("bob@x.example", &number.to_string()));
    }
    let said = world.read(alice);
    assert_eq!(said.matches("<service-unavailable").count(), 1, "{said}");
    assert_eq!((rows(&world, Table::Owed), rows(&world, Table::Log)), (2, 4));
}

#[test]
fn a_full_disk_refuses_and_nobody_is_given_anything() {
    let (mut world, alice) = world();
    let bob = world.login("bob", "b", Some(0));
    world.disk = Err(StoreError::Full);
    world.send(alice, &message("bob@x.example", "lost"));
    world.send(alice, &message("bob@x.example", "lost"));
    let said = world.read(alice);
    assert_eq!(said.matches("<resource-constraint").count(), 2, "{said}");
    assert_eq!(bodies(&world.read(bob)), Vec::<&str>::new());
    world.disk = Ok(());
    world.send(alice, &message("bob@x.example", "kept"));
    assert_eq!(bodies(&world.read(bob)), ["kept"]);
    assert_eq!(rows(&world, Table::Log), 2);
}

#[test]
fn what_is_written_again_goes_with_the_clock_and_the_count_that_it_needs() {
    let (mut world, alice) = world();
    world.disk = Err(StoreError::Full);
    world.pass(5_000_000);
    // No archive keeps it: it is owed, and stays so when a flush fails.
    let hint = "<no-permanent-store xmlns='urn:xmpp:hints'/>";
    world.send(alice, &message("bob@x.example", "kept").replace("</body>", &format!("</body>{hint}")));
    assert_eq!(rows(&world, Table::Owed), 0);
    world.disk = Ok(());
    world.pass(1_000_000);
    let range = |from: Key| StoreQuery::Range { to: from.table_end(), from, limit: 9 };
    let owed = world.store.query(&range(Key::new(Table::Owed, &[])));
    let place = crate::archive::place_of(&owed[0].key).unwrap();
    let counts = world.store.query(&range(Key::new(Table::Vector, &[])));
    assert!(counts.iter().any(|row| row.decode::<u64>() == Ok(place.dot.seq)), "{counts:?}: {place:?}");
    world.kill();
    world.run(|cx| {
        let next = cx.ledger.stamp(crate::time::UnixTime::from_millis(0));
        assert!(next > place.hlc, "the clock was set back: {next:?}");
    });
}

#[test]
fn nobody_is_given_a_message_before_it_is_durable() {
    let (mut world, alice) = world();
    let bob = world.login("bob", "b", Some(0));
    world.waiting = Some(Vec::new());
    world.send(alice, &message("bob@x.example", "hi"));
    assert_eq!(world.read(bob), "");
    assert!(world.waiting.iter().flatten().any(|output| matches!(output, Output::Store { .. })));
    world.release();
    assert_eq!(bodies(&world.read(bob)), ["hi"]);
}

#[test]
fn a_message_that_was_not_durable_when_the_node_was_killed_is_stored_once_when_it_is_sent_again() {
    let (mut world, alice) = world();
    let bob = world.login("bob", "b", Some(0));
    world.send(alice, SM);
    let enabled = world.read(alice);
    let resumed = enabled.split("id='").nth(1).unwrap().split('\'').next().unwrap().to_owned();
    world.waiting = Some(Vec::new());
    world.send(alice, &message("bob@x.example", "hi"));
    world.send(alice, "<r xmlns='urn:xmpp:sm:3'/>");
    assert!(world.read(alice).contains("h='0'"), "not acknowledged");
    assert_eq!(world.read(bob), "", "not delivered");
    world.kill();
    world.waiting = None;
    let again = world.authenticate("alice");
    world.send(again, &format!("<resume xmlns='urn:xmpp:sm:3' previd='{resumed}' h='0'/>"));
    assert!(world.read(again).contains("h='0'"));
    world.send(again, &message("bob@x.example", "hi"));
    world.send(again, "<r xmlns='urn:xmpp:sm:3'/>");
    assert!(world.read(again).contains("h='1'"));
    assert_eq!(
        (rows(&world, Table::Message), rows(&world, Table::Log), rows(&world, Table::Owed)),
        (1, 2, 1)
    );
    let bob = world.login("bob", "b", None);
    world.send(bob, "<presence/>");
    assert_eq!(bodies(&world.read(bob)), ["hi"]);
}

#[test]
fn a_clock_that_steps_back_changes_no_order() {
    let (mut world, alice) = world();
    world.now = 7_000_000_000;
    world.send(alice, &message("bob@x.example", "first"));
    world.now = 1_000;
    world.kill();
    let alice = world.login("alice", "a", Some(0));
    world.send(alice, &message("bob@x.example", "second"));
    let bob = world.login("bob", "b", None);
    world.send(bob, "<presence/>");
    assert_eq!(bodies(&world.read(bob)), ["first", "second"]);
}

#[test]
fn what_a_session_never_acknowledged_goes_to_another_or_is_owed() {
    let (mut world, alice) = world();
    let phone = world.login("bob", "phone", Some(0));
    world.send(phone, SM);
    world.read(phone);
    world.send(alice, &message("bob@x.example/phone", "one"));
    world.send(alice, &message("bob@x.example", "two"));
    assert_eq!(bodies(&world.read(phone)), ["one", "two"]);
    world.cut(phone);
    let desk = world.login("bob", "desk", None);
    world.send(desk, "<presence/>");
    world.send(alice, &message("bob@x.example", "three"));
    assert_eq!(bodies(&world.read(desk)), ["three"], "the phone may still come back");
    world.pass(700_000_000);
    let said = world.read(desk);
    assert_eq!(bodies(&said), ["one", "two"], "{said}");
    assert_eq!(ids(&said, "bob@x.example").len(), 2);
    assert_eq!(rows(&world, Table::Owed), 0);
}

#[test]
fn what_the_last_session_never_acknowledged_is_owed_to_the_next() {
    let (mut world, alice) = world();
    let phone = world.login("bob", "phone", Some(0));
    world.send(phone, SM);
    world.read(phone);
    world.send(alice, &message("bob@x.example", "one"));
    world.send(
        alice,
        &message("bob@x.example", "state").replace("</body>", "</body><no-store xmlns='urn:xmpp:hints'/>"),
    );
    world.cut(phone);
    world.pass(700_000_000);
    assert_eq!(rows(&world, Table::Owed), 1);
    assert!(world.read(alice).contains("service-unavailable"), "what nobody may store comes back");
    let desk = world.login("bob", "desk", None);
    world.send(desk, "<presence/>");
    let said = world.read(desk);
    assert_eq!(bodies(&said), ["one"]);
    assert_eq!(said.matches("<delay").count(), 1);
}

#[test]
fn owed_messages_wait_for_a_slow_reader_and_none_is_lost() {
    let mut world = World::with(|config| {
        config.limits.send_queue_bytes = 4_000;
        config.limits.archive_page_bytes = 2_000;
    });
    world.add("alice");
    world.add("bob");
    let alice = world.login("alice", "a", Some(0));
    for number in 0..40 {
        world.send(alice, &message("bob@x.example", &format!("{number:0>300}")));
    }
    let bob = world.login("bob", "b", None);
    let greeting = 0;
    world.send(bob, "<presence/>");
    let mut said = world.read(bob);
    let mut unread = said.len() + greeting;
    assert!(bodies(&said).len() < 40, "it is not given more than it reads");
    for _ in 0..60 {
        world.input(Input::Flushed { conn: bob, bytes: u32::try_from(unread).unwrap() });
        let more = world.read(bob);
        unread = more.len();
        said.push_str(&more);
    }
    assert_eq!(bodies(&said).len(), 40);
    assert!(bodies(&said).is_sorted());
    assert!(world.closed.is_empty());
    assert_eq!(rows(&world, Table::Owed), 0);
}

#[test]
fn a_removed_accounts_archive_is_gone_and_its_messages_with_the_last_archive() {
    let (mut world, alice) = world();
    world.send(alice, &message("bob@x.example", "hi"));
    let remove = |world: &mut World, user: &str| {
        let user = crate::jid::BareJid::parse(&format!("{user}@x.example")).unwrap();
        world.command(crate::io::Command::UserRemove { user });
    };
    remove(&mut world, "bob");
    assert_eq!(
        (rows(&world, Table::Log), rows(&world, Table::Owed), rows(&world, Table::Message)),
        (1, 0, 1)
    );
    remove(&mut world, "alice");
    assert_eq!(
        (rows(&world, Table::Log), rows(&world, Table::LogId), rows(&world, Table::Message)),
        (0, 0, 0)
    );
}
