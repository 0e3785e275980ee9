//! Sessions of other nodes: what they say of them, what is told them, whom a change concerns. Carries values, decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::{Life, Node};
use crate::cluster::Turn;
use crate::directory::{Change, Gap, SessionId};
use crate::exchange::{Far, FromPeer, Hello, OwnedFrame, Routed, ToPeer};
use crate::io::Output;
use crate::jid::{BareJid, FullJid};
use crate::replica::{Dot, Hlc};
use crate::service::effect::Effect;
use crate::service::presence::{self, Was};
use crate::session::{Directed, PresenceChange, Session};
use crate::time::{Now, Span};
use crate::timers::Timer;
use crate::trace::Event;

impl Node {
    /// Takes in what a link has told.
    pub(super) fn handle_peer(&mut self, now: Now, said: FromPeer) {
        match said {
            FromPeer::Up(node, hello) => self.handle_peer_up(now, node, &hello),
            FromPeer::Moved(node) => {
                self.with_services(now, |services, cx| services.relays.handle_moved(cx, node));
                self.own.handle_moved(node);
                self.groups.handle_moved(node);
                self.say_heard(node);
                self.move_up(now, node);
                self.say_roll_sum(node);
            }
            FromPeer::Down(node, _) => {
                let changes = self.elsewhere.unlink(node);
                self.handle_changes(now, changes);
                self.own.handle_down(node);
                self.groups.handle_down(node);
                self.with_services(now, |services, cx| services.relays.handle_down(cx, node));
                self.reach.handle_down(node, now.mono);
                self.arm_reach(node);
                self.count_down(now, node);
                self.move_down(now, node);
            }
            FromPeer::Outdated(known) => self.rise_above(now, known),
            FromPeer::Over(node, way) => self.scan_over(node, &way),
            FromPeer::Refused(..) | FromPeer::TooLong(_) | FromPeer::Entries(..) => {}
            FromPeer::Behind(..)
            | FromPeer::Have(..)
            | FromPeer::Commit(..)
            | FromPeer::Granted(..)
            | FromPeer::Durable(..) => self.hear_of_groups(now, said),
            FromPeer::RollSum(..) | FromPeer::Roll(..) | FromPeer::Guest(_) => self.hear_of_roll(now, said),
            FromPeer::Owned(node, frame) => self.hear(now, node, frame),
            FromPeer::OwnedSince(node, since) => {
                self.own.handle_since(node, since);
                self.groups.say_all(node);
            }
            FromPeer::Routed(node, Routed::Relay(relay)) => self.handle_relay(now, node, relay),
            FromPeer::Routed(_, Routed::Left(left)) => self.take_left(left),
            FromPeer::Routed(node, Routed::Moving(moving)) => self.handle_moving(now, node, moving),
            FromPeer::Routed(node, Routed::Settled(last)) => {
                self.with_services(now, |services, cx| services.relays.handle_settled(cx, node, last));
            }
            FromPeer::Routed(node, Routed::Taken(id)) => {
                self.with_services(now, |services, cx| services.relays.handle_taken(cx, node, id, None));
            }
            FromPeer::Routed(node, Routed::Failed(id, fault)) => {
                self.with_services(now, |services, cx| {
                    services.relays.handle_taken(cx, node, id, Some(fault));
                });
            }
        }
    }

    fn handle_peer_up(&mut self, now: Now, node: u32, hello: &Hello) {
        self.elsewhere.link(node, true);
        self.begin_scanning(node, hello.part_max);
        self.with_services(now, |services, cx| {
            services.relays.handle_up(cx, node, (hello.origin, hello.part_max));
        });
        self.own.handle_up(node, hello.part_max as usize);
        let turn = self.reach.handle_up(node, now.mono);
        self.turn(now, node, turn);
        self.arm_reach(node);
        self.count_up(now, node, hello);
        self.say_heard(node);
        self.move_up(now, node);
        self.say_roll_sum(node);
    }

