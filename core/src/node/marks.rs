//! What accounts have been given, over all nodes. Carries values, decides nothing.

use super::{Life, Node};
use crate::exchange::{GroupKind, Left, Routed, ToPeer};
use crate::jid::{BareJid, Jid};
use crate::replica::Place;
use crate::router::Delivered;
use crate::service::effect::{Delivery, Effect, Given, Why};
use crate::session::What;
use crate::time::{Now, Span};
use crate::timers::Timer;

/// How often other nodes are told what an account was given while it is given more.
const MARK_EVERY: Span = Span::from_secs(60);
/// Accounts of which that is looked up in one step, and how long it is until the next one: people are served in between.
const PORTION: usize = 256;
const MARK_NEXT: Span = Span::from_millis(50);

impl Node {
    /// Does something about what an account has been given.
    pub(super) fn handle_given(&mut self, now: Now, deed: Given) {
        match deed {
            Given::Mark(owner) => self.services.messages.mark_soon(owner),
            Given::Marked(owner) => self.handle_marked(now, owner),
            Given::Recall(owner, why) => self.recall(now, owner, why),
        }
    }

    /// Takes note of a message of an account's log that has just come, and of who was given it.
    pub(super) fn note_open(&mut self, delivery: &Delivery, delivered: &Delivered) {
        let (What::Stored(place), true) = (delivery.what, self.groups.is_shared()) else { return };
        let stanza = &delivery.stanza;
        let owner = stanza.to.as_ref().map_or_else(|| stanza.from.bare(), Jid::bare);
        let account = self.accounts.get(owner.as_str());
        if account.is_none_or(|account| account.has_given(place.dot)) {
            return;
        }
        self.note_open_of(&owner, place, delivered.left);
    }

    fn note_open_of(&mut self, owner: &BareJid, place: Place, left: bool) {
        self.archives.change_open(owner, |open| {
            if left {
                open.leave(place);
            } else {
                open.note(place.dot);
            }
            true
        });
        if self.directory.has(owner.as_str()) {
            self.services.messages.note_open(owner);
        }
    }

    /// Sees to it that what is open is told.
    pub(super) fn arm_marks(&mut self, now: Now) {
        if self.services.messages.is_mark_due() {
            let wait = if self.services.messages.is_within_round() { MARK_NEXT } else { MARK_EVERY };
            self.timers.arm_once(Timer::Mark, now.mono + wait);
        }
    }

    /// It is time to tell what accounts were given.
    pub(super) fn tick_marks(&mut self, now: Now) {
        for owner in self.services.messages.take_marks_due(PORTION) {
            let mut why = None;
            self.with_services(now, |services, cx| why = services.messages.may_recall(cx, &owner));
            let recall = why.map(|why| Effect::Given(Given::Recall(owner.clone(), why)));
            self.effects.extend(recall);
            self.effects.push_back(Effect::Given(Given::Mark(owner)));
        }
    }

    /// Tells the other nodes what an account was given, if there is one of which that is to be told, and no effect to be carried out: what
    /// is with none of its sessions just now is with one, or owed, by then. Returns whether there was one.
    pub(super) fn mark_next(&mut self, now: Now) -> bool {
        let next = self.services.messages.next_mark();
        next.map(|owner| self.mark(now, &owner)).is_some()
    }

    /// Tells the other nodes what an account was given.
    fn mark(&mut self, now: Now, owner: &BareJid) {
        if !self.groups.is_shared() || !matches!(self.life, Life::Running) {
            return;
        }
        if self.is_sure_of(owner.as_str()) && self.archives.knows(owner.as_str()) {
            let mut told = None;
            self.with_services(now, |services, cx| {
                services.messages.mark(cx, owner);
                told = services.messages.hands_over(cx, owner);
            });
            if let Some((node, after)) = told {
                let left = Left { account: owner.clone(), after };
                self.effects.push_back(Effect::Tell(node, ToPeer::Routed(Routed::Left(left))));
                // Until the mark says that it was given there, or nobody is there any more.
                self.services.messages.note_open(owner);
            }
        } else if self.directory.has(owner.as_str()) {
            self.services.messages.note_open(owner);
        }
    }

    /// Another mark of an account counts.
    fn handle_marked(&mut self, now: Now, owner: BareJid) {
        if !self.archives.knows(owner.as_str()) {
            return self.park_archive(now, &owner.clone(), Effect::Given(Given::Marked(owner)), None);
        }
        self.with_services(now, |services, cx| services.messages.handle_marked(cx, &owner));
        if let Some(after) = self.services.messages.awaits_mark(&owner) {
            self.take_left(Left { account: owner, after: Some(after) });
        }
    }

    /// A session of another node has left something, and who is here is to be given it.
    pub(super) fn take_left(&mut self, Left { account, after }: Left) {
        let cells = self.groups.group(account.domain(), GroupKind::Cells);
        let is_here = |after| cells.is_some_and(|cells| self.groups.holds(cells, after));
        match after.filter(|after| !is_here(*after)) {
            Some(after) if self.directory.has(account.as_str()) => {
                self.services.messages.await_mark(account, after);
            }
            Some(_) => {}
            None => {
                self.services.messages.end_awaiting(&account);
                self.effects.push_back(Effect::Given(Given::Recall(account, Why::Told)));
            }
        }
    }

    /// Owes an account what was left to others, if there are none.
    fn recall(&mut self, now: Now, owner: BareJid, why: Why) {
        if !self.archives.knows(owner.as_str()) {
            return self.park_archive(now, &owner.clone(), Effect::Given(Given::Recall(owner, why)), None);
        }
        self.with_services(now, |services, cx| services.messages.recall(cx, &owner, why));
    }
}
