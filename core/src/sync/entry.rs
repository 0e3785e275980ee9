//! What travels between nodes: one entry for each write.
//!
//! Rests on the replication rules R9 (identity of names), R13 (scope), R14 (two logs) and R16 (one stanza, one message).

use bytes::Bytes;
use minicbor::{Decode, Encode};
use smallvec::SmallVec;

use crate::exchange::{About, Haste, Sealed};
use crate::jid::BareJid;
use crate::replica::{self, CellName, Change, Dot, Hlc, Inbound, Life, Status, Value};
use crate::stanza::{Kind, Stanza};

/// How many kinds of entries there are.
const KINDS: u16 = 4;

/// One entry. Its dot stands beside it, where the content does not name it itself.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(crate) enum Entry {
    /// A write of a cell of an account.
    #[n(0)]
    Change {
        /// The account; of an edge, the subscriber.
        #[n(0)]
        #[cbor(with = "account")]
        owner: BareJid,
        /// The write.
        #[n(1)]
        change: Change,
        /// In whose rows it stands.
        #[n(2)]
        ends: Ends,
    },
    /// A write of a cell that is read only when it is asked for.
    #[n(1)]
    Large(#[n(0)] LargeChange),
    /// A message.
    #[n(2)]
    Letter(#[n(0)] Letter),
    /// Nothing: what the dot was given to was not written.
    #[n(3)]
    Void,
}

/// In whose rows a write of an edge stands. A request that the publisher does not hear stands with the subscriber alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Ends {
    /// With both; what is no edge: with the account.
    #[n(0)]
    Both,
    /// With the subscriber.
    #[n(1)]
    Subscriber,
    /// With the publisher.
    #[n(2)]
    Publisher,
}

impl Entry {
    /// Returns the number of its kind.
    const fn kind(&self) -> u16 {
        match self {
            Self::Change { .. } => 0,
            Self::Large(_) => 1,
            Self::Letter(_) => 2,
            Self::Void => 3,
        }
    }

    /// Returns how many dots it has.
    pub(crate) const fn span(&self) -> u8 {
        match self {
            Self::Letter(letter) => letter.parties.span(),
            Self::Change { .. } | Self::Large(_) | Self::Void => 1,
        }
    }

    /// Returns whom it is about.
    pub(super) fn about(&self) -> About {
        let (accounts, haste, apart) = match self {
            Self::Letter(letter) => {
                let parties = letter.parties.sender.iter().chain(&letter.parties.recipient);
                (parties.map(|party| party.account.clone()).collect(), Haste::Live, Haste::Bulk)
            }
            Self::Change { owner, change, .. } => {
                let publisher = match &change.cell {
                    CellName::Want { publisher, .. } | CellName::Allow { publisher, .. } => Some(publisher),
                    CellName::Status
                    | CellName::Credentials
                    | CellName::Item(_)
                    | CellName::Block(_)
                    | CellName::Prefs
                    | CellName::Mark => None,
                };
                // What one deed writes is heard in its order, which people see.
                let accounts = core::iter::once(owner).chain(publisher).cloned().collect();
                (accounts, Haste::Live, apart_of(&change.entry.value))
            }
            Self::Large(large) => {
                (core::iter::once(large.owner.clone()).collect(), Haste::State, Haste::Bulk)
            }
            Self::Void => (SmallVec::new(), Haste::State, Haste::Bulk),
        };
        let talker = match self {
            Self::Letter(letter) => letter.parties.sender.as_ref().map(|party| party.account.clone()),
            Self::Change { owner, .. } => Some(owner.clone()),
            Self::Large(large) => Some(large.owner.clone()),
            Self::Void => None,
        };
        let past = match self {
            Self::Letter(letter) => letter.past.as_slice().into(),
            Self::Change { .. } | Self::Large(_) | Self::Void => Box::default(),
        };
        About { accounts, talker, haste, apart, past }
    }

    /// Makes of it what travels, under `span` dots from `dot` on.
    pub(crate) fn seal(&self, dot: Dot, span: u8) -> Sealed {
        let bytes = minicbor::to_vec(self).expect("writing to a Vec cannot fail").into();
        Sealed { dot, span, kind: self.kind(), bytes }
    }

    /// Reads what has travelled; nothing of it is known where a later version has more kinds.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] when it is of a kind that is known, and not what that should be.
    pub(super) fn open(sealed: &Sealed) -> Result<Option<Self>, Unreadable> {
        if sealed.kind >= KINDS {
            return Ok(None);
        }
        let mut input = minicbor::Decoder::new(&sealed.bytes);
        let entry: Self = input.decode().map_err(|_| Unreadable)?;
        let whole = input.position() == sealed.bytes.len();
        let (dot, span) = match &entry {
            Self::Change { owner, change, .. } if change.cell.is_of(owner) => (change.entry.dot, 1),
            Self::Large(large) if !large.kind.contains('\0') && !large.name.contains('\0') => {
                (large.entry.dot, 1)
            }
            Self::Letter(letter) if letter.is_message() => (sealed.dot, letter.parties.span()),
            Self::Void => (sealed.dot, 1),
            Self::Change { .. } | Self::Large(_) | Self::Letter(_) => return Err(Unreadable),
        };
        let named = (dot, span, entry.kind()) == (sealed.dot, sealed.span, sealed.kind);
        if whole && named { Ok(Some(entry)) } else { Err(Unreadable) }
    }
}

