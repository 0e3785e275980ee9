//! The control socket: how `eyot user` speaks to a running node.
//!
//! One request and one answer a time, each a frame: its length (four bytes, big-endian) and so many bytes
//! of JSON. The socket belongs to the owner of the node and to root.

pub mod client;
pub mod server;
pub mod wire;
