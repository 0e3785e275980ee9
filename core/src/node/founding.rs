//! What a node has written alone, when it has founded a cluster: the index that other members are told from is built, and what
//! accounts have been given is said, before anybody is served.
//!
//! It goes through the store page by page, in one order, and begins anew when it is killed: what it writes is the same each time,
//! but for the marks, of which the later one counts.

use std::collections::BTreeMap;

use super::{Life, Node};
use crate::account;
use crate::archive::{self, Direction, Entry, EntryId, Held, Home, Open};
use crate::exchange::GroupKind;
use crate::io::OpId;
use crate::jid::BareJid;
use crate::replica::{self, Account, CellName, Dot, Mark, Origin, Place, Runs, Value};
use crate::service::ops::Owner;
use crate::store::{Key, Row, Stage, StoreBatch, StoreError, StoreQuery, Table};
use crate::sync::{Found, Ids, LargeRecord, LetterHead, Parties, Party, index_row, shared_rows};
use crate::time::Now;

/// Rows that are looked at in one step.
const PAGE: u32 = 256;
/// Messages that one account is owed, more than any configuration lets there be.
const OWED_MAX: u32 = 1_000_000;

/// How far the pass is.
#[derive(Debug)]
pub(super) struct Pass {
    step: Step,
    /// What is read of the log, and of whom the last message of each start was seen.
    log: Option<(BareJid, BTreeMap<Origin, u64>)>,
    /// The read under way.
    op: Option<OpId>,
}

/// What is read, or written, just now.
#[derive(Debug)]
enum Step {
    /// How much is held of each start, from this key on.
    Vectors(Key),
    /// The cells from this key on.
    Cells(Key),
    /// Those that are read only when they are asked for.
    Large(Key),
    /// The archives.
    Log(Key),
    /// What else is needed for these rows of one archive.
    Twins(Vec<Row>),
    /// What an account whose archive is done is owed. Then the archives go on at the key.
    Owed(BareJid, Key),
    /// What is known of its archive.
    Counts(BareJid, Vec<Place>, Key),
    /// The account.
    Account(BareJid, Vec<Place>, Key),
    /// What is in no archive and waits for somebody.
    Waiting(Key),
    /// What else is needed for these rows.
    Lives(Vec<Row>),
    /// A write; then this.
    Written(Box<Step>),
    /// Nothing is left.
    Over,
}

impl Node {
    /// Begins the pass, if it is due and nobody has begun it. Returns whether it is under way.
    pub(super) fn is_founding(&mut self, now: Now) -> bool {
        if self.membership.stage != Stage::Founded {
            return false;
        }
        if self.membership.pass.is_none() {
            let pass = Pass { step: Step::Over, log: None, op: None };
            self.membership.pass = Some(pass);
            self.go_to(now, Step::Vectors(Key::new(Table::Vector, &[])));
        }
        true
    }

    fn go_to(&mut self, now: Now, step: Step) {
        let page = |from: &Key, table: Table| {
            let to = Key::new(table, &[]).table_end();
            StoreQuery::Range { from: from.clone(), to, limit: PAGE }
        };
        let query = match &step {
            Step::Vectors(from) => page(from, Table::Vector),
            Step::Cells(from) => page(from, Table::Cell),
            Step::Large(from) => page(from, Table::Large),
            Step::Log(from) => page(from, Table::Log),
            Step::Waiting(from) => page(from, Table::Owed),
            Step::Twins(rows) => StoreQuery::Many { keys: twins(rows) },
            Step::Lives(rows) => StoreQuery::Many { keys: lives(rows) },
            Step::Owed(owner, _) => {
                let (from, to) = archive::owed_range(owner, replica::Hlc::MIN);
                StoreQuery::Range { from, to, limit: OWED_MAX }
            }
            Step::Counts(owner, ..) => {
                let (from, to) = archive::table_range(owner);
                StoreQuery::Range { from, to, limit: OWED_MAX }
            }
            Step::Account(owner, ..) => account::query(owner),
            Step::Written(_) => return,
            Step::Over => return self.end_founding(now),
        };
        let mut op = None;
        self.with_services(now, |_, cx| op = Some(cx.load(Owner::Membership, query)));
        if let Some(pass) = &mut self.membership.pass {
            (pass.step, pass.op) = (step, op);
        }
    }

    /// Writes what a step has come to, then goes on.
    fn write_then(&mut self, now: Now, batch: StoreBatch, next: Step) {
        if let Some(pass) = &mut self.membership.pass {
            (pass.step, pass.op) = (Step::Written(Box::new(next)), None);
        }
        self.with_services(now, |_, cx| _ = cx.persist(Owner::Membership, batch, |_| {}));
    }

