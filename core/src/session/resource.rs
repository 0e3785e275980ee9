//! The session itself: address, presence, and what waits in its connection.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use super::acks::ASK;
use super::{Acks, Below, Copied, Directed, Lazy, Outbox, Said, Slot, What};
use crate::io::{ConnId, OpId, Output};
use crate::jid::{FullJid, Jid};
use crate::replica::{Cover, Delivery, Dot, Hlc, Origin, Place};
use crate::stanza::{Kind, Packet, PresenceType, Stanza, StanzaError};
use crate::time::Instant;
use crate::xml::Element;

/// Times of availability that a session remembers.
const TIMES_MAX: usize = 64;
/// Addresses that went while a session was not available, of which it remembers so many.
const MISSED_MAX: usize = 1_024;
/// Messages in no archive that a session remembers to have been given in another's stead.
const HEARD_MAX: usize = 64;
/// Spreads the bits of an incarnation over a mark: the golden ratio, as a fraction of 2^64.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// One bound resource.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent of each other, and of its rows most")]
pub(crate) struct Session {
    /// Its address.
    pub(crate) jid: FullJid,
    /// Its name: the incarnation of the node that bound it, and which of its sessions it is. No node gives one twice.
    pub(crate) name: Dot,
    /// Its number, for the rows it is stored in: never used twice on a store.
    pub(crate) number: u64,
    /// How often it has gone from one node to another.
    pub(crate) epoch: u32,
    /// It has come from another node, and is not given to its client before that is durable and what its client has said before is here:
    /// until then, what is not. Nothing otherwise.
    pub(crate) arriving: Option<Box<Arriving>>,
    /// When it was bound; of no meaning where no other node asks.
    pub(crate) bound: Hlc,
    /// The connection of its stream; nothing while it waits to be resumed.
    pub(crate) conn: Option<ConnId>,
    /// The language of its stream.
    pub(crate) lang: Option<Arc<str>>,
    /// Its presence; nothing while it is connected but not available.
    pub(crate) presence: Option<Presence>,
    /// What it said when it became unavailable; nothing where no other node asks.
    pub(crate) farewell: Option<Box<Stanza>>,
    /// Who has become unavailable since it did: their presence may still have been on its way to it. Nothing while it is available, and
    /// before it was.
    pub(crate) missed: Option<BTreeSet<Jid>>,
    /// Whom it told its presence directly.
    pub(crate) directed: Directed,
    /// When it took messages for its bare JID, from and until, for messages in no archive: the last such times but the one that goes on.
    pub(super) times: VecDeque<(Hlc, Hlc)>,
    /// Which messages of its account's archive it was given.
    pub(crate) delivery: Delivery,
    /// Messages that a page of the archive has given it while somebody was still to get them.
    pub(crate) paged: BTreeSet<Dot>,
    /// The last messages in no archive that it was given later than others.
    heard: BTreeSet<Unstored>,
    /// What goes to its client.
    pub(crate) outbox: Outbox,
    /// Acknowledgements, when the client has enabled them (XEP-0198).
    pub(crate) acks: Option<Box<Acks>>,
    /// What is stored here and waits to be elsewhere, too; nothing where nothing waits.
    pub(crate) below: Option<Box<Below>>,
    /// Its client has been told that some of what it sent may be lost, and that it may try again.
    pub(crate) may_repeat: bool,
    /// What its client asked for.
    pub(crate) wishes: Wishes,
    /// Messages that its account's other resources have copies of, once there are any.
    pub(crate) copied: Option<Box<Copied>>,
    /// What it has said last to whom; nothing where no other node asks.
    pub(crate) said: Option<Box<Said>>,
    /// The version of the roster that its client has been told of.
    pub(crate) roster: Option<Box<str>>,
    /// What it sends is handled one by one.
    pub(crate) inbound: Inbound,
    /// Whether its row differs from what is stored or on its way.
    pub(crate) dirty: bool,
    /// Whether it has a row.
    pub(crate) stored: bool,
    /// The number of the first stanza that has a row, stored or on its way.
    pub(crate) saved_from: u64,
    /// The number behind the last stanza that has one.
    pub(crate) saved_to: u64,
    /// What is stored of its stanzas is not known: all rows are written anew.
    pub(crate) rewrite: bool,
    /// Bytes handed to the driver and not yet reported as written.
    unwritten: u32,
}

