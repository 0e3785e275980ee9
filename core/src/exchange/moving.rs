//! What nodes tell each other of a session that goes on at another one (XEP-0198, 5).
//!
//! Rests on the replication rule R23: the owner alone lets it go.

use bytes::Bytes;

use crate::jid::BareJid;
use crate::replica::{Dot, Hlc};

/// Something about a session that goes from one node to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Moving {
    /// A client is here that wants to go on with a session.
    Claim(Claim),
    /// The session of the claim with this number is not given.
    Kept(u64, Kept),
    /// The session is given: from here on the other node has it.
    Shipped(Shipment),
    /// What was shipped is on the disk of the node that has it.
    Installed(Passage),
    /// The node that had it knows, and ships it no more.
    Known(Passage),
}

/// A wish for a session of another node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    /// Its number, among those of the incarnation that claims.
    pub(crate) number: u64,
    /// When the client asked. Of two that are open the later one counts.
    pub(crate) at: Hlc,
    /// Who has logged in.
    pub(crate) user: BareJid,
    /// The id of the session.
    pub(crate) id: Box<str>,
    /// How many stanzas the client has handled.
    pub(crate) h: u32,
}

/// Why a session is not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// It is not here. How many of its client's stanzas had been handled when it ended, if it has ended here.
    Unknown(Option<u32>),
    /// It has been given to this node.
    Given(u32),
    /// The client claims to have handled more than this, which is what it was sent.
    TooHigh(u32),
    /// Somebody has asked for it later.
    Newer,
    /// It is too large, or too many are on their way.
    Full,
}

/// One session on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shipment {
    /// Which.
    pub(crate) passage: Passage,
    /// All that it is.
    pub(crate) bytes: Bytes,
}

/// One time that a session goes from one node to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Passage {
    /// The session.
    pub(crate) session: Dot,
    /// How often it has gone by then.
    pub(crate) epoch: u32,
}
