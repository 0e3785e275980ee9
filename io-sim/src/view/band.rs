//! Faults that last: what they are called, whom they touch, from when to when.

use super::life::Whose;
use crate::script::Film;
use crate::world::{Actor, Moment};

/// A fault in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Band {
    /// What it is called.
    pub(super) words: String,
    /// Whom it touches.
    pub(super) whom: Vec<Whose>,
    /// When it began.
    pub(super) from: Moment,
    /// When it ended; the story may end first.
    pub(super) until: Option<Moment>,
}

/// What the world says when a link is cut, and when it is healed.
const CUT: &str = " cut";
const HEALED: &str = " healed";

/// Returns every fault that lasted, in the order in which they began.
pub(super) fn bands(film: &Film) -> Vec<Band> {
    let mut found: Vec<Band> = Vec::new();
    for (record, seen) in film.history.iter().enumerate() {
        let Actor::World(text) = &seen.actor else { continue };
        let moment = Moment { at: seen.at, record, order: u64::MAX };
        if let Some(link) = text.strip_suffix(HEALED) {
            let same = |band: &&mut Band| band.until.is_none() && band.words.strip_suffix(CUT) == Some(link);
            if let Some(band) = found.iter_mut().find(same) {
                band.until = Some(moment);
            }
        } else if text.ends_with(CUT) {
            found.push(Band { words: text.clone(), whom: named(film, text), from: moment, until: None });
        }
    }
    found
}

/// Returns the lanes that a text names.
fn named(film: &Film, text: &str) -> Vec<Whose> {
    let words: Vec<&str> = text.split([' ', '/']).collect();
    let nodes = film.cast.nodes.iter().enumerate().map(|(node, name)| (Whose::Node(node), name));
    let clients = film.cast.clients.iter().enumerate().map(|(client, name)| (Whose::Client(client), name));
    clients.chain(nodes).filter(|(_, name)| words.contains(&name.as_str())).map(|(whose, _)| whose).collect()
}
