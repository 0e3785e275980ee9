//! The driver of a node: `io-tokio`'s loop over the simulated world, with the contract asserted.

use eyot_core::io::{CloseCause, CloseHow, ConnId, Input, Output};
use eyot_core::time::Instant;
use eyot_core::trace::Severity;

use super::conn::{EndState, Intake, Tls};
use super::event::{ConnIx, Event, Side, Way};
use super::history::{Actor, Near, NodeIx, NodeSight};
use super::host::{Life, Outage, Pending, SUPERVISED};
use super::recorder::Recorder;
use super::state::World;
use crate::engine::{Key, Purpose, SimSpan, SimTime};
use crate::replay::each_part;
use crate::tls::Handshake;

/// A supervisor starts what has died after this time.
const SUPERVISOR: SimSpan = SimSpan::from_secs(1);
/// How long what was said before a close may take to reach the system, as in `io-tokio`.
const DRAIN: SimSpan = SimSpan::from_secs(30);
/// PBKDF2 takes this long, and up to half as much more.
const DERIVE_MICROS: u64 = 4_000;
/// Nanoseconds: inputs are counted by the second.
const SECOND: u64 = 1_000_000_000;

impl World {
    /// Hands one input to a node, then carries out everything it wants.
    pub(super) fn drive(&mut self, node: NodeIx, input: Input) {
        self.trace_input(node, &input);
        let at = self.now;
        self.count_input(node, &input);
        if self.hosts[node.at()].clock.is_wrong() && self.has_company(node) {
            self.hosts[node.at()].clock.notice();
        }
        let host = &mut self.hosts[node.at()];
        let Some(process) = host.process.as_mut() else { return };
        if let Input::Received { bytes, .. } = &input {
            self.hash.bytes(bytes);
        }
        let now = process.now(&host.clock, at);
        if let Some(recorder) = process.recorder.as_mut() {
            recorder.input(now, &input);
        }
        process.node.handle_input(now, input);
        self.drain(node);
        self.note_overdue(node);
    }

    /// Counts an input. What comes at once on one connection counts once, into however many slices it is cut.
    fn count_input(&mut self, node: NodeIx, input: &Input) {
        if self.options.forget || self.hosts[node.at()].process.is_none() {
            return;
        }
        let at = self.now;
        if let Input::Received { conn, .. } = input
            && self.last_received.insert((node, *conn), at) == Some(at)
        {
            return;
        }
        *self.inputs.entry((node, at.as_nanos() / SECOND)).or_default() += 1;
    }

    /// Polls a node until it waits.
    pub(super) fn drain(&mut self, node: NodeIx) {
        while let Some(process) = self.hosts[node.at()].process.as_mut() {
            let output = process.node.poll_output();
            if let Some(recorder) = process.recorder.as_mut() {
                recorder.output(&output);
            }
            self.trace_output(node, &output);
            self.hash_output(node, &output);
            if let Output::Wait { until, .. } = output {
                self.wait(node, until);
                break;
            }
            self.perform(node, output);
        }
        let dirty = core::mem::take(&mut self.dirty);
        for ix in &dirty {
            self.conns[ix.at()].dirty = false;
            if self.conns[ix.at()].near.client().is_none() {
                self.pump(*ix, Way::Up);
            }
            self.pump(*ix, Way::Down);
        }
        // Pumping drives nobody, so nothing was added meanwhile: the list keeps its memory.
        self.dirty = dirty;
        self.dirty.clear();
    }

    /// Puts an output into the hash of the run: an order that is not stable is found wherever it shows.
    pub(super) fn hash_output(&mut self, node: NodeIx, output: &Output) {
        let hash = &mut self.hash;
        hash.word(node.0.into());
        each_part(output, &mut |kind, parts| {
            hash.word(kind.into());
            for part in parts {
                hash.bytes(part);
            }
        });
    }

