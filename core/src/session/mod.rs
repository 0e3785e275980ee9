//! One bound resource. It owns what must outlive a socket; the stream it is attached to is only a number here.
//!
//! Implements: RFC 6120, section 8.1.2.1; RFC 6121, sections 4.2, 4.5 and 4.6; XEP-0198 1.6.3, sections 4 and 5. Complete.

mod acks;
mod below;
mod copied;
mod directed;
mod outbox;
mod resource;
mod said;
pub(crate) mod save;
mod ship;

pub(crate) use acks::{Acks, Claimant, Resuming};
pub(crate) use below::{About, Below, Note};
pub(crate) use copied::Copied;
pub(crate) use directed::Directed;
pub(crate) use outbox::{Lazy, LazyKind, Outbox, Slot, What};
pub(crate) use resource::{Arriving, FromClient, PresenceChange, Session, Wishes, number};
pub(crate) use said::{Said, Word};
pub(crate) use save::Saved;
pub(crate) use ship::{Arrival, Cargo, OpenRecord};
