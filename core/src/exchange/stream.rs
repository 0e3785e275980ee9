//! What a stream and the node tell each other: self-contained values, so that a driver may later run
//! streams on other threads than the node.

use std::sync::Arc;

use bytes::Bytes;

use super::condition::Condition;
use crate::io::{KeyDerivation, Secret, TlsInfo};
use crate::jid::{BareJid, Domain, FullJid};
use crate::stanza::StanzaError;
use crate::store::{AccountRecord, StoreError};
use crate::trace::Event;
use crate::xml::{Element, Node};

/// What a stream tells the node.
#[derive(Debug)]
pub(crate) enum FromStream {
    /// Write this.
    Write(Bytes),
    /// Begin TLS.
    StartTls,
    /// Close the connection; nothing follows.
    Close,
    /// Tell me about this account: [`ToStream::Account`].
    LoadAccount(BareJid),
    /// Run this: [`ToStream::Derived`].
    Derive(KeyDerivation),
    /// A registration request before login (XEP-0077): [`ToStream::Registered`].
    Register {
        /// The domain of the stream.
        domain: Domain,
        /// The whole IQ.
        iq: Element,
    },
    /// Make a session: [`ToStream::Bound`].
    Bind(Bind),
    /// A stanza of a bound session.
    Stanza(Element),
    /// Whether the client is looked at (XEP-0352).
    ClientState(Activity),
    /// The session, if there is one, has lost its stream.
    Ended {
        /// Why, for the observers.
        why: &'static str,
        /// Whether the session ends with it, also one that could be resumed.
        last: bool,
    },
    /// Something worth observing.
    Trace(Event),
}

/// Whether a person looks at a client (XEP-0352).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activity {
    /// Somebody does, as far as is known.
    Active,
    /// Nobody does.
    Inactive,
}

/// A wish for a session. Only SASL makes one.
#[derive(Debug)]
pub(crate) struct Bind {
    /// The account that logged in.
    pub(crate) user: BareJid,
    /// The wished resource, unprepared; one is made when absent.
    pub(crate) resource: Option<String>,
    /// The language of the stream.
    pub(crate) lang: Option<Arc<str>>,
}

/// What the node tells a stream.
#[derive(Debug)]
pub(crate) enum ToStream {
    /// TLS is up.
    Secured(TlsInfo),
    /// The account that was asked for; `None` when there is none.
    Account(Result<Option<AccountRecord>, StoreError>),
    /// The salted password.
    Derived(Secret),
    /// No key derivation can be run now.
    Overloaded,
    /// The answer to a registration request.
    Registered {
        /// The `id` of the request.
        id: Option<Box<str>>,
        /// The payload of the result, or the error.
        outcome: Result<Option<Node>, StanzaError>,
    },
    /// The session that was asked for.
    Bound(Result<FullJid, StanzaError>),
    /// The account's credentials changed: a login under way must begin again.
    Revoked(BareJid),
    /// End the stream with an error.
    Fail(Condition, &'static str),
    /// So many of the client's stanzas are safe (XEP-0198).
    Acknowledge(u32),
    /// The peer will send nothing more.
    PeerEnded,
}
