//! What the driver asks of a store, and how a group of such requests is carried out.
//!
//! Group commit: whatever has gathered while the last group was written becomes one transaction.

use eyot_core::io::{Input, OpId};
use eyot_core::store::{StoreBatch, StoreError, StoreQuery};

use super::engine::{Engine, Pace};
use crate::driver::Handle;

/// How many operations become one group.
pub const GROUP_MAX: usize = 256;

/// One request.
#[derive(Clone, Debug)]
pub enum StoreOp {
    /// Make the batch durable.
    Store(OpId, StoreBatch),
    /// Read.
    Load(OpId, StoreQuery),
}

/// Where the driver sends requests. Each is answered once, by [`Handle::answer`].
pub trait Store: Send {
    /// Takes a request; never waits. The driver stops reading from connections while too many are open, which
    /// bounds the queue behind this call.
    fn submit(&mut self, op: StoreOp);
}

/// A store without a thread of its own: requests are carried out at once, in memory or on a simulated disk.
#[derive(Debug)]
pub struct InlineStore {
    engine: Engine,
    handle: Handle,
}

impl InlineStore {
    /// Creates a store whose answers go to `handle`.
    pub fn new(engine: Engine, handle: Handle) -> Self {
        Self { engine, handle }
    }
}

impl Store for InlineStore {
    fn submit(&mut self, op: StoreOp) {
        let answers = perform(&mut self.engine, vec![op]);
        self.engine.checkpoint(Pace::Busy);
        let handle = self.handle.clone();
        tokio::spawn(async move {
            for answer in answers {
                handle.answer(answer).await;
            }
        });
    }
}

/// Carries out a group and returns the answers in the order of the requests.
///
/// All batches come first, as one transaction, then the reads: a read may see a batch that was asked for after
/// it, which the contract allows. When the transaction fails each batch is tried alone, so that one too
/// large for the disk fails alone.
///
/// # Panics
///
/// Never: each batch has its outcome.
pub fn perform(engine: &mut Engine, group: Vec<StoreOp>) -> Vec<Input> {
    let batches: Vec<StoreBatch> = group
        .iter()
        .filter_map(|op| match op {
            StoreOp::Store(_, batch) => Some(batch.clone()),
            StoreOp::Load(..) => None,
        })
        .collect();
    let mut outcomes = apply(engine, &batches).into_iter();
    group
        .into_iter()
        .map(|op| match op {
            StoreOp::Store(op, _) => {
                Input::Stored { op, outcome: outcomes.next().expect("one outcome for each batch") }
            }
            StoreOp::Load(op, query) => Input::Loaded { op, outcome: engine.query(&query) },
        })
        .collect()
}

fn apply(engine: &mut Engine, batches: &[StoreBatch]) -> Vec<Result<(), StoreError>> {
    match batches {
        [] => Vec::new(),
        [one] => vec![engine.apply(std::slice::from_ref(one))],
        many => match engine.apply(many) {
            Ok(()) => vec![Ok(()); many.len()],
            Err(_) => many.iter().map(|batch| engine.apply(std::slice::from_ref(batch))).collect(),
        },
    }
}
