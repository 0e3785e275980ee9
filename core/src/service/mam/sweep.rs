//! Removes from archives what is too old and what is too much, oldest first, in bounded steps.
//!
//! Implements: XEP-0313 1.1.4, section 3.2. Rests on the replication rule R27: an archive begins at a floor that only
//! rises and that is compared with the stamps of its entries. What is older is gone at once, and removed by and by. One
//! archive at a time: the last of two archives that let go of a message removes it.

use std::collections::{BTreeSet, VecDeque};

use crate::archive::{self, Entry, Held};
use crate::io::OpId;
use crate::jid::BareJid;
use crate::replica::{Hlc, Place};
use crate::service::cx::Cx;
use crate::service::effect::Effect;
use crate::service::ops::Owner;
use crate::store::{Key, Row, StoreBatch, StoreError, StoreQuery, Table};
use crate::trace::Event;

/// Archives that wait to be looked at.
const QUEUE_MAX: usize = 1_024;

/// What removes old messages.
#[derive(Debug, Default)]
pub(crate) struct Sweep {
    /// Archives to look at.
    queue: VecDeque<BareJid>,
    working: Option<(OpId, Step)>,
}

#[derive(Debug)]
enum Step {
    /// Reads what is known of archives, looking for those with something to remove.
    Page,
    /// Reads the oldest entries of an archive.
    Entries(BareJid),
    /// Reads which of them the other archive still has.
    Twins(Removal),
    /// Reads which of the owed messages are too old.
    Owed(Removal, BTreeSet<Key>),
    /// Writes; and what is counted again when that fails.
    Writing(Removal),
}

/// What one step removes from an archive.
#[derive(Debug)]
struct Removal {
    owner: BareJid,
    /// The archive begins here then.
    floor: Hlc,
    entries: Vec<(Place, Entry)>,
    bytes: u64,
    owed: u32,
    /// The oldest entry that stays, if it was read.
    oldest: Option<Hlc>,
    /// There may be more to remove.
    more: bool,
}

impl Sweep {
    /// Begins to look for archives with something too old.
    pub(crate) fn handle_tick(&mut self, cx: &mut Cx<'_>) {
        if self.working.is_none() {
            self.read_page(cx, Key::new(Table::Archive, &[]));
        }
    }

    /// Looks at one archive, which is known.
    pub(crate) fn handle_archive(&mut self, cx: &mut Cx<'_>, owner: BareJid) {
        // What finds no room is found again with the next search.
        if !self.queue.contains(&owner) && self.queue.len() < QUEUE_MAX {
            self.queue.push_back(owner);
        }
        if self.working.is_none() {
            self.go_on(cx);
        }
    }

    /// Takes rows in.
    pub(crate) fn handle_loaded(&mut self, cx: &mut Cx<'_>, op: OpId, outcome: Result<Vec<Row>, StoreError>) {
        let Some((_, step)) = self.working.take_if(|(working, _)| *working == op) else { return };
        let outcome = outcome.and_then(|rows| match step {
            Step::Page => self.handle_page(cx, &rows),
            Step::Entries(owner) => self.handle_entries(cx, owner, &rows),
            Step::Twins(removal) => {
                let kept = rows.into_iter().map(|row| row.key).collect();
                self.read_owed(cx, removal, kept);
                Ok(())
            }
            Step::Owed(removal, kept) => self.remove(cx, removal, &kept, &rows),
            Step::Writing(_) => Ok(()),
        });
        if let Err(error) = outcome {
            cx.trace(Event::StoreFailed { error });
            self.go_on(cx);
        }
    }

    /// What was removed is gone, or it is not.
    pub(crate) fn handle_stored(&mut self, cx: &mut Cx<'_>, op: OpId, outcome: Result<(), StoreError>) {
        let Some((_, Step::Writing(removal))) = self.working.take_if(|(working, _)| *working == op) else {
            return;
        };
        if outcome.is_err() {
            // It is tried again with the next search.
            cx.archives.change(&removal.owner, |counts| {
                counts.entries += removal.entries.len() as u64;
                counts.bytes += removal.bytes;
                counts.owed += removal.owed;
                counts.oldest = removal.entries.first().map_or(counts.oldest, |(place, _)| place.capped);
            });
        } else if removal.more {
            self.queue.push_front(removal.owner);
        }
        self.go_on(cx);
    }

    fn load(&mut self, cx: &mut Cx<'_>, step: Step, query: StoreQuery) {
        let op = cx.load(Owner::Sweep, query);
        self.working = Some((op, step));
    }

    /// Takes the next archive.
    fn go_on(&mut self, cx: &mut Cx<'_>) {
        while let Some(owner) = self.queue.pop_front() {
            if cx.archives.knows(owner.as_str()) {
                let (from, to) = archive::log_range(&owner, Hlc::MIN);
                let limit = cx.config.limits.archive_step;
                return self.load(cx, Step::Entries(owner), StoreQuery::Range { from, to, limit });
            }
            cx.effect(Effect::Sweep(owner));
        }
    }

    fn read_page(&mut self, cx: &mut Cx<'_>, from: Key) {
        let to = Key::new(Table::Archive, &[]).table_end();
        let limit = cx.config.limits.archive_step;
        self.load(cx, Step::Page, StoreQuery::Range { from, to, limit });
    }

