//! Accounts: created, changed, removed and listed, for operators and for in-band registration alike.
//!
//! Nothing is answered before it is durable.

mod change;
mod list;

pub(crate) use change::{Accounts, Asker, Change, Wish};
