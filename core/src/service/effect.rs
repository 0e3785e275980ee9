//! What a service, a stream or the router wants to happen, as values that the node carries.

use crate::exchange::{Condition, ToStream};
use crate::io::{Answer, CommandId, ConnId, KeyDerivation, OpId};
use crate::jid::BareJid;
use crate::stanza::Stanza;
use crate::store::{StoreBatch, StoreQuery};
use crate::trace::Event;

/// One thing to do. Effects are done in the order in which they were asked for.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Deliver a stanza.
    Route(Stanza),
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
    /// Write a batch; what waits for it stands in [`super::ops::Ops`].
    Store(OpId, StoreBatch),
    /// Read.
    Load(OpId, StoreQuery),
    /// Run PBKDF2.
    Derive(OpId, KeyDerivation),
    /// Answer an operator.
    Reply(CommandId, Answer),
    /// Tell the observers.
    Trace(Event),
}
