//! Clusters whose members stand in the store: founding, joining, forgetting, and processes that are killed meanwhile.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::taking::{rows, say};
use crate::config::{Config, LinkKind, Seat, StaticCluster};
use crate::io::{
    Answer, CloseCause, ClusterCommand, Command, CommandId, ConnId, ConnKind, Input, NoCluster, Output,
    PeerAddr, PeerCertificate, Refusal, Secret, TlsInfo,
};
use crate::node::harness::{PEERS, World};
use crate::store::{Stage, StoreError, Table};
use crate::sync::check::agree;
use crate::time::Span;
use crate::trace::Event;

const SECOND: u64 = 1_000_000;

/// What is under way on a connection: bytes, or its end.
type Word = (usize, ConnId, Option<bytes::Bytes>);

/// Some nodes, each of which can reach each other one.
struct Town {
    worlds: Vec<World>,
    conns: BTreeMap<ConnId, [usize; 2]>,
    words: VecDeque<Word>,
    closed: BTreeSet<(usize, ConnId)>,
    /// Who cannot be reached.
    away: Vec<usize>,
    last: u64,
}

/// Gives a node a seat.
fn seated(at: usize) -> impl FnOnce(&mut Config) {
    move |config| {
        config.node = format!("n{at}");
        config.seat = Some(Seat {
            key: [u8::try_from(at).unwrap() + 1; 32],
            site: "here".into(),
            route: at.to_string(),
            link: LinkKind::Lan,
            grace: StaticCluster::GRACE,
            hysteresis: StaticCluster::HYSTERESIS,
        });
    }
}

impl Town {
    fn new(size: usize) -> Self {
        let worlds = (0..size).map(|at| World::with(seated(at))).collect();
        let (conns, closed) = (BTreeMap::new(), BTreeSet::new());
        Self { worlds, conns, words: VecDeque::new(), closed, away: Vec::new(), last: PEERS.0 }
    }

    /// Carries what is under way. Nodes that have stopped start again.
    fn carry(&mut self) {
        loop {
            for at in 0..self.worlds.len() {
                for output in core::mem::take(&mut self.worlds[at].to_peers) {
                    self.take(at, output);
                }
            }
            let Some((to, conn, word)) = self.words.pop_front() else {
                if self.worlds.iter().all(|world| world.to_peers.is_empty()) {
                    break;
                }
                continue;
            };
            if self.closed.contains(&(to, conn)) || !self.conns.contains_key(&conn) {
                continue;
            }
            let input = if let Some(bytes) = word {
                Input::Received { conn, bytes }
            } else {
                self.closed.insert((to, conn));
                Input::Closed { conn, cause: CloseCause::Closed }
            };
            self.worlds[to].input(input);
        }
        for at in 0..self.worlds.len() {
            if self.worlds[at].stopped {
                self.kill(at);
            }
        }
    }

    fn take(&mut self, at: usize, output: Output) {
        match output {
            Output::Connect { op, route, .. } => {
                let to = route.parse::<usize>().unwrap();
                if self.away.contains(&to) || self.away.contains(&at) {
                    let outcome = Err(CloseCause::TimedOut);
                    return self.worlds[at].input(Input::Connected { op, outcome });
                }
                self.last += 1;
                let conn = ConnId(self.last);
                self.conns.insert(conn, [at, to]);
                self.worlds[at].input(Input::Connected { op, outcome: Ok(conn) });
                self.worlds[to].input(Input::Opened { conn, kind: ConnKind::Peer, peer: PeerAddr([1; 16]) });
                for (end, other) in [(at, to), (to, at)] {
                    let key = [u8::try_from(other).unwrap() + 1; 32];
                    let exporter = Some([u8::try_from(conn.0 & 0xff).unwrap(); 32]);
                    let tls = TlsInfo { peer: Some(PeerCertificate { key }), exporter, ..TlsInfo::default() };
                    self.worlds[end].input(Input::Secured { conn, tls });
                }
            }
            Output::Send { conn, head, .. } => {
                let Some(ends) = self.conns.get(&conn) else { return };
                self.words.push_back((ends[0] + ends[1] - at, conn, Some(head)));
            }
            Output::Close { conn, .. } => {
                if let Some(ends) = self.conns.get(&conn) {
                    self.words.push_back((ends[0] + ends[1] - at, conn, None));
                }
                self.closed.insert((at, conn));
                self.worlds[at].input(Input::Closed { conn, cause: CloseCause::Closed });
            }
            Output::Ready { .. }
            | Output::StartTls { .. }
            | Output::Hold { .. }
            | Output::Release { .. }
            | Output::Store { .. }
            | Output::Load { .. }
            | Output::Derive { .. }
            | Output::Reply { .. }
            | Output::Trace(_)
            | Output::Stopped
            | Output::Wait { .. } => panic!("that is not for other nodes: {output:?}"),
        }
    }

