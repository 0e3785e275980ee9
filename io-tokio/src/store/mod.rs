//! The embedded store: one ordered key-value space in two files, a tree and a log before it.
//!
//! [`engine`] needs no runtime and runs on any [`redb::StorageBackend`], the simulated disk included.

mod disk;
pub mod engine;
mod error;
mod layer;
mod log;
#[cfg(feature = "server")]
pub mod queue;
mod scan;
mod tree;
