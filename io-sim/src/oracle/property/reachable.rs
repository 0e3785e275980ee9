//! What nodes say of themselves.

use eyot_core::trace::Event;

use super::list::{Counts, UNREACHED};
use crate::engine::SimTime;
use crate::world::NodeIx;

/// Counts what nodes said.
pub(super) fn count(traces: &[(SimTime, NodeIx, Event)], counts: &mut Counts) {
    for (_, _, event) in traces {
        let name = match event {
            Event::Started { .. } => "node-started",
            Event::LimitReached { limit, .. } => match of_limit(limit) {
                Some(name) => name,
                None => continue,
            },
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
            // The first is told for each stanza, and therefore not kept; the others need clients that resume,
            // clusters or damage, which no template draws.
            Event::Routed { .. }
            | Event::Detached { .. }
            | Event::Resumed { .. }
            | Event::PeerUp { .. }
            | Event::PeerMoved { .. }
            | Event::PeerRoute { .. }
            | Event::PeerDown { .. }
            | Event::PeerBehind { .. }
            | Event::PeerTooSmall { .. }
            | Event::PeerRefused { .. }
            | Event::Filling
            | Event::Joined { .. }
            | Event::Forgotten { .. }
            | Event::NotServing { .. }
            | Event::Level { .. }
            | Event::KeptBack { .. }
            | Event::Unrestored { .. } => continue,
            Event::StoreFailed { .. } => "node-store-failed",
            Event::Stopping => "node-stopping",
        };
        counts.add(name, 1);
    }
}

/// Returns the property of a bound; nothing for one that is not asked for.
///
/// # Panics
///
/// When the bound is not known: each has a property, or a reason in [`UNREACHED`].
fn of_limit(limit: &str) -> Option<&'static str> {
    match limit {
        "send_queue_bytes" => Some("node-limit-send-queue-bytes"),
        "unauthenticated_per_peer" => Some("node-limit-unauthenticated-per-peer"),
        other => {
            let told = UNREACHED.iter().any(|(known, _)| *known == other);
            assert!(told, "the bound {other} has a property, or a reason for having none");
            None
        }
    }
}