/// What a session waits for that has come from another node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arriving {
    /// Its rows are on the disk.
    pub(crate) durable: bool,
    /// What its client has said last to whom, that has not come: what it says next would be shown before that.
    pub(crate) past: Vec<Dot>,
    /// It waits for that no longer than this.
    pub(crate) until: Instant,
}

/// What a client has asked for in its session. It holds until the session ends, over all its streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "wishes are independent of each other")]
pub(crate) struct Wishes {
    /// It has asked for its roster: it gets pushes (RFC 6121, 2.1.6).
    pub(crate) roster: bool,
    /// It has asked for its block list: it gets pushes (XEP-0191, 3.2).
    pub(crate) blocklist: bool,
    /// It wants copies of what its account's other resources send and get (XEP-0280).
    pub(crate) carbons: bool,
    /// It is not looked at (XEP-0352).
    pub(crate) inactive: bool,
}

impl Wishes {
    /// Returns the wishes as bits, for the store.
    pub(crate) const fn to_bits(self) -> u8 {
        (self.roster as u8)
            | ((self.blocklist as u8) << 1)
            | ((self.carbons as u8) << 2)
            | ((self.inactive as u8) << 3)
    }

    /// Returns the wishes that [`Wishes::to_bits`] made bits of.
    pub(crate) const fn from_bits(bits: u8) -> Self {
        Self {
            roster: bits & 1 != 0,
            blocklist: bits & 2 != 0,
            carbons: bits & 4 != 0,
            inactive: bits & 8 != 0,
        }
    }
}

/// What names a message that is in no archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Unstored {
    /// When it came here.
    Came(Hlc),
    /// As what another node owed it.
    Owed(Dot),
}

/// How far the session is with what its client sent. One stanza at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Inbound {
    /// A stanza has been taken and is not done.
    pub(crate) open: bool,
    /// What it still waits for.
    pub(crate) holds: u32,
    /// Bytes taken since `gate` that are not durable.
    pub(crate) undurable: u32,
    /// The flush with the last of them.
    pub(crate) gate: u64,
    /// The driver has been told to hand over no more.
    pub(crate) held: bool,
}

/// The presence a session last broadcast.
#[derive(Debug)]
pub(crate) struct Presence {
    /// Its priority (RFC 6121, 4.7.2.3).
    pub(crate) priority: i8,
    /// The presence as it was sent.
    pub(crate) stanza: Stanza,
    /// Since when it takes messages for its account: it has been given those in no archive that came later. Only while it does.
    pub(crate) since: Hlc,
}

/// What a presence without `to` changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PresenceChange {
    /// The session became available: it also wants to hear of the others.
    Initial,
    /// It was available before.
    Update,
    /// It is no longer available.
    Unavailable,
    /// It was not available before either.
    Nothing,
}

/// The peer reads too slowly: the packet would exceed the bound.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Overflow;

/// What a client's stanza turned out to be.
#[derive(Debug)]
pub(crate) enum FromClient {
    /// Route it.
    Stanza(Stanza),
    /// It cannot be routed; the error that goes back, if one may.
    Fault {
        /// The error, addressed to the client.
        answer: Option<Stanza>,
    },
    /// `from` is not the session's own address: the stream ends (RFC 6120, 8.1.2.1).
    InvalidFrom,
}

impl Session {
    /// Creates the session of `jid` on `conn`.
    pub(crate) fn new(jid: FullJid, name: Dot, conn: ConnId, lang: Option<Arc<str>>) -> Self {
        Self { conn: Some(conn), ..Self::detached(jid, (name, number(name)), lang) }
    }

