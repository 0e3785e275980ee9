//! Membership, where the members stand in the store: what the node knows of its cluster, and what operators change of that.
//!
//! The roll is written with what the node knows of itself. What another node is told of it is durable here before.
//!
//! Rests on the replication rules R26 (joining) and R28 (what the file owns is said anew at each start).

use std::collections::{BTreeMap, VecDeque};

use super::{Life, Node};
use crate::cluster::{Founding, Pass, Roll, SEEDS_MAX, Seated, Seed, Token};
use crate::config::{LinkKind, Seat};
use crate::exchange::{FromPeer, GroupId, GroupKind, Guest, ToPeer};
use crate::io::{
    Answer, Boot, ClusterCommand, ClusterStatus, CommandId, ConnId, MemberStatus, NoCluster, OpId, Output,
    Refusal, Secret,
};
use crate::peer::{Bye, Peers};
use crate::replica::Vector;
use crate::service::effect::Effect;
use crate::service::ops::Owner;
use crate::store::{Key, MembershipRecord, NodeRecord, Stage, StoreBatch, StoreError, Table};
use crate::sync::Groups;
use crate::time::{Now, Span};
use crate::timers::Timer;
use crate::trace::Event;

/// A token lets somebody in for at most as long.
const TOKEN_LIFE_MAX: Span = Span::from_secs(7 * 24 * 3_600);

/// Who may wait to change the roll. Beyond: who asks is told to ask again.
const WAITING_MAX: usize = 64;
/// What others have said of the roll and the disk did not take is written again after so long.
const WRITE_AGAIN: Span = Span::from_secs(10);

/// What the node is in its cluster; nothing of it where the members stand in the configuration.
#[derive(Debug, Default)]
pub(super) struct Membership {
    pub(super) roll: Option<Roll>,
    pub(super) stage: Stage,
    /// Writes under way, and what follows them.
    pub(super) writes: BTreeMap<OpId, Wrote>,
    /// On its way to be a member.
    pub(super) joining: Option<super::joining::Joining>,
    /// What others hold of the cells of each domain: nobody is served before this node has that, too.
    wanted: BTreeMap<GroupId, Vector>,
    /// What goes through the store when the node has founded a cluster.
    pub(super) pass: Option<super::founding::Pass>,
    /// The node serves nobody yet, because it has just joined.
    pub(super) is_filling: bool,
    /// The roll with a change that is being written. One is at a time: what is refused was never there.
    pub(super) changing: Option<Roll>,
    /// Who waits for the change before.
    waiting: VecDeque<Waiting>,
    /// What other members have said of the roll, and is to be written.
    heard: Option<Roll>,
    /// Something else than the roll is to be written.
    is_noted_late: bool,
    /// What the clock says, in milliseconds since 1970: tokens expire by it.
    pub(super) wall_ms: i64,
}

/// Who waits to change the roll.
#[derive(Debug)]
enum Waiting {
    Operator(CommandId, ClusterCommand),
    Guest(Box<Guest>),
}

/// What follows a write.
#[derive(Debug)]
pub(super) enum Wrote {
    /// The node is a member from its next start on.
    Turned(CommandId),
    /// An operator hears of it, and so do the other members.
    Told(CommandId, Answer),
    /// Somebody hears that it is a member, and so do the others.
    Admitted(ConnId, Vec<u8>),
    /// The other members hear of it.
    Merged,
    /// Nobody waits for it.
    Noted,
}

