//! The engine alone: nodes that ping each other, without a byte of XMPP.
//!
//! Every node pings every other each interval, every ping is answered. An event is one timer or one message
//! delivered. Each message carries 64 bytes, which the receiver puts into the hash of the run with the event; its
//! latency and its place among equals are keyed draws.

use eyot_io_sim::engine::{Drawer, Entropy, Key, Purpose, Queue, SimSpan, SimTime, TraceHash};

use super::best_of_five;
use crate::instructions;
use crate::report::{Report, fail, per_second};

/// What a message carries.
type Payload = [u8; 64];

const LATENCY: SimSpan = SimSpan::from_millis(20);
const JITTER_NANOS: u64 = 1_000_000;
/// Events of one timed run: long enough for a clock of 10 ms.
const EVENTS: u64 = 8_000_000;
/// Events of the two counted runs.
const FEW: u64 = 200_000;
const MANY: u64 = 400_000;

/// How many nodes, and how often each pings, in microseconds.
struct Variant {
    name: &'static str,
    nodes: u32,
    every: u64,
}

const VARIANTS: [Variant; 3] = [
    Variant { name: "3 nodes, each 10 ms", nodes: 3, every: 10_000 },
    Variant { name: "20 nodes, each 1 ms", nodes: 20, every: 1_000 },
    Variant { name: "100 nodes, each 10 ms", nodes: 100, every: 10_000 },
];

#[derive(Clone, Copy)]
enum Event {
    /// A node pings all others.
    Timer { node: u32 },
    /// A message arrives; its payload lies in a slot.
    Message { from: u32, to: u32, slot: u32, answer: bool },
}

/// The way from one node to another.
struct Link {
    jitter: Drawer,
    tie: Drawer,
    sent: u64,
}

struct Ping {
    nodes: u32,
    every: SimSpan,
    now: SimTime,
    queue: Queue<Event>,
    hash: TraceHash,
    timers: Vec<Drawer>,
    links: Vec<Link>,
    payloads: Vec<Payload>,
    free: Vec<u32>,
    answered: u64,
}

/// Measures every variant: instructions, then events per second.
pub(super) fn run(report: &mut Report) {
    for (number, variant) in VARIANTS.iter().enumerate() {
        let number = number.to_string();
        let each = instructions::difference(["ping-loop", &number], FEW, MANY);
        let micros = best_of_five(|| {
            let mut ping = Ping::new(variant);
            ping.run(EVENTS);
            if ping.answered < EVENTS / 4 {
                fail(&format!("{} pings were answered: too few", ping.answered));
            }
        });
        report.add(
            format!("sim, engine alone: events per second, {} (goal: 10000000)", variant.name),
            format!("{} ({each} instructions an event)", per_second(EVENTS, micros)),
        );
    }
}

/// Runs so many events of one variant and nothing else; what the instruction count runs.
pub(super) fn run_loop(variant: usize, events: u64) {
    let Some(variant) = VARIANTS.get(variant) else { fail("there is no such variant") };
    let mut ping = Ping::new(variant);
    ping.run(events);
    std::hint::black_box(ping.hash);
}

impl Ping {
    fn new(variant: &Variant) -> Self {
        let entropy = Entropy::new(1);
        let nodes = variant.nodes;
        let link = |number: u32| {
            let key = Key::of("link").with(number.into());
            Link {
                jitter: entropy.drawer(Purpose::Jitter, key),
                tie: entropy.drawer(Purpose::Tie, key),
                sent: 0,
            }
        };
        let timer = |node: u32| entropy.drawer(Purpose::Tie, Key::of("timer").with(node.into()));
        let mut ping = Self {
            nodes,
            every: SimSpan::from_micros(variant.every),
            now: SimTime::ZERO,
            queue: Queue::new(),
            hash: TraceHash::new(),
            timers: (0..nodes).map(timer).collect(),
            links: (0..nodes * nodes).map(link).collect(),
            payloads: Vec::new(),
            free: Vec::new(),
            answered: 0,
        };
        for node in 0..nodes {
            ping.arm(node, SimTime::ZERO);
        }
        ping
    }

    fn run(&mut self, events: u64) {
        for _ in 0..events {
            let Some((at, event)) = self.queue.pop() else { return };
            self.now = at;
            self.hash.word(at.as_nanos());
            match event {
                Event::Timer { node } => self.fire(node),
                Event::Message { from, to, slot, answer } => self.deliver((from, to), slot, answer),
            }
        }
    }

    fn fire(&mut self, node: u32) {
        self.hash.word(node.into());
        for peer in (0..self.nodes).filter(|peer| *peer != node) {
            let slot = self.slot();
            let number = self.links[self.link(node, peer)].sent;
            for (at, word) in self.payloads[slot as usize].as_chunks_mut::<8>().0.iter_mut().zip(number..) {
                *at = word.to_le_bytes();
            }
            self.send(node, peer, slot, false);
        }
        self.arm(node, self.now + self.every);
    }

    fn deliver(&mut self, (from, to): (u32, u32), slot: u32, answer: bool) {
        self.hash.word(u64::from(from) << 32 | u64::from(to));
        self.hash.bytes(&self.payloads[slot as usize]);
        if answer {
            self.answered += 1;
            self.free.push(slot);
        } else {
            self.send(to, from, slot, true);
        }
    }

    fn send(&mut self, from: u32, to: u32, slot: u32, answer: bool) {
        let index = self.link(from, to);
        let link = &mut self.links[index];
        let at = self.now + LATENCY + SimSpan::from_nanos(link.jitter.below(link.sent, JITTER_NANOS + 1));
        link.sent += 1;
        let tie = link.tie.tie(at.as_nanos());
        self.queue.push(at, tie, Event::Message { from, to, slot, answer });
    }

    fn arm(&mut self, node: u32, at: SimTime) {
        let tie = self.timers[node as usize].tie(at.as_nanos());
        self.queue.push(at, tie, Event::Timer { node });
    }

    fn slot(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.payloads.push([0; 64]);
            u32::try_from(self.payloads.len() - 1).unwrap_or_else(|_| fail("too many messages"))
        })
    }

    fn link(&self, from: u32, to: u32) -> usize {
        (from * self.nodes + to) as usize
    }
}
