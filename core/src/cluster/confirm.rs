//! Which members have on their disks what this node has written, and so how far each level of durability is met.
//!
//! Rests on the replication rules R15 (local first) and R22 (acknowledgement counting). It counts flushes: one is met at a level when
//! enough members hold what this node has written up to it. Who waits for that is known elsewhere.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::config::{Config, DomainConfig, Durability, Level, Short, StaticCluster};
use crate::exchange::GroupId;
use crate::jid::Domain;
use crate::replica::Origin;
use crate::time::{Instant, Span};

/// What is counted by itself: what one start of this node has written in one group.
pub(crate) type Mark = (GroupId, Origin);

/// Flushes that are counted each by itself. Beyond: those of a while are counted as one, the shorter the less is held.
const FLIGHTS: usize = 64;
/// Such whiles in the time that is held, at least.
const SLOTS: u64 = 256;
/// How long after a start a member that has not been there yet may still come: who calls it has not been answered.
const FIRST: Span = Span::from_secs(5);

/// How far what this node has written is confirmed.
#[derive(Debug, Default)]
pub(crate) struct Confirm {
    /// This node.
    own: u32,
    /// Of each member its site, as a bit.
    sites: BTreeMap<u32, u64>,
    up: BTreeSet<u32>,
    /// Those that have been up since this start.
    seen: BTreeSet<u32>,
    /// When this start began to serve: what it has written before, it has written alone.
    began: Option<Instant>,
    /// Who is not up by now will not be soon.
    is_clear: bool,
    known: BTreeMap<u32, Known>,
    /// What has been written, by flushes up to the last.
    marked: BTreeMap<Mark, u64>,
    /// Flushes that are not met at all levels, in order.
    flights: VecDeque<Flight>,
    /// The levels in use.
    levels: Vec<Counted>,
    /// The domains that have one, and which.
    domains: Vec<(Domain, usize)>,
}

/// What one start of a member has on its disk.
#[derive(Debug)]
struct Known {
    incarnation: Origin,
    held: BTreeMap<Mark, u64>,
}

/// A flush, or several that are counted as one.
#[derive(Debug)]
struct Flight {
    /// The number of the last.
    last: u64,
    /// What it has written, by the greatest number of each.
    marks: BTreeMap<Mark, u64>,
    /// When the first of them was durable here.
    at: Instant,
}

/// How far a level is met.
#[derive(Clone, Copy, Debug)]
struct Counted {
    durability: Durability,
    reach: Reached,
    /// Members, or sites, that are there.
    there: u32,
    /// What the observers were told of that.
    told: Option<u32>,
}

/// How far one may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reached {
    /// Flushes below this number are met.
    pub(crate) met: u64,
    /// For those below this one nobody waits any longer.
    pub(crate) let_go: u64,
}

/// How many there are to meet the level of a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct There {
    /// The domain.
    pub(crate) domain: Domain,
    /// Its level.
    pub(crate) level: Level,
    /// Members, or sites, that hold what there is or can be expected to.
    pub(crate) count: u32,
}

impl Reached {
    /// Returns the number below which nobody waits.
    pub(crate) fn end(self) -> u64 {
        self.met.max(self.let_go)
    }
}

impl Confirm {
    /// Creates the count of a node that has written nothing.
    pub(crate) fn new(config: &Config) -> Self {
        let mut confirm = Self::default();
        let Some(StaticCluster { node, .. }) = &config.cluster else { return confirm };
        confirm.own = *node;
        confirm.heed(config);
        for DomainConfig { name, durability, .. } in &config.domains {
            if durability.level == Level::Local {
                continue;
            }
            let known = confirm.levels.iter().position(|level| level.durability == *durability);
            let at = known.unwrap_or_else(|| {
                let (reach, told) = (Reached::default(), None);
                confirm.levels.push(Counted { durability: *durability, reach, there: 1, told });
                confirm.levels.len() - 1
            });
            confirm.domains.push((name.clone(), at));
        }
        confirm
    }