    pub(super) fn perform(&mut self, node: NodeIx, output: Output) {
        match output {
            Output::Ready { boot } => {
                if let Some(process) = self.hosts[node.at()].process.as_mut() {
                    process.ready = true;
                }
                self.note(Actor::Node(node, NodeSight::Ready(boot)));
            }
            Output::Connect { op, route, how } => self.dial(node, op, &route, how),
            Output::StartTls { conn } => {
                let (ix, _) = self.own(node, conn);
                let tls = &mut self.conns[ix.at()].server.tls;
                assert!(matches!(tls, Tls::Plain), "a node asks for TLS once");
                *tls = Tls::Handshaking(Handshake::server());
            }
            Output::Send { conn, head, body } => {
                let (ix, side) = self.own(node, conn);
                self.note_said(node, ix, &head);
                self.note_write(ix, side.writes(), [&head, &body]);
                let conn = &mut self.conns[ix.at()];
                if side == Side::Server {
                    conn.sent += (head.len() + body.len()) as u64;
                }
                let stream = &mut conn.lane(side.writes()).stream;
                stream.write(head);
                stream.write(body);
                self.note_backlog(ix);
                self.touch(ix);
                self.watch_overflow(ix, side);
            }
            Output::Hold { conn } => {
                let (ix, side) = self.own(node, conn);
                self.conns[ix.at()].end(side).intake = Intake::Held;
            }
            Output::Release { conn } => {
                let (ix, side) = self.own(node, conn);
                self.conns[ix.at()].end(side).intake = Intake::Open;
                let key = self.conns[ix.at()].key.with(4);
                self.push(self.now, key, Event::Read { conn: ix, side });
            }
            Output::Close { conn, how } => {
                let (ix, side) = self.own(node, conn);
                self.close(ix, side, how);
            }
            Output::Store { .. } | Output::Load { .. } | Output::Derive { .. } => self.begin(node, output),
            Output::Reply { id, answer } => {
                self.note(Actor::Node(node, NodeSight::Answered(id, answer)));
            }
            Output::Trace(event) => {
                if !self.faults.watches.is_empty() {
                    self.watch_trace(node, &event);
                }
                self.note_link(node, &event);
                // Whoever must not serve says so each time: no supervisor is to try again.
                if let (eyot_core::trace::Event::NotServing { .. }, Some(process)) =
                    (&event, self.hosts[node.at()].process.as_mut())
                {
                    process.told_to_stop = true;
                }
                if event.severity() > Severity::Trace {
                    self.traces.push((self.now, node, event));
                }
            }
            Output::Stopped => self.stopped(node),
            Output::Wait { .. } => {}
        }
    }

    /// Begins what will be answered.
    fn begin(&mut self, node: NodeIx, output: Output) {
        let now = self.now;
        let host = &mut self.hosts[node.at()];
        let (at, pending) = match output {
            Output::Store { op, batch } => {
                let ticket = host.disk.store(now, op, batch);
                let pending = match ticket.outcome {
                    Ok(()) => Pending::Durable(op),
                    Err(error) => Pending::Input(Input::Stored { op, outcome: Err(error) }),
                };
                (ticket.at, pending)
            }
            Output::Load { op, query } => {
                let (at, outcome) = host.disk.load(now, &query);
                (at, Pending::Input(Input::Loaded { op, outcome }))
            }
            Output::Derive { op, request } => {
                // Keyed by the salt: another derivation more or less changes nothing about this one.
                let key = Key::of_bytes(&request.salt);
                let more = self.entropy.below(Purpose::DeriveDelay, key, 0, DERIVE_MICROS / 2);
                let salted_password = self.derivations.derive(&request);
                let at = now + SimSpan::from_micros(DERIVE_MICROS + more);
                (at, Pending::Input(Input::Derived { op, salted_password }))
            }
            Output::Ready { .. }
            | Output::Connect { .. }
            | Output::StartTls { .. }
            | Output::Send { .. }
            | Output::Hold { .. }
            | Output::Release { .. }
            | Output::Close { .. }
            | Output::Reply { .. }
            | Output::Trace(_)
            | Output::Stopped
            | Output::Wait { .. } => return,
        };
        self.answer_at(node, at, pending);
    }

    /// Answers a node later.
    pub(super) fn answer_at(&mut self, node: NodeIx, at: SimTime, pending: Pending) {
        self.answers += 1;
        let number = self.answers;
        let host = &mut self.hosts[node.at()];
        let key = host.key;
        if let Some(process) = host.process.as_mut() {
            process.answers.insert(number, pending);
        }
        self.push(at, key, Event::Answer { node, number });
    }

    /// An answer is due; that of a process that has died since is nobody's.
    pub(super) fn answer(&mut self, node: NodeIx, number: u64) {
        let host = &mut self.hosts[node.at()];
        let pending = host.process.as_mut().and_then(|process| process.answers.remove(&number));
        match pending {
            Some(Pending::Durable(op)) => {
                self.sync(node);
                self.drive(node, Input::Stored { op, outcome: Ok(()) });
            }
            Some(Pending::Input(input)) => self.drive(node, input),
            None => {}
        }
    }

