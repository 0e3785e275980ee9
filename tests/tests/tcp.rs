//! The stream model against recordings of real Linux TCP.
//!
//! `tests/tcp/recordings` holds what a kernel did when packets were late or lost; `cargo xtask record-tcp` makes it anew.
//! Each recording is played again on the model: the same writes at the same instants, the same segments lost. What both
//! sides show becomes the same list of events, and one function takes a quantity out of either. How far
//! the two may be apart, and where the model is known to differ, stands in `tests/tcp/tolerances.txt`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use bytes::Bytes;
use eyot_core::config::Config;
use eyot_core::jid::Domain;
use eyot_io_sim::client::{ClientConfig, Goal, Op, Over, Sight};
use eyot_io_sim::engine::{Entropy, Key, SimSpan, SimTime};
use eyot_io_sim::net::{LinkProfile, Path, Stream, TcpParams};
use eyot_io_sim::world::{Actor, Options, Step, World};

/// One thing that happened, in the kernel or in the model.
#[derive(Clone, Debug)]
struct Event {
    /// Microseconds since the start.
    at: i64,
    /// Who did or saw what: `server read`, `client resent`, `world cut both`.
    what: String,
    /// Bytes so far, where bytes are what it is about.
    bytes: usize,
}

/// A recording: what happened, and what the model must be given to do the same.
#[derive(Debug)]
struct Recording {
    events: Vec<Event>,
    delay_us: u64,
    segment: usize,
    /// The client's segments with data that the rule of the case dropped when they were first sent, counted from one.
    lost: BTreeSet<usize>,
}

/// What is compared: its case, its name, and how it is taken out of what happened.
struct Quantity {
    case: &'static str,
    name: &'static str,
    of: fn(&[Event]) -> Vec<i64>,
    model: fn(&Recording) -> Vec<Event>,
}

const fn quantity(
    case: &'static str,
    name: &'static str,
    of: fn(&[Event]) -> Vec<i64>,
    model: fn(&Recording) -> Vec<Event>,
) -> Quantity {
    Quantity { case, name, of, model }
}

const QUANTITIES: &[Quantity] = &[
    quantity("connect", "duration", connect_duration, |recording| connect(recording, 0)),
    quantity("syn-lost-1", "duration", connect_duration, |recording| connect(recording, 1)),
    quantity("syn-lost-3", "duration", connect_duration, |recording| connect(recording, 3)),
    quantity("middle-lost", "delivered", delivered, replay),
    quantity("tail-lost", "delivered", delivered, replay),
    quantity("lone-lost", "delivered", delivered, replay),
    quantity("bulk", "delivered", delivered, replay),
    quantity("black-hole", "latency", latency_before_cut, replay),
    quantity("black-hole", "retransmissions", retransmissions, replay),
    quantity("black-hole", "after-heal", caught_up, replay),
    quantity("acks-lost", "latency", latency_before_cut, replay),
    quantity("acks-lost", "while-cut", read_while_cut, replay),
    quantity("acks-lost", "after-heal", caught_up, replay),
    quantity("half-close", "server-end", |seen| between(seen, "client finishes", "server end"), half_close),
    quantity("half-close", "answer", |seen| between(seen, "server wrote", "client read"), half_close),
    quantity("half-close", "client-end", |seen| between(seen, "server finishes", "client end"), half_close),
    quantity("write-to-closed", "reset", |seen| between(seen, "client wrote", "client reset"), replay),
    quantity("slow-reader", "held", held, slow_reader),
    quantity("slow-reader", "taken", taken, slow_reader),
    quantity("slow-reader", "recovery", recovery, slow_reader),
    quantity("user-timeout", "expiry", expiry, user_timeout),
];

// What is taken out of the events. Nothing is taken where nothing of the kind happened.

/// From the first event of one kind to the first of another behind it.
fn between(seen: &[Event], from: &str, to: &str) -> Vec<i64> {
    let mut rest = seen.iter().skip_while(|event| event.what != from);
    let Some(start) = rest.next() else { return Vec::new() };
    rest.find(|event| event.what == to).map(|event| event.at - start.at).into_iter().collect()
}

fn all<'a>(seen: &'a [Event], what: &'a str) -> impl Iterator<Item = &'a Event> {
    seen.iter().filter(move |event| event.what == what)
}

