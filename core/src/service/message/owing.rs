//! What one account is being given of what it was owed: how far that is, who is given it, and one message of it.
//!
//! Implements: XEP-0160 1.0.1, section 2 (step 5); XEP-0313 1.1.4, section 5.1.3 (who has read the archive is not given the same
//! again); XEP-0191 1.3, section 5, for what has waited. Rests on the replication rule R17: each decision to give asks what the session
//! has been given.

use std::collections::{BTreeMap, BTreeSet};

use super::accept::stanza_id;
use super::line::Owed;
use super::owed::delay;
use super::taker::Taker;
use crate::archive::Entry;
use crate::directory::SessionId;
use crate::io::OpId;
use crate::jid::BareJid;
use crate::replica::{Dot, Hlc, Place};
use crate::service::blocking::shuts_out;
use crate::service::cx::Cx;
use crate::service::effect::{Delivery, Effect};
use crate::session::{Session, What};
use crate::stanza::{Stanza, StanzaError};
use crate::store::Key;
use crate::xml::ns;

/// Bytes that a message grows by: when it came and where it stands in the archive.
pub(super) const ADDED_BYTES: usize = 512;

/// What one account is being given.
#[derive(Debug)]
pub(super) struct Drain {
    /// Who is given it.
    pub(super) takers: Vec<Taker>,
    /// Where it goes on.
    pub(super) next: Key,
    /// Something has been owed before that: it goes back.
    pub(super) back: Option<Key>,
    pub(super) step: Step,
    /// More has been owed since the last read began.
    pub(super) more: bool,
    /// So many sessions have ended whose last messages are being written: those come first.
    pub(super) behind: u32,
    /// So many messages that are owed could not be written so far.
    pub(super) unwritten: u32,
    /// What came meanwhile and is owed for that reason alone: those who were there are given it, whoever else was. At most what may be
    /// owed to an account.
    pub(super) held: BTreeSet<Dot>,
    /// Messages that may not be stored and wait for the end, and the sessions that sent them: those take no other stanza, so that
    /// nothing is acknowledged that is only here.
    pub(super) waiting: Vec<(Delivery, SessionId)>,
    /// What sessions left that have ended and that may not be stored, by when it came: others get it between what is owed.
    pub(super) between: BTreeMap<Hlc, Effect>,
}

/// What is done of it just now.
#[derive(Debug)]
pub(super) enum Step {
    /// Reads which messages are owed; only what stands before this one is taken, which has been owed meanwhile.
    Rows(Option<Place>),
    /// Reads what the archive says of them.
    Entries(Vec<Owed>),
    /// Reads the messages themselves.
    Bodies(Vec<Owed>),
    /// Writes that these are no longer owed; where it goes on, and from where on when that fails.
    Writing(Key, Vec<Owed>),
    /// Waits for what sessions leave that have ended.
    Behind,
    /// Waits until a client has read more.
    Room,
    /// Waits until the store works again.
    Failed,
}

/// Who of those who are given what is owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whom {
    /// All that it is meant for.
    Everybody,
    /// Those that were there when it came: another one has acknowledged it.
    WhoWasThere,
}

impl Drain {
    /// Returns whether anybody is there who takes messages. When those are gone for whom everything was meant, it is meant for
    /// the next.
    pub(super) fn has_takers(&mut self, cx: &Cx<'_>) -> bool {
        self.takers.retain(|taker| cx.directory.get(taker.id).is_some_and(Session::takes_bare_messages));
        if self.takers.iter().all(|taker| taker.since.is_some())
            && let Some(first) = self.takers.first_mut()
        {
            first.since = None;
        }
        !self.takers.is_empty()
    }

    /// Gives what may not be stored and came before `stamp`.
    pub(super) fn give_until(&mut self, cx: &mut Cx<'_>, stamp: Hlc) {
        while let Some(first) = self.between.first_entry().filter(|first| *first.key() < stamp) {
            cx.effect(first.remove());
        }
    }

    /// Returns up to where it has given what is owed.
    pub(super) fn reached(&self) -> &Key {
        if let Step::Writing(next, _) = &self.step { next } else { &self.next }
    }

    /// Returns how many bytes fit where the most fit: who is further behind is too slow.
    pub(super) fn room(&self, cx: &Cx<'_>) -> usize {
        let limits = &cx.config.limits;
        let rooms = self.takers.iter().filter_map(|taker| {
            let session = cx.directory.get(taker.id)?;
            let max = if session.outbox.keeps() { limits.unacked_bytes } else { limits.send_queue_bytes };
            Some(session.room(max))
        });
        rooms.max().unwrap_or(usize::MAX)
    }

    /// Gives one message to those it is for.
    pub(super) fn give(
        &self,
        cx: &mut Cx<'_>,
        (owner, op): (&BareJid, OpId),
        (what, place, entry): (What, Place, &Entry),
        (stanza, whom): (&Stanza, Whom),
    ) {
        if shuts_out(cx.accounts, owner, &stanza.from) {
            // What is in no archive was not kept.
            if entry.id.is_none() {
                cx.effects.extend(stanza.error(StanzaError::ServiceUnavailable).map(Effect::Route));
            }
            return;
        }
        let mut stanza = stanza.clone();
        if let Some(id) = entry.id {
            stanza = stanza.with_added(&stanza_id(owner, id));
        }
        if stanza.child("delay", ns::DELAY).is_none() || entry.id.is_some() {
            stanza = stanza.with_added(&delay(owner.domain(), place.capped));
        }
        let was_there = |id: SessionId| {
            let began = cx.directory.get(id).and_then(|session| session.delivery.began());
            began.is_some_and(|began| !began.covers(place.dot))
        };
        let is_meant = |taker: &&Taker| taker.takes(what) && (whom == Whom::Everybody || was_there(taker.id));
        let takers = || self.takers.iter().filter(is_meant).map(|taker| taker.id);
        let addressed = stanza.to.as_ref().and_then(|to| cx.directory.find(to));
        let addressed = addressed.filter(|id| takers().any(|taker| taker == *id));
        for id in takers().filter(|id| addressed.is_none_or(|addressed| addressed == *id)) {
            let is_stored = matches!(what, What::Stored(_));
            let was_given = |session: &Session| is_stored && session.delivery.was_given(place.dot);
            let Some(session) = cx.directory.get(id).filter(|session| !was_given(session)) else { continue };
            if session.paged.contains(&place.dot) {
                cx.effects.push_back(Effect::Rely(id, owner.clone(), place));
                continue;
            }
            let op = session.is_resumable().then_some(op);
            cx.effects.push_back(Effect::Hand(
                id,
                session.jid.clone(),
                Delivery { stanza: stanza.clone(), op, what },
            ));
        }
    }
}
