//! What streams, services and the node tell each other.

mod condition;
mod group;
mod moving;
mod owned;
mod peer;
mod routed;
mod stream;

pub(crate) use condition::Condition;
pub(crate) use group::{DomainIx, GroupId, GroupKind};
pub(crate) use moving::{Claim, Kept, Moving, Passage, Shipment};
pub(crate) use owned::{Far, OwnedFrame, OwnedSince};
pub(crate) use peer::{
    About, Commit, Crowd, FromPeer, Granted, Guest, Haste, Have, Hello, News, Sealed, Supply, ToPeer,
};
pub(crate) use routed::{Left, Relay, RelayFault, Routed};
pub(crate) use stream::{
    Activity, Bind, Enable, Enabled, FromStream, Leaves, NotResumed, Resume, Resumed, ToStream,
};
