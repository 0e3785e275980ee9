//! Sessions that outlive the process: read at the start, before anybody is served.
//!
//! Implements: XEP-0198 1.6.3, section 5, over restarts. Those of clients without acknowledgements end now, and who saw
//! them is told. Those of which something is damaged stay where they are: nobody who saw them is told.

use std::collections::BTreeSet;

use super::{Life, Node};
use crate::directory::SessionId;
use crate::io::OpId;
use crate::ledger::Ledger;
use crate::service::effect::Effect;
use crate::service::ops::Owner;
use crate::session::{Directed, save};
use crate::store::{Key, Row, StoreError, StoreQuery, Table};
use crate::sync::{first_kept, vector_range};
use crate::time::Now;
use crate::timers::Timer;
use crate::trace::{Event, Pii};

/// Rows of sessions in one read.
const SESSIONS_PAGE: u32 = 512;
/// Rows of stanzas of one session in one read: the bound in bytes is reached before.
const SLOTS_MAX: u32 = 1_000_000;
/// Rows that say what is held: one for each start of each node, and group.
const VECTORS_MAX: u32 = 1_000_000;

/// What is still to be read before anybody is served.
#[derive(Debug, Default)]
pub(super) struct Restoring {
    /// Reads under way for sessions, and whose they are.
    slots: std::collections::BTreeMap<OpId, SessionId>,
    /// Sessions that are not whole.
    open: usize,
    /// The read of the next page of sessions, while there is one.
    page: Option<OpId>,
    /// The read of the clock, while it is under way.
    clock: Option<OpId>,
    /// The read of what is held, while it is under way: in a cluster.
    vectors: Option<OpId>,
    /// The read of sessions that go to other nodes or come from them: in a cluster.
    moved: Option<OpId>,
    /// The read of what is kept for accounts that were damaged, while it is under way: in a cluster.
    kept: Option<OpId>,
    /// Sessions that nobody can resume.
    ghosts: BTreeSet<SessionId>,
}

impl Node {
    /// Begins to read what was there before this start.
    pub(super) fn begin_restore(&mut self, now: Now) {
        self.life = Life::Restoring;
        let mut clock = None;
        self.with_services(now, |_, cx| {
            clock = Some(cx.load(Owner::Restore, StoreQuery::Get { key: Ledger::clock_key() }));
        });
        self.restoring.clock = clock;
        if self.groups.is_on() {
            let (from, to) = vector_range();
            let mut vectors = None;
            self.with_services(now, |_, cx| {
                let query = StoreQuery::Range { from, to, limit: VECTORS_MAX };
                vectors = Some(cx.load(Owner::Restore, query));
            });
            self.restoring.vectors = vectors;
            self.restoring.moved = self.read_moved(now);
            self.read_kept(now, first_kept(Key::new(Table::Kept, &[])));
        }
        self.read_sessions(now, Key::new(Table::Session, &[]));
    }

    fn read_kept(&mut self, now: Now, query: StoreQuery) {
        let mut kept = None;
        self.with_services(now, |_, cx| kept = Some(cx.load(Owner::Restore, query)));
        self.restoring.kept = kept;
    }

    fn read_sessions(&mut self, now: Now, from: Key) {
        let query = StoreQuery::Range { from, to: Key::new(Table::Unacked, &[]), limit: SESSIONS_PAGE };
        let mut page = None;
        self.with_services(now, |_, cx| page = Some(cx.load(Owner::Restore, query)));
        self.restoring.page = page;
    }

    /// Takes rows in that were asked for at the start.
    pub(super) fn handle_restored(&mut self, now: Now, op: OpId, outcome: Result<Vec<Row>, StoreError>) {
        if !matches!(self.life, Life::Restoring) {
            return;
        }
        let read = if let Some(id) = self.restoring.slots.remove(&op) {
            self.handle_slots(id, outcome)
        } else {
            self.handle_rows(now, op, outcome)
        };
        match read {
            Ok(()) => self.end_restore(now),
            Err(error) => self.fail_boot(error),
        }
    }

    fn handle_rows(
        &mut self,
        now: Now,
        op: OpId,
        outcome: Result<Vec<Row>, StoreError>,
    ) -> Result<(), StoreError> {
        outcome.and_then(|rows| {
            if self.restoring.clock.take_if(|clock| *clock == op).is_some() {
                self.ledger.load_clock(&rows)
            } else if self.restoring.vectors.take_if(|vectors| *vectors == op).is_some() {
                self.groups.load(&rows)
            } else if self.restoring.moved.take_if(|moved| *moved == op).is_some() {
                self.load_moved(&rows)
            } else if self.restoring.kept.take_if(|kept| *kept == op).is_some() {
                if let Some(next) = self.groups.load_kept(&rows) {
                    self.read_kept(now, next);
                }
                Ok(())
            } else if self.restoring.page.take_if(|page| *page == op).is_some() {
                self.handle_sessions(now, &rows);
                Ok(())
            } else {
                Ok(())
            }
        })
    }

    fn handle_slots(
        &mut self,
        id: SessionId,
        outcome: Result<Vec<Row>, StoreError>,
    ) -> Result<(), StoreError> {
        let session = self.directory.get_mut(id);
        let read =
            outcome.and_then(|rows| session.map_or(Ok(()), |session| save::load_slots(session, &rows)));
        if read == Err(StoreError::Damaged) {
            self.leave_stored(id);
            return Ok(());
        }
        self.restoring.open -= 1;
        read
    }

