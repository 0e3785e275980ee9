//! Accounts that are needed and not in memory: what needs them waits.

use super::Node;
use super::effects::{is_about_state, needs_account};
use crate::account::{self, Loaded};
use crate::directory::SessionId;
use crate::exchange::ToStream;
use crate::io::{ConnId, OpId};
use crate::jid::{BareJid, Jid};
use crate::router::Place;
use crate::service::effect::{Effect, Parked};
use crate::service::ops::Owner;
use crate::stanza::{Stanza, StanzaError};
use crate::store::{Row, StoreError};
use crate::sync::Part;
use crate::time::Now;
use crate::timers::Timer;
use crate::trace::Event;

impl Node {
    /// Returns whether `user` is in memory as it is on the disk, or will be.
    pub(super) fn is_sure_of(&mut self, user: &str) -> bool {
        self.accounts.is_sure(user)
    }

    /// Returns whether `user` is in memory, or known not to exist.
    pub(super) fn is_hot(&mut self, user: &str) -> bool {
        self.accounts.is_here(user)
    }

    /// Returns an account that has to be read before a stanza is done: the one that it is for, if it is not in memory, and one that it
    /// may change or tell of, while that is doubtful: what seems to have been done may never have been written.
    pub(super) fn unread_for(&mut self, stanza: &Stanza, place: Place) -> Option<BareJid> {
        let owner = stanza.to.as_ref().filter(|_| needs_account(stanza.kind, place));
        if let Some(owner) = owner.filter(|owner| !self.accounts.is_here(owner.bare_str())) {
            return Some(owner.bare());
        }
        if !is_about_state(stanza, place) {
            return None;
        }
        let mut whose = owner.into_iter().chain([&stanza.from]);
        whose.find(|user| self.accounts.is_doubtful(user.bare_str())).map(Jid::bare)
    }

    /// Lets an effect wait until `user` has been read. `session` takes no other stanza meanwhile.
    pub(super) fn park(&mut self, now: Now, user: &BareJid, effect: Effect, session: Option<SessionId>) {
        if let Some(session) = session.and_then(|id| self.directory.get_mut(id)) {
            session.inbound.holds += 1;
        }
        if self.accounts.park(user, Parked { effect, session }) {
            self.read_account(now, user.clone());
        }
    }

    /// Reads an account, for the first time or again.
    pub(super) fn read_account(&mut self, now: Now, user: BareJid) {
        self.with_services(now, |_, cx| {
            let op = cx.load(Owner::Hot, account::query(&user));
            cx.accounts.reading(op, user);
        });
    }

    /// Tries again to read what could not be read: accounts, archives, what they are owed.
    pub(super) fn reread(&mut self, now: Now) {
        self.groups.resume();
        let unread = core::mem::take(&mut self.unread).into_iter().chain(core::mem::take(&mut self.awaited));
        for user in unread {
            self.read_account(now, user);
        }
        for user in core::mem::take(&mut self.unread_archives) {
            self.read_archive(now, user);
        }
        self.with_services(now, |services, cx| services.messages.handle_writable(cx));
        self.play_next(now);
    }

    /// An account has been read: what waited for it goes on, or is refused.
    pub(super) fn handle_hot(&mut self, now: Now, op: OpId, outcome: Result<Vec<Row>, StoreError>) {
        // Before it is known: what waits for it must find it, however full the table is.
        let (directory, begun) = (&self.directory, self.journal.begun());
        self.accounts.evict(self.config.limits.hot_accounts as usize, begun, |user| directory.needs(user));
        let Some(Loaded { user, parked, error, again }) = self.accounts.handle_loaded(op, outcome) else {
            return;
        };
        if self.groups.has_failed()
            && error.is_none()
            && self.unread.is_empty()
            && !self.accounts.is_reading_again()
        {
            self.groups.forget_failed();
        }
        if let Some(error) = error {
            self.effects.push_back(Effect::Trace(Event::StoreFailed { error }));
        }
        if error.is_none() && self.groups.has_kept(&user) {
            self.effects.push_back(Effect::Play(user.clone()));
        }
        if again {
            if !self.unread.contains(&user) {
                self.unread.push(user);
            }
            self.read_again_later(now);
        }
        for Parked { effect, session } in parked {
            match error {
                None => self.effects.push_back(effect),
                Some(error) => {
                    let kept = self.refuse_parked(now, effect, (error, Part::Account));
                    self.wait_for_account(now, kept);
                }
            }
            self.effects.extend(session.map(Effect::Finish));
        }
        self.end_restore(now);
    }

