//! What goes to one client, in order, and what has to be safe before it goes.
//!
//! Implements: XEP-0198 1.6.3, sections 4 and 5, the sender's side of the counters; XEP-0352 1.0.0, what is held. Complete.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::io::OpId;
use crate::jid::Jid;
use crate::replica::{Dot, Hlc, Place};
use crate::stanza::Packet;

/// One stanza for the client.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    /// Its bytes.
    pub(crate) packet: Packet,
    /// It goes when this flush is durable; zero: at once.
    pub(crate) gate: u64,
    /// The write without which it never goes.
    pub(crate) op: Option<OpId>,
    /// What it was made of.
    pub(crate) what: What,
}

/// What a stanza in the outbox is, for the case that the client never gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A message that stands in the account's archive, at this place.
    Stored(Place),
    /// Another message that somebody would be told of, and when it came here: who was there then has been given it. No two have come
    /// at the same stamp.
    Message(Hlc),
    /// A message that stands in no archive and that the account was owed, at this place, by another node: nobody was there when it
    /// came.
    Owed(Place),
    /// What the archive answered of a message that somebody may still have to be given: nobody misses it, unless it has
    /// [stood](Outbox::rely) for the message itself.
    Page(Place),
    /// A request: its sender waits for an answer.
    Request,
    /// Anything else: nobody misses it when the session ends.
    Other,
}

impl What {
    /// Returns when a message came that somebody would miss.
    pub(crate) const fn came(self) -> Option<Hlc> {
        match self {
            Self::Stored(place) | Self::Owed(place) => Some(place.hlc),
            Self::Message(came) => Some(came),
            Self::Page(_) | Self::Request | Self::Other => None,
        }
    }
}

/// What a stanza is that can wait while nobody looks at the client (XEP-0352). Of two with the same name the newer one counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lazy {
    /// Its name.
    pub(crate) name: (LazyKind, Jid),
    /// How many may wait before all of them go.
    pub(crate) stanzas_max: u32,
    /// How many bytes.
    pub(crate) bytes_max: u32,
}

/// What can wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LazyKind {
    /// The presence of an address.
    Presence,
    /// What somebody does in a chat.
    ChatState,
    /// What the account's owner does in a chat with an address, at another client.
    OwnChatState,
}

/// The stanzas for one client. Those before `released` have been handed to its connection and are kept only when the
/// client acknowledges.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    slots: VecDeque<Slot>,
    /// How many stanzas stood before the first slot since acknowledgements were enabled.
    base: u64,
    released: usize,
    bytes: usize,
    keeps: bool,
    /// The number behind the last stanza that does not wait for another one.
    due: u64,
    /// What waits behind that: the numbers, by name.
    lazy: BTreeMap<(LazyKind, Jid), u64>,
    lazy_bytes: usize,
    /// Whether its slots are written to the store.
    stored: bool,
    /// Numbers of slots that have changed since they were last written.
    changed: BTreeSet<u64>,
}

impl Outbox {
    /// Adds a stanza. What waited goes before it.
    pub(crate) fn push(&mut self, slot: Slot) {
        self.bytes = self.bytes.saturating_add(slot.packet.len());
        self.slots.push_back(slot);
        self.hold_nothing();
    }

    /// Adds a stanza that waits, in the place of an older one of its name.
    pub(crate) fn push_lazy(&mut self, slot: Slot, lazy: Lazy) {
        let Lazy { name, stanzas_max, bytes_max } = lazy;
        let len = slot.packet.len();
        let known = self.lazy.get(&name).copied();
        let at = known.and_then(|number| usize::try_from(number.checked_sub(self.base)?).ok());
        let number = known.unwrap_or_else(|| self.end());
        if let Some(old) = at.and_then(|at| self.slots.get_mut(at)) {
            let gone = core::mem::replace(old, slot).packet.len();
            self.bytes = self.bytes.saturating_sub(gone);
            self.lazy_bytes = self.lazy_bytes.saturating_sub(gone);
            self.note(number);
        } else {
            self.slots.push_back(slot);
            self.lazy.insert(name, number);
        }
        self.bytes = self.bytes.saturating_add(len);
        self.lazy_bytes = self.lazy_bytes.saturating_add(len);
        if self.lazy.len() > stanzas_max as usize || self.lazy_bytes > bytes_max as usize {
            self.hold_nothing();
        }
    }

    /// Lets everything go that waits.
    pub(crate) fn hold_nothing(&mut self) {
        self.due = self.end();
        self.lazy_bytes = 0;
        if !self.lazy.is_empty() {
            self.lazy = BTreeMap::new();
        }
    }

