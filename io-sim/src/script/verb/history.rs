//! Archives: pages, catching up, and what is kept (XEP-0313, XEP-0441).
//!
//! A message is named by its body: the id meant is the one that this client was given with it, live or on a page.

use std::borrow::Cow;
use std::collections::BTreeSet;

use eyot_core::time::UnixTime;
use eyot_core::xml::{Element, Node, ns};

use super::claim::{Claim, Claims, of_client};
use super::needs::needs;
use super::told::{How, Told, told};
use super::{Act, Parsed, Scope, Stage, Trouble, Words, expect};
use crate::client::{Archived, Ask, CatchUp, Op, Page, Payload, Query, Sight, xmlns};
use crate::engine::{SimSpan, SimTime};
use crate::fault::Date;
use crate::script::capability::{ARCHIVES, ROOMS};
use crate::world::ClientIx;

/// A client that catches up by time begins so long before the last time it heard something: what was said then may not
/// have reached it.
const OVERLAP: SimSpan = SimSpan::from_secs(5);
/// So many messages a client asks for at once when it catches up.
const PAGE: u32 = 50;

#[derive(Debug)]
struct Pages {
    client: String,
    room: Option<String>,
    with: Option<String>,
    after: Option<Place>,
    before: Option<Place>,
    since: Option<SimSpan>,
    max: Option<u32>,
    flipped: bool,
}

/// A place in an archive.
#[derive(Debug)]
enum Place {
    /// An end of the last page.
    Edge,
    /// The end of the archive.
    End,
    /// The message with this body.
    Body(String),
    /// What a client might make up.
    Id(String),
}

/// `NAME pages [of ROOM] [with WHO] [after last|BODY] [before first|end|BODY] [since SPAN] [max N] [flipped]`,
/// `NAME pages after id ID [of ROOM]`
pub(super) fn pages(client: String, words: &mut Words<'_>, scope: &Scope) -> Parsed {
    let mut pages = Pages {
        client,
        room: None,
        with: None,
        after: None,
        before: None,
        since: None,
        max: None,
        flipped: false,
    };
    while let Some(property) = words.next() {
        match property {
            "of" => pages.room = Some(room(words, scope)?),
            "with" => pages.with = Some(words.word("whom")?.into()),
            "after" if words.take("last") => pages.after = Some(Place::Edge),
            "after" if words.take("id") => pages.after = Some(Place::Id(words.word("the id")?.into())),
            "after" => pages.after = Some(Place::Body(words.word("behind what")?.into())),
            "before" if words.take("first") => pages.before = Some(Place::Edge),
            "before" if words.take("end") => pages.before = Some(Place::End),
            "before" if words.take("id") => pages.before = Some(Place::Id(words.word("the id")?.into())),
            "before" => pages.before = Some(Place::Body(words.word("before what")?.into())),
            "since" => pages.since = Some(words.span("since when")?),
            "max" => {
                let max = words.number("how many")?;
                pages.max = Some(u32::try_from(max).map_err(|_| format!("{max} are too many for a page"))?);
            }
            "flipped" => pages.flipped = true,
            other => return Err(format!("a page has no {other}")),
        }
    }
    let capability = if pages.room.is_some() { ROOMS } else { ARCHIVES };
    Ok(needs(capability, pages))
}

fn room(words: &mut Words<'_>, scope: &Scope) -> Result<String, String> {
    let room = words.word("the room")?;
    if scope.rooms.contains(room) || room.contains('@') {
        Ok(room.into())
    } else {
        Err(format!("there is no room {room}"))
    }
}

impl Act for Pages {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        let of = archive(stage, self.room.as_deref())?;
        let client = stage.client(&self.client)?;
        let read = &stage.world.client(client).kept().archive;
        let page = read.page();
        let last = || {
            page.and_then(|page| page.last.clone()).or_else(|| read.cursor(of.as_deref()).map(String::from))
        };
        let first = || page.and_then(|page| page.first.clone());
        let since = self.since.map(|span| stamp(stage, span));
        let query = Query {
            with: self.with.as_deref().map(|who| stage.address(who)).transpose()?,
            start: since,
            after: self.after.as_ref().map(|place| place.id(stage, client, last())).transpose()?,
            before: self.before.as_ref().map(|place| place.id(stage, client, first())).transpose()?,
            max: self.max,
            flipped: self.flipped,
            of,
        };
        stage.tell(&self.client, Op::Ask(Ask::Page(query)))
    }

    fn texts(&self) -> Vec<&str> {
        [&self.after, &self.before].into_iter().flatten().filter_map(Place::body).collect()
    }
}

