//! What this node tells others that it holds, and when: they look up what it lacks.
//!
//! Rests on the replication rules R2 (vectors are certified).

use std::collections::{BTreeMap, BTreeSet};

use super::group::{Groups, State};
use super::pick::Accounts;
use crate::exchange::{DomainIx, GroupId, GroupKind, Have};
use crate::replica::{Dot, Vector};
use crate::time::{Instant, Span};

/// How soon a gap is told, or that something was dropped or is lacking, while that lasts.
const SOON: Span = Span::from_secs(5);
/// How soon a change is told where nothing is amiss; over slow links later.
const LATER: Span = Span::from_secs(60);

/// What other nodes were told.
#[derive(Debug, Default)]
pub(super) struct Haves {
    linked: BTreeMap<u32, Linked>,
    /// What those that cannot be reached had said that they hold, since this start.
    parted: BTreeMap<u32, BTreeMap<GroupId, Vector>>,
    /// How often each was told of each group. No number is used twice.
    numbers: BTreeMap<(u32, GroupId), u64>,
    /// Something has become durable since the timer expired, or some node holds more.
    unsaid: bool,
    /// A node holds more, and has just said so.
    more: bool,
    /// A gap that was there when the timer was set.
    gap: Option<(GroupId, Dot)>,
}

/// What one node was told.
#[derive(Debug)]
struct Linked {
    every: Span,
    said: BTreeMap<GroupId, Said>,
    /// Groups of which it is told now.
    due: BTreeSet<GroupId>,
    /// Groups of which it is saying what is lacking.
    scanning: BTreeSet<GroupId>,
}

/// What one node was told of one group.
#[derive(Debug)]
struct Said {
    at: Instant,
    vector: Vector,
}

impl Groups {
    /// Returns whether everything of this is on the disk in a group.
    pub(crate) fn covers(&self, group: GroupId, wanted: &Vector) -> bool {
        self.by.get(&group).map_or(wanted == &Vector::new(), |state| state.durable.includes(wanted))
    }

    /// Returns how many entries of each group are on the disk here that a node has not said to hold, by the names of domain and group.
    pub(crate) fn lag(&self, node: u32) -> Vec<(Box<str>, u64)> {
        let lacks = |held: &Vector, theirs: &Vector| -> u64 {
            held.origins().map(|origin| held.prefix(origin).saturating_sub(theirs.prefix(origin))).sum()
        };
        let lag = |(group, state): (&GroupId, &State)| {
            let theirs = self.held_by(node, *group)?;
            Some((
                format!("{} {}", self.domain(*group), group.kind.name()).into(),
                lacks(&state.durable, theirs),
            ))
        };
        self.by.iter().filter_map(lag).collect()
    }

    /// Another node can be reached: what it lacks may be under way to it up to `window` bytes, in parts of `part_max`, and it is
    /// told what is held here `every` so often at most.
    pub(crate) fn handle_up(&mut self, node: u32, (window, part_max): (u32, u32), every: Span) {
        self.forget_commits(node);
        self.forget_missed(node);
        self.begin_sending(node, (window, part_max));
        let (said, due, scanning) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        self.haves.linked.insert(node, Linked { every, said, due, scanning });
    }

    /// Another node is reached over another connection: what was under way may be lost.
    pub(crate) fn handle_moved(&mut self, node: u32) {
        self.forget_commits(node);
        self.send_again(node);
        if let Some(linked) = self.haves.linked.get_mut(&node) {
            linked.scanning.clear();
            // So may be what was said of what is held here, and the other side need not have moved.
            linked.due.extend(linked.said.keys());
        }
    }

    /// Another node is reached on another way, that takes so many bytes of what is looked up for it.
    pub(crate) fn handle_over(&mut self, node: u32, window: u32, every: Span) {
        self.bound_sending(node, window);
        if let Some(linked) = self.haves.linked.get_mut(&node) {
            linked.every = every;
        }
    }

    /// Another node cannot be reached.
    pub(crate) fn handle_down(&mut self, node: u32) {
        self.forget_commits(node);
        if let Some(sending) = self.scans.peers.remove(&node) {
            let theirs = sending.theirs.into_iter().map(|(group, (_, vector))| (group, vector));
            self.haves.parted.entry(node).or_default().extend(theirs);
        }
        self.haves.linked.remove(&node);
    }

    /// Returns whether each of these nodes is known to hold these messages of a domain, and nothing of it that is not here: then
    /// nothing that is still to come belongs before or between them (R20).
    pub(crate) fn are_everywhere(&self, domain: &str, nodes: &[u32], dots: &[Dot]) -> bool {
        let Some(group) = self.group(domain, GroupKind::Logs) else { return true };
        let own = self.by.get(&group).map(|state| &state.durable);
        nodes.iter().all(|node| {
            let parted = || self.haves.parted.get(node)?.get(&group);
            self.held_by(*node, group).or_else(parted).is_some_and(|theirs| {
                // What it has written itself it has told when it was on its disk.
                let holds = |dot: &Dot| dot.origin.node == *node || theirs.covers(*dot);
                own.is_some_and(|own| own.includes(theirs)) && dots.iter().all(holds)
            })
        })
    }

