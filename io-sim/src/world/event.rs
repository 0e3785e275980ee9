//! The events of the one queue: small, copied, without allocation.

use eyot_core::io::CloseCause;

use super::history::NodeIx;

/// The place of a connection in the world's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ConnIx(pub(super) u32);

/// One direction of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

/// What happens.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// The client's system sends its n-th SYN.
    Syn { conn: ConnIx, attempt: u8 },
    /// A SYN reaches the host.
    SynArrives { conn: ConnIx },
    /// The host's answer reaches the client.
    SynAnswered { conn: ConnIx, accepted: bool },
    /// The client's acknowledgement reaches the host: the connection is accepted.
    Accepted { conn: ConnIx },
    /// A stream wants to be pumped.
    Wake { conn: ConnIx, way: Way },
    /// The server reads what has gathered (batching).
    Read { conn: ConnIx },
    /// A reset arrives.
    Reset { conn: ConnIx, side: Side },
    /// An end learns that its connection is gone.
    Gone { conn: ConnIx, side: Side, cause: CloseCause },
    /// The time for an orderly close is over.
    Linger { conn: ConnIx },
    /// The node's system has taken bytes, or has too many.
    Flushed { conn: ConnIx },
    /// The deadline of a node's `Wait`.
    Tick { node: NodeIx },
    /// A store, a load or a derivation is done.
    Answer { node: NodeIx, number: u64 },
    /// A line of the scenario is due.
    Script { number: u32 },
}

impl ConnIx {
    pub(super) const fn at(self) -> usize {
        self.0 as usize
    }
}

impl Event {
    /// Returns the event as words for the trace hash.
    pub(super) fn words(self) -> (u64, u64) {
        let pair = |kind: u64, number: u64| (kind, number);
        match self {
            Self::Syn { conn, attempt } => pair(1 | u64::from(attempt) << 8, conn.0.into()),
            Self::SynArrives { conn } => pair(2, conn.0.into()),
            Self::SynAnswered { conn, accepted } => pair(3 | u64::from(accepted) << 8, conn.0.into()),
            Self::Accepted { conn } => pair(4, conn.0.into()),
            Self::Wake { conn, way } => pair(5 | u64::from(way == Way::Up) << 8, conn.0.into()),
            Self::Read { conn } => pair(6, conn.0.into()),
            Self::Reset { conn, side } => pair(7 | u64::from(side == Side::Client) << 8, conn.0.into()),
            Self::Gone { conn, side, .. } => pair(8 | u64::from(side == Side::Client) << 8, conn.0.into()),
            Self::Linger { conn } => pair(9, conn.0.into()),
            Self::Flushed { conn } => pair(10, conn.0.into()),
            Self::Tick { node } => pair(11, node.0.into()),
            Self::Answer { node, number } => pair(12 | u64::from(node.0) << 8, number),
            Self::Script { number } => pair(14, number.into()),
        }
    }

    /// Returns whether something is on its way: a world is quiet when only other events wait.
    pub(super) const fn is_busy(self) -> bool {
        match self {
            Self::Syn { attempt, .. } => attempt == 0,
            Self::Tick { .. } | Self::Linger { .. } => false,
            Self::SynArrives { .. }
            | Self::SynAnswered { .. }
            | Self::Accepted { .. }
            | Self::Wake { .. }
            | Self::Read { .. }
            | Self::Reset { .. }
            | Self::Gone { .. }
            | Self::Flushed { .. }
            | Self::Answer { .. }
            | Self::Script { .. } => true,
        }
    }
}