    fn handle_sessions(&mut self, now: Now, rows: &[Row]) {
        for row in rows {
            let Ok(session) = save::load(row) else {
                let who = save::owner(row).map(|owner| Pii::new(owner.as_jid().clone()));
                self.effects.push_back(Effect::Trace(Event::Unrestored { who }));
                continue;
            };
            let (user, acks) = (session.jid.bare(), session.acks.clone());
            if let Some(older) = self.directory.find(session.jid.as_jid()) {
                self.lay_to_rest(older);
            }
            let id = self.directory.restore(session);
            self.restoring.open += 1;
            // Another session of the account may have been on the page before.
            if self.is_hot(user.as_str()) {
                self.effects.push_back(Effect::Restored(id));
            } else {
                self.park(now, &user, Effect::Restored(id), None);
            }
            match acks {
                Some(acks) => self.directory.name(acks.id.as_deref().unwrap_or_default(), id),
                None => drop(self.restoring.ghosts.insert(id)),
            }
        }
        if let Some(last) = rows.last().filter(|_| rows.len() >= SESSIONS_PAGE as usize) {
            self.read_sessions(now, last.key.next());
        }
    }

    /// Leaves a session where it is stored: something of it, or of its account, is damaged. Nobody resumes it, and others are served.
    pub(super) fn leave_stored(&mut self, id: SessionId) {
        self.restoring.open -= 1;
        self.restoring.ghosts.remove(&id);
        if let Some(session) = self.directory.get_mut(id) {
            // So that its rows are not removed with it.
            session.stored = false;
        }
        let who = self.directory.remove(id).map(|session| Pii::new(session.jid.as_jid().clone()));
        self.effects.push_back(Effect::Trace(Event::Unrestored { who }));
    }

    /// A session whose address another has got was still there when the process ended: what it never got goes to others. It is
    /// the other that is seen.
    fn lay_to_rest(&mut self, older: SessionId) {
        if let Some(session) = self.directory.get_mut(older) {
            session.presence = None;
            session.directed = Directed::default();
        }
        self.restoring.ghosts.insert(older);
    }

    /// The account of a restored session is in memory: its archive and its stanzas are read, too.
    pub(super) fn restore_slots(&mut self, now: Now, id: SessionId) {
        let Some(session) = self.directory.get(id) else {
            if matches!(self.life, Life::Restoring) {
                self.restoring.open -= 1;
                self.end_restore(now);
            }
            return;
        };
        let user = session.jid.bare();
        let (from, to) = save::slots(&user, session.number);
        if !self.archives.knows(user.as_str()) {
            return self.park_archive(now, &user, Effect::Restored(id), None);
        }
        let mut op = None;
        self.with_services(now, |_, cx| {
            op = Some(cx.load(Owner::Restore, StoreQuery::Range { from, to, limit: SLOTS_MAX }));
        });
        self.restoring.slots.extend(op.map(|op| (op, id)));
    }

    /// Serves, once everything has been read that can be.
    pub(super) fn end_restore(&mut self, now: Now) {
        let Restoring { open, page, clock, vectors, moved, kept, .. } = &*self.restoring;
        if !matches!(self.life, Life::Restoring)
            || *open > 0
            || page.is_some()
            || clock.is_some()
            || vectors.is_some()
            || moved.is_some()
            || kept.is_some()
            || self.is_founding(now)
        {
            return;
        }
        self.begin_serving();
        self.begin_deliveries();
        // Nobody could resume before.
        for id in self.directory.ids() {
            if let Some(acks) = self.directory.get(id).and_then(|session| session.acks.as_ref()) {
                self.timers.arm(Timer::Resume(id), now.mono + acks.max);
            }
        }
        self.begin_levels(now);
        let owed = self.directory.ids().filter(|id| !self.restoring.ghosts.contains(id));
        self.effects.extend(owed.map(Effect::Owed));
        self.effects.extend(self.groups.kept().into_iter().map(Effect::Play));
        for id in core::mem::take(&mut self.restoring.ghosts) {
            self.end_session(now, id, "the node was started again");
        }
        let lost: Vec<SessionId> = self.directory.ids().filter(|id| self.is_lost(*id)).collect();
        for id in lost {
            self.end_session(now, id, "the account is gone");
        }
        self.catch_up(now);
    }

    /// Lets sessions follow what comes of which a version that knew no delivery vectors has stored that they take messages.
    fn begin_deliveries(&mut self) {
        for id in self.directory.ids().collect::<Vec<_>>() {
            let Some(session) = self.directory.get_mut(id).filter(|session| session.takes_bare_messages())
            else {
                continue;
            };
            if session.delivery.began().is_none() {
                session.delivery.begin(self.groups.cover(session.jid.as_jid().domain(), &self.ledger));
            }
        }
    }

    /// Returns whether the account of a session does not exist.
    fn is_lost(&self, id: SessionId) -> bool {
        self.directory
            .get(id)
            .is_some_and(|session| self.accounts.get(session.jid.as_jid().bare_str()).is_none())
    }
}
