//! What went wrong in a run, and whom it touched: where a fault was, nothing is sure but what was proved since.

use eyot_core::io::Command;

use super::session::FOREVER;
use crate::engine::SimTime;
use crate::oracle::Evidence;
use crate::world::{Actor, NodeSight};

/// Whom a fault touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// A client, by number: its link, its connection, its machine.
    Client(usize),
    /// A node, by number.
    Node(usize),
    /// It cannot be told.
    Everybody,
}

/// A fault and its time.
#[derive(Clone, Copy, Debug)]
pub struct Trouble {
    /// When it began.
    pub from: SimTime,
    /// When it ended; the same time for what is done at once.
    pub until: SimTime,
    /// Whom it touches.
    pub whose: Whose,
    /// Whether what the others need in order to judge accounts is in doubt: a disk that lost what it had acknowledged.
    pub forgets: bool,
    /// Whether somebody sits between a client and its server.
    pub listens: bool,
}

/// All faults of a run.
#[derive(Clone, Debug, Default)]
pub struct Troubles {
    /// In the order in which they began.
    pub all: Vec<Trouble>,
    /// When a node died or stopped, and which.
    pub deaths: Vec<(SimTime, usize)>,
    /// When an operator told a node to stop.
    pub stops: Vec<(SimTime, usize)>,
}

impl Troubles {
    /// Reads them out of a history.
    pub(super) fn of(evidence: &Evidence<'_>) -> Self {
        let mut found = Self::default();
        for record in evidence.history {
            match &record.actor {
                Actor::World(what) => found.note(evidence, record.at, what),
                Actor::Node(node, NodeSight::Killed | NodeSight::PowerOff | NodeSight::Stopped) => {
                    found.deaths.push((record.at, node.at()));
                }
                Actor::Node(node, NodeSight::Asked(_, Command::Shutdown)) => {
                    found.stops.push((record.at, node.at()));
                }
                Actor::Node(..) | Actor::Client(..) => {}
            }
        }
        found
    }

    fn note(&mut self, evidence: &Evidence<'_>, at: SimTime, what: &str) {
        let words: Vec<&str> = what.split_whitespace().collect();
        let client = evidence.cast.clients.iter().position(|name| words.contains(&name.as_str()));
        let whose = client.map_or(Whose::Everybody, Whose::Client);
        if words.contains(&"healed") {
            let same = |trouble: &&mut Trouble| trouble.whose == whose && trouble.until == FOREVER;
            self.all.iter_mut().filter(same).for_each(|trouble| trouble.until = at);
            return;
        }
        let until = if words.contains(&"cut") { FOREVER } else { at };
        let listens = words.contains(&"sits");
        self.all.push(Trouble { from: at, until, whose, forgets: false, listens });
    }

    /// Returns whether a fault touched a client or its node at any time of a span.
    pub fn touched(&self, client: usize, node: usize, from: SimTime, until: SimTime) -> bool {
        self.died(node, from, until) || self.last_touch(client, node, from, until).is_some()
    }

    /// Returns the end of the last fault that touched a client or its node in a span.
    pub fn last_touch(&self, client: usize, node: usize, from: SimTime, until: SimTime) -> Option<SimTime> {
        let touching = |trouble: &&Trouble| {
            let whose = match trouble.whose {
                Whose::Client(ix) => ix == client,
                Whose::Node(ix) => ix == node,
                Whose::Everybody => true,
            };
            whose && !trouble.listens && trouble.from <= until && trouble.until >= from
        };
        self.all.iter().filter(touching).map(|trouble| trouble.until).max()
    }

    /// Returns whether a node died or stopped in a span.
    pub fn died(&self, node: usize, from: SimTime, until: SimTime) -> bool {
        self.deaths.iter().any(|(at, ix)| *ix == node && *at >= from && *at <= until)
    }

    /// Returns whether somebody sat between a client and its server at any time up to `until`.
    pub fn overheard(&self, client: usize, until: SimTime) -> bool {
        self.all.iter().any(|one| one.listens && one.whose == Whose::Client(client) && one.from <= until)
    }

    /// Returns when a node last forgot what it had acknowledged, up to `until`.
    pub fn forgot(&self, node: usize, until: SimTime) -> Option<SimTime> {
        let own = |one: &&Trouble| one.whose == Whose::Node(node) || one.whose == Whose::Everybody;
        let past = self.all.iter().filter(own).filter(|one| one.forgets && one.from <= until);
        past.map(|one| one.from).max()
    }
}