    /// Begins to keep and to count: what has not been handed out is the first to count. Where it is stored, it waits for flush
    /// `gate` like what comes after it.
    pub(crate) fn keep(&mut self, gate: Option<u64>) {
        (self.keeps, self.stored) = (true, gate.is_some());
        self.base = 0;
        for slot in &mut self.slots {
            slot.gate = slot.gate.max(gate.unwrap_or(0));
        }
        self.hold_nothing();
    }

    /// Takes note that a slot has to be written again.
    fn note(&mut self, number: u64) {
        if self.stored {
            self.changed.insert(number);
        }
    }

    /// Lets nothing wait but for a write of its own: the session is not stored.
    pub(crate) fn ungate(&mut self) {
        self.stored = false;
        self.changed.clear();
        for slot in self.slots.iter_mut().filter(|slot| slot.op.is_none()) {
            slot.gate = 0;
        }
    }

    /// Returns whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Takes note that the client has answered the request that `answers` recognises: nobody else needs to.
    pub(crate) fn answered(&mut self, answers: impl Fn(&Packet) -> bool) {
        let asked = (self.base..).zip(&mut self.slots).take(self.released);
        let mut open = asked.filter(|(_, slot)| slot.what == What::Request);
        let Some((number, slot)) = open.find(|(_, slot)| answers(&slot.packet)) else { return };
        slot.what = What::Other;
        self.note(number);
    }

    /// Takes the slots before number `before` that have changed since they were last written, with their numbers.
    pub(crate) fn take_changed(&mut self, before: u64) -> Vec<(u64, Slot)> {
        let (base, changed) = (self.base, core::mem::take(&mut self.changed));
        let slot = |number: u64| self.slots.get(usize::try_from(number.checked_sub(base)?).ok()?);
        let kept = changed.into_iter().filter(|number| *number < before);
        kept.filter_map(|number| Some((number, slot(number)?.clone()))).collect()
    }

    /// Returns whether stanzas are kept until they are acknowledged.
    pub(crate) const fn keeps(&self) -> bool {
        self.keeps
    }

    /// Returns the bytes of all slots.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the number of the first stanza that is not acknowledged.
    pub(crate) const fn base(&self) -> u64 {
        self.base
    }

    /// Returns the number of the first stanza that has not been handed out.
    pub(crate) const fn sent(&self) -> u64 {
        self.base + self.released as u64
    }

    /// Returns the number that the next stanza gets.
    pub(crate) fn end(&self) -> u64 {
        self.base + self.slots.len() as u64
    }

    /// Returns the stanzas from number `from` on, with their numbers.
    pub(crate) fn from(&self, from: u64) -> impl Iterator<Item = (u64, &Slot)> {
        let skip = usize::try_from(from.saturating_sub(self.base)).unwrap_or(usize::MAX);
        (self.base..).zip(&self.slots).skip(skip)
    }

    /// Takes the next stanza that may go when everything up to flush `durable` is durable.
    pub(crate) fn release(&mut self, durable: u64) -> Option<Packet> {
        let slot = self.slots.get(self.released)?;
        if slot.gate > durable || self.sent() >= self.due {
            return None;
        }
        let packet = slot.packet.clone();
        if self.keeps {
            self.released += 1;
        } else {
            self.drop_first();
        }
        Some(packet)
    }

    /// Forgets the `count` oldest stanzas: the client has them.
    pub(crate) fn acknowledge(&mut self, count: usize) {
        let count = count.min(self.released);
        self.released -= count;
        for _ in 0..count {
            self.drop_first();
        }
    }

    /// Hands out again, from the first one that is not acknowledged.
    pub(crate) const fn rewind(&mut self) {
        self.released = 0;
    }

    /// Returns whether this message of the account's archive is among them.
    pub(crate) fn holds(&self, dot: Dot) -> bool {
        self.stored().any(|stored| stored == dot)
    }

    /// Returns the names of the messages that are among them, as far as they have any.
    pub(crate) fn named(&self) -> impl Iterator<Item = Dot> {
        self.slots.iter().filter_map(|slot| match slot.what {
            What::Stored(place) | What::Owed(place) => Some(place.dot),
            What::Message(_) | What::Page(_) | What::Request | What::Other => None,
        })
    }

    /// Returns whether a message is among them that has no name.
    pub(crate) fn has_nameless(&self) -> bool {
        self.slots.iter().any(|slot| matches!(slot.what, What::Message(_)))
    }

    /// Returns the names of the messages of the account's archive that are among them.
    pub(crate) fn stored(&self) -> impl Iterator<Item = Dot> {
        self.slots.iter().filter_map(|slot| match slot.what {
            What::Stored(place) => Some(place.dot),
            What::Message(_) | What::Owed(_) | What::Page(_) | What::Request | What::Other => None,
        })
    }

