//! Entries for accounts of which something is damaged: they are kept as they came, count as held, and are played again when
//! everything of the account can be read. Nothing that comes later is taken ahead of them.
//!
//! Rests on the replication rules R2 (what counts is on the disk) and R13 (scope).

use std::collections::BTreeSet;

use minicbor::{Decode, Encode};

use super::entry::Entry;
use super::group::Groups;
use super::index::Found;
use super::take::{Place, Taken, What};
use crate::exchange::{GroupId, GroupKind, Sealed};
use crate::io::OpId;
use crate::jid::BareJid;
use crate::replica::Dot;
use crate::store::{Key, Row, StoreBatch, StoreError, StoreQuery, Table, encode};

/// Entries that are played at once. The next ones follow when all of them are durable.
const PAGE: u32 = 16;
/// Bytes of the tail of a key: the kind of the group, the shard, the dot.
const TAIL: usize = 23;

/// What of an account cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// The account itself: nothing for it can be taken.
    Account,
    /// Its archive: messages cannot be taken.
    Archive,
    /// One of its large cells: no other of them is taken ahead of that.
    Large,
}

/// Something that cannot be read.
pub(crate) type Unread = (BareJid, Part);

/// Entries that were kept.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// For what there are any.
    by: BTreeSet<Unread>,
    /// Of which accounts the observers have been told.
    told: BTreeSet<BareJid>,
    /// What can be read by now, and is played.
    due: BTreeSet<Unread>,
    playing: Option<Playing>,
}

/// The entries of one account that are played.
#[derive(Debug)]
struct Playing {
    whose: Unread,
    /// The read of the next of them, while it is under way.
    reading: Option<OpId>,
    /// One more has been kept since that was asked for.
    more: bool,
    /// Those that are not durable.
    left: BTreeSet<Place>,
}

/// An entry as it came.
#[derive(Debug, Encode, Decode)]
struct KeptRecord {
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
}

impl Part {
    const ALL: [Self; 3] = [Self::Account, Self::Archive, Self::Large];

    const fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Archive => "archive",
            Self::Large => "large",
        }
    }
}

impl Groups {
    /// Returns which of these has entries that were kept: what is for it as well comes behind them.
    pub(crate) fn keeps(&self, mut of: impl Iterator<Item = Unread>) -> Option<Unread> {
        of.find(|whose| self.kept.by.contains(whose))
    }

    /// Keeps an entry with flush `gate`, because something that it is for is damaged. Returns whether the observers have to be told.
    pub(crate) fn keep(&mut self, taken: &Taken, whose: Unread, gate: u64, batch: &mut StoreBatch) -> bool {
        let name = taken.name;
        if let Some(before) = &taken.kept {
            batch.add_delete(self.kept_key(before, name.place()));
        }
        let sealed = taken.sealed();
        let record = KeptRecord { span: sealed.span, kind: sealed.kind, bytes: sealed.bytes.to_vec() };
        batch.add_put(self.kept_key(&whose, name.place()), encode(&record));
        self.index(name, &Found::as_it_came(&sealed), batch);
        let state = self.by.entry(name.group).or_default();
        state.under_way.remove(&name.dot);
        state.count_taken(name, gate, Vec::new());
        if let Some(playing) = self.kept.playing.as_mut().filter(|playing| playing.whose == whose) {
            playing.more = true;
            // It is damaged still, or again: all that is left is played the next time that it can be read.
            if taken.kept.as_ref() == Some(&whose) {
                self.kept.playing = None;
            }
        }
        let told = self.tell_of(&whose.0);
        self.kept.by.insert(whose);
        told
    }

    /// Something of an account cannot be read. Returns whether the observers have to be told.
    pub(crate) fn tell_of(&mut self, user: &BareJid) -> bool {
        self.kept.told.insert(user.clone())
    }

    /// Returns the accounts with entries that were kept.
    pub(crate) fn kept(&self) -> BTreeSet<BareJid> {
        self.kept.by.iter().map(|(user, _)| user.clone()).collect()
    }

    /// Returns whether entries were kept for an account.
    pub(crate) fn has_kept(&self, user: &BareJid) -> bool {
        Part::ALL.into_iter().any(|part| self.kept.by.contains(&(user.clone(), part)))
    }

    /// An account can be read. Returns whether entries were kept for it: they are due.
    pub(crate) fn can_read(&mut self, user: &BareJid) -> bool {
        let whose = Part::ALL.map(|part| (user.clone(), part));
        let due = whose.into_iter().filter(|whose| self.kept.by.contains(whose));
        let due: Vec<_> = due.collect();
        let any = !due.is_empty();
        self.kept.due.extend(due);
        any
    }

    /// Returns what is read next of entries that are due, if they are not being read, nor on their way to the disk;
    /// [`Groups::reads_kept`] follows.
    pub(crate) fn play(&mut self) -> Option<StoreQuery> {
        let Kept { due, playing, .. } = &mut self.kept;
        if playing.is_none() {
            let whose = due.pop_first()?;
            *playing = Some(Playing { whose, reading: None, more: false, left: BTreeSet::new() });
        }
        let playing =
            playing.as_mut().filter(|playing| playing.reading.is_none() && playing.left.is_empty())?;
        let from = unread_key(&playing.whose);
        let to = from.prefix_end();
        Some(StoreQuery::Range { from, to, limit: PAGE })
    }

