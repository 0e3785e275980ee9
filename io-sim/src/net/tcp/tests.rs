//! What a stream promises whoever drives it.

use bytes::Bytes;

use super::{Congestion, Keepalive, Reader, Stream, TcpParams, WireEvent, WireEventKind};
use crate::engine::{Entropy, Key, SimSpan, SimTime};
use crate::net::{Direction, Line, LinkProfile, Loss, Path, builtin};

const SEGMENT: usize = TcpParams::LINUX.segment_bytes;

struct Pipe {
    now: SimTime,
    forward: Path,
    back: Path,
    stream: Stream,
    pumped: usize,
}

impl Pipe {
    fn new(name: &str) -> Self {
        Self::on(Line { jitter: SimSpan::ZERO, ..builtin(name).unwrap().up }, TcpParams::LINUX)
    }

    /// 20 ms each way, and nothing else takes time.
    fn plain(params: TcpParams) -> Self {
        Self::on(Line { latency: SimSpan::from_millis(20), ..Line::PERFECT }, params)
    }

    fn on(line: Line, params: TcpParams) -> Self {
        let profile = LinkProfile::symmetric(line);
        let path = |name, way| Path::new(Entropy::new(1), Key::of(name), profile.clone(), way);
        let mut stream = Stream::new(params);
        stream.measured(SimSpan::from_nanos(2 * line.latency.as_nanos()));
        stream.watch();
        Self {
            now: SimTime::ZERO,
            forward: path("forward", Direction::Up),
            back: path("back", Direction::Down),
            stream,
            pumped: 0,
        }
    }

    fn write(&mut self, bytes: &'static [u8]) {
        self.stream.write(Bytes::from_static(bytes));
        self.pump();
    }

    fn write_zeros(&mut self, bytes: usize) {
        self.stream.write(Bytes::from(vec![0; bytes]));
        self.pump();
    }

    fn pump(&mut self) {
        self.pumped += 1;
        self.stream.pump(self.now, &mut self.forward, &mut self.back);
    }

    /// Pumps at each wake until `until` and reads nothing.
    fn pass(&mut self, until: SimTime) {
        while let Some(wake) = self.stream.wake().filter(|wake| wake.at <= until) {
            self.now = self.now.max(wake.at);
            self.pump();
        }
        self.now = until;
    }

    /// Pumps at each wake until `until`, reading everything; returns what was read and when.
    fn run(&mut self, until: SimTime) -> Vec<(SimTime, Vec<u8>)> {
        let mut read = Vec::new();
        while let Some(wake) = self.stream.wake().filter(|wake| wake.at <= until) {
            self.now = self.now.max(wake.at);
            self.pump();
            if let Some(bytes) = self.stream.read_all() {
                read.push((self.now, bytes.to_vec()));
                self.pump();
            }
        }
        self.now = until;
        read
    }