    /// Creates a session without a connection.
    pub(crate) fn detached(jid: FullJid, (name, number): (Dot, u64), lang: Option<Arc<str>>) -> Self {
        Self {
            jid,
            name,
            number,
            epoch: 0,
            arriving: None,
            bound: Hlc::default(),
            conn: None,
            lang,
            presence: None,
            farewell: None,
            missed: None,
            directed: Directed::default(),
            times: VecDeque::new(),
            delivery: Delivery::new(),
            paged: BTreeSet::new(),
            heard: BTreeSet::new(),
            outbox: Outbox::default(),
            acks: None,
            below: None,
            may_repeat: false,
            wishes: Wishes::default(),
            copied: None,
            said: None,
            roster: None,
            inbound: Inbound::default(),
            dirty: false,
            stored: false,
            saved_from: 0,
            saved_to: 0,
            rewrite: false,
            unwritten: 0,
        }
    }

    /// Returns what tells it from other sessions of its account, in little room.
    pub(crate) fn mark(&self) -> u64 {
        let Origin { node, random, .. } = self.name.origin;
        let bits = u64::from(node) << 32 | u64::from(random);
        number(self.name) ^ bits.wrapping_mul(SPREAD)
    }

    /// Takes note that its rows were not written: all of them have to be.
    pub(crate) const fn unsaved(&mut self) {
        self.rewrite = true;
    }

    /// Takes note that a page of its account's archive gives it a message, of at most `most` that it remembers.
    pub(crate) fn page(&mut self, dot: Dot, most: u32) {
        if self.paged.len() >= most as usize {
            self.paged.pop_first();
        }
        self.paged.insert(dot);
    }

    /// Lets the page that gave it the message at `place` stand for the message.
    pub(crate) fn rely(&mut self, place: Place) {
        self.paged.remove(&place.dot);
        self.delivery.give_later(place.dot);
        self.outbox.rely(place);
    }

    /// Returns the messages that others owed it and that it was given later than others.
    pub(super) fn heard(&self) -> impl Iterator<Item = Dot> {
        self.heard.iter().filter_map(|name| match name {
            Unstored::Owed(dot) => Some(*dot),
            Unstored::Came(_) => None,
        })
    }

    /// Takes note that it has been given these messages, which others owed it.
    pub(super) fn hear_again(&mut self, heard: impl IntoIterator<Item = Dot>) {
        self.heard.extend(heard.into_iter().take(HEARD_MAX).map(Unstored::Owed));
    }

    /// Returns whether it was given this message, which is in no archive, later than others.
    pub(crate) fn has_heard(&self, what: What) -> bool {
        unstored(what).is_some_and(|name| self.heard.contains(&name))
    }

    /// Takes note that it is given this message later than others, if it is in no archive.
    pub(crate) fn hear(&mut self, what: What) {
        let Some(name) = unstored(what) else { return };
        if self.heard.len() >= HEARD_MAX {
            self.heard.pop_first();
        }
        self.heard.insert(name);
    }

    /// Forgets what depends on a write that failed: it was given none of it.
    pub(crate) fn fail(&mut self, failed: &[OpId]) {
        for what in self.outbox.fail(failed) {
            match what {
                What::Stored(place) => self.delivery.take_back(place.dot),
                What::Message(_) | What::Owed(_) => {
                    self.heard.retain(|name| Some(*name) != unstored(what));
                }
                What::Page(_) | What::Request | What::Other => {}
            }
        }
    }

    /// Returns whether it outlives its stream.
    pub(crate) fn is_resumable(&self) -> bool {
        self.acks.as_ref().is_some_and(|acks| acks.id.is_some())
    }

    /// Returns whether it waits for its client when it has lost its stream: the client knows how to resume it.
    pub(crate) fn may_wait(&self) -> bool {
        self.acks.as_ref().is_some_and(|acks| acks.id.is_some() && acks.told)
    }

    /// Stamps what the client sent with the session's address.
    ///
    /// A `from` of the client's own is accepted when it is its full or bare JID and ends the stream otherwise
    /// (RFC 6120, 8.1.2.1).
    pub(crate) fn handle_from_client(&self, element: &Element) -> FromClient {
        if let Some(from) = element.attr("from") {
            let own = Jid::parse(&from)
                .is_ok_and(|from| from == *self.jid.as_jid() || from == *self.jid.bare().as_jid());
            if !own {
                return FromClient::InvalidFrom;
            }
        }
        match Stanza::from_client(element, self.jid.as_jid(), self.lang.clone()) {
            Ok(stanza) => FromClient::Stanza(stanza),
            Err(fault) => FromClient::Fault { answer: fault.answer(element, self.jid.as_jid()) },
        }
    }

