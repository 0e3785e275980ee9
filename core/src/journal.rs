//! Everything a node writes, gathered into one flush at a time.
//!
//! A flush is a cut through the node's history: it holds everything written up to the end of one input. What clients
//! are told of it waits until it is durable (docs/adr/0020-output-commit.md).

use std::collections::{BTreeSet, VecDeque};

use crate::directory::SessionId;
use crate::io::OpId;
use crate::jid::{BareJid, FullJid};
use crate::session::Saved;
use crate::store::StoreBatch;

/// What has been written and is not yet on its way, and what is on its way.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    next: Gathered,
    /// Flushes begun; the one being gathered has this number plus one.
    begun: u64,
    flying: Option<Flight>,
    /// Flushes up to this one are durable; one that failed before it is done again by it.
    durable: u64,
    /// The last flush failed.
    failed: bool,
}

/// What the next flush will hold, beside the rows of sessions.
#[derive(Debug, Default)]
struct Gathered {
    batch: StoreBatch,
    ops: Vec<OpId>,
    /// Sessions with stanzas that wait for this flush.
    waiting: VecDeque<SessionId>,
    urgent: bool,
}

/// A flush on its way.
#[derive(Debug)]
pub(crate) struct Flight {
    /// The operation that the driver answers.
    pub(crate) op: OpId,
    /// What services and archives have written with it, in order.
    pub(crate) ops: Vec<OpId>,
    /// Sessions with stanzas that wait for it.
    pub(crate) waiting: VecDeque<SessionId>,
    /// Sessions whose rows it holds.
    pub(crate) saved: Vec<(SessionId, Saved)>,
    /// Sessions whose rows it removes.
    pub(crate) gone: Vec<(FullJid, u64)>,
    /// Archives whose rows it holds.
    pub(crate) archives: Vec<SavedArchive>,
}

/// An archive whose rows a flush holds.
#[derive(Debug)]
pub(crate) struct SavedArchive {
    /// Whose it is.
    pub(crate) user: BareJid,
    /// Which of the rows that say what its owner has sent, by bits.
    pub(crate) sent: u8,
}

impl Journal {
    /// Adds the write `op`.
    pub(crate) fn add(&mut self, op: OpId, batch: StoreBatch) {
        self.add_again(op, batch);
        self.next.urgent = true;
    }

    /// Adds the write `op` for one that failed: it goes with the next flush, whenever that comes.
    pub(crate) fn add_again(&mut self, op: OpId, batch: StoreBatch) {
        self.next.batch.writes.extend(batch.writes);
        self.next.ops.push(op);
    }

    /// Returns the number of the flush that will hold what is written from here on.
    pub(crate) const fn gate(&self) -> u64 {
        self.begun + 1
    }

    /// Takes note that a session has stanzas that wait for the next flush.
    pub(crate) fn wait(&mut self, session: SessionId) {
        self.next.urgent = true;
        if self.next.waiting.back() != Some(&session) {
            self.next.waiting.push_back(session);
        }
    }

    /// Asks for a flush as soon as the one on its way is done.
    pub(crate) const fn urge(&mut self) {
        self.next.urgent = true;
    }

    /// Lets sessions wait for the next flush whose last one failed, whenever it comes.
    pub(crate) fn wait_again(&mut self, mut sessions: VecDeque<SessionId>) {
        sessions.append(&mut self.next.waiting);
        let mut known = BTreeSet::new();
        sessions.retain(|session| known.insert(*session));
        self.next.waiting = sessions;
    }

    /// Returns up to which number flushes are durable.
    pub(crate) const fn durable(&self) -> u64 {
        self.durable
    }

    /// Returns the number of the last flush that has begun.
    pub(crate) const fn begun(&self) -> u64 {
        self.begun
    }

    /// Returns whether something is written that is not on its way.
    pub(crate) const fn is_gathering(&self) -> bool {
        !self.next.batch.writes.is_empty()
    }

    /// Returns the last write of the flush being gathered.
    pub(crate) fn last(&self) -> Option<OpId> {
        self.next.ops.last().copied()
    }

    /// Returns whether the write `op` is in the flush being gathered.
    pub(crate) fn gathers(&self, op: OpId) -> bool {
        self.next.ops.contains(&op)
    }

    /// Returns whether a flush is due and none is on its way.
    pub(crate) const fn is_due(&self) -> bool {
        self.next.urgent && self.flying.is_none()
    }

    /// Returns whether nothing is gathered that somebody waits for, and nothing on its way.
    pub(crate) const fn is_idle(&self) -> bool {
        !self.next.urgent && self.flying.is_none()
    }

    /// Returns whether the last flush failed.
    pub(crate) const fn has_failed(&self) -> bool {
        self.failed
    }

    /// Begins the flush `op`: returns what was gathered; the caller adds the rows of `saved`, `gone` and `archives` to it.
    pub(crate) fn begin(
        &mut self,
        op: OpId,
        saved: Vec<(SessionId, Saved)>,
        gone: Vec<(FullJid, u64)>,
        archives: Vec<SavedArchive>,
    ) -> StoreBatch {
        debug_assert!(self.flying.is_none(), "one flush at a time");
        let Gathered { batch, ops, waiting, .. } = core::mem::take(&mut self.next);
        self.begun += 1;
        self.flying = Some(Flight { op, ops, waiting, saved, gone, archives });
        batch
    }

    /// Ends the flush `op`, which may have `failed`; nothing when it is another operation.
    pub(crate) fn end(&mut self, op: OpId, failed: bool) -> Option<Flight> {
        let flight = self.flying.take_if(|flight| flight.op == op)?;
        self.failed = failed;
        if !failed {
            self.durable = self.begun;
        }
        Some(flight)
    }
}
