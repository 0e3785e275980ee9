//! How a client proves who it is: SASL mechanisms as machines over bytes.
//!
//! Implements: RFC 6120, sections 6.3.5, 6.5 and 13.9.1; RFC 5802; RFC 7677; RFC 4616; RFC 5929, section 4;
//! RFC 9266; XEP-0440 1.0.0. Complete on the server's side.
//!
//! The machines see payloads, not XML. They prepare no names: a username is compared as an address, which
//! is the caller's.

mod binding;
mod keys;
mod mechanism;
mod payload;
mod plain;
mod scram;

pub use binding::binding_types;
pub use keys::{SALT_BYTES, decoy, derive, plain_matches, record};
pub use mechanism::{Mechanism, SaslFailure, offered};
pub use payload::{decode_payload, encode_payload};
pub use plain::Plain;
pub use scram::ScramServer;
