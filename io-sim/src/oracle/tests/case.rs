//! A run to damage: what really happened, changed in one place.

use std::collections::BTreeMap;

use bytes::Bytes;
use eyot_core::xml::Element;

use crate::client::Sight;
use crate::engine::SimTime;
use crate::oracle::{Cast, Check, Evidence, Violation, check};
use crate::script::{RunOptions, Scenario, play};
use crate::world::{Actor, Backlog, EntrySight, LinkSight, NodeIx, NodeSight, Record};

/// Alice is online with two clients, and Bob with one.
pub(super) const ONLINE: &str = "\
account alice
account bob
client desk on a as alice resource desk
client phone on a as alice resource phone
client bob on a resource desk
desk comes online
phone comes online
bob comes online
settle
";

/// The evidence of a run.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) cast: Cast,
    pub(super) history: Vec<Record>,
    pub(super) checks: Vec<Check>,
    pub(super) inputs: BTreeMap<(NodeIx, u64), u32>,
    pub(super) backlogs: Vec<Backlog>,
    pub(super) links: Vec<LinkSight>,
    pub(super) entries: Vec<EntrySight>,
    pub(super) ended: SimTime,
}

impl Case {
    /// Plays a story.
    pub(super) fn of(lines: &str) -> Self {
        let text = format!("# A story.\n# RFC 6121\n{lines}");
        let scenario = Scenario::parse("story", &text).unwrap();
        let (stage, trouble) = play(&scenario, RunOptions::default());
        assert_eq!(trouble, None);
        let evidence = stage.evidence();
        let case = Self {
            cast: evidence.cast.clone(),
            history: evidence.history.to_vec(),
            checks: evidence.checks.to_vec(),
            inputs: evidence.inputs.clone(),
            backlogs: evidence.backlogs.to_vec(),
            links: evidence.links.to_vec(),
            entries: evidence.entries.to_vec(),
            ended: evidence.ended,
        };
        assert_eq!(case.found(), [] as [String; 0], "what was not damaged is right");
        case
    }

    /// Returns what oracles are given.
    pub(super) fn evidence(&self) -> Evidence<'_> {
        Evidence {
            cast: &self.cast,
            history: &self.history,
            checks: &self.checks,
            inputs: &self.inputs,
            backlogs: &self.backlogs,
            links: &self.links,
            entries: &self.entries,
            ended: self.ended,
        }
    }

    /// Lets the oracles judge.
    pub(super) fn judge(&self) -> Vec<Violation> {
        check(&self.evidence())
    }

    /// Returns the signatures of what they find, each once.
    pub(super) fn found(&self) -> Vec<String> {
        let mut found: Vec<String> = self.judge().iter().map(|one| one.signature.to_string()).collect();
        found.sort();
        found.dedup();
        found
    }

    /// Fails unless the oracles find this.
    pub(super) fn shows(&self, signature: &str) {
        let found = self.found();
        assert!(found.iter().any(|one| one == signature), "{signature} is not among {found:?}");
    }

    /// Returns the number of the first record of a client that fits.
    pub(super) fn client(&self, name: &str, fits: impl Fn(&Sight) -> bool) -> usize {
        let client = self.cast.clients.iter().position(|known| known == name).unwrap();
        let is = |record: &Record| match &record.actor {
            Actor::Client(ix, sight) => ix.at() == client && fits(sight),
            Actor::Node(..) | Actor::World(_) => false,
        };
        self.history.iter().position(is).unwrap()
    }

    /// Returns the number of the record with which a client got something that holds `text`.
    pub(super) fn got(&self, name: &str, text: &str) -> usize {
        self.client(name, |sight| {
            sight.got().is_some_and(|element| String::from_utf8_lossy(element.raw()).contains(text))
        })
    }

    /// Returns what a client got with the record `number`.
    pub(super) fn element(&self, number: usize) -> Element {
        let Actor::Client(_, Sight::Got(element)) = &self.history[number].actor else {
            panic!("somebody got it")
        };
        element.clone()
    }

    /// Returns the number of the record with which a client sent something that holds `text`.
    pub(super) fn sent(&self, name: &str, text: &str) -> usize {
        self.client(
            name,
            |sight| matches!(sight, Sight::Sent(bytes) if String::from_utf8_lossy(bytes).contains(text)),
        )
    }

    /// Returns the number of the first record of a node that fits.
    pub(super) fn node(&self, fits: impl Fn(&NodeSight) -> bool) -> usize {
        let is = |record: &Record| matches!(&record.actor, Actor::Node(_, sight) if fits(sight));
        self.history.iter().position(is).unwrap()
    }

    /// Without one record.
    pub(super) fn without(&self, number: usize) -> Self {
        let mut other = self.clone();
        other.history.remove(number);
        other.checks.iter_mut().filter(|check| check.number > number).for_each(|check| check.number -= 1);
        let passwords = other.cast.passwords.iter_mut().flatten();
        passwords.filter(|(from, _)| *from > number).for_each(|(from, _)| *from -= 1);
        other
    }

    /// With one record more, right behind another and at its time.
    pub(super) fn with(&self, number: usize, actor: Actor) -> Self {
        let mut other = self.clone();
        let at = other.history[number].at;
        other.history.insert(number + 1, Record { at, actor });
        other.checks.iter_mut().filter(|check| check.number > number).for_each(|check| check.number += 1);
        let passwords = other.cast.passwords.iter_mut().flatten();
        passwords.filter(|(from, _)| *from > number).for_each(|(from, _)| *from += 1);
        other
    }

    /// With one record twice.
    pub(super) fn twice(&self, number: usize) -> Self {
        self.with(number, self.history[number].actor.clone())
    }

    /// With what happened in two records swapped.
    pub(super) fn swapped(&self, one: usize, other: usize) -> Self {
        let mut damaged = self.clone();
        let actor = damaged.history[one].actor.clone();
        damaged.history[one].actor = damaged.history[other].actor.clone();
        damaged.history[other].actor = actor;
        damaged
    }

    /// With another text in what a client got.
    pub(super) fn replaced(&self, number: usize, old: &str, new: &str) -> Self {
        let mut damaged = self.clone();
        match &mut damaged.history[number].actor {
            Actor::Client(_, Sight::Got(element)) => *element = parse(&replace(element.raw(), old, new)),
            Actor::Client(_, Sight::Sent(bytes)) => *bytes = replace(bytes, old, new).into(),
            Actor::Client(_, Sight::Bound { jid, .. }) => *jid = jid.replace(old, new),
            Actor::Client(..) | Actor::Node(..) | Actor::World(_) => panic!("nothing to replace"),
        }
        damaged
    }

    /// The actor of a client.
    pub(super) fn sees(&self, name: &str, sight: Sight) -> Actor {
        let number = self.client(name, |_| true);
        match &self.history[number].actor {
            Actor::Client(ix, _) => Actor::Client(*ix, sight),
            Actor::Node(..) | Actor::World(_) => panic!("a record of a client"),
        }
    }
}

/// Reads a stanza.
pub(super) fn parse(text: &str) -> Element {
    Element::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

fn replace(bytes: &[u8], old: &str, new: &str) -> String {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    assert!(text.contains(old), "{old} is not in {text}");
    text.replacen(old, new, 1)
}
