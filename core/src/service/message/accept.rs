//! Takes messages: what is worth keeping is written, then given to those it is for.
//!
//! Implements: RFC 6121, sections 5 and 8.5 (what is stored); XEP-0313 1.1.4, sections 3.4 and 5.1; XEP-0359 0.7.0,
//! section 3. Rests on the replication rules R14 (two logs), R15 (local first) and R16 (one stanza, one message).

use std::collections::BTreeMap;

use super::behind::Behind;
use super::drain::Drains;
use super::keep::wants;
use super::mark::Marks;
use super::recall::Recalls;
use super::worth::{clean, worth};
use crate::archive::{self, Direction, Entry, EntryId, Home, Message, Name, Sent};
use crate::directory::{Online, SessionId, Where};
use crate::exchange::GroupKind;
use crate::io::OpId;
use crate::jid::{BareJid, Jid};
use crate::replica::{Account, Dot, Hlc, Inbound, Place};
use crate::service::carbons::copy_sent;
use crate::service::cx::Cx;
use crate::service::effect::{Delivery, Effect};
use crate::service::ops::Owner;
use crate::session::{Session, What, Word};
use crate::stanza::{Kind, MessageType, Packet, Stanza, StanzaError};
use crate::store::{StoreBatch, StoreError, encode};
use crate::sync::{self, Letter, Party};
use crate::xml::{Node, ns};

/// The messages of this node that are on their way.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    /// Messages that are being written: what is undone when they are not.
    pub(super) pending: BTreeMap<OpId, Pending>,
    /// Messages that are being given to those who were away.
    pub(super) drains: Drains,
    /// What has been given, over all nodes.
    pub(super) marks: Marks,
    /// What is looked up that was left to others.
    pub(super) recalls: Recalls,
    /// What is looked up for sessions that have come from other nodes.
    pub(super) behind: Behind,
}

/// A write on its way.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// The message that comes back to its sender when it is not written.
    pub(super) stanza: Option<Stanza>,
    /// Archives that count it, and the bytes.
    pub(super) counted: Vec<(BareJid, u32)>,
    /// The account that it is owed to, and where it stands.
    pub(super) owed: Option<(BareJid, Place)>,
    /// It could not be written so far, and what is owed behind it waits for it.
    pub(super) held: bool,
    /// What is written again when it is not: nobody else has the message any more.
    pub(super) again: Option<StoreBatch>,
    /// By what its client's account would know it again, and what it has sent again meanwhile.
    pub(super) sent: Option<(BareJid, Name)>,
    pub(super) repeated: Vec<Stanza>,
}

/// In whose archives a message goes.
#[derive(Debug)]
struct Parties {
    sender: Option<BareJid>,
    recipient: Option<BareJid>,
    own: bool,
}

/// Who is sending a message.
#[derive(Debug)]
pub(crate) struct Sender {
    /// The session.
    pub(crate) session: Option<SessionId>,
    /// What it has sent before to clients of the same account at other nodes, that these have not said to have taken: frames.
    pub(crate) relayed: Option<Vec<(u32, u64)>>,
}

/// What a message turned out to be to whoever sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It is dealt with as soon as what was written for it is durable.
    Done,
    /// Its sender has to wait: nothing is acknowledged that is in memory alone.
    Waits,
    /// It has been stored since it was sent before, or is being stored by this write.
    Again(Option<OpId>),
}

/// What becomes of a message.
#[derive(Debug)]
enum Plan {
    /// It is given to whoever is there.
    Pass,
    /// It is written first.
    Store(Parties),
    /// It cannot be taken.
    Refuse(StanzaError),
}

