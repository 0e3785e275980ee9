//! What went wrong in a run, and whom it touched: where a fault was, nothing is sure but what was proved since.

use super::conn::Mark;
use super::session::FOREVER;
use crate::engine::SimTime;
use crate::fault::{DiskFault, Fault, FaultId};
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
    /// Which fault of the plan it is; none that was done by hand.
    pub id: Option<FaultId>,
    /// When it began.
    pub from: SimTime,
    /// When it ended; the same time for what is done at once.
    pub until: SimTime,
    /// Whom it touches.
    pub whose: Whose,
    /// What goes wrong.
    pub what: Wrong,
}

/// What goes wrong, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// A disk says that something is durable which is not.
    Lies,
    /// A disk refuses to read or to write.
    Fails,
    /// A disk does something else.
    Disk,
    /// A node stands still, and writes nothing.
    Pauses,
    /// Somebody sits between a client and its server.
    Listens,
    /// Anything else.
    Other,
}

impl Wrong {
    fn of(fault: &Fault) -> Self {
        match fault {
            Fault::Disk { what: DiskFault::Lying, .. } => Self::Lies,
            Fault::Disk { what: DiskFault::Full | DiskFault::ReadError | DiskFault::WriteError, .. } => {
                Self::Fails
            }
            Fault::Disk { .. } => Self::Disk,
            Fault::Pause { .. } => Self::Pauses,
            Fault::Cut { .. }
            | Fault::CutNodes { .. }
            | Fault::Partition { .. }
            | Fault::Swizzle { .. }
            | Fault::Flap { .. }
            | Fault::Link { .. }
            | Fault::LinkNodes { .. }
            | Fault::Reset { .. }
            | Fault::Swallow { .. }
            | Fault::Vanish { .. }
            | Fault::Stall { .. }
            | Fault::Kill { .. }
            | Fault::PowerOff { .. }
            | Fault::Wipe { .. }
            | Fault::Slow { .. }
            | Fault::Clock { .. }
            | Fault::Site { .. } => Self::Other,
        }
    }

    /// Returns whether it is one of a disk.
    const fn is_disk(self) -> bool {
        matches!(self, Self::Lies | Self::Fails | Self::Disk)
    }
}

/// All faults of a run.
#[derive(Clone, Debug, Default)]
pub struct Troubles {
    /// In the order in which they began.
    pub all: Vec<Trouble>,
    /// When a node died or stopped, and which.
    pub deaths: Vec<(Mark, usize)>,
    /// When a node lost what its disk had acknowledged, and which: that is not its fault.
    pub forgotten: Vec<(Mark, usize)>,
    /// Clients have gone from node to node: what happened at any of them may have touched anybody.
    pub everywhere: bool,
}

impl Troubles {
    /// Reads them out of a history.
    pub(super) fn of(evidence: &Evidence<'_>) -> Self {
        let mut found = Self { everywhere: !evidence.cast.roaming.is_empty(), ..Self::default() };
        for (number, record) in evidence.history.iter().enumerate() {
            let at = record.at;
            let mark = Mark { at, number };
            match &record.actor {
                Actor::World(WorldSight::Note(what)) => found.note(evidence, at, what),
                Actor::World(WorldSight::Begun { id, fault }) => found.begun(evidence, mark, *id, fault),
                Actor::World(WorldSight::Ended { id, .. }) => found.ended(at, *id),
                Actor::Node(node, sight) => found.node(mark, node.at(), sight),
                Actor::World(WorldSight::Refused { .. }) | Actor::Client(..) => {}
            }
        }
        found
    }

    /// Returns whether what happened at a node may have touched who is at `node`.
    const fn is_at(&self, ix: usize, node: usize) -> bool {
        self.everywhere || ix == node
    }

    fn node(&mut self, mark: Mark, node: usize, sight: &NodeSight) {
        match sight {
            NodeSight::Killed | NodeSight::Stopped => self.deaths.push((mark, node)),
            NodeSight::PowerOff => {
                self.deaths.push((mark, node));
                let lies = |one: &Trouble| {
                    one.what == Wrong::Lies && one.until == FOREVER && one.whose == Whose::Node(node)
                };
                if self.all.iter().any(lies) {
                    self.forgotten.push((mark, node));
                }
            }
            NodeSight::Started
            | NodeSight::Linked(_)
            | NodeSight::Route(..)
            | NodeSight::Unlinked(..)
            | NodeSight::Level(..)
            | NodeSight::Ready(_)
            | NodeSight::Asked(..)
            | NodeSight::Answered(..)
            | NodeSight::Synced(_) => {}
        }
    }

