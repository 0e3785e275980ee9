//! What oracles must find, and what they must not.

mod accounts;
mod agreed;
mod blocked;
mod case;
mod chaos;
mod entries;
mod kept;
mod links;
mod nodes;
mod promises;
mod resumed;
mod sessions;
mod silence;
mod stanzas;
