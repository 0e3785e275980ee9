//! What comes from other nodes long after it was written: to whom it goes when a session leaves it.

use super::acks::{ENABLE, ack, id_of};
use super::messages::bodies;
use super::resumption::resume;
use super::taking::{KINDS, hear, node, rows, written};
use crate::io::ConnId;
use crate::node::harness::World;
use crate::store::Table;

const SECOND: u64 = 1_000_000;
/// The time to resume is over.
const EXPIRY: u64 = 600 * SECOND;
/// A message that is owed and stands in no archive.
pub(super) const HINT: &str = "<no-permanent-store xmlns='urn:xmpp:hints'/>";
const AWAY: &str = "<presence><priority>-1</priority></presence>";

/// Nodes of one cluster, of which the first has made alice, bob and carol.
pub(super) fn nodes<const N: usize>(names: [u32; N]) -> [World; N] {
    let mut nodes = names.map(node);
    let (first, others) = nodes.split_first_mut().unwrap();
    for user in ["alice", "bob", "carol"] {
        first.add(user);
    }
    for other in others {
        hear(other, KINDS[0], written(first, KINDS[0]));
    }
    nodes
}

/// Says something at a node, at this second.
pub(super) fn say(world: &mut World, user: &str, second: u64, hint: &str, body: &str) {
    world.pass(second * SECOND - world.now);
    let conn = world.login(user, "said", None);
    world.send(conn, &format!("<message to='bob@x.example' type='chat'><body>{body}</body>{hint}</message>"));
    world.cut(conn);
}

/// A session of bob's whose client acknowledges nothing.
fn phone(world: &mut World) -> (ConnId, String) {
    let conn = world.login("bob", "phone", Some(0));
    world.send(conn, ENABLE);
    let id = id_of(&world.read(conn));
    (conn, id)
}

#[test]
fn what_one_leaves_goes_to_who_was_there_when_it_was_written_and_not_when_it_came() {
    for hint in ["", HINT] {
        let [mut a, mut b] = nodes([7, 8]);
        let desk = b.login("bob", "desk", Some(0));
        say(&mut a, "alice", 5, hint, "late");
        b.pass(10 * SECOND);
        b.send(desk, AWAY);
        let (phone, _) = phone(&mut b);
        hear(&mut b, KINDS[1], written(&a, KINDS[1]));
        assert_eq!(bodies(&b.read(phone)), ["late"], "{hint}");
        b.send(desk, "<presence/>");
        b.cut(phone);
        assert_eq!(bodies(&b.read(desk)), [""; 0], "somebody may come back who has it");
        b.pass(EXPIRY);
        assert_eq!(bodies(&b.read(desk)), ["late"], "{hint}");
        assert_eq!(rows(&b, Table::Owed), []);
    }
}

#[test]
fn what_one_leaves_goes_to_nobody_who_was_given_it_however_long_ago_it_was_written() {
    let [mut a, mut b] = nodes([7, 8]);
    say(&mut a, "alice", 5, "", "late");
    b.pass(10 * SECOND);
    let desk = b.login("bob", "desk", Some(0));
    let (phone, _) = phone(&mut b);
    hear(&mut b, KINDS[1], written(&a, KINDS[1]));
    for conn in [desk, phone] {
        assert_eq!(bodies(&b.read(conn)), ["late"]);
    }
    b.cut(phone);
    b.pass(EXPIRY);
    assert_eq!(bodies(&b.read(desk)), [""; 0]);
    assert_eq!(rows(&b, Table::Owed), []);
}