    /// Reads what was done to the world by hand.
    fn note(&mut self, evidence: &Evidence<'_>, at: SimTime, what: &str) {
        let words: Vec<&str> = what.split_whitespace().collect();
        let named = |names: &[String]| names.iter().position(|name| words.contains(&name.as_str()));
        let client = named(&evidence.cast.clients).map(Whose::Client);
        let whose = client.or(named(&evidence.cast.nodes).map(Whose::Node)).unwrap_or(Whose::Everybody);
        let own = |trouble: &Trouble| whose == Whose::Everybody || trouble.whose == whose;
        if words.contains(&"healed") {
            let open = self.all.iter_mut().filter(|one| one.id.is_none() && one.until == FOREVER);
            open.filter(|one| own(one)).for_each(|one| one.until = at);
            return;
        }
        // A link is cut, a machine is gone: until that is healed.
        let until = if words.contains(&"cut") || words.last() == Some(&"gone") { FOREVER } else { at };
        let what = if words.contains(&"sits") { Wrong::Listens } else { Wrong::Other };
        self.all.push(Trouble { id: None, from: at, until, whose, what });
    }

    fn begun(&mut self, evidence: &Evidence<'_>, mark: Mark, id: FaultId, fault: &Fault) {
        let at = mark.at;
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
        for whose in subjects {
            if let (Fault::Wipe { .. }, Whose::Node(node)) = (fault, whose) {
                self.forgotten.push((mark, node));
            }
            self.all.push(Trouble { id: Some(id), from: at, until, whose, what: Wrong::of(fault) });
        }
    }

    fn ended(&mut self, at: SimTime, id: FaultId) {
        let same = |trouble: &&mut Trouble| trouble.id == Some(id) && trouble.until == FOREVER;
        self.all.iter_mut().filter(same).for_each(|trouble| trouble.until = at);
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
                Whose::Node(ix) => self.is_at(ix, node),
                Whose::Everybody => true,
            };
            whose && trouble.what != Wrong::Listens && trouble.from <= until && trouble.until >= from
        };
        self.all.iter().filter(touching).map(|trouble| trouble.until).max()
    }

    /// Returns whether the disk of a node failed or was slow at any time of a span.
    pub fn disk(&self, node: usize, from: SimTime, until: SimTime) -> bool {
        let own = |one: &Trouble| {
            one.what.is_disk() && matches!(one.whose, Whose::Node(ix) if self.is_at(ix, node))
        };
        self.all.iter().any(|one| own(one) && one.from <= until && one.until >= from)
    }

    /// Returns whether the disk of a node refused to read or to write at any time of a span.
    pub fn disk_fails(&self, node: usize, from: SimTime, until: SimTime) -> bool {
        let own = |one: &Trouble| {
            one.what == Wrong::Fails && matches!(one.whose, Whose::Node(ix) if self.is_at(ix, node))
        };
        self.all.iter().any(|one| own(one) && one.from <= until && one.until >= from)
    }

    /// Returns whether a node died or stopped in a span.
    pub fn died(&self, node: usize, from: SimTime, until: SimTime) -> bool {
        self.deaths.iter().any(|(mark, ix)| self.is_at(*ix, node) && mark.at >= from && mark.at <= until)
    }

    /// Returns whether a node died in a span, or behind it before it and its disk, in trouble within the span, could have written what
    /// was to be written then.
    pub fn undoes(&self, node: usize, from: SimTime, until: SimTime) -> bool {
        let own = |one: &&Trouble| {
            (one.what.is_disk() || one.what == Wrong::Pauses)
                && matches!(one.whose, Whose::Node(ix) if self.is_at(ix, node))
        };
        let disks = self.all.iter().filter(own).filter(|one| one.from <= until && one.until >= from);
        let late = disks.map(|one| one.until).max().unwrap_or(until).max(until);
        self.died(node, from, late)
    }

    /// Returns whether somebody sat between a client and its server at any time up to `until`.
    pub fn overheard(&self, client: usize, until: SimTime) -> bool {
        self.all
            .iter()
            .any(|one| one.what == Wrong::Listens && one.whose == Whose::Client(client) && one.from <= until)
    }

    /// Returns whether a node lost what its disk had acknowledged between two places.
    pub fn forgot_in(&self, node: usize, from: Mark, until: Mark) -> bool {
        self.forgotten.iter().any(|(mark, ix)| *ix == node && *mark > from && *mark < until)
    }

    /// Returns when a node first lost what its disk had acknowledged.
    pub fn forgot(&self, node: usize) -> Option<SimTime> {
        self.forgotten.iter().find(|(_, ix)| *ix == node).map(|(mark, _)| mark.at)
    }
}
