//! What a line may wait for.

use core::fmt;

use eyot_core::trace::Event;

/// Something that happens for the n-th time since somebody began to wait for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// A client has got messages.
    Got {
        /// The client.
        client: String,
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

/// The names of what a node says of itself.
pub const TRACES: [&str; 11] = [
    "started",
    "limit-reached",
    "stream-error",
    "login-failed",
    "bound",
    "unbound",
    "closed",
    "account-changed",
    "routed",
    "store-failed",
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
        Event::Unbound { .. } => "unbound",
        Event::Closed { .. } => "closed",
        Event::AccountChanged { .. } => "account-changed",
        Event::Routed { .. } => "routed",
        Event::StoreFailed { .. } => "store-failed",
        Event::Stopping => "stopping",
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Got { client, count } => write!(out, "{client} got {count} messages"),
            Self::Traces { node, event, count } => write!(out, "{node} traces {event} {count}"),
            Self::Syncs { node, count } => write!(out, "{node} syncs {count}"),
        }
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
