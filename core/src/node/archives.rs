//! Archives that are needed and not in memory, and the removal of what they may not keep.

use std::collections::VecDeque;

use super::Node;
use crate::archive::table_range;
use crate::directory::SessionId;
use crate::io::OpId;
use crate::jid::{BareJid, FullJid, Jid};
use crate::replica::Hlc;
use crate::service::effect::{Effect, Parked};
use crate::service::ops::Owner;
use crate::session::Slot;
use crate::stanza::Stanza;
use crate::store::{Row, StoreError, StoreQuery};
use crate::sync::Part;
use crate::time::Now;
use crate::timers::Timer;
use crate::trace::Event;

/// Rows about one archive as a whole; there are ten.
const ROWS_MAX: u32 = 16;

impl Node {
    /// Returns an account whose archive a message is for and that has to be read first.
    pub(super) fn unread_archive(&mut self, stanza: &Stanza) -> Option<BareJid> {
        if !stanza.kind.may_be_answered() {
            return None;
        }
        let sender = stanza.from.bare();
        let recipient = stanza.to.as_ref().map_or_else(|| sender.clone(), Jid::bare);
        [recipient, sender]
            .into_iter()
            .find(|owner| self.accounts.get(owner.as_str()).is_some() && !self.archives.knows(owner.as_str()))
    }

    /// Lets an effect wait until the archive of `user` is known. `session` takes no other stanza meanwhile.
    pub(super) fn park_archive(
        &mut self,
        now: Now,
        user: &BareJid,
        effect: Effect,
        session: Option<SessionId>,
    ) {
        if let Some(session) = session.and_then(|id| self.directory.get_mut(id)) {
            session.inbound.holds += 1;
        }
        if self.archives.park(user, Parked { effect, session }) {
            self.read_archive(now, user.clone());
        }
    }

    /// Reads what is known of an archive, for the first time or again.
    pub(super) fn read_archive(&mut self, now: Now, user: BareJid) {
        let (from, to) = table_range(&user);
        self.with_services(now, |_, cx| {
            let op = cx.load(Owner::Archive, StoreQuery::Range { from, to, limit: ROWS_MAX });
            cx.archives.reading(op, user);
        });
    }

    /// An archive has been read: what waited for it goes on, or is refused.
    pub(super) fn handle_archive(&mut self, now: Now, op: OpId, outcome: Result<Vec<Row>, StoreError>) {
        // Before it is known: what waits for it must find it, however full the table is.
        let directory = &self.directory;
        self.archives.evict(self.config.limits.hot_accounts as usize, |user| directory.needs(user));
        let (parked, error) = self.archives.handle_loaded(op, outcome);
        if let Some(error) = error {
            self.effects.push_back(Effect::Trace(Event::StoreFailed { error }));
        }
        for Parked { effect, session } in parked {
            match error {
                None => self.effects.push_back(effect),
                Some(error) => {
                    let kept = self.refuse_parked(now, effect, (error, Part::Archive));
                    self.wait_for_archive(now, kept);
                }
            }
            self.effects.extend(session.map(Effect::Finish));
        }
        self.end_restore(now);
    }

    /// Lets an effect wait until its archive, which could not be read, is read again. What comes for the archive meanwhile waits
    /// behind it.
    fn wait_for_archive(&mut self, now: Now, kept: Option<(BareJid, Effect)>) {
        let Some((user, effect)) = kept else { return };
        if self.archives.park(&user, Parked { effect, session: None }) {
            self.unread_archives.push(user);
            self.read_again_later(now);
        }
    }

    /// A session takes messages for its account from here on.
    pub(super) fn begin_owed(&mut self, now: Now, id: SessionId) {
        let Some(user) = self.directory.get(id).map(|session| session.jid.bare()) else { return };
        if !self.archives.knows(user.as_str()) {
            return self.park_archive(now, &user, Effect::Owed(id), None);
        }
        self.with_services(now, |services, cx| services.messages.handle_available(cx, id));
    }

    /// Looks at one archive.
    pub(super) fn sweep_archive(&mut self, now: Now, user: BareJid) {
        if !self.archives.knows(user.as_str()) {
            return self.park_archive(now, &user.clone(), Effect::Sweep(user), None);
        }
        self.with_services(now, |services, cx| services.sweep.handle_archive(cx, user));
    }

    /// Finds others for what a session never got.
    pub(super) fn hand_on(&mut self, now: Now, who: FullJid, slots: VecDeque<Slot>) {
        let user = who.bare();
        if !self.is_hot(user.as_str()) {
            return self.park(now, &user, Effect::Undelivered(who, slots), None);
        }
        if self.accounts.get(user.as_str()).is_some() && !self.archives.knows(user.as_str()) {
            return self.park_archive(now, &user, Effect::Undelivered(who, slots), None);
        }
        self.with_services(now, |services, cx| services.messages.handle_undelivered(cx, &who, slots));
    }

    /// An account is gone, and with it what is in its archive.
    pub(super) fn empty_archive(&mut self, user: &BareJid, floor: Hlc) {
        self.archives.begin_at(user, floor);
        self.archives.forget_all_sent(user);
        self.effects.push_back(Effect::Sweep(user.clone()));
    }

    /// Looks for archives with something too old.
    pub(super) fn sweep(&mut self, now: Now) {
        self.timers.arm(Timer::Sweep, now.mono + self.config.limits.archive_sweep);
        self.with_services(now, |services, cx| services.sweep.handle_tick(cx));
    }
}
