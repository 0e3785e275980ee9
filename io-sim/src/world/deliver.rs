//! Connections: made, read, ended, reset.

use eyot_core::io::{CloseCause, ConnId, ConnKind, Input, PeerAddr, TlsInfo};

use bytes::Bytes;

use super::conn::{EndState, Intake, Tls};
use super::event::{ConnIx, Event, Side, Start, Way};
use super::history::{ClientIx, Near};
use super::links::paths;
use super::state::{Slices, World};
use crate::client::ToClient;
use crate::engine::{Purpose, SimTime};
use crate::net::SynTimer;
use crate::tls::{Handshake, Step};

/// Pieces of a stream that is cut at random have at most so many bytes.
const RANDOM_SLICE_MAX: u64 = 48;

impl World {
    pub(super) fn send_syn(&mut self, ix: ConnIx, attempt: u8) {
        let conn = &self.conns[ix.at()];
        if conn.peer.state != EndState::Waiting {
            return;
        }
        let (key, cut) = (conn.key, conn.cuts);
        let Some(patience) = SynTimer::Ask.after(attempt) else {
            self.gone(ix, Side::Client, CloseCause::TimedOut);
            return;
        };
        let (up, _) = paths((conn.near, conn.node, conn.route), &mut self.people, &mut self.mesh);
        if let Some(at) = up.carry(self.now, 0) {
            self.push(at, key, Event::SynArrives { conn: ix, cut, asked: self.now });
        }
        self.push(self.now + patience, key, Event::Syn { conn: ix, attempt: attempt + 1 });
    }

    /// Returns whether an event is a packet that was lost: with all that was under way, or swallowed. Whoever waits for an
    /// acknowledgement of it sends it again.
    pub(super) fn is_lost(&mut self, event: Event) -> bool {
        let (ix, cut) = match event {
            Event::SynArrives { conn, cut, .. }
            | Event::SynAnswered { conn, cut, .. }
            | Event::Accepted { conn, cut, .. }
            | Event::Reset { conn, cut, .. } => (conn, cut),
            Event::Syn { .. }
            | Event::SynAnswer { .. }
            | Event::Wake { .. }
            | Event::Read { .. }
            | Event::Gone { .. }
            | Event::Drain { .. }
            | Event::Overflow { .. }
            | Event::Linger { .. }
            | Event::Flushed { .. }
            | Event::Called { .. }
            | Event::GiveUp { .. }
            | Event::Tick { .. }
            | Event::Answer { .. }
            | Event::Script { .. }
            | Event::Return { .. }
            | Event::Fault { .. }
            | Event::Late { .. }
            | Event::Restart { .. } => return false,
        };
        let conn = &self.conns[ix.at()];
        if conn.cuts == cut && !conn.black_hole {
            return false;
        }
        let met = conn.met;
        if let Event::SynAnswered { by, asked, attempt, .. } = event {
            self.answer_syn_again(ix, by, asked, attempt);
        } else if let Event::Accepted { asked, attempt, .. } = event {
            self.answer_syn_again(ix, met, asked, attempt);
        }
        true
    }

    /// The host's system answers each SYN, also one that it has answered already, or refuses it. What gets lost on the
    /// way of an answer and back is made up for by another answer; a refusal is not repeated.
    pub(super) fn answer_syn(&mut self, ix: ConnIx, asked: SimTime, attempt: u8) {
        let by = self.listener(self.conns[ix.at()].node);
        let conn = &mut self.conns[ix.at()];
        if conn.server.state != EndState::Waiting || conn.peer.state == EndState::Gone {
            return;
        }
        conn.answered_at = self.now;
        let (key, cut) = (conn.key, conn.cuts);
        let (_, down) = paths((conn.near, conn.node, conn.route), &mut self.people, &mut self.mesh);
        match down.carry(self.now, 0) {
            Some(at) => self.push(at, key, Event::SynAnswered { conn: ix, attempt, cut, by, asked }),
            None => self.answer_syn_again(ix, by, asked, attempt),
        }
    }

