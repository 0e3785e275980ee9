//! What can wait while nobody looks at a client.
//!
//! Implements: XEP-0352 1.0.0, sections 3.2 and 5. Complete: presence is held, the newest of each address; so are messages that hold
//! nothing but a chat state. Anything else goes at once, behind what was held.
//!
//! Shown by: scenarios/service/inactive.scn, core/src/node/tests/csi.rs.

use crate::jid::FullJid;
use crate::limits::Limits;
use crate::session::{Lazy, LazyKind};
use crate::stanza::{Kind, PresenceType, Stanza};
use crate::xml::ns;

/// Returns how a stanza, or a copy of it, waits for the client of `own`; nothing when it does not.
pub(crate) fn lazy(stanza: &Stanza, own: &FullJid, limits: &Limits) -> Option<Lazy> {
    let from = stanza.from.clone();
    let name = match stanza.kind {
        Kind::Presence(PresenceType::Available | PresenceType::Unavailable) => (LazyKind::Presence, from),
        Kind::Message(_) if is_chat_state(stanza) => match &stanza.to {
            Some(to) if from.bare_str() == own.as_jid().bare_str() => (LazyKind::OwnChatState, to.clone()),
            Some(_) | None => (LazyKind::ChatState, from),
        },
        Kind::Presence(_) | Kind::Message(_) | Kind::Iq(_) => return None,
    };
    let (stanzas_max, bytes_max) = (limits.held_stanzas, limits.held_bytes);
    Some(Lazy { name, stanzas_max, bytes_max })
}

/// Whether a message says what somebody does in a chat and nothing else. The thread that it belongs to and hints say nothing.
fn is_chat_state(stanza: &Stanza) -> bool {
    let mut state = false;
    for child in stanza.children() {
        match (child.ns(), child.name()) {
            (ns::CHAT_STATES, _) => state = true,
            (ns::HINTS, _) | (ns::CLIENT, "thread") => {}
            _ => return false,
        }
    }
    state
}
