//! Verbs and expectations that are in the grammar and wait for a capability.
//!
//! A line of one of these forms is read to its end, with every name and value checked; doing it is pending. Whoever
//! builds the capability writes the act and takes the form out.

mod account;
mod act;
mod cluster;
mod federation;
mod form;
mod history;
mod labels;
mod place;
mod pubsub;
mod room;
mod upload;

pub use act::forms;
pub(super) use act::{client, expect, expect_client, expect_node, leading, node};
pub use form::{Before, Form, Names};
pub(super) use place::check;
