//! Durability above the own disk: what clients are told is safe waits until enough members have it, or for so long and no longer.
//! Carries values; who has what is counted in `cluster`.
//!
//! Nobody who is given something waits for that (replication rule R15).

use std::collections::BTreeSet;

use super::Node;
use super::effects::Watch;
use crate::cluster::{Confirm, There};
use crate::config::{Config, Short};
use crate::directory::SessionId;
use crate::exchange::{GroupId, Hello};
use crate::io::OpId;
use crate::service::effect::{Delivery, Effect};
use crate::session::{About, Below, Note, What};
use crate::stanza::{IqType, Kind, Stanza, StanzaError};
use crate::time::Now;
use crate::timers::Timer;
use crate::trace::Event;

/// Who waits for levels.
#[derive(Debug)]
pub(super) struct Levels {
    confirm: Confirm,
    /// Of each level the sessions with something that waits, each by the flush for which the first of it does.
    due: Vec<BTreeSet<(u64, SessionId)>>,
    /// Bytes of what waits.
    bytes: u64,
}

/// What stands to be noted of a stanza if something is written for it.
#[derive(Debug)]
pub(super) struct Noting {
    session: SessionId,
    stanza: Stanza,
    /// The last write before it.
    before: Option<OpId>,
}

/// What was there already of what a stanza asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing.
    Nothing,
    /// All of it.
    Written,
    /// All of it, and this is writing it.
    Writing(OpId),
}

impl Levels {
    pub(super) fn new(config: &Config) -> Self {
        Self { confirm: Confirm::new(config), due: Vec::new(), bytes: 0 }
    }

    /// Counts the members that there are from here on.
    pub(super) fn heed(&mut self, config: &Config) {
        self.confirm.heed(config);
    }

    fn due(&mut self, level: usize) -> &mut BTreeSet<(u64, SessionId)> {
        if self.due.len() <= level {
            self.due.resize_with(level + 1, BTreeSet::new);
        }
        &mut self.due[level]
    }
}

impl Node {
    /// Counts what was written before this start, and lets wait what sessions had waiting then.
    pub(super) fn begin_levels(&mut self, now: Now) {
        let flush = self.journal.durable();
        if self.levels.confirm.is_on() {
            self.levels.confirm.begin(flush, self.groups.written_before(), now.mono);
        }
        for id in self.directory.ids().collect::<Vec<_>>() {
            let level = self.level_of(id);
            let Some(session) = self.directory.get_mut(id) else { continue };
            let Some(below) = session.below.as_mut().filter(|below| below.first().is_some()) else {
                continue;
            };
            below.wait_for(flush);
            self.levels.bytes += u64::from(below.bytes());
            // Where levels were lowered meanwhile nothing is waited for, also when no domain has one any longer.
            match level {
                Some(level) => _ = self.levels.due(level).insert((flush, id)),
                None => self.end_waiting(id, u64::MAX, (u64::MAX, Short::Degrade)),
            }
        }
        self.turn_levels();
    }

    /// Returns which level a session waits for; nothing where the own disk is enough.
    fn level_of(&self, id: SessionId) -> Option<usize> {
        if !self.levels.confirm.is_on() {
            return None;
        }
        self.levels.confirm.level(self.directory.get(id)?.jid.domain())
    }

    /// Looks at a stanza of a client before it is handled.
    pub(super) fn begin_noting(&self, session: Option<SessionId>, stanza: &Stanza) -> Option<Noting> {
        let session = session.filter(|id| self.level_of(*id).is_some())?;
        self.directory.get(session)?.acks.as_ref()?;
        Some(Noting { session, stanza: stanza.emptied(), before: self.journal.last() })
    }

    /// A stanza of a client has been handled as far as that goes at once. If that has written something, or has `found` it written
    /// already, or being written by another write, it does not count as safe before that is at the level.
    pub(super) fn end_noting(&mut self, noting: Option<Noting>, found: Found) {
        let Some(Noting { session, stanza, before }) = noting else { return };
        let own = self.journal.last().filter(|op| Some(*op) != before);
        let first = if let Found::Writing(op) = found { Some(op) } else { None };
        let is_on_its_way = own.is_none() && first.is_some_and(|op| !self.journal.gathers(op));
        let flush = if is_on_its_way { self.journal.begun() } else { self.journal.gate() };
        if own.is_some() || found != Found::Nothing {
            self.note(session, (own.or(first), flush), About::Sent(stanza));
        }
    }

    /// Looks at a message before it may be kept because nobody could be given it. What is stored anyway has been noted.
    pub(super) fn begin_keeping(&self, delivery: &Delivery) -> Option<Noting> {
        let Delivery { stanza, op, what } = delivery;
        let is_stored_now = op.is_none() && matches!(what, What::Message(_));
        self.begin_noting(self.directory.find(&stanza.from).filter(|_| is_stored_now), stanza)
    }

