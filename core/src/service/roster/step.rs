//! What a subscription stanza does to the edge between a subscriber and a publisher, as one table.
//!
//! Implements: RFC 6121, appendix A, and section 3.4 (pre-approval). Complete.
//!
//! The nine states of appendix A are two edges of two bits each, one for each direction, and a stanza changes one
//! edge only. An approval that was used up by a request is gone when the subscription ends: nobody is approved
//! automatically who was not pre-approved.

use crate::stanza::PresenceType;

/// A subscription stanza.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// The subscriber asks.
    Subscribe,
    /// The subscriber leaves, or takes the request back.
    Unsubscribe,
    /// The publisher approves, perhaps before it was asked.
    Subscribed,
    /// The publisher refuses, cancels, or takes a pre-approval back.
    Unsubscribed,
}

/// An edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bits {
    /// The subscriber wants it.
    pub(super) want: bool,
    /// The publisher allows it.
    pub(super) allow: bool,
}

/// What happens to an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing, and nobody is told.
    Nothing,
    /// The publisher is asked.
    Ask,
    /// The subscription begins.
    Begin,
    /// The publisher has approved what nobody asked for.
    Approve,
    /// The request is taken back.
    Withdraw,
    /// The subscriber ends the subscription.
    Leave,
    /// The publisher refuses the request.
    Refuse,
    /// The publisher ends the subscription.
    Cancel,
    /// The publisher takes a pre-approval back.
    Disapprove,
}

impl Act {
    /// Reads the type of a presence; nothing when it is not about subscriptions.
    pub(super) const fn of(kind: PresenceType) -> Option<Self> {
        match kind {
            PresenceType::Subscribe => Some(Self::Subscribe),
            PresenceType::Subscribed => Some(Self::Subscribed),
            PresenceType::Unsubscribe => Some(Self::Unsubscribe),
            PresenceType::Unsubscribed => Some(Self::Unsubscribed),
            PresenceType::Available
            | PresenceType::Unavailable
            | PresenceType::Probe
            | PresenceType::Error => None,
        }
    }

    /// Returns whether the subscriber sends it, and not the publisher.
    pub(super) const fn is_subscribers(self) -> bool {
        matches!(self, Self::Subscribe | Self::Unsubscribe)
    }
}

/// The table.
pub(super) const fn step(act: Act, Bits { want, allow }: Bits) -> Step {
    match (act, want, allow) {
        (Act::Subscribe, false, false) => Step::Ask,
        (Act::Subscribe, false, true) | (Act::Subscribed, true, false) => Step::Begin,
        (Act::Subscribed, false, false) => Step::Approve,
        (Act::Unsubscribe, true, false) => Step::Withdraw,
        (Act::Unsubscribe, true, true) => Step::Leave,
        (Act::Unsubscribed, true, false) => Step::Refuse,
        (Act::Unsubscribed, true, true) => Step::Cancel,
        (Act::Unsubscribed, false, true) => Step::Disapprove,
        (Act::Subscribe, true, _)
        | (Act::Subscribed, _, true)
        | (Act::Unsubscribe, false, _)
        | (Act::Unsubscribed, false, false) => Step::Nothing,
    }
}

impl Step {
    /// Returns what is written of `want`, if anything.
    pub(super) const fn want(self) -> Option<bool> {
        match self {
            Self::Ask | Self::Begin => Some(true),
            Self::Withdraw | Self::Leave | Self::Refuse | Self::Cancel => Some(false),
            Self::Nothing | Self::Approve | Self::Disapprove => None,
        }
    }

    /// Returns what is written of `allow`, if anything. It is written whenever the publisher's roster shows the step:
    /// the version of that roster comes from it.
    pub(super) const fn allow(self) -> Option<bool> {
        match self {
            Self::Begin | Self::Approve => Some(true),
            Self::Leave | Self::Cancel | Self::Disapprove => Some(false),
            Self::Nothing | Self::Ask | Self::Withdraw | Self::Refuse => None,
        }
    }

    /// Returns whether the subscriber's roster shows it.
    pub(super) const fn shows_subscriber(self) -> bool {
        self.want().is_some()
    }

    /// Returns whether the publisher's roster shows it.
    pub(super) const fn shows_publisher(self) -> bool {
        self.allow().is_some()
    }
}
