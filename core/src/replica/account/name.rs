//! Which cells an account has, and their keys.

use minicbor::decode::Error;
use minicbor::encode::Write;
use minicbor::{Decode, Decoder, Encode, Encoder};

use crate::jid::{BareJid, Jid};

/// One cell of an account. A cell of an edge is in two accounts, that of the subscriber and that of the publisher, and the same
/// entry with the same dot stands in both.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CellName {
    /// Whether the account may be used.
    Status,
    /// What its owner proves the password with.
    Credentials,
    /// What the roster says of a contact apart from the subscription.
    Item(BareJid),
    /// Whether the subscriber wants the publisher's presence; written by the subscriber.
    Want {
        /// Who gets presence.
        subscriber: BareJid,
        /// Whose presence it is.
        publisher: BareJid,
    },
    /// Whether the publisher allows it; written by the publisher.
    Allow {
        /// Who gets presence.
        subscriber: BareJid,
        /// Whose presence it is.
        publisher: BareJid,
    },
    /// Whether an address is blocked (XEP-0191).
    Block(Jid),
    /// What is archived (XEP-0313).
    Prefs,
    /// What its sessions were given.
    Mark,
}

/// Which end of an edge the owner of an account is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The subscriber: the edge leads to the contact.
    Towards,
    /// The publisher: the edge comes from the contact.
    Back,
}

impl CellName {
    /// Returns what names the cell within the account of `owner`: a letter, and the parts of an address, which are empty
    /// where there are none. All are fit for parts of a key.
    ///
    /// # Panics
    ///
    /// When `owner` is neither end of an edge.
    pub fn to_key(&self, owner: &BareJid) -> Vec<Box<str>> {
        let (towards, back) = match self {
            Self::Status => return vec!["s".into()],
            Self::Credentials => return vec!["c".into()],
            Self::Prefs => return vec!["p".into()],
            Self::Mark => return vec!["m".into()],
            Self::Block(jid) => return parts("b", jid),
            Self::Item(contact) => return parts("i", contact.as_jid()),
            Self::Want { .. } => ("w", "x"),
            Self::Allow { .. } => ("a", "f"),
        };
        match self.contact_of(owner).expect("an edge of the owner's") {
            (End::Towards, contact) => parts(towards, contact.as_jid()),
            (End::Back, contact) => parts(back, contact.as_jid()),
        }
    }

    /// Reads the name of a cell of the account of `owner` back.
    pub fn parse(owner: &BareJid, key: &[&str]) -> Option<Self> {
        let (letter, address) = key.split_first()?;
        let bare = || Some(joined(address)?.bare()).filter(|_| address.len() == 2);
        let towards = || Some((owner.clone(), bare()?));
        let back = || Some((bare()?, owner.clone()));
        match *letter {
            "s" if address.is_empty() => Some(Self::Status),
            "c" if address.is_empty() => Some(Self::Credentials),
            "p" if address.is_empty() => Some(Self::Prefs),
            "m" if address.is_empty() => Some(Self::Mark),
            "b" => joined(address).map(Self::Block),
            "i" => bare().map(Self::Item),
            "w" => towards().map(|(subscriber, publisher)| Self::Want { subscriber, publisher }),
            "x" => back().map(|(subscriber, publisher)| Self::Want { subscriber, publisher }),
            "a" => towards().map(|(subscriber, publisher)| Self::Allow { subscriber, publisher }),
            "f" => back().map(|(subscriber, publisher)| Self::Allow { subscriber, publisher }),
            _ => None,
        }
    }

    /// Returns the domain that names the writes of this cell. The ends of an edge may be in two domains, each of which counts
    /// its own writes: a cell with names of both could not tell which write has seen which.
    pub fn group<'a>(&'a self, owner: &'a BareJid) -> &'a str {
        self.subscriber().unwrap_or(owner).domain()
    }

    /// Returns the subscriber, if it is of an edge.
    pub const fn subscriber(&self) -> Option<&BareJid> {
        match self {
            Self::Want { subscriber, .. } | Self::Allow { subscriber, .. } => Some(subscriber),
            Self::Status | Self::Credentials | Self::Prefs | Self::Mark | Self::Item(_) | Self::Block(_) => {
                None
            }
        }
    }

    /// Returns whether it is of an edge, which belongs to two accounts.
    pub const fn is_edge(&self) -> bool {
        self.subscriber().is_some()
    }

    /// Returns whether the account of `owner` has such a cell.
    pub fn is_of(&self, owner: &BareJid) -> bool {
        match self {
            Self::Want { .. } | Self::Allow { .. } => self.contact_of(owner).is_some(),
            Self::Status | Self::Credentials | Self::Prefs | Self::Mark | Self::Item(_) | Self::Block(_) => {
                true
            }
        }
    }

    /// Returns which end of the edge `owner` is, and who is at the other one. Nothing when the cell is of no edge of theirs.
    pub(super) fn contact_of(&self, owner: &BareJid) -> Option<(End, &BareJid)> {
        match self {
            Self::Want { subscriber, publisher } | Self::Allow { subscriber, publisher } => {
                if subscriber == owner {
                    Some((End::Towards, publisher))
                } else {
                    (publisher == owner).then_some((End::Back, subscriber))
                }
            }
            Self::Status | Self::Credentials | Self::Prefs | Self::Mark | Self::Item(_) | Self::Block(_) => {
                None
            }
        }
    }
}