    fn handle_page(&mut self, cx: &mut Cx<'_>, rows: &[Row]) -> Result<(), StoreError> {
        let oldest = age_floor(cx);
        let most = u64::from(cx.config.limits.archive_bytes);
        let mut last: Option<(BareJid, Hlc)> = None;
        for row in rows {
            let owner = archive::owner_of(&row.key).ok_or(StoreError::Damaged)?;
            let due = match archive::known_of(row)? {
                archive::Known::Counts(counts, _) => {
                    let empty = counts.entries == 0 && counts.owed == 0;
                    last = Some((owner.clone(), if empty { Hlc::MAX } else { counts.oldest }));
                    !empty && (counts.oldest < oldest || counts.bytes > most)
                }
                // The row of the counts stands before it.
                archive::Known::Floor(floor) => {
                    last.as_ref().is_some_and(|(counted, stamp)| *counted == owner && *stamp < floor)
                }
                archive::Known::Sent(..) => false,
            };
            if due {
                cx.effect(Effect::Sweep(owner));
            }
        }
        if let Some(last) = rows.last().filter(|_| rows.len() >= cx.config.limits.archive_step as usize) {
            self.read_page(cx, last.key.next());
        } else {
            self.go_on(cx);
        }
        Ok(())
    }

    /// Decides which of the oldest entries have to go.
    fn handle_entries(&mut self, cx: &mut Cx<'_>, owner: BareJid, rows: &[Row]) -> Result<(), StoreError> {
        let (counts, limits) = (cx.archives.counts(owner.as_str()), &cx.config.limits);
        let most = u64::from(limits.archive_bytes);
        // Below the bound by an eighth, so that not every message after this one asks again.
        let goal = if counts.bytes > most { most - most / 8 } else { u64::MAX };
        let mut floor = age_floor(cx).max(cx.archives.floor(owner.as_str()));
        let (mut entries, mut bytes, mut oldest) = (Vec::new(), 0, None);
        for row in rows {
            let place = archive::place_of(&row.key).ok_or(StoreError::Damaged)?;
            let entry: Entry = row.decode()?;
            let too_much = counts.bytes.saturating_sub(bytes) > goal;
            if place.capped >= floor && !too_much {
                oldest = Some(place.capped);
                break;
            }
            floor = floor.max(place.capped.next());
            bytes += u64::from(entry.bytes);
            entries.push((place, entry));
        }
        let more = rows.len() >= limits.archive_step as usize && oldest.is_none();
        let keys: Vec<Key> = entries.iter().filter_map(|(_, entry)| twin_key(entry)).collect();
        let removal = Removal { owner, floor, entries, bytes, owed: 0, oldest, more };
        self.load(cx, Step::Twins(removal), StoreQuery::Many { keys });
        Ok(())
    }

    fn read_owed(&mut self, cx: &mut Cx<'_>, removal: Removal, kept: BTreeSet<Key>) {
        let (from, _) = archive::owed_range(&removal.owner, Hlc::MIN);
        let (floor, _) = archive::owed_range(&removal.owner, removal.floor);
        // Who is there is given what is owed.
        let to = if cx.directory.has(removal.owner.as_str()) { from.clone() } else { floor };
        let limit = cx.config.limits.archive_step;
        self.load(cx, Step::Owed(removal, kept), StoreQuery::Range { from, to, limit });
    }

    fn remove(
        &mut self,
        cx: &mut Cx<'_>,
        mut removal: Removal,
        kept: &BTreeSet<Key>,
        owed: &[Row],
    ) -> Result<(), StoreError> {
        let owner = &removal.owner;
        if removal.entries.is_empty() && owed.is_empty() {
            self.go_on(cx);
            return Ok(());
        }
        let mut batch = StoreBatch::new();
        cx.archives.raise(owner, removal.floor, &mut batch);
        for (place, entry) in &removal.entries {
            batch.add_delete(archive::log_key(owner, *place));
            if let Some(id) = entry.id {
                batch.add_delete(archive::id_key(owner, id));
            }
            if twin_key(entry).is_none_or(|twin| !kept.contains(&twin)) {
                cx.remove_message(entry.domain(owner), entry.message, &mut batch);
            }
        }
        for row in owed {
            let Held(alone) = row.decode()?;
            batch.add_delete(row.key.clone());
            if let Some(entry) = alone {
                cx.remove_message(entry.domain(owner), entry.message, &mut batch);
            }
        }
        removal.owed = u32::try_from(owed.len()).unwrap_or(u32::MAX);
        removal.more |= owed.len() >= cx.config.limits.archive_step as usize;
        cx.archives.change(owner, |counts| {
            counts.entries = counts.entries.saturating_sub(removal.entries.len() as u64);
            counts.bytes = counts.bytes.saturating_sub(removal.bytes);
            counts.owed = counts.owed.saturating_sub(removal.owed);
            counts.oldest = removal.oldest.unwrap_or(removal.floor).max(counts.oldest);
        });
        let op = cx.persist(Owner::Sweep, batch, |_| {});
        self.working = Some((op, Step::Writing(removal)));
        Ok(())
    }
}

/// Returns where the other archive has the message, when it has it.
fn twin_key(entry: &Entry) -> Option<Key> {
    entry.twin.map(|twin| archive::log_key(&entry.with.bare(), twin))
}

/// Returns the stamp from which on messages are young enough.
fn age_floor(cx: &Cx<'_>) -> Hlc {
    let age = i64::try_from(cx.config.limits.archive_time.as_micros() / 1_000).unwrap_or(i64::MAX);
    Hlc { millis: cx.now.wall.as_millis().saturating_sub(age), count: 0 }
}
