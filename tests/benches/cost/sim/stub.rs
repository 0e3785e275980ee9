//! A stub of a stanza router, and no server: what the simulator's engine and streams cost beside a minimum of XML.
//!
//! Three federated servers, thirty clients. Every client writes a message of about 280 bytes each second to one
//! drawn for it. Each server on the way parses it with quick-xml, writes it anew and routes it by `to`; a stanza
//! is one message handled by one server. Engine, streams and paths are those of the simulator, with rate, jitter
//! and loss, and every byte that arrives is in the hash of the run. There is no login, no session, no disk, no
//! check of anything: a real node does many times as much for a message, and so the two figures are two things.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use eyot_io_sim::engine::{Drawer, Entropy, Key, Purpose, Queue, SimSpan, SimTime, TraceHash};
use eyot_io_sim::net::{Direction, Line, LinkProfile, Loss, Path, Stream, TcpParams};
use memchr::memmem;
use quick_xml::events::{BytesStart, Event as Xml};
use quick_xml::{Reader, Writer};

use super::best_of_five;
use crate::instructions;
use crate::report::{Report, fail, per_second};

const SERVERS: u32 = 3;
const CLIENTS: u32 = 30;
const STANZA_BYTES: usize = 280;
/// Simulated seconds of one timed run: long enough for a clock of 10 ms.
const SECONDS: u64 = 10_000;
/// Simulated seconds of the two counted runs.
const FEW: u64 = 20;
const MANY: u64 = 120;
const BODY: &str = "the river rises ";
const END: &[u8] = b"</message>";
const LINK: Line = Line {
    latency: SimSpan::from_millis(20),
    jitter: SimSpan::from_millis(1),
    rate: 10_000_000,
    loss: Loss::Random(2_000),
    ..Line::PERFECT
};

#[derive(Clone, Copy)]
enum Event {
    /// A client writes.
    Write { client: u32 },
    /// A lane wants to be pumped.
    Wake { lane: usize },
}

#[derive(Clone, Copy)]
enum Place {
    Client,
    Server,
}

/// One direction of a connection. Its other direction is the lane beside it.
struct Lane {
    into: Place,
    path: Path,
    stream: Stream,
    tie: Drawer,
    wake_at: Option<SimTime>,
    /// The first part of a stanza that has not arrived whole.
    partial: BytesMut,
}

struct Stub {
    now: SimTime,
    queue: Queue<Event>,
    hash: TraceHash,
    lanes: Vec<Lane>,
    /// For each client and each domain that a server may route to: the lane from that server.
    routes: BTreeMap<(u32, String), usize>,
    server_of: Vec<u32>,
    jids: Vec<String>,
    end: memmem::Finder<'static>,
    targets: Vec<Drawer>,
    sent: u64,
    handled: u64,
    got: u64,
}

/// Measures stanzas per second, and instructions per stanza.
pub(super) fn run(report: &mut Report) {
    let few = Stub::after(FEW);
    let many = Stub::after(MANY);
    let stanzas = many.handled - few.handled;
    let each = instructions::between(["stub-loop"], FEW, MANY) / stanzas.max(1);
    let mut handled = 0;
    let micros = best_of_five(|| {
        handled = Stub::after(SECONDS).handled;
    });
    report.add(
        "sim, stub of a router (no server): stanzas handled per second (goal: 800000)",
        format!("{} ({each} instructions a stanza)", per_second(handled, micros)),
    );
    report.add(
        "sim, stub of a router (no server): simulated seconds per second",
        per_second(SECONDS, micros).to_string(),
    );
}

/// Runs so many simulated seconds and nothing else; what the instruction count runs.
pub(super) fn run_loop(seconds: u64) {
    std::hint::black_box(Stub::after(seconds).hash);
}

