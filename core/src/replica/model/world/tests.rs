//! Histories that chance meets seldom, step by step.

use super::*;
use crate::replica::model::domain::jid;

/// A whole sync.
fn sync(world: &mut World, to: usize, from: usize) {
    world.ask(to, from);
    while world.receive(to) {}
}

/// A member starts with an old copy of its disk.
fn set_back(world: &mut World, at: usize, (disk, past): (Group<Domain>, Past)) {
    let random = world.random();
    let member = &mut world.members[at];
    member.past = past.next(random);
    member.dots = Dots::new(member.past.origin());
    (member.memory, member.disk) = (disk.clone(), disk);
    member.floor = member.disk.floor().clone();
    member.known.clear();
    member.joining = true;
}

#[test]
fn what_a_member_had_before_it_was_set_back_does_not_count_once_its_new_start_was_met() {
    // History 71,389. Bob asks for Alice's presence and takes it back; B has both, and goes back to a disk that has the first. C, which
    // has not heard of the second, takes B in, where Bob asks again. Then C has heard of it, and A has met the new start of B.
    for hears_by_entry in [true, false] {
        // Three members that have all accounts.
        let mut world = World::new(1);
        let [a, b, c] = [0, 1, 2];
        let want = |value| cell(1, 3, 0, value);
        world.write_of(a, 1, want(0));
        world.flush(a);
        for at in [b, c] {
            sync(&mut world, at, a);
        }
        let old = (world.members[b].disk.clone(), world.members[b].past.clone());
        world.write_of(a, 1, want(1));
        world.flush(a);
        sync(&mut world, b, a);
        world.ask(b, a);
        set_back(&mut world, b, old);
        sync(&mut world, b, c);
        assert!(!world.members[b].joining, "C is a member");
        world.write_of(b, 2, cell(2, 6, 0, 0));
        let first = world.members[b].buffer[0].clone();
        world.flush(b);
        if hears_by_entry {
            world.take_in(a, &first);
        } else {
            world.ask(a, b);
        }
        world.write_of(b, 1, want(2));
        world.flush(b);
        sync(&mut world, c, a);
        world.ask(c, a);
        world.raise(a);
        // Here the values are compared: off beats on.
        sync(&mut world, a, b);
        let bob = &world.members[a].disk.state().capped()[1];
        assert!(!bob.standing(&jid(0)).pending_out);
        world.heal();
    }
}