    /// Counts the members that there are from here on.
    pub(crate) fn heed(&mut self, config: &Config) {
        let members = config.cluster.iter().flat_map(|cluster| &cluster.members);
        let names: BTreeSet<&str> = members.clone().map(|member| member.site.as_str()).collect();
        self.sites.clear();
        for member in members {
            let at = names.iter().position(|name| *name == member.site).unwrap_or_default();
            self.sites.insert(member.node, 1 << (at % 64));
        }
    }

    /// Returns whether any level counts other members.
    pub(crate) const fn is_on(&self) -> bool {
        !self.levels.is_empty()
    }

    /// Returns which level a domain has; nothing where the own disk is enough.
    pub(crate) fn level(&self, domain: &str) -> Option<usize> {
        self.domains.iter().find(|(name, _)| name.as_str() == domain).map(|(_, level)| *level)
    }

    /// Returns how far a level is met.
    pub(crate) fn reach(&self, level: usize) -> Reached {
        self.levels.get(level).map(|level| level.reach).unwrap_or_default()
    }

    /// Returns what is done at a level that is not met.
    pub(crate) fn short(&self, level: usize) -> Short {
        self.levels.get(level).map_or(Short::Degrade, |level| level.durability.short)
    }

    /// Begins with what was written before this start, as if flush `flush` had written all of it.
    pub(crate) fn begin(&mut self, flush: u64, marks: BTreeMap<Mark, u64>, now: Instant) {
        self.began = Some(now);
        if !marks.is_empty() {
            for level in &mut self.levels {
                level.reach.met = flush;
            }
            self.marked.clone_from(&marks);
            self.flights = VecDeque::from([Flight { last: flush, marks, at: now }]);
        }
        self.advance(now);
    }

    /// Flush `flush` is durable here, and has written what `marks` says.
    pub(crate) fn flushed(&mut self, flush: u64, marks: BTreeMap<Mark, u64>, now: Instant) {
        if !self.is_on() {
            return;
        }
        for (mark, seq) in &marks {
            let known = self.marked.entry(*mark).or_default();
            *known = (*known).max(*seq);
        }
        let is_full = self.flights.len() >= FLIGHTS;
        let slot = Span::from_micros(self.longest().as_micros() / SLOTS);
        match self.flights.back_mut() {
            Some(last) if marks.is_empty() || (is_full && now.since(last.at) < slot) => {
                last.add(flush, marks);
            }
            None if marks.is_empty() => {
                self.levels.iter_mut().for_each(|level| level.reach.met = flush + 1);
            }
            Some(_) | None => self.flights.push_back(Flight { last: flush, marks, at: now }),
        }
        self.advance(now);
    }

    /// A member is there, as this start of it.
    pub(crate) fn handle_up(&mut self, node: u32, incarnation: Origin, now: Instant) {
        self.up.insert(node);
        self.seen.insert(node);
        // What another start of it had may be gone with its disk.
        self.known.retain(|known, of| *known != node || of.incarnation == incarnation);
        self.known.entry(node).or_insert_with(|| Known { incarnation, held: BTreeMap::new() });
        self.advance(now);
    }

    /// A member cannot be reached. What it holds it has.
    pub(crate) fn handle_down(&mut self, node: u32, now: Instant) {
        self.up.remove(&node);
        self.advance(now);
    }

    /// A member has said what it holds of a group: `held` tells up to where, by origin.
    pub(crate) fn hear(&mut self, node: u32, group: GroupId, held: impl Fn(Origin) -> u64, now: Instant) {
        let Some(known) = self.known.get_mut(&node) else { return };
        for mark in self.marked.keys().filter(|(of, _)| *of == group) {
            let seq = known.held.entry(*mark).or_default();
            *seq = held(mark.1).max(*seq);
        }
        self.advance(now);
    }

