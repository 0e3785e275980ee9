//! The simulated world: `eyot_core::Node` and simulated clients on one event queue.
//!
//! Reading order: [`engine`] (time, queue, keyed entropy), [`net`] (links and streams), [`disk`], [`tls`],
//! [`client`] (the simulated XMPP client), [`world`] (what happens next), [`script`] (scenario files),
//! [`oracle`] (who judges a run), [`transcript`] (what a person reads), [`view`] (what a person looks at), [`replay`]
//! (recordings), [`repro`] (failures made small). Same scenario, same seed: same bytes, on every machine.

pub mod client;
pub mod disk;
pub mod engine;
pub mod fault;
pub mod load;
pub mod net;
pub mod oracle;
pub mod replay;
pub mod repro;
pub mod script;
pub mod swarm;
pub mod sweep;
pub mod tls;
pub mod transcript;
pub mod view;
pub mod world;
