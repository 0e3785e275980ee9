//! What crash tests of resumable sessions leave out: sessions that expire, a disk that is full for a while, and an account
//! with two devices. A client that is not resumed binds anew and sends again what it has no `h` for.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::acks::{ASK, ENABLE, ack, attr};
use super::crash::{Dice, Keeps};
use super::jid;
use crate::archive;
use crate::io::{ConnId, Output};
use crate::node::harness::World;
use crate::replica::Hlc;
use crate::store::{StoreError, StoreQuery};
use crate::time::Span;

const SECOND: u64 = 1_000_000;
const RESUME: u64 = 12;

/// A client of one account that keeps what was not acknowledged.
struct Device {
    user: &'static str,
    resource: &'static str,
    /// The name of its session; nothing while it has none.
    id: Option<String>,
    link: Link,
    sent: u32,
    kept: VecDeque<(String, String)>,
    told: u32,
    heard: u32,
    /// Messages that it was given, in this session and in those before.
    got: BTreeSet<String>,
    before: BTreeSet<String>,
    /// Those that it was given twice in one session.
    twice: BTreeSet<String>,
    /// Messages that came back.
    bounced: BTreeMap<String, u32>,
    /// Sent again in another session, without knowing whether they had been taken.
    again: BTreeSet<String>,
    /// Said in sessions that have ended: an error may have found nobody.
    ended: BTreeSet<String>,
    said: Vec<(String, Keeps)>,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Link {
    Up(ConnId),
    /// Waits for the answer to `<resume/>`, `<bind/>` or `<enable/>`.
    Asking(ConnId),
    Down,
}

impl Device {
    fn new(world: &mut World, (user, resource): (&'static str, &'static str)) -> Self {
        let mut device = Self {
            user,
            resource,
            id: None,
            link: Link::Down,
            sent: 0,
            kept: VecDeque::new(),
            told: 0,
            heard: 0,
            got: BTreeSet::new(),
            before: BTreeSet::new(),
            twice: BTreeSet::new(),
            bounced: BTreeMap::new(),
            again: BTreeSet::new(),
            ended: BTreeSet::new(),
            said: Vec::new(),
        };
        device.connect(world);
        while device.id.is_none() {
            device.read(world);
        }
        device
    }

    fn connect(&mut self, world: &mut World) {
        let conn = world.authenticate_slowly(self.user);
        self.link = Link::Asking(conn);
        match &self.id {
            Some(id) => {
                let h = self.heard;
                world.send(conn, &format!("<resume xmlns='urn:xmpp:sm:3' previd='{id}' h='{h}'/>"));
            }
            None => self.bind(world, conn),
        }
    }

    /// Binds and enables acknowledgements at once: what came in between would be handed to nobody who counts it.
    fn bind(&self, world: &mut World, conn: ConnId) {
        let resource = self.resource;
        let bind =
            format!("<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>{resource}</resource></bind>");
        world.send(conn, &format!("<iq type='set' id='b'>{bind}</iq>{ENABLE}"));
    }

    fn transmit(&mut self, world: &mut World, id: String, text: String) {
        let Link::Up(conn) = self.link else { return };
        self.sent += 1;
        world.send(conn, &text);
        self.kept.push_back((id, text));
    }

    fn say(&mut self, world: &mut World, to: &str, kind: Keeps) {
        if !matches!(self.link, Link::Up(_)) {
            return;
        }
        let id = format!("m{}", self.said.len());
        self.said.push((id.clone(), kind));
        let text = kind.message(to, &id);
        self.transmit(world, id, text);
    }

    fn nonza(&self, world: &mut World, text: &str) {
        if let Link::Up(conn) = self.link {
            world.send(conn, text);
        }
    }

    fn acknowledged(&mut self, h: u32) {
        assert!(self.told <= h && h <= self.sent, "{}: {} then {h} of {}", self.user, self.told, self.sent);
        self.kept.drain(..(h - self.told) as usize);
        self.told = h;
    }

    fn read(&mut self, world: &mut World) {
        let (Link::Up(conn) | Link::Asking(conn)) = self.link else { return };
        let said = world.read(conn);
        for element in said.split_inclusive('>').filter(|piece| piece.starts_with('<')) {
            self.handle(world, conn, element, &said);
        }
        if world.closed.contains(&conn) {
            self.link = Link::Down;
        }
    }

