//! The receiving system: what has arrived, and how much room it has for more.

use super::params::TcpParams;
use super::wire::{Ack, Echo, Packet};

/// An acknowledgement tells of so many gaps at most.
const BLOCKS_MAX: usize = 3;

/// Who is behind the receiving end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// A process that reads.
    Reads,
    /// None: its system still has the connection and takes the end of the stream, but answers data with a reset.
    Closed,
    /// None, and its system does not know the connection: it answers everything with a reset.
    Unknown,
}

/// The receiving system.
#[derive(Clone, Debug)]
pub(super) struct Receiver {
    reader: Reader,
    segment: u64,
    capacity: u64,
    /// Everything before it has arrived.
    upto: u64,
    /// What has arrived behind a gap: sorted, apart from each other.
    held: Vec<(u64, u64)>,
    /// The end of the stream, where it has arrived.
    end: Option<u64>,
    /// The writer was told that there is room up to here; never taken back.
    edge: u64,
}

/// What an arrival comes to.
#[derive(Clone, Debug)]
pub(super) enum Taken {
    /// So many bytes can be read, and this is to be told.
    Bytes(usize, Ack),
    /// The system answers with a reset.
    Refused,
}

impl Receiver {
    pub(super) const fn new(params: &TcpParams) -> Self {
        let capacity = params.window_bytes();
        Self {
            reader: Reader::Reads,
            segment: params.segment_bytes as u64,
            capacity,
            upto: 0,
            held: Vec::new(),
            end: None,
            edge: capacity,
        }
    }

    pub(super) const fn leave(&mut self, reader: Reader) {
        self.reader = reader;
    }

    /// Returns whether everything up to the end of the stream has arrived.
    pub(super) fn has_end(&self) -> bool {
        self.end == Some(self.upto)
    }

    /// Returns up to where everything has arrived.
    pub(super) const fn upto(&self) -> u64 {
        self.upto
    }

    /// Takes a segment while `unread` bytes wait for the reader.
    pub(super) fn take(&mut self, packet: &Packet, unread: usize) -> Taken {
        match self.reader {
            Reader::Unknown => return Taken::Refused,
            Reader::Closed if packet.payload() > 0 && packet.to > self.upto => return Taken::Refused,
            Reader::Reads | Reader::Closed => {}
        }
        if packet.fin {
            self.end = Some(packet.to);
        }
        let before = self.upto;
        if packet.from > self.upto {
            self.hold(packet.from, packet.to);
        } else {
            self.upto = self.upto.max(packet.to);
            while let Some((from, to)) = self.held.first().copied()
                && from <= self.upto
            {
                self.upto = self.upto.max(to);
                self.held.remove(0);
            }
        }
        let ended = u64::from(self.has_end() && self.upto > before);
        let bytes = usize::try_from(self.upto - before - ended).expect("a window holds few bytes");
        let blocks = self.blocks(packet.to);
        let echo = Some(Echo { sent: packet.sent, to: packet.to });
        Taken::Bytes(bytes, Ack { echo, blocks, ..self.tell(unread + bytes) })
    }

    /// Returns news of an open window, when a reader has made enough room to be worth it.
    pub(super) fn news(&mut self, unread: usize) -> Option<Ack> {
        let told = self.edge.saturating_sub(self.upto);
        if 2 * told > self.capacity {
            return None;
        }
        let room = self.room(unread);
        (room >= self.segment && room >= 2 * told).then(|| self.tell(unread))
    }

    /// Returns whether the reader is what a sender waits for that may not send `bytes` more.
    pub(super) fn is_full(&self, unread: usize, bytes: u64) -> bool {
        self.room(unread) < bytes.min(self.segment)
    }

    fn room(&self, unread: usize) -> u64 {
        let held: u64 = self.held.iter().map(|(from, to)| to - from).sum();
        self.capacity.saturating_sub(unread as u64 + held)
    }

