//! The members: what each has on disk and in memory, and what can befall them.

use std::collections::{BTreeMap, BTreeSet};

use super::domain::{Act, Domain, USERS, cell};
use super::draws::Draws;
use super::ledger::Ledger;
use super::mood::{Deed, Mood};
use super::readers::Readers;
use super::sessions::Sessions;
use super::tally::{Event, Tally};
use crate::replica::{
    CellName, Clock, Closing, Dot, Dots, Dotted, Group, Hlc, Inbound, Line, MAX_DRIFT_MS, MessageName,
    Origin, Past, Post, Replica, Status, Sync, Value, Vector,
};
use crate::time::UnixTime;

/// How far a clock may be off that is not taken for one that is ahead.
const SLIGHT_MS: i64 = 50_000;

/// One member.
pub(super) struct Member {
    /// What is durable. Peers see nothing else.
    pub(super) disk: Group<Domain>,
    /// What is durable, and what will be.
    pub(super) memory: Group<Domain>,
    /// What was written and is not durable.
    buffer: Vec<Act>,
    /// The starts that its disk knows of.
    past: Past,
    dots: Dots,
    clock: Clock,
    /// How far the wall clock is ahead.
    skew: i64,
    /// A sync that was begun and not finished, how many of its entries came, and whether a full member sent it.
    coming: Option<(Sync<Act>, usize, bool)>,
    /// What each member had committed when it asked last, and which start of it that was (R1).
    known: BTreeMap<usize, (Origin, Vector)>,
    /// The disk as it was once.
    snapshot: Option<(Group<Domain>, Past)>,
    /// Everything that its disks have ever covered.
    ever: Vector,
    /// The floor as it was when it was looked at last.
    floor: Vector,
    /// It has lost what it had committed, and takes nobody in before it has committed what a member holds.
    joining: bool,
}