    /// Kills a node; another start of it follows at once.
    fn kill(&mut self, at: usize) {
        let ended: Vec<_> = self.conns.iter().filter(|(_, ends)| ends.contains(&at)).collect();
        let ended: Vec<_> = ended.into_iter().map(|(conn, ends)| (*conn, ends[0] + ends[1] - at)).collect();
        self.worlds[at].kill();
        for (conn, other) in ended {
            self.conns.remove(&conn);
            if self.closed.insert((other, conn)) {
                self.worlds[other].input(Input::Closed { conn, cause: CloseCause::Reset });
            }
        }
    }

    fn pass(&mut self, seconds: u64) {
        for _ in 0..4 * seconds {
            for world in &mut self.worlds {
                world.pass(SECOND / 4);
            }
            self.carry();
        }
    }

    fn ask(&mut self, at: usize, ask: ClusterCommand) -> Option<Answer> {
        let answer = self.worlds[at].command(Command::Cluster { ask });
        self.carry();
        let answer = answer.or_else(|| self.worlds[at].answers.pop());
        assert!(
            answer.is_some(),
            "{at}: {:?} {:?}",
            self.worlds[at].node.membership.joining,
            self.worlds[at].node.life
        );
        answer
    }

    fn found(&mut self, at: usize) {
        self.worlds[at].input(Input::Command {
            id: CommandId(1 << 40),
            command: Command::Cluster { ask: ClusterCommand::Init },
        });
        self.carry();
        assert_eq!(self.worlds[at].answers.pop(), Some(Answer::Done));
    }

    fn token(&mut self, at: usize) -> Secret {
        let life = Span::from_secs(600);
        match self.ask(at, ClusterCommand::Token { life, site: None }) {
            Some(Answer::Token(token)) => token,
            other => panic!("no token: {other:?}"),
        }
    }

    fn join(&mut self, at: usize, token: &Secret) -> Option<Answer> {
        self.ask(at, ClusterCommand::Join { token: token.clone() })
    }

    /// Who a node says is up, besides itself.
    fn up(&mut self, at: usize) -> Vec<String> {
        match self.ask(at, ClusterCommand::Status) {
            Some(Answer::Cluster(status)) => {
                let up = status.members.iter().skip(1).filter(|member| member.up);
                up.map(|member| member.name.to_string()).collect()
            }
            other => panic!("no status: {other:?}"),
        }
    }

    fn stage(&self, at: usize) -> (bool, Stage) {
        let record = self.worlds[at].node.record.as_ref().unwrap();
        (record.membership.is_some(), record.membership.as_ref().map(|known| known.stage).unwrap_or_default())
    }
}

fn refused(why: NoCluster) -> Answer {
    Answer::Refused(Refusal::Cluster(why))
}

