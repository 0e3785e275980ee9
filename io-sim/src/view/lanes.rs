//! Who stands where: a lane for each node, its clients to both sides of it, the story at the right.

use crate::script::Film;
use crate::world::{Actor, NodeSight};

/// The places of everything across the page.
#[derive(Clone, Debug)]
pub(super) struct Lanes {
    /// Clients by number.
    pub(super) clients: Vec<Lane>,
    /// Nodes by number.
    pub(super) nodes: Vec<Lane>,
    /// Where the lanes begin.
    pub(super) left: u64,
    /// Where they end.
    pub(super) right: u64,
    /// Where the texts of the story begin.
    pub(super) story: u64,
    /// The width of it all.
    pub(super) width: u64,
}

/// One lane.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    /// Whose it is.
    pub(super) name: String,
    /// What there is to say of them in a few words.
    pub(super) what: String,
    /// The middle of the lane.
    pub(super) x: u64,
    /// The column that belongs to it: from here.
    pub(super) from: u64,
    /// To here.
    pub(super) to: u64,
    /// On which side of the lane its words stand.
    pub(super) side: Side,
    /// How many letters have room there.
    pub(super) letters: usize,
    /// How many letters of a name have room above the column.
    pub(super) name_letters: usize,
}

/// A side of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Words end at the lane.
    Left,
    /// Words begin at the lane.
    Right,
}

/// The width of the times.
const RULER: u64 = 92;
/// The room of a lane on the side where no words stand.
const MARGIN: u64 = 30;
/// The column of a node, and of one that nobody asks anything.
const NODE: u64 = 204;
const QUIET_NODE: u64 = 148;
/// The column of the story.
const STORY: u64 = 364;
/// A letter is so wide, in tenths of pixels, with some to spare.
const LETTER_TENTHS: u64 = 66;
/// The same for a name.
const NAME_TENTHS: u64 = 100;

impl Lanes {
    /// Finds a place for everybody.
    pub(super) fn of(film: &Film) -> Self {
        let cast = &film.cast;
        let pitch = match cast.clients.len() {
            0..=2 => 300,
            3 => 236,
            4..=6 => 232,
            _ => 216,
        };
        let mut lanes =
            Self { clients: Vec::new(), nodes: Vec::new(), left: RULER, right: RULER, story: 0, width: 0 };
        let mut clients: Vec<Option<Lane>> = vec![None; cast.clients.len()];
        for (node, name) in cast.nodes.iter().enumerate() {
            let at_home = |client: &usize| cast.homes.get(*client).copied().unwrap_or_default() == node;
            let own: Vec<usize> = (0..cast.clients.len()).filter(at_home).collect();
            let (before, after) = own.split_at(own.len().div_ceil(2));
            for client in before {
                clients[*client] = Some(lanes.place(client_of(film, *client), pitch, Side::Right));
            }
            let width = if is_asked(film, node) { NODE } else { QUIET_NODE };
            let node = lanes.place((name.clone(), "node".into()), width, Side::Right);
            lanes.nodes.push(node);
            for client in after {
                clients[*client] = Some(lanes.place(client_of(film, *client), pitch, Side::Left));
            }
        }
        lanes.clients = clients.into_iter().flatten().collect();
        lanes.story = lanes.right + 28;
        lanes.width = lanes.story + STORY;
        lanes
    }

    fn place(&mut self, (name, what): (String, String), width: u64, side: Side) -> Lane {
        let from = self.right;
        self.right += width;
        let x = if side == Side::Right { from + MARGIN } else { self.right - MARGIN };
        let letters = usize::try_from((width - MARGIN - 20) * 10 / LETTER_TENTHS).unwrap_or(0);
        let name_letters = usize::try_from(width.saturating_sub(16) * 10 / NAME_TENTHS).unwrap_or(0);
        Lane { name, what, x, from, to: self.right, side, letters, name_letters }
    }
}

/// Returns whether an operator speaks with a node in the course of the story.
fn is_asked(film: &Film, node: usize) -> bool {
    let story = film.history.iter().skip(film.begun);
    story
        .into_iter()
        .any(|record| matches!(&record.actor, Actor::Node(ix, NodeSight::Asked(..)) if ix.at() == node))
}

fn client_of(film: &Film, client: usize) -> (String, String) {
    let name = film.cast.clients.get(client).cloned().unwrap_or_default();
    (name, film.cast.users.get(client).cloned().unwrap_or_default())
}

impl Lane {
    /// Returns where its words begin or end, and which of the two.
    pub(super) const fn words(&self) -> (u64, &'static str) {
        match self.side {
            Side::Right => (self.x + 12, "start"),
            Side::Left => (self.x - 12, "end"),
        }
    }

    /// Returns where an arrow between the lane and a place at `other` touches the lane.
    pub(super) const fn edge(&self, other: u64) -> u64 {
        if other > self.x { self.x + 6 } else { self.x - 6 }
    }
}
