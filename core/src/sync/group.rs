//! What this node holds of each group: in memory, and on the disk.
//!
//! Rests on the replication rules R1 (nothing leaves before it is durable) and R2 (vectors are certified). Without a cluster
//! nothing is kept here: the ledger counts what this node has written.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::commit::{Commits, Joining};
use super::entry::Entry;
use super::have::Haves;
use super::held::{Covered, VectorRecord, vector_key};
use super::index::{Found, index_key, indexed};
use super::kept::Kept;
use super::loose::Loose;
use super::ring::Ring;
use super::send::Scans;
use super::take::Waiting;
use crate::config::{Config, Level};
use crate::exchange::{About, DomainIx, GroupId, GroupKind, News, Sealed, Supply};
use crate::ledger::Ledger;
use crate::replica::{Counted, Cover, Dot, Origin, Vector};
use crate::store::{Key, Row, StoreBatch, StoreError, Write, encode};

/// Writes that failed and of which a later one may say that it has seen them. Beyond: what they had overwritten stays in the index,
/// and whoever looks for it finds that it is gone.
const FAILED_MAX: usize = 65_536;

/// Of each start of this node the greatest number in a group.
pub(crate) type Written = BTreeMap<(GroupId, Origin), u64>;

/// The name of a write: its dots are `span` from `dot` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    /// In which group.
    pub(crate) group: GroupId,
    /// The first dot.
    pub(crate) dot: Dot,
    /// How many.
    pub(crate) span: u8,
}

/// What this node holds.
#[derive(Debug)]
pub(crate) struct Groups {
    /// There is a cluster.
    on: bool,
    /// It has other members.
    shares: bool,
    /// Who writes here.
    pub(super) own: Origin,
    pub(super) domains: Vec<Box<str>>,
    pub(super) by: BTreeMap<GroupId, State>,
    /// What other members may still be told.
    pub(super) ring: Ring,
    /// What has become durable, and nobody has been told.
    news: News,
    /// The last of what this node has written that has become durable, of each start of it, since somebody asked. Nobody does
    /// where no domain has a level.
    written: Option<Written>,
    /// Entries of others that wait for something that has not come.
    pub(super) waiting: Waiting,
    /// What the messages of a domain were when somebody asked last: whoever begins at one moment shares it.
    covers: BTreeMap<Box<str>, Cover>,
    /// What is looked up for others.
    pub(super) scans: Scans,
    /// What others have committed.
    pub(super) commits: Commits,
    /// What others are told that is held here.
    pub(super) haves: Haves,
    /// Entries of others for what is damaged here.
    pub(super) kept: Kept,
}

/// What this node holds of one group.
#[derive(Debug, Default)]
pub(super) struct State {
    /// What is held or on its way to the disk.
    pub(super) memory: Vector,
    /// What is on the disk.
    pub(super) durable: Vector,
    /// What is held or on its way beside that, and not counted.
    pub(super) loose: Loose,
    /// What is on its way, by the flush that holds it.
    pending: VecDeque<Pending>,
    /// Own dots that name nothing: their flush failed.
    void: BTreeSet<Dot>,
    /// Writes that failed, and what they had overwritten: it is still there. Somebody may have seen them who writes now.
    failed: BTreeMap<Dot, Vec<Dot>>,
    /// What has to leave the index although the write that says so stands there already.
    late: Vec<Dot>,
    /// Whose rows differ from what is stored or on its way.
    pub(super) changed: BTreeSet<Origin>,
    /// Entries of others that are about to be written, by their first dots.
    pub(super) under_way: BTreeSet<Dot>,
    /// With which flush each of what is on its way goes.
    pub(super) gates: BTreeMap<Dot, u64>,
    /// What others have committed and is on its way, by the flush that holds it.
    pub(super) joins: VecDeque<Joining>,
}

#[derive(Debug)]
struct Pending {
    flush: u64,
    dot: Dot,
    whose: Whose,
    hides: Vec<Dot>,
}

