//! Which fault, and what became of it.

use super::Fault;
use crate::engine::{Key, SimTime};

/// The name of one fault among all of a run: the one that its line gives it; of a line that gives none, its text and how
/// often the same text stood before it. A plan that loses one fault leaves the given names of all others as they were,
/// and with them everything they draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FaultId(Key);

/// A fault that was brought about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultRun {
    /// Which it is.
    pub id: FaultId,
    /// What went wrong.
    pub fault: Fault,
    /// When it began.
    pub begun: SimTime,
    /// When it ended; not yet when absent. What only takes an instant ends when it begins.
    pub ended: Option<SimTime>,
    /// How many live things it has hit: segments lost or sent over a link that it changed, connections broken,
    /// operations of a store, what arrived for a client that does not read; and, while somebody was connected, inputs that
    /// waited and clocks that were read while wrong.
    pub touched: u64,
}

impl FaultId {
    /// Creates the name of the fault that stands in a plan as `text`, after `before` others that read the same.
    pub const fn of(text: &str, before: u64) -> Self {
        Self(Key::of(text).with(before))
    }

    /// Creates the name of the fault that its line calls `name`. No text of a fault is like it.
    pub const fn named(name: &str) -> Self {
        Self(Key::of(name).with(u64::MAX))
    }

    /// Returns the key of its draws.
    pub const fn key(self) -> Key {
        self.0
    }
}
