//! Sessions of other nodes, as they come and go and have addresses that others have as well.

use std::collections::{BTreeMap, VecDeque};

use super::acks::id_of;
use super::crash::Dice;
use super::resumption::resume;
use super::taking::{KINDS, hear_all, node};
use crate::config::StaticCluster;
use crate::exchange::{Far, FromPeer, Hello, OwnedFrame, Relay, Routed};
use crate::io::ConnId;
use crate::jid::FullJid;
use crate::node::elsewhere::far_of;
use crate::node::harness::World;
use crate::replica::{Hlc, Origin, Report};
use crate::service::effect::Effect;
use crate::store::{StoreError, Table};
use crate::sync::check::agree;
use crate::time::Span;
use crate::trace::Event;

const B: u32 = 8;
const ENABLE: &str = "<enable xmlns='urn:xmpp:sm:3' resume='true'/>";

fn origin(start: u32) -> Origin {
    Origin { node: B, start, random: 7 }
}

fn tell(world: &mut World, said: FromPeer) {
    world.run(|cx| cx.effects.push_back(Effect::FromPeer(said)));
}

fn up(world: &mut World, origin: Origin) {
    let (name, span): (Box<str>, _) = ("b".into(), Span::from_secs(1));
    let (versions, cluster, site) = ((1, 1), [9; 16], name.clone());
    let (heartbeat, silent, frame_max, part_max) = (span, span, 512, 1 << 20);
    let route = "".into();
    let hello =
        Hello { versions, cluster, origin, name, site, heartbeat, silent, frame_max, part_max, route };
    tell(world, FromPeer::Up(origin.node, hello));
}

fn down(world: &mut World) {
    tell(world, FromPeer::Down(B, "cut"));
}

fn jid(text: &str) -> FullJid {
    FullJid::parse(text).unwrap()
}

fn bob(said: &str) -> Far {
    let presence = format!("<presence from='bob@x.example/r'><status>{said}</status></presence>");
    Far {
        session: origin(1).dot(1),
        bound: Hlc { millis: 0, count: 1 },
        attached: true,
        priority: Some(0),
        presence: Some(presence.into()),
    }
}

/// The other node says of all of its sessions.
fn report(world: &mut World, owner: Origin, seq: u64, far: Option<Far>) {
    let changes = far.map(|far| (jid("bob@x.example/r"), Some(far))).into_iter().collect();
    let report = Report { owner, seq, since: None, changes };
    tell(world, FromPeer::Owned(owner.node, OwnedFrame { report, more: false }));
}

fn relay(world: &mut World, id: u64, stanza: &str) {
    let stanza = stanza.to_owned().into();
    tell(
        world,
        FromPeer::Routed(
            B,
            Routed::Relay(Relay {
                id,
                to: None,
                about: None,
                said: Hlc::default(),
                by: None,
                after: Vec::new(),
                stanza,
            }),
        ),
    );
}

/// A node that knows alice and bob, who see each other.
fn friends() -> World {
    let mut world = node(7);
    for user in ["alice", "bob"] {
        world.add(user);
        world.login(user, "was here", None);
    }
    super::subscribe(&mut world, "alice", "bob");
    super::subscribe(&mut world, "bob", "alice");
    world.kill();
    world
}

/// Alice is here; the other node, with a session of bob, was away for long and has been back for a second.
fn returned() -> (World, ConnId) {
    let mut world = friends();
    let alice = world.login("alice", "desk", Some(0));
    up(&mut world, origin(1));
    report(&mut world, origin(1), 1, Some(bob("here")));
    down(&mut world);
    world.pass(StaticCluster::GRACE.as_micros() + 1);
    up(&mut world, origin(1));
    world.pass(1_000_000);
    world.read(alice);
    (world, alice)
}

const TOLD: &str = "<presence from='bob@x.example/r' to='alice@x.example/desk'/>";

fn unavailable(said: &str) -> usize {
    said.matches("type='unavailable'").count()
}

#[test]
fn who_is_back_for_a_moment_only_is_answered() {
    let (mut world, alice) = returned();
    relay(
        &mut world,
        1,
        "<iq from='bob@x.example/r' to='alice@x.example/desk' type='get' id='1'><q xmlns='q'/></iq>",
    );
    let said = world.read(alice);
    assert!(said.contains("id='1'"), "{said}");
    assert_eq!(world.node.services.relays.untaken(B), 0);
    for answer in
        ["<iq type='result' id='1' TO/>", "<iq type='error' id='2' TO/>", "<message type='error' id='3' TO/>"]
    {
        let before = world.node.services.relays.untaken(B);
        world.send(alice, &answer.replace("TO", "to='bob@x.example/r'"));
        assert_eq!(world.node.services.relays.untaken(B), before + 1, "{answer}");
    }
    world.send(alice, "<iq type='get' id='4' to='bob@x.example/r'><q xmlns='q'/></iq>");
    assert!(world.read(alice).contains("type='error'"), "for what is new it is not there yet");
}

