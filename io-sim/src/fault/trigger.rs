//! What a line may wait for.

use core::fmt;

use eyot_core::trace::Event;

/// Something that happens for the n-th time since somebody began to wait for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// A client has got stanzas.
    Got {
        /// The client.
        client: String,
        /// Of which kind.
        what: Counted,
        /// So many.
        count: u64,
    },
    /// A node has said something of itself.
    Traces {
        /// The node.
        node: String,
        /// What, by one of the names in [`TRACES`].
        event: String,
        /// So often.
        count: u64,
    },
    /// The disk of a node has made batches durable.
    Syncs {
        /// The node.
        node: String,
        /// So many.
        count: u64,
    },
}

/// Which stanzas are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Messages.
    Messages,
    /// Presences.
    Presences,
    /// Requests and their answers.
    Iqs,
    /// All of them.
    Stanzas,
}

impl Counted {
    /// Reads `messages`, `presences`, `iqs` or `stanzas`, or one of it.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "message" | "messages" => Self::Messages,
            "presence" | "presences" => Self::Presences,
            "iq" | "iqs" => Self::Iqs,
            "stanza" | "stanzas" => Self::Stanzas,
            _ => return None,
        })
    }

    /// Returns the name of the only elements that are counted; nothing when all are.
    pub const fn element(self) -> Option<&'static str> {
        match self {
            Self::Messages => Some("message"),
            Self::Presences => Some("presence"),
            Self::Iqs => Some("iq"),
            Self::Stanzas => None,
        }
    }
}

/// The names of what a node says of itself.
pub const TRACES: [&str; 23] = [
    "started",
    "limit-reached",
    "stream-error",
    "login-failed",
    "bound",
    "detached",
    "resumed",
    "unbound",
    "closed",
    "account-changed",
    "routed",
    "store-failed",
    "unrestored",
    "kept-back",
    "peer-up",
    "peer-moved",
    "peer-route",
    "peer-down",
    "peer-behind",
    "peer-too-small",
    "peer-refused",
    "level",
    "stopping",
];

/// Returns the name of what a node says.
pub const fn trace_name(event: &Event) -> &'static str {
    match event {
        Event::Started { .. } => "started",
        Event::LimitReached { .. } => "limit-reached",
        Event::StreamError { .. } => "stream-error",
        Event::LoginFailed { .. } => "login-failed",
        Event::Bound { .. } => "bound",
        Event::Detached { .. } => "detached",
        Event::Resumed { .. } => "resumed",
        Event::Unbound { .. } => "unbound",
        Event::Closed { .. } => "closed",
        Event::AccountChanged { .. } => "account-changed",
        Event::Routed { .. } => "routed",
        Event::StoreFailed { .. } => "store-failed",
        Event::Unrestored { .. } => "unrestored",
        Event::KeptBack { .. } => "kept-back",
        Event::PeerUp { .. } => "peer-up",
        Event::PeerMoved { .. } => "peer-moved",
        Event::PeerRoute { .. } => "peer-route",
        Event::PeerDown { .. } => "peer-down",
        Event::PeerBehind { .. } => "peer-behind",
        Event::PeerTooSmall { .. } => "peer-too-small",
        Event::PeerRefused { .. } => "peer-refused",
        Event::Filling => "filling",
        Event::Joined { .. } => "joined",
        Event::Forgotten { .. } => "forgotten",
        Event::NotServing { .. } => "not-serving",
        Event::Level { .. } => "level",
        Event::Stopping => "stopping",
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Got { client, what, count } => write!(out, "{client} got {count} {what}"),
            Self::Traces { node, event, count } => write!(out, "{node} traces {event} {count}"),
            Self::Syncs { node, count } => write!(out, "{node} syncs {count}"),
        }
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Messages => "messages",
            Self::Presences => "presences",
            Self::Iqs => "iqs",
            Self::Stanzas => "stanzas",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eyot_core::store::StoreError;

    #[test]
    fn what_is_said_has_a_name_that_a_line_can_wait_for() {
        assert!(TRACES.contains(&trace_name(&Event::Stopping)));
        assert!(TRACES.contains(&trace_name(&Event::StoreFailed { error: StoreError::Io })));
    }
}
