//! What goes to one client, in order, and what has to be safe before it goes.
//!
//! Implements: XEP-0198 1.6.3, sections 4 and 5, the sender's side of the counters. Complete.

use std::collections::VecDeque;

use crate::io::OpId;
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
    Stored(crate::replica::Place),
    /// Another message that somebody would be told of.
    Message,
    /// A request: its sender waits for an answer.
    Request,
    /// Anything else: nobody misses it when the session ends.
    Other,
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
    /// Numbers of slots that have changed since they were last written.
    changed: Vec<u64>,
}

impl Outbox {
    /// Adds a stanza.
    pub(crate) fn push(&mut self, slot: Slot) {
        self.bytes = self.bytes.saturating_add(slot.packet.len());
        self.slots.push_back(slot);
    }

    /// Begins to keep and to count: what has not been handed out is the first to count. It waits for flush `gate`
    /// like what comes after it.
    pub(crate) fn keep(&mut self, gate: u64) {
        self.keeps = true;
        self.base = 0;
        for slot in &mut self.slots {
            slot.gate = slot.gate.max(gate);
        }
    }

    /// Returns whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Takes note that the client has answered the request that `answers` recognises: nobody else needs to.
    pub(crate) fn answered(&mut self, answers: impl Fn(&Packet) -> bool) {
        let asked = (self.base..).zip(&mut self.slots).take(self.released);
        for (number, slot) in asked.filter(|(_, slot)| slot.what == What::Request) {
            if answers(&slot.packet) {
                slot.what = What::Other;
                self.changed.push(number);
                return;
            }
        }
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
        if slot.gate > durable {
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

    /// Returns whether the message at `place` of the account's archive is among them.
    pub(crate) fn holds(&self, place: crate::replica::Place) -> bool {
        self.slots.iter().any(|slot| slot.what == What::Stored(place))
    }

    /// Drops what depends on a write that failed. None of it has been handed out.
    pub(crate) fn fail(&mut self, failed: &[OpId]) {
        let mut bytes = 0;
        self.slots.retain(|slot| {
            let stays = slot.op.is_none_or(|op| !failed.contains(&op));
            bytes += if stays { slot.packet.len() } else { 0 };
            stays
        });
        self.bytes = bytes;
    }

    /// Takes everything that the client has not acknowledged.
    pub(crate) fn drain(&mut self) -> VecDeque<Slot> {
        (self.released, self.bytes) = (0, 0);
        core::mem::take(&mut self.slots)
    }

    /// Takes in again what was stored, the first with the number `base`. All of it may have been handed out.
    pub(crate) fn restore(&mut self, base: u64, slots: VecDeque<Slot>) {
        self.bytes = slots.iter().map(|slot| slot.packet.len()).sum();
        (self.released, self.keeps) = (slots.len(), true);
        (self.slots, self.base) = (slots, base);
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
        outbox.keep(0);
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
}
