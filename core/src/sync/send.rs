//! What another node lacks: found in the index, page by page, and said once. Whoever was away, or has lost its disk, holds the same
//! again behind it.
//!
//! A scan fixes what is held at its start and says every live entry of that which the other one lacks, what people there wait for
//! first. What is overwritten meanwhile is not found any more: then what has overwritten it is said in another round, before the
//! commit. What waits in the live queue of the link is left to that, and the commit waits until all of it is handed over; it does not
//! wait for a queue that is full of what may need it.
//!
//! Rests on the replication rules R2 (vectors are certified), R3 (live entries only) and R13 (scope).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::group::{Groups, State, key};
use super::index::{Found, indexed};
use super::pick::{Accounts, Picked, page};
use crate::exchange::{Commit, Granted, GroupId, GroupKind, Haste, Have, Sealed};
use crate::io::OpId;
use crate::replica::{Dot, Origin, SINGLES_MAX, Vector};
use crate::store::{Row, StoreError, StoreQuery};

/// Rows of the index that are read at once.
const PAGE: u32 = 256;
/// Rows that are read at once for what entries say.
const KEYS_MAX: usize = 64;
/// Bytes for which one of those rows is read ahead, where little may be under way.
const BYTES_A_KEY: usize = 1_024;
/// Bytes that an entry takes beside what it says, about.
const OVERHEAD: usize = 64;
/// Bytes of everything that stands before what an entry says.
const HEAD_MAX: usize = 1_100;
/// No dot is before it.
const START: Dot = Origin { node: 0, start: 0, random: 0 }.dot(0);
/// Entries that go first for the sake of those who wait for them. The rest of them comes in order: the other node has room for few
/// gaps.
const WANTED_MAX: usize = 1_024;

/// Scans for other nodes.
#[derive(Debug, Default)]
pub(super) struct Scans {
    pub(super) peers: BTreeMap<u32, Sending>,
    /// The number of the last thing that was said to anybody. None is used twice.
    last_step: u64,
}

/// What is looked up for one other node.
#[derive(Debug)]
pub(super) struct Sending {
    /// Bytes that may be under way and not taken.
    window: usize,
    /// Bytes of the longest thing that it takes.
    part_max: usize,
    /// Something was longer: the observers have been told.
    is_too_small: bool,
    /// What it says that it holds, and what it has taken since.
    pub(super) theirs: BTreeMap<GroupId, (u64, Vector)>,
    scans: BTreeMap<GroupId, Scan>,
    /// Groups that are looked at again when their scans are done.
    again: BTreeSet<GroupId>,
    /// Accounts that have sessions there.
    wanted: Accounts,
    /// What was said and not taken.
    steps: VecDeque<Said>,
    reading: Option<Reading>,
    /// What is looked up next, all of one page.
    picked: VecDeque<Picked>,
    /// What was looked up, and of which group.
    ready: VecDeque<(Haste, Sealed)>,
    /// Of which group that is.
    current: Option<GroupId>,
    /// Something could not be read: nothing more is until it is time.
    is_paused: bool,
}

/// Something that was said: the number, the bytes, of the last one of a scan what it commits.
type Said = (u64, usize, Option<(GroupId, Vector)>);

#[derive(Debug)]
enum Reading {
    Page(OpId, GroupId),
    Bodies(OpId, Vec<Picked>),
}

/// What one node lacks of one group.
#[derive(Debug)]
struct Scan {
    /// Which word of the other one it answers.
    number: u64,
    /// What that one held at the start, and what rounds before this one have said.
    base: Vector,
    /// What is said.
    target: Vector,
    /// What is held beside that may have overwritten some of it, and is said as well: up to these numbers.
    tops: BTreeMap<Origin, u64>,
    pass: Pass,
    /// Where the next page begins.
    at: Dot,
    /// Up to where all of the origin was said in order, of a log.
    reached: Option<Dot>,
    /// The first dot of this node that was left to the live queue.
    left: Option<u64>,
    /// Something was overwritten that may not have been said.
    stale: bool,
    /// The next round begins when this flush is over.
    after: Option<u64>,
    /// Something could not be read back: nothing may be committed.
    is_broken: bool,
    /// What went first.
    sent: BTreeSet<Dot>,
    /// What this node has written and the live queue has not handed over is said here.
    alone: Option<Origin>,
}

