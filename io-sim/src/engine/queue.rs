//! The one event queue, ordered by (time, tie, sequence).
//!
//! A heap, while there are few events. When there are many, those that are not next lie on a wheel by their time, and
//! are sorted slot by slot: ten thousand events that wait cost little more for each than ten.

use core::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use super::SimTime;
use super::wheel::Wheel;

/// Events to come. Equal times are ordered by `tie`, equal ties by the order of pushing.
#[derive(Clone, Debug)]
pub struct Queue<E> {
    /// The events of the slot that is under way, the first at the end.
    slot: Vec<Entry<E>>,
    /// Other events before the first slot of the wheel. Both are empty only when the queue is, and then the wheel
    /// stands still.
    near: BinaryHeap<Entry<E>>,
    wheel: Wheel<E>,
    sequence: u64,
}

/// An event with its place.
#[derive(Clone, Debug)]
pub(super) struct Entry<E> {
    /// 64 bits of time, 16 of tie, 48 of sequence: one comparison orders all three.
    key: u128,
    event: E,
}

impl<E> Queue<E> {
    /// Creates an empty queue.
    pub const fn new() -> Self {
        Self { slot: Vec::new(), near: BinaryHeap::new(), wheel: Wheel::new(), sequence: 0 }
    }

    /// Adds an event.
    ///
    /// # Panics
    ///
    /// After 2^48 events: no run lasts that long.
    #[inline]
    pub fn push(&mut self, at: SimTime, tie: u16, event: E) {
        assert!(self.sequence < 1 << 48, "a run has fewer than 2^48 events");
        let key = (u128::from(at.as_nanos()) << 64) | (u128::from(tie) << 48) | u128::from(self.sequence);
        self.sequence += 1;
        let entry = Entry { key, event };
        if self.wheel.is_near(at.as_nanos()) {
            self.near.push(entry);
            if self.near.len() > self.wheel.most {
                self.spread();
            }
        } else {
            self.wheel.put(entry);
            if self.wheel.len() > self.wheel.most {
                self.spread();
            }
        }
    }

    /// Removes the first event.
    pub fn pop(&mut self) -> Option<(SimTime, E)> {
        let entry = if self.is_slot_next() { self.slot.pop() } else { self.near.pop() }?;
        if self.is_empty() && self.wheel.turns() {
            self.refill();
        }
        Some((SimTime::from_nanos(entry.nanos()), entry.event))
    }

    /// Returns the time of the first event.
    pub fn next_at(&self) -> Option<SimTime> {
        let first = if self.is_slot_next() { self.slot.last() } else { self.near.peek() };
        first.map(|entry| SimTime::from_nanos(entry.nanos()))
    }

    /// Returns how many events wait.
    pub fn len(&self) -> usize {
        self.slot.len() + self.near.len() + self.wheel.len()
    }

    /// Returns whether no event waits.
    pub fn is_empty(&self) -> bool {
        self.slot.is_empty() && self.near.is_empty()
    }

    /// Returns whether the first of the slot comes before the first of the others.
    fn is_slot_next(&self) -> bool {
        let Some(of_slot) = self.slot.last() else { return false };
        self.near.peek().is_none_or(|other| of_slot.key < other.key)
    }

    /// Takes the next slot off the wheel.
    #[cold]
    fn refill(&mut self) {
        self.wheel.refill(&mut self.slot);
        self.slot.sort_unstable_by_key(|entry| Reverse(entry.key));
    }

    /// Puts all events onto the wheel anew.
    #[cold]
    fn spread(&mut self) {
        self.slot.append(&mut core::mem::take(&mut self.near).into_vec());
        self.wheel.spread(&mut self.slot);
        self.slot.sort_unstable_by_key(|entry| Reverse(entry.key));
    }
}

