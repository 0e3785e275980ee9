//! The rows of a session: what brings it back after its node was killed.
//!
//! Implements: XEP-0198 1.6.3, section 5, over restarts. Of a session without acknowledgements only that it was there
//! is stored: those who saw it available are told that it is gone.

use std::collections::VecDeque;

use bytes::Bytes;
use minicbor::{Decode, Encode};

use super::below::NoteRecord;
use super::resource::named;
use super::{Acks, Below, Said, Session, Slot, What};
use crate::jid::{BareJid, FullJid};
use crate::replica::{Delivery, Dot, Hlc, Place};
use crate::stanza::{Packet, Stanza};
use crate::store::{Key, Row, StoreBatch, StoreError, Table, encode};
use crate::time::Span;

/// What a flush holds of a session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Saved {
    /// Stanzas of the client that had been handled.
    pub(crate) handled: u64,
    /// It can be resumed.
    pub(crate) resumable: bool,
}

/// A session as it is stored.
#[derive(Debug, Encode, Decode)]
pub(super) struct SessionRecord {
    #[n(0)]
    resource: String,
    #[n(1)]
    acks: Option<AcksRecord>,
    #[n(2)]
    presence: Option<PresenceRecord>,
    #[n(3)]
    directed: Vec<String>,
    #[n(4)]
    wishes: u8,
    #[n(5)]
    lang: Option<String>,
    #[n(6)]
    roster: Option<Box<str>>,
    /// When it took messages for its account, before the presence it has: for those in no archive.
    #[n(7)]
    times: Option<Vec<(Hlc, Hlc)>>,
    /// What it was given later than others, or beside them: in a row of a version that knew no delivery vectors.
    #[n(8)]
    given: Option<Vec<Place>>,
    /// The same of pages.
    #[n(9)]
    paged: Option<Vec<Place>>,
    /// Its name; nothing where the number says it.
    #[n(10)]
    name: Option<Dot>,
    /// What it has said last to whom.
    #[n(11)]
    said: Option<Box<Said>>,
    /// When it was bound, where another node asks.
    #[n(12)]
    bound: Option<Hlc>,
    /// What it was given.
    #[n(13)]
    delivery: Option<Delivery>,
    /// What pages have given it.
    #[n(14)]
    pages: Option<Vec<Dot>>,
    /// What is below the level of its domain, as far as is known.
    #[n(15)]
    below: Option<Vec<NoteRecord>>,
    /// How often it has gone to another node, if it has.
    #[n(24)]
    epoch: Option<u32>,
}

#[derive(Debug, Encode, Decode)]
struct AcksRecord {
    #[n(0)]
    id: String,
    #[n(1)]
    max_micros: u64,
    #[n(2)]
    handled: u64,
    #[n(3)]
    base: u64,
}

#[derive(Debug, Encode, Decode)]
struct PresenceRecord {
    #[n(0)]
    priority: i8,
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    stanza: Vec<u8>,
    #[n(2)]
    since: Hlc,
}

/// A stanza that the client has not acknowledged.
#[derive(Debug, Encode, Decode)]
pub(super) struct SlotRecord {
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    head: Vec<u8>,
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    body: Vec<u8>,
    #[n(2)]
    what: WhatRecord,
}

