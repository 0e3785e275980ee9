//! The index of a cluster's node says what its rows say, wherever the node is killed and whatever the disk does.

use bytes::Bytes;

use super::acks::{ENABLE, id_of};
use super::crash::{Dice, Keeps};
use super::jid;
use super::resumption::resume;
use crate::config::{ClusterSecret, Config, DomainConfig, LinkKind, StaticCluster, StaticMember};
use crate::io::{Command, ConnId, Output, Secret};
use crate::jid::Domain;
use crate::node::harness::{HEADER, World};
use crate::replica::Dot;
use crate::store::{StoreError, Table};
use crate::sync::check::{Told, agree, pasts};
use crate::time::Span;

const SECOND: u64 = 1_000_000;
const BIND: &str = "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq><presence/>";
/// Those who come and go, alice with two devices; the last one is of another domain.
const PEOPLE: [&str; 5] =
    ["alice@x.example", "alice@x.example", "bob@x.example", "eve@x.example", "carol@y.example"];

/// Makes the node one of a cluster, whose only member it is, and lets it serve another domain.
fn clustered(config: &mut Config) {
    let member = StaticMember {
        node: 7,
        name: "a".into(),
        site: "here".into(),
        key: [1; 32],
        route: "a:5230".into(),
        link: LinkKind::Lan,
        rate: None,
    };
    let (grace, hysteresis) = (StaticCluster::GRACE, StaticCluster::HYSTERESIS);
    let (members, routes, secret) = (vec![member], Vec::new(), ClusterSecret([5; 32]));
    config.cluster = Some(StaticCluster { id: [9; 16], node: 7, members, routes, grace, hysteresis, secret });
    let name = Domain::parse("y.example").unwrap();
    config.domains.push(DomainConfig::closed(name));
    config.limits.archive_time = Span::from_secs(600);
    config.limits.archive_sweep = Span::from_secs(60);
    config.limits.archive_step = 4;
    config.limits.hot_accounts = 2;
}

struct Storm {
    world: World,
    people: [Option<ConnId>; 5],
    kills: u32,
}

impl Storm {
    fn new() -> Self {
        let mut world = World::with(clustered);
        for user in PEOPLE {
            let password = Some(Secret(Bytes::from_static(b"pw")));
            world.command(Command::UserAdd { user: jid(user), password });
        }
        (world.waiting, world.slow_reads) = (Some(Vec::new()), true);
        Self { world, people: [None; 5], kills: 0 }
    }

    fn connect(&mut self, who: usize) {
        let (local, domain) = PEOPLE[who].split_once('@').unwrap();
        let (waiting, slow) = (self.world.waiting.take(), core::mem::take(&mut self.world.slow_reads));
        let conn = self.world.open();
        let header = HEADER.replace("x.example", domain);
        self.world.send(conn, &header);
        self.world.auth(conn, local, "pw");
        (self.world.waiting, self.world.slow_reads) = (waiting, slow);
        self.world.send(conn, &header);
        self.world.send(conn, BIND);
        self.people[who] = Some(conn);
    }

    fn say(&mut self, who: usize, text: &str) {
        if let Some(conn) = self.people[who].filter(|conn| !self.world.closed.contains(conn)) {
            self.world.send(conn, text);
        } else {
            self.connect(who);
        }
    }

    fn step(&mut self, dice: &mut Dice) {
        let who = dice.pick(&[0, 0, 1, 1, 2, 3, 4]);
        let to = dice.pick(&PEOPLE);
        let set = |payload: &str| format!("<iq type='set' id='s'>{payload}</iq>");
        match dice.roll(24) {
            0..=4 => {
                let kind = dice.pick(&[Keeps::Archive, Keeps::Archive, Keeps::Offline]);
                self.say(who, &kind.message(to, "m"));
            }
            5 | 6 => {
                let kind = dice.pick(&["subscribe", "subscribed", "unsubscribe", "unsubscribed"]);
                self.say(who, &format!("<presence to='{to}' type='{kind}'/>"));
            }
            7 => {
                let remove = dice.pick(&["", " subscription='remove'"]);
                let item = format!("<query xmlns='jabber:iq:roster'><item jid='{to}'{remove}/></query>");
                self.say(who, &set(&item));
            }
            8 => {
                let what = dice.pick(&["block", "unblock"]);
                self.say(
                    who,
                    &set(&format!("<{what} xmlns='urn:xmpp:blocking'><item jid='{to}'/></{what}>")),
                );
            }
            9 => self.say(who, &set("<vCard xmlns='vcard-temp'><FN>x</FN></vCard>")),
            10 => {
                let default = dice.pick(&["always", "always", "roster"]);
                self.say(who, &set(&format!("<prefs xmlns='urn:xmpp:mam:2' default='{default}'/>")));
            }
            11 => self.change(dice),
            12..=16 => drop(self.world.answer_next()),
            17 => self.world.pass(dice.pick(&[SECOND, 30 * SECOND, 300 * SECOND])),
            18 => self.world.disk = dice.pick(&[Ok(()), Err(StoreError::Full), Err(StoreError::Io)]),
            19 => self.world.disk = Ok(()),
            20 => {
                if let Some(conn) = self.people[who].take().filter(|conn| !self.world.closed.contains(conn)) {
                    self.world.cut(conn);
                }
            }
            21 | 22 => self.connect(who),
            _ => self.kill(dice),
        }
    }