#[test]
fn who_is_back_for_a_moment_only_and_goes_takes_back_whom_it_has_told() {
    let gone: [fn(&mut World); 3] = [
        down,
        |world| {
            up(world, origin(2));
            report(world, origin(2), 1, None);
        },
        |world| {
            world.pass(StaticCluster::HYSTERESIS.as_micros());
            down(world);
            world.pass(StaticCluster::GRACE.as_micros() + 1);
        },
    ];
    for (way, go) in gone.into_iter().enumerate() {
        let (mut world, alice) = returned();
        relay(&mut world, 1, TOLD);
        assert!(world.read(alice).contains("<presence"), "{way}");
        go(&mut world);
        assert_eq!(unavailable(&world.read(alice)), 1, "{way}");
        assert!(world.node.elsewhere.directed(&jid("bob@x.example/r")).is_none(), "{way}");
    }
}

#[test]
fn what_a_session_had_told_is_taken_back_when_it_ends_behind_another_one() {
    for available in [false, true] {
        let mut world = friends();
        let alice = world.login("alice", "desk", Some(0));
        let other = world.login("alice", "other", None);
        up(&mut world, origin(1));
        report(&mut world, origin(1), 1, Some(bob("here")));
        for (number, to) in ["desk", "other"].into_iter().enumerate() {
            relay(&mut world, number as u64 + 1, &TOLD.replace("desk", to));
        }
        // One of this node takes the address, and shows itself, or does not.
        let near = world.login("bob", "r", available.then_some(0));
        world.read(alice);
        world.read(other);
        down(&mut world);
        world.pass(StaticCluster::GRACE.as_micros() + 1);
        assert_eq!(
            unavailable(&world.read(alice)),
            usize::from(!available),
            "who follows sees the other one"
        );
        assert_eq!(unavailable(&world.read(other)), 1, "who is not available sees nothing else");
        assert!(world.node.elsewhere.directed(&jid("bob@x.example/r")).is_none());
        assert!(!world.closed.contains(&near));
    }
}

#[test]
fn what_is_seen_of_somebody_whose_account_cannot_be_read_is_shown_later() {
    let mut world = friends();
    let seen = |world: &mut World, seq, far| report(world, origin(1), seq, far);
    let alice = world.login("alice", "desk", Some(0));
    up(&mut world, origin(1));
    world.unreadable = vec![Table::Cell];
    seen(&mut world, 1, Some(bob("first")));
    for seq in 2..100 {
        seen(&mut world, seq, Some(bob(&seq.to_string())));
    }
    assert_eq!(world.read(alice), "");
    world.pass(3_000_000);
    world.unreadable.clear();
    world.pass(2_000_000);
    let said = world.read(alice);
    assert_eq!((said.matches("<presence").count(), said.contains("<status>99<")), (1, true), "{said}");
    // It goes while its account is not in memory and cannot be read.
    world.node.accounts.evict(0, u64::MAX, |user| user.starts_with("alice"));
    world.node.accounts.evict(0, u64::MAX, |user| user.starts_with("alice"));
    world.unreadable = vec![Table::Cell];
    seen(&mut world, 100, None);
    assert_eq!(world.read(alice), "");
    world.unreadable.clear();
    world.pass(2_000_000);
    assert_eq!(unavailable(&world.read(alice)), 1);
    let failed = Event::StoreFailed { error: StoreError::Io };
    assert!(world.events.contains(&failed));
}

/// Two nodes; each may have a session of bob, of one address, and hears late of that of the other one.
struct Two {
    worlds: Vec<World>,
    /// The connection, the id to resume it with, and whether the stream is there.
    sessions: [Option<(ConnId, String)>; 2],
    /// What is under way to each.
    under_way: [VecDeque<Option<Far>>; 2],
    said: [Option<Far>; 2],
    seq: u64,
}

impl Two {
    fn new() -> Self {
        let (mut a, mut b) = (node(7), node(8));
        a.add("bob");
        hear_all(&mut b, &a);
        let mut worlds = vec![a, b];
        for (at, other) in [(0, 1), (1, 0)] {
            let origin = worlds[other].node.ledger.origin();
            up(&mut worlds[at], origin);
        }
        Self { worlds, sessions: [None, None], under_way: Default::default(), said: [None, None], seq: 0 }
    }

