//! What other nodes have written: it is looked at, waits for what it needs, and is written here. Carries values, decides nothing.

use super::Node;
use crate::exchange::{GroupId, Sealed};
use crate::io::OpId;
use crate::jid::BareJid;
use crate::peer::Peers;
use crate::replica::Dot;
use crate::service::effect::Effect;
use crate::service::ops::Owner;
use crate::service::taking;
use crate::store::{Row, StoreError};
use crate::sync::{Entry, Offered, Taken, Unread, What};
use crate::time::Now;
use crate::trace::{Event, Pii};

impl Node {
    /// Takes in what a peer says.
    pub(super) fn handle_entries(&mut self, now: Now, (from, group): (u32, GroupId), entries: Vec<Sealed>) {
        let mut is_unreadable = false;
        for sealed in entries {
            let dot = sealed.dot;
            match self.groups.offer(group, &sealed, self.journal.gate()) {
                Offered::Ready(taken) => self.write_taken(now, taken),
                Offered::Waits | Offered::Known => {}
                Offered::NoRoom => self.groups.miss(from, group, dot),
                // What it says that it has committed does not cover this one, and what stands behind this one is taken.
                Offered::Unreadable => {
                    self.groups.miss(from, group, dot);
                    is_unreadable = true;
                }
            }
        }
        if is_unreadable {
            self.with_peers(|peers, cx| peers.refuse_said(cx, from));
        }
    }

    /// Writes an entry that was kept, once what it needs has been read.
    pub(super) fn take_entry(&mut self, now: Now, (group, dot): (GroupId, Dot)) {
        if let Some(taken) = self.services.taking.next(group, dot) {
            self.write_taken(now, taken);
        }
    }

    /// The store has written something: what failed is tried again, and what waited for it may be ready.
    pub(super) fn take_again(&mut self, now: Now) {
        for taken in self.groups.offer_again(self.journal.gate()) {
            self.write_taken(now, Box::new(taken));
        }
        let released = self.groups.release_all(self.journal.gate());
        self.release_entries(now, released);
        self.play_next(now);
    }

    /// Something that an entry is for is damaged.
    pub(super) fn keep_entry(&mut self, now: Now, (group, dot): (GroupId, Dot), whose: Unread) {
        if let Some(taken) = self.services.taking.next(group, dot) {
            self.keep_taken(now, taken, whose);
        }
    }

    fn keep_taken(&mut self, now: Now, taken: Box<Taken>, whose: Unread) {
        let name = taken.name;
        self.with_services(now, |services, cx| {
            let op = cx.keep(Owner::Kept, &taken, whose);
            services.taking.writes(op, taken);
        });
        let released = self.groups.release(name, self.journal.gate());
        self.release_entries(now, released);
    }

    /// What was kept for an account cannot be taken yet.
    pub(super) fn tell_kept(&mut self, user: &BareJid) {
        if self.groups.tell_of(user) {
            let who = Pii::new(user.as_jid().clone());
            self.effects.push_back(Effect::Trace(Event::KeptBack { who }));
        }
    }

    /// Takes what was kept for an account, once that can be read.
    pub(super) fn play(&mut self, now: Now, user: BareJid) {
        if !self.is_sure_of(user.as_str()) {
            return self.park(now, &user.clone(), Effect::Play(user), None);
        }
        if self.groups.can_read(&user) {
            self.play_next(now);
        }
    }

    /// Goes on with what was kept and can be read by now.
    pub(super) fn play_next(&mut self, now: Now) {
        let Some(query) = self.groups.play() else { return };
        self.with_services(now, |_, cx| {
            let op = cx.load(Owner::Kept, query);
            cx.groups.reads_kept(op);
        });
    }

    /// Entries that were kept have been read.
    pub(super) fn handle_kept(&mut self, now: Now, op: OpId, outcome: Result<Vec<Row>, StoreError>) {
        match self.groups.handle_kept(op, outcome) {
            Ok(entries) => entries.into_iter().for_each(|taken| self.write_taken(now, Box::new(taken))),
            Err(error) => {
                self.effects.push_back(Effect::Trace(Event::StoreFailed { error }));
                if error != StoreError::Damaged {
                    return self.read_again_later(now);
                }
            }
        }
        self.play_next(now);
    }

    /// Tells the other nodes what has become durable.
    pub(super) fn tell_peers(&mut self) {
        if let Some(news) = self.groups.news() {
            self.with_peers(|peers, cx| Peers::tell(peers, cx, &news));
        }
    }

    /// Writes an entry, or reads first what it needs.
    fn write_taken(&mut self, now: Now, taken: Box<Taken>) {
        if !self.groups.has_place(taken.name) {
            return self.groups.drop_ready(taken.name);
        }
        let mut waits = false;
        self.with_services(now, |services, cx| waits = services.relays.lets_wait(cx, &taken));
        if waits {
            return self.services.taking.keep(taken);
        }
        let (mut accounts, mut unsure, mut behind) = (Vec::new(), Vec::new(), None);
        self.with_services(now, |_, cx| {
            behind = taking::behind(cx, &taken);
            accounts = taking::accounts(cx, &taken);
            unsure = taking::unsure(cx, &taken);
        });
        if let Some(whose) = behind {
            return self.keep_taken(now, taken, whose);
        }
        let effect = Effect::Take(taken.name.group, taken.name.dot);
        if let Some(user) = accounts.iter().find(|user| !self.is_sure_of(user.as_str())).cloned() {
            self.services.taking.wait(taken, user.clone());
            return self.park(now, &user, effect, None);
        }
        if let Some(user) = accounts.into_iter().find(|user| self.is_unread(user, &taken)) {
            self.services.taking.wait(taken, user.clone());
            return self.park_archive(now, &user, effect, None);
        }
        if !unsure.is_empty() {
            return self.groups.wait_for(taken, unsure);
        }
        let name = taken.name;
        self.with_services(now, |services, cx| {
            if let Some(hlc) = taken.hlc() {
                cx.ledger.meet(hlc, cx.now.wall);
            }
            let op = match &taken.what {
                What::Known(Entry::Change { owner, change, ends }) => {
                    Some(taking::take_change(cx, &taken, (owner, *ends), change))
                }
                What::Known(Entry::Letter(letter)) => services.messages.take(cx, &taken, letter),
                What::Known(Entry::Large(change)) => {
                    return services.large.take(cx, taken.clone(), change.clone());
                }
                What::Known(Entry::Void) | What::Unknown(_) => Some(taking::take_mark(cx, &taken)),
            };
            if let Some(op) = op {
                services.taking.writes(op, taken);
            }
        });
        let released = self.groups.release(name, self.journal.gate());
        self.release_entries(now, released);
    }

    /// Goes on with entries for which everything is here by now.
    pub(super) fn release_entries(&mut self, now: Now, released: Vec<Taken>) {
        for taken in released {
            let (group, dot) = (taken.name.group, taken.name.dot);
            self.services.taking.keep(Box::new(taken));
            self.effects.push_back(Effect::Take(group, dot));
        }
        self.take_early();
        self.look_at_arrivals(now);
    }

    fn is_unread(&mut self, user: &BareJid, taken: &Taken) -> bool {
        matches!(taken.what, What::Known(Entry::Letter(_)))
            && self.accounts.known(user.as_str()).is_some_and(|account| account.life().is_some())
            && !self.archives.knows(user.as_str())
    }
}
