//! Exact resumption, whenever the node is killed: two clients with acknowledgements, a disk that answers when it likes, and
//! cuts and kills between any two steps. Nothing is lost, nothing comes twice, and no `h` goes back.

use std::collections::VecDeque;

use super::acks::{ASK, ENABLE, ack, attr, id_of};
use crate::io::{ConnId, Output};
use crate::node::harness::World;

/// A client that keeps what was not acknowledged and sends it again.
struct Person {
    name: &'static str,
    /// Whether archives keep what it says.
    kind: Keeps,
    id: String,
    link: Link,
    /// Stanzas that it sent, and those of them that it must be able to send again.
    sent: u32,
    kept: VecDeque<String>,
    /// The highest `h` that it was told.
    told: u32,
    /// Stanzas that it was sent.
    heard: u32,
    got: Vec<String>,
    said: Vec<String>,
}

#[derive(Clone, Copy, PartialEq)]
enum Link {
    Up(ConnId),
    /// The answer to `<resume/>` is due.
    Resuming(ConnId),
    Down,
}

/// What becomes of messages, beside being delivered.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Keeps {
    Archive,
    /// Those who are away get it later.
    Offline,
    Nothing,
}

impl Keeps {
    /// Returns a message of this kind.
    pub(super) fn message(self, to: &str, id: &str) -> String {
        let hint = match self {
            Self::Archive => "",
            Self::Offline => "<no-permanent-store xmlns='urn:xmpp:hints'/>",
            Self::Nothing => "<no-store xmlns='urn:xmpp:hints'/>",
        };
        format!("<message type='chat' to='{to}' id='{id}'><body>.</body>{hint}</message>")
    }
}

/// What is drawn, the same for the same seed.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    pub(super) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.roll(of.len() as u64)).unwrap()]
    }
}

impl Person {
    fn new(world: &mut World, name: &'static str, kind: Keeps) -> Self {
        world.add(name);
        let conn = world.login(name, "r", Some(0));
        world.send(conn, ENABLE);
        let id = id_of(&world.read(conn));
        let (kept, got, said) = (VecDeque::new(), Vec::new(), Vec::new());
        Self { name, kind, id, link: Link::Up(conn), sent: 0, kept, told: 0, heard: 0, got, said }
    }

    fn say(&mut self, world: &mut World, to: &str) {
        let Link::Up(conn) = self.link else { return };
        let id = format!("{}-{to}-{}", self.name, self.said.len());
        let text = self.kind.message(&format!("{to}@x.example/r"), &id);
        self.sent += 1;
        self.kept.push_back(text.clone());
        self.said.push(id);
        world.send(conn, &text);
    }

    fn nonza(&self, world: &mut World, text: &str) {
        if let Link::Up(conn) = self.link {
            world.send(conn, text);
        }
    }

    fn resume(&mut self, world: &mut World) {
        let conn = world.authenticate_slowly(self.name);
        let ask = format!("<resume xmlns='urn:xmpp:sm:3' previd='{}' h='{}'/>", self.id, self.heard);
        world.send(conn, &ask);
        self.link = Link::Resuming(conn);
    }

    fn read(&mut self, world: &mut World) {
        let (Link::Up(conn) | Link::Resuming(conn)) = self.link else { return };
        let said = world.read(conn);
        for element in said.split_inclusive('>').filter(|piece| piece.starts_with('<')) {
            if element.starts_with("<a ") || element.starts_with("<resumed ") {
                let h = attr(element, "h").unwrap().parse().unwrap();
                assert!(
                    self.told <= h && h <= self.sent,
                    "{}: {} then {h} of {}",
                    self.name,
                    self.told,
                    self.sent
                );
                self.kept.drain(..(h - self.told) as usize);
                self.told = h;
            }
            if element.starts_with("<resumed ") {
                self.link = Link::Up(conn);
                for text in &self.kept {
                    world.send(conn, text);
                }
            }
            if element.starts_with("<message ") {
                self.got.push(attr(element, "id").unwrap());
            }
            self.heard +=
                u32::from(["<message ", "<presence ", "<iq "].iter().any(|tag| element.starts_with(tag)));
            assert!(!element.starts_with("<failed"), "{said}");
        }
        if world.closed.contains(&conn) {
            // An older request to resume was read late and took the session: it is taken back.
            assert!(said.is_empty() || said.contains("resumed on another connection"), "{said}");
            self.link = Link::Down;
        }
    }
}