    /// A message is kept, or not. That is written again should it fail, so that it waits in any case; its sender's stanza may have been
    /// counted since.
    pub(super) fn end_keeping(&mut self, noting: Option<Noting>) {
        let Some(Noting { session, stanza, before }) = noting else { return };
        if self.journal.last() != before {
            self.note(session, (None, self.journal.gate()), About::Sent(stanza));
        }
    }

    /// A client is told that what it asked for has been done, once that is at the level. It is durable here.
    pub(super) fn promise(&mut self, now: Now, answer: Stanza) {
        let session = answer.to.as_ref().and_then(|to| self.directory.find(to));
        let flush = self.journal.durable();
        match session.and_then(|id| Some((id, self.level_of(id)?))) {
            Some((id, level)) if self.levels.confirm.reach(level).met <= flush => {
                self.note(id, (None, flush), About::Answer(answer));
            }
            Some(_) | None => self.route(now, answer, Watch::Guarded),
        }
    }

    fn note(&mut self, id: SessionId, (op, flush): (Option<OpId>, u64), about: About) {
        let Some(level) = self.level_of(id) else { return };
        let most = self.config.limits.session_below_level_bytes;
        let Some(session) = self.directory.get_mut(id) else { return };
        let is_open = session.inbound.open;
        let counted = session.acks.as_ref().filter(|_| is_open || matches!(about, About::Sent(_)));
        let ordinal = counted.map_or(0, |acks| acks.handled + u64::from(is_open));
        let below = session.below.get_or_insert_default();
        let (first, before) = (below.first(), below.bytes());
        below.push(Note { flush, ordinal, op, about });
        self.levels.bytes += u64::from(below.bytes() - before);
        let oldest = below.first().unwrap_or(flush);
        if first.is_none() {
            self.levels.due(level).insert((oldest, id));
        }
        // What is not durable even here is not told to be below the level. There is little of that.
        let durable = self.journal.durable();
        while let Some(oldest) = self.oldest_beyond(id, most).filter(|oldest| *oldest <= durable) {
            self.end_wait_early((level, id), oldest);
        }
        while self.levels.bytes > u64::from(self.config.limits.below_level_bytes) {
            let all = self.levels.due.iter().enumerate();
            let firsts = all.filter_map(|(level, due)| due.first().map(|(flush, id)| (*flush, level, *id)));
            let Some((flush, level, id)) = firsts.min().filter(|(flush, ..)| *flush <= durable) else {
                break;
            };
            self.end_wait_early((level, id), flush);
        }
        self.settle_level(level);
    }

    /// Returns the flush for which the first of what a session has waiting does, when all that is more than `most` bytes.
    fn oldest_beyond(&self, id: SessionId, most: u32) -> Option<u64> {
        let below = self.directory.get(id)?.below.as_ref()?;
        below.first().filter(|_| below.bytes() > most)
    }

    /// A flush is durable here.
    pub(super) fn count_flush(&mut self, now: Now) {
        if self.levels.confirm.is_on() {
            let marks = self.groups.take_written();
            self.levels.confirm.flushed(self.journal.durable(), marks, now.mono);
            self.turn_levels();
        }
    }

    /// Writes have failed: what waits because of them does not.
    pub(super) fn fail_levels(&mut self, failed: &[OpId]) {
        for level in 0..self.levels.due.len() {
            for (first, id) in core::mem::take(self.levels.due(level)) {
                let Some(below) = self.directory.get_mut(id).and_then(|session| session.below.as_mut())
                else {
                    continue;
                };
                let before = below.bytes();
                below.fail(failed);
                self.levels.bytes -= u64::from(before - below.bytes());
                let still = below.first();
                debug_assert!(still.is_none_or(|still| still >= first), "what waits is in order");
                self.levels.due(level).extend(still.map(|flush| (flush, id)));
            }
        }
    }

    /// A session has ended, and what it waits for with it.
    pub(super) fn forget_levels(&mut self, id: SessionId, below: Option<Box<Below>>) {
        let Some(below) = below else { return };
        self.levels.bytes -= u64::from(below.bytes());
        for (due, flush) in self.levels.due.iter_mut().zip(core::iter::repeat(below.first())) {
            flush.map(|flush| due.remove(&(flush, id)));
        }
    }

    /// Another node is there.
    pub(super) fn count_up(&mut self, now: Now, node: u32, hello: &Hello) {
        self.levels.confirm.handle_up(node, hello.origin, now.mono);
        self.turn_levels();
    }

    /// Another node cannot be reached.
    pub(super) fn count_down(&mut self, now: Now, node: u32) {
        self.levels.confirm.handle_down(node, now.mono);
        self.turn_levels();
    }

