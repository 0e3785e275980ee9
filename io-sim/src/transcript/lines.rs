//! From the history of a world to lines in columns.

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};

use super::alias::Aliases;
use super::describe::{Place, node_sight, sight};
use super::steady::steady;
use crate::client::{Nonza, Sight};
use crate::engine::{SimTime, TraceHash};
use crate::world::{Actor, ClientIx, NodeSight, Record, World};

/// How much of a stanza is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// A few words.
    #[default]
    Short,
    /// Every byte of XML.
    Xml,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When.
    pub at: SimTime,
    /// Who.
    pub who: String,
    /// What.
    pub what: String,
}

/// What happened in a world, to be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcript {
    /// A blank line stands between two chapters.
    chapters: Vec<Vec<Line>>,
}

impl Line {
    /// What happens to the world comes first at its instant: the rest may follow from it.
    fn place(&self) -> (SimTime, bool, &str) {
        (self.at, self.who != WORLD, &self.who)
    }
}

/// Stands where a name would, when the world itself changes.
const WORLD: &str = "~";

impl Transcript {
    /// Tells what happened in `world`. `chapters` are the numbers of the records with which chapters begin; what
    /// comes before the first is not told. Order among equal times is by name.
    pub fn of(world: &World, domain: &str, form: Form, chapters: &[usize]) -> Self {
        let place = Place { domain };
        let mut aliases = Aliases::default();
        for record in world.history() {
            if let Some((_, resource)) = made_resource(record) {
                aliases.learn(resource);
            }
        }
        let ends = chapters.iter().skip(1).copied().chain([world.history().len()]);
        let mut told = Vec::new();
        for (begin, end) in chapters.iter().copied().zip(ends) {
            let records = world.history().get(begin..end).unwrap_or_default();
            let shown = records.iter().filter(|record| form == Form::Xml || !is_routine(record));
            let mut lines: Vec<Line> = shown.filter_map(|record| line(world, place, form, record)).collect();
            lines.sort_by(|one, other| one.place().cmp(&other.place()));
            for line in &mut lines {
                line.what = aliases.apply(&line.what);
            }
            if !lines.is_empty() {
                told.push(lines);
            }
        }
        Self { chapters: told }
    }

    /// Tells some records of a world, by their numbers, in one chapter and in their order.
    pub fn some(world: &World, domain: &str, form: Form, numbers: &BTreeSet<usize>) -> Self {
        let place = Place { domain };
        let mut aliases = Aliases::default();
        for (_, resource) in world.history().iter().filter_map(made_resource) {
            aliases.learn(resource);
        }
        let records = numbers.iter().filter_map(|number| world.history().get(*number));
        let shown = records.filter(|record| form == Form::Xml || !is_routine(record));
        let mut lines: Vec<Line> = shown.filter_map(|record| line(world, place, form, record)).collect();
        for line in &mut lines {
            line.what = aliases.apply(&line.what);
        }
        Self { chapters: vec![lines] }
    }

    /// Returns what each client and each operator saw, without times: what must not depend on how bytes were cut.
    /// A resource that the server made is named after its client. Behind each stanza, and for each other element that
    /// came, stands a hash of the whole: the words abbreviate, and damage may lie in what they leave out.
    pub fn views(world: &World, domain: &str) -> BTreeMap<String, Vec<String>> {
        let place = Place { domain };
        let made: Vec<(&str, String)> = world
            .history()
            .iter()
            .filter_map(|record| {
                let (client, resource) = made_resource(record)?;
                Some((resource, format!("(made for {})", world.client_name(client))))
            })
            .collect();
        let mut views: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let named = |text: String| made.iter().fold(text, |text, (made, name)| text.replace(made, name));
        for record in world.history().iter().filter(|record| !is_of_the_moment(record)) {
            let whole = whole(record).map(|bytes| hash_of(&named(steady(&String::from_utf8_lossy(bytes)))));
            let (who, what) = match (line(world, place, Form::Short, record), &record.actor) {
                (Some(line), _) => (line.who, named(line.what)),
                (None, Actor::Client(client, _)) if whole.is_some() => {
                    (world.client_name(*client).into(), String::from("< element"))
                }
                (None, Actor::Client(..) | Actor::Node(..) | Actor::World(_)) => continue,
            };
            let what = [Some(what), whole].into_iter().flatten().collect::<Vec<_>>().join(" #");
            // What two connections see has no order.
            let who = match &record.actor {
                Actor::Node(
                    _,
                    NodeSight::Linked(peer) | NodeSight::Route(peer, _) | NodeSight::Unlinked(peer, _),
                ) => {
                    format!("{who}, of {peer}")
                }
                Actor::Client(..) if is_of_former(record) => format!("{who}, on the connection before"),
                Actor::Node(..) | Actor::Client(..) | Actor::World(_) => who,
            };
            views.entry(who).or_default().push(what);
        }
        views
    }

    /// Returns the lines, chapter by chapter.
    pub fn chapters(&self) -> &[Vec<Line>] {
        &self.chapters
    }

    /// Returns the lines.
    pub fn lines(&self) -> impl Iterator<Item = &Line> {
        self.chapters.iter().flatten()
    }
}

