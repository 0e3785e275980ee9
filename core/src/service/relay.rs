//! Stanzas that are stored nowhere, for sessions of other nodes: each arrives once at most, and its sender hears of it when it
//! was not taken.
//!
//! A request that a client has sent to a client of another node is answered exactly once: by that client, by the node that did not
//! give it the request, by the loss of the link, or when its time is over. Only the node of the asker makes an error, and what comes
//! after the answer is dropped.
//!
//! Rests on the replication rules R18 (relayed frames).

mod behind;
mod early;
mod holders;
mod open;
mod seen;
mod untaken;

use std::collections::BTreeMap;

use self::behind::Behind;
use self::early::Early;
use self::holders::{Guests, Holders};
use self::open::OpenIqs;
use self::seen::Seen;
use self::untaken::Untaken;
use super::cx::Cx;
use super::effect::{Delivery, Effect};
use crate::config::LinkKind;
use crate::directory::SessionId;
use crate::exchange::{Relay, RelayFault, Routed, ToPeer};
use crate::jid::Jid;
use crate::replica::{Dot, Hlc, Origin};
use crate::session::{OpenRecord, What};
use crate::stanza::{IqType, Kind, PresenceType, Stanza, StanzaError};
use crate::sync::{self, Entry, Taken};
use crate::time::{Instant, Span};

/// Stanzas for one node that it has not said to have taken. Beyond: refused with `resource-constraint`. So many numbers the other
/// side remembers.
pub(crate) const UNTAKEN_MAX: usize = 4_096;
/// Bytes of them. Beyond: refused as well, but for one that is alone.
const UNTAKEN_BYTES_MAX: usize = 8 << 20;
/// Bytes of a relayed stanza beside itself at most.
const FRAME_BYTES: usize = 64;
/// Bytes of the name of a message.
const DOT_BYTES: usize = 20;

/// What is on its way to other nodes, and what has come from them.
#[derive(Debug, Default)]
pub(crate) struct Relays {
    /// The number of the last relayed stanza.
    last: u64,
    /// Not taken yet, by number.
    sent: BTreeMap<u64, Sent>,
    /// The same by who has said them, and to whom.
    said: Untaken,
    /// How many of them there are for each node, and their bytes.
    untaken: BTreeMap<u32, (usize, usize)>,
    /// Who may have the messages among them, and those before them.
    holders: Holders,
    /// What clients of this node have of others.
    guests: Guests,
    /// What comes back to other nodes that cannot be reached just now: the node, the number, the error.
    unsaid: Vec<(u32, u64, Stanza)>,
    open: OpenIqs,
    /// By node, what has come from which start of it.
    seen: BTreeMap<u32, (Origin, Seen)>,
    /// By node, the bytes of the longest thing that it takes.
    takes: BTreeMap<u32, usize>,
    /// What has come ahead of what was said before it.
    early: Early,
    /// Messages that have come ahead of what was relayed before them.
    behind: Behind,
}

/// A stanza that another node has not taken yet.
#[derive(Debug)]
struct Sent {
    node: u32,
    to: Option<Dot>,
    delivery: Delivery,
    /// Who says it, if it is presence.
    by: Option<Dot>,
    /// What its sender had said before.
    after: Vec<Dot>,
    bytes: usize,
    /// Who hears when it is not taken.
    hears: Hears,
}

#[derive(Clone, Copy, Debug)]
enum Hears {
    /// Nobody.
    Nobody,
    /// Who has asked.
    Asker,
    /// The sender of a message, when nobody else may have it.
    Sender,
    /// The node that has relayed what comes back: the number of the stanza.
    Back(u64),
}

/// What becomes of a stanza that another node has relayed.
#[derive(Debug)]
pub(crate) enum Arrived {
    /// It is new: it is given to whom it is for.
    New(Relay),
    /// It has come before, and this became of it.
    Known(Routed),
}

impl Relays {
    /// Sends a stanza to other nodes: to a session there, or to those that its address means. Where somebody has been given it
    /// here, nobody hears when others do not take it.
    pub(crate) fn send(
        &mut self,
        cx: &mut Cx<'_>,
        delivery: &Delivery,
        to: &[(u32, Option<Dot>)],
        given_here: bool,
    ) {
        let delivery = &Delivery { stanza: delivery.stanza.detached(), op: None, what: delivery.what };
        match delivery.stanza.kind {
            Kind::Iq(IqType::Get | IqType::Set) => {
                for (node, to) in to {
                    self.ask(cx, delivery, (*node, *to));
                }
            }
            Kind::Message(_) => {
                let came = delivery.what.came().unwrap_or_default();
                self.holders.add(self.last + 1, to.len(), (came, given_here));
                for (node, to) in to {
                    self.send_one(cx, delivery, (*node, *to), Hears::Sender);
                }
            }
            Kind::Presence(_) | Kind::Iq(IqType::Result | IqType::Error) => {
                for (node, to) in to {
                    self.send_one(cx, delivery, (*node, *to), Hears::Nobody);
                }
            }
        }
    }

