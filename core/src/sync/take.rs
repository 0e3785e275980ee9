//! Entries of other nodes: whether one is new, and whether everything is here that it needs.
//!
//! Rests on the replication rules R2 (vectors), R9 (identity of names) and R13 (scope).

use std::collections::BTreeMap;

use super::entry::{Entry, Unreadable};
use super::group::{Groups, Name, State};
use super::index::Found;
use super::kept::Unread;
use crate::exchange::{GroupId, GroupKind, Sealed};
use crate::replica::{CellName, Dot, Hlc, SINGLES_MAX};
use crate::store::StoreBatch;

/// Entries that wait for others at most, and their bytes: as much as some peers may have under way. Beyond: an entry is dropped and not
/// counted, so that it has to be said again.
const WAITING_MAX: usize = 16_384;
const WAITING_BYTES_MAX: usize = 16 << 20;

/// An entry of another node that is to be written here.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Taken {
    /// Its name.
    pub(crate) name: Name,
    /// What it says.
    pub(crate) what: What,
    /// How many bytes it had on its way.
    bytes: usize,
    /// For what it was kept, if it was.
    pub(crate) kept: Option<Unread>,
}

impl Taken {
    /// Creates an entry that has come as `sealed`.
    pub(super) fn new(group: GroupId, sealed: &Sealed, what: What) -> Self {
        let name = Name { group, dot: sealed.dot, span: sealed.span };
        Self { name, what, bytes: sealed.bytes.len(), kept: None }
    }

    /// Says of an entry for what it was kept.
    pub(super) fn kept_for(self, whose: Unread) -> Self {
        Self { kept: Some(whose), ..self }
    }

    /// Returns it as it came.
    pub(super) fn sealed(&self) -> Sealed {
        match &self.what {
            What::Known(entry) => entry.seal(self.name.dot, self.name.span),
            What::Unknown(sealed) => sealed.clone(),
        }
    }

    /// Returns the stamp of what was written, if it has one.
    pub(crate) const fn hlc(&self) -> Option<Hlc> {
        match &self.what {
            What::Known(Entry::Change { change, .. }) => Some(change.entry.hlc),
            What::Known(Entry::Large(change)) => Some(change.entry.hlc),
            What::Known(Entry::Letter(letter)) => Some(letter.hlc),
            What::Known(Entry::Void) | What::Unknown(_) => None,
        }
    }
}

/// What an entry says.
#[expect(clippy::large_enum_variant, reason = "what holds it is boxed, and nearly all are known")]
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    /// Something that this version understands.
    Known(Entry),
    /// Something of a kind that only later versions have. It is kept as it is.
    Unknown(Sealed),
}

/// What becomes of an entry that has come.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Offered {
    /// It is to be written.
    Ready(Box<Taken>),
    /// It waits for others.
    Waits,
    /// It was here, or is on its way to the disk.
    Known,
    /// There is no room for it: it will come again.
    NoRoom,
    /// It is not what it should be.
    Unreadable,
}

/// A dot, and where.
pub(super) type Place = (GroupId, Dot);

/// Entries that wait for others, and those whose flush has failed.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    by: BTreeMap<Place, Waits>,
    /// Who waits for what.
    needed: BTreeMap<Place, Vec<Place>>,
    /// What could not be written and is tried again.
    failed: BTreeMap<Place, Box<Taken>>,
    /// The bytes of all of them.
    bytes: usize,
}

#[derive(Debug)]
struct Waits {
    needs: Vec<Place>,
    taken: Box<Taken>,
}

impl Waiting {
    /// Keeps an entry until these have come. Returns whether there is room for it.
    fn add(&mut self, needs: Vec<Place>, taken: Box<Taken>) -> bool {
        if !self.has_room(&taken) {
            return false;
        }
        let place = taken.name.place();
        for need in &needs {
            self.needed.entry(*need).or_default().push(place);
        }
        self.bytes += taken.bytes;
        self.by.insert(place, Waits { needs, taken });
        true
    }

