//! What is drawn of a run, and where.

use super::arrow::{Arrow, Fate, Way, arrows};
use super::band::{Band, bands};
use super::lanes::Lanes;
use super::life::{Mark, Stretch, Tone, Whose, marks, stretches};
use super::scale::{Scale, Wish};
use crate::client::Sight;
use crate::engine::SimTime;
use crate::script::{Film, Outcome};
use crate::transcript::{Aliases, Place, sight};
use crate::world::{Actor, Moment};
use eyot_core::xml::Element;

/// A picture with more than so many stanzas shows a part of the run.
pub(super) const STANZAS_MAX: usize = 1_500;

/// Everything that is drawn.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Who stands where.
    pub(super) lanes: Lanes,
    /// Which time is how far down.
    pub(super) scale: Scale,
    /// Stanzas, in the order of time.
    pub(super) stanzas: Vec<Drawn>,
    /// What was said to get to where stanzas can be sent.
    pub(super) negotiation: Vec<Arrow>,
    /// Words and their heights.
    pub(super) marks: Vec<(Mark, u64)>,
    /// How the lanes live.
    pub(super) stretches: Vec<Stretch>,
    /// Faults that last.
    pub(super) bands: Vec<Band>,
    /// What the picture leaves out, if it does.
    pub(super) left_out: Option<LeftOut>,
    /// What is shown: from here.
    pub(super) from: SimTime,
    /// To here.
    pub(super) until: SimTime,
}

/// A stanza with its place.
#[derive(Clone, Debug)]
pub(super) struct Drawn {
    /// Its number in the run, from 1.
    pub(super) number: usize,
    /// What it is.
    pub(super) arrow: Arrow,
    /// A few words about it.
    pub(super) words: String,
    /// The height where it begins.
    pub(super) begin: u64,
    /// The height where it is read or lies unread, if it comes so far.
    pub(super) end: Option<u64>,
}

/// What a picture leaves out.
#[derive(Clone, Copy, Debug)]
pub(super) struct LeftOut {
    /// Stanzas of the whole run.
    pub(super) stanzas: usize,
    /// Words of the whole run.
    pub(super) marks: usize,
    /// Those of them that are not shown.
    pub(super) marks_left: usize,
}

/// Whose height a wish is.
#[derive(Clone, Copy, Debug)]
enum For {
    Begin(usize),
    End(usize),
    Mark(usize),
}

impl Plan {
    /// Plans the picture of a run.
    pub(super) fn of(film: &Film, outcome: &Outcome) -> Self {
        let aliases = aliases(film);
        let (mut all, mut negotiation): (Vec<Arrow>, Vec<Arrow>) =
            arrows(film).into_iter().partition(|arrow| arrow.stanza);
        let mut marks = marks(film, outcome, &aliases);
        let numbers = window(&all, &marks);
        let whole = LeftOut { stanzas: all.len(), marks: marks.len(), marks_left: 0 };
        let (mut from, mut until) = (SimTime::ZERO, outcome.ended);
        let mut left_out = None;
        if numbers.len() < all.len() {
            let at = |number: usize| all.get(number).map(|arrow| arrow.begun.at);
            from = if numbers.start == 0 { from } else { at(numbers.start).unwrap_or(from) };
            until = if numbers.end == all.len() { until } else { at(numbers.end - 1).unwrap_or(until) };
            marks.retain(|mark| mark.moment.at >= from && mark.moment.at <= until);
            negotiation.retain(|arrow| arrow.begun.at >= from && arrow.begun.at <= until);
            left_out = Some(LeftOut { marks_left: whole.marks - marks.len(), ..whole });
        }
        let place = Place { domain: &film.domain };
        let begin = numbers.start;
        let stanzas = all
            .drain(numbers)
            .enumerate()
            .map(|(index, arrow)| {
                let words = aliases.apply(&words(place, &arrow));
                Drawn { number: begin + index + 1, arrow, words, begin: 0, end: None }
            })
            .collect();
        let lanes = Lanes::of(film);
        let mut plan = Self {
            lanes,
            scale: Scale::default(),
            stanzas,
            negotiation,
            marks: marks.into_iter().map(|mark| (mark, 0)).collect(),
            stretches: stretches(film, outcome.ended),
            bands: bands(film),
            left_out,
            from,
            until,
        };
        plan.fit();
        plan
    }

    /// Returns the height of a time, within what is shown.
    pub(super) fn height(&self, at: SimTime) -> u64 {
        self.scale.at(at.max(self.from))
    }

    /// Returns whether a stretch of time is shown, in part at least.
    pub(super) fn shows(&self, from: SimTime, until: SimTime) -> bool {
        from <= self.until && until >= self.from
    }

