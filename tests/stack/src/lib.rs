//! The production driver in a simulated world: `io-tokio`, compiled against the simulator's tokio, over the
//! streams of `io-sim`, with real TLS at both ends.
//!
//! Reading order: [`stage`] (one run of one story), [`net`] (the streams behind the driver's `Net` seam),
//! [`disk`], [`host`] (the machine with the node), [`person`] (a client), [`trace`] (what is compared).
//!
//! Everything runs on one thread, in an order drawn from a seed. What is not drawn from it: the bytes that TLS
//! makes. They are always as many, so nothing that a story can see depends on them.

#![expect(clippy::missing_panics_doc, reason = "whatever panics here is a story that has failed")]

#[cfg(not(madsim))]
compile_error!("the stack is built with `--cfg madsim`: run `cargo xtask stack`");

#[cfg(madsim)]
pub mod disk;
#[cfg(madsim)]
pub mod host;
#[cfg(madsim)]
pub mod identity;
#[cfg(madsim)]
pub mod net;
#[cfg(madsim)]
pub mod person;
#[cfg(madsim)]
pub mod stage;
#[cfg(madsim)]
pub mod trace;