    fn ask(&mut self, cx: &mut Cx<'_>, delivery: &Delivery, (node, to): (u32, Option<Dot>)) {
        let stanza = &delivery.stanza;
        let Some(asker) = cx.directory.find(&stanza.from) else { return };
        let deadline = cx.now.mono + patience(cx, node);
        if self.open.ask(asker, stanza, (self.last + 1, node, deadline)).is_err() {
            cx.effects.extend(stanza.error(StanzaError::ResourceConstraint).map(Effect::Route));
            return;
        }
        self.send_one(cx, delivery, (node, to), Hears::Asker);
    }

    fn send_one(
        &mut self,
        cx: &mut Cx<'_>,
        delivery: &Delivery,
        (node, to): (u32, Option<Dot>),
        hears: Hears,
    ) {
        self.last += 1;
        let after = said_before(cx, &delivery.stanza);
        let bytes = delivery.stanza.packet().len() + after.len() * DOT_BYTES;
        let by = cx.directory.find(&delivery.stanza.from).and_then(|id| cx.directory.get(id));
        let is_presence = matches!(delivery.stanza.kind, Kind::Presence(_));
        let by = by.filter(|_| is_presence).map(|session| session.name);
        let (id, sent) = (self.last, Sent { node, to, delivery: delivery.clone(), by, after, bytes, hears });
        if !cx.elsewhere.is_linked(node) {
            return self.fail(cx, id, sent, StanzaError::RecipientUnavailable);
        }
        if self.takes.get(&node).is_some_and(|most| bytes + FRAME_BYTES > *most) {
            return self.fail(cx, id, sent, StanzaError::ResourceConstraint);
        }
        let (count, of_all) = self.untaken.entry(node).or_default();
        if *count >= UNTAKEN_MAX || (*count > 0 && *of_all + bytes > UNTAKEN_BYTES_MAX) {
            return self.fail(cx, id, sent, StanzaError::ResourceConstraint);
        }
        (*count, *of_all) = (*count + 1, *of_all + bytes);
        cx.effect(Effect::Tell(node, ToPeer::Routed(frame(id, &sent))));
        self.said.note(&sent.delivery.stanza, (node, id));
        self.sent.insert(id, sent);
    }

    /// Another node has said what became of a stanza.
    pub(crate) fn handle_taken(&mut self, cx: &mut Cx<'_>, node: u32, id: u64, fault: Option<RelayFault>) {
        if self.sent.get(&id).is_none_or(|sent| sent.node != node) {
            return;
        }
        let Some(sent) = self.remove(id) else { return };
        match fault {
            None => self.holders.take(id),
            Some(RelayFault::Nobody) => self.fail(cx, id, sent, StanzaError::ServiceUnavailable),
            Some(RelayFault::Full) => self.fail(cx, id, sent, StanzaError::ResourceConstraint),
        }
    }

    /// Sends a stanza of another node on to the one to which the session has gone that it was for. Nobody hears when it is not taken.
    pub(crate) fn pass(&mut self, cx: &mut Cx<'_>, stanza: &Stanza, (node, to): (u32, Option<Dot>)) {
        let delivery = Delivery { stanza: stanza.detached(), op: None, what: What::Other };
        self.send_one(cx, &delivery, (node, to), Hears::Nobody);
    }

    /// Returns how many bytes another node takes at once, as far as that is known.
    pub(crate) fn takes(&self, node: u32) -> Option<usize> {
        self.takes.get(&node).copied()
    }

    /// Takes what a session has asked that goes to another node: what, of which node, and how much time is left.
    pub(crate) fn take_open(&mut self, asker: SessionId, now: Instant) -> Vec<OpenRecord> {
        let open = self.open.take(asker).into_iter();
        let record = |(stanza, node, deadline): (Stanza, u32, Instant)| OpenRecord {
            stanza: stanza.packet().to_vec(),
            node,
            left: deadline.since(now).as_micros(),
        };
        open.map(record).collect()
    }

