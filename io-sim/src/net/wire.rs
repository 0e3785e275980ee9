//! What became of the bytes of a stream on their way, for whoever draws them.

use crate::engine::SimTime;

/// One thing that happened to some bytes of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireEvent {
    /// When.
    pub at: SimTime,
    /// What.
    pub kind: WireKind,
    /// The first of the bytes, counted from the beginning of the direction.
    pub from: u64,
    /// The byte behind the last of them.
    pub to: u64,
}

/// What may happen to bytes on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireKind {
    /// They left for the first time.
    Sent,
    /// They left again.
    Resent,
    /// They were lost on the way.
    Lost,
    /// They reached the other end's system.
    Arrived,
}
