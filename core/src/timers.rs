//! Deadlines of one node, each with the reason it was asked for.

use std::collections::{BTreeMap, BTreeSet};

use crate::directory::SessionId;
use crate::io::ConnId;
use crate::time::Instant;

/// What a deadline is for. One deadline per value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// A connection must have bound a resource by then.
    Login(ConnId),
    /// What could not be written is tried again.
    Flush,
    /// Accounts and archives that could not be read are read again.
    Reread,
    /// Archives are searched for what is too old.
    Sweep,
    /// A session must have been resumed by then.
    Resume(SessionId),
    /// Another node must have said who it is by then.
    Greeting(ConnId),
    /// The link to another node has something to do.
    Peer(u32),
    /// Another node has been away, or back, for long enough.
    Reach(u32),
    /// A request to a client of another node must have been answered by then.
    Relay,
    /// Other nodes are told what accounts have been given.
    Mark,
    /// What is below the level of its domain has waited long enough.
    Level,
    /// A session that goes to another node, or a client that waits for one.
    Move,
    /// It is looked at whether other nodes have to be told what is held here.
    Have,
    /// Whoever is asked whether this node may join must have answered by then.
    Join,
}

/// All deadlines, earliest first.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    /// Ordered by time, then by timer, so that equal times expire in one order.
    due: BTreeSet<(Instant, Timer)>,
    at: BTreeMap<Timer, Instant>,
}

impl Timer {
    /// Returns the reason, for [`crate::io::Output::Wait`].
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::Login(_) => "login",
            Self::Flush => "flush",
            Self::Reread => "reread",
            Self::Sweep => "sweep",
            Self::Resume(_) => "resume",
            Self::Greeting(_) => "greeting",
            Self::Peer(_) => "peer",
            Self::Reach(_) => "reach",
            Self::Relay => "relay",
            Self::Mark => "mark",
            Self::Level => "level",
            Self::Move => "move",
            Self::Have => "have",
            Self::Join => "join",
        }
    }
}

impl Timers {
    /// Sets the deadline of `timer`, replacing an earlier one.
    pub(crate) fn arm(&mut self, timer: Timer, at: Instant) {
        self.disarm(timer);
        self.at.insert(timer, at);
        self.due.insert((at, timer));
    }

    /// Sets the deadline of `timer` unless it has one.
    pub(crate) fn arm_once(&mut self, timer: Timer, at: Instant) {
        if !self.at.contains_key(&timer) {
            self.arm(timer, at);
        }
    }

    /// Sets the deadline of `timer` unless it has an earlier one.
    pub(crate) fn arm_by(&mut self, timer: Timer, at: Instant) {
        if self.at.get(&timer).is_none_or(|known| at < *known) {
            self.arm(timer, at);
        }
    }

    /// Sets or forgets the deadline of `timer`.
    pub(crate) fn set(&mut self, timer: Timer, at: Option<Instant>) {
        if self.at.get(&timer).copied() == at {
            return;
        }
        match at {
            Some(at) => self.arm(timer, at),
            None => self.disarm(timer),
        }
    }

    /// Forgets the deadline of `timer`, if there is one.
    pub(crate) fn disarm(&mut self, timer: Timer) {
        if let Some(at) = self.at.remove(&timer) {
            self.due.remove(&(at, timer));
        }
    }

    /// Removes and returns one timer that is due at `now`.
    pub(crate) fn expire(&mut self, now: Instant) -> Option<Timer> {
        let (at, timer) = *self.due.first()?;
        if at > now {
            return None;
        }
        self.disarm(timer);
        Some(timer)
    }

    /// Returns the earliest deadline and its timer.
    pub(crate) fn next(&self) -> Option<(Instant, Timer)> {
        self.due.first().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_expire_in_order_and_once() {
        let mut timers = Timers::default();
        let at = Instant::from_micros;
        timers.arm(Timer::Login(ConnId(1)), at(20));
        timers.arm(Timer::Login(ConnId(2)), at(10));
        timers.arm(Timer::Login(ConnId(1)), at(5));
        assert_eq!(timers.expire(at(4)), None);
        assert_eq!(timers.expire(at(30)), Some(Timer::Login(ConnId(1))));
        timers.disarm(Timer::Login(ConnId(2)));
        assert_eq!(timers.expire(at(30)), None);
        assert_eq!(timers.next(), None);
        timers.arm_once(Timer::Reread, at(40));
        timers.arm_once(Timer::Reread, at(50));
        assert_eq!(
            timers.next(),
            Some((at(40), Timer::Reread)),
            "what is armed again and again expires all the same"
        );
    }
}
