//! What one peer is to be told of what was written: names in order, and how much of it may be under way.
//!
//! What somebody waits for there goes ahead of what nobody does, and neither holds the room of the other. Of each the people who have
//! written it have their turns: who says much at once waits behind none but oneself. Names stay until the peer has
//! said that it has them on its disk. What was under way on a connection that is gone is sent again on the next one, ahead of the rest:
//! whoever has it drops it.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::exchange::{GroupId, Haste};
use crate::jid::BareJid;
use crate::replica::{Dot, Origin, Vector};

/// Bytes after which it is another talker's turn.
const TURN_BYTES: u64 = 4 * 1024;
/// Bytes that a talker who has had more is held to at most.
const AHEAD_MAX: u64 = 1 << 20;
/// Names of a group that go ahead of one that waits longer, at most: each of those may be two gaps at the peer, which counts 4,096 of
/// all nodes together. Beyond: that one goes first, whatever it is.
const OVERTAKING_MAX: usize = 512;
/// No dot is before it.
const FIRST: Dot = Origin { node: 0, start: 0, random: 0 }.dot(0);

/// The name of an entry.
type Name = (GroupId, Dot);

/// Who has written something; nobody in particular where that is not known.
pub(super) type Talker = Option<BareJid>;

/// Names that wait for a peer.
#[derive(Debug)]
pub(super) struct Queue {
    /// By haste.
    lines: [Line; Haste::ALL.len()],
    /// All names in these lines, and where.
    waiting: BTreeMap<Name, (Haste, Talker)>,
    /// What has gone ahead of the first one of its group that waits.
    ahead: BTreeMap<GroupId, BTreeSet<Dot>>,
    /// What was sent and is not durable there.
    sent: BTreeMap<Name, Sent>,
    /// Names that wait or are under way at most. Beyond: all that wait are dropped.
    pub(super) dots_max: usize,
    /// Something was dropped, and not everything behind it has been taken.
    behind: bool,
}

/// Something under way.
#[derive(Debug)]
struct Sent {
    haste: Haste,
    talker: Talker,
    bytes: u32,
}

/// Names of one haste: those of each talker in order, and talkers in turn.
#[derive(Debug)]
struct Line {
    turns: VecDeque<Talker>,
    by: BTreeMap<Talker, Turn>,
    sent_bytes: u64,
    /// Bytes under way from which on nothing more is sent.
    bytes_max: u64,
}

/// What waits of one talker.
#[derive(Debug, Default)]
struct Turn {
    names: VecDeque<Name>,
    /// Bytes that the talker has had before the others.
    ahead: u64,
}

impl Line {
    const fn new(bytes_max: u32) -> Self {
        Self { turns: VecDeque::new(), by: BTreeMap::new(), sent_bytes: 0, bytes_max: bytes_max as u64 }
    }

    const fn is_full(&self) -> bool {
        self.sent_bytes >= self.bytes_max
    }

    fn push(&mut self, talker: &Talker, name: Name, end: End) {
        let is_new = !self.by.contains_key(talker);
        let names = &mut self.by.entry(talker.clone()).or_default().names;
        match end {
            End::Back => names.push_back(name),
            End::Front => names.push_front(name),
        }
        if is_new {
            self.turns.push_back(talker.clone());
        }
    }

    /// Takes the next name of whoever has had the least. Whoever has had much is passed over until the others have had as much.
    fn take(&mut self) -> Option<(Talker, Name)> {
        loop {
            let talker = self.turns.pop_front()?;
            let is_alone = self.turns.is_empty();
            let turn = self.by.get_mut(&talker)?;
            if turn.ahead > 0 && !is_alone {
                turn.ahead = turn.ahead.saturating_sub(TURN_BYTES);
                self.turns.push_back(talker);
                continue;
            }
            let name = turn.names.pop_front()?;
            if turn.names.is_empty() {
                self.by.remove(&talker);
            } else {
                self.turns.push_back(talker.clone());
            }
            return Some((talker, name));
        }
    }

