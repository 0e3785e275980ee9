//! The one event queue, ordered by (time, tie, sequence).

use core::cmp::Ordering;
use std::collections::BinaryHeap;

use super::SimTime;

/// Events to come. Equal times are ordered by `tie`, equal ties by the order of pushing.
#[derive(Clone, Debug)]
pub struct Queue<E> {
    heap: BinaryHeap<Entry<E>>,
    sequence: u64,
}

#[derive(Clone, Debug)]
struct Entry<E> {
    /// 64 bits of time, 16 of tie, 48 of sequence: one comparison orders all three.
    key: u128,
    event: E,
}

impl<E> Queue<E> {
    /// Creates an empty queue.
    pub const fn new() -> Self {
        Self { heap: BinaryHeap::new(), sequence: 0 }
    }

    /// Adds an event.
    ///
    /// # Panics
    ///
    /// After 2^48 events: no run lasts that long.
    pub fn push(&mut self, at: SimTime, tie: u16, event: E) {
        assert!(self.sequence < 1 << 48, "a run has fewer than 2^48 events");
        let key = (u128::from(at.as_nanos()) << 64) | (u128::from(tie) << 48) | u128::from(self.sequence);
        self.sequence += 1;
        self.heap.push(Entry { key, event });
    }

    /// Removes the first event.
    pub fn pop(&mut self) -> Option<(SimTime, E)> {
        self.heap.pop().map(|entry| (time_of(entry.key), entry.event))
    }

    /// Returns the time of the first event.
    pub fn next_at(&self) -> Option<SimTime> {
        self.heap.peek().map(|entry| time_of(entry.key))
    }

    /// Returns how many events wait.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Returns whether no event waits.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }
}

fn time_of(key: u128) -> SimTime {
    SimTime::from_nanos(u64::try_from(key >> 64).expect("the upper half of 128 bits has 64"))
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
