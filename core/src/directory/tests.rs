//! What one node says of its sessions, and what another one makes of it: over cuts, flaps and restarts.

use std::collections::BTreeMap;

use arbtest::arbtest;
use bytes::Bytes;

use super::{Change, Elsewhere, Own, Sight, Where};
use crate::exchange::{Far, OwnedFrame};
use crate::jid::{FullJid, Jid};
use crate::replica::{Hlc, Origin};

const A: u32 = 1;
const B: u32 = 2;

fn origin(node: u32, start: u32) -> Origin {
    Origin { node, start, random: 7 }
}

fn jid(number: u16) -> FullJid {
    FullJid::parse(&format!("u{number}@x.example/r")).unwrap()
}

fn far(node: u32, bound: i64, said: &'static str) -> Far {
    Far {
        session: origin(node, 1).dot(1),
        bound: Hlc { millis: bound, count: 0 },
        attached: true,
        priority: Some(0),
        presence: Some(Bytes::from_static(said.as_bytes())),
    }
}

/// What those who look see after these changes.
fn look(seen: &mut BTreeMap<FullJid, Far>, changes: Vec<Change>) {
    for Change { jid, was, is } in changes {
        assert_ne!(was, is, "only what changes is told");
        assert_eq!(seen.get(&jid), was.as_ref(), "from what was told before");
        match is {
            Some(far) => drop(seen.insert(jid, far)),
            None => drop(seen.remove(&jid)),
        }
    }
}

/// Gives everything that is due to the other side; returns how many keys that were.
fn pass(own: &mut Own, elsewhere: &mut Elsewhere, seen: &mut BTreeMap<FullJid, Far>) -> usize {
    let mut keys = 0;
    for (_, OwnedFrame { report, more }) in own.take_due() {
        keys += report.changes.len();
        look(seen, elsewhere.hear(A, OwnedFrame { report, more }).expect("it follows"));
    }
    keys
}

#[test]
fn a_cut_without_a_change_costs_nothing_and_one_with_changes_each_key_once() {
    let (mut own, mut elsewhere, mut seen) = (Own::new(origin(A, 1)), Elsewhere::new(1), BTreeMap::new());
    elsewhere.show(A);
    own.handle_since(B, elsewhere.heard(A));
    (0..9).for_each(|number| own.set(&jid(number), Some(far(A, 1, "here"))));
    assert_eq!(pass(&mut own, &mut elsewhere, &mut seen), 9);
    assert_eq!(pass(&mut own, &mut elsewhere, &mut seen), 0);
    own.handle_down(B);
    own.handle_since(B, elsewhere.heard(A));
    assert_eq!(pass(&mut own, &mut elsewhere, &mut seen), 0);
    own.handle_down(B);
    for _ in 0..5 {
        own.set(&jid(3), Some(far(A, 1, "away")));
        own.set(&jid(3), Some(far(A, 1, "back")));
        own.set(&jid(4), None);
        own.set(&jid(4), Some(far(A, 2, "new")));
    }
    own.set(&jid(5), None);
    assert!(own.take_due().is_empty(), "nobody is told who has not said what they have heard");
    own.handle_since(B, elsewhere.heard(A));
    assert_eq!(pass(&mut own, &mut elsewhere, &mut seen), 3);
    assert_eq!((seen.len(), elsewhere.heard(A).0), (8, Some((origin(A, 1), 30))));
}