    /// Takes note that `op` reads them.
    pub(crate) fn reads_kept(&mut self, op: OpId) {
        if let Some(playing) = &mut self.kept.playing {
            (playing.reading, playing.more) = (Some(op), false);
        }
    }

    /// Takes in entries that were kept. Returns those that are to be taken; nothing more is kept when there is none.
    ///
    /// # Errors
    ///
    /// When they cannot be read, or are none: they stay where they are, and are due again where it was the disk that has failed.
    pub(crate) fn handle_kept(
        &mut self,
        op: OpId,
        outcome: Result<Vec<Row>, StoreError>,
    ) -> Result<Vec<Taken>, StoreError> {
        let playing = self.kept.playing.take_if(|playing| playing.reading == Some(op));
        let Some(mut playing) = playing else { return Ok(Vec::new()) };
        let rows = outcome.inspect_err(|error| {
            if *error != StoreError::Damaged {
                self.kept.due.insert(playing.whose.clone());
            }
        })?;
        let read = rows.iter().map(|row| self.read_kept(row, &playing.whose));
        let mut read = read.collect::<Result<Vec<Taken>, _>>()?;
        if read.is_empty() && !playing.more {
            self.kept.by.remove(&playing.whose);
            self.kept.told.remove(&playing.whose.0);
            return Ok(read);
        }
        playing.reading = None;
        playing.left.extend(read.iter().map(|taken| taken.name.place()));
        self.kept.playing = Some(playing);
        // Some may be on their way since they were read before.
        read.retain(|taken| !self.is_under_way(taken.name.place()));
        for taken in &read {
            self.by.entry(taken.name.group).or_default().under_way.insert(taken.name.dot);
        }
        Ok(read)
    }

    /// These are durable.
    pub(super) fn played(&mut self, durable: &[Place]) {
        if let Some(playing) = &mut self.kept.playing {
            playing.left.retain(|place| !durable.contains(place));
        }
    }

    /// Takes in the first entry that was kept behind where was looked before, as it was asked for at the start. Returns where to look
    /// next.
    pub(crate) fn load_kept(&mut self, rows: &[Row]) -> Option<StoreQuery> {
        let row = rows.first()?;
        match owner(&row.key) {
            Some(whose) => {
                let next = unread_key(&whose).prefix_end();
                self.kept.by.insert(whose);
                Some(first_kept(next))
            }
            None => Some(first_kept(row.key.next())),
        }
    }

    fn read_kept(&self, row: &Row, whose: &Unread) -> Result<Taken, StoreError> {
        let KeptRecord { span, kind, bytes } = row.decode()?;
        let (group, dot) = self.kept_at(&row.key).ok_or(StoreError::Damaged)?;
        let sealed = Sealed { dot, span, kind, bytes: bytes.into() };
        let entry = Entry::open(&sealed).ok().flatten().ok_or(StoreError::Damaged)?;
        Ok(Taken::new(group, &sealed, What::Known(entry)).kept_for(whose.clone()))
    }

    /// Returns the key of an entry that is kept: cells come before messages.
    pub(super) fn kept_key(&self, (user, part): &Unread, (group, dot): Place) -> Key {
        let kind = GroupKind::ALL.iter().position(|kind| *kind == group.kind);
        let mut tail = [0; TAIL];
        tail[0] = u8::try_from(kind.unwrap_or_default()).expect("few kinds");
        tail[1..3].copy_from_slice(&group.shard.to_be_bytes());
        tail[3..].copy_from_slice(&dot.to_bytes());
        let local = user.local().unwrap_or_default();
        Key::with_tail(Table::Kept, &[user.domain(), local, part.name(), self.domain(group)], &tail)
    }

    fn kept_at(&self, key: &Key) -> Option<Place> {
        let (kind, tail) = key.tail(4)?.split_first()?;
        let (shard, dot) = tail.split_first_chunk::<2>()?;
        let kind = GroupKind::ALL.get(usize::from(*kind))?;
        let group = self.group(key.parts().nth(3)?, *kind)?;
        Some((GroupId { shard: u16::from_be_bytes(*shard), ..group }, Dot::from_bytes(dot)?))
    }
}

/// Returns the query for the first entry that was kept from `from` on.
pub(crate) fn first_kept(from: Key) -> StoreQuery {
    let to = Key::new(Table::Kept, &[]).table_end();
    StoreQuery::Range { from, to, limit: 1 }
}

fn unread_key((user, part): &Unread) -> Key {
    Key::new(Table::Kept, &[user.domain(), user.local().unwrap_or_default(), part.name()])
}

fn owner(key: &Key) -> Option<Unread> {
    let mut parts = key.parts();
    let (domain, local, part) = (parts.next()?, parts.next()?, parts.next()?);
    let part = Part::ALL.into_iter().find(|known| known.name() == part)?;
    Some((BareJid::parse(&format!("{local}@{domain}")).ok()?, part))
}