/// Who has written what is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// This node: the first dot of an entry.
    Own,
    /// This node: another dot of it.
    OwnMore,
    /// Another node.
    Taken,
}

impl Name {
    /// Returns where its first dot is.
    pub(super) const fn place(self) -> (GroupId, Dot) {
        (self.group, self.dot)
    }

    /// Returns all of its dots.
    pub(super) fn dots(self) -> impl Iterator<Item = Dot> {
        (self.dot.seq..).take(usize::from(self.span)).map(move |seq| self.dot.origin.dot(seq))
    }
}

impl Groups {
    /// Creates the groups of a node that holds nothing.
    pub(crate) fn new(config: &Config) -> Self {
        let domains = config.domains.iter().map(|domain| domain.name.as_str().into()).collect();
        let has_level = config.domains.iter().any(|domain| domain.durability.level != Level::Local);
        Self {
            on: config.cluster.is_some(),
            // Where members come and go there may be others at any time.
            shares: config.seat.is_some() && config.cluster.is_some()
                || config.cluster.as_ref().is_some_and(|cluster| cluster.members.len() > 1),
            own: Origin { node: 0, start: 0, random: 0 },
            domains,
            by: BTreeMap::new(),
            ring: Ring::default(),
            news: News::default(),
            written: has_level.then(BTreeMap::new),
            waiting: Waiting::default(),
            covers: BTreeMap::new(),
            scans: Scans::default(),
            commits: Commits::default(),
            haves: Haves::default(),
            kept: Kept::default(),
        }
    }

    /// Learns who writes here.
    pub(crate) const fn begin(&mut self, own: Origin) {
        self.own = own;
    }

    /// Returns whether there is a cluster.
    pub(crate) const fn is_on(&self) -> bool {
        self.on
    }

    /// Returns whether there are other members.
    pub(crate) const fn is_shared(&self) -> bool {
        self.shares
    }

    /// Returns whether something is here or on its way to the disk.
    pub(crate) fn holds(&self, group: GroupId, dot: Dot) -> bool {
        self.by.get(&group).is_some_and(|state| state.memory.covers(dot))
    }

    /// Looks at what of the messages of a domain is on the disk; not where there is no cluster, or nothing was ever written.
    pub(crate) fn with_held<T>(&self, domain: &str, look: impl FnOnce(&Vector) -> T) -> Option<T> {
        let group = self.group(domain, GroupKind::Logs)?;
        self.by.get(&group).map(|state| look(&state.durable))
    }

    /// Takes note of a write of this node that flush `flush` will hold, and of what it overwrites.
    pub(crate) fn write(
        &mut self,
        name: Name,
        (entry, mut hides): (Entry, Vec<Dot>),
        flush: u64,
        batch: &mut StoreBatch,
    ) {
        if !self.on {
            return;
        }
        let state = self.by.entry(name.group).or_default();
        hides.extend(state.hidden_with(&hides));
        // What failed stands there as nothing, and stays.
        hides.retain(|dot| !state.failed.contains_key(dot));
        for dot in &hides {
            self.unindex(name.group, *dot, batch);
        }
        self.note_hidden(name.group, &hides);
        if self.shares {
            self.ring.add(name.group, entry.seal(name.dot, name.span), entry.about());
        }
        self.index(name, &Found::of(entry), batch);
        self.by.entry(name.group).or_default().count(name, flush, hides);
    }

    /// Adds the row of the index of an entry.
    pub(super) fn index(&self, name: Name, found: &Found, batch: &mut StoreBatch) {
        batch.add_put(key(&self.domains, name.group, name.dot), encode(found));
    }

    /// Adds the removal of an entry from the index.
    pub(super) fn unindex(&self, group: GroupId, dot: Dot, batch: &mut StoreBatch) {
        batch.add_delete(key(&self.domains, group, dot));
    }

