//! The node: one input in, outputs until `Wait`. Dispatch only.

use crate::config::Config;
use crate::io::{Input, Output};
use crate::time::Now;

/// One XMPP server node.
///
/// The contract between a node and its driver:
///
/// - `now` never decreases (the monotonic half). Both drivers assert it.
/// - After [`Node::new`] and after each input, poll until [`Output::Wait`]. Outputs are computed when the
///   input is handled, so polling early or late changes nothing.
/// - Connections are accepted after [`Output::Ready`] only.
/// - Every connection begins with [`Input::Opened`] and ends with exactly one [`Input::Closed`], whoever closed.
///   Nothing arrives for a connection after its `Closed`; what the node sends there is ignored.
/// - Every [`Output::Store`], [`Output::Load`], [`Output::Derive`] is answered once. Stores are performed in order;
///   a load sees every store before it. No other order is promised.
/// - Outputs for one connection are performed in order.
/// - After `Tick` at or past `until`, the next `Wait` lies in the future. The drivers assert it.
/// - `handle_input` cannot fail: a peer's fault becomes outputs, the world's fault arrives as an input, a
///   broken invariant of ours panics.
#[derive(Debug)]
pub struct Node {
    config: Config,
}

impl Node {
    /// Creates a node. `seed` is the only entropy it will ever have.
    pub fn new(config: Config, seed: [u8; 32], now: Now) -> Self {
        unimplemented!("{config:?} {seed:?} {now:?}")
    }

    /// Takes one input in.
    pub fn handle_input(&mut self, now: Now, input: Input) {
        unimplemented!("{now:?} {input:?} {:?}", self.config)
    }

    /// Gives one output out; the last one is always [`Output::Wait`].
    pub fn poll_output(&mut self) -> Output {
        unimplemented!()
    }
}