    /// Takes note of a presence without `to`.
    ///
    /// # Errors
    ///
    /// [`StanzaError::BadRequest`] when the priority is none (RFC 6121, 4.7.2.3); nothing changes.
    pub(crate) fn handle_presence(&mut self, stanza: &Stanza) -> Result<PresenceChange, StanzaError> {
        let available = matches!(stanza.kind, Kind::Presence(PresenceType::Available));
        if !available {
            let was_available = self.presence.take().is_some();
            if was_available {
                self.missed = Some(BTreeSet::new());
            }
            let was = was_available || !self.directed.is_empty();
            return Ok(if was { PresenceChange::Unavailable } else { PresenceChange::Nothing });
        }
        let priority = match stanza.child("priority", crate::xml::ns::CLIENT) {
            Some(child) => child.text().trim().parse().map_err(|_| StanzaError::BadRequest)?,
            None => 0,
        };
        let since = self.presence.as_ref().map_or_else(Hlc::default, |presence| presence.since);
        let was = self.presence.replace(Presence { priority, stanza: stanza.detached(), since }).is_some();
        Ok(if was { PresenceChange::Update } else { PresenceChange::Initial })
    }

    /// Takes note that `who` became unavailable, of which a session that is not available is not told.
    pub(crate) fn miss(&mut self, who: &Jid) {
        if let Some(missed) = self.missed.as_mut().filter(|missed| missed.len() < MISSED_MAX) {
            missed.insert(who.clone());
        }
    }

    /// Returns whether the session may be sent messages for its bare JID (RFC 6121, 8.5.2.1.1).
    pub(crate) fn takes_bare_messages(&self) -> bool {
        self.presence.as_ref().is_some_and(|presence| presence.priority >= 0)
    }

    /// Returns since when it takes messages for its bare JID, if it does.
    pub(crate) fn takes_since(&self) -> Option<Hlc> {
        self.presence.as_ref().filter(|presence| presence.priority >= 0).map(|presence| presence.since)
    }

    /// Returns whether it took messages for its bare JID when one came here at `stamp` that is in no archive.
    pub(crate) fn was_there(&self, stamp: Hlc) -> bool {
        // Since when is only true of those that take messages.
        let takes = self.presence.as_ref().filter(|_| self.takes_bare_messages());
        let now = takes.is_some_and(|presence| presence.since <= stamp);
        now || self.times.iter().any(|(since, until)| *since <= stamp && stamp < *until)
    }

    /// Has taken messages for its bare JID from `since` on, and takes none from here on, `host` being what its node covers that it did
    /// not when that began.
    pub(crate) fn was_available(&mut self, since: Hlc, until: Hlc, host: Cover) {
        if self.times.len() >= TIMES_MAX {
            self.times.pop_front();
        }
        self.times.push_back((since, until));
        self.delivery.end(host);
    }

    /// Takes messages for its bare JID from here on, `host` being what its node covers.
    pub(crate) fn take_bare_messages(&mut self, since: Hlc, host: Cover) {
        if let Some(presence) = &mut self.presence {
            presence.since = since;
        }
        self.delivery.begin(host);
    }

    /// Returns how many bytes fit when at most `max` may wait; everything fits when nothing waits.
    pub(crate) fn room(&self, max: u32) -> usize {
        match self.waiting() {
            0 => usize::MAX,
            waiting if waiting <= untold(max) => usize::MAX,
            waiting => (max as usize).saturating_sub(waiting),
        }
    }

    /// Returns how many stanzas of these lengths, in this order, and another one of `last` bytes behind them fit when at most `max`
    /// bytes may wait.
    pub(crate) fn fits(&self, lens: impl Iterator<Item = usize>, last: usize, max: u32) -> usize {
        let takes = |waiting, len| waiting <= untold(max) || waiting + len <= max as usize;
        let mut waiting = self.waiting();
        lens.take_while(|len| {
            let fits = takes(waiting, *len) && takes(waiting + len, last);
            waiting += len;
            fits
        })
        .count()
    }