    fn handle(&mut self, world: &mut World, conn: ConnId, element: &str, said: &str) {
        let h = || attr(element, "h").map(|h| h.parse().unwrap());
        self.heard +=
            u32::from(["<message ", "<presence ", "<iq "].iter().any(|tag| element.starts_with(tag)));
        if element.starts_with("<a ") {
            self.acknowledged(h().unwrap());
        } else if element.starts_with("<resumed ") {
            self.acknowledged(h().unwrap());
            self.link = Link::Up(conn);
            for (_, text) in &self.kept {
                world.send(conn, text);
            }
        } else if element.starts_with("<failed ") {
            assert!(self.id.is_some(), "{said}");
            match h() {
                Some(h) => self.acknowledged(h),
                None => self.again.extend(self.kept.iter().map(|(id, _)| id.clone())),
            }
            self.id = None;
            self.ended.extend(self.said.iter().map(|(id, _)| id.clone()));
            self.before.append(&mut self.got);
            self.bind(world, conn);
        } else if element.starts_with("<enabled ") {
            self.id = attr(element, "id");
            if self.id.is_none() {
                // The disk was full: it tries again, and what it was given meanwhile is handed on.
                world.cut(conn);
                self.link = Link::Down;
                return;
            }
            (self.sent, self.told, self.heard, self.link) = (0, 0, 0, Link::Up(conn));
            let kept = core::mem::take(&mut self.kept);
            self.transmit(world, "p".into(), "<presence/>".into());
            for (id, text) in kept.into_iter().filter(|(id, _)| id != "p") {
                self.transmit(world, id, text);
            }
        } else if element.starts_with("<message ") {
            let id = attr(element, "id").unwrap();
            if element.contains("type='error'") {
                *self.bounced.entry(id).or_default() += 1;
            } else if !self.got.insert(id.clone()) {
                self.twice.insert(id);
            }
        }
    }
}

/// What was met in a run.
#[derive(Default, Debug)]
struct Met {
    kills: u32,
    bounced: usize,
    sessions: usize,
    again: usize,
}

struct Storm {
    world: World,
    devices: Vec<Device>,
    /// What becomes of the messages.
    kinds: &'static [Keeps],
    met: Met,
}

impl Storm {
    fn new(kinds: &'static [Keeps]) -> Self {
        let mut world = World::with(|config| {
            config.limits.hot_accounts = 1;
            config.limits.resume_time = Span::from_secs(RESUME);
        });
        for user in ["alice", "bob"] {
            world.add(user);
        }
        let names = [("alice", "a"), ("bob", "one"), ("bob", "two")];
        let devices = names.map(|name| Device::new(&mut world, name)).into();
        (world.waiting, world.slow_reads) = (Some(Vec::new()), true);
        Self { world, devices, kinds, met: Met::default() }
    }

    fn step(&mut self, dice: &mut Dice) {
        let Self { world, devices, kinds, .. } = self;
        let who = dice.pick(&[0, 0, 1, 2]);
        let device = &mut devices[who];
        match dice.roll(20) {
            0..=4 => {
                let to = ["bob@x.example", "bob@x.example/one", "bob@x.example/two", "bob@x.example"];
                let to = dice.pick(&to);
                let kind = dice.pick(kinds);
                devices[0].say(world, to, kind);
            }
            5 => device.nonza(world, ASK),
            6 | 7 => {
                device.read(world);
                device.nonza(world, &ack(device.heard));
            }
            8..=11 => drop(world.answer_next()),
            14 | 15 if device.link == Link::Down => device.connect(world),
            12 | 14 | 15 => device.read(world),
            13 => {
                self.end_binds();
                let device = &mut self.devices[who];
                let world = &mut self.world;
                if let Link::Up(conn) | Link::Asking(conn) = device.link
                    && !world.closed.contains(&conn)
                {
                    world.cut(conn);
                }
                device.link = Link::Down;
            }
            16 => world.pass(dice.pick(&[SECOND / 2, SECOND, 5 * SECOND, RESUME * SECOND])),
            17 => world.disk = dice.pick(&[Ok(()), Err(StoreError::Full), Err(StoreError::Io)]),
            18 => world.disk = Ok(()),
            _ => self.kill(dice),
        }
    }

    /// Lets everybody have a session that is kept: before, what is not archived goes with the connection.
    fn end_binds(&mut self) {
        if self.kinds == [Keeps::Archive] {
            return;
        }
        while self.devices.iter().any(|device| device.id.is_none() && matches!(device.link, Link::Asking(_)))
        {
            if !self.world.answer_next() {
                self.world.pass(SECOND);
            }
            self.devices.iter_mut().for_each(|device| device.read(&mut self.world));
        }
    }