/// Which entries a scan looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Pass {
    /// Those that people wait for at the other node.
    Wanted,
    /// All others.
    Rest,
}

/// What the live queue of a link has.
pub(crate) trait Queued {
    /// Returns the first entry of a group that waits and is covered by `target`.
    fn first_of(&self, group: GroupId, target: &Vector) -> Option<Dot>;
    /// Returns whether an entry waits.
    fn is_waiting(&self, group: GroupId, dot: Dot) -> bool;
    /// Returns whether an entry is under way.
    fn is_sent(&self, group: GroupId, dot: Dot) -> bool;
    /// Returns whether nothing more of what waits is handed over before some of that is taken.
    fn is_full(&self) -> bool;
}

/// Entries of a group of which the bodies are read.
pub(crate) type Bodies = (GroupId, Vec<Picked>);

/// What is done next for another node.
#[derive(Debug)]
pub(crate) enum Step {
    /// A page of the index is read.
    Page(GroupId, StoreQuery),
    /// What these entries say is read.
    Bodies(GroupId, Vec<Picked>),
    /// This is said.
    Say(GroupId, Vec<(Haste, Sealed)>, Commit),
}

impl Sending {
    fn new(window: usize, part_max: usize) -> Self {
        Self {
            window,
            part_max,
            is_too_small: false,
            theirs: BTreeMap::new(),
            scans: BTreeMap::new(),
            again: BTreeSet::new(),
            wanted: Accounts::new(),
            steps: VecDeque::new(),
            reading: None,
            picked: VecDeque::new(),
            ready: VecDeque::new(),
            current: None,
            is_paused: false,
        }
    }

    fn under_way(&self) -> usize {
        self.steps.iter().map(|(_, bytes, _)| bytes).sum()
    }

    /// Begins to look for what is lacking in a group, or does so when the scan that runs is done.
    fn begin(&mut self, group: GroupId, state: &State) {
        if self.scans.contains_key(&group) {
            self.again.insert(group);
            return;
        }
        let Some((number, theirs)) = self.theirs.get(&group) else { return };
        let mut tops = state.loose.tops().iter();
        if theirs.includes(&state.durable) && tops.all(|(origin, top)| theirs.prefix(*origin) >= *top) {
            return;
        }
        let pass = if self.wanted.is_empty() { Pass::Rest } else { Pass::Wanted };
        let mut scan = Scan::new(*number, theirs.clone(), pass);
        scan.aim(state);
        self.scans.insert(group, scan);
    }

    /// Says some of what was looked up.
    fn say(&mut self, group: GroupId, step: &mut u64) -> Option<Step> {
        let scan = self.scans.get_mut(&group)?;
        let (mut entries, mut bytes) = (Vec::new(), 0);
        while let Some((haste, sealed)) = self.ready.pop_front() {
            bytes += sealed.bytes.len() + OVERHEAD;
            entries.push((haste, sealed));
            if bytes >= self.window / 2 {
                break;
            }
        }
        let is_page_done = self.ready.is_empty() && self.picked.is_empty();
        let reached = scan.reached.take_if(|_| is_page_done).filter(|_| !scan.is_broken);
        let mut vector = Vector::new();
        if let Some(reached) = reached {
            vector.take(reached.origin, reached.seq, &[]);
        }
        *step += 1;
        let commit = Commit { number: scan.number, step: *step, last: false, vector };
        self.steps.push_back((commit.step, bytes, None));
        Some(Step::Say(group, entries, commit))
    }

