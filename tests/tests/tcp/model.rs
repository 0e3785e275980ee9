//! The model, given what a recording was given.

use std::collections::BTreeSet;

use bytes::Bytes;
use eyot_core::config::Config;
use eyot_core::jid::Domain;
use eyot_io_sim::client::{ClientConfig, Goal, Op, Over, Sight};
use eyot_io_sim::engine::{Entropy, Key, SimSpan, SimTime};
use eyot_io_sim::net::{Direction, Path, Reader, Stream, TcpParams, WireEventKind};
use eyot_io_sim::world::{Actor, Options, Step, World};

use crate::recording::{Event, Recording};
use crate::seen::{all, first};

fn micros(time: SimTime) -> i64 {
    i64::try_from(time.as_nanos() / 1_000).expect("a recording is short")
}

fn instant(at: i64) -> SimTime {
    SimTime::ZERO + SimSpan::from_micros(u64::try_from(at).expect("a recording begins at zero"))
}

/// One stream of the model, with the link under it.
struct Pipe {
    now: SimTime,
    forward: Path,
    back: Path,
    stream: Stream,
    /// Who writes into it and who reads from it.
    sides: (&'static str, &'static str),
    reading: bool,
    wrote: usize,
    read: usize,
    ended: bool,
    seen: Vec<Event>,
}

impl Pipe {
    fn new(recording: &Recording, params: TcpParams, sides: (&'static str, &'static str)) -> Self {
        let path = |name| Path::new(Entropy::new(1), Key::of(name), recording.profile(), Direction::Up);
        let mut stream = Stream::new(params);
        // When the connection was made.
        stream.measured(SimSpan::from_micros(2 * recording.delay_us));
        stream.watch();
        Self {
            now: SimTime::ZERO,
            forward: path("forward"),
            back: path("back"),
            stream,
            sides,
            reading: true,
            wrote: 0,
            read: 0,
            ended: false,
            seen: Vec::new(),
        }
    }

    fn note(&mut self, who: &str, what: &str, bytes: usize) {
        self.seen.push(Event { at: micros(self.now), what: format!("{who} {what}"), bytes });
    }

    /// Pumps, reads, and notes what can be seen.
    fn turn(&mut self) {
        self.pump();
        if !self.reading {
            return;
        }
        if let Some(bytes) = self.stream.read_all() {
            self.read += bytes.len();
            self.note(self.sides.1, "read", self.read);
            self.pump();
        }
        if self.stream.is_ended() && !self.ended {
            self.ended = true;
            self.note(self.sides.1, "end", 0);
        }
    }

    fn pump(&mut self) {
        self.stream.pump(self.now, &mut self.forward, &mut self.back);
        for event in self.stream.take_wire() {
            if event.kind == WireEventKind::Resent && event.to > event.from {
                self.note(self.sides.0, "resent", 0);
            }
        }
    }

    /// Writes; a segment that is `lost` does not reach the other side.
    fn write(&mut self, bytes: usize, lost: bool) {
        let cut = self.forward.is_closed();
        self.forward.set_cut(cut || lost);
        self.stream.write(Bytes::from(vec![0; bytes]));
        self.turn();
        self.forward.set_cut(cut);
        self.wrote += bytes;
    }

    /// Lets everything happen up to an instant.
    fn run(&mut self, until: SimTime) {
        while let Some(wake) = self.stream.wake().filter(|wake| wake.at <= until) {
            self.now = self.now.max(wake.at);
            self.turn();
            if self.stream.is_given_up() {
                self.note(self.sides.0, "error ETIMEDOUT", 0);
            }
            if self.stream.is_reset() {
                self.note(self.sides.0, "reset", 0);
            }
        }
        self.now = self.now.max(until);
    }
}

/// The client's writes, the cuts and the losses of a recording, on one stream.
pub(crate) fn replay(recording: &Recording) -> Vec<Event> {
    replay_with(recording, recording.params())
}

fn replay_with(recording: &Recording, params: TcpParams) -> Vec<Event> {
    let mut pipe = Pipe::new(recording, params, ("client", "server"));
    let mut segments = 0;
    for event in &recording.events {
        pipe.run(instant(event.at));
        match event.what.as_str() {
            "client wrote" => {
                let mut left = event.bytes - pipe.wrote;
                while left > 0 {
                    let bytes = left.min(recording.segment);
                    segments += 1;
                    pipe.write(bytes, recording.lost.contains(&segments));
                    left -= bytes;
                }
                pipe.note("client", "wrote", event.bytes);
            }
            "server closes" => pipe.stream.leave(Reader::Closed),
            "world cut both" => pipe.forward.set_cut(true),
            "world healed" => {
                pipe.forward.set_cut(false);
                pipe.back.set_cut(false);
            }
            _ => {}
        }
        if event.what.starts_with("world cut") {
            pipe.back.set_cut(true);
        }
        if event.what.starts_with("world") {
            pipe.seen.push(event.clone());
        }
    }
    pipe.run(pipe.now + SimSpan::from_secs(60));
    pipe.seen.sort_by_key(|event| event.at);
    pipe.seen
}