#[test]
fn what_a_node_has_written_alone_is_in_the_index_when_it_has_founded_a_cluster() {
    let mut town = Town::new(1);
    let world = &mut town.worlds[0];
    for user in ["alice", "bob", "carol"] {
        world.add(user);
    }
    super::subscribe(world, "alice", "bob");
    let alice = world.login("alice", "r", Some(0));
    let bob = world.login("bob", "r", Some(0));
    say(world, alice, "bob", "one");
    say(world, alice, "carol", "waits");
    say(world, alice, "alice", "to herself");
    let card = "<iq type='set' id='v'><vCard xmlns='vcard-temp'><FN>A</FN></vCard></iq>";
    world.send(alice, card);
    world.cut(bob);
    say(world, alice, "bob", "two");
    let ids = rows(world, Table::LogId);
    assert!(rows(world, Table::Dot).is_empty());
    town.found(0);
    let world = &mut town.worlds[0];
    assert!(rows(world, Table::Dot).len() > 10);
    agree(&world.store);
    assert_eq!(rows(world, Table::LogId), ids, "ids stay what they were");
    assert_eq!(town.stage(0), (true, Stage::Member));
    let world = &mut town.worlds[0];
    let carol = world.login("carol", "r", None);
    world.send(carol, "<presence/>");
    assert!(world.read(carol).contains("<body>waits</body>"), "what is owed is given");
    let bob = world.login("bob", "r", None);
    world.send(bob, "<presence/>");
    let said = world.read(bob);
    assert!(said.contains("<body>two</body>") && !said.contains("<body>one</body>"), "{said}");
    agree(&world.store);
}

#[test]
fn a_pass_that_is_killed_anywhere_begins_again() {
    for kill in 1..12 {
        let mut town = Town::new(1);
        let world = &mut town.worlds[0];
        for user in ["alice", "bob"] {
            world.add(user);
        }
        let alice = world.login("alice", "r", Some(0));
        for number in 0..300 {
            say(world, alice, "bob", &number.to_string());
        }
        world.input(Input::Command {
            id: CommandId(1 << 40),
            command: Command::Cluster { ask: ClusterCommand::Init },
        });
        assert!(world.stopped);
        world.waiting = Some(Vec::new());
        world.kill();
        for _ in 0..kill {
            world.answer_next();
        }
        world.kill();
        world.waiting = None;
        world.kill();
        agree(&world.store);
        assert_eq!(town.stage(0), (true, Stage::Member), "killed at {kill}");
    }
}

#[test]
fn nodes_join_one_after_the_other_and_have_everything() {
    let mut town = Town::new(3);
    for user in ["alice", "bob"] {
        town.worlds[0].add(user);
    }
    let alice = town.worlds[0].login("alice", "r", Some(0));
    say(&mut town.worlds[0], alice, "bob", "before");
    town.found(0);
    let token = town.token(0);
    assert_eq!(town.join(1, &token), Some(Answer::Done));
    town.pass(8);
    assert_eq!((town.stage(1), town.up(0)), ((true, Stage::Member), vec!["n1".to_owned()]));
    // A third one joins at the second while the first is away.
    town.away.push(0);
    let token = town.token(1);
    assert_eq!(town.join(2, &token), Some(Answer::Done));
    town.pass(8);
    town.away.clear();
    town.pass(20);
    for at in 0..3 {
        assert_eq!(town.up(at).len(), 2, "node {at}");
        agree(&town.worlds[at].store);
    }
    let compare = |table| {
        let of = |at: usize| rows(&town.worlds[at], table);
        assert_eq!((of(0), of(0)), (of(1), of(2)), "{table:?}");
    };
    [Table::Cell, Table::Message, Table::Log, Table::LogId, Table::Dot].into_iter().for_each(compare);
    // Bob was not there: he is given what waits wherever he comes.
    let bob = town.worlds[2].login("bob", "r", Some(0));
    say(&mut town.worlds[2], bob, "alice", "hello");
    let alice = town.worlds[1].login("alice", "s", None);
    town.worlds[1].send(alice, "<presence/>");
    town.pass(2);
    assert!(town.worlds[1].read(alice).contains("<body>hello</body>"));
}

