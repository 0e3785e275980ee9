//! The world: nodes, clients, links and what happens next.
//!
//! [`World::step`] takes one event out of the queue and does all that follows from it at that instant. Whoever
//! runs a world (a scenario, a benchmark) adds nodes and clients, tells clients what to do, applies
//! faults between steps, and reads the [`Record`]s.

mod backlog;
mod client;
mod clock;
mod conn;
mod deliver;
mod drive;
mod effect;
mod event;
mod fault;
mod history;
mod host;
mod inject;
mod lag;
mod linked;
mod links;
mod peers;
mod recorder;
mod state;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_of_draws;
#[cfg(test)]
mod tests_of_faults;
#[cfg(test)]
mod tests_of_links;
mod trace;
mod watch;
mod wire;

pub use backlog::Backlog;
pub use history::{Actor, ClientIx, Near, NodeIx, NodeSight, Record, WorldSight};
pub use host::Life;
pub use linked::{EntrySight, LinkFact, LinkSight};
pub use peers::peer_key;
pub use recorder::Recording;
pub use state::{Options, Slices, Step, World};
pub use trace::{Link, Window};
pub use wire::{Moment, Span, Track, Wired};
