//! Gives an account what it was owed, in order and page by page. What comes meanwhile waits behind it.
//!
//! Implements: XEP-0160 1.0.1, section 2 (step 5). Rests on the promise of order (docs/promises.md, P3) and on the replication
//! rule R17: each decision to give asks what the session has been given.

use std::collections::{BTreeMap, BTreeSet};

use super::accept::Messages;
use super::line::Owed;
use super::mark::is_given;
use super::owing::{ADDED_BYTES, Drain, Step, Whom};
use super::settled::Settled;
use super::taker::{Since, Taker};
use crate::archive::{self, Held, Message};
use crate::directory::SessionId;
use crate::io::OpId;
use crate::jid::BareJid;
use crate::replica::{Cover, Dot, Hlc, Place};
use crate::service::cx::Cx;
use crate::service::effect::{Delivery, Effect, Given};
use crate::service::ops::Owner;
use crate::session::{Session, What};
use crate::stanza::{Stanza, StanzaError};
use crate::store::{Row, StoreBatch, StoreError, StoreQuery};
use crate::trace::Event;

/// Messages looked at in one step.
const PAGE: u32 = 64;
/// Messages that nobody stores and that wait for one account. Beyond: `resource-constraint`.
const WAITING_MAX: usize = 64;

/// Accounts that are being given what they were owed.
#[derive(Debug, Default)]
pub(super) struct Drains {
    open: BTreeMap<BareJid, Drain>,
    ops: BTreeMap<OpId, BareJid>,
    /// What has been owed or has come back lately.
    pub(super) settled: Settled,
    /// Who was given all that they were owed, and may not have acknowledged it: then other nodes are told at once.
    pub(super) given: BTreeSet<BareJid>,
}

impl Messages {
    /// A session takes messages for its account from here on.
    pub(crate) fn handle_available(&mut self, cx: &mut Cx<'_>, id: SessionId) {
        let Some(session) = cx.directory.get(id).filter(|session| session.takes_bare_messages()) else {
            return;
        };
        let owner = session.jid.bare();
        if cx.archives.open(owner.as_str()).is_some_and(|open| !open.is_empty()) {
            self.note_open(&owner);
        }
        let since = session.presence.as_ref().map(|presence| presence.since).unwrap_or_default();
        let host = session.delivery.began().cloned();
        if let Some(drain) = self.drains.open.get_mut(&owner) {
            if drain.takers.iter().all(|taker| taker.id != id) {
                let since = host.map(|host| Since { host, stamp: since });
                drain.takers.push(Taker::new(id, since));
            }
            // It may read faster than those for whom this has waited.
            return self.drains.look_again(cx, &owner);
        }
        if cx.archives.counts(owner.as_str()).owed == 0 {
            return;
        }
        self.drains.open(cx, &owner, Some(id));
        self.drains.read(cx, &owner);
    }

    /// A session of `owner` has ended, and something of what it leaves is being written: what comes meanwhile waits behind it.
    pub(crate) fn begin_waiting(&mut self, cx: &mut Cx<'_>, owner: &BareJid) {
        self.drains.open(cx, owner, None).behind += 1;
    }

    /// What that session left has gone to others.
    pub(crate) fn end_waiting(&mut self, cx: &mut Cx<'_>, owner: &BareJid) {
        let Some(drain) = self.drains.open.get_mut(owner) else { return };
        drain.behind = drain.behind.saturating_sub(1);
        if drain.behind == 0 && matches!(drain.step, Step::Behind) {
            self.drains.read(cx, owner);
        }
    }

    /// A client has read or acknowledged more.
    pub(crate) fn handle_room(&mut self, cx: &mut Cx<'_>, id: SessionId) {
        if self.drains.is_empty() && self.drains.given.is_empty() {
            return;
        }
        let Some(session) = cx.directory.get(id) else { return };
        let owner = session.jid.bare();
        if session.outbox.named().next().is_none() && self.drains.given.remove(&owner) {
            cx.effect(Effect::Given(Given::Mark(owner.clone())));
        }
        self.drains.look_again(cx, &owner);
    }

    /// A session of `owner` takes messages no more: nobody waits for it to read.
    pub(crate) fn handle_left(&mut self, cx: &mut Cx<'_>, owner: &BareJid) {
        self.drains.look_again(cx, owner);
    }