fn first(seen: &[Event], what: &str) -> Option<i64> {
    all(seen, what).next().map(|event| event.at)
}

fn cut(seen: &[Event]) -> i64 {
    seen.iter().find(|event| event.what.starts_with("world cut")).map_or(i64::MAX, |event| event.at)
}

fn healed(seen: &[Event]) -> i64 {
    first(seen, "world healed").unwrap_or(i64::MAX)
}

fn connect_duration(seen: &[Event]) -> Vec<i64> {
    between(seen, "client connects", "client connected")
}

/// When the server has read as much as `bytes`.
fn read_at(seen: &[Event], bytes: usize) -> Option<i64> {
    all(seen, "server read").find(|event| event.bytes >= bytes).map(|event| event.at)
}

/// How long the first write took to be read to its end.
fn delivered(seen: &[Event]) -> Vec<i64> {
    let write = all(seen, "client wrote").next();
    write.and_then(|write| Some(read_at(seen, write.bytes)? - write.at)).into_iter().collect()
}

/// How long each write before the cut took.
fn latency_before_cut(seen: &[Event]) -> Vec<i64> {
    let writes = all(seen, "client wrote").filter(|write| write.at < cut(seen));
    writes.filter_map(|write| Some(read_at(seen, write.bytes)? - write.at)).collect()
}

/// When the client sent again, since the first write that was cut.
fn retransmissions(seen: &[Event]) -> Vec<i64> {
    let Some(start) = all(seen, "client wrote").find(|write| write.at > cut(seen)) else { return Vec::new() };
    all(seen, "client resent").map(|event| event.at - start.at).collect()
}

/// How many bytes the server read while the link was cut.
fn read_while_cut(seen: &[Event]) -> Vec<i64> {
    let read_by = |at| all(seen, "server read").filter(|event| event.at < at).map(|event| event.bytes).max();
    let bytes = read_by(healed(seen)).unwrap_or(0) - read_by(cut(seen)).unwrap_or(0);
    vec![i64::try_from(bytes).expect("a recording holds few bytes")]
}

/// How long after the heal the server had the last write before it.
fn caught_up(seen: &[Event]) -> Vec<i64> {
    let healed = healed(seen);
    let last = all(seen, "client wrote").filter(|write| write.at < healed).last();
    last.and_then(|last| Some(read_at(seen, last.bytes)? - healed)).into_iter().collect()
}

/// How many bytes waited for a server that did not read.
fn held(seen: &[Event]) -> Vec<i64> {
    let bytes = all(seen, "server read").next().map(|event| event.bytes);
    bytes.map(|bytes| i64::try_from(bytes).expect("a recording holds few bytes")).into_iter().collect()
}

/// How many bytes the client got rid of before the server read.
fn taken(seen: &[Event]) -> Vec<i64> {
    let reads = first(seen, "server reads").unwrap_or(i64::MAX);
    let bytes = all(seen, "client wrote").filter(|event| event.at < reads).map(|event| event.bytes).max();
    bytes.map(|bytes| i64::try_from(bytes).expect("a recording holds few bytes")).into_iter().collect()
}

/// From the first read to the next bytes, which had to be asked for.
fn recovery(seen: &[Event]) -> Vec<i64> {
    let mut reads = all(seen, "server read");
    let both = reads.next().zip(reads.next());
    both.map(|(first, second)| second.at - first.at).into_iter().collect()
}

fn expiry(seen: &[Event]) -> Vec<i64> {
    between(seen, "client wrote", "client error ETIMEDOUT")
}

// The recordings.

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tcp")
}

fn recording(case: &str) -> Recording {
    let path = folder().join("recordings").join(format!("{case}.txt"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!("tests/tcp/recordings/{case}.txt: {error}; `cargo xtask record-tcp {case}` makes it")
    });
    parse(&text).unwrap_or_else(|what| panic!("tests/tcp/recordings/{case}.txt: {what}"))
}

