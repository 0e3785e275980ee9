//! Whether a member counts: what people see of it follows the link slowly, both ways.
//!
//! What nodes tell each other flows as soon as there is a way. A short cut is seen by nobody; after a long one people are
//! told, and told again only when the way has lasted (docs/adr/0024-failure-detection.md).

use std::collections::BTreeMap;

use crate::time::{Instant, Span};

/// Which members count.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    by: BTreeMap<u32, Reached>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reached {
    /// There is a way.
    Here,
    /// There is none since a moment, and nobody has been told.
    Lapsing(Instant),
    /// There has been none for long.
    Gone,
    /// There is one again since a moment, and nobody has been told.
    Returning(Instant),
}

/// What people see otherwise from here on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// The member counts.
    Shown,
    /// It does not count any more.
    Hidden,
}

impl Reach {
    /// There is a way to a member.
    pub(crate) fn handle_up(&mut self, node: u32, now: Instant) -> Option<Turn> {
        let (reached, turn) = match self.by.get(&node) {
            // Of a member that was never there nobody has been told that it has gone.
            None => (Reached::Here, Some(Turn::Shown)),
            Some(Reached::Here | Reached::Lapsing(_)) => (Reached::Here, None),
            Some(Reached::Gone) => (Reached::Returning(now), None),
            Some(Reached::Returning(since)) => (Reached::Returning(*since), None),
        };
        self.by.insert(node, reached);
        turn
    }

    /// There is no way to a member.
    pub(crate) fn handle_down(&mut self, node: u32, now: Instant) {
        let reached = match self.by.get(&node) {
            None => return,
            Some(Reached::Here) => Reached::Lapsing(now),
            Some(Reached::Returning(_)) => Reached::Gone,
            Some(reached @ (Reached::Lapsing(_) | Reached::Gone)) => *reached,
        };
        self.by.insert(node, reached);
    }

    /// Somebody is no member any more.
    pub(crate) fn forget(&mut self, node: u32) {
        self.by.remove(&node);
    }

    /// Time has passed.
    pub(crate) fn handle_tick(&mut self, node: u32, now: Instant, waits: (Span, Span)) -> Option<Turn> {
        if self.due(node, waits)? > now {
            return None;
        }
        let (reached, turn) = match self.by.get(&node)? {
            Reached::Lapsing(_) => (Reached::Gone, Turn::Hidden),
            Reached::Returning(_) => (Reached::Here, Turn::Shown),
            Reached::Here | Reached::Gone => return None,
        };
        self.by.insert(node, reached);
        Some(turn)
    }

    /// Returns when time changes something about a member: with `grace`, how long it may be away before people are told, and
    /// `hysteresis`, how long it must be back.
    pub(crate) fn due(&self, node: u32, (grace, hysteresis): (Span, Span)) -> Option<Instant> {
        match self.by.get(&node)? {
            Reached::Here | Reached::Gone => None,
            Reached::Lapsing(since) => Some(*since + grace),
            Reached::Returning(since) => Some(*since + hysteresis),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAITS: (Span, Span) = (Span::from_secs(15), Span::from_secs(10));

    fn at(secs: u64) -> Instant {
        Instant::from_micros(secs * 1_000_000)
    }

    #[test]
    fn a_short_cut_is_seen_by_nobody() {
        let mut reach = Reach::default();
        assert_eq!(reach.handle_up(1, at(0)), Some(Turn::Shown));
        for cut in [10, 30, 50] {
            reach.handle_down(1, at(cut));
            reach.handle_down(1, at(cut + 1));
            assert_eq!(reach.due(1, WAITS), Some(at(cut + 15)));
            assert_eq!(reach.handle_tick(1, at(cut + 14), WAITS), None);
            assert_eq!(reach.handle_up(1, at(cut + 14)), None);
        }
        assert_eq!(reach.due(1, WAITS), None);
    }

    #[test]
    fn after_a_long_one_the_way_has_to_last_before_anybody_is_told() {
        let mut reach = Reach::default();
        reach.handle_up(1, at(0));
        reach.handle_down(1, at(10));
        assert_eq!(reach.handle_tick(1, at(25), WAITS), Some(Turn::Hidden));
        assert_eq!(reach.due(1, WAITS), None);
        for flap in [30, 40, 50] {
            assert_eq!(reach.handle_up(1, at(flap)), None);
            assert_eq!(reach.handle_up(1, at(flap + 2)), None);
            assert_eq!(reach.handle_tick(1, at(flap + 9), WAITS), None);
            reach.handle_down(1, at(flap + 9));
        }
        assert_eq!(reach.handle_up(1, at(60)), None);
        assert_eq!(reach.handle_tick(1, at(70), WAITS), Some(Turn::Shown));
    }

    #[test]
    fn who_was_never_there_is_not_missed() {
        let mut reach = Reach::default();
        reach.handle_down(1, at(0));
        assert_eq!(reach.due(1, WAITS), None);
        assert_eq!(reach.handle_tick(1, at(99), WAITS), None);
    }
}
