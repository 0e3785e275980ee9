//! The swarm: a template and a seed make a concrete plan, which is the text of a scenario.
//!
//! Reading order: [`Template`] (the `swarm` lines of a file), [`Plan`] (warm-up, chaos in acts, heal,
//! settle, probes). Each item of a plan
//! draws with a key of its own, so that a template that grows by one item leaves the others where they were.

mod acts;
mod cast;
mod deed;
mod dice;
mod family;
mod fault;
mod odd;
mod plan;
mod template;
mod valid;

pub use family::Family;
pub use plan::Plan;
pub use template::{Range, Template, tell};
