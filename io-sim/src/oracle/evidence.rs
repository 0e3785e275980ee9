//! What oracles are given.

use std::collections::{BTreeMap, BTreeSet};

use super::model::Mark;
use crate::engine::{SimSpan, SimTime};
use crate::world::{Actor, Backlog, EntrySight, LinkSight, NodeIx, NodeSight, Record};
use eyot_core::io::Command;

/// What clients and the world saw of a run.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// Who took part.
    pub cast: &'a Cast,
    /// Everything that happened, oldest first.
    pub history: &'a [Record],
    /// Where a `check` line said that everything due must have been done by now: links healed, time given. Oracles of
    /// liveness judge there and nowhere else.
    pub checks: &'a [Check],
    /// How many inputs each node was given in each second of the run.
    pub inputs: &'a BTreeMap<(NodeIx, u64), u32>,
    /// How much has waited at most on each connection for a client that does not read, in the order in which they were
    /// asked for.
    pub backlogs: &'a [Backlog],
    /// What was seen of the links between nodes, in the order of time.
    pub links: &'a [LinkSight],
    /// What nodes have told each other of what was written, in the order of time.
    pub entries: &'a [EntrySight],
    /// When the run ended.
    pub ended: SimTime,
}

impl Evidence<'_> {
    /// Returns whether an operator took accounts away.
    pub fn removes_accounts(&self) -> bool {
        self.asks(|command| matches!(command, Command::UserRemove { .. }))
    }

    /// Returns whether an operator ended sessions by changing accounts.
    pub fn changes_accounts(&self) -> bool {
        self.asks(|command| matches!(command, Command::UserRemove { .. } | Command::UserPasswd { .. }))
    }

    /// Returns the accounts that operators asked for.
    pub(super) fn added(&self) -> impl Iterator<Item = String> {
        self.history.iter().filter_map(|record| match &record.actor {
            Actor::Node(_, NodeSight::Asked(_, Command::UserAdd { user, .. })) => Some(user.to_string()),
            Actor::Node(..) | Actor::Client(..) | Actor::World(_) => None,
        })
    }

    fn asks(&self, fits: impl Fn(&Command) -> bool) -> bool {
        let is = |record: &Record| matches!(&record.actor, Actor::Node(_, NodeSight::Asked(_, command)) if fits(command));
        self.history.iter().any(is)
    }
}

/// A place of a history where everything due must have been done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    /// When.
    pub at: SimTime,
    /// How long the history was.
    pub number: usize,
}

impl Check {
    /// Returns the place: that of the last record before it, at its own time.
    pub const fn mark(&self) -> Mark {
        Mark { at: self.at, number: self.number.saturating_sub(1) }
    }
}

/// How patient the nodes of a cluster are with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How long one may be out of reach before its people are hidden.
    pub grace: SimSpan,
    /// How long it has to be in reach again before they are shown.
    pub hysteresis: SimSpan,
    /// How long it may take at most until one knows what has become of another one, or of its clients.
    pub notice: SimSpan,
    /// How long a client of another node may take to answer a request.
    pub answer: SimSpan,
}

impl Patience {
    /// Returns how long a node may show people of another one as they were before.
    pub const fn unsure(&self) -> SimSpan {
        let waits = self.grace.as_nanos() + self.hysteresis.as_nanos();
        SimSpan::from_nanos(waits + self.notice.as_nanos())
    }
}

/// Who took part in a run: what the scenario says of them, by their numbers in the world.
#[derive(Clone, Debug, Default)]
pub struct Cast {
    /// The names of the nodes.
    pub nodes: Vec<String>,
    /// The names of the clients.
    pub clients: Vec<String>,
    /// The domains, the usual one first.
    pub domains: Vec<String>,
    /// The node each client connects to at first, by number.
    pub homes: Vec<usize>,
    /// The clients, by number, that have been sent to another node since.
    pub roaming: BTreeSet<usize>,
    /// The numbers of the clients whose link loses things by itself: even a reset, which nobody repeats.
    pub lossy: BTreeSet<usize>,
    /// The bare address each client logs in as.
    pub users: Vec<String>,
    /// The passwords each client uses, each with the length that the history had when it began to.
    pub passwords: Vec<Vec<(usize, String)>>,
    /// The clients, by number, that come online again by themselves.
    pub persistent: Vec<usize>,
    /// The nodes are one cluster; nothing where each is alone.
    pub cluster: Option<Patience>,
    /// Where what is said has to be before it counts as safe.
    pub durability: eyot_core::config::Durability,
    /// The sites of the nodes.
    pub sites: Vec<String>,
    /// The bounds of the nodes.
    pub limits: eyot_core::limits::Limits,
}

impl Cast {
    /// Returns the password that a client uses when it notes the record `number`.
    pub fn password(&self, client: usize, number: usize) -> Option<&str> {
        let used = self.passwords.get(client)?.iter().rev().find(|(from, _)| *from <= number);
        used.map(|(_, password)| password.as_str())
    }
}
