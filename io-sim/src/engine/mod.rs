//! The engine: time, one event queue, keyed entropy, the hash of everything that happened.
//!
//! It knows nothing of networks or nodes.

mod entropy;
mod hash;
mod queue;
mod time;
mod wheel;

pub use entropy::{Drawer, Entropy, Key, Purpose};
pub use hash::TraceHash;
pub use queue::Queue;
pub use time::{SimSpan, SimTime};
