//! Threads that tell seeds, each seed wholly on one of them.

use core::ops::Range;
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use eyot_io_sim::sweep::{Subject, Told};

/// No thread is further ahead of the report than so many seeds.
const AHEAD_MAX: u64 = 4_096;

/// What is to be told, and by how many.
pub(super) struct Pool<'a> {
    subject: &'a Subject,
    seeds: Range<u64>,
    threads: usize,
    place: Mutex<Place>,
    /// Rung when the report has come further, and when there is nothing more to do.
    moved: Condvar,
}

/// How far the threads and the report are.
#[derive(Debug)]
struct Place {
    next: u64,
    taken: u64,
    stopped: bool,
}

/// Whether there is more to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    GoOn,
    Stop,
}

impl<'a> Pool<'a> {
    /// Creates a pool; of more threads than there are seeds, the others would have nothing to do.
    pub(super) fn new(subject: &'a Subject, seeds: Range<u64>, threads: usize) -> Self {
        let left = usize::try_from(seeds.end.saturating_sub(seeds.start)).unwrap_or(usize::MAX);
        let place = Place { next: seeds.start, taken: seeds.start, stopped: false };
        Self { subject, seeds, threads: threads.min(left), place: Mutex::new(place), moved: Condvar::new() }
    }

    /// Returns how many threads there are.
    pub(super) const fn threads(&self) -> usize {
        self.threads
    }

    /// Tells all seeds and hands over what came of them in the order of the seeds, until `take` has enough or fails.
    pub(super) fn run(&self, mut take: impl FnMut(Told) -> std::io::Result<Sign>) -> std::io::Result<()> {
        std::thread::scope(|scope| {
            let (sender, receiver) = channel();
            for _ in 0..self.threads {
                let sender = sender.clone();
                let work = move || self.work(&sender);
                if let Err(error) = std::thread::Builder::new().spawn_scoped(scope, work) {
                    self.change(|place| place.stopped = true);
                    return Err(std::io::Error::new(error.kind(), format!("no thread for a seed: {error}")));
                }
            }
            drop(sender);
            let result = self.hand_over(&receiver, &mut take);
            self.change(|place| place.stopped = true);
            result
        })
    }

    fn hand_over(
        &self,
        receiver: &Receiver<Told>,
        take: &mut impl FnMut(Told) -> std::io::Result<Sign>,
    ) -> std::io::Result<()> {
        let mut early = BTreeMap::new();
        let mut due = self.seeds.start;
        for told in receiver {
            early.insert(told.seed, told);
            while let Some(told) = early.remove(&due) {
                due += 1;
                self.change(|place| place.taken = due);
                if take(told)? == Sign::Stop {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn work(&self, sender: &Sender<Told>) {
        while let Some(seed) = self.next() {
            if sender.send(self.subject.tell(seed)).is_err() {
                return;
            }
        }
    }

    /// Returns the next seed, as soon as the report has come near it: until the slowest seed is told, what the others come
    /// to has to be kept.
    fn next(&self) -> Option<u64> {
        let too_far = |place: &mut Place| {
            !place.stopped && place.next < self.seeds.end && place.next - place.taken > AHEAD_MAX
        };
        let waited = self.moved.wait_while(self.lock(), too_far);
        let mut place = waited.unwrap_or_else(PoisonError::into_inner);
        if place.stopped || place.next >= self.seeds.end {
            return None;
        }
        place.next += 1;
        Some(place.next - 1)
    }

    fn change(&self, change: impl FnOnce(&mut Place)) {
        change(&mut self.lock());
        self.moved.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORY: &str = "# A story.\n# RFC 6120\naccount alice\n";

    /// Returns the seeds that are handed over, until `enough`.
    fn told(seeds: Range<u64>, threads: usize, enough: usize) -> Vec<u64> {
        let subject = Subject::read("t.scn", STORY).unwrap().unwrap();
        let mut told = Vec::new();
        let take = |one: Told| {
            told.push(one.seed);
            Ok(if told.len() == enough { Sign::Stop } else { Sign::GoOn })
        };
        Pool::new(&subject, seeds, threads).run(take).unwrap();
        told
    }

    #[test]
    fn seeds_are_handed_over_in_order_whoever_tells_them() {
        assert_eq!(told(7..40, 5, usize::MAX), (7..40).collect::<Vec<_>>());
        assert_eq!(told(7..40, 5, 3), [7, 8, 9]);
    }

    #[test]
    fn the_last_seeds_there_are_end_like_any_others() {
        assert_eq!(told(u64::MAX - 2..u64::MAX, 4, usize::MAX), [u64::MAX - 2, u64::MAX - 1]);
    }

    #[test]
    fn there_are_no_more_threads_than_seeds() {
        let subject = Subject::read("t.scn", STORY).unwrap().unwrap();
        assert_eq!(Pool::new(&subject, 5..8, 100_000).threads, 3);
        assert_eq!(told(5..8, 100_000, usize::MAX), [5, 6, 7]);
        assert_eq!(told(5..5, 2, usize::MAX), [0; 0]);
    }
}
