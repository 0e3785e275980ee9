//! Fuzz targets: functions from arbitrary bytes to a verdict. They panic when something is wrong.
//!
//! `tests/tests/fuzz.rs` runs them on stable for a fixed number of rounds and over the corpora;
//! `tests/fuzz` hands them to cargo-fuzz.

pub mod jid;
pub mod node;
pub mod peer;
pub mod xml;

/// One target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, which is also that of its corpus.
    pub name: &'static str,
    /// Panics when something is wrong with what the bytes mean.
    pub run: fn(&[u8]),
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target { name: "jid", run: jid::bytes },
    Target { name: "node", run: node::bytes },
    Target { name: "peer", run: peer::bytes },
    Target { name: "xml", run: xml::bytes },
];