impl Node {
    /// Reads what the node is in its cluster, before it does anything else. What the file owns is said anew.
    ///
    /// # Errors
    ///
    /// Why the node must not serve.
    pub(super) fn begin_membership(&mut self, record: &mut NodeRecord) -> Result<(), &'static str> {
        let Some(MembershipRecord { roll, stage }) = record.membership.take() else { return Ok(()) };
        let Some(mut roll) = Roll::decode(&roll) else {
            return Err("what it knows of its cluster is damaged");
        };
        if self.config.cluster.is_some() {
            return Err("its members stand in the store, and the configuration names others");
        }
        let Some(seat) = self.config.seat.clone() else {
            return Err(
                "it is a member of a cluster, and the configuration does not say how others reach it",
            );
        };
        let Some(own) = roll.member(record.node).cloned() else {
            return Err("what it knows of its cluster is damaged");
        };
        if own.forgotten {
            return Err("the other members have forgotten it");
        }
        if own.key != seat.key {
            return Err("its key is not the one that the other members know");
        }
        roll.reseat(record.node, Seated::new(&self.config.node, &site(&own.site, &seat), &seat));
        record.archive_secret.clone_from(&roll.founding.archive_secret);
        record.decoy_secret.clone_from(&roll.founding.decoy_secret);
        record.membership = Some(MembershipRecord { roll: roll.encode(), stage });
        self.config.cluster = Some(roll.view(record.node, &seat));
        self.groups = Groups::new(&self.config);
        self.levels = super::levels::Levels::new(&self.config);
        self.accounts.share();
        (self.membership.stage, self.membership.roll) = (stage, Some(roll));
        Ok(())
    }

    /// Opens the doors; not those of a node that has just joined, before it has what logins need.
    pub(super) fn open(&mut self, start: u64) {
        if self.membership.stage == Stage::Joined && !self.membership.is_filling {
            self.membership.is_filling = true;
            self.effects.push_back(Effect::Trace(Event::Filling));
            return;
        }
        self.outputs.push_back(Output::Ready { boot: Boot { start } });
        self.effects.push_back(Effect::Trace(Event::Started { start }));
    }

    /// Another member says what it holds of a group: who has just joined wants as much of the cells before it serves anybody.
    pub(super) fn want(&mut self, group: GroupId, vector: &Vector) {
        if self.membership.is_filling && group.kind == GroupKind::Cells {
            self.membership.wanted.entry(group).or_insert_with(|| vector.clone());
        }
    }

    /// Something has become durable: perhaps what was missing for serving.
    pub(super) fn look_whether_full(&mut self, now: Now) {
        if !self.membership.is_filling {
            return;
        }
        let Membership { wanted, .. } = &self.membership;
        let all = self.config.domains.len();
        if wanted.len() < all || !wanted.iter().all(|(group, vector)| self.groups.covers(*group, vector)) {
            return;
        }
        self.membership.is_filling = false;
        self.membership.wanted.clear();
        self.membership.stage = Stage::Member;
        if let Some(start) = self.record.as_ref().map(|record| record.start) {
            self.open(start);
        }
        self.write_stage(now);
    }

    /// Writes the roll with a change; it counts, and `then` follows, as soon as it is durable.
    pub(super) fn change_roll(&mut self, now: Now, roll: Roll, then: Wrote) {
        self.membership.changing = Some(roll);
        self.write_roll(now, then);
    }

    /// Lets whoever waits change the roll.
    pub(super) fn change_next(&mut self, now: Now) {
        while self.membership.writes.is_empty() {
            if core::mem::take(&mut self.membership.is_noted_late) {
                self.write_roll(now, Wrote::Noted);
                continue;
            }
            if let Some(heard) = self.membership.heard.take() {
                let roll = self.membership.roll.clone();
                if let Some(mut roll) = roll
                    && roll.merge(&heard, now.wall.as_millis())
                {
                    self.change_roll(now, roll, Wrote::Merged);
                }
                continue;
            }
            match self.membership.waiting.pop_front() {
                Some(Waiting::Operator(id, ask)) => self.handle_cluster(now, id, ask),
                Some(Waiting::Guest(guest)) => self.handle_guest(now, &guest),
                None => return,
            }
        }
    }

    /// Notes that the node is further on in its membership.
    pub(super) fn write_stage(&mut self, now: Now) {
        self.membership.is_noted_late = true;
        self.change_next(now);
    }

    /// Another member has said something of the roll.
    fn hear_roll(&mut self, now: Now, theirs: Roll) {
        let wall = now.wall.as_millis();
        match &mut self.membership.heard {
            Some(heard) => _ = heard.merge(&theirs, wall),
            None => self.membership.heard = Some(theirs),
        }
        self.change_next(now);
    }

    /// Lets somebody wait for the change before. Returns whether there is room.
    fn queue(&mut self, who: Waiting) -> bool {
        let room = self.membership.waiting.len() < WAITING_MAX;
        if room {
            self.membership.waiting.push_back(who);
        }
        room
    }

    /// Lets the records say of the cluster what is written, or is being written.
    fn note_membership(&mut self) {
        let Membership { roll, changing, stage, .. } = &self.membership;
        let roll = changing.as_ref().or(roll.as_ref());
        let membership = roll.map(|roll| MembershipRecord { roll: roll.encode(), stage: *stage });
        let records = self.record.iter_mut().chain(&mut self.rising);
        records.for_each(|record| record.membership.clone_from(&membership));
    }

    /// Writes what the node knows of its cluster; `then` follows.
    pub(super) fn write_roll(&mut self, now: Now, then: Wrote) {
        self.note_membership();
        let Some(record) = self.rising.as_ref().or(self.record.as_ref()) else { return };
        let batch = StoreBatch::new().put(Key::new(Table::Node, &[]), record.encode());
        self.write_membership(now, batch, then);
    }

    pub(super) fn write_membership(&mut self, now: Now, batch: StoreBatch, then: Wrote) {
        let mut op = None;
        self.with_services(now, |_, cx| op = Some(cx.persist(Owner::Membership, batch, |_| {})));
        self.membership.writes.extend(op.map(|op| (op, then)));
    }

    /// A write of what the node knows of its cluster has been answered.
    pub(super) fn handle_enrolled(&mut self, now: Now, op: OpId, outcome: Result<(), StoreError>) {
        let Some(wrote) = self.membership.writes.remove(&op) else {
            return self.handle_founded(now, outcome);
        };
        let changed = self.membership.changing.take();
        if outcome.is_ok() {
            self.membership.roll = changed.or(self.membership.roll.take());
        } else {
            self.note_membership();
            if matches!(wrote, Wrote::Merged) {
                // It is tried again: who was forgotten must not stay for want of room.
                self.membership.heard = changed;
                self.timers.arm(Timer::Join, now.mono + WRITE_AGAIN);
            }
        }
        self.handle_written(now, wrote, outcome);
        if self.membership.heard.is_none() || outcome.is_ok() {
            self.change_next(now);
        }
    }

    fn handle_written(&mut self, now: Now, wrote: Wrote, outcome: Result<(), StoreError>) {
        match (wrote, outcome) {
            (Wrote::Turned(id), Ok(())) => self.begin_stop(now, Some(id)),
            (Wrote::Turned(id), Err(error)) => {
                // It goes on as what it was.
                self.membership.roll = None;
                if let Some(record) = &mut self.record {
                    record.membership = None;
                }
                self.reply(id, Answer::Refused(Refusal::Store(error)));
            }
            (Wrote::Told(id, answer), Ok(())) => {
                self.reply(id, answer);
                self.heed_roll(now);
            }
            (Wrote::Told(id, _), Err(error)) => self.reply(id, Answer::Refused(Refusal::Store(error))),
            (Wrote::Admitted(conn, said), Ok(())) => {
                self.with_peers(|peers, cx| peers.answer_guest(cx, conn, Ok(said)));
                self.heed_roll(now);
            }
            (Wrote::Admitted(conn, _), Err(_)) => {
                let why = Bye::NotJoined(NoCluster::NotWritten);
                self.with_peers(|peers, cx| peers.answer_guest(cx, conn, Err(why)));
            }
            (Wrote::Merged, Ok(())) => self.heed_roll(now),
            (Wrote::Noted, Ok(())) | (Wrote::Merged | Wrote::Noted, Err(_)) => {}
        }
    }

    pub(super) fn reply(&mut self, id: CommandId, answer: Answer) {
        self.outputs.push_back(Output::Reply { id, answer });
    }

    /// Acts upon the roll, which is durable, and tells the members that can be reached what it says.
    fn heed_roll(&mut self, now: Now) {
        let (Some(roll), Some(seat)) = (&self.membership.roll, &self.config.seat) else { return };
        let own = self.ledger.origin().node;
        if roll.member(own).is_some_and(|own| own.forgotten) {
            // The others do not listen any more: whatever is said to it nobody else would ever get.
            self.effects.push_back(Effect::Trace(Event::Forgotten { peer: None }));
            if matches!(self.life, Life::Running) {
                self.begin_stop(now, None);
            }
            return;
        }
        let (view, said) = (roll.view(own, seat), roll.encode());
        let gone = self.with_peers(|peers, cx| peers.heed(cx, &view.members)).unwrap_or_default();
        let before = self.config.cluster.replace(view);
        for node in &gone {
            let before =
                before.as_ref().and_then(|before| before.members.iter().find(|member| member.node == *node));
            let peer = before.map(|member| member.name.as_str().into());
            self.effects.push_back(Effect::Trace(Event::Forgotten { peer }));
            self.timers.disarm(Timer::Peer(*node));
            self.forget_owned(now, *node);
        }
        let known =
            |node: u32| before.iter().flat_map(|before| &before.members).any(|member| member.node == node);
        let members = self.config.cluster.iter().flat_map(|cluster| &cluster.members);
        let new = members.filter(|member| !known(member.node)).map(|member| member.name.as_str().into());
        let new: Vec<Box<str>> = new.collect();
        self.effects.extend(new.into_iter().map(|peer| Effect::Trace(Event::Joined { peer })));
        self.count_members(now);
        let told = self.others().filter(|node| self.elsewhere.is_linked(*node));
        for node in told.collect::<Vec<_>>() {
            self.tell_peer(node, &ToPeer::Roll(said.clone().into()));
        }
    }

    fn others(&self) -> impl Iterator<Item = u32> + '_ {
        let own = self.ledger.origin().node;
        let members = self.config.cluster.iter().flat_map(|cluster| &cluster.members);
        members.map(|member| member.node).filter(move |node| *node != own)
    }

    /// Tells a member that can be reached what the roll adds up to: it says its own where that is another one.
    pub(super) fn say_roll_sum(&mut self, node: u32) {
        if let Some(roll) = &self.membership.roll {
            self.effects.push_back(Effect::Tell(node, ToPeer::RollSum(roll.sum())));
        }
    }

    /// Takes in what another member says of the roll, or somebody who wants to be one.
    pub(super) fn hear_of_roll(&mut self, now: Now, said: FromPeer) {
        match said {
            FromPeer::RollSum(node, sum) => {
                if let Some(roll) = self.membership.roll.as_ref().filter(|roll| roll.sum() != sum) {
                    self.effects.push_back(Effect::Tell(node, ToPeer::Roll(roll.encode().into())));
                }
            }
            FromPeer::Roll(node, bytes) => {
                let Some(theirs) = Roll::decode(&bytes) else {
                    self.with_peers(|peers, cx| Peers::refuse_said(peers, cx, node));
                    return;
                };
                self.hear_roll(now, theirs);
            }
            FromPeer::Guest(guest) => {
                let conn = guest.conn;
                if self.membership.writes.is_empty() {
                    self.handle_guest(now, &guest);
                } else if !self.queue(Waiting::Guest(guest)) {
                    let why = Bye::NotJoined(NoCluster::NotWritten);
                    self.with_peers(|peers, cx| peers.answer_guest(cx, conn, Err(why)));
                }
            }
            FromPeer::Forgotten => {
                let own = self.ledger.origin().node;
                if let Some(mut roll) = self.membership.roll.clone() {
                    roll.be_forgotten(own);
                    self.hear_roll(now, roll);
                }
            }
            FromPeer::Up(..)
            | FromPeer::Moved(_)
            | FromPeer::Over(..)
            | FromPeer::Down(..)
            | FromPeer::Entries(..)
            | FromPeer::Behind(..)
            | FromPeer::Have(..)
            | FromPeer::Commit(..)
            | FromPeer::Granted(..)
            | FromPeer::Durable(..)
            | FromPeer::TooLong(_)
            | FromPeer::Refused(..)
            | FromPeer::Outdated(_)
            | FromPeer::Owned(..)
            | FromPeer::OwnedSince(..)
            | FromPeer::Routed(..) => {}
        }
    }

    /// Does what an operator asks of the cluster.
    pub(super) fn handle_cluster(&mut self, now: Now, id: CommandId, ask: ClusterCommand) {
        if !matches!(ask, ClusterCommand::Status) && !self.membership.writes.is_empty() {
            if !self.queue(Waiting::Operator(id, ask)) {
                self.reply(id, Answer::Refused(Refusal::Busy));
            }
            return;
        }
        let done = match ask {
            ClusterCommand::Init => self.init(now, id),
            ClusterCommand::Token { life, site } => self.make_token(now, id, (life, site)),
            ClusterCommand::Join { token } => self.begin_join(now, id, &token),
            ClusterCommand::Status => self.status().map(|status| {
                self.reply(id, Answer::Cluster(Box::new(status)));
            }),
            ClusterCommand::Forget { name, force } => self.forget(now, id, (&name, force)),
        };
        if let Err(why) = done {
            self.reply(id, Answer::Refused(Refusal::Cluster(why)));
        }
    }

    /// Returns how this node would be a member.
    pub(super) fn vacant_seat(&self) -> Result<Seat, NoCluster> {
        if self.config.cluster.is_some() || self.membership.roll.is_some() {
            return Err(NoCluster::Member);
        }
        self.config.seat.clone().ok_or(NoCluster::NoSeat)
    }

    fn init(&mut self, now: Now, id: CommandId) -> Result<(), NoCluster> {
        let seat = self.vacant_seat()?;
        let Some(record) = &self.record else { return Err(NoCluster::NoSeat) };
        let founding = Founding {
            id: self.entropy.secret_bytes(),
            archive_secret: record.archive_secret.clone(),
            decoy_secret: record.decoy_secret.clone(),
        };
        let own = Seated::new(&self.config.node, &seat.site, &seat);
        let roll = Roll::found(founding, record.node, own);
        if Roll::decode(&roll.encode()).is_none() {
            return Err(NoCluster::BadWords);
        }
        (self.membership.roll, self.membership.stage) = (Some(roll), Stage::Founded);
        self.write_roll(now, Wrote::Turned(id));
        Ok(())
    }

    fn make_token(
        &mut self,
        now: Now,
        id: CommandId,
        (life, site): (Span, Option<Box<str>>),
    ) -> Result<(), NoCluster> {
        let own = self.ledger.origin().node;
        let secret = self.entropy.secret_bytes();
        let Some(mut roll) = self.membership.roll.clone() else { return Err(NoCluster::Alone) };
        if self.config.cluster.is_none() {
            return Err(NoCluster::Alone);
        }
        let members = self.config.cluster.iter().flat_map(|cluster| &cluster.members);
        let (mine, theirs): (Vec<_>, Vec<_>) = members.partition(|member| member.node == own);
        let seed = |(route, link): (&str, LinkKind)| Seed { route: route.into(), link };
        let seeds = mine.iter().chain(&theirs).map(|member| seed((&member.route, member.link)));
        let seeds = seeds.take(SEEDS_MAX).collect();
        let token = Token { cluster: roll.founding.id, secret, seeds };
        let life = i64::try_from(life.min(TOKEN_LIFE_MAX).as_micros() / 1_000).unwrap_or(i64::MAX);
        let wall = now.wall.as_millis();
        let expires = wall.saturating_add(life);
        let pass = Pass::new(&token, expires, site.map(Into::into));
        if !roll.issue(token.id(), pass, wall) {
            return Err(NoCluster::Full);
        }
        let answer = Answer::Token(Secret(token.text().into()));
        self.change_roll(now, roll, Wrote::Told(id, answer));
        Ok(())
    }

    fn forget(&mut self, now: Now, id: CommandId, (name, force): (&str, bool)) -> Result<(), NoCluster> {
        let own = self.ledger.origin().node;
        let Some(mut roll) = self.membership.roll.clone() else { return Err(NoCluster::Alone) };
        let members = self.config.cluster.iter().flat_map(|cluster| &cluster.members);
        let mut members = members.filter(|member| member.name == name);
        let node = members.next().map(|member| member.node).ok_or(NoCluster::NoSuchMember)?;
        if node == own {
            return Err(NoCluster::Itself);
        }
        if self.elsewhere.is_linked(node) && !force {
            return Err(NoCluster::Up);
        }
        if !roll.forget(node) {
            return Err(NoCluster::Full);
        }
        self.change_roll(now, roll, Wrote::Told(id, Answer::Done));
        Ok(())
    }

    fn status(&self) -> Result<ClusterStatus, NoCluster> {
        let Some(cluster) = &self.config.cluster else { return Err(NoCluster::Alone) };
        let (mine, theirs): (Vec<_>, Vec<_>) =
            cluster.members.iter().partition(|member| member.node == cluster.node);
        let members = mine.into_iter().chain(theirs).map(|member| {
            let is_own = member.node == cluster.node;
            MemberStatus {
                node: member.node,
                name: member.name.as_str().into(),
                site: member.site.as_str().into(),
                route: member.route.as_str().into(),
                link: member.link,
                up: is_own || self.elsewhere.is_linked(member.node),
                lag: if is_own { Vec::new() } else { self.groups.lag(member.node) },
            }
        });
        Ok(ClusterStatus { cluster: cluster.id, members: members.collect() })
    }

    /// Counts other members from here on for the levels of domains.
    fn count_members(&mut self, now: Now) {
        self.levels.heed(&self.config);
        self.tick_levels(now);
    }
}

/// Returns in which site a node is: the file owns that, where it says it.
fn site(before: &str, seat: &Seat) -> String {
    if seat.site.is_empty() { before.into() } else { seat.site.clone() }
}