    /// Bytes that wait, in the node and in the connection.
    fn waiting(&self) -> usize {
        let unwritten = if self.outbox.keeps() { 0 } else { self.unwritten as usize };
        self.outbox.bytes().saturating_add(unwritten)
    }

    /// Adds a stanza for the client. One that is `lazy` waits for the next that is not, and takes the place of an older one
    /// like it.
    ///
    /// # Errors
    ///
    /// [`Overflow`] when more than `max` bytes would wait, in the node and in the connection; nothing is added. A stanza
    /// always fits an empty queue.
    pub(crate) fn push(&mut self, slot: Slot, lazy: Option<Lazy>, max: u32) -> Result<(), Overflow> {
        let waiting = self.waiting();
        if waiting > untold(max) && waiting.saturating_add(slot.packet.len()) > max as usize {
            return Err(Overflow);
        }
        match lazy {
            Some(lazy) => self.outbox.push_lazy(slot, lazy),
            None => self.outbox.push(slot),
        }
        Ok(())
    }

    /// Hands to the connection, if there is one, what may go when everything up to flush `durable` is durable. A client
    /// that acknowledges is asked to, unless an answer of it is due.
    pub(crate) fn hand_out(&mut self, durable: u64, outputs: &mut VecDeque<Output>) {
        let Some(conn) = self.conn else { return };
        while let Some(Packet { head, body }) = self.outbox.release(durable) {
            let len = head.len().saturating_add(body.len());
            self.unwritten = self.unwritten.saturating_add(u32::try_from(len).unwrap_or(u32::MAX));
            outputs.push_back(Output::Send { conn, head, body });
        }
        if let Some(acks) = self.acks.as_mut()
            && self.outbox.sent() > acks.asked_for
            && !core::mem::replace(&mut acks.asking, true)
        {
            acks.asked_for = self.outbox.sent();
            outputs.push_back(Output::Send { conn, head: Bytes::from_static(ASK), body: Bytes::new() });
        }
    }

    /// Loses its connection: nothing of what was handed to it counts as written.
    pub(crate) fn detach(&mut self) {
        self.conn = None;
        self.unwritten = 0;
        self.inbound.held = false;
        if let Some(acks) = self.acks.as_mut() {
            (acks.asked, acks.asking, acks.asked_for) = (None, false, self.outbox.base());
        }
    }

    /// Goes on over another connection, with everything that is not acknowledged.
    pub(crate) fn attach(&mut self, conn: ConnId) {
        self.conn = Some(conn);
        self.unwritten = 0;
        self.outbox.hold_nothing();
        self.outbox.rewind();
        if let Some(acks) = self.acks.as_mut() {
            acks.asked_for = self.outbox.base();
        }
        // It is active on each of its streams until it says otherwise (XEP-0352, 5.1).
        self.wishes.inactive = false;
    }

    /// Takes note that the driver wrote `bytes` more.
    pub(crate) fn handle_flushed(&mut self, bytes: u32) {
        self.unwritten = self.unwritten.saturating_sub(bytes);
    }
}

/// Returns what names a message that is in no archive.
const fn unstored(what: What) -> Option<Unstored> {
    match what {
        What::Message(came) => Some(Unstored::Came(came)),
        What::Owed(place) => Some(Unstored::Owed(place.dot)),
        What::Stored(_) | What::Page(_) | What::Request | What::Other => None,
    }
}

/// Returns the number of a session that this node has bound: the start and the count, each half of it.
pub(crate) const fn number(name: Dot) -> u64 {
    (name.origin.start as u64) << 32 | name.seq & 0xffff_ffff
}

/// Returns the name of a session that was stored with nothing but its number, by a node that was alone.
pub(super) const fn named(number: u64) -> Dot {
    let start = (number >> 32) as u32;
    Origin { node: 0, start, random: 0 }.dot(number & 0xffff_ffff)
}

/// Returns how many bytes may have left without the node having been told (`Input::Flushed`): so few wait for nobody.
const fn untold(max: u32) -> usize {
    max as usize / 8
}