/// Returns how urgent a write is: what takes something away that somebody might have, says who may log in, or has to be there before
/// messages come is waited for.
pub(crate) const fn haste_of(value: &Value) -> Haste {
    let is_urgent = match value {
        Value::Status(status) => !matches!(status, Status::Active),
        Value::Credentials(_) | Value::Mark(_) => true,
        Value::Allow(on) => !*on,
        Value::Block(on) => *on,
        Value::Item(_) | Value::Want(_) | Value::Prefs(_) => false,
    };
    if is_urgent { Haste::Live } else { Haste::State }
}

/// Returns how urgent a write is at a node that has no session of those whom it is about. What shuts somebody out, or says who may log
/// in, is to hold there before they come; and what others write to an account waits there until it is known that there is one.
const fn apart_of(value: &Value) -> Haste {
    match value {
        Value::Status(_) => Haste::Live,
        // Many accounts have a new one each minute, which nobody needs before somebody comes.
        Value::Mark(_) => Haste::Bulk,
        Value::Credentials(_)
        | Value::Allow(_)
        | Value::Block(_)
        | Value::Item(_)
        | Value::Want(_)
        | Value::Prefs(_) => match haste_of(value) {
            Haste::Live => Haste::Live,
            Haste::State | Haste::Bulk => Haste::Bulk,
        },
    }
}

impl Letter {
    /// Returns the stanza.
    pub(crate) fn stanza(&self) -> Option<Stanza> {
        Stanza::parse([&self.head[..], &self.body[..]].concat().into())
    }

    /// Returns whether it is a message of those that it names.
    fn is_message(&self) -> bool {
        let Parties { sender, recipient, own: _, owed } = &self.parties;
        let Some(stanza) = self.stanza() else { return false };
        let to = stanza.to.as_ref().map_or(stanza.from.bare_str(), |to| to.bare_str());
        let named = |party: &Option<Party>, who: &str| {
            party.as_ref().is_none_or(|party| party.account.as_str() == who)
        };
        matches!(stanza.kind, Kind::Message(_))
            && named(sender, stanza.from.bare_str())
            && named(recipient, to)
            && (sender.is_some() || recipient.is_some())
            && (!owed || sender.is_none())
    }
}

/// What has travelled says nothing that this version understands, although it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

/// A write of a cell that is read only when it is asked for.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(crate) struct LargeChange {
    /// The account.
    #[n(0)]
    #[cbor(with = "account")]
    pub(crate) owner: BareJid,
    /// Which of its lives.
    #[n(1)]
    pub(crate) life: Option<Life>,
    /// The kind of the cell.
    #[n(2)]
    pub(crate) kind: Box<str>,
    /// Its name.
    #[n(3)]
    pub(crate) name: Box<str>,
    /// What was written.
    #[n(4)]
    pub(crate) entry: replica::Entry<Blob>,
}

/// A value of [`LargeChange`] as it is stored.
#[derive(Clone, Debug, Encode, Decode)]
pub(crate) struct LargeRecord {
    /// What was written.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub(crate) value: Vec<u8>,
    /// For which life of the account; nothing where an earlier format has not named one.
    #[n(1)]
    pub(crate) life: Option<Life>,
}

/// Bytes that mean something to the service that wrote them.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub(crate) struct Blob(
    #[n(0)]
    #[cbor(with = "octets")]
    pub(crate) Bytes,
);

/// A message: an entry of the log of its sender, of that of its recipient, or of both, with consecutive dots.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Letter {
    /// Its stamp.
    #[n(0)]
    pub(crate) hlc: Hlc,
    /// The stanza, if a client of the cluster may send it again.
    #[n(1)]
    pub(crate) key: Option<Inbound>,
    /// What has to be shown before it.
    #[n(2)]
    pub(crate) past: Vec<Dot>,
    /// In whose logs it is.
    #[n(3)]
    pub(crate) parties: Parties,
    /// The start tag of the stanza, stamped with its addresses.
    #[n(4)]
    #[cbor(with = "octets")]
    pub(crate) head: Bytes,
    /// The rest of the stanza.
    #[n(5)]
    #[cbor(with = "octets")]
    pub(crate) body: Bytes,
    /// What its session has sent before to clients of its recipient at other nodes, as frames of this start of its own, and was not known
    /// to have been taken: the last for each node, if any.
    #[n(6)]
    pub(crate) behind: Option<Vec<(u32, u64)>>,
    /// Its ids, where a node has given them that was alone and did not keep of which stanza they were made.
    #[n(22)]
    pub(crate) ids: Option<Box<Ids>>,
}