    /// Somebody's account is changed, made or removed.
    fn change(&mut self, dice: &mut Dice) {
        let user = jid(dice.pick(&PEOPLE));
        let password = Some(Secret(Bytes::from_static(b"pw")));
        self.world.command(match dice.roll(5) {
            0 => Command::UserRemove { user },
            1 => Command::UserPasswd { user, password },
            _ => Command::UserAdd { user, password },
        });
    }

    /// A flush that was not answered may have reached the disk, or not.
    fn kill(&mut self, dice: &mut Dice) {
        let batch_of = |output: &Output| {
            if let Output::Store { batch, .. } = output { Some(batch.clone()) } else { None }
        };
        let flying = self.world.waiting.iter().flatten().find_map(batch_of);
        if let Some(batch) = flying.filter(|_| dice.roll(2) == 0) {
            self.world.store.apply(&batch);
            self.world.writes += 1;
        }
        self.world.disk = Ok(());
        self.world.kill();
        self.people = [None; 5];
        self.kills += 1;
    }
}

#[test]
fn the_index_equals_the_rows_wherever_the_node_is_killed() {
    let (mut most, mut kills) = (Told::default(), 0);
    for seed in 0..200 {
        let mut dice = Dice(seed);
        let mut storm = Storm::new();
        for _ in 0..200 {
            let before = storm.world.writes;
            storm.step(&mut dice);
            if storm.world.writes == before {
                continue;
            }
            let told = agree(&storm.world.store);
            assert_eq!(told.unnamed, 0, "all of its own is in a log");
            most = Told {
                letters: most.letters.max(told.letters),
                cells: most.cells.max(told.cells),
                large: most.large.max(told.large),
                void: most.void.max(told.void),
                unnamed: 0,
            };
        }
        kills += storm.kills;
    }
    let Told { letters, cells, large, void, .. } = most;
    assert!(letters > 10 && cells > 15 && large > 1 && void > 2 && kills > 800, "{most:?} {kills}");
}

#[test]
fn a_message_names_the_one_before_it_to_the_same_recipient_also_after_a_kill() {
    let mut world = World::with(clustered);
    for user in PEOPLE {
        let password = Some(Secret(Bytes::from_static(b"pw")));
        world.command(Command::UserAdd { user: jid(user), password });
    }
    let alice = world.login("alice", "a", Some(0));
    world.send(alice, ENABLE);
    let id = id_of(&world.read(alice));
    for to in ["bob@x.example", "carol@y.example", "bob@x.example/gone"] {
        world.send(alice, &Keeps::Archive.message(to, "m"));
    }
    world.kill();
    let (alice, said) = resume(&mut world, "alice", &id, 0);
    assert!(said.contains("<resumed "), "{said}");
    for to in ["carol@y.example", "bob@x.example", "eve@x.example"] {
        world.send(alice, &Keeps::Archive.message(to, "n"));
    }
    let pasts = pasts(&world.store);
    let number = |of: &Dot| (of.origin.start, of.seq);
    let of = |domain_first: usize, count: usize| {
        let some = pasts.iter().skip(domain_first).take(count);
        some.map(|(dot, past)| (number(dot), past.iter().map(number).collect())).collect::<Vec<_>>()
    };
    // In her own domain: two to bob, her half of one to carol; then again, and one to eve.
    let own = [(1, 1), (1, 3), (1, 4), (2, 1), (2, 2), (2, 4)];
    let before: [&[(u32, u64)]; 6] = [&[], &[], &[(1, 1)], &[(1, 3)], &[(1, 4)], &[]];
    let expected: Vec<_> = own.into_iter().zip(before.map(<[_]>::to_vec)).collect();
    assert_eq!(of(0, 6), expected);
    assert_eq!(of(6, 9), [((1, 1), vec![]), ((2, 1), vec![(1, 1)])], "carol's half, in her domain");
}

#[test]
fn a_node_that_is_alone_has_no_index() {
    let mut world = World::new();
    world.add("alice");
    let alice = world.login("alice", "a", Some(0));
    world.send(alice, "<message to='alice@x.example' type='chat'><body>x</body></message>");
    assert_eq!(
        (super::messages::rows(&world, Table::Message), super::messages::rows(&world, Table::Dot)),
        (1, 0)
    );
}
