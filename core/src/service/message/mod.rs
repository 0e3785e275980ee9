//! Messages between accounts: which are kept and for whom, and those that nobody has been given yet.

mod accept;
mod drain;
mod keep;
mod line;
mod mark;
mod owed;
mod owing;
mod recall;
mod settled;
mod taken;
mod taker;
mod undelivered;
mod worth;

pub(crate) use accept::{Heard, Messages, Sender};