    /// Returns which messages of a domain this node covers, for a session that begins to take them.
    pub(crate) fn cover(&mut self, domain: &str, ledger: &Ledger) -> Cover {
        let cover = match self.logs(domain) {
            Some(held) => Cover::of(held),
            None => Cover::up_to(ledger.last(domain)),
        };
        if let Some(last) = self.covers.get(domain).filter(|last| **last == cover) {
            return last.clone();
        }
        if self.domains.iter().any(|served| **served == *domain) {
            self.covers.insert(domain.into(), cover.clone());
        }
        cover
    }

    /// Returns which messages of a domain this node covers, for a session that has taken them since `began` and takes them no more.
    pub(crate) fn cover_until(&self, domain: &str, ledger: &Ledger, began: &Cover) -> Cover {
        match self.logs(domain) {
            Some(held) => Cover::until(held, began),
            None => Cover::up_to(ledger.last(domain)),
        }
    }

    /// Returns whether these messages of a domain are on the disk, or it is not served here.
    pub(crate) fn have_come(&self, domain: &str, dots: &[Dot]) -> bool {
        let Some(group) = self.group(domain, GroupKind::Logs) else { return true };
        dots.iter().all(|dot| self.by.get(&group).is_some_and(|state| state.is_durable(*dot)))
    }

    /// Returns what is held or on its way of the messages of a domain; nothing where there is no cluster.
    pub(super) fn logs(&self, domain: &str) -> Option<&Vector> {
        if !self.on {
            return None;
        }
        let group = self.group(domain, GroupKind::Logs)?;
        Some(self.by.get(&group).map_or(const { &Vector::new() }, |state| &state.memory))
    }

    /// Returns the domain of a group.
    pub(super) fn domain(&self, group: GroupId) -> &str {
        self.domains.get(usize::from(group.domain.0)).expect("a domain that is served here")
    }

    /// Returns the group of this kind of a domain, if it is served here.
    pub(crate) fn group(&self, domain: &str, kind: GroupKind) -> Option<GroupId> {
        Some(GroupId { domain: ix(&self.domains, domain)?, kind, shard: 0 })
    }

    /// Lets an origin be told again that what it says is durable here, as far as it is.
    pub(super) fn confirm_again(&mut self, name: Name) {
        let Some(state) = self.by.get(&name.group) else { return };
        let durable = name.dots().filter(|dot| state.is_durable(*dot));
        self.news.taken.extend(durable.map(|dot| (name.group, dot)));
    }

    /// Returns what this node has written that has become durable since the last time.
    pub(crate) fn take_written(&mut self) -> Written {
        self.written.as_mut().map(core::mem::take).unwrap_or_default()
    }

    /// Returns what this node has written in all its starts and that is on the disk.
    pub(crate) fn written_before(&self) -> Written {
        let own = self.own.node;
        let of = |group: GroupId, held: &Vector| {
            let origins = held.origins().filter(|origin| origin.node == own).collect::<Vec<_>>();
            origins.into_iter().map(|origin| ((group, origin), held.prefix(origin))).collect::<Vec<_>>()
        };
        self.by.iter().flat_map(|(group, state)| of(*group, &state.durable)).collect()
    }

    /// Returns what has become durable since the last time.
    pub(crate) fn news(&mut self) -> Option<News> {
        let News { own, taken } = &self.news;
        (!own.is_empty() || !taken.is_empty()).then(|| core::mem::take(&mut self.news))
    }

    /// Takes a message of `domain` out of the index.
    pub(crate) fn remove_letter(&self, domain: &str, message: Dot, batch: &mut StoreBatch) {
        if self.on {
            batch.add_delete(index_key(domain, (GroupKind::Logs, 0), message));
        }
    }

    /// Takes note that flush `flush` will hold the entries of a batch that was not written before.
    ///
    /// # Panics
    ///
    /// When an entry is none: they were written here.
    pub(crate) fn write_again(&mut self, batch: &StoreBatch, flush: u64) {
        for write in &batch.writes {
            let Write::Put { key, value } = write else { continue };
            let Some((domain, kind, shard, dot)) = indexed(key) else { continue };
            let Some(domain) = ix(&self.domains, domain) else { continue };
            let row = Row { key: key.clone(), value: value.clone() };
            let found: Found = row.decode().expect("a row that was made here");
            let group = GroupId { domain, kind, shard };
            let state = self.by.entry(group).or_default();
            state.count(Name { group, dot, span: found.span() }, flush, Vec::new());
        }
    }

