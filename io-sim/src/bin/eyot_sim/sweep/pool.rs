//! Threads that tell seeds, each seed wholly on one of them.

use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};

use eyot_io_sim::sweep::{Subject, Told};

/// No thread is further ahead of the report than so many seeds.
const AHEAD_MAX: u64 = 4_096;

/// What is to be told, and by how many.
pub(super) struct Pool<'a> {
    subject: &'a Subject,
    seeds: Range<u64>,
    threads: usize,
    next: AtomicU64,
    taken: AtomicU64,
    stopped: AtomicBool,
}

/// Whether there is more to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    GoOn,
    Stop,
}

impl<'a> Pool<'a> {
    pub(super) fn new(subject: &'a Subject, seeds: Range<u64>, threads: usize) -> Self {
        let (next, taken) = (AtomicU64::new(seeds.start), AtomicU64::new(seeds.start));
        Self { subject, seeds, threads, next, taken, stopped: AtomicBool::new(false) }
    }

    /// Tells all seeds and hands over what came of them in the order of the seeds, until `take` has enough or fails.
    pub(super) fn run(&self, mut take: impl FnMut(Told) -> std::io::Result<Sign>) -> std::io::Result<()> {
        std::thread::scope(|scope| {
            let (sender, receiver) = channel();
            for _ in 0..self.threads {
                let sender = sender.clone();
                scope.spawn(move || self.work(&sender));
            }
            drop(sender);
            let result = self.hand_over(&receiver, &mut take);
            self.stopped.store(true, Ordering::Relaxed);
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
                self.taken.store(due, Ordering::Relaxed);
                if take(told)? == Sign::Stop {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn work(&self, sender: &Sender<Told>) {
        loop {
            let seed = self.next.fetch_add(1, Ordering::Relaxed);
            // Until the slowest seed is told, what the others come to has to be kept.
            while seed > self.taken.load(Ordering::Relaxed) + AHEAD_MAX
                && !self.stopped.load(Ordering::Relaxed)
            {
                std::thread::yield_now();
            }
            if seed >= self.seeds.end || self.stopped.load(Ordering::Relaxed) {
                return;
            }
            if sender.send(self.subject.tell(seed)).is_err() {
                return;
            }
        }
    }
}
