//! What a run was, as its clients and operators can know it: connections, sessions over time, stanzas and whose they are.
//!
//! What a node does between two sights of a client is not known, so the model keeps two spans for each session: when
//! it was surely bound, and when it may have been. A session is surely bound as long as the server went on to answer
//! it on that connection: streams keep order, so an answer to a later request proves that all before it was handled.

mod between;
mod blocks;
mod conn;
mod ledger;
mod listing;
mod matching;
mod presence;
mod run;
mod session;
mod stanza;
mod trouble;
mod undone;

pub use blocks::Blocks;
pub use conn::{Conn, Mark};
pub use ledger::{Account, Ledger, Question, States, Told, Wish};
pub use listing::{Listed, Listing, listings};
pub use presence::{Wanted, maybe_takes, own_probes, priority_of, surely_takes, was_told};
pub use run::{Run, is_about_account};
pub use session::{FOREVER, Session};
pub use stanza::{Kind, Stanza, To};
pub use trouble::{Trouble, Troubles, Whose, Wrong};