impl<E> Entry<E> {
    /// Returns the time of the event.
    pub(super) fn nanos(&self) -> u64 {
        u64::try_from(self.key >> 64).expect("the upper half of 128 bits has 64")
    }
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl<E> Eq for Entry<E> {}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Reversed: the heap gives its greatest, and the first event is wanted.
impl<E> Ord for Entry<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.key.cmp(&self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::engine::{Drawer, Entropy, Key, Purpose, SimSpan};

    /// What the queue has to be: one heap.
    #[derive(Default)]
    struct Plain {
        heap: BinaryHeap<Reverse<(SimTime, u16, u64)>>,
        sequence: u64,
    }

    impl Plain {
        fn push(&mut self, at: SimTime, tie: u16) {
            self.heap.push(Reverse((at, tie, self.sequence)));
            self.sequence += 1;
        }
    }

    /// Both queues, and what is drawn to fill them.
    struct Pair {
        queue: Queue<u64>,
        plain: Plain,
        draws: Drawer,
        drawn: u64,
        now: SimTime,
        most_in_wheel: usize,
    }

    impl Pair {
        fn new(seed: u64) -> Self {
            let draws = Entropy::new(seed).drawer(Purpose::Tie, Key::of("queue"));
            let (queue, plain) = (Queue::new(), Plain::default());
            Self { queue, plain, draws, drawn: 0, now: SimTime::ZERO, most_in_wheel: 0 }
        }

        fn below(&mut self, bound: u64) -> u64 {
            self.drawn += 1;
            self.draws.below(self.drawn, bound)
        }

        fn push(&mut self, at: SimTime) {
            let tie = u16::try_from(self.below(3)).unwrap();
            self.queue.push(at, tie, self.plain.sequence);
            self.plain.push(at, tie);
            self.most_in_wheel = self.most_in_wheel.max(self.queue.wheel.len());
        }

        fn pop(&mut self) {
            let next = self.plain.heap.pop().map(|Reverse((at, _, sequence))| (at, sequence));
            assert_eq!(self.queue.next_at(), next.map(|(at, _)| at));
            assert_eq!(self.queue.pop(), next);
            assert_eq!(self.queue.len(), self.plain.heap.len());
            assert_eq!(self.queue.is_empty(), self.plain.heap.is_empty());
            self.now = next.map_or(self.now, |(at, _)| at);
        }

        /// A time as events of the simulator have it: mostly ahead by much the same, some at once, some far off. And
        /// some in the past, which should not hurt.
        fn time(&mut self, spread: u64) -> SimTime {
            let ahead = match self.below(16) {
                0 => 0,
                1 => self.below(1 << 40),
                2 => self.below(100),
                3 => return SimTime::from_nanos(self.below(self.now.as_nanos())),
                _ => spread / 2 + self.below(spread),
            };
            self.now + SimSpan::from_nanos(ahead)
        }
    }

    #[test]
    fn any_sequence_of_pushes_and_pops_gives_the_order_of_one_heap() {
        for seed in 0..60 {
            let mut pair = Pair::new(seed);
            for _ in 0..12 {
                let spread = 1 << pair.below(36);
                // More pushes than pops, or fewer: the queue grows to thousands and shrinks to nothing.
                let pushes = pair.below(11);
                for _ in 0..pair.below(2_000) {
                    if pair.below(10) < pushes {
                        let at = pair.time(spread);
                        pair.push(at);
                    } else {
                        pair.pop();
                    }
                }
            }
            while !pair.plain.heap.is_empty() {
                pair.pop();
            }
            pair.pop();
            assert!(pair.most_in_wheel > 100, "seed {seed} leaves the wheel alone");
        }
    }

    #[test]
    fn a_queue_that_was_emptied_begins_anew() {
        let mut pair = Pair::new(1);
        for round in 1..4 {
            for _ in 0..1_000 {
                pair.push(SimTime::from_nanos(round * 5_000_000));
            }
            pair.push(SimTime::ZERO);
            for _ in 0..1_001 {
                pair.pop();
            }
            for seconds in [3_600, 1, 60] {
                pair.push(pair.now + SimSpan::from_secs(seconds));
            }
            for _ in 0..3 {
                pair.pop();
            }
        }
    }

    #[test]
    fn many_events_at_one_time_keep_their_order() {
        let mut pair = Pair::new(1);
        for at in [5, 5_000_000, u64::MAX] {
            for _ in 0..1_000 {
                pair.push(SimTime::from_nanos(at));
            }
        }
        for _ in 0..3_000 {
            pair.pop();
        }
        assert!(pair.queue.is_empty());
    }

    #[test]
    fn time_then_tie_then_sequence() {
        let mut queue = Queue::new();
        for (at, tie, name) in [(2, 0, "late"), (1, 9, "tie"), (1, 3, "first"), (1, 3, "second")] {
            queue.push(SimTime::from_nanos(at), tie, name);
        }
        let order: Vec<_> = core::iter::from_fn(|| queue.pop()).map(|(_, name)| name).collect();
        assert_eq!(order, ["first", "second", "tie", "late"]);
    }
}