#[test]
fn another_start_replaces_the_one_before_in_one_change() {
    let (mut own, mut elsewhere, mut seen) = (Own::new(origin(A, 1)), Elsewhere::new(1), BTreeMap::new());
    elsewhere.show(A);
    own.handle_since(B, elsewhere.heard(A));
    (0..3).for_each(|number| own.set(&jid(number), Some(far(A, 1, "here"))));
    pass(&mut own, &mut elsewhere, &mut seen);
    own = Own::new(origin(A, 2));
    own.set(&jid(0), Some(far(A, 1, "here")));
    own.set(&jid(1), Some(far(A, 1, "away")));
    own.handle_since(B, elsewhere.heard(A));
    let frames = own.take_due();
    let [(_, frame)] = &frames[..] else { panic!("{frames:?}") };
    let changes = elsewhere.hear(A, frame.clone()).unwrap();
    let names: Vec<&str> = changes.iter().map(|change| change.jid.as_str()).collect();
    assert_eq!(names, ["u1@x.example/r", "u2@x.example/r"], "what is the same in both does not change");
    look(&mut seen, changes);
    assert_eq!(seen.len(), 2);
    assert_eq!(elsewhere.hear(A, frame.clone()), Ok(Vec::new()), "and nothing is heard twice");
    let empty = Own::new(origin(A, 3));
    own = empty;
    own.handle_since(B, elsewhere.heard(A));
    pass(&mut own, &mut elsewhere, &mut seen);
    assert!(seen.is_empty() && elsewhere.is_empty(), "one without sessions says so");
}

#[test]
fn removals_are_remembered_up_to_a_bound_and_beyond_it_everything_is_told() {
    let (mut own, mut elsewhere, mut seen) = (Own::new(origin(A, 1)), Elsewhere::new(1), BTreeMap::new());
    elsewhere.show(A);
    own.set(&jid(9_999), Some(far(A, 1, "stays")));
    (0..4_097).for_each(|number| own.set(&jid(number), Some(far(A, 1, "here"))));
    own.handle_since(B, elsewhere.heard(A));
    assert_eq!(pass(&mut own, &mut elsewhere, &mut seen), 4_098, "in several frames");
    own.handle_down(B);
    (0..4_096).for_each(|number| own.set(&jid(number), None));
    own.handle_since(B, elsewhere.heard(A));
    let frames = own.take_due();
    assert!(frames.iter().all(|(_, frame)| frame.report.since.is_some()), "all of them are known");
    own.set(&jid(4_096), None);
    own.handle_since(B, elsewhere.heard(A));
    let frames = own.take_due();
    let [(_, frame)] = &frames[..] else { panic!("{} frames", frames.len()) };
    assert_eq!((frame.report.since, frame.report.changes.len()), (None, 1));
    look(&mut seen, elsewhere.hear(A, frame.clone()).unwrap());
    assert_eq!(seen.keys().map(FullJid::as_str).collect::<Vec<_>>(), ["u9999@x.example/r"]);
}

#[test]
fn whatever_is_lost_and_however_often_the_other_side_sees_what_there_is() {
    arbtest(|data| {
        let (mut start, mut own) = (1, Own::new(origin(A, 1)));
        let (mut elsewhere, mut seen, mut there) = (Elsewhere::new(1), BTreeMap::new(), BTreeMap::new());
        let mut shown = false;
        for step in 0..data.int_in_range(0..=40)? {
            let key = jid(data.int_in_range(0..=3)?);
            match data.int_in_range(0..=8_u8)? {
                0..=2 => {
                    let value = far(A, i64::from(step), data.choose(&["here", "away"])?);
                    own.set(&key, Some(value.clone()));
                    there.insert(key, value);
                }
                3 => {
                    own.set(&key, None);
                    there.remove(&key);
                }
                4 => {
                    // Some frames of what is due arrive, some twice, and the link breaks.
                    let frames = own.take_due();
                    for (_, frame) in frames.iter().take(data.int_in_range(0..=frames.len())?) {
                        for _ in 0..data.int_in_range(1..=2)? {
                            look(&mut seen, elsewhere.hear(A, frame.clone()).unwrap_or_default());
                        }
                    }
                    own.handle_down(B);
                    elsewhere.link(A, false);
                }
                5 => own.handle_since(B, elsewhere.heard(A)),
                6 => {
                    pass(&mut own, &mut elsewhere, &mut seen);
                }
                7 => {
                    start += 1;
                    own = Own::new(origin(A, start));
                    let stays = there.clone().into_iter().filter(|_| data.arbitrary().unwrap_or(false));
                    there = stays.collect();
                    for (jid, far) in &there {
                        own.set(jid, Some(far.clone()));
                    }
                    elsewhere.link(A, false);
                }
                _ => {
                    let changes = if shown { elsewhere.hide(A) } else { elsewhere.show(A) };
                    look(&mut seen, changes);
                    shown = !shown;
                    assert!(shown || seen.is_empty());
                }
            }
        }
        own.handle_since(B, elsewhere.heard(A));
        pass(&mut own, &mut elsewhere, &mut seen);
        assert!(shown || elsewhere.is_empty());
        look(&mut seen, elsewhere.show(A));
        assert_eq!(seen, there);
        let counted: usize = there.keys().map(|jid| elsewhere.of_account(jid.as_jid()).count()).sum();
        assert_eq!(counted, there.len());
        Ok(())
    });
}

