//! What is known of each archive as a whole: what it holds and from where on it is kept.
//!
//! In memory for accounts in use. What waits for an archive that has to be read first is kept here.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Open;
use super::keys::{counts_key, floor_key, sent_key};
use super::record::{Counts, Floor};
use super::repeats::{Name, Repeats, SENT_ROWS, Sent};
use crate::io::OpId;
use crate::jid::BareJid;
use crate::journal::SavedArchive;
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
    Known(Box<Table>),
}

/// What is known of one archive.
#[derive(Debug)]
struct Table {
    counts: Counts,
    open: Open,
    floor: Hlc,
    repeats: Repeats,
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
        matches!(archive.state, State::Known(_))
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
        let (state, error) = match known {
            Ok(table) => (State::Known(Box::new(table)), None),
            Err(error) => (State::Reading(Vec::new()), Some(error)),
        };
        let State::Reading(parked) = core::mem::replace(&mut archive.state, state) else {
            return (Vec::new(), None);
        };
        if error.is_some() {
            self.used.swap_remove(user.as_str());
        }
        (parked, error)
    }

    /// Returns what an archive holds; nothing for one that is not in use.
    pub(crate) fn counts(&self, user: &str) -> Counts {
        match self.used.get(user).map(|archive| &archive.state) {
            Some(State::Known(table)) => table.counts,
            Some(State::Reading(_)) | None => Counts::default(),
        }
    }

    /// Returns from where on an archive is kept.
    pub(crate) fn floor(&self, user: &str) -> Hlc {
        match self.used.get(user).map(|archive| &archive.state) {
            Some(State::Known(table)) => table.floor,
            Some(State::Reading(_)) | None => Hlc::MIN,
        }
    }

    /// Changes what is known of an archive in use; the row follows with the next flush.
    pub(crate) fn change(&mut self, user: &BareJid, change: impl FnOnce(&mut Counts)) {
        self.touch(user, |table| {
            change(&mut table.counts);
            if table.counts.owed == 0 {
                table.open.owe_nothing();
            }
            true
        });
    }

    /// Returns what is open of an archive in use.
    pub(crate) fn open(&self, user: &str) -> Option<&Open> {
        match &self.used.get(user)?.state {
            State::Known(table) => Some(&table.open),
            State::Reading(_) => None,
        }
    }

    /// Changes what is open of an archive in use. `change` says whether it has; then the row follows with the next flush.
    pub(crate) fn change_open(&mut self, user: &BareJid, change: impl FnOnce(&mut Open) -> bool) {
        self.touch(user, |table| change(&mut table.open));
    }

    /// Returns the message of that name that `user` has sent lately.
    pub(crate) fn sent(&self, user: &str, name: Name) -> Option<Sent> {
        match &self.used.get(user)?.state {
            State::Known(table) => table.repeats.get(name),
            State::Reading(_) => None,
        }
    }

    /// Takes note of a message of `user`, of whom at most `max` are remembered; the row follows with the next flush.
    pub(crate) fn add_sent(&mut self, user: &BareJid, sent: Sent, max: u32) {
        self.change_sent(user, |repeats| repeats.add(sent, max));
    }

    /// Takes note that the session `mark` of `user` has sent a message again.
    pub(crate) fn sent_again(&mut self, user: &BareJid, name: Name, mark: u64) {
        self.change_sent(user, |repeats| repeats.renew(name, mark));
    }

    /// Forgets a message of `user`, which was not stored.
    pub(crate) fn forget_sent(&mut self, user: &BareJid, name: Name) {
        self.change_sent(user, |repeats| repeats.remove(name));
    }

    /// Forgets what the session `mark` of `user` has sent: its client sends nothing of it again.
    pub(crate) fn forget_session(&mut self, user: &BareJid, mark: u64) {
        self.change_sent(user, |repeats| repeats.retain(|sent| sent.session != mark));
    }

    /// Forgets everything that `user` has sent.
    pub(crate) fn forget_all_sent(&mut self, user: &BareJid) {
        self.change_sent(user, |repeats| repeats.retain(|_| false));
    }

    /// Adds the removal of the rows that say what `user` has sent.
    pub(crate) fn remove_sent(user: &BareJid, batch: &mut StoreBatch) {
        let first = sent_key(user, 0);
        batch.add_delete_range(first, sent_key(user, SENT_ROWS - 1).next());
    }

    fn change_sent(&mut self, user: &BareJid, change: impl FnOnce(&mut Repeats)) {
        self.touch(user, |table| {
            change(&mut table.repeats);
            table.repeats.is_dirty()
        });
    }

    /// Changes what is known of an archive in use; if there is anything new, its rows follow with the next flush.
    fn touch(&mut self, user: &BareJid, change: impl FnOnce(&mut Table) -> bool) {
        let Some(archive) = self.used.get_mut(user.as_str()) else { return };
        let State::Known(table) = &mut archive.state else { return };
        if change(table) && !core::mem::replace(&mut archive.dirty, true) {
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
        if let Some(Used { state: State::Known(table), .. }) = self.used.get_mut(user.as_str()) {
            table.floor = floor.max(table.floor);
        }
    }

    /// Adds the row of the floor of an archive.
    pub(crate) fn write_floor(user: &BareJid, floor: Hlc, batch: &mut StoreBatch) {
        batch.add_put(floor_key(user), encode(&Floor(floor)));
    }

    /// Adds the rows of the archives that have changed to a flush. Returns which those are.
    pub(crate) fn save(&mut self, batch: &mut StoreBatch) -> Vec<SavedArchive> {
        let mut saved = Vec::with_capacity(self.dirty.len());
        for user in core::mem::take(&mut self.dirty) {
            let Some(archive) = self.used.get_mut(user.as_str()) else { continue };
            archive.dirty = false;
            if let State::Known(table) = &mut archive.state {
                batch.add_put(counts_key(&user), table.counts.encode(&table.open));
                let sent = table.repeats.save(&user, batch);
                saved.push(SavedArchive { user, sent });
            }
        }
        saved
    }

    /// Lets the rows of archives be written again: the flush that held them has failed.
    pub(crate) fn unsaved(&mut self, saved: Vec<SavedArchive>) {
        for SavedArchive { user, sent } in saved {
            self.touch(&user, |table| {
                table.repeats.unsaved(sent);
                true
            });
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
#[derive(Clone, Debug)]
pub(crate) enum Known {
    /// What it holds, and what of it is open.
    Counts(Counts, Open),
    /// From where on it is kept.
    Floor(Hlc),
    /// A row of what its owner has sent lately.
    Sent(usize, Vec<Sent>),
}

/// Reads a row about an archive as a whole.
///
/// # Errors
///
/// [`StoreError::Damaged`] when it is none.
pub(crate) fn known_of(row: &Row) -> Result<Known, StoreError> {
    match row.key.parts().nth(2) {
        Some("c") => Counts::decode(row).map(|(counts, open)| Known::Counts(counts, open)),
        Some("f") => row.decode().map(|Floor(floor)| Known::Floor(floor)),
        Some("s") => {
            let at = row.key.parts().nth(3).and_then(|at| at.parse().ok()).ok_or(StoreError::Damaged)?;
            row.decode().map(|sent| Known::Sent(at, sent))
        }
        Some(_) | None => Err(StoreError::Damaged),
    }
}

fn read(rows: &[Row]) -> Result<Table, StoreError> {
    let mut table = Table {
        counts: Counts::default(),
        open: Open::default(),
        floor: Hlc::MIN,
        repeats: Repeats::default(),
    };
    for row in rows {
        match known_of(row)? {
            Known::Counts(counts, open) => (table.counts, table.open) = (counts, open),
            Known::Floor(floor) => table.floor = floor,
            Known::Sent(at, sent) => table.repeats.load(at, sent),
        }
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writes(archives: &mut Archives) -> (usize, Vec<SavedArchive>) {
        let mut batch = StoreBatch::new();
        let saved = archives.save(&mut batch);
        (batch.writes.len(), saved)
    }

    #[test]
    fn only_what_a_failed_flush_held_is_written_again() {
        let mut archives = Archives::new(1);
        let users = ["a", "b", "c"].map(|user| BareJid::parse(&format!("{user}@x.example")).unwrap());
        for (number, user) in (1..).zip(&users) {
            archives.reading(OpId(number), user.clone());
            let effect = crate::service::effect::Effect::Sweep(user.clone());
            assert!(archives.park(user, Parked { effect, session: None }));
            archives.handle_loaded(OpId(number), Ok(Vec::new()));
        }
        let [a, b, _] = &users;
        let stanza = "<message from='a@x.example/r' id='1'/>";
        let stanza = crate::stanza::Stanza::parse(bytes::Bytes::from(stanza)).unwrap();
        let sent = Sent { name: Name::of(&stanza).unwrap(), session: 1, at_ms: 0 };
        archives.add_sent(a, sent, 16);
        let (count, saved) = writes(&mut archives);
        assert_eq!(count, 2, "what it holds, and one row of what was sent");
        archives.change(b, |counts| counts.owed += 1);
        archives.unsaved(saved);
        assert_eq!(writes(&mut archives).0, 3, "the same again, and what is new");
        let (count, saved) = writes(&mut archives);
        archives.unsaved(saved);
        assert_eq!((count, writes(&mut archives).0), (0, 0));
    }
}