    /// A member is none any more: its people go.
    pub(super) fn forget_owned(&mut self, now: Now, node: u32) {
        self.turn(now, node, Some(Turn::Hidden));
        self.reach.forget(node);
        self.timers.disarm(Timer::Reach(node));
    }

    /// Tells another node what has been heard of its sessions: it tells what has changed since.
    fn say_heard(&mut self, node: u32) {
        let heard = self.elsewhere.heard(node);
        self.effects.push_back(Effect::Tell(node, ToPeer::OwnedSince(heard)));
    }

    fn hear(&mut self, now: Now, node: u32, frame: OwnedFrame) {
        let is_coming = self.elsewhere.is_coming(node, &frame);
        match self.elsewhere.hear(node, frame) {
            Ok(changes) => {
                self.handle_changes(now, changes);
                if is_coming {
                    self.with_peers(|peers, cx| peers.handle_come(cx, node));
                }
            }
            Err(Gap) => self.say_heard(node),
        }
    }

    /// How long another node has been away, or back, may be long enough by now.
    pub(super) fn tick_reach(&mut self, now: Now, node: u32) {
        let waits = self.reach_waits();
        let turn = self.reach.handle_tick(node, now.mono, waits);
        self.turn(now, node, turn);
        self.arm_reach(node);
    }

    fn turn(&mut self, now: Now, node: u32, turn: Option<Turn>) {
        let changes = match turn {
            None => return,
            Some(Turn::Shown) => self.elsewhere.show(node),
            Some(Turn::Hidden) => self.elsewhere.hide(node),
        };
        self.handle_changes(now, changes);
    }

    fn arm_reach(&mut self, node: u32) {
        let due = self.reach.due(node, self.reach_waits());
        self.timers.set(Timer::Reach(node), due);
    }

    fn reach_waits(&self) -> (Span, Span) {
        let cluster = self.config.cluster.as_ref();
        cluster.map_or_else(Default::default, |cluster| (cluster.grace, cluster.hysteresis))
    }

    /// Tells those whom it concerns, and ends sessions of this node whose addresses others keep.
    fn handle_changes(&mut self, now: Now, changes: Vec<Change>) {
        for change in changes {
            let took = |far: &Option<Far>| {
                far.as_ref().is_some_and(|far| far.priority.is_some_and(|most| most >= 0))
            };
            if took(&change.was) && !took(&change.is) {
                let owner = change.jid.bare();
                self.with_services(now, |services, cx| services.messages.note_gone(cx, &owner));
            }
            self.hear_lately(&change.jid);
            if let Some(id) = self.directory.find(change.jid.as_jid()) {
                match &change.is {
                    Some(far) => self.contest(now, id, far),
                    None => self.take_back(now, &change.jid),
                }
            } else {
                self.effects.push_back(Effect::Seen(Box::new(change)));
            }
        }
    }

    /// A session of this node and one of another have an address together. One side decides which of them stays, so that neither both
    /// do nor none: that of the one that was bound earlier. It ends, but where it has a stream and the other one has none: then it is
    /// bound again, so that the other side decides, as this one would.
    fn contest(&mut self, now: Now, id: SessionId, far: &Far) {
        let Some(own) = self.directory.get(id).map(far_of) else { return };
        if (own.bound, own.session) > (far.bound, far.session) {
            return;
        }
        if !own.attached || far.attached {
            return self.replace(now, id);
        }
        let bound = self.ledger.stamp(now.wall).max(far.bound.next());
        if let Some(session) = self.directory.get_mut(id) {
            session.bound = bound;
        }
        self.directory.touch(id);
        self.directory.stir(id);
    }

    /// A session of another node has ended whose address another one has: whom it alone has told its presence hears of that.
    fn take_back(&mut self, now: Now, jid: &FullJid) {
        let directed = self.elsewhere.take_directed(jid);
        if !directed.is_empty() {
            self.with_services(now, |_, cx| presence::take_back(cx, jid, directed));
        }
    }