    /// Takes one name, which is about the first of its talker.
    fn remove(&mut self, talker: &Talker, name: &Name) {
        let Some(turn) = self.by.get_mut(talker) else { return };
        if let Some(at) = turn.names.iter().position(|known| known == name) {
            turn.names.remove(at);
        }
        if turn.names.is_empty() {
            self.by.remove(talker);
            self.turns.retain(|other| other != talker);
        }
    }

    fn retain(&mut self, wanted: impl Fn(&Name) -> bool) {
        self.by.retain(|_, turn| {
            turn.names.retain(&wanted);
            !turn.names.is_empty()
        });
        self.turns.retain(|talker| self.by.contains_key(talker));
    }
}

/// At which end of what waits of a talker something is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Back,
    Front,
}

impl Queue {
    /// Creates an empty queue of at most `dots_max` names, with `live` bytes under way of what somebody waits for, as many of what
    /// somebody will ask for, and `bulk` of the rest.
    pub(super) const fn new(dots_max: u32, (live, bulk): (u32, u32)) -> Self {
        Self {
            lines: [Line::new(live), Line::new(live), Line::new(bulk)],
            waiting: BTreeMap::new(),
            ahead: BTreeMap::new(),
            sent: BTreeMap::new(),
            dots_max: dots_max as usize,
            behind: false,
        }
    }

    /// Goes on with other bounds: the way is another one.
    pub(super) fn bound(&mut self, dots_max: u32, (live, bulk): (u32, u32)) {
        self.dots_max = dots_max as usize;
        for (line, bytes_max) in self.lines.iter_mut().zip([live, live, bulk]) {
            line.bytes_max = u64::from(bytes_max);
        }
    }

    /// Lets an entry wait. Returns whether those that waited were dropped: there were too many.
    pub(super) fn push(&mut self, haste: Haste, talker: &Talker, name: Name) -> bool {
        if let Entry::Vacant(place) = self.waiting.entry(name) {
            place.insert((haste, talker.clone()));
            self.line(haste).push(talker, name, End::Back);
        }
        let dropped = self.waiting.len() + self.sent.len() > self.dots_max;
        if dropped {
            self.waiting.clear();
            self.ahead.clear();
            self.lines.iter_mut().for_each(|line| line.retain(|_| false));
        }
        dropped
    }

    /// Returns what of that haste is sent next, and who has written it, if there is room for it; or what has waited longer than too
    /// much of its group.
    pub(super) fn next(&mut self, haste: Haste) -> Option<(Talker, Name)> {
        let line = self.line(haste);
        let next = if line.is_full() { None } else { line.take() }?;
        let (talker, name) = self.overtaken(haste, &next).unwrap_or(next);
        self.waiting.remove(&name);
        self.note_ahead(name);
        Some((talker, name))
    }

    /// Takes, in place of a name, the first one of its group, when too much has gone ahead of that.
    fn overtaken(&mut self, haste: Haste, (talker, name): &(Talker, Name)) -> Option<(Talker, Name)> {
        let over = self.ahead.get(&name.0).is_some_and(|ahead| ahead.len() >= OVERTAKING_MAX);
        let (first, (line, whose)) = self.waiting.range((name.0, FIRST)..).next().filter(|_| over)?;
        if first == name {
            return None;
        }
        let (first, line, whose) = (*first, *line, whose.clone());
        self.line(haste).push(talker, *name, End::Front);
        self.line(line).remove(&whose, &first);
        Some((whose, first))
    }

    /// Takes note of what has gone ahead of what waits, now that a name is no longer among that.
    fn note_ahead(&mut self, (group, dot): Name) {
        match self.first_waiting(group) {
            Some(first) if first < dot => _ = self.ahead.entry(group).or_default().insert(dot),
            Some(first) => {
                if let Some(ahead) = self.ahead.get_mut(&group) {
                    *ahead = ahead.split_off(&first);
                }
            }
            None => _ = self.ahead.remove(&group),
        }
    }

    fn first_waiting(&self, group: GroupId) -> Option<Dot> {
        let first = self.waiting.range((group, FIRST)..).next();
        first.filter(|((of, _), _)| *of == group).map(|((_, dot), _)| *dot)
    }