/// A letter, the domainpart, the localpart, and the resourcepart if there is one.
fn parts(letter: &str, jid: &Jid) -> Vec<Box<str>> {
    let address = [Some(jid.domain()), Some(jid.local().unwrap_or_default()), jid.resource()];
    core::iter::once(letter).chain(address.into_iter().flatten()).map(Box::from).collect()
}

/// The address of these parts.
fn joined(parts: &[&str]) -> Option<Jid> {
    let (domain, local, resource) = match parts {
        [domain, local] => (domain, local, None),
        [domain, local, resource] => (domain, local, Some(resource)),
        _ => return None,
    };
    let at = if local.is_empty() { "" } else { "@" };
    let slash = if resource.is_some() { "/" } else { "" };
    Jid::parse(&format!("{local}{at}{domain}{slash}{}", resource.copied().unwrap_or_default())).ok()
}

impl<C> Encode<C> for CellName {
    fn encode<W: Write>(
        &self,
        out: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        let (letter, addresses): (_, &[&str]) = match self {
            Self::Status => ("s", &[]),
            Self::Credentials => ("c", &[]),
            Self::Prefs => ("p", &[]),
            Self::Mark => ("m", &[]),
            Self::Item(contact) => ("i", &[contact.as_str()]),
            Self::Block(jid) => ("b", &[jid.as_str()]),
            Self::Want { subscriber, publisher } => ("w", &[subscriber.as_str(), publisher.as_str()]),
            Self::Allow { subscriber, publisher } => ("a", &[subscriber.as_str(), publisher.as_str()]),
        };
        out.array(1 + addresses.len() as u64)?.str(letter)?;
        addresses.iter().try_for_each(|address| out.str(address)?.ok())
    }
}

impl<'b, C> Decode<'b, C> for CellName {
    fn decode(input: &mut Decoder<'b>, cx: &mut C) -> Result<Self, Error> {
        let wrong = |_| Error::message("no cell of an account");
        let parts = Vec::<&str>::decode(input, cx)?;
        let bare = |text: &str| BareJid::parse(text).map_err(wrong);
        match parts[..] {
            ["s"] => Ok(Self::Status),
            ["c"] => Ok(Self::Credentials),
            ["p"] => Ok(Self::Prefs),
            ["m"] => Ok(Self::Mark),
            ["i", contact] => bare(contact).map(Self::Item),
            ["b", jid] => Jid::parse(jid).map(Self::Block).map_err(wrong),
            ["w", subscriber, publisher] => {
                Ok(Self::Want { subscriber: bare(subscriber)?, publisher: bare(publisher)? })
            }
            ["a", subscriber, publisher] => {
                Ok(Self::Allow { subscriber: bare(subscriber)?, publisher: bare(publisher)? })
            }
            _ => Err(Error::message("no cell of an account")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bare(text: &str) -> BareJid {
        BareJid::parse(text).unwrap()
    }

    fn names(owner: &BareJid) -> Vec<CellName> {
        let mut names = vec![CellName::Status, CellName::Credentials, CellName::Prefs, CellName::Mark];
        for contact in [bare("bob@b.example"), bare("b.example"), owner.clone()] {
            let (me, them) = (owner.clone(), contact.clone());
            names.push(CellName::Item(contact.clone()));
            names.push(CellName::Want { subscriber: me.clone(), publisher: them.clone() });
            names.push(CellName::Allow { subscriber: me.clone(), publisher: them.clone() });
            if contact != *owner {
                names.push(CellName::Want { subscriber: them.clone(), publisher: me.clone() });
                names.push(CellName::Allow { subscriber: them, publisher: me });
            }
        }
        for jid in ["bob@b.example", "bob@b.example/x y", "b.example", "b.example/x@y/z"] {
            names.push(CellName::Block(Jid::parse(jid).unwrap()));
        }
        names
    }

    #[test]
    fn every_name_has_its_own_key_and_comes_back_from_it() {
        let owner = bare("alice@a.example");
        let mut keys = Vec::new();
        for name in names(&owner) {
            let key = name.to_key(&owner);
            let parts: Vec<&str> = key.iter().map(AsRef::as_ref).collect();
            assert_eq!(CellName::parse(&owner, &parts).as_ref(), Some(&name));
            let bytes = minicbor::to_vec(&name).unwrap();
            assert_eq!(minicbor::decode::<CellName>(&bytes).unwrap(), name);
            assert!(!keys.contains(&key), "{key:?} names two cells");
            keys.push(key);
        }
    }

    #[test]
    fn what_is_no_key_names_no_cell() {
        let owner = bare("alice@a.example");
        let wrong: [&[&str]; 7] = [
            &[],
            &["z"],
            &["s", "x"],
            &["i"],
            &["i", "b.example", "bob", "x"],
            &["b", ""],
            &["w", "a b", ""],
        ];
        for key in wrong {
            assert_eq!(CellName::parse(&owner, key), None, "{key:?}");
        }
    }
}