fn run(seed: u64, kind: Keeps) -> (World, [Person; 2], u32) {
    let mut dice = Dice(seed);
    let mut world = World::with(|config| config.limits.hot_accounts = 1);
    let mut people = ["alice", "bob"].map(|name| Person::new(&mut world, name, kind));
    (world.waiting, world.slow_reads) = (Some(Vec::new()), true);
    let mut kills = 0;
    for step in 0..60 {
        let who = usize::from(dice.roll(2) == 1);
        let (person, other) = (&mut people[who], ["bob", "alice"][who]);
        match dice.roll(16) {
            0..=3 => person.say(&mut world, other),
            4 => person.say(&mut world, &format!("ghost{step}")),
            5 | 6 => person.nonza(&mut world, ASK),
            7 => {
                person.read(&mut world);
                person.nonza(&mut world, &ack(person.heard));
            }
            8..=11 => drop(world.answer_next()),
            12 => person.read(&mut world),
            13 => {
                if let Link::Up(conn) | Link::Resuming(conn) = person.link
                    && !world.closed.contains(&conn)
                {
                    world.cut(conn);
                }
                person.link = Link::Down;
            }
            14 => person.resume(&mut world),
            _ => {
                // A flush that was not answered may have reached the disk, or not.
                let batch_of = |output: &Output| {
                    if let Output::Store { batch, .. } = output { Some(batch.clone()) } else { None }
                };
                let flying = world.waiting.iter().flatten().find_map(batch_of);
                if let Some(batch) = flying.filter(|_| dice.roll(2) == 0) {
                    world.store.apply(&batch);
                }
                world.kill();
                for person in &mut people {
                    person.link = Link::Down;
                }
                kills += 1;
            }
        }
    }
    (world, people, kills)
}

/// Lets everything come to rest: both are there, and everything has been heard.
fn settle(world: &mut World, people: &mut [Person; 2]) {
    for person in people.iter_mut() {
        person.resume(world);
    }
    for _ in 0..5 {
        while world.answer_next() {}
        for person in people.iter_mut() {
            person.read(world);
            if person.link == Link::Down {
                person.resume(world);
            }
            person.nonza(world, ASK);
            person.nonza(world, &ack(person.heard));
        }
    }
}

fn nothing_is_lost_doubled_or_taken_back(kind: Keeps) {
    let mut kills = 0;
    for seed in 0..300 {
        let (mut world, mut people, killed) = run(seed, kind);
        settle(&mut world, &mut people);
        kills += killed;
        for (me, other) in [(0, 1), (1, 0)] {
            let (me, other) = (&people[me], &people[other]);
            assert_eq!((me.told, me.kept.len()), (me.sent, 0), "seed {seed}: {} is safe", me.name);
            let to_me = |id: &&String| id.contains(&format!("-{}-", me.name));
            let from_other: Vec<&String> = me.got.iter().filter(|id| !id.starts_with(me.name)).collect();
            assert_eq!(from_other, other.said.iter().filter(to_me).collect::<Vec<_>>(), "seed {seed}");
            let mut returned: Vec<&String> = me.got.iter().filter(|id| id.starts_with(me.name)).collect();
            returned.sort();
            let mut ghosts: Vec<&String> = me.said.iter().filter(|id| id.contains("-ghost")).collect();
            ghosts.sort();
            assert_eq!(returned, ghosts, "seed {seed}: each error once");
        }
    }
    assert!(kills > 800, "{kills}");
}

#[test]
fn messages_that_no_archive_keeps_are_exact_wherever_the_node_is_killed() {
    nothing_is_lost_doubled_or_taken_back(Keeps::Nothing);
}

#[test]
fn archived_messages_are_exact_wherever_the_node_is_killed() {
    nothing_is_lost_doubled_or_taken_back(Keeps::Archive);
}
