//! The index by dot: what each live entry of a group is, and where its value stands.
//!
//! Rests on the replication rules R3 (live entries only). A row is written with the entry and goes with it.

use bytes::Bytes;
use minicbor::{Decode, Encode};

use super::entry::{Entry, Ids, Letter, Parties, account};
use super::pick::Accounts;
use crate::exchange::{GroupKind, Sealed};
use crate::jid::BareJid;
use crate::replica::{CellName, Dot, Hlc, Inbound};
use crate::store::{Key, Table, encode};

/// Bytes of the tail of a key: the shard, the dot.
const TAIL: usize = 22;

/// What a row of the index says.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Found {
    /// A message, by its first dot. The rest of it stands under that dot among the messages of the domain.
    #[n(0)]
    Letter(#[n(0)] LetterHead),
    /// A write of a cell: its value stands in the row of the cell.
    #[n(1)]
    Cell {
        /// The account.
        #[n(0)]
        #[cbor(with = "account")]
        owner: BareJid,
        /// The cell.
        #[n(1)]
        cell: CellName,
    },
    /// A write of a cell that is read only when it is asked for.
    #[n(2)]
    Large {
        /// The account.
        #[n(0)]
        #[cbor(with = "account")]
        owner: BareJid,
        /// The kind of the cell.
        #[n(1)]
        kind: Box<str>,
        /// Its name.
        #[n(2)]
        name: Box<str>,
    },
    /// Nothing: what the dot was given to was not written.
    #[n(3)]
    Void,
    /// An entry as it came: of a kind that only later versions have, or for something that is damaged here.
    #[n(4)]
    Unknown {
        /// How many dots it has.
        #[n(0)]
        span: u8,
        /// Its kind.
        #[n(1)]
        kind: u16,
        /// What it says.
        #[n(2)]
        #[cbor(with = "minicbor::bytes")]
        bytes: Vec<u8>,
    },
}

/// Everything of a message but its text.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct LetterHead {
    /// Its stamp.
    #[n(0)]
    pub(crate) hlc: Hlc,
    /// The stanza, if a client may send it again.
    #[n(1)]
    pub(crate) key: Option<Inbound>,
    /// What has to be shown before it.
    #[n(2)]
    pub(crate) past: Vec<Dot>,
    /// In whose logs it is.
    #[n(3)]
    pub(crate) parties: Parties,
    /// What was relayed before it.
    #[n(4)]
    pub(crate) behind: Option<Vec<(u32, u64)>>,
    /// Its ids, where a node has given them that was alone and did not keep of which stanza they were made.
    #[n(20)]
    pub(crate) ids: Option<Box<Ids>>,
}

impl Found {
    /// Returns what the index says of an entry.
    pub(super) fn of(entry: Entry) -> Self {
        match entry {
            Entry::Change { owner, change, ends: _ } => Self::Cell { owner, cell: change.cell },
            Entry::Large(change) => Self::Large { owner: change.owner, kind: change.kind, name: change.name },
            Entry::Letter(Letter { hlc, key, past, parties, behind, ids, head: _, body: _ }) => {
                Self::Letter(LetterHead { hlc, key, past, parties, behind, ids })
            }
            Entry::Void => Self::Void,
        }
    }

    /// Returns what the index says of an entry that it holds as it came.
    pub(super) fn as_it_came(sealed: &Sealed) -> Self {
        let Sealed { dot: _, span, kind, bytes } = sealed;
        Self::Unknown { span: *span, kind: *kind, bytes: bytes.to_vec() }
    }

    /// Returns how many rows say what the entry says.
    pub(super) const fn rows(&self) -> usize {
        match self {
            Self::Letter(_) | Self::Large { .. } => 1,
            Self::Cell { cell, .. } => {
                if cell.is_edge() {
                    2
                } else {
                    1
                }
            }
            Self::Void | Self::Unknown { .. } => 0,
        }
    }

    /// Returns whether it is of one of these accounts.
    pub(super) fn is_of(&self, accounts: &Accounts) -> bool {
        match self {
            Self::Letter(letter) => {
                let mut parties = letter.parties.sender.iter().chain(&letter.parties.recipient);
                parties.any(|party| accounts.contains(party.account.as_str()))
            }
            Self::Cell { owner, cell } => {
                let publisher = match cell {
                    CellName::Want { publisher, .. } | CellName::Allow { publisher, .. } => publisher,
                    CellName::Status
                    | CellName::Credentials
                    | CellName::Item(_)
                    | CellName::Block(_)
                    | CellName::Prefs
                    | CellName::Mark => owner,
                };
                accounts.contains(owner.as_str()) || accounts.contains(publisher.as_str())
            }
            Self::Large { owner, .. } => accounts.contains(owner.as_str()),
            Self::Void | Self::Unknown { .. } => false,
        }
    }

    /// Returns what has to be shown before it.
    pub(super) fn past(&self) -> &[Dot] {
        match self {
            Self::Letter(letter) => &letter.past,
            Self::Cell { .. } | Self::Large { .. } | Self::Void | Self::Unknown { .. } => &[],
        }
    }

    /// Returns its stamp, where that decides what is said first.
    pub(super) const fn stamp(&self) -> Option<Hlc> {
        match self {
            Self::Letter(letter) => Some(letter.hlc),
            Self::Cell { .. } | Self::Large { .. } | Self::Void | Self::Unknown { .. } => None,
        }
    }

    /// Returns how many dots the entry has.
    pub(super) const fn span(&self) -> u8 {
        match self {
            Self::Letter(letter) => letter.parties.span(),
            Self::Unknown { span, .. } => *span,
            Self::Cell { .. } | Self::Large { .. } | Self::Void => 1,
        }
    }
}

impl Parties {
    /// Returns how many logs the message is in: for each it has a dot.
    pub(crate) const fn span(&self) -> u8 {
        if self.sender.is_some() && self.recipient.is_some() { 2 } else { 1 }
    }
}

/// Returns the row of the index of an entry that was written while there was none.
pub(crate) fn index_row(domain: &str, kind: GroupKind, dot: Dot, found: &Found) -> (Key, Bytes) {
    (index_key(domain, (kind, 0), dot), encode(found))
}

/// Returns the key of an entry in the index.
pub(super) fn index_key(domain: &str, (kind, shard): (GroupKind, u16), dot: Dot) -> Key {
    let mut tail = [0; TAIL];
    tail[..2].copy_from_slice(&shard.to_be_bytes());
    tail[2..].copy_from_slice(&dot.to_bytes());
    Key::with_tail(Table::Dot, &[domain, kind.name()], &tail)
}

/// Reads which entry a key of the index names: the domain, the kind, the shard, the dot. Nothing when it is no such key.
pub(super) fn indexed(key: &Key) -> Option<(&str, GroupKind, u16, Dot)> {
    if key.as_bytes().first() != Some(&(Table::Dot as u8)) {
        return None;
    }
    let mut parts = key.parts();
    let (domain, kind) = (parts.next()?, parts.next()?);
    let kind = GroupKind::ALL.into_iter().find(|known| known.name() == kind)?;
    let (shard, dot) = key.tail(2)?.split_first_chunk::<2>()?;
    Some((domain, kind, u16::from_be_bytes(*shard), Dot::from_bytes(dot)?))
}
