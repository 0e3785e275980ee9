//! The thread that works on the store.

use std::io;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::{Builder, JoinHandle};

use crate::driver::Handle;
use crate::store::engine::{Engine, Pace};
use crate::store::queue::{GROUP_MAX, Store, StoreOp, perform};

/// A store on its own thread. Dropping it ends the thread after what was submitted.
#[derive(Debug)]
pub struct ThreadStore {
    // Unbounded, and yet bounded: the driver stops taking inputs while too many answers are due.
    queue: Sender<StoreOp>,
}

impl ThreadStore {
    /// Starts the thread; its answers go to `handle`. Who joins the thread knows that the store is closed.
    ///
    /// # Errors
    ///
    /// When the operating system gives no thread.
    pub fn start(engine: Engine, handle: Handle) -> io::Result<(Self, JoinHandle<()>)> {
        let (queue, ops) = channel();
        let thread = Builder::new().name("store".into()).spawn(move || work(engine, &ops, &handle))?;
        Ok((Self { queue }, thread))
    }
}

impl Store for ThreadStore {
    fn submit(&mut self, op: StoreOp) {
        // The thread ends only after this sender, unless it panicked, and that ends the process.
        let _ended = self.queue.send(op).is_err();
    }
}

fn work(mut engine: Engine, ops: &Receiver<StoreOp>, handle: &Handle) {
    while let Some(first) = next(&mut engine, ops) {
        let mut group = vec![first];
        group.extend(ops.try_iter().take(GROUP_MAX - 1));
        for answer in perform(&mut engine, group) {
            handle.answer_blocking(answer);
        }
        // Those who have waited know; who comes next waits for no more than is due.
        engine.checkpoint(Pace::Busy);
    }
}

/// Waits for a request, and uses the time until there is one.
fn next(engine: &mut Engine, ops: &Receiver<StoreOp>) -> Option<StoreOp> {
    loop {
        match ops.try_recv() {
            Ok(op) => return Some(op),
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) if engine.checkpoint(Pace::Idle) => {}
            Err(TryRecvError::Empty) => return ops.recv().ok(),
        }
    }
}
