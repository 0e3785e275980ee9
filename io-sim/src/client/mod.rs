//! The simulated XMPP client: a machine on the same XML front as the server, with everything else its own.
//!
//! [`Client`] takes [`ToClient`] in and gives [`FromClient`] out. It reports what it does and sees as
//! [`Sight`]s; those are all that transcripts, expectations and oracles read.

mod compose;
mod derive;
mod machine;
mod negotiate;
mod scram;
mod sight;

pub use compose::{Payload, Presence};
pub use derive::Derivations;
pub use machine::{Client, ClientConfig, Cx, FromClient, Goal, Op, Over, ToClient};
pub use scram::{Gs2, Scram, ScramError};
pub use sight::{Sight, condition_of};
