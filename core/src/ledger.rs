//! Who this node is among those that write, and what it has written: dots, stamps, own counts.
//!
//! Rests on the replication rules R1 (identity of writes), R2 (vectors) and R11 (clocks).

use minicbor::{Decode, Encode};

use crate::config::Config;
use crate::exchange::{DomainIx, GroupId, GroupKind};
use crate::replica::{Clock, Dot, Dots, Hlc, Origin};
use crate::store::{Key, Row, StoreBatch, StoreError, Table, encode};
use crate::time::UnixTime;

/// Gives names and stamps to what this node writes. In a cluster each group counts apart; a node that is alone counts the writes of a
/// domain, and whoever it tells of them later gets that number for both groups.
#[derive(Debug)]
pub(crate) struct Ledger {
    origin: Origin,
    clock: Clock,
    counts: Vec<Count>,
    /// The stamp that is stored or on its way.
    saved: Hlc,
}

#[derive(Debug)]
struct Count {
    ix: DomainIx,
    domain: Box<str>,
    /// The group; nothing where all of the domain count together.
    kind: Option<GroupKind>,
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
    pub(crate) fn new(origin: Origin, config: &Config) -> Self {
        let kinds: Vec<Option<GroupKind>> =
            if config.cluster.is_some() { GroupKind::ALL.map(Some).into() } else { vec![None] };
        let domains = (0..).map(DomainIx).zip(&config.domains);
        let counts = domains.flat_map(|(ix, domain)| {
            let count = move |kind: &Option<GroupKind>| Count {
                ix,
                domain: domain.name.as_str().into(),
                kind: *kind,
                dots: Dots::new(origin),
                saved: 0,
            };
            kinds.iter().map(count)
        });
        Self { origin, clock: Clock::default(), counts: counts.collect(), saved: Hlc::default() }
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

    /// Writes as another incarnation from here on, which is durable and has written nothing. Stamps go on.
    pub(crate) fn renew(&mut self, origin: Origin) {
        self.origin = origin;
        for count in &mut self.counts {
            (count.dots, count.saved) = (Dots::new(origin), 0);
        }
    }

    /// Stamps a write, or what comes without being written.
    pub(crate) fn stamp(&mut self, wall: UnixTime) -> Hlc {
        self.clock.stamp(wall)
    }

    /// Learns of the stamp of another node's write: what is written here from now on is later. One that lies too far ahead is not
    /// believed.
    pub(crate) fn meet(&mut self, stamp: Hlc, wall: UnixTime) {
        self.clock.meet(stamp, wall);
    }

    /// Names the next write in a group of `domain`, and the `span - 1` behind it. What they name has to be in the journal before the
    /// input has been handled.
    ///
    /// # Panics
    ///
    /// When the domain is not served here: the caller has looked.
    pub(crate) fn dot(&mut self, domain: &str, kind: GroupKind, span: u8) -> (GroupId, Dot) {
        let is = |count: &&mut Count| &*count.domain == domain && count.kind.is_none_or(|own| own == kind);
        let count = self.counts.iter_mut().find(is).expect("a domain that is served here");
        let first = count.dots.take();
        for _ in 1..span {
            count.dots.take();
        }
        (GroupId { domain: count.ix, kind, shard: 0 }, first)
    }

    /// Adds the row of the greatest stamp, if there has been a greater one since the last time.
    pub(crate) fn save_clock(&mut self, batch: &mut StoreBatch) {
        if self.clock.last() != self.saved {
            self.saved = self.clock.last();
            batch.add_put(Self::clock_key(), encode(&ClockRecord { last: self.saved }));
        }
    }

    /// Adds the rows that say how much a node that is alone has written, where that is more than the last time.
    pub(crate) fn save_counts(&mut self, batch: &mut StoreBatch) {
        for count in &mut self.counts {
            if count.dots.last() != count.saved {
                count.saved = count.dots.last();
                let key = Key::with_tail(Table::Vector, &[&count.domain], &self.origin.to_bytes());
                batch.add_put(key, encode(&count.saved));
            }
        }
    }

    /// Lets the rows be written again with the next flush, which may hold what was named and stamped for one that failed.
    pub(crate) fn unsaved(&mut self) {
        self.saved = Hlc::default();
        for count in &mut self.counts {
            count.saved = 0;
        }
    }
}
