//! The network: links as data, paths with a rate and a delay, streams that deliver in order.

mod path;
mod profile;
mod stream;
mod wire;

pub use path::Path;
pub use profile::{LinkProfile, builtin};
pub use stream::{Stream, TcpParams, Wake};
pub use wire::{WireEvent, WireKind};
