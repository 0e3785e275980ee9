//! What is drawn of a run, and where.

use std::collections::BTreeSet;

use super::arrow::{Arrow, Fate, Way, arrows};
use super::band::{Band, bands};
use super::lanes::Lanes;
use super::life::{Mark, Stretch, Tone, Whose, marks, stretches};
use super::scale::{Scale, Wish};
use crate::client::{Sight, condition_of};
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
    pub(super) stretches: Vec<(Stretch, Extent)>,
    /// Faults that last.
    pub(super) bands: Vec<(Band, Extent)>,
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
    /// Whether it is an error that somebody sends back.
    pub(super) refusal: bool,
    /// Whether an oracle names it as evidence of what must not be.
    pub(super) evidence: bool,
    /// The height where it begins.
    pub(super) begin: u64,
    /// The height where it is read or lies unread, if it comes so far.
    pub(super) end: Option<u64>,
}

/// From one height to another.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Extent {
    /// The upper one.
    pub(super) top: u64,
    /// The lower one.
    pub(super) bottom: u64,
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
    Top(Long, usize),
    Bottom(Long, usize),
}

/// What has a beginning and an end, and no words there.
#[derive(Clone, Copy, Debug)]
enum Long {
    Stretch,
    Band,
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
        let named: BTreeSet<usize> =
            outcome.violations.iter().flat_map(|violation| violation.records.iter().copied()).collect();
        let stanzas = all
            .drain(numbers)
            .enumerate()
            .map(|(index, arrow)| {
                let refusal =
                    Element::parse(arrow.bytes.clone()).is_ok_and(|element| condition_of(&element).is_some());
                let evidence = is_evidence(film, &named, &arrow);
                let words = aliases.apply(&words(place, &arrow));
                Drawn { number: begin + index + 1, arrow, words, refusal, evidence, begin: 0, end: None }
            })
            .collect();
        let last = Moment { at: outcome.ended, record: usize::MAX, order: u64::MAX };
        let lanes = Lanes::of(film);
        let mut plan = Self {
            lanes,
            scale: Scale::default(),
            stanzas,
            negotiation,
            marks: marks.into_iter().map(|mark| (mark, 0)).collect(),
            stretches: stretches(film, last)
                .into_iter()
                .filter(|stretch| stretch.from.at <= until && stretch.until.at >= from)
                .map(|stretch| (stretch, Extent::default()))
                .collect(),
            bands: bands(film, &outcome.faults)
                .into_iter()
                .filter(|band| band.from.at <= until && band.until.is_none_or(|end| end.at >= from))
                .map(|band| (band, Extent::default()))
                .collect(),
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

    /// Gives everything its height.
    fn fit(&mut self) {
        let mut wishes = self.wishes();
        wishes.extend(self.edges());
        // What has no words stands where the words of its moment do, so it comes behind them.
        wishes.sort_by_key(|(wish, _)| wish.moment);
        let plain: Vec<Wish> = wishes.iter().map(|(wish, _)| *wish).collect();
        let (scale, heights) = Scale::fit(&plain, self.usual_flight(), self.columns());
        for ((_, whose), height) in wishes.iter().zip(heights) {
            match *whose {
                For::Begin(index) => self.stanzas[index].begin = height,
                For::End(index) => self.stanzas[index].end = Some(height),
                For::Mark(index) => self.marks[index].1 = height,
                For::Top(long, index) => self.extent(long, index).top = height,
                For::Bottom(long, index) => self.extent(long, index).bottom = height,
            }
        }
        let stretches = self.stretches.iter_mut().map(|(_, extent)| extent);
        // What does not end in the picture ends with it.
        for extent in stretches.chain(self.bands.iter_mut().map(|(_, extent)| extent)) {
            if extent.bottom == 0 {
                extent.bottom = scale.bottom;
            }
        }
        self.scale = scale;
    }

    /// Returns the number of columns: clients, nodes, the story, both ends of arrows at nodes, edges.
    fn columns(&self) -> usize {
        2 * self.lanes.clients.len() + self.lanes.nodes.len() + 2
    }

    fn extent(&mut self, long: Long, index: usize) -> &mut Extent {
        match long {
            Long::Stretch => &mut self.stretches[index].1,
            Long::Band => &mut self.bands[index].1,
        }
    }

    /// Returns what has words, and what touches a lane.
    fn wishes(&self) -> Vec<(Wish, For)> {
        let (clients, nodes) = (self.lanes.clients.len(), self.lanes.nodes.len());
        let tip = |arrow: &Arrow| clients + nodes + 1 + arrow.client;
        let mut wishes = Vec::new();
        for (index, Drawn { arrow, .. }) in self.stanzas.iter().enumerate() {
            let wish = |moment, column, (above, below)| Wish { moment, column, above, below };
            let end = end(arrow);
            let (begins, ends) = match (arrow.way, end) {
                (Way::Up, _) => ((arrow.client, (15, 3)), (tip(arrow), (4, 4))),
                (Way::Down, Some(_)) => ((tip(arrow), (4, 4)), (arrow.client, (2, 16))),
                (Way::Down, None) => ((arrow.client, (8, 37)), (arrow.client, (0, 0))),
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
        wishes
    }

    /// Returns the ends of what has no words there.
    fn edges(&self) -> Vec<(Wish, For)> {
        let column = self.columns() - 1;
        let stretches = self.stretches.iter().enumerate().map(|(index, (stretch, _))| {
            (
                Long::Stretch,
                index,
                stretch.from,
                Some(stretch.until).filter(|_| stretch.until.record < usize::MAX),
            )
        });
        let bands = self
            .bands
            .iter()
            .enumerate()
            .map(|(index, (band, _))| (Long::Band, index, band.from, band.until));
        let mut wishes = Vec::new();
        for (long, index, from, until) in stretches.chain(bands) {
            let edge = |moment| Wish { moment, column, above: 0, below: 0 };
            if from.at >= self.from {
                wishes.push((edge(from), For::Top(long, index)));
            }
            if let Some(until) = until.filter(|until| until.at <= self.until) {
                wishes.push((edge(until), For::Bottom(long, index)));
            }
        }
        wishes
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

/// Returns whether one of the named records is that of an arrow: when it was sent, or got.
fn is_evidence(film: &Film, named: &BTreeSet<usize>, arrow: &Arrow) -> bool {
    named.iter().filter_map(|record| film.history.get(*record)).any(|record| {
        match (&record.actor, arrow.way) {
            (Actor::Client(client, Sight::Sent(bytes)), Way::Up) => {
                client.at() == arrow.client && record.at == arrow.begun.at && *bytes == arrow.bytes
            }
            (Actor::Client(client, Sight::Got(got)), Way::Down) => {
                let read = arrow.fate.read().map(|moment| moment.at);
                client.at() == arrow.client && read == Some(record.at) && *got.raw() == arrow.bytes
            }
            (Actor::Client(..) | Actor::Node(..) | Actor::World(_), Way::Up | Way::Down) => false,
        }
    })
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