    /// Returns the scan that goes on: what people wait for in any group goes before the rest of all, and what accounts are before
    /// messages, which need it.
    fn turn(&self, over: impl Fn(GroupId, u64) -> bool) -> Option<GroupId> {
        let open =
            self.scans.iter().filter(|(group, scan)| scan.after.is_none_or(|after| over(**group, after)));
        let first = open.min_by_key(|(group, scan)| (scan.pass, group.kind, **group));
        first.map(|(group, _)| *group)
    }

    fn forget_scans(&mut self) {
        self.scans.clear();
        self.again.clear();
        self.steps.clear();
        self.picked.clear();
        self.ready.clear();
        (self.reading, self.current) = (None, None);
    }
}

impl Scan {
    fn new(number: u64, base: Vector, pass: Pass) -> Self {
        Self {
            number,
            base,
            target: Vector::new(),
            tops: BTreeMap::new(),
            pass,
            at: START,
            reached: None,
            left: None,
            stale: false,
            after: None,
            is_broken: false,
            sent: BTreeSet::new(),
            alone: None,
        }
    }

    /// Begins a round: what is on the disk is said.
    fn aim(&mut self, state: &State) {
        self.target.clone_from(&state.durable);
        self.tops.clone_from(state.loose.tops());
        (self.at, self.after, self.alone) = (START, None, None);
        self.stale = state.is_hiding(|dot| self.is_for(dot));
    }

    /// Returns whether an entry is one that is to be said.
    fn is_for(&self, dot: Dot) -> bool {
        let is_held =
            || self.target.covers(dot) || self.tops.get(&dot.origin).is_some_and(|top| dot.seq <= *top);
        (self.alone.is_some() || !self.base.covers(dot)) && is_held()
    }

    /// Returns between which dots the next page lies; nothing when the pass is done.
    fn place(&self) -> Option<(Dot, Dot)> {
        if let Some(own) = self.alone {
            let last = own.dot(self.target.last(own));
            return (self.at <= last).then_some((self.at, last));
        }
        let origins: BTreeSet<Origin> = self.target.origins().chain(self.tops.keys().copied()).collect();
        let mut places = origins.into_iter().filter(|origin| *origin >= self.at.origin).map(|origin| {
            let top = self.tops.get(&origin).copied().unwrap_or_default();
            let begun = if origin == self.at.origin { self.at.seq } else { 0 };
            (
                origin.dot(begun.max(self.base.prefix(origin).saturating_add(1))),
                origin.dot(self.target.last(origin).max(top)),
            )
        });
        places.find(|(from, to)| from.seq <= to.seq)
    }

    /// Takes note of how far the pass has come. Everything of a log up to there was said or left to the live queue.
    fn pass_by(&mut self, group: GroupId, last: Dot, own: Origin) {
        self.at = last.origin.dot(last.seq.saturating_add(1));
        if group.kind == GroupKind::Logs && self.pass == Pass::Rest {
            let left =
                self.left.filter(|_| last.origin == own).map_or(u64::MAX, |left| left.saturating_sub(1));
            let reached = last.seq.min(left).min(self.target.prefix(last.origin));
            self.reached = (reached > self.base.prefix(last.origin)).then(|| last.origin.dot(reached));
        }
    }
}

impl Groups {
    /// Another node can be reached. What it lacks may be under way to it up to `window` bytes, in parts of `part_max`.
    pub(super) fn begin_sending(&mut self, node: u32, (window, part_max): (u32, u32)) {
        self.scans.peers.insert(node, Sending::new(window as usize, part_max as usize));
    }

    /// Other bounds hold for what may be under way to a node.
    pub(super) fn bound_sending(&mut self, node: u32, window: u32) {
        if let Some(sending) = self.scans.peers.get_mut(&node) {
            sending.window = window as usize;
        }
    }

    /// What was under way to a node may be lost: everything that it lacks is looked up again.
    pub(super) fn send_again(&mut self, node: u32) {
        let Some(sending) = self.scans.peers.get_mut(&node) else { return };
        sending.forget_scans();
        self.look_again(node);
    }