impl Messages {
    /// What disco#info of the server announces (XEP-0160, 4).
    pub(crate) const FEATURES: &'static [&'static str] = &["msgoffline"];

    /// Takes a message for an account of this node, which `sender` is sending. The archives of both parties are known.
    pub(crate) fn handle_message(
        &mut self,
        cx: &mut Cx<'_>,
        stanza: Stanza,
        Sender { session: sender, relayed }: Sender,
    ) -> Heard {
        let stanza = clean(cx.config, stanza);
        let sent = sent(cx, &stanza);
        if let Some(sent) = sent.filter(|sent| is_repeated(cx, &stanza, sent)) {
            return Heard::Again(self.take_again(cx, &stanza, sent));
        }
        match self.plan(cx, &stanza) {
            Plan::Pass => {
                let copied = stanza.clone();
                let what = What::Message(cx.ledger.stamp(cx.now.wall));
                let delivery = Delivery { stanza, op: None, what };
                let waits = self.waits(cx, &delivery, sender);
                if !waits {
                    cx.effect(Effect::Deliver(delivery));
                }
                copy_sent(cx, &copied, None);
                return if waits { Heard::Waits } else { Heard::Done };
            }
            Plan::Store(parties) => self.store(cx, stanza, &parties, (sent, relayed)),
            Plan::Refuse(error) => cx.effects.extend(stanza.error(error).map(Effect::Route)),
        }
        Heard::Done
    }

    /// Decides what becomes of a message.
    fn plan(&self, cx: &Cx<'_>, stanza: &Stanza) -> Plan {
        let (from, to) = (&stanza.from, recipient(stanza));
        let Some(account) = cx.accounts.get(to.bare_str()) else { return Plan::Pass };
        let worth = worth(stanza);
        let addressed = cx.sight().find(&to) != Where::Nowhere;
        // Only what is said in a chat goes to others when a resource has vanished (RFC 6121, 8.5.3.2.1).
        let vanished =
            to.resource().is_some() && !addressed && stanza.kind != Kind::Message(MessageType::Chat);
        if vanished || !(worth.archive || worth.offline) {
            return Plan::Pass;
        }
        let is_to_wait = (!addressed && !is_anybody_there(cx, &to)) || self.holds(cx.directory, stanza);
        let owed = cx.archives.counts(to.bare_str()).owed;
        if is_to_wait && worth.offline && owed >= cx.config.limits.owed_messages {
            // Before it is stored: what stands in an archive has been taken.
            return Plan::Refuse(StanzaError::ServiceUnavailable);
        }
        let own = from.bare_str() == to.bare_str();
        let sender = cx.accounts.get(from.bare_str()).filter(|_| !own);
        let keeps = |owner: BareJid, wanted: bool| (worth.archive && wanted).then_some(owner);
        let parties = Parties {
            sender: sender.and_then(|account| keeps(from.bare(), wants(account, &to))),
            recipient: keeps(to.bare(), wants(account, from)),
            own,
        };
        if parties.sender.is_some() || parties.recipient.is_some() {
            Plan::Store(parties)
        } else {
            Plan::Pass
        }
    }

    /// Lets a message that may not be stored wait behind what its recipient is owed. Returns whether it does.
    fn waits(&mut self, cx: &Cx<'_>, delivery: &Delivery, sender: Option<SessionId>) -> bool {
        let stanza = &delivery.stanza;
        !worth(stanza).offline
            && self.holds(cx.directory, stanza)
            && sender.is_some_and(|sender| self.drains.wait(&recipient(stanza).bare(), delivery, sender))
    }

    /// Writes a message into the archives it belongs to. Nobody gets it before it is durable.
    fn store(
        &mut self,
        cx: &mut Cx<'_>,
        stanza: Stanza,
        parties: &Parties,
        (sent_as, relayed): (Option<Sent>, Option<Vec<(u32, u64)>>),
    ) {
        let packet = stanza.packet();
        let (from, to) = (stanza.from.clone(), recipient(&stanza));
        let hlc = cx.ledger.stamp(cx.now.wall);
        let mut writing = Writing {
            batch: StoreBatch::new(),
            pending: Pending { stanza: Some(stanza.clone()), ..Pending::default() },
            session: handling(cx, &stanza),
            to: to.bare(),
            relayed,
            key: inbound(cx, &stanza),
            hlc,
            bytes: Message::bytes(&packet),
        };
        let (sent, received) = writing.add_records(cx, parties, &packet);
        let mut copied = stanza.clone();
        if let (Some(owner), Some(sent)) = (&parties.sender, sent) {
            let id = writing.add(cx, owner, sent, (to, Direction::Out));
            copied = copied.with_added(&stanza_id(owner, id));
        }
        let (mut delivered, mut what) = (stanza, What::Message(hlc));
        if let (Some(owner), Some(received)) = (&parties.recipient, received) {
            let direction = if parties.own { Direction::Own } else { Direction::In };
            let id = writing.add(cx, owner, received, (from, direction));
            (delivered, what) = (delivered.with_added(&stanza_id(owner, id)), What::Stored(received.place));
        }
        let Writing { batch, mut pending, .. } = writing;
        if let Some(sent) = sent_as {
            let owner = copied.from.bare();
            cx.archives.add_sent(&owner, sent, cx.config.limits.repeats);
            pending.sent = Some((owner, sent.name));
        }
        for (owner, _) in &pending.counted {
            if cx.archives.counts(owner.as_str()).bytes > u64::from(cx.config.limits.archive_bytes) {
                cx.effect(Effect::Sweep(owner.clone()));
            }
        }
        let op = cx.persist(Owner::Message, batch, |_| {});
        self.pending.insert(op, pending);
        cx.effect(Effect::Deliver(Delivery { stanza: delivered, op: Some(op), what }));
        copy_sent(cx, &copied, Some(op));
    }

    /// A write has been answered: what was not written is told to the sender.
    pub(crate) fn handle_stored(&mut self, cx: &mut Cx<'_>, op: OpId, outcome: Result<(), StoreError>) {
        if self.clear_stored(cx, op, outcome.is_ok()) {
            return;
        }
        let Some(mut pending) = self.pending.remove(&op) else {
            return self.drains.handle_stored(cx, op, outcome);
        };
        let Err(error) = outcome else {
            if let Some((owner, _)) = pending.owed.filter(|_| pending.held) {
                self.drains.release(cx, &owner);
            }
            return;
        };
        if let Some(batch) = pending.again.take() {
            if let Some((owner, place)) = pending.owed.as_ref().filter(|_| !pending.held) {
                pending.held = self.drains.hold(owner, *place);
            }
            pending.again = Some(batch.clone());
            let op = cx.persist_again(Owner::Message, batch);
            self.pending.insert(op, pending);
            return;
        }
        self.drains.undo(op);
        for (owner, bytes) in &pending.counted {
            cx.archives.change(owner, |counts| {
                counts.entries = counts.entries.saturating_sub(1);
                counts.bytes = counts.bytes.saturating_sub(u64::from(*bytes));
            });
        }
        if let Some((owner, _)) = &pending.owed {
            cx.archives.change(owner, |counts| counts.owed = counts.owed.saturating_sub(1));
        }
        let error = match error {
            StoreError::Full => StanzaError::ResourceConstraint,
            StoreError::Io | StoreError::Damaged => StanzaError::InternalServerError,
        };
        if let Some((owner, name)) = &pending.sent {
            cx.archives.forget_sent(owner, *name);
        }
        let stanzas = pending.stanza.into_iter().chain(pending.repeated);
        cx.effects.extend(stanzas.filter_map(|stanza| stanza.error(error)).map(Effect::Route));
    }

    /// Takes a message that is stored, or being stored: who has sent it hears of what becomes of the first, and nobody is told
    /// anything twice. Returns the write of the first that is under way.
    fn take_again(&mut self, cx: &mut Cx<'_>, stanza: &Stanza, sent: Sent) -> Option<OpId> {
        let owner = stanza.from.bare();
        cx.archives.sent_again(&owner, sent.name, sent.session);
        let known = (owner, sent.name);
        let mut pending = self.pending.iter_mut();
        let (op, first) = pending.find(|(_, pending)| pending.sent.as_ref() == Some(&known))?;
        first.repeated.push(stanza.detached());
        Some(*op)
    }
}

