//! What is left of sessions that were not resumed: how many stanzas of their clients had been handled.
//!
//! Implements: XEP-0198 1.6.3, section 5, the `h` of `<failed/>`. Complete.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use super::Node;
use super::moving::is_id;
use crate::directory::SessionId;
use crate::exchange::{Kept, Moving, NotResumed, ToStream};
use crate::io::{ConnId, OpId};
use crate::jid::BareJid;
use crate::service::effect::Effect;
use crate::service::ops::Owner;
use crate::session::Acks;
use crate::stanza::StanzaError;
use crate::store::{Key, Row, StoreBatch, StoreError, StoreQuery, Table, encode};
use crate::time::{Now, Span, UnixTime};
use crate::trace::Event;

/// Rows of one account that are read at most. There are never many more than are kept.
const ROWS_MAX: u32 = 256;

/// Reads and writes of tombstones under way.
#[derive(Debug, Default)]
pub(super) struct Tombstones {
    /// Reads: who has to be told what.
    reads: BTreeMap<OpId, Option<Search>>,
    /// Writes: nobody else has what they hold.
    writes: BTreeMap<OpId, StoreBatch>,
}

/// A connection that asked for a session that is not there.
#[derive(Debug)]
struct Search {
    asker: Asker,
    id: Box<str>,
}

/// Who asks for a session that is not there.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asker {
    /// A client.
    Conn(ConnId),
    /// A client whose session may be at another node: if it has not ended here, others are asked.
    Seeker(ConnId),
    /// Another node, by the number of its claim.
    Node(u32, u64),
}

/// What is stored of a session that ended.
#[derive(Clone, Copy, Debug, Encode, Decode)]
struct TombstoneRecord {
    #[n(0)]
    handled: u64,
    /// Wall-clock milliseconds since 1970 of the end.
    #[n(1)]
    ended_ms: i64,
}

impl Node {
    /// Stores what a client may be told when it comes too late for its session. Nothing when a stanza of it is still
    /// being handled: what is said must hold.
    pub(super) fn bury(&mut self, now: Now, id: SessionId) {
        let Some(session) = self.directory.get(id).filter(|session| !session.inbound.open) else { return };
        let Some((name, handled)) =
            session.acks.as_ref().and_then(|acks| Some((acks.id.as_deref()?, acks.handled)))
        else {
            return;
        };
        // What is not known to be safe is sent again, and known again.
        let before = session.below.as_ref().and_then(|below| below.before());
        let handled = before.map_or(handled, |before| before.min(handled));
        let owner = session.jid.bare();
        let record = TombstoneRecord { handled, ended_ms: now.wall.as_millis() };
        let value = encode(&record);
        let batch = StoreBatch::new().put(key(&owner, name), value);
        self.write_tombstones(now, batch);
        self.read_tombstones(now, &owner, None);
    }

    /// Answers a client, or a node, that wants to resume a session that is not there.
    pub(super) fn search_tombstone(&mut self, now: Now, asker: Asker, (user, id): (&BareJid, &str)) {
        if !is_id(id) {
            return self.refuse(now, asker, StanzaError::ItemNotFound, None);
        }
        self.read_tombstones(now, user, Some(Search { asker, id: id.into() }));
    }

    fn read_tombstones(&mut self, now: Now, owner: &BareJid, search: Option<Search>) {
        let from = Key::new(Table::Tombstone, &[owner.domain(), owner.local().unwrap_or_default()]);
        let to = from.prefix_end();
        let mut op = None;
        self.with_services(now, |_, cx| {
            op = Some(cx.load(Owner::Tombstones, StoreQuery::Range { from, to, limit: ROWS_MAX }));
        });
        self.tombstones.reads.extend(op.map(|op| (op, search)));
    }

    fn write_tombstones(&mut self, now: Now, batch: StoreBatch) {
        let mut op = None;
        let written = batch.clone();
        self.with_services(now, |_, cx| op = Some(cx.persist(Owner::Tombstones, written, |_| {})));
        self.tombstones.writes.extend(op.map(|op| (op, batch)));
    }

    /// A write has been answered. One that failed goes with the next flush: the session that it is about is no more.
    pub(super) fn handle_buried(&mut self, now: Now, op: OpId, outcome: Result<(), StoreError>) {
        let Some(batch) = self.tombstones.writes.remove(&op).filter(|_| outcome.is_err()) else { return };
        let mut again = None;
        let written = batch.clone();
        self.with_services(now, |_, cx| again = Some(cx.persist_again(Owner::Tombstones, written)));
        self.tombstones.writes.extend(again.map(|op| (op, batch)));
    }

    /// The tombstones of an account have been read: one is told, and those that are too old or too many are removed.
    pub(super) fn handle_tombstones(&mut self, now: Now, op: OpId, outcome: Result<Vec<Row>, StoreError>) {
        let Some(search) = self.tombstones.reads.remove(&op) else { return };
        let rows = match outcome {
            Ok(rows) => rows,
            Err(error) => {
                self.effects.push_back(Effect::Trace(Event::StoreFailed { error }));
                return search.into_iter().for_each(|search| {
                    self.refuse(now, search.asker, StanzaError::InternalServerError, None);
                });
            }
        };
        let limits = &self.config.limits;
        let (kept, removed) = sort(rows, now.wall, limits.tombstone_time, limits.tombstones as usize);
        if let Some(Search { asker, id }) = search {
            let found = kept.iter().find(|(key, _)| key.parts().nth(2) == Some(&*id));
            let h = found.map(|(_, record)| Acks::wire(record.handled));
            match (asker, h) {
                (Asker::Seeker(conn), None) => self.seek_elsewhere(now, conn),
                (Asker::Conn(_) | Asker::Seeker(_) | Asker::Node(..), _) => {
                    self.refuse(now, asker, StanzaError::ItemNotFound, h);
                }
            }
        }
        if !removed.is_empty() {
            let mut batch = StoreBatch::new();
            for key in removed {
                batch.add_delete(key);
            }
            self.write_tombstones(now, batch);
        }
    }

    pub(super) fn refuse(&mut self, now: Now, asker: Asker, error: StanzaError, h: Option<u32>) {
        match asker {
            Asker::Conn(conn) | Asker::Seeker(conn) => {
                self.moves.forget_seeker(conn);
                self.tell_stream(now, conn, ToStream::Resumed(Err(NotResumed { error, h })));
            }
            Asker::Node(node, number) => self.tell_moving(node, Moving::Kept(number, Kept::Unknown(h))),
        }
    }
}

/// Splits the tombstones of an account into those that hold and those that are too old, too many, or unreadable.
fn sort(rows: Vec<Row>, wall: UnixTime, time: Span, most: usize) -> (Vec<(Key, TombstoneRecord)>, Vec<Key>) {
    let (mut kept, mut removed) = (Vec::new(), Vec::new());
    let time = i64::try_from(time.as_micros() / 1_000).unwrap_or(i64::MAX);
    for row in rows {
        match row.decode::<TombstoneRecord>() {
            Ok(record) if wall.as_millis().saturating_sub(record.ended_ms) <= time => {
                kept.push((row.key, record));
            }
            Ok(_) | Err(_) => removed.push(row.key),
        }
    }
    kept.sort_by(|(one, earlier), (other, later)| (later.ended_ms, other).cmp(&(earlier.ended_ms, one)));
    let spare = kept.split_off(kept.len().min(most));
    removed.extend(spare.into_iter().map(|(key, _)| key));
    (kept, removed)
}

fn key(owner: &BareJid, id: &str) -> Key {
    Key::new(Table::Tombstone, &[owner.domain(), owner.local().unwrap_or_default(), id])
}