    fn remove(&mut self, place: Place) -> Option<Box<Taken>> {
        let waits = self.by.remove(&place)?;
        for need in &waits.needs {
            if let Some(waiting) = self.needed.get_mut(need) {
                waiting.retain(|waiting| *waiting != place);
                if waiting.is_empty() {
                    self.needed.remove(need);
                }
            }
        }
        self.bytes -= waits.taken.bytes;
        Some(waits.taken)
    }

    /// Returns whether an entry waits for others.
    pub(super) fn holds(&self, group: GroupId, dot: Dot) -> bool {
        self.by.contains_key(&(group, dot))
    }

    /// Returns the entries of a group that wait or have failed, by their first dots.
    pub(super) fn of(&self, group: GroupId) -> impl Iterator<Item = Dot> {
        let all = self.by.keys().chain(self.failed.keys());
        all.filter(move |(of, _)| *of == group).map(|(_, dot)| *dot)
    }

    /// Returns whether there is room for as much again.
    pub(super) fn is_half_empty(&self) -> bool {
        self.by.len() + self.failed.len() <= WAITING_MAX / 2 && self.bytes <= WAITING_BYTES_MAX / 2
    }

    /// Keeps an entry that could not be written. Returns whether there is room for it.
    fn fail(&mut self, taken: Box<Taken>) -> bool {
        let room = self.has_room(&taken);
        if room {
            self.bytes += taken.bytes;
            self.failed.insert(taken.name.place(), taken);
        }
        room
    }

    fn take_failed(&mut self) -> BTreeMap<Place, Box<Taken>> {
        let failed = core::mem::take(&mut self.failed);
        self.bytes -= failed.values().map(|taken| taken.bytes).sum::<usize>();
        failed
    }

    pub(super) fn has(&self, place: Place) -> bool {
        self.by.contains_key(&place) || self.failed.contains_key(&place)
    }

    /// Returns whether there is room for an entry. If not, it is dropped, and asked for again; nobody else has what was kept, of which
    /// there are few at once.
    fn has_room(&self, taken: &Taken) -> bool {
        let few = self.by.len() + self.failed.len() < WAITING_MAX;
        let little = self.bytes == 0 || self.bytes + taken.bytes <= WAITING_BYTES_MAX;
        taken.kept.is_some() || few && little
    }

    /// Returns how many there are, and their bytes.
    #[cfg(test)]
    pub(super) fn recount(&self) -> (usize, usize) {
        let waiting = self.by.values().map(|waits| waits.taken.bytes);
        let all: Vec<_> = waiting.chain(self.failed.values().map(|taken| taken.bytes)).collect();
        assert_eq!(all.iter().sum::<usize>(), self.bytes);
        (all.len(), self.bytes)
    }
}

impl Groups {
    /// Looks at an entry that has come from another node; what is written now goes with flush `gate`. What is durable already is
    /// said to be so.
    pub(crate) fn offer(&mut self, group: GroupId, sealed: &Sealed, gate: u64) -> Offered {
        let name = Name { group, dot: sealed.dot, span: sealed.span };
        if self.has(name) {
            self.confirm_again(name);
            return Offered::Known;
        }
        if self.is_under_way(name.place()) {
            return Offered::Known;
        }
        if !self.has_place(name) {
            return Offered::NoRoom;
        }
        let what = match Entry::open(sealed) {
            Ok(Some(entry)) => What::Known(entry),
            Ok(None) => What::Unknown(sealed.clone()),
            Err(Unreadable) => return Offered::Unreadable,
        };
        let taken = Box::new(Taken::new(group, sealed, what));
        let Some(needs) = self.needs(&taken) else { return Offered::Unreadable };
        self.offer_taken(taken, needs, gate)
    }

    /// Keeps an entry that could not be written. It is known meanwhile: whoever says it again adds nothing.
    pub(crate) fn keep_failed(&mut self, taken: Box<Taken>) {
        let place = taken.name.place();
        self.by.entry(place.0).or_default().under_way.remove(&place.1);
        if !self.waiting.fail(taken) {
            self.miss_of_all(place);
        }
    }

    /// Returns whether an entry can be written now: a message that was taken and not counted would be given to people twice, and behind a
    /// gap there is room for few.
    pub(crate) fn has_place(&self, name: Name) -> bool {
        self.by.get(&name.group).is_none_or(|state| state.has_place(name))
    }

