//! Faults that last: what they are called, whom they touch, from when to when.

use super::life::Whose;
use crate::fault::{Fault, FaultId};
use crate::script::Film;
use crate::world::{Actor, Moment, WorldSight};

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
    /// Which fault of a plan it is; nothing when it was brought about by hand.
    id: Option<FaultId>,
}

/// What the world says when a link is cut by hand, and when it is healed.
const CUT: &str = " cut";
const HEALED: &str = " healed";
const ALL_HEALED: &str = "all is healed";

/// Returns every fault that lasted, in the order in which they began.
pub(super) fn bands(film: &Film) -> Vec<Band> {
    let mut found: Vec<Band> = Vec::new();
    for (record, seen) in film.history.iter().enumerate() {
        let moment = Moment { at: seen.at, record, order: u64::MAX };
        match &seen.actor {
            Actor::World(WorldSight::Note(text)) => note(film, &mut found, text, moment),
            Actor::World(WorldSight::Begun { id, fault }) if !fault.is_instant() => {
                let whom = touched(film, fault);
                found.push(Band { words: fault.to_string(), whom, from: moment, until: None, id: Some(*id) });
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
        found.push(Band { words: text.into(), whom, from: moment, until: None, id: None });
    }
}

/// Ends those of the bands in force that are meant.
fn end(found: &mut [Band], moment: Moment, meant: impl Fn(&Band) -> bool) {
    for band in found.iter_mut().filter(|band| band.until.is_none() && meant(band)) {
        band.until = Some(moment);
    }
}

/// Returns the lanes that a fault names; one that names nobody may touch all nodes.
fn touched(film: &Film, fault: &Fault) -> Vec<Whose> {
    let whom = named(film, &fault.subjects());
    if whom.is_empty() { (0..film.cast.nodes.len()).map(Whose::Node).collect() } else { whom }
}

fn named(film: &Film, names: &[&str]) -> Vec<Whose> {
    let nodes = film.cast.nodes.iter().enumerate().map(|(node, name)| (Whose::Node(node), name));
    let clients = film.cast.clients.iter().enumerate().map(|(client, name)| (Whose::Client(client), name));
    clients.chain(nodes).filter(|(_, name)| names.contains(&name.as_str())).map(|(whose, _)| whose).collect()
}
