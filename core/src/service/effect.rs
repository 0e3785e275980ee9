//! What a service, a stream or the router wants to happen, as values that the node carries.

use std::collections::{BTreeMap, VecDeque};

use crate::directory::{Change, SessionId};
use crate::exchange::{
    Bind, Condition, FromPeer, GroupId, Relay, Resume, Sealed, Shipment, ToPeer, ToStream,
};
use crate::io::{Answer, CommandId, ConnId, KeyDerivation, OpId};
use crate::jid::{BareJid, FullJid};
use crate::replica::{Dot, Hlc, Place};
use crate::session::{Slot, What, Wishes, Word};
use crate::stanza::{Stanza, StanzaError};
use crate::store::StoreQuery;
use crate::trace::Event;

/// Something that waits for an account or an archive that has to be read first.
#[derive(Debug)]
pub(crate) struct Parked {
    /// What is done then.
    pub(crate) effect: Effect,
    /// Whose stanza it is: that session takes no other meanwhile.
    pub(crate) session: Option<SessionId>,
}

/// A stanza for an account of this node.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    /// The stanza.
    pub(crate) stanza: Stanza,
    /// The write without which nobody gets it.
    pub(crate) op: Option<OpId>,
    /// What becomes of it when a client never gets it.
    pub(crate) what: What,
}

/// A message that a session has sent, for its account's other resources (XEP-0280).
#[derive(Debug)]
pub(crate) struct Sent {
    /// The message, as the sender's own account shows it.
    pub(crate) stanza: Stanza,
    /// The write without which nobody gets a copy.
    pub(crate) op: Option<OpId>,
}

/// What is to be done about what an account has been given.
#[derive(Debug)]
pub(crate) enum Given {
    /// Tell the other nodes.
    Mark(BareJid),
    /// It is known better than before.
    Marked(BareJid),
    /// Owe it what was left to sessions that are gone, and give it to who is here.
    Recall(BareJid, Why),
}

/// Why it is looked up what was left of an account to sessions of other nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// This session has come, and is the first to be given it.
    Came(SessionId),
    /// Nobody else is seen.
    Alone,
    /// A session has gone that was seen at another node, and what was left before that is in no mark.
    Gone(Hlc),
    /// The node says so where they have left it.
    Told,
}

/// One thing to do. Effects are done in the order in which they were asked for.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Find out what a stanza is for and have it done.
    Route(Stanza),
    /// Tell a client that what it asked for is done. It is durable here, and may have to be elsewhere first.
    Promise(Stanza),
    /// Give a stanza to the sessions it is for.
    Deliver(Delivery),
    /// Route a stanza that no block list holds back: it says that one has changed.
    Pass(Stanza),
    /// Give copies of a message to the other sessions of its sender that want them.
    Copy(Sent),
    /// A client has asked for something that holds until its session ends.
    Wish(SessionId, fn(&mut Wishes)),
    /// Give a stanza to one session, whatever else holds for its account.
    Hand(SessionId, FullJid, Delivery),
    /// A page of the archive stands for the message at this place: its session need not be given that.
    Rely(SessionId, BareJid, Place),
    /// Do something about what an account has been given, over all nodes.
    Given(Given),
    /// A session takes messages for its account from here on: give it those that nobody has been given (XEP-0160).
    Owed(SessionId),
    /// An account is gone: its archive begins anew behind this stamp.
    Emptied(BareJid, Hlc),
    /// Another node says what was written there.
    Entries(u32, GroupId, Vec<Sealed>),
    /// Write an entry of another node for which everything is here.
    Take(GroupId, Dot),
    /// Take what was kept for an account, once that can be read.
    Play(BareJid),
    /// Remove from an archive what it may not keep.
    Sweep(BareJid),
    /// Find out what a stanza is for as soon as this account is in memory, too.
    RouteWith(BareJid, Stanza),
    /// Tell of the presence of a session, as it is by then; not at all when it has gone meanwhile.
    Present(Stanza),
    /// Give a stanza to these sessions, whatever its address says.
    Give(Vec<SessionId>, Stanza),
    /// The session is told of changes of its roster, and has been told all of them up to this version.
    Listed(SessionId, Option<Box<str>>),
    /// Make the session that a login asked for.
    Bind(ConnId, Bind),
    /// Read the stanzas of a session of the time before this start.
    Restored(SessionId),
    /// Go on with a session on another connection.
    Resume(ConnId, Resume),
    /// Take in a session that has come from another node.
    Install(u32, Shipment),
    /// Everything of a session that is to be resumed may be durable.
    GoOn(SessionId),
    /// Find others for what a session never got.
    Undelivered(FullJid, VecDeque<Slot>),
    /// Some of what a session leaves that has ended is being written: what comes for its account meanwhile comes behind that.
    Leaving(BareJid),
    /// What a session left that has ended has gone to others: its account is given what came since.
    Left(BareJid),
    /// A session has said something that other nodes are told.
    Said(SessionId, Box<Word>),
    /// Tell the client how many of its stanzas are safe (XEP-0198).
    Acknowledge(SessionId),
    /// A stanza of this session has been handled, or one of several things that it waited for is done.
    Finish(SessionId),
    /// Tell a stream something.
    ToStream(ConnId, ToStream),
    /// End the sessions and logins of an account, but not the one on `except`.
    EndSessions {
        /// The account.
        user: BareJid,
        /// A connection that goes on.
        except: Option<ConnId>,
        /// The condition of the stream error.
        condition: Condition,
    },
    /// Read.
    Load(OpId, StoreQuery),
    /// Run PBKDF2.
    Derive(OpId, KeyDerivation),
    /// Take in what the link to another node has told.
    FromPeer(FromPeer),
    /// Tell another node something.
    Tell(u32, ToPeer),
    /// Give on what another node has relayed and what need not wait any longer for what was said before it.
    Relayed(u32, Relay),
    /// Tell the sender of a message that nobody has it, if nobody has.
    GiveBack(Delivery, StanzaError),
    /// Another node has not taken a message that is stored nowhere, and nobody else has it.
    Unrelayed(Delivery, StanzaError),
    /// A session of another node is seen otherwise: tell those whom it concerns.
    Seen(Box<Change>),
    /// Do so with what has changed last at this address, by the account that has been read meanwhile.
    Show(FullJid),
    /// Show a session, which has come from another node, what is seen otherwise of somebody than it was shown there.
    Compare(BareJid, FullJid, BTreeMap<FullJid, u64>),
    /// Show a session somebody whom it follows and who is on another node.
    Follow(BareJid, FullJid),
    /// Answer an operator.
    Reply(CommandId, Answer),
    /// Tell the observers.
    Trace(Event),
}

impl Effect {
    /// Returns what is left to do of an effect that waited for the write `op` when that failed: what only stood behind
    /// something that needed it goes on.
    pub(crate) fn without(self, op: OpId) -> Option<Self> {
        if matches!(self, Self::Left(_)) {
            return Some(self);
        }
        let Self::Undelivered(who, mut slots) = self else { return None };
        slots.retain(|slot| slot.op != Some(op));
        (!slots.is_empty()).then_some(Self::Undelivered(who, slots))
    }
}
