//! What other nodes commit: from then on, what they held is held here, too.
//!
//! A commit waits for every entry that came before it and that it covers, and goes to the disk with the last of them. What was
//! overwritten is never said: who needs it need not wait for it any longer once a commit covers it.
//!
//! Rests on the replication rules R2 (vectors are certified) and R13 (scope).

use std::collections::{BTreeMap, BTreeSet};

use super::group::{Groups, State};
use super::take::{Place, Taken};
use crate::exchange::{Commit, Granted, GroupId, GroupKind};
use crate::replica::{Dot, Origin, Vector};

/// What other nodes have committed and is not joined.
#[derive(Debug, Default)]
pub(super) struct Commits {
    /// By node and group.
    coming: BTreeMap<(u32, GroupId), Coming>,
    /// What is to be taken, and durable, before it is said to be so.
    granting: Vec<Granting>,
    /// What was dropped, by the node that has said it.
    missed: BTreeMap<(u32, GroupId), Missed>,
    /// What can be said to be taken.
    granted: Vec<(u32, GroupId, Granted)>,
}

/// What a node has committed in a group, and what that waits for.
#[derive(Clone, Debug, Default)]
pub(super) struct Coming {
    vector: Vector,
    waits: BTreeSet<Dot>,
    /// Its number, when nothing follows.
    last: Option<u64>,
}

/// What was joined in memory goes to the disk with a flush.
#[derive(Debug)]
pub(super) struct Joining {
    flush: u64,
    from: u32,
    coming: Coming,
}

#[derive(Debug)]
struct Granting {
    from: u32,
    group: GroupId,
    step: u64,
    holds: Vec<Dot>,
}

/// Entries of which the first ones were dropped.
#[derive(Debug)]
struct Missed {
    /// Of each origin the least number.
    least: BTreeMap<Origin, u64>,
    /// What answers this word, or a later one, says them again.
    until: u64,
    /// The other one has been asked.
    told: bool,
}

impl Coming {
    /// Adds what the same node has committed before.
    fn join(&mut self, before: Self) {
        self.vector.join(&before.vector);
        self.waits.extend(before.waits);
        self.last = self.last.or(before.last);
    }
}

impl Groups {
    /// Takes note that an entry has come for which there was no room. Nothing that would cover it is joined before it has come again.
    pub(crate) fn miss(&mut self, from: u32, group: GroupId, dot: Dot) {
        let number = self.number_of(from, group);
        let none = || Missed { least: BTreeMap::new(), until: 0, told: false };
        let missed = self.commits.missed.entry((from, group)).or_insert_with(none);
        let least = missed.least.entry(dot.origin).or_insert(dot.seq);
        *least = dot.seq.min(*least);
        (missed.until, missed.told) = (number + 1, false);
    }

    /// Returns whether something of a group that a node has said has to be said again, which it has not been asked for.
    pub(super) fn has_missed(&self, node: u32, group: GroupId) -> bool {
        self.commits.missed.get(&(node, group)).is_some_and(|missed| !missed.told)
    }

    /// Returns whether anything was dropped and not asked for again.
    pub(super) fn is_missing(&self) -> bool {
        self.commits.missed.values().any(|missed| !missed.told)
    }

    /// Takes note that a node is asked for what was dropped. Returns whether there is anything.
    pub(super) fn ask_missed(&mut self, node: u32, group: GroupId) -> bool {
        let missed = self.commits.missed.get_mut(&(node, group));
        missed.is_some_and(|missed| !core::mem::replace(&mut missed.told, true))
    }

    /// A node cannot be reached, or over another connection: it will say anew what is lacking.
    pub(super) fn forget_commits(&mut self, node: u32) {
        self.commits.granting.retain(|granting| granting.from != node);
        let coming = self.commits.coming.iter_mut().filter(|((from, _), _)| *from == node);
        let coming = coming.map(|(_, coming)| coming);
        let joins = self.by.values_mut().flat_map(|state| &mut state.joins);
        let joins = joins.filter(|join| join.from == node).map(|join| &mut join.coming);
        coming.chain(joins).for_each(|coming| coming.last = None);
        self.commits.granted.retain(|(from, ..)| *from != node);
    }

    /// A node is reached that was not: nothing comes any more of what it had said.
    pub(super) fn forget_missed(&mut self, node: u32) {
        self.commits.missed.retain(|(from, _), _| *from != node);
    }

