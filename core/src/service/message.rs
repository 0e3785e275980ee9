//! Messages between accounts.
//!
//! Implements: RFC 6121, section 5. Complete but for archives.

use std::collections::VecDeque;

use super::carbons::copy_sent;
use super::cx::Cx;
use super::effect::{Delivery, Effect};
use crate::jid::FullJid;
use crate::session::{Slot, What};
use crate::stanza::{Stanza, StanzaError};

/// Takes a message for an account of this node.
pub(crate) fn handle_message(cx: &mut Cx<'_>, stanza: Stanza) {
    let delivery = Delivery { stanza, op: None, what: What::Message };
    let copied = delivery.stanza.clone();
    cx.effect(Effect::Deliver(delivery));
    copy_sent(cx, &copied, None);
}

/// Finds others for what a session never got, or tells its senders (XEP-0198, 5: as if sent to an unavailable resource).
pub(crate) fn handle_undelivered(cx: &mut Cx<'_>, _: &FullJid, slots: VecDeque<Slot>) {
    for slot in slots {
        match slot.what {
            What::Stored(_) | What::Other => {}
            What::Message | What::Request => {
                let stanza = Stanza::parse(slot.packet.to_vec().into());
                let error = stanza.and_then(|stanza| stanza.error(StanzaError::ServiceUnavailable));
                cx.effects.extend(error.map(Effect::Route));
            }
        }
    }
}