    /// Another node has said something of what it holds of a group.
    pub(super) fn count_held(&mut self, now: Now, node: u32, group: GroupId) {
        if !self.levels.confirm.is_on() {
            return;
        }
        if let Some(held) = self.groups.held_by(node, group) {
            self.levels.confirm.hear(node, group, |origin| held.prefix(origin), now.mono);
            self.turn_levels();
        }
    }

    /// Somebody may have waited for long enough.
    pub(super) fn tick_levels(&mut self, now: Now) {
        self.levels.confirm.handle_tick(now.mono);
        self.turn_levels();
    }

    /// Does what follows when levels are met further, or not waited for.
    fn turn_levels(&mut self) {
        if !self.levels.confirm.is_on() {
            return;
        }
        for There { domain, level, count: there } in self.levels.confirm.turns() {
            let domain = domain.as_str().into();
            self.effects.push_back(Effect::Trace(Event::Level { domain, level, there }));
        }
        for level in 0..self.levels.due.len() {
            self.settle_level(level);
        }
        self.timers.set(Timer::Level, self.levels.confirm.due());
    }

    fn settle_level(&mut self, level: usize) {
        let (reach, short) = (self.levels.confirm.reach(level), self.levels.confirm.short(level));
        while let Some((flush, id)) = self.levels.due(level).first().copied() {
            if flush >= reach.end() {
                return;
            }
            self.levels.due(level).remove(&(flush, id));
            self.end_waiting(id, reach.end(), (reach.met, short));
            let below = self.directory.get(id).and_then(|session| session.below.as_ref());
            let next = below.and_then(|below| below.first());
            self.levels.due(level).extend(next.map(|flush| (flush, id)));
        }
    }

    /// Too much waits: what a session has waiting for flush `flush` does so no longer.
    fn end_wait_early(&mut self, (level, id): (usize, SessionId), flush: u64) {
        self.levels.due(level).remove(&(flush, id));
        let (met, short) = (self.levels.confirm.reach(level).met, self.levels.confirm.short(level));
        self.end_waiting(id, flush + 1, (met, short));
        let below = self.directory.get(id).and_then(|session| session.below.as_ref());
        let next = below.and_then(|below| below.first());
        self.levels.due(level).extend(next.map(|flush| (flush, id)));
    }

    /// What a session has waiting for flushes below `end` does so no longer: what is not below `met` is below the level, and its
    /// client is told so where nothing else was agreed.
    fn end_waiting(&mut self, id: SessionId, end: u64, (met, short): (u64, Short)) {
        let Some(session) = self.directory.get_mut(id) else { return };
        let Some(below) = session.below.as_mut() else { return };
        let before = below.bytes();
        let notes = below.take(end);
        self.levels.bytes -= u64::from(before - below.bytes());
        if below.first().is_none() {
            session.below = None;
        }
        for Note { flush, about, .. } in notes {
            let is_told = flush >= met && matches!(short, Short::Hold { .. });
            session.may_repeat |= is_told && matches!(about, About::Sent(_));
            let said = match about {
                About::Sent(_) if !is_told => None,
                About::Sent(stanza) => stanza.error(StanzaError::StoredBelowLevel),
                About::Answer(answer) if !is_told => Some(answer),
                About::Answer(answer) => below_level(&answer),
            };
            self.effects.extend(said.map(Effect::Route));
        }
        // Its row says what it waits for.
        self.directory.touch(id);
        self.secure(id);
    }

    /// More of what a client sent may count as safe.
    pub(super) fn secure(&mut self, id: SessionId) {
        let Some(session) = self.directory.get_mut(id) else { return };
        let before = session.below.as_ref().and_then(|below| below.before());
        let Some(acks) = session.acks.as_mut() else { return };
        acks.safe = acks.safe.max(before.map_or(acks.durable, |before| before.min(acks.durable)));
        if acks.told && acks.asked.is_some_and(|asked| asked <= acks.safe) {
            acks.asked = None;
            self.effects.push_back(Effect::Acknowledge(id));
        }
        if acks.resuming.is_some() {
            self.effects.push_back(Effect::GoOn(id));
        }
    }
}

#[cfg(test)]
impl Node {
    /// Returns how many sessions have something that waits, and the bytes of all that.
    pub(super) fn waiting_for_levels(&self) -> (usize, u64) {
        (self.levels.due.iter().map(BTreeSet::len).sum(), self.levels.bytes)
    }
}

/// Returns what a client is told in the place of a result: it is done here, and here alone.
fn below_level(answer: &Stanza) -> Option<Stanza> {
    let to = answer.to.clone()?;
    let error = [StanzaError::StoredBelowLevel.to_node(to.domain())];
    let kind = Kind::Iq(IqType::Error);
    Some(Stanza::make(kind, answer.from.clone(), to, answer.id().as_deref(), &error))
}