/// A column for the time, one for the name, the rest for what happened.
impl fmt::Display for Transcript {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let times = self.lines().map(|line| line.at.to_string().len()).max().unwrap_or(0);
        let names = self.lines().map(|line| line.who.chars().count()).max().unwrap_or(0);
        for (index, chapter) in self.chapters.iter().enumerate() {
            if index > 0 {
                writeln!(out)?;
            }
            for line in chapter {
                writeln!(out, "{:>times$}  {:<names$} {}", line.at.to_string(), line.who, line.what)?;
            }
        }
        Ok(())
    }
}

/// Steps of a negotiation that the lines around them imply.
const fn is_routine(record: &Record) -> bool {
    match &record.actor {
        Actor::Client(_, Sight::Nonza(nonza)) => nonza.is_routine(),
        Actor::Client(_, sight) => matches!(sight, Sight::StartTls | Sight::LoggedIn | Sight::Bind { .. }),
        Actor::Node(..) | Actor::World(_) => false,
    }
}

/// Returns whether when and how often it passes depends on how much of what is written together.
const fn is_of_the_moment(record: &Record) -> bool {
    // When a node turns to a third one, and back, is a matter of who has noticed first.
    if matches!(record.actor, Actor::Node(_, NodeSight::Route(..))) {
        return true;
    }
    let Actor::Client(_, Sight::Nonza(nonza)) = &record.actor else { return false };
    nonza.is_routine() || matches!(nonza, Nonza::Acked { .. })
}

/// Returns whether a client saw it on the connection that it has left.
const fn is_of_former(record: &Record) -> bool {
    matches!(&record.actor, Actor::Client(_, Sight::Nonza(nonza)) if nonza.is_of_former())
}

/// Returns the resource that the server made for a client, if the record is about one.
fn made_resource(record: &Record) -> Option<(ClientIx, &str)> {
    if let Actor::Client(client, Sight::Bound { jid, requested: false }) = &record.actor {
        jid.split_once('/').map(|(_, resource)| (*client, resource))
    } else {
        None
    }
}

/// Elements that hold what is drawn anew in each run: identifiers of streams and sessions, nonces and proofs of SASL; and
/// acknowledgements, of which there are more or fewer by how much is written together.
const DRAWN: [&[u8]; 7] =
    [b"<stream:stream", b"<challenge", b"<success", b"<enabled", b"<resumed", b"<r xmlns=", b"<a xmlns="];

/// Returns every byte of an element that a client sent or got, unless drawn bytes are in it.
fn whole(record: &Record) -> Option<&[u8]> {
    let Actor::Client(_, sight) = &record.actor else { return None };
    if let Sight::Wire { sent: false, bytes } = sight {
        return (!DRAWN.iter().any(|begin| bytes.starts_with(begin))).then_some(bytes);
    }
    if let Sight::Sent(bytes) = sight {
        Some(bytes)
    } else {
        sight.got().map(|element| element.raw().as_ref())
    }
}

fn hash_of(text: &str) -> String {
    let mut hash = TraceHash::new();
    hash.bytes(text.as_bytes());
    hash.to_string()
}

fn line(world: &World, place: Place<'_>, form: Form, record: &Record) -> Option<Line> {
    let (who, sign, text) = match &record.actor {
        Actor::Client(client, seen) => {
            let (sign, text) = match form {
                Form::Short => sight(place, seen)?,
                Form::Xml => in_full(place, seen)?,
            };
            (world.client_name(*client), sign, text)
        }
        Actor::Node(node, seen) => {
            let (sign, text) = node_sight(place, seen)?;
            (world.node_name(*node), sign, text)
        }
        Actor::World(changed) => (WORLD, '~', changed.to_string()),
    };
    Some(Line { at: record.at, who: who.into(), what: format!("{sign} {text}") })
}

fn in_full(place: Place<'_>, seen: &Sight) -> Option<(char, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match seen {
        Sight::Sent(bytes) | Sight::Nonza(Nonza::Again(bytes)) => Some(('>', text(bytes))),
        Sight::Got(element) => Some(('<', text(element.raw()))),
        Sight::Wire { sent, bytes } => Some((if *sent { '>' } else { '<' }, text(bytes))),
        // Their bytes are shown, but for those of another connection.
        Sight::Nonza(nonza) if !nonza.is_of_former() => None,
        Sight::StartTls
        | Sight::Login { .. }
        | Sight::LoggedIn
        | Sight::LoginFailed { .. }
        | Sight::Bind { .. }
        | Sight::Bound { .. }
        | Sight::BindFailed { .. }
        | Sight::Registering { .. }
        | Sight::Registered
        | Sight::RegisterFailed { .. }
        | Sight::StreamError { .. }
        | Sight::Closing
        | Sight::StreamEnd => None,
        Sight::Connecting { .. }
        | Sight::Refused
        | Sight::Features(_)
        | Sight::TlsRefused
        | Sight::Secured
        | Sight::NotOffered(_)
        | Sight::ServerDistrusted { .. }
        | Sight::Nonsense(_)
        | Sight::Closed(_)
        | Sight::Nonza(_)
        | Sight::NotConnected(_) => sight(place, seen),
    }
}
