//! What a client sees of one node, for what is too fine for a scenario.

mod accounts;
mod acks;
mod crash;
mod expiry;
mod resumption;
mod stanzas;
mod streams;

use crate::jid::BareJid;

fn jid(text: &str) -> BareJid {
    BareJid::parse(text).unwrap()
}
