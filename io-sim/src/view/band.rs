//! Faults that last: what they are called, whom they touch, from when to when.

use super::life::Whose;
use crate::fault::{Fault, FaultId, FaultRun};
use crate::script::Film;
use crate::world::{Actor, Moment, NodeSight, Record, WorldSight};

/// A fault in force.
#[derive(Clone, Debug)]
pub(super) struct Band {
    /// What it is called.
    pub(super) words: String,
    /// Whom it touches.
    pub(super) whom: Vec<Whose>,
    /// When it began.
    pub(super) from: Moment,
    /// When it ended; the story may end first.
    pub(super) until: Option<Moment>,
    /// How many live things it has hit, where that was counted.
    pub(super) hit: Option<u64>,
    /// Which fault of a plan it is; nothing when it was brought about by hand.
    id: Option<FaultId>,
}

/// What the world says when a link is cut by hand, and when it is healed.
const CUT: &str = " cut";
const HEALED: &str = " healed";
const ALL_HEALED: &str = "all is healed";

/// Returns every fault that lasted, in the order in which they began.
pub(super) fn bands(film: &Film, runs: &[FaultRun]) -> Vec<Band> {
    let mut found: Vec<Band> = Vec::new();
    for (record, seen) in film.history.iter().enumerate() {
        let moment = Moment { at: seen.at, record, order: u64::MAX };
        match &seen.actor {
            Actor::World(WorldSight::Note(text)) => note(film, &mut found, text, moment),
            Actor::World(WorldSight::Begun { id, fault }) if !fault.is_instant() => {
                let hit = runs.iter().find(|run| run.id == *id).map(|run| run.touched);
                let whom = touched(film, fault, moment);
                let words = fault.to_string();
                found.push(Band { words, whom, from: moment, until: None, hit, id: Some(*id) });
            }
            Actor::World(WorldSight::Ended { id, .. }) => {
                end(&mut found, moment, |band| band.id == Some(*id));
            }
            Actor::World(WorldSight::Begun { .. } | WorldSight::Refused { .. })
            | Actor::Client(..)
            | Actor::Node(..) => {}
        }
    }
    found
}

fn note(film: &Film, found: &mut Vec<Band>, text: &str, moment: Moment) {
    if text == ALL_HEALED {
        end(found, moment, |band| band.id.is_none());
    } else if let Some(link) = text.strip_suffix(HEALED) {
        end(found, moment, |band| band.id.is_none() && band.words.strip_suffix(CUT) == Some(link));
    } else if text.ends_with(CUT) {
        let words: Vec<&str> = text.split(' ').collect();
        let whom = named(film, &words);
        found.push(Band { words: text.into(), whom, from: moment, until: None, hit: None, id: None });
    }
}

/// Ends those of the bands in force that are meant.
fn end(found: &mut [Band], moment: Moment, meant: impl Fn(&Band) -> bool) {
    for band in found.iter_mut().filter(|band| band.until.is_none() && meant(band)) {
        band.until = Some(moment);
    }
}

/// Returns the lanes that a fault names. A site has those nodes that lose their power with it; any other fault that
/// names nobody may touch all nodes.
fn touched(film: &Film, fault: &Fault, moment: Moment) -> Vec<Whose> {
    if matches!(fault, Fault::Site { .. }) {
        let after = film.history.iter().skip(moment.record).take_while(|record| record.at == moment.at);
        let dark = |record: &Record| match &record.actor {
            Actor::Node(node, NodeSight::PowerOff) => Some(Whose::Node(node.at())),
            Actor::Node(..) | Actor::Client(..) | Actor::World(_) => None,
        };
        return after.filter_map(dark).collect();
    }
    let whom = named(film, &fault.subjects());
    if whom.is_empty() { (0..film.cast.nodes.len()).map(Whose::Node).collect() } else { whom }
}

fn named(film: &Film, names: &[&str]) -> Vec<Whose> {
    let nodes = film.cast.nodes.iter().enumerate().map(|(node, name)| (Whose::Node(node), name));
    let clients = film.cast.clients.iter().enumerate().map(|(client, name)| (Whose::Client(client), name));
    clients.chain(nodes).filter(|(_, name)| names.contains(&name.as_str())).map(|(whose, _)| whose).collect()
}
