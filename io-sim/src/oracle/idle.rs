//! Idleness: a node that has nothing to do does nothing.

use super::model::Run;
use super::{Judged, Oracle, Violation};

const NAME: &str = "idle";
/// Inputs of a node in a second in which nobody does or sees anything. A few timers may fall into one.
const INPUTS_MAX: u32 = 50;
/// The same where nodes are linked: they tell each other what they hold a while after the last change, and each byte may come alone.
const LINKED_MAX: u32 = 600;
const SECOND: u64 = 1_000_000_000;
/// For so many seconds what was said last may be on its way over a slow link.
const TRAVEL: u64 = 10;

/// The oracle.
pub(super) struct Idle;

impl Oracle for Idle {
    fn name(&self) -> &'static str {
        NAME
    }

    fn judge(&self, run: &Run<'_>) -> Judged {
        let mut judged = Judged::default();
        for check in run.evidence.checks {
            // The whole seconds since all that anybody did has arrived.
            let last = check.number.checked_sub(1).and_then(|last| run.record(last));
            let Some(last) = last.map(|record| record.at.as_nanos()) else { continue };
            let seconds = (last / SECOND + 1 + TRAVEL)..(check.at.as_nanos() / SECOND);
            judged.count += seconds.clone().count();
            judged.violations.extend(busiest(run, seconds, check.at));
        }
        judged
    }
}

fn busiest(run: &Run<'_>, seconds: core::ops::Range<u64>, at: crate::engine::SimTime) -> Option<Violation> {
    let inputs = run.evidence.inputs;
    let busy = inputs.iter().filter(|((_, second), _)| seconds.contains(second));
    let ((node, second), count) = busy.max_by_key(|(_, count)| **count)?;
    let most = if run.evidence.links.is_empty() { INPUTS_MAX } else { LINKED_MAX };
    (*count > most).then(|| {
        let name = run.node_name(node.at());
        let what = format!("node {name} had {count} inputs in second {second}, when nothing happened");
        let mut violation = run.violation(NAME, "busy", at, what);
        violation.who = vec![name.into()];
        violation
    })
}
