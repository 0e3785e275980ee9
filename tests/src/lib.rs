//! What checks share that need more than one crate.

pub mod targets;