impl Stub {
    /// Runs a new stub for so many simulated seconds, and checks that nothing was lost for good.
    fn after(seconds: u64) -> Self {
        let mut stub = Self::new();
        for client in 0..CLIENTS {
            let first =
                SimTime::ZERO + SimSpan::from_micros(u64::from(client) * 1_000_000 / u64::from(CLIENTS));
            stub.queue.push(first, 0, Event::Write { client });
        }
        let last = SimTime::ZERO + SimSpan::from_secs(seconds);
        while let Some((at, event)) = stub.queue.pop() {
            stub.now = at;
            stub.hash.word(at.as_nanos());
            match event {
                Event::Write { client } => stub.write(client, last),
                Event::Wake { lane } => stub.wake(lane),
            }
        }
        if stub.got != stub.sent || stub.sent != seconds * u64::from(CLIENTS) {
            fail(&format!("{} of {} messages arrived in the stub", stub.got, stub.sent));
        }
        stub
    }

    fn new() -> Self {
        let entropy = Entropy::new(1);
        let mut stub = Self {
            now: SimTime::ZERO,
            queue: Queue::new(),
            hash: TraceHash::new(),
            lanes: Vec::new(),
            routes: BTreeMap::new(),
            server_of: (0..CLIENTS).map(|client| client % SERVERS).collect(),
            jids: (0..CLIENTS).map(jid).collect(),
            end: memmem::Finder::new(END),
            targets: Vec::new(),
            sent: 0,
            handled: 0,
            got: 0,
        };
        for client in 0..CLIENTS {
            stub.targets.push(entropy.drawer(Purpose::Slice, Key::of("target").with(client.into())));
            let up = stub.connect(entropy, Place::Server, Place::Client);
            stub.routes.insert((client % SERVERS, jid(client)), up + 1);
        }
        for one in 0..SERVERS {
            for other in one + 1..SERVERS {
                let there = stub.connect(entropy, Place::Server, Place::Server);
                stub.routes.insert((one, domain(other)), there);
                stub.routes.insert((other, domain(one)), there + 1);
            }
        }
        stub
    }

    /// Adds a connection; returns the lane of its first direction, which leads to `into`.
    fn connect(&mut self, entropy: Entropy, into: Place, back: Place) -> usize {
        let first = self.lanes.len();
        for (into, number) in [into, back].into_iter().zip(first as u64..) {
            let key = Key::of("lane").with(number);
            self.lanes.push(Lane {
                into,
                path: Path::new(entropy, key, LinkProfile::symmetric(LINK), Direction::Up),
                stream: Stream::new(TcpParams::LINUX),
                tie: entropy.drawer(Purpose::Tie, key),
                wake_at: None,
                partial: BytesMut::new(),
            });
        }
        first
    }

    fn write(&mut self, client: u32, last: SimTime) {
        let drawn = self.targets[client as usize].below(self.now.as_nanos(), CLIENTS.into());
        let to = u32::try_from(drawn).unwrap_or(0);
        let [own, to] = [client, to].map(|number| self.jids[number as usize].as_str());
        let mut text = String::with_capacity(STANZA_BYTES + BODY.len());
        for part in ["<message from='", own, "' to='", to, "' type='chat' id='", &self.sent.to_string()] {
            text.push_str(part);
        }
        text.push_str("'><body>");
        while text.len() + "</body>".len() + END.len() < STANZA_BYTES {
            text.push_str(BODY);
        }
        text.push_str("</body></message>");
        self.sent += 1;
        // Client `n` made connection `n`; its first lane leads to the server.
        let lane = client as usize * 2;
        self.lanes[lane].stream.write(text.into());
        self.pump(lane);
        let again = self.now + SimSpan::from_secs(1);
        if again < last {
            self.queue.push(again, 0, Event::Write { client });
        }
    }

    fn wake(&mut self, index: usize) {
        if self.lanes[index].wake_at != Some(self.now) {
            return;
        }
        self.lanes[index].wake_at = None;
        self.pump(index);
        while let Some(bytes) = self.lanes[index].stream.read(usize::MAX) {
            self.hash.bytes(&bytes);
            self.lanes[index].partial.extend_from_slice(&bytes);
        }
        while let Some(stanza) = self.lanes[index].next_stanza(&self.end) {
            match self.lanes[index].into {
                Place::Client => self.got += 1,
                Place::Server => self.route(index, &stanza),
            }
        }
        self.pump(index);
    }

