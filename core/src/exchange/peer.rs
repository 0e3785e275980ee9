//! What the links to other nodes and the node tell each other.

use bytes::Bytes;
use smallvec::SmallVec;

use super::{GroupId, OwnedFrame, OwnedSince, Routed};
use crate::io::ConnId;
use crate::jid::BareJid;
use crate::replica::{Dot, Origin, Vector};
use crate::time::Span;

/// What a node says of itself first on each connection with another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hello {
    /// The first and the last version of the frames that it speaks.
    pub(crate) versions: (u16, u16),
    /// Its cluster.
    pub(crate) cluster: [u8; 16],
    /// Its incarnation.
    pub(crate) origin: Origin,
    /// Its name, for operators.
    pub(crate) name: Box<str>,
    /// Its site.
    pub(crate) site: Box<str>,
    /// How often it says that it is there.
    pub(crate) heartbeat: Span,
    /// How long it lets the other one be silent at least.
    pub(crate) silent: Span,
    /// Bytes of the largest frame that it takes.
    pub(crate) frame_max: u16,
    /// Bytes of the longest thing that it takes in parts.
    pub(crate) part_max: u32,
    /// What the way is called over which the connection goes; empty where there is one alone.
    pub(crate) route: Box<str>,
}

/// An entry as it travels. What it says is known to whoever takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sealed {
    /// Its first dot.
    pub(crate) dot: Dot,
    /// How many it has.
    pub(crate) span: u8,
    /// What kind of entry it is.
    pub(crate) kind: u16,
    /// What it says.
    pub(crate) bytes: Bytes,
}

/// What a node holds of a group, as it tells another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Have {
    /// How often it has told that one of the group, this time included. What is committed in answer says this number.
    pub(crate) number: u64,
    /// Some of what the other one has said had no room, and has to be said again.
    pub(crate) missed: bool,
    /// What is on its disk.
    pub(crate) vector: Vector,
}

/// What stands behind entries that were looked up for another node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Commit {
    /// Which [`Have`] it answers.
    pub(crate) number: u64,
    /// Its own number, among all that the other node is told. [`Granted`] says it.
    pub(crate) step: u64,
    /// Nothing of the group follows.
    pub(crate) last: bool,
    /// Everything of this that the other node lacked, and that nothing has overwritten, has been said.
    pub(crate) vector: Vector,
}

/// Entries that were looked up need not be kept under way any longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Granted {
    /// Which commit stood behind them.
    pub(crate) step: u64,
    /// What the commit says is on the disk.
    pub(crate) joined: bool,
}

/// How urgent an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Haste {
    /// Somebody waits for it.
    Live,
    /// Somebody will ask for it.
    State,
    /// It was missed.
    Bulk,
}

impl Haste {
    /// All of them, the most urgent first.
    pub(crate) const ALL: [Self; 3] = [Self::Live, Self::State, Self::Bulk];
}

/// Whom an entry is about, and how urgent it is where they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct About {
    /// The accounts.
    pub(crate) accounts: SmallVec<[BareJid; 2]>,
    /// Which of them has written it, if one has.
    pub(crate) talker: Option<BareJid>,
    /// How urgent it is where one of them has a session.
    pub(crate) haste: Haste,
    /// How urgent it is where none of them has one.
    pub(crate) apart: Haste,
    /// What has to be shown before it, of the same group.
    pub(crate) past: Box<[Dot]>,
}

/// What has become durable here.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct News {
    /// What this node has written, in order.
    pub(crate) own: Vec<(GroupId, Dot)>,
    /// What others have written, each dot.
    pub(crate) taken: Vec<(GroupId, Dot)>,
}

/// Where links find what they send: they keep names alone.
pub(crate) trait Supply {
    /// Returns an entry; nothing when it is no longer at hand.
    fn sealed(&self, group: GroupId, dot: Dot) -> Option<Sealed>;

    /// Returns whom an entry is about; nothing when it is no longer at hand.
    fn about(&self, group: GroupId, dot: Dot) -> Option<&About>;
}

/// Where links learn who waits for what.
pub(crate) trait Crowd {
    /// Returns whether a node says that it has a session of an account, a bare JID.
    fn has_session(&self, node: u32, account: &str) -> bool;
}

/// What the link to another node tells the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FromPeer {
    /// This member can be reached, and is this incarnation of itself.
    Up(u32, Hello),
    /// It is reached over another connection: what was under way on the one before may be lost.
    Moved(u32),
    /// It is reached on this one of several ways.
    Over(u32, Box<str>),
    /// It cannot be reached.
    Down(u32, &'static str),
    /// It says what was written there or has come there, in order.
    Entries(u32, GroupId, Vec<Sealed>),
    /// Some of what was for it is no longer at hand, because it takes too little or was away for too long. With whether it had
    /// taken everything before.
    Behind(u32, bool),
    /// It says what it holds of a group.
    Have(u32, GroupId, Have),
    /// It has said what it looked up for this node.
    Commit(u32, GroupId, Commit),
    /// It has taken what was looked up for it.
    Granted(u32, GroupId, Granted),
    /// Entries of an incarnation are on its disk: the ranges of their numbers.
    Durable(u32, GroupId, Origin, Vec<(u64, u64)>),
    /// Something is longer than it takes and was not said. Not told again before it is up again.
    TooLong(u32),
    /// A connection was refused, by one of the two sides; of the member that it came from, where that is known.
    Refused(Option<u32>, &'static str),
    /// A member knows a later start of this node than this one: its disk has been set back.
    Outdated(Origin),
    /// This member says of its sessions.
    Owned(u32, OwnedFrame),
    /// This member says what it has heard of the sessions of this node.
    OwnedSince(u32, OwnedSince),
    /// This member says something that is for this node alone.
    Routed(u32, Routed),
    /// This member says what its roll adds up to.
    RollSum(u32, [u8; 8]),
    /// This member says its roll.
    Roll(u32, Bytes),
    /// Somebody wants to be a member.
    Guest(Box<Guest>),
    /// A member says that this node was forgotten.
    Forgotten,
}

/// Somebody who is no member, and wants to be one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Guest {
    /// The connection on which it waits for an answer.
    pub(crate) conn: ConnId,
    /// The hash of the key that it has shown.
    pub(crate) key: [u8; 32],
    /// What both ends know of the TLS session and nobody else.
    pub(crate) exporter: [u8; 32],
    /// What it says.
    pub(crate) said: Bytes,
}

/// What the node tells another one by its link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ToPeer {
    /// Of its sessions.
    Owned(OwnedFrame),
    /// What it has heard of the other one's.
    OwnedSince(OwnedSince),
    /// What is for the other one alone.
    Routed(Routed),
    /// What this node holds.
    Have(GroupId, Have),
    /// What was looked up for the other one, and what stands behind it.
    Looked(GroupId, Vec<(Haste, Sealed)>, Commit),
    /// What was looked up there has been taken.
    Granted(GroupId, Granted),
    /// What this node's roll adds up to.
    RollSum([u8; 8]),
    /// This node's roll.
    Roll(Bytes),
}
