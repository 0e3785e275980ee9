//! `nodes agree`: what the disks of the nodes hold, and since when it is the same.

use std::collections::BTreeMap;

use eyot_core::store::{Key, StoreBatch, Table, Write};

use super::{Act, Parsed, Part, Scope, Stage, Trouble, Words};
use crate::engine::{SimSpan, SimTime};
use crate::world::{Actor, NodeIx, NodeSight};

#[derive(Debug)]
struct Agree {
    within: Option<SimSpan>,
}

/// `nodes agree [within SPAN]`: all nodes hold the same entries, and say that they do; nothing when it is no such line
pub(super) fn expect(words: &mut Words<'_>, scope: &Scope) -> Result<Option<Box<dyn Act>>, String> {
    if !words.take("nodes agree") {
        return Ok(None);
    }
    if scope.nodes.len() < 2 {
        return Err("one node agrees with itself".into());
    }
    let within = if words.take("within") { Some(words.span("how soon?")?) } else { None };
    words.end()?;
    let act: Parsed = Ok(Box::new(Agree { within }));
    act.map(Some)
}

/// What a disk holds of what nodes tell each other: how much of each origin, and the index.
type Disk = BTreeMap<Key, Vec<u8>>;

impl Act for Agree {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        let mut disks: BTreeMap<NodeIx, Disk> = BTreeMap::new();
        let mut since: Option<SimTime> = None;
        for record in stage.world.history() {
            let Actor::Node(node, NodeSight::Synced(batch)) = &record.actor else { continue };
            if write(disks.entry(*node).or_default(), batch) {
                let mut all = disks.values();
                let first = all.next();
                let same = all.all(|disk| Some(disk) == first);
                since = same.then(|| since.unwrap_or(record.at));
            }
        }
        let soon = |since: SimTime| self.within.is_none_or(|within| since <= stage.begun + within);
        let seen = match since {
            Some(since) => {
                format!("they have agreed since {since}, and the chapter began at {}", stage.begun)
            }
            None => {
                let held = disks.values().map(|disk| disk.len().to_string()).collect::<Vec<_>>();
                format!("they do not: {} rows", held.join(", "))
            }
        };
        stage.judge(since.is_some_and(soon), vec![seen]);
        Ok(())
    }

    fn part(&self) -> Part {
        Part::Expect
    }
}

/// Performs a batch. Returns whether it has changed what is looked at.
fn write(disk: &mut Disk, batch: &StoreBatch) -> bool {
    let is_in = |key: &Key| {
        let table = key.as_bytes().first().copied();
        [Table::Vector, Table::Dot].into_iter().any(|looked| table == Some(looked as u8))
    };
    let mut changed = false;
    for write in &batch.writes {
        match write {
            Write::Put { key, value } if is_in(key) => {
                changed |= disk.insert(key.clone(), value.to_vec()).is_none_or(|before| before != **value);
            }
            Write::Delete { key } if is_in(key) => changed |= disk.remove(key).is_some(),
            Write::DeleteRange { from, to } if is_in(from) => {
                let gone: Vec<Key> =
                    disk.range(from.clone()..to.clone()).map(|(key, _)| key.clone()).collect();
                changed |= !gone.is_empty();
                gone.iter().for_each(|key| _ = disk.remove(key));
            }
            Write::Put { .. } | Write::Delete { .. } | Write::DeleteRange { .. } => {}
        }
    }
    changed
}
