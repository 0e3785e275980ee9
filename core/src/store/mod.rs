//! What is persisted: keys, records, and the batches and queries that carry them out of the core.

mod batch;
mod key;
mod record;
mod rows;

pub use batch::{Row, StoreBatch, StoreError, StoreQuery, Write};
pub use key::{Key, Table};
pub use record::{
    AccountRecord, AccountSource, MembershipRecord, NodeRecord, RecordError, ScramRecord, Stage,
};
pub use rows::Rows;

pub(crate) use record::{decode, encode};