    /// Drops an entry that was ready, for want of room: it has to be said again.
    pub(crate) fn drop_ready(&mut self, name: Name) {
        self.by.entry(name.group).or_default().under_way.remove(&name.dot);
        self.miss_of_all(name.place());
    }

    /// The store has written something: returns those that could not be written, and can by now.
    pub(crate) fn offer_again(&mut self, gate: u64) -> Vec<Taken> {
        let mut ready = Vec::new();
        for (place, taken) in self.waiting.take_failed() {
            let needs = self.needs(&taken).unwrap_or_default();
            match self.offer_taken(taken, needs, gate) {
                Offered::Ready(taken) => ready.push(*taken),
                Offered::NoRoom => self.miss_of_all(place),
                Offered::Waits | Offered::Known | Offered::Unreadable => {}
            }
        }
        ready
    }

    /// Lets an entry wait that was ready, until flush `gate` holds what is on its way to the disk of these.
    pub(crate) fn wait_for(&mut self, taken: Box<Taken>, needs: Vec<Dot>) {
        let group = taken.name.group;
        let state = self.by.entry(group).or_default();
        let place = taken.name.place();
        state.under_way.remove(&place.1);
        if !self.waiting.add(needs.into_iter().map(|dot| (group, dot)).collect(), taken) {
            self.miss_of_all(place);
        }
    }

    /// Returns the dots that are on their way to the disk with a flush before `gate`: it is not known whether they will be there.
    pub(crate) fn flying(&self, group: GroupId, dots: &[Dot], gate: u64) -> Vec<Dot> {
        let Some(state) = self.by.get(&group) else { return Vec::new() };
        dots.iter().copied().filter(|dot| state.is_flying(*dot, gate)).collect()
    }

    /// Returns the entries that need not wait any longer now that this one is here.
    pub(crate) fn release(&mut self, name: Name, gate: u64) -> Vec<Taken> {
        let waiting = name.dots().filter_map(|dot| self.waiting.needed.get(&(name.group, dot)));
        let waiting: Vec<Place> = waiting.flatten().copied().collect();
        waiting.into_iter().filter_map(|place| self.release_one(place, gate)).collect()
    }

    /// Returns all entries that need not wait any longer: what was on its way to the disk is there.
    pub(crate) fn release_all(&mut self, gate: u64) -> Vec<Taken> {
        let waiting: Vec<Place> = self.waiting.by.keys().copied().collect();
        waiting.into_iter().filter_map(|place| self.release_one(place, gate)).collect()
    }

    fn release_one(&mut self, place: Place, gate: u64) -> Option<Taken> {
        let waits = self.waiting.by.get(&place)?;
        if !waits.needs.iter().all(|need| self.is_met(place.0, *need, gate)) {
            return None;
        }
        self.by.entry(place.0).or_default().under_way.insert(place.1);
        self.waiting.remove(place).map(|taken| *taken)
    }

    /// Takes note of an entry of another node that flush `gate` will hold. `live`: nothing that is here has overwritten it; it
    /// overwrites what `hides` says.
    pub(crate) fn take(
        &mut self,
        taken: &Taken,
        (live, hides): (bool, Vec<Dot>),
        gate: u64,
        batch: &mut StoreBatch,
    ) {
        let Taken { name, what, bytes: _, kept } = taken;
        for dot in &hides {
            self.unindex(name.group, *dot, batch);
        }
        self.note_hidden(name.group, &hides);
        if live {
            let found = match what {
                What::Known(entry) => Found::of(entry.clone()),
                What::Unknown(sealed) => Found::as_it_came(sealed),
            };
            self.index(*name, &found, batch);
        }
        if let Some(whose) = kept {
            batch.add_delete(self.kept_key(whose, name.place()));
            if !live {
                self.unindex(name.group, name.dot, batch);
            }
        }
        let state = self.by.entry(name.group).or_default();
        state.under_way.remove(&name.dot);
        state.count_taken(*name, gate, hides);
    }

