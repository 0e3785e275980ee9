//! Which state of a roster a client knows.
//!
//! Implements: RFC 6121, section 2.6. Complete.
//!
//! A version is the stamp of the last write that the roster shows, behind that of the account's status: it rests on
//! the replicated state alone, is the same after a restart, rises with each write of this node, and means nothing to an
//! account that was made anew. Removed contacts keep the stamps of their removal, so that everything that came after
//! a version can be told.

use core::fmt;

use crate::jid::BareJid;
use crate::replica::{Account, Dot, Hlc};

/// A version of a roster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version {
    since: Hlc,
    last: Hlc,
    node: u32,
}

/// What a client that knows an older version has missed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Missed {
    /// These contacts, in the order of their changes, and the version after each.
    Changes(Vec<(Version, BareJid)>),
    /// It cannot be told: the version is of another life, of the future, or other nodes have written, too, whose
    /// writes need not come in the order of their stamps.
    Unknown,
}

impl Version {
    /// Returns the version of a roster.
    pub(super) fn of(account: &Account) -> Self {
        let last = account.contacts().filter_map(|(jid, _)| account.changed(jid)).max();
        Self::at(account, last)
    }

    fn at(account: &Account, change: Option<(Hlc, Dot)>) -> Self {
        Self {
            since: account.since().unwrap_or_default(),
            last: change.map(|(hlc, _)| hlc).unwrap_or_default(),
            node: change.map_or(0, |(_, dot)| dot.origin.node),
        }
    }

    /// Reads what a client says; nothing when it is no version of ours.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let mut hlc = || {
            let millis = i64::from_str_radix(parts.next()?, 16).ok()?;
            let count = u32::from_str_radix(parts.next()?, 16).ok()?;
            Some(Hlc { millis, count })
        };
        let (since, last) = (hlc()?, hlc()?);
        let node = u32::from_str_radix(parts.next()?, 16).ok()?;
        parts.next().is_none().then_some(Self { since, last, node })
    }

    /// Returns what has changed in the roster since this version. `here` is this node.
    pub(super) fn missed(self, account: &Account, here: u32) -> Missed {
        let current = Self::of(account);
        let mut changes = Vec::new();
        for (jid, _) in account.contacts() {
            let Some(change) = account.changed(jid) else { continue };
            if change.1.origin.node != here {
                return Missed::Unknown;
            }
            if change.0 > self.last {
                changes.push((change, jid.clone()));
            }
        }
        if self.since != current.since || self.last > current.last {
            return Missed::Unknown;
        }
        changes.sort_unstable();
        let versioned = changes.into_iter().map(|(change, jid)| (Self::at(account, Some(change)), jid));
        Missed::Changes(versioned.collect())
    }
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { since, last, node } = self;
        write!(out, "{:x}.{:x}.{:x}.{:x}.{node:x}", since.millis, since.count, last.millis, last.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_comes_back_and_nothing_else_is_one() {
        let since = Hlc { millis: 0x1234_5678_9abc, count: 3 };
        let version = Version { since, last: Hlc { millis: 7, count: u32::MAX }, node: 0xdead_beef };
        let text = version.to_string();
        assert_eq!(Version::parse(&text), Some(version));
        for other in ["", "ver7", "1.2.3.4", "1.2.3.4.5.6", "1.2.3.4.g", "1.2.3.4.5."] {
            assert_eq!(Version::parse(other), None, "{other}");
        }
    }
}
