//! Envelopes: who sends what kind of stanza to whom. No extension is known here.
//!
//! Implements: RFC 6120, sections 8.1 to 8.3; RFC 6121, sections 4.7.1 and 5.2.2. Complete.

mod envelope;
mod error;
mod kind;

pub use envelope::{Packet, Stanza, StanzaFault};
pub use error::{ErrorType, StanzaError};
pub use kind::{IqType, Kind, MessageType, PresenceType};
