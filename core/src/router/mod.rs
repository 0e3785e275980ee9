//! Where a stanza goes.
//!
//! Implements: RFC 6120, section 10; RFC 6121, section 8. Complete.

mod deliver;
mod route;
mod rules;

pub(crate) use deliver::{DeliverCx, Delivered, Scope, copy_sent, deliver, give, note_given};
pub(crate) use route::{Place, place};