    /// Writes `count` segments at once; those whose numbers are given are lost.
    fn write_losing(&mut self, count: usize, lost: &[usize]) {
        for number in 0..count {
            self.forward.set_cut(lost.contains(&number));
            self.write_zeros(SEGMENT);
        }
        self.forward.set_cut(false);
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

    /// When segments were sent again so far, in milliseconds.
    fn resent(&mut self) -> Vec<u64> {
        let resent = |event: &WireEvent| event.kind == WireEventKind::Resent;
        let wire = self.stream.take_wire();
        wire.iter().filter(|event| resent(event)).map(|event| event.at.as_nanos() / 1_000_000).collect()
    }
}

fn millis(millis: u64) -> SimTime {
    SimTime::ZERO + SimSpan::from_millis(millis)
}

fn total(read: &[(SimTime, Vec<u8>)]) -> usize {
    read.iter().map(|(_, bytes)| bytes.len()).sum()
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
fn an_acknowledgement_wakes_nobody_and_an_idle_stream_does_nothing() {
    let mut pipe = Pipe::plain(TcpParams::LINUX);
    pipe.write(b"one");
    pipe.run(millis(10_000));
    // To write, at the arrival, and behind the read.
    assert_eq!(pipe.pumped, 3);
    assert_eq!(pipe.stream.wake(), None);
    pipe.write(b"two");
    pipe.run(millis(20_000));
    assert_eq!((pipe.pumped, pipe.resent()), (6, vec![]));
}

#[test]
fn a_writer_that_waits_for_room_is_woken_when_there_is_some() {
    let mut pipe = Pipe::new("wan-80ms");
    pipe.write_zeros(TcpParams::LINUX.send_memory_bytes() + 1);
    assert!(pipe.stream.queued() > 0);
    pipe.run(millis(1_000));
    assert_eq!(pipe.stream.queued(), 0);
}

#[test]
fn what_a_dead_process_held_back_never_arrives_and_the_rest_does() {
    let mut pipe = Pipe::new("wan-80ms");
    let memory = TcpParams::LINUX.send_memory_bytes();
    for byte in 0..4 {
        pipe.stream.write(Bytes::from(vec![byte; memory - 1_000]));
    }
    pipe.pump();
    pipe.stream.drop_queued();
    pipe.stream.finish();
    let read = pipe.run(millis(5_000));
    let all: Vec<u8> = read.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
    assert_eq!(all.len(), memory);
    assert!(all.starts_with(&vec![0; memory - 1_000]) && all.ends_with(&[1; 1_000]));
    assert!(pipe.stream.is_ended());
}

#[test]
fn a_reader_may_take_any_slice_and_the_end_comes_last() {
    let mut pipe = Pipe::new("lan");
    pipe.write(b"abc");
    pipe.stream.finish();
    pipe.pump();
    pipe.pass(millis(1_000));
    assert!(!pipe.stream.is_ended());
    assert_eq!(pipe.stream.read(1).as_deref(), Some(&b"a"[..]));
    assert_eq!(pipe.stream.read(2).as_deref(), Some(&b"bc"[..]));
    assert_eq!(pipe.stream.read(1), None);
    assert!(pipe.stream.is_ended());
}

#[test]
fn a_lost_end_comes_again() {
    let mut pipe = Pipe::plain(TcpParams::LINUX);
    pipe.cut();
    pipe.stream.finish();
    pipe.pump();
    pipe.heal();
    pipe.pass(millis(1_000));
    assert!(pipe.stream.is_ended());
    assert_eq!(pipe.stream.wake(), None);
}

#[test]
fn a_cut_stalls_and_after_a_probe_retransmissions_double() {
    let mut pipe = Pipe::plain(TcpParams::LINUX);
    pipe.write(b"lost");
    pipe.cut();
    pipe.pass(millis(5_000));
    assert!(pipe.stream.wake().unwrap().stalled);
    assert!(!pipe.stream.will_move(&pipe.forward, &pipe.back));
    let resent = pipe.resent();
    for (at, wanted) in resent.iter().zip([240, 480, 960, 1_920, 3_840]) {
        // The kernel's timers are late by an eighth at most.
        assert!((wanted..wanted * 9 / 8).contains(at), "{resent:?}");
    }
    assert_eq!(resent.len(), 5);
    pipe.heal();
    assert!(pipe.stream.will_move(&pipe.forward, &pipe.back));
    let read = pipe.run(millis(20_000));
    assert_eq!(read.len(), 1);
    assert_eq!(read[0].1, b"lost");
}

#[test]
fn what_three_segments_overtook_comes_again_after_a_round_trip() {
    let mut pipe = Pipe::plain(TcpParams::LINUX);
    pipe.write_losing(10, &[2]);
    let read = pipe.run(millis(1_000));
    assert_eq!(total(&read), 10 * SEGMENT);
    assert_eq!(read.last().unwrap().0, millis(60));
    assert_eq!(pipe.resent(), [40]);
}

#[test]
fn what_one_segment_overtook_comes_again_a_little_later() {
    let mut pipe = Pipe::plain(TcpParams::LINUX);
    pipe.write_losing(2, &[0]);
    pipe.run(millis(1_000));
    let resent = pipe.resent();
    assert!(resent.len() == 1 && (50..60).contains(&resent[0]), "{resent:?}");
}

#[test]
fn a_retransmission_that_is_lost_comes_again_when_later_ones_overtake_it() {
    let mut pipe = Pipe::plain(TcpParams::LINUX);
    pipe.write_losing(10, &[2, 3]);
    pipe.pass(millis(39));
    pipe.forward.set_cut(true);
    pipe.now = millis(40);
    pipe.pump();
    pipe.forward.set_cut(false);
    assert_eq!(total(&pipe.run(millis(5_000))), 10 * SEGMENT);
}

#[test]
fn a_lost_tail_is_probed_and_the_probe_tells_of_the_rest() {
    let mut pipe = Pipe::plain(TcpParams::LINUX);
    pipe.write_losing(5, &[3, 4]);
    let read = pipe.run(millis(2_000));
    assert_eq!(total(&read), 5 * SEGMENT);
    let resent = pipe.resent();
    // Two round trips and a little behind the last acknowledgement; then what the probe overtook.
    assert!(resent.len() == 2 && (128..=140).contains(&resent[0]), "{resent:?}");
    assert!(resent[1] < resent[0] + 60, "{resent:?}");
}

#[test]
fn the_window_opens_with_ten_segments_and_doubles() {
    let bulk = |congestion| {
        let mut pipe = Pipe::plain(TcpParams { congestion, ..TcpParams::LINUX });
        pipe.write_zeros(50 * SEGMENT);
        let read = pipe.run(millis(1_000));
        read.iter().map(|(at, bytes)| (at.as_nanos() / 1_000_000, bytes.len() / SEGMENT)).collect::<Vec<_>>()
    };
    assert_eq!(bulk(Congestion::Window(10)), [(20, 10), (60, 20), (100, 20)]);
    assert_eq!(bulk(Congestion::Unlimited), [(20, 50)]);
}

#[test]
fn lost_acknowledgements_stop_the_flow_though_every_byte_arrived() {
    let mut pipe = Pipe::plain(TcpParams::LINUX);
    pipe.back.set_cut(true);
    pipe.write_zeros(SEGMENT);
    assert_eq!(total(&pipe.run(millis(2_000))), SEGMENT);
    pipe.write_zeros(SEGMENT);
    assert_eq!(total(&pipe.run(millis(4_000))), 0);
    pipe.back.set_cut(false);
    assert_eq!(total(&pipe.run(millis(20_000))), SEGMENT);
    assert_eq!(pipe.stream.wake(), None);
}

#[test]
fn every_byte_arrives_once_and_in_order_whatever_is_lost() {
    let line = Line {
        jitter: SimSpan::from_millis(5),
        rate: 2_000_000,
        loss: Loss::Gilbert { worsen: 20_000, recover: 300_000, good: 50_000, bad: 500_000 },
        ..builtin("home").unwrap().up
    };
    let mut pipe = Pipe::on(line, TcpParams::LINUX);
    let sent: Vec<u8> =
        (0..400_000_u32).map(|number| number.to_le_bytes()[0] ^ number.to_le_bytes()[2]).collect();
    for piece in sent.chunks(7_001) {
        pipe.stream.write(Bytes::copy_from_slice(piece));
        pipe.pump();
    }
    pipe.stream.finish();
    pipe.pump();
    let read = pipe.run(millis(3_600_000));
    let all: Vec<u8> = read.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
    assert!(all == sent);
    assert!(pipe.stream.is_ended());
    assert!(pipe.resent().len() > 10);
}

#[test]
fn unacknowledged_data_ends_the_connection_after_the_user_timeout() {
    for (user_timeout, alive, over) in [(None, 920, 930), (Some(4), 4, 5)] {
        let user_timeout = user_timeout.map(SimSpan::from_secs);
        let mut pipe = Pipe::plain(TcpParams { user_timeout, ..TcpParams::LINUX });
        pipe.cut();
        pipe.write(b"into the void");
        pipe.run(millis(alive * 1_000));
        assert!(!pipe.stream.is_given_up());
        pipe.run(millis(over * 1_000));
        assert!(pipe.stream.is_given_up());
    }
}

#[test]
fn a_reader_that_does_not_read_stops_the_writer_until_it_reads_again() {
    let mut pipe = Pipe::plain(TcpParams::LINUX);
    pipe.write_zeros(256 * 1024);
    pipe.pass(millis(10_000));
    let window = usize::try_from(TcpParams::LINUX.window_bytes()).unwrap();
    assert_eq!(pipe.stream.readable(), window);
    assert_eq!(pipe.stream.queued(), 256 * 1024 - window - TcpParams::LINUX.send_memory_bytes());
    // The sender asks again and again, but nothing comes of it.
    assert!(pipe.stream.wake().is_some());
    assert!(!pipe.stream.will_move(&pipe.forward, &pipe.back));
    let reads = pipe.now;
    let mut read = pipe.stream.read_all().unwrap().len();
    pipe.pump();
    assert!(pipe.stream.will_move(&pipe.forward, &pipe.back));
    let later = pipe.run(reads + SimSpan::from_secs(2));
    read += total(&later);
    assert_eq!(read, 256 * 1024);
    assert_eq!(later[0].0, reads + SimSpan::from_millis(40));
}

#[test]
fn news_of_an_open_window_that_are_lost_are_asked_for() {
    let mut pipe = Pipe::plain(TcpParams::LINUX);
    pipe.write_zeros(256 * 1024);
    pipe.pass(millis(2_000));
    pipe.back.set_cut(true);
    let mut read = pipe.stream.read_all().unwrap().len();
    pipe.pump();
    pipe.back.set_cut(false);
    let reads = pipe.now;
    let later = pipe.run(millis(20_000));
    read += total(&later);
    assert_eq!(read, 256 * 1024);
    assert!(later[0].0.since(reads) > SimSpan::from_millis(100));
}

#[test]
fn a_reader_that_is_full_for_ever_is_borne_unless_a_user_timeout_forbids_it() {
    for user_timeout in [None, Some(SimSpan::from_secs(180))] {
        let mut pipe = Pipe::plain(TcpParams { user_timeout, ..TcpParams::LINUX });
        pipe.write_zeros(256 * 1024);
        pipe.pass(millis(3_600_000));
        assert_eq!(pipe.stream.is_given_up(), user_timeout.is_some());
    }
}

#[test]
fn data_for_a_reader_that_is_gone_is_answered_by_a_reset_each_time() {
    let mut pipe = Pipe::plain(TcpParams::LINUX);
    pipe.stream.leave(Reader::Closed);
    pipe.back.set_cut(true);
    pipe.write(b"anybody there?");
    pipe.pass(millis(100));
    assert!(!pipe.stream.is_reset());
    pipe.back.set_cut(false);
    pipe.pass(millis(1_000));
    assert!(pipe.stream.is_reset());
    assert_eq!(pipe.stream.wake(), None);
}

#[test]
fn an_idle_connection_is_asked_after_where_that_is_wanted_and_given_up_when_nobody_answers() {
    let keepalive = Keepalive { idle: SimSpan::from_secs(60), every: SimSpan::from_secs(5), count: 3 };
    for wanted in [None, Some(keepalive)] {
        let mut pipe = Pipe::plain(TcpParams { keepalive: wanted, ..TcpParams::LINUX });
        pipe.write(b"one");
        pipe.run(millis(600_000));
        assert!(!pipe.stream.is_given_up());
        assert!(!pipe.stream.will_move(&pipe.forward, &pipe.back));
        pipe.cut();
        pipe.run(millis(690_000));
        assert_eq!(pipe.stream.is_given_up(), wanted.is_some());
    }
    // A host that has lost the connection says so.
    let mut pipe = Pipe::plain(TcpParams { keepalive: Some(keepalive), ..TcpParams::LINUX });
    pipe.pump();
    pipe.stream.leave(Reader::Unknown);
    pipe.run(millis(70_000));
    assert!(pipe.stream.is_reset());
}

#[test]
fn a_premature_time_out_does_no_harm() {
    let mut pipe = Pipe::plain(TcpParams::LINUX);
    let slow = Line { latency: SimSpan::from_secs(1), ..Line::PERFECT };
    pipe.forward.set_profile(SimTime::ZERO, LinkProfile::symmetric(slow));
    pipe.write(b"once");
    let read = pipe.run(millis(30_000));
    assert_eq!((read.len(), total(&read)), (1, 4));
    assert!(!pipe.resent().is_empty());
    assert_eq!(pipe.stream.wake(), None);
    // The window is what it was.
    pipe.write_zeros(10 * SEGMENT);
    let read = pipe.run(millis(60_000));
    assert_eq!(read.len(), 1);
}

#[test]
fn the_log_tells_of_each_segment_what_became_of_it() {
    let mut pipe = Pipe::plain(TcpParams::LINUX);
    pipe.write(b"one");
    pipe.cut();
    pipe.heal();
    pipe.run(millis(1_000));
    let wire = pipe.stream.take_wire();
    let kinds: Vec<WireEventKind> = wire.iter().map(|event| event.kind).collect();
    let (sent, resent) = (WireEventKind::Sent, WireEventKind::Resent);
    assert_eq!(kinds, [sent, WireEventKind::Lost, resent, WireEventKind::Arrived]);
    assert!(wire.iter().all(|event| (event.from, event.to) == (0, 3)));
    assert!(pipe.stream.take_wire().is_empty());
}