    /// Adds what has to go with flush `flush` beside the entries themselves: what is held, and which own dots name nothing.
    pub(crate) fn save(&mut self, flush: u64, batch: &mut StoreBatch) {
        for (group, state) in &mut self.by {
            for dot in core::mem::take(&mut state.late) {
                batch.add_delete(key(&self.domains, *group, dot));
            }
            for dot in core::mem::take(&mut state.void) {
                batch.add_put(key(&self.domains, *group, dot), encode(&Found::Void));
                self.ring.add(*group, Entry::Void.seal(dot, 1), Entry::Void.about());
                state.count(Name { group: *group, dot, span: 1 }, flush, Vec::new());
            }
            let Some(domain) = self.domains.get(usize::from(group.domain.0)) else { continue };
            for origin in core::mem::take(&mut state.changed) {
                let singles = state.memory.beyond().filter(|dot| dot.origin == origin);
                let singles = singles.map(|dot| dot.seq).collect();
                let prefix = state.memory.prefix(origin);
                let record = VectorRecord { prefix, singles, loose: state.loose.top(origin, prefix) };
                batch.add_put(vector_key(domain, (group.kind, group.shard), origin), encode(&record));
            }
        }
    }

    /// Flush `flush` is durable, or has `failed`.
    pub(crate) fn end_flush(&mut self, flush: u64, failed: bool) {
        self.end_joining(flush, failed);
        for (group, state) in &mut self.by {
            if failed {
                state.fail(flush);
            } else {
                state.keep(*group, flush, (&mut self.news, self.written.as_mut()));
            }
        }
        if !failed {
            let taken = core::mem::take(&mut self.news.taken);
            self.played(&taken);
            self.news.taken = taken;
            self.note_durable();
        }
        if !self.shares {
            self.news = News::default();
        }
    }

    /// Returns whether any write has failed that somebody may have seen.
    pub(crate) fn has_failed(&self) -> bool {
        self.by.values().any(|state| !state.failed.is_empty())
    }

    /// Forgets the writes that failed: what is in memory has been read again, and nobody sees them any more.
    pub(crate) fn forget_failed(&mut self) {
        for state in self.by.values_mut() {
            state.failed.clear();
        }
    }

    /// Takes in what is held, as the store tells it. What belongs to a domain that is not served any more is left alone.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] when a row is none.
    pub(crate) fn load(&mut self, rows: &[Row]) -> Result<(), StoreError> {
        for row in rows {
            let Covered { domain, group, origin } = Covered::of(&row.key).ok_or(StoreError::Damaged)?;
            let Some(domain) = ix(&self.domains, domain) else { continue };
            let mut take = |(kind, shard), record: &VectorRecord| {
                let state = self.by.entry(GroupId { domain, kind, shard }).or_default();
                state.durable.take(origin, record.prefix, &record.singles);
                state.memory.take(origin, record.prefix, &record.singles);
                record.loose.into_iter().for_each(|top| state.loose.note_top(origin, top));
            };
            if let Some(group) = group {
                take(group, &row.decode()?);
            } else {
                let record = VectorRecord { prefix: row.decode()?, ..VectorRecord::default() };
                for kind in GroupKind::ALL {
                    take((kind, 0), &record);
                }
            }
        }
        Ok(())
    }
}

impl State {
    /// Counts a write that flush `flush` will hold.
    fn count(&mut self, name: Name, flush: u64, hides: Vec<Dot>) {
        let mut hides = Some(hides);
        for dot in name.dots() {
            self.void.remove(&dot);
            self.memory.count(dot);
            let whose = if dot == name.dot { Whose::Own } else { Whose::OwnMore };
            self.gates.insert(dot, flush);
            self.pending.push_back(Pending { flush, dot, whose, hides: hides.take().unwrap_or_default() });
        }
        self.changed.insert(name.dot.origin);
    }