#[test]
fn whatever_dies_while_a_node_joins_it_has_joined_or_can_join() {
    for (who, kill) in [0, 1].into_iter().flat_map(|who| (0..5).map(move |kill| (who, kill))) {
        let mut town = Town::new(2);
        town.worlds[0].add("alice");
        town.found(0);
        let token = town.token(0);
        for world in &mut town.worlds {
            world.waiting = Some(Vec::new());
        }
        let ask = ClusterCommand::Join { token: token.clone() };
        let command = Command::Cluster { ask };
        town.worlds[1].input(Input::Command { id: CommandId(1 << 40), command });
        for _ in 0..kill {
            town.carry();
            _ = town.worlds.iter_mut().any(World::answer_next);
        }
        town.kill(who);
        for at in 0..2 {
            town.worlds[at].release();
            town.carry();
        }
        town.pass(60);
        let answer = town.worlds[1].answers.pop();
        let (is_member, _) = town.stage(1);
        if !is_member {
            assert_ne!(answer, Some(Answer::Done), "{who} killed at {kill}");
            assert_eq!(town.join(1, &token), Some(Answer::Done), "{who} killed at {kill}");
        }
        town.pass(60);
        assert_eq!(town.stage(1), (true, Stage::Member), "{who} killed at {kill}");
        assert_eq!(town.up(1), ["n0"], "{who} killed at {kill}");
        let alice = town.worlds[1].login("alice", "r", Some(0));
        town.worlds[1].cut(alice);
    }
}

#[test]
fn whoever_may_not_join_is_told_why_and_has_written_nothing() {
    let mut town = Town::new(5);
    let none = ClusterCommand::Token { life: Span::from_secs(1), site: None };
    assert_eq!(town.ask(0, none), Some(refused(NoCluster::Alone)));
    assert_eq!(town.ask(0, ClusterCommand::Status), Some(refused(NoCluster::Alone)));
    town.found(0);
    assert_eq!(town.ask(0, ClusterCommand::Init), Some(refused(NoCluster::Member)));
    let token = town.token(0);
    let text = core::str::from_utf8(&token.0).unwrap().to_owned();
    let cut = Secret(text.get(..text.len() - 1).unwrap_or_default().to_owned().into());
    assert_eq!(town.join(1, &cut), Some(refused(NoCluster::BadToken)));
    // Somebody is there already.
    town.worlds[1].add("eve");
    assert_eq!(town.join(1, &token), Some(refused(NoCluster::Populated)));
    assert!(!town.stage(1).0);
    // Nobody can be reached, and then somebody.
    town.away.push(0);
    assert_eq!(town.join(2, &token), Some(refused(NoCluster::Unreachable)));
    town.away.clear();
    assert_eq!(town.join(0, &token), Some(refused(NoCluster::Member)));
    assert_eq!(town.join(2, &token), Some(Answer::Done));
    assert_eq!(town.join(3, &token), Some(refused(NoCluster::Used)));
    let token = town.token(0);
    town.pass(601);
    assert_eq!(town.join(3, &token), Some(refused(NoCluster::Expired)));
    // Another cluster, at the address of the first.
    town.found(3);
    let theirs = town.token(3);
    let token = crate::cluster::Token::parse(core::str::from_utf8(&theirs.0).unwrap()).unwrap();
    let mut seeds = token.seeds.clone();
    seeds[0].route = "0".into();
    let astray = crate::cluster::Token { seeds, ..token }.text();
    assert_eq!(town.join(4, &Secret(astray.into())), Some(refused(NoCluster::OtherCluster)));
    let secret = [1; 16];
    let forged = crate::cluster::Token::parse(core::str::from_utf8(&theirs.0).unwrap()).unwrap();
    let forged = crate::cluster::Token { secret, ..forged }.text();
    assert_eq!(town.join(4, &Secret(forged.into())), Some(refused(NoCluster::UnknownToken)));
    assert!(!town.stage(4).0);
    // A name, and domains.
    town.worlds[4].config.node = "n0".into();
    town.kill(4);
    let token = town.token(0);
    assert_eq!(town.join(4, &token), Some(refused(NoCluster::NameTaken)));
    let other = crate::jid::Domain::parse("z.example").unwrap();
    town.worlds[4].config.node = "n4".into();
    town.worlds[4].config.domains[0].name = other;
    town.kill(4);
    assert_eq!(town.join(4, &token), Some(refused(NoCluster::OtherDomains)));
    assert!(rows(&town.worlds[4], Table::Dot).is_empty() && rows(&town.worlds[4], Table::Cell).is_empty());
}

