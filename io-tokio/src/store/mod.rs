//! The embedded store: one ordered key-value space on one disk.
//!
//! [`engine`] needs no runtime and runs on any [`redb::StorageBackend`], the simulated disk included.

mod disk;
pub mod engine;
#[cfg(feature = "server")]
pub mod queue;