    fn answer_syn_again(&mut self, ix: ConnIx, by: Option<Start>, asked: SimTime, attempt: u8) {
        let (Some(by), Some(span)) = (by, SynTimer::Answer.after(attempt)) else { return };
        let attempt = attempt + 1;
        if SynTimer::Answer.after(attempt).is_some() {
            let conn = &self.conns[ix.at()];
            let again = (conn.answered_at + span).max(self.now);
            self.push(again, conn.key, Event::SynAnswer { conn: ix, attempt, by, asked });
        }
    }

    pub(super) fn syn_answered(&mut self, ix: ConnIx, by: Option<Start>, (asked, attempt): (SimTime, u8)) {
        let conn = &mut self.conns[ix.at()];
        let (near, key, cut) = (conn.near, conn.key, conn.cuts);
        let first = conn.peer.state == EndState::Waiting;
        if first && by.is_none() {
            match near {
                Near::Client(client) => {
                    conn.peer.state = EndState::Gone;
                    conn.server.state = EndState::Gone;
                    self.people[client.at()].conn = None;
                    self.hand(client, ToClient::Refused);
                }
                Near::Node(_) => self.call_failed(ix, CloseCause::Reset),
            }
            return;
        }
        if first {
            conn.peer.state = EndState::Open;
            conn.met = by;
            conn.up.stream.measured(self.now.since(asked));
        }
        if conn.peer.state != EndState::Open || conn.server.state != EndState::Waiting {
            return;
        }
        let (up, _) = paths((near, conn.node, conn.route), &mut self.people, &mut self.mesh);
        match up.acknowledge(self.now) {
            Some(at) => self.push(at, key, Event::Accepted { conn: ix, attempt, cut, asked }),
            None => self.answer_syn_again(ix, by, asked, attempt),
        }
        if first {
            match near {
                Near::Client(client) => self.hand(client, ToClient::Opened),
                Near::Node(_) => self.push(self.now, key, Event::Called { conn: ix, failed: None }),
            }
        }
    }

    /// A process gets the connection that its system has answered for it. Another process knows nothing of it.
    pub(super) fn accepted(&mut self, ix: ConnIx) {
        let listener = self.listener(self.conns[ix.at()].node);
        let conn = &mut self.conns[ix.at()];
        if conn.server.state != EndState::Waiting {
            return;
        }
        if listener.is_none() || listener != conn.met {
            conn.server.state = EndState::Gone;
            self.send_reset(ix, Side::Client);
            return;
        }
        conn.server.state = EndState::Open;
        conn.down.stream.measured(self.now.since(conn.answered_at));
        let (node, kind) = (conn.node, conn.kind);
        if matches!(kind, ConnKind::ClientDirectTls | ConnKind::Peer) {
            conn.server.tls = Tls::Handshaking(Handshake::server());
        }
        let mut peer = [0; 16];
        peer[10..12].copy_from_slice(&[0xff, 0xff]);
        let address = match conn.near {
            Near::Client(client) => 0x0a00_0001 + client.0,
            Near::Node(node) => 0x0b00_0001 + node.0,
        };
        peer[12..].copy_from_slice(&address.to_be_bytes());
        self.drive(node, Input::Opened { conn: ConnId(ix.0.into()), kind, peer: PeerAddr(peer) });
        self.read_end(ix, Side::Server);
    }