#[test]
fn the_admin_of_a_first_start_is_discarded_unless_somebody_has_touched_it() {
    for touched in [false, true] {
        let mut town = Town::new(2);
        for world in &mut town.worlds {
            let domain = "x.example".into();
            assert!(matches!(world.command(Command::EnsureAdmin { domain }), Some(Answer::Account { .. })));
        }
        if touched {
            let (user, password) = (super::jid("admin@x.example"), Some(Secret("pw".into())));
            town.worlds[1].command(Command::UserPasswd { user, password });
        }
        town.found(0);
        let token = town.token(0);
        let expected = if touched { Some(refused(NoCluster::Populated)) } else { Some(Answer::Done) };
        assert_eq!(town.join(1, &token), expected);
        town.pass(10);
        if !touched {
            assert_eq!(rows(&town.worlds[0], Table::Cell), rows(&town.worlds[1], Table::Cell));
        }
    }
}

#[test]
fn nobody_joins_while_the_disk_takes_nothing() {
    let mut town = Town::new(2);
    town.found(0);
    let token = town.token(0);
    town.worlds[0].disk = Err(StoreError::Full);
    assert_eq!(town.join(1, &token), Some(refused(NoCluster::NotWritten)));
    town.worlds[0].disk = Ok(());
    town.worlds[1].disk = Err(StoreError::Full);
    assert_eq!(town.join(1, &token), Some(Answer::Refused(Refusal::Store(StoreError::Full))));
    town.worlds[1].disk = Ok(());
    assert_eq!(town.join(1, &token), Some(Answer::Done), "it is told again");
    town.pass(10);
    assert_eq!(town.up(1), ["n0"]);
    assert_eq!(town.stage(1), (true, Stage::Member), "there is nothing to wait for");
}

#[test]
fn who_lets_somebody_in_may_go_before_that_is_written() {
    let mut town = Town::new(2);
    town.found(0);
    let token = town.token(0);
    town.worlds[1].waiting = Some(Vec::new());
    town.worlds[1].slow_reads = true;
    let command = Command::Cluster { ask: ClusterCommand::Join { token } };
    town.worlds[1].input(Input::Command { id: CommandId(1 << 40), command });
    while town.worlds[1].answer_next() {
        town.carry();
    }
    assert_eq!(town.worlds[1].answers.pop(), Some(Answer::Done));
}

#[test]
fn who_is_forgotten_is_gone_for_good() {
    let mut town = Town::new(3);
    town.worlds[0].add("alice");
    town.found(0);
    for at in [1, 2] {
        let token = town.token(0);
        assert_eq!(town.join(at, &token), Some(Answer::Done));
        town.pass(20);
    }
    let forget = |name: &str, force| ClusterCommand::Forget { name: name.into(), force };
    assert_eq!(town.ask(0, forget("n9", false)), Some(refused(NoCluster::NoSuchMember)));
    assert_eq!(town.ask(0, forget("n0", true)), Some(refused(NoCluster::Itself)));
    assert_eq!(town.ask(0, forget("n2", false)), Some(refused(NoCluster::Up)));
    // Its people go at once.
    let alice = town.worlds[2].login("alice", "far", Some(0));
    town.pass(5);
    let here = town.worlds[1].login("alice", "near", None);
    town.worlds[1].send(here, "<presence/>");
    assert!(town.worlds[1].read(here).contains("alice@x.example/far"));
    assert_eq!(town.ask(0, forget("n2", true)), Some(Answer::Done));
    town.pass(1);
    assert!(town.worlds[1].read(here).contains("unavailable"));
    town.worlds[2].cut(alice);
    town.pass(30);
    assert_eq!((town.up(0), town.up(1)), (vec!["n1".to_owned()], vec!["n0".to_owned()]));
    let refused =
        town.worlds[2].events.iter().filter(|event| matches!(event, Event::PeerRefused { .. })).count();
    assert!(refused > 0, "it hears that it is no member");
    town.kill(2);
    town.pass(30);
    assert_eq!(town.up(0), ["n1"]);
}
