//! Starts: each start of a node is a new incarnation, and is on disk before anybody is served (`docs/promises.md`, P2).

use std::collections::BTreeMap;

use eyot_core::store::{Key, StoreBatch, Table, Write};

use super::model::{Mark, Run};
use super::{Judged, Oracle};
use crate::world::{Actor, NodeSight};

const NAME: &str = "boot";

/// The oracle.
pub(super) struct Boots;

/// What is known of a node.
#[derive(Clone, Copy, Debug, Default)]
struct NodeSeen {
    /// Whether it has written of itself since it was started.
    written: bool,
    /// When it was ready last, and how often it said that it had started.
    last: Option<(Mark, u64)>,
}

impl Oracle for Boots {
    fn name(&self) -> &'static str {
        NAME
    }

    fn judge(&self, run: &Run<'_>) -> Judged {
        let mut nodes: BTreeMap<usize, NodeSeen> = BTreeMap::new();
        let mut judged = Judged::default();
        for (number, record) in run.evidence.history.iter().enumerate() {
            let Actor::Node(node, sight) = &record.actor else { continue };
            let seen = nodes.entry(node.at()).or_default();
            match sight {
                NodeSight::Started => seen.written = false,
                NodeSight::Synced(batch) => seen.written |= writes_of_node(batch),
                NodeSight::Ready(boot) => {
                    let mark = Mark { at: record.at, number };
                    // What the disk has lost the node cannot know.
                    let last = seen.last.filter(|(last, _)| !run.troubles.forgot_in(node.at(), *last, mark));
                    let kind = if !seen.written {
                        Some("not-on-disk")
                    } else if last.is_some_and(|(_, start)| boot.start <= start) {
                        Some("start-not-new")
                    } else {
                        None
                    };
                    seen.last = Some((mark, boot.start));
                    judged.add(kind.map(|kind| {
                        let name = run.node_name(node.at());
                        let what = format!("node {name} is ready with start {}: {kind}", boot.start);
                        let mut violation = run.violation(NAME, kind, record.at, what);
                        violation.who = vec![name.into()];
                        violation.records =
                            last.map(|(last, _)| last.number).into_iter().chain([number]).collect();
                        violation
                    }));
                }
                NodeSight::Asked(..)
                | NodeSight::Answered(..)
                | NodeSight::Killed
                | NodeSight::PowerOff
                | NodeSight::Stopped
                | NodeSight::Linked(_)
                | NodeSight::Route(..)
                | NodeSight::Unlinked(..)
                | NodeSight::Level(..) => {}
            }
        }
        judged
    }
}

fn writes_of_node(batch: &StoreBatch) -> bool {
    let is_node = |key: &Key| key.as_bytes().first() == Some(&(Table::Node as u8));
    batch.writes.iter().any(|write| matches!(write, Write::Put { key, .. } if is_node(key)))
}