    /// Something that a node lacks is not told it in any other way: it is looked up.
    pub(crate) fn look_again(&mut self, node: u32) {
        let Some(sending) = self.scans.peers.get_mut(&node) else { return };
        for (group, state) in &self.by {
            sending.begin(*group, state);
        }
    }

    /// Some of what was for a node has left its queue unsaid: no scan that has left something to the queue commits, and what is lacking is
    /// looked up again.
    pub(crate) fn fall_behind(&mut self, node: u32) {
        let Some(sending) = self.scans.peers.get_mut(&node) else { return };
        sending.scans.values_mut().filter(|scan| scan.left.is_some()).for_each(|scan| scan.is_broken = true);
        self.look_again(node);
    }

    /// Another node says what it holds; `wanted` are the accounts that have sessions there.
    pub(super) fn hear_have(&mut self, node: u32, (group, have): (GroupId, Have), wanted: Accounts) {
        let state = self.by.entry(group).or_default();
        let Some(sending) = self.scans.peers.get_mut(&node) else { return };
        sending.theirs.insert(group, (have.number, have.vector));
        sending.wanted = wanted;
        sending.begin(group, state);
    }

    /// Another node has taken what was looked up for it.
    pub(crate) fn hear_granted(&mut self, node: u32, group: GroupId, granted: Granted) {
        let Some(sending) = self.scans.peers.get_mut(&node) else { return };
        let mut committed = Vec::new();
        sending.steps.retain_mut(|(step, bytes, last)| {
            if *step > granted.step {
                return true;
            }
            // What was said before has been taken as well. What is committed of another group may not be on the disk there.
            *bytes = 0;
            if last.as_ref().is_some_and(|(of, _)| *of != group) {
                return true;
            }
            committed.extend(last.take().map(|(_, vector)| vector));
            false
        });
        for vector in committed {
            if granted.joined
                && let Some((_, theirs)) = sending.theirs.get_mut(&group)
            {
                theirs.join(&vector);
            }
            if sending.again.remove(&group)
                && let Some(state) = self.by.get(&group)
            {
                sending.begin(group, state);
            }
        }
    }

    /// Returns what another node has said to hold of a group.
    pub(crate) fn held_by(&self, node: u32, group: GroupId) -> Option<&Vector> {
        Some(&self.scans.peers.get(&node)?.theirs.get(&group)?.1)
    }

    /// Entries are on the disk of another node.
    pub(crate) fn hear_durable(
        &mut self,
        node: u32,
        (group, origin): (GroupId, Origin),
        ranges: &[(u64, u64)],
    ) {
        let sending = self.scans.peers.get_mut(&node);
        let Some((_, theirs)) = sending.and_then(|sending| sending.theirs.get_mut(&group)) else { return };
        for (from, to) in ranges {
            if *from <= theirs.prefix(origin).saturating_add(1) {
                theirs.take(origin, *to, &[]);
            } else {
                // As many as a vector has room for: what is left out here is not counted before it is said anew what is held.
                (*from..=*to).take(SINGLES_MAX).for_each(|seq| _ = theirs.count(origin.dot(seq)));
            }
        }
    }

    /// Returns the nodes for which something is looked up.
    pub(crate) fn scanned(&self) -> Vec<u32> {
        let busy = self.scans.peers.iter().filter(|(_, sending)| !sending.scans.is_empty());
        busy.map(|(node, _)| *node).collect()
    }

    /// What these dots named is being overwritten.
    pub(super) fn note_hidden(&mut self, group: GroupId, hidden: &[Dot]) {
        for sending in self.scans.peers.values_mut() {
            if let Some(scan) = sending.scans.get_mut(&group) {
                scan.stale |= hidden.iter().any(|dot| scan.is_for(*dot));
            }
        }
    }

