//! The end of an origin: what its dead node has taken along.
//!
//! Rests on the replication rules R1 (closing) and R5 (lost dependencies).

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use sha2::{Digest as _, Sha256};

use super::{Dot, Origin, Vector};

/// Origins that will write nothing any more, and the last number of each. Kept for ever, compared by its hash, and sent only when
/// it differs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Closed(#[n(0)] BTreeMap<Origin, u64>);

/// How an origin ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing {
    /// The last number that is known of.
    pub last: u64,
    /// Writes that nobody holds, in order. They are certified as lost, like any other write, and count as covered then.
    pub lost: Vec<Dot>,
}

impl Closing {
    /// Finds out how `dead` ends. `held` are the vectors of all members that can be reached, after they have exchanged
    /// everything; `named` is what waiting entries name as their past.
    pub fn of(dead: Origin, held: &[&Vector], named: impl IntoIterator<Item = Dot>) -> Self {
        let own = named.into_iter().filter(|dot| dot.origin == dead).map(|dot| dot.seq);
        let known = held.iter().map(|vector| vector.last(dead));
        let last = own.chain(known).max().unwrap_or(0);
        // Up to the greatest prefix nothing is lost.
        let whole = held.iter().map(|vector| vector.prefix(dead)).max().unwrap_or(0);
        let dots = (whole + 1..=last).map(|seq| dead.dot(seq));
        let nowhere = dots.filter(|dot| !held.iter().any(|vector| vector.covers(*dot)));
        Self { last, lost: nowhere.collect() }
    }
}

impl Closed {
    /// Adds an origin all of whose writes everybody covers.
    pub fn close(&mut self, origin: Origin, last: u64) {
        let known = self.0.entry(origin).or_insert(0);
        *known = last.max(*known);
    }

    /// Takes over what another member has closed.
    pub fn join(&mut self, other: &Self) {
        for (origin, last) in &other.0 {
            self.close(*origin, *last);
        }
    }

    /// Returns what a vector says beside the closed origins: what travels when the hashes are equal.
    #[must_use]
    pub fn strip(&self, vector: &Vector) -> Vector {
        vector.without(|origin| self.0.get(&origin).is_some_and(|last| vector.prefix(origin) >= *last))
    }

    /// Returns the vector of which `stripped` is what travelled: the sender has the same closed origins.
    #[must_use]
    pub fn restore(&self, stripped: &Vector) -> Vector {
        let mut vector = Vector::prefixes_of(&self.0);
        vector.join(stripped);
        vector
    }

    /// Returns the hash by which two lists are compared.
    pub fn hash(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for (origin, last) in &self.0 {
            hash.update(origin.to_bytes());
            hash.update(last.to_be_bytes());
        }
        hash.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{covering, origin};
    use super::*;

    #[test]
    fn what_nobody_holds_of_a_dead_node_is_lost_and_nothing_else_is() {
        let (one, other) = (covering(&[(1, 1), (1, 2), (1, 4), (2, 9)]), covering(&[(1, 1), (1, 6)]));
        let waits_for = [origin(1).dot(7), origin(2).dot(50)];
        let closing = Closing::of(origin(1), &[&one, &other], waits_for);
        assert_eq!(closing.lost, [3, 5, 7].map(|seq| origin(1).dot(seq)));
        assert_eq!(closing.last, 7);
    }

    #[test]
    fn with_the_lost_writes_counted_an_origin_has_no_gaps() {
        let mut vector = covering(&[(1, 1), (1, 4)]);
        for dot in Closing::of(origin(1), &[&vector.clone()], []).lost {
            vector.count(dot);
        }
        assert_eq!((vector.prefix(origin(1)), vector.singles()), (4, 0));
    }

    #[test]
    fn closed_origins_do_not_travel_and_are_not_forgotten() {
        let vector = covering(&[(1, 1), (1, 2), (2, 1), (3, 7)]);
        let mut closed = Closed::default();
        closed.close(origin(1), 2);
        closed.close(origin(2), 5);
        let stripped = closed.strip(&vector);
        assert_eq!(stripped, covering(&[(2, 1), (3, 7)]), "what is not covered whole travels");
        let mut whole = Closed::default();
        whole.close(origin(1), 2);
        assert_eq!(whole.restore(&whole.strip(&vector)), vector);
        assert_ne!(whole.hash(), closed.hash());
        whole.join(&closed);
        assert_eq!(whole.hash(), closed.hash());
    }
}
