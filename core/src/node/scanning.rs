//! What other nodes lack is looked up for them, and what they have looked up is held here from then on. Carries values, decides nothing.

use std::collections::BTreeMap;

use super::Node;
use crate::exchange::{FromPeer, GroupId, ToPeer};
use crate::io::OpId;
use crate::peer::{Peers, Profile};
use crate::replica::{Dot, Vector};
use crate::service::effect::Effect;
use crate::service::ops::Owner;
use crate::service::sealing;
use crate::store::{Key, Row, StoreBatch, StoreError, StoreQuery};
use crate::sync::{Bodies, Queued, Step};
use crate::time::Now;
use crate::timers::Timer;
use crate::trace::Event;

/// What the link to one node has in its queue.
struct InQueue<'a>(&'a Peers, u32);

impl Queued for InQueue<'_> {
    fn first_of(&self, group: GroupId, target: &Vector) -> Option<Dot> {
        self.0.first_of(self.1, group, target)
    }

    fn is_waiting(&self, group: GroupId, dot: Dot) -> bool {
        self.0.is_waiting(self.1, group, dot)
    }

    fn is_sent(&self, group: GroupId, dot: Dot) -> bool {
        self.0.is_sent(self.1, group, dot)
    }

    fn is_full(&self) -> bool {
        self.0.is_full(self.1)
    }
}

impl Node {
    /// Another node can be reached.
    pub(super) fn begin_scanning(&mut self, node: u32, part_max: u32) {
        let Some(cluster) = &self.config.cluster else { return };
        let Some(member) = cluster.members.iter().find(|member| member.node == node) else { return };
        let profile = Profile::of(cluster.slowest(member));
        self.groups.handle_up(node, (profile.bulk, part_max), profile.have_every);
    }

    /// It is reached on another way: as much may be under way as that one takes.
    pub(super) fn scan_over(&mut self, node: u32, name: &str) {
        let routes = self.config.cluster.iter().flat_map(|cluster| &cluster.routes);
        let Some(way) = routes.clone().find(|way| way.node == node && way.name == name) else { return };
        let profile = Profile::of(way.link);
        self.groups.handle_over(node, profile.bulk, profile.have_every);
    }

    /// Takes in what another node says of what it holds.
    pub(super) fn hear_of_groups(&mut self, now: Now, said: FromPeer) {
        match said {
            FromPeer::Behind(node, _) => self.groups.fall_behind(node),
            FromPeer::Have(node, group, have) => {
                self.want(group, &have.vector);
                self.look_whether_full(now);
                self.groups.handle_have(node, (group, have), self.elsewhere.accounts_of(node));
                self.count_held(now, node, group);
            }
            FromPeer::Granted(node, group, granted) => {
                self.groups.hear_granted(node, group, granted);
                self.count_held(now, node, group);
            }
            FromPeer::Durable(node, group, origin, ranges) => {
                self.groups.hear_durable(node, (group, origin), &ranges);
                self.count_held(now, node, group);
            }
            FromPeer::Commit(node, group, commit) => {
                let released = self.groups.hear_commit(node, (group, commit), self.journal.gate());
                self.release_entries(now, released);
                self.join_commits(now);
            }
            FromPeer::Up(..)
            | FromPeer::TooLong(_)
            | FromPeer::Outdated(_)
            | FromPeer::Moved(_)
            | FromPeer::Over(..)
            | FromPeer::Down(..)
            | FromPeer::Entries(..)
            | FromPeer::Refused(..)
            | FromPeer::Owned(..)
            | FromPeer::OwnedSince(..)
            | FromPeer::RollSum(..)
            | FromPeer::Roll(..)
            | FromPeer::Guest(_)
            | FromPeer::Routed(..) => {}
        }
    }

    /// Holds what others have committed, as soon as nothing is missing.
    pub(super) fn join_commits(&mut self, now: Now) {
        if self.groups.join_commits(self.journal.gate()) {
            self.with_services(now, |_, cx| _ = cx.persist(Owner::Sync, StoreBatch::new(), |_| {}));
            let released = self.groups.release_all(self.journal.gate());
            self.release_entries(now, released);
        }
        for (node, group, granted) in self.groups.take_granted() {
            self.effects.push_back(Effect::Tell(node, ToPeer::Granted(group, granted)));
        }
    }

    /// Tells others what is held here when it is time, and goes on with what is looked up for them.
    pub(super) fn scan(&mut self, now: Now) {
        for (node, group, have) in self.groups.take_haves(now.mono) {
            self.tell_peer(node, &ToPeer::Have(group, have));
        }
        for node in self.groups.scanned() {
            self.scan_for(now, node);
        }
        if let Some(wait) = self.groups.next_look() {
            self.timers.arm_by(Timer::Have, now.mono + wait);
        }
        self.carry_out_all(now);
    }

    fn scan_for(&mut self, now: Now, node: u32) {
        loop {
            // Whatever was just said may have let the queue of the link find that it has lost something: no commit goes before that is
            // heard.
            self.carry_out_all(now);
            let Some(step) = self.groups.next_step(node, &InQueue(&self.peers, node)) else { return };
            match step {
                Step::Say(group, entries, commit) => {
                    self.tell_peer(node, &ToPeer::Looked(group, entries, commit));
                }
                Step::Page(_, ref query) => {
                    let query = query.clone();
                    self.look_up(node, step, query);
                }
                Step::Bodies(group, ref picked) => {
                    let keys = picked.iter().flat_map(|picked| sealing::keys(&self.config, group, picked));
                    let query = StoreQuery::Many { keys: keys.collect() };
                    self.look_up(node, step, query);
                }
            }
        }
    }

    fn look_up(&mut self, node: u32, step: Step, query: StoreQuery) {
        let op = self.ops.begin(Owner::Sync);
        self.groups.reads(node, op, step);
        self.load(op, query);
    }

    /// Takes in what was read for another node, or of entries that were kept.
    pub(super) fn handle_looked_up(&mut self, now: Now, op: OpId, outcome: Result<Vec<Row>, StoreError>) {
        let Some((node, picked)) = self.groups.read_for(op) else {
            return self.handle_kept(now, op, outcome);
        };
        let outcome = match (outcome, picked) {
            (Err(error), picked) => {
                self.groups.unread(node, picked, error);
                self.read_again_later(now);
                Err(error)
            }
            (Ok(rows), Some((group, picked))) => self.take_bodies(node, (group, picked), &rows),
            (Ok(rows), None) => self.groups.take_page(node, &rows, &InQueue(&self.peers, node)),
        };
        self.effects.extend(outcome.err().map(|error| Effect::Trace(Event::StoreFailed { error })));
    }

    fn take_bodies(&mut self, node: u32, (group, picked): Bodies, rows: &[Row]) -> Result<(), StoreError> {
        let by: BTreeMap<&Key, &Row> = rows.iter().map(|row| (&row.key, row)).collect();
        let (mut entries, mut outcome) = (Vec::new(), Ok(()));
        for picked in picked {
            let keys = sealing::keys(&self.config, group, &picked);
            match sealing::seal(picked, &|key| by.get(key).copied(), &keys) {
                Ok(sealed) => entries.extend(sealed),
                Err(error) => outcome = Err(error),
            }
        }
        if self.groups.take_bodies(node, entries, outcome.is_err()) {
            let peer = self.peer_name(node);
            self.effects.push_back(Effect::Trace(Event::PeerTooSmall { peer }));
        }
        outcome
    }
}
