//! Addresses: `local@domain/resource`, prepared once and compared by bytes.
//!
//! Implements: RFC 7622, sections 3.1 to 3.4; RFC 8264, section 8; RFC 8265, sections 3.3 and 4.2. Complete.

mod address;
mod bidi;
mod context;
mod domain;
mod precis;
mod profile;

pub use address::{BareJid, Domain, FullJid, Jid, JidError};
pub use precis::{Class, Property, derived_property};
pub use profile::{prepare_local, prepare_password};
