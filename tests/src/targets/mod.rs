//! Fuzz targets: functions from arbitrary bytes to a verdict. They panic when something is wrong.
//!
//! `tests/tests/fuzz.rs` runs them on stable for a fixed number of rounds and over the corpora;
//! `tests/fuzz` hands them to cargo-fuzz.

pub mod jid;
pub mod node;
pub mod xml;

/// Every target by its name, which is also the name of its corpus.
pub const TARGETS: &[(&str, fn(&[u8]))] = &[("jid", jid::bytes), ("node", node::bytes), ("xml", xml::bytes)];
