//! Where an address lives.

use crate::config::Config;
use crate::jid::Jid;
use crate::stanza::Stanza;

/// Where an address lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A domain served here, with or without resourcepart.
    Server,
    /// The bare JID of the sender.
    OwnAccount,
    /// Any other address of an account in a domain served here.
    Account,
    /// A domain that is not served here.
    Elsewhere,
}

/// Finds out where the recipient of a stanza lives. No `to` means the sender's account (RFC 6120, 10.3).
pub(crate) fn place(config: &Config, stanza: &Stanza) -> Place {
    let Some(to) = &stanza.to else { return Place::OwnAccount };
    if config.domain(to.domain()).is_none() {
        return Place::Elsewhere;
    }
    if to.local().is_none() {
        return Place::Server;
    }
    if to.resource().is_none() && is_same_account(to, &stanza.from) {
        Place::OwnAccount
    } else {
        Place::Account
    }
}

fn is_same_account(one: &Jid, other: &Jid) -> bool {
    one.bare_str() == other.bare_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jid::Domain;
    use crate::stanza::{Kind, MessageType};

    #[test]
    fn every_address_has_its_place() {
        let config = Config::single(Domain::parse("a.example").unwrap());
        for (to, expected) in [
            ("a.example", Place::Server),
            ("a.example/x", Place::Server),
            ("bob@a.example", Place::OwnAccount),
            ("bob@a.example/phone", Place::Account),
            ("bob@a.example/desk", Place::Account),
            ("eve@a.example", Place::Account),
            ("eve@b.example", Place::Elsewhere),
            ("b.example", Place::Elsewhere),
        ] {
            let from = Jid::parse("bob@a.example/desk").unwrap();
            let kind = Kind::Message(MessageType::Normal);
            let stanza = Stanza::make(kind, from, Jid::parse(to).unwrap(), None, &[]);
            assert_eq!(place(&config, &stanza), expected, "{to}");
        }
    }
}
