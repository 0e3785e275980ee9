//! Two nodes of one cluster over connections on which anything may happen: what was sent is cut, changed, replaced, lost.
//!
//! Nodes must bear it: nothing panics, nothing is said on a connection that is over, no tick asks for another one at once. Where
//! nothing was changed, a node names the start that runs when it says that it reaches the other one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;
use eyot_core::config::{ClusterSecret, Config, LinkKind, StaticCluster, StaticMember};
use eyot_core::io::{CloseCause, ConnId, ConnKind, Input, OpId, Output, PeerAddr, PeerCertificate, TlsInfo};
use eyot_core::jid::Domain;
use eyot_core::node::Node;
use eyot_core::store::Rows;
use eyot_core::time::{Instant, Now, UnixTime};
use eyot_core::trace::Event;

/// What happens next.
#[derive(Arbitrary, Debug)]
enum Action {
    /// So many times ten milliseconds.
    Pass(u8),
    /// The oldest call of this node is answered, or not.
    Answer(bool, bool),
    /// What was sent first on a connection arrives, up to so many bytes.
    Deliver(u8, bool, u8),
    /// A byte of it changes.
    Flip(u8, bool, u16, u8),
    /// Something else is in its place.
    Replace(u8, bool, Vec<u8>),
    /// A connection breaks.
    Break(u8),
    /// The other side learns that nothing more comes.
    End(u8, bool),
    /// A node starts anew.
    Restart(bool),
    /// Everything that was sent arrives, all calls are answered, and a second passes.
    Settle,
}

/// Actions of one run.
const ACTIONS_MAX: usize = 200;
/// Outputs of one input.
const OUTPUTS_MAX: usize = 10_000;

/// A connection.
#[derive(Debug)]
struct Line {
    /// Who has made it.
    caller: usize,
    /// Whether each end knows it.
    open: [bool; 2],
    /// What was sent to each end.
    sent: [VecDeque<Bytes>; 2],
}

/// One node and its machine.
#[derive(Debug)]
struct Machine {
    node: Node,
    rows: Rows,
    began: u64,
    until: Option<Instant>,
    starts: u32,
    calls: VecDeque<OpId>,
}

/// Two of them.
#[derive(Debug)]
struct World {
    machines: Vec<Machine>,
    lines: BTreeMap<ConnId, Line>,
    micros: u64,
    made: u64,
    /// Nothing that was sent has been changed.
    is_true: bool,
    seen: BTreeSet<&'static str>,
}

/// Runs two nodes under the actions that the bytes mean.
pub fn bytes(data: &[u8]) {
    run(&mut Unstructured::new(data));
}