    /// A write of the pass has been answered.
    pub(super) fn handle_founded(&mut self, now: Now, outcome: Result<(), StoreError>) {
        let Some(pass) = &mut self.membership.pass else { return };
        match (outcome, core::mem::replace(&mut pass.step, Step::Over)) {
            (Err(error), _) => self.fail_boot(error),
            (Ok(()), Step::Written(next)) => self.go_to(now, *next),
            (Ok(()), other) => pass.step = other,
        }
    }

    fn end_founding(&mut self, now: Now) {
        self.membership.pass = None;
        self.membership.stage = Stage::Member;
        self.write_stage(now);
        self.end_restore(now);
    }

    /// Rows have come that the pass has asked for.
    pub(super) fn handle_membership(&mut self, now: Now, op: OpId, outcome: Result<Vec<Row>, StoreError>) {
        let Some(pass) = self.membership.pass.as_mut().filter(|pass| pass.op == Some(op)) else {
            self.handle_looked(now, op, outcome);
            return;
        };
        if !matches!(self.life, Life::Restoring) {
            return;
        }
        let step = core::mem::replace(&mut pass.step, Step::Over);
        if let Err(error) = outcome.and_then(|rows| self.take_step(now, step, rows)) {
            self.fail_boot(error);
        }
    }

    fn take_step(&mut self, now: Now, step: Step, rows: Vec<Row>) -> Result<(), StoreError> {
        let end = |rows: &[Row]| {
            let last = rows.last().filter(|_| rows.len() >= PAGE as usize);
            last.map(|row| row.key.next())
        };
        let table = |table: Table| Key::new(table, &[]);
        let mut batch = StoreBatch::new();
        match step {
            Step::Vectors(_) => {
                for row in &rows {
                    let shared = shared_rows(row)?;
                    if !shared.is_empty() {
                        batch.add_delete(row.key.clone());
                    }
                    for (key, value) in shared {
                        batch.add_put(key, value);
                    }
                }
                let next = end(&rows).map_or_else(|| Step::Cells(table(Table::Cell)), Step::Vectors);
                self.write_then(now, batch, next);
            }
            Step::Cells(_) => {
                rows.iter().try_for_each(|row| cell_rows(row, &mut batch))?;
                let next = end(&rows).map_or_else(|| Step::Large(table(Table::Large)), Step::Cells);
                self.write_then(now, batch, next);
            }
            Step::Large(_) => {
                rows.iter().try_for_each(|row| large_rows(row, &mut batch))?;
                let next = end(&rows).map_or_else(|| Step::Log(table(Table::Log)), Step::Large);
                self.write_then(now, batch, next);
            }
            Step::Log(_) => self.take_log(now, rows)?,
            Step::Twins(of) => {
                let next = of.last().map_or_else(|| table(Table::Log), |row| row.key.next());
                for row in &of {
                    index_entry(row, &rows, &mut batch)?;
                }
                self.write_then(now, batch, Step::Log(next));
            }
            Step::Owed(owner, next) => {
                let places = rows.iter().filter_map(|row| archive::place_of(&row.key)).collect();
                self.go_to(now, Step::Counts(owner, places, next));
            }
            Step::Counts(owner, owed, next) => {
                self.open_archive(&owner, &owed, (&rows, &mut batch))?;
                self.write_then(now, batch, Step::Account(owner, owed, next));
            }
            Step::Account(owner, owed, next) => {
                self.mark_given(now, (&owner, &owed), &rows, &mut batch)?;
                if let Some(pass) = &mut self.membership.pass {
                    pass.log = None;
                }
                self.write_then(now, batch, Step::Log(next));
            }
            Step::Waiting(_) if rows.is_empty() => self.go_to(now, Step::Over),
            Step::Waiting(_) => self.go_to(now, Step::Lives(rows)),
            Step::Lives(of) => {
                of.iter().try_for_each(|row| waiting_row(row, &rows, &mut batch))?;
                let next = end(&of).map_or(Step::Over, Step::Waiting);
                self.write_then(now, batch, next);
            }
            Step::Written(_) | Step::Over => {}
        }
        Ok(())
    }

