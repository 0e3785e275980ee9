//! Bounds: what waits for a client that does not read is bounded (`docs/promises.md`, P7).
//!
//! The world measures what a node has handed over and was not told to be taken. `core/src/limits.rs` promises that stanzas
//! wait up to `send_queue_bytes`, or `unacked_bytes` for a client that acknowledges, and one always fits an empty queue,
//! however large it is: none is larger than what somebody sent. What a stream says for itself (its features, a login, its
//! end) is not counted there and is little.

use super::model::Run;
use super::{Judged, Oracle};
use crate::client::Sight;
use crate::world::Actor;

const NAME: &str = "bounds";
/// What the server adds to a stanza of a client: two addresses, a language, an error.
const ENVELOPE: u64 = 8 * 1024;
/// What a stream says for itself.
const NEGOTIATION: u64 = 8 * 1024;

/// The oracle.
pub(super) struct Bounds;

impl Oracle for Bounds {
    fn name(&self) -> &'static str {
        NAME
    }

    fn judge(&self, run: &Run<'_>) -> Judged {
        let limits = &run.evidence.cast.limits;
        let one = largest(run).min(u64::from(limits.stanza_bytes)) + ENVELOPE;
        let mut judged = Judged::default();
        for backlog in run.evidence.backlogs.iter().filter(|backlog| backlog.most > NEGOTIATION) {
            let counts =
                run.sessions.iter().any(|session| session.client == backlog.client.at() && session.counts);
            let waits = if counts {
                limits.send_queue_bytes.max(limits.unacked_bytes)
            } else {
                limits.send_queue_bytes
            };
            let bound = u64::from(waits).max(one) + NEGOTIATION;
            judged.add((backlog.most > bound).then(|| {
                let (who, bytes) = (run.client_name(backlog.client.at()), backlog.most);
                let what = format!("{bytes} bytes wait for {who}, of at most {bound}");
                let mut violation = run.violation(NAME, "send-queue", backlog.at, what);
                violation.who = vec![who.into()];
                violation
            }));
        }
        judged
    }
}

/// The most that any client has sent at once.
fn largest(run: &Run<'_>) -> u64 {
    let sent = run.evidence.history.iter().map(|record| match &record.actor {
        Actor::Client(_, Sight::Sent(bytes)) => bytes.len() as u64,
        Actor::Client(..) | Actor::Node(..) | Actor::World(_) => 0,
    });
    sent.max().unwrap_or_default()
}
