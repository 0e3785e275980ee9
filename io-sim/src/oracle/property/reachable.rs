//! What nodes say of themselves.

use eyot_core::trace::Event;

use super::list::Counts;
use crate::engine::SimTime;
use crate::world::NodeIx;

/// Counts what nodes said.
pub(super) fn count(traces: &[(SimTime, NodeIx, Event)], counts: &mut Counts) {
    for (_, _, event) in traces {
        let name = match event {
            Event::Started { .. } => "node-started",
            Event::LimitReached { .. } => "node-limit-reached",
            Event::StreamError { .. } => "node-stream-error",
            Event::LoginFailed { .. } => "node-login-failed",
            Event::Bound { .. } => "node-bound",
            Event::Unbound { .. } => "node-unbound",
            Event::Closed { .. } => "node-closed",
            Event::AccountChanged { what, .. } => match *what {
                "added" => "node-account-added",
                "removed" => "node-account-removed",
                _ => "node-account-password",
            },
            // Told for each stanza, and therefore not kept.
            Event::Routed { .. } => continue,
            Event::StoreFailed { .. } => "node-store-failed",
            Event::Stopping => "node-stopping",
        };
        counts.add(name, 1);
    }
}
