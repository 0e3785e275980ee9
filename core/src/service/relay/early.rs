//! Stanzas of other nodes that have come ahead of what their senders had said before: they wait for that.
//!
//! Rests on the replication rules R13 (scope) and R18 (relayed frames).

use std::collections::{BTreeMap, BTreeSet};

use super::UNTAKEN_MAX;
use crate::exchange::Relay;
use crate::jid::{BareJid, Jid};
use crate::stanza::Stanza;
use crate::time::Instant;

/// Bytes of all of them. Beyond: refused.
const BYTES_MAX: usize = 8 << 20;

/// Who says something, and to which account.
type Scope = (Jid, BareJid);

/// What waits, by node and number.
#[derive(Debug, Default)]
pub(super) struct Early {
    waiting: BTreeMap<(u32, u64), (Relay, Instant)>,
    /// The numbers of what waits, by node, sender and account: nothing overtakes what the same one has said before.
    scopes: BTreeMap<(u32, Scope), BTreeSet<u64>>,
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
        if let Some(scope) = scope(&relay) {
            self.scopes.entry((node, scope)).or_default().insert(relay.id);
        }
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

    /// Returns whether a stanza comes behind one that waits.
    pub(super) fn follows(&self, node: u32, relay: &Relay) -> bool {
        let scope = scope(relay).filter(|_| !self.is_empty());
        let ids = scope.and_then(|scope| self.scopes.get(&(node, scope)));
        ids.is_some_and(|ids| ids.first() < Some(&relay.id))
    }

    /// Takes what need not wait any longer, in the order in which each node has sent it.
    pub(super) fn take(&mut self, is_ready: impl Fn(&Relay, Instant) -> bool) -> Vec<(u32, Relay)> {
        let keys: Vec<(u32, u64)> = self.waiting.keys().copied().collect();
        let mut ready = Vec::new();
        for (node, id) in keys {
            let Some((relay, deadline)) = self.waiting.get(&(node, id)) else { continue };
            if is_ready(relay, *deadline) && !self.follows(node, relay) {
                ready.extend(self.remove(node, id).map(|relay| (node, relay)));
            }
        }
        ready
    }

    fn remove(&mut self, node: u32, id: u64) -> Option<Relay> {
        let (relay, _) = self.waiting.remove(&(node, id))?;
        self.bytes -= relay.stanza.len();
        let scope = scope(&relay).map(|scope| (node, scope));
        if let Some((scope, ids)) =
            scope.and_then(|scope| Some((scope.clone(), self.scopes.get_mut(&scope)?)))
        {
            ids.remove(&id);
            if ids.is_empty() {
                self.scopes.remove(&scope);
            }
        }
        Some(relay)
    }

    /// Forgets what another node has sent, which cannot be reached: it tells the senders. Returns the numbers.
    pub(super) fn forget(&mut self, node: u32) -> Vec<u64> {
        let of_it = self.waiting.range((node, 0)..=(node, u64::MAX)).map(|((_, id), _)| *id);
        let of_it: Vec<u64> = of_it.collect();
        for id in &of_it {
            self.remove(node, *id);
        }
        of_it
    }

    /// Returns when the first of them waits no more.
    pub(super) fn due(&self) -> Option<Instant> {
        self.waiting.values().map(|(_, deadline)| *deadline).min()
    }
}

/// Returns nothing for what is no stanza.
fn scope(relay: &Relay) -> Option<Scope> {
    let stanza = Stanza::parse(relay.stanza.clone())?;
    let to = stanza.to.as_ref().unwrap_or(&stanza.from).bare();
    Some((stanza.from, to))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replica::Hlc;

    fn relay(id: u64, bytes: usize) -> Relay {
        Relay {
            id,
            to: None,
            about: None,
            said: Hlc::default(),
            by: None,
            after: Vec::new(),
            stanza: vec![b' '; bytes].into(),
        }
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
        assert!(early.scopes.is_empty());
        assert!(early.wait(3, relay(1, BYTES_MAX), at(50)));
        assert_eq!(early.forget(3), [1]);
        assert!(early.is_empty() && early.wait(3, relay(1, BYTES_MAX), at(50)));
        for id in 2..=UNTAKEN_MAX as u64 {
            assert!(early.wait(3, relay(id, 0), at(50)), "{id}");
        }
        assert!(!early.wait(3, relay(9_999, 0), at(50)));
    }

    #[test]
    fn what_one_session_says_to_an_account_stays_in_order() {
        let at = Instant::from_micros(50);
        let said = |id, to: &str| {
            let stanza = format!("<message from='a@x.example/r' to='{to}'/>");
            Relay { stanza: stanza.into(), ..relay(id, 0) }
        };
        let mut early = Early::default();
        assert!(early.wait(1, said(5, "b@x.example"), at) && early.wait(1, said(6, "b@x.example/r"), at));
        let follows = |early: &Early, id, to| early.follows(1, &said(id, to));
        assert!(follows(&early, 7, "b@x.example") && !follows(&early, 4, "b@x.example"));
        assert!(!follows(&early, 7, "c@x.example") && !early.follows(2, &said(7, "b@x.example")));
        assert!(early.take(|relay, _| relay.id == 6).is_empty(), "it comes behind the other one");
        assert_eq!(early.take(|_, _| true).len(), 2);
        assert!(early.scopes.is_empty() && !follows(&early, 7, "b@x.example"));
    }
}