    fn offer_taken(&mut self, taken: Box<Taken>, needs: Vec<Place>, gate: u64) -> Offered {
        let met = needs.iter().all(|need| self.is_met(taken.name.group, *need, gate));
        let state = self.by.entry(taken.name.group).or_default();
        if met {
            state.under_way.insert(taken.name.dot);
            return Offered::Ready(taken);
        }
        if self.waiting.add(needs, taken) { Offered::Waits } else { Offered::NoRoom }
    }

    /// What is on its way with a flush that has begun may fail, and what needs it would be there alone.
    pub(super) fn is_held(&self, (group, dot): Place, gate: u64) -> bool {
        self.by.get(&group).is_some_and(|state| {
            let counts = state.memory.covers(dot) && !state.is_joining(dot, gate);
            (counts || state.loose.contains(dot)) && !state.is_flying(dot, gate)
        })
    }

    /// Returns whether an entry of group `of` need not wait for a dot. What was overwritten in its own group never comes; where it is
    /// of the other one, what has overwritten it has to be here first.
    fn is_met(&self, of: GroupId, need: Place, gate: u64) -> bool {
        self.is_held(need, gate) || (need.0 == of && self.is_overwritten(need))
    }

    /// Returns what has to be here before an entry: what is to be shown before it, and what began the lives that it names. Nothing
    /// when it is none of this group.
    fn needs(&self, taken: &Taken) -> Option<Vec<Place>> {
        let Name { group, dot, .. } = taken.name;
        let What::Known(entry) = &taken.what else { return Some(Vec::new()) };
        let cells = |domain: &str| self.group(domain, GroupKind::Cells);
        let needs: Vec<Place> = match entry {
            Entry::Change { owner, change, .. } => {
                if cells(change.cell.group(owner)) != Some(group) {
                    return None;
                }
                let second = match &change.cell {
                    CellName::Want { publisher, .. } | CellName::Allow { publisher, .. } => {
                        publisher.domain()
                    }
                    CellName::Status
                    | CellName::Credentials
                    | CellName::Item(_)
                    | CellName::Block(_)
                    | CellName::Prefs
                    | CellName::Mark => owner.domain(),
                };
                let lives = [(owner.domain(), change.lives.first), (second, change.lives.second)];
                lives.into_iter().filter_map(|(domain, life)| Some((cells(domain)?, life?.uid))).collect()
            }
            Entry::Large(large) => {
                if cells(large.owner.domain()) != Some(group) {
                    return None;
                }
                large.life.map(|life| (group, life.uid)).into_iter().collect()
            }
            Entry::Letter(letter) => {
                let parties = || letter.parties.sender.iter().chain(&letter.parties.recipient);
                if parties().any(|party| self.group(party.account.domain(), GroupKind::Logs) != Some(group)) {
                    return None;
                }
                let lives =
                    parties().filter_map(|party| Some((cells(party.account.domain())?, party.life?.uid)));
                lives.chain(letter.past.iter().map(|dot| (group, *dot))).collect()
            }
            Entry::Void => Vec::new(),
        };
        Some(needs.into_iter().filter(|need| *need != (group, dot)).collect())
    }

    /// Returns whether an entry has come, and is not durable.
    pub(super) fn is_under_way(&self, (group, dot): Place) -> bool {
        let state = self.by.get(&group);
        let writes = |state: &State| state.under_way.contains(&dot) || state.gates.contains_key(&dot);
        state.is_some_and(writes) || self.waiting.has((group, dot))
    }

    fn has(&self, name: Name) -> bool {
        self.by.get(&name.group).is_some_and(|state| name.dots().all(|dot| state.holds(dot)))
    }
}

impl State {
    /// Returns whether an entry can be written. What accounts are is, counted or not.
    fn has_place(&self, name: Name) -> bool {
        let is_next = name.dot.seq == self.memory.prefix(name.dot.origin) + 1;
        is_next
            || self.memory.singles() + usize::from(name.span) <= SINGLES_MAX
            || (name.group.kind == GroupKind::Cells && self.loose.has_room())
            || name.dots().all(|dot| self.holds(dot))
    }

    /// Returns whether a dot goes to the disk with a flush before `gate`.
    fn is_flying(&self, dot: Dot, gate: u64) -> bool {
        self.gates.get(&dot).is_some_and(|flush| *flush < gate)
    }
}
