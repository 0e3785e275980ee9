//! The transcript: what clients and operators saw, one line an event, pleasant to read.

mod alias;
mod describe;
mod lines;
mod steady;

pub use lines::{Form, Line, Transcript};

pub(crate) use alias::Aliases;
pub(crate) use describe::{Place, node_sight, refusal_words, sight};