    /// Takes rows of archives: those of one account at a time.
    fn take_log(&mut self, now: Now, mut rows: Vec<Row>) -> Result<(), StoreError> {
        let first =
            rows.first().map(|row| archive::owner_of(&row.key).ok_or(StoreError::Damaged)).transpose()?;
        let Some(pass) = &mut self.membership.pass else { return Ok(()) };
        if let Some((owner, _)) = pass.log.as_ref().filter(|(owner, _)| Some(owner) != first.as_ref()) {
            let next =
                rows.first().map_or_else(|| Key::new(Table::Log, &[]).table_end(), |row| row.key.clone());
            let owner = owner.clone();
            self.go_to(now, Step::Owed(owner, next));
            return Ok(());
        }
        let Some(first) = first else {
            self.go_to(now, Step::Waiting(Key::new(Table::Owed, &[])));
            return Ok(());
        };
        rows.retain(|row| archive::owner_of(&row.key).as_ref() == Some(&first));
        let (_, lasts) = pass.log.get_or_insert_with(|| (first, BTreeMap::new()));
        for place in rows.iter().filter_map(|row| archive::place_of(&row.key)) {
            let last = lasts.entry(place.dot.origin).or_default();
            *last = place.dot.seq.max(*last);
        }
        self.go_to(now, Step::Twins(rows));
        Ok(())
    }

    /// Takes note of what of an archive is open: what is owed, and with sessions everything up to the last message, as they may not have
    /// acknowledged it.
    fn open_archive(
        &mut self,
        owner: &BareJid,
        owed: &[Place],
        (rows, batch): (&[Row], &mut StoreBatch),
    ) -> Result<(), StoreError> {
        let Some((_, lasts)) = self.membership.pass.as_ref().and_then(|pass| pass.log.as_ref()) else {
            return Ok(());
        };
        if owed.is_empty() && self.directory.of_account(owner.as_jid()).is_empty() {
            return Ok(());
        }
        let mut open = Open::default();
        for (origin, last) in lasts {
            open.note(origin.dot(*last));
        }
        for place in owed {
            open.owe(place.dot, false);
        }
        if self.archives.knows(owner.as_str()) {
            self.archives.change_open(owner, |known| {
                *known = open;
                true
            });
        } else if let Some((key, row)) = archive::reopened(owner, rows, &open)? {
            batch.add_put(key, row);
        }
        Ok(())
    }

    /// Says what an account without sessions has been given: everything but what it is owed. With sessions they will say it.
    fn mark_given(
        &mut self,
        now: Now,
        (owner, owed): (&BareJid, &[Place]),
        rows: &[Row],
        batch: &mut StoreBatch,
    ) -> Result<(), StoreError> {
        let Some((_, lasts)) = self.membership.pass.as_mut().and_then(|pass| pass.log.take()) else {
            return Ok(());
        };
        let mut account = account::read(owner, rows)?;
        if !self.directory.of_account(owner.as_jid()).is_empty() || account.life().is_none() {
            return Ok(());
        }
        let mut mark = Mark::default();
        for (origin, last) in lasts {
            let mut runs = Runs::new();
            runs.add(1, last);
            for place in owed.iter().filter(|place| place.dot.origin == origin) {
                runs.remove(place.dot.seq, place.dot.seq);
            }
            mark.add(origin, &runs);
        }
        mark.bound();
        self.with_services(now, |_, cx| cx.write_to(&mut account, CellName::Mark, Value::Mark(mark), batch));
        Ok(())
    }
}

/// Adds the row of the index of a message that stands in an archive. Both archives that have it say the same of it.
fn index_entry(row: &Row, beside: &[Row], batch: &mut StoreBatch) -> Result<(), StoreError> {
    let (owner, place) = owner_and_place(row)?;
    let entry: Entry = row.decode()?;
    let (Home::Own, Some(id)) = (entry.home, entry.id) else { return Ok(()) };
    let with = entry.with.bare();
    let twin = entry.twin.filter(|_| with.domain() == owner.domain());
    let twin_row = twin.and_then(|twin| find(beside, &archive::log_key(&with, twin)));
    let twin_id = twin_row.map(Row::decode::<Entry>).transpose()?.and_then(|entry| entry.id);
    let own = Some(Party { account: owner.clone(), life: life_of(&owner, beside)? });
    let other = match (twin, twin_row) {
        (Some(_), Some(_)) => Some(Party { account: with.clone(), life: life_of(&with, beside)? }),
        // It has gone, and a later account of the name is not to get what was its: this life is nobody's.
        (Some(twin), None) => Some(Party { account: with.clone(), life: Some(nobodys(twin)) }),
        (None, _) => None,
    };
    let bytes = |id: EntryId| *id.as_bytes();
    let (own_id, twin_id) = (Some(bytes(id)), twin_id.map(bytes));
    let (sender, recipient, ids) = match entry.direction {
        Direction::Out => (own, other, Ids { sender: own_id, recipient: twin_id }),
        Direction::In | Direction::Own => (other, own, Ids { sender: twin_id, recipient: own_id }),
    };
    let own = entry.direction == Direction::Own;
    let parties = Parties { sender, recipient, own, owed: false };
    let (hlc, key, past, ids) = (place.hlc, None, Vec::new(), Some(Box::new(ids)));
    let head = LetterHead { hlc, key, past, parties, behind: None, ids };
    add(owner.domain(), GroupKind::Logs, entry.message, &Found::Letter(head), batch);
    Ok(())
}

