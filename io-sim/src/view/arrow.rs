//! Stanzas on their way: written here, read there, and what befell them between.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::client::Sight;
use crate::engine::{SimSpan, SimTime};
use crate::net::{WireEvent, WireEventKind};
use crate::script::Film;
use crate::world::{Actor, Moment, Span, Track, Wired};

/// A batching node reads so much later; that is not the path's doing.
const BATCH: SimSpan = SimSpan::from_millis(3);

/// Something that was written to be read elsewhere.
#[derive(Clone, Debug)]
pub(super) struct Arrow {
    /// The client at one end.
    pub(super) client: usize,
    /// The node at the other.
    pub(super) node: usize,
    /// From which end.
    pub(super) way: Way,
    /// When it was written.
    pub(super) begun: Moment,
    /// What became of it.
    pub(super) fate: Fate,
    /// How long it takes on a path that is as it should be.
    pub(super) due: SimSpan,
    /// When something of it was lost.
    pub(super) lost: Vec<SimTime>,
    /// When something of it was sent again.
    pub(super) resent: Vec<SimTime>,
    /// Every byte.
    pub(super) bytes: Bytes,
    /// Whether it is a stanza, or was meant as one.
    pub(super) stanza: bool,
}

/// From which end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// From the client.
    Up,
    /// From the node.
    Down,
}

/// What became of an arrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Read, as soon as the path allows.
    Clean(Moment),
    /// Read, later than that.
    Late(Moment),
    /// Read, after something of it was sent again.
    Resent(Moment),
    /// It reached the other end's system, and nobody read it.
    Unread(SimTime),
    /// Lost on the way, for good.
    Lost(SimTime),
    /// It never left: its connection ended first.
    Stuck,
    /// It left, and neither arrived nor was lost before its connection or the story ended.
    Underway,
}

impl Fate {
    /// Returns when the other end read it, if it did.
    pub(super) const fn read(self) -> Option<Moment> {
        match self {
            Self::Clean(moment) | Self::Late(moment) | Self::Resent(moment) => Some(moment),
            Self::Unread(_) | Self::Lost(_) | Self::Stuck | Self::Underway => None,
        }
    }

    /// Returns the word for it: in the page, and as a class of its style.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Clean(_) => "clean",
            Self::Late(_) => "late",
            Self::Resent(_) => "resent",
            Self::Unread(_) => "unread",
            Self::Lost(_) => "lost",
            Self::Stuck => "stuck",
            Self::Underway => "underway",
        }
    }
}

/// Returns everything that was written in a run, in the order of writing.
pub(super) fn arrows(film: &Film) -> Vec<Arrow> {
    let mut negotiated = BTreeSet::new();
    for record in &film.history {
        if let Actor::Client(client, Sight::Wire { sent: false, bytes }) = &record.actor {
            negotiated.insert((client.at(), bytes.clone()));
        }
    }
    let mut all = Vec::new();
    for wired in &film.wired {
        for (way, track) in [(Way::Up, &wired.up), (Way::Down, &wired.down)] {
            for span in &track.spans {
                let routine =
                    way == Way::Down && negotiated.contains(&(wired.client.at(), span.bytes.clone()));
                all.push(arrow(wired, track, span, (way, !routine && is_stanza(way, span))));
            }
        }
    }
    all.sort_by_key(|arrow| arrow.begun);
    all
}

fn is_stanza(way: Way, span: &Span) -> bool {
    let begins = |name: &&[u8]| {
        span.bytes
            .strip_prefix(*name)
            .is_some_and(|rest| rest.first().is_some_and(|next| b" />".contains(next)))
    };
    match way {
        Way::Up => span.meant,
        Way::Down => [&b"<message"[..], b"<presence", b"<iq"].iter().any(begins),
    }
}

fn arrow(wired: &Wired, track: &Track, span: &Span, (way, stanza): (Way, bool)) -> Arrow {
    let mine: Vec<&WireEvent> =
        track.wire.iter().filter(|event| event.from < span.to && event.to > span.from).collect();
    let times = |kind| mine.iter().filter(|event| event.kind == kind).map(|event| event.at).collect();
    let (lost, resent): (Vec<SimTime>, Vec<SimTime>) =
        (times(WireEventKind::Lost), times(WireEventKind::Resent));
    Arrow {
        client: wired.client.at(),
        node: wired.node.at(),
        way,
        begun: span.moment,
        fate: fate(track, span, &mine, &resent),
        due: span.due,
        lost,
        resent,
        bytes: span.bytes.clone(),
        stanza,
    }
}

fn fate(track: &Track, span: &Span, mine: &[&WireEvent], resent: &[SimTime]) -> Fate {
    let index = track.reads.partition_point(|(_, to)| *to < span.to);
    if let Some((read, _)) = track.reads.get(index) {
        let late = read.at > span.moment.at + span.due + BATCH;
        // What is sent again although it was read is only its acknowledgement's bad luck.
        return if late && resent.iter().any(|at| *at < read.at) {
            Fate::Resent(*read)
        } else if late {
            Fate::Late(*read)
        } else {
            Fate::Clean(*read)
        };
    }
    let arrived = |at: u64| {
        let covers =
            |event: &&&WireEvent| event.kind == WireEventKind::Arrived && event.from <= at && event.to > at;
        mine.iter().find(covers)
    };
    let mut at = span.from;
    let mut arrived_at = span.moment.at;
    while let Some(event) = arrived(at).filter(|_| at < span.to) {
        at = event.to;
        arrived_at = arrived_at.max(event.at);
    }
    let lost = mine.iter().rev().find(|event| event.kind == WireEventKind::Lost && event.to > at);
    match lost {
        _ if at >= span.to => Fate::Unread(arrived_at),
        Some(event) => Fate::Lost(event.at),
        None if mine.is_empty() => Fate::Stuck,
        None => Fate::Underway,
    }
}
