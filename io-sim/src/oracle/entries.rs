//! Entries: one name, one payload, and nobody is told of what the disk of its origin does not hold (`docs/replication.md`, R1).
//!
//! The world reads the frames itself, when they are handed over, and sees what the disks make durable. A node whose disk has lied is
//! not asked.

use std::collections::BTreeMap;

use eyot_core::store::Write;

use super::model::Run;
use super::{Judged, Oracle, Violation};
use crate::engine::SimTime;
use crate::world::{Actor, EntrySight, NodeIx, NodeSight};

const NAME: &str = "entries";
/// The first byte of the keys of the index by dot.
const INDEX: u8 = 15;
/// What names the kinds of groups in those keys.
const KINDS: [&str; 2] = ["c", "l"];

/// The oracle.
pub(super) struct Entries;

impl Oracle for Entries {
    fn name(&self) -> &'static str {
        NAME
    }

    fn judge(&self, run: &Run<'_>) -> Judged {
        let held = held(run);
        let mut payloads = BTreeMap::new();
        let mut judged = Judged::default();
        for sight in run.evidence.entries {
            let name = (&sight.group, sight.dot);
            let first = *payloads.entry(name).or_insert(sight.payload);
            judged.add(
                (first != sight.payload)
                    .then(|| tell(run, sight, "two-payloads", "it was another one before")),
            );
            if run.troubles.forgot(sight.node.at()).is_none() {
                let durable = held.get(&(sight.node, key(sight)));
                let early = durable.is_none_or(|durable| *durable > sight.at);
                judged.add(early.then(|| tell(run, sight, "before-the-disk", "the disk does not hold it")));
            }
        }
        judged
    }
}

/// Returns since when the disk of each node holds which rows of the index.
fn held(run: &Run<'_>) -> BTreeMap<(NodeIx, Vec<u8>), SimTime> {
    let mut held = BTreeMap::new();
    if run.evidence.entries.is_empty() {
        return held;
    }
    for record in run.evidence.history {
        let Actor::Node(node, NodeSight::Synced(batch)) = &record.actor else { continue };
        for write in &batch.writes {
            if let Write::Put { key, .. } = write
                && key.as_bytes().first() == Some(&INDEX)
            {
                held.entry((*node, key.as_bytes().to_vec())).or_insert(record.at);
            }
        }
    }
    held
}

/// Returns the key of the row of the index of an entry.
fn key(sight: &EntrySight) -> Vec<u8> {
    let kind = KINDS.get(usize::from(sight.group.kind)).copied().unwrap_or_default();
    let mut key = vec![INDEX];
    for part in [&*sight.group.domain, kind] {
        key.extend_from_slice(part.as_bytes());
        key.push(0);
    }
    key.extend_from_slice(&sight.group.shard.to_be_bytes());
    key.extend_from_slice(&sight.dot.to_bytes());
    key
}

fn tell(run: &Run<'_>, sight: &EntrySight, kind: &str, what: &str) -> Violation {
    let names = [run.node_name(sight.node.at()), run.node_name(sight.peer.at())];
    let what = format!("{} tells {} of {:?}: {what}", names[0], names[1], sight.dot);
    let mut violation = run.violation(NAME, kind, sight.at, what);
    violation.who = names.map(String::from).to_vec();
    violation
}
