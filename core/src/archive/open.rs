//! What has come for an account, and of which no mark says that it was given.
//!
//! Rests on the replication rule R17 (the mark of an account). Nothing is kept where there are no other nodes.

use core::num::NonZeroUsize;
use std::collections::BTreeSet;

use minicbor::{Decode, Encode};

use crate::replica::{Dot, Hlc, Mark, Origin, Place, Runs, Vector};

/// Starts of nodes of which messages are open. Beyond: one of which nothing is left, owed or apart is forgotten, or else the first; its
/// messages are found in the archive, and of what came before one that is met later nothing is claimed.
const ORIGINS_MAX: usize = 64;
/// Runs of what is left, or owed, of each. Beyond: the two that are nearest to each other become one: what lies between them is said to
/// be given by those alone who know better.
const RUNS_MAX: NonZeroUsize = NonZeroUsize::new(16).expect("it is not zero");

/// Messages of one account that no mark covers, by who wrote them. Those that are neither left nor owed nor apart were given here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Open {
    #[n(0)]
    by: Vec<OpenOf>,
    /// Where the first of those stands in the log that are left to others.
    #[n(1)]
    since: Option<Hlc>,
    /// More is owed than what is named here: nothing is claimed until nothing is owed.
    #[n(2)]
    partial: bool,
    /// Something was forgotten with the start of a node: of what came before one that is met from here on nobody knows who was given it.
    #[n(3)]
    forgot: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
struct OpenOf {
    #[n(0)]
    origin: Origin,
    /// The last that has come.
    #[n(1)]
    last: u64,
    /// Nobody here was given them: somebody at another node is.
    #[n(2)]
    left: Runs,
    /// They are owed here.
    #[n(3)]
    owed: Runs,
    /// Some are in no archive: what waits for a client does not name them.
    #[n(4)]
    alone: bool,
    /// Nobody here was given them, and nothing is kept here of them: there was no room, or it is not known who has them. Others may owe
    /// them, so they are never claimed here.
    #[n(5)]
    apart: Runs,
}

/// What waits for the clients of an account.
#[derive(Debug, Default)]
pub(crate) struct Unread {
    /// By name.
    pub(crate) dots: BTreeSet<Dot>,
    /// The node that has given something that has no name: a message that it wrote and that is in no archive, maybe.
    pub(crate) nameless: Option<u32>,
}

impl Open {
    /// Returns whether nothing is open.
    pub(crate) const fn is_empty(&self) -> bool {
        self.by.is_empty()
    }

    /// Takes note of a message that has come and is left to nobody: it may have been when it came before and could not be written.
    pub(crate) fn note(&mut self, dot: Dot) {
        let of = self.of(dot);
        if of.left.covers(dot.seq) {
            of.left.remove(dot.seq, dot.seq);
            self.since = self.since.filter(|_| self.by.iter().any(|of| !of.left.is_empty()));
        }
    }

    /// Takes note of a message that is left to sessions of other nodes.
    pub(crate) fn leave(&mut self, place: Place) {
        let of = self.of(place.dot);
        of.apart.remove(place.dot.seq, place.dot.seq);
        of.left.add(place.dot.seq, place.dot.seq);
        of.left.unite(RUNS_MAX);
        self.since = Some(self.since.map_or(place.capped, |since| since.min(place.capped)));
    }

    /// Takes note of a message that is owed here, and of whether that is the only place where it stands.
    pub(crate) fn owe(&mut self, dot: Dot, alone: bool) {
        let of = self.of(dot);
        of.apart.remove(dot.seq, dot.seq);
        of.owed.add(dot.seq, dot.seq);
        of.owed.unite(RUNS_MAX);
        of.alone |= alone;
    }

    /// Takes note of a message of which nothing is kept here and that nobody here was given.
    pub(crate) fn set_apart(&mut self, dot: Dot) {
        let of = self.of(dot);
        of.apart.add(dot.seq, dot.seq);
        of.apart.unite(RUNS_MAX);
    }

