//! Who may have a message that was relayed and is stored nowhere: its sender hears of it once, when nobody has it.
//!
//! The node of the sender knows all whom it has given or relayed a message; what a client of another node leaves unread comes back there.
//!
//! Rests on RFC 6120, section 8.3 (one error), and the replication rule R18 (relayed frames).

use std::collections::BTreeMap;

use smallvec::SmallVec;

use super::UNTAKEN_MAX;
use crate::replica::Hlc;

/// Messages that are remembered at least, when no node is still to take them. Beyond: the oldest is forgotten, and what comes back of it
/// goes to its sender as it comes.
const HOLDERS_MAX: usize = UNTAKEN_MAX;

/// All messages that were relayed and may come back, by the number of the first frame; those of one message follow one another.
#[derive(Debug, Default)]
pub(super) struct Holders {
    messages: BTreeMap<u64, Message>,
    /// The same by when they came here.
    by_stamp: BTreeMap<Hlc, u64>,
}

#[derive(Debug)]
struct Message {
    came: Hlc,
    frames: SmallVec<[Frame; 1]>,
    /// Clients of this node were given it and have not left it.
    here: bool,
    /// Its sender has heard that nobody has it, or it was done with otherwise.
    is_over: bool,
    /// What was done with it may still be to tell its sender.
    may_tell: bool,
}

/// What is known of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frame {
    /// Nothing yet.
    Untaken,
    /// Clients there have it.
    Taken,
    /// Nobody there has it.
    Gone,
}

impl Message {
    /// Returns whether nobody has it any more, for the first time.
    fn end(&mut self) -> bool {
        let has_gone = !self.here && self.frames.iter().all(|frame| *frame == Frame::Gone);
        has_gone && !core::mem::replace(&mut self.is_over, true)
    }
}

impl Holders {
    /// Takes note of a message that came here at this stamp and goes in `count` frames from `first` on. `here`: clients of this node have
    /// been given it.
    pub(super) fn add(&mut self, first: u64, count: usize, (came, here): (Hlc, bool)) {
        self.by_stamp.insert(came, first);
        let frames = core::iter::repeat_n(Frame::Untaken, count).collect();
        self.messages.insert(first, Message { came, frames, here, is_over: false, may_tell: false });
        if self.messages.len() > HOLDERS_MAX {
            let is_known = |message: &Message| !message.frames.contains(&Frame::Untaken);
            let oldest = self.messages.iter().find(|(_, message)| is_known(message)).map(|(first, _)| *first);
            let oldest = oldest.and_then(|first| self.messages.remove(&first));
            if let Some(message) = oldest {
                self.by_stamp.remove(&message.came);
            }
        }
    }

    /// A frame was taken.
    pub(super) fn take(&mut self, id: u64) {
        if let Some((message, at)) = self.find(id)
            && let Some(frame @ Frame::Untaken) = message.frames.get_mut(at)
        {
            *frame = Frame::Taken;
        }
    }

    /// A frame was not taken, or that will not be known. Returns whether something is to be done with the message: nobody has it.
    pub(super) fn lose(&mut self, id: u64) -> bool {
        self.end(id).is_some_and(|(message, ends)| {
            message.may_tell |= ends;
            ends
        })
    }

    /// What a frame was about has come back: no client there has it. Returns whether its sender is told.
    pub(super) fn come_back(&mut self, id: u64) -> bool {
        self.end(id).is_none_or(|(_, ends)| ends)
    }

    /// What clients of this node were given comes back, or what nobody was given could not be kept. Returns whether its sender is told.
    pub(super) fn leave(&mut self, came: Hlc) -> bool {
        let Some(message) = self.by_stamp.get(&came).and_then(|first| self.messages.get_mut(first)) else {
            return true;
        };
        message.here = false;
        core::mem::take(&mut message.may_tell) || message.end()
    }

    /// Nobody has a frame. Returns its message, if that is remembered, and whether that ends it.
    fn end(&mut self, id: u64) -> Option<(&mut Message, bool)> {
        let (message, at) = self.find(id)?;
        *message.frames.get_mut(at)? = Frame::Gone;
        let ends = message.end();
        Some((message, ends))
    }

