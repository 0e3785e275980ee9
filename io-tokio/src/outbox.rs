//! What the node has said to one connection and its task has not done yet.
//!
//! Shared by the node's task and the connection's task. One lock covers what must be seen together: a
//! connection that may read again sees every output that came before that permission, so it never reads
//! plaintext past an [`Output::StartTls`](eyot_core::io::Output::StartTls).

use std::collections::VecDeque;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use eyot_core::io::CloseHow;

/// One thing to do, in order.
#[derive(Debug)]
pub(crate) enum Item {
    Bytes(Bytes),
    StartTls,
    Close,
}

/// Why a connection ends without another word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The node asked for it.
    Abort,
    /// More waits than the driver is willing to hold.
    Overflow,
}

#[derive(Debug)]
pub(crate) struct Outbox {
    bytes_max: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    items: VecDeque<Item>,
    /// Bytes pushed and not yet accepted by the operating system, wherever they are.
    waiting: usize,
    may_read: bool,
    intake: Intake,
    closing: bool,
    verdict: Option<Verdict>,
    /// The node's task will wake us at the end of its turn.
    touched: bool,
    waker: Option<Waker>,
}

/// Whether the node takes anything from the connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Intake {
    #[default]
    Open,
    /// The node is behind: no read is permitted.
    Held,
}

/// Whether the caller has to remember to call [`Outbox::end_turn`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Touched {
    First,
    Again,
}

impl Outbox {
    /// Creates an empty outbox that holds at most `bytes_max` bytes. Its connection may read.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, state: Mutex::new(State { may_read: true, ..State::default() }) }
    }

    /// Queues both pieces.
    pub(crate) fn send(&self, head: Bytes, body: Bytes) -> Touched {
        let mut state = self.lock();
        if !state.closing && state.verdict.is_none() {
            state.waiting = state.waiting.saturating_add(head.len()).saturating_add(body.len());
            if state.waiting > self.bytes_max {
                state.end(Verdict::Overflow);
            } else {
                state.items.extend([head, body].into_iter().filter(|b| !b.is_empty()).map(Item::Bytes));
            }
        }
        state.touch()
    }

    /// Queues the change to TLS.
    pub(crate) fn start_tls(&self) -> Touched {
        let mut state = self.lock();
        state.items.push_back(Item::StartTls);
        state.touch()
    }

    /// Queues the end, or ends at once.
    pub(crate) fn close(&self, how: CloseHow) -> Touched {
        let mut state = self.lock();
        match how {
            CloseHow::Graceful if !state.closing => state.items.push_back(Item::Close),
            CloseHow::Graceful => {}
            CloseHow::Abort => state.end(Verdict::Abort),
        }
        state.closing = true;
        state.touch()
    }

    /// Permits the next read: the node has processed the last one.
    pub(crate) fn permit_read(&self) -> Touched {
        let mut state = self.lock();
        state.may_read = true;
        state.touch()
    }

    /// Takes back the permission to read, or gives it again.
    pub(crate) fn set_intake(&self, intake: Intake) -> Touched {
        let mut state = self.lock();
        state.intake = intake;
        state.touch()
    }

    /// Wakes the connection's task. Called once at the end of a turn of the node, so that a burst becomes one
    /// write.
    pub(crate) fn end_turn(&self) {
        let waker = {
            let mut state = self.lock();
            state.touched = false;
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Moves what has come into `items` (which must be empty to be moved without copying) and says whether a
    /// read is permitted. Registers for the next [`Outbox::end_turn`].
    pub(crate) fn take(&self, cx: &Context<'_>, items: &mut VecDeque<Item>) -> Result<bool, Verdict> {
        let mut state = self.lock();
        state.register(cx);
        if let Some(verdict) = state.verdict {
            return Err(verdict);
        }
        if items.is_empty() {
            mem::swap(items, &mut state.items);
        } else {
            items.append(&mut state.items);
        }
        if state.items.capacity() > 0 {
            state.items = VecDeque::new();
        }
        Ok(state.intake == Intake::Open && mem::take(&mut state.may_read))
    }

    /// Becomes ready when the node wants the connection closed, in whatever way.
    pub(crate) fn poll_closing(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        state.register(cx);
        if state.closing || state.verdict.is_some() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Becomes ready when the connection has to end at once.
    pub(crate) fn poll_verdict(&self, cx: &Context<'_>) -> Poll<Verdict> {
        let mut state = self.lock();
        state.register(cx);
        state.verdict.map_or(Poll::Pending, Poll::Ready)
    }

    /// The operating system has accepted `bytes`.
    pub(crate) fn accepted(&self, bytes: usize) {
        let mut state = self.lock();
        state.waiting = state.waiting.saturating_sub(bytes);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock; if it did, the state would still be whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn end(&mut self, verdict: Verdict) {
        self.items = VecDeque::new();
        self.verdict.get_or_insert(verdict);
    }

    fn touch(&mut self) -> Touched {
        if mem::replace(&mut self.touched, true) { Touched::Again } else { Touched::First }
    }

    fn register(&mut self, cx: &Context<'_>) {
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            None => self.waker = Some(cx.waker().clone()),
        }
    }
}