    /// Returns what waits and nobody waits for, in order.
    pub(super) fn unwanted(&self) -> impl Iterator<Item = Name> {
        let is_empty = self.lines.last().is_none_or(|line| line.turns.is_empty());
        let waiting = self.waiting.iter().filter(|(_, (haste, _))| *haste == Haste::Bulk);
        waiting.map(|(name, _)| *name).take(if is_empty { 0 } else { usize::MAX })
    }

    /// Returns whether something waits that nobody waits for.
    pub(super) fn is_unwanted(&self, name: &Name) -> bool {
        self.waiting.get(name).is_some_and(|(haste, _)| *haste == Haste::Bulk)
    }

    /// Somebody waits for these names now: each goes ahead of what else waits of who has written it.
    pub(super) fn hasten(&mut self, names: &BTreeSet<Name>) {
        if names.is_empty() {
            return;
        }
        self.line(Haste::Bulk).retain(|name| !names.contains(name));
        for name in names.iter().rev() {
            let Some((haste, talker)) = self.waiting.get_mut(name) else { continue };
            *haste = Haste::Live;
            let talker = talker.clone();
            self.line(Haste::Live).push(&talker, *name, End::Front);
        }
    }

    /// Returns whether as much is under way as may be, of anything.
    pub(super) fn is_full(&self) -> bool {
        self.lines.iter().any(Line::is_full)
    }

    /// Takes note that an entry is under way.
    pub(super) fn send(&mut self, haste: Haste, (talker, name): (Talker, Name), bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let line = self.line(haste);
        line.sent_bytes += u64::from(bytes);
        // Who was alone has taken nothing from anybody.
        let is_alone = line.by.len() < 2;
        if let Some(turn) = line.by.get_mut(&talker).filter(|_| !is_alone) {
            turn.ahead = (turn.ahead + u64::from(bytes)).min(AHEAD_MAX);
        }
        if let Some(before) = self.sent.insert(name, Sent { haste, talker, bytes }) {
            self.arrived(&before);
        }
    }

    /// Takes note that something cannot be sent any more. Returns whether that made the peer fall behind.
    pub(super) fn lose(&mut self) -> bool {
        !core::mem::replace(&mut self.behind, true)
    }

    /// Takes note that entries of `origin` are durable at the peer.
    pub(super) fn confirm(&mut self, group: GroupId, origin: Origin, (from, to): (u64, u64)) {
        let range = (group, origin.dot(from))..=(group, origin.dot(to.max(from)));
        let done: Vec<Name> = self.sent.range(range).map(|(name, _)| *name).collect();
        for name in done {
            if let Some(sent) = self.sent.remove(&name) {
                self.arrived(&sent);
            }
        }
        if self.sent.is_empty() && self.waiting.is_empty() {
            self.behind = false;
        }
    }

    /// Takes note of what the peer says that it holds of what `own` has written.
    pub(super) fn hold(&mut self, group: GroupId, own: Origin, vector: &Vector) {
        self.confirm(group, own, (0, vector.prefix(own)));
        let wanted = |(of, dot): &Name| *of != group || !vector.covers(*dot);
        self.waiting.retain(|name, _| wanted(name));
        let first = self.first_waiting(group);
        match (first, self.ahead.get_mut(&group)) {
            (Some(first), Some(ahead)) => *ahead = ahead.split_off(&first),
            (None, _) => _ = self.ahead.remove(&group),
            (Some(_), None) => {}
        }
        self.lines.iter_mut().for_each(|line| line.retain(wanted));
    }

    /// Returns the first entry of a group that waits and is covered by `target`.
    pub(super) fn first_of(&self, group: GroupId, target: &Vector) -> Option<Dot> {
        let dots = self.waiting.range((group, FIRST)..).take_while(|((of, _), _)| *of == group);
        dots.map(|((_, dot), _)| *dot).find(|dot| target.covers(*dot))
    }

    /// Returns whether an entry waits.
    pub(super) fn is_waiting(&self, group: GroupId, dot: Dot) -> bool {
        self.waiting.contains_key(&(group, dot))
    }

