//! The archives of accounts as they are stored: what is written of a message, where, and what is known of an archive
//! as a whole.
//!
//! Rests on the replication rules R14 (two logs), R16 (one stanza, one message) and R27 (retention).

mod id;
mod keys;
mod open;
mod record;
mod repeats;
mod table;

pub(crate) use id::{EntryId, IdKey};
pub(crate) use keys::{
    id_key, log_key, log_range, message_key, owed_key, owed_range, owner_of, place_of, table_range,
};
pub(crate) use open::{Open, Unread};
pub(crate) use record::{Direction, Entry, Held, Home, Message, reopened};
pub(crate) use repeats::{Name, Sent};
pub(crate) use table::{Archives, Known, known_of};
