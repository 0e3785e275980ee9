//! What a session leaves while another one is being given what its account was owed, on a disk that is slow or fails.

use super::acks::{ENABLE, id_of};
use super::crash::Dice;
use super::messages::bodies;
use crate::io::ConnId;
use crate::node::harness::World;
use crate::store::StoreError;

const HINT: &str = "<no-store xmlns='urn:xmpp:hints'/>";
/// The time to resume is over, and what has to be tried again is due.
const EXPIRY: u64 = 600_000_000;
const AGAIN: u64 = 2_000_000;

/// What alice says: to the account, which is owed it; to its desk, which waits to be resumed and has it; and there, not to be stored.
#[derive(Clone, Copy, Debug, PartialEq)]
enum To {
    Account,
    Desk,
    DeskOnly,
}

/// Alice has said those, their places being their bodies, and bob's phone has just become available: nothing is answered from here on.
fn reading(said: &[To], change: impl FnOnce(&mut crate::config::Config)) -> (World, ConnId, ConnId) {
    let mut world = World::with(change);
    for user in ["alice", "bob"] {
        world.add(user);
    }
    let alice = world.login("alice", "a", Some(0));
    let desk = world.login("bob", "desk", Some(-1));
    world.send(desk, ENABLE);
    id_of(&world.read(desk));
    world.cut(desk);
    for (number, to) in said.iter().enumerate() {
        let (to, hint) = match to {
            To::Account => ("bob@x.example", ""),
            To::Desk => ("bob@x.example/desk", ""),
            To::DeskOnly => ("bob@x.example/desk", HINT),
        };
        let number = 100 + number;
        world.send(alice, &format!("<message to='{to}' type='chat'><body>{number}</body>{hint}</message>"));
    }
    let phone = world.login("bob", "phone", None);
    (world.waiting, world.slow_reads) = (Some(Vec::new()), true);
    world.send(phone, "<presence/>");
    (world, alice, phone)
}

/// Answers everything, and lets what failed be tried again.
fn heal(world: &mut World) {
    world.disk = Ok(());
    for _ in 0..8 {
        while world.answer_next() {}
        world.pass(AGAIN);
    }
}

/// The bodies that a connection was sent, as numbers.
fn got(world: &mut World, conn: ConnId) -> Vec<usize> {
    bodies(&world.read(conn)).iter().map(|body| body.parse::<usize>().unwrap() - 100).collect()
}

#[test]
fn what_one_session_leaves_stays_in_order_wherever_the_other_one_reads() {
    let said = [To::Account, To::Desk, To::DeskOnly, To::Account, To::Desk, To::DeskOnly];
    for answered in 0..10 {
        let (mut world, alice, phone) = reading(&said, |_| {});
        for _ in 0..answered {
            world.answer_next();
        }
        world.pass(EXPIRY);
        heal(&mut world);
        let got = got(&mut world, phone);
        let mut all = got.clone();
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3, 4, 5], "after {answered}: {got:?}");
        let of = |desk: bool| got.iter().filter(move |number| (said[**number] != To::Account) == desk);
        assert!(of(true).is_sorted() && of(false).is_sorted(), "after {answered}: {got:?}");
        assert!(!world.read(alice).contains("<error"));
    }
}

#[test]
fn each_is_given_once_whatever_the_disk_does() {
    let mut failed = 0;
    for seed in 0..400 {
        let mut dice = Dice(seed);
        let mut said = vec![To::Account];
        said.extend((0..=dice.roll(6)).map(|_| dice.pick(&[To::Account, To::Desk, To::DeskOnly])));
        let (mut world, alice, phone) = reading(&said, |_| {});
        let expires = dice.roll(12);
        for step in 0..24 {
            if step == expires {
                world.pass(EXPIRY);
            }
            world.disk = dice.pick(&[Ok(()), Ok(()), Err(StoreError::Full), Err(StoreError::Io)]);
            failed += u32::from(world.disk.is_err() && world.answer_next());
            world.disk.is_ok().then(|| world.answer_next());
            if dice.roll(3) == 0 {
                world.pass(AGAIN);
            }
        }
        heal(&mut world);
        let got = got(&mut world, phone);
        let mut all = got.clone();
        all.sort_unstable();
        assert_eq!(all, (0..said.len()).collect::<Vec<_>>(), "seed {seed}: {got:?} of {said:?}");
        assert!(!world.read(alice).contains("<error"), "seed {seed}");
    }
    assert!(failed > 1_000, "{failed}");
}

#[test]
fn who_is_there_gets_what_finds_no_room_among_what_is_owed() {
    let said = [To::Account, To::Account, To::Desk];
    for answered in 0..10 {
        let (mut world, alice, phone) = reading(&said, |config| config.limits.owed_messages = 2);
        for _ in 0..answered {
            world.answer_next();
        }
        world.pass(EXPIRY);
        heal(&mut world);
        let mut got = got(&mut world, phone);
        got.sort_unstable();
        assert_eq!(got, [0, 1, 2], "after {answered}");
        assert!(!world.read(alice).contains("<error"));
    }
}
