//! What oracles must find, and what they must not.

mod accounts;
mod case;
mod chaos;
mod sessions;
mod silence;
mod stanzas;
