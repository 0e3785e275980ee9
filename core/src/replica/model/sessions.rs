//! Sessions: what each was shown, and what each has to be shown.

use std::collections::{BTreeMap, BTreeSet};

use super::tally::{Event, Tally};
use super::world::Member;
use crate::replica::{Caps, Cover, Delivery, Dot, Log, Post};

/// Sessions that there are at most.
const SESSIONS: usize = 6;

/// All sessions that have not ended.
#[derive(Debug, Default)]
pub(super) struct Sessions(Vec<Session>);

#[derive(Debug)]
struct Session {
    user: usize,
    host: usize,
    delivery: Delivery,
    /// Entries that wait until the session is ready.
    waiting: Vec<Dot>,
    /// How often each stanza was shown.
    shown: BTreeMap<u64, u32>,
    /// The stanzas that the archive held before the session began.
    before: BTreeSet<u64>,
}

impl Sessions {
    /// A session begins at a member.
    pub(super) fn begin(&mut self, members: &[Member], host: usize, user: usize) {
        if self.0.len() < SESSIONS {
            let log = &members[host].disk.state().logs[user];
            let before = log.list(&Caps::new()).values().map(|post| stanza(post)).collect();
            let (mut delivery, waiting, shown) = (Delivery::new(), Vec::new(), BTreeMap::new());
            delivery.begin(Cover::of(members[host].disk.vector()));
            self.0.push(Session { user, host, delivery, waiting, shown, before });
        }
    }

    /// A member has applied an entry of the archive of a user.
    pub(super) fn applied(&mut self, members: &[Member], host: usize, (user, dot): (usize, Dot), wait: bool) {
        for session in self.0.iter_mut().filter(|session| session.host == host && session.user == user) {
            session.delivery.withhold(dot);
            session.waiting.push(dot);
            if !wait {
                session.give(members);
            }
        }
    }

    /// The sessions at a member are ready again.
    pub(super) fn go_on(&mut self, members: &[Member], host: usize) {
        for session in self.0.iter_mut().filter(|session| session.host == host) {
            session.give(members);
            session.delivery.settle(members[host].disk.vector());
        }
    }

    /// The sessions at a member are lost with its disk.
    pub(super) fn end(&mut self, host: usize) {
        self.0.retain(|session| session.host != host);
    }

    /// Returns whether there are sessions at a member.
    pub(super) fn is_at(&self, host: usize) -> bool {
        self.0.iter().any(|session| session.host == host)
    }

    /// The first session at a member moves to another one.
    pub(super) fn carry(&mut self, members: &[Member], (from, to): (usize, usize), tally: &mut Tally) {
        if let Some(session) = self.0.iter_mut().find(|session| session.host == from) {
            let given = session.delivery.ship(members[from].disk.vector());
            let log = &members[to].disk.state().logs[session.user];
            let host = Cover::of(members[to].disk.vector());
            (session.delivery, session.waiting) = Delivery::install(given, log.dots(), host);
            session.host = to;
            tally.add(Event::Moved, 1);
            tally.add(Event::DueAfterMove, session.waiting.len());
        }
    }

    /// Everything was exchanged and everybody is ready: every session was shown every stanza that came since it began, once.
    pub(super) fn check(&self, members: &[Member]) -> usize {
        for session in &self.0 {
            let log = &members[session.host].disk.state().logs[session.user];
            for post in log.list(&Caps::new()).into_values() {
                let (stanza, times) = (stanza(post), session.shown.get(&stanza(post)).copied().unwrap_or(0));
                let expected = u32::from(!session.before.contains(&stanza));
                assert_eq!(times, expected, "stanza {stanza} at member {}", session.host);
            }
        }
        self.0.iter().map(|session| session.shown.len()).sum()
    }
}

impl Session {
    /// Decides about everything that waits.
    fn give(&mut self, members: &[Member]) {
        let disk = &members[self.host].disk;
        let log: &Log<u64> = &disk.state().logs[self.user];
        for dot in core::mem::take(&mut self.waiting) {
            let Some(post) = log.get(dot) else { continue };
            if !log.same(post).any(|dot| self.delivery.covers(disk.vector(), dot)) {
                let times = self.shown.entry(stanza(post)).or_default();
                *times += 1;
                assert_eq!(*times, 1, "shown twice at member {}", self.host);
            }
            self.delivery.give_at(disk.vector(), dot);
            assert!(self.delivery.was_given(dot), "nobody has to hand it on");
        }
    }
}

/// Returns the number of the stanza that an entry was made from.
pub(super) fn stanza(post: &Post<u64>) -> u64 {
    post.key.expect("all were made from one").ordinal
}
