//! What an account has been given, over all nodes: what this one knows of it is told, and what others tell ends what is owed here.
//!
//! Rests on the replication rule R17 (the mark of an account). A mark that is lost costs a new session that it is shown something again.
//!
//! Shown by: scenarios/cluster/offline.scn, core/src/node/tests/marks.rs.

use std::collections::{BTreeMap, BTreeSet};

use super::accept::Messages;
use super::drain::Drains;
use crate::archive::{self, Held, Unread};
use crate::directory::SessionId;
use crate::io::OpId;
use crate::jid::BareJid;
use crate::replica::{Account, CellName, Dot, Hlc, Mark, Value};
use crate::service::cx::Cx;
use crate::service::effect::{Effect, Given, Why};
use crate::service::ops::Owner;
use crate::session::Session;
use crate::store::{Key, Row, StoreBatch, StoreError, StoreQuery};
use crate::sync::Part;
use crate::trace::Event;

/// Rows looked at in one step.
const PAGE: u32 = 64;
/// So often one looks before what was left to somebody who has gone is given to who is here: what was acknowledged is marked by then.
const LOOKS: u32 = 2;
/// Accounts whose rows are to be looked at. Beyond: what a mark covers is taken away when somebody is to be given it.
const QUEUE_MAX: usize = 65_536;

/// Which accounts have something to tell, or to take away.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// Something has come for them that no mark covers, and somebody is here who was given it.
    due: BTreeSet<BareJid>,
    /// Of those that were due together, the ones that have not had their turn.
    round: BTreeSet<BareJid>,
    /// They are told as soon as nothing else is to be done.
    soon: BTreeSet<BareJid>,
    /// What is left of theirs was left to nobody whom one sees, when one looked last.
    alone: BTreeSet<BareJid>,
    /// A session of theirs has gone that was seen at another node: what was left before that may be nobody's.
    gone: BTreeMap<BareJid, Gone>,
    /// What sessions have left at other nodes and is to be looked up here, once this mark has come.
    left: BTreeMap<BareJid, Dot>,
    clears: Clears,
}

/// When a session was last seen to go, and how often one has looked since.
#[derive(Debug)]
struct Gone {
    until: Hlc,
    looked: u32,
}

/// Takes away what is owed and was given elsewhere, one account after the other.
#[derive(Debug, Default)]
struct Clears {
    queue: BTreeSet<BareJid>,
    reading: Option<(OpId, BareJid)>,
    /// What is being taken away, by account: so many are not owed then.
    writing: BTreeMap<OpId, (BareJid, u32)>,
}

impl Messages {
    /// Takes note that something is open of an account: if anybody is here, it is told when there is time.
    pub(crate) fn note_open(&mut self, owner: &BareJid) {
        self.marks.due.insert(owner.clone());
    }

    /// Returns whether anything is to be told.
    pub(crate) fn is_mark_due(&self) -> bool {
        !self.marks.due.is_empty() || self.is_within_round()
    }

    /// Returns whether some of those that were due together have not had their turn.
    pub(crate) fn is_within_round(&self) -> bool {
        !self.marks.round.is_empty()
    }

    /// Takes accounts of which something is to be told, so many at most.
    pub(crate) fn take_marks_due(&mut self, most: usize) -> Vec<BareJid> {
        if self.marks.round.is_empty() {
            self.marks.round = core::mem::take(&mut self.marks.due);
        }
        core::iter::from_fn(|| self.marks.round.pop_first()).take(most).collect()
    }

    /// Lets the other nodes be told what an account was given as soon as nothing else is to be done.
    pub(crate) fn mark_soon(&mut self, owner: BareJid) {
        self.marks.soon.insert(owner);
    }

    /// Takes an account of which they are to be told.
    pub(crate) fn next_mark(&mut self) -> Option<BareJid> {
        self.marks.soon.pop_first()
    }

    /// Tells the other nodes what an account has been given, and does so again while anything stays open and somebody is here.
    pub(crate) fn mark(&mut self, cx: &mut Cx<'_>, owner: &BareJid) {
        if let Some(mark) = self.claim(cx, owner) {
            let mut batch = StoreBatch::new();
            cx.write(&[owner], CellName::Mark, Value::Mark(mark), &mut batch);
            let marked = Effect::Given(Given::Marked(owner.clone()));
            cx.persist(Owner::Message, batch, |cx| cx.effect(marked));
        }
        let open = cx.archives.open(owner.as_str()).is_some_and(|open| !open.is_empty());
        if open && cx.directory.has(owner.as_str()) {
            self.marks.due.insert(owner.clone());
        } else {
            self.drains.given.remove(owner);
            self.marks.gone.remove(owner);
        }
    }

