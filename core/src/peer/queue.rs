//! What one peer is to be told of what was written: names in order, and how much of it may be under way.
//!
//! Names stay until the peer has said that it has them on its disk. What was under way on a connection that is gone is sent again on
//! the next one, ahead of the rest: whoever has it drops it.

use std::collections::{BTreeMap, VecDeque};

use crate::exchange::GroupId;
use crate::replica::{Dot, Origin, Vector};

/// Names that wait for a peer.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: VecDeque<(GroupId, Dot)>,
    /// What was sent and is not durable there, with its bytes.
    sent: BTreeMap<(GroupId, Dot), u32>,
    sent_bytes: u64,
    /// Names that wait or are under way at most. Beyond: all that wait are dropped.
    pub(super) dots_max: usize,
    /// Bytes under way from which on nothing more is sent.
    bytes_max: u64,
    /// Something was dropped, and not everything behind it has been taken.
    behind: bool,
}

impl Queue {
    /// Creates an empty queue of at most `dots_max` names, and `bytes_max` bytes under way.
    pub(super) const fn new(dots_max: u32, bytes_max: u32) -> Self {
        Self {
            waiting: VecDeque::new(),
            sent: BTreeMap::new(),
            sent_bytes: 0,
            dots_max: dots_max as usize,
            bytes_max: bytes_max as u64,
            behind: false,
        }
    }

    /// Goes on with other bounds: the way is another one.
    pub(super) const fn bound(&mut self, dots_max: u32, bytes_max: u32) {
        (self.dots_max, self.bytes_max) = (dots_max as usize, bytes_max as u64);
    }

    /// Lets an entry wait. Returns whether those that waited were dropped: there were too many.
    pub(super) fn push(&mut self, group: GroupId, dot: Dot) -> bool {
        self.waiting.push_back((group, dot));
        let dropped = self.waiting.len() + self.sent.len() > self.dots_max;
        if dropped {
            self.waiting.clear();
        }
        dropped
    }

    /// Returns what is sent next, if there is room for it.
    pub(super) fn next(&mut self) -> Option<(GroupId, Dot)> {
        if self.is_full() { None } else { self.waiting.pop_front() }
    }

    /// Returns whether as much is under way as may be.
    pub(super) const fn is_full(&self) -> bool {
        self.sent_bytes >= self.bytes_max
    }

    /// Takes note that an entry is under way.
    pub(super) fn send(&mut self, group: GroupId, dot: Dot, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let before = self.sent.insert((group, dot), bytes).unwrap_or(0);
        self.sent_bytes = self.sent_bytes + u64::from(bytes) - u64::from(before);
    }

    /// Takes note that something cannot be sent any more. Returns whether that made the peer fall behind.
    pub(super) fn lose(&mut self) -> bool {
        !core::mem::replace(&mut self.behind, true)
    }

    /// Takes note that entries of `origin` are durable at the peer.
    pub(super) fn confirm(&mut self, group: GroupId, origin: Origin, (from, to): (u64, u64)) {
        let range = (group, origin.dot(from))..=(group, origin.dot(to.max(from)));
        let done: Vec<_> = self.sent.range(range).map(|(name, bytes)| (*name, *bytes)).collect();
        for (name, bytes) in done {
            self.sent.remove(&name);
            self.sent_bytes -= u64::from(bytes);
        }
        if self.sent.is_empty() && self.waiting.is_empty() {
            self.behind = false;
        }
    }

    /// Takes note of what the peer says that it holds of what `own` has written.
    pub(super) fn hold(&mut self, group: GroupId, own: Origin, vector: &Vector) {
        self.confirm(group, own, (0, vector.prefix(own)));
        self.waiting.retain(|(of, dot)| *of != group || !vector.covers(*dot));
    }

    /// Returns from which number on everything of a group waits that this node has written and that is on its disk; nothing when
    /// nothing waits.
    pub(super) fn waits_from(&self, group: GroupId) -> Option<u64> {
        self.waiting.iter().find(|(of, _)| *of == group).map(|(_, dot)| dot.seq)
    }

    /// Returns whether an entry is under way.
    pub(super) fn is_sent(&self, group: GroupId, dot: Dot) -> bool {
        self.sent.contains_key(&(group, dot))
    }

    /// What was under way has to be sent again.
    pub(super) fn send_again(&mut self) {
        self.sent_bytes = 0;
        for (name, _) in core::mem::take(&mut self.sent).into_iter().rev() {
            self.waiting.push_front(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{DomainIx, GroupKind};

    const GROUP: GroupId = GroupId { domain: DomainIx(0), kind: GroupKind::Logs, shard: 0 };
    const ORIGIN: Origin = Origin { node: 1, start: 1, random: 0 };

    fn sent(queue: &mut Queue, bytes: usize) -> Vec<u64> {
        let mut all = Vec::new();
        while let Some((group, dot)) = queue.next() {
            queue.send(group, dot, bytes);
            all.push(dot.seq);
        }
        all
    }

    fn filled(seqs: core::ops::RangeInclusive<u64>) -> Queue {
        let mut queue = Queue::new(8, 100);
        for seq in seqs {
            assert!(!queue.push(GROUP, ORIGIN.dot(seq)));
        }
        queue
    }

    #[test]
    fn what_is_under_way_is_sent_again_on_another_connection_ahead_of_the_rest() {
        let mut queue = filled(1..=6);
        assert_eq!(sent(&mut queue, 25), [1, 2, 3, 4], "room for a hundred bytes");
        queue.confirm(GROUP, ORIGIN, (2, 2));
        assert_eq!(sent(&mut queue, 25), [5]);
        queue.send_again();
        assert_eq!(sent(&mut queue, 25), [1, 3, 4, 5]);
        queue.confirm(GROUP, ORIGIN, (1, 5));
        assert_eq!(sent(&mut queue, 500), [6], "one that is larger than the room goes alone");
        queue.confirm(GROUP, ORIGIN, (6, u64::MAX));
        assert_eq!((queue.sent_bytes, queue.sent.len()), (0, 0));
    }

    #[test]
    fn beyond_its_bound_what_waits_is_dropped_and_said_once() {
        let mut queue = filled(1..=8);
        assert_eq!(sent(&mut queue, 60), [1, 2]);
        assert!(queue.push(GROUP, ORIGIN.dot(9)) && queue.lose(), "it is behind");
        assert!(!queue.lose() && queue.next().is_none(), "that was said");
        queue.push(GROUP, ORIGIN.dot(10));
        queue.confirm(GROUP, ORIGIN, (1, 2));
        assert_eq!(sent(&mut queue, 60), [10]);
        queue.confirm(GROUP, ORIGIN, (10, 10));
        assert!(queue.lose(), "and is said again when it happens again");
    }

    #[test]
    fn what_the_peer_says_that_it_holds_is_neither_sent_nor_waited_for() {
        let mut queue = filled(1..=6);
        assert_eq!(sent(&mut queue, 25), [1, 2, 3, 4]);
        assert_eq!((queue.waits_from(GROUP), queue.is_sent(GROUP, ORIGIN.dot(4))), (Some(5), true));
        let mut held = Vector::new();
        held.take(ORIGIN, 2, &[5]);
        queue.hold(GROUP, ORIGIN, &held);
        assert_eq!((queue.waits_from(GROUP), queue.is_sent(GROUP, ORIGIN.dot(2))), (Some(6), false));
        assert_eq!(sent(&mut queue, 25), [6]);
        assert_eq!(queue.waits_from(GROUP), None);
    }
}
