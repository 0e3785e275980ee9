//! Members and what is known of them. It knows no links and no entries.

mod reach;

pub(crate) use reach::{Reach, Turn};
