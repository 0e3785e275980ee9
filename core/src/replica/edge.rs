//! Subscriptions between local accounts: one directed edge with two bits, and what both rosters say of it.
//!
//! Rests on the replication rules R10 (subscriptions); RFC 6121, 2.1.2.5 and appendix A.1.

use bytes::Bytes;
use minicbor::{Decode, Encode};

use super::{Caps, Cell, codec};

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

/// Who follows whose presence: from the subscriber to the publisher.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    /// Whether the subscriber wants it; the subscriber writes it.
    pub want: Cell<Want>,
    /// Whether the publisher allows it; the publisher writes it. Allowed and not wanted is a pre-approval.
    pub allow: Cell<bool>,
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
    pub fn flows(&self) -> bool {
        self.want.is_granted() && self.allow.is_granted()
    }

    /// Returns the request of the subscriber, if it was not answered.
    pub fn request(&self, caps: &Caps) -> Option<&Bytes> {
        let asked = self.want.is_granted() && !self.allow.is_granted();
        self.want.newest(caps).filter(|_| asked)?.value.stanza.as_ref()
    }

    /// Returns whether nobody has written either bit.
    pub fn is_empty(&self) -> bool {
        self.want.is_empty() && self.allow.is_empty()
    }
}

impl Standing {
    /// Derives what one side's roster says from the edge towards the contact and the edge back.
    pub fn of(towards: &Edge, back: &Edge) -> Self {
        let (wanted, allowed) = (back.want.is_granted(), back.allow.is_granted());
        Self {
            to: towards.flows(),
            from: back.flows(),
            pending_out: towards.want.is_granted() && !towards.allow.is_granted(),
            pending_in: wanted && !allowed,
            approved: allowed && !wanted,
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
    use crate::replica::{Dots, Hlc, Origin};

    fn edge(on: bool, allow: bool) -> Edge {
        let mut dots = Dots::new(Origin { node: 1, start: 1, random: 0 });
        let mut edge = Edge::default();
        let want = Want { on, stanza: Some(Bytes::from_static(b"<presence/>")) };
        edge.want.apply(Cell::new().write(dots.take(), Hlc::default(), want));
        edge.allow.apply(Cell::new().write(dots.take(), Hlc::default(), allow));
        edge
    }

    #[test]
    fn all_sixteen_combinations_are_states_of_appendix_a() {
        let mut seen = Vec::new();
        for bits in 0..16_u8 {
            let bit = |at: u8| bits & (1 << at) != 0;
            let standing = Standing::of(&edge(bit(0), bit(1)), &edge(bit(2), bit(3)));
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
        let (alice, bob) = (edge(true, true), edge(true, false));
        let (hers, his) = (Standing::of(&alice, &bob), Standing::of(&bob, &alice));
        assert_eq!((hers.subscription(), his.subscription()), ("to", "from"));
        assert!(his.pending_out && hers.pending_in);
    }

    #[test]
    fn a_request_is_kept_until_it_is_answered_or_withdrawn() {
        for (want, allow, asked) in
            [(true, false, true), (true, true, false), (false, false, false), (false, true, false)]
        {
            assert_eq!(
                edge(want, allow).request(&Caps::new()).is_some(),
                asked,
                "want {want}, allow {allow}"
            );
        }
    }
}
