//! Contact lists and subscriptions.
//!
//! Reading order: `step` (what a subscription stanza changes, as one table), `subscribe` (what is written and who is
//! told), `item` (what a client may put into its roster), `list` (the requests of clients), `version` and `push` (what
//! clients are told), `leave` (the end of an account).

mod item;
mod leave;
mod list;
mod push;
mod step;
mod subscribe;
mod version;

pub(crate) use leave::{leave, may_leave, tell_left};
pub(crate) use list::Roster;
pub(crate) use push::push;
pub(crate) use subscribe::interested;
