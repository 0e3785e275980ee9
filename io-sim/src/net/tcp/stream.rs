//! One direction of a connection as a machine without sockets or clock.
//!
//! The owner writes at one end, reads at the other, and calls [`Stream::pump`] whenever it has done either and
//! whenever [`Stream::wake`] says so. Bytes stay in one queue of shared chunks from writing to reading; a
//! segment is only a range of sequence numbers. An acknowledgement travels the path back and has a time at which it
//! is there, but nobody is woken for it unless the sender has something to do about it: while nothing is
//! lost and nothing waits, a segment costs one wake, that of its arrival. Every segment is acknowledged at once.
//!
//! Both the discrete-event world and the stack tests drive this machine.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::params::TcpParams;
use super::receiver::{Reader, Receiver, Taken};
use super::sender::{Fin, Out, Sender};
use super::wire::{Ack, Wire, WireEvent};
use crate::engine::{SimSpan, SimTime};
use crate::net::Path;

/// When a stream wants to be pumped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wake {
    /// When.
    pub at: SimTime,
    /// Whether only a timer of the sender runs: nothing is on its way.
    pub stalled: bool,
}

/// One direction of a connection.
#[derive(Clone, Debug)]
pub struct Stream {
    /// Every byte that was written and not read, oldest first.
    chunks: VecDeque<Bytes>,
    /// How many of them the reader may take.
    readable: usize,
    sender: Sender,
    receiver: Receiver,
    wire: Wire,
    end: End,
}

/// Whether the stream goes on, from the writer's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    None,
    /// The receiving system has reset it.
    Reset,
    /// Its own side has forgotten it.
    Cleared,
}

/// What is due.
#[derive(Clone, Copy, Debug)]
enum Due {
    Arrival,
    Answer,
    Reset,
    Timer,
}

impl Stream {
    /// Creates an open stream with nothing on it.
    pub const fn new(params: TcpParams) -> Self {
        Self {
            chunks: VecDeque::new(),
            readable: 0,
            sender: Sender::new(params),
            receiver: Receiver::new(&params),
            wire: Wire::new(),
            end: End::None,
        }
    }

    /// Tells the sender how long a round trip took when the connection was made.
    pub fn measured(&mut self, round_trip: SimSpan) {
        self.sender.estimate.take(round_trip, self.sender.acked, self.sender.next);
    }

    /// Writes bytes. They are sent by the next [`Self::pump`]. Bytes written after [`Self::finish`] vanish.
    pub fn write(&mut self, bytes: Bytes) {
        if self.sender.fin == Fin::Open && !bytes.is_empty() {
            self.sender.unsent += bytes.len();
            self.chunks.push_back(bytes);
        }
    }

    /// Ends the stream behind everything that was written.
    pub const fn finish(&mut self) {
        if let Fin::Open = self.sender.fin {
            self.sender.fin = Fin::Wanted;
        }
    }

    /// Returns whether the writer has ended the stream.
    pub fn is_finished(&self) -> bool {
        self.sender.fin != Fin::Open
    }

    /// Nobody reads at the other end any more.
    pub const fn leave(&mut self, reader: Reader) {
        self.receiver.leave(reader);
    }

    /// Forgets everything that was not read, as a reset does; nothing is delivered any more.
    pub fn clear(&mut self) {
        self.stop(End::Cleared);
    }

    /// Returns whether the stream was cleared.
    pub fn is_cleared(&self) -> bool {
        self.end == End::Cleared
    }

    /// Forgets what the sender's system has not taken: its process died, and what that held died with it.
    pub fn drop_queued(&mut self) {
        let mut left = self.queued().min(self.sender.unsent);
        self.sender.unsent -= left;
        while left > 0
            && let Some(last) = self.chunks.back_mut()
        {
            if last.len() > left {
                last.truncate(last.len() - left);
                return;
            }
            left -= last.len();
            self.chunks.pop_back();
        }
    }

    /// Does everything that is due at `now`: arrivals, acknowledgements, timers, new segments. `back` is the way
    /// that acknowledgements take.
    pub fn pump(&mut self, now: SimTime, forward: &mut Path, back: &mut Path) {
        while let Some((at, due)) = self.due().filter(|(at, _)| *at <= now) {
            match due {
                Due::Arrival => self.arrive(at.max(now), back),
                Due::Answer => {
                    if let Some(ack) = self.wire.acks.pop_front() {
                        self.sender.acknowledge(&ack);
                    }
                }
                Due::Reset => self.stop(End::Reset),
                Due::Timer => self.sender.fire(&mut Out { now, path: forward, wire: &mut self.wire }),
            }
        }
        if self.sender.given_up {
            return;
        }
        if let Some(news) = self.receiver.news(self.readable) {
            self.answer(now, back, news);
        }
        if self.sender.lost > 0 || self.sender.has_more() {
            self.sender.send(&mut Out { now, path: forward, wire: &mut self.wire });
        }
        self.sender.look_after(now);
    }

    /// Loses what is on its way at `now`, in both directions, because the paths were cut under it. Returns how much
    /// that was.
    pub fn lose_underway(&mut self, now: SimTime) -> u64 {
        self.lose_segments(now) + self.lose_answers(now)
    }

    /// Loses the segments that are on their way at `now`: their path was cut, the path back was not.
    pub fn lose_segments(&mut self, now: SimTime) -> u64 {
        self.wire.lose_packets(now)
    }

    /// Loses the acknowledgements that are on their way at `now`: only the path back was cut.
    pub fn lose_answers(&mut self, now: SimTime) -> u64 {
        self.wire.lose_answers(now)
    }