    /// The disk makes a batch durable whose answer has to wait.
    pub(super) fn sync_quietly(&mut self, node: NodeIx, number: u64) {
        let process = self.hosts[node.at()].process.as_mut();
        let Some(pending) = process.and_then(|process| process.answers.get_mut(&number)) else { return };
        if let Pending::Durable(op) = *pending {
            *pending = Pending::Input(Input::Stored { op, outcome: Ok(()) });
            self.sync(node);
        }
    }

    fn sync(&mut self, node: NodeIx) {
        let batch = self.hosts[node.at()].disk.sync_one();
        if let Some(batch) = batch {
            self.note(Actor::Node(node, NodeSight::Synced(batch)));
            if !self.faults.watches.is_empty() {
                self.watch_sync(node);
            }
        }
    }

    pub(super) fn tick(&mut self, node: NodeIx) {
        let now = self.now;
        let Some(process) = self.hosts[node.at()].process.as_mut() else { return };
        // It may come later than it was due, to a process that is slow, and then others have come meanwhile.
        if process.tick_at.is_none_or(|at| at > now) {
            return;
        }
        process.tick_at = None;
        self.drive(node, Input::Tick);
        let Some(process) = self.hosts[node.at()].process.as_ref() else { return };
        assert!(process.tick_at.is_none_or(|at| at > now), "after a Tick the next Wait lies in the future");
    }

    fn wait(&mut self, node: NodeIx, until: Option<Instant>) {
        let host = &mut self.hosts[node.at()];
        let key = host.key;
        let Some(process) = host.process.as_mut() else { return };
        process.until = until;
        let at = process.wanted(&host.clock).map(|at| at.max(self.now));
        if process.tick_at == at {
            return;
        }
        process.tick_at = at;
        if let Some(at) = at {
            self.push(at, key, Event::Tick { node });
        }
    }

    /// A clock runs at another speed: the deadline of a node is at another time of the world.
    pub(super) fn wait_again(&mut self, node: NodeIx) {
        let until = self.hosts[node.at()].process.as_ref().and_then(|process| process.until);
        self.wait(node, until);
    }

    fn close(&mut self, ix: ConnIx, side: Side, how: CloseHow) {
        let conn = &mut self.conns[ix.at()];
        let key = conn.key;
        match how {
            CloseHow::Graceful => {
                conn.end(side).state = EndState::Draining;
                conn.lane(side.writes()).stream.finish();
                self.touch(ix);
                self.push(self.now + DRAIN, key, Event::Drain { conn: ix, side });
            }
            CloseHow::Abort => {
                conn.end(side).state = EndState::Closed;
                self.send_reset(ix, side.other());
                self.closed_soon(ix, side);
            }
        }
    }

    /// Takes an orderly close as far as it can go: first the system takes everything, then the peer's end comes.
    pub(super) fn go_on_closing(&mut self, ix: ConnIx, side: Side) {
        let Some(node) = self.node_of(ix, side) else { return };
        let conn = &mut self.conns[ix.at()];
        let queued = conn.lane(side.writes()).stream.queued();
        if conn.end(side).state == EndState::Draining && queued == 0 {
            conn.end(side).state = EndState::Lingering;
            let (key, limits) = (conn.key, &self.hosts[node.at()].config.limits);
            let until = self.now + SimSpan::from_micros(limits.close_time.as_micros());
            self.push(until, key, Event::Linger { conn: ix, side });
        }
        let end = self.conns[ix.at()].end(side);
        if end.state == EndState::Lingering && end.heard_fin {
            end.state = EndState::Closed;
            self.closed_soon(ix, side);
        }
    }

    fn closed_soon(&mut self, ix: ConnIx, side: Side) {
        let key = self.conns[ix.at()].key;
        self.push(self.now, key, Event::Gone { conn: ix, side, cause: CloseCause::Closed });
    }

    /// Has a connection reset for which more waits than the driver holds.
    fn watch_overflow(&mut self, ix: ConnIx, side: Side) {
        let Some(node) = self.node_of(ix, side) else { return };
        let conn = &mut self.conns[ix.at()];
        let most = self.hosts[node.at()].config.limits.connection_bytes();
        if conn.lane(side.writes()).stream.queued() as u64 > most {
            let key = conn.key;
            self.push(self.now, key, Event::Overflow { conn: ix, side });
        }
    }

