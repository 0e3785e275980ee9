//! The context a service works in: what it may know, and the only way out.

use std::collections::VecDeque;

use super::effect::Effect;
use super::ops::{Ops, Owner};
use crate::account::{Accounts, cell_key};
use crate::archive::{Archives, IdKey, message_key};
use crate::config::Config;
use crate::directory::{Directory, Elsewhere, SessionId, Sight};
use crate::entropy::Entropy;
use crate::exchange::{GroupKind, ToStream};
use crate::io::{Answer, CommandId, ConnId, KeyDerivation, OpId};
use crate::jid::BareJid;
use crate::journal::Journal;
use crate::ledger::Ledger;
use crate::replica::{Account, CellName, Change, Dot, Guarded as _, Replica as _, Value};
use crate::session::Wishes;
use crate::stanza::Stanza;
use crate::store::{StoreBatch, StoreQuery};
use crate::sync::{Ends, Entry, Groups, Name, Taken, Unread};
use crate::time::Now;
use crate::trace::{Event, Pii};

/// A request whose answer takes time. Its session takes no other stanza until [`Cx::answer`].
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Who asked.
    pub(crate) session: SessionId,
    /// The stanza.
    pub(crate) stanza: Stanza,
}

/// What a service may do. It only collects: nothing happens before the service returns.
#[derive(Debug)]
pub(crate) struct Cx<'a> {
    /// Both clocks, as of the input being handled.
    pub(crate) now: Now,
    /// The configuration.
    pub(crate) config: &'a Config,
    /// Who is online.
    pub(crate) directory: &'a Directory,
    /// Who is online at other nodes.
    pub(crate) elsewhere: &'a Elsewhere,
    /// The accounts in use.
    pub(crate) accounts: &'a mut Accounts,
    /// The archives in use, each as a whole.
    pub(crate) archives: &'a mut Archives,
    /// Keys the ids of archived messages.
    pub(crate) id_key: &'a IdKey,
    /// Names and stamps for what is written.
    pub(crate) ledger: &'a mut Ledger,
    /// What is held of each group.
    pub(crate) groups: &'a mut Groups,
    /// What is written.
    pub(crate) journal: &'a mut Journal,
    /// The generators.
    pub(crate) entropy: &'a mut Entropy,
    /// What is under way.
    pub(crate) ops: &'a mut Ops,
    /// What has been asked for, in order.
    pub(crate) effects: &'a mut VecDeque<Effect>,
}

