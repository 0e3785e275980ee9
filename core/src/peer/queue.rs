//! What one peer is to be told of what was written: names in order, and how much of it may be under way.
//!
//! What somebody waits for there goes ahead of what nobody does, and neither holds the room of the other. Names stay until the peer has
//! said that it has them on its disk. What was under way on a connection that is gone is sent again on the next one, ahead of the rest:
//! whoever has it drops it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::exchange::{GroupId, Haste};
use crate::replica::{Dot, Origin, Vector};

/// No dot is before it.
const FIRST: Dot = Origin { node: 0, start: 0, random: 0 }.dot(0);

/// The name of an entry.
type Name = (GroupId, Dot);

/// Names that wait for a peer.
#[derive(Debug)]
pub(super) struct Queue {
    /// By haste, in order.
    lines: [Line; Haste::ALL.len()],
    /// All names in these lines.
    waiting: BTreeSet<Name>,
    /// What was sent and is not durable there, with its bytes.
    sent: BTreeMap<Name, (Haste, u32)>,
    /// Names that wait or are under way at most. Beyond: all that wait are dropped.
    pub(super) dots_max: usize,
    /// Something was dropped, and not everything behind it has been taken.
    behind: bool,
}

/// Names of one haste.
#[derive(Debug)]
struct Line {
    names: VecDeque<Name>,
    sent_bytes: u64,
    /// Bytes under way from which on nothing more is sent.
    bytes_max: u64,
}

impl Line {
    const fn new(bytes_max: u32) -> Self {
        Self { names: VecDeque::new(), sent_bytes: 0, bytes_max: bytes_max as u64 }
    }

    const fn is_full(&self) -> bool {
        self.sent_bytes >= self.bytes_max
    }
}

impl Queue {
    /// Creates an empty queue of at most `dots_max` names, with `live` bytes under way of what somebody waits for, as many of what
    /// somebody will ask for, and `bulk` of the rest.
    pub(super) const fn new(dots_max: u32, (live, bulk): (u32, u32)) -> Self {
        Self {
            lines: [Line::new(live), Line::new(live), Line::new(bulk)],
            waiting: BTreeSet::new(),
            sent: BTreeMap::new(),
            dots_max: dots_max as usize,
            behind: false,
        }
    }

    /// Lets an entry wait. Returns whether those that waited were dropped: there were too many.
    pub(super) fn push(&mut self, haste: Haste, group: GroupId, dot: Dot) -> bool {
        if self.waiting.insert((group, dot)) {
            self.line(haste).names.push_back((group, dot));
        }
        let dropped = self.waiting.len() + self.sent.len() > self.dots_max;
        if dropped {
            self.waiting.clear();
            self.lines.iter_mut().for_each(|line| line.names.clear());
        }
        dropped
    }

    /// Returns what of that haste is sent next, if there is room for it.
    pub(super) fn next(&mut self, haste: Haste) -> Option<Name> {
        let line = self.line(haste);
        let name = if line.is_full() { None } else { line.names.pop_front() }?;
        self.waiting.remove(&name);
        Some(name)
    }

    /// Returns whether as much is under way as may be, of anything.
    pub(super) fn is_full(&self) -> bool {
        self.lines.iter().any(Line::is_full)
    }

    /// Takes note that an entry is under way.
    pub(super) fn send(&mut self, haste: Haste, (group, dot): Name, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        if let Some(before) = self.sent.insert((group, dot), (haste, bytes)) {
            self.arrived(before);
        }
        self.line(haste).sent_bytes += u64::from(bytes);
    }

    /// Takes note that something cannot be sent any more. Returns whether that made the peer fall behind.
    pub(super) fn lose(&mut self) -> bool {
        !core::mem::replace(&mut self.behind, true)
    }

    /// Takes note that entries of `origin` are durable at the peer.
    pub(super) fn confirm(&mut self, group: GroupId, origin: Origin, (from, to): (u64, u64)) {
        let range = (group, origin.dot(from))..=(group, origin.dot(to.max(from)));
        let done: Vec<_> = self.sent.range(range).map(|(name, sent)| (*name, *sent)).collect();
        for (name, sent) in done {
            self.sent.remove(&name);
            self.arrived(sent);
        }
        if self.sent.is_empty() && self.waiting.is_empty() {
            self.behind = false;
        }
    }

    /// Takes note of what the peer says that it holds of what `own` has written.
    pub(super) fn hold(&mut self, group: GroupId, own: Origin, vector: &Vector) {
        self.confirm(group, own, (0, vector.prefix(own)));
        let wanted = |(of, dot): &Name| *of != group || !vector.covers(*dot);
        self.waiting.retain(wanted);
        self.lines.iter_mut().for_each(|line| line.names.retain(wanted));
    }

    /// Returns the first entry of a group that waits and is covered by `target`.
    pub(super) fn first_of(&self, group: GroupId, target: &Vector) -> Option<Dot> {
        let dots = self.waiting.range((group, FIRST)..).take_while(|(of, _)| *of == group);
        dots.map(|(_, dot)| *dot).find(|dot| target.covers(*dot))
    }

