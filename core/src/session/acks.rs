//! The counters of acknowledgements.
//!
//! Implements: XEP-0198 1.6.3, sections 3, 4 and 5, the counters. Complete.

use crate::io::ConnId;
use crate::replica::Hlc;
use crate::time::Span;

/// Asks the client how many stanzas it has handled.
pub(crate) const ASK: &[u8] = b"<r xmlns='urn:xmpp:sm:3'/>";

/// The acknowledgements of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Acks {
    /// The name under which the session is resumed; nothing when it is not.
    pub(crate) id: Option<Box<str>>,
    /// The client has been told so: the row that brings the session back is durable.
    pub(crate) told: bool,
    /// How long it waits to be resumed.
    pub(crate) max: Span,
    /// Stanzas of the client that have been handled.
    pub(crate) handled: u64,
    /// As many of them are durable here with everything they caused.
    pub(crate) durable: u64,
    /// As many of them are safe as the domain wants it, or the client was told that they are not: what it may be told.
    pub(crate) safe: u64,
    /// How many had been handled when the client last asked; nothing when it has its answer.
    pub(crate) asked: Option<u64>,
    /// The client has been asked and has not answered.
    pub(crate) asking: bool,
    /// How many stanzas it had been sent when it was last asked: it is asked about each once.
    pub(crate) asked_for: u64,
    /// Who wants to resume it: it gets its answer when everything that was taken is durable.
    pub(crate) resuming: Option<Resuming>,
}

/// Who wants to go on with a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claimant {
    /// A client, over this connection.
    Conn(ConnId),
    /// A node that such a client has come to, and the number and the time of its claim.
    Node(u32, u64, Hlc),
}

/// A resumption under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Resuming {
    /// Who.
    pub(crate) who: Claimant,
    /// How many stanzas its client has handled.
    pub(crate) h: u32,
}

/// What the client claims to have handled exceeds what it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooHigh;

impl Acks {
    /// Creates the counters of a session that enables acknowledgements.
    pub(crate) const fn new(id: Option<Box<str>>, max: Span) -> Self {
        Self {
            id,
            told: false,
            max,
            handled: 0,
            durable: 0,
            safe: 0,
            asked: None,
            asking: false,
            asked_for: 0,
            resuming: None,
        }
    }

    /// Returns whether everything that was handled is safe.
    pub(crate) const fn is_safe(&self) -> bool {
        self.safe == self.handled
    }

    /// Returns `count` as it is sent: it wraps (XEP-0198, 4).
    #[expect(clippy::cast_possible_truncation, reason = "the counter on the wire is the count modulo 2^32")]
    pub(crate) const fn wire(count: u64) -> u32 {
        count as u32
    }

    /// Returns how many stanzas `h` acknowledges, when `base` had been before and `sent` have been sent in all.
    ///
    /// # Errors
    ///
    /// [`TooHigh`] when it claims more than were sent; an `h` that goes back is one that is too high (XEP-0198, 4).
    pub(crate) fn covered(h: u32, base: u64, sent: u64) -> Result<usize, TooHigh> {
        let count = h.wrapping_sub(Self::wire(base));
        if u64::from(count) <= sent - base {
            usize::try_from(count).map_err(|_| TooHigh)
        } else {
            Err(TooHigh)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h_counts_modulo_2_to_the_32_and_never_back() {
        let near = u64::from(u32::MAX) - 1;
        for (h, base, sent, expected) in [
            (0, 0, 0, Ok(0)),
            (1, 0, 2, Ok(1)),
            (3, 0, 2, Err(TooHigh)),
            (1, 2, 5, Err(TooHigh)),
            (0, near, near + 3, Ok(2)),
            (1, near, near + 3, Ok(3)),
            (2, near, near + 3, Err(TooHigh)),
        ] {
            assert_eq!(Acks::covered(h, base, sent), expected, "h={h} base={base} sent={sent}");
        }
    }
}
