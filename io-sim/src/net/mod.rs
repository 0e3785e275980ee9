//! The network: links as data, paths with a rate, a queue and a delay, streams that behave as Linux TCP.

mod path;
mod profile;
mod tcp;

pub use path::Path;
pub use profile::{BUILTIN, Direction, Line, LinkProfile, Loss, Phase, Queue, builtin};
pub use tcp::{Congestion, Keepalive, Reader, Stream, SynTimer, TcpParams, Wake, WireEvent, WireEventKind};
