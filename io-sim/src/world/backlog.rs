//! How much has waited at most on a connection: a bound that no client could see is measured here.

use super::event::ConnIx;
use super::history::{ClientIx, NodeIx};
use super::state::World;
use crate::engine::SimTime;

/// What waits for a client that does not read: bytes that its node has handed over and was not told to be with its system.
/// A node knows of no others, so this is what it can be held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// The client of the connection.
    pub client: ClientIx,
    /// Its node.
    pub node: NodeIx,
    /// How many bytes have waited at most.
    pub most: u64,
    /// When so many waited first.
    pub at: SimTime,
}

impl World {
    /// Returns how much has waited at most on each connection, in the order in which they were asked for.
    pub fn backlogs(&self) -> &[Backlog] {
        &self.backlogs
    }

    /// Begins to measure the connection that a client has asked for last; returns its number.
    pub(super) fn measure_backlog(&mut self, client: ClientIx, node: NodeIx) -> usize {
        self.backlogs.push(Backlog { client, node, most: 0, at: self.now });
        self.backlogs.len() - 1
    }

    /// Looks how much waits on a connection, the node having handed over more.
    pub(super) fn note_backlog(&mut self, ix: ConnIx) {
        let conn = &self.conns[ix.at()];
        let waiting = conn.sent.saturating_sub(conn.told);
        let measured = conn.number.and_then(|number| self.backlogs.get_mut(number));
        if let Some(backlog) = measured.filter(|backlog| waiting > backlog.most) {
            (backlog.most, backlog.at) = (waiting, self.now);
        }
    }
}
