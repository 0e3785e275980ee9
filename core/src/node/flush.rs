//! Writing: one flush at a time, and what its answer sets free.

use super::Node;
use crate::directory::SessionId;
use crate::io::{OpId, Output};
use crate::journal::Flight;
use crate::service::effect::Effect;
use crate::service::ops::{Owner, Waiting};
use crate::session::{Saved, save};
use crate::store::{StoreBatch, StoreError, StoreQuery};
use crate::time::Now;
use crate::timers::Timer;
use crate::trace::Event;

impl Node {
    /// Begins a flush when one is due. Everything that the input caused has been done, so that the flush is a cut.
    pub(super) fn begin_flush(&mut self) {
        if !self.journal.is_due() {
            return;
        }
        let op = self.ops.begin(Owner::Journal);
        let dirty = self.directory.take_dirty();
        let gone = self.directory.take_gone();
        let mut rows = StoreBatch::new();
        let mut saved = Vec::with_capacity(dirty.len());
        for id in dirty {
            let Some(session) = self.directory.get_mut(id) else { continue };
            saved.push((id, save::save(session, &mut rows)));
        }
        for (jid, number) in &gone {
            save::end(jid, *number, &mut rows);
        }
        let archives = self.archives.save(&mut rows);
        let flush = self.journal.gate();
        let mut batch = self.journal.begin(op, saved, gone, archives);
        batch.writes.append(&mut rows.writes);
        self.ledger.save_clock(&mut batch);
        if self.groups.is_on() {
            self.groups.save(flush, &mut batch);
        } else {
            self.ledger.save_counts(&mut batch);
        }
        self.outputs.push_back(Output::Store { op, batch });
        for (op, query) in core::mem::take(&mut self.loads) {
            self.outputs.push_back(Output::Load { op, query });
        }
    }

    /// Reads. What has been written before, by anybody, is seen: the read waits until all of it is on its way.
    pub(super) fn load(&mut self, op: OpId, query: StoreQuery) {
        if self.journal.is_gathering() {
            self.journal.urge();
            self.loads.push((op, query));
        } else {
            self.outputs.push_back(Output::Load { op, query });
        }
    }

    /// A flush has been answered.
    pub(super) fn end_flush(&mut self, now: Now, flight: Flight, outcome: Result<(), StoreError>) {
        self.groups.end_flush(self.journal.begun(), outcome.is_err());
        if outcome.is_ok() {
            self.directory.end_gone();
            self.announce_saved(now, &flight.saved);
            self.count_flush(now);
        } else {
            self.fail_levels(&flight.ops);
        }
        // What clients wait for goes first: what the writes cause is newer.
        for id in &flight.waiting {
            if outcome.is_err()
                && let Some(session) = self.directory.get_mut(*id)
            {
                session.fail(&flight.ops);
            }
            self.release(*id);
        }
        let ops = match outcome {
            Ok(()) => {
                self.saved(&flight.saved);
                flight.ops
            }
            Err(error) => self.not_saved(now, flight, error),
        };
        for op in ops {
            self.end_write(now, op, outcome);
        }
        if outcome.is_ok() {
            self.with_services(now, |services, cx| services.messages.handle_writable(cx));
            self.take_again(now);
            self.join_commits(now);
            self.look_whether_full(now);
        }
        self.unthrottle();
    }

