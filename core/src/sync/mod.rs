//! What is synchronised with other nodes, as it stands in the store: which entries there are, and which of them are held.
//!
//! Reading order: `entry` (what travels), `index` (where each entry stands), `held` (how much is held, as it is stored), `group`
//! (the same in memory), `loose` (what is held beside that), `ring` (what other nodes may still ask for), `take` (what comes from them), `kept` (what of that is for
//! something that is damaged), `have` (what they are told that is held), `send` and `pick` (what is looked up for them), `commit`
//! (what they have looked up).

mod beside;
#[cfg(test)]
pub(crate) mod check;
mod commit;
mod entry;
mod group;
mod have;
mod held;
mod index;
mod kept;
mod loose;
mod pick;
mod ring;
mod send;
mod take;

pub(crate) use beside::{is_full, received};
pub(crate) use entry::{Blob, Ends, Entry, Ids, LargeChange, LargeRecord, Letter, Parties, Party, haste_of};
pub(crate) use group::{Groups, Name};
pub(crate) use held::{shared_rows, vector_range};
pub(crate) use index::{Found, LetterHead, index_row};
pub(crate) use kept::{Part, Unread, first_kept};
pub(crate) use pick::Picked;
pub(crate) use send::{Bodies, Queued, Step};
pub(crate) use take::{Offered, Taken, What};
