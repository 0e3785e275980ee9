//! What is known of each archive as a whole: what it holds and from where on it is kept.
//!
//! In memory for accounts in use. What waits for an archive that has to be read first is kept here.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::keys::{counts_key, floor_key};
use super::record::{Counts, Floor};
use crate::io::OpId;
use crate::jid::BareJid;
use crate::map::{Hand, Map, keyed};
use crate::replica::Hlc;
use crate::service::effect::Parked;
use crate::store::{Row, StoreBatch, StoreError, encode};

/// Archives in use, by bare JID.
#[derive(Debug)]
pub(crate) struct Archives {
    used: Map<Arc<str>, Used>,
    reads: BTreeMap<OpId, BareJid>,
    /// Those with counts that are not stored.
    dirty: Vec<BareJid>,
    /// Where the search for somebody to forget goes on.
    hand: Hand,
}

#[derive(Debug)]
struct Used {
    state: State,
    /// Used since the hand last passed.
    lately: bool,
    dirty: bool,
}

#[derive(Debug)]
enum State {
    Reading(Vec<Parked>),
    Known { counts: Counts, floor: Hlc },
}

impl Archives {
    /// Creates an empty table whose hasher is keyed with `key`.
    pub(crate) fn new(key: u64) -> Self {
        Self { used: keyed(key), reads: BTreeMap::new(), dirty: Vec::new(), hand: Hand::default() }
    }

    /// Returns whether the archive of `user` is known.
    pub(crate) fn knows(&mut self, user: &str) -> bool {
        let Some(archive) = self.used.get_mut(user) else { return false };
        archive.lately = true;
        matches!(archive.state, State::Known { .. })
    }

    /// Lets something wait for the archive of `user`. Returns whether it has to be asked for.
    pub(crate) fn park(&mut self, user: &BareJid, parked: Parked) -> bool {
        if let Some(Used { state: State::Reading(waiting), .. }) = self.used.get_mut(user.as_str()) {
            waiting.push(parked);
            return false;
        }
        let archive = Used { state: State::Reading(vec![parked]), lately: true, dirty: false };
        self.used.insert(user.as_str().into(), archive);
        true
    }

    /// Takes note that `op` reads the archive of `user`.
    pub(crate) fn reading(&mut self, op: OpId, user: BareJid) {
        self.reads.insert(op, user);
    }

    /// Takes the rows of an archive in. Returns what goes on, and why it cannot.
    pub(crate) fn handle_loaded(
        &mut self,
        op: OpId,
        outcome: Result<Vec<Row>, StoreError>,
    ) -> (Vec<Parked>, Option<StoreError>) {
        let Some(user) = self.reads.remove(&op) else { return (Vec::new(), None) };
        let known = outcome.and_then(|rows| read(&rows));
        let Some(archive) = self.used.get_mut(user.as_str()) else { return (Vec::new(), None) };
        let state = match known {
            Ok((counts, floor)) => State::Known { counts, floor },
            Err(_) => State::Reading(Vec::new()),
        };
        let State::Reading(parked) = core::mem::replace(&mut archive.state, state) else {
            return (Vec::new(), None);
        };
        if known.is_err() {
            self.used.swap_remove(user.as_str());
        }
        (parked, known.err())
    }

    /// Returns what an archive holds; nothing for one that is not in use.
    pub(crate) fn counts(&self, user: &str) -> Counts {
        match self.used.get(user).map(|archive| &archive.state) {
            Some(State::Known { counts, .. }) => *counts,
            Some(State::Reading(_)) | None => Counts::default(),
        }
    }

    /// Returns from where on an archive is kept.
    pub(crate) fn floor(&self, user: &str) -> Hlc {
        match self.used.get(user).map(|archive| &archive.state) {
            Some(State::Known { floor, .. }) => *floor,
            Some(State::Reading(_)) | None => Hlc::MIN,
        }
    }

    /// Changes what is known of an archive in use; the row follows with the next flush.
    pub(crate) fn change(&mut self, user: &BareJid, change: impl FnOnce(&mut Counts)) {
        let Some(archive) = self.used.get_mut(user.as_str()) else { return };
        let State::Known { counts, .. } = &mut archive.state else { return };
        change(counts);
        if !core::mem::replace(&mut archive.dirty, true) {
            self.dirty.push(user.clone());
        }
    }

    /// Lets an archive begin at `floor`, unless it begins later. The row is added to `batch`, which the caller persists.
    pub(crate) fn raise(&mut self, user: &BareJid, floor: Hlc, batch: &mut StoreBatch) {
        if self.floor(user.as_str()) < floor {
            self.begin_at(user, floor);
            Self::write_floor(user, floor, batch);
        }
    }

    /// Lets an archive in use begin at `floor`, which is stored.
    pub(crate) fn begin_at(&mut self, user: &BareJid, floor: Hlc) {
        if let Some(Used { state: State::Known { floor: known, .. }, .. }) = self.used.get_mut(user.as_str())
        {
            *known = floor.max(*known);
        }
    }

    /// Adds the row of the floor of an archive.
    pub(crate) fn write_floor(user: &BareJid, floor: Hlc, batch: &mut StoreBatch) {
        batch.add_put(floor_key(user), encode(&Floor(floor)));
    }

    /// Adds the rows of the archives that have changed to a flush.
    pub(crate) fn save(&mut self, batch: &mut StoreBatch) {
        for user in core::mem::take(&mut self.dirty) {
            let Some(archive) = self.used.get_mut(user.as_str()) else { continue };
            archive.dirty = false;
            if let State::Known { counts, .. } = &archive.state {
                batch.add_put(counts_key(&user), encode(counts));
            }
        }
    }

    /// Lets the rows of all archives in use be written again: a flush has failed.
    pub(crate) fn unsaved(&mut self) {
        for (user, archive) in &mut self.used {
            if matches!(archive.state, State::Known { .. })
                && !core::mem::replace(&mut archive.dirty, true)
                && let Ok(user) = BareJid::parse(user)
            {
                self.dirty.push(user);
            }
        }
    }

    /// Forgets archives that nobody has used lately while there are more than `max`, looking at a few of them.
    pub(crate) fn evict(&mut self, max: usize, pinned: impl Fn(&str) -> bool) {
        self.hand.evict(&mut self.used, max, |user, archive| {
            let busy = archive.dirty || matches!(archive.state, State::Reading(_));
            busy || core::mem::take(&mut archive.lately) || pinned(user)
        });
    }
}

/// What a row says of an archive as a whole.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Known {
    /// What it holds.
    Counts(Counts),
    /// From where on it is kept.
    Floor(Hlc),
}

/// Reads a row about an archive as a whole.
///
/// # Errors
///
/// [`StoreError::Damaged`] when it is none.
pub(crate) fn known_of(row: &Row) -> Result<Known, StoreError> {
    match row.key.parts().nth(2) {
        Some("c") => row.decode().map(Known::Counts),
        Some("f") => row.decode().map(|Floor(floor)| Known::Floor(floor)),
        Some(_) | None => Err(StoreError::Damaged),
    }
}

fn read(rows: &[Row]) -> Result<(Counts, Hlc), StoreError> {
    let (mut counts, mut floor) = (Counts::default(), Hlc::MIN);
    for row in rows {
        match known_of(row)? {
            Known::Counts(known) => counts = known,
            Known::Floor(known) => floor = known,
        }
    }
    Ok((counts, floor))
}