fn parse(text: &str) -> Result<Recording, String> {
    let head = |name: &str| {
        let line =
            text.lines().find_map(|line| line.strip_prefix("# ")?.strip_prefix(name)?.strip_prefix(": "));
        line.ok_or_else(|| format!("its head has no `{name}`"))
    };
    let number = |name: &str| {
        let word = head(name)?.split(' ').next().unwrap_or_default();
        word.parse::<u64>().map_err(|error| format!("{name}: {error}"))
    };
    head("kernel")?;
    let delay_us = number("delay")?;
    let segment = usize::try_from(number("segment")?).map_err(|error| error.to_string())?;
    let mut recording = Recording { events: Vec::new(), delay_us, segment, lost: BTreeSet::new() };
    let mut sent = 0;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split(' ').collect();
        let read = match words.as_slice() {
            [at, "app", rest @ ..] => recording.saw(at, rest),
            [at, way @ (">" | "<"), rest @ ..] => recording.passed(at, way, rest, &mut sent),
            [..] => None,
        };
        read.ok_or_else(|| format!("cannot read `{line}`"))?;
    }
    recording.events.sort_by_key(|event| event.at);
    if recording.events.is_empty() || sent == 0 && first(&recording.events, "client connected").is_none() {
        return Err("nothing happens in it".into());
    }
    Ok(recording)
}

impl Recording {
    /// Takes in a line about an application.
    fn saw(&mut self, at: &str, words: &[&str]) -> Option<()> {
        let (last, before) = words.split_last()?;
        let (what, bytes) = match last.parse() {
            Ok(bytes) => (before.join(" "), bytes),
            Err(_) => (words.join(" "), 0),
        };
        self.events.push(Event { at: at.parse().ok()?, what, bytes });
        Some(())
    }

    /// Takes in a line about a packet; `sent` counts the client's segments with data.
    fn passed(&mut self, at: &str, way: &str, words: &[&str], sent: &mut usize) -> Option<()> {
        let [flags, "seq", _, "len", len, "ack", _, "win", _, marks @ ..] = words else { return None };
        let (at, len): (i64, usize) = (at.parse().ok()?, len.parse().ok()?);
        let (again, lost) = (marks.contains(&"rtx"), marks.contains(&"lost"));
        let mut note = |at, what: &str| self.events.push(Event { at, what: what.into(), bytes: 0 });
        if way == "<" && flags.contains('R') && !lost {
            note(at + i64::try_from(self.delay_us).ok()?, "client reset");
        }
        if way == ">" && len > 0 && again {
            note(at, "client resent");
        }
        if way == ">" && len > 0 && !again {
            *sent += 1;
            let under_cut = self.events.iter().any(|event| event.what.starts_with("world cut"));
            if lost && !under_cut {
                self.lost.insert(*sent);
            }
        }
        Some(())
    }

    fn profile(&self) -> LinkProfile {
        LinkProfile {
            latency: SimSpan::from_micros(self.delay_us),
            jitter: SimSpan::ZERO,
            rate: 0,
            loss_ppm: 0,
        }
    }

    /// What Linux does, with the segments that the recording's link had room for.
    fn params(&self) -> TcpParams {
        TcpParams { segment_bytes: self.segment, ..TcpParams::LINUX }
    }
}

// The model.

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
        let path = |name| Path::new(Entropy::new(1), Key::of(name), recording.profile());
        Self {
            now: SimTime::ZERO,
            forward: path("forward"),
            back: path("back"),
            stream: Stream::new(params),
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
        self.stream.pump(self.now, &mut self.forward, &self.back);
        if !self.reading {
            return;
        }
        if let Some(bytes) = self.stream.read_all() {
            self.read += bytes.len();
            self.note(self.sides.1, "read", self.read);
            self.stream.pump(self.now, &mut self.forward, &self.back);
        }
        if self.stream.is_ended() && !self.ended {
            self.ended = true;
            self.note(self.sides.1, "end", 0);
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
            if wake.stalled {
                self.note(self.sides.0, "resent", 0);
            }
            self.turn();
            if self.stream.is_given_up() {
                self.note(self.sides.0, "error ETIMEDOUT", 0);
            }
        }
        self.now = self.now.max(until);
    }
}

