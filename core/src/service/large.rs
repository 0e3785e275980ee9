//! What is kept for an account and read only when it is asked for.
//!
//! Each value is a cell of its own in [`Table::Large`], with all its siblings: a write has seen what was
//! there. It names the life of the account, and is shown in no other. Writes of one kind for one account are done one after the
//! other, so that none is lost.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::cx::{Cx, Request};
use super::ops::Owner;
use crate::exchange::GroupKind;
use crate::io::OpId;
use crate::jid::BareJid;
use crate::replica::{self, Account, Cell, Dot, Life};
use crate::stanza::StanzaError;
use crate::store::{Key, Row, StoreBatch, StoreError, StoreQuery, Table, encode};
use crate::sync::{self, Entry, LargeChange, LargeRecord, Part, Taken};
use crate::xml::Node;

/// Makes the payload of an answer from the value, if there is one.
pub(crate) type Answer = fn(&Cx<'_>, &Request, Option<Bytes>) -> Result<Node, StanzaError>;

/// What waits for its turn.
#[derive(Debug)]
enum Turn {
    /// Values that somebody here writes.
    Local(Change),
    /// A value of another node.
    Taken(Box<Taken>, LargeChange),
}

/// Reads and writes under way. Each belongs to a session that waits for it, but for one of each kind and account for which
/// nobody waits, and those of values of other nodes, whose bytes under way their origins bound.
#[derive(Debug, Default)]
pub(crate) struct Large {
    reading: BTreeMap<OpId, Reading>,
    writing: BTreeMap<OpId, Written>,
    /// Kinds and accounts of which something is being written, and what waits for that.
    queues: BTreeMap<Key, VecDeque<Turn>>,
}

/// A write on its way.
#[derive(Debug)]
enum Written {
    Local(Box<Change>),
    /// Of another node; of which account and kind.
    Taken(Key, Box<Taken>),
}

#[derive(Debug)]
enum Reading {
    Get(Request, Option<Life>, Answer),
    Change(Change, Beside),
    Taken(Box<Taken>, LargeChange),
}

/// What there is beside values that are to be written, as far as it has been read.
#[derive(Debug, Default)]
struct Beside {
    /// How many values the life shows that writes.
    shown: usize,
    /// The rows that are written.
    named: Vec<Row>,
}

/// Values to be written.
#[derive(Debug)]
pub(crate) struct Change {
    /// Who is answered.
    pub(crate) asker: Option<Request>,
    /// The account.
    pub(crate) owner: BareJid,
    /// Its life when this was asked for: whoever has the name when it is written may be somebody else.
    pub(crate) life: Option<Life>,
    /// The kind.
    pub(crate) kind: &'static str,
    /// Names and values; the names are fit for parts of a key.
    pub(crate) values: Vec<(String, Bytes)>,
    /// How many values of this kind there may be. Beyond: `resource-constraint`.
    pub(crate) max: u32,
}

impl Large {
    /// Reads a value and answers with what `answer` makes of it.
    pub(crate) fn get(
        &mut self,
        cx: &mut Cx<'_>,
        request: Request,
        (owner, kind, name): (&BareJid, &'static str, &str),
        answer: Answer,
    ) {
        let query = StoreQuery::Get { key: key(owner, kind, name) };
        let (op, life) = (cx.load(Owner::Large, query), life(cx, owner));
        self.reading.insert(op, Reading::Get(request, life, answer));
    }

    /// Writes values, and answers when they are durable.
    pub(crate) fn set(&mut self, cx: &mut Cx<'_>, change: Change) {
        if let Some(queue) = self.queues.get_mut(&change.prefix()) {
            if change.asker.is_none() {
                // Nobody waits for it, so nobody slows down who makes it: of such values only the newest is kept.
                queue.retain(|older| match older {
                    Turn::Local(older) => older.asker.is_some(),
                    Turn::Taken(..) => true,
                });
            }
            queue.push_back(Turn::Local(change));
            return;
        }
        self.queues.insert(change.prefix(), VecDeque::new());
        self.begin(cx, change);
    }

    /// Takes a value of another node in, when it is its turn.
    pub(crate) fn take(&mut self, cx: &mut Cx<'_>, taken: Box<Taken>, change: LargeChange) {
        let prefix = prefix(&change.owner, &change.kind);
        if let Some(queue) = self.queues.get_mut(&prefix) {
            queue.push_back(Turn::Taken(taken, change));
            return;
        }
        self.queues.insert(prefix, VecDeque::new());
        self.begin_taken(cx, taken, change);
    }

    fn begin_taken(&mut self, cx: &mut Cx<'_>, taken: Box<Taken>, change: LargeChange) {
        let key = key(&change.owner, &change.kind, &change.name);
        let op = cx.load(Owner::Large, StoreQuery::Get { key });
        self.reading.insert(op, Reading::Taken(taken, change));
    }

    /// Writes a value of another node beside what is there, as far as that has not seen it. It is kept when that is damaged.
    fn write_taken(&mut self, cx: &mut Cx<'_>, taken: Box<Taken>, (change, rows): (LargeChange, &[Row])) {
        let LargeChange { owner, life, kind, name, entry } = change;
        let prefix = prefix(&owner, &kind);
        let Ok(mut cell) = rows.first().map_or(Ok(Cell::new()), read) else {
            return self.keep(cx, taken, owner, prefix);
        };
        let before: Vec<Dot> = cell.siblings().iter().map(|entry| entry.dot).collect();
        let dot = entry.dot;
        cell.apply(entry.with(LargeRecord { value: entry.value.0.to_vec(), life }));
        let live = |dot: &Dot| cell.siblings().iter().any(|entry| entry.dot == *dot);
        let hides = before.into_iter().filter(|dot| !live(dot)).collect();
        let mut batch = StoreBatch::new().put(key(&owner, &kind, &name), encode(&cell.siblings()));
        cx.groups.take(&taken, (live(&dot), hides), cx.journal.gate(), &mut batch);
        let op = cx.persist(Owner::Large, batch, |_| {});
        self.writing.insert(op, Written::Taken(prefix, taken));
    }

    fn keep(&mut self, cx: &mut Cx<'_>, taken: Box<Taken>, owner: BareJid, prefix: Key) {
        let op = cx.keep(Owner::Large, &taken, (owner, Part::Large));
        self.writing.insert(op, Written::Taken(prefix, taken));
    }

    fn begin(&mut self, cx: &mut Cx<'_>, change: Change) {
        let from = change.prefix();
        self.read_beside(cx, (change, Beside::default()), from);
    }

    /// Reads the next rows of the kind: values of lives that are over stand among those of this one, however many.
    fn read_beside(&mut self, cx: &mut Cx<'_>, (change, beside): (Change, Beside), from: Key) {
        let to = change.prefix().prefix_end();
        let op = cx.load(Owner::Large, StoreQuery::Range { from, to, limit: change.page() });
        self.reading.insert(op, Reading::Change(change, beside));
    }

    /// Takes in what was read.
    pub(crate) fn handle_loaded(&mut self, cx: &mut Cx<'_>, op: OpId, outcome: Result<Vec<Row>, StoreError>) {
        match (self.reading.remove(&op), outcome) {
            (Some(Reading::Get(request, life, answer)), outcome) => {
                let value = outcome.map_err(|_| StanzaError::InternalServerError).and_then(|rows| {
                    let cell = rows.first().map_or(Ok(Cell::new()), read)?;
                    Ok(shown(&cell, life).map(|blob| Bytes::copy_from_slice(&blob.value)))
                });
                let payload = value.and_then(|value| answer(cx, &request, value));
                finish(cx, &request, payload.map(Some));
            }
            (Some(Reading::Change(change, mut beside)), Ok(rows)) => {
                if let Err(error) = change.look(&rows, &mut beside) {
                    return self.end(cx, &change, Some(error));
                }
                match rows.last().filter(|_| rows.len() >= change.page() as usize) {
                    Some(last) => self.read_beside(cx, (change, beside), last.key.next()),
                    None => self.write(cx, change, &beside),
                }
            }
            (Some(Reading::Taken(taken, change)), Ok(rows)) => self.write_taken(cx, taken, (change, &rows)),
            (Some(Reading::Taken(taken, change)), Err(StoreError::Damaged)) => {
                let prefix = prefix(&change.owner, &change.kind);
                self.keep(cx, taken, change.owner, prefix);
            }
            (Some(Reading::Taken(taken, change)), Err(StoreError::Full | StoreError::Io)) => {
                cx.groups.keep_failed(taken);
                self.go_on(cx, &prefix(&change.owner, &change.kind));
            }
            (Some(Reading::Change(change, _)), Err(_)) => {
                self.end(cx, &change, Some(StanzaError::InternalServerError));
            }
            (None, _) => {}
        }
    }

    fn write(&mut self, cx: &mut Cx<'_>, change: Change, beside: &Beside) {
        let batch = match change.batch(cx, beside) {
            Ok(batch) => batch,
            Err(error) => return self.end(cx, &change, Some(error)),
        };
        let op = cx.persist(Owner::Large, batch, |cx| {
            if let Some(asker) = &change.asker {
                cx.promise(asker, asker.stanza.result(&[]));
            }
        });
        self.writing.insert(op, Written::Local(Box::new(change)));
    }

    /// Takes the end of a write in.
    pub(crate) fn handle_stored(&mut self, cx: &mut Cx<'_>, op: OpId, outcome: Result<(), StoreError>) {
        match self.writing.remove(&op) {
            Some(Written::Local(change)) => {
                self.end(cx, &change, outcome.err().map(|_| StanzaError::InternalServerError));
            }
            Some(Written::Taken(prefix, taken)) => {
                if outcome.is_err() {
                    cx.groups.keep_failed(taken);
                }
                self.go_on(cx, &prefix);
            }
            None => {}
        }
    }

    /// Ends a change, with the error if it was not done, and begins the next of its kind.
    fn end(&mut self, cx: &mut Cx<'_>, change: &Change, error: Option<StanzaError>) {
        if let (Some(asker), Some(error)) = (&change.asker, error) {
            finish(cx, asker, Err(error));
        }
        self.go_on(cx, &change.prefix());
    }

    fn go_on(&mut self, cx: &mut Cx<'_>, prefix: &Key) {
        match self.queues.get_mut(prefix).and_then(VecDeque::pop_front) {
            Some(Turn::Local(next)) => self.begin(cx, next),
            Some(Turn::Taken(taken, next)) => self.begin_taken(cx, taken, next),
            None => drop(self.queues.remove(prefix)),
        }
    }
}

impl Change {
    fn prefix(&self) -> Key {
        prefix(&self.owner, self.kind)
    }

    /// Returns how many rows are read at once: as a rule all that there are.
    const fn page(&self) -> u32 {
        self.max.saturating_add(1)
    }

    /// Takes note of what rows hold.
    fn look(&self, rows: &[Row], beside: &mut Beside) -> Result<(), StanzaError> {
        let named: Vec<Key> = self.values.iter().map(|(name, _)| key(&self.owner, self.kind, name)).collect();
        for row in rows {
            beside.shown += usize::from(shown(&read(row)?, self.life).is_some());
            if named.contains(&row.key) {
                beside.named.push(row.clone());
            }
        }
        Ok(())
    }

    /// Makes the rows, each having seen what is there.
    fn batch(&self, cx: &mut Cx<'_>, beside: &Beside) -> Result<StoreBatch, StanzaError> {
        if life(cx, &self.owner).is_some_and(|shown| Some(shown) != self.life) {
            return Err(StanzaError::ItemNotFound);
        }
        let life = self.life;
        let known = beside.named.iter().map(|row| Ok((&row.key, read(row)?)));
        let mut known = known.collect::<Result<BTreeMap<_, _>, StanzaError>>()?;
        let is_new = |name: &str| {
            let cell = known.get(&key(&self.owner, self.kind, name));
            cell.is_none_or(|cell| shown(cell, life).is_none())
        };
        let new = self.values.iter().filter(|(name, _)| is_new(name)).count();
        if new > 0 && beside.shown + new > self.max as usize {
            return Err(StanzaError::ResourceConstraint);
        }
        let mut batch = StoreBatch::new();
        for (name, value) in &self.values {
            let key = key(&self.owner, self.kind, name);
            let mut cell = known.remove(&key).unwrap_or_default();
            let (written, hlc) =
                (cx.name(self.owner.domain(), GroupKind::Cells, 1), cx.ledger.stamp(cx.now.wall));
            let hides = cell.siblings().iter().map(|entry| entry.dot).collect();
            let entry = cell.write(written.dot, hlc, LargeRecord { value: value.to_vec(), life });
            cell.apply(entry.clone());
            batch.add_put(key, encode(&cell.siblings()));
            cx.entry(written, hides, &mut batch, |_| {
                let value = sync::Blob(Bytes::from(entry.value.value.clone()));
                let (owner, kind, name) = (self.owner.clone(), self.kind.into(), name.as_str().into());
                Entry::Large(LargeChange { owner, life, kind, name, entry: entry.with(value) })
            });
        }
        Ok(batch)
    }
}

fn finish(cx: &mut Cx<'_>, request: &Request, outcome: Result<Option<Node>, StanzaError>) {
    let reply = match outcome {
        Ok(payload) => Some(request.stanza.result(payload.as_slice())),
        Err(error) => request.stanza.error(error),
    };
    cx.answer(request, reply);
}

fn prefix(owner: &BareJid, kind: &str) -> Key {
    Key::new(Table::Large, &[owner.domain(), owner.local().unwrap_or_default(), kind])
}

/// Returns the key of a value.
pub(crate) fn key(owner: &BareJid, kind: &str, name: &str) -> Key {
    Key::new(Table::Large, &[owner.domain(), owner.local().unwrap_or_default(), kind, name])
}

/// Returns the life that the name of an account stands for.
pub(crate) fn life(cx: &Cx<'_>, owner: &BareJid) -> Option<Life> {
    cx.accounts.get(owner.as_str()).and_then(Account::life)
}

/// Returns what a cell shows in a life.
fn shown(cell: &Cell<LargeRecord>, life: Option<Life>) -> Option<&LargeRecord> {
    let own = cell.siblings().iter().filter(|entry| entry.value.life.is_none() || entry.value.life == life);
    // No node has capped anything.
    own.max_by_key(|entry| (entry.hlc, entry.dot)).map(|entry| &entry.value)
}

/// Reads a cell.
fn read(row: &Row) -> Result<Cell<LargeRecord>, StanzaError> {
    let entries: Vec<replica::Entry<LargeRecord>> =
        row.decode().map_err(|_| StanzaError::InternalServerError)?;
    let mut cell = Cell::new();
    for entry in entries {
        cell.apply(entry);
    }
    Ok(cell)
}
