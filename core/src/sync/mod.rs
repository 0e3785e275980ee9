//! What is synchronised with other nodes, as it stands in the store: which entries there are, and which of them are held.
//!
//! Reading order: `entry` (what travels), `index` (where each entry stands), `group` (what is held).

#[cfg(test)]
pub(crate) mod check;
mod entry;
mod group;
mod index;

pub(crate) use entry::{Blob, Entry, LargeChange, Letter, Parties, Party};
pub(crate) use group::{Groups, Name, vector_range};