/// The client's writes, the cuts and the losses of a recording, on one stream.
fn replay(recording: &Recording) -> Vec<Event> {
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
fn connect(recording: &Recording, lost: usize) -> Vec<Event> {
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
fn half_close(recording: &Recording) -> Vec<Event> {
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
fn slow_reader(recording: &Recording) -> Vec<Event> {
    // What the recorder asked the sockets for.
    let buffer = 65_536;
    let params = TcpParams { window_bytes: buffer, send_buffer_bytes: buffer, ..recording.params() };
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

fn user_timeout(recording: &Recording) -> Vec<Event> {
    // What the recorder asked the client's socket for.
    replay_with(recording, TcpParams { user_timeout: SimSpan::from_secs(4), ..recording.params() })
}

// The comparison.

/// How far the model may be from Linux.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tolerance {
    /// A difference in the quantity's own unit.
    Of(i64),
    /// Hundredths of what Linux did.
    Percent(i64),
}

/// What the table says of one quantity.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Allowed {
    tolerance: Tolerance,
    /// What the model lacks, where it is known to differ.
    pending: Option<String>,
}

type Table = BTreeMap<(String, String), Allowed>;

impl Tolerance {
    fn parse(word: &str) -> Option<Self> {
        if let Some(millis) = word.strip_suffix("ms") {
            return Some(Self::Of(millis.parse::<i64>().ok()? * 1_000));
        }
        match word.strip_suffix('%') {
            Some(percent) => Some(Self::Percent(percent.parse().ok()?)),
            None => Some(Self::Of(word.parse().ok()?)),
        }
    }

    fn holds(self, linux: i64, model: i64) -> bool {
        let most = match self {
            Self::Of(most) => most,
            Self::Percent(percent) => linux.abs() * percent / 100,
        };
        (linux - model).abs() <= most
    }
}

fn tolerances(text: &str) -> Result<Table, String> {
    let mut table = Table::new();
    let mut last = None;
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let bad = || format!("cannot read `{line}`");
        if let Some(lack) = line.strip_prefix("  pending: ").filter(|lack| !lack.is_empty()) {
            let allowed: &mut Allowed = last.take().and_then(|key| table.get_mut(&key)).ok_or_else(bad)?;
            allowed.pending = Some(lack.into());
            continue;
        }
        let (rule, _) = line.split_once(": ").filter(|(_, reason)| !reason.is_empty()).ok_or_else(bad)?;
        let [case, name, "within", tolerance] = rule.split(' ').collect::<Vec<_>>()[..] else {
            return Err(bad());
        };
        let key = (case.to_owned(), name.to_owned());
        let tolerance = Tolerance::parse(tolerance).ok_or_else(bad)?;
        if table.insert(key.clone(), Allowed { tolerance, pending: None }).is_some() {
            return Err(format!("{case} {name} stands twice"));
        }
        last = Some(key);
    }
    Ok(table)
}

fn table() -> Table {
    let text = std::fs::read_to_string(folder().join("tolerances.txt")).expect("the table of tolerances");
    tolerances(&text).unwrap_or_else(|what| panic!("tests/tcp/tolerances.txt: {what}"))
}

/// Returns what is wrong: a difference that nobody expects, or an expected one that is none.
fn judge(allowed: &Allowed, linux: &[i64], model: &[i64]) -> Result<(), String> {
    if linux.is_empty() {
        return Err("the recording does not show it".into());
    }
    let near = linux.iter().zip(model).all(|(linux, model)| allowed.tolerance.holds(*linux, *model));
    let agrees = near && linux.len() == model.len();
    match (&allowed.pending, agrees) {
        (None, true) | (Some(_), false) => Ok(()),
        (None, false) => Err(format!("Linux {linux:?}, model {model:?}, within {:?}", allowed.tolerance)),
        (Some(lack), true) => {
            Err(format!("Linux {linux:?}, model {model:?}: now agrees: remove the mark `{lack}`"))
        }
    }
}

/// Compares all quantities of one case.
fn hold(case: &str) {
    let (recording, table) = (recording(case), table());
    let mut wrong = Vec::new();
    for quantity in QUANTITIES.iter().filter(|quantity| quantity.case == case) {
        let allowed = table.get(&(case.to_owned(), quantity.name.to_owned()));
        let allowed =
            allowed.unwrap_or_else(|| panic!("tests/tcp/tolerances.txt has no {case} {}", quantity.name));
        let (linux, model) = ((quantity.of)(&recording.events), (quantity.of)(&(quantity.model)(&recording)));
        println!("{case} {}: Linux {linux:?}, model {model:?}", quantity.name);
        wrong.extend(
            judge(allowed, &linux, &model).err().map(|what| format!("{case} {}: {what}", quantity.name)),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

macro_rules! cases {
    ($($test:ident: $case:literal,)*) => {
        const CASES: &[&str] = &[$($case),*];
        $(#[test] fn $test() { hold($case); })*
    };
}

cases! {
    a_connection_takes_a_round_trip: "connect",
    a_lost_syn_costs_its_first_time_out: "syn-lost-1",
    three_lost_syns_cost_three_time_outs: "syn-lost-3",
    a_segment_lost_in_the_middle_comes_again: "middle-lost",
    the_last_segment_lost_comes_again: "tail-lost",
    a_lone_segment_lost_comes_again: "lone-lost",
    a_bulk_of_bytes_takes_its_time: "bulk",
    a_black_hole_holds_a_flow_up: "black-hole",
    lost_acknowledgements_hold_a_flow_up: "acks-lost",
    a_half_closed_connection_carries_the_answer: "half-close",
    a_write_to_a_closed_peer_is_answered_by_a_reset: "write-to-closed",
    a_slow_reader_stops_the_writer: "slow-reader",
    a_user_timeout_ends_the_connection: "user-timeout",
}

#[test]
fn cases_recordings_quantities_and_tolerances_are_the_same_set() {
    let cases: BTreeSet<String> = CASES.iter().map(|case| (*case).to_owned()).collect();
    let files = std::fs::read_dir(folder().join("recordings")).expect("the folder of recordings");
    let files = files.map(|file| file.expect("a file").file_name().into_string().expect("a name in ASCII"));
    let recorded: BTreeSet<String> = files.map(|name| name.trim_end_matches(".txt").to_owned()).collect();
    assert_eq!(recorded, cases);
    let compared: BTreeSet<(String, String)> =
        QUANTITIES.iter().map(|quantity| (quantity.case.into(), quantity.name.into())).collect();
    assert_eq!(table().into_keys().collect::<BTreeSet<_>>(), compared);
    assert_eq!(compared.into_iter().map(|(case, _)| case).collect::<BTreeSet<_>>(), cases);
}

#[test]
fn a_recording_that_is_empty_or_damaged_is_refused() {
    let head = "# kernel: Linux 6\n# delay: 20000 us each way\n# segment: 1448 bytes\n";
    let packet = "5 > PA seq 1 len 100 ack 1 win 63 lost\n";
    let recording = parse(&format!("{head}4 app client wrote 100\n{packet}")).expect("a whole recording");
    assert_eq!((recording.events.len(), recording.lost), (1, BTreeSet::from([1])));
    assert!(parse("").is_err());
    assert!(parse(head).is_err());
    assert!(parse(&format!("{head}4 app client connects\n")).is_err());
    assert!(parse(packet).is_err());
    assert!(parse(&format!("{head}{packet}nonsense\n")).is_err());
    assert!(parse(&format!("{head}4 app client wrote 100\n5 > PA seq 1\n")).is_err());
}

#[test]
fn a_difference_needs_a_mark_and_a_mark_a_difference() {
    let allowed =
        |pending: Option<&str>| Allowed { tolerance: Tolerance::Of(5), pending: pending.map(Into::into) };
    assert!(judge(&allowed(None), &[100], &[105]).is_ok());
    assert!(judge(&allowed(None), &[100], &[106]).is_err());
    assert!(judge(&allowed(None), &[100, 200], &[100]).is_err());
    assert!(judge(&allowed(None), &[], &[]).is_err());
    assert!(judge(&allowed(Some("windows")), &[100], &[]).is_ok());
    let agrees = judge(&allowed(Some("windows")), &[100], &[95]).expect_err("the mark is stale");
    assert!(agrees.contains("now agrees: remove the mark `windows`"), "{agrees}");
    assert!(Tolerance::Percent(13).holds(1_000, 870) && !Tolerance::Percent(13).holds(1_000, 869));
}

#[test]
fn a_tolerance_without_reason_or_unit_is_refused() {
    let one = tolerances("a b within 5ms: why\n  pending: c\n").expect("a whole table");
    let allowed = Allowed { tolerance: Tolerance::Of(5_000), pending: Some("c".into()) };
    assert_eq!(one, Table::from([(("a".into(), "b".into()), allowed)]));
    for bad in ["a b within 5ms", "a b within 5ms: ", "a b within 5km: why", "  pending: c", "a b 5ms: why"] {
        assert!(tolerances(bad).is_err(), "{bad}");
    }
    assert!(tolerances("a b within 5ms: why\na b within 5ms: why").is_err());
}
