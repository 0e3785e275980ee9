//! Who this node is among those that write, and what it has written: dots, stamps, own counts.
//!
//! Rests on the replication rules R1 (identity of writes), R2 (vectors) and R11 (clocks).

use minicbor::{Decode, Encode};

use crate::config::DomainConfig;
use crate::exchange::{DomainIx, GroupId, GroupKind};
use crate::replica::{Clock, Dot, Dots, Hlc, Origin};
use crate::store::{Key, Row, StoreBatch, StoreError, Table, encode};
use crate::time::UnixTime;

/// Gives names and stamps to what this node writes. A domain has a group of each kind, and each counts apart.
#[derive(Debug)]
pub(crate) struct Ledger {
    origin: Origin,
    clock: Clock,
    groups: Vec<Group>,
    /// The stamp that is stored or on its way.
    saved: Hlc,
}

#[derive(Debug)]
struct Group {
    id: GroupId,
    domain: Box<str>,
    dots: Dots,
    /// The number of the last dot whose row is stored or on its way.
    saved: u64,
}

/// The greatest stamp, as it is stored.
#[derive(Debug, Encode, Decode)]
struct ClockRecord {
    #[n(0)]
    last: Hlc,
}

/// What is held of one origin, as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct VectorRecord {
    /// Everything up to this number.
    #[n(0)]
    pub(crate) prefix: u64,
    /// Numbers beyond it.
    #[n(1)]
    pub(crate) singles: Vec<u64>,
}

impl Ledger {
    /// Creates the ledger of an incarnation that has written nothing.
    pub(crate) fn new(origin: Origin, domains: &[DomainConfig]) -> Self {
        let groups = (0..).map(DomainIx).zip(domains).flat_map(|(ix, domain)| {
            GroupKind::ALL.map(|kind| Group {
                id: GroupId { domain: ix, kind, shard: 0 },
                domain: domain.name.as_str().into(),
                dots: Dots::new(origin),
                saved: 0,
            })
        });
        Self { origin, clock: Clock::default(), groups: groups.collect(), saved: Hlc::default() }
    }

    /// Returns the key under which the greatest stamp is stored.
    pub(crate) fn clock_key() -> Key {
        Key::new(Table::Clock, &[])
    }

    /// Goes on behind the greatest stamp that was stored.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] when the row is none.
    pub(crate) fn load_clock(&mut self, rows: &[Row]) -> Result<(), StoreError> {
        let Some(row) = rows.first() else { return Ok(()) };
        let record: ClockRecord = row.decode()?;
        self.clock = Clock::behind(record.last);
        self.saved = record.last;
        Ok(())
    }

    /// Returns who writes.
    pub(crate) const fn origin(&self) -> Origin {
        self.origin
    }

    /// Stamps a write, or what comes without being written.
    pub(crate) fn stamp(&mut self, wall: UnixTime) -> Hlc {
        self.clock.stamp(wall)
    }

    /// Names the next write in a group of `domain`, and the `span - 1` behind it. What they name has to be in the journal before the
    /// input has been handled.
    ///
    /// # Panics
    ///
    /// When the domain is not served here: the caller has looked.
    pub(crate) fn dot(&mut self, domain: &str, kind: GroupKind, span: u8) -> (GroupId, Dot) {
        let found = self.groups.iter_mut().find(|group| group.id.kind == kind && &*group.domain == domain);
        let group = found.expect("a domain that is served here");
        let first = group.dots.take();
        for _ in 1..span {
            group.dots.take();
        }
        (group.id, first)
    }

    /// Adds the row of the greatest stamp, if there has been a greater one since the last time.
    pub(crate) fn save_clock(&mut self, batch: &mut StoreBatch) {
        if self.clock.last() != self.saved {
            self.saved = self.clock.last();
            batch.add_put(Self::clock_key(), encode(&ClockRecord { last: self.saved }));
        }
    }

    /// Adds the rows that say how much this node has written, where that is more than the last time.
    pub(crate) fn save_counts(&mut self, batch: &mut StoreBatch) {
        for group in &mut self.groups {
            if group.dots.last() != group.saved {
                group.saved = group.dots.last();
                let record = VectorRecord { prefix: group.saved, singles: Vec::new() };
                let key = vector_key(&group.domain, (group.id.kind, group.id.shard), self.origin);
                batch.add_put(key, encode(&record));
            }
        }
    }
}

/// Returns the key under which stands what is held of one origin.
pub(crate) fn vector_key(domain: &str, (kind, shard): (GroupKind, u16), origin: Origin) -> Key {
    let mut tail = [0; 14];
    tail[..2].copy_from_slice(&shard.to_be_bytes());
    tail[2..].copy_from_slice(&origin.to_bytes());
    Key::with_tail(Table::Vector, &[domain, kind.name()], &tail)
}
