//! Events that are not next, by their time and otherwise without order: a wheel of slots, and a heap for what lies
//! beyond it.

use std::collections::BinaryHeap;

use super::queue::Entry;

/// Slots of the wheel.
const SLOTS: u64 = 1_024;
const WORDS: usize = 16;
/// So many events should come to lie in one slot.
const PER_SLOT: u64 = 8;
/// A slot is not shorter than 2^6 ns: the slot after the last moment of time has a number, too.
const SHIFT_MIN: u32 = 6;
/// Fewer events than this are not worth a wheel.
const SMALL: usize = 256;

/// What the queue does not hold itself: all events from slot `first` on. While there are few events the wheel
/// stands still, `first` is beyond all time, and the queue holds them all.
#[derive(Clone, Debug)]
pub(super) struct Wheel<E> {
    /// A slot is 2^shift ns long; slot `number` begins at `number << shift`.
    shift: u32,
    first: u64,
    /// The slots `first..first + SLOTS`, each at its number modulo `SLOTS`.
    slots: Vec<Vec<Entry<E>>>,
    /// One bit for each slot: whether anything is in it.
    occupied: [u64; WORDS],
    /// Events behind the last slot.
    far: BinaryHeap<Entry<E>>,
    len: usize,
    /// With more events than this in the whole queue, or fewer than `least`, the slots have the wrong length.
    pub(super) most: usize,
    least: usize,
}

impl<E> Wheel<E> {
    pub(super) const fn new() -> Self {
        Self {
            shift: SHIFT_MIN,
            first: u64::MAX,
            slots: Vec::new(),
            occupied: [0; WORDS],
            far: BinaryHeap::new(),
            len: 0,
            most: SMALL,
            least: 0,
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Returns whether the wheel takes events.
    pub(super) const fn turns(&self) -> bool {
        self.first < u64::MAX
    }

    /// Returns whether an event at that time belongs to the queue and not to the wheel.
    pub(super) const fn is_near(&self, nanos: u64) -> bool {
        nanos >> self.shift < self.first
    }

    /// Takes an event in that is not near.
    pub(super) fn put(&mut self, entry: Entry<E>) {
        self.len += 1;
        let number = entry.nanos() >> self.shift;
        if number - self.first < SLOTS {
            self.put_into_slot(number, entry);
        } else {
            self.far.push(entry);
        }
    }

    /// Gives `near`, which is empty, the first events that the wheel has. With none left it stands still.
    pub(super) fn refill(&mut self, near: &mut Vec<Entry<E>>) {
        if self.len < self.least {
            self.spread(near);
            return;
        }
        let far = self.far.peek().map(|entry| entry.nanos() >> self.shift);
        let Some(number) = self.first_occupied().or(far) else { return };
        self.first = number;
        self.fetch_far();
        let index = index(number);
        // The slot gets the memory that its events leave.
        core::mem::swap(near, &mut self.slots[index]);
        self.occupied[index / 64] &= !(1 << (index % 64));
        self.len -= near.len();
        self.first = number + 1;
    }

    /// Chooses how long slots are for the events that there are: those of the wheel and those in `near`, which gets
    /// back what comes first.
    pub(super) fn spread(&mut self, near: &mut Vec<Entry<E>>) {
        let mut all = core::mem::take(near);
        for slot in &mut self.slots {
            all.append(slot);
        }
        all.append(&mut core::mem::take(&mut self.far).into_vec());
        self.occupied = [0; WORDS];
        self.len = 0;
        if all.len() <= SMALL / 2 {
            (self.first, self.most, self.least) = (u64::MAX, SMALL, 0);
            *near = all;
            return;
        }
        (self.most, self.least) = (all.len() * 4, all.len() / 8);
        let (begin, length) = slot_length(all.iter().map(Entry::nanos).collect());
        self.shift = length.checked_ilog2().map_or(0, |below| below + 1).max(SHIFT_MIN);
        self.first = (begin >> self.shift) + 1;
        self.slots.resize_with(1 << SLOTS.ilog2(), Vec::new);
        for entry in all {
            if self.is_near(entry.nanos()) {
                near.push(entry);
            } else {
                self.put(entry);
            }
        }
    }

    fn put_into_slot(&mut self, number: u64, entry: Entry<E>) {
        let index = index(number);
        self.slots[index].push(entry);
        self.occupied[index / 64] |= 1 << (index % 64);
    }

    /// Puts what was beyond the wheel into the slots that it has reached.
    fn fetch_far(&mut self) {
        while self.far.peek().is_some_and(|entry| (entry.nanos() >> self.shift) - self.first < SLOTS) {
            let Some(entry) = self.far.pop() else { return };
            self.put_into_slot(entry.nanos() >> self.shift, entry);
        }
    }

    /// Returns the number of the first slot with anything in it.
    fn first_occupied(&self) -> Option<u64> {
        let start = index(self.first);
        // The word of the first slot is looked at twice: its upper bits first, its lower bits last.
        for step in 0..=WORDS {
            let at = (start / 64 + step) % WORDS;
            let mask = match step {
                0 => u64::MAX << (start % 64),
                WORDS => !(u64::MAX << (start % 64)),
                _ => u64::MAX,
            };
            let word = self.occupied[at] & mask;
            if word != 0 {
                let found = at * 64 + word.trailing_zeros() as usize;
                let ahead = (found + (1 << SLOTS.ilog2()) - start) as u64 % SLOTS;
                return Some(self.first + ahead);
            }
        }
        None
    }
}

/// Returns the first of the times, and how long slots have to be at least: so that most events have a slot, and that
/// where they are dense, a slot has several. The last eighth does not count: timers far ahead say nothing of it.
fn slot_length(mut times: Vec<u64>) -> (u64, u64) {
    let (half, most) = (times.len() / 2, times.len() / 8 * 7);
    let (before, &mut last, _) = times.select_nth_unstable(most);
    let (before, &mut median, _) = before.select_nth_unstable(half);
    let begin = before.iter().min().copied().unwrap_or(median);
    (begin, ((last - begin) / SLOTS).max((median - begin) / (half as u64) * PER_SLOT))
}

fn index(number: u64) -> usize {
    usize::try_from(number % SLOTS).expect("there are fewer slots than numbers")
}
