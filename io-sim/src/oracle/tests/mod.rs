//! What oracles must find, and what they must not.

mod case;
mod silence;