#[test]
fn of_two_messages_with_one_stamp_none_is_taken_for_the_other() {
    let [mut a, mut b, mut c] = nodes([7, 8, 9]);
    say(&mut a, "alice", 5, "", "of a");
    say(&mut c, "carol", 5, "", "of c");
    let (phone, _) = phone(&mut b);
    for other in [&a, &c] {
        hear(&mut b, KINDS[1], written(other, KINDS[1]));
    }
    assert_eq!(bodies(&b.read(phone)), ["of a", "of c"]);
    let stamps: Vec<_> =
        rows(&b, Table::Log).iter().map(|row| crate::archive::place_of(&row.key).unwrap().hlc).collect();
    assert!(stamps.iter().all(|stamp| *stamp == stamps[0]), "{stamps:?}");
    b.cut(phone);
    b.pass(EXPIRY);
    assert_eq!(rows(&b, Table::Owed).len(), 2);
    let desk = b.login("bob", "desk", None);
    b.send(desk, "<presence/>");
    assert_eq!(bodies(&b.read(desk)), ["of a", "of c"]);
}

#[test]
fn what_comes_late_while_others_are_given_is_given_whatever_has_been() {
    for hint in ["", HINT] {
        for answered in 0..12 {
            let [mut a, mut b] = nodes([7, 8]);
            say(&mut a, "alice", 5, hint, "late");
            say(&mut b, "carol", 10, "", "one");
            say(&mut b, "carol", 11, "", "two");
            let desk = b.login("bob", "desk", None);
            (b.waiting, b.slow_reads) = (Some(Vec::new()), true);
            b.send(desk, "<presence/>");
            for _ in 0..answered {
                b.answer_next();
            }
            hear(&mut b, KINDS[1], written(&a, KINDS[1]));
            while b.answer_next() {}
            let said = b.read(desk);
            let mut said = bodies(&said);
            said.sort_unstable();
            assert_eq!(said, ["late", "one", "two"], "{hint} after {answered}");
            assert_eq!(rows(&b, Table::Owed), [], "{hint} after {answered}");
        }
    }
}

#[test]
fn what_a_session_was_given_is_known_after_a_kill() {
    let [mut a, mut b] = nodes([7, 8]);
    let desk = b.login("bob", "desk", Some(0));
    b.send(desk, ENABLE);
    let desk_id = id_of(&b.read(desk));
    let (phone, phone_id) = phone(&mut b);
    say(&mut a, "alice", 5, "", "for both");
    let alice = a.login("alice", "r", None);
    a.send(alice, "<message to='bob@x.example/phone' type='chat'><body>for one</body></message>");
    hear(&mut b, KINDS[1], written(&a, KINDS[1]));
    assert_eq!(bodies(&b.read(phone)), ["for both", "for one"]);
    assert_eq!(bodies(&b.read(desk)), ["for both"]);
    // It was sent the presence of the phone, too.
    b.send(desk, &ack(2));
    b.kill();
    let (desk, said) = resume(&mut b, "bob", &desk_id, 2);
    assert_eq!(bodies(&said), [""; 0]);
    let (phone, said) = resume(&mut b, "bob", &phone_id, 0);
    assert_eq!(bodies(&said), ["for both", "for one"]);
    b.cut(phone);
    b.pass(EXPIRY);
    assert_eq!(bodies(&b.read(desk)), ["for one"], "it has the other one");
}

#[test]
fn sessions_that_begin_at_one_moment_share_what_was_there_before() {
    let [mut a, mut b] = nodes([7, 8]);
    let began = |world: &World| -> Vec<_> {
        let sessions = world.node.directory.ids().filter_map(|id| world.node.directory.get(id));
        sessions.filter_map(|session| session.delivery.began().cloned()).collect()
    };
    b.login("bob", "desk", Some(0));
    b.login("alice", "desk", Some(0));
    b.login("carol", "desk", None);
    let first = began(&b);
    assert!(first.len() == 2 && first[0].is_shared_with(&first[1]));
    say(&mut a, "alice", 5, "", "late");
    hear(&mut b, KINDS[1], written(&a, KINDS[1]));
    b.login("carol", "phone", Some(0));
    let all = began(&b);
    assert!(all.len() == 3 && all[0].is_shared_with(&all[1]), "nothing is made for those who are there");
    assert_ne!(all[0], all[2]);
}
