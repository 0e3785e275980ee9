//! Links of several nodes over a network made of a list.

mod entries;
mod halves;
mod over;
mod told;
mod ways;

use std::collections::{BTreeMap, VecDeque};

use arbtest::arbtest;
use bytes::Bytes;

use super::beat::Beat;
use super::entry::{EntryFrame, GroupName};
use super::frame::{Frame, FrameReader, Kind, Lane};
use super::hello;
use super::peers::{Around, PeerCx, Peers};
use crate::config::{ClusterSecret, DomainConfig, LinkKind, StaticCluster, StaticMember};
use crate::exchange::{FromPeer, GroupId, Hello, Sealed, Supply};

use crate::io::{CloseHow, ConnId, OpId, Output, PeerAddr, PeerCertificate, TlsInfo};
use crate::jid::Domain;
use crate::replica::{Dot, Origin};
use crate::time::{Instant, Span};

/// What is under way between two nodes.
enum Packet {
    Call(OpId),
    Answer(OpId, Option<ConnId>),
    GiveUp(OpId),
    Accepted,
    Secured,
    Bytes(Bytes),
    Fin,
    Reset,
}

/// One node.
struct End {
    cluster: StaticCluster,
    origin: Origin,
    peers: Peers,
    told: Vec<(u64, FromPeer)>,
    /// What it has written.
    written: Written,
    /// Bytes of the longest thing that it takes.
    part_max: u32,
    last: u64,
    /// It is there.
    alive: bool,
    /// Nobody can connect to it.
    deaf: bool,
}

/// Entries of a node.
#[derive(Default)]
struct Written(BTreeMap<(GroupId, Dot), Sealed>);

impl Supply for Written {
    fn sealed(&self, group: GroupId, dot: Dot) -> Option<Sealed> {
        self.0.get(&(group, dot)).cloned()
    }
}

/// The nodes, and the way between them.
struct Net {
    domains: Vec<DomainConfig>,
    ends: Vec<End>,
    now: u64,
    delay: u64,
    /// What goes from one to another is swallowed.
    lost: Vec<(usize, usize)>,
    /// When, to whom, from whom, on which connection.
    under_way: Vec<(u64, usize, usize, ConnId, Packet)>,
    /// Who made a connection, and with whom.
    conns: BTreeMap<ConnId, (usize, usize)>,
    /// The way that a connection goes, where there are several.
    ways: BTreeMap<ConnId, String>,
    /// What goes from one of the nodes on a way is swallowed.
    cut: Vec<(usize, String)>,
    /// How much each way has carried.
    carried: BTreeMap<String, usize>,
    /// Connections that an end knows.
    known: Vec<(usize, ConnId)>,
    /// Calls that wait for an answer.
    calls: Vec<OpId>,
}

const fn at(millis: u64) -> Instant {
    Instant::from_micros(millis * 1_000)
}

fn member(node: u32, link: LinkKind) -> StaticMember {
    let key = [u8::try_from(node).unwrap(); 32];
    StaticMember { node, name: format!("n{node}"), site: "here".into(), key, route: node.to_string(), link }
}

impl Net {
    fn new(nodes: u32, link: LinkKind, delay: u64) -> Self {
        let members: Vec<_> = (1..=nodes).map(|node| member(node, link)).collect();
        let end = |node| End {
            cluster: StaticCluster {
                id: [7; 16],
                node,
                members: members.clone(),
                routes: Vec::new(),
                grace: StaticCluster::GRACE,
                hysteresis: StaticCluster::HYSTERESIS,
                secret: ClusterSecret([0; 32]),
            },
            origin: Origin { node, start: 1, random: node },
            peers: Peers::default(),
            told: Vec::new(),
            written: Written::default(),
            part_max: 64 * 1024,
            last: 0,
            alive: true,
            deaf: false,
        };
        let ends = (1..=nodes).map(end).collect();
        let (under_way, conns, calls) = (Vec::new(), BTreeMap::new(), Vec::new());
        let name = Domain::parse("x.example").unwrap();
        let domains = vec![DomainConfig::closed(name)];
        let (lost, cut, known) = (Vec::new(), Vec::new(), Vec::new());
        let (ways, carried) = (BTreeMap::new(), BTreeMap::new());
        Self { domains, ends, now: 0, delay, lost, under_way, conns, ways, cut, carried, known, calls }
    }

    fn begin(&mut self) -> &mut Self {
        for end in 0..self.ends.len() {
            self.run(end, Peers::begin);
        }
        self
    }