    /// Time has passed.
    pub(crate) fn handle_tick(&mut self, now: Instant) {
        self.advance(now);
    }

    /// Returns when somebody may have waited for long enough.
    pub(crate) fn due(&self) -> Option<Instant> {
        let first = |level: &Counted| {
            let flight = self.flights.iter().find(|flight| flight.last >= level.reach.end())?;
            Some(flight.at + level.time())
        };
        let clear = self.began.filter(|_| !self.is_clear).map(|began| began + FIRST);
        self.levels.iter().filter_map(first).chain(clear).min()
    }

    /// Returns of which domains the observers have to be told otherwise.
    pub(crate) fn turns(&mut self) -> Vec<There> {
        let mut turned = Vec::new();
        for (at, level) in self.levels.iter_mut().enumerate() {
            let is_short = level.there < level.durability.level.wanted();
            if is_short && level.told.is_none() && !self.is_clear {
                continue;
            }
            if level.told.replace(level.there) == Some(level.there) {
                continue;
            }
            let of = self.domains.iter().filter(|(_, of)| *of == at);
            let (level, count) = (level.durability.level, level.there);
            turned.extend(of.map(|(domain, _)| There { domain: domain.clone(), level, count }));
        }
        turned
    }

    /// Returns the longest time that anybody waits.
    fn longest(&self) -> Span {
        self.levels.iter().map(Counted::time).max().unwrap_or_default()
    }

    /// Finds out how far each level is met, and what is waited for no longer.
    fn advance(&mut self, now: Instant) {
        if !self.is_on() {
            return;
        }
        self.is_clear |= self.began.is_some_and(|began| now.since(began) >= FIRST);
        let may_be_there = |node| self.up.contains(&node) || (!self.is_clear && !self.seen.contains(&node));
        let mut levels = core::mem::take(&mut self.levels);
        for level in &mut levels {
            let open = self.flights.iter().skip_while(|flight| flight.last < level.reach.met);
            let met = open.take_while(|flight| self.is_met(level.durability.level, &flight.marks));
            if let Some(last) = met.last() {
                level.reach.met = last.last + 1;
            }
            let time = level.time();
            if let Some(late) = self.flights.iter().rfind(|flight| now.since(flight.at) >= time) {
                level.reach.let_go = level.reach.let_go.max(late.last + 1);
            }
            let wanted = level.durability.level.wanted();
            if level.durability.short == Short::Degrade
                && self.count(level.durability.level, may_be_there) < wanted
                && let Some(last) = self.flights.back()
            {
                level.reach.let_go = level.reach.let_go.max(last.last + 1);
            }
            level.there = self.there(level).min(wanted);
        }
        self.levels = levels;
        self.forget();
    }

    /// Forgets flushes that are met, and counts those as one for which nobody waits.
    fn forget(&mut self) {
        let met = self.levels.iter().map(|level| level.reach.met).min().unwrap_or(u64::MAX);
        while self.flights.front().is_some_and(|flight| flight.last < met) {
            self.flights.pop_front();
        }
        let over = self.levels.iter().map(|level| level.reach.end()).min().unwrap_or(u64::MAX);
        while self.flights.get(1).is_some_and(|next| next.last < over) {
            let Some(first) = self.flights.pop_front() else { return };
            if let Some(next) = self.flights.front_mut() {
                next.at = first.at;
                next.add(next.last, first.marks);
            }
        }
        if self.flights.is_empty() {
            // Of former starts nothing is asked again.
            let last = self.marked.keys().map(|(_, origin)| *origin).max();
            self.marked.retain(|(_, origin), _| Some(*origin) == last);
            let marked = &self.marked;
            self.known.values_mut().for_each(|known| known.held.retain(|mark, _| marked.contains_key(mark)));
        }
    }

    fn is_met(&self, level: Level, marks: &BTreeMap<Mark, u64>) -> bool {
        self.count(level, |node| self.holds(node, marks)) >= level.wanted()
    }

