//! How often what the histories are for has come about.

use super::domain::{Act, Domain};
use crate::replica::{Line, Replica as _, Status};

/// Something rare that a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    EqualVectors,
    Overtaken,
    SyncCut,
    Concurrent,
    Crashed,
    DiskLost,
    DiskBack,
    StrangerMet,
    Joined,
    FloorRaised,
    Lost,
    RemovalDropped,
    Compared,
    LetGo,
    LifeEnded,
    LivesAtOnce,
    LateForLife,
    Capped,
    Alias,
    Stub,
    Retained,
    Shown,
    Withheld,
    Moved,
    DueAfterMove,
    ReadLate,
}

/// All of them, in their order.
const EVENTS: [Event; 26] = [
    Event::EqualVectors,
    Event::Overtaken,
    Event::SyncCut,
    Event::Concurrent,
    Event::Crashed,
    Event::DiskLost,
    Event::DiskBack,
    Event::StrangerMet,
    Event::Joined,
    Event::FloorRaised,
    Event::Lost,
    Event::RemovalDropped,
    Event::Compared,
    Event::LetGo,
    Event::LifeEnded,
    Event::LivesAtOnce,
    Event::LateForLife,
    Event::Capped,
    Event::Alias,
    Event::Stub,
    Event::Retained,
    Event::Shown,
    Event::Withheld,
    Event::Moved,
    Event::DueAfterMove,
    Event::ReadLate,
];

/// How often each has.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally([usize; EVENTS.len()]);

impl Tally {
    pub(super) fn add(&mut self, event: Event, times: usize) {
        self.0[event as usize] += times;
    }

    /// Counts what a write is that was applied, `state` being what is held then.
    pub(super) fn note(&mut self, act: &Act, state: &Domain) {
        match act {
            Act::Line(user, Line::Post(post)) => {
                let log = &state.logs[usize::from(*user)];
                let held = log.get(post.dot);
                self.add(Event::Alias, usize::from(held.is_some() && log.same(post).count() > 1));
                self.add(Event::Stub, usize::from(held.is_some_and(|post| post.body.is_none())));
                self.add(Event::Retained, usize::from(held.is_none()));
            }
            Act::Account(user, change) => {
                let account = &state.accounts[usize::from(*user)];
                self.add(Event::LivesAtOnce, usize::from(account.living().count() > 1));
                let late = state.is_removal(act) && account.life() != change.lives.first;
                self.add(Event::LateForLife, usize::from(late));
                let over = account.status() == Some(Status::Deleted);
                self.add(Event::LifeEnded, usize::from(over));
            }
            Act::Line(_, Line::Retract { .. } | Line::Floor { .. }) | Act::Vcard(_) | Act::Cap(_) => {}
        }
    }

    pub(super) fn join(&mut self, other: &Self) {
        for (sum, more) in self.0.iter_mut().zip(other.0) {
            *sum += more;
        }
    }

    /// Returns what has never come about.
    pub(super) fn never(&self) -> Vec<Event> {
        EVENTS.into_iter().filter(|event| self.0[*event as usize] == 0).collect()
    }

    /// Returns how often each has come about.
    pub(super) fn counts(&self) -> Vec<(Event, usize)> {
        EVENTS.into_iter().map(|event| (event, self.0[event as usize])).collect()
    }
}
