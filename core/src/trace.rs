//! What can be observed of a node. Logs, metrics, tests and the simulator all read these events; the core
//! does not log.

use core::fmt;

use crate::config::Level;
use crate::io::{CloseCause, ConnId};
use crate::jid::Jid;
use crate::replica::Origin;
use crate::store::StoreError;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The node read its store and is ready.
    Started {
        /// How often it has started on this store.
        start: u64,
    },
    /// A connection was refused or cut because a bound was reached.
    LimitReached {
        /// The connection.
        conn: ConnId,
        /// The bound, by its name in `limits.rs`.
        limit: &'static str,
    },
    /// A stream ended with an error that this node found.
    StreamError {
        /// The connection.
        conn: ConnId,
        /// The condition (RFC 6120, 4.9.3).
        condition: &'static str,
        /// What exactly was wrong.
        detail: &'static str,
    },
    /// A login failed.
    LoginFailed {
        /// The connection.
        conn: ConnId,
        /// The condition (RFC 6120, 6.5).
        condition: &'static str,
    },
    /// A session began.
    Bound {
        /// The connection.
        conn: ConnId,
        /// Its full JID.
        who: Pii<Jid>,
    },
    /// A session has lost its stream and waits to be resumed.
    Detached {
        /// Its full JID.
        who: Pii<Jid>,
    },
    /// A session goes on.
    Resumed {
        /// The connection.
        conn: ConnId,
        /// Its full JID.
        who: Pii<Jid>,
    },
    /// A session ended.
    Unbound {
        /// Its full JID.
        who: Pii<Jid>,
        /// Why.
        why: &'static str,
    },
    /// A connection is gone.
    Closed {
        /// The connection.
        conn: ConnId,
        /// Why.
        cause: CloseCause,
    },
    /// An account was created, changed or removed.
    AccountChanged {
        /// The account.
        who: Pii<Jid>,
        /// `added`, `password`, `removed`.
        what: &'static str,
    },
    /// A stanza was routed.
    Routed {
        /// `message`, `presence`, `iq`.
        kind: &'static str,
        /// How many sessions got it.
        copies: u32,
    },
    /// The store failed.
    StoreFailed {
        /// How.
        error: StoreError,
    },
    /// A session of before the start stays where it is stored, for something of it or of its account is damaged.
    Unrestored {
        /// Its full JID; its bare JID or nothing where the damage is there.
        who: Option<Pii<Jid>>,
    },
    /// Something of an account is damaged. What other nodes write for it is kept as it came, and not seen before that can be read.
    KeptBack {
        /// The account.
        who: Pii<Jid>,
    },
    /// Another node can be reached.
    PeerUp {
        /// Its name.
        peer: Box<str>,
        /// Which start of it this is.
        origin: Origin,
    },
    /// Another node is reached over another connection than before.
    PeerMoved {
        /// Its name.
        peer: Box<str>,
    },
    /// Another node, to which there are several ways, is reached on this one from here on: by its name, "over" and those between, or
    /// nothing where it is reached itself.
    PeerRoute {
        /// Its name.
        peer: Box<str>,
        /// What the way is called.
        route: Box<str>,
    },
    /// Another node cannot be reached any more.
    PeerDown {
        /// Its name.
        peer: Box<str>,
        /// Why.
        why: &'static str,
    },
    /// Some of what was written here is not sent to another node: too much waits for it, or has waited for too long. Not told again
    /// before it has everything that was sent to it.
    PeerBehind {
        /// Its name.
        peer: Box<str>,
    },
    /// Something is longer than another node takes, whose limits are lower, and is not sent there. Not told again before that one has
    /// been away.
    PeerTooSmall {
        /// Its name.
        peer: Box<str>,
    },
    /// A connection between two nodes was refused, by one of them. Not told again for the same reason.
    PeerRefused {
        /// The name of the other one, where it is a member.
        peer: Option<Box<str>>,
        /// Why.
        why: &'static str,
    },
    /// More or fewer are there to hold what is written in a domain whose level counts members or sites.
    Level {
        /// The domain.
        domain: Box<str>,
        /// Its level.
        level: Level,
        /// How many there are, of those that the level counts: this one, and those that can be reached and keep up.
        there: u32,
    },
    /// The node is stopping.
    Stopping,
}

/// How loud an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Per stanza.
    Trace,
    /// Decisions.
    Debug,
    /// Changes an operator would tell a colleague.
    Info,
    /// Wake somebody.
    Warn,
    /// Broken; fails every test.
    Error,
}

/// A value about a person: `Debug` and `Display` hide it unless asked by name.
#[derive(Clone, PartialEq, Eq)]
pub struct Pii<T>(T);

impl Event {
    /// Returns how loud the event is.
    pub const fn severity(&self) -> Severity {
        match self {
            Self::Routed { .. } => Severity::Trace,
            Self::Bound { .. }
            | Self::Detached { .. }
            | Self::Resumed { .. }
            | Self::Unbound { .. }
            | Self::Closed { .. }
            | Self::LoginFailed { .. }
            | Self::PeerMoved { .. }
            | Self::PeerRoute { .. }
            | Self::StreamError { .. } => Severity::Debug,
            Self::Started { .. }
            | Self::AccountChanged { .. }
            | Self::PeerUp { .. }
            | Self::PeerDown { .. }
            | Self::Stopping => Severity::Info,
            Self::Level { level, there, .. } if *there >= level.wanted() => Severity::Info,
            Self::LimitReached { .. }
            | Self::Level { .. }
            | Self::PeerBehind { .. }
            | Self::PeerTooSmall { .. }
            | Self::PeerRefused { .. } => Severity::Warn,
            Self::StoreFailed { .. } | Self::Unrestored { .. } | Self::KeptBack { .. } => Severity::Error,
        }
    }
}

impl<T> Pii<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Shows the value. For levels at or below debug, and for tests.
    pub const fn reveal(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Pii<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("(hidden)")
    }
}