    /// Lets a stream do what is due, and puts its next wake into the queue.
    pub(super) fn pump(&mut self, ix: ConnIx, way: Way) {
        let conn = &mut self.conns[ix.at()];
        let (up, down) = paths((conn.near, conn.node, conn.route), &mut self.people, &mut self.mesh);
        let (forward, back) = if way == Way::Up { (up, down) } else { (down, up) };
        let forward = if conn.black_hole { &mut self.nowhere } else { forward };
        conn.note_lost_reader(way);
        let lane = conn.lane(way);
        lane.stream.pump(self.now, forward, back);
        let over = if lane.stream.is_given_up() {
            Some(CloseCause::TimedOut)
        } else {
            lane.stream.is_reset().then_some(CloseCause::Reset)
        };
        self.set_wake(ix, way);
        if let Some(cause) = over {
            self.broken(ix, way, cause);
        }
        if way == Way::Down {
            self.watch_queue(ix);
        }
        self.go_on_closing(ix, if way == Way::Down { Side::Server } else { Side::Client });
    }

    /// Puts the next wake of a stream into the queue.
    pub(super) fn set_wake(&mut self, ix: ConnIx, way: Way) {
        let now = self.now;
        let conn = &mut self.conns[ix.at()];
        let key = conn.key.with(way as u64);
        let lane = conn.lane(way);
        // A link that has become faster may make something due that is overdue by then.
        if let Some(at) = lane.stream.wake().map(|wake| wake.at.max(now))
            && lane.wake_at.is_none_or(|known| known > at)
        {
            lane.wake_at = Some(at);
            self.push(at, key, Event::Wake { conn: ix, way });
        }
    }

    /// The writer's system has given a connection up, or was told that its peer knows nothing of it.
    fn broken(&mut self, ix: ConnIx, way: Way, cause: CloseCause) {
        let conn = &mut self.conns[ix.at()];
        let side = if way == Way::Up { Side::Client } else { Side::Server };
        if cause == CloseCause::Reset {
            conn.up.stream.clear();
            conn.down.stream.clear();
        }
        self.lost(ix, side, cause);
    }

    /// A node's end reads everything that has arrived, slice by slice.
    pub(super) fn read_end(&mut self, ix: ConnIx, side: Side) {
        let way = side.other().writes();
        loop {
            let conn = &mut self.conns[ix.at()];
            let readable = conn.up.stream.readable();
            match conn.end(side).state {
                // Data says as well as an acknowledgement that the peer has the answer to its SYN.
                EndState::Waiting if side == Side::Server && readable > 0 => {
                    return self.accepted(ix);
                }
                EndState::Waiting => return,
                EndState::Gone => {
                    let unwanted = conn.lane(way).stream.read_all().is_some();
                    if unwanted && conn.end(side.other()).state != EndState::Gone {
                        self.send_reset(ix, side.other());
                    }
                    return;
                }
                EndState::Open | EndState::Draining | EndState::Lingering | EndState::Closed => {}
            }
            let end = conn.end(side);
            if end.intake == Intake::Held && end.state == EndState::Open {
                return;
            }
            let Some(bytes) = self.read_slice(ix, way) else { break };
            if self.conns[ix.at()].end(side).state == EndState::Open {
                self.node_takes(ix, side, bytes);
            }
        }
        let Some(node) = self.node_of(ix, side) else { return };
        let conn = &mut self.conns[ix.at()];
        if conn.lane(way).stream.is_ended() && !conn.end(side).heard_fin {
            conn.end(side).heard_fin = true;
            if conn.end(side).state == EndState::Open {
                self.drive(node, Input::Ended { conn: ConnId(ix.0.into()) });
            } else {
                self.go_on_closing(ix, side);
            }
        }
        self.pump(ix, way);
    }

