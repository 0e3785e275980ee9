//! The events of the one queue: small, copied, without allocation.

use core::num::NonZeroU32;

use eyot_core::io::CloseCause;

use super::history::{ClientIx, NodeIx};
use super::inject::Due;
use crate::engine::SimTime;

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

/// Which start of a node it was, counted from one.
pub(super) type Start = NonZeroU32;

/// What happens. A packet that is an event has the number of cuts that its connection had seen when it was sent: one more
/// at its arrival, and it was lost.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// The client's system sends its n-th SYN.
    Syn { conn: ConnIx, attempt: u8 },
    /// A SYN that was sent at a time reaches the host.
    SynArrives { conn: ConnIx, cut: u32, asked: SimTime },
    /// The host's system sends its n-th answer to that SYN, counted from zero, if the process that listened listens
    /// still.
    SynAnswer { conn: ConnIx, attempt: u8, by: Start, asked: SimTime },
    /// The host's answer reaches the client: a process listens, or none does.
    SynAnswered { conn: ConnIx, attempt: u8, cut: u32, by: Option<Start>, asked: SimTime },
    /// The client's acknowledgement of the n-th answer reaches the host: the connection is accepted.
    Accepted { conn: ConnIx, attempt: u8, cut: u32, asked: SimTime },
    /// A stream wants to be pumped.
    Wake { conn: ConnIx, way: Way },
    /// A node reads what has gathered (batching).
    Read { conn: ConnIx, side: Side },
    /// A reset arrives.
    Reset { conn: ConnIx, side: Side, cut: u32 },
    /// An end learns that its connection is gone.
    Gone { conn: ConnIx, side: Side, cause: CloseCause },
    /// The time to write what was said before an orderly close is over.
    Drain { conn: ConnIx, side: Side },
    /// The node has said more than its driver is willing to hold.
    Overflow { conn: ConnIx, side: Side },
    /// The time for the peer to answer the end is over.
    Linger { conn: ConnIx, side: Side },
    /// A node learns what came of its call: a connection, or none for that reason.
    Called { conn: ConnIx, failed: Option<CloseCause> },
    /// The time for an answer to a call is over.
    GiveUp { conn: ConnIx },
    /// The node's system has taken bytes, or has too many.
    Flushed { conn: ConnIx },
    /// The deadline of a node's `Wait`.
    Tick { node: NodeIx },
    /// A store, a load or a derivation is done.
    Answer { node: NodeIx, number: u64 },
    /// A line of the scenario is due.
    Script { number: u32 },
    /// A client that lost its connection tries again.
    Return { client: ClientIx, number: u64 },
    /// Something is due in the course of a fault.
    Fault { run: u32, due: Due },
    /// A process that was late gets what has waited for it.
    Late { node: NodeIx },
    /// A supervisor starts a node that gave up on a disk that was mended meanwhile.
    Restart { node: NodeIx },
}

impl Side {
    /// Returns the side as a word; servers', of which most runs have no others, are zero.
    fn word(self) -> u64 {
        u64::from(self == Self::Client)
    }

    /// Returns the other one.
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }

    /// Returns the direction in which it writes.
    pub(super) const fn writes(self) -> Way {
        match self {
            Self::Client => Way::Up,
            Self::Server => Way::Down,
        }
    }
}

impl ConnIx {
    pub(super) const fn at(self) -> usize {
        self.0 as usize
    }
}

impl Event {
    /// Returns the event as words for the trace hash.
    pub(super) fn words(self) -> [u64; 3] {
        match self {
            Self::Syn { conn, attempt } => [1, conn.0.into(), attempt.into()],
            Self::SynArrives { conn, .. } => [2, conn.0.into(), 0],
            Self::SynAnswered { conn, by, .. } => [3, conn.0.into(), by.is_some().into()],
            Self::Accepted { conn, .. } => [4, conn.0.into(), 0],
            Self::Wake { conn, way } => [5, conn.0.into(), way as u64],
            Self::Read { conn, side } => [6, conn.0.into(), side.word()],
            Self::Reset { conn, side, .. } => [7, conn.0.into(), side as u64],
            Self::Gone { conn, side, .. } => [8, conn.0.into(), side as u64],
            Self::Linger { conn, side } => [9, conn.0.into(), side.word()],
            Self::Flushed { conn } => [10, conn.0.into(), 0],
            Self::Tick { node } => [11, node.0.into(), 0],
            Self::Answer { node, number } => [12, node.0.into(), number],
            Self::Script { number } => [13, number.into(), 0],
            Self::Drain { conn, side } => [14, conn.0.into(), side.word()],
            Self::Overflow { conn, side } => [41, conn.0.into(), side.word()],
            Self::Called { conn, failed } => [19, conn.0.into(), failed.is_some().into()],
            Self::GiveUp { conn } => [20, conn.0.into(), 0],
            Self::Return { client, number } => [40, client.0.into(), number],
            Self::Fault { run, due } => [15, run.into(), due.word()],
            Self::Late { node } => [16, node.0.into(), 0],
            Self::Restart { node } => [18, node.0.into(), 0],
            Self::SynAnswer { conn, attempt, .. } => [17, conn.0.into(), attempt.into()],
        }
    }

    /// Returns whether something is on its way: a world is quiet when only other events wait.
    pub(super) const fn is_busy(self) -> bool {
        match self {
            Self::Syn { attempt, .. } => attempt == 0,
            // A wake is judged by its lane when the question is asked: a heal turns a stall into movement. Another
            // answer to a SYN is needed only where both sides wait, and clients do not.
            // A fault in force is rest, like a timer: who wants to see its end lets time pass.
            Self::Wake { .. }
            | Self::SynAnswer { .. }
            | Self::Tick { .. }
            | Self::Drain { .. }
            | Self::Linger { .. }
            | Self::GiveUp { .. }
            | Self::Return { .. }
            | Self::Fault { .. } => false,
            Self::SynArrives { .. }
            | Self::Restart { .. }
            | Self::SynAnswered { .. }
            | Self::Accepted { .. }
            | Self::Read { .. }
            | Self::Reset { .. }
            | Self::Gone { .. }
            | Self::Called { .. }
            | Self::Flushed { .. }
            | Self::Overflow { .. }
            | Self::Answer { .. }
            | Self::Late { .. }
            | Self::Script { .. } => true,
        }
    }
}