/// Adds a row of the index.
fn add(domain: &str, kind: GroupKind, dot: Dot, found: &Found, batch: &mut StoreBatch) {
    let (key, value) = index_row(domain, kind, dot, found);
    batch.add_put(key, value);
}

fn owner_of(key: &Key) -> Result<BareJid, StoreError> {
    archive::owner_of(key).ok_or(StoreError::Damaged)
}

fn owner_and_place(row: &Row) -> Result<(BareJid, Place), StoreError> {
    Ok((owner_of(&row.key)?, archive::place_of(&row.key).ok_or(StoreError::Damaged)?))
}

/// Adds the rows of the index for a cell. What nobody can read stays where it is, and out of the index.
fn cell_rows(row: &Row, batch: &mut StoreBatch) -> Result<(), StoreError> {
    let owner = owner_of(&row.key)?;
    let parts: Vec<&str> = row.key.parts().skip(2).collect();
    let Some(cell) = CellName::parse(&owner, &parts) else { return Ok(()) };
    let Ok(changes) = Account::changes(&cell, &row.value) else { return Ok(()) };
    let first = cell.subscriber().unwrap_or(&owner);
    for change in changes {
        let found = Found::Cell { owner: first.clone(), cell: cell.clone() };
        add(cell.group(&owner), GroupKind::Cells, change.entry.dot, &found, batch);
    }
    Ok(())
}

fn large_rows(row: &Row, batch: &mut StoreBatch) -> Result<(), StoreError> {
    let owner = owner_of(&row.key)?;
    let mut parts = row.key.parts().skip(2);
    let (Some(kind), Some(name)) = (parts.next(), parts.next()) else { return Err(StoreError::Damaged) };
    let Ok(entries) = row.decode::<Vec<replica::Entry<LargeRecord>>>() else { return Ok(()) };
    for entry in entries {
        let found = Found::Large { owner: owner.clone(), kind: kind.into(), name: name.into() };
        add(owner.domain(), GroupKind::Cells, entry.dot, &found, batch);
    }
    Ok(())
}

/// Returns what else is read for rows of one archive: where the other archive has the same messages, and the lives of all.
fn twins(rows: &[Row]) -> Vec<Key> {
    let mut keys = Vec::new();
    for row in rows {
        let Ok((owner, _)) = owner_and_place(row) else { continue };
        let Ok(entry) = row.decode::<Entry>() else { continue };
        let with = entry.with.bare();
        keys.push(account::cell_key(&owner, &CellName::Status));
        if let Some(twin) = entry.twin {
            keys.push(archive::log_key(&with, twin));
            keys.push(account::cell_key(&with, &CellName::Status));
        }
    }
    keys.sort();
    keys.dedup();
    keys
}

fn lives(rows: &[Row]) -> Vec<Key> {
    let owners = rows.iter().filter_map(|row| archive::owner_of(&row.key));
    let mut keys: Vec<Key> = owners.map(|owner| account::cell_key(&owner, &CellName::Status)).collect();
    keys.dedup();
    keys
}

fn find<'a>(rows: &'a [Row], key: &Key) -> Option<&'a Row> {
    rows.iter().find(|row| row.key == *key)
}

/// Returns which life of an account counts.
fn life_of(owner: &BareJid, rows: &[Row]) -> Result<Option<replica::Life>, StoreError> {
    let status = find(rows, &account::cell_key(owner, &CellName::Status));
    let account = account::read(owner, status.map(core::slice::from_ref).unwrap_or_default())?;
    Ok(account.life())
}

/// Returns a life that no account has: it would have been begun by a message.
const fn nobodys(place: Place) -> replica::Life {
    replica::Life { uid: place.dot, born: place.hlc }
}

/// Adds the row of the index of a message that is in no archive.
fn waiting_row(row: &Row, beside: &[Row], batch: &mut StoreBatch) -> Result<(), StoreError> {
    let (owner, place) = owner_and_place(row)?;
    let Held(Some(entry)) = row.decode()? else { return Ok(()) };
    if entry.home != Home::Own {
        return Ok(());
    }
    let life = life_of(&owner, beside)?;
    let recipient = Some(Party { account: owner.clone(), life });
    let parties = Parties { sender: None, recipient, own: false, owed: true };
    let head = LetterHead { hlc: place.hlc, key: None, past: Vec::new(), parties, behind: None, ids: None };
    add(owner.domain(), GroupKind::Logs, entry.message, &Found::Letter(head), batch);
    Ok(())
}
