//! What nodes tell each other of their sessions.

use bytes::Bytes;

use crate::jid::FullJid;
use crate::replica::{Dot, Hlc, Origin, Report};
use crate::stanza::Stanza;

/// A session of another node, as that says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Far {
    /// Its name.
    pub(crate) session: Dot,
    /// When it was bound.
    pub(crate) bound: Hlc,
    /// Whether it has a stream; otherwise it waits to be resumed.
    pub(crate) attached: bool,
    /// Its priority; nothing while it is not available.
    pub(crate) priority: Option<i8>,
    /// The presence that it broadcast last; nothing where it has said none.
    pub(crate) presence: Option<Bytes>,
}

/// What a node says of its sessions, or a part of that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OwnedFrame {
    /// By full JID. Several of one address are for moments only, and the last is told.
    pub(crate) report: Report<FullJid, Far>,
    /// Whether the report goes on in the next frame.
    pub(crate) more: bool,
}

/// What a node has heard of the sessions of the one it speaks to: of which start, up to which report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OwnedSince(pub(crate) Option<(Origin, u64)>);

impl Far {
    /// Returns whether it keeps an address that another session has, too: who has a stream beats who has none, then the one
    /// that was bound later. Every node finds the same.
    pub(crate) fn beats(&self, other: &Self) -> bool {
        let rank = |far: &Self| (far.attached, far.bound, far.session);
        rank(self) > rank(other)
    }

    /// Returns the presence that it broadcast last.
    pub(crate) fn said(&self) -> Option<Stanza> {
        self.presence.clone().and_then(Stanza::parse)
    }

    /// Returns whether those who may see it see the same of both.
    pub(crate) fn looks_like(&self, other: &Self) -> bool {
        self.priority.is_some() == other.priority.is_some()
            && (self.priority.is_none() || self.presence == other.presence)
    }
}
