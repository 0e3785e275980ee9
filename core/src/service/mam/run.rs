//! Answers questions to archives, step by step: each step is one bounded read.
//!
//! Implements: XEP-0313 1.1.4, sections 4, 4.5, 5.1.3 (who has read the archive is not given the same again) and 6; XEP-0441 0.2.0, section 2.1. Rests on the replication rule R20
//! (catch-up); on one node what comes after an entry is what stands behind it.

use std::collections::{BTreeMap, BTreeSet};

use super::answer::{self, Edge, Found};
use super::query::{End, Query};
use super::{form, prefs};
use crate::archive::{self, Entry, EntryId, Message};
use crate::config::StaticCluster;
use crate::directory::SessionId;
use crate::io::OpId;
use crate::jid::BareJid;
use crate::replica::{CellName, Dot, Hlc, Place, Value};
use crate::service::cx::{Cx, Request};
use crate::service::effect::{Delivery, Effect};
use crate::service::ops::Owner;
use crate::service::service::{At, IqRequest, Service, Set};
use crate::session::{Session, What};
use crate::stanza::{Stanza, StanzaError};
use crate::store::{Key, Row, StoreBatch, StoreError, StoreQuery};
use crate::trace::Event;
use crate::xml::ns;

/// Entries looked at in one step when not all of them match.
const SCAN: u32 = 256;

/// The archive service: questions being answered, at most one of each session.
#[derive(Debug, Default)]
pub(crate) struct Mam {
    open: BTreeMap<OpId, Run>,
    /// Pages that wait until their clients have read more.
    waiting: BTreeMap<SessionId, (Request, BareJid, Box<Search>)>,
}

/// A question being answered.
#[derive(Debug)]
struct Run {
    request: Request,
    owner: BareJid,
    step: Step,
}

#[derive(Debug)]
enum Step {
    /// Looks for the entries that the question names.
    Naming(Box<Query>),
    /// Looks for entries that match.
    Finding(Box<Search>),
    /// Reads the messages of those that were found.
    Reading(Box<Search>),
    /// Reads the first entry for the metadata.
    First,
    /// Reads the last entry for the metadata.
    Last((Place, EntryId)),
    /// Writes preferences.
    Writing,
}

/// How far a search has come.
#[derive(Debug)]
struct Search {
    query: Query,
    /// What has not been looked at.
    from: Key,
    to: Key,
    /// How many entries the last step asked for.
    asked: u32,
    /// What was found, from that end on.
    found: Vec<Found>,
    bytes: usize,
    /// How many bytes the page may have.
    most: usize,
    /// Nothing else matches.
    complete: bool,
}

impl Service for Mam {
    const CLAIMS: &'static [(At, &'static str)] = &[(At::OwnAccount, ns::MAM), (At::Account, ns::MAM)];
    const FEATURES: &'static [&'static str] = &[ns::MAM, ns::MAM_EXTENDED, ns::SID];

    fn handle_iq(&mut self, cx: &mut Cx<'_>, request: &IqRequest<'_>) -> Result<Option<Stanza>, StanzaError> {
        if request.at != At::OwnAccount {
            return Err(StanzaError::Forbidden);
        }
        let owner = request.stanza.from.bare();
        let limits = &cx.config.limits;
        match (request.set, request.payload.name()) {
            (Set::Get, "query") => return Ok(Some(request.stanza.result(&[form::blank()]))),
            (Set::Get, "prefs") => {
                let account = cx.accounts.get(owner.as_str());
                return Ok(Some(request.stanza.result(&[prefs::write(account)])));
            }
            (Set::Get, "metadata") => {
                let (from, to) = archive::log_range(&owner, cx.archives.floor(owner.as_str()));
                let query = StoreQuery::Range { from, to, limit: 1 };
                self.load(cx, Run { request: request.later(), owner, step: Step::First }, query);
            }
            (Set::Set, "prefs") => {
                let wanted = prefs::read(request.payload, limits)?;
                let mut batch = StoreBatch::new();
                cx.write(&[&owner], CellName::Prefs, Value::Prefs(wanted), &mut batch);
                let op = cx.persist(Owner::Mam, batch, |_| {});
                self.open.insert(op, Run { request: request.later(), owner, step: Step::Writing });
            }
            (Set::Set, "query") => {
                let query = Query::read(request.payload, limits)?;
                self.begin(cx, request.later(), owner, query);
            }
            (Set::Get | Set::Set, _) => return Err(StanzaError::BadRequest),
        }
        Ok(None)
    }
}