/// One message being written into archives.
struct Writing {
    batch: StoreBatch,
    pending: Pending,
    /// Who is sending it, and to whom.
    session: Option<SessionId>,
    to: BareJid,
    /// What it has sent before to clients of other nodes.
    relayed: Option<Vec<(u32, u64)>>,
    key: Option<Inbound>,
    hlc: Hlc,
    bytes: u32,
}

/// Where a message stands in one archive.
#[derive(Clone, Copy)]
struct Stands {
    place: Place,
    /// The record that holds it.
    message: Dot,
    /// Where the other archive has the same record.
    twin: Option<Place>,
}

impl Writing {
    /// Adds the message itself: once for each domain that has it in an archive. Returns where it stands in the archives of its sender
    /// and its recipient.
    fn add_records(
        &mut self,
        cx: &mut Cx<'_>,
        parties: &Parties,
        packet: &Packet,
    ) -> (Option<Stands>, Option<Stands>) {
        let place = |hlc, dot: Dot| Place::new(hlc, None, dot);
        let stands = |place: Place| Stands { place, message: place.dot, twin: None };
        match (&parties.sender, &parties.recipient) {
            (Some(sender), Some(recipient)) if sender.domain() == recipient.domain() => {
                let first = self.add_record(cx, (Some(sender), Some(recipient)), parties.own, packet);
                let second = first.origin.dot(first.seq + 1);
                let (sent, received) = (place(self.hlc, first), place(self.hlc, second));
                let received_as = Stands { place: received, message: first, twin: Some(sent) };
                (Some(Stands { twin: Some(received), ..stands(sent) }), Some(received_as))
            }
            (sender, recipient) => {
                let mut alone = |sender: Option<&BareJid>, recipient: Option<&BareJid>| {
                    sender.or(recipient)?;
                    let dot = self.add_record(cx, (sender, recipient), parties.own, packet);
                    Some(stands(place(self.hlc, dot)))
                };
                (alone(sender.as_ref(), None), alone(None, recipient.as_ref()))
            }
        }
    }

