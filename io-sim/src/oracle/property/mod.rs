//! What a fleet of runs must show: a property that no run ever shows is one that is not tested.
//!
//! Besides what clients and operators saw, these may read what nodes say of themselves.

mod list;
mod reachable;
mod sometimes;

pub(super) use list::of_run;
pub use list::{PROPERTIES, Property, PropertyKind, UNREACHED};
