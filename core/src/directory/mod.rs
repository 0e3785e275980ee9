//! Who is online where: written by the node as sessions come and go, read by everybody.
//!
//! Reading order: `local` (the sessions of this node), `own` (what other nodes are told of them), `elsewhere` (what other nodes
//! say of theirs), `sight` (both together, the one question that services ask), `interest` (whom a change of another
//! node's sessions concerns).

mod elsewhere;
mod interest;
mod local;
mod own;
mod sight;
#[cfg(test)]
mod tests;

pub(crate) use elsewhere::{Change, Elsewhere, Gap};
pub(crate) use interest::Interest;
#[cfg(test)]
pub(crate) use local::UNENDED_MAX;
pub(crate) use local::{Directory, SessionId};
pub(crate) use own::Own;
pub(crate) use sight::{Online, Seen, Sight, Where};