impl Mam {
    /// What disco#info of the server announces, which has no archive itself: XEP-0313 asks for it at the address of each archive.
    /// COMPAT(profanity, up to 0.14): it looks for it among the features of the domain, and ejabberd shows it there, too. Others
    /// ask the account.
    pub(crate) const ON_SERVER: &'static [&'static str] = &[ns::MAM];

    fn load(&mut self, cx: &mut Cx<'_>, run: Run, query: StoreQuery) {
        let op = cx.load(Owner::Mam, query);
        self.open.insert(op, run);
    }

    fn begin(&mut self, cx: &mut Cx<'_>, request: Request, owner: BareJid, query: Query) {
        let named = query.after.iter().chain(&query.before).chain(query.ids.iter().flatten());
        let keys: Vec<Key> = named.map(|id| archive::id_key(&owner, *id)).collect();
        if keys.is_empty() {
            return self.search(cx, (request, owner), query, &[]);
        }
        let run = Run { request, owner, step: Step::Naming(Box::new(query)) };
        self.load(cx, run, StoreQuery::Many { keys });
    }

    /// Takes rows in.
    pub(crate) fn handle_loaded(&mut self, cx: &mut Cx<'_>, op: OpId, outcome: Result<Vec<Row>, StoreError>) {
        let Some(Run { request, owner, step }) = self.open.remove(&op) else { return };
        let asker = request.clone();
        let outcome = outcome.and_then(|rows| match step {
            Step::Naming(query) => self.handle_named(cx, (request, owner), *query, &rows),
            Step::Finding(search) => self.handle_found(cx, (request, owner), search, &rows),
            Step::Reading(search) => self.send(cx, (request, owner), search, &rows),
            Step::First => self.handle_first(cx, (request, owner), &rows),
            Step::Last(first) => {
                let last = rows.first().map(end_of).transpose()?;
                reply(cx, &request, answer::metadata(last.map(|last| (first, last))));
                Ok(())
            }
            Step::Writing => Ok(()),
        });
        if let Err(error) = outcome {
            cx.trace(Event::StoreFailed { error });
            refuse(cx, &asker, StanzaError::InternalServerError);
        }
    }

    /// Preferences have been written, or not.
    pub(crate) fn handle_stored(&mut self, cx: &mut Cx<'_>, op: OpId, outcome: Result<(), StoreError>) {
        let Some(Run { request, owner, .. }) = self.open.remove(&op) else { return };
        match outcome {
            Ok(()) => {
                let prefs = prefs::write(cx.accounts.get(owner.as_str()));
                cx.promise(&request, request.stanza.result(&[prefs]));
            }
            Err(StoreError::Full) => refuse(cx, &request, StanzaError::ResourceConstraint),
            Err(StoreError::Io | StoreError::Damaged) => {
                refuse(cx, &request, StanzaError::InternalServerError);
            }
        }
    }

    /// The entries that the question names have been looked for: each has to be there.
    fn handle_named(
        &mut self,
        cx: &mut Cx<'_>,
        (request, owner): (Request, BareJid),
        query: Query,
        rows: &[Row],
    ) -> Result<(), StoreError> {
        let floor = cx.archives.floor(owner.as_str());
        let mut places = Vec::with_capacity(rows.len());
        for row in rows {
            let place = Place::from_bytes(&row.value).ok_or(StoreError::Damaged)?;
            if place.capped >= floor {
                places.push((row.key.clone(), place));
            }
        }
        let named = query.after.iter().chain(&query.before).chain(query.ids.iter().flatten());
        let mut known = named.map(|id| archive::id_key(&owner, *id));
        if known.all(|key| places.iter().any(|(found, _)| *found == key)) {
            self.search(cx, (request, owner), query, &places);
        } else {
            refuse(cx, &request, StanzaError::ItemNotFound);
        }
        Ok(())
    }

    /// Begins to look for entries; `named` says where those stand that the question names.
    fn search(
        &mut self,
        cx: &mut Cx<'_>,
        (request, owner): (Request, BareJid),
        query: Query,
        named: &[(Key, Place)],
    ) {
        let place = |id: &EntryId| {
            let key = archive::id_key(&owner, *id);
            named.iter().find(|(found, _)| *found == key).map(|(_, place)| *place)
        };
        let (mut from, mut to) = archive::log_range(&owner, cx.archives.floor(owner.as_str()));
        let at = |millis| archive::log_range(&owner, Hlc { millis, count: 0 }).0;
        from = query.start.map_or(from.clone(), |start| from.max(at(start)));
        to = query.end.and_then(|end| end.checked_add(1)).map_or(to.clone(), |behind| to.min(at(behind)));
        for place in query.after.iter().filter_map(place) {
            from = from.max(behind(&owner, place));
        }
        for place in query.before.iter().filter_map(place) {
            to = to.min(archive::log_key(&owner, place));
        }
        let most = page_bytes(cx, &request);
        let (found, complete) = (Vec::new(), false);
        let mut keys: Option<Vec<Key>> = query.ids.as_ref().map(|ids| {
            let keys = ids.iter().filter_map(place).map(|place| archive::log_key(&owner, place));
            keys.filter(|key| *key >= from && *key < to).collect()
        });
        let search = Search { query, from, to, asked: 0, found, bytes: 0, most, complete };
        match &mut keys {
            Some(keys) => {
                keys.sort();
                keys.dedup();
                if search.query.end_of == End::Last {
                    keys.reverse();
                }
                let query = StoreQuery::Many { keys: core::mem::take(keys) };
                let search = Box::new(Search { asked: u32::MAX, ..search });
                self.load(cx, Run { request, owner, step: Step::Finding(search) }, query);
            }
            None => self.find(cx, (request, owner), Box::new(search)),
        }
    }

    /// Reads the next entries.
    fn find(&mut self, cx: &mut Cx<'_>, (request, owner): (Request, BareJid), mut search: Box<Search>) {
        // One more than fits tells whether the page is the last one.
        let missing = search.query.max.saturating_sub(search.found.len()).saturating_add(1);
        let missing = u32::try_from(missing).unwrap_or(u32::MAX);
        search.asked = if search.query.with.is_some() { missing.max(SCAN) } else { missing };
        let (from, to, limit) = (search.from.clone(), search.to.clone(), search.asked);
        let query = match search.query.end_of {
            End::First => StoreQuery::Range { from, to, limit },
            End::Last => StoreQuery::Back { from, to, limit },
        };
        self.load(cx, Run { request, owner, step: Step::Finding(search) }, query);
    }

    fn handle_found(
        &mut self,
        cx: &mut Cx<'_>,
        (request, owner): (Request, BareJid),
        mut search: Box<Search>,
        rows: &[Row],
    ) -> Result<(), StoreError> {
        let is_full = search.take(&owner, rows)?;
        if !is_full && rows.len() >= search.asked as usize {
            self.find(cx, (request, owner), search);
            return Ok(());
        }
        search.complete = !is_full;
        if search.query.end_of == End::Last {
            search.found.reverse();
        }
        self.read(cx, (request, owner), search);
        Ok(())
    }

    /// Reads the messages that were found, and which of them the account is owed.
    fn read(&mut self, cx: &mut Cx<'_>, (request, owner): (Request, BareJid), search: Box<Search>) {
        let messages = search.found.iter().map(|(_, entry)| entry.message_key(&owner));
        let owed = search.found.iter().map(|(place, _)| archive::owed_key(&owner, *place));
        let is_owed = cx.archives.counts(owner.as_str()).owed > 0;
        let keys = messages.chain(owed.filter(|_| is_owed)).collect();
        self.load(cx, Run { request, owner, step: Step::Reading(search) }, StoreQuery::Many { keys });
    }

    /// Sends the results, as many as there is room for, and the end of the answer. Where there is room for none, the page waits
    /// until its client has read more. A client whose acknowledgements are missing is refused: they would come behind the
    /// question, which is still being handled.
    fn send(
        &mut self,
        cx: &mut Cx<'_>,
        (request, owner): (Request, BareJid),
        mut search: Box<Search>,
        rows: &[Row],
    ) -> Result<(), StoreError> {
        let Some(session) = cx.directory.get(request.session) else {
            cx.answer(&request, None);
            return Ok(());
        };
        // What has been removed since it was found is gone.
        let floor = cx.archives.floor(owner.as_str());
        search.found.retain(|(place, _)| place.capped >= floor);
        let mut page = page(cx, (&owner, session), &search, rows)?;
        let fin = finish(cx, (&request, &owner), &search);
        let max = queue_max(cx, session);
        let fits =
            session.fits(page.iter().map(|delivery| delivery.stanza.packet().len()), fin.packet().len(), max);
        if fits == 0 && !page.is_empty() {
            if session.outbox.keeps() || session.room(max) == usize::MAX {
                refuse(cx, &request, StanzaError::ResourceConstraint);
            } else {
                self.waiting.retain(|id, _| cx.directory.get(*id).is_some());
                self.waiting.insert(request.session, (request, owner, search));
            }
            return Ok(());
        }
        if fits < page.len() {
            page.truncate(fits);
            search.shorten(fits);
        }
        let fin = finish(cx, (&request, &owner), &search);
        // They were counted from the end that the page is of.
        if (search.query.end_of == End::Last) != search.query.flipped {
            page.reverse();
        }
        for delivery in page {
            cx.effect(Effect::Hand(request.session, session.jid.clone(), delivery));
        }
        cx.answer(&request, Some(fin));
        Ok(())
    }

    /// A client has read more: a page that waits may go.
    pub(crate) fn handle_room(&mut self, cx: &mut Cx<'_>, id: SessionId) {
        let room = cx.directory.get(id).map(|session| session.room(queue_max(cx, session)));
        if room == Some(usize::MAX)
            && let Some((request, owner, search)) = self.waiting.remove(&id)
        {
            self.read(cx, (request, owner), search);
        }
    }

    fn handle_first(
        &mut self,
        cx: &mut Cx<'_>,
        (request, owner): (Request, BareJid),
        rows: &[Row],
    ) -> Result<(), StoreError> {
        let Some(row) = rows.first() else {
            reply(cx, &request, answer::metadata(None));
            return Ok(());
        };
        let (from, to) = archive::log_range(&owner, cx.archives.floor(owner.as_str()));
        let step = Step::Last(end_of(row)?);
        self.load(cx, Run { request, owner, step }, StoreQuery::Back { from, to, limit: 1 });
        Ok(())
    }
}

