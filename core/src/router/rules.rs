//! The server rules for a stanza to an account, as one table.
//!
//! Implements: RFC 6121, sections 8.5.1 to 8.5.4. Complete.
//!
//! Where the text leaves a choice between storing offline and an error, the table has the error, for nobody can be given
//! the stanza: what may be kept for later the service for messages takes instead (`service/message/owed.rs`), and nobody
//! is told of the error. Where it leaves a choice between silence and an error, it is the error, the same whether the
//! account exists or not, so that nothing can be harvested.

use crate::directory::Online;
use crate::stanza::{IqType, Kind, MessageType, PresenceType};

/// What the address names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// The account.
    Bare,
    /// A resource that is connected, here or at another node.
    Match,
    /// A resource that is not.
    NoMatch,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Deliver to the resource that the address names.
    ToResource,
    /// Deliver to the resource, if it lets the sender know that it is there (8.5.3.1).
    ToResourceIfKnown,
    /// Deliver to all available resources with a priority of zero or more.
    ToNonNegative,
    /// Deliver to all available resources.
    ToAvailable,
    /// Answer `service-unavailable`.
    Bounce,
    /// Drop it.
    Ignore,
}

/// The table.
pub(super) const fn verdict(kind: Kind, address: Address, online: Online) -> Verdict {
    match kind {
        Kind::Message(kind) => message(kind, address, online),
        Kind::Presence(kind) => presence(kind, address),
        Kind::Iq(kind) => iq(kind, address),
    }
}

/// Table 1 of RFC 6121, section 8.5.4.
const fn message(kind: MessageType, address: Address, online: Online) -> Verdict {
    match (address, kind, online) {
        (Address::Match, _, _) => Verdict::ToResource,
        (
            Address::Bare,
            MessageType::Normal | MessageType::Chat | MessageType::Headline,
            Online::NonNegative,
        )
        | (Address::NoMatch, MessageType::Chat, Online::NonNegative) => Verdict::ToNonNegative,
        (Address::Bare, MessageType::Normal | MessageType::Chat, Online::Nothing | Online::Negative)
        | (Address::Bare, MessageType::Groupchat, _)
        | (Address::NoMatch, MessageType::Chat, Online::Nothing | Online::Negative)
        | (Address::NoMatch, MessageType::Normal | MessageType::Groupchat | MessageType::Headline, _) => {
            Verdict::Bounce
        }
        (Address::Bare, MessageType::Headline, Online::Nothing | Online::Negative)
        | (Address::Bare | Address::NoMatch, MessageType::Error, _) => Verdict::Ignore,
    }
}

const fn presence(kind: PresenceType, address: Address) -> Verdict {
    match (kind, address) {
        (PresenceType::Available | PresenceType::Unavailable, Address::Bare) => Verdict::ToAvailable,
        (PresenceType::Available | PresenceType::Unavailable | PresenceType::Error, Address::Match) => {
            Verdict::ToResource
        }
        (PresenceType::Available | PresenceType::Unavailable, Address::NoMatch)
        | (PresenceType::Error, Address::Bare | Address::NoMatch)
        // The roster service handles them; it gives sessions what they are to see.
        | (
            PresenceType::Probe
            | PresenceType::Subscribe
            | PresenceType::Subscribed
            | PresenceType::Unsubscribe
            | PresenceType::Unsubscribed,
            _,
        ) => Verdict::Ignore,
    }
}