    /// Waits for what a session has asked that has come from another node.
    pub(crate) fn go_on(&mut self, asker: SessionId, open: Vec<OpenRecord>, now: Instant) {
        for OpenRecord { stanza, node, left } in open {
            let Some(stanza) = Stanza::parse(stanza.into()) else { continue };
            self.last += 1;
            // It had as many at the other node at most.
            _ = self.open.ask(asker, &stanza, (self.last, node, now + Span::from_micros(left)));
        }
    }

    fn remove(&mut self, id: u64) -> Option<Sent> {
        let sent = self.sent.remove(&id)?;
        self.said.forget(&sent.delivery.stanza, (sent.node, id));
        if let Some((count, bytes)) = self.untaken.get_mut(&sent.node) {
            (*count, *bytes) = (*count - 1, *bytes - sent.bytes);
        }
        Some(sent)
    }

    /// A stanza has not been taken and will not be.
    fn fail(&mut self, cx: &mut Cx<'_>, id: u64, sent: Sent, error: StanzaError) {
        match sent.hears {
            Hears::Nobody => {}
            Hears::Asker => {
                let asked = self.open.close_relayed(id);
                cx.effects.extend(asked.and_then(|asked| asked.error(error)).map(Effect::Route));
            }
            Hears::Sender => {
                if self.holders.lose(id) {
                    cx.effect(Effect::Unrelayed(sent.delivery, error));
                }
            }
            Hears::Back(about) => {
                if self.unsaid.len() < UNTAKEN_MAX {
                    self.unsaid.push((sent.node, about, sent.delivery.stanza));
                }
            }
        }
    }

    /// Returns what the sender of a stanza has sent to its recipient before and is not known to have been taken: the last frame for each
    /// node, if any.
    pub(crate) fn before(&self, stanza: &Stanza) -> Option<Vec<(u32, u64)>> {
        Some(self.said.before(stanza)).filter(|before| !before.is_empty())
    }

    /// A message for clients of this node, which came as a frame of another one, is about to be given to them.
    pub(crate) fn note_guest(&mut self, what: What, frame: (u32, u64), said: Hlc) {
        if let What::Message(came) = what {
            self.guests.add(came, frame, said);
        }
    }

    /// Returns when a message came to the node of its sender, among what that one stores.
    pub(crate) fn said_at(&self, what: What) -> Option<Hlc> {
        what.came().map(|came| self.guests.said(came).unwrap_or(came))
    }

    /// Nobody here has a message, or has it any more: who knows whether somebody else has it tells its sender.
    pub(crate) fn give_back(&mut self, cx: &mut Cx<'_>, delivery: &Delivery, error: StanzaError) {
        let Some(error) = delivery.stanza.error(error) else { return };
        let What::Message(came) = delivery.what else { return cx.route(error) };
        match self.guests.get(came) {
            Some((node, about)) => self.say_back(cx, (node, about), error.detached()),
            None => {
                if self.holders.leave(came) {
                    cx.route(error);
                }
            }
        }
    }

    fn say_back(&mut self, cx: &mut Cx<'_>, (node, about): (u32, u64), error: Stanza) {
        let delivery = Delivery { stanza: error, op: None, what: What::Other };
        self.send_one(cx, &delivery, (node, None), Hears::Back(about));
    }

    /// What was relayed as a frame has come back: nobody there has it.
    pub(crate) fn come_back(&mut self, cx: &mut Cx<'_>, about: u64, error: Stanza) {
        if self.holders.come_back(about) {
            cx.route(error);
        }
    }

    /// The link to another node is there, which takes nothing longer than `takes` bytes: what it has said of another start of itself is over, and with it what that was asked.
    pub(crate) fn handle_up(&mut self, cx: &mut Cx<'_>, node: u32, (origin, takes): (Origin, u32)) {
        self.takes.insert(node, takes as usize);
        self.say_settled(cx, node);
        let is_known = self.seen.get(&node).is_some_and(|(known, _)| *known == origin);
        let unsaid = self.unsaid.extract_if(.., |(of, ..)| *of == node);
        for (_, about, error) in unsaid.collect::<Vec<_>>() {
            if is_known {
                self.say_back(cx, (node, about), error);
            } else {
                cx.route(error);
            }
        }
        if is_known {
            return;
        }
        self.guests.forget(node);
        self.seen.insert(node, (origin, Seen::default()));
        self.release(cx, |(of, _), _| of == node);
        for asked in self.open.close_node(node) {
            cx.effects.extend(asked.error(StanzaError::RecipientUnavailable).map(Effect::Route));
        }
    }