    fn find(&mut self, id: u64) -> Option<(&mut Message, usize)> {
        let (first, message) = self.messages.range_mut(..=id).next_back()?;
        let at = usize::try_from(id - first).ok()?;
        (at < message.frames.len()).then_some((message, at))
    }
}

/// Messages of clients of other nodes that clients of this one were given, and as which frames they came.
#[derive(Debug, Default)]
pub(super) struct Guests {
    by_stamp: BTreeMap<Hlc, Guest>,
}

#[derive(Clone, Copy, Debug)]
struct Guest {
    frame: (u32, u64),
    /// When its sender's node had it.
    said: Hlc,
}

impl Guests {
    /// Takes note of a message that came here at this stamp, of a node and as a frame of it.
    pub(super) fn add(&mut self, came: Hlc, frame: (u32, u64), said: Hlc) {
        self.by_stamp.insert(came, Guest { frame, said });
        if self.by_stamp.len() > HOLDERS_MAX {
            self.by_stamp.pop_first();
        }
    }

    /// Returns as which frame of which node a message came here.
    pub(super) fn get(&self, came: Hlc) -> Option<(u32, u64)> {
        self.by_stamp.get(&came).map(|guest| guest.frame)
    }

    /// Returns when it came to that node.
    pub(super) fn said(&self, came: Hlc) -> Option<Hlc> {
        self.by_stamp.get(&came).map(|guest| guest.said)
    }

    /// A node has started anew: it knows of none.
    pub(super) fn forget(&mut self, node: u32) {
        self.by_stamp.retain(|_, guest| guest.frame.0 != node);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Hlc {
        Hlc { millis, count: 0 }
    }

    #[test]
    fn the_sender_hears_once_and_when_nobody_has_it() {
        let mut holders = Holders::default();
        holders.add(1, 2, (at(1), false));
        holders.take(1);
        assert!(!holders.lose(2), "the first has it");
        assert!(!holders.come_back(2));
        assert!(holders.come_back(1) && !holders.come_back(1) && !holders.lose(1) && !holders.leave(at(1)));
        // Here, too.
        holders.add(3, 1, (at(2), true));
        holders.take(3);
        assert!(!holders.leave(at(2)) && holders.come_back(3) && !holders.leave(at(2)));
        holders.add(4, 1, (at(3), true));
        assert!(!holders.lose(4) && holders.leave(at(3)) && !holders.come_back(4));
        // What was lost with the link may have been taken all the same.
        holders.add(5, 1, (at(4), false));
        assert!(holders.lose(5) && holders.leave(at(4)) && !holders.come_back(5) && !holders.leave(at(4)));
        // It comes back before the other node says that it has taken it.
        holders.add(6, 1, (at(5), false));
        assert!(holders.come_back(6));
        holders.take(6);
        assert!(!holders.come_back(6));
    }

    #[test]
    fn what_is_not_remembered_is_told_as_it_comes() {
        let mut holders = Holders::default();
        assert!(holders.come_back(7) && holders.leave(at(7)) && !holders.lose(7));
        for id in 0..=HOLDERS_MAX as u64 {
            holders.add(10 + id, 1, (at(i64::try_from(id).unwrap()), false));
        }
        assert_eq!(holders.messages.len(), HOLDERS_MAX + 1, "all are still to be taken");
        for id in 0..=HOLDERS_MAX as u64 {
            holders.take(10 + id);
        }
        holders.add(9_999, 1, (at(-1), false));
        assert_eq!((holders.messages.len(), holders.by_stamp.len()), (HOLDERS_MAX + 1, HOLDERS_MAX + 1));
        assert!(holders.come_back(10) && holders.come_back(10), "it is forgotten");
        let mut guests = Guests::default();
        for id in 0..=HOLDERS_MAX as u64 {
            guests.add(at(i64::try_from(id).unwrap()), (2, id), at(-1));
        }
        assert_eq!((guests.get(at(0)), guests.get(at(1))), (None, Some((2, 1))));
        assert_eq!((guests.said(at(0)), guests.said(at(1))), (None, Some(at(-1))));
        guests.forget(2);
        assert_eq!(guests.get(at(1)), None);
    }
}
