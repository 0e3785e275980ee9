//! The replicated state of one account: credentials, roster, subscriptions, blocks, preferences.
//!
//! Reading order: [`name`](CellName) (which cells there are), [`value`](Value) (what stands in them and which of concurrent
//! writes counts), [`life`](Life) (whose account they are of), [`state`](Account) (all of them, and what they say together), `write`
//! (how a node changes them), [`change`](Change) (how they grow and shrink), `row` (how they are stored).

mod change;
mod life;
mod name;
mod row;
mod state;
mod value;
mod write;

pub use change::Change;
pub use life::{Life, Lives, Met};
pub use name::CellName;
pub use row::RowError;
pub use state::{Account, Listing, Login};
pub use value::{Archiving, Author, Credentials, Item, Prefs, Status, Value};
