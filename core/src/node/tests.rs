//! What a client sees of one node, for what is too fine for a scenario.

mod accounts;
mod archives;
mod messages;
mod acks;
mod crash;
mod expiry;
mod resumption;
mod roster;
mod roster_life;
mod roster_presence;
mod roster_states;
mod stanzas;
mod streams;

use crate::jid::BareJid;

fn jid(text: &str) -> BareJid {
    BareJid::parse(text).unwrap()
}