    /// Counts what another node has written and flush `flush` will hold.
    pub(super) fn count_taken(&mut self, name: Name, flush: u64, hides: Vec<Dot>) {
        let mut hides = Some(hides);
        for dot in name.dots() {
            if self.memory.count(dot) == Counted::NoRoom {
                self.loose.add(dot);
            }
            let hides = hides.take().unwrap_or_default();
            self.failed.remove(&dot);
            self.gates.insert(dot, flush);
            self.pending.push_back(Pending { flush, dot, whose: Whose::Taken, hides });
        }
        self.changed.insert(name.dot.origin);
    }

    /// Returns whether an entry is here, or on its way to the disk.
    pub(super) fn holds(&self, dot: Dot) -> bool {
        self.memory.covers(dot) || self.loose.contains(dot)
    }

    /// Returns whether an entry is on the disk.
    pub(super) fn is_durable(&self, dot: Dot) -> bool {
        self.durable.covers(dot) || (self.loose.contains(dot) && !self.gates.contains_key(&dot))
    }

    /// Returns what the failed ones among these writes had overwritten, and the failed ones among those.
    fn hidden_with(&self, hidden: &[Dot]) -> Vec<Dot> {
        let (mut all, mut at) = (hidden.to_vec(), 0);
        while let Some(dot) = all.get(at) {
            all.extend(self.failed.get(dot).into_iter().flatten());
            at += 1;
        }
        all.split_off(hidden.len())
    }

    /// Returns whether anything is on its way that overwrites one of the writes for which `is` holds.
    pub(super) fn is_hiding(&self, is: impl Fn(Dot) -> bool) -> bool {
        self.pending.iter().any(|pending| pending.hides.iter().any(|dot| is(*dot)))
    }

    /// Returns the last flush that holds something which is on its way.
    pub(super) fn last_flush(&self) -> u64 {
        self.pending.back().map_or(0, |pending| pending.flush)
    }

    /// Returns whether nothing is on its way with a flush up to this one.
    pub(super) fn is_over(&self, flush: u64) -> bool {
        self.pending.front().is_none_or(|pending| pending.flush > flush)
    }

    fn keep(&mut self, group: GroupId, flush: u64, (news, mut written): (&mut News, Option<&mut Written>)) {
        let behind = self.pending.partition_point(|pending| pending.flush <= flush);
        self.gates.retain(|_, gate| *gate > flush);
        let mut kept: Vec<Pending> = self.pending.drain(..behind).collect();
        // What says of a dot that it is nothing was added last, and closes the gap before those behind it.
        kept.sort_by_key(|pending| pending.dot);
        for Pending { dot, whose, .. } in kept {
            // What made room for it in memory may have failed.
            let counts = self.loose.contains(dot) || self.durable.count(dot) != Counted::NoRoom;
            if !counts && whose == Whose::Taken {
                self.loose.add(dot);
                self.changed.insert(dot.origin);
            }
            if let Some(written) = written.as_deref_mut().filter(|_| whose != Whose::Taken) {
                let last = written.entry((group, dot.origin)).or_default();
                *last = dot.seq.max(*last);
            }
            match whose {
                Whose::Own => news.own.push((group, dot)),
                Whose::OwnMore => {}
                Whose::Taken => news.taken.push((group, dot)),
            }
        }
    }

