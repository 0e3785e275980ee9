//! `expect nodes agree`: whether the disks of all nodes hold the same entries, and since when.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use eyot_core::store::{Key, Table, Write};

use super::{Act, Part, Scope, Stage, Trouble, Words};
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

/// The index of one disk.
#[derive(Debug, Default)]
struct Index {
    rows: BTreeMap<Key, u64>,
    /// Their sum: two indexes with the same sum are the same.
    sum: u64,
}

impl Index {
    fn set(&mut self, key: &Key, value: Option<&[u8]>) {
        let number = value.map(|value| {
            let mut hasher = DefaultHasher::new();
            (key.as_bytes(), value).hash(&mut hasher);
            hasher.finish()
        });
        let before = match number {
            Some(number) => self.rows.insert(key.clone(), number),
            None => self.rows.remove(key),
        };
        self.sum = self.sum.wrapping_add(number.unwrap_or_default()).wrapping_sub(before.unwrap_or_default());
    }

    fn perform(&mut self, write: &Write) {
        match write {
            Write::Put { key, value } if is_indexed(key) => self.set(key, Some(value)),
            Write::Delete { key } if is_indexed(key) => self.set(key, None),
            Write::DeleteRange { from, to } if from < to => {
                let gone: Vec<Key> = self.rows.range(from..to).map(|(key, _)| key.clone()).collect();
                for key in gone {
                    self.set(&key, None);
                }
            }
            Write::Put { .. } | Write::Delete { .. } | Write::DeleteRange { .. } => {}
        }
    }
}

fn is_indexed(key: &Key) -> bool {
    key.as_bytes().first() == Some(&(Table::Dot as u8))
}

/// Returns since when the disks of so many nodes hold the same, and how many entries each of them holds.
fn since(history: &[Record], nodes: usize) -> (Option<SimTime>, Vec<usize>) {
    let mut disks: BTreeMap<NodeIx, Index> = BTreeMap::new();
    let mut since = None;
    for record in history {
        let Actor::Node(node, NodeSight::Synced(batch)) = &record.actor else { continue };
        let disk = disks.entry(*node).or_default();
        for write in &batch.writes {
            disk.perform(write);
        }
        let sum = disk.sum;
        let is_same = disks.len() == nodes && disks.values().all(|other| other.sum == sum);
        since = if is_same { since.or(Some(record.at)) } else { None };
    }
    (since, disks.values().map(|disk| disk.rows.len()).collect())
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