    /// Tells clients of this node what has become of a session of another one. Where nobody follows it, nothing is read.
    pub(super) fn show_change(&mut self, now: Now, change: Change) {
        let Change { jid, was, is } = &change;
        let account = jid.bare();
        let (before, after) = (is_available(was.as_ref()), is_available(is.as_ref()));
        let own = self.directory.find(jid.as_jid()).and_then(|id| self.directory.get(id));
        let held = own.map(|session| session.presence.is_some());
        let both = was.as_ref().zip(is.as_ref());
        // Whom the one before has told something itself does not know that another one is there.
        let is_another = held.is_none() && both.is_some_and(|(was, is)| was.session != is.session);
        let had_told = is_another && self.elsewhere.directed(jid).is_some();
        let looks = both.is_some_and(|(was, is)| was.looks_like(is)) && !had_told;
        let told = (before || after)
            && !looks
            && held.is_none_or(|available| !after && !available)
            && self.concerns(&account);
        if told && !self.is_hot(account.as_str()) {
            return self.show_later(now, change);
        }
        let said = is.as_ref().and_then(Far::said);
        if after {
            if let Some(said) = said.filter(|_| told) {
                self.with_services(now, |_, cx| {
                    presence::handle_broadcast(cx, jid, said, PresenceChange::Update);
                });
            }
            if had_told {
                self.take_back(now, jid);
            }
            return;
        }
        let directed = if held.is_none() && (before || is.is_none()) {
            self.elsewhere.take_directed(jid)
        } else {
            Directed::default()
        };
        let was = if told && before { Was::Available } else { Was::Connected };
        if was == Was::Available || !directed.is_empty() {
            self.with_services(now, |_, cx| {
                presence::handle_unavailable(cx, jid, was, directed, said.as_ref());
            });
        }
    }

    /// Lets a change wait until the account can be read: of each address the last one, however often it changes meanwhile.
    fn show_later(&mut self, now: Now, change: Change) {
        let (account, jid) = (change.jid.bare(), change.jid.clone());
        if let Some(waiting) = self.unseen.get_mut(&jid) {
            waiting.is = change.is;
            return;
        }
        self.unseen.insert(jid.clone(), change);
        self.park(now, &account, Effect::Show(jid), None);
    }

    /// The account of somebody who is seen otherwise has been read.
    pub(super) fn show_waiting(&mut self, now: Now, jid: &FullJid) {
        if let Some(change) = self.unseen.remove(jid).filter(|change| change.was != change.is) {
            self.show_change(now, change);
        }
    }

    /// Returns whether anybody here may see an account.
    fn concerns(&mut self, account: &BareJid) -> bool {
        self.count_interest();
        self.directory.has(account.as_str()) || self.interest.follows(account)
    }

    /// Counts anew whom those accounts follow that have changed.
    fn count_interest(&mut self) {
        for jid in self.directory.stirred() {
            self.accounts.stir(jid.as_jid().bare_str());
        }
        for user in self.accounts.take_stirred() {
            let account = self.accounts.get(&user).filter(|_| self.directory.has(&user));
            let follows: BTreeSet<BareJid> = account.map_or_else(BTreeSet::new, |account| {
                let followed = account.contacts().filter(|(_, listing)| listing.standing.to);
                followed.map(|(jid, _)| jid.clone()).collect()
            });
            self.interest.set(&user, follows);
        }
    }

    /// Tells a session of this node of the presence of somebody it follows who is on another one, as soon as the account that
    /// has to allow it is in memory.
    pub(super) fn show_followed(&mut self, now: Now, contact: BareJid, who: FullJid) {
        if !self.is_hot(contact.as_str()) {
            let user = contact.clone();
            return self.park(now, &user, Effect::Follow(contact, who), None);
        }
        let there = self.directory.find(who.as_jid()).and_then(|id| self.directory.get(id));
        if there.is_some_and(|session| session.presence.is_some()) {
            self.with_services(now, |_, cx| presence::show_followed(cx, &contact, &who));
        }
    }

