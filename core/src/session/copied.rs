//! Which messages were copied: what tells an error that is copied from one that is not.
//!
//! Implements: XEP-0280 1.0.1, section 6.1, the rule for errors. Complete but for what a restart forgets.

use std::collections::VecDeque;

use crate::jid::BareJid;

/// Messages remembered; older ones are forgotten, and their errors are not copied.
const COPIED_MAX: usize = 32;
/// Bytes of an `id` that is remembered.
const ID_BYTES_MAX: usize = 128;

/// The last messages that a session has exchanged and that its account's other resources have copies of. Takes no memory until
/// there is one.
#[derive(Debug, Default)]
pub(crate) struct Copied {
    recent: VecDeque<(BareJid, Box<str>)>,
}

impl Copied {
    /// Takes note of a message from or to `peer`.
    pub(crate) fn note(&mut self, peer: BareJid, id: &str) {
        if id.len() > ID_BYTES_MAX {
            return;
        }
        if self.recent.len() >= COPIED_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back((peer, id.into()));
    }

    /// Returns whether an error from or to `peer` answers one of them.
    pub(crate) fn knows(&self, peer: &BareJid, id: &str) -> bool {
        self.recent.iter().any(|(other, known)| other == peer && **known == *id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_first() {
        let peer = BareJid::parse("bob@x.example").unwrap();
        let mut copied = Copied::default();
        for id in 0..=COPIED_MAX {
            copied.note(peer.clone(), &id.to_string());
        }
        copied.note(peer.clone(), &"x".repeat(ID_BYTES_MAX + 1));
        assert!(!copied.knows(&peer, "0") && copied.knows(&peer, "1"));
        assert!(!copied.knows(&BareJid::parse("eve@x.example").unwrap(), "1"));
    }
}