    /// What was under way to another node may be lost: what it has not said to have taken is sent again.
    pub(crate) fn handle_moved(&self, cx: &mut Cx<'_>, node: u32) {
        for (id, sent) in self.sent.iter().filter(|(_, sent)| sent.node == node) {
            cx.effect(Effect::Tell(node, ToPeer::Routed(frame(*id, sent))));
        }
        self.say_settled(cx, node);
    }

    /// Lets another node know that nothing else of what it was sent so far will come.
    fn say_settled(&self, cx: &mut Cx<'_>, node: u32) {
        if self.last > 0 {
            cx.effect(Effect::Tell(node, ToPeer::Routed(Routed::Settled(self.last))));
        }
    }

    /// Another node has said again what it had said so far: what has not come up to this number will not come.
    pub(crate) fn handle_settled(&mut self, cx: &mut Cx<'_>, node: u32, last: u64) {
        if let Some((_, seen)) = self.seen.get_mut(&node) {
            seen.settle(last);
        }
        let early = core::mem::take(&mut self.early);
        self.release(cx, |(of, id), _| of == node && id <= last && !early.has(of, id));
        self.early = early;
    }

    /// Returns how many stanzas are under way to another node.
    #[cfg(test)]
    pub(crate) fn untaken(&self, node: u32) -> usize {
        self.sent.values().filter(|sent| sent.node == node).count()
    }

    /// Another node cannot be reached: what it has not said to have taken is given up.
    pub(crate) fn handle_down(&mut self, cx: &mut Cx<'_>, node: u32) {
        let forgotten = self.early.forget(node);
        if let Some((_, seen)) = self.seen.get_mut(&node) {
            for id in forgotten {
                seen.forget(id);
            }
        }
        self.release(cx, |(of, _), _| of == node);
        let lost: Vec<u64> =
            self.sent.iter().filter(|(_, sent)| sent.node == node).map(|(id, _)| *id).collect();
        for id in lost {
            if let Some(sent) = self.remove(id) {
                self.fail(cx, id, sent, StanzaError::RecipientUnavailable);
            }
        }
    }

    /// A stanza has come from another node.
    pub(crate) fn handle_relay(&mut self, node: u32, relay: Relay) -> Arrived {
        let Some((_, seen)) = self.seen.get_mut(&node) else { return Arrived::New(relay) };
        if let Some(outcome) = seen.outcome(relay.id) {
            // A farewell is better late than never.
            let is_late = matches!(outcome, Routed::Failed(..)) && says_goodbye(&relay);
            if !is_late {
                return Arrived::Known(outcome);
            }
        }
        seen.begin(relay.id);
        Arrived::New(relay)
    }

    /// Returns whether a stanza of another node comes behind one that waits, of the same sender for the same account.
    pub(crate) fn follows(&self, node: u32, relay: &Relay) -> bool {
        self.early.follows(node, relay)
    }

    /// Lets a stanza of another node wait until what was said before it has come, for some time. Returns whether there was room.
    pub(crate) fn wait(&mut self, cx: &Cx<'_>, node: u32, relay: Relay) -> bool {
        self.early.wait(node, relay, cx.now.mono + patience(cx, node))
    }

    /// Takes what need not wait any longer for what was said before it.
    pub(crate) fn take_early(&mut self, has_come: impl Fn(&Relay) -> bool) -> Vec<(u32, Relay)> {
        if self.early.is_empty() { Vec::new() } else { self.early.take(|relay, _| has_come(relay)) }
    }

    /// Takes note of what became of a stanza that has come from another node, and tells it.
    pub(crate) fn answer(&mut self, cx: &mut Cx<'_>, node: u32, id: u64, fault: Option<RelayFault>) {
        if let Some((_, seen)) = self.seen.get_mut(&node) {
            seen.note(id, fault);
        }
        cx.effect(Effect::Tell(node, ToPeer::Routed(outcome(id, fault))));
        self.release(cx, |stanza, _| stanza == (node, id));
    }

    /// Lets a message of another node wait for what its session had relayed here before, if that may still come and there is room. Returns
    /// whether it does.
    pub(crate) fn lets_wait(&mut self, cx: &Cx<'_>, taken: &Taken) -> bool {
        let sync::What::Known(Entry::Letter(letter)) = &taken.what else { return false };
        let own = cx.ledger.origin().node;
        let Some((_, id)) = letter.behind.iter().flatten().find(|(node, _)| *node == own).copied() else {
            return false;
        };
        let (origin, place) = (taken.name.dot.origin, (taken.name.group, taken.name.dot));
        // What an earlier start has relayed is lost.
        let Some((_, seen)) = self.seen.get_mut(&origin.node).filter(|(of, _)| *of == origin) else {
            return false;
        };
        if !seen.is_awaited(id) && !self.early.has(origin.node, id) {
            return false;
        }
        let (bytes, deadline) =
            (letter.head.len() + letter.body.len(), cx.now.mono + patience(cx, origin.node));
        let waits = cx.elsewhere.is_linked(origin.node)
            && self.behind.wait((origin.node, id), place, (bytes, deadline));
        if !waits {
            seen.give_up(id);
        }
        waits
    }

