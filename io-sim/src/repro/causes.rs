//! What had to happen so that something in a history could happen.

use eyot_core::io::Command;
use eyot_core::xml::Element;

use crate::client::Sight;
use crate::oracle::Cast;
use crate::world::{Actor, ClientIx, NodeIx, NodeSight, Record, WorldSight};

/// A history and who took part: the edges between its records are derived, none is stored.
pub(super) struct Causes<'a> {
    pub(super) history: &'a [Record],
    pub(super) cast: &'a Cast,
}

impl Causes<'_> {
    /// Returns the records without which record `number` would not be, each before it: of a stanza that was got the one
    /// that was sent, of what passes on a connection its beginning, of an end what broke it, of an answer the question
    /// and the write that became durable between. What one actor did before is a cause only where it is needed.
    pub(super) fn of(&self, number: usize) -> Vec<usize> {
        let mut found = match self.history.get(number).map(|record| &record.actor) {
            Some(Actor::Client(client, Sight::Got(stanza))) => self.of_got(number, *client, stanza),
            Some(Actor::Client(client, sight)) => self.of_client(number, *client, sight),
            Some(Actor::Node(node, sight)) => self.of_node(number, *node, sight),
            Some(Actor::World(_)) | None => Vec::new(),
        };
        found.retain(|cause| *cause < number);
        found
    }

    /// Faults, their ends, and deaths and starts of the node, that touched a client after record `from`; and faults that
    /// were in force then.
    pub(super) fn troubles(&self, client: ClientIx, from: usize, to: usize) -> Vec<usize> {
        let Some(name) = self.cast.clients.get(client.at()) else { return Vec::new() };
        let home = self.cast.homes.get(client.at()).copied();
        let node = home.and_then(|home| self.cast.nodes.get(home));
        let touches = |number: &usize| match self.actor(*number) {
            Some(Actor::World(sight)) => {
                let about = self.is_about(sight, name) || node.is_some_and(|node| self.is_about(sight, node));
                about && (*number > from || self.outlasts(*number, sight, from))
            }
            Some(Actor::Node(node, sight)) => {
                let life =
                    !matches!(sight, NodeSight::Asked(..) | NodeSight::Answered(..) | NodeSight::Synced(_));
                *number > from && Some(node.at()) == home && life
            }
            Some(Actor::Client(..)) | None => false,
        };
        (0..to).filter(touches).collect()
    }

    /// Whether a fault that began with record `number` was still in force at record `at`.
    fn outlasts(&self, number: usize, sight: &WorldSight, at: usize) -> bool {
        let WorldSight::Begun { id: begun, .. } = sight else { return false };
        !(number..at).any(|later| match self.actor(later) {
            Some(Actor::World(WorldSight::Ended { id, .. })) => id == begun,
            Some(Actor::World(_) | Actor::Node(..) | Actor::Client(..)) | None => false,
        })
    }

    /// The connections of a client between two records: beginnings, addresses, ends.
    pub(super) fn sessions(&self, client: ClientIx, from: usize, to: usize) -> Vec<usize> {
        let marks = |number: &usize| {
            self.sight_of(client, *number).is_some_and(|sight| {
                matches!(
                    sight,
                    Sight::Bound { .. }
                        | Sight::Closed(_)
                        | Sight::Refused
                        | Sight::StreamError { .. }
                        | Sight::StreamEnd
                )
            })
        };
        (from..to).filter(marks).collect()
    }

    /// The last time before `number` that a client was bound, or began to connect.
    pub(super) fn session(&self, client: ClientIx, number: usize) -> Option<usize> {
        let begin = self.connecting(client, number);
        self.last_of(client, number, |sight| matches!(sight, Sight::Bound { .. }))
            .filter(|bound| begin.is_none_or(|begin| begin < *bound))
            .or(begin)
    }

    fn of_got(&self, number: usize, client: ClientIx, stanza: &Element) -> Vec<usize> {
        let origin = self.origin(number, client, stanza);
        let delays = origin.map_or_else(Vec::new, |origin| self.troubles(client, origin, number));
        [self.session(client, number), origin].into_iter().flatten().chain(delays).collect()
    }

    fn of_client(&self, number: usize, client: ClientIx, sight: &Sight) -> Vec<usize> {
        let begin = self.connecting(client, number);
        let since = begin.unwrap_or(0);
        if matches!(sight, Sight::Connecting { .. }) {
            let ended = |sight: &Sight| matches!(sight, Sight::Closed(_) | Sight::Refused);
            return self.last_of(client, number, ended).into_iter().collect();
        }
        if matches!(sight, Sight::Sent(_) | Sight::Closing) {
            return self.session(client, number).into_iter().collect();
        }
        if matches!(sight, Sight::Closed(_) | Sight::StreamEnd | Sight::StreamError { .. } | Sight::Refused) {
            let closing = self.last_of(client, number, |sight| matches!(sight, Sight::Closing));
            let own = closing.filter(|closing| *closing > since).or_else(|| self.session(client, number));
            let mut causes = self.troubles(client, since, number);
            causes.extend(own);
            causes.extend(self.displaced_by(client, since, number));
            return causes;
        }
        if matches!(sight, Sight::Registered) {
            let asked = self.last_of(client, number, |sight| matches!(sight, Sight::Registering { .. }));
            let durable =
                self.synced(self.cast.homes.get(client.at()).copied(), asked.unwrap_or(since), number);
            return [asked, durable, begin].into_iter().flatten().collect();
        }
        let account = matches!(sight, Sight::LoginFailed { .. }).then(|| self.asked_by_operator(number));
        begin.into_iter().chain(account.flatten()).collect()
    }

    fn of_node(&self, number: usize, node: NodeIx, sight: &NodeSight) -> Vec<usize> {
        if let NodeSight::Answered(id, _) = sight {
            let asked = (0..number).rev().find(|earlier| match self.actor(*earlier) {
                Some(Actor::Node(ix, NodeSight::Asked(asked, _))) => *ix == node && asked == id,
                Some(Actor::Node(..) | Actor::Client(..) | Actor::World(_)) | None => false,
            });
            let durable = self.synced(Some(node.at()), asked.unwrap_or(0), number);
            return [asked, durable].into_iter().flatten().collect();
        }
        if matches!(sight, NodeSight::Synced(_)) {
            return self.writer(number).into_iter().collect();
        }
        let cause = if matches!(sight, NodeSight::Ready(_)) {
            self.last_of_node(node, number, |sight| matches!(sight, NodeSight::Started))
        } else if matches!(sight, NodeSight::Started) {
            let died = |sight: &NodeSight| {
                matches!(sight, NodeSight::Killed | NodeSight::PowerOff | NodeSight::Stopped)
            };
            self.last_of_node(node, number, died)
        } else if matches!(sight, NodeSight::Stopped) {
            let told = |sight: &NodeSight| matches!(sight, NodeSight::Asked(_, Command::Shutdown));
            self.last_of_node(node, number, told)
        } else {
            // A death has the fault that stands right before it, at the same instant.
            let fault = number.checked_sub(1).filter(|before| match self.history.get(*before) {
                Some(Record { at, actor: Actor::World(_) }) => {
                    self.history.get(number).is_some_and(|record| record.at == *at)
                }
                Some(_) | None => false,
            });
            fault.filter(|_| !matches!(sight, NodeSight::Asked(..)))
        };
        cause.into_iter().collect()
    }

    /// Where a stanza comes from: the last one sent before with the same name, type, id and content; for an answer, what
    /// the client itself had sent with this id; for presence, the last thing that happened to the one it is about.
    fn origin(&self, number: usize, client: ClientIx, got: &Element) -> Option<usize> {
        let sent = |earlier: usize| match self.actor(earlier) {
            Some(Actor::Client(by, Sight::Sent(bytes))) => Some((*by, Element::parse(bytes.clone()).ok()?)),
            Some(Actor::Client(..) | Actor::Node(..) | Actor::World(_)) | None => None,
        };
        let same = |earlier: &usize| {
            sent(*earlier).is_some_and(|(_, stanza)| {
                stanza.name() == got.name()
                    && stanza.attr("type") == got.attr("type")
                    && stanza.attr("id") == got.attr("id")
                    && stanza.body() == got.body()
            })
        };
        let asked = |earlier: &usize| {
            sent(*earlier).is_some_and(|(by, stanza)| {
                by == client && stanza.name() == got.name() && stanza.attr("id") == got.attr("id")
            })
        };
        let answer = matches!(got.attr("type").as_deref(), Some("result" | "error"));
        let direct = if answer { (0..number).rev().find(asked) } else { (0..number).rev().find(same) };
        direct.or_else(|| self.last_about(number, &got.attr("from")?))
    }

    /// The last thing before `number` that tells whether the owner of a full address is there.
    fn last_about(&self, number: usize, address: &str) -> Option<usize> {
        let bound = (0..number).rev().find(|earlier| match self.actor(*earlier) {
            Some(Actor::Client(_, Sight::Bound { jid, .. })) => jid == address,
            Some(Actor::Client(..) | Actor::Node(..) | Actor::World(_)) | None => false,
        })?;
        let Some(Actor::Client(owner, _)) = self.actor(bound) else { return None };
        self.last_of(*owner, number, |sight| {
            matches!(sight, Sight::Sent(_) | Sight::Closing | Sight::Closed(_) | Sight::Bound { .. })
        })
    }

    /// Whoever was bound to the address of a client after record `from`.
    fn displaced_by(&self, client: ClientIx, from: usize, to: usize) -> Option<usize> {
        let own = self.last_of(client, to, |sight| matches!(sight, Sight::Bound { .. }))?;
        let Some(Actor::Client(_, Sight::Bound { jid: mine, .. })) = self.actor(own) else { return None };
        ((from + 1)..to).rev().find(|number| match self.actor(*number) {
            Some(Actor::Client(other, Sight::Bound { jid, .. })) => *other != client && jid == mine,
            Some(Actor::Client(..) | Actor::Node(..) | Actor::World(_)) | None => false,
        })
    }

    /// The last write of a node that became durable between two records.
    fn synced(&self, node: Option<usize>, from: usize, to: usize) -> Option<usize> {
        ((from + 1)..to).rev().find(|number| match self.actor(*number) {
            Some(Actor::Node(ix, NodeSight::Synced(_))) => Some(ix.at()) == node,
            Some(Actor::Node(..) | Actor::Client(..) | Actor::World(_)) | None => false,
        })
    }

    /// Who wanted the write that became durable: the last who asked for one before.
    fn writer(&self, number: usize) -> Option<usize> {
        (0..number).rev().find(|earlier| match self.actor(*earlier) {
            Some(Actor::Node(_, sight)) => matches!(sight, NodeSight::Asked(..)),
            Some(Actor::Client(_, sight)) => matches!(sight, Sight::Registering { .. }),
            Some(Actor::World(_)) | None => false,
        })
    }

    fn asked_by_operator(&self, number: usize) -> Option<usize> {
        (0..number).rev().find(|earlier| match self.actor(*earlier) {
            Some(Actor::Node(_, sight)) => matches!(sight, NodeSight::Asked(..)),
            Some(Actor::Client(..) | Actor::World(_)) | None => false,
        })
    }

    fn connecting(&self, client: ClientIx, number: usize) -> Option<usize> {
        self.last_of(client, number, |sight| matches!(sight, Sight::Connecting { .. }))
    }

    fn last_of(&self, client: ClientIx, number: usize, which: impl Fn(&Sight) -> bool) -> Option<usize> {
        (0..number).rev().find(|earlier| self.sight_of(client, *earlier).is_some_and(&which))
    }

    fn last_of_node(&self, node: NodeIx, number: usize, which: impl Fn(&NodeSight) -> bool) -> Option<usize> {
        (0..number).rev().find(|earlier| match self.actor(*earlier) {
            Some(Actor::Node(ix, sight)) => *ix == node && which(sight),
            Some(Actor::Client(..) | Actor::World(_)) | None => false,
        })
    }

    fn sight_of(&self, client: ClientIx, number: usize) -> Option<&Sight> {
        match self.actor(number) {
            Some(Actor::Client(ix, sight)) if *ix == client => Some(sight),
            Some(Actor::Client(..) | Actor::Node(..) | Actor::World(_)) | None => None,
        }
    }

    fn actor(&self, number: usize) -> Option<&Actor> {
        self.history.get(number).map(|record| &record.actor)
    }

    /// Whether a change of the world concerns `name`: it says so, or it names nobody and so concerns all.
    fn is_about(&self, what: &WorldSight, name: &str) -> bool {
        let what = match what {
            WorldSight::Note(what) => what,
            WorldSight::Begun { fault, .. } | WorldSight::Ended { fault, .. } => {
                let subjects = fault.subjects();
                return subjects.is_empty() || subjects.contains(&name);
            }
            WorldSight::Refused { .. } => return false,
        };
        let words = || what.split(|letter: char| !letter.is_alphanumeric() && letter != '-' && letter != '_');
        let anybody =
            |word: &str| self.cast.clients.iter().chain(&self.cast.nodes).any(|known| known == word);
        words().any(|word| word == name) || !words().any(anybody)
    }
}