/// The ids of a message in the archives of its parties.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Ids {
    /// In that of who has sent it.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub(crate) sender: Option<[u8; 16]>,
    /// In that of who gets it.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub(crate) recipient: Option<[u8; 16]>,
}

/// In whose logs a message is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Parties {
    /// Who has sent it.
    #[n(0)]
    pub(crate) sender: Option<Party>,
    /// Who gets it.
    #[n(1)]
    pub(crate) recipient: Option<Party>,
    /// It was sent to the sender's own account, whose log has it once.
    #[n(2)]
    pub(crate) own: bool,
    /// It is in no archive and waits for somebody to get it.
    #[n(3)]
    pub(crate) owed: bool,
}

/// An account that has a message in its log.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Party {
    /// The account.
    #[n(0)]
    #[cbor(with = "account")]
    pub(crate) account: BareJid,
    /// Which of its lives; nothing for one that an earlier format has not named.
    #[n(1)]
    pub(crate) life: Option<Life>,
}

/// An account, as its address.
pub(super) mod account {
    use minicbor::decode::Error;
    use minicbor::encode::Write;
    use minicbor::{Decoder, Encoder};

    use crate::jid::BareJid;

    pub(in crate::sync) fn encode<C, W: Write>(
        value: &BareJid,
        out: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        out.str(value.as_str())?.ok()
    }

    pub(in crate::sync) fn decode<C>(input: &mut Decoder<'_>, _: &mut C) -> Result<BareJid, Error> {
        let at = input.position();
        BareJid::parse(input.str()?).map_err(|_| Error::message("no account").at(at))
    }
}

/// Shared bytes, as a byte string.
mod octets {
    use bytes::Bytes;
    use minicbor::decode::Error;
    use minicbor::encode::Write;
    use minicbor::{Decoder, Encoder};

    pub(super) fn encode<C, W: Write>(
        value: &Bytes,
        out: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        out.bytes(value)?.ok()
    }

    pub(super) fn decode<C>(input: &mut Decoder<'_>, _: &mut C) -> Result<Bytes, Error> {
        Ok(Bytes::copy_from_slice(input.bytes()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replica::{Account, CellName, Context, Origin, Replica as _, Status, Value};

    fn dot(seq: u64) -> Dot {
        Origin { node: 7, start: 2, random: 9 }.dot(seq)
    }

    #[test]
    fn entries_come_back_and_damaged_ones_do_not() {
        let owner = BareJid::parse("a@x.example").unwrap();
        let mut account = Account::new(owner.clone());
        let change = account.write(CellName::Status, dot(1), Hlc::default(), Value::Status(Status::Active));
        account.apply(&change);
        let party = |life| Some(Party { account: owner.clone(), life });
        let letter = Letter {
            hlc: Hlc { millis: -1, count: 3 },
            key: Some(Inbound { session: dot(9), ordinal: 57 }),
            past: vec![dot(2)],
            parties: Parties {
                sender: party(account.life()),
                recipient: party(None),
                own: false,
                owed: true,
            },
            head: Bytes::from_static(b"<message "),
            body: Bytes::from_static(b"/>"),
            behind: None,
            ids: Some(Box::new(Ids { sender: None, recipient: Some([7; 16]) })),
        };
        let value = Blob(Bytes::from_static(b"card"));
        let entry = replica::Entry { dot: dot(3), hlc: Hlc::MAX, context: Context::default(), value };
        let (kind, name, life) = ("vcard".into(), "v".into(), account.life());
        let large = LargeChange { owner: owner.clone(), life, kind, name, entry };
        let change = Entry::Change { owner, change, ends: Ends::Subscriber };
        for entry in [change, Entry::Large(large), Entry::Letter(letter), Entry::Void] {
            let bytes = minicbor::to_vec(&entry).unwrap();
            assert_eq!(minicbor::decode::<Entry>(&bytes).unwrap(), entry);
            for end in 0..bytes.len() {
                assert!(minicbor::decode::<Entry>(&bytes[..end]).is_err(), "{entry:?} cut at {end}");
            }
        }
    }

    #[test]
    fn what_shuts_somebody_out_is_urgent_where_nobody_is() {
        let owner = BareJid::parse("a@x.example").unwrap();
        let of = |cell, value| {
            let mut account = Account::new(owner.clone());
            let begun =
                account.write(CellName::Status, dot(1), Hlc::default(), Value::Status(Status::Active));
            account.apply(&begun);
            let change = account.write(cell, dot(2), Hlc::default(), value);
            Entry::Change { owner: owner.clone(), change, ends: Ends::Both }.about().apart
        };
        let bob = || BareJid::parse("b@x.example").unwrap();
        let block = |on| of(CellName::Block(bob().into()), Value::Block(on));
        assert_eq!(
            [Status::Active, Status::Disabled].map(|status| of(CellName::Status, Value::Status(status))),
            [Haste::Live; 2]
        );
        assert_eq!([block(true), block(false)], [Haste::Live, Haste::Bulk]);
    }
}
