//! One XML stream: the part of a connection that ends with its socket.
//!
//! Implements: RFC 6120, sections 4 to 7. Complete for client-to-server streams.

mod c2s;
mod cx;
mod login;
mod negotiate;
mod write;

pub(crate) use c2s::C2s;
pub(crate) use cx::{Decoys, StreamCx};
