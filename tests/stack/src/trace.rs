//! What is compared between two runs: everything clients and the node saw, with its simulated time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use eyot_io_sim::engine::SimTime;
use tokio::sync::Notify;

/// A list of what one run saw. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Trace(Arc<Mutex<Vec<String>>>);

/// What one actor has seen and nobody has asked for yet. Cheap to clone.
#[derive(Debug)]
pub struct Seen<T>(Arc<Waiting<T>>);

#[derive(Debug)]
struct Waiting<T> {
    seen: Mutex<Vec<T>>,
    more: Notify,
}

impl Trace {
    /// Adds a line.
    pub fn note(&self, at: SimTime, who: &str, what: &str) {
        let nanos = at.as_nanos();
        let line = format!("{:>6}.{:09} {who:<8} {what}", nanos / 1_000_000_000, nanos % 1_000_000_000);
        lock(&self.0).push(line);
    }

    /// Returns the lines so far.
    pub fn lines(&self) -> Vec<String> {
        lock(&self.0).clone()
    }
}

impl<T> Seen<T> {
    /// Creates an empty list.
    pub fn new() -> Self {
        Self(Arc::new(Waiting { seen: Mutex::new(Vec::new()), more: Notify::new() }))
    }

    /// Adds what was seen.
    pub fn push(&self, what: T) {
        lock(&self.0.seen).push(what);
        self.0.more.notify_one();
    }

    /// Waits for the first thing of which `wanted` makes something, and forgets it and all before it.
    pub async fn until<R>(&self, wanted: impl Fn(&T) -> Option<R>) -> R {
        loop {
            {
                let mut seen = lock(&self.0.seen);
                let found = seen.iter().enumerate().find_map(|(index, what)| Some((index, wanted(what)?)));
                if let Some((index, found)) = found {
                    seen.drain(..=index);
                    return found;
                }
            }
            self.0.more.notified().await;
        }
    }

    /// Tells whether any of what is left is `wanted`.
    pub fn holds(&self, wanted: impl Fn(&T) -> bool) -> bool {
        lock(&self.0.seen).iter().any(wanted)
    }
}

impl<T> Clone for Seen<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
