//! What a way to a peer is like, in integers: how often heartbeats go, how long silence is borne, how calls are made.

use super::frame::FRAME_MAX;
use crate::config::{LinkKind, StaticRoute};
use crate::time::Span;

/// The numbers of a way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Bits in a second, where the operator has said how many the way takes.
    pub bits: Option<u32>,
    /// How many of a hundred of them are used at most.
    pub share: u8,
    /// How long something may wait on the way beside what the way itself takes, before less is handed over.
    pub slack: Span,
    /// How long what nobody waits for at once waits for more of it.
    pub coalesce: Span,
    /// Bytes of the largest frame.
    pub frame_max: u16,
    /// How often a heartbeat goes.
    pub heartbeat: Span,
    /// How long the peer may be silent at least.
    pub silent: Span,
    /// How long after a call the next one goes out, while nobody has answered.
    pub dial_every: Span,
    /// How long a call waits for an answer.
    pub dial_give_up: Span,
    /// Entries that wait for the peer, or are under way to it. Beyond: those that wait are dropped, and the peer is behind.
    pub queue_dots: u32,
    /// Bytes of entries that are under way and not durable at the peer. Beyond: what comes next waits.
    pub credit: u32,
    /// Bytes of what was looked up for the peer that are under way and not taken there. Beyond: what comes next waits.
    pub bulk: u32,
    /// How often the peer is told what is held here, when that has changed.
    pub have_every: Span,
}

impl Profile {
    /// Returns the numbers of a kind of way.
    pub const fn of(kind: LinkKind) -> Self {
        let (frame_max, heartbeat, silent, every, give_up) = match kind {
            LinkKind::Lan => (FRAME_MAX, 500, 1_800, 250, 1_000),
            LinkKind::Wan => (4_096, 1_000, 5_000, 1_000, 3_000),
            LinkKind::Satcom => (1_024, 5_000, 15_000, 1_000, 4_000),
            LinkKind::Hf => (512, 60_000, 240_000, 20_000, 90_000),
        };
        let (queue_dots, credit, bulk, have_every) = match kind {
            LinkKind::Lan => (65_536, 4 << 20, 4 << 20, 60),
            LinkKind::Wan => (16_384, 2 << 20, 1 << 20, 60),
            LinkKind::Satcom => (4_096, 256 << 10, 64 << 10, 60),
            LinkKind::Hf => (1_024, 16 << 10, 4 << 10, 900),
        };
        let (share, slack, coalesce) = match kind {
            LinkKind::Lan => (95, 25, 0),
            LinkKind::Wan => (90, 50, 5),
            LinkKind::Satcom => (85, 250, 50),
            LinkKind::Hf => (80, 4_000, 1_000),
        };
        Self {
            bits: None,
            share,
            slack: Span::from_millis(slack),
            coalesce: Span::from_millis(coalesce),
            frame_max,
            heartbeat: Span::from_millis(heartbeat),
            silent: Span::from_millis(silent),
            dial_every: Span::from_millis(every),
            dial_give_up: Span::from_millis(give_up),
            queue_dots,
            credit,
            bulk,
            have_every: Span::from_secs(have_every),
        }
    }

    /// Returns the numbers of a way.
    pub const fn on(route: &StaticRoute) -> Self {
        Self::of(route.link).with_rate(route.rate)
    }

    /// Says how many bits in a second the way takes, or that nobody knows.
    #[must_use]
    pub const fn with_rate(mut self, bits: Option<u32>) -> Self {
        self.bits = bits;
        self
    }

    /// Returns how many bytes in a second may be handed over; nothing where nobody has said what the way takes.
    pub fn rate(&self) -> Option<u64> {
        self.bits.map(|bits| (u64::from(bits) * u64::from(self.share) / 800).max(1))
    }
}
