//! Stanzas for sessions of other nodes, and from those. Carries values, decides nothing.

use bytes::Bytes;

use super::Node;
use crate::directory::{Online, Sight, Where};
use crate::exchange::{Relay, RelayFault, ToPeer};
use crate::jid::{FullJid, Jid};
use crate::replica::{Dot, Hlc};
use crate::router::{Scope, deliver, note_given};
use crate::service::blocking::{Judgement, judge};
use crate::service::effect::{Delivery, Effect};
use crate::service::presence::{self, farewell};
use crate::service::relay::{Arrived, what_of};
use crate::session::{Directed, What};
use crate::stanza::{Kind, PresenceType, Stanza, StanzaError};
use crate::sync::Groups;
use crate::time::Now;
use crate::timers::Timer;
use crate::trace::Event;

impl Node {
    /// A stanza has come from another node.
    pub(super) fn handle_relay(&mut self, now: Now, node: u32, relay: Relay) {
        match self.services.relays.handle_relay(node, relay) {
            Arrived::Known(outcome) => self.tell_peer(node, &ToPeer::Routed(outcome)),
            // Behind what has come just now and is about to be given.
            Arrived::New(relay)
                if has_come(&self.groups, &relay) && !self.services.relays.follows(node, &relay) =>
            {
                self.effects.push_back(Effect::Relayed(node, relay));
            }
            Arrived::New(relay) => {
                let id = relay.id;
                self.with_services(now, |services, cx| {
                    if !services.relays.wait(cx, node, relay) {
                        services.relays.answer(cx, node, id, Some(RelayFault::Full));
                    }
                });
                self.arm_relays();
            }
        }
    }

    /// Gives on what waited for something that has come: behind that, and ahead of what comes later.
    pub(super) fn take_early(&mut self) {
        let groups = &self.groups;
        let ready = self.services.relays.take_early(|relay| has_come(groups, relay));
        self.effects.extend(ready.into_iter().map(|(node, relay)| Effect::Relayed(node, relay)));
    }

    /// Gives a stanza of another node to whom it is for, and tells that node.
    pub(super) fn end_relay(&mut self, now: Now, node: u32, relay: Relay) {
        let relay = match self.services.relays.handle_relay(node, relay) {
            Arrived::New(relay) => relay,
            // It came again while it waited.
            Arrived::Known(outcome) => return self.tell_peer(node, &ToPeer::Routed(outcome)),
        };
        let Relay { id, to, about, said, by, stanza, .. } = relay.clone();
        let fault = match about {
            Some(about) => self.take_back_relayed(now, about, stanza),
            None => self.take_relayed(now, ((node, id), said), (to, by, stanza)).err(),
        };
        if about.is_none() && fault == Some(RelayFault::Nobody) && self.follow(now, node, &relay) {
            return;
        }
        self.with_services(now, |services, cx| services.relays.answer(cx, node, id, fault));
    }

    /// What was relayed has come back: its sender hears of it when nobody else has it.
    fn take_back_relayed(&mut self, now: Now, about: u64, bytes: Bytes) -> Option<RelayFault> {
        let Some(error) = Stanza::parse(bytes) else { return Some(RelayFault::Nobody) };
        self.with_services(now, |services, cx| services.relays.come_back(cx, about, error));
        None
    }

    /// Gives a stanza of another node to those that it is for here.
    fn take_relayed(
        &mut self,
        now: Now,
        (frame, said): ((u32, u64), Hlc),
        (to, by, bytes): (Option<Dot>, Option<Dot>, Bytes),
    ) -> Result<(), RelayFault> {
        let stanza = Stanza::parse(bytes).ok_or(RelayFault::Nobody)?;
        let target = stanza.to.clone().ok_or(RelayFault::Nobody)?;
        let named = self.directory.find(&target).and_then(|id| self.directory.get(id));
        if to.is_some_and(|to| named.is_none_or(|session| session.name != to)) {
            return Err(RelayFault::Nobody);
        }
        // What was asked before the one or the other has gone to another node is not known where it has come to.
        let moved = named.is_some_and(|session| session.epoch > 0) || self.was_here(&stanza.from);
        match judge(&self.accounts, &stanza) {
            Judgement::Free => {}
            Judgement::Refused(_) => return Err(RelayFault::Nobody),
            Judgement::Dropped => return Ok(()),
        }
        let mut awaited = true;
        if matches!(stanza.kind, Kind::Iq(_)) && !stanza.kind.is_request() {
            self.with_services(now, |services, cx| awaited = services.relays.take_answer(cx, &stanza));
        }
        if !awaited && !moved {
            return Ok(());
        }
        self.note_directed(&stanza, &target);
        if self.is_replaced(now, by, &stanza) {
            return Ok(());
        }
        let what = what_of(stanza.kind, What::Message(self.ledger.stamp(now.wall)));
        self.services.relays.note_guest(what, frame, said);
        let delivery = Delivery { stanza, op: None, what };
        if self.services.messages.holds(&self.directory, &delivery.stanza) {
            self.with_services(now, |services, cx| services.messages.handle_held(cx, &delivery));
            return Ok(());
        }
        match self.deliver_to(now, &delivery, Scope::Here) {
            None => Ok(()),
            Some(StanzaError::ResourceConstraint) => Err(RelayFault::Full),
            Some(_) => Err(RelayFault::Nobody),
        }
    }

