//! What streams, services and the node tell each other.

mod condition;
mod group;
mod peer;
mod stream;

pub(crate) use condition::Condition;
pub(crate) use group::{DomainIx, GroupId, GroupKind};
pub(crate) use peer::{FromPeer, Hello, News, Sealed, Supply};
pub(crate) use stream::{
    Activity, Bind, Enable, Enabled, FromStream, Leaves, NotResumed, Resume, Resumed, ToStream,
};
