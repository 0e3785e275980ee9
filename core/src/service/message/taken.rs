//! Messages of other nodes: into the archives of this one, and to the sessions that it has.
//!
//! Implements: XEP-0203 2.0, section 4 (what has come late says so). Rests on the replication rules R9 (identity of names), R14 (two
//! logs) and R16 (one stanza, one message): places and ids are those of every other node.
//!
//! Shown by: scenarios/cluster/letters.scn, scenarios/cluster/late.scn.

use super::accept::{Messages, Pending, recipient, stanza_id};
use super::mark::is_given;
use super::owed::delay;
use crate::archive::{self, Direction, EntryId, Held, Home, Message};
use crate::io::OpId;
use crate::jid::{BareJid, Jid};
use crate::replica::{Account, Dot, Place};
use crate::service::blocking::shuts_out;
use crate::service::carbons::copy_sent;
use crate::service::cx::Cx;
use crate::service::effect::{Delivery, Effect};
use crate::service::ops::Owner;
use crate::session::{Session, What};
use crate::stanza::{Packet, Stanza};
use crate::store::{StoreBatch, encode};
use crate::sync::{Letter, Party, Taken};

/// How often as much as may be owed to an account for this node is owed for all: each has let in as much while it could not hear of the
/// others. Beyond, it is owed by those alone that have let it in.
const OWED_BY_OTHERS: u32 = 4;
/// A message that has taken longer says since when it has waited.
const LATE_MS: i64 = 30_000;

/// One message on its way into the archives.
struct Writing<'a> {
    message: Dot,
    letter: &'a Letter,
    bytes: u32,
    batch: StoreBatch,
    pending: Pending,
}

impl Messages {
    /// Writes a message of another node, which nobody gets before it is durable. The accounts of both parties are in memory, and so is
    /// what is known of their archives. What is for a life of an account that does not count stands under no name.
    pub(crate) fn take(&mut self, cx: &mut Cx<'_>, taken: &Taken, letter: &Letter) -> Option<OpId> {
        let stanza = letter.stanza()?;
        let packet = Packet { head: letter.head.clone(), body: letter.body.clone() };
        let message = taken.name.dot;
        let mut writing = Writing {
            message,
            letter,
            bytes: Message::bytes(&packet),
            batch: StoreBatch::new(),
            pending: Pending::default(),
        };
        let sender = letter.parties.sender.as_ref();
        let recipient_dot = if sender.is_some() { message.origin.dot(message.seq + 1) } else { message };
        let sent = sender.and_then(|party| writing.place(cx, party, message));
        let received = letter.parties.recipient.as_ref();
        let received = received.and_then(|party| {
            let place = writing.place(cx, party, recipient_dot);
            if place.is_none() {
                // It counts as here, and nobody is given it: who has it says when that has ended.
                set_apart(cx, &party.account, recipient_dot);
            }
            place
        });
        let domain = sender.or(letter.parties.recipient.as_ref())?.account.domain();
        let owed = letter.parties.owed;
        if owed && received.as_ref().is_some_and(|(owner, place)| is_given(cx, owner, place.dot)) {
            let mut batch = StoreBatch::new();
            cx.groups.take(taken, (false, Vec::new()), cx.journal.gate(), &mut batch);
            return Some(cx.persist(Owner::Message, batch, |_| {}));
        }
        writing.batch.add_put(archive::message_key(domain, message), Message::encode(&packet));
        let (mut copied, mut delivered) = (None, None);
        if let Some((owner, place)) = &sent {
            let twin = received.as_ref().map(|(_, place)| *place);
            let id = writing.add(cx, (owner, *place), twin, (recipient(&stanza), Direction::Out));
            copied = Some(stanza.clone().with_added(&stanza_id(owner, id)));
        }
        if let Some((owner, place)) = received {
            if owed {
                writing.owe(cx, (&owner, place), &stanza);
            } else {
                let direction = if letter.parties.own { Direction::Own } else { Direction::In };
                let twin = sent.as_ref().map(|(_, place)| *place);
                let id = writing.add(cx, (&owner, place), twin, (stanza.from.clone(), direction));
                delivered = Some((stanza.clone().with_added(&stanza_id(&owner, id)), owner, place));
            }
        }
        let Writing { mut batch, pending, .. } = writing;
        cx.groups.take(taken, (true, Vec::new()), cx.journal.gate(), &mut batch);
        let wakes = pending.owed.as_ref().and_then(|(owner, _)| taker(cx, owner));
        if let Some((owner, place)) = &pending.owed {
            self.drains.note_owed(owner, *place);
        }
        let op = cx.persist(Owner::Message, batch, |cx| cx.effects.extend(wakes.map(Effect::Owed)));
        self.pending.insert(op, pending);
        if let Some((stanza, owner, place)) = delivered {
            give(cx, stanza, (&owner, place), op);
        }
        if let Some(copied) = copied {
            copy_sent(cx, &copied, Some(op));
        }
        Some(op)
    }
}

