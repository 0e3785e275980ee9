//! Whom a change of another node's sessions concerns: contact to how many accounts with sessions follow it.
//!
//! Most people on one node follow nobody of most of those on the others. Of a change that concerns nobody nothing is read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::jid::BareJid;
use crate::map::{Map, keyed};

/// Who is followed from this node.
#[derive(Debug)]
pub(crate) struct Interest {
    /// By account with sessions, whom it follows.
    follows: BTreeMap<Arc<str>, BTreeSet<BareJid>>,
    /// How many accounts follow somebody.
    followed: Map<BareJid, u32>,
}

impl Interest {
    /// Creates the state in which nobody follows anybody, with a hasher that is keyed with `key`.
    pub(crate) fn new(key: u64) -> Self {
        Self { follows: BTreeMap::new(), followed: keyed(key) }
    }

    /// Takes note of whom an account follows; nobody, where it has no sessions.
    pub(crate) fn set(&mut self, account: &str, follows: BTreeSet<BareJid>) {
        let before = self.follows.remove(account).unwrap_or_default();
        for contact in follows.difference(&before) {
            *self.followed.entry(contact.clone()).or_default() += 1;
        }
        for contact in before.difference(&follows) {
            if let Some(count) = self.followed.get_mut(contact) {
                *count -= 1;
                if *count == 0 {
                    self.followed.swap_remove(contact);
                }
            }
        }
        if !follows.is_empty() {
            self.follows.insert(account.into(), follows);
        }
    }

    /// Returns whether any account with sessions follows `publisher`.
    pub(crate) fn follows(&self, publisher: &BareJid) -> bool {
        self.followed.contains_key(publisher)
    }
}

#[cfg(test)]
mod tests {
    use arbtest::arbtest;

    use super::*;

    #[test]
    fn the_counts_are_those_of_looking_at_everybody() {
        arbtest(|data| {
            let jid = |number: u8| BareJid::parse(&format!("u{number}@x.example")).unwrap();
            let mut interest = Interest::new(1);
            let mut naive: BTreeMap<BareJid, BTreeSet<BareJid>> = BTreeMap::new();
            for _ in 0..data.int_in_range(0..=30)? {
                let account = jid(data.int_in_range(0..=4)?);
                let mut follows = BTreeSet::new();
                for _ in 0..data.int_in_range(0..=3)? {
                    follows.insert(jid(data.int_in_range(0..=9)?));
                }
                interest.set(account.as_str(), follows.clone());
                naive.insert(account, follows);
                for publisher in (0..10).map(jid) {
                    let count = naive.values().filter(|follows| follows.contains(&publisher)).count();
                    let counted = interest.followed.get(&publisher).map_or(0, |count| *count as usize);
                    assert_eq!(counted, count);
                    assert_eq!(interest.follows(&publisher), count > 0);
                }
            }
            assert!(interest.follows.values().all(|follows| !follows.is_empty()));
            Ok(())
        });
    }
}
