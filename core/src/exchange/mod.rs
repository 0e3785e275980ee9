//! What streams, services and the node tell each other.

mod condition;
mod peer;
mod stream;

pub(crate) use condition::Condition;
pub(crate) use peer::{FromPeer, Hello};
pub(crate) use stream::{
    Activity, Bind, Enable, Enabled, FromStream, Leaves, NotResumed, Resume, Resumed, ToStream,
};