    /// Ends one write of a service: what waited for it happens, or its owner hears of the failure.
    fn end_write(&mut self, now: Now, op: OpId, outcome: Result<(), StoreError>) {
        let Some(Waiting { owner, held, .. }) = self.ops.end(op) else { return };
        if let Some(taken) = self.services.taking.handle_stored(op, outcome) {
            self.groups.keep_failed(taken);
        }
        match outcome {
            Ok(()) => self.effects.extend(held),
            Err(_) => self.effects.extend(held.into_iter().filter_map(|effect| effect.without(op))),
        }
        match owner {
            Owner::Rise => self.handle_risen(outcome),
            Owner::Membership => self.handle_enrolled(now, op, outcome),
            Owner::Boot => self.handle_boot_stored(now, outcome),
            Owner::Account => {
                self.with_services(now, |services, cx| services.accounts.handle_stored(cx, op, outcome));
            }
            Owner::Blocking => {
                self.with_services(now, |services, cx| services.blocking.handle_stored(cx, op, outcome));
            }
            Owner::Large => {
                self.with_services(now, |services, cx| services.large.handle_stored(cx, op, outcome));
            }
            Owner::Message => {
                self.with_services(now, |services, cx| services.messages.handle_stored(cx, op, outcome));
            }
            Owner::Mam => {
                self.with_services(now, |services, cx| services.mam.handle_stored(cx, op, outcome));
            }
            Owner::Sweep => {
                self.with_services(now, |services, cx| services.sweep.handle_stored(cx, op, outcome));
            }
            Owner::Roster => {
                self.with_services(now, |services, cx| services.roster.handle_stored(cx, op, outcome));
            }
            Owner::Tombstones => self.handle_buried(now, op, outcome),
            Owner::Move => self.handle_moved_stored(now, op, outcome),
            Owner::Stream(_)
            | Owner::Journal
            | Owner::Hot
            | Owner::Restore
            | Owner::Archive
            | Owner::Sync
            | Owner::Kept => {}
        }
    }

    /// The rows of these sessions are durable: those that can be resumed from here on are told so, ahead of what counts.
    fn announce_saved(&mut self, now: Now, saved: &[(SessionId, Saved)]) {
        for (id, _) in saved.iter().filter(|(_, saved)| saved.resumable) {
            let session = self.directory.get(*id);
            if session.and_then(|session| session.acks.as_ref()).is_some_and(|acks| !acks.told) {
                self.announce(now, *id);
            }
        }
    }

    /// The rows of these sessions are durable: more of what their clients sent may be acknowledged.
    fn saved(&mut self, saved: &[(SessionId, Saved)]) {
        for (id, saved) in saved {
            let Some(session) = self.directory.get_mut(*id) else { continue };
            let Some(acks) = session.acks.as_mut() else { continue };
            acks.durable = acks.durable.max(saved.handled);
            self.secure(*id);
        }
    }

    /// A flush failed as a whole. The writes of services are lost, and what depends on them is never said; the rows of
    /// sessions are written again with the next flush, and what waits for them waits for that one. Returns the lost writes.
    fn not_saved(&mut self, now: Now, flight: Flight, error: StoreError) -> Vec<OpId> {
        let Flight { ops, waiting, saved, gone, archives, .. } = flight;
        if !matches!(self.life, super::Life::Writing) {
            self.effects.push_back(Effect::Trace(Event::StoreFailed { error }));
        }
        self.journal.wait_again(waiting);
        for (id, saved) in saved {
            if let Some(session) = self.directory.get_mut(id) {
                session.unsaved();
            }
            self.directory.touch(id);
            if saved.resumable {
                self.forgo_resumption(now, id);
            }
        }
        self.archives.unsaved(archives);
        self.ledger.unsaved();
        self.directory.keep_gone(gone);
        for user in self.accounts.changed_with(self.journal.begun()) {
            self.read_account(now, user);
        }
        self.timers.arm(Timer::Flush, now.mono + self.config.limits.flush_again);
        ops
    }

    /// Hands to the connection of a session that ends what does not wait for a message that is being written, nor stands
    /// behind one: an answer need not wait for the rows of a session that nobody resumes.
    pub(super) fn release_last(&mut self, id: SessionId) {
        if let Some(session) = self.directory.get_mut(id) {
            session.outbox.hold_nothing();
            session.outbox.ungate();
        }
        self.release(id);
    }

    /// Hands to the connection of a session what may go.
    pub(super) fn release(&mut self, id: SessionId) {
        let durable = self.journal.durable();
        if let Some(session) = self.directory.get_mut(id) {
            session.hand_out(durable, &mut self.outputs);
        }
    }
}