    /// Returns the mark of an account with what this node knows beside, if there is any such thing.
    fn claim(&self, cx: &Cx<'_>, owner: &BareJid) -> Option<Mark> {
        let account = cx.accounts.get(owner.as_str()).filter(|account| account.life().is_some())?;
        let open = cx.archives.open(owner.as_str()).filter(|open| !open.is_empty())?;
        let kept = [Part::Account, Part::Archive].map(|part| (owner.clone(), part));
        // Of what waits for a write, or stands where nobody can read, it is not known who is given it.
        if self.drains.is_behind(owner) || cx.groups.keeps(kept.into_iter()).is_some() {
            return None;
        }
        let mut unread = Unread::default();
        for id in cx.directory.of_account(owner.as_jid()) {
            let Some(session) = cx.directory.get(*id) else { continue };
            unread.dots.extend(session.outbox.named());
            if session.outbox.has_nameless() {
                unread.nameless = Some(cx.ledger.origin().node);
            }
        }
        let claim = cx.groups.with_held(owner.domain(), |held| open.claim(held, &unread))?;
        let known = account.mark();
        let mut mark = known.clone();
        mark.join(&claim);
        mark.bound();
        (mark != known).then_some(mark)
    }

    /// Takes note that something is to be looked up that was left of an account, once a mark has come.
    pub(crate) fn await_mark(&mut self, owner: BareJid, mark: Dot) {
        if self.marks.left.len() < QUEUE_MAX {
            self.marks.left.insert(owner, mark);
        }
    }

    /// Returns the mark behind which something is to be looked up that was left of an account.
    pub(crate) fn awaits_mark(&self, owner: &BareJid) -> Option<Dot> {
        self.marks.left.get(owner).copied()
    }

    /// It has come.
    pub(crate) fn end_awaiting(&mut self, owner: &BareJid) {
        self.marks.left.remove(owner);
    }

    /// Returns which node is told that something is owed here of an account, as nobody is here to be given it and somebody is there, and
    /// which mark says what was given here.
    pub(crate) fn hands_over(&self, cx: &Cx<'_>, owner: &BareJid) -> Option<(u32, Option<Dot>)> {
        let is_here = cx.directory.of_account(owner.as_jid()).iter().any(|id| takes(cx, *id));
        if is_here || cx.archives.counts(owner.as_str()).owed == 0 || self.drains.is_behind(owner) {
            return None;
        }
        let far = cx.elsewhere.of_account(owner.as_jid());
        let fittest = far.filter_map(|(node, _, far)| Some((far.priority.filter(|most| *most >= 0)?, node)));
        let (_, node) = fittest.max()?;
        let own = cx.ledger.origin();
        let marks = cx.accounts.get(owner.as_str()).map(|account| account.written(&CellName::Mark));
        let last = marks.into_iter().flatten().filter(|dot| dot.origin == own).max();
        Some((node, last))
    }

    /// Another mark of an account counts, and is on the disk.
    pub(crate) fn handle_marked(&mut self, cx: &mut Cx<'_>, owner: &BareJid) {
        let Some(mark) = cx.accounts.get(owner.as_str()).map(Account::mark) else { return };
        cx.archives.change_open(owner, |open| open.settle(&mark));
        if cx.archives.counts(owner.as_str()).owed > 0 && self.marks.clears.queue.len() < QUEUE_MAX {
            self.marks.clears.queue.insert(owner.clone());
            self.marks.clears.go_on(cx, &self.drains);
        }
    }

    /// Takes rows in of what is owed, if it was they who were asked for.
    pub(super) fn clear_loaded(
        &mut self,
        cx: &mut Cx<'_>,
        op: OpId,
        outcome: &Result<Vec<Row>, StoreError>,
    ) -> bool {
        self.marks.clears.handle_loaded(cx, &self.drains, (op, outcome))
    }

    /// What was taken away is gone, or it is not. Returns whether this was such a write.
    pub(super) fn clear_stored(&mut self, cx: &mut Cx<'_>, op: OpId, is_stored: bool) -> bool {
        let Some((owner, count)) = self.marks.clears.writing.remove(&op) else { return false };
        if !is_stored {
            // Who is to be given it finds that it is marked.
            cx.archives.change(&owner, |counts| counts.owed = counts.owed.saturating_add(count));
        }
        true
    }

    /// A session of an account has gone that was seen at another node and took messages.
    pub(crate) fn note_gone(&mut self, cx: &mut Cx<'_>, owner: &BareJid) {
        if cx.groups.is_shared() && cx.directory.has(owner.as_str()) {
            let until = cx.ledger.stamp(cx.now.wall);
            self.marks.gone.entry(owner.clone()).or_insert(Gone { until, looked: 0 }).until = until;
            self.note_open(owner);
        }
    }

