//! Bounds: what waits for a client that does not read is bounded (`docs/promises.md`, P7).
//!
//! What a node hands over and its system has not taken is measured by the world. `core/src/limits.rs` promises that stanzas
//! wait up to `send_queue_bytes`, and that one always fits an empty queue, however large it is. What a
//! stream says for itself (its features, a login, its end) is not counted there and is little.

use super::model::Run;
use super::{Judged, Oracle};

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
        let one = u64::from(limits.stanza_bytes) + ENVELOPE;
        let bound = u64::from(limits.send_queue_bytes).max(one) + NEGOTIATION;
        let mut judged = Judged::default();
        for backlog in run.evidence.backlogs.iter().filter(|backlog| backlog.most > 0) {
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