/// A connection of the world whose first SYNs are lost.
///
/// Nobody sees a SYN of the world. But a link that heals a little later lets either the same SYN through or the next,
/// so the durations in ascending order belong to none lost, one lost, and so on.
pub(crate) fn connect(recording: &Recording, lost: usize) -> Vec<Event> {
    let heals =
        (0..20).map(|half| if half == 0 { SimSpan::ZERO } else { SimSpan::from_millis(half * 500 - 250) });
    let durations: BTreeSet<i64> = heals.map(|heal| connect_healed_after(recording, heal)).collect();
    let duration = *durations.iter().nth(lost).expect("twenty links heal at instants far enough apart");
    let event = |at, what: &str| Event { at, what: what.into(), bytes: 0 };
    vec![event(0, "client connects"), event(duration, "client connected")]
}

/// How long a connection takes over a link that is cut for so long.
fn connect_healed_after(recording: &Recording, heal: SimSpan) -> i64 {
    let mut world = World::new(Options::default());
    let node = world.add_node("a", Config::single(Domain::parse("eyot.example").expect("a domain")));
    world.start_node(node);
    let pass = |world: &mut World, span| {
        let until = world.now() + span;
        while world.step(until) != Step::Nothing {}
    };
    pass(&mut world, SimSpan::from_secs(1));
    let config = ClientConfig {
        domain: "eyot.example".into(),
        user: "alice".into(),
        password: "x".into(),
        resource: None,
        over: Over::StartTls,
        mechanism: None,
        gs2: None,
        injected: None,
    };
    let client = world.add_client("alice", node, recording.profile(), config);
    if heal != SimSpan::ZERO {
        world.cut(client);
    }
    world.tell(client, Op::Reach(Goal::Open));
    pass(&mut world, heal);
    world.heal(client);
    pass(&mut world, SimSpan::from_secs(30));
    let at = |wanted: fn(&Sight) -> bool| {
        let mut times = world.history().iter().filter_map(|record| match &record.actor {
            Actor::Client(_, sight) if wanted(sight) => Some(micros(record.at)),
            Actor::Client(..) | Actor::Node(..) | Actor::World(_) => None,
        });
        times.next().expect("the client connects and sees features")
    };
    // The features are seen one round trip after the connection.
    let round_trip = i64::try_from(2 * recording.delay_us).expect("a delay is short");
    at(|sight| matches!(sight, Sight::Features(_)))
        - at(|sight| matches!(sight, Sight::Connecting { .. }))
        - round_trip
}

/// Two streams: the server answers when it has seen the end.
pub(crate) fn half_close(recording: &Recording) -> Vec<Event> {
    let answer = all(&recording.events, "server wrote").next().map_or(0, |event| event.bytes);
    let mut up = Pipe::new(recording, recording.params(), ("client", "server"));
    up.write(100, false);
    up.note("client", "finishes", 0);
    up.stream.finish();
    up.turn();
    up.run(instant(1_000_000));
    let Some(end) = first(&up.seen, "server end") else { return up.seen };
    let mut down = Pipe::new(recording, recording.params(), ("server", "client"));
    down.now = instant(end);
    down.note("server", "wrote", answer);
    down.note("server", "finishes", 0);
    down.write(answer, false);
    down.stream.finish();
    down.turn();
    down.run(instant(1_000_000));
    up.seen.into_iter().chain(down.seen).collect()
}

/// A client that writes all it can to a server that begins to read after two seconds.
pub(crate) fn slow_reader(recording: &Recording) -> Vec<Event> {
    // What the recorder asked the sockets for.
    let buffer = 65_536;
    let params = TcpParams { receive_buffer_bytes: buffer, send_buffer_bytes: buffer, ..recording.params() };
    let mut pipe = Pipe::new(recording, params, ("client", "server"));
    pipe.reading = false;
    pipe.write(1 << 20, false);
    pipe.run(instant(2_000_000));
    pipe.note("client", "wrote", pipe.wrote - pipe.stream.queued());
    pipe.now = instant(2_000_001);
    pipe.note("server", "reads", 0);
    pipe.reading = true;
    pipe.turn();
    pipe.run(instant(3_000_000));
    pipe.seen
}

pub(crate) fn user_timeout(recording: &Recording) -> Vec<Event> {
    // What the recorder asked the client's socket for.
    replay_with(recording, TcpParams { user_timeout: Some(SimSpan::from_secs(4)), ..recording.params() })
}
