//! Messages of which it has been found out lately what becomes of them.
//!
//! Several sessions may leave the same message at once, because they were given it together: what one of them leaves is owed or
//! comes back once.

use std::collections::{BTreeSet, VecDeque};

use crate::replica::{Dot, Hlc};
use crate::session::What;

/// Messages of each kind that are remembered. Beyond: the oldest is forgotten, and a message that another session leaves later is
/// found a way again.
const NAMES_MAX: usize = 1024;

/// The messages that are owed or came back: those that have a name in the log of their account, and those that came here and have none.
/// Two nodes may give one stamp, and two domains count alike, so neither a stamp nor a dot names one in a log.
#[derive(Debug, Default)]
pub(super) struct Settled {
    dots: Names<(Hlc, Dot)>,
    stamps: Names<Hlc>,
}

#[derive(Debug)]
struct Names<N> {
    all: BTreeSet<N>,
    /// In the order in which they were noted.
    order: VecDeque<N>,
}

impl Settled {
    /// Takes note that it is known what becomes of a message.
    pub(super) fn note(&mut self, what: What) {
        match what {
            What::Stored(place) | What::Owed(place) => self.dots.note((place.hlc, place.dot)),
            What::Message(came) => self.stamps.note(came),
            What::Page(_) | What::Request | What::Other => {}
        }
    }

    /// Takes note that somebody is given a message after all: it may be left again.
    pub(super) fn forget(&mut self, what: What) {
        match what {
            What::Stored(place) | What::Owed(place) => self.dots.forget((place.hlc, place.dot)),
            What::Message(came) => self.stamps.forget(came),
            What::Page(_) | What::Request | What::Other => {}
        }
    }

    /// Returns whether it is known what becomes of a message.
    pub(super) fn knows(&self, what: What) -> bool {
        match what {
            What::Stored(place) | What::Owed(place) => self.dots.all.contains(&(place.hlc, place.dot)),
            What::Message(came) => self.stamps.all.contains(&came),
            What::Page(_) | What::Request | What::Other => false,
        }
    }
}

impl<N: Ord + Copy> Names<N> {
    fn note(&mut self, name: N) {
        if !self.all.insert(name) {
            return;
        }
        self.order.push_back(name);
        if self.order.len() > NAMES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.all.remove(&oldest);
        }
    }

    fn forget(&mut self, name: N) {
        if self.all.remove(&name) {
            self.order.retain(|noted| *noted != name);
        }
    }
}

impl<N> Default for Names<N> {
    fn default() -> Self {
        Self { all: BTreeSet::new(), order: VecDeque::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replica::{Origin, Place};

    #[test]
    fn the_oldest_is_forgotten_and_what_is_given_may_be_left_again() {
        let came = |millis| What::Message(Hlc { millis, count: 0 });
        let mut settled = Settled::default();
        for millis in 0..=NAMES_MAX {
            settled.note(came(i64::try_from(millis).unwrap()));
        }
        assert!(!settled.knows(came(0)) && settled.knows(came(1)));
        settled.forget(came(1));
        assert!(!settled.knows(came(1)));
        settled.note(came(1));
        assert!(settled.knows(came(1)) && settled.knows(came(2)), "its place is free");
    }

    #[test]
    fn messages_of_one_stamp_are_told_apart_by_their_names() {
        let hlc = Hlc { millis: 7, count: 0 };
        let place = |node| Place::new(hlc, None, Origin { node, start: 1, random: 1 }.dot(2));
        let mut settled = Settled::default();
        settled.note(What::Stored(place(1)));
        assert!(settled.knows(What::Stored(place(1))) && !settled.knows(What::Stored(place(2))));
        let later = Hlc { millis: 8, count: 0 };
        let elsewhere = Place::new(later, None, place(1).dot);
        assert!(!settled.knows(What::Stored(elsewhere)), "another domain counts alike");
        assert!(!settled.knows(What::Message(hlc)));
        settled.note(What::Message(hlc));
        settled.forget(What::Stored(place(1)));
        assert!(settled.knows(What::Message(hlc)) && !settled.knows(What::Owed(place(1))));
        for what in [What::Page(place(3)), What::Request, What::Other] {
            settled.note(what);
            assert!(!settled.knows(what) && !settled.knows(What::Stored(place(3))));
        }
    }
}