impl Place {
    fn body(&self) -> Option<&str> {
        if let Self::Body(body) = self { Some(body) } else { None }
    }

    fn id(&self, stage: &Stage, client: ClientIx, edge: Option<String>) -> Result<String, Trouble> {
        match self {
            Self::Edge => edge.ok_or_else(|| Trouble::Wrong("there is no page before this one".into())),
            Self::End => Ok(String::new()),
            Self::Id(id) => Ok(id.clone()),
            Self::Body(body) => {
                let body = stage.expand(body)?;
                let own = stage.account_of(client);
                // Its own, or what another client of the account was told: people carry ids from one to the other.
                let all = stage.cast.clients.iter().filter_map(|name| stage.client(name).ok());
                let mut others = all.filter(|other| *other != client && stage.account_of(*other) == own);
                let named = |client: ClientIx| {
                    let known = all_told(stage, client);
                    known
                        .filter(|told| told.body.as_deref() == Some(body.as_str()))
                        .filter_map(|told| told.archived_as)
                        .last()
                };
                let id = named(client).or_else(|| others.find_map(named));
                id.ok_or_else(|| Trouble::Wrong(format!("no archive has given an id with {body}")))
            }
        }
    }
}

/// Returns the address of the archive of a room, or nothing for one's own.
fn archive(stage: &Stage, room: Option<&str>) -> Result<Option<String>, Trouble> {
    room.map(|room| stage.address(room)).transpose()
}

/// Returns every message that a client was told, in the order in which it was.
fn all_told(stage: &Stage, client: ClientIx) -> impl Iterator<Item = Told> {
    let own = stage.account_of(client);
    of_client(stage.world.history(), client).filter_map(move |(_, sight)| told(sight.got()?, &own))
}

/// Returns the time so long ago, as XEP-0082 writes it.
fn stamp(stage: &Stage, ago: SimSpan) -> String {
    let ago = i64::try_from(ago.as_nanos() / 1_000_000).unwrap_or(i64::MAX);
    written(UnixTime::from_millis(stage.world.right_time().as_millis().saturating_sub(ago)))
}