#[test]
fn of_several_sessions_of_one_address_every_node_sees_the_same_one() {
    let one = |attached, bound, node| Far { attached, ..far(node, bound, "here") };
    let all = [
        one(true, 1, A),
        one(true, 1, B),
        one(true, 2, A),
        one(false, 3, A),
        one(false, 3, B),
        one(false, 9, B),
    ];
    for (first, ours) in all.iter().enumerate() {
        for (second, theirs) in all.iter().enumerate() {
            assert_eq!(ours.beats(theirs) || theirs.beats(ours), first != second, "one of two stays");
            assert!(!(ours.beats(theirs) && theirs.beats(ours)));
        }
    }
    assert!(one(true, 1, A).beats(&one(false, 9, B)), "who has a stream beats who has none");
    assert!(one(true, 2, A).beats(&one(true, 1, B)), "then the later bind");
    for order in [[A, B], [B, A]] {
        let (mut elsewhere, mut seen) = (Elsewhere::new(1), BTreeMap::new());
        for node in order {
            look(&mut seen, elsewhere.show(node));
            let mut own = Own::new(origin(node, 1));
            own.set(&jid(1), Some(far(node, i64::from(node), "here")));
            own.handle_since(9, elsewhere.heard(node));
            for (_, frame) in own.take_due() {
                look(&mut seen, elsewhere.hear(node, frame).unwrap());
            }
        }
        let (node, _) = elsewhere.seen(jid(1).as_jid()).unwrap();
        assert_eq!(node, B);
        let here = super::Directory::new(1);
        let sight = Sight::new(&here, &elsewhere);
        assert_eq!(sight.find(jid(1).as_jid()), Where::There(B, origin(B, 1).dot(1)));
        assert_eq!(sight.find(&Jid::parse("u1@x.example").unwrap()), Where::Nowhere);
        assert_eq!(sight.available(jid(1).as_jid()).count(), 1);
        look(&mut seen, elsewhere.hide(B));
        assert_eq!(elsewhere.seen(jid(1).as_jid()).map(|(node, _)| node), Some(A), "the other one is left");
    }
}

#[test]
fn a_presence_that_is_too_long_for_a_node_is_left_out_and_the_session_is_there() {
    let (mut own, mut elsewhere, mut seen) = (Own::new(origin(A, 1)), Elsewhere::new(1), BTreeMap::new());
    elsewhere.show(A);
    own.handle_up(B, 64 * 1024);
    own.handle_since(B, elsewhere.heard(A));
    let long = Bytes::from(vec![b'x'; 62 * 1024]);
    own.set(&jid(1), Some(Far { presence: Some(long), ..far(A, 1, "") }));
    own.set(&jid(2), Some(far(A, 1, "short")));
    pass(&mut own, &mut elsewhere, &mut seen);
    let presences: Vec<_> = seen.values().map(|far| far.presence.as_deref()).collect();
    assert_eq!(presences, [None, Some(&b"short"[..])]);
    assert_eq!((own.take_cramped(), own.take_cramped()), (vec![B], Vec::new()), "said once");
    own.set(&jid(1), Some(far(A, 1, "short as well")));
    pass(&mut own, &mut elsewhere, &mut seen);
    assert!(seen[&jid(1)].presence.is_some());
}
