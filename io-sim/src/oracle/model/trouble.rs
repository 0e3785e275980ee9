//! What went wrong in a run, and whom it touched: where a fault was, nothing is sure but what was proved since.

use eyot_core::io::Command;

use super::session::FOREVER;
use crate::engine::SimTime;
use crate::fault::{Fault, FaultId};
use crate::oracle::Evidence;
use crate::world::{Actor, NodeSight, WorldSight};

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
    /// Which fault of a plan it is; nothing for what was done by hand.
    pub id: Option<FaultId>,
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
                Actor::World(WorldSight::Note(what)) => found.note(evidence, record.at, what),
                Actor::World(WorldSight::Begun { id, fault }) => {
                    found.begun(evidence, record.at, *id, fault);
                }
                Actor::World(WorldSight::Ended { id, .. }) => {
                    let same = found.all.iter_mut().filter(|trouble| trouble.id == Some(*id));
                    same.for_each(|trouble| trouble.until = trouble.until.min(record.at));
                }
                Actor::World(WorldSight::Refused { .. }) => {}
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

    fn begun(&mut self, evidence: &Evidence<'_>, at: SimTime, id: FaultId, fault: &Fault) {
        let place = |names: &[String], name: &str| names.iter().position(|known| known == name);
        let whose = |name: &&str| {
            let client = place(&evidence.cast.clients, name).map(Whose::Client);
            client.or_else(|| place(&evidence.cast.nodes, name).map(Whose::Node)).unwrap_or(Whose::Everybody)
        };
        let mut subjects: Vec<Whose> = fault.subjects().iter().map(whose).collect();
        if subjects.is_empty() {
            subjects.push(Whose::Everybody);
        }
        let until = if fault.is_instant() { at } else { FOREVER };
        let forgets = fault.forgets();
        let all = subjects.into_iter();
        self.all.extend(all.map(|whose| Trouble {
            id: Some(id),
            from: at,
            until,
            whose,
            forgets,
            listens: false,
        }));
    }

    fn note(&mut self, evidence: &Evidence<'_>, at: SimTime, what: &str) {
        let words: Vec<&str> = what.split_whitespace().collect();
        let client = evidence.cast.clients.iter().position(|name| words.contains(&name.as_str()));
        let whose = client.map_or(Whose::Everybody, Whose::Client);
        if words.contains(&"healed") {
            let every = words.contains(&"all");
            let same = |trouble: &&mut Trouble| {
                (every || trouble.whose == whose) && trouble.until == FOREVER && trouble.id.is_none()
            };
            self.all.iter_mut().filter(same).for_each(|trouble| trouble.until = at);
            return;
        }
        let until = if words.contains(&"cut") { FOREVER } else { at };
        let listens = words.contains(&"sits");
        self.all.push(Trouble { id: None, from: at, until, whose, forgets: false, listens });
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
