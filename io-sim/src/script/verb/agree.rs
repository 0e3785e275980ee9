//! `expect nodes agree`: whether the disks of all nodes hold the same entries, and since when.

use std::collections::BTreeMap;

use eyot_core::store::{Key, Table, Write};

use super::{Act, Part, Scope, Stage, Trouble, Words};
use crate::disk::Summed;
use crate::engine::{SimSpan, SimTime};
use crate::world::{Actor, NodeIx, NodeSight, Record};

#[derive(Debug)]
struct Agree {
    within: Option<SimSpan>,
}

/// `nodes agree [within SPAN]`: the disks of all nodes hold the same index of what is live, and have done so from that time after the
/// beginning of the chapter on; nothing when it is no such line
pub(super) fn expect(words: &mut Words<'_>, scope: &Scope) -> Result<Option<Box<dyn Act>>, String> {
    if !words.take("nodes agree") {
        return Ok(None);
    }
    let within = if words.take("within") { Some(words.span("how soon")?) } else { None };
    words.end()?;
    if scope.nodes.len() < 2 {
        return Err("nodes agree where there are several".into());
    }
    Ok(Some(Box::new(Agree { within })))
}

/// Performs what a write does to the index of a disk.
fn perform(index: &mut Summed, write: &Write) {
    match write {
        Write::Put { key, value } if is_indexed(key) => index.set(key, Some(value)),
        Write::Delete { key } if is_indexed(key) => index.set(key, None),
        Write::DeleteRange { from, to } if from < to => index.clear(from, to),
        Write::Put { .. } | Write::Delete { .. } | Write::DeleteRange { .. } => {}
    }
}

fn is_indexed(key: &Key) -> bool {
    key.as_bytes().first() == Some(&(Table::Dot as u8))
}

/// Returns since when the disks of so many nodes hold the same, and how many entries each of them holds.
fn since(history: &[Record], nodes: usize) -> (Option<SimTime>, Vec<usize>) {
    let mut disks: BTreeMap<NodeIx, Summed> = BTreeMap::new();
    let mut since = None;
    for record in history {
        let Actor::Node(node, NodeSight::Synced(batch)) = &record.actor else { continue };
        let disk = disks.entry(*node).or_default();
        for write in &batch.writes {
            perform(disk, write);
        }
        let sum = disk.sum();
        let is_same = disks.len() == nodes && disks.values().all(|other| other.sum() == sum);
        since = if is_same { since.or(Some(record.at)) } else { None };
    }
    (since, disks.values().map(Summed::len).collect())
}

impl Act for Agree {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        let (since, rows) = since(stage.world.history(), stage.node_names.len());
        let soon = |at: SimTime| self.within.is_none_or(|within| at.since(stage.begun) <= within);
        let seen = match since {
            Some(at) => format!("they agree since {at}, and the chapter began at {}", stage.begun),
            None => format!("they do not agree; they hold {rows:?} entries"),
        };
        stage.judge(since.is_some_and(soon), vec![seen]);
        Ok(())
    }

    fn part(&self) -> Part {
        Part::Expect
    }
}