impl Search {
    /// Takes entries in, as far as they match and fit. Returns whether one that matches did not fit.
    fn take(&mut self, owner: &BareJid, rows: &[Row]) -> Result<bool, StoreError> {
        for row in rows {
            let place = archive::place_of(&row.key).ok_or(StoreError::Damaged)?;
            let entry: Entry = row.decode()?;
            if self.query.matches(owner, &entry) {
                let bytes = self.bytes.saturating_add(entry.bytes as usize);
                let fits = self.found.is_empty() || bytes <= self.most;
                if self.found.len() >= self.query.max || !fits {
                    return Ok(true);
                }
                self.bytes = bytes;
                self.found.push((place, entry));
            }
            match self.query.end_of {
                End::First => self.from = row.key.next(),
                End::Last => self.to = row.key.clone(),
            }
        }
        Ok(false)
    }

    /// Keeps only so many results, at the end that the page is of.
    fn shorten(&mut self, most: usize) {
        match self.query.end_of {
            End::First => self.found.truncate(most),
            End::Last => drop(self.found.drain(..self.found.len().saturating_sub(most))),
        }
        self.complete = false;
    }
}

/// Returns the first key behind an entry. On one node nothing comes to stand before an entry that a client has seen, so
/// that what is behind it is all that the client does not know.
fn behind(owner: &BareJid, place: Place) -> Key {
    archive::log_key(owner, place).next()
}