    /// Looks whether what was left of an account to others has to be given here: for the second time there is nobody else whom one sees
    /// and who takes messages, or a session has gone to which it may have been left. What somebody was given who has gone in order is
    /// marked by then.
    pub(crate) fn may_recall(&mut self, cx: &Cx<'_>, owner: &BareJid) -> Option<Why> {
        let is_left = cx.archives.open(owner.as_str()).is_some_and(|open| open.left_since().is_some());
        let mut here = cx.directory.of_account(owner.as_jid()).iter();
        let is_taken = here.any(|id| takes(cx, *id));
        if !is_left || !is_taken {
            self.marks.alone.remove(owner);
            if !is_left {
                self.marks.gone.remove(owner);
            }
            return None;
        }
        if is_elsewhere(cx, owner) {
            self.marks.alone.remove(owner);
            return self.marks.is_gone(cx, owner);
        }
        self.marks.gone.remove(owner);
        if self.marks.alone.remove(owner) {
            return Some(Why::Alone);
        }
        self.marks.alone.insert(owner.clone());
        None
    }
}

impl Marks {
    /// Returns why something is to be looked up that was left to others while others are seen still: of several nodes that may have left
    /// it the lowest gives it first, and the others do when that has not ended it.
    fn is_gone(&mut self, cx: &Cx<'_>, owner: &BareJid) -> Option<Why> {
        let gone = self.gone.get_mut(owner)?;
        gone.looked += 1;
        let own = cx.ledger.origin().node;
        let mut far = cx.elsewhere.of_account(owner.as_jid());
        let is_lower = far.any(|(node, _, far)| node < own && far.priority.is_some_and(|most| most >= 0));
        if gone.looked < if is_lower { 2 * LOOKS } else { LOOKS } {
            return None;
        }
        self.gone.remove(owner).map(|gone| Why::Gone(gone.until))
    }
}

impl Clears {
    fn go_on(&mut self, cx: &mut Cx<'_>, drains: &Drains) {
        while self.reading.is_none() {
            let Some(owner) = self.queue.pop_first() else { return };
            if !cx.archives.knows(owner.as_str()) {
                cx.effect(Effect::Given(Given::Marked(owner)));
                continue;
            }
            // Who is being given what is owed asks the mark.
            if cx.archives.counts(owner.as_str()).owed > 0 && !drains.is_open(&owner) {
                let (from, _) = archive::owed_range(&owner, cx.archives.floor(owner.as_str()));
                self.read(cx, owner, from);
            }
        }
    }

    fn read(&mut self, cx: &mut Cx<'_>, owner: BareJid, from: Key) {
        let (_, to) = archive::owed_range(&owner, Hlc::MIN);
        let op = cx.load(Owner::Message, StoreQuery::Range { from, to, limit: PAGE });
        self.reading = Some((op, owner));
    }

    fn handle_loaded(
        &mut self,
        cx: &mut Cx<'_>,
        drains: &Drains,
        (op, outcome): (OpId, &Result<Vec<Row>, StoreError>),
    ) -> bool {
        let Some((_, owner)) = self.reading.take_if(|(reading, _)| *reading == op) else { return false };
        match outcome {
            Ok(rows) if cx.archives.knows(owner.as_str()) && !drains.is_open(&owner) => {
                self.take_away(cx, &owner, rows);
                if let Some(last) = rows.last().filter(|_| rows.len() >= PAGE as usize) {
                    self.read(cx, owner, last.key.next());
                }
            }
            Ok(_) => {}
            Err(error) => cx.trace(Event::StoreFailed { error: *error }),
        }
        self.go_on(cx, drains);
        true
    }

    fn take_away(&mut self, cx: &mut Cx<'_>, owner: &BareJid, rows: &[Row]) {
        let (mut batch, mut count) = (StoreBatch::new(), 0_u32);
        for row in rows {
            if !archive::place_of(&row.key).is_some_and(|place| is_given(cx, owner, place.dot)) {
                continue;
            }
            count += 1;
            batch.add_delete(row.key.clone());
            if let Ok(Held(Some(entry))) = row.decode() {
                cx.remove_message(entry.domain(owner), entry.message, &mut batch);
            }
        }
        if count > 0 {
            cx.archives.change(owner, |counts| counts.owed = counts.owed.saturating_sub(count));
            let op = cx.persist(Owner::Message, batch, |_| {});
            self.writing.insert(op, (owner.clone(), count));
        }
    }
}

/// Returns whether a message of the log of `owner` was given to somebody who has acknowledged it, here or elsewhere, as far as is
/// known here: nobody owes it.
pub(super) fn is_given(cx: &Cx<'_>, owner: &BareJid, dot: Dot) -> bool {
    cx.groups.is_shared() && cx.accounts.get(owner.as_str()).is_some_and(|account| account.has_given(dot))
}

/// Returns whether a session of another node is seen that takes messages for `owner`, be it one whose address a session here has taken.
pub(super) fn is_elsewhere(cx: &Cx<'_>, owner: &BareJid) -> bool {
    let mut far = cx.elsewhere.of_account(owner.as_jid());
    far.any(|(_, _, far)| far.priority.is_some_and(|priority| priority >= 0))
}

fn takes(cx: &Cx<'_>, id: SessionId) -> bool {
    cx.directory.get(id).is_some_and(Session::takes_bare_messages)
}