    /// What was on its way is not there, and what it overwrote still is.
    fn fail(&mut self, flush: u64) {
        let behind = self.pending.partition_point(|pending| pending.flush <= flush);
        self.gates.retain(|_, gate| *gate > flush);
        for Pending { dot, whose, hides, .. } in self.pending.drain(..behind) {
            if whose != Whose::Taken {
                self.void.insert(dot);
            }
            self.loose.remove(dot);
            self.changed.insert(dot.origin);
            if self.failed.len() < FAILED_MAX {
                // What was to say that it is nothing has failed as well.
                self.failed.entry(dot).or_default().extend(hides);
            }
        }
        self.memory.clone_from(&self.durable);
        // The next flush says that these are nothing, and holds what was named behind them: a vector has room for few gaps.
        for dot in &self.void {
            self.memory.count(*dot);
        }
        self.rejoin();
        for at in 0..self.pending.len() {
            let also = self.hidden_with(&self.pending[at].hides);
            self.late.extend_from_slice(&also);
            self.pending[at].hides.extend(also);
            let Pending { dot, whose, .. } = self.pending[at];
            let counts = self.loose.contains(dot) || self.memory.count(dot) != Counted::NoRoom;
            if !counts && whose == Whose::Taken {
                self.loose.add(dot);
                self.changed.insert(dot.origin);
            }
        }
    }
}

impl Supply for Groups {
    fn sealed(&self, group: GroupId, dot: Dot) -> Option<Sealed> {
        self.ring.get(group, dot).map(|(sealed, _)| sealed.clone())
    }

    fn about(&self, group: GroupId, dot: Dot) -> Option<&About> {
        self.ring.get(group, dot).map(|(_, about)| about)
    }
}

/// Returns the key of an entry in the index.
pub(super) fn key(domains: &[Box<str>], group: GroupId, dot: Dot) -> Key {
    let domain = domains.get(usize::from(group.domain.0)).expect("a domain that is served here");
    index_key(domain, (group.kind, group.shard), dot)
}

fn ix(domains: &[Box<str>], name: &str) -> Option<DomainIx> {
    let at = domains.iter().position(|domain| **domain == *name)?;
    u16::try_from(at).ok().map(DomainIx)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replica::SINGLES_MAX;

    #[test]
    fn own_dots_leave_no_gap_however_many_were_named_while_a_flush_failed() {
        let (mut state, mut news) = (State::default(), News::default());
        let group = GroupId { domain: DomainIx(0), kind: GroupKind::Logs, shard: 0 };
        let origin = Origin { node: 1, start: 1, random: 1 };
        let many = SINGLES_MAX as u64 + 100;
        let name = |seq| Name { group, dot: origin.dot(seq), span: 2 };
        state.count(name(1), 1, Vec::new());
        (1..many).for_each(|number| state.count(name(2 * number + 1), 2, Vec::new()));
        state.fail(1);
        assert_eq!(state.memory.prefix(origin), 2 * many);
        for dot in core::mem::take(&mut state.void) {
            state.count(Name { group, dot, span: 1 }, 2, Vec::new());
        }
        state.keep(group, 2, (&mut news, None));
        assert_eq!((state.durable.prefix(origin), state.durable.beyond().count()), (2 * many, 0));
        assert!(
            news.own.is_sorted() && news.own.len() as u64 == many + 1,
            "the two that are nothing, and the others"
        );
    }

    #[test]
    fn what_has_no_room_once_a_commit_has_failed_is_held_all_the_same() {
        let (mut state, mut news) = (State::default(), News::default());
        let group = GroupId { domain: DomainIx(0), kind: GroupKind::Cells, shard: 0 };
        let origin = Origin { node: 2, start: 1, random: 1 };
        let last = SINGLES_MAX as u64 + 1;
        (2..=last).for_each(|seq| _ = state.durable.count(origin.dot(seq)));
        state.memory.clone_from(&state.durable);
        // The commit goes with the first flush, and what it makes room for with the second.
        state.memory.count(origin.dot(1));
        let name = Name { group, dot: origin.dot(last + 1), span: 1 };
        state.count_taken(name, 2, Vec::new());
        assert!(state.memory.covers(name.dot));
        state.fail(1);
        state.changed.clear();
        state.keep(group, 2, (&mut news, None));
        assert!(state.is_durable(name.dot) && !state.durable.covers(name.dot));
        assert_eq!(state.loose.top(origin, 0), Some(last + 1), "who is told what is here is told it, too");
    }
}
