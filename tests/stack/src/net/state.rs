//! All ways and connections, and what is due on them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use eyot_io_sim::engine::{Entropy, SimTime};
use eyot_io_sim::net::{Path, TcpParams};
use tokio::sync::mpsc;

use super::SimStream;
use super::wire::Wire;

/// Where a listener takes its connections from.
pub(super) type Incoming = mpsc::UnboundedSender<(SimStream, SocketAddr)>;

#[derive(Debug)]
pub(super) struct State {
    pub(super) entropy: Entropy,
    pub(super) params: TcpParams,
    pub(super) ways: Vec<Way>,
    pub(super) wires: BTreeMap<u64, Wire>,
    pub(super) listeners: BTreeMap<SocketAddr, Incoming>,
    /// Connections ever made.
    pub(super) made: u64,
}

/// Both directions between a home and the servers.
#[derive(Debug)]
pub(super) struct Way {
    /// To the servers.
    pub(super) up: Path,
    /// To the home.
    pub(super) down: Path,
    /// Whether the servers have no power.
    pub(super) dark: bool,
}

impl State {
    /// Does everything that is due, and returns the connections that are to be accepted.
    pub(super) fn advance(&mut self, now: SimTime) -> Vec<(u64, Incoming, SocketAddr)> {
        let mut arrived = Vec::new();
        for (number, wire) in &mut self.wires {
            let Some(way) = self.ways.get_mut(wire.home) else { continue };
            if let Some(to) = wire.take_accepted(now) {
                match self.listeners.get(&to) {
                    Some(incoming) => arrived.push((*number, incoming.clone(), wire.peer_address())),
                    None => wire.refuse(now, way),
                }
            }
            wire.pump(now, way);
        }
        self.wires.retain(|_, wire| !wire.is_over());
        arrived
    }

    /// Returns when something is due next.
    pub(super) fn next(&self) -> Option<SimTime> {
        self.wires.values().filter_map(Wire::next).min()
    }

    /// Opens or closes both directions of a way.
    pub(super) fn set_closed(&mut self, now: SimTime, home: usize, change: impl Fn(&mut Way)) {
        let Some(way) = self.ways.get_mut(home) else { return };
        change(way);
        if way.up.is_closed() {
            for wire in self.wires.values_mut().filter(|wire| wire.home == home) {
                wire.lose_underway(now);
            }
        }
    }

    /// Lets `act` work on one connection and its way.
    pub(super) fn with<T>(&mut self, number: u64, act: impl FnOnce(&mut Wire, &mut Way) -> T) -> Option<T> {
        let wire = self.wires.get_mut(&number)?;
        let way = self.ways.get_mut(wire.home)?;
        Some(act(wire, way))
    }
}