    fn run<T>(&mut self, end: usize, what: impl FnOnce(&mut Peers, &mut PeerCx<'_>) -> T) -> T {
        let mut outputs = VecDeque::new();
        let now = at(self.now);
        let End { cluster, origin, peers, told, last, written, part_max, .. } = &mut self.ends[end];
        let base = u64::from(cluster.node) << 32;
        let mut number = || {
            *last += 1;
            OpId(base | *last)
        };
        let around =
            Around { cluster, domains: &self.domains, origin: *origin, part_max: *part_max, supply: written };
        let mut cx = PeerCx::new(now, around, &mut number, &mut outputs);
        let done = what(peers, &mut cx);
        told.extend(cx.told.into_iter().map(|said| (self.now, said)));
        for output in outputs {
            self.perform(end, output);
        }
        done
    }

    fn perform(&mut self, end: usize, output: Output) {
        match output {
            Output::Connect { op, route, how } => {
                self.calls.push(op);
                let until = self.now + how.give_up.as_micros() / 1_000;
                self.under_way.push((until, end, end, ConnId(op.0), Packet::GiveUp(op)));
                let (to, way) = route.split_once('@').unwrap_or((&*route, ""));
                self.conns.insert(ConnId(op.0), (end, to.parse::<usize>().unwrap() - 1));
                self.ways.insert(ConnId(op.0), way.into());
                self.post(end, ConnId(op.0), Packet::Call(op));
            }
            Output::Send { conn, head, body } => {
                assert!(self.known.contains(&(end, conn)), "said on a connection that is over");
                assert!(body.is_empty());
                self.post(end, conn, Packet::Bytes(head));
            }
            Output::Close { conn, how } => {
                assert!(self.known.contains(&(end, conn)), "closed twice");
                self.known.retain(|known| *known != (end, conn));
                let packet = if how == CloseHow::Graceful { Packet::Fin } else { Packet::Reset };
                self.post(end, conn, packet);
                self.run(end, |peers, cx| peers.handle_closed(cx, conn));
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
            | Output::Wait { .. } => panic!("links want nothing of that kind: {output:?}"),
        }
    }

    fn post(&mut self, from: usize, conn: ConnId, packet: Packet) {
        let (one, other) = self.conns[&conn];
        let to = if from == one { other } else { one };
        let way = self.ways.get(&conn).cloned().unwrap_or_default();
        if !self.lost.contains(&(from, to)) && !self.cut.contains(&(from, way.clone())) {
            *self.carried.entry(way).or_default() += 1;
            self.under_way.push((self.now + self.delay, to, from, conn, packet));
        }
    }

    /// Lets time pass, in steps that are short on the way between the nodes.
    fn pass(&mut self, millis: u64) -> &mut Self {
        let until = self.now + millis;
        while self.now < until {
            self.now += if self.delay > 1_000 { 20 } else { 1 };
            while let Some(next) = self.under_way.iter().position(|packet| packet.0 <= self.now) {
                let (_, to, _, conn, packet) = self.under_way.remove(next);
                self.arrive(to, conn, packet);
            }
            for end in 0..self.ends.len() {
                let due: Vec<_> = self.ends[end].peers.due().collect();
                for (node, due) in due {
                    if self.ends[end].alive && due.is_some_and(|due| due <= at(self.now)) {
                        self.run(end, |peers, cx| peers.handle_tick(cx, node));
                    }
                }
            }
        }
        self
    }

    fn arrive(&mut self, to: usize, conn: ConnId, packet: Packet) {
        let alive = self.ends[to].alive;
        match packet {
            Packet::Call(op) => {
                let taken = alive && !self.ends[to].deaf;
                if taken {
                    self.known.push((to, conn));
                    self.run(to, |peers, cx| {
                        peers.handle_opened(cx, conn, PeerAddr([u8::try_from(to).unwrap(); 16]))
                    });
                }
                self.post(to, conn, Packet::Answer(op, taken.then_some(conn)));
            }
            Packet::GiveUp(op) => {
                if alive && self.is_open(op) {
                    self.run(to, |peers, cx| _ = peers.handle_connected(cx, op, None));
                }
            }
            Packet::Answer(op, answer) if alive && self.is_open(op) => {
                self.known.extend(answer.map(|conn| (to, conn)));
                self.run(to, |peers, cx| peers.handle_connected(cx, op, answer));
                if answer.is_some() {
                    self.post(to, conn, Packet::Accepted);
                }
            }
            Packet::Accepted => {
                self.post(to, conn, Packet::Secured);
                self.secure(to, conn);
            }
            Packet::Secured => self.secure(to, conn),
            Packet::Bytes(bytes) if self.known.contains(&(to, conn)) => {
                self.run(to, |peers, cx| peers.handle_bytes(cx, conn, &bytes));
            }
            Packet::Fin if self.known.contains(&(to, conn)) => {
                self.run(to, |peers, cx| peers.handle_ended(cx, conn));
            }
            Packet::Reset if self.known.contains(&(to, conn)) => {
                self.known.retain(|known| *known != (to, conn));
                self.run(to, |peers, cx| peers.handle_closed(cx, conn));
            }
            // The caller has given up, or knows nothing of it.
            Packet::Answer(_, Some(_)) => self.post(to, conn, Packet::Reset),
            Packet::Answer(..) | Packet::Bytes(_) | Packet::Fin | Packet::Reset => {}
        }
    }

    /// Whether a call waits for an answer; it does not any more.
    fn is_open(&mut self, op: OpId) -> bool {
        let before = self.calls.len();
        self.calls.retain(|call| *call != op);
        self.calls.len() < before
    }

    /// The certificate of the other side is checked.
    fn secure(&mut self, end: usize, conn: ConnId) {
        if !self.known.contains(&(end, conn)) {
            return;
        }
        let (one, other) = self.conns[&conn];
        let cluster = &self.ends[if end == one { other } else { one }].cluster;
        let key = cluster.own().map_or([0xff; 32], |member| member.key);
        let tls = TlsInfo { peer: Some(PeerCertificate { key }), ..TlsInfo::default() };
        self.run(end, |peers, cx| peers.handle_secured(cx, conn, &tls));
    }

    /// A node dies without a word, or its system resets what was open.
    fn die(&mut self, end: usize, is_told: bool) {
        let conns: Vec<_> = self.known.iter().filter(|(of, _)| *of == end).map(|(_, conn)| *conn).collect();
        self.known.retain(|(of, _)| *of != end);
        for conn in conns.into_iter().filter(|_| is_told) {
            self.post(end, conn, Packet::Reset);
        }
        self.ends[end].alive = false;
    }

    /// Another start of a node.
    fn start(&mut self, end: usize, start: u32) {
        self.ends[end].alive = true;
        self.ends[end].origin.start = start;
        self.ends[end].peers = Peers::default();
        self.run(end, Peers::begin);
    }

    /// Breaks the connection that serves two nodes, at both ends.
    fn reset(&mut self) {
        for (end, conn) in core::mem::take(&mut self.known) {
            self.run(end, |peers, cx| peers.handle_closed(cx, conn));
        }
    }
}

const SILENT: &str = "nothing came back from it";

#[test]
fn nodes_find_each_other_and_keep_one_connection_for_each_pair() {
    let mut net = Net::new(4, LinkKind::Lan, 3);
    net.begin().pass(60_000);
    for end in 0..4 {
        let others = (1..=4).filter(|node| *node != end + 1).map(|node| format!("up {node}.1"));
        let mut told = net.words(end);
        told.sort();
        assert_eq!(told, others.collect::<Vec<_>>());
    }
    assert_eq!(net.known.len(), 12, "two ends each of six connections");
    assert!(net.known.iter().all(|(_, conn)| net.conns[conn].0 < net.conns[conn].1), "the lesser calls");
}

#[test]
fn who_cannot_be_called_calls_itself_a_little_later() {
    let mut net = Net::new(2, LinkKind::Lan, 1);
    net.ends[1].deaf = true;
    net.begin().pass(450);
    assert_eq!(net.told(0), []);
    net.pass(200);
    let [(when, what)] = &net.told(0)[..] else { panic!() };
    assert!((500..=510).contains(when) && what == "up 2.1", "{when} {what}");
}

#[test]
fn of_two_connections_the_one_that_the_lesser_made_stays() {
    // Calls take so long that both sides call.
    let mut net = Net::new(2, LinkKind::Lan, 300);
    net.begin().pass(10_000);
    assert_eq!(net.words(0)[0], "up 2.1");
    assert_eq!(net.words(1)[0], "up 1.1");
    assert_eq!(net.known.len(), 2);
    assert_eq!(net.conns[&net.known[0].1], (0, 1));
    net.pass(60_000);
    assert_eq!((net.words(0), net.words(1)), (vec![], vec![]), "and it stays so");
}

#[test]
fn a_connection_that_breaks_is_made_again_before_anybody_hears_of_it() {
    let mut net = Net::new(2, LinkKind::Lan, 1);
    net.begin().pass(5_000);
    net.words(0);
    net.words(1);
    net.reset();
    net.pass(5_000);
    assert_eq!(net.words(0), ["moved 2"]);
    assert_eq!(net.words(1), ["moved 1"]);
}

#[test]
fn who_dies_is_missed_within_two_seconds_whether_its_system_tells_or_not() {
    for is_told in [true, false] {
        let mut net = Net::new(3, LinkKind::Lan, 1);
        net.begin().pass(5_100);
        (0..3).for_each(|end| net.ends[end].told.clear());
        net.die(1, is_told);
        net.pass(10_000);
        for end in [0, 2] {
            let told = net.told(end);
            let [(when, what)] = &told[..] else { panic!("{told:?}") };
            assert!((6_000..=7_100).contains(when), "{when}");
            assert_eq!(*what, format!("down 2: {SILENT}"));
        }
    }
}

#[test]
fn half_a_link_is_down_on_both_sides_and_comes_back() {
    for lost in [(0, 1), (1, 0)] {
        let mut net = Net::new(2, LinkKind::Lan, 1);
        net.begin().pass(5_000);
        net.lost = vec![lost];
        net.pass(4_000);
        for end in 0..2 {
            let words = net.words(end);
            assert_eq!(words.last(), Some(&format!("down {}: {SILENT}", 2 - end)), "{words:?}");
        }
        net.lost.clear();
        net.pass(1_000);
        assert_eq!(net.words(0), ["up 2.1"]);
        assert_eq!(net.words(1).last().map(String::as_str), Some("up 1.1"));
    }
}

#[test]
fn a_radio_of_thirty_seconds_round_trip_causes_no_alarm() {
    let mut net = Net::new(2, LinkKind::Hf, 15_000);
    net.begin().pass(3 * 3_600_000);
    assert_eq!(net.words(0), ["up 2.1"]);
    assert_eq!(net.words(1), ["up 1.1"]);
}

#[test]
fn a_new_start_is_another_incarnation_and_an_old_one_is_refused() {
    let mut net = Net::new(2, LinkKind::Lan, 1);
    net.ends[1].origin.start = 5;
    net.begin().pass(1_000);
    net.words(0);
    net.die(1, true);
    net.start(1, 6);
    net.pass(1_000);
    assert_eq!(net.words(0), ["down 2: it has started anew", "up 2.6"]);
    net.words(1);
    net.die(1, true);
    net.start(1, 4);
    net.pass(10_000);
    let refused = "refused Some(2): a later start of it is known";
    assert_eq!(net.words(0), [refused.to_owned(), format!("down 2: {SILENT}")], "told once");
    let mut words = net.words(1);
    assert_eq!(words.first().map(String::as_str), Some("outdated 6"), "so that it can go above");
    words.retain(|word| *word != "outdated 6");
    assert_eq!(words, ["refused Some(1): it says that a later start of this node is known"]);
    net.die(1, true);
    net.start(1, 7);
    net.pass(5_000);
    assert_eq!(net.words(0), ["up 2.7"]);
}

#[test]
fn who_does_not_belong_is_told_why() {
    let other = |change: fn(&mut Net)| {
        let mut net = Net::new(2, LinkKind::Lan, 1);
        change(&mut net);
        net.begin().pass(10_000);
        (net.words(0), net.words(1))
    };
    let (at_one, at_two) = other(|net| net.ends[1].cluster.id = [8; 16]);
    assert!(at_one[0].contains("another cluster") && at_two[0].contains("another cluster"));
    let (at_one, at_two) = other(|net| net.ends[1].cluster.members[1].key = [9; 32]);
    assert!(at_one.iter().any(|words| words == "refused Some(2): its key is not the member's"), "{at_one:?}");
    assert!(at_two.iter().any(|words| words.contains("key of this node")), "{at_two:?}");
    assert!(at_one.iter().any(|words| words == "refused None: it is no member"), "{at_one:?}");
    let (at_one, at_two) = other(|net| net.ends[1].origin.node = 9);
    assert!(at_one[0].contains("key") && at_two[0].contains("key"), "{at_one:?} {at_two:?}");
    for words in [at_one, at_two] {
        assert!(!words.iter().any(|words| words.starts_with("up")), "{words:?}");
    }
}

/// A node that has one connection, which `by` has made, and what it says on it.
fn alone(speak: impl FnOnce(&mut Net, ConnId)) -> Net {
    let mut net = Net::new(2, LinkKind::Lan, 1);
    net.ends[1].alive = false;
    net.run(0, Peers::begin);
    let conn = ConnId(1);
    net.conns.insert(conn, (1, 0));
    net.known.push((0, conn));
    net.run(0, |peers, cx| peers.handle_opened(cx, conn, PeerAddr([1; 16])));
    net.secure(0, conn);
    speak(&mut net, conn);
    net
}

#[test]
fn nothing_is_heard_before_hello_and_nothing_that_is_no_frame() {
    let mut body = Vec::new();
    Beat { number: 1, echo: 0, age: Span::default() }.write(&mut body);
    let mut beat = Vec::new();
    Frame { lane: Lane::Liveness, more: false, kind: Kind::Beat.number(), body: body.into() }
        .write(&mut beat);
    for bytes in [beat, vec![0xff; 12], vec![2, 0, 99]] {
        let mut net = alone(|net, conn| {
            net.run(0, |peers, cx| peers.handle_bytes(cx, conn, &bytes.into()));
        });
        assert!(net.known.is_empty(), "closed");
        let words = net.words(0);
        assert!(matches!(&words[..], [one] if one.starts_with("refused Some(2): a ")), "{words:?}");
        let said: Vec<u8> = net
            .under_way
            .iter()
            .filter_map(|packet| match &packet.4 {
                Packet::Bytes(bytes) => Some(bytes.to_vec()),
                Packet::Call(_)
                | Packet::Answer(..)
                | Packet::GiveUp(_)
                | Packet::Accepted
                | Packet::Secured
                | Packet::Fin
                | Packet::Reset => None,
            })
            .flatten()
            .collect();
        let mut reader = FrameReader::new(512);
        reader.feed(&said);
        let kinds: Vec<_> =
            core::iter::from_fn(|| reader.next_frame().unwrap()).map(|frame| frame.kind).collect();
        assert_eq!(kinds, [Kind::Hello.number(), Kind::Bye.number()], "Hello at once, then why not");
    }
}

#[test]
fn who_does_not_take_our_hello_is_no_better_than_who_says_none() {
    let mut net = alone(|net, conn| {
        let origin = Origin { node: 2, start: 1, random: 2 };
        let (heartbeat, silent) = (Span::from_millis(500), Span::from_millis(1_800));
        let (versions, cluster, name, site) = ((1, 1), [7; 16], "n2".into(), "here".into());
        let said = Hello {
            versions,
            cluster,
            origin,
            name,
            site,
            heartbeat,
            silent,
            frame_max: 512,
            part_max: 65_536,
            route: "".into(),
        };
        let mut body = Vec::new();
        hello::write(&said, &mut body);
        let mut bytes = Vec::new();
        let kind = Kind::Hello.number();
        Frame { lane: Lane::State, more: false, kind, body: body.into() }.write(&mut bytes);
        net.run(0, |peers, cx| peers.handle_bytes(cx, conn, &bytes.into()));
    });
    assert_eq!((net.words(0), net.known.len()), (Vec::new(), 1));
    net.run(0, |peers, cx| peers.handle_late(cx, ConnId(1)));
    assert!(net.known.is_empty());
}

#[test]
fn garbage_never_does_harm() {
    arbtest(|data| {
        let pieces: Vec<Vec<u8>> = data.arbitrary()?;
        let mut net = alone(|net, conn| {
            for bytes in pieces {
                if net.known.contains(&(0, conn)) && !bytes.is_empty() {
                    net.run(0, |peers, cx| peers.handle_bytes(cx, conn, &bytes.into()));
                }
            }
        });
        assert!(!net.words(0).iter().any(|words| words.starts_with("up")));
        Ok(())
    });
}

#[test]
fn who_says_nothing_is_closed_and_there_is_a_bound_for_them() {
    let mut net = alone(|_, _| {});
    net.run(0, |peers, cx| peers.handle_late(cx, ConnId(1)));
    assert!(net.known.is_empty());
    let open = |net: &mut Net, number: u64, from: u8| {
        let conn = ConnId(100 + number);
        net.conns.insert(conn, (1, 0));
        net.known.push((0, conn));
        net.run(0, |peers, cx| peers.handle_opened(cx, conn, PeerAddr([from; 16])));
    };
    // Of one network a few are listened to, of all not many, and those that came last.
    (0..100).for_each(|number| open(&mut net, number, 1));
    assert_eq!(net.known.len(), 8);
    (100..200).for_each(|number| open(&mut net, number, u8::try_from(number).unwrap()));
    assert_eq!(net.known.len(), 64);
    assert!(net.known.contains(&(0, ConnId(299))));
    net.run(0, |peers, cx| peers.handle_late(cx, ConnId(299)));
    assert_eq!(net.known.len(), 63);
    // Once they have shown a certificate, the bound of their member counts.
    for number in 136..199 {
        net.secure(0, ConnId(100 + number));
    }
    assert_eq!(net.known.len(), 6);
}
