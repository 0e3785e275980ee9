//! What no mark may say: of what nobody was given, whatever a node has no room for, has let go of, or does not know.

use super::acks::{ENABLE, id_of};
use super::late::{HINT, say};
use super::marks::{SECOND, owed, tell, visit};
use super::messages::bodies;
use super::taking::{KINDS, clustered, hear, written};
use crate::config::Config;
use crate::node::harness::World;

/// Two nodes, of which the second has limits of its own.
fn pair(change: impl FnOnce(&mut Config)) -> (World, World) {
    let mut a = World::with(clustered(7));
    let mut b = World::with(|config| {
        clustered(8)(config);
        change(config);
    });
    for user in ["alice", "bob", "carol"] {
        a.add(user);
    }
    hear(&mut b, KINDS[0], written(&a, KINDS[0]));
    (a, b)
}

#[test]
fn what_finds_no_room_is_owed_where_it_did_and_no_mark_covers_it() {
    let (mut a, mut b) = pair(|config| config.limits.owed_messages = 1);
    let all: Vec<String> = (1..=6).map(|number: u64| number.to_string()).collect();
    for (body, second) in all.iter().zip(5..) {
        say(&mut a, "alice", second, HINT, body);
    }
    say(&mut a, "alice", 20, "", "stored");
    tell(&a, &mut b);
    assert_eq!([owed(&a), owed(&b)], [7, 4], "for all nodes a few times as much as for one");
    assert_eq!(visit(&mut b, "desk"), all[..4]);
    tell(&b, &mut a);
    assert_eq!(visit(&mut a, "desk"), ["5", "6", "stored"], "nobody was given those");
    tell(&a, &mut b);
    say(&mut a, "alice", 30, "", "more");
    tell(&a, &mut b);
    assert_eq!(visit(&mut b, "desk"), ["more"]);
    tell(&b, &mut a);
    assert_eq!([owed(&a), owed(&b)], [0, 0]);
}

#[test]
fn what_came_to_a_node_that_has_let_go_of_its_time_is_owed_by_those_who_have_it() {
    let (mut a, mut b) = pair(|config| config.limits.archive_bytes = 3_000);
    say(&mut a, "alice", 5, "", "early");
    let long = "long ".repeat(200);
    for second in 10..14 {
        say(&mut b, "carol", second, "", &long);
    }
    say(&mut a, "alice", 20, "", "late");
    tell(&a, &mut b);
    assert_eq!(visit(&mut b, "desk").last().map(String::as_str), Some("late"));
    tell(&b, &mut a);
    assert_eq!(visit(&mut a, "desk"), ["early"]);
}

#[test]
fn what_was_acknowledged_elsewhere_is_not_owed_anew_by_a_session_that_never_did() {
    let (mut a, mut b) = pair(|_| {});
    say(&mut a, "alice", 5, HINT, "one");
    tell(&a, &mut b);
    let phone = b.login("bob", "phone", None);
    b.send(phone, ENABLE);
    id_of(&b.read(phone));
    b.send(phone, "<presence/>");
    assert_eq!(bodies(&b.read(phone)), ["one"]);
    b.cut(phone);
    tell(&b, &mut a);
    assert_eq!(visit(&mut a, "desk"), ["one"], "the phone has acknowledged nothing");
    tell(&a, &mut b);
    b.pass(601 * SECOND);
    assert_eq!(owed(&b), 0);
    assert_eq!(visit(&mut b, "desk"), [""; 0]);
}
