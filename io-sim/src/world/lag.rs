//! Processes that stand still or are slow: what happens to them waits, in order.
//!
//! Only the process waits. Its system goes on: it accepts connections, acknowledges what arrives and takes it until its
//! buffers are full, and a disk goes on writing what it has been given.

use std::collections::VecDeque;

use eyot_core::io::{CloseCause, Command, CommandId, Input};

use super::event::{ConnIx, Event, Side};
use super::history::NodeIx;
use super::state::World;
use crate::engine::{SimSpan, SimTime};

/// What keeps a process from its inputs, and the inputs.
#[derive(Debug, Default)]
pub(super) struct Lag {
    causes: Vec<(u32, Option<SimSpan>)>,
    held: VecDeque<(SimTime, Held)>,
    /// When it was late last.
    last: Option<SimTime>,
}

/// Something that waits for a process.
#[derive(Debug)]
pub(super) enum Held {
    Event(Event),
    Command(CommandId, Command),
}

impl Lag {
    fn is_paused(&self) -> bool {
        self.causes.iter().any(|(_, by)| by.is_none())
    }

    fn is_late(&self) -> bool {
        !self.causes.is_empty() || !self.held.is_empty()
    }

    /// Returns whether it has not been late since then.
    pub(super) fn was_punctual(&self, since: SimTime) -> bool {
        !self.is_late() && self.last.is_none_or(|last| last < since)
    }

    fn delay(&self) -> SimSpan {
        let nanos = self.causes.iter().filter_map(|(_, by)| by.map(SimSpan::as_nanos));
        SimSpan::from_nanos(nanos.fold(0, u64::saturating_add))
    }
}

impl World {
    /// Makes a process stand still, or each of its inputs late. A process that is not there cannot stand still.
    pub(super) fn lag(&mut self, node: NodeIx, cause: u32, by: Option<SimSpan>) {
        let host = &mut self.hosts[node.at()];
        if by.is_some() || host.process.is_some() {
            host.lag.causes.push((cause, by));
        }
    }

    /// Takes a cause away, and lets the process have what is due.
    pub(super) fn no_lag(&mut self, node: NodeIx, cause: u32) {
        let now = self.now;
        let lag = &mut self.hosts[node.at()].lag;
        let before = lag.causes.len();
        lag.causes.retain(|(known, _)| *known != cause);
        lag.last = Some(now);
        if lag.causes.len() < before {
            self.release(node);
        }
    }

    /// A process has died, and with it what it waited for. Connections that it had not accepted are its system's to
    /// refuse, and so is what it had not read.
    pub(super) fn no_process(&mut self, node: NodeIx) {
        let lag = &mut self.hosts[node.at()].lag;
        lag.causes.retain(|(_, by)| by.is_some());
        for (_, held) in core::mem::take(&mut lag.held) {
            match held {
                Held::Event(Event::Accepted { conn, attempt, asked, .. }) => {
                    let (key, cut) = (self.conns[conn.at()].key, self.conns[conn.at()].cuts);
                    self.push(self.now, key, Event::Accepted { conn, attempt, cut, asked });
                }
                Held::Event(Event::Read { conn, side }) => {
                    let key = self.conns[conn.at()].key.with(3);
                    self.push(self.now, key, Event::Read { conn, side });
                }
                Held::Event(_) | Held::Command(..) => {}
            }
        }
    }

    /// Returns whether what happens to the process of a node has to wait.
    pub(super) fn is_late(&self, node: NodeIx) -> bool {
        self.hosts[node.at()].lag.is_late()
    }

    /// Lets something wait for a process.
    pub(super) fn hold(&mut self, node: NodeIx, held: Held) {
        // The disk has done its part of an answer whether anybody listens or not.
        if let Held::Event(Event::Answer { number, .. }) = held {
            self.sync_quietly(node, number);
        }
        // A node alone has timers and a disk, and nobody notices.
        let own = matches!(held, Held::Event(Event::Tick { .. } | Event::Answer { .. }));
        let noticed = !own || self.has_company(node);
        let now = self.now;
        let lag = &mut self.hosts[node.at()].lag;
        let last = lag.held.back().map_or(now, |(due, _)| *due);
        let due = last.max(now + lag.delay());
        let first = lag.held.is_empty();
        lag.held.push_back((due, held));
        for cause in lag.causes.iter().filter(|_| noticed).map(|(cause, _)| *cause).collect::<Vec<_>>() {
            self.hit(cause, 1);
        }
        if first {
            self.push_release(node);
        }
    }

    /// Gives a process what is due.
    pub(super) fn release(&mut self, node: NodeIx) {
        loop {
            let now = self.now;
            let lag = &mut self.hosts[node.at()].lag;
            if lag.is_paused() || lag.held.front().is_none_or(|(due, _)| *due > now) {
                break;
            }
            match lag.held.pop_front() {
                Some((_, Held::Event(event))) => {
                    lag.last = Some(now);
                    self.happen_to_process(event);
                }
                Some((_, Held::Command(id, command))) => self.drive(node, Input::Command { id, command }),
                None => {}
            }
        }
        self.push_release(node);
    }

    /// A process loses a connection through no deed of its own.
    pub(super) fn lost(&mut self, ix: ConnIx, side: Side, cause: CloseCause) {
        match self.node_of(ix, side) {
            Some(node) if self.is_late(node) => {
                self.hold(node, Held::Event(Event::Gone { conn: ix, side, cause }));
            }
            Some(_) | None => self.gone(ix, side, cause),
        }
    }

    fn push_release(&mut self, node: NodeIx) {
        let host = &self.hosts[node.at()];
        if let Some((due, _)) = host.lag.held.front().filter(|_| !host.lag.is_paused()) {
            let at = (*due).max(self.now);
            self.push(at, host.key.with(5), Event::Late { node });
        }
    }
}