    /// Takes note that messages are owed here that are not named. Returns whether that is new and has to be stored: where nothing is open
    /// it is known all the same.
    pub(crate) const fn owe_unnamed(&mut self) -> bool {
        !core::mem::replace(&mut self.partial, true) && !self.is_empty()
    }

    /// Takes note that nothing is owed here any more. Returns whether anything was.
    pub(crate) fn owe_nothing(&mut self) -> bool {
        let mut were = core::mem::take(&mut self.partial);
        for of in &mut self.by {
            were |= !of.owed.is_empty();
            of.owed = Runs::new();
        }
        were
    }

    /// Returns from where on what is left stands in the log, if anything is.
    pub(crate) const fn left_since(&self) -> Option<Hlc> {
        self.since
    }

    /// Returns whether a message is, or may be, left to others.
    pub(crate) fn is_left(&self, dot: Dot) -> bool {
        self.by.iter().any(|of| of.origin == dot.origin && of.left.covers(dot.seq))
    }

    /// Takes note that a message is left to nobody any more.
    pub(crate) fn take_up(&mut self, dot: Dot) {
        for of in self.by.iter_mut().filter(|of| of.origin == dot.origin) {
            of.left.remove(dot.seq, dot.seq);
        }
    }

    /// Returns what is left, by who wrote it.
    pub(crate) fn all_left(&self) -> Vec<(Origin, Runs)> {
        self.by.iter().map(|of| (of.origin, of.left.clone())).collect()
    }

    /// Takes note that this was looked up: of what nobody has found nothing is claimed. What was left since then is left.
    pub(crate) fn take_up_all(&mut self, all: &[(Origin, Runs)]) {
        for of in &mut self.by {
            let runs = all.iter().find(|(origin, _)| *origin == of.origin).map(|(_, runs)| runs);
            let Some(runs) = runs else { continue };
            let mut lost = core::mem::take(&mut of.left);
            of.left = lost.clone();
            of.left.without(runs);
            lost.without(&of.left);
            of.apart.join(&lost);
            of.apart.unite(RUNS_MAX);
        }
        self.since = self.since.filter(|_| self.by.iter().any(|of| !of.left.is_empty()));
    }

    /// Forgets what a mark covers. Returns whether that was anything.
    pub(crate) fn settle(&mut self, mark: &Mark) -> bool {
        let before = self.clone();
        for of in &mut self.by {
            mark.settle(of.origin, &mut of.left);
            mark.settle(of.origin, &mut of.owed);
            mark.settle(of.origin, &mut of.apart);
        }
        self.by.retain(|of| of.holds_back() || mark.prefix(of.origin) < of.last);
        if self.by.iter().all(|of| of.left.is_empty()) {
            self.since = None;
        }
        *self != before
    }

    /// Returns what this node knows to have been given, `held` being what is on its disk of all messages: whatever came, but what is left,
    /// owed, apart or unread. When it is not known what is owed, that is nothing.
    pub(crate) fn claim(&self, held: &Vector, unread: &Unread) -> Mark {
        let mut mark = Mark::default();
        for of in self.by.iter().filter(|_| !self.partial) {
            if of.alone && unread.nameless == Some(of.origin.node) {
                continue;
            }
            let mut given = Runs::new();
            given.add(1, of.last.min(held.prefix(of.origin)));
            given.without(&of.left);
            given.without(&of.owed);
            given.without(&of.apart);
            for dot in unread.dots.range(of.origin.dot(0)..=of.origin.dot(u64::MAX)) {
                given.remove(dot.seq, dot.seq);
            }
            mark.add(of.origin, &given);
        }
        mark
    }

    fn of(&mut self, dot: Dot) -> &mut OpenOf {
        let known = self.by.iter().position(|of| of.origin == dot.origin);
        let at = known.unwrap_or_else(|| self.begin(dot));
        let of = &mut self.by[at];
        of.last = of.last.max(dot.seq);
        of
    }