#[derive(Debug, Encode, Decode)]
enum WhatRecord {
    #[n(0)]
    Stored(#[n(0)] Place),
    #[n(1)]
    Message(#[n(0)] Hlc),
    #[n(2)]
    Request,
    #[n(3)]
    Other,
    #[n(4)]
    Page(#[n(0)] Place),
    #[n(5)]
    Owed(#[n(0)] Place),
}

/// Adds the rows that bring the store up to date with a session; it is not dirty afterwards.
pub(crate) fn save(session: &mut Session, rows: &mut StoreBatch) -> Saved {
    session.dirty = false;
    let handled = session.acks.as_ref().map_or(0, |acks| acks.handled);
    let saved = Saved { handled, resumable: session.is_resumable() };
    if !session.is_resumable() && session.presence.is_none() {
        if core::mem::take(&mut session.stored) {
            end(&session.jid, session.number, rows);
        }
        return saved;
    }
    session.stored = true;
    rows.add_put(session_key(&session.jid.bare(), session.number), encode(&record(session)));
    if session.is_resumable() {
        save_slots(session, rows);
    }
    saved
}

/// Adds the removal of all rows of a session.
pub(crate) fn end(jid: &FullJid, number: u64, rows: &mut StoreBatch) {
    let owner = jid.bare();
    rows.add_delete(session_key(&owner, number));
    rows.add_delete_range(slot_key(&owner, number, 0), slot_key(&owner, number, u64::MAX));
}

/// Returns the keys between which the unacknowledged stanzas of a session are stored.
pub(crate) fn slots(owner: &BareJid, number: u64) -> (Key, Key) {
    (slot_key(owner, number, 0), slot_key(owner, number, u64::MAX))
}

/// Returns the account of the session that a row is about, however damaged the row may be.
pub(crate) fn owner(row: &Row) -> Option<BareJid> {
    let mut parts = row.key.parts();
    let (domain, local) = (parts.next()?, parts.next()?);
    BareJid::parse(&format!("{local}@{domain}")).ok()
}

/// Brings a session back; it has no connection and, until [`load_slots`], no stanzas.
///
/// # Errors
///
/// [`StoreError::Damaged`] when the row cannot be read.
pub(crate) fn load(row: &Row) -> Result<Session, StoreError> {
    read(row).ok_or(StoreError::Damaged)
}

/// Gives a session back what its client had not acknowledged.
///
/// # Errors
///
/// [`StoreError::Damaged`] when a row cannot be read.
pub(crate) fn load_slots(session: &mut Session, rows: &[Row]) -> Result<(), StoreError> {
    let base = session.outbox.base();
    let mut slots = VecDeque::with_capacity(rows.len());
    for row in rows {
        let record: SlotRecord = row.decode()?;
        let tail = row.key.tail(2).and_then(|tail| tail.get(8..16)).ok_or(StoreError::Damaged)?;
        let number = u64::from_be_bytes(tail.try_into().map_err(|_| StoreError::Damaged)?);
        if number < base {
            continue;
        }
        if number != base + slots.len() as u64 {
            return Err(StoreError::Damaged);
        }
        slots.push_back(record.slot());
    }
    session.outbox.restore(base, slots);
    session.saved_to = session.outbox.end();
    session.saved_from = base;
    Ok(())
}

fn save_slots(session: &mut Session, rows: &mut StoreBatch) {
    let owner = session.jid.bare();
    let (base, end) = (session.outbox.base(), session.outbox.end());
    let key = |number| slot_key(&owner, session.number, number);
    if core::mem::take(&mut session.rewrite) {
        rows.add_delete_range(key(0), key(u64::MAX));
        session.saved_to = base;
    } else if session.saved_from < base.min(session.saved_to) {
        rows.add_delete_range(key(session.saved_from), key(base));
    }
    let changed = session.outbox.take_changed(session.saved_to);
    let fresh = session.outbox.from(session.saved_to);
    for (number, slot) in changed.iter().map(|(number, slot)| (*number, slot)).chain(fresh) {
        rows.add_put(key(number), encode(&SlotRecord::of(slot)));
    }
    (session.saved_from, session.saved_to) = (base, end);
}

/// Returns what is stored of a session.
pub(super) fn record(session: &Session) -> SessionRecord {
    let acks = session.acks.as_ref().and_then(|acks| {
        let id = acks.id.as_deref()?.to_owned();
        let max_micros = acks.max.as_micros();
        Some(AcksRecord { id, max_micros, handled: acks.handled, base: session.outbox.base() })
    });
    SessionRecord {
        resource: session.jid.resource().to_owned(),
        acks,
        presence: session.presence.as_ref().map(|presence| PresenceRecord {
            priority: presence.priority,
            stanza: presence.stanza.packet().to_vec(),
            since: presence.since,
        }),
        directed: session.directed.addresses().map(|jid| jid.as_str().to_owned()).collect(),
        wishes: session.wishes.to_bits(),
        lang: session.lang.as_deref().map(str::to_owned),
        roster: session.roster.clone(),
        times: (!session.times.is_empty()).then(|| session.times.iter().copied().collect()),
        given: None,
        paged: None,
        name: Some(session.name),
        said: session.said.clone(),
        bound: Some(session.bound).filter(|bound| *bound != Hlc::default()),
        delivery: Some(&session.delivery).filter(|delivery| **delivery != Delivery::new()).cloned(),
        pages: (!session.paged.is_empty()).then(|| session.paged.iter().copied().collect()),
        below: session.below.as_ref().map(|below| below.records()),
        epoch: Some(session.epoch).filter(|epoch| *epoch > 0),
    }
}

fn read(row: &Row) -> Option<Session> {
    let record: SessionRecord = row.decode().ok()?;
    let number = u64::from_be_bytes(row.key.tail(2)?.try_into().ok()?);
    let mut session = revive(record, &owner(row)?, number)?;
    session.stored = true;
    Some(session)
}

/// Makes a session of what is stored of it.
pub(super) fn revive(record: SessionRecord, owner: &BareJid, number: u64) -> Option<Session> {
    let jid = owner.with_resource(&record.resource).ok()?;
    let name = record.name.unwrap_or_else(|| named(number));
    let mut session = Session::detached(jid, (name, number), record.lang.as_deref().map(Into::into));
    session.epoch = record.epoch.unwrap_or_default();
    session.wishes = super::Wishes::from_bits(record.wishes);
    session.roster = record.roster;
    session.said = record.said;
    session.bound = record.bound.unwrap_or_default();
    session.times.extend(record.times.into_iter().flatten());
    session.delivery = record.delivery.unwrap_or_default();
    for place in record.given.into_iter().flatten() {
        session.delivery.give_later(place.dot);
    }
    session.paged.extend(record.paged.into_iter().flatten().map(|place| place.dot));
    session.paged.extend(record.pages.into_iter().flatten());
    session.below = match record.below {
        Some(below) => Some(Box::new(Below::load(below)?)),
        None => None,
    };
    if let Some(acks) = record.acks {
        let mut counters = Acks::new(Some(acks.id.into()), Span::from_micros(acks.max_micros));
        let before = session.below.as_ref().and_then(|below| below.before());
        (counters.handled, counters.durable, counters.asked_for) = (acks.handled, acks.handled, acks.base);
        counters.safe = before.map_or(acks.handled, |before| before.min(acks.handled));
        counters.told = true;
        session.acks = Some(Box::new(counters));
        session.outbox.restore(acks.base, VecDeque::new());
        (session.saved_from, session.saved_to) = (acks.base, acks.base);
    }
    if let Some(presence) = record.presence {
        let stanza = Stanza::parse(Bytes::copy_from_slice(&presence.stanza))?;
        let PresenceRecord { priority, since, .. } = presence;
        session.presence = Some(super::resource::Presence { priority, stanza, since });
    }
    for to in record.directed {
        let to = crate::jid::Jid::parse(&to).ok()?;
        // The bound was kept when it was written.
        _ = session.directed.told(&to, u32::MAX);
    }
    Some(session)
}

fn session_key(owner: &BareJid, number: u64) -> Key {
    Key::with_tail(
        Table::Session,
        &[owner.domain(), owner.local().unwrap_or_default()],
        &number.to_be_bytes(),
    )
}

fn slot_key(owner: &BareJid, number: u64, slot: u64) -> Key {
    let mut tail = [0; 16];
    tail[..8].copy_from_slice(&number.to_be_bytes());
    tail[8..].copy_from_slice(&slot.to_be_bytes());
    Key::with_tail(Table::Unacked, &[owner.domain(), owner.local().unwrap_or_default()], &tail)
}

impl SlotRecord {
    /// Returns what is stored of a stanza.
    pub(super) fn of(slot: &Slot) -> Self {
        let Packet { head, body } = &slot.packet;
        Self { head: head.to_vec(), body: body.to_vec(), what: slot.what.into() }
    }

    /// Returns the stanza.
    pub(super) fn slot(self) -> Slot {
        let packet = Packet { head: self.head.into(), body: self.body.into() };
        Slot { packet, gate: 0, op: None, what: self.what.into() }
    }
}

impl From<What> for WhatRecord {
    fn from(what: What) -> Self {
        match what {
            What::Stored(place) => Self::Stored(place),
            What::Message(since) => Self::Message(since),
            What::Request => Self::Request,
            What::Other => Self::Other,
            What::Page(place) => Self::Page(place),
            What::Owed(place) => Self::Owed(place),
        }
    }
}

impl From<WhatRecord> for What {
    fn from(what: WhatRecord) -> Self {
        match what {
            WhatRecord::Stored(place) => Self::Stored(place),
            WhatRecord::Message(since) => Self::Message(since),
            WhatRecord::Request => Self::Request,
            WhatRecord::Other => Self::Other,
            WhatRecord::Page(place) => Self::Page(place),
            WhatRecord::Owed(place) => Self::Owed(place),
        }
    }
}
