//! One direction of a TCP connection, as Linux carries it, without sockets and without a clock.

mod congestion;
mod params;
mod receiver;
mod recovery;
mod rtt;
mod sender;
mod stream;
#[cfg(test)]
mod tests;
mod timer;
mod wire;

pub use params::{Congestion, Keepalive, SynTimer, TcpParams};
pub use receiver::Reader;
pub use stream::{Stream, Wake};
pub use wire::{WireEvent, WireEventKind};
