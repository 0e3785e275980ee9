//! What the sender puts under way before it hears of any of it.
//!
//! The window counts segments. It is cut as CUBIC cuts it, and grows by one with each round trip where
//! CUBIC follows its curve: a link so fast and long that the curve matters is none of ours.

use super::params::Congestion;
use crate::engine::SimSpan;

/// Below this the window is never cut.
const THRESHOLD_MIN: u32 = 2;

#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    rule: Congestion,
    segments: u32,
    /// Below it the window doubles with each round trip.
    threshold: u32,
    /// What was acknowledged towards the next segment.
    counted: u32,
}

impl Window {
    pub(super) const fn new(rule: Congestion) -> Self {
        let segments = match rule {
            Congestion::Unlimited => 1,
            Congestion::Window(initial) => initial,
        };
        Self { rule, segments, threshold: u32::MAX, counted: 0 }
    }

    /// Returns whether one more segment may join so many.
    pub(super) const fn allows(&self, underway: usize) -> bool {
        match self.rule {
            Congestion::Unlimited => true,
            Congestion::Window(_) => underway < self.segments as usize,
        }
    }

    /// `acked` of `outstanding` segments have arrived. A window that was not used does not grow.
    pub(super) fn grow(&mut self, acked: usize, outstanding: usize, blocked: bool) {
        let doubles = self.segments < self.threshold;
        let used = blocked || doubles && (self.segments as usize) < 2 * outstanding;
        if !used {
            return;
        }
        let acked = u32::try_from(acked).unwrap_or(u32::MAX);
        if doubles {
            self.segments = self.segments.saturating_add(acked).min(self.threshold);
            return;
        }
        self.counted = self.counted.saturating_add(acked);
        if self.counted >= self.segments {
            self.counted -= self.segments;
            self.segments = self.segments.saturating_add(1);
        }
    }

    /// Something was lost.
    pub(super) fn cut(&mut self) {
        self.threshold = (self.segments.saturating_mul(7) / 10).max(THRESHOLD_MIN);
        self.segments = self.threshold;
        self.counted = 0;
    }

    /// Nothing was heard for a whole time-out.
    pub(super) fn collapse(&mut self) {
        self.cut();
        self.segments = 1;
    }

    /// Nothing was sent for so long: what was learnt of the link is halved with each time-out, down to the beginning.
    pub(super) fn rest(&mut self, idle: SimSpan, rto: SimSpan) {
        let Congestion::Window(initial) = self.rule else { return };
        let mut left = idle.as_nanos();
        while left > rto.as_nanos() && self.segments > initial {
            self.threshold = self.threshold.max(self.segments / 4 * 3);
            self.segments = (self.segments / 2).max(initial);
            left -= rto.as_nanos();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_doubles_until_it_is_cut_and_grows_by_one_after() {
        let mut window = Window::new(Congestion::Window(10));
        window.grow(10, 10, true);
        assert_eq!(window.segments, 20);
        window.cut();
        assert_eq!(window.segments, 14);
        window.grow(14, 14, true);
        assert_eq!(window.segments, 15);
        window.collapse();
        assert!(window.allows(0) && !window.allows(1));
        window.grow(1, 1, true);
        assert_eq!(window.segments, 2);
    }

    #[test]
    fn a_window_that_is_not_used_does_not_grow_and_one_that_rests_shrinks() {
        let mut window = Window::new(Congestion::Window(10));
        window.grow(2, 2, false);
        assert_eq!(window.segments, 10);
        window.grow(30, 30, true);
        window.rest(SimSpan::from_millis(500), SimSpan::from_millis(240));
        assert_eq!(window.segments, 10);
        assert!(Window::new(Congestion::Unlimited).allows(1_000_000));
    }
}