    /// Returns what is done next for a node: a read whose number [`Groups::reads`] is told, or something that is said.
    pub(crate) fn next_step(&mut self, node: u32, queued: &impl Queued) -> Option<Step> {
        let sending = self.scans.peers.get_mut(&node)?;
        loop {
            if sending.is_paused || sending.reading.is_some() || sending.under_way() >= sending.window {
                return None;
            }
            let by = &self.by;
            let over = |group: GroupId, flush| by.get(&group).is_none_or(|state| state.is_over(flush));
            if let Some(group) = sending.current {
                let picked = sending.picked.len();
                let has_reached = sending.scans.get(&group).is_some_and(|scan| scan.reached.is_some());
                if !sending.ready.is_empty() || (picked == 0 && has_reached) {
                    return sending.say(group, &mut self.scans.last_step);
                }
                if picked > 0 {
                    let room = (sending.window / BYTES_A_KEY).clamp(1, KEYS_MAX);
                    let some = Picked::some(&mut sending.picked, room);
                    return Some(Step::Bodies(group, some));
                }
            }
            let group = sending.turn(over)?;
            sending.current = Some(group);
            let scan = sending.scans.get_mut(&group)?;
            let state = by.get(&group)?;
            if scan.after.take().is_some() {
                scan.aim(state);
            }
            if let Some((from, to)) = scan.place() {
                let key = |dot| key(&self.domains, group, dot);
                let (from, to) = (key(from), key(to).next());
                return Some(Step::Page(group, StoreQuery::Range { from, to, limit: PAGE }));
            }
            if scan.pass == Pass::Wanted {
                (scan.pass, scan.at) = (Pass::Rest, START);
            } else if scan.stale {
                scan.base.join(&scan.target);
                scan.after = Some(state.last_flush());
            } else {
                let is_open = !scan.is_broken && scan.alone.is_none();
                let waits = is_open.then(|| queued.first_of(group, &scan.target)).flatten();
                let Some(from) = waits else {
                    return self.end_scan(node, group);
                };
                // Messages that need what accounts are hold the room of the queue: it would wait for this commit.
                if group.kind != GroupKind::Cells || !queued.is_full() {
                    return None;
                }
                (scan.alone, scan.at) = (Some(from.origin), from);
            }
        }
    }

    /// Commits: everything that the commit says has been handed over.
    fn end_scan(&mut self, node: u32, group: GroupId) -> Option<Step> {
        let sending = self.scans.peers.get_mut(&node)?;
        let scan = sending.scans.remove(&group)?;
        sending.current = None;
        self.scans.last_step += 1;
        let step = self.scans.last_step;
        let vector = if scan.is_broken { Vector::new() } else { scan.target };
        let commit = Commit { number: scan.number, step, last: true, vector };
        sending.steps.push_back((commit.step, 0, Some((group, commit.vector.clone()))));
        Some(Step::Say(group, Vec::new(), commit))
    }

    /// A step is read as `op`.
    pub(crate) fn reads(&mut self, node: u32, op: OpId, step: Step) {
        let Some(sending) = self.scans.peers.get_mut(&node) else { return };
        sending.reading = match step {
            Step::Page(group, _) => Some(Reading::Page(op, group)),
            Step::Bodies(_, picked) => Some(Reading::Bodies(op, picked)),
            Step::Say(..) => None,
        };
    }

    /// Returns for which node something was read as `op`, and of which entries the bodies; nothing when nobody needs it any more.
    pub(crate) fn read_for(&mut self, op: OpId) -> Option<(u32, Option<Bodies>)> {
        let is = |reading: &mut Reading| match reading {
            Reading::Page(known, _) | Reading::Bodies(known, _) => *known == op,
        };
        for (node, sending) in &mut self.scans.peers {
            match sending.reading.take_if(is) {
                Some(Reading::Page(_, group)) => {
                    sending.current = Some(group);
                    return Some((*node, None));
                }
                Some(Reading::Bodies(_, picked)) => return Some((*node, Some((sending.current?, picked)))),
                None => {}
            }
        }
        None
    }

