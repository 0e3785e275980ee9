//! What oracles are given.

use crate::engine::SimTime;
use crate::world::Record;

/// What clients and the world saw of a run.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// Who took part.
    pub cast: &'a Cast,
    /// Everything that happened, oldest first.
    pub history: &'a [Record],
    /// The numbers of the records at which a `check` line said that everything due must have been done by now: links
    /// healed, time given. Oracles of liveness judge there and nowhere else.
    pub checks: &'a [usize],
    /// When the run ended.
    pub ended: SimTime,
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
    /// The node each client connects to, by number.
    pub homes: Vec<usize>,
    /// The bare address each client logs in as.
    pub users: Vec<String>,
    /// The bounds of the nodes.
    pub limits: eyot_core::limits::Limits,
}