    /// Remembers whom a session of another node has told its presence directly: it may end without another word.
    fn note_directed(&mut self, stanza: &Stanza, to: &Jid) {
        match (stanza.kind, stanza.from.full()) {
            (Kind::Presence(PresenceType::Available), Some(from)) => {
                self.elsewhere.told(&from, to, self.config.limits.directed_presence);
            }
            (Kind::Presence(PresenceType::Unavailable), _) => self.elsewhere.untold(&stanza.from, to),
            (Kind::Presence(_) | Kind::Message(_) | Kind::Iq(_), _) => {}
        }
    }

    /// Returns whether a presence comes of a session of another node in whose place those whom it is for see another one.
    fn is_replaced(&mut self, now: Now, by: Option<Dot>, stanza: &Stanza) -> bool {
        let (Kind::Presence(PresenceType::Available | PresenceType::Unavailable), Some(from), Some(to)) =
            (stanza.kind, stanza.from.full(), &stanza.to)
        else {
            return false;
        };
        // Who is there has a name.
        if stanza.kind == Kind::Presence(PresenceType::Available) && by.is_none() {
            return false;
        }
        let mut is_replaced = false;
        self.with_services(now, |_, cx| is_replaced = presence::is_replaced(cx, (&from, by), to));
        is_replaced
    }

    /// Delivers a stanza; returns what its sender is to be told.
    pub(super) fn deliver_to(&mut self, now: Now, delivery: &Delivery, scope: Scope) -> Option<StanzaError> {
        let stanza = &delivery.stanza;
        let delivered = deliver(&mut self.deliver_cx(), delivery, scope);
        note_given(&mut self.deliver_cx(), delivery, &delivered.given);
        self.note_open(delivery, &delivered);
        if stanza.kind == Kind::Presence(PresenceType::Unavailable)
            && let Some(to) = &stanza.to
        {
            self.forget_directed(to, &stanza.from);
        }
        self.effects
            .push_back(Effect::Trace(Event::Routed { kind: stanza.kind.name(), copies: delivered.copies }));
        if !delivered.far.is_empty() {
            self.with_services(now, |services, cx| {
                services.relays.send(cx, delivery, &delivered.far, delivered.copies > 0);
            });
        }
        for id in delivered.overflowed {
            self.close_slow_reader(now, id);
        }
        delivered.error
    }

    /// Sends a presence that is for somebody in particular to the other nodes where they are.
    pub(super) fn relay_presence(&mut self, now: Now, stanza: &Stanza) {
        let sight = Sight::new(&self.directory, &self.elsewhere);
        let Some(to) = stanza.to.as_ref().filter(|_| !self.elsewhere.is_empty()) else { return };
        if judge(&self.accounts, stanza) != Judgement::Free {
            return;
        }
        let far: Vec<(u32, Option<Dot>)> = match (to.resource(), sight.find(to)) {
            (None, _) => sight.nodes(to, Online::Negative).into_iter().map(|node| (node, None)).collect(),
            (Some(_), Where::There(node, session)) => vec![(node, Some(session))],
            (Some(_), Where::Here(_) | Where::Nowhere) => Vec::new(),
        };
        let delivery = Delivery { stanza: stanza.clone(), op: None, what: What::Other };
        self.with_services(now, |services, cx| services.relays.send(cx, &delivery, &far, true));
    }

    /// Sends the end of what a session has told others directly to the other nodes where they are.
    pub(super) fn relay_farewells(
        &mut self,
        now: Now,
        who: &FullJid,
        directed: &Directed,
        said: Option<&Stanza>,
    ) {
        if self.elsewhere.is_empty() {
            return;
        }
        for to in directed.addresses() {
            let last = match said {
                Some(said) => said.clone().addressed_to(to.clone()),
                None => farewell(who, to.clone()),
            };
            self.relay_presence(now, &last);
        }
    }

    /// Sees to it that what waits does not wait for ever.
    fn arm_relays(&mut self) {
        let due = self.services.relays.due();
        self.timers.set(Timer::Relay, due);
    }

    /// Tells another node something, if it can be reached just now.
    pub(super) fn tell_peer(&mut self, node: u32, what: &ToPeer) {
        self.with_peers(|peers, cx| peers.say(cx, node, what));
    }
}

/// Returns whether what the sender of a stanza had said before it is on the disk: else what comes behind it would be given first when the
/// disk does not take it.
fn has_come(groups: &Groups, relay: &Relay) -> bool {
    // Whom it is for is read only where something was said before.
    relay.after.is_empty()
        || Stanza::parse(relay.stanza.clone())
            .and_then(|stanza| stanza.to)
            .is_none_or(|to| groups.have_come(to.domain(), &relay.after))
}
