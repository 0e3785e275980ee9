//! The accounts that are in use: their replicated state, in memory while they have sessions and a while longer.

mod hot;
mod rows;

pub(crate) use hot::{Accounts, Loaded};
pub(crate) use rows::{
    account_key, cell_key, exists, has_room, login_query, query, read, remains, remove, unlist,
};
