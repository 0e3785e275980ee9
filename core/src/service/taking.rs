//! Entries of other nodes into rows: what accounts are, and what only later versions understand.
//!
//! Rests on the replication rules R2 (one batch with the vector) and R6 (siblings). Whatever is written here is applied to an account
//! that is in memory, whole: there is one place in which writes meet, and no row is put together from what was read before.
//!
//! Shown by: scenarios/cluster, core/src/node/tests/taking.rs.

use std::collections::BTreeMap;

use super::cx::Cx;
use super::effect::{Effect, Given};
use super::merged;
use super::ops::Owner;
use crate::account::{self, account_key, cell_key};
use crate::archive::Archives;
use crate::exchange::GroupId;
use crate::io::OpId;
use crate::jid::BareJid;
use crate::replica::{Account, CellName, Change, Dot, Status};
use crate::store::{StoreBatch, StoreError};
use crate::sync::{Ends, Entry, Part, Taken, Unread, What};

/// Entries of other nodes on their way to the disk. Their origins bound what is under way.
#[derive(Debug, Default)]
pub(crate) struct Taking {
    /// Those that wait for an account or an archive to be read, and for which.
    ready: BTreeMap<(GroupId, Dot), (Box<Taken>, Option<BareJid>)>,
    writing: BTreeMap<OpId, Box<Taken>>,
}

impl Taking {
    /// Keeps an entry for which everything is here.
    pub(crate) fn keep(&mut self, taken: Box<Taken>) {
        self.ready.insert((taken.name.group, taken.name.dot), (taken, None));
    }

    /// Returns an entry that was kept.
    pub(crate) fn next(&mut self, group: GroupId, dot: Dot) -> Option<Box<Taken>> {
        self.ready.remove(&(group, dot)).map(|(taken, _)| taken)
    }

    /// Keeps an entry until `user` has been read.
    pub(crate) fn wait(&mut self, taken: Box<Taken>, user: BareJid) {
        self.ready.insert((taken.name.group, taken.name.dot), (taken, Some(user)));
    }

    /// Returns who has to be read for an entry.
    pub(crate) fn reads(&self, group: GroupId, dot: Dot) -> Option<BareJid> {
        self.ready.get(&(group, dot)).and_then(|(_, user)| user.clone())
    }

    /// Takes note of what `op` writes.
    pub(crate) fn writes(&mut self, op: OpId, taken: Box<Taken>) {
        self.writing.insert(op, taken);
    }

    /// A write has been answered. Returns what was not written.
    pub(crate) fn handle_stored(&mut self, op: OpId, outcome: Result<(), StoreError>) -> Option<Box<Taken>> {
        self.writing.remove(&op).filter(|_| outcome.is_err())
    }
}

/// Returns whose accounts have to be in memory for an entry.
pub(crate) fn accounts(cx: &Cx<'_>, taken: &Taken) -> Vec<BareJid> {
    match &taken.what {
        What::Known(Entry::Change { owner, change, ends }) => accounts_of(cx, (owner, *ends), change),
        What::Known(Entry::Letter(letter)) => {
            let parties = letter.parties.sender.iter().chain(&letter.parties.recipient);
            parties.map(|party| party.account.clone()).collect()
        }
        What::Known(Entry::Large(_) | Entry::Void) | What::Unknown(_) => Vec::new(),
    }
}

/// Returns something that an entry is for and for which entries were kept: it comes behind those, if it is not one of them.
pub(crate) fn behind(cx: &Cx<'_>, taken: &Taken) -> Option<Unread> {
    let of: Vec<Unread> = match &taken.what {
        What::Known(Entry::Change { owner, change, ends }) => {
            let ends = accounts_of(cx, (owner, *ends), change);
            ends.into_iter().map(|end| (end, Part::Account)).collect()
        }
        What::Known(Entry::Letter(_)) => {
            let parties = accounts(cx, taken).into_iter();
            parties.flat_map(|user| [(user.clone(), Part::Account), (user, Part::Archive)]).collect()
        }
        What::Known(Entry::Large(large)) => vec![(large.owner.clone(), Part::Large)],
        What::Known(Entry::Void) | What::Unknown(_) => Vec::new(),
    };
    cx.groups.keeps(of.into_iter().filter(|whose| taken.kept.as_ref() != Some(whose)))
}

