//! Stanzas that are stored nowhere, for sessions of other nodes: each arrives once at most, and its sender hears of it when it
//! was not taken.
//!
//! A request that a client has sent to a client of another node is answered exactly once: by that client, by the node that did not
//! give it the request, by the loss of the link, or when its time is over. Only the node of the asker makes an error, and what comes
//! after the answer is dropped.
//!
//! Rests on the replication rules R18 (relayed frames).

mod early;
mod open;
mod seen;

use std::collections::BTreeMap;

use self::early::Early;
use self::open::OpenIqs;
use self::seen::Seen;
use super::cx::Cx;
use super::effect::{Delivery, Effect};
use crate::config::LinkKind;
use crate::directory::SessionId;
use crate::exchange::{Relay, RelayFault, Routed, ToPeer};
use crate::jid::Jid;
use crate::replica::{Dot, Origin};
use crate::session::What;
use crate::stanza::{IqType, Kind, Stanza, StanzaError};
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
    /// How many of them there are for each node, and their bytes.
    untaken: BTreeMap<u32, (usize, usize)>,
    /// Messages that were sent to several nodes and taken by none: by the number of the first, how many may still take it.
    open_messages: BTreeMap<u64, usize>,
    open: OpenIqs,
    /// By node, what has come from which start of it.
    seen: BTreeMap<u32, (Origin, Seen)>,
    /// By node, the bytes of the longest thing that it takes.
    takes: BTreeMap<u32, usize>,
    /// What has come ahead of what was said before it.
    early: Early,
}

/// A stanza that another node has not taken yet.
#[derive(Debug)]
struct Sent {
    node: u32,
    to: Option<Dot>,
    delivery: Delivery,
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
    /// The sender of a message, when it was the last node that could have taken it: the number of the first frame.
    Sender(u64),
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
            Kind::Message(_) if !given_here => {
                let first = self.last + 1;
                self.open_messages.insert(first, to.len());
                for (node, to) in to {
                    self.send_one(cx, delivery, (*node, *to), Hears::Sender(first));
                }
            }
            Kind::Message(_) | Kind::Presence(_) | Kind::Iq(IqType::Result | IqType::Error) => {
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
        let (id, sent) = (self.last, Sent { node, to, delivery: delivery.clone(), after, bytes, hears });
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
        self.sent.insert(id, sent);
    }

    /// Another node has said what became of a stanza.
    pub(crate) fn handle_taken(&mut self, cx: &mut Cx<'_>, node: u32, id: u64, fault: Option<RelayFault>) {
        if self.sent.get(&id).is_none_or(|sent| sent.node != node) {
            return;
        }
        let Some(sent) = self.remove(id) else { return };
        match fault {
            None => {
                if let Hears::Sender(first) = sent.hears {
                    self.open_messages.remove(&first);
                }
            }
            Some(RelayFault::Nobody) => self.fail(cx, id, sent, StanzaError::ServiceUnavailable),
            Some(RelayFault::Full) => self.fail(cx, id, sent, StanzaError::ResourceConstraint),
        }
    }

    fn remove(&mut self, id: u64) -> Option<Sent> {
        let sent = self.sent.remove(&id)?;
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
            Hears::Sender(first) => {
                let Some(left) = self.open_messages.get_mut(&first) else { return };
                *left -= 1;
                if *left == 0 {
                    self.open_messages.remove(&first);
                    cx.effect(Effect::Unrelayed(sent.delivery, error));
                }
            }
        }
    }

    /// The link to another node is there, which takes nothing longer than `takes` bytes: what it has said of another start of itself is over, and with it what that was asked.
    pub(crate) fn handle_up(&mut self, cx: &mut Cx<'_>, node: u32, (origin, takes): (Origin, u32)) {
        self.takes.insert(node, takes as usize);
        if self.seen.get(&node).is_some_and(|(known, _)| *known == origin) {
            return;
        }
        self.seen.insert(node, (origin, Seen::default()));
        for asked in self.open.close_node(node) {
            cx.effects.extend(asked.error(StanzaError::RecipientUnavailable).map(Effect::Route));
        }
    }

    /// What was under way to another node may be lost: what it has not said to have taken is sent again.
    pub(crate) fn handle_moved(&self, cx: &mut Cx<'_>, node: u32) {
        for (id, sent) in self.sent.iter().filter(|(_, sent)| sent.node == node) {
            cx.effect(Effect::Tell(node, ToPeer::Routed(frame(*id, sent))));
        }
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
            return Arrived::Known(outcome);
        }
        seen.begin(relay.id);
        Arrived::New(relay)
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
        let late = self.early.take(|_, deadline| deadline <= cx.now.mono);
        cx.effects.extend(late.into_iter().map(|(node, relay)| Effect::Relayed(node, relay)));
    }

    /// Returns when the time of the next request, or of what waits for what was said before it, is over.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.open.due().into_iter().chain(self.early.due()).min()
    }
}

fn frame(id: u64, sent: &Sent) -> Routed {
    let stanza = sent.delivery.stanza.packet().to_vec().into();
    Routed::Relay(Relay { id, to: sent.to, after: sent.after.clone(), stanza })
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
