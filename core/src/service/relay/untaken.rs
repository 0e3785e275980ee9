//! What clients have sent to those of other nodes and their nodes have not taken yet, by who and to whom: the next message names it, and
//! is shown to nobody there before it.
//!
//! Rests on the replication rules R13 (scope) and R18 (relayed frames).

use std::collections::{BTreeMap, BTreeSet};

use crate::jid::{BareJid, Jid};
use crate::stanza::Stanza;

/// Who says it, and to which account.
type Scope = (Jid, BareJid);

/// A frame: to which node, and its number.
type Frame = (u32, u64);

/// All of it. Whoever sends bounds it.
#[derive(Debug, Default)]
pub(super) struct Untaken {
    by: BTreeMap<Scope, BTreeSet<Frame>>,
}

impl Untaken {
    /// Takes note of a frame with this stanza.
    pub(super) fn note(&mut self, stanza: &Stanza, frame: Frame) {
        self.by.entry(scope(stanza)).or_default().insert(frame);
    }

    /// A frame with this stanza was taken, or will not be.
    pub(super) fn forget(&mut self, stanza: &Stanza, frame: Frame) {
        let scope = scope(stanza);
        let Some(frames) = self.by.get_mut(&scope) else { return };
        frames.remove(&frame);
        if frames.is_empty() {
            self.by.remove(&scope);
        }
    }

    /// Returns what the sender of a stanza has sent before to the account that it is for: the last frame for each node.
    pub(super) fn before(&self, stanza: &Stanza) -> Vec<Frame> {
        if self.by.is_empty() {
            return Vec::new();
        }
        let frames = self.by.get(&scope(stanza)).into_iter().flatten().copied();
        frames.collect::<BTreeMap<u32, u64>>().into_iter().collect()
    }
}

fn scope(stanza: &Stanza) -> Scope {
    let to = stanza.to.as_ref().unwrap_or(&stanza.from);
    (stanza.from.clone(), to.bare())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stanza::{Kind, MessageType};

    #[test]
    fn of_each_node_the_last_frame_is_named_that_was_not_taken() {
        let jid = |text| Jid::parse(text).unwrap();
        let to = |to| {
            Stanza::make(Kind::Message(MessageType::Chat), jid("amy@x.example/desk"), jid(to), None, &[])
        };
        let (phone, bare, eve) = (to("bob@x.example/phone"), to("bob@x.example"), to("eve@x.example"));
        let mut untaken = Untaken::default();
        assert!(untaken.before(&bare).is_empty());
        for frame in [(2, 5), (3, 6), (2, 7)] {
            untaken.note(&phone, frame);
        }
        assert_eq!((untaken.before(&bare), untaken.before(&eve)), (vec![(2, 7), (3, 6)], vec![]));
        untaken.forget(&bare, (2, 7));
        untaken.forget(&eve, (3, 6));
        assert_eq!(untaken.before(&bare), [(2, 5), (3, 6)]);
        untaken.forget(&bare, (2, 5));
        untaken.forget(&bare, (3, 6));
        assert!(untaken.by.is_empty());
    }
}