    /// Lets what the archive answered of the message at `place` stand for the message: somebody else has to get that when the
    /// client never gets this.
    pub(crate) fn rely(&mut self, place: Place) {
        for (number, slot) in (self.base..).zip(&mut self.slots) {
            if matches!(slot.what, What::Page(page) if page.dot == place.dot) {
                slot.what = What::Stored(place);
                if self.stored {
                    self.changed.insert(number);
                }
            }
        }
    }

    /// Drops what depends on a write that failed, and returns what it was. None of it has been handed out.
    pub(crate) fn fail(&mut self, failed: &[OpId]) -> Vec<What> {
        let (mut bytes, mut dropped) = (0, Vec::new());
        self.slots.retain(|slot| {
            let stays = slot.op.is_none_or(|op| !failed.contains(&op));
            if stays {
                bytes += slot.packet.len();
            } else {
                dropped.push(slot.what);
            }
            stays
        });
        self.bytes = bytes;
        // The numbers behind have changed.
        self.hold_nothing();
        dropped
    }

    /// Returns whether something waits for a write of its own that nobody else would give again where the session goes to another node.
    /// That is so, too, of a message that `is_held` says to have been here before: it was owed.
    pub(crate) fn has_pending(
        &self,
        is_pending: impl Fn(OpId) -> bool,
        is_held: impl Fn(Dot) -> bool,
    ) -> bool {
        let mut pending = self.slots.iter().filter(|slot| slot.op.is_some_and(&is_pending));
        pending.any(|slot| match slot.what {
            What::Stored(place) => is_held(place.dot),
            What::Other => false,
            What::Message(_) | What::Owed(_) | What::Page(_) | What::Request => true,
        })
    }

    /// Drops what waits for a write of its own, and returns the messages among that. None of it has been handed out, and the other node
    /// gives it when it comes there.
    pub(crate) fn leave_pending(&mut self, is_pending: impl Fn(OpId) -> bool) -> Vec<Place> {
        let ops: Vec<OpId> =
            self.slots.iter().filter_map(|slot| slot.op).filter(|op| is_pending(*op)).collect();
        let dropped = if ops.is_empty() { Vec::new() } else { self.fail(&ops) };
        let place = |what| if let What::Stored(place) = what { Some(place) } else { None };
        dropped.into_iter().filter_map(place).collect()
    }

    /// Takes everything that the client has not acknowledged.
    pub(crate) fn drain(&mut self) -> VecDeque<Slot> {
        (self.released, self.bytes) = (0, 0);
        let slots = core::mem::take(&mut self.slots);
        self.hold_nothing();
        slots
    }

    /// Takes in again what was stored, the first with the number `base`. All of it may have been handed out.
    pub(crate) fn restore(&mut self, base: u64, slots: VecDeque<Slot>) {
        self.bytes = slots.iter().map(|slot| slot.packet.len()).sum();
        (self.released, self.keeps, self.stored) = (slots.len(), true, true);
        (self.slots, self.base) = (slots, base);
        self.hold_nothing();
    }