    /// Adds the record of a message of these two, in one domain. Returns its first dot.
    fn add_record(
        &mut self,
        cx: &mut Cx<'_>,
        (sender, recipient): (Option<&BareJid>, Option<&BareJid>),
        own: bool,
        packet: &Packet,
    ) -> Dot {
        let domain = sender.or(recipient).map_or("", |owner| owner.domain());
        let span = u8::from(sender.is_some()) + u8::from(recipient.is_some());
        let name = cx.name(domain, GroupKind::Logs, span);
        self.batch.add_put(archive::message_key(domain, name.dot), Message::encode(packet));
        let (hlc, key, to) = (self.hlc, self.key, &self.to);
        let session = self.session.filter(|_| cx.groups.is_on());
        let said = session.and_then(|id| cx.directory.get(id)?.said.as_ref());
        let past = said.map(|said| said.past(domain, to)).unwrap_or_default();
        let behind = session.and(self.relayed.clone());
        let word = |past| Word { domain: domain.into(), to: to.clone(), dot: name.dot, past };
        let word = session.map(|session| Effect::Said(session, Box::new(word(past.clone()))));
        cx.entry(name, Vec::new(), &mut self.batch, |cx| {
            let parties = sync::Parties {
                sender: party(cx, sender),
                recipient: party(cx, recipient),
                own,
                owed: false,
            };
            let Packet { head, body } = packet.clone();
            sync::Entry::Letter(Letter { hlc, key, past, parties, head, body, behind, ids: None })
        });
        cx.effects.extend(word);
        name.dot
    }

