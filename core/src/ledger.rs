//! Who this node is among those that write, and what it has written: dots, stamps, vectors.
//!
//! Rests on the replication rules R1 (identity of writes), R2 (vectors) and R11 (clocks).

use minicbor::{Decode, Encode};

use crate::config::DomainConfig;
use crate::replica::{Clock, Dot, Dots, Hlc, Origin};
use crate::store::{Key, Row, StoreBatch, StoreError, Table, encode};
use crate::time::UnixTime;

/// Gives names and stamps to what this node writes. A domain is one group: it has its own dots.
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

impl Ledger {
    /// Creates the ledger of an incarnation that has written nothing.
    pub(crate) fn new(origin: Origin, domains: &[DomainConfig]) -> Self {
        let group = |domain: &DomainConfig| Group {
            domain: domain.name.as_str().into(),
            dots: Dots::new(origin),
            saved: 0,
        };
        Self {
            origin,
            clock: Clock::default(),
            groups: domains.iter().map(group).collect(),
            saved: Hlc::default(),
        }
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

    /// Names the next write in `domain`. What it names has to be in the journal before the input has been handled.
    ///
    /// # Panics
    ///
    /// When the domain is not served here: the caller has looked.
    pub(crate) fn dot(&mut self, domain: &str) -> Dot {
        let group = self.groups.iter_mut().find(|group| &*group.domain == domain);
        group.expect("a domain that is served here").dots.take()
    }

    /// Adds the rows that must go with what has been written since the last time.
    pub(crate) fn save(&mut self, batch: &mut StoreBatch) {
        if self.clock.last() != self.saved {
            self.saved = self.clock.last();
            batch.add_put(Self::clock_key(), encode(&ClockRecord { last: self.saved }));
        }
        for group in &mut self.groups {
            if group.dots.last() != group.saved {
                group.saved = group.dots.last();
                let key = Key::with_tail(Table::Vector, &[&group.domain], &self.origin.to_bytes());
                batch.add_put(key, encode(&group.saved));
            }
        }
    }

    /// Lets the rows be written again with the next flush, which may hold what was named and stamped for one that failed.
    pub(crate) fn unsaved(&mut self) {
        self.saved = Hlc::default();
        for group in &mut self.groups {
            group.saved = 0;
        }
    }
}
