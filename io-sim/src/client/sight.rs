//! What a client does and sees.

use bytes::Bytes;
use eyot_core::io::CloseCause;
use eyot_core::xml::{Element, ns};

use super::{Gs2, Nonza, Over};

/// One thing a client did or saw.
#[derive(Clone, Debug)]
pub enum Sight {
    /// It connects.
    Connecting {
        /// How.
        over: Over,
    },
    /// Nobody listens there.
    Refused,
    /// The server offered these features: mechanisms by name, `starttls`, `starttls required`, `bind`,
    /// `register`, channel bindings as `binding NAME`.
    Features(Vec<String>),
    /// It asks for TLS.
    StartTls,
    /// The server refused TLS.
    TlsRefused,
    /// TLS is up.
    Secured,
    /// It would have needed this feature to go on.
    NotOffered(String),
    /// It tries to log in.
    Login {
        /// The mechanism.
        mechanism: String,
        /// What it says about channel binding; nothing for PLAIN.
        gs2: Option<Gs2>,
    },
    /// The server says that it is logged in, and has proved that it knows the account.
    LoggedIn,
    /// The server refused the login.
    LoginFailed {
        /// The condition (RFC 6120, 6.5).
        condition: String,
    },
    /// The client refused the server in the middle of a login.
    ServerDistrusted {
        /// Why.
        why: &'static str,
    },
    /// It asks for a resource.
    Bind {
        /// Which; the server makes one when absent.
        resource: Option<String>,
    },
    /// It has a full JID.
    Bound {
        /// The full JID.
        jid: String,
        /// Whether the resource is the one it asked for.
        requested: bool,
    },
    /// The server refused the resource.
    BindFailed {
        /// The condition.
        condition: String,
    },
    /// It asks for an account.
    Registering {
        /// The wanted localpart.
        user: String,
    },
    /// The server says that it made the account.
    Registered,
    /// The server refused to make the account.
    RegisterFailed {
        /// The condition.
        condition: String,
    },
    /// It sent a stanza, or text that is none.
    Sent(Bytes),
    /// It got a stanza.
    Got(Element),
    /// The server ended the stream with an error.
    StreamError {
        /// The condition (RFC 6120, 4.9.3).
        condition: String,
    },
    /// It ends its stream.
    Closing,
    /// The server ended its stream.
    StreamEnd,
    /// What the server sent is not XMPP. Fails the run.
    Nonsense(String),
    /// The connection is gone.
    Closed(CloseCause),
    /// It said or was told something about the stream itself.
    Nonza(Nonza),
    /// It was told to do something that needs a stream, and has none.
    NotConnected(&'static str),
    /// The bytes of everything else that passed, that is no stanza, for `--xml`.
    Wire {
        /// Whether the client sent it.
        sent: bool,
        /// The bytes.
        bytes: Bytes,
    },
}

impl Sight {
    /// Returns the stanza, if the client got one.
    pub const fn got(&self) -> Option<&Element> {
        if let Self::Got(element) = self { Some(element) } else { None }
    }

    /// Returns the condition with which the server refused something, if it did.
    pub fn refusal(&self) -> Option<String> {
        match self {
            Self::LoginFailed { condition }
            | Self::BindFailed { condition }
            | Self::RegisterFailed { condition } => Some(condition.clone()),
            Self::Got(element) => condition_of(element),
            Self::Connecting { .. }
            | Self::Refused
            | Self::Features(_)
            | Self::StartTls
            | Self::TlsRefused
            | Self::Secured
            | Self::NotOffered(_)
            | Self::Login { .. }
            | Self::LoggedIn
            | Self::ServerDistrusted { .. }
            | Self::Bind { .. }
            | Self::Bound { .. }
            | Self::Registering { .. }
            | Self::Registered
            | Self::Sent(_)
            | Self::StreamError { .. }
            | Self::Closing
            | Self::StreamEnd
            | Self::Nonsense(_)
            | Self::Closed(_)
            | Self::NotConnected(_)
            | Self::Nonza(_)
            | Self::Wire { .. } => None,
        }
    }
}

/// Returns the condition of a stanza of type `error` (RFC 6120, 8.3).
pub fn condition_of(stanza: &Element) -> Option<String> {
    if stanza.attr("type").as_deref() != Some("error") {
        return None;
    }
    let error = stanza.child("error", ns::CLIENT).map(|error| error.tree());
    let condition = error.as_ref().and_then(|error| {
        error.children().find(|child| child.ns() == ns::STANZA_ERRORS && child.name() != "text")
    });
    Some(condition.map_or_else(|| String::from("(no condition)"), |found| found.name().into()))
}