    /// The store has written something: what failed is tried again.
    pub(crate) fn handle_writable(&mut self, cx: &mut Cx<'_>) {
        let failed = self.drains.open.iter().filter(|(_, drain)| matches!(drain.step, Step::Failed));
        let failed: Vec<BareJid> = failed.map(|(owner, _)| owner.clone()).collect();
        for owner in failed {
            self.drains.read(cx, &owner);
        }
    }

    /// Takes rows in.
    pub(crate) fn handle_loaded(&mut self, cx: &mut Cx<'_>, op: OpId, outcome: Result<Vec<Row>, StoreError>) {
        if self.recall_loaded(cx, op, &outcome) || self.clear_loaded(cx, op, &outcome) {
            return;
        }
        let Some(owner) = self.drains.ops.remove(&op) else { return };
        let Some(drain) = self.drains.open.get_mut(&owner) else { return };
        let step = core::mem::replace(&mut drain.step, Step::Failed);
        let outcome = outcome.and_then(|rows| match step {
            Step::Rows(before) => self.drains.handle_rows(cx, &owner, (&rows, before)),
            Step::Entries(owed) => self.drains.handle_entries(cx, &owner, owed, &rows),
            Step::Bodies(owed) => {
                self.drains.handle_bodies(cx, &owner, owed, &rows);
                Ok(())
            }
            Step::Writing(..) | Step::Behind | Step::Room | Step::Failed => Ok(()),
        });
        if let Err(error) = outcome {
            self.drains.refuse(cx, &owner);
            cx.trace(Event::StoreFailed { error });
        }
    }
}

impl Drains {
    /// Returns whether no account is being given anything.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Returns whether `owner` is being given what it is owed.
    pub(super) fn is_open(&self, owner: &BareJid) -> bool {
        self.open.contains_key(owner)
    }

    /// Returns whether `owner` is to be given what sessions left that have ended, as soon as that is written.
    pub(super) fn is_behind(&self, owner: &BareJid) -> bool {
        self.open.get(owner).is_some_and(|drain| drain.behind > 0)
    }

    /// Returns whether a message for `owner`, or for its session `addressed`, has to wait.
    pub(super) fn holds(&self, owner: &BareJid, addressed: Option<SessionId>) -> bool {
        self.open
            .get(owner)
            .is_some_and(|drain| addressed.is_none_or(|id| drain.takers.iter().any(|taker| taker.id == id)))
    }

    /// Lets a message wait that `sender` is sending. Returns whether there was room, and the wait is one for the disk alone.
    pub(super) fn wait(&mut self, owner: &BareJid, delivery: &Delivery, sender: SessionId) -> bool {
        let room = |drain: &&mut Drain| {
            drain.waiting.len() < WAITING_MAX && !matches!(drain.step, Step::Room | Step::Failed)
        };
        let Some(drain) = self.open.get_mut(owner).filter(room) else { return false };
        drain.waiting.push((delivery.clone(), sender));
        true
    }

    /// Tells those who wait that it takes longer: until a client reads, or the disk works again.
    fn refuse(&mut self, cx: &mut Cx<'_>, owner: &BareJid) {
        let Some(drain) = self.open.get_mut(owner) else { return };
        // It is in memory alone: it goes to a session before it would wait for long.
        cx.effects.extend(core::mem::take(&mut drain.between).into_values());
        for (delivery, sender) in core::mem::take(&mut drain.waiting) {
            cx.effects.extend(delivery.stanza.error(StanzaError::ResourceConstraint).map(Effect::Route));
            cx.effect(Effect::Finish(sender));
        }
    }

    /// Lets what else comes for `owner` wait behind what is owed, until [`Messages::end_waiting`]: `id` is given that.
    pub(super) fn begin(&mut self, cx: &mut Cx<'_>, owner: &BareJid, id: SessionId) {
        let drain = self.open(cx, owner, Some(id));
        (drain.more, drain.behind) = (true, drain.behind + 1);
    }

    /// Returns whether `owner` is about to be given what it is owed, and that is not past what came at `came`: what is owed from here
    /// on, or is to be handed between, comes in its turn. Where it goes back for something, all behind that has yet to come.
    pub(super) fn takes(&self, owner: &BareJid, came: Hlc) -> bool {
        let Some(drain) = self.open.get(owner) else { return false };
        let (key, _) = archive::owed_range(owner, came);
        key >= *drain.reached() || drain.back.as_ref().is_some_and(|back| key >= *back)
    }

