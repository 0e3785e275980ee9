//! The simulated XMPP client: a machine on the same XML front as the server, with everything else its own.
//!
//! [`Client`] takes [`ToClient`] in and gives [`FromClient`] out. It reports what it does and sees as
//! [`Sight`]s; those are all that transcripts and oracles read. Expectations ask it besides what it was told about its
//! account ([`Kept`]) and what was acknowledged ([`Acks`]).

mod acks;
mod archive;
mod compose;
mod derive;
mod former;
mod kept;
mod machine;
mod negotiate;
mod nonza;
mod op;
mod roster;
mod scram;
mod sight;
#[cfg(test)]
mod tests;
pub mod xmlns;

pub use acks::{Acks, Manage};
pub use archive::{Archive, Archived, CatchUp, Page, Query, carbon};
pub use compose::{Payload, Presence};
pub use derive::Derivations;
use former::Former;
pub use kept::{Ask, Kept};
pub use machine::{Client, Cx};
pub use nonza::Nonza;
pub use op::{ClientConfig, FromClient, Goal, Op, Over, ToClient};
pub use roster::{Contact, Roster};
pub use scram::{Gs2, Scram, ScramError};
pub use sight::{Sight, condition_of};
