//! State that several nodes hold: the replicated kinds, and what is decided by them alone. `docs/replication.md` has the rules.
//!
//! Reading order: [`origin`](Origin) (who wrote what), [`past`](Past) (which starts a node knows of itself), [`vector`](Vector)
//! (what a node holds), [`clock`](Clock) and [`caps`](Caps) (order without trust in clocks), [`cell`](Cell) (writes side by side),
//! [`kinds`](Set) and [`account`](Account) (values made of cells), [`rank`](ranks) (whose writes count), [`log`](Log),
//! [`cover`](Cover), [`delivery`](Delivery) and [`mark`](Mark) (messages, and who was given them), [`scope`](Waiting) (what has to be shown before what),
//! [`owned`](Owned) (what dies with its node), [`group`](Group) (what is synchronised together), [`digest`](Names) (in what two nodes
//! differ), [`lost`](Closing) (what a dead node has taken along).

mod account;
mod base;
mod caps;
mod cell;
mod clock;
mod codec;
mod cover;
mod delivery;
mod digest;
mod edge;
mod flag;
mod group;
mod kinds;
mod law;
mod log;
mod lost;
mod mark;
#[cfg(test)]
mod model;
mod origin;
mod owned;
mod past;
mod quarantine;
mod rank;
mod runs;
#[cfg(test)]
mod sample;
mod scope;
mod vector;

pub use account::{
    Account, Archiving, Author, CellName, Change, Credentials, Item, Life, Listing, Lives, Login, Met, Prefs,
    RowError, Status, Value,
};
pub use base::{AGENTS_MAX, Advance, Agent, Agents, Bases, Told};
pub use caps::{Cap, Caps, STEPS_MAX};
pub use cell::{Applied, Cell, Context, Entry};
pub use clock::{Clock, Hlc, MAX_DRIFT_MS, PLACE_BYTES, Place};
pub use cover::Cover;
pub use delivery::{Delivery, Given};
pub use digest::{BRANCHES, Digest, LEAF, Names, Range, Reply};
pub use edge::{Edge, Standing, Want};
pub use group::{Dotted, Group, Sync};
pub use kinds::{Keyed, Lww, Set};
pub use law::Replica;
pub use log::{Cursor, Inbound, Line, Log, MessageName, Post};
pub use lost::{Closed, Closing, Republish, republish};
pub use mark::Mark;
pub use origin::{Dot, Dots, Origin};
pub use owned::{Heard, Owned, Report};
pub use past::Past;
pub use quarantine::{DROPPED_MAX, Dropped, FORGOTTEN_MAX, Forgotten, Guarded, Quarantine, is_doubtful};
pub use rank::{Grant, ranks, void};
pub use runs::Runs;
pub use scope::{FRONTIER_MAX, Frontier, Join, Offered, WAITING_MAX, Waiting};
pub use vector::{Counted, SINGLES_MAX, Vector};
