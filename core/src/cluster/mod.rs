//! Members and what is known of them. It knows no links and no entries.

mod confirm;
mod joining;
mod reach;
mod roll;
mod token;

pub(crate) use confirm::{Confirm, There};
pub(crate) use joining::{Admitted, JoinRequest};
pub(crate) use reach::{Reach, Turn};
pub(crate) use roll::{Founding, Pass, Roll, Seated, Unseated};
pub(crate) use token::{SEEDS_MAX, Seed, Side, Token, proof};
