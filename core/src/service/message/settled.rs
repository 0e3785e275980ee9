//! Messages of which it has been found out lately what becomes of them.
//!
//! Several sessions may leave the same message at once, because they were given it together: what one of them leaves is owed or
//! comes back once.

use std::collections::{BTreeSet, VecDeque};

use crate::replica::Hlc;

/// Stamps that are remembered. Beyond: the oldest is forgotten, and a message that another session leaves later is found a way again.
const STAMPS_MAX: usize = 1024;

/// The stamps of messages that are owed or came back. No two messages have one stamp.
#[derive(Debug, Default)]
pub(super) struct Settled {
    stamps: BTreeSet<Hlc>,
    /// In the order in which they were noted.
    order: VecDeque<Hlc>,
}

impl Settled {
    /// Takes note that it is known what becomes of a message.
    pub(super) fn note(&mut self, stamp: Hlc) {
        if !self.stamps.insert(stamp) {
            return;
        }
        self.order.push_back(stamp);
        if self.order.len() > STAMPS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.stamps.remove(&oldest);
        }
    }

    /// Takes note that somebody is given a message after all: it may be left again.
    pub(super) fn forget(&mut self, stamp: Hlc) {
        if self.stamps.remove(&stamp) {
            self.order.retain(|noted| *noted != stamp);
        }
    }

    /// Returns whether it is known what becomes of a message.
    pub(super) fn knows(&self, stamp: Hlc) -> bool {
        self.stamps.contains(&stamp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_and_what_is_given_may_be_left_again() {
        let stamp = |millis| Hlc { millis, count: 0 };
        let mut settled = Settled::default();
        for millis in 0..=STAMPS_MAX {
            settled.note(stamp(i64::try_from(millis).unwrap()));
        }
        assert!(!settled.knows(stamp(0)) && settled.knows(stamp(1)));
        settled.forget(stamp(1));
        assert!(!settled.knows(stamp(1)));
        settled.note(stamp(1));
        assert!(settled.knows(stamp(1)) && settled.knows(stamp(2)), "its place is free");
    }
}
