//! What is on its way, and a log of it for whoever draws pictures.

use std::collections::VecDeque;

use crate::engine::SimTime;

/// Something that happened to bytes of a stream on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireEvent {
    /// When.
    pub at: SimTime,
    /// What.
    pub kind: WireEventKind,
    /// The first byte, counted from the beginning of the stream.
    pub from: u64,
    /// The byte behind the last; equal to `from` when a segment carries only the end of the stream or nothing.
    pub to: u64,
}

/// What happened to bytes on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireEventKind {
    /// They were sent for the first time.
    Sent,
    /// They were sent again.
    Resent,
    /// They will not arrive: said when they are sent, or when the path is cut under them.
    Lost,
    /// They arrived.
    Arrived,
}

/// A segment on its way. Sequence numbers count payload bytes; the end of the stream counts as one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet {
    pub(super) at: SimTime,
    pub(super) sent: SimTime,
    pub(super) from: u64,
    pub(super) to: u64,
    /// Whether its last sequence number is the end of the stream.
    pub(super) fin: bool,
}

/// An acknowledgement on its way back.
#[derive(Clone, Debug)]
pub(super) struct Ack {
    pub(super) at: SimTime,
    /// Everything before it has arrived.
    pub(super) upto: u64,
    /// The receiver has room up to here.
    pub(super) edge: u64,
    /// The segment that it answers, and when that was sent; nothing when a reader made room.
    pub(super) echo: Option<Echo>,
    /// What has arrived behind a gap.
    pub(super) blocks: Vec<(u64, u64)>,
}

/// Which segment an acknowledgement answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Echo {
    pub(super) sent: SimTime,
    pub(super) to: u64,
}

/// What is on its way there and back. Paths keep the order of what they carry.
#[derive(Clone, Debug, Default)]
pub(super) struct Wire {
    pub(super) packets: VecDeque<Packet>,
    pub(super) acks: VecDeque<Ack>,
    /// When the receiver's system resets the connection.
    pub(super) reset_at: Option<SimTime>,
    log: Option<Vec<WireEvent>>,
}

impl Packet {
    /// Returns the byte behind its last.
    const fn bytes_to(&self) -> u64 {
        self.to - self.fin as u64
    }

    /// Returns how many bytes of payload it has.
    pub(super) fn payload(&self) -> usize {
        usize::try_from(self.bytes_to() - self.from).expect("a segment is short")
    }
}

impl Wire {
    pub(super) const fn new() -> Self {
        Self { packets: VecDeque::new(), acks: VecDeque::new(), reset_at: None, log: None }
    }

    /// Puts a segment on its way, or not, as its path says.
    pub(super) fn send(&mut self, arrives: Option<SimTime>, kind: WireEventKind, packet: Packet) {
        self.note(packet.sent, kind, &packet);
        match arrives {
            Some(at) => self.packets.push_back(Packet { at, ..packet }),
            None => self.note(packet.sent, WireEventKind::Lost, &packet),
        }
    }

    /// Takes the segment that arrives next, if it has arrived.
    pub(super) fn receive(&mut self, now: SimTime) -> Option<Packet> {
        let packet = *self.packets.front().filter(|packet| packet.at <= now)?;
        self.packets.pop_front();
        self.note(packet.at, WireEventKind::Arrived, &packet);
        Some(packet)
    }

    /// Loses every segment that arrives after `now`; returns how many those are.
    pub(super) fn lose_packets(&mut self, now: SimTime) -> u64 {
        let left = self.packets.partition_point(|packet| packet.at <= now);
        let lost = self.packets.split_off(left);
        for packet in &lost {
            self.note(now, WireEventKind::Lost, packet);
        }
        lost.len() as u64
    }

    /// Loses everything that is back after `now`; returns how much that is.
    pub(super) fn lose_answers(&mut self, now: SimTime) -> u64 {
        let before = self.acks.len();
        self.acks.truncate(self.acks.partition_point(|ack| ack.at <= now));
        let reset = self.reset_at.take_if(|at| *at > now).is_some();
        (before - self.acks.len()) as u64 + u64::from(reset)
    }

    /// Lets every segment arrive at `latest` at the latest; returns whether that changes anything.
    pub(super) fn hasten_packets(&mut self, latest: SimTime) -> bool {
        let late = self.packets.partition_point(|packet| packet.at <= latest);
        self.packets.iter_mut().skip(late).for_each(|packet| packet.at = latest);
        late < self.packets.len()
    }

    /// Lets everything be back at `latest` at the latest; returns whether that changes anything.
    pub(super) fn hasten_answers(&mut self, latest: SimTime) -> bool {
        let late = self.acks.partition_point(|ack| ack.at <= latest);
        self.acks.iter_mut().skip(late).for_each(|ack| ack.at = latest);
        let reset = self.reset_at.filter(|at| *at > latest);
        self.reset_at = self.reset_at.map(|at| at.min(latest));
        late < self.acks.len() || reset.is_some()
    }

    /// Forgets everything but the log.
    pub(super) fn clear(&mut self) {
        *self = Self { log: self.log.take(), ..Self::new() };
    }

    pub(super) fn watch(&mut self) {
        self.log.get_or_insert_default();
    }

    pub(super) fn take(&mut self) -> Vec<WireEvent> {
        self.log.as_mut().map(core::mem::take).unwrap_or_default()
    }

    fn note(&mut self, at: SimTime, kind: WireEventKind, packet: &Packet) {
        if let Some(log) = &mut self.log {
            log.push(WireEvent { at, kind, from: packet.from, to: packet.bytes_to() });
        }
    }
}