    fn node_takes(&mut self, ix: ConnIx, side: Side, bytes: Bytes) {
        self.note_read(ix, side.other().writes(), bytes.len());
        let Some(node) = self.node_of(ix, side) else { return };
        let id = ConnId(ix.0.into());
        let Tls::Handshaking(handshake) = &mut self.conns[ix.at()].end(side).tls else {
            self.note_heard(node, ix, &bytes);
            self.drive(node, Input::Received { conn: id, bytes });
            return;
        };
        match handshake.handle_bytes(&bytes) {
            Step::More => {}
            Step::Answer(answer) => self.write_tls(ix, side, &answer),
            Step::Done { answer, rest } => {
                self.conns[ix.at()].end(side).tls = Tls::Secured;
                if !answer.is_empty() {
                    self.write_tls(ix, side, &answer);
                }
                let tls = self.tls_facts(ix, side);
                self.drive(node, Input::Secured { conn: id, tls });
                if !rest.is_empty() {
                    self.note_heard(node, ix, &rest);
                    self.drive(node, Input::Received { conn: id, bytes: rest });
                }
            }
            Step::Failed => {
                self.send_reset(ix, side.other());
                self.gone(ix, side, CloseCause::Tls);
            }
        }
    }

    /// Sends a part of a handshake.
    pub(super) fn write_tls(&mut self, ix: ConnIx, side: Side, record: &Bytes) {
        let way = side.writes();
        self.conns[ix.at()].lane(way).stream.write(record.clone());
        self.note_write(ix, way, [record, &Bytes::new()]);
        self.pump(ix, way);
    }

    /// The client's end reads everything that has arrived, slice by slice.
    pub(super) fn read_down(&mut self, ix: ConnIx) {
        let Some(client) = self.conns[ix.at()].near.client() else { return };
        loop {
            let conn = &mut self.conns[ix.at()];
            match conn.peer.state {
                EndState::Waiting => return,
                EndState::Gone => {
                    let unwanted = conn.down.stream.read_all().is_some();
                    if unwanted && conn.server.state != EndState::Gone {
                        self.send_reset(ix, Side::Server);
                    }
                    return;
                }
                EndState::Open | EndState::Draining | EndState::Lingering | EndState::Closed => {}
            }
            if self.people[client.at()].paused {
                if conn.down.stream.readable() > 0 {
                    self.note_unread(client);
                }
                return;
            }
            let Some(bytes) = self.read_slice(ix, Way::Down) else { break };
            self.client_takes(ix, client, bytes);
        }
        let conn = &mut self.conns[ix.at()];
        if conn.down.stream.is_ended() && !conn.peer.heard_fin {
            conn.peer.heard_fin = true;
            let key = conn.key;
            if self.people[client.at()].former == Some(ix) {
                self.conns[ix.at()].up.stream.finish();
                self.pump(ix, Way::Up);
            } else {
                self.hand(client, ToClient::Ended);
            }
            self.push(self.now, key, Event::Gone { conn: ix, side: Side::Client, cause: CloseCause::Closed });
        }
        self.pump(ix, Way::Down);
    }

    fn client_takes(&mut self, ix: ConnIx, client: ClientIx, bytes: Bytes) {
        self.note_read(ix, Way::Down, bytes.len());
        let conn = &mut self.conns[ix.at()];
        let Tls::Handshaking(handshake) = &mut conn.peer.tls else {
            let is_former = self.people[client.at()].former == Some(ix);
            self.hand(client, if is_former { ToClient::Former(bytes) } else { ToClient::Received(bytes) });
            return;
        };
        match handshake.handle_bytes(&bytes) {
            Step::More | Step::Answer(_) => {}
            Step::Done { answer, rest } => {
                conn.peer.tls = Tls::Secured;
                conn.up.stream.write(answer.clone());
                self.note_write(ix, Way::Up, [&answer, &Bytes::new()]);
                let tls = self.tls_facts(ix, Side::Client);
                self.hand(client, ToClient::Secured(tls));
                if !rest.is_empty() {
                    self.hand(client, ToClient::Received(rest));
                }
            }
            Step::Failed => {
                self.send_reset(ix, Side::Server);
                self.gone(ix, Side::Client, CloseCause::Tls);
            }
        }
    }