    /// Begins to follow an origin of which `dot` is the first that is open; returns where it stands.
    fn begin(&mut self, dot: Dot) -> usize {
        if self.by.len() >= ORIGINS_MAX {
            let plain = self.by.iter().position(|of| !of.holds_back());
            let gone = self.by.remove(plain.unwrap_or(0));
            self.forgot |= gone.holds_back();
            self.partial |= !gone.owed.is_empty();
        }
        let (origin, left, owed) = (dot.origin, Runs::new(), Runs::new());
        let mut apart = Runs::new();
        if self.forgot {
            apart.add(1, dot.seq.saturating_sub(1));
        }
        self.by.push(OpenOf { origin, last: 0, left, owed, alone: false, apart });
        self.by.len() - 1
    }
}

impl OpenOf {
    /// Returns whether anything of it is not to be claimed, whatever of it has come.
    const fn holds_back(&self) -> bool {
        !self.left.is_empty() || !self.owed.is_empty() || !self.apart.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Origin = Origin { node: 1, start: 1, random: 1 };
    const B: Origin = Origin { node: 2, start: 1, random: 1 };

    fn held(dots: &[Dot]) -> Vector {
        let mut held = Vector::new();
        for dot in dots {
            for seq in 1..=dot.seq {
                held.count(dot.origin.dot(seq));
            }
        }
        held
    }

    fn place(dot: Dot, millis: i64) -> Place {
        Place::new(Hlc { millis, count: 0 }, None, dot)
    }

    #[test]
    fn what_came_was_given_but_what_is_left_owed_or_unread() {
        let mut open = Open::default();
        for seq in [2, 4, 5, 6, 9] {
            open.note(A.dot(seq));
        }
        open.leave(place(A.dot(4), 40));
        open.leave(place(B.dot(3), 30));
        open.owe(A.dot(6), false);
        let unread = Unread { dots: BTreeSet::from([A.dot(5), B.dot(1)]), nameless: None };
        let claim = open.claim(&held(&[A.dot(20), B.dot(20)]), &unread);
        let given: Vec<u64> = (1..=10).filter(|seq| claim.covers(A.dot(*seq))).collect();
        assert_eq!(given, [1, 2, 3, 7, 8, 9]);
        assert!(claim.covers(B.dot(2)) && !claim.covers(B.dot(1)) && !claim.covers(B.dot(3)));
        let less = open.claim(&held(&[A.dot(3)]), &unread);
        assert!(less.covers(A.dot(3)) && !less.covers(A.dot(7)), "what is not here may be for the account");
        assert_eq!(open.left_since(), Some(Hlc { millis: 30, count: 0 }));
    }

    #[test]
    fn a_mark_closes_what_it_covers_and_the_claims_of_two_nodes_close_all() {
        let (mut here, mut there) = (Open::default(), Open::default());
        for seq in [1, 3] {
            here.note(A.dot(seq));
            there.leave(place(A.dot(seq), 1));
        }
        here.leave(place(A.dot(2), 2));
        there.note(A.dot(2));
        let (held, unread) = (held(&[A.dot(3)]), Unread::default());
        let mut mark = here.claim(&held, &unread);
        assert!(!here.settle(&mark) && here.is_left(A.dot(2)) && !here.is_left(A.dot(3)));
        assert!(there.settle(&mark) && !there.is_left(A.dot(3)) && there.left_since().is_none());
        mark.join(&there.claim(&held, &unread));
        assert!(here.settle(&mark) && here.is_empty() && here.left_since().is_none());
        assert!(there.settle(&mark) && there.is_empty() && !there.settle(&mark));
    }

    #[test]
    fn what_was_left_when_it_could_not_be_written_and_is_given_when_it_comes_again_is_left_no_more() {
        let mut open = Open::default();
        open.leave(place(A.dot(1), 1));
        open.leave(place(A.dot(2), 2));
        open.note(A.dot(1));
        assert!(!open.is_left(A.dot(1)) && open.is_left(A.dot(2)) && open.left_since().is_some());
        open.note(A.dot(2));
        assert_eq!(open.left_since(), None);
        assert!(open.claim(&held(&[A.dot(2)]), &Unread::default()).covers(A.dot(2)));
    }

    #[test]
    fn nothing_is_claimed_of_what_waits_without_a_name() {
        let mut open = Open::default();
        open.owe(A.dot(1), true);
        open.note(B.dot(1));
        assert!(open.owe_nothing() && !open.owe_nothing());
        let held = held(&[A.dot(1), B.dot(1)]);
        let claim = open.claim(&held, &Unread { nameless: Some(A.node), ..Unread::default() });
        assert!(!claim.covers(A.dot(1)) && claim.covers(B.dot(1)));
        assert!(open.claim(&held, &Unread::default()).covers(A.dot(1)));
    }

    #[test]
    fn nothing_is_claimed_of_which_nothing_is_kept_here_whatever_else_is_owed_or_left() {
        let mut open = Open::default();
        open.set_apart(A.dot(1));
        open.owe(A.dot(2), false);
        open.leave(place(A.dot(3), 3));
        open.note(A.dot(4));
        open.owe_nothing();
        open.take_up(A.dot(3));
        let held = held(&[A.dot(4)]);
        let mut mark = open.claim(&held, &Unread::default());
        assert!(!mark.covers(A.dot(1)) && mark.covers(A.dot(2)) && mark.covers(A.dot(3)));
        open.settle(&mark);
        assert!(!open.is_empty());
        let mut others = Runs::new();
        others.add(1, 1);
        mark.add(A, &others);
        assert!(open.settle(&mark) && open.is_empty(), "another node says that it was given");
    }

    #[test]
    fn nothing_is_claimed_while_rows_are_owed_that_have_no_name_here() {
        let mut open = Open::default();
        open.owe_unnamed();
        open.owe(A.dot(3), false);
        let held = held(&[A.dot(3)]);
        assert!(!open.claim(&held, &Unread::default()).covers(A.dot(1)));
        assert!(open.owe_nothing());
        assert!(open.claim(&held, &Unread::default()).covers(A.dot(3)));
    }

    #[test]
    fn of_a_start_that_was_forgotten_for_want_of_room_nothing_is_claimed_that_came_before() {
        let of = |start| Origin { start, ..A };
        for owes in [false, true] {
            let mut open = Open::default();
            let most = u32::try_from(ORIGINS_MAX).unwrap();
            for start in 1..=most {
                match (owes, start) {
                    (_, 2) => open.note(of(start).dot(5)),
                    (true, _) => open.owe(of(start).dot(5), false),
                    (false, _) => open.leave(place(of(start).dot(5), 5)),
                }
            }
            let held = held(&[of(1).dot(9), of(2).dot(9), of(most + 1).dot(9), of(most + 2).dot(9)]);
            open.note(of(most + 1).dot(1));
            assert!(
                open.claim(&held, &Unread::default()).covers(of(1).dot(4)),
                "the second went: all of it was given"
            );
            open.owe(of(most + 1).dot(1), false);
            open.note(of(most + 2).dot(1));
            open.note(of(1).dot(7));
            let claim = open.claim(&held, &Unread::default());
            assert!(!claim.covers(of(1).dot(5)), "nobody was given it here");
            assert_eq!(claim.covers(of(1).dot(7)), !owes);
        }
    }

    #[test]
    fn what_is_left_while_it_is_looked_up_what_was_left_before_stays_left() {
        let mut open = Open::default();
        open.leave(place(A.dot(1), 1));
        let before = open.all_left();
        open.leave(place(A.dot(2), 2));
        open.take_up(A.dot(1));
        open.take_up_all(&before);
        let held = held(&[A.dot(2)]);
        let claim = open.claim(&held, &Unread::default());
        assert!(claim.covers(A.dot(1)) && !claim.covers(A.dot(2)) && open.left_since().is_some());
        open.take_up_all(&open.all_left());
        assert!(open.left_since().is_none());
        let claim = open.claim(&held, &Unread::default());
        assert!(!claim.covers(A.dot(2)), "nobody has found it here");
    }
}
