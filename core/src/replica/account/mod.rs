//! The replicated state of one account: credentials, roster, subscriptions, blocks, preferences.
//!
//! Reading order: [`name`](CellName) (which cells there are), [`value`](Value) (what stands in them and which of concurrent
//! writes counts), `contact` (the cells of a contact), [`life`](Life) (whose account they are of), [`state`](Account) (all of them, and
//! what they say together), [`write`](Change) (how they are written), `merge` (how writes come together), `row` (how they are stored).

mod contact;
mod few;
mod life;
mod merge;
mod name;
mod row;
#[cfg(test)]
mod sample;
mod state;
mod value;
mod write;

pub use life::{Life, Lives, Met};
pub use name::CellName;
pub use row::RowError;
pub use state::{Account, Listing, Login};
pub use value::{Archiving, Author, Credentials, Item, Prefs, Status, Value};
pub use write::Change;