    /// What TLS tells one end. Somebody in the middle has one session with each.
    fn tls_facts(&self, ix: ConnIx, side: Side) -> TlsInfo {
        let conn = &self.conns[ix.at()];
        let host = self.hosts[conn.node.at()].key;
        let forged = conn.mitm && side == Side::Client;
        let exporter = self.entropy.bytes(Purpose::Exporter, conn.key, u64::from(forged));
        let certificate = self.entropy.bytes(Purpose::Certificate, host, u64::from(forged));
        let server_end_point = Some(Bytes::copy_from_slice(&certificate));
        let peer = self.peer_shown(ix, side);
        TlsInfo { exporter: Some(exporter), server_end_point, peer }
    }

    fn read_slice(&mut self, ix: ConnIx, way: Way) -> Option<Bytes> {
        let (slices, batch, entropy) = (self.options.slices, self.options.batch, self.entropy);
        let conn = &mut self.conns[ix.at()];
        let key = conn.key.with(way as u64);
        let lane = conn.lane(way);
        match slices {
            Slices::Whole if batch => lane.stream.read_all(),
            Slices::Whole => lane.stream.read(usize::MAX),
            Slices::Every(bytes) => lane.stream.read(bytes.max(1)),
            Slices::Random => {
                let drawn = entropy.below(Purpose::Slice, key, lane.slices, RANDOM_SLICE_MAX);
                lane.slices += 1;
                lane.stream.read(usize::try_from(drawn).unwrap_or(0) + 1)
            }
        }
    }

    /// Sends a reset to one end. It takes the path like everything else, and is not sent again.
    pub(super) fn send_reset(&mut self, ix: ConnIx, to: Side) {
        let conn = &mut self.conns[ix.at()];
        let (up, down) = paths((conn.near, conn.node, conn.route), &mut self.people, &mut self.mesh);
        let (path, way) = match to {
            Side::Client => (down, Way::Down),
            Side::Server => (up, Way::Up),
        };
        conn.lane(way).stream.clear();
        let (key, cut) = (conn.key, conn.cuts);
        let arrives = if conn.black_hole { None } else { path.acknowledge(self.now) };
        let end = if to == Side::Client { &mut conn.peer } else { &mut conn.server };
        end.reset_at = arrives;
        if let Some(at) = arrives {
            self.push(at, key, Event::Reset { conn: ix, side: to, cut });
        }
    }

    pub(super) fn reset_arrives(&mut self, ix: ConnIx, side: Side) {
        let conn = &mut self.conns[ix.at()];
        conn.up.stream.clear();
        conn.down.stream.clear();
        self.lost(ix, side, CloseCause::Reset);
    }

    /// An end learns that its connection is gone; the first time counts.
    pub(super) fn gone(&mut self, ix: ConnIx, side: Side, cause: CloseCause) {
        let conn = &mut self.conns[ix.at()];
        match (side, conn.near) {
            (Side::Client, Near::Client(client)) if conn.peer.state != EndState::Gone => {
                conn.peer.state = EndState::Gone;
                if self.people[client.at()].conn == Some(ix) {
                    self.people[client.at()].conn = None;
                    self.hand(client, ToClient::Closed(cause));
                } else if self.people[client.at()].former == Some(ix) {
                    self.people[client.at()].former = None;
                    self.hand(client, ToClient::FormerEnded);
                }
            }
            (Side::Client, Near::Node(_)) if conn.peer.state == EndState::Waiting => {
                self.call_failed(ix, cause);
            }
            (Side::Client, Near::Node(node)) if conn.peer.is_live() => {
                conn.peer.state = EndState::Gone;
                self.drive(node, Input::Closed { conn: ConnId(ix.0.into()), cause });
            }
            (Side::Server, _) if conn.server.is_live() => {
                conn.server.state = EndState::Gone;
                let node = conn.node;
                self.note_gone(ix, side, cause);
                self.drive(node, Input::Closed { conn: ConnId(ix.0.into()), cause });
            }
            (Side::Client | Side::Server, _) => {}
        }
        if self.conns[ix.at()].is_over() {
            self.live.retain(|live| *live != ix);
        }
    }
}