    /// Returns whether more may be handed between what `owner` is owed: not while it waits for somebody to read, or for the disk to
    /// work, as what waits for its turn is in memory alone.
    pub(super) fn has_room_between(&self, owner: &BareJid) -> bool {
        let room = |drain: &Drain| {
            drain.between.len() < WAITING_MAX && !matches!(drain.step, Step::Room | Step::Failed)
        };
        self.open.get(owner).is_some_and(room)
    }

    /// The message that `op` was to write has come back to its sender: it is handed to nobody.
    pub(super) fn undo(&mut self, op: OpId) {
        let is_other = |effect: &Effect| !matches!(effect, Effect::Hand(_, _, hand) if hand.op == Some(op));
        self.open.values_mut().for_each(|drain| drain.between.retain(|_, effect| is_other(effect)));
    }

    /// Takes note that `owner` is owed what stands at `place`: of what is being read, what stands behind that comes later. What has come
    /// late from another node may stand before what has been given; who has it already is not given it again: sessions know that.
    pub(super) fn note_owed(&mut self, owner: &BareJid, place: Place) {
        let Some(drain) = self.open.get_mut(owner) else { return };
        drain.more = true;
        let key = archive::owed_key(owner, place);
        if key < *drain.reached() && drain.back.as_ref().is_none_or(|back| key < *back) {
            drain.back = Some(key);
        }
        match &mut drain.step {
            Step::Rows(before) => *before = Some(before.map_or(place, |before| before.min(place))),
            Step::Entries(owed) | Step::Bodies(owed) => owed.retain(|owed| owed.place < place),
            Step::Writing(..) | Step::Behind | Step::Room | Step::Failed => {}
        }
    }

    /// Takes note that a message is owed as it had to wait for its turn only.
    pub(super) fn note_held(&mut self, owner: &BareJid, dot: Dot) {
        if let Some(drain) = self.open.get_mut(owner) {
            drain.held.insert(dot);
        }
    }

    /// What `owner` is owed at `place` could not be written and will be written again: nothing behind it is given before. Returns
    /// whether anything was about to be.
    pub(super) fn hold(&mut self, owner: &BareJid, place: Place) -> bool {
        self.note_owed(owner, place);
        let drain = self.open.get_mut(owner);
        drain.map(|drain| drain.unwritten += 1).is_some()
    }

    /// It has been written.
    pub(super) fn release(&mut self, cx: &mut Cx<'_>, owner: &BareJid) {
        let Some(drain) = self.open.get_mut(owner) else { return };
        drain.unwritten = drain.unwritten.saturating_sub(1);
        if drain.unwritten == 0 && matches!(drain.step, Step::Failed) {
            self.read(cx, owner);
        }
    }

    /// Hands something on that may not be stored and came at `came`, behind what is owed since before. Sessions have a bound on what
    /// they leave.
    pub(super) fn hand_between(&mut self, owner: &BareJid, came: Hlc, hand: Effect) {
        if let Some(drain) = self.open.get_mut(owner) {
            drain.between.entry(came).or_insert(hand);
        }
    }

    /// Returns what `owner` is being given, from here on if it was nothing before: `id` all that is owed. The other sessions have
    /// been given what came since they were there; from here on that goes through this.
    fn open(&mut self, cx: &mut Cx<'_>, owner: &BareJid, id: Option<SessionId>) -> &mut Drain {
        self.open.entry(owner.clone()).or_insert_with(|| {
            let host = cx.groups.cover_until(owner.domain(), cx.ledger, &Cover::default());
            let from_here = Since { host, stamp: cx.ledger.stamp(cx.now.wall) };
            let others = cx.directory.of_account(owner.as_jid()).iter().filter(|other| Some(**other) != id);
            let others =
                others.filter(|other| cx.directory.get(**other).is_some_and(Session::takes_bare_messages));
            let mut takers: Vec<Taker> = id.into_iter().map(|id| Taker::new(id, None)).collect();
            takers.extend(others.map(|other| Taker::new(*other, Some(from_here.clone()))));
            let (next, _) = archive::owed_range(owner, cx.archives.floor(owner.as_str()));
            Drain {
                takers,
                next,
                back: None,
                step: Step::Behind,
                more: false,
                behind: 0,
                unwritten: 0,
                held: BTreeSet::new(),
                waiting: Vec::new(),
                between: BTreeMap::new(),
            }
        })
    }