    /// Lets messages go that have waited for what `is_over` picks. What has not come by now comes too late.
    fn release(&mut self, cx: &mut Cx<'_>, is_over: impl Fn((u32, u64), Instant) -> bool) {
        let (stanzas, messages) = self.behind.take(is_over);
        for (node, id) in stanzas {
            if let Some((_, seen)) = self.seen.get_mut(&node) {
                seen.give_up(id);
            }
        }
        cx.effects.extend(messages.into_iter().map(|(group, dot)| Effect::Take(group, dot)));
    }

    /// Takes note of the first answer to a request that was relayed. Returns whether anybody still waits for it.
    pub(crate) fn take_answer(&mut self, cx: &Cx<'_>, answer: &Stanza) -> bool {
        let asker = answer.to.as_ref().and_then(|to| cx.directory.find(to));
        asker.is_some_and(|asker| self.open.close(asker, answer))
    }

    /// A session has ended: nobody waits for its answers.
    pub(crate) fn handle_gone(&mut self, asker: SessionId) {
        self.open.forget(asker);
    }

    /// Time has passed.
    pub(crate) fn handle_tick(&mut self, cx: &mut Cx<'_>) {
        for asked in self.open.close_due(cx.now.mono) {
            cx.effects.extend(asked.error(StanzaError::RemoteServerTimeout).map(Effect::Route));
        }
        let now = cx.now.mono;
        let late = self.early.take(|_, deadline| deadline <= now);
        cx.effects.extend(late.into_iter().map(|(node, relay)| Effect::Relayed(node, relay)));
        self.release(cx, |_, deadline| deadline <= now);
    }

    /// Returns when the time of the next request, or of what waits for what was said before it, is over.
    pub(crate) fn due(&self) -> Option<Instant> {
        [self.open.due(), self.early.due(), self.behind.due()].into_iter().flatten().min()
    }
}

fn frame(id: u64, sent: &Sent) -> Routed {
    let stanza = sent.delivery.stanza.packet().to_vec().into();
    let said = sent.delivery.what.came().unwrap_or_default();
    let about = if let Hears::Back(about) = sent.hears { Some(about) } else { None };
    Routed::Relay(Relay { id, to: sent.to, about, said, by: sent.by, after: sent.after.clone(), stanza })
}

/// Returns what the sender of a stanza has said last to the account that it is for, of what comes there by itself (R13).
fn said_before(cx: &Cx<'_>, stanza: &Stanza) -> Vec<Dot> {
    let (Some(to), Some(sender)) = (stanza.to.as_ref().map(Jid::bare), cx.directory.find(&stanza.from))
    else {
        return Vec::new();
    };
    let said = cx.directory.get(sender).and_then(|session| session.said.as_ref());
    said.map(|said| said.past(to.domain(), &to)).unwrap_or_default()
}

fn says_goodbye(relay: &Relay) -> bool {
    let stanza = Stanza::parse(relay.stanza.clone());
    stanza.is_some_and(|stanza| stanza.kind == Kind::Presence(PresenceType::Unavailable))
}

const fn outcome(id: u64, fault: Option<RelayFault>) -> Routed {
    match fault {
        None => Routed::Taken(id),
        Some(fault) => Routed::Failed(id, fault),
    }
}

/// Returns how long a request to a client of another node may take: its way there decides.
fn patience(cx: &Cx<'_>, node: u32) -> Span {
    let Some(cluster) = &cx.config.cluster else { return Span::from_secs(30) };
    let member = cluster.members.iter().find(|member| member.node == node);
    match member.map(|member| cluster.slowest(member)) {
        None | Some(LinkKind::Lan | LinkKind::Wan) => Span::from_secs(30),
        Some(LinkKind::Satcom) => Span::from_secs(60),
        Some(LinkKind::Hf) => Span::from_secs(600),
    }
}

/// What a stanza is that has come from another node, for the client that gets it.
pub(crate) const fn what_of(kind: Kind, message: What) -> What {
    match kind {
        Kind::Message(_) => message,
        Kind::Iq(IqType::Get | IqType::Set) => What::Request,
        Kind::Iq(IqType::Result | IqType::Error) | Kind::Presence(_) => What::Other,
    }
}
