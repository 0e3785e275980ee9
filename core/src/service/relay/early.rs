//! Stanzas of other nodes that have come ahead of what their senders had said before: they wait for that.
//!
//! Rests on the replication rules R13 (scope) and R18 (relayed frames).

use std::collections::BTreeMap;

use super::UNTAKEN_MAX;
use crate::exchange::Relay;
use crate::time::Instant;

/// Bytes of all of them. Beyond: refused.
const BYTES_MAX: usize = 8 << 20;

/// What waits, by node and number.
#[derive(Debug, Default)]
pub(super) struct Early {
    waiting: BTreeMap<(u32, u64), (Relay, Instant)>,
    bytes: usize,
}

impl Early {
    /// Lets a stanza wait, at most until `deadline`. Returns whether there was room, or it waits already.
    pub(super) fn wait(&mut self, node: u32, relay: Relay, deadline: Instant) -> bool {
        let (key, bytes) = ((node, relay.id), relay.stanza.len());
        if self.waiting.contains_key(&key) {
            return true;
        }
        if self.waiting.len() >= UNTAKEN_MAX || self.bytes + bytes > BYTES_MAX {
            return false;
        }
        self.bytes += bytes;
        self.waiting.insert(key, (relay, deadline));
        true
    }

    /// Returns whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Returns whether a stanza waits.
    pub(super) fn has(&self, node: u32, id: u64) -> bool {
        self.waiting.contains_key(&(node, id))
    }

    /// Takes what need not wait any longer, in the order in which each node has sent it.
    pub(super) fn take(&mut self, is_ready: impl Fn(&Relay, Instant) -> bool) -> Vec<(u32, Relay)> {
        let ready = self.waiting.iter().filter(|(_, (relay, deadline))| is_ready(relay, *deadline));
        let ready: Vec<(u32, u64)> = ready.map(|(key, _)| *key).collect();
        let ready = ready.into_iter().filter_map(|key| Some((key.0, self.waiting.remove(&key)?.0)));
        let ready: Vec<(u32, Relay)> = ready.collect();
        self.bytes -= ready.iter().map(|(_, relay)| relay.stanza.len()).sum::<usize>();
        ready
    }

    /// Forgets what another node has sent, which cannot be reached: it tells the senders. Returns the numbers.
    pub(super) fn forget(&mut self, node: u32) -> Vec<u64> {
        let of_it = self.waiting.range((node, 0)..=(node, u64::MAX)).map(|((_, id), _)| *id);
        let of_it: Vec<u64> = of_it.collect();
        self.waiting.retain(|(of, _), _| *of != node);
        self.bytes = self.waiting.values().map(|(relay, _)| relay.stanza.len()).sum();
        of_it
    }

    /// Returns when the first of them waits no more.
    pub(super) fn due(&self) -> Option<Instant> {
        self.waiting.values().map(|(_, deadline)| *deadline).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replica::Hlc;

    fn relay(id: u64, bytes: usize) -> Relay {
        Relay { id, to: None, about: None, said: Hlc::default(), after: Vec::new(), stanza: vec![b' '; bytes].into() }
    }

    #[test]
    fn what_waits_is_bounded_and_goes_in_order_when_its_time_has_come() {
        let at = Instant::from_micros;
        let mut early = Early::default();
        assert!(early.wait(1, relay(2, 10), at(50)) && early.wait(1, relay(1, 10), at(40)));
        assert!(early.wait(1, relay(2, 10), at(90)), "it waits already");
        assert!(!early.wait(2, relay(1, BYTES_MAX), at(50)), "no room");
        assert_eq!(early.due(), Some(at(40)));
        assert_eq!(early.take(|relay, _| relay.id == 2).len(), 1);
        assert!(early.wait(2, relay(7, BYTES_MAX - 10), at(50)), "what has gone takes no room");
        let ids = early
            .take(|_, deadline| deadline <= at(50))
            .iter()
            .map(|(node, relay)| (*node, relay.id))
            .collect::<Vec<_>>();
        assert_eq!((ids, early.is_empty(), early.due()), (vec![(1, 1), (2, 7)], true, None));
        assert!(early.wait(3, relay(1, BYTES_MAX), at(50)));
        assert_eq!(early.forget(3), [1]);
        assert!(early.is_empty() && early.wait(3, relay(1, BYTES_MAX), at(50)));
        for id in 2..=UNTAKEN_MAX as u64 {
            assert!(early.wait(3, relay(id, 0), at(50)), "{id}");
        }
        assert!(!early.wait(3, relay(9_999, 0), at(50)));
    }
}
