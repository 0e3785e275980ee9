//! What goes into a client and what comes out of it.

use bytes::Bytes;
use eyot_core::io::{CloseCause, TlsInfo};
use eyot_core::xml::Node;

use super::acks::Manage;
use super::compose::{Payload, Presence};
use super::kept::Ask;
use super::{Gs2, Sight};

/// How a client connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// STARTTLS on the port for it.
    StartTls,
    /// TLS first (XEP-0368).
    DirectTls,
    /// No TLS at all, on the STARTTLS port: a client that should be refused.
    Plain,
}

/// What a client is told before it connects.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// The domain it connects to.
    pub domain: String,
    /// The localpart it logs in as.
    pub user: String,
    /// Its password.
    pub password: String,
    /// The resource it asks for.
    pub resource: Option<String>,
    /// How it connects.
    pub over: Over,
    /// The mechanism it insists on, offered or not; the strongest offered one when absent.
    pub mechanism: Option<String>,
    /// What it says about channel binding; what is right when absent.
    pub gs2: Option<Gs2>,
    /// Text it writes behind `<starttls/>`, in the clear (an attacker in the path would).
    pub injected: Option<String>,
}

/// How far a connection is to be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Until the first features have been seen.
    Open,
    /// Until TLS is up and features have been seen again.
    Secured,
    /// Until an account was asked for.
    Registered {
        /// The localpart wanted.
        user: String,
        /// Its password.
        password: String,
    },
    /// Until SASL is done and features have been seen again.
    Authenticated,
    /// Until a resource is bound.
    Bound,
    /// Until the session of the connection before is resumed; until the server refuses, else.
    Resumed {
        /// How many stanzas it says that it has handled, instead of the truth.
        h: Option<u32>,
    },
    /// Until the session of the connection before is resumed; until a resource is bound, else.
    Returned {
        /// The presence to be sent where a resource had to be bound.
        presence: Option<Presence>,
    },
}

/// Something to do. Done in order; each begins when the one before it has come to its end, good or bad.
#[derive(Clone, Debug)]
pub enum Op {
    /// Connect if need be, and go on to the goal.
    Reach(Goal),
    /// Send a message.
    Message {
        /// `to`.
        to: String,
        /// `type`.
        kind: &'static str,
        /// The body.
        body: String,
        /// What stands behind it; nothing for most.
        extra: Vec<Node>,
    },
    /// Send presence.
    Presence(Presence),
    /// Send a request.
    Iq {
        /// `type`.
        kind: &'static str,
        /// `to`.
        to: Option<String>,
        /// What it carries.
        payload: Payload,
    },
    /// Send text as it is.
    Text(Bytes),
    /// Do something about acknowledgements and resumption.
    Manage(Manage),
    /// Ask for something, and keep the answer.
    Ask(Ask),
    /// Say whether anybody looks at it (XEP-0352).
    Active(bool),
    /// End the stream and, when the server has, the connection.
    Close,
    /// Give the connection up without a word.
    Abort,
}

/// What reaches a client.
#[derive(Clone, Debug)]
pub enum ToClient {
    /// Something to do.
    Do(Op),
    /// The connection it asked for is there.
    Opened,
    /// Nobody listens.
    Refused,
    /// The TLS handshake it asked for is done.
    Secured(TlsInfo),
    /// Bytes, decrypted where there is TLS.
    Received(Bytes),
    /// Bytes on the connection that it has left.
    Former(Bytes),
    /// The connection that it has left is gone.
    FormerEnded,
    /// The server will send nothing more.
    Ended,
    /// The connection is gone.
    Closed(CloseCause),
}

/// What a client wants done.
#[derive(Clone, Debug)]
pub enum FromClient {
    /// Connect.
    Connect(Over),
    /// Do the client's side of a TLS handshake.
    StartTls,
    /// Write.
    Send(Bytes),
    /// Send nothing more; what was sent still arrives.
    Finish,
    /// Close at once.
    Abort,
    /// Keep the connection for what the server says last on it; the client connects anew. One that was left before is
    /// closed at once.
    Leave,
    /// Note what was done or seen.
    Saw(Sight),
}