    /// A flush that was not answered may have reached the disk, or not.
    fn kill(&mut self, dice: &mut Dice) {
        self.end_binds();
        let Self { world, devices, met, .. } = self;
        let batch_of = |output: &Output| {
            if let Output::Store { batch, .. } = output { Some(batch.clone()) } else { None }
        };
        let flying = world.waiting.iter().flatten().find_map(batch_of);
        if let Some(batch) = flying.filter(|_| dice.roll(2) == 0) {
            world.store.apply(&batch);
        }
        world.disk = Ok(());
        world.kill();
        for device in devices {
            device.link = Link::Down;
        }
        met.kills += 1;
    }

    /// Lets everything come to rest: everybody is there, and everything has been heard.
    fn settle(&mut self) {
        self.world.disk = Ok(());
        for _ in 0..12 {
            while self.world.answer_next() {}
            self.world.pass(SECOND);
            for device in &mut self.devices {
                device.read(&mut self.world);
                if device.link == Link::Down {
                    device.connect(&mut self.world);
                }
                device.nonza(&mut self.world, ASK);
                device.nonza(&mut self.world, &ack(device.heard));
            }
        }
    }

    /// How often each message stands in an archive.
    fn archived(&self, owner: &str) -> BTreeMap<String, u32> {
        let owner = jid(owner);
        let (from, to) = archive::log_range(&owner, Hlc::MIN);
        let mut found = BTreeMap::new();
        for row in self.world.store.query(&StoreQuery::Range { from, to, limit: u32::MAX }) {
            let entry: archive::Entry = row.decode().unwrap();
            let message = self.world.store.query(&StoreQuery::Get { key: entry.message_key(&owner) });
            let bytes = archive::Message::decode(&message[0]).unwrap();
            let text = core::str::from_utf8(&bytes).unwrap();
            *found.entry(attr(text, "id").unwrap()).or_default() += 1;
        }
        found
    }
}

/// Everything that was taken has been given to somebody, and stands in the archives once; or it came back, and nobody has it.
fn judge(storm: &mut Storm, seed: u64) {
    let archives = ["alice@x.example", "bob@x.example"].map(|owner| storm.archived(owner));
    let Storm { devices, met, .. } = storm;
    let [alice, one, two] = devices.as_slice() else { panic!() };
    assert!(alice.kept.is_empty() && matches!(alice.link, Link::Up(_)), "seed {seed}: {:?}", alice.kept);
    for (id, kind) in &alice.said {
        let given = [one, two].iter().any(|device| device.got.contains(id) || device.before.contains(id));
        let came_back = alice.bounced.get(id).copied().unwrap_or_default();
        let again = alice.again.contains(id);
        let counts = archives.each_ref().map(|archive| archive.get(id).copied().unwrap_or_default());
        let unheard = alice.ended.contains(id) && counts[0] == 0;
        assert!(
            given || came_back > 0 || unheard,
            "seed {seed}: {id} {kind:?} is lost, archived {archives:?}"
        );
        if *kind == Keeps::Archive {
            assert_eq!(counts[0], counts[1], "seed {seed}: {id}");
            assert!(
                again || unheard || came_back + counts[0] == 1,
                "seed {seed}: {id} {came_back} {counts:?}"
            );
            assert!(again || given == (counts[0] == 1), "seed {seed}: {id} {given} {came_back}");
        } else {
            assert!(again || came_back <= 1, "seed {seed}: {id} comes back once");
        }
        let twice = one.twice.contains(id) || two.twice.contains(id);
        assert!(again || !twice, "seed {seed}: {id} is given twice");
        met.bounced += came_back as usize;
    }
    met.again += alice.again.len();
    met.sessions += devices.iter().filter(|device| !device.before.is_empty()).count();
}

fn nothing_is_lost(kinds: &'static [Keeps]) {
    let mut met = Met::default();
    for seed in 0..300 {
        let mut dice = Dice(seed);
        let mut storm = Storm::new(kinds);
        for _ in 0..100 {
            storm.step(&mut dice);
        }
        storm.settle();
        judge(&mut storm, seed);
        met.kills += storm.met.kills;
        met.bounced += storm.met.bounced;
        met.sessions += storm.met.sessions;
        met.again += storm.met.again;
    }
    let Met { kills, bounced, sessions, again } = met;
    assert!(kills > 1_000 && bounced > 100 && sessions > 50, "{kills} {bounced} {sessions} {again}");
}

#[test]
fn archived_messages_survive_kills_expiry_and_a_full_disk() {
    nothing_is_lost(&[Keeps::Archive]);
}

#[test]
fn messages_that_no_archive_keeps_survive_kills_expiry_and_a_full_disk() {
    nothing_is_lost(&[Keeps::Nothing]);
}

#[test]
fn messages_of_all_kinds_survive_kills_expiry_and_a_full_disk() {
    nothing_is_lost(&[Keeps::Archive, Keeps::Offline, Keeps::Nothing]);
}