    /// Takes a page of the index in.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] when a row is none: the rest is said, and nothing committed.
    pub(crate) fn take_page(
        &mut self,
        node: u32,
        rows: &[Row],
        queued: &impl Queued,
    ) -> Result<(), StoreError> {
        let own = self.own;
        let Some(sending) = self.scans.peers.get_mut(&node) else { return Ok(()) };
        let Some((group, scan)) =
            sending.current.and_then(|group| Some((group, sending.scans.get_mut(&group)?)))
        else {
            return Ok(());
        };
        let Some((_, to)) = scan.place() else { return Ok(()) };
        let mut entries = Vec::with_capacity(rows.len());
        let mut last = if rows.len() < PAGE as usize { to } else { to.origin.dot(0) };
        let mut outcome = Ok(());
        for row in rows {
            let (Some((_, _, _, dot)), Ok(found)) = (indexed(&row.key), row.decode::<Found>()) else {
                (outcome, scan.is_broken) = (Err(StoreError::Damaged), true);
                continue;
            };
            let end = dot.origin.dot(dot.seq + u64::from(found.span()) - 1);
            last = last.max(end);
            if !scan.is_for(dot) || scan.sent.contains(&dot) {
                continue;
            }
            let waits = scan.alone.is_none() && queued.is_waiting(group, dot);
            if dot.origin == own && (waits || queued.is_sent(group, dot)) {
                scan.left = Some(scan.left.map_or(dot.seq, |left| left.min(dot.seq)));
                continue;
            }
            entries.push((dot, found));
        }
        if rows.len() >= PAGE as usize && last.seq == 0 {
            // None of them could be read.
            last = to;
        }
        if scan.pass == Pass::Wanted {
            let room = WANTED_MAX.saturating_sub(scan.sent.len());
            entries = page(entries, &sending.wanted, room);
            scan.sent.extend(entries.iter().map(|(dot, _)| *dot));
        }
        let wanted = scan.pass == Pass::Wanted;
        scan.pass_by(group, last, own);
        if wanted && scan.sent.len() >= WANTED_MAX {
            (scan.pass, scan.at) = (Pass::Rest, START);
        }
        sending.picked.extend(entries.into_iter().map(|(dot, found)| Picked { dot, found, wanted }));
        outcome
    }

    /// What could not be read is read again.
    pub(crate) fn resume(&mut self) {
        for sending in self.scans.peers.values_mut() {
            sending.is_paused = false;
        }
    }

    /// Takes in what was made of the rows that were read for entries; of those that are overwritten there is nothing. Nothing is
    /// committed when some could not be read, or are longer than the other node takes. Returns whether the observers have to be told
    /// of that.
    pub(crate) fn take_bodies(&mut self, node: u32, entries: Vec<(Haste, Sealed)>, is_broken: bool) -> bool {
        let Some(sending) = self.scans.peers.get_mut(&node) else { return false };
        let fits = |sealed: &Sealed| sealed.bytes.len() + HEAD_MAX <= sending.part_max;
        let is_long = !entries.iter().all(|(_, sealed)| fits(sealed));
        sending.ready.extend(entries.into_iter().filter(|(_, sealed)| fits(sealed)));
        if let Some(scan) = sending.current.and_then(|group| sending.scans.get_mut(&group)) {
            scan.is_broken |= is_broken || is_long;
        }
        is_long && !core::mem::replace(&mut sending.is_too_small, true)
    }

    /// A page or bodies could not be read: they are read again after [`Groups::resume`], or given up when they are damaged. `picked`
    /// are the entries.
    pub(crate) fn unread(&mut self, node: u32, picked: Option<Bodies>, error: StoreError) {
        let Some(sending) = self.scans.peers.get_mut(&node) else { return };
        let scan = sending.current.and_then(|group| sending.scans.get_mut(&group));
        if let (StoreError::Damaged, Some(scan)) = (error, scan) {
            scan.is_broken = true;
            if let (None, Some((_, to))) = (&picked, scan.place()) {
                scan.at = to.origin.dot(to.seq.saturating_add(1));
            }
            return;
        }
        sending.is_paused = true;
        for picked in picked.into_iter().flat_map(|(_, picked)| picked).rev() {
            sending.picked.push_front(picked);
        }
    }
}