/// Returns the writes in memory that are not durable and would get into a row together with an entry. The entry waits for them: when
/// their flush fails, nobody has ever written them.
pub(crate) fn unsure(cx: &Cx<'_>, taken: &Taken) -> Vec<Dot> {
    let What::Known(Entry::Change { owner, change, ends }) = &taken.what else { return Vec::new() };
    let written = accounts_of(cx, (owner, *ends), change).into_iter().flat_map(|end| {
        let known = cx.accounts.known(end.as_str());
        known.map(|account| account.written(&change.cell)).unwrap_or_default()
    });
    let written: Vec<Dot> = written.collect();
    cx.groups.flying(taken.name.group, &written, cx.journal.gate())
}

/// Writes a change of an account, and of the one at the other end of an edge. Both are in memory.
pub(crate) fn take_change(
    cx: &mut Cx<'_>,
    taken: &Taken,
    (owner, ends): (&BareJid, Ends),
    change: &Change,
) -> OpId {
    let (gate, mut batch) = (cx.journal.gate(), StoreBatch::new());
    let (mut is_live, mut hides, mut seen) = (true, Vec::new(), Vec::new());
    let (mut emptied, mut marked) = (None, None);
    for end in accounts_of(cx, (owner, ends), change) {
        let was_over = is_over(cx, &end);
        let before = written(cx, &end, &change.cell);
        seen.push((end.clone(), merged::look(cx, &end, &change.cell)));
        cx.accounts.apply_taken(&end, change, gate);
        let after = written(cx, &end, &change.cell);
        // What one end of an edge has seen is overwritten, though the other one may not know.
        is_live &= after.contains(&change.entry.dot);
        hides.extend(before.into_iter().filter(|dot| !after.contains(dot)));
        if let Some(row) = cx.accounts.known(end.as_str()).and_then(|account| account.row(&change.cell)) {
            batch.add_put(cell_key(&end, &change.cell), row);
        }
        if matches!(change.cell, CellName::Mark) {
            marked = Some(Effect::Given(Given::Marked(end.clone())));
        }
        let login = matches!(change.cell, CellName::Status | CellName::Credentials);
        if login && cx.accounts.get(end.as_str()).is_some() {
            batch.add_put(account_key(&end), Vec::new());
        } else if login {
            batch.add_delete(account_key(&end));
        }
        if is_over(cx, &end) && !was_over {
            account::unlist(&end, &mut batch);
            Archives::remove_sent(&end, &mut batch);
            Archives::write_floor(&end, change.entry.hlc, &mut batch);
            emptied = Some(Effect::Emptied(end, change.entry.hlc));
        }
    }
    hides.sort_unstable();
    hides.dedup();
    cx.groups.take(taken, (is_live, hides), gate, &mut batch);
    cx.persist(Owner::Sync, batch, |cx| {
        for (end, seen) in seen {
            merged::tell(cx, &end, seen);
        }
        cx.effects.extend(emptied.into_iter().chain(marked));
    })
}

/// Writes an entry that stands in the index alone.
pub(crate) fn take_mark(cx: &mut Cx<'_>, taken: &Taken) -> OpId {
    let mut batch = StoreBatch::new();
    cx.groups.take(taken, (true, Vec::new()), cx.journal.gate(), &mut batch);
    cx.persist(Owner::Sync, batch, |_| {})
}

/// Returns whether there was an account and is none any more.
fn is_over(cx: &Cx<'_>, user: &BareJid) -> bool {
    cx.accounts.known(user.as_str()).and_then(Account::status) == Some(Status::Deleted)
}

fn written(cx: &Cx<'_>, end: &BareJid, cell: &CellName) -> Vec<Dot> {
    cx.accounts.known(end.as_str()).map(|account| account.written(cell)).unwrap_or_default()
}

/// Returns the accounts in whose rows a change stands, those of domains that are not served here left out.
fn accounts_of(cx: &Cx<'_>, (owner, ends): (&BareJid, Ends), change: &Change) -> Vec<BareJid> {
    let (CellName::Want { subscriber, publisher } | CellName::Allow { subscriber, publisher }) = &change.cell
    else {
        return vec![owner.clone()];
    };
    let both = [(subscriber, Ends::Subscriber), (publisher, Ends::Publisher)];
    let served = |end: &BareJid| end.local().is_some() && cx.config.domain(end.domain()).is_some();
    let named = both.into_iter().filter(|(end, only)| (ends == Ends::Both || ends == *only) && served(end));
    named.map(|(end, _)| end.clone()).collect()
}