    /// Returns whether an entry waits.
    pub(super) fn is_waiting(&self, group: GroupId, dot: Dot) -> bool {
        self.waiting.contains(&(group, dot))
    }

    /// Returns whether an entry is under way.
    pub(super) fn is_sent(&self, group: GroupId, dot: Dot) -> bool {
        self.sent.contains_key(&(group, dot))
    }

    /// What was under way has to be sent again.
    pub(super) fn send_again(&mut self) {
        for line in &mut self.lines {
            line.sent_bytes = 0;
        }
        for (name, (haste, _)) in core::mem::take(&mut self.sent).into_iter().rev() {
            self.waiting.insert(name);
            self.line(haste).names.push_front(name);
        }
    }

    fn arrived(&mut self, (haste, bytes): (Haste, u32)) {
        self.line(haste).sent_bytes -= u64::from(bytes);
    }

    const fn line(&mut self, haste: Haste) -> &mut Line {
        let [live, state, bulk] = &mut self.lines;
        match haste {
            Haste::Live => live,
            Haste::State => state,
            Haste::Bulk => bulk,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{DomainIx, GroupKind};

    const GROUP: GroupId = GroupId { domain: DomainIx(0), kind: GroupKind::Logs, shard: 0 };
    const ORIGIN: Origin = Origin { node: 1, start: 1, random: 0 };

    const LIVE: Haste = Haste::Live;

    fn sent_of(queue: &mut Queue, haste: Haste, bytes: usize) -> Vec<u64> {
        let mut all = Vec::new();
        while let Some(name) = queue.next(haste) {
            queue.send(haste, name, bytes);
            all.push(name.1.seq);
        }
        all
    }

    fn sent(queue: &mut Queue, bytes: usize) -> Vec<u64> {
        sent_of(queue, LIVE, bytes)
    }

    fn filled(seqs: core::ops::RangeInclusive<u64>) -> Queue {
        let mut queue = Queue::new(8, (100, 50));
        for seq in seqs {
            assert!(!queue.push(LIVE, GROUP, ORIGIN.dot(seq)));
        }
        queue
    }

    fn waits_from(queue: &Queue) -> Option<u64> {
        let mut all = Vector::new();
        all.take(ORIGIN, 100, &[]);
        queue.first_of(GROUP, &all).map(|dot| dot.seq)
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
        assert!(queue.sent.is_empty() && queue.lines.iter().all(|line| line.sent_bytes == 0));
    }

    #[test]
    fn beyond_its_bound_what_waits_is_dropped_and_said_once() {
        let mut queue = filled(1..=8);
        assert_eq!(sent(&mut queue, 60), [1, 2]);
        assert!(queue.push(LIVE, GROUP, ORIGIN.dot(9)) && queue.lose(), "it is behind");
        assert!(!queue.lose() && queue.next(LIVE).is_none(), "that was said");
        queue.push(LIVE, GROUP, ORIGIN.dot(10));
        queue.confirm(GROUP, ORIGIN, (1, 2));
        assert_eq!(sent(&mut queue, 60), [10]);
        queue.confirm(GROUP, ORIGIN, (10, 10));
        assert!(queue.lose(), "and is said again when it happens again");
    }

    #[test]
    fn what_the_peer_says_that_it_holds_is_neither_sent_nor_waited_for() {
        let mut queue = filled(1..=6);
        assert_eq!(sent(&mut queue, 25), [1, 2, 3, 4]);
        assert_eq!((waits_from(&queue), queue.is_sent(GROUP, ORIGIN.dot(4))), (Some(5), true));
        let mut held = Vector::new();
        held.take(ORIGIN, 2, &[5]);
        queue.hold(GROUP, ORIGIN, &held);
        assert_eq!((waits_from(&queue), queue.is_sent(GROUP, ORIGIN.dot(2))), (Some(6), false));
        assert_eq!(sent(&mut queue, 25), [6]);
        assert_eq!(waits_from(&queue), None);
    }

    #[test]
    fn what_nobody_waits_for_holds_no_room_of_what_somebody_does() {
        let mut queue = filled(1..=0);
        for seq in 1..=4 {
            queue.push(Haste::Bulk, GROUP, ORIGIN.dot(seq));
        }
        assert_eq!(sent_of(&mut queue, Haste::Bulk, 30), [1, 2], "room for fifty");
        queue.push(LIVE, GROUP, ORIGIN.dot(5));
        assert!(queue.is_full() && queue.is_waiting(GROUP, ORIGIN.dot(3)));
        assert_eq!(sent(&mut queue, 30), [5]);
        queue.confirm(GROUP, ORIGIN, (5, 5));
        assert_eq!(waits_from(&queue), Some(3), "whoever holds what came later lacks it still");
        assert!(!queue.is_waiting(GROUP, ORIGIN.dot(5)) && !queue.is_sent(GROUP, ORIGIN.dot(5)));
        queue.send_again();
        assert_eq!(sent_of(&mut queue, Haste::Bulk, 10), [1, 2, 3, 4]);
    }
}
