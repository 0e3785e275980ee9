//! Agreement: nodes whose disks say that they hold the same of what accounts are hold the same, at every moment
//! (`docs/replication.md`, R2).
//!
//! The judge reads what disks make durable: how much is held of each origin, and the index of what is live. Messages are not looked
//! at: an archive lets go of what is too old when its node finds it. A node whose disk has lied is not asked, nor one that keeps
//! entries as they came because something is damaged there, or holds more than it has room to count.

use std::collections::{BTreeMap, BTreeSet};

use eyot_core::store::{Key, StoreBatch, Table, Write};

use super::model::Run;
use super::{Judged, Oracle};
use crate::disk::Summed;
use crate::world::{Actor, NodeIx, NodeSight};

const NAME: &str = "agreed";
/// What names the group of what accounts are in keys.
const CELLS: &str = "c";
/// How a record with three fields begins: the third one says up to where entries are held that are not counted.
const THREE_FIELDS: u8 = 0x83;

/// The oracle.
pub(super) struct Agreed;

/// What a disk holds.
#[derive(Default)]
struct Disk {
    /// By domain.
    domains: BTreeMap<String, Held>,
    /// Entries that are kept as they came.
    kept: BTreeSet<Key>,
}

/// What is held of the accounts of one domain.
#[derive(Default)]
struct Held {
    /// How much of each origin, as it is stored.
    vector: BTreeMap<Key, Vec<u8>>,
    index: Summed,
}

impl Disk {
    /// Returns what is held of a domain; nothing while something is kept as it came, or not counted.
    fn of(&self, domain: &str) -> Option<&Held> {
        let is_counted = |row: &Vec<u8>| row.get(1) != Some(&THREE_FIELDS);
        let held = self.domains.get(domain).filter(|_| self.kept.is_empty());
        held.filter(|held| held.vector.values().all(is_counted))
    }
}

impl Held {
    fn set(&mut self, key: &Key, value: Option<&[u8]>) {
        if is_in(Table::Vector, key) {
            match value {
                Some(value) => drop(self.vector.insert(key.clone(), value.to_vec())),
                None => drop(self.vector.remove(key)),
            }
            return;
        }
        self.index.set(key, value);
    }
}

impl Oracle for Agreed {
    fn name(&self) -> &'static str {
        NAME
    }

    fn judge(&self, run: &Run<'_>) -> Judged {
        let mut disks: BTreeMap<NodeIx, Disk> = BTreeMap::new();
        let mut judged = Judged::default();
        for record in run.evidence.history {
            let Actor::Node(node, NodeSight::Synced(batch)) = &record.actor else { continue };
            let lost = |node: NodeIx| run.troubles.forgot(node.at()).is_some_and(|lost| lost <= record.at);
            if lost(*node) {
                disks.remove(node);
                continue;
            }
            for domain in write(disks.entry(*node).or_default(), batch) {
                let Some(own) = disks.get(node).and_then(|disk| disk.of(&domain)) else { continue };
                for (other, disk) in disks.iter().filter(|(other, _)| *other != node && !lost(**other)) {
                    let Some(held) = disk.of(&domain).filter(|held| held.vector == own.vector) else {
                        continue;
                    };
                    judged.add((held.index.sum() != own.index.sum()).then(|| {
                        let names = [run.node_name(node.at()), run.node_name(other.at())];
                        let what =
                            format!("{} and {} say that they hold the same, and do not", names[0], names[1]);
                        let mut violation = run.violation(NAME, "not-the-same", record.at, what);
                        violation.who = names.map(String::from).to_vec();
                        violation
                    }));
                }
            }
            if !judged.violations.is_empty() {
                break;
            }
        }
        judged
    }
}

/// Performs what a batch writes of what accounts are. Returns the domains of which it says how much is held.
fn write(disk: &mut Disk, batch: &StoreBatch) -> Vec<String> {
    let mut domains = Vec::new();
    for write in &batch.writes {
        let (key, value) = match write {
            Write::Put { key, value } => (key, Some(&**value)),
            Write::Delete { key } => (key, None),
            Write::DeleteRange { .. } => continue,
        };
        if is_in(Table::Kept, key) {
            _ = if value.is_some() { disk.kept.insert(key.clone()) } else { disk.kept.remove(key) };
        }
        if !is_in(Table::Vector, key) && !is_in(Table::Dot, key) {
            continue;
        }
        let mut parts = key.parts();
        if let (Some(domain), Some(CELLS)) = (parts.next(), parts.next()) {
            disk.domains.entry(domain.to_owned()).or_default().set(key, value);
            if is_in(Table::Vector, key) && domains.last().is_none_or(|last| last != domain) {
                domains.push(domain.to_owned());
            }
        }
    }
    domains
}

fn is_in(table: Table, key: &Key) -> bool {
    key.as_bytes().first() == Some(&(table as u8))
}
