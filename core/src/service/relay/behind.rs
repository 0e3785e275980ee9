//! Messages of other nodes that have come ahead of what their senders had relayed before: they wait for that.
//!
//! A message that is written travels on its own ways: over any node, and with a scan. What was relayed goes straight, and when the link
//! breaks it goes again. Whoever has the message first lets it wait, no longer than a relayed stanza would wait for a message.
//!
//! Rests on the replication rules R13 (scope) and R18 (relayed frames).

use std::collections::BTreeMap;

use super::UNTAKEN_MAX;
use crate::exchange::GroupId;
use crate::replica::Dot;
use crate::time::Instant;

/// Bytes of all of them. Beyond: they wait for nothing.
const BYTES_MAX: usize = 8 << 20;

/// A message, by where it is written.
type Place = (GroupId, Dot);

/// What waits, by the node and the number of what it waits for.
#[derive(Debug, Default)]
pub(super) struct Behind {
    waiting: BTreeMap<(u32, u64, Place), (usize, Instant)>,
    bytes: usize,
}

impl Behind {
    /// Lets a message of some bytes wait for a stanza, at most until `deadline`. Returns whether there was room.
    pub(super) fn wait(
        &mut self,
        (node, id): (u32, u64),
        place: Place,
        (bytes, deadline): (usize, Instant),
    ) -> bool {
        if self.waiting.len() >= UNTAKEN_MAX || self.bytes + bytes > BYTES_MAX {
            return false;
        }
        let before = self.waiting.insert((node, id, place), (bytes, deadline));
        self.bytes = self.bytes + bytes - before.map_or(0, |(bytes, _)| bytes);
        true
    }

    /// Returns what is waited for that `is_over` picks, and all that wait for it: they wait no more.
    pub(super) fn take(
        &mut self,
        is_over: impl Fn((u32, u64), Instant) -> bool,
    ) -> (Vec<(u32, u64)>, Vec<Place>) {
        if self.waiting.is_empty() {
            return (Vec::new(), Vec::new());
        }
        let over = self.waiting.iter().filter(|((node, id, _), (_, due))| is_over((*node, *id), *due));
        let mut stanzas: Vec<(u32, u64)> = over.map(|((node, id, _), _)| (*node, *id)).collect();
        stanzas.dedup();
        let mut places = Vec::new();
        self.waiting.retain(|(node, id, place), (bytes, _)| {
            let over = stanzas.binary_search(&(*node, *id)).is_ok();
            if over {
                places.push(*place);
                self.bytes -= *bytes;
            }
            !over
        });
        (stanzas, places)
    }

    /// Returns when the first of them waits no more.
    pub(super) fn due(&self) -> Option<Instant> {
        self.waiting.values().map(|(_, deadline)| *deadline).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{DomainIx, GroupKind};
    use crate::replica::Origin;

    #[test]
    fn what_waits_is_bounded_and_goes_with_what_it_waits_for_or_when_its_time_has_come() {
        let at = Instant::from_micros;
        let group = GroupId { domain: DomainIx(0), kind: GroupKind::Logs, shard: 0 };
        let place = |seq| (group, Origin { node: 1, start: 1, random: 1 }.dot(seq));
        let mut behind = Behind::default();
        assert!(behind.wait((1, 5), place(1), (10, at(50))) && behind.wait((1, 7), place(2), (10, at(40))));
        assert!(behind.wait((1, 7), place(3), (10, at(45))) && behind.wait((2, 5), place(4), (10, at(60))));
        assert!(!behind.wait((2, 5), place(5), (BYTES_MAX, at(60))), "no room");
        assert_eq!(behind.due(), Some(at(40)));
        assert_eq!(behind.take(|stanza, _| stanza == (1, 6)), (vec![], vec![]));
        assert_eq!(behind.take(|stanza, _| stanza == (1, 5)), (vec![(1, 5)], vec![place(1)]));
        let late = behind.take(|_, due| due <= at(40));
        assert_eq!(late, (vec![(1, 7)], vec![place(2), place(3)]), "all that wait for one go together");
        assert!(behind.wait((2, 5), place(6), (BYTES_MAX - 10, at(60))), "what has gone takes no room");
        assert_eq!(behind.take(|(node, _), _| node == 2), (vec![(2, 5)], vec![place(4), place(6)]));
        assert_eq!((behind.due(), behind.bytes), (None, 0));
        for seq in 1..=UNTAKEN_MAX as u64 {
            assert!(behind.wait((3, 1), place(seq), (0, at(50))), "{seq}");
        }
        assert!(!behind.wait((3, 1), place(9_999), (0, at(50))));
    }
}
