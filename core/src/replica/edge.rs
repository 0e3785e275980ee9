//! Subscriptions between local accounts: one directed edge with two bits, and what both rosters say of it.
//!
//! Rests on the replication rules R10 (subscriptions); RFC 6121, 2.1.2.5 and appendix A.1.

use bytes::Bytes;
use minicbor::{Decode, Encode};

use super::{Cell, codec};

/// What the subscriber has said.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Want {
    /// Whether presence is wanted.
    #[n(0)]
    pub on: bool,
    /// The request as the publisher's clients are shown it, extended content included (RFC 6121, 3.1.3). Nothing where no request
    /// was said.
    #[n(1)]
    #[cbor(with = "codec::octets_maybe")]
    pub stanza: Option<Bytes>,
}

/// Who follows whose presence, from the subscriber to the publisher: what the two cells of the edge say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    /// Whether the subscriber wants it; the subscriber writes it.
    pub want: bool,
    /// Whether the publisher allows it; the publisher writes it. Allowed and not wanted is a pre-approval.
    pub allow: bool,
}

/// What a roster item says (RFC 6121, 2.1.2.5).
#[expect(clippy::struct_excessive_bools, reason = "five facts of the specification, each on its own")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The owner of the roster gets the contact's presence.
    pub to: bool,
    /// The contact gets the owner's presence.
    pub from: bool,
    /// The owner has asked and was not answered: `ask='subscribe'`.
    pub pending_out: bool,
    /// The contact has asked and was not answered. Such an item is not pushed unless it is in the roster otherwise.
    pub pending_in: bool,
    /// The owner has approved what the contact has not asked for: `approved='true'`.
    pub approved: bool,
}

impl Cell<Want> {
    /// Returns whether all live writes say on: off beats on when both were written at once.
    pub fn is_granted(&self) -> bool {
        !self.is_empty() && self.siblings().iter().all(|entry| entry.value.on)
    }
}

impl Edge {
    /// Returns whether presence flows along the edge.
    pub const fn flows(self) -> bool {
        self.want && self.allow
    }
}

impl Standing {
    /// Derives what one side's roster says from the edge towards the contact and the edge back.
    pub const fn of(towards: Edge, back: Edge) -> Self {
        Self {
            to: towards.flows(),
            from: back.flows(),
            pending_out: towards.want && !towards.allow,
            pending_in: back.want && !back.allow,
            approved: back.allow && !back.want,
        }
    }

    /// Returns the `subscription` attribute.
    pub const fn subscription(self) -> &'static str {
        match (self.to, self.from) {
            (false, false) => "none",
            (true, false) => "to",
            (false, true) => "from",
            (true, true) => "both",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_sixteen_combinations_are_states_of_appendix_a() {
        let mut seen = Vec::new();
        for bits in 0..16_u8 {
            let bit = |at: u8| bits & (1 << at) != 0;
            let standing =
                Standing::of(Edge { want: bit(0), allow: bit(1) }, Edge { want: bit(2), allow: bit(3) });
            assert!(!(standing.to && standing.pending_out), "answered and not answered");
            assert!(!(standing.from && (standing.pending_in || standing.approved)));
            assert!(!(standing.pending_in && standing.approved));
            let state =
                (standing.subscription(), standing.pending_out, standing.pending_in, standing.approved);
            seen.push(state);
        }
        seen.sort_unstable();
        seen.dedup();
        // The nine states of RFC 6121, A.1, and those of them that a pre-approval adds to (A.2.1): none, pending out, to.
        assert_eq!(seen.len(), 12);
    }

    #[test]
    fn both_rosters_say_the_same_of_one_edge() {
        let (alice, bob) = (Edge { want: true, allow: true }, Edge { want: true, allow: false });
        let (hers, his) = (Standing::of(alice, bob), Standing::of(bob, alice));
        assert_eq!((hers.subscription(), his.subscription()), ("to", "from"));
        assert!(his.pending_out && hers.pending_in);
    }
}