/// Returns how many bytes a page may have: what its client has not read yet counts.
fn page_bytes(cx: &Cx<'_>, request: &Request) -> usize {
    let session = cx.directory.get(request.session);
    let room = session.map_or(usize::MAX, |session| session.room(queue_max(cx, session)));
    room.min(cx.config.limits.archive_page_bytes as usize)
}

/// Makes the results, from the end on that the page is of.
fn page(
    cx: &Cx<'_>,
    (owner, session): (&BareJid, &Session),
    search: &Search,
    rows: &[Row],
) -> Result<Vec<Delivery>, StoreError> {
    let rows: BTreeMap<&Key, &Row> = rows.iter().map(|row| (&row.key, row)).collect();
    let others = cx.directory.of_account(owner.as_jid()).iter().filter_map(|id| cx.directory.get(*id));
    let others = others.filter(|other| other.jid != session.jid);
    // Those without an acknowledgement of another session may be handed on to this one.
    let unsure: BTreeSet<Dot> = others.flat_map(|other| other.outbox.stored()).collect();
    let mut page = Vec::with_capacity(search.found.len());
    for found in &search.found {
        let (place, entry) = found;
        let message = rows.get(&entry.message_key(owner)).ok_or(StoreError::Damaged)?;
        let stanza = answer::result((owner, &session.jid), &search.query, found, Message::decode(message)?)?;
        let due = unsure.contains(&place.dot) || rows.contains_key(&archive::owed_key(owner, *place));
        let what = if due { What::Page(*place) } else { What::Other };
        page.push(Delivery { stanza, op: None, what });
    }
    if search.query.end_of == End::Last {
        page.reverse();
    }
    Ok(page)
}

