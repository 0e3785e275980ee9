//! Members and what is known of them. It knows no links and no entries.

mod confirm;
mod reach;

pub(crate) use confirm::{Confirm, There};
pub(crate) use reach::{Reach, Turn};