    /// Returns whether an entry is under way.
    pub(super) fn is_sent(&self, group: GroupId, dot: Dot) -> bool {
        self.sent.contains_key(&(group, dot))
    }

    /// What was under way has to be sent again.
    pub(super) fn send_again(&mut self) {
        for line in &mut self.lines {
            line.sent_bytes = 0;
        }
        for (name, Sent { haste, talker, .. }) in core::mem::take(&mut self.sent).into_iter().rev() {
            if let Some(ahead) = self.ahead.get_mut(&name.0) {
                ahead.remove(&name.1);
            }
            self.line(haste).push(&talker, name, End::Front);
            self.waiting.insert(name, (haste, talker));
        }
    }

    /// Lets any number of bytes be under way.
    #[cfg(test)]
    pub(super) fn free(&mut self) {
        self.lines.iter_mut().for_each(|line| line.bytes_max = u64::MAX);
    }

    fn arrived(&mut self, sent: &Sent) {
        self.line(sent.haste).sent_bytes -= u64::from(sent.bytes);
    }

    const fn line(&mut self, haste: Haste) -> &mut Line {
        let [live, state, bulk] = &mut self.lines;
        match haste {
            Haste::Live => live,
            Haste::State => state,
            Haste::Bulk => bulk,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{DomainIx, GroupKind};

    const GROUP: GroupId = GroupId { domain: DomainIx(0), kind: GroupKind::Logs, shard: 0 };
    const ORIGIN: Origin = Origin { node: 1, start: 1, random: 0 };

    const LIVE: Haste = Haste::Live;

    fn sent_of(queue: &mut Queue, haste: Haste, bytes: usize) -> Vec<u64> {
        let mut all = Vec::new();
        while let Some((talker, name)) = queue.next(haste) {
            queue.send(haste, (talker, name), bytes);
            all.push(name.1.seq);
        }
        all
    }

    fn sent(queue: &mut Queue, bytes: usize) -> Vec<u64> {
        sent_of(queue, LIVE, bytes)
    }

    fn filled(seqs: core::ops::RangeInclusive<u64>) -> Queue {
        let mut queue = Queue::new(8, (100, 50));
        for seq in seqs {
            assert!(!queue.push(LIVE, &None, (GROUP, ORIGIN.dot(seq))));
        }
        queue
    }

    fn waits_from(queue: &Queue) -> Option<u64> {
        let mut all = Vector::new();
        all.take(ORIGIN, 100, &[]);
        queue.first_of(GROUP, &all).map(|dot| dot.seq)
    }

    #[test]
    fn what_is_under_way_is_sent_again_on_another_connection_ahead_of_the_rest() {
        let mut queue = filled(1..=6);
        assert_eq!(sent(&mut queue, 25), [1, 2, 3, 4], "room for a hundred bytes");
        queue.confirm(GROUP, ORIGIN, (2, 2));
        assert_eq!(sent(&mut queue, 25), [5]);
        queue.send_again();
        assert_eq!(sent(&mut queue, 25), [1, 3, 4, 5]);
        queue.confirm(GROUP, ORIGIN, (1, 5));
        assert_eq!(sent(&mut queue, 500), [6], "one that is larger than the room goes alone");
        queue.confirm(GROUP, ORIGIN, (6, u64::MAX));
        assert!(queue.sent.is_empty() && queue.lines.iter().all(|line| line.sent_bytes == 0));
    }

    #[test]
    fn beyond_its_bound_what_waits_is_dropped_and_said_once() {
        let mut queue = filled(1..=8);
        assert_eq!(sent(&mut queue, 60), [1, 2]);
        assert!(queue.push(LIVE, &None, (GROUP, ORIGIN.dot(9))) && queue.lose(), "it is behind");
        assert!(!queue.lose() && queue.next(LIVE).is_none(), "that was said");
        queue.push(LIVE, &None, (GROUP, ORIGIN.dot(10)));
        queue.confirm(GROUP, ORIGIN, (1, 2));
        assert_eq!(sent(&mut queue, 60), [10]);
        queue.confirm(GROUP, ORIGIN, (10, 10));
        assert!(queue.lose(), "and is said again when it happens again");
    }

    #[test]
    fn what_the_peer_says_that_it_holds_is_neither_sent_nor_waited_for() {
        let mut queue = filled(1..=6);
        assert_eq!(sent(&mut queue, 25), [1, 2, 3, 4]);
        assert_eq!((waits_from(&queue), queue.is_sent(GROUP, ORIGIN.dot(4))), (Some(5), true));
        let mut held = Vector::new();
        held.take(ORIGIN, 2, &[5]);
        queue.hold(GROUP, ORIGIN, &held);
        assert_eq!((waits_from(&queue), queue.is_sent(GROUP, ORIGIN.dot(2))), (Some(6), false));
        assert_eq!(sent(&mut queue, 25), [6]);
        assert_eq!(waits_from(&queue), None);
    }

    #[test]
    fn what_nobody_waits_for_holds_no_room_of_what_somebody_does() {
        let mut queue = Queue::new(8, (100, 50));
        for seq in 1..=4 {
            queue.push(Haste::Bulk, &None, (GROUP, ORIGIN.dot(seq)));
        }
        assert_eq!(sent_of(&mut queue, Haste::Bulk, 30), [1, 2], "room for fifty");
        queue.push(LIVE, &None, (GROUP, ORIGIN.dot(5)));
        assert!(queue.is_full() && queue.is_waiting(GROUP, ORIGIN.dot(3)));
        assert_eq!(sent(&mut queue, 30), [5]);
        queue.confirm(GROUP, ORIGIN, (5, 5));
        assert_eq!(waits_from(&queue), Some(3), "whoever holds what came later lacks it still");
        assert!(!queue.is_waiting(GROUP, ORIGIN.dot(5)) && !queue.is_sent(GROUP, ORIGIN.dot(5)));
        queue.send_again();
        assert_eq!(sent_of(&mut queue, Haste::Bulk, 10), [1, 2, 3, 4]);
    }

    #[test]
    fn who_says_much_waits_behind_none_but_oneself() {
        let mut queue = Queue::new(100, (1 << 20, 1 << 20));
        let talker = |name: &str| BareJid::parse(&format!("{name}@x.example")).ok();
        let (amy, bob) = (talker("amy"), talker("bob"));
        for seq in 1..=6 {
            queue.push(LIVE, &amy, (GROUP, ORIGIN.dot(seq)));
        }
        for seq in 7..=8 {
            queue.push(LIVE, &bob, (GROUP, ORIGIN.dot(seq)));
        }
        let mut said = Vec::new();
        while let Some((who, name)) = queue.next(LIVE) {
            let bytes = if who == amy { 12_000 } else { 100 };
            said.push(name.1.seq);
            queue.send(LIVE, (who, name), bytes);
        }
        assert_eq!(said, [1, 7, 8, 2, 3, 4, 5, 6]);
        queue.send_again();
        assert_eq!(sent(&mut queue, 1), [7, 1, 8, 2, 3, 4, 5, 6], "each in order");
    }

    #[test]
    fn not_more_goes_ahead_of_what_waits_than_the_peer_can_count() {
        let mut queue = Queue::new(100_000, (1 << 20, 50));
        for seq in 1..=8 {
            queue.push(Haste::Bulk, &None, (GROUP, ORIGIN.dot(seq)));
        }
        let (mut held, mut most) = (Vector::new(), 0);
        for seq in 9..=9_000 {
            queue.push(LIVE, &None, (GROUP, ORIGIN.dot(seq)));
            for sent in sent(&mut queue, 100) {
                held.count(ORIGIN.dot(sent));
                queue.confirm(GROUP, ORIGIN, (sent, sent));
            }
            most = most.max(held.singles());
        }
        assert!(most <= OVERTAKING_MAX && held.prefix(ORIGIN) >= 8, "{most}");
        assert_eq!(queue.ahead.values().map(BTreeSet::len).sum::<usize>(), 0);
    }
}