/// Makes the end of the answer.
fn finish(cx: &Cx<'_>, (request, owner): (&Request, &BareJid), search: &Search) -> Stanza {
    let nodes: Vec<u32> = cx.config.cluster.iter().flat_map(StaticCluster::others).collect();
    let dots: Vec<Dot> = search.found.iter().map(|(place, _)| place.dot).collect();
    let edge = Edge {
        is_complete: search.complete,
        is_stable: cx.groups.are_everywhere(owner.domain(), &nodes, &dots),
        count: search.query.whole.then(|| cx.archives.counts(owner.as_str()).entries),
    };
    request.stanza.result(&[answer::fin(&search.found, edge)])
}

/// Returns how many bytes may wait for a client.
fn queue_max(cx: &Cx<'_>, session: &Session) -> u32 {
    let limits = &cx.config.limits;
    if session.outbox.keeps() { limits.unacked_bytes } else { limits.send_queue_bytes }
}

fn reply(cx: &mut Cx<'_>, request: &Request, payload: crate::xml::Node) {
    cx.answer(request, Some(request.stanza.result(&[payload])));
}

fn refuse(cx: &mut Cx<'_>, request: &Request, error: StanzaError) {
    cx.answer(request, request.stanza.error(error));
}

fn end_of(row: &Row) -> Result<(Place, EntryId), StoreError> {
    let place = archive::place_of(&row.key).ok_or(StoreError::Damaged)?;
    let entry: Entry = row.decode()?;
    Ok((place, entry.id.ok_or(StoreError::Damaged)?))
}