    /// Another node has said everything that it committed itself to. Returns entries that need not wait any longer.
    pub(crate) fn hear_commit(
        &mut self,
        from: u32,
        (group, commit): (GroupId, Commit),
        gate: u64,
    ) -> Vec<Taken> {
        let Commit { number, step, last, mut vector } = commit;
        self.note_step(from, group, last);
        let unmissed = self.clip(from, group, (number, &mut vector));
        let outstanding = self.outstanding(group);
        let waiting = |dot: &Dot| self.waiting.holds(group, *dot);
        let holds = outstanding.iter().copied().filter(|dot| !waiting(dot)).collect();
        if !(last && unmissed) {
            self.commits.granting.push(Granting { from, group, step, holds });
        }
        let state = self.by.entry(group).or_default();
        if last && unmissed || !state.durable.includes(&vector) {
            let waits = outstanding.into_iter().filter(|dot| vector.covers(*dot)).collect();
            let mut coming = Coming { vector, waits, last: last.then_some(step).filter(|_| unmissed) };
            if let Some(before) = self.commits.coming.remove(&(from, group)) {
                coming.join(before);
            }
            self.commits.coming.insert((from, group), coming);
        }
        self.release_all(gate)
    }

    /// Leaves out what would cover something that was dropped. Returns whether nothing had to be left out.
    fn clip(&mut self, from: u32, group: GroupId, (number, vector): (u64, &mut Vector)) -> bool {
        let Some(missed) = self.commits.missed.get(&(from, group)) else { return true };
        if number >= missed.until {
            self.commits.missed.remove(&(from, group));
            return true;
        }
        let covered = missed.least.iter().any(|(origin, least)| vector.last(*origin) >= *least);
        if covered {
            *vector = below(vector, group.kind, |origin| missed.least.get(&origin).copied());
        }
        !covered
    }

    /// Returns the first dots of what has come and is not on the disk.
    fn outstanding(&self, group: GroupId) -> Vec<Dot> {
        let Some(state) = self.by.get(&group) else { return Vec::new() };
        let flying = state.gates.keys().filter(|dot| !state.durable.covers(**dot));
        let mut all: Vec<Dot> = state.under_way.iter().chain(flying).copied().collect();
        all.extend(self.waiting.of(group));
        all
    }

    fn is_outstanding(&self, group: GroupId, dot: Dot) -> bool {
        let state = self.by.get(&group).is_some_and(|state| {
            let flying = state.gates.contains_key(&dot) && !state.durable.covers(dot);
            flying || state.under_way.contains(&dot)
        });
        state || self.waiting.has((group, dot))
    }

    /// An entry that had come is dropped: nobody can know who has said it.
    pub(super) fn miss_of_all(&mut self, (group, dot): Place) {
        for node in self.linked() {
            self.miss(node, group, dot);
        }
        // It may be overwritten, and never come again: no commit waits for it, and none that has come covers it.
        let Commits { coming, granting, granted, .. } = &mut self.commits;
        for granting in granting.iter_mut().filter(|granting| granting.group == group) {
            granting.holds.retain(|held| *held != dot);
        }
        for ((from, _), coming) in coming.iter_mut().filter(|((_, of), _)| *of == group) {
            if coming.waits.remove(&dot) {
                coming.vector =
                    below(&coming.vector, group.kind, |origin| (origin == dot.origin).then_some(dot.seq));
                let step = coming.last.take();
                granted.extend(step.map(|step| (*from, group, Granted { step, joined: false })));
            }
        }
        coming.retain(|_, coming| coming.last.is_some() || coming.vector.origins().next().is_some());
    }

    /// Joins what waits for nothing any more. Returns whether a flush has to be made.
    pub(crate) fn join_commits(&mut self, gate: u64) -> bool {
        let ready: Vec<(u32, GroupId)> = self
            .commits
            .coming
            .iter()
            .filter(|((_, group), coming)| coming.waits.iter().all(|dot| self.is_held((*group, *dot), gate)))
            .map(|(place, _)| *place)
            .collect();
        let mut flush = false;
        for (from, group) in ready {
            let Some(mut coming) = self.commits.coming.remove(&(from, group)) else { continue };
            let own = self.own;
            let state = self.by.entry(group).or_default();
            // What this node has written it knows itself.
            coming.vector = coming.vector.without(|origin| origin == own);
            if state.durable.includes(&coming.vector) {
                let step = coming.last;
                self.commits.granted.extend(step.map(|step| (from, group, Granted { step, joined: true })));
                continue;
            }
            state.join(Joining { flush: gate, from, coming });
            flush = true;
        }
        self.grant();
        flush
    }