impl Writing<'_> {
    /// Returns where the message stands in the log of a party: nowhere for another life of the account than the one that counts, and
    /// where the archive begins behind it.
    fn place(&self, cx: &Cx<'_>, party: &Party, dot: Dot) -> Option<(BareJid, Place)> {
        // Nobody may be able to log in yet: the password comes behind the account.
        let account = cx.accounts.known(party.account.as_str())?;
        let place = Place::new(self.letter.hlc, None, dot);
        let life = Account::life(account);
        let counts = life.is_some() && (party.life.is_none() || party.life == life);
        let kept = place.capped >= cx.archives.floor(party.account.as_str());
        (counts && kept).then(|| (party.account.clone(), place))
    }

    /// Adds the entry in the archive of `owner`. Returns its id.
    fn add(
        &mut self,
        cx: &mut Cx<'_>,
        (owner, place): (&BareJid, Place),
        twin: Option<Place>,
        (with, direction): (Jid, Direction),
    ) -> EntryId {
        let given = self.letter.ids.as_ref();
        let given =
            given.and_then(|ids| if direction == Direction::Out { ids.sender } else { ids.recipient });
        let made = || EntryId::new(cx.id_key, owner, self.letter.key, place.dot);
        let id = given.map_or_else(made, EntryId::from);
        let (message, bytes) = (self.message, self.bytes);
        let entry = archive::Entry { message, home: Home::Own, id: Some(id), with, direction, twin, bytes };
        self.batch.add_put(archive::log_key(owner, place), encode(&entry));
        self.batch.add_put(archive::id_key(owner, id), place.to_bytes().to_vec());
        cx.archives.change(owner, |counts| counts.add(place.capped, bytes));
        self.pending.counted.push((owner.clone(), bytes));
        if cx.archives.counts(owner.as_str()).bytes > u64::from(cx.config.limits.archive_bytes) {
            cx.effect(Effect::Sweep(owner.clone()));
        }
        id
    }

    /// Adds the row of a message that is in no archive and waits for somebody, if there is room for it.
    fn owe(&mut self, cx: &mut Cx<'_>, (owner, place): (&BareJid, Place), stanza: &Stanza) {
        let most = cx.config.limits.owed_messages.saturating_mul(OWED_BY_OTHERS);
        if cx.archives.counts(owner.as_str()).owed >= most {
            return set_apart(cx, owner, place.dot);
        }
        let entry = archive::Entry {
            message: self.message,
            home: Home::Own,
            id: None,
            with: stanza.from.clone(),
            direction: Direction::In,
            twin: None,
            bytes: self.bytes,
        };
        self.batch.add_put(archive::owed_key(owner, place), encode(&Held(Some(entry))));
        cx.archives.change(owner, |counts| counts.owe(place.capped));
        cx.archives.change_open(owner, |open| {
            open.owe(place.dot, true);
            true
        });
        self.pending.owed = Some((owner.clone(), place));
    }
}

/// Takes note that nothing is kept here of a message of `owner`, whom nobody here has given it.
fn set_apart(cx: &mut Cx<'_>, owner: &BareJid, dot: Dot) {
    if is_given(cx, owner, dot) {
        return;
    }
    cx.archives.change_open(owner, |open| {
        open.set_apart(dot);
        true
    });
}

/// Gives a message to the sessions of `owner`, or owes it where there are none. Blocks are asked here, too: one that the sender's node
/// had not heard of acts.
fn give(cx: &mut Cx<'_>, stanza: Stanza, (owner, place): (&BareJid, Place), op: OpId) {
    if shuts_out(cx.accounts, owner, &stanza.from) {
        return;
    }
    let late = cx.now.wall.as_millis().saturating_sub(place.hlc.millis) > LATE_MS;
    let stanza = if late { stanza.with_added(&delay(owner.domain(), place.capped)) } else { stanza };
    cx.effect(Effect::Deliver(Delivery { stanza, op: Some(op), what: What::Stored(place) }));
}

/// Returns a session of an account that takes its messages.
fn taker(cx: &Cx<'_>, owner: &BareJid) -> Option<crate::directory::SessionId> {
    let mut ids = cx.directory.of_account(owner.as_jid()).iter().copied();
    ids.find(|id| cx.directory.get(*id).is_some_and(Session::takes_bare_messages))
}