    /// Lets the segments that are on their way arrive at `latest` at the latest: their path has become faster. Returns
    /// whether that changes anything.
    pub fn hasten_segments(&mut self, latest: SimTime) -> bool {
        self.wire.hasten_packets(latest)
    }

    /// The same for the acknowledgements: the path back has become faster.
    pub fn hasten_answers(&mut self, latest: SimTime) -> bool {
        self.wire.hasten_answers(latest)
    }

    /// Returns when the stream wants to be pumped next; nothing when only its owner can move it.
    pub fn wake(&self) -> Option<Wake> {
        if self.sender.given_up {
            return None;
        }
        let answer = self.wire.acks.front();
        let heeded = answer.filter(|ack| self.sender.listens() || !ack.blocks.is_empty()).map(|ack| ack.at);
        let arrival = self.wire.packets.front().map(|packet| packet.at);
        let moves = [arrival, heeded, self.wire.reset_at].into_iter().flatten().min();
        let moves = moves.map(|at| Wake { at, stalled: false });
        let Some(timer) = self.sender.timer.filter(|timer| moves.is_none_or(|moves| timer.at < moves.at))
        else {
            return moves;
        };
        match answer.filter(|ack| ack.at <= timer.at) {
            None => Some(Wake { at: timer.at, stalled: true }),
            // The last of what is under way here stops the timer in time.
            Some(_)
                if self.wire.acks.iter().any(|ack| ack.at <= timer.at && ack.upto == self.sender.next) =>
            {
                moves
            }
            Some(first) => Some(Wake { at: first.at, stalled: false }),
        }
    }

    /// Returns whether something will come of the next wake: bytes that arrive, or room for a writer that waits.
    /// It may be only a timer that runs while a path is cut, or that asks a reader that does not read.
    pub fn will_move(&self, forward: &Path, back: &Path) -> bool {
        let Some(wake) = self.wake() else { return false };
        if !wake.stalled {
            return true;
        }
        let undelivered = self.receiver.upto() < self.sender.next;
        let full = self.receiver.is_full(self.readable, self.sender.unsent as u64);
        let waits = self.sender.has_more() && !back.is_closed() && !full;
        !forward.is_closed() && (undelivered || waits)
    }

    /// Takes at most `max` bytes that have arrived, out of one written chunk.
    pub fn read(&mut self, max: usize) -> Option<Bytes> {
        let first = self.chunks.front_mut()?;
        let take = max.min(self.readable).min(first.len());
        if take == 0 {
            return None;
        }
        self.readable -= take;
        if take == first.len() { self.chunks.pop_front() } else { Some(first.split_to(take)) }
    }

    /// Takes all bytes that have arrived, in one piece.
    pub fn read_all(&mut self) -> Option<Bytes> {
        let first = self.read(usize::MAX)?;
        if self.readable == 0 {
            return Some(first);
        }
        let mut all = BytesMut::from(first);
        while let Some(more) = self.read(usize::MAX) {
            all.extend_from_slice(&more);
        }
        Some(all.freeze())
    }

    /// Returns how many bytes have arrived and were not read.
    pub const fn readable(&self) -> usize {
        self.readable
    }

    /// Returns whether the reader has read everything up to the writer's end.
    pub fn is_ended(&self) -> bool {
        self.receiver.has_end() && self.readable == 0
    }

    /// Returns how many written bytes the sender's system has not taken yet.
    pub fn queued(&self) -> usize {
        self.sender.held().saturating_sub(self.sender.params.send_memory_bytes())
    }

    /// Returns whether the sender has given the connection up.
    pub const fn is_given_up(&self) -> bool {
        self.sender.given_up
    }

    /// Returns whether the receiving system has answered the writer with a reset.
    pub fn is_reset(&self) -> bool {
        self.end == End::Reset
    }

    /// Begins a log of what happens to segments on their way.
    pub fn watch(&mut self) {
        self.wire.watch();
    }

    /// Takes what the log holds.
    pub fn take_wire(&mut self) -> Vec<WireEvent> {
        self.wire.take()
    }

    /// Returns what is due next. An acknowledgement that is there stops a timer of the same instant.
    fn due(&self) -> Option<(SimTime, Due)> {
        if self.sender.given_up {
            return None;
        }
        let mut first: Option<(SimTime, Due)> = None;
        let mut offer = |at: Option<SimTime>, due| {
            if let Some(at) = at
                && first.is_none_or(|(first, _)| at < first)
            {
                first = Some((at, due));
            }
        };
        offer(self.wire.packets.front().map(|packet| packet.at), Due::Arrival);
        offer(self.wire.acks.front().map(|ack| ack.at), Due::Answer);
        offer(self.wire.reset_at, Due::Reset);
        offer(self.sender.timer.map(|timer| timer.at), Due::Timer);
        first
    }

    fn arrive(&mut self, now: SimTime, back: &mut Path) {
        let Some(packet) = self.wire.receive(now) else { return };
        match self.receiver.take(&packet, self.readable) {
            Taken::Bytes(bytes, ack) => {
                self.readable += bytes;
                self.answer(now, back, ack);
            }
            Taken::Refused => self.wire.reset_at = self.wire.reset_at.or_else(|| back.acknowledge(now)),
        }
    }

    fn answer(&mut self, now: SimTime, back: &mut Path, ack: Ack) {
        if let Some(at) = back.acknowledge(now) {
            self.wire.acks.push_back(Ack { at, ..ack });
        }
    }

    fn stop(&mut self, end: End) {
        self.chunks.clear();
        self.readable = 0;
        let params = self.sender.params;
        self.sender = Sender::new(params);
        self.sender.fin = Fin::Sent;
        self.receiver = Receiver::new(&params);
        self.wire.clear();
        self.end = end;
    }
}