    /// Lets others know whose entries were taken.
    fn grant(&mut self) {
        let (by, waiting) = (&self.by, &self.waiting);
        let Commits { granting, granted, .. } = &mut self.commits;
        granting.retain(|Granting { from, group, step, holds }| {
            let state = by.get(group);
            let is_held =
                |dot: &Dot| state.is_some_and(|state| state.is_durable(*dot)) || waiting.holds(*group, *dot);
            let open = !holds.iter().all(is_held);
            if !open {
                granted.push((*from, *group, Granted { step: *step, joined: false }));
            }
            open
        });
    }

    /// Returns who is told that what was looked up has been taken.
    pub(crate) fn take_granted(&mut self) -> Vec<(u32, GroupId, Granted)> {
        core::mem::take(&mut self.commits.granted)
    }

    /// What was joined with flush `flush` is on the disk, or that has `failed`.
    pub(super) fn end_joining(&mut self, flush: u64, failed: bool) {
        for (group, state) in &mut self.by {
            for Joining { from, coming, .. } in state.end_joining(flush, failed) {
                if failed {
                    let again = self.commits.coming.entry((from, *group)).or_default();
                    again.join(coming);
                } else if let Some(step) = coming.last {
                    self.commits.granted.push((from, *group, Granted { step, joined: true }));
                }
            }
        }
    }

    /// Returns whether a commit covers a dot that has not come: it was overwritten, or is kept by nobody.
    pub(super) fn is_overwritten(&self, (group, dot): (GroupId, Dot)) -> bool {
        let mut coming = self.commits.coming.iter().filter(|((_, of), _)| *of == group);
        coming.any(|(_, coming)| coming.vector.covers(dot)) && !self.is_outstanding(group, dot)
    }
}

/// Returns what is committed when of some origins what begins at these numbers was dropped.
fn below(vector: &Vector, kind: GroupKind, least: impl Fn(Origin) -> Option<u64>) -> Vector {
    let mut kept = Vector::new();
    // In cells what was said may have overwritten what was not.
    if kind != GroupKind::Cells {
        for origin in vector.origins() {
            let below = least(origin).map_or(u64::MAX, |least| least - 1);
            kept.take(origin, vector.prefix(origin).min(below), &[]);
        }
    }
    kept
}

impl State {
    /// Counts what was committed, which a flush will hold.
    fn join(&mut self, joining: Joining) {
        let vector = &joining.coming.vector;
        self.memory.join(vector);
        self.changed.extend(vector.origins());
        self.joins.push_back(joining);
    }

    /// Counts again what was committed and goes with a flush that has not failed.
    pub(super) fn rejoin(&mut self) {
        for Joining { coming, .. } in &self.joins {
            self.memory.join(&coming.vector);
        }
    }

    /// Returns whether a dot is covered by nothing but what goes to the disk with a flush before `gate`.
    pub(super) fn is_joining(&self, dot: Dot, gate: u64) -> bool {
        !self.durable.covers(dot)
            && self.joins.iter().any(|join| join.flush < gate && join.coming.vector.covers(dot))
    }

