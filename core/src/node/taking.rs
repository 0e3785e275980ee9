//! What other nodes have written: it is looked at, waits for what it needs, and is written here. Carries values, decides nothing.

use super::Node;
use crate::exchange::{GroupId, Sealed};
use crate::jid::BareJid;
use crate::peer::Peers;
use crate::replica::Dot;
use crate::service::effect::Effect;
use crate::service::taking;
use crate::sync::{Entry, Offered, Taken, What};
use crate::time::Now;

impl Node {
    /// Takes in what a peer says.
    pub(super) fn handle_entries(&mut self, now: Now, (from, group): (u32, GroupId), entries: Vec<Sealed>) {
        for sealed in entries {
            let dot = sealed.dot;
            match self.groups.offer(group, sealed, self.journal.gate()) {
                Offered::Ready(taken) => self.write_taken(now, taken),
                Offered::Waits | Offered::Known => {}
                Offered::NoRoom => self.groups.miss(from, group, dot),
                Offered::Unreadable => {
                    self.with_peers(|peers, cx| peers.refuse_said(cx, from));
                    return;
                }
            }
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
        let mut failed = self.services.taking.handle_writable();
        failed.extend(self.services.large.handle_writable());
        for taken in failed {
            if let Offered::Ready(taken) = self.groups.offer_again(Box::new(taken), self.journal.gate()) {
                self.write_taken(now, taken);
            }
        }
        let released = self.groups.release_all(self.journal.gate());
        self.release_entries(released);
    }

    /// Tells the other nodes what has become durable.
    pub(super) fn tell_peers(&mut self) {
        if let Some(news) = self.groups.news() {
            self.with_peers(|peers, cx| Peers::tell(peers, cx, &news));
        }
    }

    /// Writes an entry, or reads first what it needs.
    fn write_taken(&mut self, now: Now, taken: Box<Taken>) {
        let (mut accounts, mut unsure) = (Vec::new(), Vec::new());
        self.with_services(now, |_, cx| {
            accounts = taking::accounts(cx, &taken);
            unsure = taking::unsure(cx, &taken);
        });
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
        self.release_entries(released);
    }

    /// Goes on with entries for which everything is here by now.
    pub(super) fn release_entries(&mut self, released: Vec<Taken>) {
        for taken in released {
            let (group, dot) = (taken.name.group, taken.name.dot);
            self.services.taking.keep(Box::new(taken));
            self.effects.push_back(Effect::Take(group, dot));
        }
    }

    /// Returns whether `user` is in memory as it is on the disk, or will be. After a flush has failed that is so once it has been read
    /// again.
    fn is_sure_of(&mut self, user: &str) -> bool {
        let doubtful =
            self.accounts.is_doubtful(user) || self.unread.iter().any(|unread| unread.as_str() == user);
        self.accounts.is_here(user) && !doubtful
    }

    fn is_unread(&mut self, user: &BareJid, taken: &Taken) -> bool {
        matches!(taken.what, What::Known(Entry::Letter(_)))
            && self.accounts.known(user.as_str()).is_some_and(|account| account.life().is_some())
            && !self.archives.knows(user.as_str())
    }
}