    /// Goes on where this has waited for somebody to read.
    fn look_again(&mut self, cx: &mut Cx<'_>, owner: &BareJid) {
        if self.open.get(owner).is_some_and(|drain| matches!(drain.step, Step::Room)) {
            self.read(cx, owner);
        }
    }

    /// Reads what comes next.
    fn read(&mut self, cx: &mut Cx<'_>, owner: &BareJid) {
        let Some(drain) = self.open.get_mut(owner) else { return };
        if drain.behind > 0 {
            drain.step = Step::Behind;
            return;
        }
        if drain.unwritten > 0 {
            drain.step = Step::Failed;
            return self.refuse(cx, owner);
        }
        if !drain.has_takers(cx) {
            return self.end(cx, owner);
        }
        if let Some(back) = drain.back.take() {
            // A page that could not be written has yet to be given, too.
            drain.next = back.min(drain.next.clone());
        }
        drain.more = false;
        drain.step = Step::Rows(None);
        let (_, to) = archive::owed_range(owner, Hlc::MIN);
        let query = StoreQuery::Range { from: drain.next.clone(), to, limit: PAGE };
        self.load(cx, owner, query);
    }

    fn load(&mut self, cx: &mut Cx<'_>, owner: &BareJid, query: StoreQuery) {
        let op = cx.load(Owner::Message, query);
        self.ops.insert(op, owner.clone());
    }

    /// Ends: everything has been given, or nobody is there who could be given it. What waited goes on.
    fn end(&mut self, cx: &mut Cx<'_>, owner: &BareJid) {
        if let Some(drain) = self.open.remove(owner) {
            if cx.groups.is_shared() {
                self.given.insert(owner.clone());
                cx.effect(Effect::Given(Given::Mark(owner.clone())));
            }
            cx.effects.extend(drain.between.into_values());
            for (mut delivery, sender) in drain.waiting {
                // Who came meanwhile is given it as well: as one that was there when it came.
                delivery.what = What::Message(cx.ledger.stamp(cx.now.wall));
                cx.effect(Effect::Deliver(delivery));
                cx.effect(Effect::Finish(sender));
            }
        }
    }

    fn handle_rows(
        &mut self,
        cx: &mut Cx<'_>,
        owner: &BareJid,
        (rows, before): (&[Row], Option<Place>),
    ) -> Result<(), StoreError> {
        let mut owed = Vec::with_capacity(rows.len());
        for row in rows {
            let place = archive::place_of(&row.key).ok_or(StoreError::Damaged)?;
            // One that is damaged keeps no other from being given. What it points at may be whole.
            let Held(entry) = row.decode().unwrap_or_else(|error| {
                cx.trace(Event::StoreFailed { error });
                Held(None)
            });
            owed.push(Owed { place, entry });
        }
        owed.retain(|owed: &Owed| before.is_none_or(|before| owed.place < before));
        let Some(drain) = self.open.get_mut(owner) else { return Ok(()) };
        if owed.is_empty() {
            if drain.more || drain.behind > 0 || drain.unwritten > 0 {
                self.read(cx, owner);
            } else {
                self.end(cx, owner);
            }
            return Ok(());
        }
        let unknown = owed.iter().filter(|owed| owed.entry.is_none());
        let keys = unknown.map(|owed| archive::log_key(owner, owed.place)).collect();
        drain.step = Step::Entries(owed);
        self.load(cx, owner, StoreQuery::Many { keys });
        Ok(())
    }