    fn end_joining(&mut self, flush: u64, failed: bool) -> Vec<Joining> {
        let behind = self.joins.partition_point(|join| join.flush <= flush);
        let ended: Vec<Joining> = self.joins.drain(..behind).collect();
        for Joining { coming, .. } in &ended {
            if failed {
                self.changed.extend(coming.vector.origins());
            } else {
                self.durable.join(&coming.vector);
            }
        }
        if !(failed || ended.is_empty()) {
            self.loose.count(&self.durable);
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::exchange::DomainIx;
    use crate::jid::Domain;

    const ORIGIN: Origin = Origin { node: 7, start: 1, random: 1 };

    const fn group(kind: GroupKind) -> GroupId {
        GroupId { domain: DomainIx(0), kind, shard: 0 }
    }

    fn groups() -> Groups {
        Groups::new(&Config::single(Domain::parse("x.example").unwrap()))
    }

    fn commit(number: u64, step: u64, last: bool, seq: u64) -> Commit {
        let mut vector = Vector::new();
        vector.take(ORIGIN, seq, &[]);
        Commit { number, step, last, vector }
    }

    fn prefix(groups: &Groups, kind: GroupKind) -> u64 {
        groups.by.get(&group(kind)).map_or(0, |state| state.durable.prefix(ORIGIN))
    }

    /// Takes a commit in, and ends the flush that it makes. Returns whether it was said to be joined.
    fn join(groups: &mut Groups, kind: GroupKind, commit: Commit, flush: u64) -> Vec<bool> {
        groups.hear_commit(8, (group(kind), commit), flush);
        groups.join_commits(flush);
        groups.end_flush(flush, false);
        groups.join_commits(flush + 1);
        groups.take_granted().into_iter().map(|(_, _, granted)| granted.joined).collect()
    }

    #[test]
    fn what_is_joined_counts_when_it_is_on_the_disk_and_is_joined_again_when_that_fails() {
        let (mut groups, logs) = (groups(), group(GroupKind::Logs));
        groups.hear_commit(8, (logs, commit(1, 1, true, 5)), 1);
        assert!(groups.join_commits(1));
        let place = (logs, ORIGIN.dot(5));
        assert!(groups.is_held(place, 1) && !groups.is_held(place, 2), "the flush may fail");
        assert!(groups.take_granted().is_empty());
        groups.end_flush(1, true);
        assert!(!groups.is_held(place, 2));
        assert!(groups.join_commits(2) && !groups.join_commits(2));
        groups.end_flush(2, false);
        assert!(groups.is_held(place, 3) && prefix(&groups, GroupKind::Logs) == 5);
        let granted = Granted { step: 1, joined: true };
        assert_eq!(groups.take_granted(), [(8, logs, granted)]);
    }

    #[test]
    fn nothing_is_joined_that_would_cover_what_was_dropped_before_it_was_asked_for_again() {
        for (kind, kept) in [(GroupKind::Logs, 4), (GroupKind::Cells, 0)] {
            let mut groups = groups();
            groups.miss(8, group(kind), ORIGIN.dot(7));
            groups.miss(8, group(kind), ORIGIN.dot(5));
            assert_eq!(join(&mut groups, kind, commit(0, 1, true, 9), 1), [false]);
            assert_eq!(prefix(&groups, kind), kept, "of a log what was not dropped");
            assert!(groups.ask_missed(8, group(kind)) && !groups.ask_missed(8, group(kind)));
            assert_eq!(join(&mut groups, kind, commit(1, 2, true, 9), 2), [true]);
            assert_eq!(prefix(&groups, kind), 9);
        }
    }

    #[test]
    fn a_commit_does_not_wait_for_what_was_dropped_under_it() {
        for (kind, kept) in [(GroupKind::Logs, 4), (GroupKind::Cells, 0)] {
            let mut groups = groups();
            let (group, dot) = (group(kind), ORIGIN.dot(5));
            groups.by.entry(group).or_default().under_way.insert(dot);
            groups.hear_commit(8, (group, commit(1, 1, true, 9)), 1);
            assert!(!groups.join_commits(1), "it has come and is not written");
            groups.by.entry(group).or_default().under_way.remove(&dot);
            groups.miss_of_all((group, dot));
            groups.join_commits(2);
            groups.end_flush(2, false);
            groups.join_commits(3);
            assert_eq!(prefix(&groups, kind), kept);
            let granted = Granted { step: 1, joined: false };
            assert_eq!(groups.take_granted(), [(8, group, granted)]);
            assert_eq!(join(&mut groups, kind, commit(2, 2, true, 12), 4), [true], "the next one covers it");
            assert_eq!(prefix(&groups, kind), 12);
        }
    }

    #[test]
    fn a_part_of_a_log_is_joined_and_said_to_be_taken_at_once() {
        let mut groups = groups();
        assert_eq!(join(&mut groups, GroupKind::Logs, commit(1, 1, false, 3), 1), [false]);
        assert_eq!(prefix(&groups, GroupKind::Logs), 3);
        assert_eq!(join(&mut groups, GroupKind::Logs, commit(1, 2, true, 9), 2), [true]);
        assert_eq!(prefix(&groups, GroupKind::Logs), 9);
    }
}
