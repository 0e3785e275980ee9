//! What stands in the rows of an archive.

use bytes::Bytes;
use minicbor::{Decode, Encode};

use super::keys::{counts_key, message_key};
use super::{EntryId, Open};
use crate::jid::{BareJid, Jid};
use crate::replica::{Dot, Hlc, Place};
use crate::stanza::Packet;
use crate::store::{Key, Row, StoreError, encode};

/// Bytes that an entry takes beside its message, about.
const OVERHEAD: usize = 256;

/// A message as it is stored: the stanza, stamped with its addresses, without what differs from archive to archive.
#[derive(Debug, Encode, Decode)]
struct MessageRecord<'b> {
    #[b(0)]
    #[cbor(with = "minicbor::bytes")]
    head: &'b [u8],
    #[b(1)]
    #[cbor(with = "minicbor::bytes")]
    body: &'b [u8],
}

/// A message as it is stored.
#[derive(Debug)]
pub(crate) struct Message;

/// One message in one archive.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Entry {
    /// The message.
    #[n(0)]
    pub(crate) message: Dot,
    /// In which domain it is stored.
    #[n(1)]
    pub(crate) home: Home,
    /// Its id in this archive; nothing when it is only owed, and in no archive of this account.
    #[n(2)]
    pub(crate) id: Option<EntryId>,
    /// With whom it was exchanged.
    #[n(3)]
    #[cbor(with = "address")]
    pub(crate) with: Jid,
    /// Which way it went.
    #[n(4)]
    pub(crate) direction: Direction,
    /// Where the other account's archive has it, when it does.
    #[n(5)]
    pub(crate) twin: Option<Place>,
    /// Bytes that it counts for.
    #[n(6)]
    pub(crate) bytes: u32,
}

/// In which domain a message is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Home {
    /// In that of the archive.
    #[n(0)]
    Own,
    /// In that of the other party, as messages between two domains were that are old.
    #[n(1)]
    Other,
}

/// Which way a message went, seen from the owner of the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Direction {
    /// It was received.
    #[n(0)]
    In,
    /// It was sent.
    #[n(1)]
    Out,
    /// It was sent to the sender's own account.
    #[n(2)]
    Own,
}

/// What a row of the owed messages says.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Held(
    /// The message; nothing when the archive has an entry at this place.
    #[n(0)]
    pub(crate) Option<Entry>,
);

/// What an archive holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Entries.
    pub(crate) entries: u64,
    /// Bytes that they count for.
    pub(crate) bytes: u64,
    /// Messages that nobody has been given.
    pub(crate) owed: u32,
    /// No entry and no owed message is older.
    pub(crate) oldest: Hlc,
}

/// What an archive holds, as it is stored.
#[derive(Debug, Encode, Decode)]
struct CountsRecord {
    #[n(0)]
    entries: u64,
    #[n(1)]
    bytes: u64,
    #[n(2)]
    owed: u32,
    #[n(3)]
    oldest: Hlc,
    /// What has come and was not given, as far as other nodes know; nothing in a row of a version that had no marks.
    #[n(4)]
    open: Option<Open>,
}

/// From where on an archive is kept. It only rises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Floor(
    /// What is older is gone, whether it has been removed or not.
    #[n(0)]
    pub(crate) Hlc,
);

impl Message {
    /// Encodes a message.
    pub(crate) fn encode(packet: &Packet) -> Bytes {
        encode(&MessageRecord { head: &packet.head, body: &packet.body })
    }

    /// Reads a message back, as the bytes of the stanza.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] when the row is none.
    pub(crate) fn decode(row: &Row) -> Result<Bytes, StoreError> {
        let record: MessageRecord<'_> = row.decode()?;
        Ok([record.head, record.body].concat().into())
    }

    /// Reads a message back, as it was written.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] when the row is none.
    pub(crate) fn packet(row: &Row) -> Result<Packet, StoreError> {
        let record: MessageRecord<'_> = row.decode()?;
        let (head, body) = (Bytes::copy_from_slice(record.head), Bytes::copy_from_slice(record.body));
        Ok(Packet { head, body })
    }

    /// Returns how many bytes a message counts for in an archive.
    pub(crate) fn bytes(packet: &Packet) -> u32 {
        u32::try_from(packet.len() + OVERHEAD).unwrap_or(u32::MAX)
    }
}

/// Returns the row that says what an archive holds, with what of it is open; nothing where there is none among the rows of the archive.
///
/// # Errors
///
/// [`StoreError::Damaged`] when the row is none.
pub(crate) fn reopened(
    owner: &BareJid,
    rows: &[Row],
    open: &Open,
) -> Result<Option<(Key, Bytes)>, StoreError> {
    let key = counts_key(owner);
    let Some(row) = rows.iter().find(|row| row.key == key) else { return Ok(None) };
    let (counts, _) = Counts::decode(row)?;
    Ok(Some((key, counts.encode(open))))
}

impl Counts {
    /// Encodes what an archive holds, and what of it is open.
    pub(super) fn encode(self, open: &Open) -> Bytes {
        let Self { entries, bytes, owed, oldest } = self;
        let open = Some(open).filter(|open| !open.is_empty()).cloned();
        encode(&CountsRecord { entries, bytes, owed, oldest, open })
    }

    /// Reads what an archive holds, and what of it is open.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] when the row is none.
    pub(super) fn decode(row: &Row) -> Result<(Self, Open), StoreError> {
        let CountsRecord { entries, bytes, owed, oldest, open } = row.decode()?;
        let open = open.unwrap_or_else(|| {
            let mut open = Open::default();
            if owed > 0 {
                // Nothing says which.
                open.owe_unnamed();
            }
            open
        });
        Ok((Self { entries, bytes, owed, oldest }, open))
    }

    /// Counts one more owed message, which may be older than what is held.
    pub(crate) fn owe(&mut self, stamp: Hlc) {
        if self.entries == 0 && self.owed == 0 || stamp < self.oldest {
            self.oldest = stamp;
        }
        self.owed += 1;
    }

    /// Counts one more entry. One that comes from another node may be older than what is held.
    pub(crate) fn add(&mut self, stamp: Hlc, bytes: u32) {
        if self.entries == 0 && self.owed == 0 || stamp < self.oldest {
            self.oldest = stamp;
        }
        self.entries += 1;
        self.bytes += u64::from(bytes);
    }
}

impl Entry {
    /// Returns the domain in which the message is stored.
    pub(crate) fn domain<'a>(&'a self, owner: &'a BareJid) -> &'a str {
        match self.home {
            Home::Own => owner.domain(),
            Home::Other => self.with.domain(),
        }
    }

    /// Returns the key of the message.
    pub(crate) fn message_key(&self, owner: &BareJid) -> Key {
        message_key(self.domain(owner), self.message)
    }
}

/// An address, as its text.
mod address {
    use minicbor::decode::Error;
    use minicbor::encode::Write;
    use minicbor::{Decoder, Encoder};

    use crate::jid::Jid;

    pub(super) fn encode<C, W: Write>(
        value: &Jid,
        out: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        out.str(value.as_str())?.ok()
    }

    pub(super) fn decode<C>(input: &mut Decoder<'_>, _: &mut C) -> Result<Jid, Error> {
        Jid::parse(input.str()?).map_err(|_| Error::message("no address"))
    }
}