    /// Lets an effect wait until its account, which could not be read, is read again. What comes for the account meanwhile waits
    /// behind it.
    fn wait_for_account(&mut self, now: Now, kept: Option<(BareJid, Effect)>) {
        let Some((user, effect)) = kept else { return };
        if self.accounts.park(&user, Parked { effect, session: None }) {
            self.awaited.push(user);
            self.read_again_later(now);
        }
    }

    /// Sees to it that what could not be read is read again.
    pub(super) fn read_again_later(&mut self, now: Now) {
        self.timers.arm_once(Timer::Reread, now.mono + self.config.limits.flush_again);
    }

    /// Does what is done instead of an effect whose account or archive cannot be read. Returns one that has to wait for another read,
    /// and whose account that is about: what it holds is nowhere else.
    pub(super) fn refuse_parked(
        &mut self,
        now: Now,
        effect: Effect,
        (error, part): (StoreError, Part),
    ) -> Option<(BareJid, Effect)> {
        match effect {
            Effect::Undelivered(who, slots) => return Some((who.bare(), Effect::Undelivered(who, slots))),
            Effect::Take(group, dot) => {
                let user = self.services.taking.reads(group, dot)?;
                match error {
                    StoreError::Damaged => self.keep_entry(now, (group, dot), (user, part)),
                    StoreError::Full | StoreError::Io => return Some((user, Effect::Take(group, dot))),
                }
            }
            Effect::Play(user) => match error {
                StoreError::Damaged => self.tell_kept(&user),
                StoreError::Full | StoreError::Io => return Some((user.clone(), Effect::Play(user))),
            },
            Effect::Route(stanza) | Effect::Pass(stanza) => {
                self.effects.extend(stanza.error(StanzaError::InternalServerError).map(Effect::Route));
            }
            Effect::Bind(conn, _) => self.refuse_bind(conn),
            // It is not known that the account is gone: the session has to be there after the next start.
            Effect::Restored(id) => match error {
                StoreError::Damaged => self.leave_stored(id),
                StoreError::Full | StoreError::Io => self.fail_boot(error),
            },
            Effect::Show(jid) => return Some((jid.bare(), Effect::Show(jid))),
            // What is owed and what is too old is found in its rows the next time; of whom nobody can be told, they are told when they ask. A session comes again.
            Effect::Owed(_)
            | Effect::Install(..)
            | Effect::Sweep(_)
            | Effect::Follow(..)
            | Effect::Compare(..)
            | Effect::Given(_) => {}
            other @ (Effect::Promise(_)
            | Effect::Deliver(_)
            | Effect::Copy(_)
            | Effect::Wish(..)
            | Effect::Resume(..)
            | Effect::GoOn(_)
            | Effect::RouteWith(..)
            | Effect::Present(_)
            | Effect::Left(_)
            | Effect::Leaving(_)
            | Effect::Said(..)
            | Effect::Give(..)
            | Effect::Listed(..)
            | Effect::Finish(_)
            | Effect::Acknowledge(_)
            | Effect::Hand(..)
            | Effect::Rely(..)
            | Effect::Emptied(..)
            | Effect::Entries(..)
            | Effect::ToStream(..)
            | Effect::EndSessions { .. }
            | Effect::FromPeer(_)
            | Effect::Seen(_)
            | Effect::Tell(..)
            | Effect::Relayed(..)
            | Effect::Unrelayed(..)
            | Effect::GiveBack(..)
            | Effect::Load(..)
            | Effect::Derive(..)
            | Effect::Reply(..)
            | Effect::Trace(_)) => self.effects.push_back(other),
        }
        None
    }

    fn refuse_bind(&mut self, conn: ConnId) {
        let refused = ToStream::Bound(Err(StanzaError::InternalServerError));
        self.effects.push_back(Effect::ToStream(conn, refused));
    }
}