    fn handle_entries(
        &mut self,
        cx: &mut Cx<'_>,
        owner: &BareJid,
        mut owed: Vec<Owed>,
        rows: &[Row],
    ) -> Result<(), StoreError> {
        for row in rows {
            let place = archive::place_of(&row.key).ok_or(StoreError::Damaged)?;
            if let Some(owed) = owed.iter_mut().find(|owed| owed.place == place) {
                owed.entry = row.decode().map_err(|error| cx.trace(Event::StoreFailed { error })).ok();
            }
        }
        let Some(drain) = self.open.get_mut(owner) else { return Ok(()) };
        if owed.is_empty() {
            // All of it comes behind what has been owed meanwhile.
            self.read(cx, owner);
            return Ok(());
        }
        let (mut fits, mut bytes) = (0, 0);
        let room = drain.room(cx);
        for owed in &owed {
            bytes += owed.entry.as_ref().map_or(0, |entry| entry.bytes as usize + ADDED_BYTES);
            if bytes > room || (fits > 0 && bytes > cx.config.limits.archive_page_bytes as usize) {
                break;
            }
            fits += 1;
        }
        owed.truncate(fits);
        if owed.is_empty() {
            drain.step = Step::Room;
            self.refuse(cx, owner);
            return Ok(());
        }
        let entries = owed.iter().filter_map(|owed| owed.entry.as_ref());
        let keys = entries.map(|entry| entry.message_key(owner)).collect();
        drain.step = Step::Bodies(owed);
        self.load(cx, owner, StoreQuery::Many { keys });
        Ok(())
    }

    /// Gives a page to everybody who is there. With XEP-0198 it goes into the session's own rows in the same flush in which
    /// it ceases to be owed; without, it is handed to the connection first.
    fn handle_bodies(&mut self, cx: &mut Cx<'_>, owner: &BareJid, owed: Vec<Owed>, rows: &[Row]) {
        let Some(drain) = self.open.get_mut(owner) else { return };
        if owed.is_empty() || !drain.has_takers(cx) {
            self.read(cx, owner);
            return;
        }
        let mut stanzas = BTreeMap::new();
        for row in rows {
            match Message::decode(row).and_then(|bytes| Stanza::parse(bytes).ok_or(StoreError::Damaged)) {
                Ok(stanza) => _ = stanzas.insert(row.key.clone(), stanza),
                Err(error) => cx.trace(Event::StoreFailed { error }),
            }
        }
        let mut batch = StoreBatch::new();
        for owed in &owed {
            batch.add_delete(archive::owed_key(owner, owed.place));
            if let Some(entry) = owed.entry.as_ref().filter(|entry| entry.id.is_none()) {
                cx.remove_message(entry.domain(owner), entry.message, &mut batch);
            }
        }
        let Some(next) = owed.last().map(|owed| archive::owed_key(owner, owed.place).next()) else {
            return;
        };
        let op = cx.persist(Owner::Message, batch, |_| {});
        for owed in &owed {
            drain.give_until(cx, owed.place.hlc);
            self.settled.forget(owed.what(cx));
            let held = drain.held.contains(&owed.place.dot);
            let given = is_given(cx, owner, owed.place.dot);
            if given && !held {
                continue;
            }
            let Some(entry) = &owed.entry else { continue };
            let Some(stanza) = stanzas.get(&entry.message_key(owner)) else { continue };
            let to = if given { Whom::WhoWasThere } else { Whom::Everybody };
            drain.give(cx, (owner, op), (owed.what(cx), owed.place, entry), (stanza, to));
        }
        let count = u32::try_from(owed.len()).unwrap_or(u32::MAX);
        cx.archives.change(owner, |counts| counts.owed = counts.owed.saturating_sub(count));
        drain.step = Step::Writing(next, owed);
        self.ops.insert(op, owner.clone());
    }

    /// The write of a page has been answered.
    pub(super) fn handle_stored(&mut self, cx: &mut Cx<'_>, op: OpId, outcome: Result<(), StoreError>) {
        let Some(owner) = self.ops.remove(&op) else { return };
        let Some(drain) = self.open.get_mut(&owner) else { return };
        let Step::Writing(next, owed) = core::mem::replace(&mut drain.step, Step::Failed) else { return };
        if outcome.is_ok() {
            drain.next = next;
            for owed in &owed {
                drain.held.remove(&owed.place.dot);
            }
            return self.read(cx, &owner);
        }
        // Those without acknowledgements have it all the same, and know that.
        let count = u32::try_from(owed.len()).unwrap_or(u32::MAX);
        cx.archives.change(&owner, |counts| counts.owed = counts.owed.saturating_add(count));
        if cx.groups.is_shared() {
            cx.archives.change_open(&owner, |open| {
                for owed in &owed {
                    open.owe(owed.place.dot, !owed.is_stored());
                }
                true
            });
        }
        self.refuse(cx, &owner);
    }
}