impl Cx<'_> {
    /// Returns who is online, here and at other nodes.
    pub(crate) fn sight(&self) -> Sight<'_> {
        Sight::new(self.directory, self.elsewhere)
    }

    /// Delivers a stanza.
    pub(crate) fn route(&mut self, stanza: Stanza) {
        self.effects.push_back(Effect::Route(stanza));
    }

    /// Tells a stream something.
    pub(crate) fn tell_stream(&mut self, conn: ConnId, what: ToStream) {
        self.effects.push_back(Effect::ToStream(conn, what));
    }

    /// Answers an operator.
    pub(crate) fn reply(&mut self, id: CommandId, answer: Answer) {
        self.effects.push_back(Effect::Reply(id, answer));
    }

    /// Tells the observers.
    pub(crate) fn trace(&mut self, event: Event) {
        self.effects.push_back(Effect::Trace(event));
    }

    /// Takes note of what a client has asked for.
    pub(crate) fn wish(&mut self, session: SessionId, change: fn(&mut Wishes)) {
        self.effects.push_back(Effect::Wish(session, change));
    }

    /// Asks for anything else.
    pub(crate) fn effect(&mut self, effect: Effect) {
        self.effects.push_back(effect);
    }

    /// Writes `batch`; what `after` asks for happens when it is durable, and not at all when the write fails:
    /// then the owner hears of it. `after` runs at once; no closure is kept.
    pub(crate) fn persist(&mut self, owner: Owner, batch: StoreBatch, after: impl FnOnce(&mut Self)) -> OpId {
        let op = self.ops.begin(owner);
        self.journal.add(op, batch);
        let before = self.effects.len();
        after(self);
        self.ops.hold(op, self.effects.drain(before..));
        op
    }

    /// Writes `batch` again, which was not written: with the next flush, whenever that comes.
    pub(crate) fn persist_again(&mut self, owner: Owner, batch: StoreBatch) -> OpId {
        let op = self.ops.begin(owner);
        self.groups.write_again(&batch, self.journal.gate());
        self.journal.add_again(op, batch);
        op
    }

    /// Keeps an entry of another node as it came: something that it is for is damaged.
    pub(crate) fn keep(&mut self, owner: Owner, taken: &Taken, whose: Unread) -> OpId {
        let (who, mut batch) = (Pii::new(whose.0.as_jid().clone()), StoreBatch::new());
        if self.groups.keep(taken, whose, self.journal.gate(), &mut batch) {
            self.trace(Event::KeptBack { who });
        }
        self.persist(owner, batch, |_| {})
    }

    /// Answers a request that could not be answered at once; its session goes on.
    pub(crate) fn answer(&mut self, request: &Request, reply: Option<Stanza>) {
        self.effects.extend(reply.map(Effect::Route));
        self.effects.push_back(Effect::Finish(request.session));
    }

    /// Answers a request whose change is durable; its session goes on. The client is told when the change is as safe as its domain
    /// wants it.
    pub(crate) fn promise(&mut self, request: &Request, result: Stanza) {
        self.effects.push_back(Effect::Promise(result));
        self.effects.push_back(Effect::Finish(request.session));
    }

    /// Names the next write in a group of `domain`, and the `span - 1` behind it. [`Cx::entry`] has to be told what it is.
    pub(crate) fn name(&mut self, domain: &str, kind: GroupKind, span: u8) -> Name {
        let (group, dot) = self.ledger.dot(domain, kind, span);
        Name { group, dot, span }
    }

    /// Tells the other nodes of a write, once it is durable, and of what it overwrites. Its row of the index is added to `batch`,
    /// which holds the write itself. Where there are no other nodes nobody asks what it is.
    pub(crate) fn entry(
        &mut self,
        name: Name,
        hides: Vec<Dot>,
        batch: &mut StoreBatch,
        make: impl FnOnce(&Self) -> Entry,
    ) {
        if self.groups.is_on() {
            let entry = make(self);
            self.groups.write(name, (entry, hides), self.journal.gate(), batch);
        }
    }

    /// [`Cx::entry`] for a write of a cell of these accounts: one, or the two that an edge belongs to.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub(crate) fn change_entry(
        &mut self,
        name: Name,
        (owners, change): (&[&BareJid], &Change),
        hides: Vec<Dot>,
        batch: &mut StoreBatch,
    ) {
        self.entry(name, hides, batch, |_| {
            let first = owners.first().expect("somebody has the cell");
            let owner = change.cell.subscriber().unwrap_or(first);
            let ends = match owners {
                [one] if change.cell.is_edge() && **one == *owner => Ends::Subscriber,
                [_] if change.cell.is_edge() => Ends::Publisher,
                _ => Ends::Both,
            };
            Entry::Change { owner: owner.clone(), change: change.clone(), ends }
        });
    }

    /// Returns the writes in `account` that a change of a cell overwrites; nobody asks where there are no other nodes.
    pub(crate) fn overwritten(&self, account: &Account, change: &Change) -> Vec<Dot> {
        if self.groups.is_on() { account.live(&(change.cell.clone(), change.lives)) } else { Vec::new() }
    }

    /// Removes a message that is in nobody's log any more from those of `domain`.
    pub(crate) fn remove_message(&mut self, domain: &str, message: Dot, batch: &mut StoreBatch) {
        batch.add_delete(message_key(domain, message));
        self.groups.remove_letter(domain, message, batch);
    }

    /// Writes a cell of one account, or of the two that an edge belongs to: they must be in use. The change is in
    /// memory at once; the rows are added to `batch`, which the caller persists.
    pub(crate) fn write(
        &mut self,
        owners: &[&BareJid],
        cell: CellName,
        value: Value,
        batch: &mut StoreBatch,
    ) {
        let gate = self.journal.gate();
        let Some(first) = owners.first().and_then(|owner| self.accounts.get(owner.as_str())) else { return };
        let mut ends = owners.iter().filter_map(|owner| self.accounts.get(owner.as_str()));
        let other = ends.find(|other| other.owner() != first.owner());
        let hlc = self.ledger.stamp(self.now.wall);
        let (group, dot) = self.ledger.dot(cell.group(first.owner()), GroupKind::Cells, 1);
        let mut change = first.write_between(other, cell, (dot, hlc), value);
        let mut hides = Vec::new();
        // An end of an edge may have seen what the other end, which was made anew, has not.
        for other in owners.iter().filter_map(|owner| self.accounts.get(owner.as_str())) {
            change.entry.context.join(&other.seen(&change.cell, change.lives));
            hides.extend(self.overwritten(other, &change));
        }
        for owner in owners {
            self.accounts.apply(owner.as_str(), &change, gate);
            if let Some(row) = self.accounts.get(owner.as_str()).and_then(|account| account.row(&change.cell))
            {
                batch.add_put(cell_key(owner, &change.cell), row);
            }
        }
        self.change_entry(Name { group, dot, span: 1 }, (owners, &change), hides, batch);
    }

    /// Forgets that there was no such account: there will be.
    pub(crate) fn forget_nobody(&mut self, user: &BareJid) {
        self.accounts.forget_nobody(user.as_str());
    }

    /// Writes a cell of an account that need not be in use; one that is in use learns of it. The row is added to
    /// `batch`, which the caller persists.
    pub(crate) fn write_to(
        &mut self,
        account: &mut Account,
        cell: CellName,
        value: Value,
        batch: &mut StoreBatch,
    ) {
        let gate = self.journal.gate();
        let owner = account.owner().clone();
        let hlc = self.ledger.stamp(self.now.wall);
        let name = self.name(owner.domain(), GroupKind::Cells, 1);
        let change = account.write(cell, name.dot, hlc, value);
        let hides = self.overwritten(account, &change);
        account.apply(&change);
        if let Some(row) = account.row(&change.cell) {
            batch.add_put(cell_key(&owner, &change.cell), row);
        }
        self.change_entry(name, (&[&owner], &change), hides, batch);
        self.accounts.apply(owner.as_str(), &change, gate);
    }

    /// Returns whether everything that is known of an account is durable.
    pub(crate) fn is_durable(&self, user: &BareJid) -> bool {
        self.accounts.gate(user.as_str()) <= self.journal.durable()
    }

    /// Reads; the owner gets the rows.
    pub(crate) fn load(&mut self, owner: Owner, query: StoreQuery) -> OpId {
        let op = self.ops.begin(owner);
        self.effects.push_back(Effect::Load(op, query));
        op
    }

    /// Runs PBKDF2 outside; the owner gets the salted password.
    pub(crate) fn derive(&mut self, owner: Owner, request: KeyDerivation) -> OpId {
        let op = self.ops.begin_derivation(owner);
        self.effects.push_back(Effect::Derive(op, request));
        op
    }
}
