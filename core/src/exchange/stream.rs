//! What a stream and the node tell each other: self-contained values, so that a driver may later run
//! streams on other threads than the node.

use std::sync::Arc;

use bytes::Bytes;

use super::condition::Condition;
use crate::io::{KeyDerivation, Secret, TlsInfo};
use crate::jid::{BareJid, Domain, FullJid};
use crate::stanza::StanzaError;
use crate::store::{AccountRecord, StoreError};
use crate::time::Span;
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
    /// Go on with a session that has lost its stream, or is about to: [`ToStream::Resumed`].
    Resume(Resume),
    /// A stanza of a bound session.
    Stanza(Element),
    /// Whether the client is looked at (XEP-0352).
    ClientState(Activity),
    /// Acknowledge from here on (XEP-0198): [`ToStream::Enabled`].
    Enable(Enable),
    /// How many stanzas are safe? [`ToStream::Acknowledge`].
    AskAck,
    /// The client has handled so many stanzas.
    Ack(u32),
    /// The session, if there is one, has lost its stream.
    Ended {
        /// Why, for the observers.
        why: &'static str,
        /// What becomes of the session.
        leaves: Leaves,
    },
    /// Something worth observing.
    Trace(Event),
}

/// What the end of a stream leaves of a session that can be resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaves {
    /// It waits to be resumed.
    Session,
    /// It ends; how many stanzas it had handled can be learned for a while.
    Count,
    /// It ends: its client wanted that.
    Nothing,
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

/// A wish to go on with a session (XEP-0198, 5). Only SASL makes one.
#[derive(Debug)]
pub(crate) struct Resume {
    /// The account that logged in.
    pub(crate) user: BareJid,
    /// The id of the session.
    pub(crate) id: Box<str>,
    /// How many stanzas the client has handled.
    pub(crate) h: u32,
    /// The language of the stream.
    pub(crate) lang: Option<Arc<str>>,
}

/// A wish for acknowledgements (XEP-0198, 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Enable {
    /// Whether the session is to be resumed.
    pub(crate) resume: bool,
    /// How long it is to wait for that.
    pub(crate) max: Option<Span>,
}

/// What the client is told about its acknowledgements.
#[derive(Debug)]
pub(crate) enum Enabled {
    /// They are on; the session can be resumed under this id for so long.
    Resumable(Box<str>, Span),
    /// They are on.
    Counting,
    /// They were on before: there is one attempt (XEP-0198, 3).
    Twice,
}

/// A session goes on.
#[derive(Debug)]
pub(crate) struct Resumed {
    /// Its id.
    pub(crate) id: Box<str>,
    /// How many of the client's stanzas are safe.
    pub(crate) h: u32,
}

/// A session does not go on; the client may make another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotResumed {
    /// Why.
    pub(crate) error: StanzaError,
    /// How many of the client's stanzas had been handled, if that is known.
    pub(crate) h: Option<u32>,
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
    /// The acknowledgements that were asked for.
    Enabled(Enabled),
    /// The session goes on, on this stream, or does not.
    Resumed(Result<Resumed, NotResumed>),
    /// So many of the client's stanzas are safe (XEP-0198).
    Acknowledge(u32),
    /// Acknowledgements have not been enabled.
    NotEnabled,
    /// The client claims to have handled more than it was sent.
    TooHigh {
        /// What it claims.
        h: u32,
        /// What it was sent.
        sent: u32,
    },
    /// The peer will send nothing more.
    PeerEnded,
}