    fn session(&self, at: usize) -> Option<Far> {
        let directory = &self.worlds[at].node.directory;
        directory.find(jid("bob@x.example/r").as_jid()).and_then(|id| directory.get(id)).map(far_of)
    }

    /// What has changed goes on its way.
    fn publish(&mut self) {
        for at in [0, 1] {
            let is = self.session(at);
            if self.said[at] != is {
                self.said[at].clone_from(&is);
                self.under_way[1 - at].push_back(is);
            }
        }
    }

    fn arrive(&mut self, at: usize) {
        let Some(far) = self.under_way[at].pop_front() else { return };
        self.seq += 1;
        let owner = self.worlds[1 - at].node.ledger.origin();
        report(&mut self.worlds[at], owner, self.seq, far);
    }

    fn step(&mut self, dice: &mut Dice) {
        let at = dice.pick(&[0, 1]);
        let there = self.session(at);
        match (dice.roll(6), there) {
            (0, None) => {
                let conn = self.worlds[at].login("bob", "r", Some(0));
                self.worlds[at].send(conn, ENABLE);
                let id = id_of(&self.worlds[at].read(conn));
                self.sessions[at] = Some((conn, id));
            }
            (1, Some(far)) if far.attached => {
                let conn = self.sessions[at].as_ref().unwrap().0;
                self.worlds[at].cut(conn);
            }
            (2, Some(far)) if !far.attached => {
                let id = self.sessions[at].as_ref().unwrap().1.clone();
                let (conn, said) = resume(&mut self.worlds[at], "bob", &id, 0);
                assert!(said.starts_with("<resumed "), "{said}");
                self.sessions[at] = Some((conn, id));
            }
            (3 | 4, _) => self.arrive(at),
            (5, _) => self.worlds[at].pass(1_000),
            (_, _) => {}
        }
        self.publish();
    }
}

#[test]
fn of_two_sessions_of_one_address_one_stays_whatever_each_side_hears_when() {
    let (mut met, mut ended) = (0, BTreeMap::new());
    for seed in 0..400 {
        let (mut two, mut dice) = (Two::new(), Dice(seed));
        let mut both = false;
        for _ in 0..40 {
            two.step(&mut dice);
            both |= two.session(0).is_some() && two.session(1).is_some();
            let any = two.session(0).is_some() || two.session(1).is_some();
            assert!(any || !both, "seed {seed}: nobody ends but by the other one");
        }
        for _ in 0..20 {
            for at in [0, 1] {
                two.arrive(at);
                two.publish();
            }
        }
        let stay = [0, 1].map(|at| two.session(at).is_some());
        assert!(stay != [true, true], "seed {seed}: both stay");
        assert!(!both || stay != [false, false], "seed {seed}: none stays");
        met += usize::from(both);
        *ended.entry(stay).or_insert(0) += 1;
    }
    assert!(met > 100 && ended.len() >= 2, "{met} {ended:?}");
}

#[test]
fn a_node_whose_disk_was_set_back_goes_on_as_a_start_that_nobody_knows() {
    let mut world = friends();
    let alice = world.login("alice", "desk", Some(0));
    let own = world.node.ledger.origin();
    let met = Origin { start: own.start + 40, random: 9, ..own };
    let say = |world: &mut World| {
        world.send(alice, "<message to='bob@x.example' type='chat'><body>m</body></message>");
    };
    say(&mut world);
    for not in [own, Origin { start: own.start - 1, ..own }, Origin { node: B, ..met }] {
        tell(&mut world, FromPeer::Outdated(not));
        assert_eq!(world.node.ledger.origin(), own, "{not:?}");
    }
    world.disk = Err(StoreError::Full);
    tell(&mut world, FromPeer::Outdated(met));
    assert_eq!(world.node.ledger.origin(), own, "not before it is durable");
    world.disk = Ok(());
    world.pass(5_000_000);
    tell(&mut world, FromPeer::Outdated(met));
    let risen = world.node.ledger.origin();
    assert_eq!((risen.node, risen.start), (own.node, met.start + 1));
    say(&mut world);
    assert!(world.node.groups.is_durable(KINDS[1], own.dot(2)), "what was written stays");
    assert!(world.node.groups.is_durable(KINDS[1], risen.dot(2)));
    agree(&world.store);
    assert!(!world.closed.contains(&alice), "and nobody has noticed");
    world.kill();
    assert_eq!(world.node.ledger.origin().start, risen.start + 1);
    let record = world.node.record.clone().unwrap();
    for known in [own, met, risen] {
        assert!(record.before.contains(&(u64::from(known.start), known.random)), "{known:?}");
    }
}