/// Runs two nodes under arbitrary actions until the bytes do not suffice for one more. Returns the names of what happened.
///
/// # Panics
///
/// When a node does what it may not.
pub fn run(data: &mut Unstructured<'_>) -> BTreeSet<&'static str> {
    let mut world = World::new();
    for _ in 0..ACTIONS_MAX {
        match Action::arbitrary(data) {
            Ok(action) if !data.is_empty() => world.act(action),
            Ok(_) | Err(_) => break,
        }
    }
    world.seen
}

fn config(own: u32) -> Config {
    let member = |node: u32| StaticMember {
        node,
        name: node.to_string(),
        site: "site".into(),
        key: [u8::try_from(node).expect("one or two"); 32],
        route: node.to_string(),
        link: LinkKind::Lan,
        rate: None,
    };
    let members = vec![member(1), member(2)];
    let mut config = Config::single(Domain::parse("a.example").expect("a domain"));
    let (grace, hysteresis) = (StaticCluster::GRACE, StaticCluster::HYSTERESIS);
    let (routes, secret) = (Vec::new(), ClusterSecret([5; 32]));
    config.cluster =
        Some(StaticCluster { id: [7; 16], node: own, members, routes, grace, hysteresis, secret });
    config
}

impl World {
    fn new() -> Self {
        let machines = (1..=2_u32).map(|own| Machine {
            node: Node::new(config(own), [own.to_be_bytes()[3]; 32], Now::default()),
            rows: Rows::new(),
            began: 0,
            until: None,
            starts: 1,
            calls: VecDeque::new(),
        });
        let (lines, seen) = (BTreeMap::new(), BTreeSet::new());
        let mut world = Self { machines: machines.collect(), lines, micros: 0, made: 0, is_true: true, seen };
        world.drain(0);
        world.drain(1);
        world
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Pass(tens) => self.pass(u64::from(tens) * 10_000),
            Action::Answer(which, well) => self.answer(usize::from(which), well),
            Action::Deliver(line, to, bytes) => self.deliver(line, usize::from(to), usize::from(bytes)),
            Action::Flip(line, to, at, bits) => {
                self.change(line, to, |bytes| {
                    if let Some(byte) = bytes.get_mut(usize::from(at)) {
                        *byte ^= bits;
                    }
                });
            }
            Action::Replace(line, to, other) => self.change(line, to, |bytes| *bytes = other),
            Action::Break(line) => {
                if let Some(conn) = self.line(line) {
                    self.gone(conn, 0, CloseCause::Reset);
                    self.gone(conn, 1, CloseCause::Reset);
                }
            }
            Action::End(line, to) => {
                let to = usize::from(to);
                if let Some(conn) = self.line(line).filter(|conn| self.is_open(*conn, to)) {
                    self.input(to, Input::Ended { conn });
                }
            }
            Action::Restart(which) => self.restart(usize::from(which)),
            Action::Settle => self.settle(),
        }
    }

    fn now(&self, which: usize) -> Now {
        let mono = Instant::from_micros(self.micros - self.machines[which].began);
        Now { mono, wall: UnixTime::from_millis((self.micros / 1_000).cast_signed()) }
    }

    fn input(&mut self, which: usize, input: Input) {
        let now = self.now(which);
        self.machines[which].node.handle_input(now, input);
        self.drain(which);
    }

    fn drain(&mut self, which: usize) {
        for _ in 0..OUTPUTS_MAX {
            let output = self.machines[which].node.poll_output();
            if let Output::Wait { until, .. } = output {
                self.machines[which].until = until;
                return;
            }
            self.perform(which, output);
        }
        panic!("one input has no end of outputs");
    }

    fn perform(&mut self, which: usize, output: Output) {
        match output {
            Output::Store { op, batch } => {
                self.machines[which].rows.apply(&batch);
                self.input(which, Input::Stored { op, outcome: Ok(()) });
            }
            Output::Load { op, query } => {
                let rows = self.machines[which].rows.query(&query);
                self.input(which, Input::Loaded { op, outcome: Ok(rows) });
            }
            Output::Connect { op, route, .. } => {
                assert_eq!(*route, *(2 - which).to_string(), "a node calls the other one");
                self.machines[which].calls.push_back(op);
                self.seen.insert("called");
            }
            Output::Send { conn, head, body } => {
                assert!(self.is_open(conn, which), "something is said on a connection that is over");
                assert!(!head.is_empty() && body.is_empty(), "peers are told frames");
                if let Some(line) = self.lines.get_mut(&conn) {
                    line.sent[1 - which].push_back(head);
                }
            }
            Output::Close { conn, .. } => {
                assert!(self.is_open(conn, which), "a connection is closed once");
                self.gone(conn, which, CloseCause::Closed);
            }
            Output::Trace(event) => self.judge(which, &event),
            Output::Ready { .. } => {}
            Output::StartTls { .. }
            | Output::Hold { .. }
            | Output::Release { .. }
            | Output::Derive { .. }
            | Output::Reply { .. }
            | Output::Stopped
            | Output::Wait { .. } => panic!("nobody has asked for that: {output:?}"),
        }
    }

    fn judge(&mut self, which: usize, event: &Event) {
        if let Event::PeerUp { origin, .. } = event {
            self.seen.insert("up");
            let other = &self.machines[1 - which];
            assert!(!self.is_true || origin.start <= other.starts, "nobody is that far: {origin:?}");
        } else if let Event::PeerMoved { .. } = event {
            self.seen.insert("moved");
        } else if let Event::PeerDown { .. } = event {
            self.seen.insert("down");
        } else if let Event::PeerRefused { .. } = event {
            self.seen.insert("refused");
        }
    }

    fn line(&self, number: u8) -> Option<ConnId> {
        let open: Vec<_> = self.lines.iter().filter(|(_, line)| line.open != [false; 2]).collect();
        open.get(usize::from(number).checked_rem(open.len())?).map(|(conn, _)| **conn)
    }

    fn is_open(&self, conn: ConnId, which: usize) -> bool {
        self.lines.get(&conn).is_some_and(|line| line.open[which])
    }

    /// A call is answered: the other side is told, and TLS is done at once.
    fn answer(&mut self, which: usize, well: bool) {
        let Some(op) = self.machines[which].calls.pop_front() else { return };
        if !well {
            return self.input(which, Input::Connected { op, outcome: Err(CloseCause::TimedOut) });
        }
        self.made += 1;
        let conn = ConnId(self.made);
        let line = Line { caller: which, open: [true; 2], sent: Default::default() };
        self.lines.insert(conn, line);
        let opened = Input::Opened { conn, kind: ConnKind::Peer, peer: PeerAddr([1; 16]) };
        self.input(1 - which, opened);
        self.input(which, Input::Connected { op, outcome: Ok(conn) });
        for end in [which, 1 - which] {
            let key = [if end == 0 { 2 } else { 1 }; 32];
            let tls = TlsInfo { peer: Some(PeerCertificate { key }), ..TlsInfo::default() };
            if self.is_open(conn, end) {
                self.input(end, Input::Secured { conn, tls });
            }
        }
    }

    fn deliver(&mut self, line: u8, to: usize, most: usize) {
        let Some(conn) = self.line(line) else { return };
        let Some(mut bytes) = self.lines.get_mut(&conn).and_then(|line| line.sent[to].pop_front()) else {
            return;
        };
        let piece = bytes.split_to(most.max(1).min(bytes.len()));
        if let Some(line) = self.lines.get_mut(&conn).filter(|_| !bytes.is_empty()) {
            line.sent[to].push_front(bytes);
        }
        if self.is_open(conn, to) && !piece.is_empty() {
            self.input(to, Input::Received { conn, bytes: piece });
        }
    }

    fn change(&mut self, line: u8, to: bool, how: impl FnOnce(&mut Vec<u8>)) {
        let sent = self.line(line).and_then(|conn| self.lines.get_mut(&conn));
        if let Some(first) = sent.and_then(|line| line.sent[usize::from(to)].front_mut()) {
            let mut bytes = first.to_vec();
            how(&mut bytes);
            *first = bytes.into();
            self.is_true = false;
        }
    }

    /// An end learns that its connection is gone; the other one reads what is left, and learns it too.
    fn gone(&mut self, conn: ConnId, which: usize, cause: CloseCause) {
        if self.is_open(conn, which) {
            if let Some(line) = self.lines.get_mut(&conn) {
                line.open[which] = false;
            }
            self.input(which, Input::Closed { conn, cause });
        }
    }

    fn restart(&mut self, which: usize) {
        let conns: Vec<_> = self.lines.keys().copied().collect();
        for conn in &conns {
            if let Some(line) = self.lines.get_mut(conn) {
                line.open[which] = false;
            }
        }
        let machine = &mut self.machines[which];
        machine.starts += 1;
        machine.began = self.micros;
        machine.calls.clear();
        let seed = [u8::try_from(machine.starts % 251).expect("below 251"); 32];
        let own = if which == 0 { 1 } else { 2 };
        let now = self.now(which);
        self.machines[which].node = Node::new(config(own), seed, now);
        self.drain(which);
        for conn in conns {
            self.gone(conn, 1 - which, CloseCause::Reset);
        }
    }

    fn pass(&mut self, micros: u64) {
        let end = self.micros + micros;
        loop {
            let due = (0..2).filter_map(|which| {
                let machine = &self.machines[which];
                machine.until.map(|until| (machine.began + until.as_micros(), which))
            });
            let Some((at, which)) = due.min().filter(|(at, _)| *at <= end) else { break };
            self.micros = self.micros.max(at);
            self.input(which, Input::Tick);
            let now = self.now(which).mono;
            let until = self.machines[which].until;
            assert!(until.is_none_or(|until| until > now), "after a tick the next wait lies in the future");
        }
        self.micros = end;
    }

    fn settle(&mut self) {
        for _ in 0..10 {
            self.answer(0, true);
            self.answer(1, true);
            let open: Vec<_> = self.lines.keys().copied().collect();
            for (conn, to) in open.into_iter().flat_map(|conn| [(conn, 0), (conn, 1)]) {
                let sent = self.lines.get_mut(&conn).map(|line| core::mem::take(&mut line.sent[to]));
                for bytes in sent.into_iter().flatten() {
                    if self.is_open(conn, to) && !bytes.is_empty() {
                        self.input(to, Input::Received { conn, bytes });
                    }
                }
                // Who has closed has sent an end behind all that.
                if self.is_open(conn, to) && !self.is_open(conn, 1 - to) {
                    self.gone(conn, to, CloseCause::Closed);
                }
            }
            self.pass(100_000);
        }
        let callers = self.lines.values().filter(|line| line.open == [true; 2]).map(|line| line.caller);
        if callers.count() > 0 {
            self.seen.insert("connected");
        }
    }
}
