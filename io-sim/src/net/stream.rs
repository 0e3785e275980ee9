//! One direction of a connection as a machine without sockets or clock.
//!
//! The owner writes at one end, reads at the other, and calls [`Stream::pump`] whenever it has done either and
//! whenever [`Stream::wake`] says so. Bytes stay in one queue of shared chunks from writing to reading; a
//! segment is only a length on that queue. Acknowledgements are times that are looked at, not events,
//! as long as the path back is open.
//!
//! Both the discrete-event world and the stack tests drive this machine.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::{Path, WireEvent, WireKind};
use crate::engine::{SimSpan, SimTime};

/// The constants of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpParams {
    /// Payload bytes of one segment at most.
    pub segment_bytes: usize,
    /// Bytes the receiver takes before it has read any.
    pub window_bytes: usize,
    /// Bytes the sender's system takes before the writer has to wait.
    pub send_buffer_bytes: usize,
    /// The first retransmission comes after this time.
    pub rto_min: SimSpan,
    /// No two retransmissions are further apart.
    pub rto_max: SimSpan,
    /// A connection whose data is not acknowledged for so long is given up (`TCP_USER_TIMEOUT`).
    pub user_timeout: SimSpan,
}

impl TcpParams {
    /// What Linux does.
    pub const LINUX: Self = Self {
        segment_bytes: 1_460,
        window_bytes: 64 * 1024,
        send_buffer_bytes: 64 * 1024,
        rto_min: SimSpan::from_millis(200),
        rto_max: SimSpan::from_secs(120),
        user_timeout: SimSpan::from_secs(924),
    };
}

/// When a stream wants to be pumped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wake {
    /// When.
    pub at: SimTime,
    /// Whether only a retransmission timer runs: nothing moves unless the path has been healed.
    pub stalled: bool,
}

/// One direction of a connection.
#[derive(Clone, Debug)]
pub struct Stream {
    params: TcpParams,
    /// Every byte that was written and not read, oldest first.
    chunks: VecDeque<Bytes>,
    /// How many of them the reader may take.
    readable: usize,
    /// How many of them have not been sent.
    unsent: usize,
    /// Segments sent and not known to be acknowledged, oldest first.
    flight: VecDeque<Segment>,
    /// Payload bytes of `flight`.
    flight_bytes: usize,
    fin: Fin,
    retransmit: Option<Retransmit>,
    given_up: bool,
    /// Payload bytes that have left at least once.
    left: u64,
    /// What became of them, where somebody watches.
    wire: Option<Vec<WireEvent>>,
}