/// Everybody.
pub(super) struct World {
    pub(super) members: Vec<Member>,
    pub(super) ledger: Ledger,
    pub(super) sessions: Sessions,
    pub(super) readers: Readers,
    pub(super) tally: Tally,
    pub(super) draws: Draws,
    mood: Mood,
    /// Milliseconds on a true clock.
    time: i64,
    starts: u32,
    /// Stanzas sent, and who sent each to whom.
    stanzas: Vec<(usize, usize)>,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let (mut draws, mood) = (Draws::new(seed), Mood::of(seed));
        let count = if mood == Mood::Removals { 3 } else { 3 + draws.below(3) };
        let mut world = Self {
            members: Vec::new(),
            ledger: Ledger::default(),
            sessions: Sessions::default(),
            readers: Readers::default(),
            tally: Tally::default(),
            draws,
            mood,
            time: 1_000_000_000,
            starts: 0,
            stanzas: Vec::new(),
        };
        for node in 0..count {
            // Some clocks are a minute off, one may be a year ahead.
            let skew = match world.draws.below(12) {
                0 => 365 * 24 * 3_600_000,
                1..4 => SLIGHT_MS,
                _ => 0,
            };
            let past = Past::new(
                Origin { node: u32::try_from(node).expect("few members"), start: 1, random: world.random() },
                [],
            );
            world.members.push(Member {
                disk: Group::default(),
                memory: Group::default(),
                buffer: Vec::new(),
                dots: Dots::new(past.origin()),
                past,
                clock: Clock::default(),
                skew,
                coming: None,
                known: BTreeMap::new(),
                snapshot: None,
                ever: Vector::new(),
                floor: Vector::new(),
                joining: false,
            });
        }
        if mood == Mood::Removals {
            world.populate();
        }
        world
    }

    /// What the entropy gives a start.
    const fn random(&mut self) -> u32 {
        self.starts += 1;
        self.starts
    }

    /// Everybody has all accounts.
    fn populate(&mut self) {
        for user in 0..USERS {
            self.write_of(0, user, (CellName::Status, Value::Status(Status::Active)));
        }
        self.flush(0);
        for at in 1..self.members.len() {
            self.ask(at, 0);
            while self.receive(at) {}
        }
    }

    /// Does one thing.
    pub(super) fn step(&mut self) {
        self.time += 1 + i64::try_from(self.draws.below(5_000)).expect("small");
        let count = self.members.len();
        let (at, from) = (self.draws.below(count), self.draws.below(count));
        let joining = self.members[at].joining;
        match self.mood.draw(&mut self.draws) {
            Deed::Write | Deed::Send | Deed::SendAgain | Deed::Tidy if joining => {}
            Deed::Write => self.write_cell(at),
            Deed::Send => self.send(at),
            Deed::SendAgain => self.send_again(at),
            Deed::Tidy => self.tidy(at),
            Deed::Flush => self.flush(at),
            Deed::Overtake => self.overtake(at, from),
            Deed::Ask => self.ask(at, from),
            Deed::Receive => _ = self.receive(at),
            Deed::CutLink => {
                let cut = self.members[at].coming.take();
                self.tally.add(Event::SyncCut, usize::from(cut.is_some_and(|(_, came, _)| came > 0)));
            }
            Deed::Snapshot => {
                let member = &mut self.members[at];
                member.snapshot = Some((member.disk.clone(), member.past.clone()));
            }
            Deed::Crash => self.crash(at),
            Deed::Gather => self.gather(at),
            Deed::Raise => self.raise(at),
            Deed::Begin => self.sessions.begin(&self.members, at, self.draws.below(USERS - 1)),
            Deed::GoOn => self.sessions.go_on(&self.members, at),
            Deed::Move => self.move_session(at, from),
            Deed::Read => {
                let which = self.draws.below(8);
                self.readers.read(&self.members, at, which, &mut self.tally);
            }
        }
    }

    /// Everybody is up, every link holds: all write what they have and exchange it until nothing is left to say.
    pub(super) fn heal(&mut self) {
        for round in 0.. {
            assert!(round < 20, "it does not settle");
            for at in 0..self.members.len() {
                self.flush(at);
                for from in (0..self.members.len()).filter(|from| *from != at) {
                    self.ask(at, from);
                    while self.receive(at) {}
                }
                self.flush(at);
            }
            let first = self.members[0].disk.vector();
            if self.members.iter().all(|member| member.disk.vector() == first) && round > 1 {
                break;
            }
        }
        for at in 0..self.members.len() {
            self.sessions.go_on(&self.members, at);
            self.raise(at);
        }
    }

    /// Of the starts that have ended, what nobody holds is certified as lost (R1, R5); then all learn that all cover everything.
    /// The lives that entries name are of what they wait for.
    pub(super) fn close(&mut self) {
        let held: Vec<&Vector> = self.members.iter().map(|member| member.disk.vector()).collect();
        let acts = self.members[0].disk.state().deltas();
        let named: BTreeSet<Dot> = acts.iter().flat_map(Act::named).collect();
        let mut dead: BTreeSet<Origin> = held.iter().flat_map(|vector| vector.origins()).collect();
        dead.extend(named.iter().map(|dot| dot.origin));
        dead.retain(|origin| self.members.iter().all(|member| member.past.origin() != *origin));
        let closing = dead.into_iter().map(|origin| Closing::of(origin, &held, named.iter().copied()));
        let lost: Vec<Dot> = closing.flat_map(|closing| closing.lost).collect();
        self.tally.add(Event::Lost, lost.len());
        for dot in lost {
            self.ledger.lost(dot);
            for Member { disk, memory, ever, .. } in &mut self.members {
                disk.cover(dot);
                memory.cover(dot);
                ever.count(dot);
            }
        }
        (0..self.members.len()).for_each(|at| self.meet_itself(at, at));
        let starts: Vec<Origin> = self.members.iter().map(|member| member.past.origin()).collect();
        let vectors: Vec<Vector> = self.members.iter().map(|member| member.disk.vector().clone()).collect();
        for (at, member) in self.members.iter_mut().enumerate() {
            let others = vectors.iter().enumerate().filter(|(other, _)| *other != at);
            member.known = others.map(|(other, vector)| (other, (starts[other], vector.clone()))).collect();
        }
        (0..self.members.len()).for_each(|at| self.raise(at));
    }

    fn stamp(&mut self, at: usize) -> (Dot, Hlc) {
        let member = &mut self.members[at];
        let hlc = member.clock.stamp(UnixTime::from_millis(self.time + member.skew));
        let state = member.memory.state();
        for log in &state.logs {
            let met = log.dots().filter(|dot| state.caps.of(*dot).is_none()).filter_map(|dot| log.get(dot));
            met.for_each(|post| assert!(post.hlc < hlc, "what is written later stands later"));
        }
        (member.dots.take(), hlc)
    }

    /// Notes a write and holds it in memory until the next flush.
    fn written(&mut self, at: usize, act: Act) {
        let member = &mut self.members[at];
        self.ledger.written(&act, member.memory.vector());
        member.memory.apply(&act);
        member.buffer.push(act);
    }

    fn write_cell(&mut self, at: usize) {
        let (me, which) = match self.mood {
            Mood::Any | Mood::Messages => (self.draws.below(USERS), self.draws.below(9)),
            Mood::Removals => (self.draws.below(2), [2, 3, 4, 6, 6][self.draws.below(5)]),
            Mood::Lives => (self.draws.below(2), [0, 0, 0, 1, 2, 3, 4, 6][self.draws.below(8)]),
        };
        let (other, value) = match self.mood {
            Mood::Any | Mood::Messages => (me + 1 + self.draws.below(USERS - 1), self.draws.below(1_000)),
            Mood::Removals | Mood::Lives => (1 - me, self.draws.below(6)),
        };
        if which < 8 {
            return self.write_of(at, me, cell(me, which as u64, other % USERS, value as u64));
        }
        let (dot, hlc) = self.stamp(at);
        let key = u8::try_from(me).expect("few users");
        let vcards = &self.members[at].memory.state().vcards;
        let act = Act::Vcard(vcards.write(key, dot, hlc, value.to_be_bytes()[7]));
        self.written(at, act);
    }

    fn write_of(&mut self, at: usize, me: usize, cell: (CellName, Value)) {
        let (dot, hlc) = self.stamp(at);
        let memory = &self.members[at].memory;
        let act = memory.state().write(me, (dot, hlc), cell, &memory.floor().to_context());
        self.written(at, act);
    }

    fn send(&mut self, at: usize) {
        let from = self.draws.below(USERS);
        let to = (from + 1 + self.draws.below(USERS - 1)) % USERS;
        self.stanzas.push((from, to));
        self.post(at, self.stanzas.len() - 1);
    }

    /// The client was not told that its stanza is safe, and sends it to another node.
    fn send_again(&mut self, at: usize) {
        if !self.stanzas.is_empty() {
            let stanza = self.draws.below(self.stanzas.len());
            self.post(at, stanza);
        }
    }

    /// Two entries with consecutive dots, one for each archive.
    fn post(&mut self, at: usize, stanza: usize) {
        let (from, to) = self.stanzas[stanza];
        let token = stanza as u64;
        let session = Origin { node: 99, start: 1, random: 0 }.dot(1 + from as u64);
        let key = Some(Inbound { session, ordinal: 1 + token });
        let (message, hlc) = self.stamp(at);
        let second = self.members[at].dots.take();
        for (user, dot) in [(from, message), (to, second)] {
            let post = Post { dot, hlc, message, key, body: Some(token) };
            self.written(at, Act::Line(u8::try_from(user).expect("few users"), Line::Post(post)));
        }
    }

    /// Retracts a message, or gives up the oldest entries.
    fn tidy(&mut self, at: usize) {
        let user = self.draws.below(USERS);
        let log = &self.members[at].memory.state().logs[user];
        let posts: Vec<(MessageName, Hlc)> = log
            .deltas()
            .iter()
            .filter_map(|line| match line {
                Line::Post(post) => Some((post.name(), post.hlc)),
                Line::Retract { .. } | Line::Floor { .. } => None,
            })
            .collect();
        if posts.is_empty() {
            return;
        }
        let (of, hlc) = posts[self.draws.below(posts.len())];
        // No session reads the archive of the last user: what was shown and is not kept any longer would have to be remembered.
        let floor = user == USERS - 1 && self.draws.one_in(2);
        let (dot, _) = self.stamp(at);
        let line = if floor { Line::Floor { dot, hlc } } else { Line::Retract { dot, of } };
        self.written(at, Act::Line(u8::try_from(user).expect("few users"), line));
    }

    /// Makes everything durable that was written.
    fn flush(&mut self, at: usize) {
        let buffer = core::mem::take(&mut self.members[at].buffer);
        if buffer.is_empty() {
            return;
        }
        for act in buffer {
            self.ledger.stored(act.dot());
            self.take(at, &act);
        }
        self.check(at);
    }

    /// Compares the values of a member with what they have to be.
    fn check(&mut self, at: usize) {
        let member = &mut self.members[at];
        member.ever.join(member.disk.vector());
        let floor = member.disk.floor().clone();
        self.tally.add(Event::FloorRaised, usize::from(member.floor != floor));
        assert!(floor.includes(&member.floor), "a floor sinks");
        member.floor = floor;
        let Member { disk, clock, skew, floor, .. } = &self.members[at];
        for member in &self.members {
            assert!(member.ever.includes(floor), "a floor that not everybody has had");
        }
        self.ledger.check(disk.state(), disk.vector(), &mut self.tally);
        if *skew > SLIGHT_MS {
            return;
        }
        assert!(clock.last().millis <= self.time + SLIGHT_MS, "a clock that is ahead drags others along");
        let state = disk.state();
        for post in state.logs.iter().flat_map(|log| log.dots().filter_map(|dot| log.get(dot))) {
            let place = state.caps.place(post.hlc, post.dot);
            let bound = self.time + SLIGHT_MS + MAX_DRIFT_MS;
            assert!(place.capped.millis <= bound, "a stamp that is ahead has no cap");
        }
    }

    /// Does what may drop something at a member, and counts what goes.
    fn dropping(&mut self, at: usize, act: impl FnOnce(&mut Member)) {
        let member = &mut self.members[at];
        let before = member.disk.state().clone();
        act(member);
        let left: BTreeSet<Dot> = member.disk.state().deltas().iter().map(Dotted::dot).collect();
        for gone in before.deltas().iter().filter(|act| !left.contains(&act.dot())) {
            let removal = before.is_removal(gone);
            self.tally.add(if removal { Event::RemovalDropped } else { Event::LetGo }, 1);
        }
        self.check(at);
    }

    /// Applies what is durable.
    fn take(&mut self, at: usize, act: &Act) {
        let disk = &mut self.members[at].disk;
        let holds = |disk: &Group<Domain>, user: usize, dot| disk.state().logs[user].get(dot).is_some();
        let entry = match act {
            Act::Line(user, Line::Post(post)) => Some((usize::from(*user), post.dot)),
            Act::Line(_, Line::Retract { .. } | Line::Floor { .. })
            | Act::Account(..)
            | Act::Vcard(_)
            | Act::Cap(_) => None,
        };
        let known = entry.is_some_and(|(user, dot)| holds(disk, user, dot));
        disk.apply(act);
        self.tally.note(act, disk.state());
        if let Some((user, dot)) = entry
            && !known
            && holds(disk, user, dot)
        {
            let withhold = self.draws.one_in(3);
            self.tally.add(Event::Withheld, usize::from(withhold));
            self.sessions.applied(&self.members, at, (user, dot), withhold);
        }
    }

    /// There is one journal: what was written here before is durable before what is received, be it an entry or a commit.
    fn own_first(&mut self, at: usize) {
        self.flush(at);
    }

    /// Receives an entry. A stamp that is too far ahead is capped in the same batch.
    fn take_in(&mut self, at: usize, act: &Act) {
        self.own_first(at);
        self.ledger.received(act);
        let wall = UnixTime::from_millis(self.time + self.members[at].skew);
        let limit = act.hlc().and_then(|hlc| self.members[at].clock.meet(hlc, wall));
        self.take(at, act);
        self.members[at].memory.apply(act);
        if let Some(limit) = limit {
            let member = &mut self.members[at];
            let next = member.dots.origin().dot(member.dots.last() + 1);
            if let Some(cap) = member.memory.state().caps.write(next, act.dot(), limit) {
                member.dots.take();
                self.tally.add(Event::Capped, 1);
                self.written(at, Act::Cap(cap));
                self.flush(at);
            }
        }
    }

    /// Some entries come before those that were written earlier.
    fn overtake(&mut self, at: usize, from: usize) {
        let entries = self.members[from].disk.state().deltas();
        if at != from && !entries.is_empty() {
            let act = &entries[self.draws.below(entries.len())];
            let ahead = match act {
                Act::Line(user, Line::Post(post @ Post { body: None, .. })) => {
                    let log = &self.members[from].disk.state().logs[usize::from(*user)];
                    log.retraction(post.name()).map(|line| Act::Line(*user, line))
                }
                Act::Line(..) | Act::Account(..) | Act::Vcard(_) | Act::Cap(_) => None,
            };
            for act in ahead.iter().chain([act]) {
                if !self.members[at].disk.vector().covers(act.dot()) {
                    self.tally.add(Event::Overtaken, 1);
                    self.take_in(at, act);
                }
            }
            self.check(at);
        }
    }

    fn ask(&mut self, at: usize, from: usize) {
        if at == from {
            return;
        }
        let theirs = self.members[at].disk.vector().clone();
        let sync = self.members[from].disk.sync(&theirs);
        self.members[at].coming = Some((sync, 0, !self.members[from].joining));
        self.members[at].ever.join(&theirs);
        // Both say which start of theirs it is.
        let starts = [at, from].map(|index| self.members[index].past.origin());
        self.members[from].known.insert(at, (starts[0], theirs));
        self.members[at].known.retain(|other, (start, _)| *other != from || *start == starts[1]);
        self.meet_itself(at, from);
    }

    /// A member meets a start of its own that its disk does not know, and takes a new one at once.
    fn meet_itself(&mut self, at: usize, from: usize) {
        let random = self.random();
        let covered = self.members[from].disk.vector().clone();
        let member = &mut self.members[at];
        if let Some(met) = member.past.stranger(member.dots.last(), &covered) {
            member.past = member.past.above(met, random);
            member.dots = Dots::new(member.past.origin());
            self.tally.add(Event::StrangerMet, 1);
        }
        let own = member.past.origin();
        let above = |met: &Origin| met.node != own.node || *met == own || own.succeeds(*met);
        assert!(covered.origins().all(|met| above(&met)), "a start below one of its own");
    }

    /// Receives the next entry of a sync, or its commit; returns whether there was any.
    fn receive(&mut self, at: usize) -> bool {
        self.own_first(at);
        let Some((sync, came, from_member)) = self.members[at].coming.take() else { return false };
        if let Some(act) = sync.entries.get(came) {
            self.take_in(at, act);
            self.members[at].coming = Some((sync, came + 1, from_member));
        } else {
            let member = &mut self.members[at];
            self.tally.add(Event::Joined, usize::from(member.joining && from_member));
            self.tally.add(Event::Compared, usize::from(sync.live.is_some()));
            member.joining &= !from_member;
            self.dropping(at, |member| {
                member.disk.commit(&sync);
                member.memory.commit(&sync);
            });
        }
        true
    }

    /// A process ends and starts again: with its disk, with an old copy of it, or without any.
    fn crash(&mut self, at: usize) {
        let (random, node) = (self.random(), u32::try_from(at).expect("few members"));
        let fate = self.draws.below(if self.mood == Mood::Removals { 3 } else { 6 });
        let member = &mut self.members[at];
        member.coming = None;
        member.buffer.clear();
        let before = member.past.origin();
        if fate == 0 {
            (member.disk, member.past) = (Group::default(), Past::new(Origin { node, start: 1, random }, []));
            // A copy from before would bring back what nobody else has, beside removals that were dropped without it: the
            // operator of a cluster decides about that (quarantine).
            member.snapshot = None;
        } else if fate == 1
            && let Some((disk, past)) = member.snapshot.take()
        {
            (member.disk, member.past) = (disk, past.next(random));
        } else {
            member.past = member.past.next(random);
            assert!(member.past.origin().succeeds(before), "the same start again");
        }
        self.tally.add([Event::DiskLost, Event::DiskBack, Event::Crashed][fate.min(2)], 1);
        member.dots = Dots::new(member.past.origin());
        if fate < 2 {
            self.sessions.end(at);
            self.readers.unsettle(at);
            member.known.clear();
            member.floor = member.disk.floor().clone();
            member.joining = true;
        }
        member.memory = member.disk.clone();
        let deltas = member.disk.state().deltas();
        // A stamp that is capped says nothing about the time.
        let sane = deltas.iter().filter_map(Act::hlc).filter(|hlc| hlc.millis < self.time + 3_600_000);
        member.clock = Clock::behind(sane.max().unwrap_or_default());
    }

    /// Learns what all members have committed, when all have asked. What a member has covered does not count once another start of
    /// it was met that is not before (R1): it may have lost its disk, or gone back to an old one (history 71,389).
    fn raise(&mut self, at: usize) {
        let Member { known, disk, .. } = &mut self.members[at];
        let met: Vec<Origin> = disk.vector().origins().collect();
        known.retain(|_, (start, _)| {
            !met.iter().any(|met| met.node == start.node && met != start && !start.succeeds(*met))
        });
        if known.len() + 1 == self.members.len() {
            self.dropping(at, |member| {
                let others = member.known.values().map(|(_, vector)| vector);
                member.disk.hear(others.clone());
                member.memory.hear(others);
            });
        }
    }

    /// A member exchanges what it has with the others; often it then knows that all have it, and sometimes that they have more.
    fn gather(&mut self, at: usize) {
        for other in (0..self.members.len()).filter(|other| *other != at) {
            self.flush(other);
            if !self.draws.one_in(if self.mood == Mood::Removals { 6 } else { 3 }) {
                self.ask(at, other);
                while self.receive(at) {}
            }
        }
        let heard = self.draws.below(2 * self.members.len());
        for other in (0..self.members.len()).filter(|other| *other != at && *other != heard) {
            self.ask(other, at);
            while self.receive(other) {}
            self.ask(other, at);
        }
        self.raise(at);
    }

    /// A session moves with the consent of its node; what its archive holds travels ahead.
    fn move_session(&mut self, from: usize, to: usize) {
        if from != to && self.sessions.is_at(from) {
            self.flush(to);
            self.ask(to, from);
            while self.receive(to) {}
            self.sessions.carry(&self.members, (from, to), &mut self.tally);
        }
    }
}

#[cfg(test)]
mod tests;