    /// Shows a session that has come from another node what is seen otherwise of a contact, as soon as that one's account is in memory.
    pub(super) fn compare(
        &mut self,
        now: Now,
        contact: BareJid,
        who: FullJid,
        before: BTreeMap<FullJid, u64>,
    ) {
        if !self.is_hot(contact.as_str()) {
            let user = contact.clone();
            return self.park(now, &user, Effect::Compare(contact, who, before), None);
        }
        self.with_services(now, |_, cx| presence::show_changes(cx, &contact, &who, &before));
    }

    /// Returns when a session is bound: later than the one that has its address elsewhere.
    pub(super) fn bound_at(&mut self, now: Now, jid: &FullJid) -> Hlc {
        if self.config.cluster.is_none() {
            return Hlc::default();
        }
        let stamp = self.ledger.stamp(now.wall);
        let older = self.elsewhere.seen(jid.as_jid()).map(|(_, far)| far.bound.next());
        older.map_or(stamp, |older| older.max(stamp))
    }

    /// A session of this node takes an address that is seen elsewhere: from here on it is the one that is seen.
    pub(super) fn cover(&mut self, jid: &FullJid) {
        if let Some((_, far)) = self.elsewhere.seen(jid.as_jid()) {
            let was = Some(far.clone());
            self.effects.push_back(Effect::Seen(Box::new(Change { jid: jid.clone(), was, is: None })));
        }
    }

    /// A session of this node has left an address. Returns whether another one is seen there: then it has not gone for those who
    /// see it.
    pub(super) fn uncover(&mut self, jid: &FullJid, session: Dot) -> bool {
        let far = self.elsewhere.seen(jid.as_jid()).map(|(_, far)| far.clone());
        // Where it has come from, it may be seen still.
        let other = far.filter(|far| far.priority.is_some() && far.session != session);
        let Some(far) = other else { return false };
        let is = Some(far);
        self.effects.push_back(Effect::Seen(Box::new(Change { jid: jid.clone(), was: None, is })));
        true
    }

    /// Tells the other nodes what has changed of the sessions of this one.
    pub(super) fn publish(&mut self) {
        if self.config.cluster.is_none() || !matches!(self.life, Life::Running) {
            return;
        }
        self.count_interest();
        for jid in self.directory.take_stirred() {
            let session = self.directory.find(jid.as_jid()).and_then(|id| self.directory.get(id));
            let far = session.map(far_of).or_else(|| self.shown_lately(&jid));
            self.own.set(&jid, far);
        }
        for (node, frame) in self.own.take_due() {
            self.tell_peer(node, &ToPeer::Owned(frame));
        }
        for node in self.own.take_cramped() {
            let peer = self.peer_name(node);
            self.outputs.push_back(Output::Trace(Event::PeerTooSmall { peer }));
        }
        let due = self.services.relays.due();
        self.timers.set(Timer::Relay, due);
    }

    /// Returns the name of another node.
    pub(super) fn peer_name(&self, node: u32) -> Box<str> {
        let members = self.config.cluster.iter().flat_map(|cluster| &cluster.members);
        let member = members.clone().find(|member| member.node == node);
        member.map_or_else(Box::default, |member| member.name.as_str().into())
    }
}

fn is_available(far: Option<&Far>) -> bool {
    far.is_some_and(|far| far.priority.is_some())
}

/// Returns what other nodes are told of a session.
pub(super) fn far_of(session: &Session) -> Far {
    let presence = session.presence.as_ref();
    let said = presence.map(|presence| &presence.stanza).or(session.farewell.as_deref());
    Far {
        session: session.name,
        bound: session.bound,
        attached: session.conn.is_some(),
        priority: presence.map(|presence| presence.priority),
        presence: said.map(|stanza| stanza.packet().to_vec().into()),
    }
}