    fn holds(&self, node: u32, marks: &BTreeMap<Mark, u64>) -> bool {
        let Some(known) = self.known.get(&node) else { return false };
        marks.iter().all(|(mark, seq)| known.held.get(mark).is_some_and(|held| held >= seq))
    }

    /// Returns how many are there for a level: who can be reached and is not behind what nobody waits for any longer.
    fn there(&self, level: &Counted) -> u32 {
        let late = |node| {
            let mut past = self.flights.iter().take_while(|flight| flight.last < level.reach.let_go);
            !past.all(|flight| self.holds(node, &flight.marks))
        };
        self.count(level.durability.level, |node| self.up.contains(&node) && !late(node))
    }

    /// Counts what a level counts: this node, and the members that `is` picks.
    fn count(&self, level: Level, is: impl Fn(u32) -> bool) -> u32 {
        let picked = self.sites.iter().filter(|(node, _)| **node == self.own || is(**node));
        match level {
            Level::Local => 1,
            Level::Cluster { .. } => u32::try_from(picked.count()).unwrap_or(u32::MAX),
            Level::Site { .. } => picked.fold(0_u64, |all, (_, site)| all | site).count_ones(),
        }
    }
}

impl Flight {
    fn add(&mut self, last: u64, marks: BTreeMap<Mark, u64>) {
        self.last = last;
        for (mark, seq) in marks {
            let known = self.marks.entry(mark).or_default();
            *known = (*known).max(seq);
        }
    }
}