    /// Takes leave of everybody.
    pub(crate) fn handle_stop(&mut self) {
        for node in self.linked() {
            self.handle_down(node);
        }
    }

    /// Another node has been told who is online here: it can say first what they wait for, and is told what is held.
    pub(crate) fn say_all(&mut self, node: u32) {
        let all = self.all();
        if let Some(linked) = self.haves.linked.get_mut(&node) {
            linked.due.extend(all);
        }
    }

    /// Takes in what another node says that it holds.
    pub(crate) fn handle_have(&mut self, node: u32, (group, have): (GroupId, Have), wanted: Accounts) {
        let durable = self.by.get(&group).map(|state| &state.durable);
        self.haves.more |= durable.is_none_or(|durable| !durable.includes(&have.vector));
        self.hear_have(node, (group, have), wanted);
    }

    /// Returns who is told what, as of now.
    pub(crate) fn take_haves(&mut self, now: Instant) -> Vec<(u32, GroupId, Have)> {
        let mut all = Vec::new();
        let due = self.haves.linked.iter_mut();
        let due: Vec<_> = due
            .flat_map(|(node, linked)| {
                core::mem::take(&mut linked.due).into_iter().map(|group| (*node, group))
            })
            .collect();
        for (node, group) in due {
            let vector = self.by.entry(group).or_default().durable.clone();
            let (number, missed) = (self.number_of(node, group) + 1, self.ask_missed(node, group));
            self.haves.numbers.insert((node, group), number);
            if let Some(linked) = self.haves.linked.get_mut(&node) {
                linked.said.insert(group, Said { at: now, vector: vector.clone() });
            }
            all.push((node, group, Have { number, missed, vector }));
        }
        all
    }

    /// Returns how soon it is looked at whether others have to be told something.
    pub(crate) fn next_look(&self) -> Option<Span> {
        if self.haves.linked.is_empty() {
            return None;
        }
        if self.is_missing() || self.haves.gap.is_some() || self.haves.more {
            return Some(SOON);
        }
        self.haves.unsaid.then_some(LATER)
    }

    /// Takes note that something has become durable.
    pub(super) fn note_durable(&mut self) {
        self.haves.unsaid = true;
        if self.haves.gap.is_none() {
            self.haves.gap = self.gap();
        }
    }

    /// It is time to look whether others have to be told something.
    pub(crate) fn look(&mut self, now: Instant) {
        let gap = self.gap();
        let lasts = gap.is_some() && gap == self.haves.gap;
        let has_room = self.waiting.is_half_empty();
        let all: Vec<GroupId> = self.all().collect();
        let mut unsaid = false;
        for node in self.linked() {
            for group in &all {
                let missed = has_room && self.has_missed(node, *group);
                let Some(linked) = self.haves.linked.get(&node) else { continue };
                let durable = self.by.get(group).map(|state| &state.durable);
                let said = linked.said.get(group);
                let is_new = said.map(|said| &said.vector) != durable;
                let theirs = self.scans.peers.get(&node).and_then(|sending| sending.theirs.get(group));
                let has_more =
                    theirs.is_some_and(|(_, theirs)| durable.is_none_or(|own| !own.includes(theirs)));
                let is_time = said.is_none_or(|said| now.since(said.at) >= linked.every);
                let wanted = missed || (is_new || has_more) && is_time || is_new && lasts;
                if wanted && !linked.scanning.contains(group) {
                    if let Some(linked) = self.haves.linked.get_mut(&node) {
                        linked.due.insert(*group);
                    }
                } else {
                    unsaid |= is_new || has_more;
                }
            }
        }
        (self.haves.unsaid, self.haves.more) = (unsaid, false);
        self.haves.gap = gap.filter(|_| !lasts);
    }

    /// Returns the nodes that can be reached.
    pub(super) fn linked(&self) -> Vec<u32> {
        self.haves.linked.keys().copied().collect()
    }

    /// Returns the number of the last word that a node was told of a group.
    pub(super) fn number_of(&self, node: u32, group: GroupId) -> u64 {
        self.haves.numbers.get(&(node, group)).copied().unwrap_or_default()
    }

    /// A node has said some of what is lacking here.
    pub(super) fn note_step(&mut self, node: u32, group: GroupId, last: bool) {
        let Some(linked) = self.haves.linked.get_mut(&node) else { return };
        if last {
            linked.scanning.remove(&group);
        } else {
            linked.scanning.insert(group);
        }
    }

    /// Returns the first entry behind a gap.
    fn gap(&self) -> Option<(GroupId, Dot)> {
        self.by.iter().find_map(|(group, state)| Some((*group, *state.durable.beyond().next()?)))
    }

    fn all(&self) -> impl Iterator<Item = GroupId> + use<> {
        let domains = 0..u16::try_from(self.domains.len()).unwrap_or(u16::MAX);
        let groups = |domain| GroupKind::ALL.map(|kind| GroupId { domain: DomainIx(domain), kind, shard: 0 });
        domains.flat_map(groups)
    }
}