    /// Less than a segment's room is none.
    fn tell(&mut self, unread: usize) -> Ack {
        let room = self.room(unread);
        if room >= self.segment {
            self.edge = self.edge.max(self.upto + room);
        }
        let at = crate::engine::SimTime::ZERO;
        Ack { at, upto: self.upto, edge: self.edge, echo: None, blocks: Vec::new() }
    }

    fn hold(&mut self, from: u64, to: u64) {
        let first = self.held.partition_point(|held| held.1 < from);
        let behind = self.held.partition_point(|held| held.0 <= to);
        let touched = self.held.get(first..behind).unwrap_or_default();
        let from = touched.first().map_or(from, |held| held.0.min(from));
        let to = touched.last().map_or(to, |held| held.1.max(to));
        self.held.splice(first..behind.max(first), [(from, to)]);
    }

    /// The block with what has just arrived comes first.
    fn blocks(&self, latest: u64) -> Vec<(u64, u64)> {
        let newest = self.held.iter().position(|(from, to)| *from < latest && latest <= *to);
        let first = newest.and_then(|index| self.held.get(index).copied());
        let others = self.held.iter().copied().filter(|block| Some(*block) != first);
        first.into_iter().chain(others).take(BLOCKS_MAX).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::SimTime;

    fn packet(from: u64, to: u64) -> Packet {
        Packet { at: SimTime::ZERO, sent: SimTime::ZERO, from, to, fin: false }
    }

    fn take(receiver: &mut Receiver, from: u64, to: u64) -> (usize, u64, Vec<(u64, u64)>) {
        match receiver.take(&packet(from, to), 0) {
            Taken::Bytes(bytes, ack) => (bytes, ack.upto, ack.blocks),
            Taken::Refused => panic!("a reader reads"),
        }
    }

    #[test]
    fn what_arrives_behind_a_gap_waits_and_is_told() {
        let mut receiver = Receiver::new(&TcpParams::LINUX);
        assert_eq!(take(&mut receiver, 0, 10), (10, 10, vec![]));
        assert_eq!(take(&mut receiver, 20, 30), (0, 10, vec![(20, 30)]));
        assert_eq!(take(&mut receiver, 40, 50), (0, 10, vec![(40, 50), (20, 30)]));
        assert_eq!(take(&mut receiver, 30, 40), (0, 10, vec![(20, 50)]));
        assert_eq!(take(&mut receiver, 20, 30), (0, 10, vec![(20, 50)]));
        assert_eq!(take(&mut receiver, 10, 20), (40, 50, vec![]));
        assert_eq!(take(&mut receiver, 0, 10), (0, 50, vec![]));
    }

    #[test]
    fn a_full_receiver_takes_no_room_back_and_tells_of_room_when_there_is_twice_as_much() {
        let params = TcpParams { receive_buffer_bytes: 8 * 1024, ..TcpParams::LINUX };
        let mut receiver = Receiver::new(&params);
        let capacity = params.window_bytes();
        let unread = usize::try_from(capacity).unwrap();
        let Taken::Bytes(bytes, ack) = receiver.take(&packet(0, capacity), 0) else { panic!("it reads") };
        assert_eq!((bytes, ack.edge), (unread, capacity));
        assert!(receiver.is_full(unread, 1));
        assert!(receiver.news(unread - 1_000).is_none());
        let news = receiver.news(unread - 2_000).unwrap();
        assert_eq!(news.edge, capacity + 2_000);
        assert!(receiver.news(unread - 2_100).is_none());
    }

    #[test]
    fn a_closed_reader_takes_the_end_and_an_unknown_one_nothing() {
        let end = Packet { fin: true, ..packet(0, 1) };
        let mut receiver = Receiver::new(&TcpParams::LINUX);
        receiver.leave(Reader::Closed);
        assert!(matches!(receiver.take(&packet(0, 5), 0), Taken::Refused));
        assert!(matches!(receiver.take(&end, 0), Taken::Bytes(0, _)));
        assert!(receiver.has_end());
        let mut receiver = Receiver::new(&TcpParams::LINUX);
        receiver.leave(Reader::Unknown);
        assert!(matches!(receiver.take(&end, 0), Taken::Refused));
    }
}
