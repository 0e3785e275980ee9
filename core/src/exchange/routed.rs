//! What has one addressee and is stored nowhere.
//!
//! Rests on the replication rule R18 (relayed frames).

use bytes::Bytes;

use super::Moving;
use crate::jid::BareJid;
use crate::replica::{Dot, Hlc};

/// Something that one node says to one other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Routed {
    /// A stanza for sessions of the other one.
    Relay(Relay),
    /// The relayed stanza with this number has been taken: whatever becomes of it, it need not be sent again.
    Taken(u64),
    /// The relayed stanza with this number has not been taken.
    Failed(u64, RelayFault),
    /// Of the relayed stanzas up to this number those that have not come by now will not come.
    Settled(u64),
    /// A session has left something for which nobody else is here, and somebody is there.
    Left(Left),
    /// A session goes from one of the two to the other.
    Moving(Moving),
}

/// What is said of what a session has left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    /// Whose it was.
    pub(crate) account: BareJid,
    /// The mark that says what the session did not leave: it has to be there first.
    pub(crate) after: Option<Dot>,
}

/// A stanza on its way between nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Relay {
    /// Its number, among those of the incarnation that sends it.
    pub(crate) id: u64,
    /// The session it is for; nothing: those that its address means.
    pub(crate) to: Option<Dot>,
    /// The number of the stanza of the other node that comes back with it as an error: nobody here has that.
    pub(crate) about: Option<u64>,
    /// When it came to the node of its sender, if it is a message: there it stands between what is stored.
    pub(crate) said: Hlc,
    /// The session that has said it, if it is presence and that one goes on.
    pub(crate) by: Option<Dot>,
    /// What its sender had said before to the same account, among the messages of that one's domain: nobody gets it before that.
    pub(crate) after: Vec<Dot>,
    /// The stanza.
    pub(crate) stanza: Bytes,
}

/// Why a relayed stanza was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RelayFault {
    /// Nobody is there, or nobody who lets the sender know.
    Nobody,
    /// Somebody is there and has no room.
    Full,
}