    /// Adds the entry in the archive of `owner`. Returns its id.
    fn add(
        &mut self,
        cx: &mut Cx<'_>,
        owner: &BareJid,
        Stands { place, message, twin }: Stands,
        (with, direction): (Jid, Direction),
    ) -> EntryId {
        let id = EntryId::new(cx.id_key, owner, self.key, place.dot);
        let entry =
            Entry { message, home: Home::Own, id: Some(id), with, direction, twin, bytes: self.bytes };
        self.batch.add_put(archive::log_key(owner, place), encode(&entry));
        self.batch.add_put(archive::id_key(owner, id), place.to_bytes().to_vec());
        cx.archives.change(owner, |counts| counts.add(place.capped, entry.bytes));
        self.pending.counted.push((owner.clone(), self.bytes));
        id
    }
}

/// Returns an account as other nodes are told that a message is in its log.
pub(super) fn party(cx: &Cx<'_>, account: Option<&BareJid>) -> Option<Party> {
    let account = account?.clone();
    let life = cx.accounts.get(account.as_str()).and_then(Account::life);
    Some(Party { account, life })
}

/// Returns whether an account has a session, here or at another node, that takes its messages.
pub(super) fn is_anybody_there(cx: &Cx<'_>, account: &Jid) -> bool {
    cx.sight().online(account) == Online::NonNegative
}

/// Returns whom a message is for: nobody named means the sender's own account (RFC 6120, 10.3).
pub(super) fn recipient(stanza: &Stanza) -> Jid {
    stanza.to.clone().unwrap_or_else(|| stanza.from.bare().as_jid().clone())
}

/// Returns what a message that a session is just handling would be known by, if its client sent it again.
fn sent(cx: &Cx<'_>, stanza: &Stanza) -> Option<Sent> {
    let limits = &cx.config.limits;
    if limits.repeats == 0 || limits.repeat_time.as_micros() == 0 || !worth(stanza).archive {
        return None;
    }
    let session =
        cx.directory.get(cx.directory.find(&stanza.from)?).filter(|session| session.inbound.open)?;
    let at_ms = cx.now.wall.as_millis();
    Some(Sent { name: Name::of(stanza)?, session: session.mark(), at_ms })
}

/// Returns whether another session of the sender's has sent the same not long ago, and has ended since. One that has not ended
/// knows what became of it, or will: two messages that two clients make alike are two. What a session has sent itself is repeated only
/// where its client was told that it may be lost.
fn is_repeated(cx: &Cx<'_>, stanza: &Stanza, sent: &Sent) -> bool {
    let Some(first) = cx.archives.sent(stanza.from.bare_str(), sent.name) else { return false };
    let mut sessions = cx.directory.of_account(&stanza.from).iter().filter_map(|id| cx.directory.get(*id));
    let may_repeat = |session: &Session| session.may_repeat && session.mark() == sent.session;
    first.is_recent(cx.now.wall, cx.config.limits.repeat_time)
        && sessions.all(|session| session.mark() != first.session || may_repeat(session))
}

/// Returns the session that is just handling a stanza of its client's.
fn handling(cx: &Cx<'_>, stanza: &Stanza) -> Option<SessionId> {
    let id = cx.directory.find(&stanza.from)?;
    cx.directory.get(id).filter(|session| session.inbound.open).map(|_| id)
}

/// Returns what names the stanza, however often it is sent; nothing when no session is just handling it, or one whose client
/// counts nothing: it repeats nothing either.
fn inbound(cx: &Cx<'_>, stanza: &Stanza) -> Option<Inbound> {
    let session = cx.directory.get(handling(cx, stanza)?)?;
    let acks = session.acks.as_ref()?;
    Some(Inbound { session: session.name, ordinal: acks.handled + 1 })
}

/// Returns the element that tells the owner of an archive where a message stands in it.
pub(super) fn stanza_id(owner: &BareJid, id: EntryId) -> Node {
    Node::new("stanza-id", ns::SID).with_attr("by", owner.as_str()).with_attr("id", &id.to_string())
}
