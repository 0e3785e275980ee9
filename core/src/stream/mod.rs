//! One XML stream: the part of a connection that ends with its socket.
//!
//! Implements: RFC 6120, sections 4 to 7; XEP-0198 1.6.3, the elements. Complete for client-to-server streams.

mod c2s;
mod cx;
mod login;
mod manage;
mod negotiate;
mod write;

pub(crate) use c2s::C2s;
pub(crate) use cx::{Decoys, StreamCx};
