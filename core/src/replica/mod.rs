//! State that several nodes hold: the replicated kinds. Nothing of the server is built on them yet; accounts, rosters and archives
//! will be.
//!
//! Reading order: [`origin`](Origin) (who wrote what), [`vector`](Vector) (what a node holds), [`clock`](Clock) (order without trust in
//! clocks), [`cell`](Cell) (writes side by side), [`kinds`](Set) (values made of
//! cells), [`owned`](Owned) (what dies with its node).

mod account;
mod caps;
mod cell;
mod clock;
mod codec;
mod delivery;
mod edge;
mod flag;
mod group;
mod kinds;
mod law;
mod log;
mod lost;
#[cfg(test)]
mod model;
mod origin;
mod owned;
mod past;
mod rank;
mod scope;
mod vector;

pub use account::{
    Account, Archiving, Author, CellName, Change, Credentials, Item, Listing, Login, Prefs, RowError, Status,
    Value,
};
pub use caps::{Cap, Caps, STEPS_MAX};
pub use cell::{Applied, Cell, Context, Entry};
pub use clock::{Clock, Hlc, MAX_DRIFT_MS, PLACE_BYTES, Place};
pub use delivery::{Delivery, Given};
pub use edge::{Edge, Standing, Want};
pub use group::{Dotted, Group, Sync};
pub use kinds::{Keyed, Lww, Set};
pub use law::Replica;
pub use log::{Cursor, Inbound, Line, Log, Post};
pub use lost::{Closed, Closing};
pub use origin::{Dot, Dots, Origin};
pub use owned::{Heard, Owned, Report};
pub use past::Past;
pub use rank::{Grant, ranks, void};
pub use scope::{FRONTIER_MAX, Frontier, Join, Offered, WAITING_MAX, Waiting};
pub use vector::{Counted, SINGLES_MAX, Vector};