fn written(at: UnixTime) -> String {
    const DAY: i64 = 86_400_000;
    let (day, millis) = (at.as_millis().div_euclid(DAY), at.as_millis().rem_euclid(DAY));
    let (seconds, millis) = (millis / 1_000, millis % 1_000);
    let date = Date::of_day(day);
    format!("{date}T{:02}:{:02}:{:02}.{millis:03}Z", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

#[derive(Clone, Copy, Debug)]
enum By {
    Cursor,
    Id,
    Time,
    Back,
}

#[derive(Debug)]
struct CatchesUp {
    client: String,
    room: Option<String>,
    by: By,
}

/// `NAME catches up [of ROOM] [by cursor|id|time|back]`: page by page until there is no more
pub(super) fn catches_up(client: String, words: &mut Words<'_>, scope: &Scope) -> Parsed {
    let room = if words.take("of") { Some(room(words, scope)?) } else { None };
    let mut by = By::Cursor;
    if words.take("by") {
        by = match words.word("by what")? {
            "cursor" => By::Cursor,
            "id" => By::Id,
            "time" => By::Time,
            "back" => By::Back,
            other => return Err(format!("a client catches up by cursor, id, time or back, not by {other}")),
        };
    }
    let capability = if room.is_some() { ROOMS } else { ARCHIVES };
    Ok(needs(capability, CatchesUp { client, room, by }))
}

impl Act for CatchesUp {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        let of = archive(stage, self.room.as_deref())?;
        let client = stage.client(&self.client)?;
        let known = all_told(stage, client).filter_map(|told| told.archived_as).collect();
        let mut query = Query { of, max: Some(PAGE), ..Query::default() };
        match self.by {
            By::Cursor => {
                let read = &stage.world.client(client).kept().archive;
                query.after = read.cursor(query.of.as_deref()).map(String::from);
            }
            By::Id => {
                let live = all_told(stage, client).filter(|told| told.how != How::Page);
                query.after = live.filter_map(|told| told.archived_as).last();
            }
            By::Time => {
                let ago = last_heard(stage, client).map(|at| stage.world.now().since(at));
                query.start =
                    ago.map(|ago| stamp(stage, SimSpan::from_nanos(ago.as_nanos() + OVERLAP.as_nanos())));
            }
            By::Back => query.before = Some(String::new()),
        }
        stage.tell(&self.client, Op::Ask(Ask::CatchUp(CatchUp { query, known })))
    }
}

/// Returns when a client was last told a message live.
fn last_heard(stage: &Stage, client: ClientIx) -> Option<SimTime> {
    let own = stage.account_of(client);
    of_client(stage.world.history(), client).rev().find_map(|(record, sight)| {
        told(sight.got()?, &own).filter(|told| told.how != How::Page).map(|_| record.at)
    })
}

#[derive(Debug)]
struct Archives {
    client: String,
    usually: &'static str,
    always: Vec<String>,
    never: Vec<String>,
}

/// `NAME archives always|never|roster [always WHO...] [never WHO...]`: what its archive is to keep
pub(super) fn archives(client: String, words: &mut Words<'_>, _scope: &Scope) -> Parsed {
    let usually = match words.word("always, never or roster")? {
        "always" => "always",
        "never" => "never",
        "roster" => "roster",
        other => return Err(format!("an archive keeps always, never or what is of the roster, not {other}")),
    };
    let mut archives = Archives { client, usually, always: Vec::new(), never: Vec::new() };
    let mut list = None;
    while let Some(word) = words.next() {
        match (word, list) {
            ("always" | "never", _) => list = Some(word == "always"),
            (who, Some(true)) => archives.always.push(who.into()),
            (who, Some(false)) => archives.never.push(who.into()),
            (other, None) => return Err(format!("not understood: {other}")),
        }
    }
    Ok(needs(ARCHIVES, archives))
}

impl Act for Archives {
    fn act(&self, stage: &mut Stage) -> Result<(), Trouble> {
        let mut prefs = Node::new("prefs", xmlns::MAM).with_attr("default", self.usually);
        for (name, all) in [("always", &self.always), ("never", &self.never)] {
            let mut list = Node::new(name, xmlns::MAM);
            for who in all {
                list = list.with_child(Node::new("jid", xmlns::MAM).with_text(&stage.address(who)?));
            }
            prefs = prefs.with_child(list);
        }
        stage.tell(&self.client, Op::Iq { kind: "set", to: None, payload: Payload::Tree(prefs) })
    }
}

#[derive(Debug)]
enum Want {
    Empty,
    Complete(bool),
    Stable(bool),
    Refused(String),
    Like(String),
    Holds(Vec<String>),
    CaughtUp(u64),
    MissedNothing(String),
}

/// `page empty|complete|incomplete|stable|unstable`, `page refused CONDITION`, `page like CLIENT`, `page holds BODY...`,
/// `caught up N messages`, `missed nothing of CLIENT`; nothing when it is none of these
///
/// # Errors
///
/// What is wrong with it.
pub(super) fn expect(
    who: &str,
    words: &mut Words<'_>,
    scope: &Scope,
) -> Result<Option<Box<dyn Act>>, String> {
    let claim = if words.take("page") {
        match words.word("what of the page")? {
            "empty" => Want::Empty,
            "complete" => Want::Complete(true),
            "incomplete" => Want::Complete(false),
            "stable" => Want::Stable(true),
            "unstable" => Want::Stable(false),
            "refused" => Want::Refused(expect::condition(words)?),
            "like" => Want::Like(scope.client(words.word("the other client")?)?),
            "holds" => {
                let mut bodies = vec![String::from(words.word("what it holds")?)];
                while let Some(body) = words.next() {
                    bodies.push(body.into());
                }
                Want::Holds(bodies)
            }
            other => return Err(format!("a page is never {other}")),
        }
    } else if words.take("caught up") {
        let count = words.number("how many messages")?;
        if !words.take("messages") {
            return Err("a client catches up so many messages: expect bob caught up 3 messages".into());
        }
        Want::CaughtUp(count)
    } else if words.take("missed nothing of") {
        Want::MissedNothing(scope.client(words.word("of whom")?)?)
    } else {
        return Ok(None);
    };
    words.end()?;
    Ok(Some(needs(ARCHIVES, Claims { who: who.into(), claim })))
}

impl Claim for Want {
    fn holds(&self, stage: &Stage, client: ClientIx) -> Result<(bool, Vec<String>), Trouble> {
        let read = &stage.world.client(client).kept().archive;
        match self {
            Self::CaughtUp(wanted) => {
                let seen = read.caught_up().iter().map(shown).collect();
                return Ok((read.caught_up().len() as u64 == *wanted, seen));
            }
            Self::MissedNothing(other) => {
                let missed = missed(stage, client, stage.client(other)?)?;
                return Ok((missed.is_empty(), missed));
            }
            Self::Empty
            | Self::Complete(_)
            | Self::Stable(_)
            | Self::Refused(_)
            | Self::Like(_)
            | Self::Holds(_) => {}
        }
        let Some(page) = read.page() else { return Ok((false, vec!["it was never given a page".into()])) };
        let is_given = page.refused.is_none();
        let met = match self {
            Self::Empty => is_given && page.messages.is_empty(),
            Self::Complete(complete) => is_given && page.complete == *complete,
            Self::Stable(stable) => is_given && page.stable == *stable,
            Self::Refused(condition) => page.refused.as_ref() == Some(condition),
            Self::Like(other) => {
                let other = stage.world.client(stage.client(other)?).kept().archive.page();
                is_given && other.is_some_and(|other| other.refused.is_none() && said(other) == said(page))
            }
            Self::Holds(bodies) => {
                let wanted = bodies.iter().map(|body| stage.expand(body)).collect::<Result<Vec<_>, _>>()?;
                is_given && said(page).into_iter().map(|(_, body)| body).eq(wanted.iter().map(String::as_str))
            }
            Self::CaughtUp(_) | Self::MissedNothing(_) => false,
        };
        let edge =
            format!("complete: {}, stable: {}, refused: {:?}", page.complete, page.stable, page.refused);
        Ok((met, page.messages.iter().map(shown).chain([edge]).collect()))
    }

    fn texts(&self) -> Vec<&str> {
        if let Self::Holds(bodies) = self { bodies.iter().map(String::as_str).collect() } else { Vec::new() }
    }
}

/// Returns what a page holds, each with its id.
fn said(page: &Page) -> Vec<(&str, &str)> {
    page.messages
        .iter()
        .map(|message| (message.id.as_str(), message.body.as_deref().unwrap_or_default()))
        .collect()
}

fn shown(message: &Archived) -> String {
    format!(
        "{} {}",
        message.stamp.as_deref().unwrap_or_default(),
        message.body.as_deref().unwrap_or("(no body)")
    )
}

/// Returns what one client has said to the account of another, and that one was not told in any way. What was said in rooms
/// is not looked at.
fn missed(stage: &Stage, client: ClientIx, speaker: ClientIx) -> Result<Vec<String>, Trouble> {
    let own = stage.bare(&stage.account_of(client))?;
    let heard: BTreeSet<(Option<String>, Option<String>)> =
        all_told(stage, client).map(|told| (told.id, told.body)).collect();
    let sent = of_client(stage.world.history(), speaker).filter_map(|(_, sight)| {
        let Sight::Sent(bytes) = sight else { return None };
        let message = Element::parse(bytes.clone()).ok().filter(|stanza| stanza.name() == "message")?;
        let to = message.attr("to")?;
        let is_for = to.split('/').next().is_some_and(|bare| bare == own.as_str());
        let kind = message.attr("type");
        if !is_for || matches!(kind.as_deref(), Some("error" | "groupchat")) {
            return None;
        }
        let body = message.child("body", ns::CLIENT).map(|body| body.text())?;
        Some((message.attr("id").map(Cow::into_owned), Some(body)))
    });
    Ok(sent.filter(|one| !heard.contains(one)).filter_map(|(_, body)| body).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_the_way_of_xep_0082() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_767_225_600_000, "2026-01-01T00:00:00.000Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(written(UnixTime::from_millis(millis)), text);
        }
    }
}