    fn drop_first(&mut self) -> Option<Slot> {
        let slot = self.slots.pop_front()?;
        self.bytes = self.bytes.saturating_sub(slot.packet.len());
        self.base += 1;
        if self.slots.is_empty() {
            // An idle session holds no buffer.
            self.slots = VecDeque::new();
        }
        Some(slot)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::replica::Origin;

    fn slot(name: &str, gate: u64, op: Option<OpId>) -> Slot {
        let packet = Packet { head: Bytes::copy_from_slice(name.as_bytes()), body: Bytes::new() };
        Slot { packet, gate, op, what: What::Other }
    }

    fn released(outbox: &mut Outbox, durable: u64) -> String {
        let mut out = String::new();
        while let Some(packet) = outbox.release(durable) {
            out.push_str(core::str::from_utf8(&packet.head).unwrap());
        }
        out
    }

    #[test]
    fn nothing_overtakes_what_waits_for_the_disk() {
        let mut outbox = Outbox::default();
        for (name, gate) in [("a", 0), ("b", 2), ("c", 0), ("d", 3)] {
            outbox.push(slot(name, gate, None));
        }
        assert_eq!(released(&mut outbox, 1), "a");
        assert_eq!(released(&mut outbox, 2), "bc");
        assert_eq!(released(&mut outbox, 3), "d");
        assert_eq!(outbox.bytes(), 0);
    }

    #[test]
    fn what_was_handed_out_is_kept_until_it_is_acknowledged_and_keeps_its_number() {
        let mut outbox = Outbox::default();
        outbox.keep(Some(0));
        for name in ["a", "b", "c"] {
            outbox.push(slot(name, 0, None));
        }
        assert_eq!(released(&mut outbox, 0), "abc");
        outbox.acknowledge(1);
        assert_eq!(outbox.base(), 1, "h=1 covers the first stanza and no other");
        assert_eq!((outbox.base(), outbox.sent(), outbox.end()), (1, 3, 3));
        outbox.rewind();
        outbox.push(slot("d", 0, None));
        assert_eq!(released(&mut outbox, 0), "bcd");
        assert_eq!((outbox.base(), outbox.sent()), (1, 4));
        outbox.acknowledge(99);
        assert_eq!((outbox.base(), outbox.bytes()), (4, 0));
    }

    #[test]
    fn a_failed_write_takes_its_stanzas_with_it() {
        let mut outbox = Outbox::default();
        outbox.push(slot("a", 1, Some(OpId(7))));
        outbox.push(slot("b", 1, None));
        outbox.fail(&[OpId(7)]);
        assert_eq!(released(&mut outbox, 1), "b");
    }

    #[test]
    fn an_answer_of_the_archive_is_missed_once_it_stands_for_the_message() {
        let place = |seq: u8| {
            let dot = Dot { origin: Origin { node: 1, start: 1, random: 1 }, seq: seq.into() };
            Place::new(Hlc { millis: i64::from(seq), count: 0 }, None, dot)
        };
        let mut outbox = Outbox::default();
        outbox.keep(Some(0));
        for seq in [1, 2] {
            outbox.push(Slot { what: What::Page(place(seq)), ..slot("p", 0, None) });
        }
        assert_eq!(released(&mut outbox, 0), "pp");
        outbox.rely(place(2));
        outbox.rely(place(3));
        let changed: Vec<u64> = outbox.take_changed(9).into_iter().map(|(number, _)| number).collect();
        assert_eq!(changed, [1], "its row is written again");
        assert_eq!(outbox.stored().collect::<Vec<_>>(), [place(2).dot]);
        let left: Vec<What> = outbox.drain().iter().map(|slot| slot.what).collect();
        assert_eq!(left, [What::Page(place(1)), What::Stored(place(2))]);
    }

    #[test]
    fn nothing_is_noted_of_slots_that_are_not_stored() {
        let lazy = || Lazy {
            name: (LazyKind::ChatState, Jid::parse("a.example").unwrap()),
            stanzas_max: 2,
            bytes_max: 100,
        };
        let mut outbox = Outbox::default();
        for round in 0..3 {
            for _ in 0..9 {
                outbox.push_lazy(slot("a", 0, None), lazy());
            }
            assert_eq!(outbox.changed.len(), usize::from(round == 1), "{round}");
            if round == 0 {
                outbox.keep(Some(0));
                outbox.push_lazy(slot("a", 0, None), lazy());
            } else {
                outbox.ungate();
            }
        }
    }

    #[test]
    fn what_waits_keeps_its_number_when_something_newer_takes_its_place() {
        let lazy = |who: &str| Lazy {
            name: (LazyKind::Presence, Jid::parse(who).unwrap()),
            stanzas_max: 2,
            bytes_max: 100,
        };
        let mut outbox = Outbox::default();
        outbox.keep(Some(0));
        outbox.push(slot("m", 0, None));
        outbox.push_lazy(slot("a", 0, None), lazy("a.example"));
        outbox.push_lazy(slot("b", 0, None), lazy("b.example"));
        outbox.push_lazy(slot("A", 0, None), lazy("a.example"));
        let changed: Vec<u64> = outbox.take_changed(9).into_iter().map(|(number, _)| number).collect();
        assert_eq!(changed, [1], "its row is written again");
        assert_eq!(released(&mut outbox, 0), "m");
        assert_eq!((outbox.sent(), outbox.end(), outbox.bytes()), (1, 3, 3));
        outbox.acknowledge(1);
        outbox.push_lazy(slot("B", 0, None), lazy("b.example"));
        outbox.push_lazy(slot("c", 0, None), lazy("c.example"));
        assert_eq!(released(&mut outbox, 0), "ABc", "one too many");
        outbox.push_lazy(slot("d", 0, None), lazy("a.example"));
        outbox.push_lazy(slot("e", 0, Some(OpId(7))), lazy("b.example"));
        outbox.fail(&[OpId(7)]);
        assert_eq!(released(&mut outbox, 0), "d", "a failed write holds nothing back");
    }
}