    /// The node has said more than the driver holds, and may have gone on since: the driver resets the connection.
    pub(super) fn overflow(&mut self, ix: ConnIx, side: Side) {
        if matches!(self.conns[ix.at()].end(side).state, EndState::Open | EndState::Draining) {
            self.send_reset(ix, side.other());
            self.gone(ix, side, CloseCause::Reset);
        }
    }

    /// What was said before a close is still not written: the driver resets the connection.
    pub(super) fn drain_over(&mut self, ix: ConnIx, side: Side) {
        if self.conns[ix.at()].end(side).state == EndState::Draining {
            self.send_reset(ix, side.other());
            self.gone(ix, side, CloseCause::TimedOut);
        }
    }

    /// The peer did not answer the end in time. The node is rid of it; the system has every byte and goes on.
    pub(super) fn linger_over(&mut self, ix: ConnIx, side: Side) {
        if self.conns[ix.at()].end(side).state == EndState::Lingering {
            self.gone(ix, side, CloseCause::TimedOut);
        }
    }

    fn stopped(&mut self, node: NodeIx) {
        assert!(self.ends(node).is_empty(), "a node stops when every connection is closed");
        self.abandon_calls(node);
        let host = &mut self.hosts[node.at()];
        let process = host.process.take();
        host.life = Life::Down;
        if process.as_ref().is_some_and(|process| !process.told_to_stop) {
            // It could not go on, because its disk failed: whoever mends that starts it again, as a supervisor would.
            host.outages.extend(host.disk.refusals().map(|cause| (cause, Outage::GaveUp)));
            if host.outages.is_empty() {
                host.outages.insert(SUPERVISED, Outage::GaveUp);
                let key = host.key;
                self.push(self.now + SUPERVISOR, key, Event::Restart { node });
            }
        }
        self.recorded.extend(process.and_then(|process| process.recorder).map(Recorder::end));
        self.note(Actor::Node(node, NodeSight::Stopped));
        self.no_process(node);
    }

    /// Lets the node know that its system has taken more, when enough has gathered.
    pub(super) fn watch_queue(&mut self, ix: ConnIx) {
        let conn = &self.conns[ix.at()];
        let eighth = u64::from(self.hosts[conn.node.at()].config.limits.send_queue_bytes / 8);
        let is_client = conn.near.client().is_some();
        if is_client && conn.server.state == EndState::Open && conn.newly_taken() >= eighth.max(1) {
            let key = conn.key.with(4);
            self.push(self.now, key, Event::Flushed { conn: ix });
        }
    }

    pub(super) fn tell_flushed(&mut self, ix: ConnIx) {
        let conn = &mut self.conns[ix.at()];
        let taken = conn.newly_taken();
        if conn.server.state == EndState::Open && taken > 0 {
            conn.told += taken;
            let bytes = u32::try_from(taken).unwrap_or(u32::MAX);
            let node = conn.node;
            self.drive(node, Input::Flushed { conn: ConnId(ix.0.into()), bytes });
        }
    }

    /// Returns the connection a node speaks of.
    ///
    /// # Panics
    ///
    /// When the connection is not open for this process: it was never told of it, has closed it, or knows that it
    /// is gone.
    fn own(&self, node: NodeIx, conn: ConnId) -> (ConnIx, Side) {
        let open = |ix: ConnIx| {
            let found = self.conns.get(ix.at())?;
            if found.node == node && found.server.state == EndState::Open {
                return Some((ix, Side::Server));
            }
            let own = found.near == Near::Node(node) && found.peer.state == EndState::Open;
            own.then_some((ix, Side::Client))
        };
        let own = u32::try_from(conn.0).ok().map(ConnIx).and_then(open);
        own.expect("a node speaks of connections that it was told of and has not closed")
    }

    fn touch(&mut self, ix: ConnIx) {
        let conn = &mut self.conns[ix.at()];
        if !conn.dirty {
            conn.dirty = true;
            self.dirty.push(ix);
        }
    }

    /// Returns when, in the world's time, a node wants its next tick.
    pub fn next_tick(&self, node: NodeIx) -> Option<SimTime> {
        self.hosts[node.at()].process.as_ref().and_then(|process| process.tick_at)
    }
}