impl Counted {
    /// Returns how long somebody waits at most.
    const fn time(&self) -> Span {
        match self.durability.short {
            Short::Hold { time } => time,
            Short::Degrade => Durability::HOLD,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ClusterSecret, LinkKind, StaticMember};
    use crate::exchange::{DomainIx, GroupKind};

    const LOGS: GroupId = GroupId { domain: DomainIx(0), kind: GroupKind::Logs, shard: 0 };
    const CELLS: GroupId = GroupId { domain: DomainIx(0), kind: GroupKind::Cells, shard: 0 };

    const fn start(node: u32, start: u32) -> Origin {
        Origin { node, start, random: 0 }
    }

    const fn at(seconds: u64) -> Instant {
        Instant::from_micros(seconds * 1_000_000)
    }

    /// Five members: 1 and 2 are in the north, 3 in the south, 4 and 5 in the west. This is 1.
    fn confirm(level: &str, short: Short) -> Confirm {
        let sites = ["north", "north", "south", "west", "west"];
        let members = (1..).zip(sites).map(|(node, site)| StaticMember {
            node,
            name: node.to_string(),
            site: site.into(),
            key: [u8::try_from(node).unwrap(); 32],
            route: "b:5230".into(),
            link: LinkKind::Lan,
            rate: None,
        });
        let mut config = Config::single(Domain::parse("x.example").unwrap());
        config.cluster = Some(StaticCluster {
            id: [0; 16],
            node: 1,
            members: members.collect(),
            routes: Vec::new(),
            grace: StaticCluster::GRACE,
            hysteresis: StaticCluster::HYSTERESIS,
            secret: ClusterSecret([0; 32]),
        });
        config.domains[0].durability = Durability { level: Level::parse(level).unwrap(), short };
        config.domains.push(DomainConfig::closed(Domain::parse("y.example").unwrap()));
        config.check().unwrap();
        Confirm { is_clear: true, ..Confirm::new(&config) }
    }

    fn hold(level: &str) -> Confirm {
        let mut confirm = confirm(level, Short::Hold { time: Span::from_secs(10) });
        (2..=5).for_each(|node| confirm.handle_up(node, start(node, 1), at(0)));
        confirm
    }

    fn wrote(seq: u64) -> BTreeMap<Mark, u64> {
        BTreeMap::from([((LOGS, start(1, 1)), seq)])
    }

    fn hears(confirm: &mut Confirm, node: u32, seq: u64) {
        confirm.hear(node, LOGS, |origin| if origin == start(1, 1) { seq } else { 0 }, at(1));
    }

    #[test]
    fn a_level_is_met_in_order_by_as_many_as_it_says() {
        for (level, held, met) in [
            ("cluster:2", [0, 0, 0, 0], 0),
            ("cluster:2", [4, 0, 0, 0], 8),
            ("cluster:2", [3, 0, 0, 3], 8),
            ("cluster:2", [0, 5, 0, 0], 10),
            ("cluster:3", [5, 0, 0, 0], 0),
            ("cluster:3", [5, 4, 0, 0], 8),
            ("cluster:3", [5, 0, 5, 0], 10),
            ("site:2", [5, 0, 0, 0], 0),
            ("site:2", [0, 4, 0, 0], 8),
            ("site:3", [5, 5, 0, 0], 0),
            ("site:3", [0, 0, 5, 5], 0),
            ("site:3", [0, 4, 0, 5], 8),
        ] {
            let mut confirm = hold(level);
            confirm.flushed(7, wrote(3), at(0));
            confirm.flushed(9, wrote(5), at(0));
            (2..).zip(held).for_each(|(node, seq)| hears(&mut confirm, node, seq));
            assert_eq!(confirm.reach(0), Reached { met, let_go: 0 }, "{level} {held:?}");
        }
        assert_eq!(hold("cluster:2").level("y.example"), None);
    }

    #[test]
    fn a_flush_that_writes_nothing_for_others_stands_behind_those_before_it_and_waits_for_nobody_else() {
        let mut confirm = hold("cluster:2");
        confirm.flushed(1, BTreeMap::new(), at(0));
        assert_eq!(confirm.reach(0).met, 2);
        confirm.flushed(2, wrote(1), at(0));
        confirm.flushed(3, BTreeMap::new(), at(0));
        assert_eq!(confirm.reach(0).met, 2);
        hears(&mut confirm, 4, 1);
        assert_eq!(confirm.reach(0).met, 4);
        confirm.flushed(4, BTreeMap::from([((CELLS, start(1, 1)), 1)]), at(0));
        hears(&mut confirm, 4, 2);
        assert_eq!(confirm.reach(0).met, 4, "the groups count apart");
    }

    #[test]
    fn what_a_former_start_of_a_member_held_does_not_count() {
        let mut confirm = hold("cluster:3");
        confirm.flushed(1, wrote(1), at(0));
        hears(&mut confirm, 2, 1);
        confirm.handle_down(2, at(1));
        confirm.handle_up(2, start(2, 1), at(1));
        confirm.handle_up(2, start(2, 2), at(1));
        hears(&mut confirm, 3, 1);
        assert_eq!(confirm.reach(0).met, 0);
        hears(&mut confirm, 2, 1);
        assert_eq!(confirm.reach(0).met, 2);
        // One that is away and has not been started again has it still.
        confirm.flushed(2, wrote(2), at(1));
        hears(&mut confirm, 2, 2);
        confirm.handle_down(2, at(1));
        hears(&mut confirm, 5, 2);
        assert_eq!(confirm.reach(0).met, 3);
    }

    #[test]
    fn what_was_written_before_a_start_is_asked_again() {
        let mut confirm = hold("cluster:2");
        confirm.flushed(1, BTreeMap::new(), at(0));
        let before = [((LOGS, start(1, 1)), 9), ((CELLS, start(1, 1)), 2)];
        confirm.begin(1, BTreeMap::from(before), at(0));
        assert_eq!(confirm.reach(0).met, 1);
        confirm.flushed(2, BTreeMap::from([((LOGS, start(1, 2)), 1)]), at(0));
        confirm.hear(2, LOGS, |_| 9, at(1));
        assert_eq!(confirm.reach(0).met, 1, "of the other group nothing was said");
        confirm.hear(2, CELLS, |_| 2, at(1));
        assert_eq!(confirm.reach(0).met, 3);
        assert_eq!(confirm.marked.len(), 1);
    }

    #[test]
    fn nobody_waits_longer_than_is_held_and_what_came_later_waits_its_own_time() {
        let mut confirm = hold("cluster:2");
        confirm.flushed(1, wrote(1), at(0));
        confirm.flushed(2, wrote(2), at(4));
        assert_eq!(confirm.due(), Some(at(10)));
        confirm.handle_tick(at(10));
        assert_eq!(confirm.reach(0), Reached { met: 0, let_go: 2 });
        assert_eq!(confirm.turns().first().map(|turn| turn.count), Some(1), "the others are behind");
        assert_eq!(confirm.due(), Some(at(14)));
        hears(&mut confirm, 3, 1);
        assert_eq!(confirm.reach(0), Reached { met: 2, let_go: 2 });
        assert_eq!(confirm.turns().first().map(|turn| turn.count), Some(2));
        assert_eq!(confirm.turns(), []);
    }

    #[test]
    fn a_level_that_may_degrade_waits_only_for_those_who_are_there() {
        let mut confirm = confirm("cluster:2", Short::Degrade);
        confirm.flushed(1, wrote(1), at(0));
        assert_eq!(confirm.reach(0), Reached { met: 0, let_go: 2 });
        confirm.handle_up(2, start(2, 1), at(0));
        confirm.flushed(2, wrote(2), at(0));
        assert_eq!(confirm.reach(0), Reached { met: 0, let_go: 2 });
        assert_eq!(confirm.due(), Some(at(10)));
        confirm.handle_down(2, at(1));
        assert_eq!(confirm.reach(0), Reached { met: 0, let_go: 3 });
    }

    #[test]
    fn just_after_a_start_nobody_is_missed() {
        let mut confirm = Confirm { is_clear: false, ..confirm("cluster:2", Short::Degrade) };
        confirm.flushed(1, BTreeMap::new(), at(0));
        assert_eq!((confirm.due(), confirm.turns()), (None, vec![]), "it does not serve yet");
        confirm.begin(1, wrote(1), at(0));
        confirm.flushed(2, wrote(2), at(1));
        assert_eq!(confirm.reach(0), Reached { met: 1, let_go: 0 });
        assert_eq!((confirm.due(), confirm.turns()), (Some(at(5)), vec![]));
        confirm.handle_tick(at(5));
        assert_eq!(confirm.reach(0), Reached { met: 1, let_go: 3 });
        assert_eq!(confirm.turns().first().map(|turn| turn.count), Some(1));
        // Who is there and goes is missed at once.
        for node in 2..=5 {
            confirm.handle_up(node, start(node, 1), at(6));
        }
        confirm.flushed(3, wrote(3), at(6));
        assert_eq!(confirm.reach(0).let_go, 3);
        (2..=5).for_each(|node| confirm.handle_down(node, at(7)));
        assert_eq!(confirm.reach(0).let_go, 4);
    }

    #[test]
    fn what_is_counted_is_bounded_and_held_as_long() {
        let mut confirm = hold("cluster:2");
        let mut flush = 0;
        for millis in 0..60_000_u64 {
            flush += 1;
            let now = Instant::from_micros(millis * 1_000);
            confirm.flushed(flush, wrote(flush), now);
            assert!(confirm.flights.len() <= FLIGHTS + usize::try_from(SLOTS).unwrap() + 2);
            let waits = flush.saturating_sub(confirm.reach(0).let_go);
            assert!((9_900..=10_100).contains(&waits) || millis < 10_000, "{waits} at {millis}");
        }
        hears(&mut confirm, 5, flush);
        assert_eq!(confirm.reach(0).met, flush + 1);
        assert_eq!(confirm.flights.len(), 0);
    }
}