#[derive(Clone, Copy, Debug)]
struct Segment {
    /// The place of its first byte.
    from: u64,
    bytes: usize,
    fin: bool,
    fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Lost on the way.
    Lost,
    /// Reaches the receiver at this time; it may have to wait there for a segment before it.
    Underway(SimTime),
    /// In the receiver's hands; acknowledged to the sender at that time unless the acknowledgement was lost.
    Arrived(Option<SimTime>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fin {
    Open,
    Wanted,
    Sent,
    Arrived,
}

#[derive(Clone, Copy, Debug)]
struct Retransmit {
    at: SimTime,
    after: SimSpan,
    give_up_at: SimTime,
}

impl Stream {
    /// Creates an open stream with nothing on it.
    pub const fn new(params: TcpParams) -> Self {
        Self {
            params,
            chunks: VecDeque::new(),
            readable: 0,
            unsent: 0,
            flight: VecDeque::new(),
            flight_bytes: 0,
            fin: Fin::Open,
            retransmit: None,
            given_up: false,
            left: 0,
            wire: None,
        }
    }

    /// Keeps what becomes of the bytes from here on.
    pub fn watch(&mut self) {
        self.wire.get_or_insert_default();
    }

    /// Takes what became of the bytes since it was last asked.
    pub fn take_wire(&mut self) -> Vec<WireEvent> {
        self.wire.as_mut().map(core::mem::take).unwrap_or_default()
    }

    /// Writes bytes. They are sent by the next [`Self::pump`]. Bytes written after [`Self::finish`] vanish.
    pub fn write(&mut self, bytes: Bytes) {
        if self.fin == Fin::Open && !bytes.is_empty() {
            self.unsent += bytes.len();
            self.chunks.push_back(bytes);
        }
    }

    /// Ends the stream behind everything that was written.
    pub fn finish(&mut self) {
        if self.fin == Fin::Open {
            self.fin = Fin::Wanted;
        }
    }

    /// Returns whether the writer has ended the stream.
    pub fn is_finished(&self) -> bool {
        self.fin != Fin::Open
    }

    /// Forgets everything that was not read, as a reset does; nothing is delivered any more.
    pub fn clear(&mut self) {
        let (left, wire) = (self.left, self.wire.take());
        *self = Self { fin: Fin::Sent, left, wire, ..Self::new(self.params) };
    }

    /// Forgets what the sender's system has not taken: its process died, and what that held died with it.
    pub fn drop_queued(&mut self) {
        let mut left = self.queued().min(self.unsent);
        self.unsent -= left;
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

    /// Does everything that is due at `now`: arrivals, acknowledgements, retransmissions, new segments.
    pub fn pump(&mut self, now: SimTime, forward: &mut Path, back: &Path) {
        if self.given_up {
            return;
        }
        self.arrive(now, back);
        self.acknowledge(now);
        self.retransmit(now, forward, back);
        self.send(now, forward);
        self.arm(now);
    }

    /// Loses what is on its way at `now`, because the path was cut under it. Returns how much that was.
    pub fn lose_underway(&mut self, now: SimTime) -> u64 {
        let mut lost = 0;
        for segment in &mut self.flight {
            segment.fate = match segment.fate {
                Fate::Underway(at) if at > now => {
                    note(&mut self.wire, now, WireKind::Lost, segment);
                    Fate::Lost
                }
                Fate::Arrived(Some(at)) if at > now => Fate::Arrived(None),
                Fate::Underway(_) | Fate::Arrived(_) | Fate::Lost => continue,
            };
            lost += 1;
        }
        self.arm(now);
        lost
    }

    /// Returns when the stream wants to be pumped next; nothing when only its owner can move it.
    pub fn wake(&self) -> Option<Wake> {
        if self.given_up {
            return None;
        }
        let arrival = self.flight.iter().find_map(|segment| match segment.fate {
            Fate::Underway(at) => Some(Some(at)),
            Fate::Lost => Some(None),
            Fate::Arrived(_) => None,
        });
        let waited_for = self.unsent > 0 || self.queued() > 0;
        let room = if waited_for { self.next_acknowledgement() } else { None };
        let moves = [arrival.flatten(), room].into_iter().flatten().min();
        match (moves, self.retransmit) {
            (Some(at), Some(timer)) if timer.at < at => Some(Wake { at: timer.at, stalled: false }),
            (Some(at), _) => Some(Wake { at, stalled: false }),
            (None, Some(timer)) => Some(Wake { at: timer.at, stalled: true }),
            (None, None) => None,
        }
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
        self.fin == Fin::Arrived && self.readable == 0
    }

    /// Returns how many written bytes the sender's system has not taken yet.
    pub const fn queued(&self) -> usize {
        let beyond = self.flight_bytes + self.unsent;
        beyond.saturating_sub(self.params.send_buffer_bytes)
    }

    /// Returns whether the sender has given the connection up.
    pub const fn is_given_up(&self) -> bool {
        self.given_up
    }

    fn arrive(&mut self, now: SimTime, back: &Path) {
        for segment in &mut self.flight {
            match segment.fate {
                Fate::Arrived(_) => {}
                Fate::Underway(at) if at <= now => {
                    segment.fate = Fate::Arrived(back.acknowledge(now));
                    note(&mut self.wire, at, WireKind::Arrived, segment);
                    self.readable += segment.bytes;
                    if segment.fin {
                        self.fin = Fin::Arrived;
                    }
                }
                Fate::Underway(_) | Fate::Lost => return,
            }
        }
    }

    /// Acknowledgements are cumulative: one that is back covers all before it.
    fn acknowledge(&mut self, now: SimTime) {
        let arrived = self.flight.iter().take_while(|segment| matches!(segment.fate, Fate::Arrived(_)));
        let covered = arrived
            .enumerate()
            .filter(|(_, segment)| matches!(segment.fate, Fate::Arrived(Some(at)) if at <= now))
            .map(|(index, _)| index + 1)
            .last()
            .unwrap_or(0);
        for segment in self.flight.drain(..covered) {
            self.flight_bytes -= segment.bytes;
        }
        if covered > 0 {
            self.retransmit = None;
        }
    }

    /// On time-out the first segment goes again; once the path takes it, the others that were lost follow it.
    fn retransmit(&mut self, now: SimTime, forward: &mut Path, back: &Path) {
        let Some(timer) = self.retransmit.filter(|timer| timer.at <= now) else {
            return;
        };
        if timer.give_up_at <= now {
            self.given_up = true;
            self.retransmit = None;
            return;
        }
        for segment in &mut self.flight {
            let known = matches!(segment.fate, Fate::Arrived(None));
            if !known && segment.fate != Fate::Lost {
                continue;
            }
            note(&mut self.wire, now, WireKind::Resent, segment);
            let Some(at) = forward.carry(now, segment.bytes) else {
                note(&mut self.wire, now, WireKind::Lost, segment);
                break;
            };
            // What the receiver has already, it acknowledges again.
            segment.fate = if known { Fate::Arrived(back.acknowledge(at)) } else { Fate::Underway(at) };
        }
        let after = timer.after.doubled(self.params.rto_max);
        self.retransmit = Some(Retransmit { at: now + after, after, ..timer });
    }

    fn send(&mut self, now: SimTime, forward: &mut Path) {
        while self.unsent > 0 && self.flight_bytes + self.readable < self.params.window_bytes {
            let bytes = self.unsent.min(self.params.segment_bytes);
            self.unsent -= bytes;
            self.flight_bytes += bytes;
            let fin = self.unsent == 0 && self.fin == Fin::Wanted;
            self.launch(now, forward, bytes, fin);
        }
        if self.unsent == 0 && self.fin == Fin::Wanted {
            self.launch(now, forward, 0, true);
        }
    }

    fn launch(&mut self, now: SimTime, forward: &mut Path, bytes: usize, fin: bool) {
        if fin {
            self.fin = Fin::Sent;
        }
        let fate = forward.carry(now, bytes).map_or(Fate::Lost, Fate::Underway);
        let segment = Segment { from: self.left, bytes, fin, fate };
        self.left += bytes as u64;
        note(&mut self.wire, now, WireKind::Sent, &segment);
        if fate == Fate::Lost {
            note(&mut self.wire, now, WireKind::Lost, &segment);
        }
        self.flight.push_back(segment);
    }

    /// The timer runs only while something was lost: an acknowledgement that is on its way stops it in time.
    fn arm(&mut self, now: SimTime) {
        let lost = self.flight.iter().any(|segment| matches!(segment.fate, Fate::Lost | Fate::Arrived(None)));
        let covered = self.flight.back().is_some_and(|last| matches!(last.fate, Fate::Arrived(Some(_))));
        if !lost || covered {
            self.retransmit = None;
        } else if self.retransmit.is_none() {
            let after = self.params.rto_min;
            let give_up_at = now + self.params.user_timeout;
            self.retransmit = Some(Retransmit { at: now + after, after, give_up_at });
        }
    }

    fn next_acknowledgement(&self) -> Option<SimTime> {
        self.flight.iter().find_map(|segment| match segment.fate {
            Fate::Arrived(acknowledged) => acknowledged,
            Fate::Lost | Fate::Underway(_) => None,
        })
    }
}

/// Keeps what became of a segment, where somebody watches.
fn note(wire: &mut Option<Vec<WireEvent>>, at: SimTime, kind: WireKind, segment: &Segment) {
    if let Some(wire) = wire {
        wire.push(WireEvent { at, kind, from: segment.from, to: segment.from + segment.bytes as u64 });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Entropy, Key};
    use crate::net::{LinkProfile, builtin};

    struct Pipe {
        now: SimTime,
        forward: Path,
        back: Path,
        stream: Stream,
    }

    impl Pipe {
        fn new(name: &str) -> Self {
            let profile = LinkProfile { jitter: SimSpan::ZERO, ..builtin(name).unwrap() };
            let entropy = Entropy::new(1);
            Self {
                now: SimTime::ZERO,
                forward: Path::new(entropy, Key::of("forward"), profile),
                back: Path::new(entropy, Key::of("back"), profile),
                stream: Stream::new(TcpParams::LINUX),
            }
        }

        fn write(&mut self, bytes: &'static [u8]) {
            self.stream.write(Bytes::from_static(bytes));
            self.pump();
        }

        fn pump(&mut self) {
            self.stream.pump(self.now, &mut self.forward, &self.back);
        }

        /// Pumps at each wake until `until`, reading everything; returns what was read and when.
        fn run(&mut self, until: SimTime) -> Vec<(SimTime, Vec<u8>)> {
            let mut read = Vec::new();
            while let Some(wake) = self.stream.wake().filter(|wake| wake.at <= until) {
                self.now = wake.at;
                self.pump();
                if let Some(bytes) = self.stream.read_all() {
                    read.push((self.now, bytes.to_vec()));
                    self.pump();
                }
            }
            self.now = until;
            read
        }

        fn cut(&mut self) {
            self.forward.set_cut(true);
            self.back.set_cut(true);
            self.stream.lose_underway(self.now);
        }

        fn heal(&mut self) {
            self.forward.set_cut(false);
            self.back.set_cut(false);
        }
    }

    fn millis(millis: u64) -> SimTime {
        SimTime::ZERO + SimSpan::from_millis(millis)
    }

    #[test]
    fn bytes_arrive_in_order_after_the_latency() {
        let mut pipe = Pipe::new("wan-80ms");
        pipe.write(b"one");
        pipe.write(b"two");
        let read = pipe.run(millis(1_000));
        let all: Vec<u8> = read.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
        assert_eq!(all, b"onetwo");
        assert!(read[0].0 >= millis(40) && read[0].0 < millis(41));
        assert_eq!(pipe.stream.wake(), None);
    }

    #[test]
    fn a_writer_that_waits_for_room_is_woken_when_there_is_some() {
        let mut pipe = Pipe::new("wan-80ms");
        let buffer = TcpParams::LINUX.send_buffer_bytes;
        // All of it can be sent at once, and more than the buffer holds is then under way.
        pipe.stream.write(Bytes::from(vec![0; buffer + 1]));
        pipe.pump();
        assert!(pipe.stream.queued() > 0);
        pipe.run(millis(1_000));
        assert_eq!(pipe.stream.queued(), 0);
    }

    #[test]
    fn what_a_dead_process_held_back_never_arrives_and_the_rest_does() {
        let mut pipe = Pipe::new("wan-80ms");
        let buffer = TcpParams::LINUX.send_buffer_bytes;
        for byte in 0..4 {
            pipe.stream.write(Bytes::from(vec![byte; buffer - 1_000]));
        }
        pipe.pump();
        pipe.stream.drop_queued();
        pipe.stream.finish();
        let read = pipe.run(millis(5_000));
        let all: Vec<u8> = read.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
        // One segment may have left before the buffer was full to the byte.
        assert!(all.len() >= buffer && all.len() < buffer + 1_460, "{}", all.len());
        assert!(all.starts_with(&vec![0; buffer - 1_000]) && all.ends_with(&[1; 1_000]));
        assert!(pipe.stream.is_ended());
    }

    #[test]
    fn a_reader_may_take_any_slice_and_the_end_comes_last() {
        let mut pipe = Pipe::new("lan");
        pipe.write(b"abc");
        pipe.stream.finish();
        pipe.pump();
        while let Some(wake) = pipe.stream.wake() {
            pipe.now = wake.at;
            pipe.pump();
        }
        assert!(!pipe.stream.is_ended());
        assert_eq!(pipe.stream.read(1).as_deref(), Some(&b"a"[..]));
        assert_eq!(pipe.stream.read(2).as_deref(), Some(&b"bc"[..]));
        assert_eq!(pipe.stream.read(1), None);
        assert!(pipe.stream.is_ended());
    }

    #[test]
    fn a_cut_stalls_and_retransmissions_double() {
        let mut pipe = Pipe::new("lan");
        pipe.write(b"lost");
        pipe.cut();
        let mut stalls = Vec::new();
        while let Some(wake) = pipe.stream.wake().filter(|wake| wake.at < millis(4_000)) {
            assert!(wake.stalled);
            stalls.push(wake.at.as_nanos() / 1_000_000);
            pipe.now = wake.at;
            pipe.pump();
        }
        assert_eq!(stalls, [200, 600, 1_400, 3_000]);
        pipe.heal();
        let read = pipe.run(millis(10_000));
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].1, b"lost");
        assert!(read[0].0 > millis(6_200) && read[0].0 < millis(6_202), "{:?}", read[0].0);
    }

    #[test]
    fn nothing_is_delivered_twice_when_only_acknowledgements_are_lost() {
        let mut pipe = Pipe::new("lan");
        pipe.back.set_cut(true);
        pipe.write(b"once");
        let read = pipe.run(millis(2_000));
        assert_eq!(read.len(), 1);
        assert!(pipe.stream.wake().is_some_and(|wake| wake.stalled));
        pipe.back.set_cut(false);
        assert!(pipe.run(millis(20_000)).is_empty());
        assert_eq!(pipe.stream.wake(), None);
    }

    #[test]
    fn what_became_of_bytes_is_kept_for_whoever_watches() {
        let mut pipe = Pipe::new("lan");
        pipe.stream.watch();
        pipe.write(b"lost");
        pipe.cut();
        pipe.run(millis(1));
        pipe.heal();
        pipe.run(millis(1_000));
        let kinds: Vec<WireKind> = pipe.stream.take_wire().iter().map(|event| event.kind).collect();
        assert_eq!(kinds, [WireKind::Sent, WireKind::Lost, WireKind::Resent, WireKind::Arrived]);
        assert!(pipe.stream.take_wire().is_empty());
    }

    #[test]
    fn unacknowledged_data_ends_the_connection_after_the_user_timeout() {
        let mut pipe = Pipe::new("lan");
        pipe.cut();
        pipe.write(b"into the void");
        pipe.run(millis(923_000));
        assert!(!pipe.stream.is_given_up());
        pipe.run(millis(1_100_000));
        assert!(pipe.stream.is_given_up());
    }

    #[test]
    fn a_reader_that_does_not_read_stops_the_writer() {
        let mut pipe = Pipe::new("lan");
        for _ in 0..4 {
            pipe.stream.write(Bytes::from(vec![0; 64 * 1024]));
        }
        pipe.pump();
        while let Some(wake) = pipe.stream.wake() {
            pipe.now = wake.at;
            pipe.pump();
        }
        let window = TcpParams::LINUX.window_bytes;
        assert!(pipe.stream.readable() >= window && pipe.stream.readable() < window + 1_460);
        assert!(pipe.stream.queued() > 0);
        let later = pipe.now + SimSpan::from_secs(1);
        let mut read = pipe.stream.read_all().unwrap().len();
        pipe.pump();
        read += pipe.run(later).iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
        assert_eq!(read, 4 * 64 * 1024);
        assert_eq!(pipe.stream.queued(), 0);
    }
}
