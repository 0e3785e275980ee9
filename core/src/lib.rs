//! A complete XMPP server node as a state machine.
//!
//! Reading order: [`io`] (what comes in, what goes out), [`node`] (the dispatcher), `stream` (one XML
//! stream), `session` (one bound resource), `router` (RFC 6121, section 8), `service` (who answers).
//! `docs/architecture.md` has the map, `docs/follow-a-stanza.md` the way of one message.

// A decision taken in floating point could differ from machine to machine (docs/promises.md, P9).
#![deny(clippy::float_arithmetic)]

pub mod config;
pub mod date_time;
pub mod entropy;
pub mod io;
pub mod jid;
pub mod limits;
pub mod node;
pub mod peer;
pub mod record;
pub mod replica;
pub mod sasl;
pub mod stanza;
pub mod store;
pub mod time;
pub mod trace;
pub mod xml;

mod account;
mod archive;
mod cluster;
mod directory;
mod exchange;
mod journal;
mod ledger;
mod map;
mod router;
mod service;
mod session;
mod stream;
mod sync;
mod timers;
