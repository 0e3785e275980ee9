//! Whom a session has told its presence directly.
//!
//! Implements: RFC 6121, section 4.6. Complete.

use std::collections::BTreeSet;

use crate::jid::Jid;

/// Addresses that must hear of it when the session becomes unavailable.
#[derive(Debug, Default)]
pub(crate) struct Directed {
    to: BTreeSet<Jid>,
}

/// The bound on directed presence is reached.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DirectedFull;

impl Directed {
    /// Remembers that `to` has been told.
    ///
    /// # Errors
    ///
    /// [`DirectedFull`] when `max` others have been told already; nothing is remembered.
    pub(crate) fn told(&mut self, to: &Jid, max: u32) -> Result<(), DirectedFull> {
        if !self.to.contains(to) && self.to.len() >= max as usize {
            return Err(DirectedFull);
        }
        self.to.insert(to.clone());
        Ok(())
    }

    /// Forgets `to`: it has been told that the session is unavailable, or is gone itself. Returns whether it had been told.
    pub(crate) fn untold(&mut self, to: &Jid) -> bool {
        self.to.remove(to)
    }

    /// Returns whether `who`, or its account as a whole, has been told.
    pub(crate) fn knows(&self, who: &Jid) -> bool {
        self.to.contains(who) || self.to.contains(who.bare().as_jid())
    }

    /// Returns whether nobody has been told.
    pub(crate) fn is_empty(&self) -> bool {
        self.to.is_empty()
    }

    /// Returns the addresses, in order.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = &Jid> {
        self.to.iter()
    }

    /// Returns the addresses, in order.
    pub(crate) fn into_addresses(self) -> impl Iterator<Item = Jid> {
        self.to.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_counts_addresses_not_presences() {
        let mut directed = Directed::default();
        let one = Jid::parse("a@x.example").unwrap();
        let two = Jid::parse("b@x.example/r").unwrap();
        assert_eq!(directed.told(&one, 1), Ok(()));
        assert_eq!(directed.told(&one, 1), Ok(()));
        assert_eq!(directed.told(&two, 1), Err(DirectedFull));
        assert!(directed.knows(&Jid::parse("a@x.example/r").unwrap()));
        assert!(!directed.knows(&two));
    }
}