    /// Gives everything its height.
    fn fit(&mut self) {
        let (clients, nodes) = (self.lanes.clients.len(), self.lanes.nodes.len());
        let tip = |arrow: &Arrow| clients + nodes + 1 + arrow.client;
        let mut wishes: Vec<(Wish, For)> = Vec::new();
        for (index, Drawn { arrow, .. }) in self.stanzas.iter().enumerate() {
            let wish = |moment, column, (above, below)| Wish { moment, column, above, below };
            let end = end(arrow);
            let (begins, ends) = match (arrow.way, end) {
                (Way::Up, _) => ((arrow.client, (15, 3)), (tip(arrow), (4, 4))),
                (Way::Down, Some(_)) => ((tip(arrow), (4, 4)), (arrow.client, (2, 16))),
                (Way::Down, None) => ((arrow.client, (8, 18)), (arrow.client, (0, 0))),
            };
            wishes.push((wish(arrow.begun, begins.0, begins.1), For::Begin(index)));
            if let Some(moment) = end {
                wishes.push((wish(moment, ends.0, ends.1), For::End(index)));
            }
        }
        for (index, (mark, _)) in self.marks.iter().enumerate() {
            let column = match mark.whose {
                Whose::Client(client) => client,
                Whose::Node(node) => clients + node,
                Whose::Story => clients + nodes,
            };
            wishes.push((Wish { moment: mark.moment, column, above: 8, below: 8 }, For::Mark(index)));
        }
        wishes.sort_by_key(|(wish, _)| wish.moment);
        let plain: Vec<Wish> = wishes.iter().map(|(wish, _)| *wish).collect();
        let (scale, heights) = Scale::fit(&plain, self.usual_flight(), 2 * clients + nodes + 1);
        for ((_, whose), height) in wishes.iter().zip(heights) {
            match *whose {
                For::Begin(index) => self.stanzas[index].begin = height,
                For::End(index) => self.stanzas[index].end = Some(height),
                For::Mark(index) => self.marks[index].1 = height,
            }
        }
        self.scale = scale;
    }

    /// Returns the median of how long stanzas are on their way.
    fn usual_flight(&self) -> u64 {
        let flight = |arrow: &Arrow| arrow.fate.read().map(|read| read.at.since(arrow.begun.at).as_nanos());
        let mut flights: Vec<u64> = self.stanzas.iter().filter_map(|drawn| flight(&drawn.arrow)).collect();
        if flights.is_empty() {
            flights = self.negotiation.iter().filter_map(flight).collect();
        }
        flights.sort_unstable();
        flights.get(flights.len() / 2).copied().unwrap_or(1_000_000).max(1_000)
    }
}

/// Returns the numbers of the stanzas that are shown: all, or those around the first thing that went wrong.
fn window(all: &[Arrow], marks: &[Mark]) -> core::ops::Range<usize> {
    if all.len() <= STANZAS_MAX {
        return 0..all.len();
    }
    let wrong = marks.iter().find(|mark| mark.tone == Tone::Fails).map(|mark| mark.moment);
    let Some(wrong) = wrong else { return 0..STANZAS_MAX };
    let middle = all.partition_point(|arrow| arrow.begun <= wrong);
    let end = (middle + STANZAS_MAX / 4).clamp(STANZAS_MAX, all.len());
    end - STANZAS_MAX..end
}

/// Returns when an arrow touches the lane at its other end.
fn end(arrow: &Arrow) -> Option<Moment> {
    match arrow.fate {
        Fate::Clean(moment) | Fate::Late(moment) | Fate::Resent(moment) => Some(moment),
        Fate::Unread(at) => Some(Moment { at, record: usize::MAX, order: 0 }),
        Fate::Lost(_) | Fate::Stuck | Fate::Underway => None,
    }
}

/// Describes a stanza the way transcripts do, seen from its client.
fn words(place: Place<'_>, arrow: &Arrow) -> String {
    let seen = match (arrow.way, Element::parse(arrow.bytes.clone())) {
        (Way::Down, Ok(element)) => Sight::Got(element),
        (Way::Up | Way::Down, _) => Sight::Sent(arrow.bytes.clone()),
    };
    sight(place, &seen).map(|(_, words)| words).unwrap_or_default()
}

/// What the server made up gets the names it has in transcripts.
fn aliases(film: &Film) -> Aliases {
    let mut aliases = Aliases::default();
    for record in &film.history {
        if let Actor::Client(_, Sight::Bound { jid, requested: false }) = &record.actor
            && let Some((_, resource)) = jid.split_once('/')
        {
            aliases.learn(resource);
        }
    }
    aliases
}