    /// Parses a stanza, writes it anew, and sends it on.
    fn route(&mut self, from: usize, stanza: &[u8]) {
        self.handled += 1;
        let (to, stanza) =
            rewritten(stanza).unwrap_or_else(|error| fail(&format!("the stub's XML: {error}")));
        let server = self.server_at(from);
        let domain = to.split(['@', '/']).nth(1).unwrap_or_default().to_owned();
        let routes = &self.routes;
        let lane = routes.get(&(server, to)).or_else(|| routes.get(&(server, domain)));
        let Some(lane) = lane.copied() else { fail("a stanza has no route") };
        self.lanes[lane].stream.write(stanza);
        self.pump(lane);
    }

    /// Returns the server that a lane leads to.
    fn server_at(&self, lane: usize) -> u32 {
        let conn = lane / 2;
        if let Some(server) = self.server_of.get(conn) {
            return *server;
        }
        // The connections of the servers with each other follow: 0 with 1, 0 with 2, 1 with 2.
        let pairs = [(0, 1), (0, 2), (1, 2)];
        let (one, other) = pairs[conn - self.server_of.len()];
        if lane.is_multiple_of(2) { other } else { one }
    }

    fn pump(&mut self, index: usize) {
        let (pairs, _) = self.lanes.as_chunks_mut::<2>();
        let [one, other] = &mut pairs[index / 2];
        let (lane, back) = if index.is_multiple_of(2) { (one, other) } else { (other, one) };
        lane.stream.pump(self.now, &mut lane.path, &mut back.path);
        let Some(wake) = lane.stream.wake() else { return };
        if lane.wake_at.is_none_or(|at| at > wake.at) {
            lane.wake_at = Some(wake.at);
            self.queue.push(wake.at, lane.tie.tie(wake.at.as_nanos()), Event::Wake { lane: index });
        }
    }
}

impl Lane {
    fn next_stanza(&mut self, end: &memmem::Finder<'_>) -> Option<BytesMut> {
        let end = end.find(&self.partial)? + END.len();
        Some(self.partial.split_to(end))
    }
}

/// Returns `to` and the stanza, written anew from its parsed parts.
fn rewritten(stanza: &[u8]) -> Result<(String, Bytes), Box<dyn std::error::Error>> {
    let mut reader = Reader::from_str(std::str::from_utf8(stanza)?);
    let mut writer = Writer::new(Vec::with_capacity(stanza.len()));
    let mut to = None;
    loop {
        match reader.read_event()? {
            Xml::Eof => break,
            Xml::Start(tag) => {
                let name = tag.name();
                let mut anew = BytesStart::new(name.as_ref());
                for attribute in tag.attributes() {
                    let attribute = attribute?;
                    let value = attribute.normalized_value(quick_xml::XmlVersion::Implicit1_0)?;
                    anew.push_attribute((attribute.key.as_ref(), value.as_ref()));
                    if attribute.key.as_ref() == "to" {
                        to = Some(value.into_owned());
                    }
                }
                writer.write_event(Xml::Start(anew))?;
            }
            other @ (Xml::End(_)
            | Xml::Empty(_)
            | Xml::Text(_)
            | Xml::CData(_)
            | Xml::Comment(_)
            | Xml::Decl(_)
            | Xml::PI(_)
            | Xml::DocType(_)
            | Xml::GeneralRef(_)) => writer.write_event(other)?,
        }
    }
    Ok((to.ok_or("a stanza without to")?, writer.into_inner().into()))
}

fn domain(server: u32) -> String {
    format!("s{server}.example")
}

fn jid(client: u32) -> String {
    format!("user{client}@{}/desk", domain(client % SERVERS))
}