const fn iq(kind: IqType, address: Address) -> Verdict {
    match (kind, address) {
        (IqType::Get | IqType::Set, Address::Match) => Verdict::ToResourceIfKnown,
        (IqType::Get | IqType::Set, Address::Bare | Address::NoMatch) => Verdict::Bounce,
        (IqType::Result | IqType::Error, Address::Match) => Verdict::ToResource,
        (IqType::Result | IqType::Error, Address::Bare | Address::NoMatch) => Verdict::Ignore,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of table 1: address, what is online, then normal, chat, groupchat, headline. E: error, S: silence,
    /// D: to the resource, A: to all with a priority of zero or more.
    const TABLE: &[(Address, Online, &str)] = &[
        (Address::Bare, Online::Nothing, "EEES"),
        (Address::NoMatch, Online::Nothing, "EEEE"),
        (Address::Bare, Online::Negative, "EEES"),
        (Address::Match, Online::Negative, "DDDD"),
        (Address::NoMatch, Online::Negative, "EEEE"),
        (Address::Bare, Online::NonNegative, "AAEA"),
        (Address::Match, Online::NonNegative, "DDDD"),
        (Address::NoMatch, Online::NonNegative, "EAEE"),
    ];

    #[test]
    fn messages_follow_table_1() {
        let kinds = [MessageType::Normal, MessageType::Chat, MessageType::Groupchat, MessageType::Headline];
        for (address, online, row) in TABLE {
            for (kind, letter) in kinds.into_iter().zip(row.chars()) {
                let expected = match letter {
                    'E' => Verdict::Bounce,
                    'S' => Verdict::Ignore,
                    'D' => Verdict::ToResource,
                    'A' => Verdict::ToNonNegative,
                    other => panic!("{other} is no letter of the table"),
                };
                assert_eq!(message(kind, *address, *online), expected, "{kind:?} {address:?} {online:?}");
            }
        }
    }

    #[test]
    fn an_error_never_bounces() {
        for address in [Address::Bare, Address::Match, Address::NoMatch] {
            for online in [Online::Nothing, Online::Negative, Online::NonNegative] {
                for kind in [
                    Kind::Message(MessageType::Error),
                    Kind::Presence(PresenceType::Error),
                    Kind::Iq(IqType::Error),
                    Kind::Iq(IqType::Result),
                ] {
                    assert!(!matches!(verdict(kind, address, online), Verdict::Bounce));
                }
            }
        }
    }

    /// Sections 8.5.2.1.2, 8.5.2.2.2, 8.5.3.1 and 8.5.3.2.2: to the account, to a resource that is there, to one that is
    /// not. S: silence, D: to the resource, A: to all available ones. What is about subscriptions is silence here: the
    /// roster service has had it before.
    const PRESENCE: &[(PresenceType, &str)] = &[
        (PresenceType::Available, "ADS"),
        (PresenceType::Unavailable, "ADS"),
        (PresenceType::Error, "SDS"),
        (PresenceType::Subscribe, "SSS"),
        (PresenceType::Subscribed, "SSS"),
        (PresenceType::Unsubscribe, "SSS"),
        (PresenceType::Unsubscribed, "SSS"),
        (PresenceType::Probe, "SSS"),
    ];

    /// Sections 8.5.2.1.3, 8.5.2.2.3, 8.5.3.1 and 8.5.3.2.3, in the same columns. E: error, K: to the resource if it lets the
    /// sender know.
    const IQ: &[(IqType, &str)] =
        &[(IqType::Get, "EKE"), (IqType::Set, "EKE"), (IqType::Result, "SDS"), (IqType::Error, "SDS")];

    #[test]
    fn presence_and_requests_follow_their_tables() {
        let presences = PRESENCE.iter().map(|(kind, row)| (Kind::Presence(*kind), row));
        for (kind, row) in presences.chain(IQ.iter().map(|(kind, row)| (Kind::Iq(*kind), row))) {
            for (address, letter) in
                [Address::Bare, Address::Match, Address::NoMatch].into_iter().zip(row.chars())
            {
                let expected = match letter {
                    'A' => Verdict::ToAvailable,
                    'D' => Verdict::ToResource,
                    'E' => Verdict::Bounce,
                    'K' => Verdict::ToResourceIfKnown,
                    'S' => Verdict::Ignore,
                    other => panic!("{other} is no letter of the tables"),
                };
                for online in [Online::Nothing, Online::Negative, Online::NonNegative] {
                    assert_eq!(verdict(kind, address, online), expected, "{kind:?} {address:?}");
                }
            }
        }
    }
}
