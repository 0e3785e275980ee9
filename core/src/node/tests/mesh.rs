//! Three nodes with links between them, for tests: calls are answered, bytes carried, links cut and nodes killed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use super::converge::Storm;
use super::taking::KINDS;
use crate::io::{CloseCause, CloseHow, ConnId, ConnKind, Input, Output, PeerAddr, PeerCertificate, TlsInfo};
use crate::node::harness::PEERS;
use crate::peer::{EntryFrame, FRAME_MAX, FrameReader, Kind};
use crate::replica::Vector;

/// What is under way on a connection.
enum Word {
    Bytes(Bytes),
    Close(CloseHow),
}

/// Three nodes and what is between them.
pub(super) struct Mesh {
    pub(super) storm: Storm,
    /// Connections: who has called, and who was called.
    conns: BTreeMap<ConnId, [usize; 2]>,
    under_way: VecDeque<(usize, ConnId, Word)>,
    /// What does not get through for now.
    held_up: VecDeque<(usize, ConnId, Word)>,
    /// Who has closed what.
    closed: BTreeSet<(usize, ConnId)>,
    /// Between whom nothing gets through.
    pub(super) cut: Vec<[usize; 2]>,
    /// Entries that were carried, to whom, as far as they fit into one frame.
    pub(super) entries: Vec<(usize, EntryFrame)>,
    last: u64,
}

impl Mesh {
    pub(super) fn new(storm: Storm) -> Self {
        Self {
            storm,
            conns: BTreeMap::new(),
            under_way: VecDeque::new(),
            held_up: VecDeque::new(),
            closed: BTreeSet::new(),
            cut: Vec::new(),
            entries: Vec::new(),
            last: PEERS.0,
        }
    }

    /// Carries everything that is under way, and what that causes.
    pub(super) fn carry(&mut self) {
        loop {
            for at in 0..3 {
                for output in core::mem::take(&mut self.storm.nodes[at].to_peers) {
                    self.take(at, output);
                }
            }
            let Some((to, conn, word)) = self.under_way.pop_front() else { break };
            let Some([one, two]) = self.conns.get(&conn).copied() else { continue };
            if self.closed.contains(&(to, conn)) {
                continue;
            }
            if self.is_cut(one, two) {
                // A connection loses nothing between what comes: it is sent again until it does, or the connection is given up.
                self.held_up.push_back((to, conn, word));
                continue;
            }
            let input = match word {
                Word::Bytes(bytes) => {
                    self.entries.extend(entries(&bytes).into_iter().map(|entry| (to, entry)));
                    Input::Received { conn, bytes }
                }
                Word::Close(how) => {
                    self.conns.remove(&conn);
                    let graceful = how == CloseHow::Graceful;
                    let cause = if graceful { CloseCause::Closed } else { CloseCause::Reset };
                    Input::Closed { conn, cause }
                }
            };
            self.storm.nodes[to].input(input);
        }
        self.under_way = core::mem::take(&mut self.held_up);
    }

    fn take(&mut self, at: usize, output: Output) {
        match output {
            Output::Connect { op, route, .. } => {
                let to = route.parse::<usize>().unwrap() - 7;
                if self.is_cut(at, to) {
                    return self.storm.nodes[at]
                        .input(Input::Connected { op, outcome: Err(CloseCause::TimedOut) });
                }
                self.last += 1;
                let conn = ConnId(self.last);
                self.conns.insert(conn, [at, to]);
                self.storm.nodes[at].input(Input::Connected { op, outcome: Ok(conn) });
                let opened = Input::Opened { conn, kind: ConnKind::Peer, peer: PeerAddr([1; 16]) };
                self.storm.nodes[to].input(opened);
                for (end, other) in [(at, to), (to, at)] {
                    let key = [u8::try_from(other + 7).unwrap(); 32];
                    let tls = TlsInfo { peer: Some(PeerCertificate { key }), ..TlsInfo::default() };
                    self.storm.nodes[end].input(Input::Secured { conn, tls });
                }
            }
            Output::Send { conn, head, .. } => self.post(at, conn, Word::Bytes(head)),
            Output::Close { conn, how } => {
                self.post(at, conn, Word::Close(how));
                self.closed.insert((at, conn));
                self.storm.nodes[at].input(Input::Closed { conn, cause: CloseCause::Closed });
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

    fn post(&mut self, from: usize, conn: ConnId, word: Word) {
        let Some(ends) = self.conns.get(&conn) else { return };
        let to = if ends[0] == from { ends[1] } else { ends[0] };
        self.under_way.push_back((to, conn, word));
    }

    fn is_cut(&self, one: usize, other: usize) -> bool {
        self.cut.contains(&[one.min(other), one.max(other)])
    }

    /// Breaks the connections of two nodes; what is under way between them is lost.
    pub(super) fn reset(&mut self, one: usize, other: usize) {
        let broken = |ends: &[usize; 2]| ends.contains(&one) && ends.contains(&other);
        let conns: Vec<_> =
            self.conns.iter().filter(|(_, ends)| broken(ends)).map(|(conn, _)| *conn).collect();
        self.conns.retain(|_, ends| !broken(ends));
        for conn in conns {
            for end in [one, other] {
                self.storm.nodes[end].input(Input::Closed { conn, cause: CloseCause::Reset });
            }
        }
    }

    /// Kills a node; another start of it follows at once.
    pub(super) fn kill(&mut self, at: usize) {
        let conns: Vec<_> = self.conns.iter().filter(|(_, ends)| ends.contains(&at)).collect();
        let others: Vec<_> = conns.into_iter().map(|(conn, [one, two])| (*conn, one + two - at)).collect();
        self.conns.retain(|_, ends| !ends.contains(&at));
        self.storm.nodes[at].disk = Ok(());
        self.storm.nodes[at].kill();
        self.storm.people[at] = [None; 3];
        for (conn, other) in others {
            self.storm.nodes[other].input(Input::Closed { conn, cause: CloseCause::Reset });
        }
    }

    /// Lets time pass for all.
    pub(super) fn pass(&mut self, micros: u64) {
        for world in &mut self.storm.nodes {
            world.pass(micros);
        }
        self.carry();
    }

    /// Everything works, for so many seconds.
    pub(super) fn heal(&mut self, seconds: u64) {
        self.cut.clear();
        for world in &mut self.storm.nodes {
            world.disk = Ok(());
        }
        for _ in 0..4 * seconds {
            self.pass(250_000);
            for at in 0..3 {
                while self.storm.nodes[at].answer_next() {}
            }
            self.carry();
        }
    }

    /// Returns what each node holds of a group.
    pub(super) fn held(&self, kind: usize) -> [Vector; 3] {
        core::array::from_fn(|at| self.storm.nodes[at].node.groups.held(KINDS[kind]))
    }
}

/// Reads the entries in what is sent at once.
fn entries(bytes: &Bytes) -> Vec<EntryFrame> {
    let mut reader = FrameReader::new(FRAME_MAX);
    reader.feed(bytes);
    let frames = core::iter::from_fn(|| reader.next_frame().unwrap());
    let whole = frames.filter(|frame| !frame.more && Kind::from_number(frame.kind) == Some(Kind::Entry));
    whole.filter_map(|frame| EntryFrame::read(&frame.body).ok()).collect()
}
